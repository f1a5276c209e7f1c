"""Metrics of a fleet: breakers, refusals, races, budgets, the store and tenants, as operators see them."""

from __future__ import annotations

import gc
import logging
import threading
from decimal import Decimal
from typing import Any

import pytest

from resilient_stream import Breaker, Client, Hedge, Limits, Recovery, RetryPolicy, StreamError, Target
from resilient_stream.events import BreakerChanged, Event
from resilient_stream.fleet.facts import ALL_TARGETS, Budget, Facts
from resilient_stream.fleet.ledger import Spent
from resilient_stream.stores import MemoryStore
from resilient_stream.telemetry import gauges
from resilient_stream.telemetry.metrics import LONGEST_TENANT, MOST_TENANTS, Instruments
from resilient_stream.testing import Cut, FakeProvider, Stall, Status, Text
from tests.engine.clock import after, running_clock
from tests.engine.scripted import END, STOP, Answer, ScriptedTransport, client_over, text_event

from .endings import GOOD, PROMPT
from .seen import Seen

BREAKER = Breaker(failure_rate=0.5, min_calls=2, window=30, open_for=10)
ALONE: dict[str, Any] = {"retry": RetryPolicy.off(), "recovery": Recovery.off()}


def good() -> Answer:
    """A whole answer."""
    return Answer(text_event("Hello") + STOP + END)


def busy(**headers: str) -> Answer:
    """An error of an overloaded provider."""
    return Answer(b"{}", status=503, headers={"content-type": "application/json", **headers})


def over(seen: Seen, *answers: Answer, **options: Any) -> tuple[Client, ScriptedTransport]:
    """A client over a script, whose metrics are seen."""
    return client_over(*answers, **{**ALONE, "telemetry": seen.telemetry(), **options})


async def failing(client: Client, **options: Any) -> str:
    """The code of the error of a call that must fail."""
    with pytest.raises(StreamError) as raised:
        await client.stream("Hi", **options).collect()
    return raised.value.code


def by(seen: Seen, name: str, label: str) -> dict[Any, float]:
    """A metric by one of its labels; nothing where it has not been recorded."""
    found: dict[Any, float] = {}
    for labels, value in seen.points(name) if name in seen.metrics else ():
        found[labels.get(label)] = found.get(labels.get(label), 0) + value
    return found


def only(seen: Seen, name: str) -> float:
    """The value of a metric with one series."""
    ((_, value),) = seen.points(name)
    return value


async def test_each_change_of_a_breaker_is_an_event_and_is_counted(
    seen: Seen, caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Open after two failures, half open with the test, closed with its content; the gauge and the log go with it."""
    monkeypatch.setattr("resilient_stream.fleet.circuit.JITTER", 0.0)
    events: list[Event] = []
    with running_clock() as clock, caplog.at_level(logging.INFO, "resilient_stream"):
        client, _ = over(seen, busy(), busy(), good(), breaker=BREAKER, on_event=events.append)
        async with client:
            states = [by(seen, "llm.breaker.state", "model")]
            for _ in range(2):
                await failing(client)
            states.append(by(seen, "llm.breaker.state", "model"))
            assert only(seen, "llm.breaker.shut_clients") == 1
            clock.advance(11)
            states.append(by(seen, "llm.breaker.state", "model"))
            await client.stream("Hi").collect()
            states.append(by(seen, "llm.breaker.state", "model"))
            assert only(seen, "llm.breaker.shut_clients") == 0
    assert states == [{}, {"m0": 2}, {"m0": 1}, {"m0": 0}]
    assert by(seen, "llm.breaker.changes", "state") == {"open": 1, "half_open": 1, "closed": 1}
    changes = [event for event in events if isinstance(event, BreakerChanged)]
    assert [(each.target, each.before, each.state, each.failure_rate, each.wait) for each in changes] == [
        ("openai:m0", "closed", "open", 1.0, 10.0),
        ("openai:m0", "open", "half_open", 1.0, None),
        ("openai:m0", "half_open", "closed", 0.0, None),
    ]
    told = [(record.levelname, record.message, record.state) for record in caplog.records if hasattr(record, "state")]
    assert [(level, state) for level, _, state in told] == [
        ("WARNING", "open"),
        ("INFO", "half_open"),
        ("INFO", "closed"),
    ]
    assert told[0][1].endswith(
        "openai:m0: the breaker is open: 100 % of its requests failed of late. Not asked for 10 s"
    )


async def test_a_rest_that_a_server_asked_for_is_told_and_ends(seen: Seen) -> None:
    """Where targets are balanced, a key that gets a 429 rests: open, and closed again without a test."""
    with running_clock() as clock:
        limited = Answer(b"{}", status=429, headers={"content-type": "application/json", "retry-after": "7"})
        client, _ = over(seen, limited, good(), good(), routing="least_busy", targets=1)
        async with client:
            await failing(client, deadline=5)
            assert by(seen, "llm.breaker.state", "model") == {"m0": 2}
            clock.advance(8)
            assert by(seen, "llm.breaker.state", "model") == {"m0": 0}
            await client.stream("Hi").collect()
    assert by(seen, "llm.breaker.changes", "state") == {"open": 1, "closed": 1}


async def test_what_was_not_sent_is_no_failed_request(seen: Seen) -> None:
    """A refusal by the breaker, a limit, a budget is counted by its reason, and not among errors."""
    with running_clock():
        client, _ = over(seen, busy(), busy(), breaker=BREAKER)
        async with client:
            codes = [await failing(client, deadline=2) for _ in range(3)]
        one_a_minute = Limits(requests_per_minute=1)
        limited, _ = over(seen, good(), limits=one_a_minute)
        async with limited:
            await limited.stream("Hi").collect()
            codes.append(await failing(limited, deadline=2))
        spent, _ = over(seen, good(), limits=Limits(cost_per_day=1), prices=lambda target, usage: 1)
        async with spent:
            spent.ledger.add(spent_once(1))
            codes.append(await failing(spent))
    assert codes[2:] == ["breaker_open", "own_limit", "own_budget"]
    assert by(seen, "llm.request.refused", "reason") == {"breaker_open": 1, "own_limit": 1, "own_budget": 1}
    assert sum(by(seen, "llm.streaming.errors", "error_category").values()) == 2


def spent_once(dollars: int) -> Any:
    """One request in a ledger."""
    return Spent("openai:m0", "", "", True, False, 1, 1, 0, 0, "exact", Decimal(dollars))


@pytest.mark.usefixtures("own_clock")
async def test_a_deadline_in_the_line_is_counted_where_it_waited(seen: Seen) -> None:
    """The call whose deadline passes while another one has the only place."""
    async with FakeProvider([Text("a"), Stall()]) as provider:
        target = provider.target("openai", model="narrow")
        client = Client(target, limits=Limits(max_concurrency=1), telemetry=seen.telemetry(), **ALONE)
        async with client, client.stream(PROMPT) as first:
            await anext(aiter(first))
            assert await failing(client, deadline=0.01) == "in_the_line"
    assert seen.points("llm.request.refused") == [
        ({"provider": "openai", "model": "narrow", "reason": "in_the_line"}, 1)
    ]


async def test_a_race_is_counted_with_what_it_wastes(seen: Seen) -> None:
    """The hedge that is first counts for the slow model, the loser's tokens for the loser."""
    with running_clock():
        answers = Answer(after(9, text_event("late"))), good()
        client, _ = over(seen, *answers, hedge=Hedge(after=1), targets=2)
        async with client:
            await client.stream("12345678").collect()
    assert by(seen, "llm.request.hedges", "model") == by(seen, "llm.hedge.won", "model") == {"m0": 1}
    assert by(seen, "llm.hedge.wasted_tokens", "model") == {"m0": 2}


async def test_a_race_that_the_first_one_wins_has_no_hedge_that_won(seen: Seen) -> None:
    """The second target was asked in vain."""
    with running_clock():
        whole = text_event("Hello") + STOP + END
        answers = Answer(after(2, whole)), Answer(after(9, whole))
        client, _ = over(seen, *answers, hedge=Hedge(after=1), targets=2)
        async with client:
            await client.stream("12345678").collect()
    assert by(seen, "llm.request.hedges", "model") == {"m0": 1}
    assert by(seen, "llm.hedge.won", "model") == {}
    assert set(by(seen, "llm.hedge.wasted_tokens", "model")) == {"m1"}


async def test_budgets_show_what_is_used_and_left(seen: Seen) -> None:
    """Of a target and of all targets; of two clients the one that has used the greater part."""
    async with FakeProvider(GOOD, GOOD, GOOD) as provider:
        target = provider.target("openai", model="a").model_copy(update={"limits": Limits(cost_per_day=4)})
        options = {"limits": Limits(cost_per_day=10), "prices": lambda target, usage: 3, "telemetry": seen.telemetry()}
        async with Client(target, **options) as client, Client(target, **options) as thrifty:
            await client.complete(PROMPT)
            await thrifty.complete("Hi")
            await client.complete(PROMPT)
    assert by(seen, "llm.budget.used", "budget") == {"openai:a": 6, ALL_TARGETS: 6}
    assert by(seen, "llm.budget.left", "budget") == {"openai:a": 0, ALL_TARGETS: 4}
    assert thrifty.ledger.today() == 3


async def test_a_shared_budget_shows_what_all_have_spent(seen: Seen) -> None:
    """As the store has told it last: the other client's spending is known with the next request."""
    store = MemoryStore()
    options = {"limits": Limits(cost_per_day=10), "prices": lambda target, usage: 3, "store": store, **ALONE}
    async with FakeProvider(GOOD, GOOD) as provider:
        async with Client(provider.target("openai"), **options) as other:
            await other.complete(PROMPT)
        async with Client(provider.target("openai"), telemetry=seen.telemetry(), **options) as client:
            await client.complete(PROMPT)
            assert by(seen, "llm.budget.used", "budget") == {ALL_TARGETS: 6}
            assert by(seen, "llm.budget.left", "budget") == {ALL_TARGETS: 4}


async def test_tenants_have_their_cost_and_waste(seen: Seen) -> None:
    """Tokens and dollars of each tenant's calls; a call without one is nobody's."""
    async with FakeProvider(GOOD, [Text("Hello you"), Cut()], GOOD) as provider:
        options = {"prices": lambda target, usage: 0.5, "telemetry": seen.telemetry(), **ALONE}
        async with Client(provider.target("openai"), **options) as client:
            await client.complete("12345678", metadata={"tenant": "acme"})
            with pytest.raises(StreamError):
                await client.complete("12345678", metadata={"tenant": "cut"})
            await client.complete("12345678")
    assert by(seen, "llm.tenant.cost", "tenant") == {"acme": 0.5, "cut": 0.5}
    assert by(seen, "llm.tenant.tokens", "tenant") == {"acme": 9 + 2, "cut": 2 + 3}
    assert by(seen, "llm.tenant.wasted_tokens", "tenant") == {"cut": 2 + 3}


async def test_tenants_are_a_bounded_number_of_short_labels(seen: Seen) -> None:
    """Whoever comes after the first hundred is "other"; a name is cut."""
    instruments = Instruments(seen.meters.get_meter("test"))
    named = {instruments.tenant(f"{number:03}" + "x" * 500) for number in range(3 * MOST_TENANTS)}
    assert len(named) == MOST_TENANTS + 1
    assert "other" in named
    assert max(map(len, named)) == LONGEST_TENANT
    assert instruments.tenant(None) is None


class Lost(MemoryStore):
    """A store that is as it is told to be."""

    up = True
    late = False


@pytest.mark.parametrize(
    ("up", "late", "state"), [(True, False, 0), (True, True, 1), (False, False, 2), (False, True, 2)]
)
async def test_the_store_is_seen_as_it_is(seen: Seen, up: bool, late: bool, state: int) -> None:
    """In time, late, or out of reach; the worst of two clients' stores."""
    store = Lost()
    async with FakeProvider(GOOD, GOOD) as provider:
        one = Client(provider.target("openai"), store=store, breaker=Breaker(), telemetry=seen.telemetry())
        other = Client(provider.target("openai"), store=MemoryStore(), telemetry=seen.telemetry())
        async with one, other:
            await one.complete(PROMPT)
            await other.complete(PROMPT)
            store.up, store.late = up, late
            assert only(seen, "llm.store.state") == state


async def test_gauges_keep_no_client_and_ask_none_that_is_gone(seen: Seen) -> None:
    """A client is freed as ever, and its series end with it."""
    async with FakeProvider([Status(503)]) as provider:
        client = Client(provider.target("openai"), breaker=Breaker(min_calls=1), telemetry=seen.telemetry(), **ALONE)
        async with client:
            await failing(client)
            assert by(seen, "llm.breaker.state", "model") != {}
    del client
    gc.collect()
    assert by(seen, "llm.breaker.state", "model") == {}
    (watching,) = [each for each in gauges._watching.values() if each.clients]
    assert [method() for method in watching.clients] == [None]


async def test_metrics_may_be_collected_in_a_thread_of_their_own(seen: Seen) -> None:
    """As OpenTelemetry's readers do it: while calls run, and without a running loop."""
    found: list[Any] = []
    async with FakeProvider([Status(503)]) as provider:
        options = {"breaker": Breaker(min_calls=1), "limits": Limits(cost_per_day=1), "prices": lambda *_: 1, **ALONE}
        async with Client(provider.target("openai"), telemetry=seen.telemetry(), **options) as client:
            await failing(client)
            thread = threading.Thread(target=lambda: found.append(by(seen, "llm.breaker.state", "provider")))
            thread.start()
            thread.join()
    assert found == [{"openai": 2}]


def test_the_worst_of_all_clients_is_shown() -> None:
    """One open breaker is open; a client without a breaker has none to show."""
    facts = [
        Facts({"openai:m": "closed", "openai:n": "half_open"}, False, (), None),
        Facts({"openai:m": "open", "openai:n": "closed"}, True, (), 0),
        Facts(None, False, (Budget("b", Decimal(0), Decimal(0)),), 1),
    ]
    read = {name: list(gauge(facts)) for name, gauge in gauges.GAUGES.items()}
    assert read["llm.breaker.state"] == [
        ({"provider": "openai", "model": "m"}, 2), ({"provider": "openai", "model": "n"}, 1),
    ]  # fmt: skip
    assert read["llm.breaker.shut_clients"] == [({}, 1)]
    assert read["llm.store.state"] == [({}, 1)]
    assert read["llm.budget.left"] == [({"budget": "b"}, 0)]


def test_two_keys_of_one_target_are_one_series_and_a_client_is_shut_by_both() -> None:
    """The name is the label; no key is, nor an address."""
    keys = [Target("openai:m", api_key=key * 12) for key in "ab"]
    client = Client(*keys, breaker=Breaker())
    health = client._health
    assert health is not None
    health.of(keys[0]).circuit.rest(0, 1e12)
    assert (client._facts().states, client._facts().is_shut) == ({"openai:m": "open"}, False)
    health.of(keys[1]).circuit.rest(0, 1e12)
    assert client._facts().is_shut
