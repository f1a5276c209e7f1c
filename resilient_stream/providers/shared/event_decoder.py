"""Decodes the events of all dialects of JSON events: it reads network reads into chunks and decides how a body ended.

    bytes -> JsonEvents or JsonLines (framing, JSON) -> the dialect's reader (what an event says) -> chunks

A body that ended without the dialect's own end is a cut answer, unless the target says `eof_ok`; and with half an event
at its end it is one even then. What an event says is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from ...chunks import Raw
from ...classify import classify_error, classify_response
from ...contract import Batch, ResumePoint
from ...failures import EMPTY_ANSWER, NO_END_MARKER, ErrorKind, Failure
from ...wire.broken import failure_of, value_of
from ...wire.json_events import BatchDecoder
from .. import rules_for
from .error_events import error_in_event, whole_object
from .mending import Mender
from .open_call import READERS_RAISE

__all__ = ["EventDecoder", "EventReader", "EventSource"]

EventT = TypeVar("EventT")


class EventSource(Protocol[EventT]):
    """Supplies events from network reads: `JsonEvents` or `JsonLines`.

    bare: an event has no frame, so a body of one looks like an answer in one piece. done: a `[DONE]` came. cut: half an
    event was left at the end. left: the texts of the events that only the end completed. halves: the events have marked
    halves of characters in them. failure: why nothing more can be read. error: the data of an event that is named an
    error, after which nothing is read.
    """

    bare: ClassVar[bool]
    done: bool
    cut: bool
    left: Sequence[bytes]
    halves: bool
    error: bytes | None
    failure: Failure | None

    def single(self) -> Callable[[bytes], bytes | None] | None:
        """Return what gives the JSON text of a read that is exactly one event, until `payloads` is called again; for
        any other read that gives None, and nothing has changed. None where no next read is one."""
        ...

    def payloads(self, data: bytes) -> list[bytes]:
        """Return the JSON texts that `data` completes."""
        ...

    def decode(self, payloads: list[bytes]) -> list[EventT]:
        """Decode these texts as events; afterwards `payloads` are the texts of exactly these events."""
        ...

    def finish(self) -> list[EventT]:
        """Return the events that only the end of the body completes."""
        ...

    def stray(self) -> Any:
        """Return a JSON value that stood outside of all events; None when there was none."""
        ...


class EventReader(Protocol[EventT]):
    """Reads the events of one dialect: the part of a decoder that each dialect supplies. failure, done, progress,
    model, response_id: as in `contract.Decoder`.

    plain: the last event was nothing but text, so the next read should be tried as text first. seen: an answer has
    begun.
    """

    failure: Failure | None
    done: bool
    progress: int
    model: str | None
    response_id: str | None
    plain: bool
    seen: bool

    @property
    def texts(self) -> BatchDecoder[Any]:
        """Return the decoder of events that are text and nothing else."""
        ...

    def text(self, events: list[Any]) -> Batch:
        """Return the chunks of events that `texts` decoded; the state of the answer does not change."""
        ...

    def read(self, events: list[EventT], payloads: Sequence[bytes], batch: Batch) -> None:
        """Put the chunks of at least one event into `batch`, up to an end or a failure among them.

        payloads: the events' texts, where known. May raise READERS_RAISE; the chunks before that are in `batch`.
        """
        ...

    def may_end(self, marked: bool, cut: bool) -> bool:
        """Return whether the body may end here. marked: a `[DONE]` came. cut: the body ended within an event."""
        ...

    def close(self) -> Batch:
        """Return the chunks that only the end of the answer completes. Sets `done`."""
        ...


class LoneText:
    """Reads network reads that are one piece of text each, in an answer of which the last read was text, too.

    It stands for its decoder until that is fed again, and touches as little of it as it can.
    """

    __slots__ = ("_reader", "_single")

    def __init__(self, single: Callable[[bytes], bytes | None], reader: EventReader[Any]) -> None:
        self._single = single
        self._reader = reader

    def read(self, data: bytes) -> Batch:
        """Return the piece of text. For any other read, return no chunk and change nothing."""
        one = self._single(data)
        if one is None or (event := self._reader.texts.single(one)) is None:
            return []
        return self._reader.text([event])


class EventDecoder(Generic[EventT]):
    """Decodes one answer; see `contract.Decoder`. provider: the one whose rules classify errors between the events."""

    __slots__ = (
        "_begun", "_eof_ok", "_events", "_first", "_last", "_mender", "_provider", "_reader", "done", "failure",
        "model", "progress", "response_id",
    )  # fmt: skip

    def __init__(
        self, provider: str, reader: EventReader[EventT], events: EventSource[EventT], *, eof_ok: bool = False
    ) -> None:
        self._provider = provider
        self._reader = reader
        self._events = events
        self._eof_ok = eof_ok
        self._mender: Mender | None = None
        self._begun = False  # true after two events, or after a chunk that the dialect knows
        self._first: tuple[bytes, ...] = ()
        self._last: Sequence[bytes] = ()  # the events of the last read, if none of them was a text at its end
        self.failure: Failure | None = None
        self.done = False
        self.progress = 0
        self.model: str | None = reader.model
        self.response_id: str | None = reader.response_id

    @property
    def resume_point(self) -> ResumePoint | None:
        """Return where the provider can resume this answer; None where it does not keep answers."""
        point: ResumePoint | None = getattr(self._reader, "resume_point", None)
        return point

    @property
    def unmodelled(self) -> Mapping[str, int]:
        """Return the names of content without a chunk class, with how often each came."""
        counts: Mapping[str, int] = getattr(self._reader, "unmodelled", {})
        return counts

    def feed(self, data: bytes) -> Batch:
        """Decode one network read."""
        if self.done or self.failure is not None:
            return []
        if (lone := self.lone_text) is not None and (batch := lone.read(data)):
            return batch
        reader = self._reader
        payloads = self._events.payloads(data)
        if payloads and reader.plain and (texts := reader.texts.decode(payloads)) is not None:
            batch = reader.text(texts)  # a read of text alone changes nothing else, so there is nothing to follow
        else:
            if not self._begun:
                self._first += tuple(payloads[:2])
            batch = self._read(self._events.decode(payloads), payloads)
            if payloads:
                self._last = () if reader.plain else payloads
        if self._events.done:
            self._end(batch)
        if self.failure is not None:
            batch += self._held()
        return batch if self._mender is None else self._mended(batch)

    @property
    def lone_text(self) -> LoneText | None:
        """Return what reads single pieces of text until the next `feed`; None where the next read may be more."""
        reader = self._reader
        if not reader.plain or self._mender is not None or self.done or self.failure is not None:
            return None
        single = self._events.single()
        return None if single is None else LoneText(single, reader)

    def finish(self) -> Batch:
        """Take note that the body ended."""
        if self.done or self.failure is not None:
            return []
        events = self._events.finish()
        if not self._begun:
            self._first += tuple(self._events.left[:2])
        left = self._events.left
        self._last = left or self._last
        batch = self._read(events, left if len(left) == len(events) else ())
        if self.failure is None and not self.done and (stray := self._events.stray()) is not None:
            self.failure = classify_error(stray, rules_for(self._provider), alone=True)
        self._end(batch)
        if self.failure is not None:
            batch += self._held()
        return batch if self._mender is None else self._mended(batch)

    def _held(self) -> Batch:
        """Return what the reader of a failed answer held for its end and is content by itself, as half a recording."""
        left: Callable[[], Batch] | None = getattr(self._reader, "left", None)
        return [] if left is None else left()

    def _read(self, events: list[EventT], payloads: Sequence[bytes]) -> Batch:
        """Return the chunks of some events. An event that cannot be read ends the answer after the chunks before it."""
        batch: Batch = []
        if self._events.halves and self._mender is None:
            self._mender = Mender()
        said = self._events.error
        try:
            if events and said is None:
                self._reader.read(events, payloads, batch)
            elif events:
                self._read_up_to(said, events, payloads, batch)
            self._take_state()
        except READERS_RAISE as error:
            self._take_state()
            self.done, self.failure = False, failure_of(error, "bad_event")
        if said is not None and not self.done and self._reader.failure is None:
            self.failure = classify_error(value_of(said) or said.decode("utf-8", "replace"), rules_for(self._provider))
        if not self._begun:
            self._begun = len(self._first) > 1 or any(type(chunk) is not Raw for chunk in batch)
            if self.failure is not None and self.failure.kind is ErrorKind.PROTOCOL_ERROR:
                self.failure = self._failure_of_lone_event(self.failure)
            if self._begun:
                self._first = ()  # else a stream of an hour would keep the event in memory
        return batch

    def _read_up_to(self, error: Any, events: list[EventT], payloads: Sequence[bytes], batch: Batch) -> None:
        """Put the chunks of some events into `batch`; what an event that is named an error says is no content."""
        reader, named = self._reader, bool(payloads) and payloads[-1] == error
        if before := events[: len(events) - named]:
            reader.read(before, payloads, batch)
        if named and not reader.done and reader.failure is None:
            reader.read(events[-1:], payloads[-1:], [])

    def _mended(self, batch: Batch) -> Batch:
        """Return the batch with halves of characters joined, for an answer in which such halves came."""
        assert self._mender is not None
        batch = self._mender.mend(batch)
        self.failure = self._mender.failure(self.failure)
        self.model, self.response_id = self._mender.name(self.model), self._mender.name(self.response_id)
        return batch + self._mender.end() if self.done else batch

    def _take_state(self) -> None:
        reader = self._reader
        # Data after the end marker is ignored, whether it arrives in the same read or in a later one.
        self.failure = reader.failure or (None if reader.done else self._events.failure)
        self.done, self.progress = reader.done, reader.progress
        self.model, self.response_id = reader.model, reader.response_id

    def _end(self, batch: Batch) -> None:
        if self.done or self.failure is not None:
            return
        reader, marked, cut = self._reader, self._events.done, self._events.cut
        if reader.may_end(marked, cut) or (self._eof_ok and reader.seen and not cut):
            try:
                batch += reader.close()
                self.done = True
            except READERS_RAISE as error:
                self.failure = failure_of(error, "bad_event")
        else:
            self.failure = self._failure_of_lone_event(EMPTY_ANSWER if marked and not reader.seen else NO_END_MARKER)
            if self.failure in (EMPTY_ANSWER, NO_END_MARKER) and self._last:
                self.failure = error_in_event(self._last[-1], self._provider) or self.failure

    def _failure_of_lone_event(self, failure: Failure) -> Failure:
        """Return what an answer of a single event means that says nothing in this dialect; mostly it is an error.

        Without this the same request would be sent again and again for an answer that looks cut.
        """
        if self._begun or not self._first or (text := whole_object(self._first[0])) is None:
            return failure
        found = classify_response(200, {}, text, rules_for(self._provider))
        unknown = found.kind is ErrorKind.UNEXPECTED_RESPONSE
        return failure if unknown and not self._is_strange(text) else found

    def _is_strange(self, payload: bytes) -> bool:
        """Return whether it is a whole JSON text, and no event, that has nothing which this dialect knows."""
        events = self._events.decode([payload]) if self._events.bare else []
        return len(events) == 1 and events[0] == type(events[0])()
