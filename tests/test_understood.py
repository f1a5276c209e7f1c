"""An answer is complete when it was understood: contradicting ends, Raw for what has no class, JSON for a stream.

Each promise holds for every dialect. A row gives the bytes in which that dialect says it.
"""

from __future__ import annotations

import json
import logging
from typing import Any, NamedTuple

import pytest

from resilient_stream import Client, Raw, RetryPolicy, StreamError, Transcript
from resilient_stream.chunks import Finished, ReasoningDelta, TextDelta, ToolCall, Usage
from resilient_stream.outcome import understood
from resilient_stream.outcome.understood import MAX_NAMES, OTHERS, contradiction
from resilient_stream.testing import FakeProvider, serve_bytes
from tests.providers.test_second_places import (
    STOP,
    block,
    cohere,
    converse,
    delta,
    frames,
    gemini,
    lines,
    messages,
    response,
    sse,
    step,
)

FAST = RetryPolicy(initial=0.001, maximum=0.002)


class Row(NamedTuple):
    """One dialect. silent: an answer of so many output tokens without content. called: one that ends for a tool and
    has no call; None where the reason is made from the calls. spoken: the same with text. odd: text, and content
    without a class, named `name`."""

    target: str
    silent: Any
    called: bytes | None
    spoken: bytes | None
    odd: bytes
    name: str


def _chat(*choices: dict[str, Any], tokens: int | None = None, **more: Any) -> bytes:
    usage = {"usage": {"prompt_tokens": 1, "completion_tokens": tokens}} if tokens is not None else {}
    return sse([{"choices": [{"index": 0, **each}], **usage, **more} for each in choices], done=True)


def _messages(*events: dict[str, Any], reason: str = "end_turn", tokens: int = 0) -> bytes:
    counted = {"type": "message_delta", "delta": {}, "usage": {"output_tokens": tokens}}
    return messages(*events, counted, reason=reason)


def _response(tokens: int = 0) -> bytes:
    return sse(
        [
            {
                "type": "response.completed",
                "response": {
                    "status": "completed",
                    "output": [],
                    "usage": {"input_tokens": 1, "output_tokens": tokens},
                },
            }
        ]
    )


def _gemini(tokens: int = 0) -> bytes:
    return sse(
        [{**gemini(finishReason="STOP"), "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": tokens}}]
    )


def _interaction(tokens: int = 0, status: str = "completed", *events: dict[str, Any]) -> bytes:
    ended = {"status": status, "usage": {"total_output_tokens": tokens}}
    return sse([*events, {"event_type": "interaction.completed", "interaction": ended}])


def _cohere(*events: dict[str, Any], tokens: int = 0, reason: str = "COMPLETE") -> bytes:
    ended = {"finish_reason": reason, "usage": {"tokens": {"input_tokens": 1, "output_tokens": tokens}}}
    return sse([*events, {"type": "message-end", "delta": ended}])


def _converse(tokens: int = 0, reason: str = "end_turn", *events: tuple[str, dict[str, Any]]) -> bytes:
    counts = {"inputTokens": 1, "outputTokens": tokens}
    return frames(*events, ("messageStop", {"stopReason": reason}), ("metadata", {"usage": counts}))


TEXT_BLOCK = block("text", text="Hi")
HOLOGRAM = {"hologram": {"data": "AA=="}}

ROWS = {
    "chat": Row(
        "openai:m",
        lambda tokens: _chat(delta("", "stop"), tokens=tokens),
        _chat(delta(None, "tool_calls")),
        _chat(delta("Hi", "tool_calls")),
        _chat(delta("Hi", video=["x"]), delta(None, "stop")),
        "video",
    ),
    "messages": Row(
        "anthropic:m",
        lambda tokens: _messages(tokens=tokens),
        _messages(reason="tool_use"),
        _messages(TEXT_BLOCK, STOP, reason="tool_use"),
        _messages(block("something_new", id="s", whatever=["x"]), STOP, TEXT_BLOCK, STOP),
        "something_new",
    ),
    "responses": Row(
        "openai-responses:m",
        _response,
        None,
        None,
        response(
            {"type": "response.output_item.done", "item": {"type": "something_new", "id": "s", "whatever": ["x"]}},
            {"type": "response.output_text.delta", "delta": "Hi"},
        ),
        "something_new",
    ),
    "gemini": Row(
        "gemini:m", _gemini, None, None, sse([gemini({"text": "Hi"}, HOLOGRAM, finishReason="STOP")]), "hologram"
    ),
    "interactions": Row(
        "gemini-interactions:m",
        _interaction,
        _interaction(0, "requires_action"),
        _interaction(0, "requires_action", step("delta", "delta", type="text", text="Hi")),
        _interaction(
            0,
            "completed",
            step("start", "step", type="hologram", id="s"),
            step("stop", "step"),
            step("delta", "delta", type="text", text="Hi"),
        ),
        "hologram",
    ),
    "cohere": Row(
        "cohere:m",
        lambda tokens: _cohere(tokens=tokens),
        _cohere(reason="TOOL_CALL"),
        _cohere(cohere("content-delta", content={"text": "Hi"}), reason="TOOL_CALL"),
        _cohere(
            cohere("content-delta", content={"text": "Hi"}),
            cohere("content-start", content={"type": "hologram", "data": "AA=="}),
        ),
        "hologram",
    ),
    "ollama": Row(
        "ollama:m",
        lambda tokens: lines({"message": {"content": ""}, "done": True, "eval_count": tokens}),
        None,
        None,
        lines({"message": {"content": "Hi", "audio": ["AA=="]}}, {"done": True}),
        "audio",
    ),
    "converse": Row(
        "bedrock:m",
        _converse,
        _converse(0, "tool_use"),
        _converse(0, "tool_use", ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hi"}})),
        converse({"text": "Hi"}, {"hologram": {"title": "a"}}),
        "hologram",
    ),
}
every = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
announcing = pytest.mark.parametrize(
    "row", [pytest.param(row, id=name) for name, row in ROWS.items() if row.called is not None]
)

LABELS = {"ollama": "application/x-ndjson", "bedrock": "application/vnd.amazon.eventstream"}


async def asked(target: str, body: bytes, label: str | None = None, **options: Any) -> tuple[Transcript, int]:
    """What comes of this answer, failed or not, and how often it was asked for."""
    provider, _, _ = target.partition(":")
    label = label if label is not None else LABELS.get(provider, "text/event-stream")
    more: dict[str, Any] = {"api_key": "k"} if provider != "bedrock" else {"api_key": "k", "region": "us-east-1"}
    async with FakeProvider(serve_bytes(body, label)) as server:
        client = Client(server.target(provider, **more, **options), retry=FAST)
        async with client:
            try:
                transcript = await client.complete("hi")
            except StreamError as error:
                transcript = Transcript.of(error) or Transcript()
        return transcript, len(server.requests)


def fault(transcript: Transcript) -> tuple[str, str]:
    """Kind and code of what failed."""
    assert transcript.error is not None
    return transcript.error.kind.value, transcript.error.failure.code


# -- ends that contradict ---------------------------------------------------------------------


@every
async def test_a_silent_answer_with_tokens_is_no_success(row: Row) -> None:
    """It came to its end, and what was counted was not read: a failure in plain words, asked for twice at most."""
    transcript, requests = await asked(row.target, row.silent(57))
    assert (transcript.outcome, *fault(transcript)) == ("failed", "unexpected_response", "nothing_read")
    assert requests == 2
    assert "57 tokens" in str(transcript.error)


@every
async def test_an_empty_answer_of_few_tokens_stays_one(row: Row) -> None:
    """A model may have nothing to say."""
    for tokens in (0, 4):
        transcript, requests = await asked(row.target, row.silent(tokens))
        assert (transcript.outcome, transcript.text, requests) == ("complete", "", 1)


@announcing
async def test_a_call_that_was_announced_has_to_come(row: Row) -> None:
    """Without any content nothing was read; after a text the model is at fault, and nobody is asked again."""
    assert row.called is not None
    assert row.spoken is not None
    transcript, requests = await asked(row.target, row.called)
    assert (transcript.outcome, *fault(transcript), requests) == ("failed", "unexpected_response", "nothing_read", 2)
    transcript, requests = await asked(row.target, row.spoken)
    assert (transcript.outcome, *fault(transcript), requests) == ("failed", "model_output_invalid", "no_call", 1)
    assert (transcript.text, transcript.finish_reason) == ("Hi", None)


async def test_what_is_not_known_is_named_and_is_no_answer_by_itself() -> None:
    """A field that nobody knows may have been the answer. Its name is told, cleaned of what steers a terminal."""
    body = _chat(delta(None, **{"speech\x1b[31m": "Hello"}), delta(None, "stop"))
    transcript, requests = await asked("openai:m", body)
    assert (transcript.outcome, *fault(transcript), requests) == ("failed", "unexpected_response", "nothing_read", 2)
    assert "Not understood: speech[31m." in str(transcript.error)
    transcript, _ = await asked("openai:m", _chat(delta(None, speech="Hello"), delta(None, "stop"), tokens=1))
    assert transcript.outcome == "complete"  # the count says that nothing was written


async def test_the_next_target_is_asked() -> None:
    """A host that cannot be understood does not end the call."""
    silent, good = (
        FakeProvider(serve_bytes(ROWS["chat"].silent(57))),
        FakeProvider(serve_bytes(_chat(delta("Hi", "stop")))),
    )
    async with silent, good, Client(silent.target("openai"), good.target("openai"), retry=RetryPolicy.off()) as client:
        assert (await client.complete("hi")).text == "Hi"


def _chunks(*more: Any, reason: str = "stop", usage: Usage | None = None) -> list[Any]:
    return [*more, *([usage] if usage else []), Finished(reason, reason)]  # type: ignore[arg-type]


FINE = {
    "text": _chunks(TextDelta("a"), usage=Usage(1, 500)),
    "a call": _chunks(ToolCall(0, "c", "f", "{}", {}), reason="tool_calls"),
    "a picture": _chunks(Raw("p", "image", "AA=="), usage=Usage(1, 500)),
    "a tool that ran at the provider": _chunks(TextDelta("a"), Raw("p", "search", {}), reason="tool_calls"),
    "cut": _chunks(usage=Usage(1, 500), reason="length"),
    "filtered": _chunks(usage=Usage(1, 500), reason="content_filter"),
    "a pause": _chunks(usage=Usage(1, 500), reason="pause"),
    "nothing is counted": _chunks(),
    "only reasoning is counted": _chunks(usage=Usage(1, 500, 495)),
    "reasoning, not counted": _chunks(ReasoningDelta("a"), usage=Usage(1, 500)),
    "a refusal": [Usage(1, 500), Finished("stop", "stop", None, "I cannot.")],
    "doubt beside text": _chunks(TextDelta("a"), Raw("p", "x", "y", "doubt")),
    "an extra": _chunks(Raw("p", "x", "y", "extra")),
}
NOT_FINE = {
    "tokens": _chunks(usage=Usage(1, 57)),
    "tokens beyond the reasoning": _chunks(ReasoningDelta("a"), usage=Usage(1, 500, 300)),
    "reasoning counted apart": _chunks(usage=Usage(1, 57, 300)),
    "without a reason": [Usage(1, 57)],
    "an unknown reason": _chunks(usage=Usage(1, 57), reason="other"),
    "only empty text": _chunks(TextDelta(""), usage=Usage(1, 57)),
    "only doubt": _chunks(Raw("p", "x", "y", "doubt")),
    "no call": _chunks(reason="tool_calls"),
}


@pytest.mark.parametrize("chunks", FINE.values(), ids=FINE)
def test_an_end_that_agrees_is_believed(chunks: list[Any]) -> None:
    """What is there, or a reason why there is nothing."""
    assert contradiction(chunks) is None


@pytest.mark.parametrize("chunks", NOT_FINE.values(), ids=NOT_FINE)
def test_an_end_that_contradicts_is_none(chunks: list[Any]) -> None:
    """An end that contradicts what was read is one failure, and is retried once."""
    failure = contradiction(chunks)
    assert failure is not None
    assert (failure.kind, failure.code, failure.retry) == ("unexpected_response", "nothing_read", True)


# -- what has no class ------------------------------------------------------------------------


@every
async def test_content_without_a_class_comes_as_raw_without_being_asked_for(row: Row) -> None:
    """One chunk, counted, in what is stored, and the answer is complete with it."""
    for raw in ({}, {"raw": True}):
        transcript, _ = await asked(row.target, row.odd, **raw)
        assert (transcript.outcome, transcript.text) == ("complete", "Hi")
        [found] = [each for each in transcript.chunks if isinstance(each, Raw) and each.content]
        assert (found.event, dict(transcript.unmodelled)) == (row.name, {row.name: 1})
        again = Transcript.from_dict(json.loads(json.dumps(transcript.to_dict())))
        assert again.chunks == transcript.chunks
        assert again.unmodelled == {row.name: 1}


@every
async def test_it_is_warned_of_once(row: Row, caplog: pytest.LogCaptureFixture) -> None:
    """Once for each target and name, whatever comes after."""
    with caplog.at_level(logging.WARNING, "resilient_stream"):
        for _ in range(3):
            await asked(row.target, row.odd)
    warnings = [record.getMessage() for record in caplog.records if "not modelled" in record.getMessage()]
    assert len(warnings) == 1
    assert row.name in warnings[0]


def test_names_from_a_server_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """In number, in length, and in what they can do to a terminal; so is what is remembered of warnings."""
    chunks = [Raw("p", f"name {number}", 1) for number in range(MAX_NAMES + 20)]
    transcript = Transcript()
    transcript._receive(chunks)
    assert len(transcript.unmodelled) == MAX_NAMES + 1
    assert transcript.unmodelled[OTHERS] == 20
    assert understood.clean("a\x1b]0;b\x07\u202e" + "c" * 500) == "a]0;b" + "c" * 59
    assert understood.clean("\n") == "unnamed"
    with caplog.at_level(logging.CRITICAL, "resilient_stream"):
        understood.warn("t", (str(number) for number in range(5000)), warned := set())
    assert len(warned) <= understood.MAX_WARNED


def test_what_a_trimmed_transcript_dropped_is_still_counted() -> None:
    """A picture is as heavy as it is, and its name outlasts it."""
    transcript = Transcript(limit=10_000)
    for _ in range(10):
        transcript._receive([Raw("p", "image", "A" * 4000)])
        transcript._ready.clear()
        transcript._weigh(4000)
    assert len(transcript.chunks) < 10
    assert transcript.unmodelled == {"image": 10}
    assert Transcript.from_dict(transcript.to_dict()).unmodelled == {"image": 10}


async def test_a_preamble_of_unknown_fields_does_not_commit() -> None:
    """What may be content by doubt only is held, so a failure after it is still retried unseen."""
    odd = sse([{"choices": [{"index": 0, "delta": {"role": "assistant"}}], "weather": {"at": "Oslo"}}])
    first = odd + sse([{"error": {"message": "overloaded", "code": 503}}])
    async with FakeProvider(serve_bytes(first), serve_bytes(odd + _chat(delta("Hi", "stop")))) as server:
        async with Client(server.target("openai"), retry=FAST) as client:
            transcript = await client.complete("hi")
    assert (transcript.text, transcript.unmodelled, len(transcript.attempts)) == ("Hi", {"weather": 1}, 2)


def test_raw_is_made_as_before() -> None:
    """Three values make one, and it is content."""
    assert Raw("openai", "x", {}).content
    assert not Raw("openai", "x", {}, "doubt").content
    assert Raw("openai", "x", {}).text == ""


# -- one JSON in place of a stream --------------------------------------------------------------

HELLO = {"role": "assistant", "content": "Hello you"}
WHOLE: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("openai:m", {"choices": [{"index": 0, "message": HELLO, "finish_reason": "stop"}]}),
    "messages": (
        "anthropic:m",
        {"type": "message", "content": [{"type": "text", "text": "Hello you"}], "stop_reason": "end_turn"},
    ),
    "responses": (
        "openai-responses:m",
        {
            "status": "completed",
            "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hello you"}]}],
        },
    ),
    "gemini": ("gemini:m", gemini({"text": "Hello you"}, finishReason="STOP")),
    "interactions": (
        "gemini-interactions:m",
        {
            "status": "completed",
            "steps": [{"type": "model_output", "content": [{"type": "text", "text": "Hello you"}]}],
        },
    ),
    "cohere": (
        "cohere:m",
        {"message": {"content": [{"type": "text", "text": "Hello you"}]}, "finish_reason": "COMPLETE"},
    ),
    "ollama": ("ollama:m", {"message": HELLO, "done": True}),
    "converse": ("bedrock:m", {"output": {"message": {"content": [{"text": "Hello you"}]}}, "stopReason": "end_turn"}),
}
LABELLED = ["application/json", "text/event-stream", "text/plain", ""]
whole = pytest.mark.parametrize(("target", "answer"), WHOLE.values(), ids=WHOLE)


@whole
@pytest.mark.parametrize("label", LABELLED)
@pytest.mark.parametrize("indent", [None, 2])
async def test_one_json_in_place_of_a_stream_is_an_answer(
    target: str, answer: dict[str, Any], label: str, indent: int | None
) -> None:
    """Whatever it says that it is, and in however many lines it is written; it is asked for once."""
    transcript, requests = await asked(target, json.dumps(answer, indent=indent).encode(), label)
    assert (transcript.outcome, transcript.text, requests) == ("complete", "Hello you", 1)


@whole
@pytest.mark.parametrize("label", ["application/json", "text/event-stream"])
async def test_an_error_in_a_200_stays_an_error(target: str, answer: dict[str, Any], label: str) -> None:
    """It is classified as what it is, and asked for once where that is no use."""
    error = {"message": "The model `m` does not exist", "type": "invalid_request_error", "code": "model_not_found"}
    transcript, requests = await asked(target, json.dumps({"error": error}).encode(), label)
    assert (transcript.outcome, fault(transcript)[0], requests) == ("failed", "model_not_found", 1)


@whole
@pytest.mark.parametrize("body", [{"hello": "world"}, {"status": "ok", "version": "1.2"}])
async def test_json_of_no_known_shape_is_unexpected(target: str, answer: dict[str, Any], body: dict[str, Any]) -> None:
    """Another server's page is not asked for five times."""
    transcript, requests = await asked(target, json.dumps(body, indent=1).encode(), "application/json")
    assert (transcript.outcome, fault(transcript)[0], requests) == ("failed", "unexpected_response", 1)


@whole
async def test_half_a_json_is_a_cut_answer(target: str, answer: dict[str, Any]) -> None:
    """The connection ended cleanly, the answer did not."""
    transcript, _ = await asked(target, json.dumps(answer, indent=1).encode()[:-4], "application/json")
    assert (transcript.outcome, fault(transcript)[0]) == ("failed", "stream_interrupted")
