"""Files in a request: each dialect's own words, what is refused before anything is sent, and texts for every model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from resilient_stream import Client, FilePart, FunctionCall, ImagePart, InvalidRequest, Message, RetryPolicy, TextPart
from resilient_stream.contract import Endpoint, Request
from resilient_stream.fitting.features import unsupported
from resilient_stream.fitting.files import ALL_FILES, forms, refused, with_texts
from resilient_stream.providers import adapter_for
from resilient_stream.target import Target
from resilient_stream.testing import End, FakeProvider, Text

pytestmark = pytest.mark.usefixtures("nothing_left")

PDF = FilePart(data=b"%PDF-1.4 ", name="Q3 report (final).pdf")
PDF_TEXT = PDF.data
LINK = FilePart(url="https://example.com/a.pdf")
UPLOAD = FilePart(id="f-1", media_type="application/pdf")
NOTE = FilePart(data=b"Hello.", name="a.txt")
WAV = FilePart(data=b"RIFF\x04\0\0\0WAVE")
FLAC = FilePart(data=b"fLaC", name="a.flac")
FILM = FilePart(url="https://example.com/a.mp4")
SHEET = FilePart(data=b"PK", name="a.xlsx")
ON_S3 = FilePart(url="s3://bucket/a.mp4")
PICTURE = FilePart(id="f-1", media_type="image/*")
CLAUDE = "bedrock:anthropic.claude-haiku-4-5-v1:0"
INVOKE = {"api": "invoke"}


def asked(target: str, part: FilePart, options: Mapping[str, Any] = {}) -> Request:
    """A request with a text and a file."""
    said = Message(role="user", content=(TextPart(text="See"), part))
    return Request(messages=(said,), target=Target(target, **options))


def content(target: str, part: FilePart, options: Mapping[str, Any] = {}) -> Any:
    """What is sent of the file, after the text."""
    adapter = adapter_for(target.partition(":")[0])
    able = adapter.capabilities(target.partition(":")[2])
    request = asked(target, part, options)
    assert unsupported(request, able) is None
    sent = adapter.encode(with_texts(request, able.files), Endpoint(base_url=adapter.base_url))
    body = msgspec.json.decode(sent.body, type=dict[str, Any])  # type: ignore[union-attr]
    turns = body.get("messages") or body.get("contents") or body.get("input")
    parts = turns[0].get("content", turns[0].get("parts"))
    assert len(parts) == 2
    return parts[1]


SENT: list[tuple[str, FilePart, dict[str, Any], Any]] = [
    ("openai:gpt-5", UPLOAD, {}, {"type": "file", "file": {"file_id": "f-1"}}),
    ("openai:gpt-5", FilePart(data=b"ID3x"), {},
     {"type": "input_audio", "input_audio": {"data": "SUQzeA==", "format": "mp3"}}),
    ("openrouter:a/b", LINK, {}, {"type": "file", "file": {"filename": "file.pdf", "file_data": LINK.url}}),
    ("openrouter:a/b", FilePart(data=b"x", name="a.m4a"), {},
     {"type": "input_audio", "input_audio": {"data": "eA==", "format": "m4a"}}),
    ("openrouter:a/b", FILM, {}, {"type": "video_url", "video_url": {"url": FILM.url}}),
    ("mistral:m", SHEET, {}, {"type": "document_url", "document_name": "a.xlsx",
                              "document_url": f"data:{SHEET.media_type};base64,UEs="}),
    ("mistral:m", FilePart(url="https://example.com/a.mp3"), {},
     {"type": "input_audio", "input_audio": "https://example.com/a.mp3"}),
    ("vllm:m", FilePart(url="https://example.com/a.mp3"), {},
     {"type": "audio_url", "audio_url": {"url": "https://example.com/a.mp3"}}),
    ("vllm:m", WAV, {}, {"type": "input_audio", "input_audio": {"data": WAV.data, "format": "wav"}}),
    ("sglang:m", FILM, {}, {"type": "video_url", "video_url": {"url": FILM.url}}),
    ("perplexity:sonar", PDF, {},
     {"type": "file_url", "file_url": {"url": PDF_TEXT}, "file_name": "Q3 report (final).pdf"}),
    ("alibaba:qwen-omni", WAV, {},
     {"type": "input_audio", "input_audio": {"data": f"data:audio/wav;base64,{WAV.data}", "format": "wav"}}),
    ("zai:glm-5", LINK, {}, {"type": "file_url", "file_url": {"url": LINK.url}}),
    ("vercel:a/b", PDF, {}, {"type": "file", "file": {"data": PDF_TEXT, "media_type": "application/pdf",
                                                      "filename": "Q3 report (final).pdf"}}),
    ("openai-responses:gpt-5", PICTURE, {}, {"type": "input_image", "file_id": "f-1", "detail": "auto"}),
    ("openai-responses:gpt-5", SHEET, {}, {"type": "input_file", "filename": "a.xlsx",
                                           "file_data": f"data:{SHEET.media_type};base64,UEs="}),
    ("xai-responses:grok-4", LINK, {}, {"type": "input_file", "file_url": LINK.url}),
    ("anthropic:claude-haiku-4-5", PICTURE, {}, {"type": "image", "source": {"type": "file", "file_id": "f-1"}}),
    ("gemini:gemini-2.5-flash", FILM, {}, {"fileData": {"mimeType": "video/mp4", "fileUri": FILM.url}}),
    ("gemini-interactions:gemini-2.5-flash", FILM, {}, {"type": "video", "mime_type": "video/mp4", "uri": FILM.url}),
    (CLAUDE, PDF, {}, {"document": {"format": "pdf", "name": "Q3 report (final)", "source": {"bytes": PDF_TEXT}}}),
    (CLAUDE, SHEET, {}, {"document": {"format": "xlsx", "name": "a", "source": {"bytes": "UEs="}}}),
    (CLAUDE, ON_S3, {}, {"video": {"format": "mp4", "source": {"s3Location": {"uri": ON_S3.url}}}}),
    (CLAUDE, WAV, {}, {"audio": {"format": "wav", "source": {"bytes": WAV.data}}}),
    (CLAUDE, PDF, INVOKE, {"type": "document", "title": PDF.name,
                           "source": {"type": "base64", "media_type": "application/pdf", "data": PDF_TEXT}}),
]  # fmt: skip


@pytest.mark.parametrize(("target", "part", "options", "sent"), SENT)
def test_each_dialect_has_its_own_words(
    target: str, part: FilePart, options: Mapping[str, Any], sent: dict[str, Any]
) -> None:
    """A file is written as the provider's documents say."""
    assert content(target, part, options) == sent


@pytest.mark.parametrize(
    ("target", "part", "said"),
    [
        ("openai:gpt-5", LINK, "PDF files by a link (give their bytes, data= or the id of an upload, id=)"),
        ("openai:gpt-5", FILM, "video files"),
        ("anthropic:claude-haiku-4-5", WAV, "audio files"),
        ("anthropic:claude-haiku-4-5", SHEET, "office documents"),
        ("xai-responses:grok-4", PDF, "PDF files by their bytes (give a link, url= or the id of an upload, id=)"),
        ("ollama:qwen3", PDF, "PDF files"),
        ("local:smollm2", UPLOAD, "PDF files"),
        ("claude-code:default", PDF, "PDF files"),
        ("groq:llama", FilePart(data=b"x", media_type="application/zip"), "files of this type"),
        ("gemini:gemini-2.5-flash", SHEET, "office documents"),
    ],
)
def test_what_a_dialect_does_not_take_is_said_with_what_would_do(target: str, part: FilePart, said: str) -> None:
    """Before anything is sent; a third party's adapter that says nothing of files takes none."""
    able = adapter_for(target.partition(":")[0]).capabilities(target.partition(":")[2])
    failure = unsupported(asked(target, part), able)
    assert failure is not None
    assert failure.facts == {"feature": said}


@pytest.mark.parametrize(
    ("target", "part", "options", "said"),
    [
        ("openai:gpt-5", FLAC, {}, "audio files of this format .give mp3 or wav"),
        (CLAUDE, LINK, {}, "files by link .their bytes would do"),
        (CLAUDE, ON_S3, INVOKE, "files by link"),
        (CLAUDE, FilePart(data=b"x", name="a.pptx"), {}, "office documents of this format"),
        ("bedrock:meta.llama3-8b-instruct-v1:0", NOTE, INVOKE, "files and schemas by api='invoke'"),
        ("bedrock:openai.gpt-oss-20b-1:0", NOTE, INVOKE, "files by api='invoke' for this model"),
    ],
)  # fmt: skip
def test_what_only_the_format_or_the_api_tells_is_refused_too(
    target: str, part: FilePart, options: Mapping[str, Any], said: str
) -> None:
    """A host's formats, an address, an API of Bedrock."""
    with pytest.raises(InvalidRequest, match=said):
        content(target, part, options)


async def test_a_target_that_takes_no_such_file_is_not_asked_and_the_next_one_is() -> None:
    """The first target is told nothing, the second gets the file."""
    async with FakeProvider([Text("A report."), End()]) as provider:
        targets = provider.target("ollama", model="qwen3"), provider.target("gemini", model="gemini-2.5-flash")
        async with Client(*targets) as client:
            answer = await client.complete([Message(role="user", content=[PDF, TextPart(text="Sum up.")])])
        assert answer.text == "A report."
        (request,) = provider.requests
    assert request.json["contents"][0]["parts"][0] == {"inlineData": {"mimeType": "application/pdf", "data": PDF_TEXT}}


@pytest.mark.parametrize("provider_name", ["ollama", "groq", "mistral"])
async def test_a_text_file_can_be_read_everywhere(provider_name: str) -> None:
    """A dialect without documents gets the text of it, with its name."""
    async with FakeProvider([Text("x"), End()]) as provider:
        async with Client(provider.target(provider_name, model="m"), retry=RetryPolicy.off()) as client:
            await client.complete([Message(role="user", content=[TextPart(text="Read."), NOTE])])
        (said,) = provider.requests[0].json["messages"]
    assert said["content"] == 'Read.\n<document name="a.txt">\nHello.\n</document>\n'


def test_a_request_without_files_stays_the_same_object() -> None:
    """Nothing is copied for it."""
    request = Request(messages=(Message(role="user", content="Hi"),), target=Target("groq:x"))
    assert with_texts(request, frozenset()) is request
    assert refused(request, frozenset()) is None
    pdf = asked("groq:x", PDF)
    assert with_texts(pdf, frozenset()) is pdf
    assert forms(pdf="data url") == {"pdf data", "pdf url"} < ALL_FILES


# -- uploads at Anthropic ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, "files-api-2025-04-14"),
        ({"Anthropic-Beta": "a-1, files-api-2025-04-14"}, "files-api-2025-04-14,a-1"),
    ],
)
async def test_an_upload_is_announced_beside_the_callers_own_features(given: dict[str, str], sent: str) -> None:
    """The header's names of both are sent, each once."""
    async with FakeProvider([Text("x"), End()]) as provider:
        async with Client(provider.target("anthropic", model="claude-haiku-4-5")) as client:
            await client.complete([Message(role="user", content=[UPLOAD, TextPart(text="x")])], headers=given)
        assert provider.requests[0].headers["anthropic-beta"] == sent


# -- results of tools -------------------------------------------------------------------------

RESULT = [
    Message(role="user", content="Fetch it."),
    Message(role="assistant", tool_calls=[FunctionCall(id="c1", name="fetch")]),
    Message(role="tool", tool_call_id="c1", name="fetch", content=[TextPart(text="Here."), PDF]),
]


def sent_result(target: str) -> dict[str, Any]:
    """The body with a tool's result that has a file."""
    adapter = adapter_for(target.partition(":")[0])
    request = Request(messages=tuple(RESULT), target=Target(target))
    sent = adapter.encode(request, Endpoint(base_url=adapter.base_url))
    return msgspec.json.decode(sent.body, type=dict[str, Any])  # type: ignore[union-attr]


def test_a_file_in_a_result_stays_there_where_the_dialect_takes_it() -> None:
    """Anthropic, Bedrock, the Responses API and Interactions take documents in results."""
    result = sent_result("anthropic:claude-haiku-4-5")["messages"][-1]["content"][0]
    assert [block["type"] for block in result["content"]] == ["text", "document"]
    (block,) = sent_result(CLAUDE)["messages"][-1]["content"]
    assert [*block["toolResult"]["content"][1]] == ["document"]
    output = sent_result("openai-responses:gpt-5")["input"][-1]["output"]
    assert [part["type"] for part in output] == ["input_text", "input_file"]
    result = sent_result("gemini-interactions:gemini-2.5-flash")["input"][-1]["result"]
    assert [part["type"] for part in result] == ["text", "document"]


def test_elsewhere_it_stands_behind_the_result() -> None:
    """Gemini takes it beside the result, chat completions in a turn of the user behind all results."""
    parts = sent_result("gemini:gemini-2.5-flash")["contents"][-1]["parts"]
    assert [[*part] for part in parts] == [["functionResponse"], ["inlineData"]]
    *_, result, user = sent_result("openai:gpt-5")["messages"]
    assert result["content"] == "Here.\n\n(See the file in the message that follows.)"
    assert [part["type"] for part in user["content"]] == ["text", "file"]


def test_a_tool_may_return_a_file() -> None:
    """A file among values is named, and follows them, as a picture does."""
    from resilient_stream.conversation.tools import encode_parts

    picture = ImagePart.of(b"\x89PNG\r\n\x1a\n")
    assert encode_parts([PDF, "text"], "fetch") == (PDF, TextPart(text="text"))
    text, *shown = encode_parts({"a": picture, "b": PDF}, "fetch")
    assert text == TextPart(text='{"a":"[picture 1]","b":"[file 2]"}')
    assert shown == [picture, PDF]


# -- citations of documents ---------------------------------------------------------------------

CITED = PDF.model_copy(update={"citations": True})
ON = {"enabled": True}


@pytest.mark.parametrize(
    ("target", "options", "inside"),
    [
        ("anthropic:claude-haiku-4-5", {}, ()),
        (CLAUDE, INVOKE, ()),
        (CLAUDE, {}, ("document",)),
    ],
)
def test_citations_are_asked_for_where_they_can_be_had(
    target: str, options: dict[str, Any], inside: tuple[str, ...]
) -> None:
    """In the document's block, and only where they were asked for."""
    cited, plain = content(target, CITED, options), content(target, PDF, options)
    for name in inside:
        cited, plain = cited[name], plain[name]
    assert cited.pop("citations") == ON
    assert cited == plain


@pytest.mark.parametrize(
    "target", ["openai:gpt-5", "gemini:gemini-2.5-pro", "bedrock:amazon.nova-pro-v1:0", "cohere:c"]
)
async def test_a_target_that_cannot_cite_is_not_asked(target: str) -> None:
    """Its answer would have no citations; the refusal says what could not be had."""
    adapter = adapter_for(target.partition(":")[0])
    failure = unsupported(asked(target, CITED), adapter.capabilities(target.partition(":")[2]))
    assert failure is not None
    assert failure.facts["feature"] == "citations of passages in a file (citations=True)"
