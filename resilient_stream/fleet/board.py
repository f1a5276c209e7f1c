"""Defines what the processes of a fleet share of one target: the form in which they tell it, and how it is kept.

A process sends its `News` and gets back a `View`: one exchange, in which nothing of another process comes between. The
store counts and remembers. What follows from the counts is decided by the process that reads them (`Circuit`), so there
is one place where it is decided when a target is sick.

`Board` keeps one target's part in memory. Its twin is the function in Lua that runs inside Redis; one suite of tests
holds both to the same answers.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

from .bucket import CLOSE, HOLDS, NOTHING, Cost
from .circuit import Standing
from .pool import LONGEST_LEASE, Claim, Pool, Share
from .window import SLOTS

__all__ = ["CLOSED", "LONGEST_DEBT", "Board", "News", "Rates", "Store", "View"]

LONGEST_DEBT = 3600.0
"""Seconds for which a bucket can be empty at most, whatever was used beside the limits."""

NO_BOUND = math.inf

CLOSED = Standing(False, 0.0, 0, 0.0)


class Rates(NamedTuple):
    """Says how many requests and tokens are allowed in a minute; 0 for no limit."""

    requests: float = 0.0
    tokens: float = 0.0

    def holds(self) -> Cost:
        """Return what the buckets hold."""
        return Cost(self.requests / 60 * HOLDS, self.tokens / 60 * HOLDS)


class News(NamedTuple):
    """Says what one process tells of one target, and what it asks for.

    key: of the target; process: who tells. circuit: its own key, for those who judge by the same figures. window:
    seconds over which failures are counted.
    version: of the circuit's state that calls, failures and turn go by; where the store has another, they are left out.
    turn: the circuit's new state. probe: seconds for which nobody else may test the target; 0 asks for nothing.
    release: the test is over without a verdict.
    limits: the buckets' own key, "" for none. take: what is asked for; nothing is taken where not all is there.
    back: what was taken and not used. left, hold: what the server says is left, and for how long it wants nothing.
    places: a claim of one of the places at the target; it is granted together with what is taken, or neither.
    """

    key: str
    process: str
    circuit: str = ""
    window: float = 30.0
    version: int = 0
    calls: int = 0
    failures: int = 0
    turn: Standing | None = None
    probe: float = 0.0
    release: bool = False
    limits: str = ""
    rates: Rates = Rates()
    take: Cost = NOTHING
    back: Cost = NOTHING
    left: Cost = Cost(NO_BOUND, NO_BOUND)
    hold: float = 0.0
    places: Claim | None = None

    def asking_for_nothing(self) -> News:
        """Return the news without what somebody would have to wait for."""
        places = None if self.places is None else self.places.asking_for_nothing()
        return self._replace(take=NOTHING, probe=0.0, places=places)


class View(NamedTuple):
    """Says what the store knows of a target after an exchange.

    version: 0 where nothing has been told of the circuit. calls, failures: of all processes within the window.
    may_probe: the test was granted. wait: seconds until what was asked for may be there; 0 if it was taken.
    levels: what is left in the buckets. hold: seconds for which the server wants nothing. places: what was claimed.
    """

    version: int = 0
    standing: Standing = CLOSED
    calls: int = 0
    failures: int = 0
    may_probe: bool = False
    wait: float = 0.0
    levels: Cost = NOTHING
    hold: float = 0.0
    places: Share = Share()


class Store(Protocol):
    """Keeps what processes share. It raises nothing: whoever asks goes by what it knows itself then.

    lease: seconds after which a process that says nothing any more is taken for dead."""

    lease: float

    async def exchange(self, news: News) -> View | None:
        """Tell the news and return the view; None where the store does not answer in time."""
        ...

    async def claim(self, claim: Claim) -> Share | None:
        """Tell what is held of a pool and ask for more; None where the store does not answer in time."""
        ...


class Board:
    """Keeps one target's part of a store. `now` is a time in seconds, the same clock in all calls."""

    def __init__(self) -> None:
        self._circuits: dict[str, _Register] = {}
        self._limits: dict[str, _Levels] = {}
        self._places: dict[str, Pool] = {}
        self.expires = 0.0

    def exchange(self, news: News, now: float) -> View:
        """Take in the news, and return what is known then."""
        register = self._circuits.setdefault(news.circuit, _Register())
        register.count(news, now)
        granted = register.grants(news, now)
        self.expires = max(self.expires, register.expires(news.window, now))
        standing, (calls, failures) = register.standing(now), register.counts()
        view = View(register.version, standing, calls, failures, granted)
        levels = self._limits.setdefault(news.limits, _Levels(news.rates)) if news.limits else None
        wait = 0.0 if levels is None else levels.wait(news, now)
        share = Share() if news.places is None else self._share_of_pool(news.places, now, may_ask=not wait)
        if levels is None:
            return view._replace(places=share)
        if not wait and (news.places is None or not news.places.least or share.granted):
            levels.take(news.take)
        self.expires = max(self.expires, now + levels.emptied(now) + 1)
        hold = max(0.0, levels.held - now)
        return view._replace(wait=wait, levels=levels.left(now), hold=hold, places=share)

    def _share_of_pool(self, claim: Claim, now: float, *, may_ask: bool) -> Share:
        """Return the answer to a claim, which asks for nothing where the request could not go anyway."""
        self.expires = max(self.expires, now + LONGEST_LEASE)
        pool = self._places.setdefault(claim.pool, Pool())
        return pool.claim(claim if may_ask else claim.asking_for_nothing(), now)


class _Register:
    """Keeps a circuit's state as it was told last, and the counts since."""

    def __init__(self) -> None:
        self.version = 0
        self._told = CLOSED
        self._since = 0.0
        self._slots: dict[int, tuple[int, int]] = {}
        self._tester = ("", 0.0)

    def count(self, news: News, now: float) -> None:
        """Add the counts, and take over a new state, if they go by the state that is here."""
        slot = int(now * SLOTS / news.window)
        if news.version == self.version:
            calls, failures = self._slots.get(slot, (0, 0))
            self._slots[slot] = (calls + news.calls, failures + news.failures)
            if news.turn is not None:
                self._turn(news.turn, now)
        self._slots = {number: counts for number, counts in self._slots.items() if slot - SLOTS < number <= slot}

    def _turn(self, told: Standing, now: float) -> None:
        self.version = max(self.version + 1, int(now * 1e6))
        self._told, self._since, self._tester = told, now, ("", 0.0)
        if not told.opened:
            self._slots.clear()

    def grants(self, news: News, now: float) -> bool:
        """Return whether this process may test the target, and nobody else for a while."""
        whose, until = self._tester
        if news.release and whose == news.process:
            whose, _ = self._tester = ("", 0.0)
        if not news.probe or news.version != self.version or self.standing(now).seconds > 0:
            return False
        if whose not in ("", news.process) and now < until:
            return False
        self._tester = (news.process, now + news.probe)
        return True

    def standing(self, now: float) -> Standing:
        """Return the state as of now."""
        opened, seconds, trips, well = self._told
        passed = now - self._since
        return Standing(opened, max(0.0, seconds - passed), trips, well + passed) if self.version else CLOSED

    def counts(self) -> tuple[int, int]:
        """Return the calls and the failures within the window."""
        return sum(calls for calls, _ in self._slots.values()), sum(failures for _, failures in self._slots.values())

    def expires(self, window: float, now: float) -> float:
        """Return when nothing of the state matters any more."""
        standing = self.standing(now)
        return now + standing.seconds + 2 * window * (1 + standing.trips)


class _Levels:
    """Keeps two buckets as the virtual schedule of ITU-T I.371 (GCRA): each is the time at which it will be full."""

    def __init__(self, rates: Rates) -> None:
        self._rates = tuple(rate / 60 for rate in rates)
        self._holds = rates.holds()
        self._full = [0.0, 0.0]
        self.held = 0.0

    def wait(self, news: News, now: float) -> float:
        """Take in what came back and what the server said, and return the wait for what is asked for."""
        self.held = max(self.held, now + news.hold)
        wait = self.held - now if self.held > now else 0.0
        for place, rate in enumerate(self._rates):
            if rate:
                self._settle_level(place, rate, news, now)
                wait = max(wait, self._wait(place, rate, news.take[place], now))
        return wait if any(news.take) else 0.0

    def take(self, cost: Cost) -> None:
        """Take what is asked for, if it is there."""
        for place, rate in enumerate(self._rates):
            self._full[place] += cost[place] / rate if rate else 0.0

    def _settle_level(self, place: int, rate: float, news: News, now: float) -> None:
        full = max(self._full[place], now) - news.back[place] / rate
        left = now + max(0.0, self._holds[place] - news.left[place]) / rate
        self._full[place] = min(max(full, left, now), now + LONGEST_DEBT)

    def _wait(self, place: int, rate: float, amount: float, now: float) -> float:
        needed = min(amount, self._holds[place])
        missing = needed - (self._holds[place] - (self._full[place] - now) * rate)
        return missing / rate if missing > needed * CLOSE else 0.0

    def left(self, now: float) -> Cost:
        """Return what is in the buckets."""
        each = zip(self._holds, self._full, self._rates, strict=True)
        return Cost(*(holds - max(0.0, full - now) * rate for holds, full, rate in each))

    def emptied(self, now: float) -> float:
        """Return seconds until everything is as at the beginning."""
        return max(*self._full, self.held, now) - now
