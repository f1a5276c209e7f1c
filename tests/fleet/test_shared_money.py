"""Budgets of a day that many clients keep together, through a store."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from resilient_stream import Client, Limits, StreamError, Usage
from resilient_stream.fleet.pool import Share
from tests.engine.clock import Clock, after
from tests.engine.scripted import END, STOP, Answer, ScriptedTransport, text_event

from .sharing import Watched, ask, good, refused, sharing

pytestmark = [pytest.mark.usefixtures("nothing_left")]

NOON = 86_400 * 5 + 43_200.0
LEASE = 10.0


def dollar(target: str, usage: Usage) -> float:
    """Each request costs one."""
    return 1.0


def spending(
    store: Watched, budget: float, *answers: Any, price: Any = dollar, **options: Any
) -> tuple[Client, ScriptedTransport]:
    """A client with a budget for all its targets."""
    client, transport = sharing(store, *answers, prices=price, limits=Limits(cost_per_day=budget), **options)
    client.ledger._clock = lambda: NOON
    return client, transport


def slow(seconds: float = 5.0) -> Answer:
    """An answer that begins at once and lasts."""
    return Answer(text_event("Hi"), after(seconds, STOP + END))


def used(store: Watched, pool: str | None = None) -> int:
    """What the store has of today, in billionths."""
    share = next(iter(store._pools.values())) if pool is None else store._pools[pool]
    return sum(share._used["5"].values())


async def test_a_budget_holds_for_all_clients_together(clock: Clock, store: Watched) -> None:
    """Two of three dollars are spent here and one there: no client sends anything any more, and each says why."""
    a, _ = spending(store, 3, good(), good())
    b, transport = spending(store, 3, good())
    async with a, b:
        assert await ask(a, 2) == [None, None]
        assert await ask(b) == [None]
        await asyncio.sleep(LEASE / 3)
        for client in (a, b):
            (error,) = await ask(client)
            assert error is not None
            assert (error.code, error.retry_after) == ("own_budget", 43_200)
            assert "for all targets is $3.00 a day, all processes have spent $3.00 today" in error.message
        assert len(transport.requests) == 1


async def test_what_runs_is_reserved(clock: Clock, store: Watched) -> None:
    """The last dollar is held by a request that runs, so another client's is refused, for now."""
    a, _ = spending(store, 2, good(), slow())
    b, transport = spending(store, 2, good())
    async with a, b:
        await ask(a)
        running = asyncio.create_task(ask(a))
        await asyncio.sleep(1)
        (error,) = await ask(b)
        assert error is not None
        assert (error.code, error.retry_after) == ("own_budget", LEASE)
        assert "spent $1.00 today (UTC), and $1.00 are held" in error.message
        assert await running == [None]
        assert transport.requests == []


async def test_what_a_running_request_did_not_cost_is_free_again(clock: Clock, store: Watched) -> None:
    """It is thought to cost a dollar, and costs a tenth: soon the rest is for others."""
    a, _ = spending(store, 1, slow(), price=lambda _, usage: 1.0 if usage.output_tokens == 500 else 0.1)
    b, _ = spending(store, 1, good())
    async with a, b:
        running = asyncio.create_task(ask(a))
        await asyncio.sleep(1)
        assert await ask(b) != [None]
        await running
        await asyncio.sleep(LEASE / 3)
        assert await ask(b) == [None]


async def test_a_client_that_died_locks_nothing(clock: Clock, store: Watched) -> None:
    """Its reservation is over with its lease; before that, nobody gets it."""
    a, _ = spending(store, 1, slow(60))
    b, _ = spending(store, 1, good())
    async with a, b:
        running = asyncio.create_task(ask(a))
        await asyncio.sleep(1)
        a._sharing.purses._renewals.end()  # type: ignore[union-attr]  # it says nothing any more
        await asyncio.sleep(LEASE - 1.5)
        assert await ask(b) != [None]
        await asyncio.sleep(1)
        assert await ask(b) == [None]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_long_request_keeps_its_reservation(clock: Clock, store: Watched) -> None:
    """The lease is renewed while it runs, for all requests of a client at once."""
    a, _ = spending(store, 2, slow(60), slow(60))
    b, _ = spending(store, 2)
    async with a, b:
        running = [asyncio.create_task(ask(a)) for _ in range(2)]
        await asyncio.sleep(45)
        assert await ask(b) != [None]
        assert len(store.claims) < 20
        await asyncio.gather(*running)


async def test_a_request_that_gave_nothing_holds_nothing(clock: Clock, store: Watched) -> None:
    """A refused one, and one whose caller left before the first word."""
    a, _ = spending(store, 1, refused(), Answer(after(60, b"")), good())
    async with a:
        assert await ask(a) != [None]
        leaving = asyncio.create_task(ask(a))
        await asyncio.sleep(1)
        assert a._sharing.purses._purses.get((None, Decimal(1))).known().held > 0  # type: ignore[union-attr]
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        assert a._sharing.purses._purses.get((None, Decimal(1))).known().held == 0  # type: ignore[union-attr]


async def test_most_requests_wait_for_nobody(clock: Clock, store: Watched) -> None:
    """Money is reserved ahead, so forty requests ask a few times only."""
    client, _ = spending(store, 10_000, *(good() for _ in range(40)))
    async with client:
        assert await ask(client, 40) == [None] * 40
        assert len(store.claims) <= 4


async def test_those_who_ask_at_once_ask_together(clock: Clock, store: Watched) -> None:
    """Thirty requests make two questions at most, and none of them goes beyond the budget."""
    client, transport = spending(store, 20, *(good() for _ in range(30)))
    store.takes = 0.01
    async with client:
        ends = await asyncio.gather(*(ask(client) for _ in range(30)))
        assert sum(end == [None] for end in ends) == len(transport.requests) == 20
        assert len(store.claims) <= 4


async def test_a_targets_budget_is_for_all_clients_too(clock: Clock, store: Watched) -> None:
    """It is that target's alone: the next target is asked."""
    clients = [sharing(store, good(), good(), targets=2, prices=dollar)[0] for _ in range(2)]
    async with clients[0], clients[1]:
        for client in clients:
            first = client.targets[0].model_copy(update={"limits": Limits(cost_per_day=1)})
            client.targets = (first, client.targets[1])
        names = [(await client.complete("Hi")).target for client in clients]
        assert names == ["openai:m0", "openai:m1"]


async def test_what_another_target_costs_is_not_of_a_targets_budget(clock: Clock, store: Watched) -> None:
    """Nor is it in the store's books of that budget."""
    client, transport = sharing(store, *(good() for _ in range(4)), targets=2, prices=dollar)
    async with client:
        first = client.targets[0].model_copy(update={"limits": Limits(cost_per_day=2)})
        assert await ask(client, 2, to=client.targets[1]) == [None, None]
        assert await ask(client, 2, to=first) == [None, None]
        (error,) = await ask(client, to=first)
        assert error is not None
        assert error.code == "own_budget"
        assert "openai:m0" in error.message
        assert len(transport.requests) == 4


async def test_sums_are_exact(clock: Clock, store: Watched) -> None:
    """What the store has is what the ledgers have, to the last billionth."""
    price = 0.000_000_123
    clients = [spending(store, 100, *(good() for _ in range(7)), price=lambda *_: price)[0] for _ in range(3)]
    async with clients[0], clients[1], clients[2]:
        await asyncio.gather(*(ask(client, 7) for client in clients))
    assert used(store) == 21 * 123
    assert sum(client.ledger.today() for client in clients) == Decimal("0.000002583")


async def test_a_closed_client_has_told_everything_and_holds_nothing(clock: Clock, store: Watched) -> None:
    """Its last claim gives back what was reserved ahead, and no timer is left."""
    client, _ = spending(store, 100, good(), good())
    async with client:
        await ask(client, 2)
    assert used(store) == 2 * 10**9
    assert store.claims[-1].held == 0
    assert not client._sharing.purses._renewals._timers  # type: ignore[union-attr]


async def test_without_the_store_each_goes_by_what_it_knows(clock: Clock, store: Watched) -> None:
    """Others had spent two of four dollars when it answered last, so this one may spend two."""
    a, _ = spending(store, 4, good(), good())
    b, _ = spending(store, 4, *(good() for _ in range(4)))
    async with a, b:
        await ask(a, 2)
        await asyncio.sleep(LEASE / 3)
        await ask(b)
        store.silent = True
        ends = await ask(b, 3)
        assert [end is None for end in ends] == [True, False, False]


async def test_what_was_spent_meanwhile_is_told_when_the_store_is_back(clock: Clock, store: Watched) -> None:
    """Nobody has to make a call for it, and it is one number, however long it took."""
    client, _ = spending(store, 100, *(good() for _ in range(50)))
    async with client:
        store.silent = True
        assert await ask(client, 50) == [None] * 50
        await asyncio.sleep(600)
        store.silent = False
        asked = len(store.claims)
        await asyncio.sleep(LEASE / 3 + 1)
        assert used(store) == 50 * 10**9
        assert len(store.claims) - asked <= 2
        asked = len(store.claims)
        await asyncio.sleep(600)
        assert len(store.claims) == asked


async def test_a_store_that_forgets_is_told_again(clock: Clock, store: Watched) -> None:
    """After a restart of the store, each client says what it has spent on that day."""
    a, _ = spending(store, 3, good(), good())
    b, _ = spending(store, 3, good(), good())
    async with a, b:
        await ask(a, 2)
        store._pools.clear()
        await asyncio.sleep(LEASE / 3)
        assert await ask(b) == [None]
        assert await ask(b) != [None]


async def test_a_new_day_begins_with_nothing(clock: Clock, store: Watched) -> None:
    """At midnight (UTC) the budget is there again, by the client's own clock."""
    client, _ = spending(store, 1, good(), good())
    async with client:
        await ask(client)
        assert await ask(client) != [None]
        client.ledger._clock = lambda: NOON + 43_200
        assert await ask(client) == [None]


async def test_a_refusal_is_good_for_a_moment(clock: Clock, store: Watched) -> None:
    """Who asks again at once is refused without a question."""
    client, _ = spending(store, 1, good())
    async with client:
        await ask(client)
        await ask(client)
        asked = len(store.claims)
        await ask(client, 20)
        assert len(store.claims) == asked
        await asyncio.sleep(0.3)
        await ask(client)
        assert len(store.claims) == asked + 1


async def test_a_store_that_grants_nonsense_is_left_alone(clock: Clock, store: Watched) -> None:
    """Whatever it answers, a request asks it a few times at most, and goes by what this process knows."""

    async def nonsense(claim: Any) -> Share:
        store.claims.append(claim)
        return Share(held=0, by_all=0, used=0, granted=1)

    store.claim = nonsense  # type: ignore[method-assign]
    client, _ = spending(store, 1, good())
    async with client:
        assert await ask(client) == [None]
        assert len(store.claims) < 12


async def test_a_store_that_grants_too_much_is_not_believed(clock: Clock, store: Watched) -> None:
    """No more than was asked for, and never more than the budget is by this process's own spending."""

    async def generous(claim: Any) -> Share:
        store.claims.append(claim)
        return Share(held=9 * 10**15, by_all=9 * 10**15, used=0, granted=9 * 10**15)

    store.claim = generous  # type: ignore[method-assign]
    client, transport = spending(store, 3, *(good() for _ in range(5)))
    async with client:
        ends = await ask(client, 5)
        assert [end is None for end in ends] == [True, True, True, False, False]
        assert len(transport.requests) == 3


async def test_the_first_request_is_guessed_by_its_size(clock: Clock, store: Watched) -> None:
    """Four bytes a token, and the answer as long as it may be; later ones by what those of the day have cost."""

    def price(target: str, usage: Usage) -> float:
        return (usage.input_tokens or 0) + (usage.output_tokens or 0) / 1000

    client, _ = spending(store, 10_000, good(), good(), price=price)
    async with client:
        await client.complete("x" * 400, max_tokens=7)
        assert store.claims[0].least == pytest.approx(100.007e9, rel=0.05)
        spent = client.ledger.today()
        store._pools.clear()
        await asyncio.sleep(LEASE)
        await client.complete("x" * 4000)
        assert store.claims[-1].least == int(spent * 10**9)


async def test_a_deadline_is_kept_while_the_store_is_asked(clock: Clock, store: Watched) -> None:
    """A call that ends meanwhile leaves nothing that waits, and nothing reserved."""
    client, transport = spending(store, 1, good())
    store.takes = 5.0
    async with client:
        (error,) = await ask(client, deadline=0.5)
        assert isinstance(error, StreamError)
        assert error.kind == "deadline_exceeded"
        assert clock.passed == 0.5
        await asyncio.sleep(LEASE + 5)
        assert transport.requests == []
        assert store.claims[-1].held == 0
