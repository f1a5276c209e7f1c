"""Hedging by a percentile: what is remembered, and when the next target is asked."""

from __future__ import annotations

import asyncio
import random

import pytest

from resilient_stream import Client, Hedge, RetryPolicy, StreamMisused
from resilient_stream.fleet.beginnings import ENOUGH, KEPT, USUAL, Beginnings, Times
from tests.engine.clock import Clock, after
from tests.engine.scripted import END, STOP, Answer, ScriptedTransport, client_over, text_event

WHOLE = text_event("Hello") + STOP + END


def learning(*answers: Answer) -> tuple[Client, ScriptedTransport]:
    """A client of two targets that hedges by the 95th percentile."""
    return client_over(*answers, targets=2, hedge=Hedge(after="p95"), retry=RetryPolicy.off())


def test_a_percentile_is_a_time_that_was_seen() -> None:
    """Of the times 1 to 100 in any order, 95 are faster than the one it gives."""
    times, seconds = Times(), list(range(1, 101))
    random.shuffle(seconds)
    for each in seconds:
        times.saw(each)
    assert (times.percentile(50), times.percentile(95), times.percentile(99)) == (51, 96, 100)


def test_too_few_answers_say_nothing() -> None:
    """Before the twentieth the usual time is given."""
    times = Times()
    for _ in range(ENOUGH - 1):
        times.saw(9)
    assert times.percentile(95) == USUAL
    times.saw(9)
    assert times.percentile(95) == 9


def test_old_times_are_forgotten() -> None:
    """A target that was slow is known as fast after 500 fast answers; no more are kept."""
    times = Times()
    for _ in range(KEPT):
        times.saw(9)
    for _ in range(KEPT):
        times.saw(1)
    assert times.percentile(99) == 1
    assert len(times._sorted) == len(times._in_order) == KEPT


def test_the_targets_that_are_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was used longest ago is forgotten."""
    monkeypatch.setattr("resilient_stream.fleet.remembered.MAX_TARGETS", 2)
    targets = Client("openai:a", "openai:b", "openai:c").targets
    beginnings = Beginnings()
    first = beginnings.of(targets[0])
    kept = beginnings.of(targets[1])
    beginnings.of(targets[2])
    assert beginnings.of(targets[1]) is kept
    assert beginnings.of(targets[0]) is not first


async def test_the_next_target_is_asked_at_the_learned_time(clock: Clock) -> None:
    """After twenty answers in half a second, one that has none by then is raced, and not after two seconds."""
    client, transport = learning(*(Answer(WHOLE) for _ in range(ENOUGH + 2)))
    async with client:
        for number in range(ENOUGH):
            transport.answers[number] = Answer(after(0.5, WHOLE))
            await client.complete("Hi")
        transport.answers[ENOUGH] = Answer(asyncio.get_running_loop().create_future())
        began = clock.passed
        transcript = await client.complete("Hi")
        assert clock.passed - began == pytest.approx(0.5)
        assert transcript.target == "openai:m1"
    assert len(transport.requests) == ENOUGH + 2


async def test_a_loser_is_remembered_with_the_time_it_was_given(clock: Clock) -> None:
    """The first target was waited for 2.5 s; the second is known by its own 0.5 s."""
    client, _ = learning(Answer(asyncio.get_running_loop().create_future()), Answer(after(2.5, WHOLE)))
    async with client:
        await client.complete("Hi")
        first, second = (client._beginnings.of(target)._sorted for target in client.targets)  # type: ignore[union-attr]
    assert (first, second) == ([2.5], [0.5])


async def test_a_second_that_lost_is_not_remembered(clock: Clock) -> None:
    """It was given half a second only, which says nothing of how fast it is."""
    client, _ = learning(Answer(after(2.5, WHOLE)), Answer(asyncio.get_running_loop().create_future()))
    async with client:
        await client.complete("Hi")
        first, second = (client._beginnings.of(target)._sorted for target in client.targets)  # type: ignore[union-attr]
    assert (first, second) == ([2.5], [])


@pytest.mark.parametrize("after", [-1, "p101", "fast", float("nan")])
def test_what_is_no_time_is_refused(after: object) -> None:
    """Neither a time before the request, nor a percentile that nobody knows."""
    with pytest.raises(StreamMisused, match="after"):
        Hedge(after=after)  # type: ignore[arg-type]
