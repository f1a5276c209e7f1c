"""Streams at the same time: a limit that many clients keep together, through a store."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from resilient_stream import Client, Limits
from resilient_stream.fleet.health import TargetKey
from resilient_stream.fleet.places import LONGEST_WAIT
from tests.engine.clock import Clock, after
from tests.engine.scripted import END, STOP, Answer, ScriptedTransport, text_event

from .sharing import Watched, ask, good, sharing, told

pytestmark = [pytest.mark.usefixtures("nothing_left")]

LEASE = 10.0


def slow(seconds: float = 5.0) -> Answer:
    """An answer that begins at once and lasts."""
    return Answer(text_event("Hi"), after(seconds, STOP + END))


class Lasting(Answer):
    """An answer that lasts for so long from when it begins."""

    def __init__(self, seconds: float) -> None:
        super().__init__(text_event("Hi"))
        self._seconds = seconds

    async def read(self) -> bytes:
        """The first word, then the rest."""
        if self.reads == 1:
            self._script.append(after(self._seconds, STOP + END))
        return await super().read()


def limited(store: Watched, places: int, *answers: Any, **limits: Any) -> tuple[Client, ScriptedTransport]:
    """A client that runs so many streams at a time, together with others."""
    return sharing(store, *answers, limits=Limits(max_concurrency=places, **limits))


def held(store: Watched) -> int:
    """What the store has as held, by all."""
    return sum(pool._by_all() for board in store._boards.values() for pool in board._places.values())


async def started(*clients: Client) -> list[asyncio.Task[Any]]:
    """One call of each, which has begun where it may."""
    tasks = [asyncio.create_task(ask(client)) for client in clients]
    await asyncio.sleep(0.01)
    return tasks


async def test_places_are_for_all_clients_together(clock: Clock, store: Watched) -> None:
    """Two run, the third waits until one has ended, and goes a moment later."""
    a, _ = limited(store, 2, slow(3), slow(5))
    b, transport = limited(store, 2, good())
    async with a, b:
        running = await started(a, a)
        waiting = asyncio.create_task(ask(b))
        await asyncio.sleep(2.5)
        assert transport.requests == []
        assert await waiting == [None]
        assert 3 <= clock.passed <= 3 + 2 * LONGEST_WAIT
        await asyncio.gather(*running)


async def test_a_new_limit_is_rolled_out_without_a_stream_too_many(clock: Clock, store: Watched) -> None:
    """Old and new processes together keep to the smaller limit; a larger one counts when the old ones have gone."""
    old, _ = limited(store, 2, slow(5), slow(5))
    new, transport = limited(store, 4, *(slow(60) for _ in range(5)))
    async with new:
        async with old:
            running = await started(old, old)
            waiting = await started(*[new] * 5)
            await asyncio.sleep(4)
            assert (held(store), transport.requests) == (2, [])
            await asyncio.gather(*running)
            await asyncio.sleep(2 * LONGEST_WAIT)
            assert (held(store), len(transport.requests)) == (2, 2)
        await asyncio.sleep(LEASE + 2)
        assert (held(store), len(transport.requests)) == (4, 4)
        await asyncio.gather(*waiting)


async def test_each_call_is_one_exchange(clock: Clock, store: Watched) -> None:
    """The place comes with the limits and with leave; a stream's end is told with the next question, or soon."""
    client, _ = limited(store, 5, good(), good(), requests_per_minute=6000)
    async with client:
        await ask(client)
        assert len(store.exchanges) == 1
        await ask(client)
        assert len(store.exchanges) == 2
        await told()
        assert held(store) == 0
        assert len(store.exchanges) == 3


async def test_a_client_that_died_frees_its_places(clock: Clock, store: Watched) -> None:
    """Not before its lease is over, and not later than a moment after."""
    a, _ = limited(store, 1, slow(60))
    b, transport = limited(store, 1, good())
    async with a, b:
        running = await started(a)
        a._sharing._renewals.end()  # type: ignore[union-attr]  # it says nothing any more
        waiting = asyncio.create_task(ask(b))
        await asyncio.sleep(LEASE - 1)
        assert transport.requests == []
        assert await waiting == [None]
        assert clock.passed <= LEASE + 2 * LONGEST_WAIT + 0.1
        await asyncio.gather(*running)


async def test_long_streams_keep_their_places_by_one_renewal(clock: Clock, store: Watched) -> None:
    """However many they are, a client says three times in a lease what it holds."""
    a, _ = limited(store, 20, *(slow(60) for _ in range(20)))
    b, transport = limited(store, 20)
    async with a, b:
        running = await started(*[a] * 20)
        before = len(store.exchanges)
        await asyncio.sleep(50)
        assert held(store) == 20
        assert len(store.exchanges) - before <= 16
        (error,) = await ask(b, deadline=1)
        assert error is not None
        assert (error.kind, error.code) == ("deadline_exceeded", "in_the_line")
        assert transport.requests == []
        await asyncio.gather(*running)
        await told()
        assert held(store) == 0
        asked = len(store.exchanges)
        await asyncio.sleep(100)
        assert len(store.exchanges) == asked


async def test_nobody_starves(clock: Clock, store: Watched) -> None:
    """A client with many calls leaves places to one with few, however soon it asks after each of its own ends."""
    a, _ = limited(store, 1, *(Lasting(1) for _ in range(40)))
    b, _ = limited(store, 1, *(Lasting(1) for _ in range(5)))
    async with a, b:
        many = [asyncio.create_task(ask(a)) for _ in range(40)]
        await asyncio.sleep(0.5)
        assert await ask(b, 5) == [None] * 5
        assert clock.passed < 14
        for task in many:
            task.cancel()
        await asyncio.gather(*many, return_exceptions=True)


async def test_waiting_asks_now_and_then(clock: Clock, store: Watched) -> None:
    """One of each client asks, whoever came first there, a few times a second."""
    a, _ = limited(store, 1, slow(30))
    b, _ = limited(store, 1, *(good() for _ in range(10)))
    async with a, b:
        running = await started(a)
        before = len(store.exchanges)
        waiting = [asyncio.create_task(ask(b)) for _ in range(10)]
        await asyncio.sleep(20)
        assert 20 * 2 < len(store.exchanges) - before < 20 * 20
        assert await asyncio.gather(*waiting, *running) == [[None]] * 11


async def test_whoever_leaves_the_line_holds_nobody_up(clock: Clock, store: Watched) -> None:
    """Its turn is given up at once."""
    a, _ = limited(store, 1, slow(5))
    b, _ = limited(store, 1)
    c, _ = limited(store, 1, good())
    async with a, b, c:
        running = await started(a)
        leaving = asyncio.create_task(ask(b))
        await asyncio.sleep(4.7)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        assert await ask(c) == [None]
        assert clock.passed < 5.5
        await asyncio.gather(*running)


async def test_whoever_leaves_while_the_store_is_asked_holds_nothing(clock: Clock, store: Watched) -> None:
    """The place that comes for it goes back."""
    a, _ = limited(store, 1)
    b, _ = limited(store, 1, good())
    async with a, b:
        store.takes = 0.04
        asking = asyncio.create_task(ask(a))
        await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.sleep(0.3)
        assert held(store) == 0
        assert await ask(b) == [None]


async def test_whoever_leaves_while_a_refusal_comes_waits_no_longer(clock: Clock, store: Watched) -> None:
    """Nothing is kept for a client in which nobody waits, and it says nothing any more."""
    a, _ = limited(store, 1, slow(5))
    b, _ = limited(store, 1)
    async with a, b:
        running = await started(a)
        store.takes = 0.04
        asking = asyncio.create_task(ask(b))
        await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.gather(*running)
        await asyncio.sleep(LEASE)
        asked = len(store.exchanges)
        await asyncio.sleep(10 * LEASE)
        assert len(store.exchanges) == asked


async def test_waiting_for_the_minute_is_no_waiting_for_a_place(clock: Clock, store: Watched) -> None:
    """A report of a client whose request waits for its minute keeps no place for it."""
    a, _ = limited(store, 1, good(), good(), requests_per_minute=6)
    b, _ = sharing(store, slow(3), good(), limits=Limits(max_concurrency=1))
    async with a, b:
        await ask(a)
        waiting = asyncio.create_task(ask(a))
        await asyncio.sleep(0.1)
        running = await started(b)
        a._sharing._member(next(iter(a._sharing._members))).places(1, LEASE)._is_due = True  # type: ignore[union-attr]
        a._sharing._member(next(iter(a._sharing._members))).tell()  # type: ignore[union-attr]
        await told()
        (pool,) = next(iter(store._boards.values()))._places.values()
        assert pool._next[0] == ""
        assert await asyncio.gather(waiting, *running) == [[None], [None]]


async def test_a_store_that_grants_nonsense_gives_one_place(clock: Clock, store: Watched) -> None:
    """Whatever it says, what is held is what runs."""
    answer = store.exchange

    async def nonsense(news: Any) -> Any:
        view = await answer(news)
        assert view is not None
        return view._replace(places=view.places._replace(granted=9**15, held=9**15, by_all=0))

    store.exchange = nonsense  # type: ignore[method-assign]
    client, _ = limited(store, 2, good(), slow(1))
    async with client:
        await ask(client)
        assert await ask(client) == [None]
        assert {news.places.held for news in store.exchanges if news.places} == {0, 1}


@pytest.mark.parametrize("ending", ["cancelled", "closed"])
async def test_every_ending_frees_the_place(clock: Clock, store: Watched, ending: str) -> None:
    """A cancel, and a client that is closed with streams in it."""
    client, _ = limited(store, 3, slow(60))
    running = await started(client)
    if ending == "cancelled":
        running[0].cancel()
    else:
        await client.aclose()
    await asyncio.gather(*running, return_exceptions=True)
    await told()
    assert held(store) == 0
    await client.aclose()


async def test_a_lost_answer_leaks_no_place(clock: Clock, store: Watched) -> None:
    """The store granted it, and nobody heard: the next claim says what is really held."""
    client, _ = limited(store, 1, good(), slow(1))
    answer = store.exchange

    async def lost(news: Any) -> None:
        await answer(news)

    async with client:
        store.exchange = lost  # type: ignore[method-assign]
        assert await ask(client) == [None]
        store.exchange = answer  # type: ignore[method-assign]
        assert held(store) == 1
        assert await ask(client) == [None]
        await told()
        assert held(store) == 0


async def test_a_report_that_is_cancelled_loses_nothing_of_what_it_had_not_told(clock: Clock, store: Watched) -> None:
    """Between two exchanges, as by a server that ends its tasks: the next report tells of the places by both limits."""
    client, _ = limited(store, 3)
    sharing = client._sharing
    assert sharing is not None
    member = sharing._member(TargetKey("openai:m", "", ""))
    for limit in (3, 5):
        member.places(limit, LEASE).take_alone(clock.now)
    store.takes = 1.0
    member.tell()
    await asyncio.sleep(0.1)
    for report in tuple(sharing._sending):
        report.cancel()
    await asyncio.sleep(0)
    assert [news.places.limit for news in store.exchanges if news.places] == [3]
    store.takes = 0.0
    member.tell()
    await told()
    assert [(news.places.limit, news.places.held) for news in store.exchanges[1:] if news.places] == [(3, 1), (5, 1)]
    await client.aclose()


async def test_a_store_that_forgets_is_told_again(clock: Clock, store: Watched) -> None:
    """After a restart, what each holds is known again within a third of a lease."""
    a, _ = limited(store, 2, slow(30), slow(30))
    b, _ = limited(store, 2)
    async with a, b:
        running = await started(a, a)
        store._boards.clear()
        await asyncio.sleep(LEASE / 3 + 0.1)
        assert held(store) == 2
        (error,) = await ask(b, deadline=1)
        assert error is not None
        await asyncio.gather(*running)


async def test_without_the_store_others_keep_what_they_held(clock: Clock, store: Watched) -> None:
    """They held two of three when it answered last, so one is left here; after a lease, all three are."""
    a, _ = limited(store, 3, slow(60), slow(60))
    b, transport = limited(store, 3, *(slow(60) for _ in range(4)))
    async with a, b:
        running = await started(a, a)
        running += await started(b)
        store.silent = True
        running += await started(b, b, b)
        await asyncio.sleep(LEASE - 1)
        assert len(transport.requests) == 1
        await asyncio.sleep(2)
        assert len(transport.requests) == 3
        await asyncio.gather(*running)


async def test_without_the_store_nobody_is_left_with_nothing(clock: Clock, store: Watched) -> None:
    """All places were held by others: one goes all the same, so no call fails for the store."""
    a, _ = limited(store, 1, slow(30))
    b, _ = limited(store, 1, good())
    async with a, b:
        running = await started(a)
        waiting = await started(b)
        store.silent = True
        assert await waiting[0] == [None]
        assert clock.passed < 1
        await asyncio.gather(*running)


async def test_what_is_held_is_told_when_the_store_is_back(clock: Clock, store: Watched) -> None:
    """It counts from then on, and nothing new is granted above the limit."""
    a, _ = limited(store, 1, slow(60))
    b, _ = limited(store, 1)
    async with a, b:
        store.silent = True
        running = await started(a)
        store.silent = False
        await asyncio.sleep(LEASE / 3 + 0.1)
        assert held(store) == 1
        (error,) = await ask(b, deadline=1)
        assert error is not None
        await asyncio.gather(*running)


async def test_limits_that_have_to_be_waited_for_hold_no_place_of_others(clock: Clock, store: Watched) -> None:
    """While a request waits for its minute, another client's stream runs."""
    a, _ = limited(store, 1, good(), good(), requests_per_minute=60)
    b, _ = sharing(store, good(), limits=Limits(max_concurrency=1))
    async with a, b:
        await ask(a)
        waiting = asyncio.create_task(ask(a))
        await asyncio.sleep(0.1)
        assert held(store) == 0
        assert await ask(b) == [None]
        assert await waiting == [None]


async def test_adaptive_finds_its_own_limit_below_the_shared_one(clock: Clock, store: Watched) -> None:
    """What one client finds out is for itself; max_concurrency is for all."""
    a, transport = limited(store, 12, *(slow(5) for _ in range(12)), adaptive=True)
    b, _ = limited(store, 12, *(slow(5) for _ in range(4)))
    async with a, b:
        running = await started(*[b] * 4)
        running += await started(*[a] * 12)
        await asyncio.sleep(1)
        assert len(transport.requests) == 8
        await asyncio.gather(*running)
