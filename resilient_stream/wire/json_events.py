"""JSON events over SSE, or in one JSON array: what OpenAI, Anthropic, Gemini and their many relatives stream.

The one rule: a whole network read is decoded in one call, as one JSON array, into typed structs; only when
that fails are its events taken one by one, so that the good ones before a bad one are not lost.
Must never: raise for what a server sent. A `Failure` is left in `failure`, and nothing is decoded after it.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from ..errors import ErrorKind, Failure
from .json_array import JsonArrayDecoder
from .limits import BadFraming, EventTooLarge
from .sse import SseDecoder

__all__ = ["UNREADABLE", "BatchDecoder", "JsonEvents", "place_of"]

EventT = TypeVar("EventT")

UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
"""What msgspec raises for bytes that are not the JSON, or not of the type, that is asked for."""


class BatchDecoder(Generic[EventT]):
    """Several JSON texts of one type, decoded in one call. Stateless, and made once: making one costs a
    millisecond."""

    __slots__ = ("_many", "one")

    def __init__(self, event_type: type[EventT]) -> None:
        self.one = msgspec.json.Decoder(event_type)
        self._many = msgspec.json.Decoder(list[event_type])  # type: ignore[valid-type]

    def decode(self, payloads: list[bytes]) -> list[EventT] | None:
        """All of them, or None when any is not of this type."""
        try:
            if len(payloads) == 1:
                return [self.one.decode(payloads[0])]
            events = self._many.decode(b"[%b]" % b",".join(payloads))
        except UNREADABLE:
            return None
        # One text that holds two values would pass as an array element more.
        return events if len(events) == len(payloads) else None


class JsonEvents(Generic[EventT]):
    """Bytes in, typed events out. `done` is set at a `[DONE]`, after which everything is ignored; `cut`, when the
    body ended within an event."""

    __slots__ = ("_array", "_batch", "_begun", "_sse", "cut", "done", "failure")

    def __init__(self, batch: BatchDecoder[EventT], max_event_bytes: int) -> None:
        self._batch = batch
        self._sse = SseDecoder(max_event_bytes)
        self._array: JsonArrayDecoder | None = None
        self._begun = False
        self.done = False
        self.cut = False
        self.failure: Failure | None = None

    def feed(self, data: bytes) -> list[EventT]:
        """The events that `data` makes whole."""
        return self.decode(self.payloads(data))

    def payloads(self, data: bytes) -> list[bytes]:
        """The JSON texts that `data` makes whole, not yet decoded."""
        if self.done or self.failure is not None:
            return []
        if not self._begun:
            self._begin(data)
        try:
            payloads = self._sse.payloads(data) if self._array is None else self._array.feed(data)
        except EventTooLarge as error:
            self.failure = Failure(kind=ErrorKind.BUFFER_LIMIT, facts={"limit": f"{error.limit} bytes"})
            return []
        except BadFraming as error:
            self.failure = Failure(kind=ErrorKind.PROTOCOL_ERROR, code="bad_array", detail=str(error))
            return []
        if payloads and payloads[-1].startswith(b"[DONE]"):
            self.done = True
            payloads.pop()
        return payloads

    def _begin(self, data: bytes) -> None:
        """The first byte says which of the two it is: no field of an event begins with a bracket."""
        first = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        self._begun = bool(first)
        if first == b"[":
            self._array = JsonArrayDecoder(self._sse.max_event_bytes)

    def decode(self, payloads: list[bytes]) -> list[EventT]:
        """Typed events from JSON texts."""
        if not payloads:
            return []
        events = self._batch.decode(payloads)
        return self._one_by_one(payloads) if events is None else events

    def finish(self) -> list[EventT]:
        """The body ended: a last event without its blank line counts when it is whole JSON."""
        if self.done or self.failure is not None:
            return []
        events = self.decode(self._sse.leftover())
        if self.failure is not None:  # half an event is a cut, not bad JSON
            self.failure = None
            self.cut = True
        return events

    def stray(self) -> Any:
        """The JSON object that stood between the events as bare text; None when there was none."""
        text = self._sse.stray.strip()
        if not text.startswith((b"{", b"[")):
            return None
        try:
            return msgspec.json.decode(text)
        except UNREADABLE:
            return None

    def _one_by_one(self, payloads: list[bytes]) -> list[EventT]:
        events: list[EventT] = []
        for payload in payloads:
            if payload.strip() == b"[DONE]":
                self.done = True
                break
            try:
                events.append(self._batch.one.decode(payload))
            except UNREADABLE as error:
                self.failure = Failure(kind=ErrorKind.PROTOCOL_ERROR, code="bad_json", detail=place_of(error))
                break
        return events


def place_of(error: Exception) -> str:
    """Where the JSON broke, without any of it: msgspec's messages name positions and types, not values."""
    return str(error).split("\n", 1)[0][:120]
