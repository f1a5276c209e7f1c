"""What processes hold together: one suite for the store in memory and for Redis."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from resilient_stream.fleet.pool import MOST, Claim, Share

from .conftest import Kept

pytestmark = pytest.mark.usefixtures("nothing_left")

_turns = itertools.count(1)


async def claim(kept: Kept, process: str = "aaaa", **what: Any) -> Share:
    """One claim of a pool of ten."""
    values = {"turn": next(_turns), "limit": 10, "lasts": 5.0, "spender": process, **what}
    share = await kept.store.claim(Claim("pool", process, **values))
    assert isinstance(share, Share)
    return share


async def ask(kept: Kept, process: str = "aaaa", amount: int = 1, **what: Any) -> Share:
    """Ask for so much."""
    return await claim(kept, process, least=amount, need=amount, most=amount, **what)


# -- what is held -------------------------------------------------------------------------------


async def test_processes_hold_no_more_than_there_is(kept: Kept) -> None:
    """What one holds another does not get; nobody gets anything where nothing is left."""
    assert await ask(kept, "aaaa", 6) == Share(held=6, by_all=6, granted=6)
    assert await ask(kept, "bbbb", 4) == Share(held=4, by_all=10, granted=4)
    assert await ask(kept, "cccc", 1) == Share(held=0, by_all=10, granted=0)
    assert await claim(kept, "aaaa", held=5) == Share(held=5, by_all=9)
    assert (await ask(kept, "cccc", 1)).granted == 1


async def test_many_at_once_hold_no_more_than_there_is(kept: Kept) -> None:
    """Fifteen processes ask at the same time, and ten get it."""
    shares = await asyncio.gather(*(ask(kept, f"p{number:03}") for number in range(15)))
    assert sum(share.granted for share in shares) == 10


async def test_a_claim_is_a_sum(kept: Kept) -> None:
    """It can be made again, and counts once."""
    for _ in range(3):
        assert await claim(kept, held=4) == Share(held=4, by_all=4)


async def test_a_claim_that_comes_late_changes_nothing(kept: Kept) -> None:
    """One with an older number neither lowers what is held nor is granted anything."""
    await ask(kept, amount=5, turn=9)
    for turn in (8, 9):
        assert await ask(kept, held=1, turn=turn) == Share(held=5, by_all=5)
    assert (await claim(kept, held=1, turn=10)).by_all == 1


async def test_a_dead_process_holds_nothing(kept: Kept) -> None:
    """What it held comes back when its lease is over; who says something keeps his."""
    await ask(kept, "aaaa", 4, lasts=0.2)
    await ask(kept, "bbbb", 2, lasts=0.2)
    await kept.passes(0.12)
    await claim(kept, "bbbb", held=2, lasts=0.2)
    await kept.passes(0.1)
    assert (await claim(kept, "cccc")).by_all == 2
    await kept.passes(0.12)
    assert await ask(kept, "aaaa", 1, lasts=5.0) == Share(held=1, by_all=1, granted=1)


async def test_a_short_lease_beside_long_ones_ends_in_time(kept: Kept) -> None:
    """Each process is believed for its own time, whoever came first."""
    await ask(kept, "aaaa", 4, lasts=60.0)
    await ask(kept, "bbbb", 2, lasts=0.04)
    await kept.passes(0.05)
    assert (await claim(kept, "cccc")).by_all == 4


async def test_no_lease_lasts_for_ever(kept: Kept) -> None:
    """An hour is the most; then the process is taken for dead. Until then what it holds is known."""
    assert (await ask(kept, lasts=1e9)).by_all == 1
    assert (await claim(kept, "bbbb")).by_all == 1
    assert (await claim(kept, held=1, lasts=1e9)).by_all == 1


async def test_pools_are_apart(kept: Kept) -> None:
    """Another pool has a limit of its own."""
    await ask(kept, amount=10)
    other = await kept.store.claim(Claim("other", "aaaa", next(_turns), 10, 5.0, least=1, need=1, most=1))
    assert other.granted == 1


async def test_the_smallest_limit_counts_for_all(kept: Kept) -> None:
    """Whoever came first; as long as the lease by it lasts, which need not hold anything."""
    await ask(kept, "aaaa", 4)
    await claim(kept, "bbbb", limit=5, lasts=0.2)
    assert (await ask(kept, "aaaa", 1, held=4)).granted == 1
    assert (await ask(kept, "cccc", 1, limit=7)).granted == 0
    await kept.passes(0.21)
    assert (await ask(kept, "cccc", 1, limit=7)).granted == 1
    assert (await ask(kept, "aaaa", 1, held=5)).granted == 1
    assert (await ask(kept, "aaaa", 1, held=6)).granted == 0


async def test_a_smaller_limit_is_not_forgotten_with_another_lease(kept: Kept) -> None:
    """When some lease ends, what counts is the smallest of those that are left; a late claim lowers nothing."""
    await claim(kept, "aaaa", limit=2, lasts=5.0)
    await claim(kept, "bbbb", limit=1, lasts=0.1, turn=MOST)
    await claim(kept, "cccc", limit=9, lasts=0.1)
    await kept.passes(0.11)
    assert [(await ask(kept, "dddd", limit=9, held=held)).granted for held in range(3)] == [1, 1, 0]
    await claim(kept, "aaaa", limit=9, turn=1)
    assert (await ask(kept, "dddd", limit=9, held=2)).granted == 0


async def test_each_goes_by_its_own_figure_for_what_is_used_up(kept: Kept) -> None:
    """A process with a larger budget may go on where others are refused."""
    await claim(kept, "aaaa", period="1", used=6, limit=5)
    assert (await ask(kept, "aaaa", period="1", used=6, limit=5)).granted == 0
    assert (await ask(kept, "bbbb", period="1", limit=10)).granted == 1


# -- how much is granted ------------------------------------------------------------------------


async def test_what_is_asked_for_least_is_given_whole(kept: Kept) -> None:
    """The last request of a budget may be larger than what is left of it, and nothing is after it."""
    assert (await ask(kept, "aaaa", 9)).granted == 9
    assert (await ask(kept, "bbbb", 5)).granted == 5
    assert (await ask(kept, "cccc", 1)).granted == 0


async def test_what_is_needed_is_given_as_far_as_it_is_there(kept: Kept) -> None:
    """Many requests that wait get what is left, and not more."""
    assert (await claim(kept, held=3, least=1, need=99, most=99)).granted == 7


async def test_little_is_given_ahead(kept: Kept) -> None:
    """What is only welcome is a sixteenth of what is left at most."""
    assert (await claim(kept, limit=3214, least=1, need=2, most=500)).granted == 200
    assert (await claim(kept, "bbbb", limit=3214, least=1, need=2, most=50)).granted == 50
    assert (await claim(kept, "cccc", limit=260, held=0, least=1, need=2, most=500)).granted == 2


# -- what is used up ----------------------------------------------------------------------------


async def test_what_all_have_used_is_added_up_exactly(kept: Kept) -> None:
    """To the last of millions of millions, and each process's sum counts once, however often it is told."""
    large = 4 * 10**15 + 1
    assert (await claim(kept, "aaaa", period="1", used=large, limit=MOST)).used == large
    assert (await claim(kept, "bbbb", period="1", used=3, limit=MOST)).used == large + 3
    assert (await claim(kept, "aaaa", period="1", used=large, limit=MOST)).used == large + 3
    assert (await claim(kept, "aaaa", period="1", used=large + 2, limit=MOST)).used == large + 5
    assert (await claim(kept, "aaaa", period="1", used=1, limit=MOST)).used == large + 5


async def test_what_is_used_up_is_not_granted(kept: Kept) -> None:
    """What is left is the limit, less what was used and what is held."""
    assert (await claim(kept, "aaaa", period="1", used=6, held=2)).by_all == 2
    assert (await claim(kept, "bbbb", period="1", least=1, need=9, most=9)).granted == 2
    assert (await ask(kept, "cccc", period="1")).granted == 0
    assert (await claim(kept, "aaaa", period="1", used=7)).used == 7
    assert (await ask(kept, "cccc", period="1")).granted == 1


async def test_a_new_period_begins_with_nothing_used(kept: Kept) -> None:
    """What is held goes over into it."""
    await claim(kept, "aaaa", period="1", used=9, held=1)
    assert await claim(kept, "bbbb", period="2") == Share(held=0, by_all=1, used=0)
    assert (await claim(kept, "bbbb", period="1")).used == 9


async def test_what_a_dead_process_has_used_stays_used(kept: Kept) -> None:
    """Only what it held comes back."""
    await claim(kept, "aaaa", period="1", used=6, held=2, lasts=0.03)
    await kept.passes(0.04)
    share = await claim(kept, "bbbb", period="1")
    assert (share.used, share.by_all) == (6, 0)


# -- who is next --------------------------------------------------------------------------------


async def test_what_comes_free_is_kept_for_who_waits(kept: Kept) -> None:
    """A process that gives one back and asks again does not overtake another that has waited."""
    await ask(kept, "aaaa", 10)
    assert (await ask(kept, "bbbb", waits=9)).is_next
    assert not (await ask(kept, "cccc", waits=9)).is_next
    assert await ask(kept, "aaaa", held=9, waits=9) == Share(held=9, by_all=9)
    served = await ask(kept, "bbbb", waits=9)
    assert (served.granted, served.is_next) == (1, False)
    assert (await ask(kept, "aaaa", held=9, waits=9)).is_next


async def test_only_one_is_kept(kept: Kept) -> None:
    """Where two are free, whoever asks gets one."""
    await ask(kept, "aaaa", 10)
    await ask(kept, "bbbb", waits=9)
    await claim(kept, "aaaa", held=8)
    assert (await ask(kept, "cccc")).granted == 1
    assert (await ask(kept, "dddd")).granted == 0


async def test_who_waits_no_longer_is_not_next(kept: Kept) -> None:
    """Its turn is over when it says so, or when nothing is heard of it."""
    await ask(kept, "aaaa", 10)
    await ask(kept, "bbbb", waits=9)
    await claim(kept, "bbbb")
    assert (await ask(kept, "cccc", waits=0.03)).is_next
    await claim(kept, "aaaa", held=9)
    await kept.passes(0.04)
    assert (await ask(kept, "dddd")).granted == 1


async def test_a_turn_outlasts_the_lease_of_another(kept: Kept) -> None:
    """When a process dies, whoever is next stays next."""
    await ask(kept, "aaaa", 9)
    await ask(kept, "bbbb", 1, lasts=0.04)
    await ask(kept, "cccc", waits=9)
    await kept.passes(0.05)
    assert (await ask(kept, "dddd", waits=9)).granted == 0
    assert (await ask(kept, "cccc", waits=9)).granted == 1


async def test_who_says_that_it_still_waits_stays_next(kept: Kept) -> None:
    """Also in a claim that asks for nothing."""
    await ask(kept, "aaaa", 10)
    await ask(kept, "bbbb", waits=0.2)
    await kept.passes(0.12)
    assert (await claim(kept, "bbbb", waits=0.2)).is_next
    await kept.passes(0.1)
    await claim(kept, "aaaa", held=9)
    assert (await ask(kept, "cccc")).granted == 0
