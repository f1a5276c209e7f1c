"""Remembers how long targets take to begin, as percentiles of the last answers: what `Hedge(after="p95")` goes by.

A request that lost its race says at least how long it had been waited for. Without these the slowest answers would be
missing, the percentile would sink, and more and more requests would be raced.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

from ..target import Target
from .health import TargetKey, key_of
from .remembered import Remembered

__all__ = ["ENOUGH", "KEPT", "USUAL", "Beginnings", "Times"]

KEPT = 500
"""Answers of a target that are remembered; of more, the oldest is forgotten."""

ENOUGH = 20
"""Answers after which a percentile means something."""

USUAL = 2.0
"""Seconds that stand for the percentile until `ENOUGH` answers have come."""


class Times:
    """Keeps the last times of one target, in seconds."""

    __slots__ = ("_in_order", "_sorted")

    def __init__(self) -> None:
        self._in_order: deque[float] = deque()
        self._sorted: list[float] = []

    def saw(self, seconds: float) -> None:
        """Take in one more time."""
        self._in_order.append(seconds)
        insort(self._sorted, seconds)
        if len(self._in_order) > KEPT:
            del self._sorted[bisect_left(self._sorted, self._in_order.popleft())]

    def percentile(self, percent: int) -> float:
        """Return the time that so many of a hundred answers were faster than; `USUAL` while there are too few."""
        count = len(self._sorted)
        return self._sorted[min(count * percent // 100, count - 1)] if count >= ENOUGH else USUAL


class Beginnings:
    """Keeps the times of one client's targets."""

    def __init__(self) -> None:
        self._times: Remembered[TargetKey, Times] = Remembered()

    def of(self, target: Target) -> Times:
        """Return the times of a target."""
        return self._times.of(key_of(target), Times)
