"""Defines `MemoryStore`, in which everything stays in this process, and ends with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..fleet.board import Board, News, View
    from ..fleet.pool import Claim, Pool, Share
    from ..fleet.report import Reports

__all__ = ["MemoryStore"]

TIDIED_AFTER = 1000
"""Exchanges after which what has expired is dropped."""


class MemoryStore:
    """Shares with the clients of this process only, and is never out of reach. Clients that are given the same one
    share what they know of their targets, also in several threads' loops. clock: seconds, of any beginning. lease:
    seconds after which a client that says nothing any more is taken for dead."""

    def __init__(self, clock: Callable[[], float] = time.time, *, lease: float = 10.0) -> None:
        self.lease = lease
        self._clock = clock
        self._lock = threading.Lock()
        self._boards: dict[str, Board] = {}
        self._pools: dict[str, Pool] = {}
        self._exchanges = 0
        self._records: dict[str, tuple[float, bytes]] = {}

    async def exchange(self, news: News) -> View | None:
        """Tell what happened at a target, and return what is known of it."""
        from ..fleet.board import Board  # loaded already, with the news

        with self._lock:
            now = self._tidied()
            return self._boards.setdefault(news.key, Board()).exchange(news, now)

    async def claim(self, claim: Claim) -> Share | None:
        """Tell what is held of a pool, ask for more, and return what is known of it."""
        from ..fleet.pool import Pool  # loaded already, with the claim

        with self._lock:
            now = self._tidied()
            return self._pools.setdefault(claim.pool, Pool()).claim(claim, now)

    def _tidied(self) -> float:
        """Drop what has expired, now and then. Return the time."""
        now = self._clock()
        self._exchanges += 1
        if self._exchanges % TIDIED_AFTER == 0:
            self._boards = {key: board for key, board in self._boards.items() if board.expires > now}
            self._pools = {key: pool for key, pool in self._pools.items() if not pool.is_over(now)}
        return now

    async def report(self, name: str, record: bytes, lasts: float) -> int | None:
        """Keep a record under a name for so many seconds, and return how many there are now."""
        with self._lock:
            self._records[name] = (self._clock() + lasts, record)
            self._forget_old_records()
            return len(self._records)

    async def reports(self) -> Reports:
        """Return the records, those that last longest first."""
        from ..fleet.report import MOST, Reports  # loaded already, with the records

        with self._lock:
            self._forget_old_records()
            records = [record for _, record in sorted(self._records.values(), reverse=True)]
            return Reports(records[:MOST], len(records))

    def _forget_old_records(self) -> None:
        now = self._clock()
        self._records = {name: kept for name, kept in self._records.items() if kept[0] > now}

    async def aclose(self) -> None:
        """Do nothing, since nothing is open."""
