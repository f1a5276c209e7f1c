"""Counts what one client's requests do at each target, from its calls' events: the figures that it reports.

All are of the last minute, but for costs and wasted tokens, which are of the day (UTC). Each number is this client's
own, so those of many processes can be added.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import islice

from ..events import AttemptFailed, AttemptProgress, AttemptStarted, Drained, Observer, Told
from ..text.readable import one_line
from .health import TargetHealth
from .histogram import bucket_of
from .ledger import DAY, Spent
from .remembered import Remembered
from .report import LONGEST_NAME, MOST_TARGETS, Figures
from .window import Window

__all__ = ["Tally"]

MINUTE = 60.0

LEAST = 10.0
"""Seconds that a rate is of at least: one request in the first second is not sixty a minute."""

KEPT = 200
"""Times to first content that are remembered of a target."""


class _Today:
    """Counts what was paid at one target on one day, and what of it for nothing."""

    __slots__ = ("cost", "day", "unpriced", "wasted")

    def __init__(self, day: int) -> None:
        self.day = day
        self.cost = Decimal(0)
        self.unpriced = self.wasted = 0

    def add(self, spent: Spent) -> None:
        """Add one request."""
        self.cost += spent.cost or 0
        self.unpriced += spent.cost is None
        self.wasted += (spent.input or 0) + (spent.output or 0) if spent.wasted else 0


class _Counts:
    """Counts the figures of one target. over: requests that have ended, and the failed ones among them."""

    __slots__ = ("first", "in_flight", "over", "sent", "today", "tokens")

    def __init__(self) -> None:
        self.sent, self.over, self.tokens = Window(MINUTE), Window(MINUTE), Window(MINUTE)
        self.first: deque[tuple[float, int]] = deque(maxlen=KEPT)
        self.in_flight = 0
        self.today = _Today(0)

    def on(self, day: int) -> _Today:
        """Return what belongs to this day."""
        if day != self.today.day:
            self.today = _Today(day)
        return self.today


class Tally:
    """Counts the figures of one client's targets. Safe to use from several threads' loops.

    now: a time that never goes back, in seconds. clock: Unix time, which says when a day is over.
    """

    def __init__(self, now: Callable[[], float], clock: Callable[[], float] = time.time) -> None:
        self._now = now
        self._clock = clock
        self._since = now()
        self._lock = threading.Lock()
        self._targets: Remembered[str, _Counts] = Remembered()

    def watch(self) -> Observer:
        """Return an observer for one call."""
        return _Watched(self).tell

    def began(self, target: str) -> None:
        """Count a request that is sent."""
        with self._lock:
            counts = self._counts_of(target)
            counts.sent.add(self._now(), calls=1)
            counts.in_flight += 1

    def answered(self, target: str, seconds: float) -> None:
        """Note the time to a request's first content."""
        with self._lock:
            self._counts_of(target).first.append((self._now(), bucket_of(seconds)))

    def over(self, target: str) -> None:
        """Count a request that has ended."""
        with self._lock:
            counts = self._counts_of(target)
            counts.over.add(self._now(), calls=1)
            counts.in_flight = max(0, counts.in_flight - 1)

    def failed(self, target: str) -> None:
        """Count a request that has failed."""
        with self._lock:
            self._counts_of(target).over.add(self._now(), failures=1)

    def spent(self, spent: Spent) -> None:
        """Count what a request used and cost."""
        with self._lock:
            counts = self._counts_of(spent.target)
            counts.tokens.add(self._now(), calls=(spent.input or 0) + (spent.output or 0))
            counts.on(self._day()).add(spent)

    def figures(self, healths: Iterable[TargetHealth]) -> list[Figures]:
        """Return the figures of all targets whose health is known, and then of others, the last used first."""
        known: dict[str, list[TargetHealth]] = {}
        for health in healths:
            known.setdefault(health.target, []).append(health)
        names = dict.fromkeys((*known, *reversed(self._targets.keys())))
        with self._lock:
            return [self._figures(name, known.get(name, ())) for name in islice(names, MOST_TARGETS)]

    def _figures(self, target: str, healths: Sequence[TargetHealth]) -> Figures:
        now, counts = self._now(), self._targets.get(target) or _Counts()
        states = Counter(health.state for health in healths)
        opens = [health.opens_until for health in healths if health.opens_until is not None]
        waits = [health.longest_wait for health in healths if health.longest_wait is not None]
        ended, failed = counts.over.counts(now)
        today = counts.on(self._day())
        return Figures(
            target=one_line(target)[:LONGEST_NAME],
            closed=states["closed"], half_open=states["half_open"], open=states["open"],
            opens_in=min(opens, default=None),
            requests=self._rate(counts.sent), tokens=self._rate(counts.tokens),
            ended=ended, failed=min(failed, ended),
            first=dict(Counter(bucket for when, bucket in counts.first if now - when <= MINUTE)),
            in_flight=counts.in_flight,
            queued=sum(health.queued for health in healths),
            longest_wait=max(waits, default=None),
            cost=float(today.cost), unpriced=today.unpriced, wasted=today.wasted,
        )  # fmt: skip

    def _rate(self, window: Window) -> float:
        """Return the mean number a minute, of the last one or of the time since the beginning."""
        now = self._now()
        return window.counts(now)[0] * MINUTE / max(LEAST, min(window.covered(now), now - self._since))

    def _counts_of(self, target: str) -> _Counts:
        return self._targets.of(target, _Counts)

    def _day(self) -> int:
        return int(self._clock() // DAY)


class _Watched:
    """Follows the requests of one call, by the ids of their records, which its transcript keeps."""

    __slots__ = ("_failed", "_sent", "_tally")

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._sent: set[int] = set()
        self._failed: set[int] = set()

    def tell(self, event: Told) -> None:
        """Take note of how far a request has come."""
        if isinstance(event, AttemptProgress):
            self._has_come(event)
        elif isinstance(event, Drained):
            self._tally.over(event.target)
        elif isinstance(event, AttemptStarted):
            self._sent.add(id(event.record))
            self._tally.began(event.target)
        elif isinstance(event, AttemptFailed) and id(event.record) in self._sent - self._failed:
            self._failed.add(id(event.record))
            self._tally.failed(event.target)

    def _has_come(self, event: AttemptProgress) -> None:
        if id(event.record) not in self._sent:
            return  # the request could not be sent, so it was never counted
        if event.step == "content" and event.record.time_to_first_chunk is not None:
            self._tally.answered(event.target, event.record.time_to_first_chunk)
        elif event.step in ("kept", "closed") and not event.record.draining:
            self._tally.over(event.target)
