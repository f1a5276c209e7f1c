"""Limits in a chain: who waits, in which order, who is refused, and what is given back."""

from __future__ import annotations

import asyncio
import gc
import random
import weakref
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

import pytest

from resilient_stream import Breaker, Client, ErrorKind, Hedge, Limits, Recovery, RetryPolicy, StreamError, Target
from resilient_stream.chunks import Finished, TextDelta, Usage
from resilient_stream.contract import Batch, CallContext, Handler, Request
from resilient_stream.engine.middleware.concurrency import _tokens
from resilient_stream.errors import AllTargetsFailed, RateLimited
from resilient_stream.fleet.bucket import Buckets, Cost
from resilient_stream.outcome.transcript import Attempt
from tests.engine.clock import Clock, after
from tests.engine.scripted import END, STOP, Answer, Refused, ScriptedTransport, client_over, text_event

ONCE = RetryPolicy.off()
SLOW = Limits(requests_per_minute=60)
"""One request a second."""


def good(text: str = "Hello", **headers: str) -> Answer:
    """A whole answer."""
    return Answer(text_event(text) + STOP + END, headers=headers)


def counted(read: int, written: int) -> Answer:
    """A whole answer with its usage."""
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d}}\n\n' % (read, written)
    return Answer(text_event("Hello") + STOP + usage + END)


def refused(status: int = 429, **headers: str) -> Answer:
    """An HTTP error."""
    body = b'{"error": {"message": "No", "type": "error"}}'
    return Answer(body, status=status, headers={"content-type": "application/json", **headers})


def limited(*answers: Any, limits: Limits = SLOW, **options: Any) -> tuple[Client, ScriptedTransport]:
    """A client with limits and no retries."""
    return client_over(*answers, limits=limits, retry=options.pop("retry", ONCE), **options)


async def ask(client: Client, number: int = 0, **options: Any) -> str:
    """One call's text."""
    return (await client.complete(f"Hi {number}", **options)).text


def allowance(client: Client, place: int = 0) -> Buckets:
    """The buckets of one of the client's targets."""
    target = client.targets[place]
    found = client.slots.quota(target, target.limits or client._limits).allowance
    assert isinstance(found, Buckets)
    return found


def is_as_new(client: Client, clock: Clock, place: int = 0) -> bool:
    """Nobody waits or runs, and all that was taken is there again."""
    return client.slots._gates == {} and allowance(client, place).is_as_new(clock.now)


# -- waiting ------------------------------------------------------------------------------------


async def test_requests_go_in_order_of_arrival_at_the_limits_rate(clock: Clock) -> None:
    """Five at once: one a second, first come, first served."""
    sent: list[tuple[int, float]] = []

    async def noting(request: Request, call: CallContext, call_next: Handler) -> AsyncGenerator[Batch, None]:
        sent.append((int(str(request.messages[0].content)[3:]), clock.passed))
        async with aclosing(call_next(request, call)) as batches:
            async for batch in batches:
                yield batch

    client, _ = limited(*(good() for _ in range(5)), middlewares=[noting])
    async with client:
        await asyncio.gather(*(ask(client, number) for number in range(5)))
    assert [number for number, _ in sent] == [0, 1, 2, 3, 4]
    assert [when for _, when in sent] == pytest.approx([0, 1, 2, 3, 4])
    assert client.slots._gates == {}


async def test_a_large_request_is_not_starved_by_small_ones(clock: Clock) -> None:
    """It waits until its tokens are there, and small ones that came later wait behind it."""
    client, transport = limited(*(good() for _ in range(12)), limits=Limits(tokens_per_minute=6000))
    async with client:
        await client.complete("small", max_tokens=60)
        order: list[str] = []

        async def one(name: str, tokens: int) -> None:
            await client.complete("small", max_tokens=tokens)
            order.append(name)

        tasks = [asyncio.create_task(one("large", 5000))]
        for number in range(9):
            await asyncio.sleep(0)
            tasks.append(asyncio.create_task(one(f"small {number}", 10)))
        await asyncio.gather(*tasks)
    assert order == ["large", *(f"small {number}" for number in range(9))]
    assert len(transport.requests) == 11


async def test_a_place_and_the_minute_are_waited_for_in_one_line(clock: Clock) -> None:
    """Two at a time and one a second; the place is kept for the stream's life."""
    answers = [Answer(text_event("a"), after(5, STOP + END)) for _ in range(4)]
    client, transport = limited(*answers, limits=Limits(max_concurrency=2, requests_per_minute=60))
    async with client:
        tasks = [asyncio.create_task(ask(client, number)) for number in range(3)]
        await asyncio.sleep(0.5)
        assert len(transport.requests) == 1
        await asyncio.sleep(1)
        assert len(transport.requests) == 2
        (health,) = client.health()
        assert (health.in_flight, health.queued, health.longest_wait) == (2, 1, 1.5)
        await asyncio.sleep(3)
        assert len(transport.requests) == 2
        await asyncio.sleep(1)
        assert len(transport.requests) == 3
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    (health,) = client.health()
    assert (health.in_flight, health.queued, health.longest_wait) == (0, 0, None)


async def test_each_key_has_limits_of_its_own_and_a_target_may_have_other_ones(clock: Clock) -> None:
    """Two accounts at one provider do not wait for each other; `Target(limits=)` is over the client's."""
    client, _ = limited(*(good() for _ in range(8)))
    same = {"base_url": "http://127.0.0.1:9"}
    async with client:
        for target in (
            Target("openai:m0", api_key="a" * 12, **same),  # type: ignore[arg-type]
            Target("openai:m0", api_key="b" * 12, **same),  # type: ignore[arg-type]
            Target("openai:m0", api_key="a" * 12, limits=Limits(requests_per_minute=30), **same),  # type: ignore[arg-type]
        ):
            await ask(client, to=target)
        assert clock.passed == 0
        await ask(client, to=target)
        assert clock.passed == pytest.approx(2)


async def test_retries_are_requests_too(clock: Clock) -> None:
    """Each one is counted; the wait for the retry is over before the line is joined again."""
    client, transport = limited(refused(503), good(), retry=RetryPolicy(attempts=2, initial=0, jitter=0))
    async with client:
        assert await ask(client) == "Hello"
    assert (clock.passed, len(transport.requests)) == (pytest.approx(1), 2)


# -- refusals -----------------------------------------------------------------------------------


async def test_who_would_wait_in_vain_is_refused_at_once_with_words(clock: Clock) -> None:
    """With a second for each of those before it and two seconds left, nothing is waited for; the error says it."""
    client, transport = limited(*(good() for _ in range(5)))
    async with client:
        await ask(client)
        waiting = [asyncio.create_task(ask(client, number)) for number in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(RateLimited) as raised:
            await ask(client, deadline=2)
        assert clock.passed == 0
        await asyncio.gather(*waiting)
    error = raised.value
    assert (error.kind, error.code, error.target) == (ErrorKind.RATE_LIMITED, "own_limit", "openai:m0")
    assert error.message == (
        "Limits.requests_per_minute is 60, and 3 wait already: it could be sent in 4 s, and the call has 2 s left."
    )
    assert error.title == "Over a limit of ours"
    assert "raise the limit" in error.resolution
    assert (error.billed_maybe, error.retryable) == (False, False)
    assert error.retry_after == pytest.approx(4)
    assert len(transport.requests) == 4
    assert error.transcript is not None
    assert [attempt.sent for attempt in error.transcript.attempts] == [False]


async def test_a_wait_as_long_as_the_deadline_is_in_vain(clock: Clock) -> None:
    """Nothing could be answered any more."""
    client, _ = limited(good(), good())
    async with client:
        await ask(client)
        with pytest.raises(RateLimited):
            await ask(client, deadline=1)
        assert clock.passed == 0


async def test_those_who_have_gone_are_not_waited_for(clock: Clock) -> None:
    """Whoever was sent or went away is no longer ahead of anybody."""
    client, _ = limited(*(good() for _ in range(9)))
    async with client:
        waiting = [asyncio.create_task(ask(client, number)) for number in range(6)]
        await asyncio.sleep(1.5)
        for task in waiting[3:]:
            task.cancel()
        await asyncio.sleep(0)
        assert await ask(client, deadline=2) == "Hello"
        assert clock.passed == pytest.approx(3)
        await asyncio.wait(waiting)


async def test_after_a_refusal_the_next_target_is_asked_at_once(clock: Clock) -> None:
    """Without a wait and without retries, under the default policy; where all refuse, each one's reason is there."""
    client, _ = limited(*(good() for _ in range(3)), targets=2, retry=RetryPolicy())
    async with client:
        await ask(client, deadline=0.5)
        transcript = await client.complete("Hi", deadline=0.5)
        assert [attempt.sent for attempt in transcript.attempts] == [False, True]
        with pytest.raises(AllTargetsFailed) as raised:
            await ask(client, deadline=0.5)
        assert [error.code for error in raised.value.errors] == ["own_limit", "own_limit"]
    assert clock.passed == 0


async def test_the_first_in_the_line_is_refused_when_its_wait_grows(clock: Clock) -> None:
    """A 429 with a hint holds everything back: who waited for a second learns it then, and not at its deadline."""
    slow = refused(**{"retry-after": "30"})
    slow._script.insert(0, after(0.5, b""))
    client, _ = limited(slow)
    async with client:
        first = asyncio.create_task(ask(client))
        await asyncio.sleep(0)
        second = asyncio.create_task(ask(client, deadline=10))
        with pytest.raises(StreamError):
            await first
        with pytest.raises(StreamError) as raised:
            await second
        assert clock.passed == pytest.approx(0.5)
    assert raised.value.message.startswith("Its provider has nothing left")


async def test_a_deadline_that_passes_while_waiting_says_so(clock: Clock) -> None:
    """Where no refusal could foresee it: a place did not become free."""
    client, _ = limited(Answer(text_event("a"), after(9, STOP + END)), limits=Limits(max_concurrency=1, adaptive=True))
    async with client:
        first = asyncio.create_task(ask(client))
        await asyncio.sleep(0)
        with pytest.raises(StreamError) as raised:
            await ask(client, deadline=3)
        assert clock.passed == 3
        await first
    assert (raised.value.code, raised.value.target) == ("in_the_line", "openai:m0")


async def test_a_sick_target_is_left_alone_without_a_wait(clock: Clock) -> None:
    """Nobody waits in the line of a target that the breaker would not let him ask."""
    breaker = Breaker(min_calls=2, failure_rate=0.5)
    client, _ = limited(refused(503), refused(503), good(), limits=SLOW, breaker=breaker, targets=1)
    async with client:
        for _ in range(2):
            with pytest.raises(StreamError):
                await ask(client)
        now = clock.passed
        with pytest.raises(StreamError) as raised:
            await ask(client, deadline=5)
    assert (raised.value.code, clock.passed) == ("breaker_open", now)


# -- corrections --------------------------------------------------------------------------------


def level(client: Client, clock: Clock) -> float:
    """Tokens that are missing now, by the wait for a tiny request at a hundred a second."""
    return round(allowance(client).wait(Cost(0, 1e-9), clock.now).seconds * 100, 3)


TOKENS = Limits(tokens_per_minute=6000)


@pytest.mark.parametrize(
    ("answer", "missing"),
    [
        (counted(100, 50), 50),
        (counted(1000, 500), 1400),
        (good(), 901),
        (refused(500), 0),
        (Refused(ConnectionRefusedError()), 0),
        (Refused(ConnectionResetError(), written=True), 901),
    ],
    ids=["less", "more", "not counted", "refused", "not sent", "sent"],
)
async def test_the_guess_is_put_right_by_what_comes_back(clock: Clock, answer: Any, missing: float) -> None:
    """By its usage; the guess stays where nothing is known; what was refused or not sent cost nothing."""
    client, _ = limited(answer, limits=TOKENS)
    async with client:
        with suppress(StreamError):
            await client.complete("Hi!!", max_tokens=1000)
    assert clock.passed == 0
    assert level(client, clock) == missing


async def test_requests_that_were_never_sent_are_given_back(clock: Clock) -> None:
    """A refused connection is no request; a refusal by the server is one."""
    client, transport = limited(Refused(ConnectionRefusedError()), refused(500), good())
    async with client:
        for _ in range(2):
            with pytest.raises(StreamError):
                await ask(client)
        assert (clock.passed, len(transport.requests)) == (0, 2)
        await ask(client)
        assert clock.passed == pytest.approx(1)


async def test_what_a_cancelled_answer_has_counted_is_taken(clock: Clock) -> None:
    """Its input, and a token for each chunk, as soon as it is closed."""
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":700,"completion_tokens":1}}\n\n'
    client, _ = limited(Answer(usage + text_event("a") * 1, after(60, STOP)), limits=TOKENS)
    async with client:
        stream = client.stream("Hi!!", max_tokens=5000)
        async for chunk in stream:
            if chunk.text:
                break
        stream.close()
        assert level(client, clock) == pytest.approx(602, abs=3)
    assert client.slots._gates == {}


async def test_nothing_is_learned_of_answers_that_were_cut(clock: Clock) -> None:
    """They are shorter than answers usually are."""
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":4,"completion_tokens":2}}\n\n'
    client, _ = limited(Answer(usage + text_event("a")), limits=TOKENS, recovery=Recovery.off())
    async with client:
        with pytest.raises(StreamError):
            await client.complete("Hi!!", max_tokens=9)
        assert client.slots.quota(client.targets[0], TOKENS).sizes.guess(4, 500) == 501


async def test_what_was_learned_is_guessed_next_time(clock: Clock) -> None:
    """After answers of ten tokens, max_tokens is no longer what a request is thought to cost."""
    client, _ = limited(counted(4, 10), counted(4, 10), limits=TOKENS)
    async with client:
        for _ in range(2):
            await client.complete("Hi!!", max_tokens=50_000)
        assert client.slots.quota(client.targets[0], TOKENS).sizes.guess(4, 50_000) == pytest.approx(14)


async def test_headers_say_that_less_is_left(clock: Clock) -> None:
    """Others use the account: with nothing left and all of it back in 20 s, the next request waits as long."""
    answer = good(**{"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20s"})
    client, _ = limited(answer, good(), limits=Limits(requests_per_minute=6000))
    async with client:
        await ask(client)
        await ask(client)
    assert clock.passed == pytest.approx(20)


async def test_headers_count_when_they_come_and_not_with_the_content(clock: Clock) -> None:
    """The model thinks for a minute: by then what the headers said is long past."""
    answer = Answer(
        after(60, text_event("a") + STOP + END),
        headers={"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20s"},
    )
    client, _ = limited(answer, good(), limits=Limits(requests_per_minute=6000))
    async with client:
        first = asyncio.create_task(ask(client))
        await asyncio.sleep(1)
        await ask(client)
        assert clock.passed == pytest.approx(20)
        await first


@pytest.mark.parametrize("status", [429, 529])
async def test_a_hint_holds_the_others_back_too(clock: Clock, status: int) -> None:
    """One call has learned when requests are allowed again, and the next one need not."""
    client, _ = limited(refused(status, **{"retry-after": "7"}), good(), limits=Limits(requests_per_minute=6000))
    async with client:
        with pytest.raises(StreamError):
            await ask(client)
        await ask(client)
    assert clock.passed == pytest.approx(7)


# -- adaptive -----------------------------------------------------------------------------------


async def test_a_refusal_lowers_the_adaptive_limit_and_answers_raise_it(clock: Clock) -> None:
    """Ten places at first; seven after a 429; a good round doubles none of them any more, it adds one."""
    client, _ = limited(refused(), *(good() for _ in range(35)), limits=Limits(adaptive=True))
    quota = client.slots.quota(client.targets[0], client._limits)
    async with client:
        assert quota.places == 10
        with pytest.raises(StreamError):
            await ask(client)
        assert quota.places == 7
        slow = [client.stream("Hi") for _ in range(3)]
        client.transport.answers[1:4] = [Answer(text_event("a"), after(500, STOP)) for _ in slow]  # type: ignore[attr-defined]
        for stream in slow:
            await anext(stream)
        for number in range(30):
            await ask(client, number)
        assert quota.places == 8
        for stream in slow:
            stream.close()
    assert client.slots._gates == {}


async def test_places_that_are_added_are_given_out_at_once(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two answers have begun well: whoever waits need not wait for their end."""
    monkeypatch.setattr("resilient_stream.fleet.adaptive.FIRST", 2)
    monkeypatch.setattr("resilient_stream.fleet.adaptive.SMALLEST_ROUND", 2)
    answers = [Answer(after(1, text_event("a")), after(50, STOP + END)) for _ in range(3)]
    client, transport = limited(*answers, limits=Limits(adaptive=True))
    async with client:
        tasks = [asyncio.create_task(ask(client, number)) for number in range(3)]
        await asyncio.sleep(0.5)
        assert len(transport.requests) == 2
        await asyncio.sleep(1)
        assert len(transport.requests) == 3
        await asyncio.gather(*tasks)


async def test_a_server_that_fails_is_not_one_that_is_asked_too_much(clock: Clock) -> None:
    """Fewer requests would not help."""
    client, _ = limited(refused(500), limits=Limits(adaptive=True))
    async with client:
        with pytest.raises(StreamError):
            await ask(client)
    assert client.slots.quota(client.targets[0], client._limits).places == 10


async def test_our_own_refusals_teach_nothing(clock: Clock) -> None:
    """An error for a request that was not sent says nothing of the target."""

    async def broken(request: Request, call: CallContext, call_next: Handler) -> AsyncGenerator[Batch, None]:
        raise call.fail_at(request.target, ErrorKind.PROVIDER_OVERLOADED, code="mine", retry=False)
        yield []

    client, _ = limited(limits=Limits(adaptive=True), middlewares=[broken])
    async with client:
        with pytest.raises(StreamError):
            await ask(client)
    assert client.slots.quota(client.targets[0], client._limits).places == 10


# -- nothing is lost ----------------------------------------------------------------------------


async def test_a_hedge_that_lost_gives_its_place_back_and_pays_what_it_cost(clock: Clock) -> None:
    """Its request was sent, so it counts; its place is free at once."""
    limits = Limits(max_concurrency=1, requests_per_minute=60)
    client, transport = limited(Answer(after(50, b"")), good("second"), limits=limits, targets=2, hedge=Hedge(after=2))
    async with client:
        assert await ask(client) == "second"
        assert (clock.passed, len(transport.requests)) == (2, 2)
        assert client.slots._gates == {}
        clock.advance(1)
        assert is_as_new(client, clock, 0)
        assert is_as_new(client, clock, 1)


async def test_a_hedge_that_still_waits_leaves_the_line(clock: Clock) -> None:
    """The winner has begun: the other one takes nothing any more."""
    client, transport = limited(good(), Answer(after(3, text_event("a") + STOP + END)), targets=2, hedge=Hedge(after=1))
    async with client:
        rarely = client.targets[1].model_copy(update={"limits": Limits(requests_per_minute=2)})
        await ask(client, to=rarely)
        assert await ask(client, to=[client.targets[0], rarely]) == "a"
        assert (clock.passed, len(transport.requests)) == (3, 2)
        assert client.slots._gates == {}
        clock.advance(27)
        assert client.slots.quota(rarely, rarely.limits or SLOW).allowance.is_as_new(clock.now)  # type: ignore[union-attr]


async def test_a_deadline_in_a_race_names_the_request_that_ran(clock: Clock) -> None:
    """One target's place became free while the other one was asked: the call did not wait for a place any more."""
    limits, busy = Limits(max_concurrency=1), Answer(text_event("a"), after(3, STOP + END))
    client, _ = limited(
        busy, Answer(after(90, b"")), Answer(after(90, b"")), limits=limits, targets=2, hedge=Hedge(after=1)
    )
    async with client:
        first = asyncio.create_task(ask(client, to=client.targets[0]))
        await asyncio.sleep(0)
        with pytest.raises(StreamError) as raised:
            await ask(client, deadline=10)
        await first
    assert (raised.value.code, raised.value.target) != ("in_the_line", "openai:m0")
    assert raised.value.target is not None


async def test_a_call_leaves_nothing_for_the_cyclic_collector(clock: Clock) -> None:
    """The meter of a request refers to no call, so a call is gone when its stream is."""
    client, _ = limited(good(), limits=TOKENS)
    gc.collect()
    gc.disable()
    try:
        async with client:
            stream = client.stream("Hi")
            call = weakref.ref(stream._call)
            await stream.collect()
            del stream
            assert call() is None
    finally:
        gc.enable()


async def test_a_meter_is_gone_with_its_request(clock: Clock) -> None:
    """It refers to what was sent only until it has counted that; those refer to it."""
    meters: list[weakref.ref[Any]] = []

    async def noting(request: Request, call: CallContext, call_next: Handler) -> AsyncGenerator[Batch, None]:
        meters.append(weakref.ref(request.meter))
        async with aclosing(call_next(request, call)) as batches:
            async for batch in batches:
                yield batch

    client, _ = limited(good(), limits=TOKENS, middlewares=[noting])
    gc.collect()
    gc.disable()
    try:
        async with client:
            await ask(client)
            assert [meter() for meter in meters] == [None]
    finally:
        gc.enable()


async def test_what_a_link_keeps_from_being_sent_costs_nothing(clock: Clock) -> None:
    """A link of the user's raises before the request is made."""

    async def refusing(request: Request, call: CallContext, call_next: Handler) -> AsyncGenerator[Batch, None]:
        raise call.fail_at(request.target, ErrorKind.INVALID_REQUEST, code="mine")
        yield []

    client, _ = limited(middlewares=[refusing])
    async with client:
        with pytest.raises(StreamError):
            await ask(client)
    assert is_as_new(client, clock)


@pytest.mark.parametrize(
    ("name", "usage", "outcome", "tokens"),
    [
        ("openai:gpt-5-mini", Usage(100, 50, 40, 80, 30), "complete", (100, 50)),
        ("anthropic:claude-sonnet-4-5", Usage(100, 50, None, 800, 30), "complete", (130, 50)),
        ("gemini:gemini-2.5-flash", Usage(100, 50, 40), "complete", (100, 90)),
        ("openai:gpt-5-mini", Usage(), "complete", (0, 0)),
        ("anthropic:claude-sonnet-4-5", Usage(100, 1), "abandoned", (100, 7)),
        ("openai:gpt-5-mini", Usage(100, 50), "failed", (100, 50)),
    ],
)
def test_tokens_count_as_the_provider_counts_them(
    name: str, usage: Usage, outcome: Any, tokens: tuple[int, int]
) -> None:
    """Cached input is in the input or free; reasoning is in the output or comes on top; a chunk is a token."""
    record = Attempt(target=name, model="m", started=0, chunks=7, outcome=outcome)
    assert _tokens(Target(name), record, usage) == tokens


async def test_the_links_answer_in_place_of_a_request_is_counted(clock: Clock) -> None:
    """A link of the user's that answers by itself, or sends by other ways, is charged what was guessed."""

    async def own(_request: Request, _call: CallContext, _next: Handler) -> AsyncGenerator[Batch, None]:
        yield [TextDelta("mine"), Finished("stop", "stop")]

    client, _ = limited(middlewares=[own])
    async with client:
        assert await ask(client) == "mine"
    assert not allowance(client).is_as_new(clock.now)


async def test_a_request_that_is_sent_twice_is_charged_twice(clock: Clock) -> None:
    """A link of the user's that asks again."""

    async def twice(request: Request, call: CallContext, call_next: Handler) -> AsyncGenerator[Batch, None]:
        async with aclosing(call_next(request, call)) as batches:
            async for _ in batches:
                pass
        async with aclosing(call_next(request, call)) as batches:
            async for batch in batches:
                yield batch

    client, _ = limited(good(), good(), good(), middlewares=[twice])
    async with client:
        await ask(client)
        assert allowance(client).wait(Cost(1, 0), clock.now).seconds == pytest.approx(2)


@pytest.mark.parametrize("seed", range(12))
async def test_after_all_is_over_everything_is_there_again(clock: Clock, seed: int) -> None:
    """Random arrivals, lengths, cancels, closes, drops, deadlines, failures and hedges: then no place, no turn and no
    token is missing."""
    chance = random.Random(seed)
    limits = Limits(
        max_concurrency=chance.choice([None, 1, 3]),
        requests_per_minute=chance.choice([None, 120, 600]),
        tokens_per_minute=chance.choice([30_000, 300_000]),
        adaptive=chance.random() < 0.5,
    )

    def answer() -> Any:
        return chance.choice(
            [
                lambda: good(),
                lambda: counted(chance.randrange(500), chance.randrange(500)),
                lambda: Answer(text_event("a"), after(chance.uniform(0, 4), text_event("b")), STOP, END),
                lambda: Answer(after(chance.uniform(0, 4), text_event("b") + STOP + END)),
                lambda: Answer(text_event("cut")),
                lambda: refused(chance.choice([429, 500, 503])),
                lambda: refused(429, **{"retry-after": "2"}),
                lambda: Refused(ConnectionRefusedError()),
                lambda: Refused(ConnectionResetError(), written=True),
            ]
        )()

    client, _ = limited(
        *(answer() for _ in range(2000)), limits=limits, targets=2, hedge=Hedge(after=1),
        retry=RetryPolicy(attempts=2, initial=0.1),
    )  # fmt: skip

    async def one() -> None:
        await asyncio.sleep(chance.uniform(0, 6))
        stream = client.stream("Hi", deadline=chance.choice([None, 0.5, 3, 20]), max_tokens=chance.randrange(1, 900))
        with suppress(StreamError):
            async for _ in stream:
                if chance.random() < 0.2:
                    return  # dropped
                if chance.random() < 0.1:
                    stream.close()

    async with client:
        tasks = [asyncio.create_task(one()) for _ in range(60)]
        for task in tasks:
            if chance.random() < 0.3:
                asyncio.get_running_loop().call_later(chance.uniform(0, 8), task.cancel)
        await asyncio.wait(tasks)
        await asyncio.sleep(0)
        gc.collect()
        assert client.slots._gates == {}
        assert [health.queued + health.in_flight for health in client.health()] == [0, 0]
        clock.advance(300)
        assert is_as_new(client, clock, 0)
        assert is_as_new(client, clock, 1)


# -- off ----------------------------------------------------------------------------------------


async def test_without_limits_nothing_is_made(clock: Clock) -> None:
    """No gate, no quota, no chain: the good path is as it was."""
    client, _ = client_over(good())
    async with client:
        stream = client.stream("Hi")
        await anext(stream)
        assert stream._call.request.meter is None
        await stream.collect()
    assert (client.slots._gates, client.slots._quotas) == ({}, None)
