"""The ledger: sums, certainty, bounds, days; and what single calls write into it."""

from __future__ import annotations

import asyncio
import pickle
from decimal import Decimal
from typing import Any

import pytest

from resilient_stream import Client, Limits, RetryPolicy, StreamError, StreamMisused, Target, Transcript, Usage
from resilient_stream.contract import Capabilities, Request, ResumePoint, Sending
from resilient_stream.engine.spending import settle
from resilient_stream.errors import QuotaExhausted
from resilient_stream.fleet import ledger as module
from resilient_stream.fleet.health import digest_of
from resilient_stream.fleet.ledger import Ledger, Spent
from resilient_stream.outcome.transcript import Attempt
from tests.engine.clock import Clock
from tests.engine.scripted import END, STOP, Answer, Refused, client_over, text_event

ONCE = RetryPolicy.off()
COUNTED = b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3}}\n\n'


def spent(target: str = "openai:m", tenant: str = "", key: str = "", **values: Any) -> Spent:
    """One request of ten tokens of input and two of output."""
    usual = {"first": True, "wasted": False, "input": 10, "output": 2, "cached": 0, "reasoning": 0,
             "certainty": "exact", "cost": None}  # fmt: skip
    return Spent(target, tenant, key, **{**usual, **values})


def whole(text: str = "Hello") -> Answer:
    """A good answer with its count."""
    return Answer(text_event(text) + STOP + COUNTED + END)


def dollar(target: str, usage: Usage) -> float:
    """One dollar for each request."""
    return 1.0


# -- sums -------------------------------------------------------------------------------------


def test_a_sum_is_as_certain_as_its_worst_part() -> None:
    """One estimate among exact counts makes an estimate, one unknown count makes the sum unknown; others stay."""
    ledger = Ledger()
    ledger.add(spent())
    assert ledger.totals()["openai:m"].input_tokens == (10, "exact")
    ledger.add(spent(certainty="estimated", cached=None))
    total = ledger.totals()["openai:m"]
    assert (total.input_tokens, total.output_tokens) == ((20, "estimated"), (4, "estimated"))
    assert total.cached_input_tokens == (0, "unknown")
    assert total.wasted_tokens == (0, "exact")


def test_each_view_has_all_requests() -> None:
    """The same requests, by target, by tenant and by key."""
    ledger = Ledger()
    for target, tenant, key in (("openai:a", "x", "k1"), ("openai:b", "x", "k1"), ("openai:b", "y", "k2")):
        ledger.add(spent(target, tenant, key, wasted=tenant == "y"))
    assert {name: row.attempts for name, row in ledger.totals("target").items()} == {"openai:a": 1, "openai:b": 2}
    assert {name: row.attempts for name, row in ledger.totals("tenant").items()} == {"x": 2, "y": 1}
    assert {name: row.wasted_tokens.tokens for name, row in ledger.totals("key").items()} == {"k1": 0, "k2": 12}
    with pytest.raises(StreamMisused, match="totals"):
        ledger.totals("model")  # type: ignore[arg-type]


def test_more_tenants_than_there_is_room_for_share_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded, and no request is lost: the rest is in one row, called other; the target is still known."""
    monkeypatch.setattr(module, "MAX_ROWS", 3)
    ledger = Ledger()
    for number in range(10):
        ledger.add(spent(tenant=f"tenant-{number}"))
    totals = ledger.totals("tenant")
    assert list(totals) == ["tenant-0", "tenant-1", "tenant-2", "other"]
    assert totals["other"].attempts == 7
    assert ledger.totals("target")["openai:m"].attempts == 10


def test_a_cost_that_is_not_known_makes_the_sum_a_least_value() -> None:
    """The known costs are added up, and the certainty says that there is more."""
    ledger = Ledger()
    ledger.add(spent())
    assert (ledger.totals()["openai:m"].cost, ledger.totals()["openai:m"].cost_certainty) == (None, "unknown")
    ledger.add(spent(cost=Decimal("0.5")))
    assert (ledger.totals()["openai:m"].cost, ledger.totals()["openai:m"].cost_certainty) == (Decimal("0.5"), "unknown")


def test_what_came_without_a_cost_is_priced_when_somebody_asks() -> None:
    """Each request costs as much as one of their mean size; the sum is an estimate."""
    asked: list[Any] = []

    def price(*values: Any) -> Decimal:
        asked.append(values)
        return Decimal(2)

    ledger = Ledger(price)
    ledger.add(spent(input=10, output=2))
    ledger.add(spent(input=30, output=4, cached=8))
    total = ledger.totals()["openai:m"]
    assert asked == [("openai:m", 20, 3, 4)]
    assert (total.cost, total.cost_certainty) == (Decimal(4), "estimated")


def test_a_day_ends_at_midnight_in_utc() -> None:
    """What was spent today is forgotten at midnight; the totals stay."""
    now = [3 * 86_400 - 60.0]
    ledger = Ledger(clock=lambda: now[0])
    ledger.add(spent(cost=Decimal(3)))
    ledger.add(spent("openai:n", cost=Decimal(1)))
    assert (ledger.today(), ledger.today("openai:n"), ledger.until_tomorrow()) == (4, 1, 60)
    now[0] += 60
    assert (ledger.today(), ledger.today("openai:n")) == (0, 0)
    assert ledger.totals()["openai:m"].cost == 3


def test_names_without_end_take_no_memory_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway's users may name what models they like: later ones are in one row, and nothing is lost."""
    monkeypatch.setattr(module, "MAX_ROWS", 3)
    ledger = Ledger()
    for number in range(50):
        ledger.add(spent(f"openai:m{number}", cost=Decimal(1)))
    totals = ledger.totals()
    assert len(totals) == 7
    assert (totals["other"].attempts, sum(total.attempts for total in totals.values())) == (44, 50)
    assert (len(ledger._today), ledger.today()) == (4, 50)


def test_a_response_that_was_taken_up_again_is_counted_once() -> None:
    """A provider's own resume sends the rest of the same response, whose count is that of all of it."""
    target = Target("openai-responses:m")
    able = Capabilities()
    cut = Attempt(target=target.name, model="m", started=0.0, status=200, response_id="r1", outcome="failed",
                  estimate=Usage(5, 5, certainty="estimated"))  # fmt: skip
    rest = Attempt(
        target=target.name, model="m", started=0.0, status=200, response_id="r1", usage=Usage(9, 30), outcome="complete"
    )
    point = ResumePoint(response_id="r1", sequence=4)
    requests = Request(messages=(), target=target), Request(messages=(), target=target, resume=point)
    sendings = [Sending(request, record) for request, record in zip(requests, (cut, rest), strict=True)]
    for sending in sendings:
        sending.written = True
    ledger = Ledger()
    settle(ledger, None, [(sending, able) for sending in sendings])
    total = ledger.totals()[target.name]
    assert (total.attempts, total.input_tokens, total.output_tokens) == (2, (9, "exact"), (30, "exact"))
    assert cut.cost == 0
    rest.usage = None  # cut again: nobody counted the whole, so each part is an estimate
    again = Ledger()
    settle(again, None, [(sending, able) for sending in sendings])
    assert again.totals()[target.name].output_tokens == (5, "unknown")


# -- calls ------------------------------------------------------------------------------------


async def test_a_good_answer_is_exact(clock: Clock) -> None:
    """The provider's count, the tenant, and a digest of the key, never the key."""
    client, _ = client_over(whole())
    async with client:
        await client.complete("Hi", metadata={"tenant": "acme"})
    total = client.ledger.totals("tenant")["acme"]
    assert (total.requests, total.attempts) == (1, 1)
    assert (total.input_tokens, total.output_tokens) == ((9, "exact"), (3, "exact"))
    assert list(client.ledger.totals("key")) == [digest_of("k" * 12)]
    assert "kkk" not in repr(client.ledger.totals("key"))


async def test_a_key_from_a_function_is_told_apart_too(clock: Clock) -> None:
    """The digest is that of the key that was sent."""
    client, _ = client_over(whole())
    target = client.targets[0].model_copy(update={"api_key": lambda: "rotated-key-9"})
    async with client:
        await client.complete("Hi", to=target)
    assert list(client.ledger.totals("key")) == [digest_of("rotated-key-9")]


async def test_a_caller_that_leaves_costs_an_estimate(clock: Clock) -> None:
    """Nobody counted: 4 characters are a token, the prompt's and those that came; all of it is wasted."""
    client, _ = client_over(Answer(text_event("Hello you"), asyncio.get_running_loop().create_future()))
    async with client:
        async with client.stream("Why is it?") as stream:
            assert (await anext(stream)).text == "Hello you"
    total = client.ledger.totals()["openai:m0"]
    assert (total.input_tokens, total.output_tokens) == ((3, "estimated"), (3, "estimated"))
    assert total.wasted_tokens == (6, "estimated")
    attempt = stream.transcript.attempts[0]
    assert (attempt.usage, attempt.estimate) == (None, Usage(3, 3, certainty="estimated"))


async def test_a_count_that_came_before_the_end_is_a_least_value(clock: Clock) -> None:
    """A provider that told a few tokens at the beginning, and was cut: what was received counts, if it is more."""
    early = COUNTED.replace(b'"completion_tokens":3', b'"completion_tokens":1')
    client, _ = client_over(Answer(early + text_event("Hello you all"), ConnectionResetError()), retry=ONCE)
    async with client:
        with pytest.raises(StreamError):
            await client.complete("Hi")
    total = client.ledger.totals()["openai:m0"]
    assert (total.input_tokens, total.output_tokens) == ((9, "estimated"), (4, "estimated"))


async def test_a_refused_request_is_free_and_a_lost_one_unknown(clock: Clock) -> None:
    """A status says that nothing was done; a connection that was lost after the request went out says nothing."""
    client, _ = client_over(Answer(b"{}", status=503), Refused(ConnectionResetError(), written=True), targets=2,
                            retry=ONCE, prices=dollar)  # fmt: skip
    async with client:
        stream = client.stream("Hi")
        with pytest.raises(StreamError):
            await stream.collect()
    refused, lost = client.ledger.totals().values()
    assert (refused.input_tokens, refused.cost) == ((0, "exact"), 0)
    assert (lost.input_tokens, lost.cost, lost.cost_certainty) == ((0, "unknown"), None, "unknown")
    assert [attempt.cost for attempt in stream.transcript.attempts] == [0, None]
    assert stream.transcript.cost is None


async def test_a_continued_answer_says_what_was_paid_twice(clock: Clock) -> None:
    """The cut request is wasted, by an estimate; the one that went on has its own exact count."""
    client, _ = client_over(Answer(text_event("Hello"), ConnectionResetError()), whole("Hello you"), retry=ONCE)
    async with client:
        transcript = await client.complete("Hi")
    assert (transcript.text, transcript.outcome) == ("Hello you", "complete")
    total = client.ledger.totals()["openai:m0"]
    assert (total.requests, total.attempts) == (1, 2)
    assert total.wasted_tokens == (1 + 2, "estimated")
    assert total.input_tokens.tokens == 1 + 9


async def test_what_a_continuation_said_again_is_counted(clock: Clock) -> None:
    """Its overlap with what was delivered is in no transcript, but the provider wrote it."""
    cut_again = Answer(text_event("Hello you "), ConnectionResetError())
    client, _ = client_over(Answer(text_event("Hello"), ConnectionResetError()), cut_again, whole("Hello you all"),
                            retry=ONCE)  # fmt: skip
    async with client:
        transcript = await client.complete("Hi")
    assert transcript.text == "Hello you all"
    estimates = [attempt.estimate.output_tokens for attempt in transcript.attempts if attempt.estimate]
    assert estimates == [2, 3]


# -- costs ------------------------------------------------------------------------------------


async def test_a_price_of_our_own_is_in_attempts_transcript_and_ledger(clock: Clock) -> None:
    """The function is given the target's name and the provider's count."""
    asked: list[Any] = []

    def price(target: str, usage: Usage) -> float:
        asked.append((target, usage.input_tokens, usage.output_tokens))
        return 0.1

    client, _ = client_over(whole(), prices=price)
    async with client:
        transcript = await client.complete("Hi")
    assert asked == [("openai:m0", 9, 3)]
    assert transcript.attempts[0].cost == transcript.cost == Decimal("0.1")
    assert client.ledger.totals()["openai:m0"].cost == client.ledger.today() == Decimal("0.1")
    again = Transcript.from_dict(transcript.to_dict())
    assert again.cost == Decimal("0.1")
    assert pickle.loads(pickle.dumps(transcript)).cost == Decimal("0.1")


async def test_a_price_function_that_fails_costs_no_answer(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Its bug is logged, and the cost is not known."""
    client, _ = client_over(whole(), prices=lambda target, usage: 1 / 0)
    async with client:
        transcript = await client.complete("Hi")
    assert (transcript.outcome, transcript.cost) == ("complete", None)
    assert "price could not be computed" in caplog.text


def test_prices_are_true_or_a_function() -> None:
    """Anything else is refused in words."""
    with pytest.raises(StreamMisused, match="prices= takes True"):
        Client("openai:m", prices="table")  # type: ignore[arg-type]


# -- budgets ----------------------------------------------------------------------------------


async def test_a_budget_refuses_before_sending(clock: Clock) -> None:
    """The first call is above it, so the next one is not sent; the error says whose budget it is, and when it ends."""
    client, transport = client_over(whole(), prices=dollar, limits=Limits(cost_per_day=1))
    client.ledger._clock = lambda: 86_400 * 5 - 3600.0
    async with client:
        await client.complete("Hi")
        with pytest.raises(QuotaExhausted) as raised:
            await client.complete("Hi")
    assert len(transport.requests) == 1
    assert (raised.value.code, raised.value.retry_after, raised.value.retryable) == ("own_budget", 3600, False)
    assert "for all targets is $1.00 a day, and $1.00 were spent" in raised.value.message
    assert "Limits.cost_per_day" in raised.value.resolution


async def test_a_targets_budget_is_its_own(clock: Clock) -> None:
    """The first target's budget is used up: the next one is asked, and the first one again on the next day."""
    client, _ = client_over(whole("a"), whole("b"), whole("c"), whole("d"), targets=2, prices=dollar)
    first = client.targets[0].model_copy(update={"limits": Limits(cost_per_day=0.5)})
    now = [86_400 * 5.0]
    client.ledger._clock = lambda: now[0]
    async with client:
        pair = [first, client.targets[1]]
        assert (await client.complete("Hi", to=pair)).target == "openai:m0"
        transcript = await client.complete("Hi", to=pair)
        assert (transcript.target, [attempt.sent for attempt in transcript.attempts]) == ("openai:m1", [False, True])
        other = client.targets[1].model_copy(update={"limits": Limits(cost_per_day=1.5)})
        assert (await client.complete("Hi", to=other)).target == "openai:m1"  # what the first one cost is not its
        now[0] += 86_400
        assert (await client.complete("Hi", to=pair)).target == "openai:m0"


def test_a_budget_without_a_price_is_refused() -> None:
    """A budget that could not hold is no budget: the client says so when it is made, and when a call names a target."""
    limits = Limits(cost_per_day=1)
    with pytest.raises(StreamMisused, match="no price is known for openai:m"):
        Client("openai:m", limits=limits, prices=lambda target, usage: None)
    client = Client("openai:m", limits=limits, prices=lambda target, usage: 1 if target == "openai:m" else None)
    with pytest.raises(StreamMisused, match="no price is known for openai:n"):
        client.stream("Hi", to=Target("openai:n"))
