"""Who may stream: a limited number of places at each target, and a queue for them.

The one rule: a place that is taken is given back exactly once, and goes to the one who has waited longest.
Must never: outlive its use (a line without places taken is forgotten), or mix the loops of different threads: each
running loop has its own lines.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable

__all__ = ["Line", "Slots"]


class Line:
    """The places at one target. taken: how many streams hold one."""

    __slots__ = ("_waiting", "taken")

    def __init__(self) -> None:
        self.taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self, limit: int) -> None:
        """Wait for a place. Whoever is interrupted has none."""
        if self.taken < limit:
            self.taken += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.give_back()  # it came in the very moment in which we were interrupted
            else:
                self._waiting.remove(turn)
            raise

    def give_back(self) -> None:
        """Hand the place to the next in the line. Synchronous."""
        for turn in self._waiting:
            if not turn.done():
                self._waiting.remove(turn)
                turn.set_result(None)
                return
        self.taken -= 1

    @property
    def unused(self) -> bool:
        """Nobody is here."""
        return not self.taken and not self._waiting


class Slots:
    """The lines of one client."""

    def __init__(self) -> None:
        self._lines: dict[Hashable, Line] = {}

    def line(self, key: Hashable) -> Line:
        """The line at a target; `leave` it afterwards."""
        return self._lines.setdefault(key, Line())

    def leave(self, key: Hashable) -> None:
        """Forget the line if nobody is in it."""
        if key in self._lines and self._lines[key].unused:
            del self._lines[key]
