"""The adaptive limit against servers of a known capacity: where it settles, how soon, and what does not move it."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from statistics import mean

import pytest

from resilient_stream.fleet.adaptive import FIRST, MOST, REFUSED, SMALLEST_ROUND, Adaptive

Served = Callable[[int, float], float | None]
"""What a server does with a request, of how many that run now and when: seconds until its content; None: refused."""


def under_load(adaptive: Adaptive, serve: Served, seconds: float, *, callers: int = 10_000) -> list[int]:
    """Run as many requests as the limit and the callers allow, and return the limit at each event.

    A request's place is free again as soon as its content begins; one that is refused is tried again after a second.
    """
    limits: list[int] = []
    waiting: list[tuple[float, int, int, float | None]] = []
    now, number, served = 0.0, 0, 0
    while now < seconds:
        while len(waiting) < min(adaptive.limit, callers):
            number += 1
            wait = serve(served + 1, now)
            heapq.heappush(waiting, (now + (1.0 if wait is None else wait), number, adaptive.round, wait))
            if wait is None:
                adaptive.refused(adaptive.round)
            else:
                served += 1
        now, _, sent_in, wait = heapq.heappop(waiting)
        if wait is not None:
            adaptive.began(sent_in, wait, len(waiting) + 1)
            served -= 1
        limits.append(adaptive.limit)
    return limits


def refuses_above(capacity: int) -> Served:
    """A server that answers 429 to more than it can carry, and takes half a second to two for the rest."""
    chance = random.Random(1)
    return lambda running, _: chance.uniform(0.5, 2.0) if running <= capacity else None


def queues_above(capacity: int) -> Served:
    """A server that never refuses: with more than it can carry, everything takes longer."""
    chance = random.Random(2)
    return lambda running, _: chance.uniform(0.9, 1.1) * max(1.0, running / capacity)


@pytest.mark.parametrize("capacity", [2, 5, 20, 100])
def test_it_settles_at_what_a_refusing_server_carries(capacity: int) -> None:
    """Between seven tenths of it and one place more, from above and from below; most of it is used on average."""
    settled = under_load(Adaptive(), refuses_above(capacity), 600)
    settled = settled[len(settled) // 2 :]
    assert max(settled) <= capacity + 1
    assert min(settled) >= int(REFUSED * capacity) - 1
    assert mean(settled) >= 0.8 * capacity - 1


@pytest.mark.parametrize("capacity", [20, 50, 120])
def test_it_settles_at_what_a_queueing_server_carries(capacity: int) -> None:
    """Latency alone tells it: the server always has enough to do, what waits there is never more than what runs, and
    its best time does not creep up."""
    settled = under_load(Adaptive(), queues_above(capacity), 1200)[-12_000:]
    assert max(settled) <= 2.15 * capacity
    assert min(settled) >= 0.9 * capacity
    assert mean(settled) <= 1.8 * capacity


def test_it_begins_fast_and_follows_a_capacity_that_changes() -> None:
    """Slow start doubles up to the first refusal; later it goes down within rounds, and up a place a round."""
    capacity = [200]
    adaptive, serve = Adaptive(), lambda running, now: refuses_above(capacity[0])(running, now)
    assert max(under_load(adaptive, serve, 15)) >= 150
    capacity[0] = 20
    assert max(under_load(adaptive, serve, 60)[-100:]) <= 21
    capacity[0] = 60
    assert min(under_load(adaptive, serve, 300)[-200:]) >= 30


def test_two_clients_come_to_fair_shares() -> None:
    """One that came first and had everything gives way to the second, which AIMD is chosen for."""
    first, second = Adaptive(), Adaptive()
    under_load(first, refuses_above(100), 60)
    assert first.limit > 50
    for _ in range(400):  # both fill their places, in rounds; the refusal hits each with its share
        total = first.limit + second.limit
        for each in (first, second):
            sent_in, running = each.round, each.limit
            if total > 100:
                each.refused(sent_in)
            for _ in range(max(running, SMALLEST_ROUND)):
                each.began(sent_in, 1.0, running)
    assert abs(first.limit - second.limit) <= 10


def test_places_that_nobody_uses_are_not_added_to() -> None:
    """With five callers nothing is learned of a hundred, so the limit stays where it was."""
    assert under_load(Adaptive(), refuses_above(10_000), 200, callers=4)[-1] == FIRST


def test_one_round_is_cut_once() -> None:
    """Ten requests that were under way together are refused: that is one piece of news."""
    adaptive = Adaptive()
    sent_in = adaptive.round
    for _ in range(10):
        adaptive.refused(sent_in)
    assert adaptive.limit == int(FIRST * REFUSED)
    for _ in range(100):
        adaptive.began(sent_in, 1.0, FIRST)
    assert adaptive.limit == int(FIRST * REFUSED)


def test_it_stays_within_its_bounds() -> None:
    """Never below one, never above max_concurrency or a thousand."""
    assert Adaptive(3).limit == 3
    adaptive = Adaptive(3)
    for _ in range(20):
        adaptive.refused(adaptive.round)
    assert adaptive.limit == 1
    assert max(under_load(Adaptive(25), refuses_above(10_000), 100)) == 25
    assert max(under_load(Adaptive(), refuses_above(10_000), 100)) == MOST


def test_a_few_slow_answers_are_no_trouble() -> None:
    """Times to first content have a long tail: one in ten takes twenty times as long, and nothing is cut."""
    chance = random.Random(3)

    def serve(_running: int, _now: float) -> float:
        return chance.uniform(0.5, 1.0) * (20 if chance.random() < 0.1 else 1)

    adaptive = Adaptive(100)
    limits = under_load(adaptive, serve, 300)
    assert adaptive.limit == min(limits[-10_000:]) == 100


def test_one_lucky_round_is_no_measure() -> None:
    """A round of short prompts makes the usual ones no trouble afterwards."""
    adaptive = Adaptive(100)
    for seconds in (1.0, 1.0, 0.45, 1.0, 1.0):
        for _ in range(max(adaptive.limit, SMALLEST_ROUND)):
            adaptive.began(adaptive.round, seconds, adaptive.limit)
    assert adaptive.limit == 100


@pytest.mark.parametrize("places", [3, 40])
def test_prompts_of_all_lengths_are_no_trouble(places: int) -> None:
    """Times that differ by a factor of four and more, as prompts do, hardly ever cost a place, be they few or many."""
    chance = random.Random(4)
    limits = under_load(Adaptive(places), lambda _running, _now: chance.lognormvariate(0, 0.7), 2000 / places * 10)
    assert mean(limits[len(limits) // 2 :]) >= 0.95 * places


def test_a_target_that_is_slower_whatever_we_do_is_believed() -> None:
    """Longer prompts triple all times. A cut or two show that our streams are not the reason, and it grows again."""
    times = [1.0]
    adaptive = Adaptive(100)
    under_load(adaptive, lambda _running, _now: times[0], 60)
    assert adaptive.limit == 100
    times[0] = 3.0
    limits = under_load(adaptive, lambda _running, _now: times[0], 300)
    assert min(limits) >= 25
    assert limits[-1] >= 95
