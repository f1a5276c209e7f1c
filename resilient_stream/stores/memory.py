"""`MemoryStore`: everything stays in this process, and ends with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..fleet.board import Board, News, View

__all__ = ["MemoryStore"]

TIDIED_AFTER = 1000
"""Exchanges after which what has expired is dropped."""


class MemoryStore:
    """Nothing is shared with another process, and nothing can be out of reach. Clients that are given the same one
    share what they know of their targets, also in several threads' loops. clock: seconds, of any beginning."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._boards: dict[str, Board] = {}
        self._exchanges = 0

    async def exchange(self, news: News) -> View | None:
        """Tell what happened at a target, and return what is known of it."""
        from ..fleet.board import Board  # loaded already, with the news

        with self._lock:
            now = self._clock()
            self._exchanges += 1
            if self._exchanges % TIDIED_AFTER == 0:
                self._boards = {key: board for key, board in self._boards.items() if board.expires > now}
            return self._boards.setdefault(news.key, Board()).exchange(news, now)

    async def aclose(self) -> None:
        """Nothing is open."""
