"""Hedging: who is asked when, who wins, and what becomes of the other request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from resilient_stream import Client, Hedge, Recovery, RetryBudget, RetryPolicy, StreamError
from resilient_stream.errors import AllTargetsFailed, DeadlineExceeded
from resilient_stream.events import Event, Hedged
from tests.engine.clock import Clock, after
from tests.engine.scripted import END, STOP, Answer, ScriptedTransport, client_over, text_event

ONCE = RetryPolicy.off()
JUST_BEHIND = 5 + 1e-10
"""Behind a read at 5 seconds, but in the same turn of the loop."""


def never() -> asyncio.Future[bytes]:
    """A read that brings nothing."""
    return asyncio.get_running_loop().create_future()


def whole(text: str) -> bytes:
    """A whole answer in one read."""
    return text_event(text) + STOP + END


def refused() -> Answer:
    """An answer of a server without capacity."""
    return Answer(b'{"error": {"message": "Overloaded"}}', status=503, headers={"content-type": "application/json"})


def hedging(*answers: Answer, targets: int = 2, **options: Any) -> tuple[Client, ScriptedTransport]:
    """A client that asks the next target after two seconds."""
    return client_over(*answers, **{"targets": targets, "hedge": Hedge(after=2), "retry": ONCE, **options})


@pytest.fixture(autouse=True)
async def _nothing_left(clock: Clock) -> AsyncIterator[None]:
    """After each race no task runs."""
    yield
    for _ in range(3):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_the_second_target_answers_for_a_slow_first(clock: Clock) -> None:
    """After two seconds the next target is asked; its content wins, and the first connection is closed at once."""
    slow, fast = Answer(never()), Answer(whole("Hello"))
    events: list[Event] = []
    client, _transport = hedging(slow, fast, on_event=events.append)
    async with client:
        stream = client.stream("Hi")
        assert (await anext(stream)).text == "Hello"
        assert clock.passed == 2
        assert slow.closed == 1
        transcript = await stream.collect()
    assert (transcript.text, transcript.outcome, transcript.target) == ("Hello", "complete", "openai:m1")
    first, second = transcript.attempts
    assert (first.hedge, first.error, first.outcome) == (False, None, "abandoned")
    assert (second.hedge, second.error, second.outcome) == (True, None, "complete")
    hedges = [event for event in events if isinstance(event, Hedged)]
    assert [(event.source, event.target, event.after) for event in hedges] == [("openai:m0", "openai:m1", 2)]


async def test_a_quick_first_target_is_alone(clock: Clock) -> None:
    """Content within the two seconds: no other request is made."""
    client, transport = hedging(Answer(after(1.9, whole("Hello"))))
    async with client:
        transcript = await client.stream("Hi").collect()
    assert transcript.text == "Hello"
    assert len(transport.requests) == 1


async def test_the_first_target_wins_when_it_begins_first(clock: Clock) -> None:
    """The second request, made meanwhile, is closed, and the answer goes on from the first."""
    first, second = Answer(after(3, text_event("Hel")), after(9, text_event("lo") + STOP + END)), Answer(never())
    client, _ = hedging(first, second)
    async with client:
        transcript = await client.stream("Hi").collect()
    assert (transcript.text, transcript.target, second.closed) == ("Hello", "openai:m0", 1)
    assert [attempt.hedge for attempt in transcript.attempts] == [False, True]


async def test_two_that_begin_at_once_give_one_answer(clock: Clock) -> None:
    """Both have content in the same instant: one is taken whole, and nothing of the other is in the transcript."""
    first, second = Answer(after(5, whole("one"))), Answer(after(JUST_BEHIND, whole("two")))
    client, _ = hedging(first, second)
    async with client:
        transcript = await client.stream("Hi").collect()
    assert (transcript.text, transcript.target) == ("one", "openai:m0")
    assert len([chunk for chunk in transcript.chunks if chunk.text]) == 1
    assert sorted(attempt.outcome or "" for attempt in transcript.attempts) == ["abandoned", "complete"]


async def test_a_failure_leaves_the_other_to_answer(clock: Clock) -> None:
    """The first target fails after the second was asked: no third one is asked, the second answers."""
    first, second = Answer(after(3, whole("")), status=503), Answer(after(9, whole("Hello")))
    client, transport = hedging(first, second, targets=3)
    async with client:
        transcript = await client.stream("Hi").collect()
    assert (transcript.text, len(transport.requests)) == ("Hello", 2)


async def test_a_target_that_fails_at_once_is_replaced_at_once(clock: Clock) -> None:
    """Nobody waits two seconds for a target that has refused already; that is a fallback, no hedge."""
    client, _ = hedging(refused(), Answer(whole("Hello")))
    async with client:
        transcript = await client.stream("Hi").collect()
    assert clock.passed == 0
    assert [attempt.hedge for attempt in transcript.attempts] == [False, False]


async def test_an_error_that_no_target_mends_ends_the_race(clock: Clock) -> None:
    """A request that is wrong is wrong everywhere: the next target is not asked."""
    wrong = b'{"error": {"message": "Unknown parameter: x", "type": "invalid_request_error", "param": "x"}}'
    bad = Answer(wrong, status=400, headers={"content-type": "application/json"})
    client, transport = hedging(bad, Answer(whole("Hello")))
    async with client:
        with pytest.raises(StreamError) as raised:
            await client.stream("Hi").collect()
    assert raised.value.target == "openai:m0"
    assert len(transport.requests) == 1


async def test_a_loser_that_has_begun_is_closed_before_anything_is_given_out(clock: Clock) -> None:
    """Both begin in the same instant and neither is whole: the other one's connection is gone at the first chunk."""
    first = Answer(after(5, text_event("Hel")), after(6, text_event("lo") + STOP + END))
    second = Answer(after(JUST_BEHIND, text_event("two")), never())
    client, _ = hedging(first, second)
    async with client:
        stream = client.stream("Hi")
        assert (await anext(stream)).text == "Hel"
        assert second.closed == 1
        assert (await stream.collect()).text == "Hello"


async def test_a_deadline_in_the_answer_names_the_winner(clock: Clock) -> None:
    """The second target was asked last, but the first one answers: the error is about that."""
    first, second = Answer(after(3, text_event("Hel")), never()), Answer(never())
    client, _ = hedging(first, second)
    async with client:
        with pytest.raises(DeadlineExceeded) as raised:
            await client.stream("Hi", deadline=9).collect()
    assert raised.value.target == "openai:m0"


async def test_what_the_loser_cost_is_in_its_attempt(clock: Clock) -> None:
    """The tokens that the provider counted for it are kept, also where it came to its end."""
    counted = b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3}}\n\n'
    first = Answer(after(5, whole("one")))
    second = Answer(after(JUST_BEHIND, text_event("two") + STOP + counted + END))
    client, _ = hedging(first, second)
    async with client:
        transcript = await client.stream("Hi").collect()
    assert transcript.text == "one"
    usage = transcript.attempts[1].usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (9, 3)


async def test_all_failures_are_told(clock: Clock) -> None:
    """Where both fail the error has both, in the order in which they failed."""
    client, _ = hedging(refused(), refused())
    async with client:
        with pytest.raises(AllTargetsFailed) as raised:
            await client.stream("Hi").collect()
    assert [error.target for error in raised.value.errors] == ["openai:m0", "openai:m1"]


async def test_as_many_more_as_the_policy_allows_are_asked(clock: Clock) -> None:
    """`extra=2` asks a second and a third target, two seconds apart, and no fourth."""
    answers = [Answer(never()), Answer(never()), Answer(after(30, whole("Hello"))), Answer(whole("never"))]
    client, transport = hedging(*answers, targets=4, hedge=Hedge(after=2, extra=2))
    async with client:
        transcript = await client.stream("Hi").collect()
    assert (transcript.text, transcript.target, len(transport.requests)) == ("Hello", "openai:m2", 3)


async def test_a_budget_that_is_spent_allows_no_hedge(clock: Clock) -> None:
    """Without budget the slow target is waited for; it is asked once, not at each interval."""
    client, transport = hedging(Answer(after(60, whole("Hello"))), budget=RetryBudget(ratio=0, reserve=0))
    async with client:
        assert (await client.stream("Hi").collect()).text == "Hello"
    assert len(transport.requests) == 1


async def test_the_traffic_of_the_slow_target_pays_for_hedges(clock: Clock) -> None:
    """With half a hedge for each request, two calls allow one, although the second target was never asked before."""
    slow = [Answer(never()), Answer(whole("Hello")), Answer(after(60, whole("Hello")))]
    client, transport = hedging(
        *(Answer(whole("Hi")) for _ in range(2)), *slow, budget=RetryBudget(ratio=0.5, reserve=0)
    )
    async with client:
        targets = [target.model_copy(update={"base_url": "http://127.0.0.1:10"}) for target in client.targets]
        answers = [await client.stream("Hi", to=targets).collect() for _ in range(4)]
    assert [answer.target for answer in answers] == ["openai:m0", "openai:m0", "openai:m1", "openai:m0"]
    assert len(transport.requests) == 5


async def test_tools_that_run_at_the_provider_do_not_run_twice(clock: Clock) -> None:
    """A call with a search at the provider is not raced, however slow its target is."""
    client, transport = hedging(Answer(after(60, whole("Hello"))))
    targets = [target.model_copy(update={"provider": "openrouter"}) for target in client.targets]
    async with client:
        search = {"type": "openrouter:web_search"}
        assert (await client.stream("Hi", tools=[search], to=targets).collect()).text == "Hello"
    assert len(transport.requests) == 1


async def test_the_deadline_ends_both(clock: Clock) -> None:
    """Both connections are closed when the time is over."""
    first, second = Answer(never()), Answer(never())
    client, _ = hedging(first, second)
    async with client:
        with pytest.raises(DeadlineExceeded):
            await client.stream("Hi", deadline=5).collect()
    assert (clock.passed, first.closed, second.closed) == (5, 1, 1)


async def test_a_cancelled_caller_closes_both(clock: Clock) -> None:
    """The cancellation leaves, and both connections are closed by then."""
    first, second = Answer(never()), Answer(never())
    client, transport = hedging(first, second)
    async with client:
        stream = client.stream("Hi")
        task = asyncio.create_task(stream.collect())
        while len(transport.requests) < 2:
            await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (first.closed, second.closed, stream.transcript.outcome) == (1, 1, "cancelled")


async def test_closing_from_another_task_ends_the_race(clock: Clock) -> None:
    """A `close` while both are asked wakes the reader with an error."""
    first, second = Answer(never()), Answer(never())
    client, transport = hedging(first, second)
    async with client:
        stream = client.stream("Hi")
        task = asyncio.create_task(stream.collect())
        while len(transport.requests) < 2:
            await asyncio.sleep(1)
        stream.close()
        with pytest.raises(StreamError):
            await task
        assert (first.closed, second.closed) == (1, 1)


async def test_the_error_of_a_winner_that_is_cut_names_it(clock: Clock) -> None:
    """The second target won and was cut: the error and the transcript speak of it, and of nothing else."""
    client, _ = hedging(Answer(never()), Answer(text_event("Hel"), ConnectionResetError()), recovery=Recovery.off())
    async with client:
        stream = client.stream("Hi")
        with pytest.raises(StreamError) as raised:
            await stream.collect()
    assert (raised.value.target, stream.transcript.text) == ("openai:m1", "Hel")
