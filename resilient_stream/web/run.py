"""Runs an answer that belongs to no response: a task pulls it and logs its frames, and readers take them from there.

The task waits while even the reader that is furthest is too far behind, so a slow browser slows its provider down. A
slower second reader holds up nobody: what it has not read is in the log. What happens when the last reader leaves is a
row of `ON_LEAVE`, and a stop is none of it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from copy import copy
from typing import Literal, Protocol, TypeAlias

from ..delivery import Answering, Direct
from ..engine.call import closed_error
from ..formats.writer import About, Ending, Writer
from ..outcome.errors import StreamError
from ..outcome.making import forget_frames
from .log import Log, NoLongerKept
from .losses import Loss, loss
from .source import Source, own_fault

__all__ = ["AHEAD", "DRAIN", "OnDisconnect", "Reader", "Run", "detached"]

logger = logging.getLogger("resilient_stream")

OnDisconnect: TypeAlias = Literal["cancel", "detach", "drain"]

AHEAD = 256 * 1024
"""Bytes by which a running answer may be ahead of its readers, at most."""

AT_ONCE = 64 * 1024
"""Bytes that a reader takes from the log at once."""

DRAIN = 10.0
"""Seconds for which an answer that nobody reads runs on, to learn what it will cost."""


class Feed(Protocol):
    """Fills a log: a run of this process, or the copy of one that another process runs."""

    log: Log

    def taken(self) -> None:
        """Note that a reader has taken frames."""
        ...

    def left(self, reader: Reader) -> None:
        """Note that a reader will take no more."""
        ...

    def turn_away(self, reader: Reader) -> None:
        """Note that the server shuts down, and that the reader is to be told."""
        ...


class Reader:
    """Reads a log for one reader; it is a `Source`. position: the number of the last frame that it has taken.

    fresh: makes a writer of the same format, for an end that this reader alone is told.
    """

    def __init__(self, feed: Feed, writer: Writer, id: str | None, position: int, fresh: Callable[[], Writer]) -> None:
        self.writer = writer
        self.stream_id = id
        self.position = position
        self._feed = feed
        self._fresh = fresh
        self._begun = position > 0
        self._over = False
        self._lost_by: Loss | None = None
        self._error: StreamError | None = None

    @property
    def error(self) -> Exception | None:
        """Return what ended the answer too early, when all its frames were taken."""
        return self._error or self._feed.log.error

    async def frames(self) -> list[bytes]:
        """Take what is there, or wait for it. Frames of the log only: what this reader alone is told has no number."""
        log = self._feed.log
        while not self._over:
            if self._lost_by is not None:
                return self._end_for_loss(self._lost_by)
            if log.refused is not None and not self._begun:
                self._over = True
                raise copy(log.refused)  # each reader's own, since an error keeps the frames that it passed
            try:
                frames = log.after(self.position, AT_ONCE)
            except NoLongerKept:
                return self.broken("no_longer_kept")
            if frames:
                self._begun = True
                self.position += len(frames)
                self._feed.taken()
                return frames
            if log.done:
                return [] if log.lost is None else self._end_for_loss(log.lost)
            await log.more()
        return []

    def _end_for_loss(self, code: Loss) -> list[bytes]:
        if self._begun:
            return self.broken(code)
        self._over = True
        raise loss(code)

    def broken(self, code: Loss) -> list[bytes]:
        """Return what ends the answer for this reader. It has no number, so the reader can come back for the rest."""
        self._over, self._error = True, loss(code)
        self.writer = self._fresh()
        return self.end_alone(self._error)

    def end_alone(self, error: StreamError) -> list[bytes]:
        """Return the end of a failed answer of which this reader's own writer has seen nothing."""
        self.writer.begin(About(self.stream_id or "", int(time.time()), ""))  # the reader has these frames already
        return self.writer.end(Ending("failed", error))

    def open(self) -> list[bytes]:
        """Return nothing: all that stands before the first chunk is in the log. From now on a failure is a frame."""
        self._begun = True
        return []

    def turn_away(self) -> None:
        """Note that the server shuts down."""
        self._feed.turn_away(self)

    def lose(self, code: Loss) -> None:
        """Let this reader, and no other, be told that it gets no more."""
        self._lost_by = code
        self._feed.log.wake()

    def leave(self) -> None:
        """Take no more."""
        if not self._over:
            self._over = True
            self._feed.log.wake()
        self._feed.left(self)


class Run:
    """Runs an answer with its log and its readers.

    fresh: makes another writer of the same format. ahead: returns the bytes by which the answer may be ahead of the
    reader that is furthest. forgets: frames are dropped once they were read, since nobody can come back for them.
    elsewhere: other processes have the log, too. ended: is told when the answer is over and the log has its end.
    """

    def __init__(
        self,
        answering: Answering,
        fresh: Callable[[], Writer],
        on_disconnect: OnDisconnect,
        *,
        id: str | None = None,
        writer: Writer | None = None,
        log: Log | None = None,
        ahead: Callable[[], int] = lambda: AHEAD,
        forgets: bool = False,
        elsewhere: bool = False,
        ended: Callable[[Run], object] | None = None,
    ) -> None:
        self.id = id
        self.writer = writer or fresh()
        self.log = log or Log(numbered=self.writer.numbered)
        self.readers: set[Reader] = set()
        self._fresh = fresh
        self._ahead = ahead
        self._on_leave = ON_LEAVE[on_disconnect]
        self._forgets = forgets
        self._elsewhere = elsewhere
        self._ended = ended
        self._direct: Direct | None = Direct(answering, self.writer, id)
        self._answering: Answering | None = answering
        self._closing = False
        self._room: asyncio.Future[None] | None = None
        self._draining: asyncio.TimerHandle | None = None
        self.task: asyncio.Task[None] | None = asyncio.get_running_loop().create_task(self._pump(self._direct))
        self.task.add_done_callback(self._finish)

    # -- readers ------------------------------------------------------------------------------

    def attach(self, after: int = 0) -> Reader:
        """Return a reader of the frames behind this number. Raises NoLongerKept."""
        position = max(0, min(after, self.log.last))
        self.log.check(position)
        reader = Reader(self, self.writer, self.id, position, self._fresh)
        self.readers.add(reader)
        self._stop_draining()
        return reader

    def taken(self) -> None:
        """Go on, if the readers were too far behind."""
        if self._forgets and self.readers:
            self.log.forget_until(min(reader.position for reader in self.readers))
        if self._room is not None and not self._is_ahead():
            self._go_on()

    def left(self, reader: Reader) -> None:
        """Go on without this reader; what happens without any is said by `on_disconnect`."""
        if reader not in self.readers:
            return
        self.readers.discard(reader)
        if not self.readers and not self.log.done:
            self._on_leave(self)
        if self._room is not None and not self._is_ahead():
            self._go_on()

    def turn_away(self, reader: Reader) -> None:
        """Tell the reader to come back, if it can do so at another process, and end the answer for all otherwise."""
        if self._elsewhere:
            self._on_leave = Run.run_on  # the reader leaves because it is told to, so the answer runs on
            reader.lose("elsewhere")
        else:
            self.close("client_closed")

    @property
    def needed_after(self) -> int:
        """Return the number of the last frame that may be forgotten without a hole for the reader that is furthest."""
        if self.log.done or not self.readers:
            return self.log.last
        return max(reader.position for reader in self.readers)

    # -- the end ------------------------------------------------------------------------------

    def stop(self) -> bool:
        """End the answer because somebody wants no more of it. Returns whether it was still running."""
        if self._direct is None or self._answering is None:
            return False
        self._direct.stopped = True
        self.close()
        return True

    def close(self, why: Literal["abandoned", "client_closed"] = "abandoned") -> None:
        """Close the provider's connection; the log gets its end in a moment."""
        self._closing = True
        if self._answering is not None:
            self._answering._close(why)
        self._go_on()

    def run_on(self) -> None:
        """Go on as if there were readers; the log keeps what it may."""

    def drain(self) -> None:
        """Go on for a while, to learn what the answer will cost, and close it then."""
        self._draining = asyncio.get_running_loop().call_later(DRAIN, self.close)

    def _stop_draining(self) -> None:
        if self._draining is not None:
            self._draining.cancel()
            self._draining = None

    # -- the task -----------------------------------------------------------------------------

    async def _pump(self, direct: Direct) -> None:
        try:
            while frames := await direct.frames():
                self._append(frames)
                while self._is_ahead() and not direct._over:
                    self._room = asyncio.get_running_loop().create_future()
                    await self._room
        except StreamError as error:  # the answer failed before its first frame
            forget_frames(error)
            self.log.refused = error
            self._append(direct.broken(error))

    def _append(self, frames: list[bytes]) -> None:
        self.log.append(frames)
        if self._forgets and not self.readers:
            self.log.forget_until(self.log.last)

    def _is_ahead(self) -> bool:
        if self._closing or not self.readers:
            return False
        allowed = self._ahead()
        return all(self.log.behind(reader.position) > allowed for reader in self.readers)

    def _go_on(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None

    def _finish(self, task: asyncio.Task[None]) -> None:
        """Give the log its end, however the task ended, and let go of the stream and what it has received."""
        try:
            if (ending := _unexpected(task, self.id)) is not None:
                self._break_off(ending)
            elif self._direct is not None:
                self.log.error = self._direct.error
        finally:
            self._direct = self._answering = self.task = None
            self._stop_draining()
            self.log.end()
            if self._ended is not None:
                self._ended(self)

    def _break_off(self, ending: Ending) -> None:
        """Close the stream, and write an end that it has not made itself."""
        self.close()
        self.log.error = ending.error
        if self._direct is not None:
            if not self.log.last:
                self.log.refused = ending.error
            self._append([*self._direct.open(), *self.writer.end(ending)])


def _unexpected(task: asyncio.Task[None], id: str | None) -> Ending | None:
    """Return an end that the stream did not make: the loop is shutting down, or the application made a mistake."""
    error = None if task.cancelled() else task.exception()
    if isinstance(error, Exception):
        logger.error("the stream %s ended by an exception of the application", id or "", exc_info=error)
        forget_frames(error)
        return Ending("failed", own_fault())
    return Ending("client_closed", closed_error("client_closed")) if task.cancelled() or error is not None else None


ON_LEAVE: Mapping[OnDisconnect, Callable[[Run], object]] = {
    "cancel": Run.close,
    "detach": Run.run_on,
    "drain": Run.drain,
}
"""What a run does when its last reader has left."""

_running: set[Run] = set()
"""Runs outside a hub, which nobody else refers to once their reader has left."""


def detached(answering: Answering, writer: Writer, on_disconnect: OnDisconnect) -> Source:
    """Return a source whose stream does not end with it: it runs on, or for a while. Without a hub nobody comes back,
    so nothing is kept of what is read or of what comes afterwards."""
    run = Run(answering, lambda: writer, on_disconnect, forgets=True, ended=_running.discard)
    _running.add(run)
    return run.attach()
