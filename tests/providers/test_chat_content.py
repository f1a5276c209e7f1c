"""What stands beside the text of a chat completion, from every host: sources, files, tools of the host, probabilities.

An answer is read as a stream, cut at every byte, and in one piece. What a host takes back is sent to it in its own
fields, and to nobody else.
"""

from __future__ import annotations

import base64
import dataclasses
import itertools
import json
import time
from collections.abc import Iterable
from typing import Any

import pytest

from resilient_stream import Client, HostedTool, Message, OpaquePart, StreamError, Target, TextPart, Transcript
from resilient_stream.chunks import (
    Chunk,
    File,
    Finished,
    Logprobs,
    Raw,
    ReasoningDelta,
    ServerToolCall,
    ServerToolResult,
    Source,
    TextDelta,
)
from resilient_stream.contract import Endpoint, Request
from resilient_stream.providers import adapter_for
from resilient_stream.providers.openai.chat import OpenAIChat
from resilient_stream.providers.openai.chat_beside import READ
from resilient_stream.providers.openai.chat_events import CHOICE, EVENT, SPEECH
from resilient_stream.providers.openai.hosts import HOSTS
from resilient_stream.providers.shared.encoded import Pieces, in_data_url
from resilient_stream.testing import FakeProvider, serve_bytes
from tests.providers.test_openai import encode
from tests.providers.test_second_places import chat, delta, message, sse

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(40))
PICTURE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(PNG).decode()}"}}
SOUND = bytes(range(200))
END = delta(None, "stop")


def _request(provider: str = "openai", **extra: Any) -> Request:
    return Request(target=Target(f"{provider}:m"), messages=(Message(role="user", content="hi"),), extra=extra)


def read(body: bytes, provider: str = "openai", *, step: int = 0, **extra: Any) -> list[Chunk]:
    """The chunks of a stream, without its end. step: bytes of each read."""
    decoder = adapter_for(provider).decoder(_request(provider, **extra))
    pieces = [body] if not step else [body[at : at + step] for at in range(0, len(body), step)]
    chunks = [chunk for piece in pieces for chunk in decoder.feed(piece)] + decoder.finish()
    assert (decoder.failure, decoder.done) == (None, True)
    return [chunk for chunk in chunks if not isinstance(chunk, Finished)]


def read_whole(said: dict[str, Any], provider: str = "openai", **extra: Any) -> list[Chunk]:
    """The chunks of the same message in one piece."""
    adapter: Any = adapter_for(provider)
    decoder = adapter.whole_decoder(_request(provider, **extra))
    beside = {name: said.pop(name) for name in ("top", "choice") if name in said}
    choice = {"index": 0, "message": {"role": "assistant", **said}, "finish_reason": "stop", **beside.get("choice", {})}
    decoder.feed(json.dumps({"choices": [choice], **beside.get("top", {})}).encode())
    chunks = decoder.finish()
    assert (decoder.failure, decoder.done) == (None, True)
    return [chunk for chunk in chunks if not isinstance(chunk, Finished)]


def _but_text(chunks: Iterable[Chunk]) -> list[Chunk]:
    return [chunk for chunk in chunks if not isinstance(chunk, TextDelta)]


def cited(**fields: Any) -> dict[str, Any]:
    """An annotation as OpenAI writes it."""
    return {"type": "url_citation", "url_citation": fields}


# -- sources ------------------------------------------------------------------------------------

PAGE = {"url": "https://a.test", "title": "A"}
ANNOTATIONS: dict[str, tuple[Any, Source]] = {
    "nested": (cited(**PAGE, start_index=3, end_index=7), Source("https://a.test", "A", "", 3, 7)),
    "flat": (
        {"type": "url_citation", **PAGE, "start_index": 3, "end_index": 7}, Source("https://a.test", "A", "", 3, 7),
    ),
    "no place": (cited(**PAGE, start_index=0, end_index=0, content="so"), Source("https://a.test", "A", "so")),
    "backwards": (cited(**PAGE, start_index=7, end_index=3), Source("https://a.test", "A")),
    "a document": (
        {"type": "document_citation", "document_citation": {"document_id": "d1", "start_index": 0, "end_index": 4}},
        Source(id="d1", start=0, end=4),
    ),
    "a tool": (
        {"type": "function_citation", "function_citation": {"tool_call_id": "c1", "start_index": 0, "end_index": 4}},
        Source(id="c1", start=0, end=4),
    ),
    "a file": (
        {"type": "file_citation", "file_citation": {"file_id": "f1", "filename": "a.pdf", "index": 3}},
        Source(title="a.pdf", id="f1"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("annotation", "source"), ANNOTATIONS.values(), ids=ANNOTATIONS)
@pytest.mark.parametrize("step", [0, 1])
def test_an_annotation_is_a_source(annotation: Any, source: Source, step: int) -> None:
    """Nested or flat, with its place if that is a place of the text; the text stays as it is."""
    body = chat(delta("It is so."), delta(None, annotations=[annotation]), END)
    assert read(body, step=step) == [TextDelta("It is so."), source]
    assert read_whole({"content": "It is so.", "annotations": [annotation]}) == [TextDelta("It is so."), source]


LISTS: dict[str, tuple[str, dict[str, Any], list[Source]]] = {
    "addresses": (
        "xai", {"citations": ["https://a.test", "https://b.test"]},
        [Source("https://a.test", id="1"), Source("https://b.test", id="2")],
    ),
    "addresses beside results": (
        "perplexity",
        {
            "citations": ["https://a.test"],
            "search_results": [{**PAGE, "snippet": "so", "date": "2026-01-01", "source": "web"}],
        },
        [Source("https://a.test", "A", "so", id="1")],
    ),
    "results with names of their own": (
        "zai",
        {"web_search": [{"title": "A", "link": "https://a.test", "content": "so", "media": "x", "refer": "ref_1"}]},
        [Source("https://a.test", "A", "so", id="ref_1")],
    ),
    "results in an object": (
        "alibaba", {"search_info": {"search_results": [{"index": 4, "site_name": "x", **PAGE}]}},
        [Source("https://a.test", "A", id="4")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("provider", "fields", "sources"), LISTS.values(), ids=LISTS)
def test_a_list_that_comes_with_every_event_is_given_once(
    provider: str, fields: dict[str, Any], sources: list[Source]
) -> None:
    """Each source has its number, as the marks in the text say; the list that says more of it wins."""
    events = [{"choices": [{"index": 0, **each}], **fields} for each in (delta("So [1]"), delta("."), END)]
    assert _but_text(read(sse(events, done=True), provider)) == sources
    assert _but_text(read_whole({"content": "So [1].", "top": fields}, provider)) == sources


def test_a_list_beside_a_later_text_is_read() -> None:
    """Where the request has something to search, no text hides what stands beside it."""
    choices = [{"choices": [{"index": 0, **delta(piece)}]} for piece in ("So", " it", " is", ".")]
    choices[2]["web_search"] = [{"link": "https://a.test", "refer": "ref_1"}]
    decoder = adapter_for("zai").decoder(_request("zai", tools=[{"type": "web_search"}]))
    chunks = [chunk for each in choices for chunk in decoder.feed(sse([each]))]
    assert _but_text(chunks) == [Source("https://a.test", id="ref_1")]


def test_a_hosted_search_is_something_to_search() -> None:
    """So what stands beside a later text is read there, too."""
    choices = [{"choices": [{"index": 0, **delta(piece)}]} for piece in ("So", " it", " is", ".")]
    choices[2]["web_search"] = [{"link": "https://a.test", "refer": "ref_1"}]
    decoder = adapter_for("zai").decoder(dataclasses.replace(_request("zai"), hosted=(HostedTool("web_search"),)))
    chunks = [chunk for each in choices for chunk in decoder.feed(sse([each]))]
    assert _but_text(chunks) == [Source("https://a.test", id="ref_1")]


def test_a_source_that_says_more_than_before_is_given_again() -> None:
    """Its address came first, and its title later."""
    events = [{"citations": ["https://a.test"]}, {"search_results": [PAGE]}, {"citations": ["https://a.test"]}]
    body = sse(({"choices": [{"index": 0, **delta("a")}], **each} for each in events), done=True)
    assert _but_text(read(body)) == [Source("https://a.test", id="1"), Source("https://a.test", "A", id="1")]


def test_documents_that_were_searched_for_an_answer_are_sources() -> None:
    """Azure's own data: what was searched for is no content."""
    context = {
        "citations": [{"content": "so", "title": "A", "url": "https://a.test", "chunk_id": "0"}],
        "intent": "[q]",
    }
    assert _but_text(read(chat(delta("So.", context=context), END), "azure")) == [
        Source("https://a.test", "A", "so", id="0")
    ]


def test_references_stand_where_the_text_refers() -> None:
    """Mistral names what its tools found; a streamed one tells the place in the text where it stands."""
    parts = [
        {"type": "text", "text": "It is"},
        {"type": "reference", "reference_ids": [0, "b"]},
        {"type": "text", "text": " so."},
    ]
    tool = {"type": "tool_reference", "tool": "web_search", "title": "A", "url": "https://a.test", "description": "so"}
    expected = [Source(id="0", start=5, end=5), Source(id="b", start=5, end=5), Source("https://a.test", "A", "so")]
    assert _but_text(read(chat(delta(parts), delta([tool]), END), "mistral")) == expected
    in_pieces = chat(delta("It"), delta(" is"), delta(parts[1:2]), delta(" so."), delta([tool]), END)
    assert _but_text(read(in_pieces, "mistral")) == expected
    assert read(chat(delta([{"type": "reference", "reference_ids": [0]}]), END)) == [Source(id="0", start=0, end=0)]
    found = _but_text(read_whole({"content": [*parts, tool]}, "mistral"))
    assert found == [Source(id="0"), Source(id="b"), expected[-1]]


def test_an_annotation_of_a_part_has_no_place() -> None:
    """Its place is counted within the part, and other parts may stand before it."""
    part = {"type": "text", "text": "It is so.", "annotations": [cited(**PAGE, start_index=0, end_index=5)]}
    assert read(chat(delta([part]), END)) == [TextDelta("It is so."), Source("https://a.test", "A")]


def test_what_is_no_source_is_passed_on_once() -> None:
    """In the form in which it came, and counted."""
    events = ({"choices": [{"index": 0, **each}], "citations": [{"new": ["x"]}]} for each in (delta("a"), END))
    assert _but_text(read(sse(events, done=True))) == [Raw("openai", "citations", {"new": ["x"]})]


# -- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [0, 1])
def test_a_picture_is_a_file(step: int) -> None:
    """With its bytes, and the form in which OpenRouter takes it back; a message that repeats it changes nothing."""
    file = File("image/png", PNG, native={"images": [PICTURE]})
    body = chat(delta("Here.", images=[PICTURE]), message("Here.", "stop", images=[PICTURE]))
    assert read(body, "openrouter", step=step) == [TextDelta("Here."), file]
    assert read_whole({"content": "Here.", "images": [PICTURE]}, "openrouter") == [TextDelta("Here."), file]


FILES: dict[str, tuple[dict[str, Any], File]] = {
    "a part": (delta([PICTURE]), File("image/png", PNG, native={"images": []})),
    "base64 alone": (
        delta(None, images=[base64.b64encode(PNG).decode()]), File("image/png", PNG, native={"images": []}),
    ),
    "a link": (delta(None, images=[{"url": "https://a.test/x"}]), File("image/*", url="https://a.test/x")),
    "found by a search": (
        delta(None, images=[{"image_url": "https://a.test/x", "origin_url": "https://a.test"}]),
        File("image/*", url="https://a.test/x"),
    ),
    "an id": (
        delta([{"type": "tool_file", "tool": "code", "file_id": "f1", "file_type": "text/csv"}]),
        File("text/csv", id="f1"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("said", "file"), FILES.values(), ids=FILES)
def test_a_file_is_read_by_its_fields(said: dict[str, Any], file: File) -> None:
    """As data, as a link, or by the id with which it can be fetched."""
    assert read(chat(said, END)) == [file]


def test_what_is_no_file_is_passed_on() -> None:
    """A picture without data is none."""
    assert read(chat(delta(None, images=[{"new": ["x"]}]), END)) == [Raw("openai", "images", {"new": ["x"]})]
    assert read(chat(delta([{"type": "hologram", "data": "!"}]), END)) == [
        Raw("openai", "hologram", {"type": "hologram", "data": "!"})
    ]


def _spoken(*sizes: int, padded: bool) -> list[str]:
    """Base64 in pieces: cut anywhere, or each piece with its own padding."""
    if padded:
        return [base64.b64encode(SOUND[at : at + 50]).decode() for at in range(0, 200, 50)]
    text = base64.b64encode(SOUND).decode()
    places = [0, *sizes, len(text)]
    return [text[start:end] for start, end in itertools.pairwise(places)]


LATER = int(time.time()) + 3600
WORDS = [{"id": "audio_1", "transcript": "Hel"}, {"transcript": "lo."}]
SPOKEN = File("audio/pcm", SOUND, id="audio_1", text="Hello.", native={"audio": {"id": "audio_1", "expires_at": LATER}})


def _recording(pieces: Iterable[str]) -> list[dict[str, Any]]:
    said = [*WORDS, *({"id": "audio_1", "data": piece} for piece in pieces), {"expires_at": LATER}]
    return [delta(None, audio=each) for each in said]


@pytest.mark.parametrize("pieces", [_spoken(7, 50, 51, padded=False), _spoken(padded=True)], ids=["cut", "padded"])
def test_a_recording_is_one_file_at_the_end(pieces: list[str]) -> None:
    """Its bytes from all pieces, and its words, which are the answer's text."""
    body = chat(*_recording(pieces), END)
    for step in (0, 7):
        assert read(body, audio={"voice": "alloy", "format": "pcm16"}, step=step) == [SPOKEN]


def test_a_recording_in_one_piece_is_the_same_file() -> None:
    """Its format is the one that was asked for, or what its first bytes say."""
    audio = {"id": "audio_1", "transcript": "Hello.", "data": base64.b64encode(SOUND).decode(), "expires_at": LATER}
    assert read_whole({"content": None, "audio": audio}, audio={"format": "pcm16"}) == [SPOKEN]
    wave = b"RIFF\0\0\0\0WAVEfmt "
    [file] = read_whole({"content": None, "audio": {"data": base64.b64encode(wave).decode()}})
    assert isinstance(file, File)
    assert (file.media_type, file.data, file.text) == ("audio/wav", wave, "")


def test_a_message_that_repeats_a_recording_adds_nothing() -> None:
    """Some gateways send the whole message behind its pieces."""
    again = {"id": "audio_1", "transcript": "Hello.", "data": base64.b64encode(SOUND).decode()}
    body = chat(*_recording(_spoken(padded=True)), message(None, "stop", audio=again))
    assert read(body, audio={"format": "pcm16"}) == [SPOKEN]


@pytest.mark.parametrize("odd", ["<wave>", "QUJD-*", "QUJDR===", "A\u00e4AA"])
def test_a_piece_of_a_recording_that_is_no_base64_is_passed_on(odd: str) -> None:
    """It is a `Raw`, and counted; what stands around it is the recording."""
    first, last = base64.b64encode(SOUND[:99]).decode(), base64.b64encode(SOUND[99:]).decode()
    body = chat(*(delta(None, audio={"data": each}) for each in (first, odd, last)), END)
    raw, file = read(body, audio={"format": "pcm16"})
    assert raw == Raw("openai", "audio", {"data": odd})
    assert isinstance(file, File)
    assert file.data == SOUND


def test_a_recording_is_progress() -> None:
    """Nothing leaves until its end, and the clock that watches for silence still sees that it comes."""
    decoder = adapter_for("openai").decoder(_request())
    seen = []
    for each in _recording(_spoken(padded=True)):
        assert decoder.feed(sse([{"choices": [{"index": 0, **each}]}])) == []
        seen.append(decoder.progress)
    assert seen == sorted(set(seen))
    assert seen[0] > 0


async def _spoken_to(transcript: Transcript, body: bytes) -> Transcript:
    async with FakeProvider(serve_bytes(body, "text/event-stream")) as server:
        async with Client(server.target("openai")) as client:
            try:
                return await client.complete("hi", extra={"audio": {"voice": "alloy", "format": "pcm16"}})
            except StreamError as error:
                return Transcript.of(error) or transcript


async def test_what_came_of_a_recording_is_kept() -> None:
    """A cut or an error leaves the words and the bytes that had come; the outcome says that it is not whole."""
    said = _recording(_spoken(64, 128, padded=False))[:4]
    error = sse([{"error": {"message": "boom", "code": 500}}])
    for body in (chat(*said).removesuffix(b"data: [DONE]\n\n"), chat(*said).removesuffix(b"data: [DONE]\n\n") + error):
        transcript = await _spoken_to(Transcript(), body)
        assert transcript.outcome == "failed"
        [file] = transcript.files
        assert (file.text, file.data) == ("Hello.", SOUND[:96])
        assert transcript.text == "Hello."
    transcript = await _spoken_to(Transcript(), chat(*_recording(_spoken(padded=True)), END))
    assert (transcript.outcome, transcript.text, transcript.files) == ("complete", "Hello.", (SPOKEN,))


def test_a_recording_is_bounded() -> None:
    """No more of it is held than one event may have."""
    decoder = adapter_for("openai").decoder(Request(target=Target("openai:m"), messages=(), max_event_bytes=1 << 16))
    piece = chat(delta(None, audio={"data": "A" * 30_000}))
    chunks = [chunk for _ in range(100) for chunk in decoder.feed(piece.removesuffix(b"data: [DONE]\n\n"))]
    assert decoder.failure is not None
    assert [type(chunk) for chunk in chunks] == [File]


@pytest.mark.parametrize("name", ["citations", "annotations"])
def test_what_is_remembered_is_bounded(name: str) -> None:
    """A server that never stops to name new sources, or new things that are none, is stopped."""
    decoder = adapter_for("openai").decoder(Request(target=Target("openai:m"), messages=(), max_event_bytes=1 << 16))
    for start in range(0, 100_000, 2_000):
        items: list[Any] = [f"https://a.test/{number}" for number in range(start, start + 2_000)]
        items = items if name == "citations" else [{"new": [each]} for each in items]
        decoder.feed(sse([{"choices": [{"index": 0, **delta(None)}], name: items}]))
        if decoder.failure is not None:
            return
    raise AssertionError("all of it was remembered")


def test_the_last_event_is_read_without_its_blank_line() -> None:
    """What stands beside its text is not lost."""
    body = chat(delta("So.")).removesuffix(b"data: [DONE]\n\n")
    last = sse([{"choices": [{"index": 0, **END}], "citations": ["https://a.test"]}]).rstrip()
    assert _but_text(read(body + last)) == [Source("https://a.test", id="1")]


def test_base64_is_decoded_as_far_as_it_goes() -> None:
    """What is cut off within a group loses that group's last bytes, and what is no base64 is nothing."""
    pieces = Pieces()
    assert [pieces.add(each) for each in ("QU", "JD", "\nRA==", "RQ", "==Rg")] == [0, 3, 1, 0, 1]
    assert pieces.end() == b"ABCDEF"
    assert in_data_url("data:image/png;base64,QUI=") == ("image/png", b"AB")
    assert in_data_url("data:;base64,JVBERi0x") == ("application/pdf", b"%PDF-1")
    assert in_data_url("data:text/plain,QUI=") is None
    assert in_data_url("data:image/png;base64,!!") is None


# -- tools of the host --------------------------------------------------------------------------

RAN = {"index": 0, "type": "search", "arguments": '{"query":"x"}'}
FOUND = {"output": "Title: A", "search_results": {"results": [{**PAGE, "score": 0.9}]}}


@pytest.mark.parametrize("step", [0, 1])
def test_a_tool_of_the_host_is_a_call_and_its_result(step: int) -> None:
    """The call comes once, when it begins, and its result when it is there."""
    begun, done = {**RAN, "search_results": {"results": []}}, {**RAN, **FOUND}
    drawn = {"index": 1, "type": "python", "arguments": "plot()"}
    png = {"code_results": [{"png": base64.b64encode(PNG).decode()}]}
    body = chat(
        delta(reasoning="I look. "), delta(executed_tools=[begun]), delta(executed_tools=[done]),
        delta(executed_tools=[done, {**drawn, **png}]), delta("So."), END,
    )  # fmt: skip
    expected = [
        ServerToolCall("executed_0", "search", '{"query":"x"}', {"query": "x"}),
        ServerToolResult("executed_0", "search", FOUND),
        ServerToolCall("executed_1", "python", "plot()"),
        ServerToolResult("executed_1", "python", png),
        File("image/png", PNG),
    ]
    assert _but_text(read(body, "groq", step=step))[1:] == expected
    tools = [done, {**drawn, **png}]
    assert _but_text(read_whole({"content": "So.", "executed_tools": tools}, "groq")) == expected


def test_steps_before_an_answer_are_thoughts_and_tools() -> None:
    """Perplexity tells what it searched for; a message so far repeats the steps."""
    searched = {"search_keywords": ["x"], "search_results": [PAGE]}
    search = {"thought": "I look.", "type": "web_search", "web_search": searched}
    code = {"thought": "", "execute_python": {"code": "1+1", "result": "2"}}
    odd = {"thought": "", "teleport": {"to": "Oslo"}}
    body = chat(
        delta(None, reasoning_steps=[search]), delta("So.", reasoning_steps=[code, odd]),
        message("So.", "stop", reasoning_steps=[search, code, odd]),
    )  # fmt: skip
    assert read(body, "perplexity") == [
        ReasoningDelta("I look."),
        ServerToolCall("step_0", "web_search", '{"search_keywords":["x"]}', {"search_keywords": ["x"]}),
        ServerToolResult("step_0", "web_search", [PAGE]),
        TextDelta("So."),
        ServerToolCall("step_1", "execute_python", '{"code":"1+1"}', {"code": "1+1"}),
        ServerToolResult("step_1", "execute_python", "2"),
        Raw("perplexity", "reasoning_steps", odd),
    ]


def test_films_and_pictures_beside_an_answer_are_files() -> None:
    """Perplexity gives those that it found with every event; questions that one could ask next are a `Raw`."""
    beside = {
        "images": [{"image_url": "https://a.test/a.png", "origin_url": "https://a.test", "height": 9, "width": 9}],
        "videos": [{"url": "https://v.test/watch?v=1", "thumbnail_url": "https://v.test/1.jpg", "duration": 9}],
        "related_questions": ["And then?"],
    }
    events = [{"choices": [{"index": 0, **each}], **beside} for each in (delta("So."), END)]
    assert read(sse(events, done=True), "perplexity") == [
        TextDelta("So."),
        File("image/png", url="https://a.test/a.png"),
        File("video/*", url="https://v.test/watch?v=1"),
        Raw("perplexity", "related_questions", ["And then?"]),
    ]


# -- probabilities, other answers ---------------------------------------------------------------

TOKENS = [{"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": []}, {"token": "!", "logprob": -2.5}]


def _probable() -> bytes:
    choices = ({**delta(each["token"]), "logprobs": {"content": [each], "refusal": None}} for each in TOKENS)
    return chat(*choices, END)


@pytest.mark.parametrize("step", [0, 1])
def test_probabilities_come_where_they_were_asked_for(step: int) -> None:
    """In the host's own form; a host that sends them unasked changes nothing."""
    hi, bang = TOKENS
    assert read(_probable(), logprobs=True, step=step) == [
        TextDelta("Hi"), Logprobs((hi,)), TextDelta("!"), Logprobs((bang,)),
    ]  # fmt: skip
    assert read(_probable(), step=step) == [TextDelta("Hi"), TextDelta("!")]
    whole = {"content": "Hi!", "choice": {"logprobs": {"content": TOKENS}}}
    assert read_whole(dict(whole), top_logprobs=2) == [TextDelta("Hi!"), Logprobs((hi, bang))]
    assert read_whole(dict(whole)) == [TextDelta("Hi!")]
    assert read_whole({**whole, "annotations": [cited(**PAGE)]}) == [TextDelta("Hi!"), Source("https://a.test", "A")]


def test_probabilities_of_another_form_are_passed_on() -> None:
    """The form of old completions, which some hosts still send."""
    old = {"tokens": ["Hi"], "token_logprobs": [-0.1]}
    assert _but_text(read(chat({**delta("Hi"), "logprobs": old}, END), logprobs=1)) == [
        Raw("openai", "logprobs", old, "doubt")
    ]


def test_a_second_answer_is_passed_on() -> None:
    """It is no part of the first one."""
    other = {"index": 1, "delta": {"content": "Ho"}, "finish_reason": None}
    body = sse(
        [{"choices": [{"index": 0, **delta("Hi")}]}, {"choices": [other]}, {"choices": [{"index": 0, **END}]}], True
    )
    assert read(body) == [TextDelta("Hi"), Raw("openai", "choices", [other])]


# -- what goes back -----------------------------------------------------------------------------


def _history(provider: str, *chunks: Chunk) -> list[Message]:
    transcript = Transcript()
    transcript.target = f"{provider}:m"
    transcript._receive([*chunks, Finished("stop", "stop")])
    return transcript.as_history()


def _sent(provider: str, history: list[Message]) -> dict[str, Any]:
    asked = (*history, Message(role="user", content="and?"))
    turn: dict[str, Any] = encode(provider, messages=asked)["messages"][0]
    return turn


def test_a_picture_goes_back_to_who_takes_it() -> None:
    """In OpenRouter's field; others are told that there was one."""
    chunks = read(chat(delta("Here."), delta(None, images=[PICTURE, {**PICTURE, "index": 1}]), END), "openrouter")
    assert _sent("openrouter", _history("openrouter", *chunks)) == {
        "role": "assistant", "content": "Here.", "images": [PICTURE],
    }  # fmt: skip
    chunks = read(chat(delta(None, images=[PICTURE]), END), "openrouter")
    assert _sent("openrouter", _history("openrouter", *chunks)) == {"role": "assistant", "images": [PICTURE]}
    chunks = read(chat(delta("Here."), delta(None, images=[PICTURE]), END), "vercel")
    assert _sent("vercel", _history("vercel", *chunks)) == {"role": "assistant", "content": "Here.[image: image/png]"}


def test_a_recording_goes_back_by_its_id() -> None:
    """As long as the provider has it; then, and for others, its words are the text."""
    history = _history("openai", SPOKEN)
    assert history == [
        Message(role="assistant", content=[OpaquePart(provider="openai", data=SPOKEN.native, text="Hello.")])
    ]
    request = Request(target=Target("openai:m"), messages=(*history, Message(role="user", content="and?")))
    official = adapter_for("openai").encode(request, Endpoint(base_url="https://api.openai.com/v1", api_key="k"))
    assert json.loads(official.body)["messages"][0] == {"role": "assistant", "audio": {"id": "audio_1"}}
    assert _sent("openai", history) == {"role": "assistant", "content": "Hello."}  # at an address of somebody else
    old = File("audio/pcm", SOUND, id="a", text="Hello.", native={"audio": {"id": "a", "expires_at": 1}})
    assert _sent("openrouter", _history("openrouter", old)) == {"role": "assistant", "content": "Hello."}


def test_what_was_made_of_a_file_goes_back() -> None:
    """OpenRouter takes its notes on a file back, beside the text, and does not read the file again."""
    note = {"type": "file", "file": {"hash": "h", "name": "a.pdf", "content": [{"type": "text", "text": "so"}]}}
    chunks = read(chat(delta("So."), delta(None, annotations=[note, cited(**PAGE)]), END), "openrouter")
    assert _but_text(chunks) == [
        Raw("openrouter", "annotations", {"annotations": [note]}, "block"), Source("https://a.test", "A"),
    ]  # fmt: skip
    assert _sent("openrouter", _history("openrouter", *chunks)) == {
        "role": "assistant", "content": "So.", "annotations": [note],
    }  # fmt: skip


def test_two_turns_in_a_row_keep_what_goes_back() -> None:
    """Turns that are joined for a host lose nothing."""
    turn = Message(role="assistant", content=[OpaquePart(provider="vllm", data={"images": [PICTURE]}, text="[p]")])
    said = [turn, Message(role="assistant", content=(TextPart(text="So."),))]
    assert _sent("vllm", said) == {"role": "assistant", "content": "[p]\n\nSo."}
    host = HOSTS["openrouter"]._replace(joins="turns")
    request = Request(target=Target("vllm:m"), messages=(*said, Message(role="user", content="and?")))
    body = OpenAIChat("vllm", host).encode(request, Endpoint(base_url=host.base_url)).body
    assert json.loads(body)["messages"][0] == {"role": "assistant", "content": "So.", "images": [PICTURE]}


def test_text_stays_text_where_a_source_is_cited() -> None:
    """No host wants its annotations back; the sources are on the transcript."""
    body = chat(delta("It is so."), delta(None, annotations=[cited(**PAGE, start_index=3, end_index=5)]), END)
    assert _history("openai", *read(body)) == [Message(role="assistant", content="It is so.")]


def test_what_is_read_is_known() -> None:
    """A field that is read is among the known ones of the objects it may stand in, or it would come as a `Raw`, too."""
    known = SPEECH.read | CHOICE.read | EVENT.read
    assert READ.keys() <= known
