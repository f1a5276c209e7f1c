"""A breaker that counts silence: when a request counts as failed, and that it goes on all the same."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from resilient_stream import Breaker, Client, Recovery, RetryPolicy, StreamError
from tests.engine.clock import Clock, after
from tests.engine.scripted import END, STOP, Answer, ScriptedTransport, client_over, text_event

pytestmark = pytest.mark.usefixtures("no_jitter")

SLOW = Breaker(min_calls=1, open_for=10, slow_after=5)
REST = STOP + END


def never() -> asyncio.Future[bytes]:
    """A read that brings nothing."""
    return asyncio.get_running_loop().create_future()


def watched(*answers: Answer, **options: Any) -> tuple[Client, ScriptedTransport]:
    """A client whose breaker opens at the first request that is silent for five seconds."""
    return client_over(*answers, **{"breaker": SLOW, "retry": RetryPolicy.off(), "recovery": Recovery.off(), **options})


def rate(client: Client) -> float:
    """The failure rate of the first target."""
    return client.health()[0].failure_rate


async def test_a_slow_start_counts_while_it_lasts(clock: Clock) -> None:
    """The circuit opens after five seconds; the answer that comes after twenty is given out, and changes nothing."""
    client, _ = watched(Answer(after(20, text_event("Hello") + REST)))
    async with client:
        task = asyncio.create_task(client.complete("Hi"))
        await asyncio.sleep(4.9)
        assert client.health()[0].state == "closed"
        await asyncio.sleep(0.2)
        assert client.health()[0].state == "open"
        assert (await task).text == "Hello"
        assert client.health()[0].time_to_first_chunk == 20


async def test_a_start_in_time_counts_as_good(clock: Clock) -> None:
    """Content after four seconds, then pieces that are four seconds apart: no failure."""
    reads = [after(seconds, text_event("a")) for seconds in (4, 8, 12)]
    client, _ = watched(Answer(*reads, after(16, REST)))
    async with client:
        assert (await client.complete("Hi")).text == "aaa"
        assert rate(client) == 0
        assert client.health()[0].state == "closed"


async def test_a_stall_counts_also_where_the_deadline_ends_it(clock: Clock) -> None:
    """A deadline says nothing of a target; the silence before it does."""
    client, _ = watched(Answer(text_event("Hel"), never()))
    async with client:
        with pytest.raises(StreamError):
            await client.complete("Hi", deadline=20)
        assert clock.passed == 20
        assert client.health()[0].opens_until == 0  # it opened at 5 for 10
        assert rate(client) == 1


async def test_a_consumer_that_takes_its_time_is_no_silence(clock: Clock) -> None:
    """Nobody waits for content between two pulls."""
    client, _ = watched(Answer(text_event("a"), text_event("b"), REST))
    async with client:
        stream = client.stream("Hi")
        await anext(stream)
        await asyncio.sleep(30)
        assert (await stream.collect()).text == "ab"
        assert rate(client) == 0


async def test_one_request_is_one_failure(clock: Clock) -> None:
    """Slow first, then content, then a stall and a cut: one call, one failure."""
    lax = Breaker(min_calls=9, slow_after=5)
    reads = [after(6, text_event("a")), after(12, text_event("b"))]
    client, _ = watched(Answer(*reads), Answer(text_event("a") + REST), breaker=lax)
    async with client:
        with pytest.raises(StreamError):
            await client.complete("Hi")
        await client.complete("Hi")
        assert rate(client) == 0.5


async def test_a_test_that_is_silent_fails(clock: Clock) -> None:
    """The half-open circuit opens again after five seconds, and not when the answer comes."""
    client, _ = watched(Answer(after(6, text_event("a") + REST)), Answer(after(36, text_event("b") + REST)))
    async with client:
        await client.complete("Hi")
        await asyncio.sleep(10)
        task = asyncio.create_task(client.complete("Hi"))
        await asyncio.sleep(6)
        assert client.health()[0].state == "open"
        await task
        assert client.health()[0].state == "open"


async def test_a_test_after_stalls_is_over_with_the_answer(clock: Clock) -> None:
    """The circuit opened because of a stall: content is not enough to close it, the answer's end is."""
    answers = [Answer(text_event("a"), never()), Answer(after(21, text_event("a")), after(24, text_event("b") + REST))]
    client, _ = watched(*answers)
    async with client:
        with pytest.raises(StreamError):
            await client.complete("Hi", deadline=20)
        stream = client.stream("Hi")
        await anext(stream)
        assert client.health()[0].state == "half_open"
        assert (await stream.collect()).text == "ab"
        assert client.health()[0].state == "closed"


async def test_an_answer_in_one_piece_may_take_its_time(clock: Clock) -> None:
    """It has no content until all of it is there, so its silence says nothing."""
    whole = b'{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}]}'
    answer = Answer(after(20, whole), headers={"content-type": "application/json"})
    client, transport = watched(answer)
    async with client:
        targets = [each.model_copy(update={"options": {"stream": False}}) for each in client.targets]
        assert (await client.complete("Hi", to=targets)).text == "Hello"
        assert b'"stream":true' not in transport.requests[0].body
        assert rate(client) == 0
