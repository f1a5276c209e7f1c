"""Clients that share a store: what one learns, the others know, and no call fails because of the store."""

from __future__ import annotations

import asyncio

import pytest

from resilient_stream import Breaker, Client, ErrorKind, Limits, StreamMisused
from tests.engine.clock import Clock, after
from tests.engine.scripted import END, STOP, Answer, text_event

from .sharing import Watched, ask, good, refused, sharing, told

pytestmark = [pytest.mark.usefixtures("no_jitter"), pytest.mark.usefixtures("nothing_left")]

FOUR = Breaker(failure_rate=0.5, min_calls=4, window=30, open_for=10)
SLOW = Limits(requests_per_minute=60)


def state(client: Client) -> str:
    """The state of the client's target as it sees it."""
    return client.health()[0].state


# -- the breaker --------------------------------------------------------------------------------


async def test_failures_of_all_open_the_circuit_of_all(clock: Clock, store: Watched) -> None:
    """Two failures here and two there are four: nobody asks any more, and a third client does not even once."""
    a, _ = sharing(store, refused(), refused(), breaker=FOUR)
    b, _ = sharing(store, refused(), refused(), breaker=FOUR)
    c, transport = sharing(store, breaker=FOUR)
    async with a, b, c:
        await ask(a, 2)
        await told()
        await ask(b, 2)
        await told()
        assert state(b) == "open"
        for client in (a, c):
            (error,) = await ask(client, deadline=5)
            assert error is not None
            assert error.code == "breaker_open"
            assert 9 < (error.retry_after or 0) <= 10
        assert transport.requests == []
        assert {client.health()[0].failure_rate for client in (a, b)} == {1.0}


async def test_a_machine_with_a_broken_network_closes_nothing_for_others(clock: Clock, store: Watched) -> None:
    """All of its requests fail, most of all do not: it stops asking, and the others go on."""
    a, _ = sharing(store, *(refused() for _ in range(4)), breaker=FOUR)
    b, _ = sharing(store, *(good() for _ in range(7)), breaker=FOUR)
    async with a, b:
        assert await ask(b, 6) == [None] * 6
        await told()
        await ask(a, 4)
        await told()
        assert state(a) == "open"
        assert await ask(b) == [None]
        assert state(b) == "closed"


async def test_one_client_tests_and_all_learn(clock: Clock, store: Watched) -> None:
    """While the first one tests, the second is refused; when it is well, both ask again."""
    a, _ = sharing(
        store, *(refused() for _ in range(4)), Answer(after(13.2, text_event("Hi") + STOP + END)), breaker=FOUR
    )
    b, transport = sharing(store, good(), breaker=FOUR)
    async with a, b:
        await ask(a, 4)
        await asyncio.sleep(10.1)
        testing = asyncio.create_task(ask(a))
        await asyncio.sleep(0.1)
        (error,) = await ask(b, deadline=0.9)
        assert error is not None
        assert error.code == "breaker_open"
        assert transport.requests == []
        assert await testing == [None]
        await asyncio.sleep(1)
        assert (state(a), await ask(b), state(b)) == ("closed", [None], "closed")


async def test_a_test_that_fails_opens_for_longer_for_all(clock: Clock, store: Watched) -> None:
    """The second client learns the new time, which has grown."""
    a, _ = sharing(store, *(refused() for _ in range(5)), breaker=FOUR)
    b, _ = sharing(store, breaker=FOUR)
    async with a, b:
        await ask(a, 4)
        await asyncio.sleep(10.1)
        await ask(a)
        await told()
        (error,) = await ask(b, deadline=5)
        assert error is not None
        assert 19 < (error.retry_after or 0) <= 20


async def test_a_test_whose_caller_leaves_is_granted_to_another(clock: Clock, store: Watched) -> None:
    """It says nothing of the target."""
    a, _ = sharing(store, *(refused() for _ in range(4)), Answer(after(60, text_event("Hi"))), breaker=FOUR)
    b, _ = sharing(store, good(), breaker=FOUR)
    async with a, b:
        await ask(a, 4)
        await asyncio.sleep(10.1)
        testing = asyncio.create_task(ask(a))
        await asyncio.sleep(0.1)
        testing.cancel()
        await told()
        before = clock.passed
        assert await ask(b) == [None]
        assert clock.passed - before < 0.1


async def test_a_rest_that_a_server_asks_for_is_kept_by_all(clock: Clock, store: Watched) -> None:
    """A 429 with a time that one client gets keeps the others away, too."""
    a, _ = sharing(store, refused(429, **{"retry-after": "7"}), breaker=FOUR)
    b, transport = sharing(store, good(), breaker=FOUR)
    async with a, b:
        await ask(a)
        await told()
        (error,) = await ask(b, deadline=5)
        assert error is not None
        assert 6 < (error.retry_after or 0) <= 7
        assert transport.requests == []


async def test_other_keys_and_other_figures_are_apart(clock: Clock, store: Watched) -> None:
    """What one account met says nothing of another; who judges by other figures judges alone."""
    a, _ = sharing(store, *(refused() for _ in range(4)), breaker=FOUR)
    b, _ = sharing(store, good(), breaker=FOUR)
    c, _ = sharing(store, good(), breaker=FOUR.model_copy(update={"min_calls": 5}))
    b.targets = (b.targets[0].model_copy(update={"api_key": "another key"}),)
    async with a, b, c:
        await ask(a, 4)
        await told()
        assert await ask(b) == await ask(c) == [None]


async def test_a_store_that_forgets_is_told_again(clock: Clock, store: Watched) -> None:
    """After a restart of the store, whoever knows that the circuit is open says so."""
    a, _ = sharing(store, *(refused() for _ in range(4)), breaker=FOUR)
    b, transport = sharing(store, breaker=FOUR)
    async with a, b:
        await ask(a, 4)
        await told()
        store._boards.clear()
        a._sharing._member(a._health._patients.keys()[0]).note(0, 1)  # type: ignore[union-attr]
        await told()
        (error,) = await ask(b, deadline=5)
        assert error is not None
        assert error.code == "breaker_open"
        assert transport.requests == []


# -- limits -------------------------------------------------------------------------------------


async def test_clients_keep_one_limit_together(clock: Clock, store: Watched) -> None:
    """One request a second for both: ten of them take nine seconds."""
    clients = [sharing(store, *(good() for _ in range(5)), limits=SLOW)[0] for _ in range(2)]
    async with clients[0], clients[1]:
        ends = await asyncio.gather(*(ask(client, 5) for client in clients))
    assert ends == [[None] * 5] * 2
    assert clock.passed == pytest.approx(9, abs=0.1)


async def test_a_call_that_would_wait_in_vain_is_refused(clock: Clock, store: Watched) -> None:
    """Others have taken what there is, so a call with less time than that is refused before it waits."""
    limits = Limits(requests_per_minute=6)
    a, _ = sharing(store, good(), limits=limits)
    b, transport = sharing(store, good(), limits=limits)
    async with a, b:
        await ask(a)
        (error,) = await ask(b, deadline=5)
        assert error is not None
        assert error.kind is ErrorKind.RATE_LIMITED
        assert clock.passed < 0.1
        assert transport.requests == []


async def test_leave_and_limits_are_one_exchange(clock: Clock, store: Watched) -> None:
    """With a breaker and limits, a call waits for the store once; what it tells at its end goes by itself."""
    client, _ = sharing(store, good(), good(), limits=SLOW, breaker=FOUR)
    async with client:
        await ask(client)
        assert len(store.exchanges) == 1
        await asyncio.sleep(2)
        assert [news.calls for news in store.exchanges] == [0, 1]
        await ask(client)
        assert len(store.exchanges) == 3


async def test_without_limits_a_fresh_look_serves_many_calls(clock: Clock, store: Watched) -> None:
    """Nobody waits for the store while it has just been asked, and those who ask at once ask together."""
    client, _ = sharing(store, *(good() for _ in range(30)), breaker=FOUR)
    async with client:
        await asyncio.gather(*(ask(client) for _ in range(30)))
        assert len(store.exchanges) == 1


async def test_those_who_ask_about_other_targets_ask_for_themselves(clock: Clock, store: Watched) -> None:
    """At the same time and in the same loop: what the store knows of one says nothing of another."""
    client, _ = sharing(store, good(), good(), breaker=FOUR, targets=2)
    async with client:
        await asyncio.gather(*(ask(client, to=target) for target in client.targets))
        assert len({news.key for news in store.exchanges}) == 2


async def test_whoever_leaves_while_the_store_is_asked_has_taken_nothing(clock: Clock, store: Watched) -> None:
    """What was taken for it comes back."""
    a, _ = sharing(store, limits=SLOW)
    b, _ = sharing(store, good(), limits=SLOW)
    async with a, b:
        store.takes = 0.04
        asking = asyncio.create_task(ask(a))
        await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.sleep(0.3)
        before = clock.passed
        assert await ask(b) == [None]
        assert clock.passed - before < 0.2


async def test_what_a_server_says_is_left_is_left_for_all(clock: Clock, store: Watched) -> None:
    """Its header to one client holds back the others."""
    told_of = Answer(text_event("Hi") + STOP + END, headers={"x-ratelimit-remaining-requests": "0"})
    limits = Limits(requests_per_minute=120)
    a, _ = sharing(store, told_of, limits=limits)
    b, _ = sharing(store, good(), limits=limits)
    async with a, b:
        await ask(a)
        await told()
        before = clock.passed
        await ask(b)
        assert clock.passed - before > 0.05


# -- a store that does not answer ---------------------------------------------------------------


async def test_without_the_store_each_client_is_on_its_own(clock: Clock, store: Watched) -> None:
    """It keeps its own limit and its own breaker, and no call fails for it."""
    store.silent = True
    clients = [sharing(store, *(good() for _ in range(3)), limits=SLOW, breaker=FOUR)[0] for _ in range(2)]
    async with clients[0], clients[1]:
        ends = await asyncio.gather(*(ask(client, 3) for client in clients))
        assert ends == [[None] * 3] * 2
        assert clock.passed == pytest.approx(2, abs=0.1)


async def test_a_circuit_that_opened_meanwhile_is_told_when_the_store_is_back(clock: Clock, store: Watched) -> None:
    """A rest that a server asked for during the outage is kept by all afterwards."""
    a, _ = sharing(store, refused(429, **{"retry-after": "20"}), breaker=FOUR)
    b, transport = sharing(store, breaker=FOUR)
    async with a, b:
        store.silent = True
        await ask(a)
        await told()
        store.silent = False
        a._sharing._member(a._health._patients.keys()[0]).tell()  # type: ignore[union-attr]
        await told()
        (error,) = await ask(b, deadline=5)
        assert error is not None
        assert error.code == "breaker_open"
        assert transport.requests == []


async def test_a_closed_client_has_told_everything(clock: Clock, store: Watched) -> None:
    """Its last news are sent before it is closed, and no timer is left."""
    client, _ = sharing(store, good(), limits=SLOW, breaker=FOUR)
    async with client:
        await ask(client)
    assert sum(news.calls for news in store.exchanges) == 1


def test_something_else_is_refused() -> None:
    """A store has to be one."""
    with pytest.raises(StreamMisused, match="store= takes"):
        Client("openai:m", store="redis://localhost")  # type: ignore[arg-type]
