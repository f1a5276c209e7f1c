"""The clocks of a call, by a fake one: what each of them measures, and what it leaves alone."""

from __future__ import annotations

import asyncio
import errno

import pytest

from resilient_stream import Recovery, RetryBudget, RetryPolicy, StreamError, Target, Timeouts

from .clock import Clock, after
from .scripted import END, STOP, Answer, Refused, client_over, text_event

ONCE = RetryPolicy.off()
FREE = RetryBudget.off()
JSON = {"content-type": "application/json"}
WHOLE = (
    b'{"choices":[{"index":0,"finish_reason":"stop",',
    b'"message":{"role":"assistant","content":"Hello"}}]}',
)
ALONE = {"retry": ONCE, "recovery": Recovery.off()}


def in_one_piece() -> Target:
    """A target that is asked for whole answers."""
    return Target("openai:m", base_url="http://127.0.0.1:9", api_key="k" * 12, stream=False)


async def test_the_fake_clock_jumps_to_the_next_timer(clock: Clock):
    """Hours of waiting take no time, and pass to the second."""
    await asyncio.sleep(7200)
    assert clock.passed == 7200
    clock.advance(5)
    assert clock.passed == 7205


async def test_the_first_content_has_its_time_and_then_the_stall_clock_runs(clock: Clock):
    """Twenty seconds for the first content, and five between two pieces from then on."""
    answer = Answer(after(19, text_event("a")), after(23, text_event("b")), asyncio.Future())
    client, _ = client_over(answer, timeouts=Timeouts(first_content=20, stall=5), **ALONE)
    async with client:
        with pytest.raises(StreamError) as raised:
            await client.stream("Hi").collect()
    assert (raised.value.kind, raised.value.code) == ("read_timeout", "stall")
    assert raised.value.transcript is not None
    assert raised.value.transcript.text == "ab"
    assert clock.passed == 28


async def test_no_content_in_time_is_said_to_be_that(clock: Clock):
    """An answer whose head came and nothing else is given up after `first_content`."""
    client, _ = client_over(Answer(asyncio.Future()), timeouts=Timeouts(first_content=20, stall=5), **ALONE)
    async with client:
        with pytest.raises(StreamError) as raised:
            await client.stream("Hi").collect()
    assert (raised.value.kind, raised.value.code, clock.passed) == ("read_timeout", "first_content", 20)


async def test_a_slow_consumer_does_not_trip_the_stall_clock(clock: Clock):
    """It runs only while a pull waits: a consumer may take its time between two pieces."""
    answer = Answer(text_event("a"), after(101, text_event("b")), STOP, END)
    client, _ = client_over(answer, timeouts=Timeouts(stall=5, consumer=None), **ALONE)
    async with client:
        stream = client.stream("Hi")
        await anext(stream)
        await asyncio.sleep(100)
        await stream.collect()
    assert stream.transcript.text == "ab"


async def test_a_whole_answer_of_which_nothing_came_has_the_time_of_the_first_content(clock: Clock):
    """The stall clock does not stand in for it before the body has begun."""
    client, _ = client_over(
        Answer(asyncio.Future(), headers=JSON), timeouts=Timeouts(first_content=10, stall=60), **ALONE
    )
    async with client:
        with pytest.raises(StreamError) as raised:
            await client.stream("Hi", to=in_one_piece()).collect()
    assert (raised.value.code, clock.passed) == ("first_content", 10)


async def test_a_whole_answer_that_is_coming_in_may_take_longer_than_the_first_content(clock: Clock):
    """While its body arrives, it is the stall clock that counts."""
    answer = Answer(after(5, WHOLE[0]), after(30, WHOLE[1]), headers=JSON)
    client, _ = client_over(answer, timeouts=Timeouts(first_content=10, stall=60), **ALONE)
    async with client:
        transcript = await client.stream("Hi", to=in_one_piece()).collect()
    assert (transcript.text, clock.passed) == ("Hello", 30)


async def test_a_stall_does_not_end_a_whole_answer_before_its_first_content_is_due(clock: Clock):
    """Whatever other clock rings meanwhile, here the consumer's, an answer with time for its first content goes on."""
    answer = Answer(after(1, WHOLE[0]), after(30, WHOLE[1]), headers=JSON)
    client, _ = client_over(answer, timeouts=Timeouts(first_content=60, stall=5, consumer=10), **ALONE)
    async with client:
        transcript = await client.stream("Hi", to=in_one_piece()).collect()
    assert (transcript.text, clock.passed) == ("Hello", 30)


async def test_a_pull_that_waits_long_is_no_abandoned_stream(clock: Clock):
    """The consumer's clock counts only while nobody pulls: who waits for the provider has gone nowhere."""
    answer = Answer(text_event("a"), after(50, text_event("b")), STOP, END)
    client, _ = client_over(answer, timeouts=Timeouts(consumer=10, stall=100), **ALONE)
    async with client:
        transcript = await client.stream("Hi").collect()
    assert (transcript.outcome, transcript.text) == ("complete", "ab")


async def test_a_stream_that_nobody_reads_is_given_up(clock: Clock):
    """After `consumer` seconds without a pull the connection is closed, and the outcome says why."""
    answer = Answer(text_event("a"), asyncio.Future())
    client, _ = client_over(answer, timeouts=Timeouts(consumer=10), **ALONE)
    async with client:
        stream = client.stream("Hi")
        await anext(stream)
        await asyncio.sleep(30)
        assert answer.closed == 1
        assert stream.transcript.outcome == "abandoned"


async def test_a_wait_that_would_outlast_the_deadline_is_not_begun(clock: Clock):
    """A hint of thirty seconds with twenty left, or with exactly thirty: the error comes now, and says why."""
    for deadline in (20, 30):
        began = clock.passed
        client, transport = client_over(
            *(Answer(status=429, headers={"retry-after": "30"}) for _ in range(2)), retry=RetryPolicy(jitter=0)
        )
        async with client:
            with pytest.raises(StreamError) as raised:
                await client.complete("Hi", deadline=deadline)
        assert (raised.value.kind, raised.value.gave_up) == ("rate_limited", "deadline")
        assert (len(transport.requests), clock.passed) == (1, began)


async def test_a_wait_that_ends_before_the_deadline_is_waited(clock: Clock):
    """One second more, and the second request is sent, after the server's own hint."""
    client, transport = client_over(
        Answer(status=429, headers={"retry-after": "30"}), Answer(text_event("a"), STOP, END),
        retry=RetryPolicy(jitter=0),
    )  # fmt: skip
    async with client:
        transcript = await client.complete("Hi", deadline=31)
    assert (transcript.text, len(transport.requests), clock.passed) == ("a", 2, 30)


async def test_a_call_that_ends_in_a_wait_stays_billed(clock: Clock):
    """The first request was sent, the second one never left: the call may be on a bill all the same."""
    full = Refused(OSError(errno.EMFILE, "Too many open files"))
    client, _ = client_over(Answer(status=503), full, retry=RetryPolicy(jitter=0, initial=4), budget=FREE)
    async with client:
        stream = client.stream("Hi")
        task = asyncio.create_task(stream.collect())
        await asyncio.sleep(5)
        await client.aclose()
        with pytest.raises(StreamError) as raised:
            await task
    assert raised.value.kind == "client_closed"
    assert [attempt.error.billed_maybe for attempt in stream.transcript.attempts if attempt.error] == [True, False]
    assert raised.value.billed_maybe


async def test_the_first_end_of_a_call_is_its_name(clock: Clock):
    """A stream that was closed while it is read stays closed by its owner, whatever comes before its reader wakes."""
    client, _ = client_over(Answer(text_event("a"), asyncio.Future()), **ALONE)
    async with client:
        stream = client.stream("Hi")
        task = asyncio.create_task(stream.collect())
        await asyncio.sleep(1)
        stream.close()
        await client.aclose()
        with pytest.raises(StreamError) as raised:
            await task
    assert (stream.transcript.outcome, raised.value.kind) == ("abandoned", "cancelled")


async def test_a_deadline_says_how_long_was_allowed(clock: Clock):
    """An error of the deadline names its seconds, whoever set it."""
    client, _ = client_over(Answer(asyncio.Future()), **ALONE)
    async with client:
        with pytest.raises(StreamError) as raised:
            await client.complete("Hi", deadline=12)
    assert (raised.value.kind, clock.passed) == ("deadline_exceeded", 12)
    assert raised.value.failure.facts["seconds"] == 12


async def test_a_good_call_makes_a_single_timer(clock: Clock, monkeypatch: pytest.MonkeyPatch):
    """It serves the deadline, the first content, the stall and the consumer, which are all looked at when it rings."""
    loop, made = asyncio.get_running_loop(), []
    begin, real = loop.time(), loop.call_at
    monkeypatch.setattr(loop, "call_at", lambda when, *rest, **more: made.append(when) or real(when, *rest, **more))
    timeouts = Timeouts(first_content=20, stall=5, consumer=50)
    client, _ = client_over(Answer(text_event("a"), text_event("b"), STOP, END), timeouts=timeouts)
    async with client:
        await client.stream("Hi", deadline=600).collect()
    assert made == [begin + 5]


async def test_an_attempt_keeps_nothing_of_the_body_that_it_sent():
    """A long prompt is in memory once, as messages, while its answer comes."""
    client, transport = client_over(Answer(text_event("a"), asyncio.Future()))
    async with client:
        stream = client.stream("Hi")
        await anext(stream)
        assert b"Hi" in transport.requests[0].body
        assert stream._call.origin is not None
        assert stream._call.origin.sent is not None
        assert stream._call.origin.sent.body == b""
        stream.close()
