"""What holds for every dialect of JSON events, since one frame reads them all: how a body may end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from resilient_stream.chunks import Finished, TextDelta
from resilient_stream.errors import EMPTY_ANSWER, NO_END_MARKER
from resilient_stream.providers.anthropic.stream import messages_decoder
from resilient_stream.providers.cohere.stream import cohere_decoder
from resilient_stream.providers.google.interactions_stream import interaction_decoder
from resilient_stream.providers.google.stream import gemini_decoder
from resilient_stream.providers.ollama.stream import ollama_decoder
from resilient_stream.providers.openai.chat_stream import chat_decoder
from resilient_stream.providers.openai.responses_stream import responses_decoder
from resilient_stream.providers.shared.event_decoder import EventDecoder


def sse(event: Any) -> bytes:
    """An event as a server sends it."""
    return f"data: {json.dumps(event)}\n\n".encode()


def line(event: Any) -> bytes:
    """A line of JSON."""
    return json.dumps(event).encode() + b"\n"


class Row(NamedTuple):
    """One dialect. text: an event that is text. end: what ends an answer, whole."""

    make: Callable[..., EventDecoder[Any]]
    text: bytes
    end: bytes


def _cohere(provider: str, **options: Any) -> EventDecoder[Any]:
    return cohere_decoder(**options)


ROWS = {
    "chat": Row(
        chat_decoder,
        sse({"choices": [{"index": 0, "delta": {"content": "a"}}]}),
        sse({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}) + b"data: [DONE]\n\n",
    ),
    "messages": Row(
        messages_decoder,
        sse({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}}),
        sse({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}) + sse({"type": "message_stop"}),
    ),
    "responses": Row(
        responses_decoder,
        sse({"type": "response.output_text.delta", "delta": "a"}),
        sse({"type": "response.completed", "response": {"status": "completed"}}),
    ),
    "cohere": Row(
        _cohere,
        sse({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "a"}}}}),
        sse({"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}),
    ),
    "ollama": Row(
        ollama_decoder, line({"message": {"content": "a"}}), line({"message": {}, "done": True, "done_reason": "stop"})
    ),
    "interactions": Row(
        interaction_decoder,
        sse({"event_type": "step.delta", "index": 0, "delta": {"type": "text", "text": "a"}}),
        sse({"event_type": "interaction.completed", "interaction": {"status": "completed"}}),
    ),
    "gemini": Row(
        gemini_decoder,
        sse({"candidates": [{"content": {"parts": [{"text": "a"}]}}]}),
        sse({"candidates": [{"content": {"parts": [{"text": ""}]}, "finishReason": "STOP"}]}),
    ),
}

every = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
with_an_end_of_its_own = pytest.mark.parametrize("name", [name for name in ROWS if name != "gemini"])
"""Gemini's answers are over when their bodies are."""


def decoder(row: Row, **options: Any) -> EventDecoder[Any]:
    """One answer of a dialect."""
    return row.make("openai", max_event_bytes=10_000, **options)


@every
def test_an_answer_is_whole_with_its_own_end(row: Row) -> None:
    """Text, then Finished, then nothing: neither from more bytes nor from a second end."""
    reading = decoder(row)
    chunks = [*reading.feed(row.text + row.end), *reading.finish()]
    assert [type(chunk) for chunk in chunks] == [TextDelta, Finished]
    assert (reading.done, reading.failure) == (True, None)
    assert [*reading.feed(row.text), *reading.finish()] == []


@every
def test_a_body_that_just_ends_is_a_cut_answer(row: Row) -> None:
    """Unless the target says that its server ends answers so."""
    strict, lenient = decoder(row), decoder(row, eof_ok=True)
    for reading in (strict, lenient):
        reading.feed(row.text)
        assert reading.finish() == [] or reading.done
    assert (strict.done, strict.failure) == (False, NO_END_MARKER)
    assert (lenient.done, lenient.failure) == (True, None)


@every
def test_half_an_event_at_the_end_is_a_cut_answer_even_so(row: Row) -> None:
    """However the server ends its answers, there was more to come."""
    reading = decoder(row, eof_ok=True)
    assert reading.feed(row.text + row.text[:-9]) == [TextDelta("a")]
    assert reading.finish() == []
    assert (reading.done, reading.failure) == (False, NO_END_MARKER)


@with_an_end_of_its_own
def test_what_follows_the_end_is_not_read(name: str) -> None:
    """In the same read as in a later one: it is no part of the answer."""
    row = ROWS[name]
    reading = decoder(row)
    assert type(reading.feed(row.text + row.end + b"data: {no\n\n")[-1]) is Finished
    assert (reading.done, reading.failure) == (True, None)


@pytest.mark.parametrize("name", ["messages", "responses", "cohere", "interactions"])
def test_done_is_no_end_where_the_dialect_has_another(name: str) -> None:
    """A gateway's `[DONE]` after half an answer does not make it whole, and nothing more is waited for."""
    reading = decoder(ROWS[name])
    assert reading.feed(ROWS[name].text + b"data: [DONE]\n\n") == [TextDelta("a")]
    assert (reading.done, reading.failure) == (False, NO_END_MARKER)


def test_an_end_with_nothing_before_it_is_an_empty_answer() -> None:
    """It is named so, and asked for again."""
    reading = decoder(ROWS["chat"])
    assert reading.feed(b"data: [DONE]\n\n") == []
    assert reading.failure == EMPTY_ANSWER


@every
def test_bytes_that_are_no_text_raise_nothing_wherever_they_stand(row: Row) -> None:
    """Between the events or inside one: a failure, and none of Python's."""
    for body in (row.text + b'{"error": "\xff"}\n', row.text.replace(b'"a"', b'"\xff"')):
        reading = decoder(row)
        reading.feed(body)
        reading.finish()
        assert not reading.done
        assert reading.failure is not None


ERRORS = {
    "model_not_found": {"code": 400, "msg": "The model qwen-9 does not exist"},
    "rate_limited": {"errcode": 429, "errmsg": "rate limit reached, slow down"},
    "server_error": {"success": False, "errors": [{"code": 7003, "message": "could not route"}]},
}


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_single_event_of_an_unknown_shape_is_looked_at_as_an_error(row: Row, kind: str) -> None:
    """It is named once, and not asked for again and again as a cut answer; also where it comes after a text."""
    event = json.dumps(ERRORS[kind]).encode()
    bodies = (
        [event + b"\n", event, sse(ERRORS[kind])] if row is ROWS["ollama"] else [sse(ERRORS[kind]), b"data: " + event]
    )
    for body in bodies:
        decoder = _fed(row, body)
        assert decoder.failure is not None
        assert decoder.failure.kind == kind
    after_text = _fed(row, row.text + bodies[0]).failure
    assert after_text is not None
    assert after_text.kind == kind
    assert _fed(row, bodies[0] + row.text + row.end).done


def test_a_line_of_json_that_is_no_answer_is_unexpected() -> None:
    """A whole JSON text from Ollama's address of which nothing is known, however it is ended; a cut line is not one."""
    for event in ({"foo": 1}, {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}):
        for body in (line(event), line(event)[:-1], sse(event)):
            decoder = _fed(ROWS["ollama"], body)
            assert decoder.failure is not None
            assert decoder.failure.kind == "unexpected_response"
    begun = line({"model": "m", "message": {"role": "assistant", "content": ""}, "done": False})
    for body in (b"", begun, line({"foo": 1})[:-3], line({"foo": 1}) * 2):
        assert _fed(ROWS["ollama"], body).failure == NO_END_MARKER


def _fed(row: Row, body: bytes) -> EventDecoder[Any]:
    decoder = row.make("openai", max_event_bytes=1_000_000)
    decoder.feed(body)
    decoder.finish()
    return decoder


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_the_events_of_a_beginning_are_not_kept_once_there_is_content(row: Row):
    """They are looked at again only where an answer has nothing but one strange event."""
    decoder = row.make("x", max_event_bytes=1 << 20)
    assert decoder.feed(row.text)
    assert decoder._first == ()
