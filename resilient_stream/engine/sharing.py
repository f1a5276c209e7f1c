"""Lets the calls of one client ask the store that it shares with other processes, and tell it what happens.

One exchange before a request tells what has happened, asks for permission and takes from the limits. What happens at a
request's end is sent a moment later, or with the next request, and nobody waits for it.

No call fails because of the store, and none waits for it longer than the store itself allows. Without an answer a call
goes by what this process knows.
"""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any

from ..failures import StreamMisused
from ..fleet.board import News, Store, View
from ..fleet.bucket import Allowance, Cost
from ..fleet.health import Patient, TargetKey
from ..fleet.places import ANOTHER_ASKS, Places
from ..fleet.pool import LONGEST_LEASE
from ..fleet.shared import Member, SharedBuckets, SharedPatient
from ..policy import Breaker, Limits
from .process import Identity
from .purses import Purses
from .renewals import Renewals, Timer

if TYPE_CHECKING:
    from ..fleet.quota import Quota
    from .call import Call

__all__ = ["Sharing", "checked"]

SHORTEST_LEASE = 1.0
"""Seconds of a lease at least: it is renewed three times in its time, and an answer may be late."""

SOON = 0.02
"""Seconds after which news are sent that no request has taken along: those of one moment go together."""


class Sharing:
    """Shares what a client knows of its targets with other processes. store: where they meet."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._process = Identity()
        self.purses = Purses(store, self._process)
        self._members: weakref.WeakValueDictionary[TargetKey, Member] = weakref.WeakValueDictionary()
        self._timers: dict[Member, Timer] = {}
        self._asked: dict[tuple[Member, bool, asyncio.AbstractEventLoop], asyncio.Task[View | None]] = {}
        self._sending: set[asyncio.Future[Any]] = set()
        self._renewals: Renewals[Places] = Renewals(store.lease, Places.renew)

    # -- what the calls of this process go by -----------------------------------------------

    def patient(self, key: TargetKey, *, policy: Breaker, judges: bool, rests: bool) -> SharedPatient:
        """Return what is known of a target's health."""
        return SharedPatient(self._member(key), policy, judges=judges, rests=rests)

    def allowance(self, key: TargetKey, limits: Limits) -> Allowance:
        """Return what may be sent to a target."""
        return SharedBuckets(self._member(key), limits)

    def places(self, key: TargetKey, limit: int) -> Places:
        """Return the places at a target."""
        return self._member(key).places(limit, self._store.lease)

    def _member(self, key: TargetKey) -> Member:
        return self._members.setdefault(key, Member(key, self._process, self._tell))

    # -- asking -----------------------------------------------------------------------------

    async def take(self, quota: Quota, cost: Cost, now: float) -> float:
        """Take a place and the cost from what is for all, and return 0; or return seconds until both may be there."""
        buckets, places = quota.allowance, quota.shared
        assert buckets is None or isinstance(buckets, SharedBuckets)  # they were made here
        claim = None if places is None else places.claim(now, ask=True)
        if places is not None and claim is None:
            return ANOTHER_ASKS
        member = _member_of(buckets, places)
        asking = asyncio.ensure_future(self._exchange(member, member.news(now, buckets, claim, cost)))
        try:
            view = await asyncio.shield(asking)
        except asyncio.CancelledError:
            asking.add_done_callback(lambda done: _give_back_unused(done, quota, cost))
            self._keep(asking)
            raise
        if view is None:
            return _take_without_store(quota, cost, now)
        return view.wait if view.wait or places is None or view.places.granted else places.wait()

    async def look(self, patient: Patient, call: Call) -> None:
        """Learn whether the target's circuit is open for all, and ask for the test where it is time for one."""
        assert isinstance(patient, SharedPatient)
        member, circuit = patient.member, patient.circuit
        if circuit.state(call.now()) == "closed" and not member.is_fresh(call.now()):
            await call.wait(lambda: self._ask_together(member, probe=False))
        if circuit.state(call.now()) == "half_open" and member.is_open_for_all and not circuit.is_tested:
            view = await call.wait(lambda: self._ask_together(member, probe=True))
            if view is not None and not view.may_probe and circuit.state(call.now()) == "half_open":
                circuit.rest(call.now(), circuit.wait_for_test)

    async def _ask_together(self, member: Member, *, probe: bool) -> View | None:
        """Ask once for all requests of this loop that want to know the same at the same time."""
        loop = asyncio.get_running_loop()
        asked = (member, probe, loop)
        if asked not in self._asked:
            asking = loop.create_task(self._exchange(member, member.news(loop.time(), probe=probe)))
            self._asked[asked] = asking
            asking.add_done_callback(lambda _: self._asked.pop(asked))
            self._keep(asking)
        return await asyncio.shield(self._asked[asked])

    async def _exchange(self, member: Member, news: News) -> View | None:
        view = None
        try:
            view = await self._store.exchange(news)
        finally:
            member.heard(news, view, asyncio.get_running_loop().time())
            for places in member.open_places():
                self._renewals.arm(places)
        return view

    # -- telling ----------------------------------------------------------------------------

    def _tell(self, member: Member) -> None:
        """Send the member's news soon. Without a running loop they wait for the next request; a loop that has stopped
        sends none."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        armed = self._timers.get(member)
        if armed is None or not armed.loop.is_running():
            self._timers[member] = timer = Timer(loop)
            timer.handle = loop.call_later(SOON, self._send, member)

    def _send(self, member: Member) -> None:
        loop, armed = asyncio.get_running_loop(), self._timers.pop(member, None)
        if armed is not None and armed.loop is loop:  # a timer of another loop will find no news
            armed.handle.cancel()
        self._keep(loop.create_task(self._report(member)))

    async def _report(self, member: Member) -> None:
        for news in member.unsent(asyncio.get_running_loop().time()):
            await self._exchange(member, news)

    def _keep(self, task: asyncio.Future[Any]) -> None:
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def aclose(self) -> None:
        """Send what is left of this loop's news, and wait for it as long as the store allows."""
        await self.purses.aclose()
        self._renewals.end()
        loop = asyncio.get_running_loop()
        while self._timers or any(task.get_loop() is loop for task in self._sending):
            for member in tuple(self._timers):
                self._send(member)
            await asyncio.wait([task for task in self._sending if task.get_loop() is loop])


def checked(store: Any) -> Store:
    """Return a store that a client can share. Raises StreamMisused for anything else."""
    if not all(callable(getattr(store, name, None)) for name in ("exchange", "claim")):
        raise StreamMisused(f"store= takes a RedisStore or a MemoryStore (resilient_stream.stores), not {store!r:.100}")
    lease = getattr(store, "lease", None)
    if not isinstance(lease, int | float) or isinstance(lease, bool) or not SHORTEST_LEASE <= lease <= LONGEST_LEASE:
        raise StreamMisused(
            f"the lease of a store= is {SHORTEST_LEASE:g} to {LONGEST_LEASE:g} seconds, not {lease!r:.100}"
        )
    found: Store = store
    return found


def _member_of(buckets: SharedBuckets | None, places: Places | None) -> Member:
    taken = places if buckets is None else buckets
    assert taken is not None  # else nobody would ask
    return taken.member


def _take_without_store(quota: Quota, cost: Cost, now: float) -> float:
    """Take a place and the cost without the store."""
    places, buckets = quota.shared, quota.allowance
    if places is not None and not places.take_alone(now):
        return places.wait()
    wait = 0.0 if buckets is None else buckets.take(cost, now)
    if wait and places is not None:
        places.leave()
    return wait


def _give_back_unused(done: asyncio.Future[View | None], quota: Quota, cost: Cost) -> None:
    """Give back what was taken for a request whose caller went away meanwhile; it does not wait any longer."""
    view = None if done.cancelled() or done.exception() is not None else done.result()
    places, buckets = quota.shared, quota.allowance
    if view is None or view.wait or (places is not None and not view.places.granted):
        if places is not None:
            places.gave_up()
        return
    if places is not None:
        places.leave()
    if buckets is not None:
        buckets.give_back(cost, done.get_loop().time())
