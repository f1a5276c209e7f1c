"""What a page with `useChat` sends, as our messages: each part is read, left out by a row, or refused by its place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from resilient_stream import (
    Client,
    FilePart,
    ImagePart,
    Message,
    OpaquePart,
    ReasoningPart,
    StreamMisused,
    TextDelta,
    TextPart,
    TurnStarted,
)
from resilient_stream.formats.ai_sdk import AiSdkWriter
from resilient_stream.formats.ui_messages import OUR_DATA, read_ui_messages, read_ui_request
from resilient_stream.testing import End, FakeProvider, Text
from tests.formats.page import Page
from tests.formats.samples import ITEMS, PIXEL, written

HELLO = {"id": "u1", "role": "user", "parts": [{"type": "text", "text": "Hello"}]}


def read(*parts: Any, role: str = "assistant", **more: Any) -> list[Message]:
    """The messages of one message with these parts."""
    return read_ui_messages({"messages": [{"id": "m1", "role": role, "parts": list(parts)}]}, **more)


def called(state: str, **more: Any) -> dict[str, Any]:
    """A tool's part."""
    return {"type": "tool-add", "toolCallId": "c1", "state": state, "input": {"a": 1}, **more}


def test_a_request_as_the_page_sends_it() -> None:
    """Its body in JSON, with the fields that the application added."""
    body = {"id": "chat1", "messages": [HELLO], "trigger": "submit-message", "messageId": None, "temperature": 1}
    request = read_ui_request(json.dumps(body).encode())
    assert request.messages == [Message(role="user", content=[TextPart(text="Hello")])]
    assert (request.id, request.trigger, request.message_id, request.continues) == (
        "chat1",
        "submit-message",
        None,
        None,
    )
    assert request.body["temperature"] == 1


@pytest.mark.parametrize(("trigger", "continues"), [("submit-message", "m1"), ("regenerate-message", None)])
def test_an_answer_goes_on_with_the_assistants_last_message(trigger: str, continues: str | None) -> None:
    """The page ran a tool itself and asks for the rest; made anew, it is another message."""
    body = {"messages": [HELLO, {"id": "m1", "role": "assistant", "parts": []}], "trigger": trigger}
    assert read_ui_request(body).continues == continues


def test_a_users_parts() -> None:
    """Text, pictures and files, with their names."""
    pdf = "data:application/pdf;base64,JVBERi0xLjc="
    (message,) = read(
        {"type": "text", "text": "See", "state": "done"},
        {"type": "file", "mediaType": "image/png", "url": PIXEL},
        {"type": "file", "mediaType": "application/pdf", "url": pdf, "filename": "a.pdf"},
        role="user",
    )
    assert message.content == (
        TextPart(text="See"),
        ImagePart(url=PIXEL),
        FilePart(data=b"%PDF-1.7", media_type="application/pdf", name="a.pdf"),
    )


def test_an_assistants_steps_are_turns() -> None:
    """Each step is a message, with the results of its calls behind it."""
    messages = read(
        {"type": "step-start"},
        {"type": "reasoning", "text": "hm"},
        {"type": "text", "text": "Let me see."},
        called("output-available", output={"sum": 2}),
        {"type": "dynamic-tool", "toolName": "draw", "toolCallId": "c2", "state": "output-error", "errorText": "no"},
        {"type": "source-url", "sourceId": "s1", "url": "https://a.test"},
        {"type": "step-start"},
        {"type": "text", "text": "It is 2."},
    )
    assert [message.role for message in messages] == ["assistant", "tool", "tool", "assistant"]
    assert messages[0].content == (ReasoningPart(text="hm"), TextPart(text="Let me see."))
    assert [(call.name, call.arguments) for call in messages[0].tool_calls] == [("add", '{"a":1}'), ("draw", "{}")]
    assert [(message.tool_call_id, message.text) for message in messages[1:3]] == [("c1", '{"sum":2}'), ("c2", "no")]
    assert messages[3].text == "It is 2."


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (called("output-available", output="20 degrees"), "20 degrees"),
        (called("output-available", output=None), "null"),
        (called("output-available", output=[{"type": "text", "text": "a"}]), "a"),
        (called("output-available", output="half", preliminary=True), "No result"),
        (called("input-available"), "No result"),
        (called("approval-requested", approval={"id": "a"}), "No result"),
        (called("output-denied", approval={"id": "a", "approved": False, "reason": "Too dear"}), "Too dear"),
        (called("approval-responded", approval={"id": "a", "approved": False}), "did not allow"),
    ],
)
def test_each_call_has_a_result(part: dict[str, Any], said: str) -> None:
    """No provider takes a call without one, and a page may have been closed before it came."""
    call, result = read(part)
    assert call.tool_calls[0].id == result.tool_call_id == "c1"
    assert said in result.text


def test_a_call_stays_between_its_texts() -> None:
    """The model said one before it and one behind it."""
    message, _ = read(
        {"type": "text", "text": "a"}, called("output-available", output=1), {"type": "text", "text": "b"}
    )
    assert [type(block).__name__ for block in message.blocks] == ["TextPart", "FunctionCall", "TextPart"]


def test_a_call_that_never_was_whole_is_left_out() -> None:
    """Its arguments are a piece."""
    assert read({"type": "text", "text": "a"}, called("input-streaming")) == [
        Message(role="assistant", content=[TextPart(text="a")])
    ]


def test_what_a_recovery_made_void_is_no_history() -> None:
    """A seam that began anew drops the step before it, and no other."""
    restart = {"type": "data-seam", "data": {"restart": True}}
    text = [{"type": "text", "text": name} for name in ("one", "old", "new")]
    begin = {"type": "step-start"}
    messages = read(begin, text[0], begin, text[1], called("output-available", output=1), restart, begin, text[2])
    assert [message.text for message in messages] == ["one", "new"]
    assert read(text[1], {"type": "data-seam", "data": {"restart": False}}, text[2])[0].text == "oldnew"


def test_what_ran_at_a_provider_is_kept_and_sent_to_none() -> None:
    """Only the provider's own form could go back to it, and the page has none."""
    part = called("output-available", output=[1], providerExecuted=True)
    (message,) = read(part, {"type": "text", "text": "a"})
    assert message.content == (OpaquePart(provider="ai-sdk", data=part), TextPart(text="a"))


async def test_a_chat_with_everything_can_be_sent() -> None:
    """The page's message of an answer with each item that there is, back at a provider."""
    page = Page().feed(written(AiSdkWriter(), [*ITEMS[:-3], TurnStarted(3), TextDelta("Done.")]))
    body = {"messages": [HELLO, {"id": "m1", "role": "assistant", "parts": page.parts}, HELLO]}
    messages = read_ui_messages(json.dumps(body))
    async with FakeProvider([Text("ok"), End()]) as fake, Client(fake.target("openai")) as client:
        assert "".join([chunk.text async for chunk in client.stream(messages)]) == "ok"


def test_a_data_part_of_the_application_is_read_by_it() -> None:
    """A text, a part, or nothing; ours are left out by themselves."""
    data = {
        "weather": lambda value: f"{value} degrees",
        "picture": lambda value: ImagePart(url=value),
        "ui": lambda _: None,
    }
    parts = [
        {"type": f"data-{name}", "data": value} for name, value in (("weather", 20), ("picture", PIXEL), ("ui", 1))
    ]
    ours = [{"type": f"data-{name}", "data": {}} for name in OUR_DATA]
    (message,) = read(*parts, *ours, role="user", data=data)
    assert message.content == (TextPart(text="20 degrees"), ImagePart(url=PIXEL))


def test_instructions_are_the_servers() -> None:
    """A page may send them only where it is asked to."""
    with pytest.raises(StreamMisused, match=r"^messages\[0\]\.role: a page may not send a system message"):
        read({"type": "text", "text": "Obey"}, role="system")
    assert read({"type": "text", "text": "Obey"}, role="system", system=True)[0].role == "system"


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"type": "hologram"}, "messages[0].parts[1].type: no reading for 'hologram'"),
        ({}, "messages[0].parts[1].type: Expected `str`"),
        ({"type": 3}, "messages[0].parts[1].type"),
        ({"type": "text"}, "messages[0].parts[1]: Object missing required field `text`"),
        ({"type": "text", "text": 3}, "messages[0].parts[1].text: Expected `str`, got `int`"),
        ({"type": "data-weather", "data": 1}, "messages[0].parts[1].type: no reading for 'data-weather'"),
        ({"type": "data-weather"}, "messages[0].parts[1]: Object missing required field `data`"),
        ({"type": "file", "mediaType": "a/b", "url": "file:///etc/passwd"}, "messages[0].parts[1].url"),
        ({"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,?"}, "messages[0].parts[1]"),
        (called("done"), "messages[0].parts[1].state"),
        (called("output-available", toolCallId=""), "messages[0].parts[1]: a call needs a name and an id"),
        ({**called("output-available"), "type": "tool-"}, "messages[0].parts[1]: a call needs a name"),
        (called("approval-responded", approval={"approved": True}), "messages[0].parts[1]: the call is approved"),
        (called("output-available", output=[{"type": "image_url", "url": "?"}]), "messages[0].parts[1]"),
    ],
)  # fmt: skip
def test_a_part_that_cannot_be_read_is_refused_by_its_place(part: Any, said: str) -> None:
    """It is never dropped."""
    with pytest.raises(StreamMisused) as raised:
        read({"type": "text", "text": "a"}, part)
    assert str(raised.value).startswith(said)


@pytest.mark.parametrize(
    "part", [called("input-available"), {"type": "reasoning", "text": "a"}, {"type": "step-start"}]
)
def test_only_an_assistant_calls_and_thinks(part: Any) -> None:
    """A user's message has no such part."""
    with pytest.raises(
        StreamMisused, match=r"^messages\[0\]\.parts\[0\]\.type: .* stands in no message of the role 'user'"
    ):
        read(part, role="user")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "body: not JSON"),
        (b"{", "body: not JSON"),
        (b"[" * 100_000, "body: not JSON"),
        (b"\xff", "body: not JSON"),
        (b"[]", "body: Expected an object"),
        ({}, "body: Object missing required field `messages`"),
        ({"messages": []}, "body.messages: Expected at least one message"),
        ({"messages": [3]}, "body.messages[0]: Expected `object`"),
        ({"messages": [{"role": "user", "content": "old"}]}, "body.messages[0]: Object missing required field `parts`"),
        ({"messages": [{"role": "root", "parts": []}]}, "body.messages[0].role: Invalid enum value 'root'"),
        ({"messages": [{"role": "user", "parts": []}]}, "messages[0].parts: Expected at least one part"),
        ({"messages": [{"role": "user", "parts": [3]}]}, "body.messages[0].parts[0]: Expected `object`"),
    ],
)  # fmt: skip
def test_a_hostile_body_is_refused_by_its_place(body: Any, said: str) -> None:
    """Whatever is sent, it is a StreamMisused and no other exception."""
    with pytest.raises(StreamMisused) as raised:
        read_ui_messages(body)
    assert str(raised.value).startswith(said)
