"""Limits how much a target's failures may add to its load, over all calls of this process: the retry budget.

Why: retries multiply. A target that fails gets up to `RetryPolicy.attempts` times its normal load, from every caller
at once, at the moment when it can bear it least; so a short failure becomes a long one. A bound per call cannot
prevent that, one over all calls can. Three designs were looked at:

    Finagle   retries up to 20 % of requests plus a reserve per second, counted over 10 s      (RetryBudget.scala)
    gRPC A6   a failure takes a token, a success gives a tenth back; below half no retry       (A6-client-retries)
    AWS       500 tokens, 5 for each retry, given back when one succeeds                       (botocore quota.py)

Finagle's is used: its two figures mean something to a person, and its reserve lets a quiet application retry at
all. In any ten seconds, retries to a target are at most `ratio` of the requests that ended there plus `reserve`.

Whatever is sent again because something failed is asked for here first: retries, continuations, later hedges. After a
refusal the next target is asked at once, or the call gives up; nobody waits until there is budget again. The counts
refer to no call, and do not grow with the number of calls.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from ..policy import RetryBudget
from ..target import Target
from .process import PROCESS, place_of

__all__ = ["WINDOW", "RetryCounts", "counts_of"]

WINDOW = 10.0
"""Seconds over which is counted, as in Finagle: longer than a burst of waits, shorter than most outages."""

SLOTS = 10
MAX_TARGETS = 512


class _Slot:
    """Counts what happened in one tenth of the window."""

    __slots__ = ("number", "requests", "retries")

    def __init__(self, number: int) -> None:
        self.number = number
        self.requests = 0
        self.retries = 0


class RetryCounts:
    """Counts one target's requests and retries of the last seconds. Loops of several threads may use it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._slots: deque[_Slot] = deque()

    def request(self) -> None:
        """Note that a call's first request to the target has ended, well or badly.

        A request is counted at its end: a model may think for minutes, and a window that has forgotten the request when
        it fails would allow it no retry.
        """
        with self._lock:
            self._slot().requests += 1

    def spend(self, budget: RetryBudget) -> bool:
        """Return whether one more request may be sent because of a failure; if so, it is counted."""
        with self._lock:
            slot = self._slot()
            allowed = budget.reserve + budget.ratio * sum(each.requests for each in self._slots)
            if sum(each.retries for each in self._slots) + 1 > allowed:
                return False
            slot.retries += 1
            return True

    @property
    def idle(self) -> bool:
        """Return whether nothing happened within the window."""
        with self._lock:
            self._forget()
            return not self._slots

    def _slot(self) -> _Slot:
        number = self._forget()
        if not self._slots or self._slots[-1].number != number:
            self._slots.append(_Slot(number))
        return self._slots[-1]

    def _forget(self) -> int:
        number = int(self._clock() * SLOTS / WINDOW)
        while self._slots and self._slots[0].number <= number - SLOTS:
            self._slots.popleft()
        return number


def counts_of(target: Target) -> RetryCounts:
    """Return the counts of a target, shared by all clients of this process. The same model at another address has its
    own."""
    key, known = place_of(target), PROCESS.retries
    counts = known.get(key)
    if counts is None:
        if len(known) >= MAX_TARGETS:
            _drop_idle(known)
        counts = known.setdefault(key, RetryCounts())
    return counts


def _drop_idle(known: dict[str, RetryCounts]) -> None:
    for key, counts in list(known.items()):
        if counts.idle:
            known.pop(key, None)
