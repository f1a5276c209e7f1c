"""`Renewals`: says again, in time, what a process holds, before the store takes it for dead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Renewals"]

OFTEN = 3
"""How often a lease is renewed in its time."""

ThingT = TypeVar("ThingT")


class Renewals(Generic[ThingT]):
    """One timer for each thing that is held. lease: seconds. renew: called with the thing when it is time."""

    def __init__(self, lease: float, renew: Callable[[ThingT], None]) -> None:
        self._every = lease / OFTEN
        self._renew = renew
        self._timers: dict[ThingT, tuple[asyncio.AbstractEventLoop, asyncio.TimerHandle]] = {}
        self._ended = False

    def arm(self, thing: ThingT) -> None:
        """Renew it in a while. Without a running loop it waits for the next request; one that has ended rings no
        timer."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        armed = self._timers.get(thing)
        if not self._ended and (armed is None or armed[0].is_closed()):
            self._timers[thing] = (loop, loop.call_later(self._every, self._ring, thing))

    def _ring(self, thing: ThingT) -> None:
        del self._timers[thing]
        self._renew(thing)

    def end(self) -> list[ThingT]:
        """Arm nothing any more. Return what was to be renewed by this loop."""
        self._ended = True
        loop = asyncio.get_running_loop()
        mine = [thing for thing, (whose, _) in self._timers.items() if whose is loop]
        for thing in mine:
            self._timers.pop(thing)[1].cancel()
        return mine
