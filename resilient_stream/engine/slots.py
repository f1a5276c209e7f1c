"""Decides who may stream: it counts places at each target and what may be sent there in a minute, with one queue.

What is taken is given back exactly once, and whoever has waited longest goes first, whether for a place or for the
limits of the minute. Nobody can overtake, so a large request is not starved by small ones.

A gate that nobody uses is forgotten. Each running loop has its own gates, because the loops of different threads cannot
wake each other's requests; only what may be sent in a minute is shared by all of them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from ..policy import Limits

if TYPE_CHECKING:
    from ..fleet.bucket import Cost
    from ..fleet.health import TargetKey
    from ..fleet.quota import Maker, Quota, Quotas
    from ..target import Target

__all__ = ["Busy", "Gate", "Line", "Slots", "is_limited"]


ASKING_AT_ONCE = 8
"""Requests before one target that ask a store for permission at the same time, in one loop. They are fewer than the
store's connections: one more would wait for a connection, and that time would count as the store's."""


def is_limited(limits: Limits) -> bool:
    """Return whether a request may have to wait under these limits."""
    per_minute = limits.requests_per_minute is not None or limits.tokens_per_minute is not None
    return limits.max_concurrency is not None or per_minute or limits.adaptive


class _Waiter(NamedTuple):
    """Waits for a place. turn: ends the wait. limit: gives how many places there are. number: of the arrival."""

    turn: asyncio.Future[None]
    limit: Callable[[], int]
    number: float


class Line:
    """Counts places, and keeps those who wait for one. taken: how many places are held."""

    __slots__ = ("_waiting", "taken")

    def __init__(self) -> None:
        self.taken = 0
        self._waiting: deque[_Waiter] = deque()

    async def take(self, limit: Callable[[], int], number: float = inf) -> None:
        """Wait for a place. Whoever is interrupted has none. limit: how many there are, which may change. number: of
        the arrival, for those who come to the line out of order."""
        if self.taken < limit() and self._next() is None:
            self.taken += 1
            return
        turn = asyncio.get_running_loop().create_future()
        waiter = _Waiter(turn, limit, number)
        place = len(self._waiting)
        while place and self._waiting[place - 1].number > number:
            place -= 1
        self._waiting.insert(place, waiter)
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.give_back()  # the place came in the very moment of the interruption
            else:
                self._waiting.remove(waiter)
                self.admit()  # whoever comes next may have another limit
            raise

    def give_back(self) -> None:
        """Hand the place to the next in the line. Synchronous."""
        self.taken -= 1
        self.admit()

    def admit(self) -> None:
        """Give out all places that there are, in order of arrival."""
        while (waiter := self._next()) is not None and self.taken < waiter.limit():
            self._waiting.remove(waiter)
            self.taken += 1
            waiter.turn.set_result(None)

    def _next(self) -> _Waiter | None:
        """Return who has waited longest. One that is cancelled has not left the line yet."""
        return next((waiter for waiter in self._waiting if not waiter.turn.done()), None)

    @property
    def unused(self) -> bool:
        """Return whether nobody holds a place or waits for one."""
        return not self.taken and not self._waiting


class Gate:
    """Lets requests pass to one target, in one loop.

    running: requests that have passed it. queued: those that wait before it. ahead: what those who wait cost together.
    """

    __slots__ = ("_arrived", "_asking", "_changed", "_number", "_turns", "ahead", "places", "queued", "running")

    def __init__(self, nothing: Cost) -> None:
        self.places = Line()
        self.running = 0
        self.queued = 0
        self.ahead = nothing
        self._arrived: dict[object, float] = {}
        self._asking = Line()
        self._number = 0
        self._turns = Line()
        self._changed: asyncio.Future[None] | None = None

    async def enter(
        self, cost: Cost, limit: Callable[[], int] | None, ask: Callable[[], Awaitable[float]] | None
    ) -> None:
        """Wait for a place, and until the cost could be taken. Whoever is interrupted has neither.

        limit: how many places there are; None where they are not counted. ask: takes the cost and returns 0, or returns
        seconds until it may be there. Once somebody was refused, whoever has waited longest asks. What it raises ends
        the waiting.
        """
        self.queued += 1
        self.ahead = self.ahead.plus(cost)
        self._arrived[me := object()] = asyncio.get_running_loop().time()
        try:
            if limit is not None:
                await self.places.take(limit)
            try:
                if ask is not None:
                    await self._in_turn(ask)
            except BaseException:
                if limit is not None:
                    self.places.give_back()
                raise
            self.running += 1
        finally:
            self.queued -= 1
            self.ahead = self.ahead.minus(cost)
            del self._arrived[me]

    def leave(self, *, place: bool) -> None:
        """Note that a request which had passed is over. place: whether it held a place."""
        self.running -= 1
        if place:
            self.places.give_back()
        self.look_again()

    def look_again(self) -> None:
        """Have whoever waits for the minute's limits ask again: something came back, or is held for longer."""
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    async def _in_turn(self, ask: Callable[[], Awaitable[float]]) -> None:
        """Ask until the answer is 0. A store answers after a round trip, so some ask at the same time while there is
        enough for all: one by one they would wait for the sum of their round trips. Those who are refused form the
        line, in the order in which they came."""
        self._number = number = self._number + 1
        await self._asking.take(_several_places)
        try:
            if self._turns.unused and not await ask():
                return
        finally:
            self._asking.give_back()
        await self._turns.take(_one_place, number)
        try:
            while (wait := await ask()) > 0:
                self._changed = asyncio.get_running_loop().create_future()
                await asyncio.wait([self._changed], timeout=wait)
        finally:
            self._changed = None
            self._turns.give_back()

    @property
    def since(self) -> float:
        """Return when the one came that has waited longest, by the loop's clock; infinite where nobody waits."""
        return next(iter(self._arrived.values()), inf)

    @property
    def unused(self) -> bool:
        """Return whether no request has passed the gate or waits before it."""
        return not self.running and not self.queued


def _one_place() -> int:
    return 1


def _several_places() -> int:
    return ASKING_AT_ONCE


class Busy(NamedTuple):
    """Counts the requests that wait before a target and those that run. since: when the first one that waits came;
    infinite where none does."""

    queued: int = 0
    running: int = 0
    since: float = inf


class Slots:
    """Keeps the gates of one client, and what it knows of its targets' limits. maker: makes the allowances and places,
    where they are not this process's own."""

    def __init__(self, maker: Maker | None = None) -> None:
        self._maker = maker
        self._gates: dict[tuple[int, TargetKey], Gate] = {}
        self._quotas: Quotas | None = None

    def quota(self, target: Target, limits: Limits) -> Quota:
        """Return what is known of a target's limits."""
        if self._quotas is None:
            from ..fleet.quota import Quotas  # imported only by clients with limits

            self._quotas = Quotas(self._maker)
        return self._quotas.of(target, limits)

    def gate(self, loop: int, key: TargetKey) -> Gate:
        """Return the gate to a target; `leave` it afterwards. loop: the id of the running one."""
        gate = self._gates.get((loop, key))
        if gate is None:
            from ..fleet.bucket import NOTHING  # loaded already, with the quota

            gate = self._gates[(loop, key)] = Gate(NOTHING)
        return gate

    def leave(self, loop: int, key: TargetKey) -> None:
        """Forget the gate if nobody is at it."""
        gate = self._gates.get((loop, key))
        if gate is not None and gate.unused:
            del self._gates[(loop, key)]

    def busy(self) -> Mapping[TargetKey, Busy]:
        """Return who waits and who runs at each target, in all loops."""
        found: dict[TargetKey, Busy] = {}
        for (_, key), gate in tuple(self._gates.items()):
            before = found.get(key, Busy())
            since = min(before.since, gate.since)
            found[key] = Busy(before.queued + gate.queued, before.running + gate.running, since)
        return found
