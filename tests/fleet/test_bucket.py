"""The buckets: what may be sent when, what is refused, what comes back, and what a server's word changes."""

from __future__ import annotations

import math
import random

import pytest

from resilient_stream.fleet.bucket import HELD, LONGEST, NOTHING, Buckets, Cost, Wait

ONE = Cost(1, 0)
T0 = 5000.0


def taken(buckets: Buckets, cost: Cost, seconds: float) -> list[float]:
    """When requests are taken within so many seconds by one who waits as long as he is told."""
    now, times = T0, []
    while now < T0 + seconds:
        wait = buckets.take(cost, now)
        if wait == 0:
            times.append(now - T0)
        now += wait
    return times


@pytest.mark.parametrize("limit", [1, 7, 60, 61, 600, 6000])
def test_a_minute_has_no_more_than_its_limit_and_a_second_on_top(limit: int) -> None:
    """Whatever minute is looked at; and under load, nearly all of it is used."""
    times = taken(Buckets(limit), ONE, 180)
    most = limit + max(1, limit / 60)
    for begin in times[:: max(1, len(times) // 50)]:
        assert sum(begin <= time < begin + 60 for time in times) <= most
    assert len(times) >= 3 * limit


def test_a_refused_request_takes_nothing_and_its_wait_is_enough() -> None:
    """Asked too early, nothing is taken; asked again after the wait, it is there."""
    buckets = Buckets(60)
    assert buckets.take(ONE, T0) == 0
    for _ in range(5):
        assert buckets.take(ONE, T0) == pytest.approx(1)
    assert buckets.take(ONE, T0 + 0.4) == pytest.approx(0.6)
    assert buckets.take(ONE, T0 + 1.0) == 0


def test_either_limit_holds_a_request_back_and_is_named() -> None:
    """Both are taken together, or neither."""
    buckets = Buckets(60, 6000)
    assert buckets.take(Cost(1, 100), T0) == 0
    assert buckets.wait(Cost(1, 50), T0) == (pytest.approx(1), "requests_per_minute")
    assert buckets.wait(Cost(0, 50), T0) == (pytest.approx(0.5), "tokens_per_minute")
    assert buckets.take(Cost(1, 100), T0 + 0.5) > 0
    assert buckets.take(Cost(1, 100), T0 + 1) == 0
    assert buckets.wait(NOTHING, T0 + 1) == Wait(0.0, "")


def test_a_request_larger_than_the_bucket_goes_when_it_is_full_and_is_made_up_for() -> None:
    """It is not refused for ever, and the ones after it wait as long as its tokens take."""
    buckets = Buckets(None, 6000)
    assert buckets.take(Cost(1, 1000), T0) == 0
    assert buckets.take(Cost(1, 1000), T0) == pytest.approx(10)
    assert buckets.take(Cost(1, 50), T0) == pytest.approx(9.5)
    assert buckets.take(Cost(1, 1000), T0 + 10) == 0


def test_those_who_are_ahead_are_waited_for() -> None:
    """Ten requests in the line are ten seconds at one a second, and the own one comes on top."""
    buckets = Buckets(60)
    assert buckets.wait(ONE, T0, Cost(10, 0)).seconds == pytest.approx(10)
    buckets.take(ONE, T0)
    assert buckets.wait(ONE, T0, Cost(10, 0)).seconds == pytest.approx(11)


def test_what_comes_back_may_be_used_and_does_not_pile_up() -> None:
    """Not used: the next one goes at once. Never more than a full bucket."""
    buckets = Buckets(60)
    buckets.take(ONE, T0)
    buckets.give_back(ONE, T0)
    assert buckets.is_as_new(T0)
    buckets.give_back(Cost(5, 0), T0)
    assert buckets.take(ONE, T0) == 0
    assert buckets.take(ONE, T0) > 0


def test_what_was_used_beside_it_is_missing() -> None:
    """An answer that was longer than guessed delays the next request."""
    buckets = Buckets(None, 6000)
    buckets.take(Cost(1, 100), T0)
    buckets.give_back(Cost(0, -200), T0)
    assert buckets.wait(Cost(1, 100), T0).seconds == pytest.approx(3)
    assert not buckets.is_as_new(T0 + 2.5)
    assert buckets.is_as_new(T0 + 3)


def test_the_server_can_lower_what_is_left_and_not_raise_it() -> None:
    """It says that less is left than is known here: others use the same account."""
    buckets = Buckets(600, 60_000)
    buckets.told(Cost(2, math.inf), 0, T0)
    assert [buckets.take(ONE, T0) for _ in range(2)] == [0, 0]
    assert buckets.take(ONE, T0) == pytest.approx(0.1)
    buckets.told(Cost(500, 9e9), 0, T0)
    assert buckets.take(ONE, T0) == pytest.approx(0.1)
    buckets.told(Cost(math.inf, 0), 0, T0)
    assert buckets.wait(Cost(0, 500), T0).seconds == pytest.approx(0.5)


def test_a_time_that_goes_back_fills_nothing_twice() -> None:
    """Threads read the clock before they come here, and not always in that order."""
    buckets = Buckets(60)
    buckets.take(ONE, T0)
    assert buckets.wait(ONE, T0 + 0.5).seconds == pytest.approx(0.5)
    assert buckets.wait(ONE, T0).seconds == pytest.approx(0.5)
    assert buckets.wait(ONE, T0 + 0.5).seconds == pytest.approx(0.5)


def test_nothing_goes_while_the_server_wants_nothing() -> None:
    """For as long as it says, up to a minute; a later answer makes that no shorter."""
    buckets = Buckets(600)
    buckets.told(Cost(math.inf, math.inf), 5, T0)
    buckets.told(Cost(math.inf, math.inf), 0, T0)
    assert buckets.wait(ONE, T0) == Wait(5, HELD)
    assert not buckets.is_as_new(T0 + 4)
    assert buckets.take(ONE, T0 + 5) == 0
    buckets.told(Cost(math.inf, math.inf), 86_400, T0 + 6)
    assert buckets.wait(ONE, T0 + 6).seconds == LONGEST


def test_a_clock_that_stands_still_is_no_endless_wait() -> None:
    """After any wait that it says, the next question is answered with yes: floats never leave a wait of nothing."""
    chance = random.Random(7)
    buckets, now = Buckets(97, 12_345.6), 1e6
    for _ in range(2000):
        cost = Cost(1, chance.uniform(0, 900))
        now += buckets.take(cost, now) or chance.uniform(0, 0.1)
        assert buckets.wait(NOTHING, now).seconds == 0
        wait = buckets.wait(cost, now).seconds
        assert wait == 0 or now + wait > now
