"""JSON events over SSE: what OpenAI, Anthropic, Gemini and their many relatives stream.

The one rule: a whole network read is decoded in one call, as one JSON array, into typed structs; only when
that fails are its events taken one by one, so that the good ones before a bad one are not lost.
Must never: raise for what a server sent. A `Failure` is left in `failure`, and nothing is decoded after it.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from ..errors import ErrorKind, Failure
from .limits import EventTooLarge
from .sse import SseDecoder

__all__ = ["JsonEvents"]

EventT = TypeVar("EventT")


class JsonEvents(Generic[EventT]):
    """Bytes in, typed events out. `done` is set at a `[DONE]`, after which everything is ignored."""

    __slots__ = ("_many", "_one", "_sse", "done", "failure")

    def __init__(self, event_type: type[EventT], max_event_bytes: int) -> None:
        self._one, self._many = _decoders(event_type)
        self._sse = SseDecoder(max_event_bytes)
        self.done = False
        self.failure: Failure | None = None

    def feed(self, data: bytes) -> list[EventT]:
        """The events that `data` makes whole."""
        return self.decode(self.payloads(data))

    def payloads(self, data: bytes) -> list[bytes]:
        """The JSON texts that `data` makes whole, not yet decoded."""
        if self.done or self.failure is not None:
            return []
        try:
            payloads = self._sse.payloads(data)
        except EventTooLarge as error:
            self.failure = Failure(kind=ErrorKind.BUFFER_LIMIT, facts={"limit": f"{error.limit} bytes"})
            return []
        if payloads and payloads[-1].startswith(b"[DONE]"):
            self.done = True
            payloads.pop()
        return payloads

    def decode(self, payloads: list[bytes]) -> list[EventT]:
        """Typed events from JSON texts."""
        if len(payloads) > 1:
            try:
                events = self._many.decode(b"[%b]" % b",".join(payloads))
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
                return self._one_by_one(payloads)
            # One text that holds two values would pass as an array element more.
            return events if len(events) == len(payloads) else self._one_by_one(payloads)
        return self._one_by_one(payloads) if payloads else []

    def finish(self) -> list[EventT]:
        """The body ended: a last event without its blank line counts when it is whole JSON."""
        if self.done or self.failure is not None:
            return []
        events = self.decode(self._sse.leftover())
        if self.failure is not None:  # half an event is a cut, not bad JSON
            self.failure = None
        return events

    def stray(self) -> Any:
        """The JSON object that stood between the events as bare text; None when there was none."""
        text = self._sse.stray.strip()
        if not text.startswith((b"{", b"[")):
            return None
        try:
            return msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            return None

    def _one_by_one(self, payloads: list[bytes]) -> list[EventT]:
        events: list[EventT] = []
        for payload in payloads:
            if payload.strip() == b"[DONE]":
                self.done = True
                break
            try:
                events.append(self._one.decode(payload))
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
                self.failure = Failure(kind=ErrorKind.PROTOCOL_ERROR, code="bad_json", detail=_place(error))
                break
        return events


_CACHE: dict[type[Any], tuple[msgspec.json.Decoder[Any], msgspec.json.Decoder[Any]]] = {}


def _decoders(event_type: type[EventT]) -> tuple[msgspec.json.Decoder[EventT], msgspec.json.Decoder[list[EventT]]]:
    """Decoders are made once for each type: making one costs a millisecond."""
    if event_type not in _CACHE:
        _CACHE[event_type] = (msgspec.json.Decoder(event_type), msgspec.json.Decoder(list[event_type]))  # type: ignore[valid-type]
    return _CACHE[event_type]


def _place(error: Exception) -> str:
    """Where the JSON broke, without any of it: msgspec's messages name positions and types, not values."""
    return str(error).split("\n", 1)[0][:120]
