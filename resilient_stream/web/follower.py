"""Reads an answer that another process runs from Redis, into a log of its own for one reader.

Whatever happens to that process or to Redis, the reader is told: it gets what was written, and then an error in the
answer's own format. That error has no number, so the reader can come back for the rest.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from ..formats.writer import Writer
from ..stores.redis import RETRY_AFTER, StoreLost
from .log import Log, NoLongerKept
from .losses import Loss
from .run import Reader
from .stored import Read, Stored, Unreadable

__all__ = ["PATIENCE", "Follower"]

logger = logging.getLogger("resilient_stream")

PATIENCE = 10.0
"""Seconds for which a reader waits for Redis to come back."""

POLL = 1.0
"""Seconds after which the follower looks again, where no news came."""

AHEAD = 64 * 1024
"""Bytes that are held for a reader that is slow. The next read may add some entries."""


class Follower:
    """Feeds one reader. worker: the process that runs the answer. gone: is told when nobody reads any more."""

    def __init__(
        self,
        stored: Stored,
        id: str,
        worker: str,
        after: int,
        fresh: Callable[[], Writer],
        gone: Callable[[Follower], object],
    ) -> None:
        self.id = id
        self.log = Log(numbered=False, start=after)
        self.reader = Reader(self, fresh(), id, after, fresh)
        self._stored = stored
        self._worker = worker
        self._gone = gone
        self._stir = asyncio.Event()
        self._unreached_since: float | None = None
        self._dead_since: float | None = None
        self.task: asyncio.Task[None] | None = None

    def start(self, first: Read) -> Reader:
        """Take what was read already, and go on. Raises NoLongerKept."""
        self._take(first)
        self.task = asyncio.get_running_loop().create_task(self._follow())
        self.task.add_done_callback(self._follow_ended)
        return self.reader

    def taken(self) -> None:
        """Forget what the reader has."""
        self.log.forget_until(self.reader.position)
        self.nudge()

    def left(self, reader: Reader) -> None:
        """Stop reading."""
        if self.task is not None:
            self.task.cancel()
        self._gone(self)

    def turn_away(self, reader: Reader) -> None:
        """Tell the reader to come back: it will find the rest at another process."""
        reader.lose("elsewhere")

    def close(self) -> None:
        """Read no more, because this process shuts down; another one has the rest for the reader."""
        self.turn_away(self.reader)
        if self.task is not None:
            self.task.cancel()

    def nudge(self) -> None:
        """Look for new entries now."""
        self._stir.set()

    def _follow_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("the stream %s cannot be followed", self.id, exc_info=error)
            self.log.lost = "unreadable"
        self.log.end()

    async def _follow(self) -> None:
        while not self.log.done and self.log.lost is None:
            if self.log.behind(self.reader.position) > AHEAD:
                await self._nudged(None)
            elif not await self._advance():
                await self._nudged(min(POLL, self._stored.store.lease / 4))

    async def _advance(self) -> bool:
        """Read once. Returns whether there was something."""
        try:
            return self._take(await self._stored.read(self.id, self.log.last, self._worker))
        except StoreLost:
            self._unreached_since = self._patiently(self._unreached_since, PATIENCE, "store_lost")
            await asyncio.sleep(RETRY_AFTER)
        except Unreadable:
            self.log.lost = "unreadable"
        except NoLongerKept:
            self.log.lost = "no_longer_kept"
        return False

    def _take(self, read: Read) -> bool:
        self._unreached_since = None
        for entry in read.entries:
            missing = entry.last - len(entry.frames) - self.log.last
            if missing > 0:
                raise NoLongerKept
            if entry.refused is not None and not self.log.last:
                self.log.refused = entry.refused
            if entry.ended:
                self.log.error = entry.error
                # Ended as in the other process, so that this writer, too, knows whether to `cut`.
                if entry.error is not None:
                    self.reader.end_alone(entry.error)
                self.log.end()
                return True
            self.log.append(entry.frames[-missing:])
        grace = self._stored.store.lease / 2
        dead = not read.entries and not read.alive
        self._dead_since = self._patiently(self._dead_since, grace, "worker_lost") if dead else None
        return bool(read.entries)

    def _patiently(self, since: float | None, seconds: float, code: Loss) -> float:
        """Give up when Redis has been out of reach for too long. Returns since when it has."""
        now = asyncio.get_running_loop().time()
        if since is not None and now - since >= seconds:
            self.log.lost = code
        return now if since is None else since

    async def _nudged(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stir.wait()
        except TimeoutError:
            pass
        self._stir.clear()
