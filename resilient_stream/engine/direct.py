"""Holds what a pull needs while an answer arrives without trouble, in one small object.

A network read that is one piece of text is given out with this alone: the chain, the call and the attempt are left
untouched. Where hundreds of streams take turns, a wake-up finds nothing of its stream in the processor's caches, so its
cost is that of the memory it touches: this halved what a chunk cost more than in a loop written by hand.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from ..chunks import Chunk
from ..contract import Batch, TextReads
from ..outcome.transcript import Attempt, Transcript

__all__ = ["Direct", "ReadsAhead"]


class ReadsAhead(Protocol):
    """Reads an answer that has begun, for the stream itself, while the chain sleeps."""

    async def read_ahead(self) -> Batch:
        """Read once, and return the next chunks, where no link needs to see them; else nothing: ask the chain then."""
        ...


class Direct:
    """Holds the state of one call's pulls that is read and written at every wake-up.

    busy: a pull is under way. attempt: whose answer the stream reads itself, while the links sleep; None before its
    first content, and from when the chain has to be asked. read: reads the network once, where a piece of text may come
    that nobody else has to see; else None. since: loop time from which a pull waits for such a read. got: what came of
    it, until it is given out or handed over. now: the loop's clock, in seconds.
    """

    __slots__ = ("_record", "_texts", "_transcript", "attempt", "busy", "got", "now", "read", "since")

    def __init__(self, transcript: Transcript) -> None:
        self._transcript = transcript
        self.busy = False
        self.attempt: ReadsAhead | None = None
        self.read: Callable[[], Awaitable[bytes]] | None = None
        self.since: float | None = None
        self.got: bytes | BaseException | None = None
        self.now: Callable[[], float] = _no_clock_yet
        self._texts: TextReads
        self._record: Attempt

    def begin(self, read: Callable[[], Awaitable[bytes]], texts: TextReads, record: Attempt) -> None:
        """Begin to give out what `texts` finds in a read; `record` counts the chunks."""
        self.read, self._texts, self._record = read, texts, record

    def take(self) -> Chunk | None:
        """Return the piece of text that the latest read is; None for any other read, and where the call has ended
        meanwhile."""
        data = self.got
        if self.read is None or not isinstance(data, bytes) or not (batch := self._texts.read(data)):
            return None
        self.busy, self.since, self.got = False, None, None
        self._record.chunks += 1
        return self._transcript._pass_on(batch, len(data))

    def hand_over(self) -> bytes:
        """Return, or raise, what came of a read that was no piece of text. It is forgotten: no frame of an error that
        is raised may hold that error."""
        try:
            if isinstance(self.got, bytes):
                return self.got
            assert self.got is not None
            raise self.got
        finally:
            self.got = None

    def end(self) -> None:
        """Have the chain asked from now on."""
        self.attempt = self.read = None


def _no_clock_yet() -> float:
    raise RuntimeError("a call has a clock from its first pull on")
