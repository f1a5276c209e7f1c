"""Decides whether a request may go to a target now: the circuit breaker of one target.

Three designs were looked at. resilience4j opens on a rate over a sliding window, and tests with a few requests in a
half-open state. Envoy's outlier detection ejects a host for a base time that grows with each ejection, and shrinks
again while the host is well. Finagle's failure accrual marks a host dead after failures in a row, and revives it with
growing waits. The rate, the least number of calls and the half-open state are resilience4j's, because people know what
its figures mean. The time that grows is Envoy's: overload lasts minutes, and each test costs somebody's request. The
failures in a row are Finagle's: a rate sees a dead target only when half of the window has failed, fifteen seconds
later. They have to last for some seconds, because many requests at once may fail of one short trouble.

closed:     requests go; failures are counted
open:       no request goes, until its time is over
half_open:  one request goes and decides: by its first content, or by its end if the circuit opened because answers
            broke off or fell silent after content had come; else a test would pass that tests nothing

A request that only says how it ended after others have decided changes no state: its permit is out of date.
"""

from __future__ import annotations

import random
from typing import NamedTuple, TypeAlias

from ..events import State
from ..policy import Breaker
from .window import Window

__all__ = ["SPENT", "Circuit", "CircuitState", "Permit", "Standing"]

CircuitState: TypeAlias = State

LONGEST = 4
"""The most times `Breaker.open_for` for which a target that fails each test is left alone: two minutes by default. A
test costs one request, and an overload that is over should not be waited for much longer than it took."""

JITTER = 0.1
"""The share of its time that an open circuit stays open longer: many processes do not all test at once."""

LATELY = 0.1
"""The share of the window for which the counts of all processes are good after they were told."""


ROW = 3.0
"""Seconds for which `Breaker.min_calls` requests in a row have to fail, before content, to open it at once."""


class Permit(NamedTuple):
    """Permits one request to be sent. period: of the circuit's state; a permit of an earlier one decides nothing."""

    period: int
    probe: bool


SPENT = Permit(-1, probe=False)
"""A permit whose request has said how its target is: what else becomes of it decides nothing."""


class Standing(NamedTuple):
    """Describes a circuit's state without its counts, as one process tells it to others.

    seconds: until a request may test it. trips: how often it opened of late. well: seconds since it was closed.
    """

    opened: bool
    seconds: float
    trips: int
    well: float


class Circuit:
    """Keeps the state of one target's circuit. `now` is a monotonic time in seconds, the same clock in all calls.

    judges: whether failures open it. One that does not judge only observes, and opens for no more than a `rest`.
    """

    __slots__ = (
        "_judges", "_late", "_opened", "_period", "_policy", "_probing", "_row", "_row_since", "_together", "_trips",
        "_until", "_well_since", "_window",
    )  # fmt: skip

    def __init__(self, policy: Breaker, *, judges: bool = True) -> None:
        self._policy = policy
        self._judges = judges
        self._window = Window(policy.window)
        self._opened = False
        self._until = 0.0
        self._period = 0
        self._trips = 0
        self._well_since = 0.0
        self._probing = False
        self._late = False
        self._row = 0
        self._row_since = 0.0
        self._together = (0, 0, float("-inf"))  # calls and failures of all processes, and when they were told

    @property
    def period(self) -> int:
        """Return the number of the present state: another one means that the circuit has opened, closed, or opened
        anew."""
        return self._period

    @property
    def is_tested(self) -> bool:
        """Return whether a request of this process tests the target now."""
        return self._probing

    def standing(self, now: float) -> Standing:
        """Return the state as it is told to other processes."""
        return Standing(
            self.state(now) != "closed", max(0.0, self._until - now), self._trips, max(0.0, now - self._well_since)
        )

    def adopt(self, standing: Standing, now: float) -> None:
        """Take over the state that another process has told of."""
        self._trips = standing.trips
        if standing.opened:
            self._opened, self._probing = True, False
            self._until = now + standing.seconds
            self._period += 1
        elif self.state(now) != "closed":
            self._close(now)
        self._well_since = now - standing.well

    def judge(self, calls: int, failures: int, now: float) -> bool:
        """Open if the window of all processes together says that the target is sick; return whether it says so."""
        self._together = (calls, failures, now)
        sick = self._judges and self._are_too_many(calls, failures)
        if sick and not self._opened:
            self._open(now)
        return sick

    def state(self, now: float) -> CircuitState:
        """Return the state that a request would meet at `now`. Nothing is changed: it may be read in any thread."""
        if not self._opened or self._rest_is_over(now):
            return "closed"
        return "open" if now < self._until else "half_open"

    @property
    def opens_until(self) -> float | None:
        """Return the time from which a request may test the target; None while the circuit is closed."""
        return self._until if self._opened else None

    def failure_rate(self, now: float) -> float:
        """Return the share of failed requests in the window; 0 without requests. Where other processes have told of
        theirs just now, they are counted with it."""
        calls, failures, when = self._together
        if now - when > self._policy.window * LATELY:
            calls, failures = self._window.counts(now)
        return failures / calls if calls else 0.0

    def ask(self, now: float) -> Permit | None:
        """Return a permit to send one request, or None while no request may go."""
        if self._rest_is_over(now):
            self._opened = False
        if not self._opened:
            return Permit(self._period, probe=False)
        if now < self._until or self._probing:
            return None
        self._probing = True
        return Permit(self._period, probe=True)

    @property
    def wait_for_test(self) -> float:
        """Return the seconds until it is worth asking again while another request tests the target: a guess."""
        return self._policy.open_for / 10

    def wait(self, now: float) -> float:
        """Return seconds until `ask` may succeed. While another request tests the target, that is a guess."""
        return max(self._until - now, self.wait_for_test if self._probing else 0.0)

    def succeeded(self, permit: Permit, now: float) -> None:
        """Note that content came."""
        if permit.period != self._period:
            return
        self._window.add(now, calls=1)
        self._row = 0
        if permit.probe and not self._late:
            self._close(now)

    def ended(self, permit: Permit, now: float) -> None:
        """Note that an answer that had begun is over, and nothing was wrong with it."""
        if permit.probe and permit.period == self._period:
            self._close(now)

    def failed(self, permit: Permit, now: float, *, counted: bool = False) -> None:
        """Note that the request failed. counted: it had succeeded first, and its answer was cut later."""
        if permit.period != self._period:
            return
        self._window.add(now, calls=0 if counted else 1, failures=1)
        if not counted:
            self._lengthen_the_row(now)
        if self._judges and (permit.probe or self._is_sick(now)):
            self._late = self._late or counted
            self._open(now)

    def left(self, permit: Permit) -> None:
        """Note that the request ended without a verdict: its caller went away. Another request may test."""
        if permit.probe and permit.period == self._period:
            self._probing = False

    def rest(self, now: float, seconds: float) -> None:
        """Open for as long as the server asked its clients to wait."""
        self._opened, self._probing = True, False
        self._until = max(self._until, now + seconds)
        self._period += 1

    def _rest_is_over(self, now: float) -> bool:
        """Return whether a circuit that does not judge is as if closed: there is nothing to test."""
        return self._opened and not self._judges and now >= self._until

    def _lengthen_the_row(self, now: float) -> None:
        if not self._row or now - self._row_since > self._policy.window:
            self._row, self._row_since = 0, now
        self._row += 1

    def _is_sick(self, now: float) -> bool:
        if self._row >= self._policy.min_calls and now - self._row_since >= ROW:
            return True
        return self._are_too_many(*self._window.counts(now))

    def _are_too_many(self, calls: int, failures: int) -> bool:
        return calls >= self._policy.min_calls and failures >= calls * self._policy.failure_rate

    def _open(self, now: float) -> None:
        if not self._opened:  # each window without trouble cancels one trip
            well = int((now - self._well_since) / self._policy.window) if self._trips else 0
            self._trips = max(0, self._trips - well)
        times = min(2**self._trips, LONGEST)
        self._trips += 1
        self._opened, self._probing = True, False
        self._until = now + self._policy.open_for * times * (1 + random.uniform(0, JITTER))
        self._period += 1

    def _close(self, now: float) -> None:
        self._opened = self._probing = self._late = False
        self._well_since = now
        self._row = 0
        self._period += 1
        self._window.clear()
        self._together = (0, 0, float("-inf"))
