"""Wakes a call at the earliest of all its clocks, by one timer.

The timer is armed for the nearest clock, and whoever is woken looks at its own clock and arms the timer again. So a
chunk that is already here costs no look at a clock and no timer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["NEVER", "Clock"]

NEVER = float("inf")


class Clock:
    """Rings at the earliest of the times for which it was armed, and is silent once it was stopped."""

    __slots__ = ("_loop", "_ring", "_rings", "_timer")

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._rings = NEVER

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the clock be armed from now on, in the time of this loop."""
        self._loop = loop

    def arm(self, when: float) -> None:
        """Ring at `when` at the latest."""
        if when < self._rings and self._loop is not None:
            if self._timer is not None:
                self._timer.cancel()
            self._rings = when  # kept apart: uvloop's handle for a time in the past has no `when()`
            self._timer = self._loop.call_at(when, self._on_time)

    def stop(self) -> None:
        """Stop ringing, and forget who was to be woken, since that refers to this clock."""
        self._loop = None
        self._ring = _wake_nobody
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_time(self) -> None:
        self._timer, self._rings = None, NEVER
        self._ring()


def _wake_nobody() -> None:
    """Wake nobody, because the call is over."""
