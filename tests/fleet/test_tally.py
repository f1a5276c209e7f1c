"""What a client counts of its requests for its report: each figure, over calls of every end."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from resilient_stream import Breaker, Client, ErrorKind, Hedge, Limits, Recovery, RetryPolicy, StreamError, Target
from resilient_stream.errors import Failure, error_for
from resilient_stream.events import AttemptFailed, AttemptProgress, AttemptStarted
from resilient_stream.fleet import tally as module
from resilient_stream.fleet.health import TargetHealth
from resilient_stream.fleet.histogram import bucket_of
from resilient_stream.fleet.ledger import DAY
from resilient_stream.fleet.report import LARGEST, LONGEST_NAME, MOST_TARGETS, Figures, Report, read, written
from resilient_stream.fleet.tally import Tally
from resilient_stream.outcome.transcript import Attempt
from resilient_stream.stores import MemoryStore
from tests.engine.clock import Clock, after
from tests.engine.scripted import END, STOP, Answer, Refused, ScriptedTransport, client_over, text_event

from .test_ledger import spent

pytestmark = pytest.mark.usefixtures("nothing_left")

ONCE = RetryPolicy.off()
COUNTED = b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3}}\n\n'


def whole(text: str = "Hello") -> Answer:
    """A good answer with its count."""
    return Answer(text_event(text) + STOP + COUNTED + END)


def refused(status: int = 503) -> Answer:
    """An HTTP error."""
    body = b'{"error": {"message": "No"}}'
    return Answer(body, status=status, headers={"content-type": "application/json"})


def reporting(*answers: Any, **options: Any) -> tuple[Client, ScriptedTransport]:
    """A client with a store, without retries."""
    usual = {"store": MemoryStore(), "retry": ONCE, "recovery": Recovery.off()}
    return client_over(*answers, **{**usual, **options})


def figures(client: Client) -> list[Figures]:
    """What it would report now, as whoever reads it gets it."""
    assert client._reporting is not None
    record = client._reporting._record()
    assert record is not None
    (report,) = read([record])
    return report.targets


async def ask(client: Client, times: int = 1, **options: Any) -> None:
    """Some calls, whatever they end with."""
    for _ in range(times):
        with suppress(StreamError):
            await client.complete("Hi", **options)


async def test_a_request_is_counted_from_its_beginning_to_its_end(clock: Clock) -> None:
    """It runs, has its first content, has ended; all of it is forgotten after a minute."""
    client, _ = reporting(Answer(after(2, text_event("Hello")), after(5, STOP + COUNTED + END)))
    async with client:
        call = asyncio.create_task(client.complete("Hi"))
        await asyncio.sleep(1)
        (mine,) = figures(client)
        assert (mine.target, mine.in_flight, mine.ended, mine.first) == ("openai:m0", 1, 0, {})
        await asyncio.sleep(2)
        (mine,) = figures(client)
        assert (mine.in_flight, mine.ended, mine.first) == (1, 0, {bucket_of(2.0): 1})
        await call
        (mine,) = figures(client)
        assert (mine.in_flight, mine.ended, mine.failed, mine.first) == (0, 1, 0, {bucket_of(2.0): 1})
        await asyncio.sleep(61)
        (mine,) = figures(client)
        assert (mine.ended, mine.requests, mine.tokens, mine.first) == (0, 0.0, 0.0, {})


async def test_rates_are_a_minute_s(clock: Clock) -> None:
    """One request a second of twelve tokens: sixty and 720 a minute, however long it has gone on."""
    client, _ = reporting(*(whole() for _ in range(200)))
    async with client:
        for second in range(1, 151):
            await ask(client)
            await asyncio.sleep(1)
            if second >= module.LEAST:
                (mine,) = figures(client)
                assert mine.requests == pytest.approx(60, abs=2)
                assert mine.tokens == pytest.approx(12 * 60, abs=24)


async def test_the_first_request_is_not_sixty_a_minute(clock: Clock) -> None:
    """A rate is of ten seconds at least."""
    client, _ = reporting(whole())
    async with client:
        await asyncio.sleep(0.5)
        await ask(client)
        (mine,) = figures(client)
        assert mine.requests == 6.0


async def test_what_failed_is_counted_once_and_by_target(clock: Clock) -> None:
    """A refusal, an answer that is cut, a connection that is lost; the fallback has its own row."""
    cut = Answer(text_event("Hel"), ConnectionResetError("gone"))
    client, _ = reporting(refused(), whole(), cut, Refused(ConnectionResetError("no")), whole(), targets=2)
    async with client:
        await ask(client, 3)
        first, second = figures(client)
        assert (first.target, first.ended, first.failed, first.in_flight) == ("openai:m0", 3, 3, 0)
        assert (second.target, second.ended, second.failed, second.in_flight) == ("openai:m1", 2, 0, 0)


async def test_what_was_not_sent_is_no_request(clock: Clock) -> None:
    """A target that the breaker refuses, and one that cannot do what is asked, had no request."""
    client, transport = reporting(*(refused() for _ in range(4)), breaker=Breaker(min_calls=4, open_for=10))
    async with client:
        await ask(client, 4)
        await ask(client, 3, deadline=1)
        assert len(transport.requests) == 4
        (mine,) = figures(client)
        assert (mine.ended, mine.failed, mine.requests) == (4, 4, 24.0)
        assert (mine.closed, mine.half_open, mine.open) == (0, 0, 1)
        assert mine.opens_in == pytest.approx(10, abs=1.1)
        await asyncio.sleep(12)
        (mine,) = figures(client)
        assert (mine.half_open, mine.opens_in) == (1, 0.0)


async def test_a_request_that_could_not_be_made_is_none(clock: Clock) -> None:
    """A target without a key fails before anything is sent."""
    client, transport = reporting(whole())
    async with client:
        await ask(client, to=["openai:m0", client.targets[0]])
        assert len(transport.requests) == 1
        assert [(mine.ended, mine.failed) for mine in figures(client) if mine.target == "openai:m0"] == [(1, 0)]


def test_a_request_fails_once() -> None:
    """Also one that is told of twice: it was cut, and what went on from there did not join."""
    tally, record = Tally(lambda: 1000.0), Attempt(target="openai:m", model="m", started=0.0)
    tell, error = tally.watch(), error_for(Failure(kind=ErrorKind.STREAM_INTERRUPTED))
    tell(AttemptStarted("call-1", "openai:m", 1, record))
    for _ in range(2):
        tell(AttemptFailed("call-1", "openai:m", 1, error, record))
    tell(AttemptProgress("call-1", "openai:m", 1, "closed", record))
    tell(AttemptStarted("call-1", "openai:m", 2, Attempt(target="openai:m", model="m", started=0.0)))
    tally.over("openai:m")
    (mine,) = tally.figures([])
    assert (mine.ended, mine.failed) == (2, 1)


def test_of_several_keys_the_next_test_and_the_longest_wait_are_told() -> None:
    """One is open for two seconds and one for nine; at one a request waits for one second, at one for five."""
    usual: Any = {"target": "openai:m", "failure_rate": 0.0, "time_to_first_chunk": None, "in_flight": 0}
    healths = [
        TargetHealth(**usual, state="open", opens_until=9.0, queued=1, longest_wait=1.0),
        TargetHealth(**usual, state="open", opens_until=2.0, queued=2, longest_wait=5.0),
        TargetHealth(**usual, state="closed", opens_until=None),
    ]
    (mine,) = Tally(lambda: 1000.0).figures(healths)
    assert (mine.open, mine.closed, mine.opens_in, mine.queued, mine.longest_wait) == (2, 1, 2.0, 3, 5.0)


async def test_what_is_given_up_runs_no_longer(clock: Clock) -> None:
    """A caller that is cancelled, a stream that is left, and the loser of a race."""
    never = [Answer(text_event("Hel"), asyncio.get_running_loop().create_future()) for _ in range(2)]
    slow = Answer(asyncio.get_running_loop().create_future())
    client, _ = reporting(*never, slow, whole(), targets=2, hedge=Hedge(after=2))
    async with client:
        call = asyncio.create_task(client.complete("Hi"))
        await asyncio.sleep(0.1)
        call.cancel()
        await asyncio.wait([call])
        async with client.stream("Hi") as stream:
            async for _ in stream:
                break
        await ask(client)
        first, second = figures(client)
        assert (first.in_flight, first.ended, first.failed) == (0, 3, 0)
        assert (second.in_flight, second.ended, second.failed) == (0, 1, 0)


async def test_what_is_read_on_runs_until_that_is_over(clock: Clock) -> None:
    """Its provider still works on it, so it is in flight; then it has ended, once."""
    client, _ = reporting(Answer(text_event("a"), after(4, STOP + END)), drain=10)
    async with client:
        async with client.stream("Hi") as stream:
            async for _ in stream:
                break
        (mine,) = figures(client)
        assert (mine.in_flight, mine.ended) == (1, 0)
        await asyncio.sleep(5)
        (mine,) = figures(client)
        assert (mine.in_flight, mine.ended, mine.failed) == (0, 1, 0)


async def test_who_waits_for_limits_is_counted(clock: Clock) -> None:
    """How many, and how long the first of them has waited."""
    client, _ = reporting(Answer(text_event("a"), after(9, STOP + END)), whole(), limits=Limits(max_concurrency=1))
    async with client:
        calls = [asyncio.create_task(client.complete("Hi")) for _ in range(2)]
        await asyncio.sleep(3)
        (mine,) = figures(client)
        assert (mine.in_flight, mine.queued, mine.longest_wait) == (1, 1, 3.0)
        await asyncio.wait(calls)
        (mine,) = figures(client)
        assert (mine.queued, mine.longest_wait) == (0, None)


async def test_keys_of_one_target_are_counted_together_and_not_named(clock: Clock) -> None:
    """Two accounts are one row: one of them rests. Nothing of a key or an address is in the record."""
    keys = [Target("openai:m", base_url="http://secret.host:9", api_key=f"sk-{name}-secret") for name in "ab"]
    store, client = MemoryStore(), None
    client = Client(*keys, store=store, routing="least_busy", retry=ONCE)
    client.transport = ScriptedTransport([refused(429), whole()])
    async with client:
        await ask(client)
        (mine,) = figures(client)
        assert (mine.target, mine.closed, mine.open, mine.ended, mine.failed) == ("openai:m", 1, 1, 2, 1)
        assert client._reporting is not None
        assert b"secret" not in (client._reporting._record() or b"")


async def test_costs_and_waste_are_of_the_day(clock: Clock) -> None:
    """What was paid today, requests without a price, and the tokens of answers that were cut."""
    cut = Answer(text_event("Hel"), ConnectionResetError("gone"))
    price = {"openai:m0": 0.25, "openai:m1": None}
    prices = lambda target, usage: price[target]  # noqa: E731
    client, _ = reporting(whole(), whole(), cut, refused(), whole(), targets=2, prices=prices)
    async with client:
        await ask(client, 4)
        first, second = figures(client)
        assert (first.cost, first.unpriced) == (0.75, 0)
        assert first.wasted > 0
        assert (second.cost, second.unpriced, second.wasted) == (0.0, 1, 0)


def test_a_new_day_begins_with_nothing() -> None:
    """At midnight (UTC) cost and waste begin anew, also where nothing is asked."""
    now = [100.5 * DAY]
    tally = Tally(lambda: 1000.0, lambda: now[0])
    tally.spent(spent(cost=2, wasted=True))
    tally.spent(spent(cost=None))
    (mine,) = tally.figures([])
    assert (mine.cost, mine.unpriced, mine.wasted, mine.tokens) == (2.0, 1, 12, 144.0)
    now[0] += 0.5 * DAY
    (mine,) = tally.figures([])
    assert (mine.cost, mine.unpriced, mine.wasted) == (0.0, 0, 0)


async def test_a_record_is_bounded(clock: Clock) -> None:
    """However many targets a call names, however long their names are, and whatever is in them."""
    client, _ = reporting(prices=lambda target, usage: 1.0)
    async with client:
        assert client._reporting is not None
        tally = client._reporting.tally
        for number in range(3 * MOST_TARGETS):
            name = f"openai:{number}\x1b[2J\ud800\n" + "\U0001f600" * 500
            tally.began(name)
            tally.spent(spent(name, wasted=True, input=10**8, output=10**8))
            for bucket in range(module.KEPT + 50):
                tally.answered(name, 1.2 ** (bucket % 64) / 100)
        record = client._reporting._record() or b""
        assert len(record) < LARGEST
        (report,) = read([record])
        assert len(report.targets) == MOST_TARGETS
        assert report.targets[0].target == "openai:m0"
        assert report.targets[1].target.startswith(f"openai:{3 * MOST_TARGETS - 1}\ufffd")
        assert {len(mine.target) for mine in report.targets[1:]} == {LONGEST_NAME}
        assert {sum(mine.first.values()) for mine in report.targets[1:]} == {module.KEPT}


def test_figures_come_back_as_they_were() -> None:
    """What is written is read."""
    report = Report(process="p", targets=[Figures(target="a", first={3: 4}, cost=1.5, opens_in=2.0)])
    assert read([written(report)]) == [report]
