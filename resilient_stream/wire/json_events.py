"""Decodes JSON events from SSE or from one JSON array, as OpenAI, Anthropic, Gemini and many others stream them.

A whole network read is decoded in one call, as one JSON array, into typed structs. Only when that fails are its events
decoded one by one, so that the good ones before a bad one are not lost. Nothing is raised for what a server sent: a
`Failure` is left in `failure`, and nothing is decoded after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from ..failures import ErrorKind, Failure
from .broken import (
    LARGE,
    MOST_VALUES,
    UNREADABLE,
    carries_nothing,
    failure_of,
    has_crowded_error,
    is_crowded,
    objects_in,
    place_of,
    readable,
    without_nothing,
)
from .json_array import JsonArrayDecoder
from .limits import BadFraming, EventTooLarge, TooManyPieces
from .sse import NO_PINGS, SseDecoder, lone_event

__all__ = ["UNREADABLE", "BatchDecoder", "JsonEvents", "place_of", "what_can_be_read"]

EventT = TypeVar("EventT")


class BatchDecoder(Generic[EventT]):
    """Decodes several JSON texts of one type in one call. It has no state and is made once, since making one costs a
    millisecond.

    narrow: a subtype that admits less and is tried first; texts that fit it have no fields that the reader does not
    read.
    """

    __slots__ = ("_many", "_narrow", "one")

    def __init__(self, event_type: type[EventT], narrow: type[Any] | None = None) -> None:
        self.one = msgspec.json.Decoder(event_type)
        self._many = msgspec.json.Decoder(list[event_type])  # type: ignore[valid-type]
        self._narrow = None if narrow is None else msgspec.json.Decoder(list[narrow])  # type: ignore[valid-type]

    def decode(self, payloads: list[bytes]) -> list[EventT] | None:
        """Return all texts decoded, or None when any is not of this type."""
        if self._narrow is not None and (found := self._decoded_together(self._narrow, payloads)) is not None:
            return found
        if len(payloads) != 1:
            return self._decoded_together(self._many, payloads)
        one = self.single(payloads[0])
        return None if one is None else [one]

    def single(self, payload: bytes) -> EventT | None:
        """Return one text decoded; None when it is not of this type."""
        if len(payload) > LARGE and has_crowded_error(payload):
            return None
        try:
            return self.one.decode(payload)
        except UNREADABLE:
            return None

    def _decoded_together(self, decoder: msgspec.json.Decoder[Any], payloads: list[bytes]) -> list[EventT] | None:
        text = b"[%b]" % b",".join(payloads)
        if len(text) > LARGE and has_crowded_error(text):
            return None
        try:
            events: list[EventT] = decoder.decode(text)
        except UNREADABLE:
            return None
        # A text with two values in it would pass as one more element of the array.
        return events if len(events) == len(payloads) else None

    def leniently(self, payload: bytes) -> tuple[list[EventT], list[bytes], bool]:
        """Decode one event that may be malformed: return its events, their texts, and whether halves of characters were
        marked.

        Raises one of UNREADABLE when it cannot be read, TooManyPieces when reading it would take too long.
        """
        if has_crowded_error(payload):
            raise TooManyPieces(MOST_VALUES)
        try:
            return [self.one.decode(payload)], [payload], False
        except UNREADABLE as error:
            if is_crowded(payload):
                raise
            texts = objects_in(payload)
            sound = [readable(text) for text in texts]
            if sound == [payload]:  # its JSON is as it should be, so reading it again would fail in the same way
                return [self._as_meant(payload, error)], sound, False
        return [self._mended(text) for text in sound], sound, sound != texts

    def _mended(self, payload: bytes) -> EventT:
        try:
            return self.one.decode(payload)
        except UNREADABLE as error:
            return self._as_meant(payload, error)

    def _as_meant(self, payload: bytes, error: Exception) -> EventT:
        """Decode one event in which a field has a wrong type: a number as text, or nothing in another form."""
        if len(payload) > LARGE or not isinstance(error, msgspec.ValidationError):
            raise error
        return msgspec.json.decode(without_nothing(payload), type=self.one.type, strict=False)


MOST_ODD = 8_192
"""Events of one network read that are looked at one by one. Nobody sends more of them where some are odd."""


def what_can_be_read(batch: BatchDecoder[EventT], payloads: list[bytes]) -> tuple[list[EventT], bool, Failure | None]:
    """Decode texts one by one, up to one that cannot be read; also return whether halves of characters were marked.

    Afterwards `payloads` are the texts of exactly these events.
    """
    payloads[:] = [payload for payload in payloads if not carries_nothing(payload)]
    # A single one is tried alone below, and a large one takes long each time.
    if len(payloads) > 1 and (sound := batch.decode(payloads)) is not None:
        return sound, False, None
    events: list[EventT] = []
    kept: list[bytes] = []
    halves, failure = False, None
    if len(payloads) > MOST_ODD:
        del payloads[MOST_ODD:]
        failure = failure_of(TooManyPieces(MOST_ODD))
    for payload in payloads:
        try:
            found, texts, odd = batch.leniently(payload)
        except (*UNREADABLE, EventTooLarge) as error:
            failure = failure_of(error)
            break
        events += found
        kept += texts
        halves = halves or odd
    payloads[:] = kept
    return events, halves, failure


class JsonEvents(Generic[EventT]):
    """Decodes bytes into typed events; events that carry nothing are skipped.

    done: a `[DONE]` came, after which everything is ignored. cut: the body ended within an event. left: the text of the
    event that only the end completed. halves: halves of characters were marked. error: the data of an event that is
    named an error, the last that was read.
    """

    bare: ClassVar[bool] = False
    __slots__ = ("_array", "_batch", "_begun", "_sse", "cut", "done", "error", "failure", "halves", "left")

    def __init__(self, batch: BatchDecoder[EventT], max_event_bytes: int) -> None:
        self._batch = batch
        self._sse = SseDecoder(max_event_bytes)
        self._array: JsonArrayDecoder | None = None
        self._begun = False
        self.done = False
        self.cut = False
        self.left: Sequence[bytes] = ()
        self.halves = False
        self.error: bytes | None = None
        self.failure: Failure | None = None

    def feed(self, data: bytes) -> list[EventT]:
        """Return the events that `data` completes."""
        return self.decode(self.payloads(data))

    def single(self) -> Callable[[bytes], bytes | None] | None:
        """Return what gives the JSON text of a read that is one plain event, until `payloads` is called again; None
        where the next read is none."""
        return lone_event if self._array is None and self._sse.between else None

    def payloads(self, data: bytes) -> list[bytes]:
        """Return the JSON texts that `data` completes, not yet decoded."""
        if self.done or self.failure is not None:
            return []
        if not self._begun:
            self._begin(data)
        try:
            payloads = self._sse.payloads(data) if self._array is None else self._array.feed(data)
        except EventTooLarge as error:
            self.failure = failure_of(error)
            return []
        except BadFraming as error:
            self.failure = Failure(kind=ErrorKind.PROTOCOL_ERROR, code="bad_array", detail=str(error))
            return []
        self.error = self._sse.error
        if self._sse.pings:
            pings, self._sse.pings = self._sse.pings, NO_PINGS
            payloads = [payload for payload in payloads if payload not in pings]
        if payloads and payloads[-1].startswith(b"[DONE]"):
            self.done = True
            payloads.pop()
        return payloads

    def _begin(self, data: bytes) -> None:
        """Choose between SSE and an array by the first byte: no field of an event begins with a bracket."""
        first = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        self._begun = bool(first)
        if first == b"[":
            self._array = JsonArrayDecoder(self._sse.max_event_bytes)

    def decode(self, payloads: list[bytes]) -> list[EventT]:
        """Decode JSON texts as typed events; texts of events that carry nothing are removed from `payloads`."""
        if not payloads:
            return []
        events = self._batch.decode(payloads)
        return self._one_by_one(payloads) if events is None else events

    def finish(self) -> list[EventT]:
        """Return the last event at the end of the body; one without its blank line counts if it is whole JSON."""
        if self.done or self.failure is not None:
            return []
        rest = self._sse.leftover()
        self.error = self._sse.error
        self.cut = rest != [] and not rest[0].strip()
        self.left = list(rest)
        events = self.decode(rest)
        if self.failure is not None:  # half an event means a cut answer, not bad JSON
            self.failure = None
            self.cut = True
        return events

    def stray(self) -> Any:
        """Return the JSON object that stood between the events as bare text; None when there was none."""
        text = self._sse.stray.strip()
        if not text.startswith((b"{", b"[")):
            return None
        try:
            return msgspec.json.decode(text)
        except UNREADABLE:
            return None

    def _one_by_one(self, payloads: list[bytes]) -> list[EventT]:
        pings = self._sse.named_pings() if self._array is None else NO_PINGS
        payloads[:] = [payload for payload in payloads if payload not in pings]
        for place, payload in enumerate(payloads):
            if payload.strip(b' \t\r\n"').upper() == b"[DONE]":
                self.done = True
                del payloads[place:]
                break
        events, halves, self.failure = what_can_be_read(self._batch, payloads)
        self.halves = self.halves or halves
        if self.failure is not None:
            self.done = False
        return events
