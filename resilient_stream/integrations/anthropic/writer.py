"""Writes an answer as a Messages API stream, as Anthropic's API and its SDK know it, or as one whole message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ...chunks import Seam, TextDelta, Usage
from ...formats.statuses import NOT_STORED
from ...formats.values import encode
from ...formats.writer import About, Ending, Item, Refusal
from ...outcome.errors import StreamError
from ...outcome.transcript import Transcript
from ..refused import Refused
from .counts import counts, stop_fields
from .errors import ended_early, error_body, refusal, request_headers
from .events import Event, Events

__all__ = ["MessagesWriter", "message_of", "write_whole"]


class MessagesWriter:
    """Writes one answer.

    model: the name that is written in place of the target's. request_id: what the request is called in its header and
    in errors. advice: whether errors say what to do, which is for whoever runs this process.
    """

    media_type = "text/event-stream"
    heartbeat = b'event: ping\ndata: {"type":"ping"}\n\n'
    numbered = True
    cut = False

    def __init__(self, *, model: str | None = None, request_id: str | None = None, advice: bool = False) -> None:
        self._model = model
        self._request_id = request_id
        self._advice = advice
        self._begun = False
        self._over = False

    @property
    def headers(self) -> Mapping[str, str]:
        """Return further headers of the response."""
        return {**NOT_STORED, **request_headers(self._request_id)}

    def begin(self, about: About) -> list[bytes]:
        """Return no frame: the first event has the counts that come with the first chunks."""
        self._about = about
        self._events = Events(about.id, about.target)
        return []

    def write(self, items: Sequence[Item]) -> list[bytes]:
        """Return the events of the items that the format can carry."""
        events, frames = self._events, self._head(items)
        for item in items:
            if self._over:
                break
            if type(item) is TextDelta and events.is_text() and item.text:
                frames.append(_TEXT % (events.index, encode(item.text)))
                continue
            frames += map(_frame, events.of(item))
            if events.broken is not None:
                frames += self._broken(*events.broken)
        return frames

    def end(self, ending: Ending) -> list[bytes]:
        """Return the error of an answer that is not whole; else why it ended, its counts, and the end marker."""
        if self._over:
            return []
        self._over = True
        early = ended_early(ending, self._request_id, advice=self._advice)
        if early is not None:
            return [_frame(early)]
        frames = [*self._head(()), *map(_frame, self._events.end())]
        if (broken := self._events.broken_by(ending.finish_reason)) is not None:
            return [*frames, *self._broken(*broken)]
        usage = counts(ending.usage or self._events.usage, ending.target)
        delta = stop_fields(self._events.finished, ending)
        return [*frames, _frame({"type": "message_delta", "delta": delta, "usage": usage}), _STOP]

    def refusal(self, error: StreamError) -> Refusal:
        """Return the error as a response of its own."""
        return refusal(error, self._request_id, advice=self._advice)

    def _head(self, items: Sequence[Item]) -> list[bytes]:
        """Return the event that begins the message, once."""
        if self._begun:
            return []
        self._begun = True
        usage = next((item for item in items if type(item) is Usage), None)
        message = _message(self._about, self._model, counts(usage, self._about.target))
        return [_frame({"type": "message_start", "message": message})]

    def _broken(self, message: str, code: str) -> list[bytes]:
        self._over = True
        return [_frame(error_body(message, "api_error", code, self._request_id))]


_TEXT = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
    b'"delta":{"type":"text_delta","text":%b}}\n\n'
)
"""The event of a piece of text, which is nearly all that is ever written."""
_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


def write_whole(transcript: Transcript, about: About, *, model: str | None = None) -> bytes:
    """Return the body of the response for a complete answer. Raises Refused for one that a client must not act on."""
    return encode(message_of(transcript, about, model=model))


def message_of(transcript: Transcript, about: About, *, model: str | None = None) -> dict[str, Any]:
    """Return a complete answer as the API's message. Raises Refused."""
    if transcript.omitted:
        raise Refused(f"The answer is too long: {transcript.omitted} characters of it were not kept.", status=502)
    events, reason = Events(about.id, _first_target(transcript)), transcript.finish_reason
    content = _accumulated([*(each for item in transcript._answer() for each in events.of(item)), *events.end()])
    if (broken := events.broken_by(reason)) is not None:
        raise Refused(broken[0], status=502, code=broken[1])
    target = transcript.target or ""
    ending = Ending("complete", None, reason, transcript.usage, target=target)
    message = _message(about, model, counts(transcript.usage, target))
    return {**message, "content": content, **stop_fields(events.finished, ending)}


def _first_target(transcript: Transcript) -> str:
    """Return who began the answer."""
    first = next((chunk for chunk in transcript._answer() if type(chunk) is Seam and not chunk.restart), None)
    return (transcript.target or "") if first is None else first.source


def _accumulated(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Return the content that a client makes of a stream's events."""
    content: list[dict[str, Any]] = []
    pieces: dict[str, list[str]] = {}
    for event in events:
        if event["type"] == "content_block_start":
            content.append(dict(event["content_block"]))
            pieces = {}
        elif event["type"] == "content_block_delta":
            _add(content[-1], pieces, event["delta"])
        else:
            _joined(content[-1], pieces)
    return [block for block in content if block.get("input", {}) is not None]


def _add(block: dict[str, Any], pieces: dict[str, list[str]], delta: dict[str, Any]) -> None:
    name, value = _DELTAS[delta["type"]], delta[_DELTAS[delta["type"]]]
    if name == "citation":
        block.setdefault("citations", []).append(value)
    elif name == "signature":
        block["signature"] = value
    else:
        pieces.setdefault(name, []).append(value)


def _joined(block: dict[str, Any], pieces: Mapping[str, list[str]]) -> None:
    for name, parts in pieces.items():
        if name == "partial_json":
            block["input"] = _object("".join(parts))
        else:
            block[name] = "".join(parts)


def _object(text: str) -> dict[str, Any] | None:
    """Return a call's arguments; None for those that were cut."""
    try:
        given = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    return given if isinstance(given, dict) else None


_DELTAS: Mapping[str, str] = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "citations_delta": "citation",
    "input_json_delta": "partial_json",
}
"""The field that each type of delta has."""


def _message(about: About, model: str | None, usage: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"msg_{about.id}", "type": "message", "role": "assistant", "model": model or about.model, "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": usage,
    }  # fmt: skip


def _frame(event: Event) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), encode(event))
