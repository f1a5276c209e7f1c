"""Copies the logs of this process to Redis, so that other processes can serve them.

One task writes for all answers: what was appended since the last time goes out in one exchange. Whoever appends waits
for nothing. While Redis is out of reach the logs here go on, and what it missed is written when it is back, as far as
the logs still have it.
"""

from __future__ import annotations

import asyncio
from typing import TypeAlias

from ..outcome.errors import StreamError
from ..stores.redis import RETRY_AFTER, StoreLost
from .log import Log
from .stored import Entry, Stored, StoredAbout, Write

__all__ = ["Mirror", "Mirrors"]

PAUSE = 0.02
"""Seconds between two writes: frames that come meanwhile go out together."""

TOGETHER = 64
"""Answers that are written in one exchange."""

ENTRY_BYTES = 64 * 1024
"""An entry has so many bytes of frames, or one frame."""

ENTRIES = 8
"""Entries of one answer that are written in one exchange."""


class Mirror:
    """Knows what Redis has of one log. position: the number of the last frame that is there; None where that is in
    doubt."""

    def __init__(self, id: str, log: Log, about: StoredAbout) -> None:
        self.id = id
        self.log = log
        self.alias = about.alias
        self.position: int | None = 0
        self.about: StoredAbout | None = about
        self.ended = False
        self.anew = False
        self._about = about

    @property
    def is_behind(self) -> bool:
        """Return whether there is something to write."""
        return self.about is not None or self.position != self.log.last or self.log.done is not self.ended

    def doubt(self) -> None:
        """Check what Redis has before the next write: the last one may have failed in the middle."""
        self.position = None

    def lose(self) -> None:
        """Write everything again: Redis has forgotten what it had."""
        self.position, self.about, self.ended, self.anew = self.log.first - 1, self._about, False, True

    def next_write(self, ttl: float, running: float) -> Write:
        """Return what is to be written next. ttl, running: for how long it is kept after the end, and before."""
        entries = self._next_entries()
        last = entries[-1].last if entries else self.position or 0
        if self.log.done and last == self.log.last and not self.ended:
            error = self.log.error if isinstance(self.log.error, StreamError) else None
            entries.append(Entry(last, ended=True, error=error))
        ends = bool(entries and entries[-1].ended)
        return Write(self.id, self.about, entries, self.log.first, ttl if ends else running, self.anew)

    def _next_entries(self) -> list[Entry]:
        log, entries = self.log, list[Entry]()
        # What was forgotten before it was written never is; whoever reads sees by the numbers that it is missing.
        last = self.position = max(self.position or 0, log.first - 1)
        while len(entries) < ENTRIES and (frames := log.after(last, ENTRY_BYTES)):
            refused = None if last else log.refused
            last += len(frames)
            entries.append(Entry(last, frames, refused))
        return entries

    def wrote(self, write: Write) -> None:
        """Note that a write has reached Redis."""
        self.about, self.anew = None, False
        for entry in write.entries:
            self.position, self.ended = entry.last, entry.ended


Mirrored: TypeAlias = dict[str, Mirror]


class Mirrors:
    """Keeps all mirrors of one process, and the task that writes them and renews the lease of the process."""

    def __init__(self, stored: Stored, worker: str, ttl: float) -> None:
        self._stored = stored
        self._worker = worker
        self._ttl = ttl
        self._lease = stored.store.lease
        self._running = max(ttl, 6 * self._lease)
        self._mirrors: Mirrored = {}
        self._changed: dict[str, None] = {}
        self._gone: list[str] = []
        self._stir = asyncio.Event()
        self._renewed: float | None = None

    def add(self, id: str, log: Log, format: str, owner: bytes, alias: bytes) -> None:
        """Copy this log from now on."""
        self._mirrors[id] = Mirror(id, log, StoredAbout(owner, format, self._worker, alias))
        self.touch(id)

    def touch(self, id: str) -> None:
        """Note that the log of this answer has grown or ended."""
        if id in self._mirrors:
            self._changed[id] = None
            self._stir.set()

    def forget(self, id: str) -> None:
        """Note that the answer is no longer kept: neither here nor in Redis."""
        if self._mirrors.pop(id, None) is not None:
            self._gone.append(id)
            self._stir.set()

    async def run(self) -> None:
        """Write and renew for ever."""
        while True:
            await self._wait()
            try:
                await self._renew_in_time()
                await self.flush()
                await asyncio.sleep(PAUSE)
            except StoreLost:
                self._doubt_all()
                await asyncio.sleep(RETRY_AFTER)

    async def flush(self) -> None:
        """Write the next part of what is there. Raises StoreLost."""
        if self._gone:
            gone = self._gone[:]
            await self._stored.forget(gone)
            del self._gone[: len(gone)]
        batch = [self._mirrors[id] for id in [*self._changed][:TOGETHER] if id in self._mirrors]
        for id in [*self._changed][:TOGETHER]:
            del self._changed[id]
        await self._look_up([mirror for mirror in batch if mirror.position is None])
        writes = [mirror.next_write(self._ttl, self._running) for mirror in batch if mirror.is_behind]
        if writes:
            await self._stored.write(writes)
        for write in writes:
            if (mirror := self._mirrors.get(write.id)) is not None:
                mirror.wrote(write)
        for mirror in batch:
            if mirror.is_behind:
                self.touch(mirror.id)
        if self._changed:
            self._stir.set()

    async def finish(self) -> None:
        """Write all that is left, and give the lease back. Raises StoreLost."""
        self._doubt_all()  # a write may have been interrupted
        while self._changed:
            await self.flush()
        await self._stored.release(self._worker)

    async def _look_up(self, mirrors: list[Mirror]) -> None:
        if mirrors:
            found = await self._stored.last([mirror.id for mirror in mirrors])
            for mirror, (last, ended) in zip(mirrors, found, strict=True):
                mirror.position, mirror.ended = min(last, mirror.log.last), ended

    async def _renew_in_time(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._renewed is not None and now < self._renewed + self._lease / 3:
            return
        running = [(mirror.id, mirror.alias) for mirror in self._mirrors.values() if not mirror.ended]
        kept = await self._stored.renew(self._worker, running, self._running)
        if not kept and self._renewed is not None:
            for mirror in self._mirrors.values():
                mirror.lose()
            self._touch_all()
        self._renewed = now

    def _doubt_all(self) -> None:
        for mirror in self._mirrors.values():
            mirror.doubt()
        self._touch_all()

    def _touch_all(self) -> None:
        self._changed = dict.fromkeys(self._mirrors)
        self._stir.set()

    async def _wait(self) -> None:
        """Return when there is something to write or to renew."""
        try:
            async with asyncio.timeout(self._lease / 3):
                await self._stir.wait()
        except TimeoutError:
            pass
        self._stir.clear()
