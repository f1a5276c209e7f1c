"""Counts of what happened within the last seconds, in a fixed number of slots."""

from __future__ import annotations

from collections import deque

__all__ = ["Window"]

SLOTS = 10


class _Slot:
    """Counts what happened in one part of the window."""

    __slots__ = ("calls", "failures", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.calls = 0
        self.failures = 0


class Window:
    """Counts calls and failures of the last `seconds`. It forgets a tenth of the window at a time, and never grows."""

    __slots__ = ("_seconds", "_slots")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._slots: deque[_Slot] = deque()

    def add(self, now: float, *, calls: int = 0, failures: int = 0) -> None:
        """Count what happened at `now`, a time that never goes back."""
        slot = self._slot(now)
        slot.calls += calls
        slot.failures += failures

    def counts(self, now: float) -> tuple[int, int]:
        """Return the calls and the failures within the window."""
        self._forget(now)
        return sum(slot.calls for slot in self._slots), sum(slot.failures for slot in self._slots)

    def covered(self, now: float) -> float:
        """Return how many seconds the counts cover: a tenth of the window is forgotten as a new one begins."""
        tenth = self._seconds / SLOTS
        return self._seconds - tenth + now % tenth

    def clear(self) -> None:
        """Forget everything."""
        self._slots.clear()

    def _slot(self, now: float) -> _Slot:
        number = self._forget(now)
        if not self._slots or self._slots[-1].number != number:
            self._slots.append(_Slot(number))
        return self._slots[-1]

    def _forget(self, now: float) -> int:
        number = int(now * SLOTS / self._seconds)
        while self._slots and self._slots[0].number <= number - SLOTS:
            self._slots.popleft()
        return number
