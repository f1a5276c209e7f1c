"""The frame of every dialect of JSON events: network reads in, chunks out, and the one place that says how a body ends.

    bytes -> JsonEvents or JsonLines (framing, JSON) -> the dialect's reader (what an event says) -> chunks

A body that ended without the dialect's own end is a cut answer, unless the target says `eof_ok`; and with half an event
at its end it is one even then. This module must never know what an event says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from ...classify import classify_error
from ...contract import Batch, ResumePoint
from ...failures import EMPTY_ANSWER, NO_END_MARKER, Failure
from ...wire.broken import failure_of
from ...wire.json_events import BatchDecoder
from .error_rules import rules_for
from .mending import Mender
from .open_call import READERS_RAISE

__all__ = ["EventDecoder", "EventReader", "EventSource"]

EventT = TypeVar("EventT")


class EventSource(Protocol[EventT]):
    """Where events come from: `JsonEvents`, `JsonLines`.

    done: there was a `[DONE]`. cut: half an event was left at the end. halves: there are marked halves of characters
    in the events. failure: it cannot be read on.
    """

    done: bool
    cut: bool
    halves: bool
    failure: Failure | None

    def single(self, data: bytes) -> bytes | None:
        """The JSON text of a read that is one event and nothing else; None for any other, and nothing has changed."""
        ...

    def payloads(self, data: bytes) -> list[bytes]:
        """The JSON texts that `data` makes whole."""
        ...

    def decode(self, payloads: list[bytes]) -> list[EventT]:
        """Those as events; afterwards `payloads` are the texts of these."""
        ...

    def finish(self) -> list[EventT]:
        """What only the end makes whole."""
        ...

    def stray(self) -> Any:
        """A JSON value outside of all events; None when there was none."""
        ...


class EventReader(Protocol[EventT]):
    """A dialect's part. failure, done, progress, model, response_id: as in `contract.Decoder`.

    plain: the last event was nothing but text, so the next read is worth trying as such. seen: there was an answer.
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
        """Decodes events that are text and nothing else."""
        ...

    def text(self, events: list[Any]) -> Batch:
        """The chunks of what `texts` decoded; changes nothing that a decoder tells of its answer."""
        ...

    def read(self, events: list[EventT], payloads: Sequence[bytes], batch: Batch) -> None:
        """Put the chunks of some events into `batch`, up to an end or a failure among them.

        Of at least one event. payloads: their texts, where known. May raise READERS_RAISE, and then it read so far."""
        ...

    def may_end(self, marked: bool, cut: bool) -> bool:
        """Whether a body may end here. marked: with a `[DONE]`. cut: within an event."""
        ...

    def close(self) -> Batch:
        """It has ended: the chunks that only this makes whole. Sets `done`."""
        ...


class EventDecoder(Generic[EventT]):
    """One answer; see `contract.Decoder`. provider: whose rules read the errors between the events."""

    __slots__ = (
        "_eof_ok", "_events", "_mender", "_provider", "_reader", "done", "failure", "model", "progress", "response_id",
    )  # fmt: skip

    def __init__(
        self, provider: str, reader: EventReader[EventT], events: EventSource[EventT], *, eof_ok: bool = False
    ) -> None:
        self._provider = provider
        self._reader = reader
        self._events = events
        self._eof_ok = eof_ok
        self._mender: Mender | None = None
        self.failure: Failure | None = None
        self.done = False
        self.progress = 0
        self.model: str | None = reader.model
        self.response_id: str | None = reader.response_id

    @property
    def resume_point(self) -> ResumePoint | None:
        """Where the provider can take this answer up again; None where it does not keep answers."""
        point: ResumePoint | None = getattr(self._reader, "resume_point", None)
        return point

    @property
    def unmodelled(self) -> Mapping[str, int]:
        """What came that has no chunk class of its own, by name."""
        counts: Mapping[str, int] = getattr(self._reader, "unmodelled", {})
        return counts

    def feed(self, data: bytes) -> Batch:
        """Decode one network read."""
        if self.done or self.failure is not None:
            return []
        reader = self._reader
        one = self._events.single(data) if reader.plain else None
        if one is not None and (text := reader.texts.single(one)) is not None:
            batch = reader.text([text])
            return batch if self._mender is None else self._mended(batch)
        payloads = self._events.payloads(data)
        if payloads and reader.plain and (texts := reader.texts.decode(payloads)) is not None:
            batch = reader.text(texts)  # a read of text alone changes nothing else, so there is nothing to follow
        else:
            batch = self._read(self._events.decode(payloads), payloads)
        if self._events.done:
            self._end(batch)
        return batch if self._mender is None else self._mended(batch)

    def finish(self) -> Batch:
        """The body ended."""
        if self.done or self.failure is not None:
            return []
        batch = self._read(self._events.finish(), ())
        if self.failure is None and not self.done and (stray := self._events.stray()) is not None:
            self.failure = classify_error(stray, rules_for(self._provider), alone=True)
        self._end(batch)
        return batch if self._mender is None else self._mended(batch)

    def _read(self, events: list[EventT], payloads: Sequence[bytes]) -> Batch:
        """The chunks of some events. What a reader cannot take ends the answer, behind what came before it."""
        batch: Batch = []
        if self._events.halves and self._mender is None:
            self._mender = Mender()
        try:
            if events:
                self._reader.read(events, payloads, batch)
            self._follow()
        except READERS_RAISE as error:
            self._follow()
            self.done, self.failure = False, failure_of(error, "bad_event")
        return batch

    def _mended(self, batch: Batch) -> Batch:
        """In an answer in which halves of characters came."""
        assert self._mender is not None
        batch = self._mender.mend(batch)
        self.failure = self._mender.failure(self.failure)
        self.model, self.response_id = self._mender.name(self.model), self._mender.name(self.response_id)
        return batch + self._mender.end() if self.done else batch

    def _follow(self) -> None:
        reader = self._reader
        # What comes after a dialect's own end in the same read is as little read as what comes in a later one.
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
            self.failure = EMPTY_ANSWER if marked and not reader.seen else NO_END_MARKER
