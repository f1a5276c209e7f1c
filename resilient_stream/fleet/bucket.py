"""Limits requests and tokens a minute to a target, by token buckets.

A bucket fills at the limit's rate, and holds what comes in one second. What is larger goes when the bucket is full, and
is made up for afterwards. So the requests of a minute are spread over it, and no minute has more than the limit and a
second's worth (or one request) on top. Providers that publish
how they count (OpenAI, Anthropic) say that a limit of 60 a minute may be enforced as one a second; a bucket that holds
a whole minute would send twice the limit in its first one.

Nobody waits in here: `take` takes, or says how long it would be. So the state can be somewhere else, for many
processes: whatever has the four methods of `Allowance` stands in the place of `Buckets`.
"""

from __future__ import annotations

import threading
from typing import NamedTuple, Protocol

__all__ = ["HELD", "NOTHING", "Allowance", "Buckets", "Cost", "Wait"]

HOLDS = 1.0
"""Seconds of its rate that a bucket holds."""

CLOSE = 1e-6
"""The share of what is needed that may be missing: a wait is a float, and would be followed by a wait of nothing."""

LONGEST = 60.0
"""Seconds for which one answer can hold everything back; the next answer says more."""

HELD = "the provider's answer"
"""The name that stands for the limit where it is none of ours: the provider has said that nothing is left."""


class Cost(NamedTuple):
    """Says what a request takes of each limit."""

    requests: float = 0.0
    tokens: float = 0.0

    def plus(self, other: Cost) -> Cost:
        """Return the sum."""
        return Cost(self.requests + other.requests, self.tokens + other.tokens)

    def minus(self, other: Cost) -> Cost:
        """Return the difference, which may be negative."""
        return Cost(self.requests - other.requests, self.tokens - other.tokens)


NOTHING = Cost()


class Wait(NamedTuple):
    """Says how many seconds pass until a request may go, and the field of `Limits` (or HELD) that they are due to; ""
    without a wait."""

    seconds: float
    limit: str


class Allowance(Protocol):
    """Says what may be sent to one target now. Times are monotonic seconds, of the same clock in all calls."""

    def take(self, cost: Cost, now: float) -> float:
        """Take the cost, and return 0; or take nothing, and return seconds until it may be there."""
        ...

    def wait(self, cost: Cost, now: float, ahead: Cost = NOTHING) -> Wait:
        """Return how long a request would wait behind others that cost `ahead` together. Nothing is taken."""
        ...

    def give_back(self, cost: Cost, now: float) -> None:
        """Return what was taken and not used; a negative cost is what was used beside it."""
        ...

    def told(self, left: Cost, hold: float, now: float) -> None:
        """Note what the server says is left (infinite where it says nothing), and for how long it wants nothing."""
        ...


class _Bucket:
    """Counts one figure. Its level may be below zero: then more was used than had been taken, and is made up for
    first."""

    __slots__ = ("_at", "_holds", "_level", "_rate", "limit")

    def __init__(self, limit: str, per_minute: float) -> None:
        self.limit = limit
        self._rate = per_minute / 60
        self._holds = self._rate * HOLDS
        self._level = self._holds
        self._at = 0.0

    def fill(self, now: float) -> None:
        """Add what came since the last look."""
        now = max(now, self._at)  # another thread may have a later time and have been here first
        self._level = min(self._holds, self._level + (now - self._at) * self._rate)
        self._at = now

    def wait(self, amount: float, ahead: float) -> float:
        """Return seconds until so much is there. What is larger than the bucket goes when it is full."""
        needed = min(amount, self._holds)
        missing = needed + ahead - self._level
        return missing / self._rate if amount + ahead and missing > needed * CLOSE else 0.0

    def take(self, amount: float) -> None:
        """Take so much. A negative amount comes back; `fill` drops what does not fit."""
        self._level -= amount

    def lower(self, left: float) -> None:
        """Hold no more than the server says is left."""
        self._level = min(self._level, left)

    @property
    def level(self) -> float:
        """Return what is there, as of the last look."""
        return self._level

    @level.setter
    def level(self, value: float) -> None:
        self._level = min(self._holds, value)

    @property
    def is_full(self) -> bool:
        """Return whether nothing is missing."""
        return self._level >= self._holds * (1 - CLOSE)


class Buckets:
    """Limits what this process sends to one target, for all its loops and threads. None for a figure: no limit."""

    __slots__ = ("_lock", "_requests", "_tokens", "_until")

    def __init__(self, requests_per_minute: float | None = None, tokens_per_minute: float | None = None) -> None:
        self._lock = threading.Lock()
        self._requests = _bucket("requests_per_minute", requests_per_minute)
        self._tokens = _bucket("tokens_per_minute", tokens_per_minute)
        self._until = 0.0

    def take(self, cost: Cost, now: float) -> float:
        """Take the cost of both, and return 0; or take nothing, and return seconds until it may be there."""
        with self._lock:
            wait = self._longest(cost, now, NOTHING)
            if wait.seconds:
                return wait.seconds
            self._take_from_each(cost)
        return 0.0

    def wait(self, cost: Cost, now: float, ahead: Cost = NOTHING) -> Wait:
        """Return how long a request would wait behind others that cost `ahead` together, as far as is known now."""
        with self._lock:
            return self._longest(cost, now, ahead)

    def give_back(self, cost: Cost, now: float) -> None:
        """Return what was taken and not used. What would not fit any more is lost, as it would be if it had stayed."""
        with self._lock:
            self._fill(now)
            self._take_from_each(NOTHING.minus(cost))

    def told(self, left: Cost, hold: float, now: float) -> None:
        """Note what the server says is left, which only lowers what there is: the limits are the user's own bound."""
        with self._lock:
            self._fill(now)
            for bucket, amount in self._buckets_with_costs(left):
                bucket.lower(amount)
            self._until = max(self._until, now + min(hold, LONGEST))

    def replace(self, levels: Cost, hold: float, now: float) -> None:
        """Take over what is there at `now`, and for how many seconds nothing may go, from whoever knows better."""
        with self._lock:
            self._fill(now)
            for bucket, amount in self._buckets_with_costs(levels):
                bucket.level = amount
            self._until = now + min(hold, LONGEST)

    def use(self, cost: Cost, now: float) -> None:
        """Take what may be more than there is: somebody else has allowed it."""
        self.give_back(NOTHING.minus(cost), now)

    def is_as_new(self, now: float) -> bool:
        """Return whether everything is there, as at the beginning."""
        with self._lock:
            self._fill(now)
            return now >= self._until and all(bucket.is_full for bucket, _ in self._buckets_with_costs(NOTHING))

    def _longest(self, cost: Cost, now: float, ahead: Cost) -> Wait:
        self._fill(now)
        waits = [Wait(max(0.0, self._until - now), HELD)]
        for (bucket, amount), (_, before) in zip(
            self._buckets_with_costs(cost), self._buckets_with_costs(ahead), strict=True
        ):
            waits.append(Wait(bucket.wait(amount, before), bucket.limit))
        longest = max(waits, key=lambda wait: wait.seconds)
        return longest if longest.seconds else Wait(0.0, "")

    def _fill(self, now: float) -> None:
        for bucket, _ in self._buckets_with_costs(NOTHING):
            bucket.fill(now)

    def _take_from_each(self, cost: Cost) -> None:
        for bucket, amount in self._buckets_with_costs(cost):
            bucket.take(amount)

    def _buckets_with_costs(self, cost: Cost) -> list[tuple[_Bucket, float]]:
        """Return each limit that there is, with what it costs."""
        pairs = ((self._requests, cost.requests), (self._tokens, cost.tokens))
        return [(bucket, amount) for bucket, amount in pairs if bucket is not None]


def _bucket(limit: str, per_minute: float | None) -> _Bucket | None:
    return None if per_minute is None else _Bucket(limit, per_minute)
