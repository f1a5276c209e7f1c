"""The breaker in a chain: which failures open it, who is asked then, and what a waiting call does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from resilient_stream import Breaker, Client, ErrorKind, Recovery, RetryPolicy, StreamError, StreamMisused
from tests.engine.clock import Clock
from tests.engine.scripted import END, STOP, Answer, ScriptedTransport, client_over, text_event

pytestmark = pytest.mark.usefixtures("no_jitter")

ONCE = RetryPolicy.off()
TWO = Breaker(failure_rate=0.5, min_calls=2, window=30, open_for=10)
OVERLOADED = b'{"error": {"message": "Overloaded", "type": "server_error"}}'


def good(text: str = "Hello") -> Answer:
    """A whole answer."""
    return Answer(text_event(text) + STOP + END)


def refused(status: int = 503, **headers: str) -> Answer:
    """An HTTP error."""
    return Answer(OVERLOADED, status=status, headers={"content-type": "application/json", **headers})


def cut() -> Answer:
    """An answer that ends without its end marker."""
    return Answer(text_event("Hel"))


def breaking(*answers: Any, **options: Any) -> tuple[Client, ScriptedTransport]:
    """A client with a breaker and no other help."""
    return client_over(*answers, **{"breaker": TWO, "retry": ONCE, "recovery": Recovery.off(), **options})


async def failing(client: Client, **options: Any) -> StreamError:
    """The error of a call that must fail."""
    with pytest.raises(StreamError) as raised:
        await client.stream("Hi", **options).collect()
    return raised.value


def asked(transport: ScriptedTransport) -> list[str]:
    """The models that were asked, in order."""
    return [
        str(request.body["model"]) if isinstance(request.body, dict) else request.model
        for request in transport.requests
    ]


async def test_a_sick_target_is_not_asked_and_the_next_one_is(clock: Clock) -> None:
    """After two failures the third call goes to the second target at once; its transcript says why."""
    client, transport = breaking(refused(), good(), refused(), good(), good(), targets=2)
    async with client:
        for _ in range(2):
            await client.stream("Hi").collect()
        transcript = await client.stream("Hi").collect()
    assert len(transport.requests) == 5
    skipped, answered = transcript.attempts
    assert (skipped.target, skipped.sent, answered.target) == ("openai:m0", False, "openai:m1")
    assert skipped.error is not None
    assert skipped.error.code == "breaker_open"
    assert "100 % of its last requests failed. It is tried again in 10 s." in skipped.error.message


@pytest.mark.parametrize(
    "answer", [cut, lambda: Answer(text_event("Hel"), ConnectionResetError())], ids=["end", "reset"]
)
async def test_answers_that_are_cut_open_it(clock: Clock, answer: Any) -> None:
    """A status of 200 says nothing about the end: a target that cuts its answers is sick."""
    client, _transport = breaking(answer(), answer(), targets=1)
    async with client:
        await failing(client)
        await failing(client)
        assert client.health()[0].state == "open"
        assert client.health()[0].failure_rate == 1.0


async def test_what_the_caller_or_the_request_did_never_counts(clock: Clock) -> None:
    """Requests that are too long or wrong leave the target closed; so do callers that go away."""
    wrong = b'{"error": {"message": "Unknown parameter: x", "type": "invalid_request_error", "param": "x"}}'
    bad = [Answer(wrong, status=400, headers={"content-type": "application/json"}) for _ in range(2)]
    client, _transport = breaking(*bad, good(), good(), targets=1)
    async with client:
        for _ in bad:
            await failing(client)
        for _ in range(2):
            stream = client.stream("Hi")
            await anext(stream)
            stream.close()
        assert clock.passed == 0
        assert client.health()[0].state == "closed"
        assert client.health()[0].failure_rate == 0.0


async def test_the_first_to_recover_is_waited_for(clock: Clock) -> None:
    """Where all targets are sick, a call waits for the one that may be tested first, and asks that."""
    client, _transport = breaking(refused(), refused(), refused(), refused(), good(), targets=2)
    async with client:
        await failing(client)
        await failing(client)
        began = clock.passed
        transcript = await client.stream("Hi", deadline=60).collect()
        assert transcript.text == "Hello"
        assert clock.passed - began == pytest.approx(10)
        assert client.health()[0].state == "closed"


async def test_a_target_that_was_asked_and_failed_is_no_reason_to_wait(clock: Clock) -> None:
    """One target is left alone, the other one has just answered with an error: the call ends with that, at once."""
    client, _ = breaking(refused(), good(), refused(), good(), refused(400), targets=2)
    async with client:
        for _ in range(2):
            await client.stream("Hi").collect()
        await failing(client)
        assert clock.passed == 0


async def test_the_one_that_recovers_first_is_asked_first(clock: Clock) -> None:
    """The second target's pause ends before the first one's, so it is asked, and the first is not."""
    longer = [refused() for _ in range(2)]
    client, transport = breaking(refused(), refused(), refused(), refused(), *longer, good(), targets=2)
    async with client:
        for _ in range(2):
            await failing(client)
        clock.advance(10)
        await failing(client, deadline=1)  # both tests fail: 20 s each
        client._health.of(client.targets[0]).circuit.rest(clock.now, 50)  # type: ignore[union-attr]
        transcript = await client.stream("Hi", deadline=60).collect()
    assert transcript.target == "openai:m1"
    assert len(transport.requests) == 7


async def test_a_refusal_is_not_tried_again(clock: Clock) -> None:
    """A call with retries does not spend them on a target that is left alone: the next one answers at once."""
    client, _ = breaking(refused(), good(), refused(), good(), good(), targets=2)
    async with client:
        for _ in range(2):
            await client.stream("Hi").collect()
        client._retry = RetryPolicy()
        transcript = await client.stream("Hi").collect()
        assert clock.passed == 0
        assert len(transcript.attempts) == 2


async def test_a_wait_that_the_deadline_does_not_allow_is_not_begun(clock: Clock) -> None:
    """With five seconds left and ten to wait, the call fails now, and says that its target is left alone."""
    client, transport = breaking(refused(), refused(), targets=1)
    async with client:
        await failing(client)
        await failing(client)
        began = clock.passed
        with pytest.raises(StreamError) as raised:
            await client.stream("Hi", deadline=5).collect()
        assert clock.passed == began
        assert raised.value.code == "breaker_open"
        assert raised.value.kind is ErrorKind.PROVIDER_OVERLOADED
    assert len(transport.requests) == 2


async def test_one_call_tests_a_target_and_the_others_wait(clock: Clock) -> None:
    """Ten calls at the end of the pause make one request; when it answers well all go."""
    client, transport = breaking(refused(), refused(), *(good() for _ in range(10)), targets=1)
    async with client:
        await failing(client)
        await failing(client)
        answers = await asyncio.gather(*(client.stream("Hi", deadline=60).collect() for _ in range(10)))
    assert [answer.text for answer in answers] == ["Hello"] * 10
    assert len(transport.requests) == 12


async def test_a_rate_limited_target_rests_as_long_as_it_asked(clock: Clock) -> None:
    """One 429 with a hint keeps all calls from the target until then."""
    client, _transport = breaking(refused(429, **{"retry-after": "7"}), good("b"), good("b"), targets=2)
    async with client:
        await client.stream("Hi").collect()
        transcript = await client.stream("Hi").collect()
        assert transcript.target == "openai:m1"
        first = client.health()[0]
        assert (first.state, first.opens_until) == ("open", pytest.approx(7, abs=1))


async def test_requests_in_flight_are_counted(clock: Clock) -> None:
    """While an answer runs its target has one request in flight; whatever ends it takes it off again."""
    never: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    client, _ = breaking(Answer(text_event("Hel"), never), targets=1)
    async with client:
        stream = client.stream("Hi")
        await anext(stream)
        assert client.health()[0].in_flight == 1
        stream.close()
        assert client.health()[0].in_flight == 0


async def test_without_a_breaker_targets_are_closed_and_nothing_is_kept() -> None:
    """`health` works, and knows nothing."""
    client, _ = client_over(targets=2)
    async with client:
        assert [(each.target, each.state) for each in client.health()] == [
            ("openai:m0", "closed"),
            ("openai:m1", "closed"),
        ]


def test_a_breaker_of_another_type_is_refused() -> None:
    """`breaker=True` is no policy, and the complaint says so."""
    with pytest.raises(StreamMisused, match="breaker"):
        Client("openai:m", breaker=True)  # type: ignore[arg-type]
