"""A budget of a day for many processes, as one of them knows it: what it takes, tells and believes."""

from __future__ import annotations

from decimal import Decimal

import pytest

from resilient_stream.fleet.pool import MOST, Claim, Share
from resilient_stream.fleet.purse import AHEAD, FRESH, ONE_DOLLAR, Known, Purse, Spending, billionths, dollars

NOW = 1000.0
LIMIT = 1000


class Books:
    """What the client has spent today."""

    def __init__(self) -> None:
        self.day, self.amount = 5, 0

    def __call__(self) -> Spending:
        """The sum of the day."""
        return Spending(self.day, self.amount)


@pytest.fixture
def books() -> Books:
    """The client's ledger."""
    return Books()


@pytest.fixture
def purse(books: Books) -> Purse:
    """A purse for a thousand billionths."""
    return Purse("pool", dollars(LIMIT), books)


def claim(purse: Purse) -> Claim:
    """What it tells and asks for."""
    return purse.claim("me", 10.0)


def granted(purse: Purse, amount: int, **share: int) -> None:
    """The store gives it so much, beside what runs."""
    purse.waits(amount)
    asked = claim(purse)
    purse.waited(amount)
    held = asked.held + amount
    purse.heard(asked, Share(**{"held": held, "by_all": held, "used": asked.used, "granted": amount, **share}), NOW)


@pytest.mark.parametrize(
    ("amount", "whole"),
    [("0", 0), ("-1", 0), ("0.0000000001", 1), ("0.0000000011", 2), ("3", 3 * ONE_DOLLAR), ("1e30", MOST)],
)
def test_a_part_of_a_billionth_counts_as_a_whole_one(amount: str, whole: int) -> None:
    """From nothing to the largest figure that a store can add up."""
    assert billionths(Decimal(amount)) == whole


def test_what_is_reserved_is_taken_once(purse: Purse) -> None:
    """To the last bit of it, whatever runs and others have spent; and again when it was given back."""
    granted(purse, 30, used=400)
    assert [purse.take(amount) for amount in (20, 11, 10, 1)] == [True, False, True, False]
    purse.give_back(20)
    assert [purse.take(amount) for amount in (21, 20)] == [False, True]


def test_what_was_spent_and_not_told_is_not_there_any_more(purse: Purse, books: Books) -> None:
    """The reservation was for it."""
    granted(purse, 30)
    books.amount = 25
    assert [purse.take(amount) for amount in (6, 5)] == [False, True]


def test_a_reservation_is_for_its_day(purse: Purse, books: Books) -> None:
    """On the next one the store is asked, also where both days have the same sum."""
    granted(purse, 30)
    books.day += 1
    assert not purse.take(1)


def test_nothing_goes_above_the_processs_own_limit(purse: Purse, books: Books) -> None:
    """Whatever the store says."""
    granted(purse, 10**6)
    books.amount = LIMIT - 1
    assert purse.take(1)
    books.amount = LIMIT
    assert not purse.take(0)


def test_without_the_store_it_goes_by_what_is_known(purse: Purse, books: Books) -> None:
    """What this process has spent and what runs, and what the others had, on the same day."""
    granted(purse, 10, held=10, by_all=210, used=400)
    books.amount = 300
    assert purse.known() == Known(700, 200)
    assert [purse.take_alone(amount) for amount in (99, 1, 1)] == [True, True, False]
    assert purse.known() == Known(700, 300)
    books.day += 1
    assert purse.known() == Known(300, 100)
    assert purse.take_alone(1)


def test_others_have_no_less_than_nothing(purse: Purse) -> None:
    """Where the store has heard less of this process than it knows itself."""
    purse.waits(1)
    asked = claim(purse)._replace(used=50)
    purse.heard(asked, Share(held=20, by_all=10, used=40, granted=1), NOW)
    assert purse.known() == Known(0, 0)
    purse.give_back(7)
    assert purse.known() == Known(0, 0)


def test_a_claim_tells_what_runs_and_asks_for_those_who_wait(purse: Purse, books: Books) -> None:
    """The largest of them is asked for whole, all of them as far as it goes, and ahead as many as run or sixteen."""
    asked = claim(purse)
    assert (asked.held, asked.least, asked.need, asked.most) == (0, 0, 0, 0)
    assert (asked.pool, asked.process, asked.limit, asked.lasts) == ("pool", f"me/{LIMIT}", LIMIT, 10.0)
    granted(purse, 500)
    assert purse.take(400)
    books.amount = 60
    purse.waits(3)
    purse.waits(5)
    asked = claim(purse)
    assert (asked.held, asked.least, asked.need, asked.most) == (400, 5, 8, 8 + 400)
    assert (asked.period, asked.used, asked.spender) == ("5", 60, "me")
    purse.give_back(399)
    assert claim(purse).most == 8 + AHEAD * 5
    purse.waited(3)
    purse.waited(5)
    assert (claim(purse).least, claim(purse).most) == (0, 0)


def test_what_was_reserved_ahead_is_given_back_by_the_claim(purse: Purse) -> None:
    """While the answer is on its way, only what runs is reserved, and nothing can be taken twice."""
    granted(purse, 30)
    assert purse.take(10)
    claim(purse)
    assert not purse.take(1)


def test_more_given_back_than_taken_reserves_nothing(purse: Purse) -> None:
    """A claim never tells less than nothing, and it does not make later requests dearer."""
    purse.give_back(5)
    assert claim(purse).held == 0
    assert not purse.take(6)


def test_figures_of_a_claim_are_bounded(purse: Purse) -> None:
    """Larger ones would not be exact in the store."""
    assert purse.take_alone(MOST + 1)
    for _ in range(2):
        purse.waits(MOST + 1)
    asked = claim(purse)
    assert (asked.held, asked.least, asked.need, asked.most) == (MOST,) * 4


def test_an_answer_that_was_overtaken_is_none(purse: Purse) -> None:
    """The later claim has told more."""
    purse.waits(5)
    first = claim(purse)
    claim(purse)
    purse.heard(first, Share(held=5, by_all=900, used=0, granted=5), NOW)
    assert not purse.take(5)
    assert purse.known() == Known(0, 0)


def test_a_store_that_grants_nonsense_gives_what_was_asked_for(purse: Purse) -> None:
    """No more than that is believed."""
    purse.waits(2)
    asked = claim(purse)
    purse.heard(asked, Share(held=10**9, by_all=10**9, granted=10**9), NOW)
    assert [purse.take(amount) for amount in (asked.most + 1, asked.most)] == [False, True]


def test_a_refusal_is_good_for_a_moment(purse: Purse, books: Books) -> None:
    """On its day; not where nothing was asked for, and not once something was granted."""
    assert not purse.is_used_up(NOW)
    purse.heard(claim(purse), Share(), NOW)
    assert not purse.is_used_up(NOW)
    purse.waits(5)
    purse.heard(claim(purse), Share(), NOW)
    assert purse.is_used_up(NOW + FRESH - 0.01)
    assert not purse.is_used_up(NOW + FRESH)
    books.day += 1
    assert not purse.is_used_up(NOW)
    books.day -= 1
    purse.heard(claim(purse), Share(held=5, by_all=5, granted=5), NOW + 0.1)
    assert not purse.is_used_up(NOW + 0.1)


def test_the_store_has_to_hear_more_while_something_runs_is_reserved_or_was_spent(purse: Purse, books: Books) -> None:
    """And nothing more once all of it was told; nothing spent on a new day is no news."""
    assert not purse.is_open
    granted(purse, 5)
    assert purse.is_open
    purse.heard(claim(purse), Share(), NOW)
    assert not purse.is_open
    assert purse.take_alone(5)
    assert purse.is_open
    purse.give_back(5)
    assert not purse.is_open
    books.amount = 5
    assert purse.is_open
    purse.heard(claim(purse), Share(used=5), NOW)
    assert not purse.is_open
    books.day, books.amount = 6, 0
    assert not purse.is_open
