"""A target's part of a store in memory: what the suite for all stores does not see."""

from __future__ import annotations

import pytest

from resilient_stream.fleet.board import Board, News, Rates
from resilient_stream.fleet.bucket import Cost
from resilient_stream.fleet.circuit import Standing
from resilient_stream.fleet.pool import LONGEST_LEASE, Claim, Pool

NOW = 1000.0
NEWS = News("target", "me", circuit="c", window=1.0)
CLAIM = Claim("streams", "me/3", 1, 3, 5.0)


def exchanged(**what: object) -> Board:
    """A target of which so much was told."""
    board = Board()
    board.exchange(NEWS._replace(**what), NOW)  # type: ignore[arg-type]
    return board


@pytest.mark.parametrize(
    ("what", "lasts"),
    [
        ({"calls": 1}, 2.0),
        ({"turn": Standing(True, 7.0, 2, 0.0)}, 7.0 + 2 * 3),
        ({"limits": "l", "rates": Rates(60), "hold": 20.0}, 21.0),
        ({"places": CLAIM}, LONGEST_LEASE),
    ],
)
def test_it_is_kept_as_long_as_something_of_it_matters(what: dict[str, object], lasts: float) -> None:
    """Two windows of counts, the time of a circuit with its trips, a hold, the longest lease of a place."""
    assert exchanged(**what).expires == NOW + lasts


def test_limits_are_taken_where_no_place_is_asked_for() -> None:
    """A claim that only tells what is held refuses nothing."""
    board = exchanged(limits="l", rates=Rates(600), take=Cost(4, 0), places=CLAIM._replace(held=1))
    assert board.exchange(NEWS._replace(limits="l", rates=Rates(600)), NOW).levels.requests == pytest.approx(6)


def test_a_new_state_ends_the_test_of_the_old_one() -> None:
    """Whoever had it: the next test is for who asks first."""
    board = Board()
    opened = board.exchange(NEWS._replace(turn=Standing(True, 0.0, 1, 0.0)), NOW)
    assert board.exchange(NEWS._replace(version=opened.version, probe=30.0), NOW).may_probe
    again = board.exchange(NEWS._replace(version=opened.version, turn=Standing(True, 0.0, 2, 0.0)), NOW)
    other = NEWS._replace(process="other", version=again.version, probe=30.0)
    assert board.exchange(other, NOW).may_probe


def test_no_lease_is_longer_than_the_longest() -> None:
    """What a process held that said it would be there for years is free after an hour."""
    pool = Pool()
    pool.claim(CLAIM._replace(held=3, lasts=1e9), NOW)
    other = CLAIM._replace(process="other/3", turn=2)
    assert pool.claim(other, NOW + LONGEST_LEASE - 1).by_all == 3
    assert pool.claim(other._replace(turn=3), NOW + LONGEST_LEASE).by_all == 0
