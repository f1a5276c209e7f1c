"""What a server gives in place of a text is read, or passed on as `Raw`: no answer is empty without a word.

Gateways send a text, one part, a list of either, or an object where a dialect has something else. The tables are
places in the answers of each dialect, and what may stand there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from resilient_stream import Target
from resilient_stream.chunks import Raw, ReasoningDelta, Source, TextDelta, ToolCall
from resilient_stream.contract import Request
from resilient_stream.messages import to_messages
from resilient_stream.providers import adapter_for
from tests.corpus.aws import aws_message

SPOKEN: dict[str, Any] = {
    "a text": "Hi there",
    "texts": ["Hi ", "there"],
    "a part": {"type": "text", "text": "Hi there"},
    "parts": [{"type": "text", "text": "Hi "}, {"type": "text", "text": "there"}],
    "parts in a list": [[{"type": "text", "text": "Hi there"}]],
    "a part without a type": [{"text": "Hi there"}],
    "a text in an object": [{"type": "text", "text": {"value": "Hi there"}}],
    "a part and a text": [{"type": "text", "text": "Hi "}, "there"],
}
"""What can only mean the text "Hi there"."""

SAID: dict[str, Any] = {
    "another field": [{"type": "text", "content": "Hi there"}],
    "a number": [{"type": "text", "text": 42}],
    "another type": [{"type": "markdown", "markdown": "Hi there"}],
    "an object by numbers": {"0": {"type": "text", "text": "Hi there"}},
    "an object of parts": {"parts": [{"text": "Hi there"}]},
}
"""What says something in a way that nobody is known to use."""


def sse(*events: Any) -> bytes:
    """Server-sent events of these values."""
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)


def chat(choice: dict[str, Any]) -> bytes:
    """A chat completion of one chunk."""
    return sse({"choices": [{"index": 0, "finish_reason": "stop", **choice}]}) + b"data: [DONE]\n\n"


def responses(*events: dict[str, Any], output: Any = ()) -> bytes:
    """A Responses stream that completes."""
    return sse(*events, {"type": "response.completed", "response": {"status": "completed", "output": output}})


def said_by(content: Any) -> dict[str, Any]:
    """A message of a Responses answer."""
    return {"type": "message", "id": "m", "role": "assistant", "content": content}


def messages(*events: dict[str, Any], content: Any = None) -> bytes:
    """An answer in Anthropic's dialect."""
    start = {"type": "message_start", "message": {"id": "m", "content": content}}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    return sse(start, *events, end, {"type": "message_stop"})


def cohere(message: Any) -> bytes:
    """An answer in Cohere's dialect."""
    end = {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}
    return sse({"type": "content-delta", "index": 0, "delta": {"message": message}}, end)


def interaction(*events: dict[str, Any], **whole: Any) -> bytes:
    """An answer of Gemini's Interactions."""
    done = {"event_type": "interaction.completed", "interaction": {"id": "i", "status": "completed", **whole}}
    return sse(*events, done)


def block(text: Any) -> bytes:
    """An answer of Anthropic's with one block of text."""
    return messages({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": text}})


def step(content: Any) -> dict[str, Any]:
    """A step of an interaction."""
    return {"type": "model_output", "content": content}


PLACES: dict[str, tuple[str, Callable[[Any], bytes]]] = {
    "chat: delta": ("openai", lambda said: chat({"delta": {"content": said}})),
    "chat: message": ("openai", lambda said: chat({"message": {"role": "assistant", "content": said}})),
    "responses: message": (
        "openai-responses",
        lambda said: responses({"type": "response.output_item.done", "output_index": 0, "item": said_by(said)}),
    ),
    "responses: whole": ("openai-responses", lambda said: responses(output=[said_by(said)])),
    "responses: text.done": (
        "openai-responses",
        lambda said: responses({"type": "response.output_text.done", "output_index": 0, "text": said}),
    ),
    "responses: part.done": (
        "openai-responses",
        lambda said: responses({"type": "response.content_part.done", "part": {"type": "output_text", "text": said}}),
    ),
    "anthropic: message_start": ("anthropic", lambda said: messages(content=said)),
    "anthropic: block": ("anthropic", block),
    "cohere: content": ("cohere", lambda said: cohere({"content": said})),
    "cohere: text": ("cohere", lambda said: cohere({"content": {"type": "text", "text": said}})),
    "interactions: step": (
        "gemini-interactions",
        lambda said: interaction({"event_type": "step.start", "index": 0, "step": step(said)}),
    ),
    "interactions: whole": ("gemini-interactions", lambda said: interaction(steps=[step(said)])),
}

UNREAD: dict[str, tuple[str, bytes]] = {
    "responses: output": ("openai-responses", responses(output={"hologram": "Hi there"})),
    "anthropic: delta": (
        "anthropic",
        messages({"type": "content_block_delta", "index": 0, "delta": {"hologram": "Hi there"}}),
    ),
    "gemini: content": ("gemini", sse({"candidates": [{"content": {"text": "Hi there"}, "finishReason": "STOP"}]})),
    "cohere: message": ("cohere", cohere({"hologram": "Hi there"})),
    "bedrock: delta": (
        "bedrock",
        aws_message("contentBlockDelta", b'{"contentBlockIndex": 0, "delta": {"hologram": "Hi there"}}')
        + aws_message("messageStop", b'{"stopReason": "end_turn"}'),
    ),
}
"""Answers whose content is under a name that nobody knows."""


def read(provider: str, body: bytes) -> list[Any]:
    """The chunks of a good answer."""
    target = Target(f"{provider}:m")
    decoder = adapter_for(provider).decoder(Request(messages=to_messages("hi"), target=target))
    chunks = [*decoder.feed(body), *decoder.finish()]
    assert decoder.failure is None
    return chunks


def heard(provider: str, body: bytes) -> tuple[str, list[Raw]]:
    """The text of an answer, and what was passed on."""
    chunks = read(provider, body)
    text = "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta))
    return text, [chunk for chunk in chunks if isinstance(chunk, Raw) and chunk.standing != "extra"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", SPOKEN)
def test_a_text_is_read_whatever_it_stands_in(kind: str, place: str) -> None:
    """A text, a part, or a list of these says the same, wherever a text belongs."""
    provider, body = PLACES[place]
    assert heard(provider, body(SPOKEN[kind])) == ("Hi there", [])


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", SAID)
def test_what_is_not_understood_is_passed_on(kind: str, place: str) -> None:
    """What says something in an unknown way comes as `Raw`."""
    provider, body = PLACES[place]
    text, raw = heard(provider, body(SAID[kind]))
    assert "Hi there" in text or raw


@pytest.mark.parametrize("name", UNREAD)
def test_content_of_an_unknown_name_is_passed_on(name: str) -> None:
    """An object in which nothing is known says something, too."""
    assert heard(*UNREAD[name])[1]


def test_a_blank_refusal_is_none() -> None:
    """A part for a refusal that has none does not make the answer one."""
    said = [{"type": "text", "text": "Hi there"}, {"type": "refusal", "refusal": ""}]
    assert heard("openai", chat({"delta": {"content": said}}))[0] == "Hi there"


@pytest.mark.parametrize("output", ["Hi there", ["Hi there"], [["Hi there"]]])
def test_an_output_that_is_a_text_is_read(output: Any) -> None:
    """The whole output, or one of its items, may be the text alone."""
    assert heard("openai-responses", responses(output=output)) == ("Hi there", [])


def converse(delta: Any) -> bytes:
    """An answer of Bedrock's with one delta."""
    event = {"contentBlockIndex": 0, "delta": delta}
    return aws_message("contentBlockDelta", json.dumps(event).encode()) + aws_message("messageStop", b"{}")


def thinking(thought: Any) -> bytes:
    """An answer of Anthropic's with one block of thinking."""
    block = {"type": "thinking", "thinking": thought, "signature": ""}
    return messages({"type": "content_block_start", "index": 0, "content_block": block})


THOUGHTS: dict[str, tuple[str, Callable[[Any], bytes]]] = {
    "chat": ("openai", lambda said: chat({"delta": {"reasoning_content": said}})),
    "responses: delta": (
        "openai-responses",
        lambda said: responses({"type": "response.reasoning_text.delta", "delta": said}),
    ),
    "responses: summary": ("openai-responses", lambda said: responses(output=[{"type": "reasoning", "summary": said}])),
    "anthropic": ("anthropic", thinking),
    "cohere: plan": (
        "cohere",
        lambda said: (
            sse({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": said}}}) + cohere({"content": "Yes"})
        ),
    ),
    "bedrock": ("bedrock", lambda said: converse({"reasoningContent": {"text": said}})),
}


@pytest.mark.parametrize("place", THOUGHTS)
@pytest.mark.parametrize("said", [*SPOKEN.values(), *SAID.values()], ids=[*SPOKEN, *SAID])
def test_reasoning_is_read_or_passed_on(said: Any, place: str) -> None:
    """Reasoning in another shape is not left out in silence either."""
    provider, body = THOUGHTS[place]
    chunks = read(provider, body(said))
    thought = "".join(chunk.reasoning for chunk in chunks if isinstance(chunk, ReasoningDelta))
    assert "Hi there" in thought or any(isinstance(chunk, Raw) for chunk in chunks)


def test_a_call_that_a_whole_message_gives_other_arguments_is_not_run() -> None:
    """Of two sets of arguments neither is chosen."""
    called = [
        {"index": 0, "id": "a", "function": {"name": "rm", "arguments": json.dumps({"path": path})}}
        for path in ("/a", "/b")
    ]
    body = chat({"delta": {"tool_calls": called[:1]}, "message": {"tool_calls": called[1:]}})
    (call,) = (chunk for chunk in read("openai", body) if isinstance(chunk, ToolCall))
    assert (call.parsed, call.error) == (None, "the arguments were given twice, and differ")


def cited_block(notes: Any) -> bytes:
    """An answer of Anthropic's with one block of text that rests on something."""
    block = {"type": "text", "text": "Hi", "citations": notes}
    return messages({"type": "content_block_start", "index": 0, "content_block": block})


CITED: dict[str, tuple[str, Callable[[Any], bytes]]] = {
    "responses": (
        "openai-responses",
        lambda notes: responses(output=[said_by([{"type": "output_text", "text": "Hi", "annotations": notes}])]),
    ),
    "anthropic": ("anthropic", cited_block),
    "interactions": (
        "gemini-interactions",
        lambda notes: interaction(
            {
                "event_type": "step.start",
                "index": 0,
                "step": step([{"type": "text", "text": "Hi", "annotations": notes}]),
            }
        ),
    ),
}
NOTES: dict[str, Any] = {
    "one": {"type": "url_citation", "url": "https://a.test"},
    "a text": "https://a.test",
    "texts": ["https://a.test"],
    "unknown": [{"hologram": "https://a.test"}],
}


@pytest.mark.parametrize("place", CITED)
@pytest.mark.parametrize("kind", NOTES)
def test_what_a_text_rests_on_is_read_or_passed_on(kind: str, place: str) -> None:
    """One source in place of a list, or a text, is not left out in silence."""
    provider, body = CITED[place]
    assert any(isinstance(chunk, Source | Raw) for chunk in read(provider, body(NOTES[kind])))
