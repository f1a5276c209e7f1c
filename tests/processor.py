"""The processor's time that something takes, as it would be on a usual machine that nobody else uses.

A test that compares a time with a limit must fail where the code is slow, and must not where the machine is: a CI's may
be four times slower than a desk's, and others have its processor half of the time. So only this thread's own time
counts, and what is above its limit is divided by how slow the machine is at that moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Callable
from time import thread_time
from types import TracebackType

__all__ = ["MOST", "Heartbeat", "best", "corrected", "once", "seconds", "slowness"]

USUAL = 0.0014
"""Seconds that the probe takes on a usual machine that does nothing else."""
MOST = 8.0
"""No machine counts as slower than so many times the usual one, so that no time is excused altogether."""
PROBES = 3

_TEXT = "12 words of a text that has 345 numbers, " * 400
_PATTERN = re.compile(r"\d+ (?:words|letters) (?:of|in) .{0,20}never|\bnumb(?:er|ed)\b")
_BYTES = _TEXT.encode() * 16
_VALUE = {f"key{number}": [number, str(number), {"part": number / 7}] for number in range(150)}


def _probe() -> None:
    """Search, read and write JSON, and fill a dictionary: what the package does most."""
    _PATTERN.search(_TEXT)
    _BYTES.count(b"n")
    json.loads(json.dumps(_VALUE))
    counts: dict[int, int] = {}
    for number in range(5000):
        counts[number % 97] = counts.get(number % 97, 0) + number


def slowness() -> float:
    """How many times as long as usual this thread takes at this moment, from 1 to MOST."""
    begin = thread_time()
    for _ in range(PROBES):
        _probe()
    return min(max(1.0, (thread_time() - begin) / (PROBES * USUAL)), MOST)


def corrected(took: float, soon: float) -> float:
    """A time that was measured just now: itself below `soon`, else divided by how slow this machine is."""
    return took if took < soon else took / slowness()


def once(use: Callable[[], object]) -> float:
    """Seconds of this thread's time for one use."""
    begin = thread_time()
    use()
    return thread_time() - begin


def best(use: Callable[[], object], tries: int = 3) -> float:
    """The quickest of so many uses, in seconds of this thread; uncorrected, to be compared with another such time."""
    return min(once(use) for _ in range(tries))


def seconds(use: Callable[[], object], soon: float, tries: int = 3) -> float:
    """The quickest of several uses, corrected; the first one below `soon` is returned at once.

    One that takes so long that no machine is an excuse for it is not tried again."""
    quickest = float("inf")
    for _ in range(tries):
        took = once(use)
        quickest = min(quickest, corrected(took, soon))
        if quickest < soon or took > 4 * MOST * soon:
            break
    return quickest


class Heartbeat:
    """Beats in a running loop while its block lasts, and collects how long the thread computed between two beats.

    What others do with the processor meanwhile does not count. Gaps above `soon` are corrected."""

    def __init__(self, soon: float) -> None:
        self.soon = soon
        self.gaps: list[float] = []

    @property
    def longest(self) -> float:
        """The longest gap, in seconds."""
        return max(self.gaps)

    async def __aenter__(self) -> Heartbeat:
        self._before = thread_time()
        self._beating = asyncio.ensure_future(self._beat())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._count()
        self._beating.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._beating

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(0.001)
            self._count()

    def _count(self) -> None:
        """Remember the gap that ends now; the probe of the correction belongs to none."""
        self.gaps.append(corrected(thread_time() - self._before, self.soon))
        self._before = thread_time()
