"""What a server sends without end is bounded: calls, their number and arguments, refusals, events without content."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from resilient_stream import Client, Limits, Recovery, StreamError, TextDelta, ToolCall, ToolCallDelta
from resilient_stream.chunks import Raw
from resilient_stream.contract import Decoder
from resilient_stream.outcome.weight import even
from resilient_stream.providers.anthropic.stream import messages_decoder
from resilient_stream.providers.bedrock.adapter import BedrockDecoder
from resilient_stream.providers.bedrock.converse_stream import ConverseReader
from resilient_stream.providers.bedrock.frames import BedrockFrames
from resilient_stream.providers.cohere.stream import cohere_decoder
from resilient_stream.providers.google.interactions_stream import interaction_decoder
from resilient_stream.providers.google.stream import gemini_decoder
from resilient_stream.providers.ollama.stream import ollama_decoder
from resilient_stream.providers.openai.chat_stream import chat_decoder
from resilient_stream.providers.openai.responses_stream import responses_decoder
from resilient_stream.testing import FakeProvider, serve_bytes
from resilient_stream.transcript import Transcript
from tests.providers.recordings import aws_message

LIMIT = 1024 * 1024
"""The least that may be held back."""

Event = dict[str, Any]


def chat(delta: Event) -> Event:
    """A chat completion's event."""
    return {"choices": [{"index": 0, "delta": delta}]}


def fragment(index: int, id: str, arguments: str) -> Event:
    """The same with a fragment of a call."""
    return chat({"tool_calls": [{"index": index, "id": id, "function": {"name": "f", "arguments": arguments}}]})


def block(number: int, id: str = "") -> Event:
    """A call begins in Anthropic's words."""
    use = {"type": "tool_use", "id": id, "name": "f", "input": {}}
    return {"type": "content_block_start", "index": number, "content_block": use}


def item(name: str, index: int, id: str = "i", **fields: Any) -> Event:
    """An event about a call in OpenAI's Responses."""
    call = {"type": "function_call", "call_id": id, "name": "f", "arguments": ""}
    return {"type": f"response.{name}", "output_index": index, "item": call, **fields}


def gemini(**call: Any) -> Event:
    """A function call of Gemini's."""
    return {"candidates": [{"content": {"parts": [{"functionCall": call}]}}]}


def step(name: str, index: int, **fields: Any) -> Event:
    """An event about a call in Gemini's Interactions."""
    call = {"type": "function_call", "id": f"i{index}", "name": "f"}
    return {"event_type": f"step.{name}", "index": index, "step": call, **fields}


def _cohere(provider: str, **options: Any) -> Any:
    return cohere_decoder(**options)


def _bedrock(provider: str, **options: Any) -> Any:
    return BedrockDecoder(ConverseReader(**options, raw=False, eof_ok=False), BedrockFrames(LIMIT))


def _message(event: Event) -> bytes:
    return aws_message("contentBlockStart" if "start" in event else "contentBlockDelta", json.dumps(event).encode())


PIECE = "x" * 5_000

ENDLESS: dict[str, tuple[Callable[..., Decoder], Callable[[int], Event]]] = {
    "chat: arguments": (chat_decoder, lambda n: fragment(0, "a", '"' if n == 0 else PIECE)),
    "chat: single letters": (chat_decoder, lambda n: fragment(0, "a", "x")),
    "chat: indexes": (chat_decoder, lambda n: fragment(n, "", "")),
    "chat: ids": (chat_decoder, lambda n: fragment(0, f"{n}", "{}")),
    "chat: negative indexes": (chat_decoder, lambda n: fragment(-1 - n, "", "")),
    "chat: refusal": (chat_decoder, lambda n: chat({"refusal": PIECE})),
    "chat: messages": (
        chat_decoder,
        lambda n: {
            "choices": [{"message": {"tool_calls": [{"id": f"{n}", "function": {"name": "f", "arguments": "{}"}}]}}]
        },
    ),
    "cohere: arguments": (
        _cohere,
        lambda n: {
            "type": "tool-call-delta", "index": 0,
            "delta": {"message": {"tool_calls": {"function": {"arguments": PIECE}}}},
        },
    ),
    "messages: arguments": (
        messages_decoder,
        lambda n: block(0) if n == 0 else {
            "type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": PIECE},
        },
    ),
    "messages: blocks": (messages_decoder, block),
    "messages: blocks that end": (
        messages_decoder, lambda n: {"type": "content_block_stop", "index": 0} if n % 2 else block(0, f"{n}"),
    ),
    "messages: unknown blocks": (
        messages_decoder, lambda n: {"type": "content_block_start", "index": n, "content_block": {"type": "x"}},
    ),
    "responses: arguments": (
        responses_decoder,
        lambda n: item("output_item.added", 0) if n == 0 else item("function_call_arguments.delta", 0, delta=PIECE),
    ),
    "responses: items": (responses_decoder, lambda n: item("output_item.added", n, f"{n}")),
    "responses: items that end": (responses_decoder, lambda n: item("output_item.done", n, f"{n}")),
    "responses: refusal": (responses_decoder, lambda n: {"type": "response.refusal.delta", "delta": PIECE}),
    "gemini: calls": (gemini_decoder, lambda n: gemini(name="f", args={})),
    "gemini: arguments": (gemini_decoder, lambda n: gemini(name="f", args={"a": PIECE})),
    "gemini: a string in pieces": (
        gemini_decoder,
        lambda n: gemini(
            willContinue=True, partialArgs=[{"jsonPath": "$.a", "stringValue": PIECE}], **({} if n else {"name": "f"})
        ),
    ),
    "gemini: a list": (
        gemini_decoder,
        lambda n: gemini(
            willContinue=True, partialArgs=[{"jsonPath": f"$.a[{n}]", "numberValue": 1}], **({} if n else {"name": "f"})
        ),
    ),
    "interactions: steps": (interaction_decoder, lambda n: step("start", n)),
    "interactions: arguments": (
        interaction_decoder,
        lambda n: step("delta", 0, delta={"type": "arguments_delta", "arguments": PIECE}) if n else step("start", 0),
    ),
    "ollama: calls": (
        ollama_decoder, lambda n: {"message": {"tool_calls": [{"function": {"name": "f", "arguments": {}}}]}},
    ),
    "bedrock: blocks": (
        _bedrock, lambda n: {"contentBlockIndex": n, "start": {"toolUse": {"toolUseId": f"{n}", "name": "f"}}},
    ),
}  # fmt: skip


def framed(name: str, event: Event) -> bytes:
    """An event as a server of this dialect sends it."""
    if name.startswith("bedrock"):
        return _message(event)
    text = json.dumps(event).encode()
    return text + b"\n" if name.startswith("ollama") else b"data: %b\n\n" % text


@pytest.mark.parametrize("name", ENDLESS)
def test_what_a_decoder_holds_back_is_bounded(name: str) -> None:
    """Calls, their number, their arguments, a refusal: beyond the limit the answer is over, and not complete."""
    make, event = ENDLESS[name]
    decoder = make("openai", max_event_bytes=LIMIT)
    for number in range(100_000):
        decoder.feed(framed(name, event(number)))
        if decoder.failure is not None:
            break
    assert decoder.failure is not None
    assert decoder.failure.kind == "buffer_limit"
    assert not decoder.done
    assert decoder.finish() == []


def test_calls_of_an_ordinary_size_are_far_from_the_limit() -> None:
    """A quarter of the default limit takes 30,000 pieces of a token each; the longest real arguments have 10,000."""
    decoder = chat_decoder("openai", max_event_bytes=2 * LIMIT)
    events = framed("chat", fragment(0, "a", '{"a": "')) + framed("chat", fragment(0, "", "four")) * 30_000
    decoder.feed(events)
    assert decoder.failure is None


def _answer(events: Iterator[Event]) -> bytes:
    return b"".join(framed("chat", event) for event in events)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("raw", [False, True])
async def test_events_without_content_are_not_held_without_end(raw: bool) -> None:
    """What comes before any content is held back, as far as the limit; the same with `raw=True`, which keeps all."""
    usage = ({"choices": [], "usage": {"prompt_tokens": n}, "service_tier": PIECE} for n in range(400))
    script = serve_bytes(_answer(usage), splits=20_000)
    async with FakeProvider(script) as fake:
        limits = Limits(max_event_bytes=20_000)
        async with Client(fake.target("openai", raw=raw), limits=limits, recovery=Recovery.off()) as client:
            with pytest.raises(StreamError) as caught:
                await client.complete("Hello")
    assert caught.value.kind == "buffer_limit"
    assert "held back" in str(caught.value)


@pytest.mark.usefixtures("nothing_left")
async def test_endless_arguments_end_the_call_as_an_error() -> None:
    """Not as complete; what had come is in the transcript."""
    script = serve_bytes(_answer(fragment(0, "a", PIECE) for _ in range(400)), splits=60_000)
    async with FakeProvider(script) as fake:
        limits = Limits(max_event_bytes=20_000)
        async with Client(fake.target("openai"), limits=limits, recovery=Recovery.off()) as client:
            with pytest.raises(StreamError) as caught:
                await client.complete("Hello")
    transcript = caught.value.transcript
    assert caught.value.kind == "buffer_limit"
    assert transcript is not None
    assert transcript.outcome == "failed"


def test_a_transcript_joins_the_pieces_of_a_call() -> None:
    """A million pieces of a letter are not a million objects; the calls themselves are never dropped."""
    letters = [ToolCallDelta(0, "a", "f", ""), *(ToolCallDelta(0, "a", "f", "x") for _ in range(1_000))]
    joined = even([*letters, ToolCallDelta(1, "b", "f", "y")], 400)
    assert [len(chunk.arguments) for chunk in joined if isinstance(chunk, ToolCallDelta)] == [400, 400, 200, 1]
    assert even([ToolCallDelta(0, "a", "f", "")], 400) == [ToolCallDelta(0, "a", "f", "")]
    transcript = Transcript(limit=10_000)
    for _ in range(100):
        transcript._receive([TextDelta("x" * 400), ToolCall(0, "a", "f", "{}", {})])
        transcript._ready.clear()
        transcript._weigh(500)
    assert len(transcript.tool_calls) == 100
    assert transcript.omitted > 0


def test_what_is_passed_on_weighs_what_it_takes_in_memory() -> None:
    """Decoded JSON is several times as large as its text."""
    transcript = Transcript(limit=100_000)
    for _ in range(100):
        transcript._receive([Raw("openai", "x", {"a": ["xyz"] * 500})])
        transcript._ready.clear()
        transcript._weigh(3_000)
    assert len(transcript.chunks) < 20
