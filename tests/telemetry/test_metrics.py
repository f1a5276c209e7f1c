"""Metrics: what the code emits is the table, no more and no less, and the figures are right."""

from __future__ import annotations

import asyncio
from typing import Any, get_args

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Gauge, InMemoryMetricReader, Sum
from opentelemetry.sdk.metrics.export import Histogram as HistogramData

from resilient_stream import Breaker, Client, ErrorKind, Hedge, Limits, Recovery, RetryPolicy, StreamError
from resilient_stream.chunks import Usage
from resilient_stream.errors import Failure, error_for
from resilient_stream.events import FallbackType, FellBack
from resilient_stream.stores import MemoryStore
from resilient_stream.telemetry.metrics import CallMetrics, Instruments
from resilient_stream.telemetry.names import METRICS
from resilient_stream.testing import Cut, End, FakeProvider, Sleep, Status, Text

from ..engine.clock import after, running_clock
from ..engine.scripted import END as OVER
from ..engine.scripted import STOP, Answer, client_over, text_event
from .endings import ENDINGS, GOOD, PROMPT, Ending, converse, converse_too_long
from .seen import QUICK, Seen

pytestmark = pytest.mark.usefixtures("nothing_left")


DATA = {"counter": Sum, "updowncounter": Sum, "histogram": HistogramData, "gauge": Gauge}


async def test_what_is_emitted_is_the_table(seen: Seen) -> None:
    """Names, kinds, units, texts, buckets and labels of all metrics, over every ending, and two conversations."""
    for ending in ENDINGS.values():
        async with FakeProvider() as provider:
            async with ending.client(provider, retry=QUICK, telemetry=seen.telemetry()) as client:
                await ending.play(provider, client)
    async with FakeProvider() as provider:
        async with Client(provider.target("openai"), retry=QUICK, telemetry=seen.telemetry()) as client:
            await converse(client, provider)
            await converse_too_long(client, provider)
    dollar = lambda target, usage: 1  # noqa: E731
    watched = {"telemetry": seen.telemetry(), "prices": dollar, "limits": Limits(cost_per_day=5, max_concurrency=5)}
    with running_clock():
        answers = Answer(after(9, b"")), Answer(text_event("Hello") + STOP + OVER)
        racing, _ = client_over(*answers, targets=2, hedge=Hedge(after=1), **watched)
        async with racing:
            await racing.complete(PROMPT, metadata={"tenant": "acme"})
    async with FakeProvider([Status(503)]) as provider:
        options = {"retry": RetryPolicy.off(), "breaker": Breaker(min_calls=1), "store": MemoryStore()}
        fleet = Client(provider.target("openai"), **options, **watched)
        async with fleet:
            for _ in range(2):
                with pytest.raises(StreamError):
                    await fleet.complete(PROMPT, deadline=5)
    found = seen.metrics
    assert set(found) == set(METRICS)
    for name, row in METRICS.items():
        metric = found[name]
        assert isinstance(metric.data, DATA[row.instrument])
        assert (metric.unit, metric.description) == (row.unit, row.meaning)
        assert {label for point in metric.data.data_points for label in (point.attributes or {})} == set(row.labels)
        if isinstance(metric.data, HistogramData):
            assert {tuple(point.explicit_bounds) for point in metric.data.data_points} == {
                tuple(map(float, row.buckets))
            }


def counted(seen: Seen, name: str, *of: str) -> dict[Any, float]:
    """The points of a metric by some of their labels."""
    found: dict[Any, float] = {}
    for labels, value in seen.points(name):
        key = tuple(labels.get(label) for label in of)
        found[key] = found.get(key, 0) + value
    return found


async def test_a_retried_and_left_target_is_counted(seen: Seen) -> None:
    """Retries by kind, errors by category, the fallback at the target that was left."""
    async with FakeProvider([Status(503)], [Status(429)], GOOD) as provider:
        targets = (provider.target("openai", model="a"), provider.target("anthropic", model="b"))
        policy = RetryPolicy(attempts=2, initial=0.001)
        async with Client(*targets, retry=policy, telemetry=seen.telemetry()) as client:
            transcript = await client.complete(PROMPT)
    assert counted(seen, "llm.request.retries", "provider", "model", "error_type") == {
        ("openai", "a", "provider_overloaded"): 1
    }
    assert counted(seen, "llm.streaming.errors", "provider", "model", "error_category") == {
        ("openai", "a", "retryable"): 2
    }
    assert counted(seen, "llm.fallback.triggered", "provider", "model", "fallback_type") == {
        ("openai", "a", "provider_switch"): 1
    }
    assert counted(seen, "llm.input_tokens", "provider", "model") == {("anthropic", "b"): 9}
    assert counted(seen, "llm.output_tokens", "provider", "model") == {("anthropic", "b"): 2}
    total = counted(seen, "llm.request.duration_ms", "provider", "phase")[("anthropic", "total")]
    assert total == pytest.approx(1000 * (transcript.duration or 0))
    answered = transcript.attempts[-1]
    connect = counted(seen, "llm.request.duration_ms", "provider", "phase")[("anthropic", "connect")]
    stream = counted(seen, "llm.request.duration_ms", "provider", "phase")[("anthropic", "stream")]
    assert connect + stream == pytest.approx(1000 * (answered.duration or 0))
    durations = counted(seen, "gen_ai.client.operation.duration", "error.type")
    assert set(durations) == {("provider_overloaded",), ("rate_limited",), (None,)}


async def test_what_was_paid_and_what_for_nothing_is_counted(seen: Seen) -> None:
    """Cost of each request by its target; the tokens of one that was cut, by an estimate; nothing for a refusal."""
    async with FakeProvider([Status(503)], [Text("Hello you"), Cut()], GOOD) as provider:
        targets = (provider.target("openai", model="a"), provider.target("openai", model="b"))
        options = {"retry": RetryPolicy.off(), "prices": lambda target, usage: 0.25, "telemetry": seen.telemetry()}
        async with Client(*targets, **options) as client:
            with pytest.raises(StreamError):
                await client.complete("12345678", recovery=Recovery.off())
            await client.complete("12345678", to=targets[0])
    assert counted(seen, "llm.wasted_tokens", "provider", "model") == {("openai", "b"): 2 + 3}
    assert counted(seen, "llm.cost", "provider", "model") == {("openai", "a"): 0.25, ("openai", "b"): 0.25}


async def test_what_is_read_on_is_counted_once_and_truly(seen: Seen) -> None:
    """Tokens, waste and cost of a left answer wait for its provider's last count; nothing is told before."""
    options = {"drain": 5, "prices": lambda target, usage: usage.output_tokens, "telemetry": seen.telemetry()}
    async with FakeProvider([Text("Hello"), Sleep(0.005), Text("you"), End(usage=Usage(3, 40))]) as provider:
        async with Client(provider.target("anthropic", model="a"), **options) as client:
            async with client.stream(PROMPT, metadata={"tenant": "acme"}) as stream:
                await anext(stream)
            assert not {"llm.wasted_tokens", "llm.cost", "llm.output_tokens"} & seen.metrics.keys()
    assert counted(seen, "llm.wasted_tokens", "provider", "model") == {("anthropic", "a"): 43}
    assert counted(seen, "llm.output_tokens", "provider", "model") == {("anthropic", "a"): 40}
    assert counted(seen, "llm.cost", "provider", "model") == {("anthropic", "a"): 40}
    assert counted(seen, "llm.tenant.wasted_tokens", "tenant") == {("acme",): 43}


async def test_who_waits_for_a_limit_is_counted(seen: Seen) -> None:
    """While it waits, and how long it did, whether it was sent or its caller went away; without limits nothing is."""
    with running_clock():
        answers = [Answer(text_event("Hello"), after(seconds, STOP + OVER)) for seconds in (4, 5)]
        client, _ = client_over(*answers, telemetry=seen.telemetry(), limits=Limits(max_concurrency=1))
        tasks = [asyncio.create_task(client.complete(PROMPT)) for _ in range(3)]
        await asyncio.sleep(3)
        assert counted(seen, "llm.queue.length", "provider", "model") == {("openai", "m0"): 2}
        tasks[1].cancel()
        await asyncio.wait(tasks[:2])
        assert counted(seen, "llm.queue.length", "provider", "model") == {("openai", "m0"): 0}
        ((labels, waited),) = seen.points("llm.queue.duration")
        assert (dict(labels), waited) == ({"provider": "openai", "model": "m0"}, 3 + 4)
        await asyncio.wait(tasks)
        await client.aclose()


@pytest.mark.parametrize(
    ("ending", "errors"),
    [("success", {}), ("break", {}), ("cancel while waiting", {}), ("deadline", {("context",): 1}),
     ("every retry fails", {("retryable",): 5}), ("no key", {("permanent",): 1})],
)  # fmt: skip
async def test_only_failures_are_errors(ending: str, errors: dict[tuple[str], int], seen: Seen) -> None:
    """A caller who leaves is none; a deadline is one, though no request failed; nothing is counted twice."""
    played: Ending = ENDINGS[ending]
    async with FakeProvider() as provider:
        async with played.client(provider, retry=QUICK, telemetry=seen.telemetry()) as client:
            await played.play(provider, client)
    found = counted(seen, "llm.streaming.errors", "error_category") if "llm.streaming.errors" in seen.metrics else {}
    assert found == errors


async def test_tokens_are_counted_as_provider_and_conventions_do(seen: Seen) -> None:
    """`llm.*` as the provider reports; `gen_ai.*` with cached input, which Anthropic leaves out."""
    usage = Usage(input_tokens=10, output_tokens=4, cached_input_tokens=30)
    async with FakeProvider([Text("Hello"), End(usage=usage)]) as provider:
        async with Client(provider.target("anthropic"), telemetry=seen.telemetry()) as client:
            await client.complete(PROMPT)
    assert counted(seen, "llm.input_tokens") == {(): 10}
    assert counted(seen, "gen_ai.client.token.usage", "gen_ai.token.type") == {("input",): 40, ("output",): 4}
    assert dict(seen.calls[0].attributes or {})["gen_ai.usage.input_tokens"] == 40


async def test_a_point_is_an_example_of_its_trace(seen: Seen) -> None:
    """From a metric to the trace of one of its requests: exemplars carry the ids of our spans."""
    async with FakeProvider(GOOD) as provider:
        async with Client(provider.target("openai"), telemetry=seen.telemetry()) as client:
            await client.complete(PROMPT)
    (point,) = seen.metrics["gen_ai.client.operation.duration"].data.data_points
    context = seen.requests[0].context
    assert context is not None
    assert [(each.trace_id, each.span_id) for each in point.exemplars] == [(context.trace_id, context.span_id)]


def test_every_way_around_is_a_value_of_the_label() -> None:
    """The four fallbacks of the specification, as the event names them."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    metrics = CallMetrics(Instruments(provider.get_meter("test")), "openai:m", None, lambda _: None)
    for how in get_args(FallbackType):
        error = error_for(Failure(kind=ErrorKind.OUT_OF_MEMORY))
        metrics.fell_back(FellBack("call-1", "openai:m", "anthropic:n", error, how))
    seen = Seen()
    seen._reader = reader
    assert set(counted(seen, "llm.fallback.triggered", "fallback_type")) == {
        ("buffered",), ("provider_switch",), ("continuation",), ("interactive",),
    }  # fmt: skip


def test_a_server_cannot_make_new_series_for_ever() -> None:
    """Twenty variants of a model have labels of their own; the rest, and all other names, share one."""
    instruments = Instruments(MeterProvider().get_meter("test"))
    dated = {instruments.answered("gpt-5", f"gpt-5-{number:06}") for number in range(1000)}
    others = {instruments.answered("gpt-5", f"evil-{number}") for number in range(1000)}
    assert others == {"other"}
    assert len(dated) == 21
    assert instruments.answered("gpt-5", "gpt-5-000003") == "gpt-5-000003"
