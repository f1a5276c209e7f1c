"""Collects what one process has to tell of a target that it shares with others, and takes in what they tell.

The circuit and the buckets stay what they are in a process alone, so a call can always go by them. What happens is
collected as news. What the store answers is laid over: a new state of the circuit is adopted, the counts of all are
judged, and the buckets hold what is left for all.

A circuit that opened by this process's own window stays its own as long as the counts of all do not agree: a machine
whose network is broken must not close a target for everybody. What a server asked for (a rest), and how a test ended
that was granted by the store, is told at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest

from ..outcome.errors import StreamError
from ..policy import Breaker, Limits
from .board import CLOSED, NO_BOUND, News, Rates, View
from .bucket import NOTHING, Buckets, Cost
from .circuit import Permit
from .health import Patient, TargetKey
from .places import Places
from .pool import Claim

__all__ = ["FRESH", "Member", "SharedBuckets", "SharedPatient", "key_in_store"]

FRESH = 0.25
"""Seconds for which what the store said of a closed circuit is good without asking again."""

TEST_LASTS = 30.0
"""Seconds after which a process that tests a target, and says nothing more, is taken for dead."""


def key_in_store(key: tuple[str, ...]) -> str:
    """Return what a target or a budget is called in the store; nobody reads an address or a key from it."""
    return hashlib.blake2b("\0".join(key).encode(), digest_size=12).hexdigest()


@dataclass(slots=True)
class _Untold:
    """Counts what happened since the last exchange: to the circuit, by the version that it had."""

    calls: int = 0
    failures: int = 0
    turned: bool = False
    release: bool = False


@dataclass(slots=True)
class _Unsettled:
    """Counts what happened to the buckets since the last exchange."""

    back: Cost = NOTHING
    left: Cost = field(default_factory=lambda: Cost(NO_BOUND, NO_BOUND))
    hold_until: float = 0.0

    def __bool__(self) -> bool:
        return self != _Unsettled()


class Member:
    """Keeps one target as this process and the store know it. process: gives who tells. tell: called when there are
    news that nobody waits for."""

    def __init__(self, key: TargetKey, process: Callable[[], str], tell: Callable[[Member], None]) -> None:
        self.key = key_in_store(key)
        self.patient: SharedPatient | None = None
        self._process = process
        self._tell_verdict = tell
        self._version = 0
        self._standing = CLOSED
        self._looked = float("-inf")
        self._untold = _Untold()
        self._buckets: dict[str, SharedBuckets] = {}
        self._places: dict[int, Places] = {}

    def tell(self) -> None:
        """Have the news sent soon."""
        self._tell_verdict(self)

    def joins(self, buckets: SharedBuckets) -> None:
        """Send the news of these buckets, too."""
        self._buckets[buckets.key] = buckets

    def places(self, limit: int, lasts: float) -> Places:
        """Return the places by this limit, whose news are sent, too. They are made once: what is held is one sum."""
        return self._places.setdefault(limit, Places(self, limit, self._process, lasts))

    def open_places(self) -> list[Places]:
        """Return the places of which the store has to hear more."""
        return [each for each in tuple(self._places.values()) if each.is_open]

    @property
    def is_open_for_all(self) -> bool:
        """Return whether the store has said that the circuit is open: then it also grants the test."""
        return self._standing.opened

    def is_fresh(self, now: float) -> bool:
        """Return whether the store was asked a moment ago."""
        return now - self._looked < FRESH

    def note(self, calls: int, failures: int) -> None:
        """Count a verdict."""
        self._untold.calls += calls
        self._untold.failures += failures
        self.tell()

    def note_turn(self) -> None:
        """Note that the circuit's state is to be the state of all."""
        self._untold.turned = True
        self.tell()

    def note_release(self) -> None:
        """Note that the test that the store granted is over without a verdict."""
        self._untold.release = True
        self.tell()

    def unsent(self, now: float) -> Iterator[News]:
        """Give the news that nobody waits for. Each is made when it is asked for, and counts as told then: what is not
        asked for, as its sender was cancelled meanwhile, is told another time."""
        buckets = (each for each in tuple(self._buckets.values()) if each.unsettled)
        places = (each for each in tuple(self._places.values()) if each.unsettled)
        pairs = zip_longest(buckets, filter(None, (each.claim(now, ask=False) for each in places)))
        first = next(pairs, ())
        if first or self._untold != _Untold():
            yield self.news(now, *first)
        for both in pairs:
            yield self.news(now, *both)

    def news(
        self,
        now: float,
        buckets: SharedBuckets | None = None,
        places: Claim | None = None,
        take: Cost = NOTHING,
        *,
        probe: bool = False,
    ) -> News:
        """Return everything that is to be told, with what is asked for; it counts as told then."""
        untold, self._untold = self._untold, _Untold()
        news = News(self.key, self._process(), version=self._version, take=take, places=places)
        if self.patient is not None:
            news = news._replace(
                circuit=self.patient.figures, window=self.patient.window, calls=untold.calls, failures=untold.failures,
                turn=self.patient.circuit.standing(now) if untold.turned else None,
                release=untold.release, probe=TEST_LASTS if probe else 0.0,
            )  # fmt: skip
        return news if buckets is None else buckets.add_to(news, now)

    def heard(self, news: News, view: View | None, now: float) -> None:
        """Take in the store's answer to the news; None if there is none. Counts are not told later: their time is over.
        A new state is, and so is what is held."""
        if news.places is not None:
            self._heard_of_places(news.places, view, now)
        if view is None:
            self._untold.turned = self._untold.turned or news.turn is not None
            return
        self._looked = now
        if self.patient is not None:
            self._lay_over(self.patient, news, view, now)
        if news.limits in self._buckets:
            self._buckets[news.limits].replace(view.levels, view.hold, now)

    def _heard_of_places(self, claim: Claim, view: View | None, now: float) -> None:
        """Tell the places; where the request has to wait for its minute, none was asked for."""
        asked = claim if view is None or not view.wait else claim.asking_for_nothing()
        self._places[claim.limit].heard(asked, None if view is None else view.places, now)

    def _lay_over(self, patient: SharedPatient, news: News, view: View, now: float) -> None:
        circuit = patient.circuit
        if view.version == 0 < self._version:  # the store has lost its memory
            was_open, self._version, self._standing = self._standing.opened, 0, CLOSED
            if was_open and circuit.standing(now).opened:
                self.note_turn()
        elif view.version > self._version:
            ours = news.turn is not None and news.version == self._version and view.standing.trips == news.turn.trips
            self._version = view.version
            if not (ours and circuit.standing(now).opened == view.standing.opened):
                circuit.adopt(view.standing, now)
        elif view.version < self._version:
            return  # this answer was overtaken by a later one
        self._standing = view.standing
        if not view.standing.opened and circuit.judge(view.calls, view.failures, now):
            self.note_turn()


class SharedPatient(Patient):
    """Observes a target together with many processes."""

    __slots__ = ("figures", "member", "window")

    def __init__(self, member: Member, policy: Breaker, *, judges: bool, rests: bool) -> None:
        super().__init__(policy, judges=judges, rests=rests)
        figures = f"{policy.failure_rate:g}/{policy.min_calls}/{policy.window:g}/{policy.open_for:g}/{judges:d}"
        self.figures = figures
        self.window = policy.window
        self.member = member
        member.patient = self

    def began(self, permit: Permit, seconds: float, now: float) -> None:
        """Note that a request's first content came after `seconds`."""
        before = self.circuit.period
        super().began(permit, seconds, now)
        self._tell_verdict(permit, before, calls=1)

    def silent(self, permit: Permit, now: float, *, after_content: bool) -> None:
        """Note that a request has had no content for `slow_after` seconds."""
        before = self.circuit.period
        super().silent(permit, now, after_content=after_content)
        self._tell_verdict(permit, before, calls=0 if after_content else 1, failures=1)

    def failed(self, permit: Permit, error: StreamError, now: float, *, after_content: bool) -> None:
        """Note what a request ended with. Failures that say nothing of the target are no verdict."""
        before = self.circuit.period
        super().failed(permit, error, now, after_content=after_content)
        if self.is_verdict(error):
            self._tell_verdict(permit, before, calls=0 if after_content else 1, failures=1)
        elif permit.probe and permit.period == before:
            self.member.note_release()
        if self.is_verdict(error) and self.rest_after(error):
            self.member.note_turn()

    def ended(self, permit: Permit, now: float) -> None:
        """Note that an answer is over, whole or because its caller had enough of it."""
        before = self.circuit.period
        super().ended(permit, now)
        self._tell_verdict(permit, before)

    def left(self, permit: Permit) -> None:
        """Note that the caller went away before there was a verdict."""
        super().left(permit)
        if permit.probe and permit.period == self.circuit.period:
            self.member.note_release()

    def _tell_verdict(self, permit: Permit, before: int, *, calls: int = 0, failures: int = 0) -> None:
        """Have a verdict counted, or told as the new state of all: the end of a test that the store has granted."""
        if permit.period != before:
            return
        if self.member.is_open_for_all and self.circuit.period != before:
            self.member.note_turn()
        elif calls or failures:
            self.member.note(calls, failures)


class SharedBuckets(Buckets):
    """Limits what many processes send to one target: by what is left for all, as it was told last.

    Nobody here takes from it without the store, but where the store does not answer. Then it is this process's own.
    """

    __slots__ = ("key", "member", "rates", "unsettled")

    def __init__(self, member: Member, limits: Limits) -> None:
        super().__init__(limits.requests_per_minute, limits.tokens_per_minute)
        self.rates = Rates(limits.requests_per_minute or 0.0, limits.tokens_per_minute or 0.0)
        self.key = f"{self.rates.requests:.15g}/{self.rates.tokens:.15g}"
        self.unsettled = _Unsettled()
        self.member = member
        member.joins(self)

    def give_back(self, cost: Cost, now: float) -> None:
        """Return what was taken and not used; a negative cost is what was used beside it."""
        super().give_back(cost, now)
        if cost != NOTHING:
            self.unsettled.back = self.unsettled.back.plus(cost)
            self.member.tell()

    def told(self, left: Cost, hold: float, now: float) -> None:
        """Note what the server says is left, and for how long it wants nothing."""
        super().told(left, hold, now)
        if hold or min(left) < NO_BOUND:
            mine = self.unsettled
            mine.left = Cost(min(mine.left.requests, left.requests), min(mine.left.tokens, left.tokens))
            mine.hold_until = max(mine.hold_until, now + hold)
            self.member.tell()

    def add_to(self, news: News, now: float) -> News:
        """Return the news with what happened here, which counts as told then."""
        mine, self.unsettled = self.unsettled, _Unsettled()
        return news._replace(
            limits=self.key, rates=self.rates, back=mine.back, left=mine.left, hold=max(0.0, mine.hold_until - now)
        )
