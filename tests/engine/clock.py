"""A clock for one test's loop: it stands still while something is ready, and jumps to the next timer otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["SOCKET", "Clock", "after", "running_clock"]

PATIENCE = 5.0
"""Real seconds in which another thread may still wake a loop that has no timer; then the test hangs, and is told so."""
SOCKET = 0.002
"""Real seconds in which the kernel brings to one socket of a loop what was written into another one of it."""
TURN = 1e-6
"""Seconds that a turn of a loop takes over sockets: a timer that is set for now would come without an end otherwise."""
HORIZON = 100_000.0
"""Seconds that a test may let pass; a timer that is set anew for ever would not end otherwise."""


class Clock:
    """What the loop reads as its time, in seconds. It begins at `start`, so a wrong zero is seen."""

    start = 1000.0

    def __init__(self) -> None:
        self.now = self.start

    @property
    def passed(self) -> float:
        """Seconds since the test began."""
        return round(self.now - self.start, 6)

    def advance(self, seconds: float) -> None:
        """Let time pass; timers that are due by then run when the loop has its turn."""
        self.now += seconds


class _Jumping:
    """A selector that waits for no timer: where nothing is ready, the clock is set forward instead."""

    def __init__(self, selector: Any, clock: Clock, grace: float) -> None:
        self._selector = selector
        self._clock = clock
        self._grace = grace

    def __getattr__(self, name: str) -> Any:
        return getattr(self._selector, name)

    def select(self, timeout: float | None = None) -> Any:
        """What is ready at once or within the grace, or nothing after a jump."""
        ready = self._selector.select(PATIENCE if timeout is None else min(self._grace, timeout))
        if self._grace:
            self._clock.advance(TURN)
        if not ready and timeout is None:
            raise AssertionError("the loop waits for something that no timer and no read will bring")
        if not ready and timeout is not None:
            self._clock.advance(max(0.0, timeout))
        if self._clock.passed > HORIZON:
            raise AssertionError("more than a day has passed in this test: a timer is set anew for ever")
        return ready


@contextmanager
def running_clock(grace: float = 0.0) -> Iterator[Clock]:
    """Give the running loop a clock of the test's own; grace: the real seconds that it waits before it jumps."""
    loop: Any = asyncio.get_running_loop()
    clock, selector = Clock(), loop._selector
    loop.time, loop._selector = (lambda: clock.now), _Jumping(selector, clock, grace)
    try:
        yield clock
    finally:
        del loop.time
        loop._selector = selector


def after(seconds: float, data: bytes) -> asyncio.Future[bytes]:
    """A read that brings `data` in so many seconds from now."""
    loop = asyncio.get_running_loop()
    read: asyncio.Future[bytes] = loop.create_future()
    loop.call_later(seconds, lambda: read.done() or read.set_result(data))
    return read
