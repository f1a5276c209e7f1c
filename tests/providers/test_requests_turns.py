"""Turns as each dialect takes them: blocks in order, pictures of tools, system messages, open schemas."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from resilient_stream import (
    Client,
    Finished,
    ImagePart,
    Message,
    Raw,
    ReasoningDelta,
    ReasoningPart,
    StreamError,
    Target,
    TextDelta,
    TextPart,
    ToolCall,
    Transcript,
)
from resilient_stream.messages import to_messages
from resilient_stream.providers.shared.schemas import closed, is_open, strict
from resilient_stream.testing import CallTool, End, FakeProvider, Text
from tests.dialect_rules import check
from tests.test_history import WAYS, going_on, sent
from tests.test_values import transcript_of

# -- the order of blocks --------------------------------------------------------------------------

CLAUDE, GEMINI, RESPONSES = "anthropic:claude-opus-4-5", "gemini:gemini-3-pro-preview", "openai-responses:gpt-5"
SEALED = json.dumps({"id": "rs_1", "encrypted_content": "E"})


def call(index: int, signature: str | None = None) -> ToolCall:
    """A call of its own."""
    return ToolCall(index, f"call_{index}", "look", json.dumps({"n": index}), {"n": index}, signature)


def answered(target: str, *chunks: Any) -> Transcript:
    """An answer of this target."""
    transcript = transcript_of(*chunks, Finished("tool_calls", "tool_use"))
    transcript.target = target
    transcript._end("complete", None)
    return transcript


def thought(words: str, proof: str) -> tuple[ReasoningDelta, ReasoningDelta]:
    """A thought and its proof."""
    return ReasoningDelta(words), ReasoningDelta("", proof)


INTERLEAVED = (
    *thought("first", "S1"), call(0), *thought("second", "S2"), TextDelta("Let me "), TextDelta("see."), call(1),
    TextDelta("And:"), call(2),
)  # fmt: skip


def kinds(target: str, history: list[Message]) -> list[str]:
    """What the answer is sent back as, block by block, whatever the dialect calls them."""
    url, body = sent(Target(target), going_on(history))
    check(url, body)
    turns = json.loads(body)
    if "input" in turns:
        items = [item for item in turns["input"] if item.get("type") not in ("user_input", "function_result")]
        return [_kind(item) for item in items if item.get("role") != "user" and "output" not in item]
    turn = (turns.get("messages") or turns.get("contents"))[1]
    return [_kind(block) for block in turn.get("content") or turn.get("parts")]


def _kind(block: dict[str, Any]) -> str:
    text = json.dumps(block)
    if any(word in text for word in ('"thinking"', "reasoningContent", '"reasoning"', '"thought"')):
        return "thought"
    return "call" if any(word in text for word in ("tool_use", "toolUse", "functionCall", "function_call")) else "text"


ORDERED = ["thought", "call", "thought", "text", "call", "text", "call"]


@pytest.mark.parametrize(
    ("target", "proof"),
    [
        (CLAUDE, "S"),
        ("bedrock:us.anthropic.claude-opus-4-5-v1:0", "S"),
        (GEMINI, "S"),
        (RESPONSES, SEALED),
        ("gemini-interactions:gemini-3-pro-preview", "S"),
    ],
)
def test_blocks_go_back_in_the_order_in_which_they_came(target: str, proof: str) -> None:
    """Reasoning, calls and text between them; after a database, too."""
    chunks = [
        msgspec.structs.replace(chunk, signature=proof) if getattr(chunk, "signature", None) else chunk
        for chunk in INTERLEAVED
    ]
    transcript = answered(target, *chunks)
    assert kinds(target, transcript.as_history()) == ORDERED
    stored = json.loads(json.dumps(transcript.to_dict()))
    assert Transcript.from_dict(stored).as_history() == transcript.as_history()
    plain = json.loads(json.dumps([message.model_dump(mode="json") for message in transcript.as_history()]))
    assert kinds(target, list(to_messages(plain))) == ORDERED


@pytest.mark.parametrize("target", WAYS, ids=str)
def test_an_order_of_another_model_is_taken_everywhere(target: Target) -> None:
    """Where its signatures mean nothing they are left out, and what is left keeps its order."""
    for history in (
        answered(CLAUDE, *INTERLEAVED).as_history(),
        answered(CLAUDE, *INTERLEAVED).as_history(calls=False),
        answered("openai:m", TextDelta("a"), call(0), TextDelta("b"), call(1)).as_history(),
    ):
        url, body = sent(target, going_on(history))
        check(url, body)


def test_calls_behind_everything_have_no_place() -> None:
    """The usual answer stays what it was: a text and its calls."""
    [message] = answered("openai:m", TextDelta("a"), TextDelta("b"), call(0), call(1)).as_history()
    assert (message.content, [each.place for each in message.tool_calls]) == ("ab", [None, None])
    [message] = answered(CLAUDE, *INTERLEAVED).as_history(calls=False)
    assert [part.text for part in message.parts] == ["first", "second", "Let me see.And:"]


@pytest.mark.parametrize("event", ["server_tool_use", "web_search_tool_result", "executableCode", "web_search_call"])
def test_a_turn_that_lost_a_block_has_no_signed_reasoning(event: str) -> None:
    """What was signed around it is refused without it; text and calls go back, and reasoning is not asked for."""
    lost = Raw("p", event, {"x": 1}, "content")
    [message] = answered(CLAUDE, *thought("first", "S1"), lost, *INTERLEAVED).as_history()
    assert not any(isinstance(part, ReasoningPart) for part in message.parts)
    assert kinds(CLAUDE, [message]) == ["call", "text", "call", "text", "call"]
    harmless = (Raw("p", "citations_delta", {}, "content"), Raw("p", "ping", {}, "extra"))
    [message] = answered(CLAUDE, *harmless, *INTERLEAVED).as_history()
    assert kinds(CLAUDE, [message]) == ORDERED


# -- system messages ------------------------------------------------------------------------------

MIDDLE = [
    {"role": "system", "content": "One."}, {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"}, {"role": "developer", "content": "From now on, French."},
    {"role": "user", "content": "Go"},
]  # fmt: skip


def leaves(value: Any) -> Iterator[str]:
    """All texts of a body, in order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from leaves(each)


@pytest.mark.parametrize("target", WAYS, ids=str)
def test_a_system_message_in_the_middle_stays_there(target: Target, caplog: pytest.LogCaptureFixture) -> None:
    """In every dialect it stands between what was said before and after; where it is the user's, that is logged."""
    _, body = sent(target, to_messages(MIDDLE))
    said = body.decode() if body[:1] != b"{" else "\n".join(leaves(json.loads(body)))
    assert said.index("Hello") < said.index("From now on, French.") < said.index("Go")
    caplog.set_level(logging.WARNING)
    unseen = Target(f"{target.provider}:{target.model}-{target.provider}-unseen")
    _, body = sent(unseen, to_messages(MIDDLE))
    if b"<system>" in body:
        assert any("a system message in mid-conversation is not sent" in line for line in caplog.messages)


@pytest.mark.parametrize("target", WAYS, ids=str)
def test_system_messages_alone_are_sent_or_refused_in_words(target: Target) -> None:
    """A request without turns is never sent where it would be refused."""
    try:
        url, body = sent(target, to_messages([{"role": "system", "content": "s"}]))
    except StreamError as refused:
        error = refused
    else:
        read = json.loads(body)
        assert read.get("messages") or read.get("contents") or read.get("input"), url
        return
    assert "system messages alone" in error.message


# -- pictures of tools ----------------------------------------------------------------------------

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
PICTURE = ImagePart(url=f"data:image/png;base64,{PIXEL}")

RETURNED = {
    "a picture": lambda: PICTURE,
    "text and a picture": lambda: ["the screen", PICTURE],
    "parts": lambda: (TextPart(text="the screen"), PICTURE, TextPart(text="below")),
    "a dict with a picture": lambda: {"shot": PICTURE, "size": [1, 1]},
    "two deep in a list": lambda: [{"shots": [PICTURE, PICTURE]}],
}


@pytest.mark.parametrize("made", RETURNED.values(), ids=RETURNED)
@pytest.mark.parametrize(
    "provider",
    [
        "anthropic",
        "bedrock",
        "gemini",
        "gemini-interactions",
        "openai",
        "openai-responses",
        "mistral",
        "ollama",
        "cohere",
    ],
)
async def test_a_picture_that_a_tool_returns_is_shown_to_the_model(provider: str, made: Any) -> None:
    """As a picture, and never as text in the result; what stands around it is the result's text."""

    def shot() -> Any:
        """A picture of the screen."""
        return made()

    model = {"bedrock": "anthropic.claude-haiku-4-5-v1:0", "anthropic": "claude-haiku-4-5"}.get(provider, "m")
    async with FakeProvider([CallTool("shot", {}), End("tool_calls")], [Text("I see."), End()]) as fake:
        async with Client(fake.target(provider, model=model)) as client:
            record = await client.converse("Look", tools=[shot]).collect()
        sent_back = json.loads(fake.requests[-1].body)
    pictures = [text for text in leaves(sent_back) if text.endswith(PIXEL)]
    assert pictures
    assert all(text in (PIXEL, PICTURE.url) for text in pictures), "a picture inside of a text"
    [turn, _] = record.turns
    [result] = turn.results.values()
    assert PIXEL not in result.content
    assert PICTURE in result.parts


# -- schemas that are open ------------------------------------------------------------------------


class Report(BaseModel):
    """An object that may have any names."""

    title: str
    counts: dict[str, int]


OPEN: dict[str, Any] = {
    "a dict": Report.model_json_schema(),
    "further properties of any kind": {"type": "object", "properties": {}, "additionalProperties": True},
    "an empty schema for them": {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {}},
    "patterns": {"type": "object", "properties": {}, "patternProperties": {"^x": {"type": "string"}}},
    "in a list": {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "object"}}}},
    "in a definition": {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/A"}},
        "$defs": {"A": {"type": "object"}},
    },
    "or null": {"type": "object", "properties": {"a": {"type": ["object", "null"]}}},
    "anything": {"type": "object", "properties": {"a": {"title": "A"}}},
}

SHUT: dict[str, Any] = {
    "no properties": {"type": "object", "properties": {}},
    "said so": {"type": "object", "additionalProperties": False},
    "names that mean something in a schema": {
        "type": "object",
        "properties": {"additionalProperties": {"type": "string"}, "type": {"const": "object"}},
    },
    "an object as a value": {"type": "object", "properties": {"a": {"type": "string", "default": {"type": "object"}}}},
}


@pytest.mark.parametrize("schema", OPEN.values(), ids=OPEN)
@pytest.mark.parametrize("target", [way for way in WAYS if way.provider != "claude-code"], ids=str)
def test_an_open_object_stays_open(target: Target, schema: dict[str, Any]) -> None:
    """Never closed in silence: enforced as it is, sent as a wish, or asked for in words."""
    body = _with_output(target, schema)
    kept = msgspec.json.encode(schema).decode()
    found = body.replace('\\\\"', '"').replace('\\"', '"')
    assert kept in found
    assert closed(schema) is None
    assert strict(schema) is None


@pytest.mark.parametrize("schema", SHUT.values(), ids=SHUT)
def test_what_is_not_open_is_enforced(schema: dict[str, Any]) -> None:
    """Names of properties and values are no parts of a schema."""
    assert not is_open(schema)
    assert closed(schema) is not None
    for target in (CLAUDE, "bedrock:us.anthropic.claude-opus-4-5-v1:0"):
        assert '"json_schema"' in _with_output(Target(target), schema)


def _with_output(target: Target, schema: dict[str, Any]) -> str:
    from dataclasses import replace

    from resilient_stream.contract import Endpoint, Request
    from resilient_stream.providers import adapter_for
    from tests.testing.test_conformance import ENDPOINTS

    adapter = adapter_for(target.provider)
    if not adapter.capabilities(target.model).output:
        return json.dumps(schema, separators=(",", ":"))
    place = ENDPOINTS.get(target.provider) or Endpoint(base_url=adapter.base_url or "http://localhost", api_key="key")
    request = replace(Request(messages=to_messages("Hi"), target=target), output=schema)
    return str(adapter.encode(request, place).body.decode())  # type: ignore[union-attr]
