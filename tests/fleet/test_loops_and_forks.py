"""A client that shares, in loop after loop and in forked processes: nothing of what has ended stands in the way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from resilient_stream import Client, Limits, StreamMisused
from resilient_stream.engine import process
from resilient_stream.engine.process import Identity
from resilient_stream.engine.renewals import Renewals
from resilient_stream.fleet.board import News, View
from resilient_stream.fleet.health import TargetKey
from resilient_stream.fleet.places import UNANSWERED_AFTER, Places
from resilient_stream.fleet.pool import Claim, Share
from resilient_stream.fleet.shared import Member
from resilient_stream.stores import MemoryStore

from ..loops import closed_over, passing_clock
from .sharing import good, sharing

NOW = 1000.0


class Noted(MemoryStore):
    """A store that notes what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.exchanges: list[News] = []

    async def exchange(self, news: News) -> View | None:
        """Note it."""
        self.exchanges.append(news)
        return await super().exchange(news)


def a_member() -> Member:
    """A target of this process."""
    return Member(TargetKey("openai:m", "", ""), lambda: "me", lambda _: None)


def test_news_are_sent_in_a_later_loop_though_one_has_ended_before_it_sent_its_own() -> None:
    """As scripts do that call asyncio.run more than once: the first ends in the moment of the last answer."""
    store = Noted()
    client, _ = sharing(store, good(), good(), limits=Limits(max_concurrency=2))

    async def used(rest: float) -> None:
        await client.complete("Hi")
        await asyncio.sleep(rest)

    asyncio.run(used(0))
    before = len(store.exchanges)
    asyncio.run(used(0.05))
    claims = [news.places for news in store.exchanges[before:] if news.places is not None]
    assert [(claim.held, claim.least) for claim in claims] == [(0, 1), (0, 0)]


def test_a_loop_that_has_stopped_holds_back_no_renewal_of_another() -> None:
    """It need not be closed. When it goes on, its timer of before is not a second one."""
    rung: list[asyncio.AbstractEventLoop] = []

    def renewed(thing: str) -> None:
        rung.append(asyncio.get_running_loop())
        renewals.arm(thing)

    renewals = Renewals(3.0, renewed)

    async def armed(seconds: float) -> None:
        with passing_clock():
            renewals.arm("places")
            await asyncio.sleep(seconds)

    with asyncio.Runner() as one, asyncio.Runner() as other:
        one.run(armed(0.5))
        other.run(armed(5.5))
        one.run(armed(5.5))
        assert rung == [other.get_loop()] * 5 + [one.get_loop()] * 5


def test_a_loop_that_was_closed_over_its_tasks_holds_back_no_renewal_of_another() -> None:
    """Its timer never rings."""
    rung: list[str] = []
    renewals = Renewals(3.0, rung.append)

    async def armed(seconds: float) -> None:
        with passing_clock():
            renewals.arm("places")
            await asyncio.sleep(seconds)

    with closed_over(armed(0.5)):
        asyncio.run(armed(1.5))
    assert rung == ["places"]


def test_news_are_sent_in_another_loop_while_one_has_stopped() -> None:
    """Also where it was about to send its own, and goes on later: then there is nothing left to tell."""
    store = Noted()
    client, _ = sharing(store, *(good() for _ in range(3)), limits=Limits(max_concurrency=2))

    async def used(rest: float) -> list[int]:
        before = len(store.exchanges)
        with passing_clock():
            await client.complete("Hi")
            await asyncio.sleep(rest)
        return [news.places.least for news in store.exchanges[before:] if news.places is not None]

    with asyncio.Runner() as one, asyncio.Runner() as other:
        assert one.run(used(0)) == [1]
        assert other.run(used(1)) == [1, 0]
        assert one.run(used(1)) == [1, 0]


def test_a_timer_is_cancelled_by_its_own_loop_only() -> None:
    """Another one, which may be in another thread, sends the news and leaves the timer alone."""
    store = Noted()
    client, _ = sharing(store, good(), limits=Limits(max_concurrency=2))

    async def used() -> asyncio.TimerHandle:
        await client.complete("Hi")
        (timer,) = client._sharing._timers.values()  # type: ignore[union-attr]
        return timer.handle

    with asyncio.Runner() as one, asyncio.Runner() as other:
        handle = one.run(used())
        other.run(client.aclose())
        assert [news.places.held for news in store.exchanges if news.places is not None] == [0, 0]
        assert not handle.cancelled()


def claimed(places: Places, now: float) -> Claim:
    """A claim that asks for a place."""
    claim = places.claim(now, ask=True)
    assert claim is not None
    return claim


def test_a_claim_of_a_loop_that_ended_does_not_bar_the_next_one_for_ever() -> None:
    """Nobody hears its answer; after a while others ask."""
    places = a_member().places(3, 10.0)
    claimed(places, NOW)
    assert places.claim(NOW + UNANSWERED_AFTER - 0.1, ask=True) is None
    second = claimed(places, NOW + UNANSWERED_AFTER)
    places.heard(second, Share(held=1, by_all=1, granted=1), NOW + UNANSWERED_AFTER)
    assert claimed(places, NOW + UNANSWERED_AFTER).held == 1


def test_an_answer_that_comes_after_all_counts_and_is_not_taken_for_that_of_the_later_claim() -> None:
    """Whoever had waited for it has its place, and still only one claim is on its way."""
    places = a_member().places(3, 10.0)
    first = claimed(places, NOW)
    second = claimed(places, NOW + UNANSWERED_AFTER)
    places.heard(first, Share(held=1, by_all=1, granted=1), NOW + UNANSWERED_AFTER)
    assert places.claim(NOW + UNANSWERED_AFTER, ask=True) is None
    places.heard(second, Share(held=1, by_all=1, granted=1), NOW + UNANSWERED_AFTER)
    assert claimed(places, NOW + UNANSWERED_AFTER).held == 2


def test_a_forked_process_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """So what it holds and spends is added to what the others do. Within a process the name stays, and each client has
    one of its own."""
    one, other = Identity(), Identity()
    before = one()
    assert one() == before != other()
    monkeypatch.setattr(process.os, "getpid", lambda: -1)
    assert one() == one() != before


async def test_clients_made_before_a_fork_are_told_apart_by_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """The news and the claims of each process have a name of their own."""
    store = Noted()
    client, _ = sharing(store, good(), good(), limits=Limits(max_concurrency=2))
    async with client:
        for pid in (-1, -2):
            with monkeypatch.context() as patch:
                patch.setattr(process.os, "getpid", lambda pid=pid: pid)
                await client.complete("Hi")
                await asyncio.sleep(0.05)
    assert len({news.process for news in store.exchanges}) == 2
    claims = [(news.places.process, news.process) for news in store.exchanges if news.places is not None]
    assert all(claimed == f"{told}/2" for claimed, told in claims)


@pytest.mark.parametrize("lease", [0, -1.0, 0.5, 3601, float("nan"), float("inf"), None, "10", True])
def test_a_lease_that_cannot_be_kept_is_refused(lease: Any) -> None:
    """Too short to be renewed in time, or longer than any process is believed."""
    with pytest.raises(StreamMisused, match="lease of a store"):
        Client("openai:m", store=MemoryStore(lease=lease))


@pytest.mark.parametrize("lease", [1, 10.0, 3600])
def test_other_leases_are_taken(lease: float) -> None:
    """From a second to an hour."""
    assert Client("openai:m", store=MemoryStore(lease=lease)).targets


def test_a_store_without_a_lease_is_refused_when_the_client_is_made() -> None:
    """And not at its first call."""

    class Bare:
        async def exchange(self, news: Any) -> None:
            """Nothing is known."""

        async def claim(self, claim: Any) -> None:
            """Nothing is known."""

    with pytest.raises(StreamMisused, match="lease of a store"):
        Client("openai:m", store=Bare())  # type: ignore[arg-type]
