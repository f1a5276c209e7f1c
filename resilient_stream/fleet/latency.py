"""Learns from a target's answers how fast it begins: Finagle's peak EWMA.

A slow answer raises the value at once, fast ones lower it little by little, so a target that has become slow is left at
once and comes back with care.
"""

from __future__ import annotations

import math

__all__ = ["PeakLatency"]

HALF_LIFE = 30.0
"""Seconds after which half of a peak is forgotten."""


class PeakLatency:
    """Keeps the seconds to first content: the decaying peak of what was seen. None until something was."""

    __slots__ = ("_at", "_value")

    def __init__(self) -> None:
        self._value: float | None = None
        self._at = 0.0

    def saw(self, seconds: float, now: float) -> None:
        """Take in one more time to first content."""
        if self._value is None or seconds >= self._value:
            self._value = seconds
        else:
            kept = math.exp(-(now - self._at) * math.log(2) / HALF_LIFE)
            self._value = seconds + (self._value - seconds) * kept
        self._at = now

    def expected(self, now: float) -> float | None:
        """Return the value as it is at `now`: what was learned fades, so a target that was slow is tried again."""
        return None if self._value is None else self._value * math.exp(-(now - self._at) * math.log(2) / HALF_LIFE)

    @property
    def seconds(self) -> float | None:
        """Return the learned value."""
        return self._value
