"""Pictures in a request: in one form for every dialect, and where a host takes them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from resilient_stream import Client, ImagePart, Message, RetryPolicy, StreamMisused, TextPart
from resilient_stream.given.pictures import canonical
from resilient_stream.messages import to_messages
from resilient_stream.providers import adapter_for
from resilient_stream.providers.openai.hosts import HOSTS
from resilient_stream.testing import End, FakeProvider, Text
from tests import dialect_rules
from tests.providers.test_requests_hosts import encode
from tests.providers.test_same_conversation import ROWS, Row

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(30)).decode()
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(31)).decode()
WEBP = base64.b64encode(b"RIFF\x10\0\0\0WEBPVP8 " + bytes(30)).decode()
AS_PNG = f"data:image/png;base64,{PNG}"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (f"data:image/jpg;base64,{JPEG}", f"data:image/jpeg;base64,{JPEG}"),
        (f"data:image/pjpeg;base64,{JPEG}", f"data:image/jpeg;base64,{JPEG}"),
        (f"DATA:IMAGE/JPEG;BASE64,{JPEG}", f"data:image/jpeg;base64,{JPEG}"),
        (f"data:image/png;charset=utf-8;name=a.png;base64,{PNG}", AS_PNG),
        (f"data: image/PNG ; base64,{PNG}", AS_PNG),
        (f"data:image/png;base64, {PNG[:9]}\n{PNG[9:]}\n", AS_PNG),
        (f"data:image/png;base64,{PNG.rstrip('=')}", AS_PNG),
        (f"data:;base64,{PNG}", AS_PNG),
        (f"data:image/*;base64,{PNG}", AS_PNG),
        (f"data:image/jpeg;base64,{PNG}", AS_PNG),
        (f"data:image/gif;base64,{JPEG}", f"data:image/jpeg;base64,{JPEG}"),
        (f"data:application/octet-stream;base64,{JPEG}", f"data:image/jpeg;base64,{JPEG}"),
        ("data:image/svg+xml,%3Csvg%2F%3E", "data:image/svg+xml;base64,PHN2Zy8+"),
        ("data:image/gif;base64,-_-_", "data:image/gif;base64,+/+/"),
        (PNG, AS_PNG),
        (JPEG, f"data:image/jpeg;base64,{JPEG}"),
        (f"\n{WEBP[:20]}\n{WEBP[20:]}\n", f"data:image/webp;base64,{WEBP}"),
        (" https://example.com/a.png ", "https://example.com/a.png"),
        ("s3://bucket/a.png", "s3://bucket/a.png"),
    ],
)
def test_a_picture_has_one_form(given: str, wanted: str) -> None:
    """Whichever way it was written; doing it twice changes nothing."""
    assert canonical(given) == canonical(wanted) == wanted
    assert ImagePart(url=given).url == wanted


@pytest.mark.parametrize(
    "given", ["example.com/a.png", "/home/me/a.png", "QUJD", "", "data:image/png;base64", "data:image/png;base64,a*b="]
)
def test_what_is_no_picture_is_refused_by_name(given: str) -> None:
    """A path, a text that is no picture's, half a data URL: said before anything is sent, with its place."""
    history = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": given}}]}]
    with pytest.raises(StreamMisused, match=r"messages\[0\].*(data URL|base64)"):
        to_messages(history)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
async def test_every_dialect_sends_the_media_type_that_is_known(row: Row) -> None:
    """No provider gets `image/jpg` or base64 without a media type."""
    parts = (TextPart(text="Look"), ImagePart(url=f"data:image/jpg;base64,{JPEG}"), ImagePart(url=PNG))
    async with FakeProvider([Text("x"), End()]) as provider:
        target = provider.target(row.provider, model=row.model, **row.options)
        async with Client(target, retry=RetryPolicy.off()) as client:
            await client.complete([Message(role="user", content=parts)])
        body = json.dumps(provider.requests[0].json)
    assert JPEG in body
    assert PNG in body
    assert "image/jpg" not in body


def conversation(*results: tuple[Any, ...]) -> list[Message]:
    """A question, a call for each result, the results, and what the user says then."""
    ids = [f"call{number:05}" for number in range(len(results))]
    calls = [{"id": id, "name": "shot"} for id in ids]
    answers = [Message(role="tool", tool_call_id=id, content=parts) for id, parts in zip(ids, results, strict=True)]
    asked = Message(role="user", content="Look")
    made = Message.model_validate({"role": "assistant", "content": "", "tool_calls": calls})
    return [asked, made, *answers]


SEEN = (TextPart(text="the screen"), ImagePart(url=AS_PNG))


@pytest.mark.parametrize("name", [name for name, host in HOSTS.items() if not host.sees] + ["azure"])
def test_a_picture_in_a_result_stands_in_the_users_turn_behind_it(name: str) -> None:
    """The result keeps its text and says where the picture is; all results come first, and then the pictures."""
    said = conversation(SEEN, (TextPart(text="no picture"),), SEEN[1:])
    body = encode(name, said)
    sent = body["messages"]
    results = [turn for turn in sent if turn["role"] == "tool"]
    assert [turn["content"] for turn in results] == [
        "the screen\n\n(See the picture in the message that follows.)",
        "no picture",
        "(See the picture in the message that follows.)",
    ]
    behind = [turn["role"] for turn in sent[sent.index(results[-1]) + 1 :]]
    assert behind == (["assistant", "user"] if name == "mistral" else ["user"])
    assert [part["type"] for part in sent[-1]["content"]] == ["text", "image_url", "text", "image_url"]
    assert "call00000" in sent[-1]["content"][0]["text"]
    dialect_rules.openai_chat(body)


def test_the_responses_api_takes_it_in_the_result() -> None:
    """The Responses API takes a tool's picture inside the result, so it is not moved."""
    items = encode("openai-responses", conversation(SEEN))["input"]
    assert [part["type"] for part in items[-1]["output"]] == ["input_text", "input_image"]


def test_a_picture_and_the_users_next_words_are_one_turn_where_turns_are_joined() -> None:
    """Two turns of the user in a row would be refused there."""
    sent = encode("vllm", [*conversation(SEEN), Message(role="user", content="And?")])["messages"]
    assert [turn["role"] for turn in sent] == ["user", "assistant", "tool", "user"]
    assert [part["type"] for part in sent[-1]["content"]] == ["text", "image_url", "text"]


@pytest.mark.parametrize(
    ("name", "model", "bridged"),
    [
        ("mistral", "mistral-large-latest", True), ("mistral", "ft:mine", True),
        ("nvidia", "mistralai/mistral-small-4-119b", True), ("vllm", "mistralai/Devstral-Small-2", True),
        ("openrouter", "mistralai/magistral-medium", True), ("openai", "gpt-4.1", False), ("vllm", "Qwen/Qwen3", False),
    ],
)  # fmt: skip
def test_mistrals_models_hear_the_user_only_after_an_answer(name: str, model: str, bridged: bool) -> None:
    """They refuse a user's turn right behind a result, which a broken-off turn leaves."""
    said = [*conversation((TextPart(text="ok"),)), Message(role="user", content="And?")]
    roles = [turn["role"] for turn in encode(name, said, model=model)["messages"]]
    assert roles == ["user", "assistant", "tool", *(["assistant"] if bridged else []), "user"]


@pytest.mark.parametrize(("name", "model", "sees"), [
    ("deepseek", "deepseek-chat", False), ("deepseek", "deepseek-v4-vision", True), ("local", "smollm2", False),
    ("openai", "gpt-4.1", True),
])  # fmt: skip
def test_a_host_that_cannot_see_is_not_shown_a_picture(name: str, model: str, sees: bool) -> None:
    """It is said before anything is sent, and the next target is asked."""
    assert adapter_for(name).capabilities(model).images is sees
