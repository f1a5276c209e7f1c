"""The line at a target: who has a place, who waits, and what becomes of a place whose owner is gone."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable

import pytest

from resilient_stream import Client, Limits, RetryPolicy, StreamError, Target
from resilient_stream.engine.slots import Gate, Line, Slots
from resilient_stream.fleet.bucket import NOTHING
from resilient_stream.fleet.health import key_of

from .clock import Clock, after
from .scripted import END, STOP, Answer, ScriptedTransport, text_event

ONCE = RetryPolicy.off()


def limited(*answers: Answer, places: int = 1) -> tuple[Client, ScriptedTransport]:
    """A client with so many places at its target."""
    target = Target("openai:m", base_url="http://127.0.0.1:9", api_key="k" * 12)
    client = Client(target, limits=Limits(max_concurrency=places), retry=ONCE)
    client.transport = transport = ScriptedTransport(answers)
    return client, transport


def of(limit: int) -> Callable[[], int]:
    """So many places."""
    return lambda: limit


async def waiting(line: Line, limit: int) -> asyncio.Task[None]:
    """A task that stands in the line."""
    task = asyncio.create_task(line.take(of(limit)))
    await asyncio.sleep(0)
    return task


async def test_as_many_as_there_are_places_hold_one():
    """The next one waits, and has the place of the first who gives it back."""
    line = Line()
    for _ in range(2):
        await line.take(of(2))
    third = await waiting(line, 2)
    assert (line.taken, third.done()) == (2, False)
    line.give_back()
    await third
    assert line.taken == 2
    line.give_back()
    line.give_back()
    assert line.taken == 0
    assert line.unused


async def test_a_place_goes_to_whom_has_waited_longest():
    """First come, first served, one place each."""
    line = Line()
    await line.take(of(1))
    tasks = [await waiting(line, 1) for _ in range(3)]
    for first in range(3):
        line.give_back()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [task.done() for task in tasks] == [place <= first for place in range(3)]


async def test_who_is_interrupted_in_the_line_has_no_place():
    """The place that comes next is the next one's."""
    line = Line()
    await line.take(of(1))
    gone, stays = await waiting(line, 1), await waiting(line, 1)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    line.give_back()
    await stays
    assert line.taken == 1


async def test_a_place_that_comes_in_the_moment_of_an_interruption_is_passed_on():
    """It was handed over already when its new owner was cancelled: it is not lost."""
    line = Line()
    await line.take(of(1))
    gone, stays = await waiting(line, 1), await waiting(line, 1)
    line.give_back()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    await stays
    line.give_back()
    assert line.unused


async def test_who_was_cancelled_but_has_not_run_yet_gets_no_place():
    """A cancelled waiter is passed over, also before it has left the line."""
    line = Line()
    await line.take(of(1))
    gone, stays = await waiting(line, 1), await waiting(line, 1)
    gone.cancel()
    line.give_back()
    await stays
    assert gone.cancelled()
    line.give_back()
    assert line.unused


async def test_nobody_overtakes_whoever_needs_more_places_free():
    """One who may only run alone is first; behind him stands one who would have a place, until he goes away."""
    line = Line()
    await line.take(of(1))
    alone, behind = await waiting(line, 1), await waiting(line, 2)
    assert not behind.done()
    alone.cancel()
    await behind
    assert line.taken == 2


async def test_more_places_let_more_in_and_fewer_let_nobody_in():
    """The limit may change while streams run: nobody is thrown out, and the next one waits until there is room."""
    line, limit = Line(), [1]
    await line.take(lambda: limit[0])
    tasks = [asyncio.create_task(line.take(lambda: limit[0])) for _ in range(3)]
    await asyncio.sleep(0)
    limit[0] = 3
    line.admit()
    await asyncio.gather(*tasks[:2])
    limit[0] = 1
    for taken in (2, 1):
        line.give_back()
        await asyncio.sleep(0)
        assert (line.taken, tasks[2].done()) == (taken, False)
    line.give_back()
    await tasks[2]
    assert line.taken == 1


def test_a_client_counts_over_all_its_loops():
    """Who waits and runs at a target, in whichever loop."""
    slots, key = Slots(), key_of(Target("openai:m"))
    for loop in (1, 2):
        gate = slots.gate(loop, key)
        gate.queued, gate.running = loop, 10 * loop
    assert slots.busy() == {key: (3, 30, math.inf)}


def test_a_gate_is_forgotten_when_nobody_is_at_it():
    """One that somebody has passed, or waits at, is kept; an unknown one is no error. Each loop has its own."""
    slots, key = Slots(), key_of(Target("openai:m"))
    gate = slots.gate(1, key)
    assert slots.gate(1, key) is gate
    assert slots.gate(2, key) is not gate
    for name in ("running", "queued"):
        setattr(gate, name, 1)
        slots.leave(1, key)
        assert slots.gate(1, key) is gate
        setattr(gate, name, 0)
    slots.leave(1, key)
    slots.leave(1, key)
    assert slots.gate(1, key) is not gate


async def test_a_stream_waits_until_the_one_before_it_is_over(clock: Clock):
    """The second request is sent when the first answer has ended."""
    slow = Answer(text_event("a"), after(10, text_event("b")), STOP, END)
    client, transport = limited(slow, Answer(text_event("c"), STOP, END))
    async with client:
        first = asyncio.create_task(client.complete("Hi"))
        second = asyncio.create_task(client.complete("Hi"))
        await asyncio.sleep(5)
        assert len(transport.requests) == 1
        assert [(await task).text for task in (first, second)] == ["ab", "c"]
    assert clock.passed == 10
    assert client.slots._gates == {}


async def test_a_deadline_that_passes_in_the_line_says_so(clock: Clock):
    """Nothing was sent, so nothing is billed; the stream that holds the place goes on."""
    slow = Answer(text_event("a"), after(10, text_event("b")), STOP, END)
    client, transport = limited(slow)
    async with client:
        first = asyncio.create_task(client.complete("Hi"))
        await asyncio.sleep(0)
        with pytest.raises(StreamError) as raised:
            await client.complete("Hi", deadline=3)
        assert clock.passed == 3
        assert (await first).text == "ab"
    error = raised.value
    assert (error.kind, error.code, error.target) == ("deadline_exceeded", "in_the_line", "openai:m")
    assert (error.phase, error.attempt, error.billed_maybe) == ("connect", 1, False)
    assert error.failure.facts["limit"] == 1
    assert len(transport.requests) == 1


async def test_the_longest_wait_is_of_those_who_wait_still(clock: Clock) -> None:
    """Who has left the line, to be sent or for good, is not counted any more."""
    gate = Gate(NOTHING)
    arrived = clock.now
    entering = []
    for _ in range(3):
        entering.append(asyncio.create_task(gate.enter(NOTHING, of(1), None)))
        await asyncio.sleep(1)
    assert gate.since == arrived + 1
    entering[1].cancel()
    await asyncio.wait(entering[:2])
    assert gate.since == arrived + 2
    gate.leave(place=True)
    await entering[2]
    assert gate.since == math.inf


async def test_those_who_ask_a_store_do_not_wait_for_each_others_answers(clock: Clock) -> None:
    """Sixteen come at once, and an answer takes a second: eight ask at a time."""
    gate, went = Gate(NOTHING), list[float]()

    async def ask() -> float:
        await asyncio.sleep(1)
        return 0.0

    async def enter() -> None:
        await gate.enter(NOTHING, None, ask)
        went.append(clock.passed)

    await asyncio.gather(*(enter() for _ in range(16)))
    assert went == [1.0] * 8 + [2.0] * 8
    for _ in range(16):
        gate.leave(place=False)
    assert gate.unused


async def test_once_there_is_not_enough_for_all_the_first_in_the_line_asks(clock: Clock) -> None:
    """Eight of nine ask and are refused: they go in the order in which they came, and who comes later is last."""
    gate, went, asked = Gate(NOTHING), list[int](), list[tuple[int, float]]()

    def asking(who: int) -> Callable[[], Awaitable[float]]:
        async def ask() -> float:
            asked.append((who, clock.passed))
            await asyncio.sleep(1 + who / 1000)
            return 0.0 if clock.passed >= 10 else 3.0

        return ask

    async def enter(who: int, at: float) -> None:
        await asyncio.sleep(at)
        await gate.enter(NOTHING, None, asking(who))
        went.append(who)

    await asyncio.gather(*(enter(who, 3 * (who > 8)) for who in range(10)))
    assert went == [*range(10)]
    assert asked[:8] == [(who, 0.0) for who in range(8)]
    assert [who for who, _ in asked[8:]] == [0, 0, *range(10)]
