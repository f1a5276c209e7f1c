"""The retry budget: failures of many callers together add little to a target's load."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator

import pytest

from resilient_stream import Client, RateLimited, RetryBudget, RetryPolicy, StreamError
from resilient_stream.contract import Batch, Handler, Request
from resilient_stream.engine import budget as module
from resilient_stream.engine.budget import WINDOW, RetryCounts, counts_of
from resilient_stream.engine.call import Call
from resilient_stream.engine.process import PROCESS
from resilient_stream.errors import Failure
from resilient_stream.kinds import GAVE_UP, ErrorKind
from resilient_stream.target import Target

from .loopback import Loopback, chat, status

QUICK = RetryPolicy(initial=0.001, maximum=0.002)
OVERLOADED = status(503, {"error": {"message": "Overloaded", "type": "overloaded_error"}})

pytestmark = pytest.mark.usefixtures("nothing_left")


class Clock:
    """A clock that stands still unless moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock to move by hand."""
    return Clock()


def spent(counts: RetryCounts, budget: RetryBudget, tries: int = 1000) -> int:
    """How many of some retries are granted."""
    return sum(counts.spend(budget) for _ in range(tries))


def test_the_reserve_is_there_without_any_request(clock: Clock) -> None:
    """An application with few requests can retry, because the reserve needs none."""
    assert spent(RetryCounts(clock), RetryBudget(reserve=7)) == 7


def test_each_request_adds_its_share(clock: Clock) -> None:
    """A hundred requests allow twenty retries more."""
    counts = RetryCounts(clock)
    for _ in range(100):
        counts.request()
    assert spent(counts, RetryBudget(ratio=0.2, reserve=7)) == 27


def test_what_is_spent_comes_back_after_the_window(clock: Clock) -> None:
    """Ten seconds later the reserve is whole again, and old requests allow nothing more."""
    counts, budget = RetryCounts(clock), RetryBudget(ratio=0.2, reserve=7)
    for _ in range(100):
        counts.request()
    assert spent(counts, budget) == 27
    clock.now += WINDOW / 2
    assert spent(counts, budget) == 0
    clock.now += WINDOW / 2
    assert spent(counts, budget) == 7
    clock.now += WINDOW
    assert counts.idle


def test_ledgers_do_not_grow_with_the_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ledgers of targets that nobody asks any more make room."""
    monkeypatch.setattr(module, "MAX_TARGETS", 3)
    for number in range(50):
        counts_of(Target(f"openai:m-{number}"))
    assert len(PROCESS.retries) <= 3


def test_the_same_model_elsewhere_has_its_own_counts() -> None:
    """A target is a model at an address; all clients share its counts."""
    here, there = Target("openai:m", base_url="http://here"), Target("openai:m", base_url="http://there")
    assert counts_of(here) is counts_of(Target("openai:m", base_url="http://here"))
    assert counts_of(here) is not counts_of(there)


async def test_a_thousand_callers_on_a_dead_target_do_not_make_a_storm(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most 1.2 requests for each caller and the reserve, in place of five for each, however long it takes."""
    monkeypatch.setattr(module, "RetryCounts", lambda: RetryCounts(clock))
    callers, refused = 1000, 0
    async with Loopback(OVERLOADED) as server, Client(server.target(), retry=QUICK) as client:
        results = await asyncio.gather(*(client.complete("hi") for _ in range(callers)), return_exceptions=True)
        sent = len(server.seen)
    for result in results:
        assert isinstance(result, StreamError)
        refused += result.gave_up == "budget"
    assert callers < sent <= 1.2 * callers + RetryBudget().reserve
    assert refused > callers / 2


async def test_the_error_says_that_the_budget_was_why() -> None:
    """Giving up for the budget is in the message, in `gave_up` and in the dict."""
    async with Loopback(OVERLOADED) as server:
        async with Client(server.target(), retry=QUICK, budget=RetryBudget(ratio=0, reserve=0)) as client:
            with pytest.raises(StreamError) as caught:
                await client.complete("hi")
        assert len(server.seen) == 1
    assert caught.value.gave_up == caught.value.to_dict()["gave_up"] == "budget"
    assert "retry budget is used up" in caught.value.message


async def test_a_spent_budget_goes_on_to_the_next_target() -> None:
    """Nobody waits for budget: the fallback is asked at once."""
    async with Loopback(OVERLOADED) as bad, Loopback(chat("Hello")) as good:
        targets = (bad.target(), good.target("other"))
        async with Client(*targets, retry=QUICK, budget=RetryBudget(ratio=0, reserve=0)) as client:
            assert (await client.complete("hi")).text == "Hello"
        assert len(bad.seen) == 1


async def test_without_a_budget_each_call_has_its_own_attempts() -> None:
    """RetryBudget.off() leaves the policy's attempts as the only bound."""
    async with Loopback(OVERLOADED) as server:
        async with Client(server.target(), retry=QUICK, budget=RetryBudget.off()) as client:
            await asyncio.gather(*(client.complete("hi") for _ in range(50)), return_exceptions=True)
        assert len(server.seen) == 50 * QUICK.attempts


@pytest.mark.parametrize(
    ("policy", "headers", "deadline", "why"),
    [
        (QUICK, {}, None, "attempts"),
        (RetryPolicy(initial=5, max_elapsed=1), {}, None, "patience"),
        (RetryPolicy(initial=5), {}, 1.0, "deadline"),
        (RetryPolicy.off(), {}, None, "attempts"),
    ],
)
async def test_giving_up_has_a_reason(
    policy: RetryPolicy, headers: dict[str, str], deadline: float | None, why: str
) -> None:
    """A failure that may pass says why it was not tried again."""
    async with Loopback(status(503, None, **headers)) as server, Client(server.target(), retry=policy) as client:
        with pytest.raises(StreamError) as caught:
            await client.complete("hi", deadline=deadline)
    assert caught.value.gave_up == why
    if caught.value.attempt > 1:
        assert "It was tried 5 times." in caught.value.message


async def test_a_hint_that_is_too_long_is_a_reason() -> None:
    """A loading model that asks for ten minutes is not waited for, and the message says so."""
    loading = status(503, {"error": "Model x is currently loading", "estimated_time": 600.0})
    async with Loopback(loading) as server, Client(server.target(), retry=QUICK) as client:
        with pytest.raises(StreamError) as caught:
            await client.complete("hi")
        assert len(server.seen) == 1
    assert caught.value.gave_up == "hint"
    assert caught.value.message.endswith(GAVE_UP["hint"])


def test_every_reason_has_a_sentence() -> None:
    """The table is total, and a reason reads well at the end of a message."""
    for why in GAVE_UP:
        error = RateLimited(
            Failure(kind=ErrorKind.RATE_LIMITED, retry_after=90), provider="openai", model="m", attempt=3, gave_up=why
        )
        assert error.message.endswith(GAVE_UP[why].format(attempts=3, target="openai:m"))


async def test_retries_inside_retries_are_noticed(caplog: pytest.LogCaptureFixture) -> None:
    """A call made from inside another's attempt says once, at WARNING, that both retry."""
    async with Loopback(chat("inner")) as server:

        async def asks_too(request: Request, call: Call, call_next: Handler) -> AsyncGenerator[Batch, None]:
            await inner.complete("hi")
            async for batch in call_next(request, call):
                yield batch

        async with Client(server.target()) as inner, Client(server.target(), middlewares=[asks_too]) as outer:
            with caplog.at_level(logging.WARNING, "resilient_stream"):
                await outer.complete("hi")
                await outer.complete("hi")
    said = [record.getMessage() for record in caplog.records if "both retry" in record.getMessage()]
    assert len(said) == 1
    assert "up to 5 x 5 requests" in said[0]


async def test_calls_beside_each_other_are_not_inside_each_other(caplog: pytest.LogCaptureFixture) -> None:
    """A stream that is read while another one is open is no nested call."""
    async with Loopback(chat("a", "b", "c")) as server, Client(server.target()) as client:
        with caplog.at_level(logging.WARNING, "resilient_stream"):
            async for _ in client.stream("hi"):
                await client.complete("hi")
    assert not caplog.records
