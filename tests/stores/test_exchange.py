"""What a store keeps for many processes: one suite for the store in memory and for Redis."""

from __future__ import annotations

import asyncio
import itertools
import math
from typing import Any

import pytest

from resilient_stream.fleet.board import News, Rates, View
from resilient_stream.fleet.bucket import Cost
from resilient_stream.fleet.circuit import Standing
from resilient_stream.fleet.pool import Claim, Share

from .conftest import Kept

pytestmark = pytest.mark.usefixtures("nothing_left")

OPEN = Standing(True, 0.05, 2, 0.0)
CLOSED = Standing(False, 0.0, 2, 0.0)
ONE = Cost(1.0, 0.0)
TEN_A_SECOND = Rates(requests=600)


async def tell(kept: Kept, process: str = "a", **news: Any) -> View:
    """One exchange."""
    view = await kept.store.exchange(News("target", process, circuit="c", **news))
    assert isinstance(view, View)
    return view


async def take(kept: Kept, cost: Cost = ONE, rates: Rates = TEN_A_SECOND, **news: Any) -> View:
    """Ask for a request of ten a second."""
    return await tell(kept, limits="l", rates=rates, take=cost, **news)


# -- counts -------------------------------------------------------------------------------------


async def test_counts_of_all_processes_are_added(kept: Kept) -> None:
    """Each exchange adds what one process counted, and returns what all of them did."""
    assert (await tell(kept, "a", calls=3, failures=1))[2:4] == (3, 1)
    assert (await tell(kept, "b", calls=2, failures=2))[2:4] == (5, 3)
    assert (await tell(kept, "c"))[2:4] == (5, 3)


async def test_counts_leave_the_window(kept: Kept) -> None:
    """What is older than the window does not count."""
    await tell(kept, calls=3, failures=3, window=0.05)
    await kept.passes(0.07)
    assert (await tell(kept, calls=1, window=0.05))[2:4] == (1, 0)


async def test_targets_and_figures_are_apart(kept: Kept) -> None:
    """Another target, and the same one as it is judged by other figures, have counts of their own."""
    await tell(kept, calls=3, failures=3)
    for news in (News("other", "a", circuit="c"), News("target", "a", circuit="d")):
        assert (await kept.store.exchange(news))[2:4] == (0, 0)


# -- the circuit's state ------------------------------------------------------------------------


async def test_a_new_state_is_told_to_all(kept: Kept) -> None:
    """Who comes next reads it, with the time that is left of it."""
    assert (await tell(kept)).version == 0
    mine = await tell(kept, "a", turn=OPEN)
    await kept.passes(0.01)
    theirs = await tell(kept, "b")
    assert mine.version == theirs.version > 0
    assert (theirs.standing.opened, theirs.standing.trips) == (True, 2)
    assert 0 < theirs.standing.seconds <= 0.041


async def test_of_two_new_states_the_first_stands(kept: Kept) -> None:
    """A process that goes by an older state changes nothing, and its counts are not added."""
    first = await tell(kept, "a", turn=OPEN)
    second = await tell(kept, "b", turn=CLOSED, calls=5, failures=5)
    assert second.version == first.version
    assert second.standing.opened
    assert second[2:4] == (0, 0)


async def test_closing_forgets_the_counts_and_says_since_when(kept: Kept) -> None:
    """A target that is well again is judged by what happens from then on."""
    opened = await tell(kept, "a", calls=9, failures=9, turn=OPEN)
    assert opened[2:4] == (9, 9)
    closed = await tell(kept, "a", version=opened.version, calls=1, turn=CLOSED)
    assert closed.version > opened.version
    assert (closed.standing.opened, closed[2:4]) == (False, (0, 0))
    await kept.passes(0.02)
    later = await tell(kept, "b")
    assert later.standing.well >= 0.0199
    assert later[2:4] == (0, 0)
    told = await tell(kept, "b", version=later.version, turn=CLOSED._replace(well=7.0))
    assert told.standing.well == pytest.approx(7, abs=0.1)


async def test_versions_are_times(kept: Kept) -> None:
    """Microseconds, so that they grow even where the store has lost its memory; and where two come at once."""
    first = await tell(kept, turn=OPEN)
    assert first.version > 1.6e15
    second = await tell(kept, version=first.version, turn=OPEN)
    assert first.version < second.version < first.version + 60e6


# -- the test -----------------------------------------------------------------------------------


async def test_one_process_tests(kept: Kept) -> None:
    """When the time is over, one is granted the test, and another one only when that one lets go of it."""
    version = (await tell(kept, turn=OPEN)).version
    assert not (await tell(kept, "a", version=version, probe=9)).may_probe
    await kept.passes(0.06)
    assert (await tell(kept, "a", version=version, probe=9)).may_probe
    assert (await tell(kept, "a", version=version, probe=9)).may_probe
    assert not (await tell(kept, "b", version=version, probe=9)).may_probe
    await tell(kept, "b", version=version, release=True)
    assert not (await tell(kept, "b", version=version, probe=9)).may_probe
    await tell(kept, "a", version=version, release=True)
    assert (await tell(kept, "b", version=version, probe=9)).may_probe


async def test_a_dead_process_tests_no_longer(kept: Kept) -> None:
    """A test that was granted, and of which nothing is heard, is granted to another."""
    version = (await tell(kept, turn=OPEN._replace(seconds=0.0))).version
    assert (await tell(kept, "a", version=version, probe=0.03)).may_probe
    await kept.passes(0.04)
    assert (await tell(kept, "b", version=version, probe=9)).may_probe


async def test_who_goes_by_an_older_state_does_not_test(kept: Kept) -> None:
    """It learns the newer one first."""
    await tell(kept, turn=OPEN._replace(seconds=0.0))
    assert not (await tell(kept, "b", version=0, probe=9)).may_probe


# -- limits -------------------------------------------------------------------------------------


async def test_processes_take_from_the_same_buckets(kept: Kept) -> None:
    """A second's worth is there at first; then one waits for a tenth of a second."""
    granted = [await take(kept, process="ab"[number % 2]) for number in range(10)]
    assert [view.wait for view in granted] == [0.0] * 10
    refused = await take(kept, process="c")
    assert 0 < refused.wait <= 0.1
    await kept.passes(refused.wait)
    assert (await take(kept)).wait == 0


async def test_nothing_is_taken_where_not_all_is_there(kept: Kept) -> None:
    """Tokens are missing, so the request is not taken either."""
    rates = Rates(requests=600, tokens=6000)
    assert (await take(kept, Cost(1, 100), rates)).wait == 0
    refused = await take(kept, Cost(1, 50), rates)
    assert 0 < refused.wait <= 0.5
    assert refused.levels.requests == pytest.approx(9, abs=0.5)


async def test_what_was_not_used_comes_back(kept: Kept) -> None:
    """A correction fills the bucket, no further than it holds; a negative one empties it below nothing."""
    rates = Rates(tokens=60)
    assert (await take(kept, Cost(1, 1), rates)).levels.tokens == pytest.approx(0, abs=0.2)
    back = await take(kept, Cost(), rates, back=Cost(0, 5))
    assert back.levels.tokens == pytest.approx(1)
    used = await take(kept, Cost(), rates, back=Cost(0, -7))
    assert used.levels.tokens == pytest.approx(-6, abs=0.2)
    assert (await take(kept, Cost(1, 1), rates)).wait == pytest.approx(7, abs=0.3)


async def test_a_cost_larger_than_the_bucket_goes_when_it_is_full(kept: Kept) -> None:
    """And leaves it empty for as long as it took too much."""
    rates = Rates(tokens=600)
    assert (await take(kept, Cost(1, 100), rates)).wait == 0
    assert (await take(kept, Cost(1, 100), rates)).wait == pytest.approx(10, abs=0.3)


async def test_what_the_server_says_counts_for_all(kept: Kept) -> None:
    """Less is left than was thought, and nothing may go for a while. Nothing is taken meanwhile."""
    await take(kept, Cost(), left=Cost(3.0, math.inf))
    assert (await take(kept, Cost())).levels.requests == pytest.approx(3, abs=0.5)
    await take(kept, Cost(), hold=0.03)
    held = await take(kept)
    assert 0 < held.wait <= 0.03
    assert 0 < held.hold <= 0.03
    assert held.levels.requests > 2.9


async def test_no_bucket_is_empty_for_ever(kept: Kept) -> None:
    """Whatever a process says it has used, an hour makes up for it."""
    await take(kept, Cost(), back=Cost(-1e12, 0))
    assert (await take(kept)).wait <= 3600


async def test_other_limits_have_other_buckets(kept: Kept) -> None:
    """Who limits the same target by other figures takes from buckets of its own."""
    for _ in range(10):
        await take(kept)
    view = await kept.store.exchange(News("target", "a", limits="other", rates=Rates(60), take=ONE))
    assert view.wait == 0


async def test_leave_and_limits_come_in_one_exchange(kept: Kept) -> None:
    """What happened is told, and what is asked for is given, at once."""
    view = await take(kept, calls=2, failures=1)
    assert (view.calls, view.failures, view.wait) == (2, 1, 0.0)


async def test_many_at_once_take_no_more_than_there_is(kept: Kept) -> None:
    """Fifteen ask at the same time, and ten get it."""
    views = await asyncio.gather(*(take(kept, rates=Rates(requests=600), process=f"{n}") for n in range(15)))
    assert 10 <= sum(view.wait == 0 for view in views) <= 12


# -- places -------------------------------------------------------------------------------------

_turns = itertools.count(1)


def place(process: str = "a", held: int = 0, *, ask: bool = True, **what: Any) -> Claim:
    """A claim of one of two places."""
    return Claim("2", process, next(_turns), 2, 5.0, held, int(ask), int(ask), int(ask), **what)


async def test_a_place_is_claimed_in_the_same_exchange(kept: Kept) -> None:
    """With the counts, with limits and without them; what is held is a sum."""
    assert (await tell(kept, calls=1, places=place("a"))).places == Share(1, 1, 0, 1)
    assert (await take(kept, places=place("b"))).places == Share(1, 2, 0, 1)
    refused = await tell(kept, calls=1, places=place("c", waits=1.0))
    assert (refused.calls, refused.places) == (2, Share(0, 2, 0, 0, is_next=True))
    assert (await tell(kept, places=place("a", 0, ask=False))).places == Share(0, 1)
    assert (await tell(kept)).places == Share()


async def test_without_a_place_nothing_is_taken(kept: Kept) -> None:
    """The limits are for requests that go."""
    for process in "ab":
        await take(kept, places=place(process))
    refused = await take(kept, places=place("c"))
    assert (refused.wait, refused.places.granted) == (0, 0)
    assert refused.levels.requests == pytest.approx(8, abs=0.6)


async def test_a_request_that_has_to_wait_takes_no_place(kept: Kept) -> None:
    """It would be idle meanwhile; and it is not next in the line for one."""
    await take(kept, Cost(14, 0))
    refused = await take(kept, places=place("a", waits=1.0))
    assert refused.wait > 0
    assert refused.places == Share()
    await kept.passes(refused.wait + 0.01)
    assert (await take(kept, places=place("a", waits=1.0))).places.granted == 1


async def test_what_is_told_of_places_asks_for_none(kept: Kept) -> None:
    """A report while nothing is left in the buckets says what is held, all the same."""
    await take(kept, Cost(14, 0))
    told = await tell(kept, limits="l", rates=TEN_A_SECOND, places=place("a", 1, ask=False))
    assert told.places == Share(1, 1)


async def test_other_figures_have_the_same_places(kept: Kept) -> None:
    """Who limits the target by a larger number gets none either, while one that goes by the smaller one is heard of."""
    for process in "ab":
        await tell(kept, places=place(process))
    assert (await tell(kept, places=place("c")._replace(limit=3))).places == Share(0, 2)
