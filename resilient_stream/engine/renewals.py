"""Says again, in time, what a process holds, before the store takes the process for dead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

__all__ = ["Renewals", "Timer"]

OFTEN = 3
"""How often a lease is renewed in its time."""

ThingT = TypeVar("ThingT")


@dataclass(slots=True, eq=False)
class Timer:
    """Holds a timer and the loop in which it rings.

    A loop that has stopped may go on later, when another one has taken over. So whatever rings then looks whether it is
    still the timer that counts.
    """

    loop: asyncio.AbstractEventLoop
    handle: asyncio.TimerHandle = field(init=False)


class Renewals(Generic[ThingT]):
    """Keeps one timer for each thing that is held. lease: seconds. renew: called with the thing when it is time."""

    def __init__(self, lease: float, renew: Callable[[ThingT], None]) -> None:
        self._every = lease / OFTEN
        self._renew = renew
        self._timers: dict[ThingT, Timer] = {}
        self._ended = False

    def arm(self, thing: ThingT) -> None:
        """Renew the thing in a while. Without a running loop it waits for the next request; a loop that has stopped
        rings no timer, so the next loop takes over."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        armed = self._timers.get(thing)
        if not self._ended and (armed is None or not armed.loop.is_running()):
            self._timers[thing] = timer = Timer(loop)
            timer.handle = loop.call_later(self._every, self._ring, thing, timer)

    def _ring(self, thing: ThingT, timer: Timer) -> None:
        if self._timers.get(thing) is timer:
            del self._timers[thing]
            self._renew(thing)

    def end(self) -> list[ThingT]:
        """Stop renewing, and return what was to be renewed by this loop."""
        self._ended = True
        loop = asyncio.get_running_loop()
        mine = [thing for thing, timer in tuple(self._timers.items()) if timer.loop is loop]
        for thing in mine:
            self._timers.pop(thing).handle.cancel()
        return mine
