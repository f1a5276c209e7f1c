"""Spans: one for each call and each request, each ended once and rightly, however the call ends."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode

from resilient_stream import Client, Recovery, RetryPolicy, Telemetry
from resilient_stream.chunks import Finished, Seam, TextDelta, Usage
from resilient_stream.telemetry.attributes import IS_ERROR, OURS
from resilient_stream.telemetry.sink import Sink, telling
from resilient_stream.testing import End, FakeProvider, Status, Text
from resilient_stream.transcript import Attempt

from .endings import ENDINGS, GOOD, HALF, PROMPT, Ending
from .seen import QUICK, Seen

pytestmark = pytest.mark.usefixtures("nothing_left")


def labels(span: ReadableSpan) -> dict[str, object]:
    """Its attributes."""
    return dict(span.attributes or {})


def seconds(span: ReadableSpan) -> float:
    """How long it took."""
    return ((span.end_time or 0) - (span.start_time or 0)) / 1e9


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=list(ENDINGS))
async def test_every_ending_ends_every_span_once(ending: Ending, seen: Seen, caplog: pytest.LogCaptureFixture) -> None:
    """As many spans end as begin, none twice, with outcome, status and error.type of their own end."""
    async with FakeProvider() as provider, ending.client(provider, retry=QUICK, telemetry=seen.telemetry()) as client:
        stream = await ending.play(provider, client)
    assert stream.transcript.outcome == ending.outcome
    assert seen.begun == len(seen.spans) == 1 + len(ending.failed)
    assert "ended span" not in caplog.text  # what the SDK says to a second end
    (call,) = seen.calls
    assert labels(call)["resilient_stream.outcome"] == ending.outcome
    assert labels(call).get("error.type") == ending.error
    assert call.status.status_code is (StatusCode.ERROR if ending.error else StatusCode.UNSET)
    assert bool(ending.error) is IS_ERROR[ending.outcome]
    assert tuple(labels(each).get("error.type") for each in seen.requests) == ending.failed
    for request in seen.requests:
        assert request.parent is not None
        assert call.context is not None
        assert request.parent.span_id == call.context.span_id
        failed = "error.type" in labels(request)
        assert request.status.status_code is (StatusCode.ERROR if failed else StatusCode.UNSET)
        assert (call.start_time or 0) <= (request.start_time or 0) <= (request.end_time or 0) <= (call.end_time or 0)
    for request, record in zip(seen.requests, stream.transcript.attempts, strict=True):
        assert seconds(request) == pytest.approx(record.duration, abs=1e-6)
    assert seconds(call) == pytest.approx(stream.transcript.duration, abs=1e-3)


async def test_a_dropped_stream_ends_its_spans_at_once(seen: Seen) -> None:
    """`break` without closing: when the last reference goes, the spans end."""
    async with FakeProvider(HALF) as provider, Client(provider.target("openai"), telemetry=seen.telemetry()) as client:
        async for _ in client.stream(PROMPT):
            break
        gc.collect()
        assert [labels(span)["resilient_stream.outcome"] for span in seen.spans] == ["abandoned", "abandoned"]


async def test_a_stream_that_another_thread_collects_ends_its_spans(seen: Seen) -> None:
    """The collector runs anywhere; the spans end on the loop."""
    async with FakeProvider(HALF) as provider, Client(provider.target("openai"), telemetry=seen.telemetry()) as client:
        kept = [client.stream(PROMPT)]
        await anext(kept[0])
        thread = threading.Thread(target=kept.clear)
        thread.start()
        thread.join()
        await asyncio.sleep(0.01)
        assert seen.begun == len(seen.spans) == 2


async def test_a_call_that_was_never_pulled_has_no_span(seen: Seen) -> None:
    """A call that was never pulled has no span, since nothing happened."""
    async with Client("openai:m", telemetry=seen.telemetry()) as client:
        client.stream(PROMPT).close()
    assert seen.begun == 0


async def test_what_was_asked_and_what_came_is_on_the_call(seen: Seen) -> None:
    """The attributes of the conventions; prompt and answer are not among them."""
    async with FakeProvider(GOOD) as provider:
        async with Client(provider.target("openai"), telemetry=seen.telemetry()) as client:
            transcript = await client.complete(
                PROMPT, max_tokens=50, temperature=0.5, top_p=0.9, seed=7, stop=["END", "STOP"], reasoning="low",
                presence_penalty=0.1, frequency_penalty=0.2,
            )  # fmt: skip
    (call,), (request,) = seen.calls, seen.requests
    assert (call.name, call.kind, request.kind) == ("chat fake-model", SpanKind.CLIENT, SpanKind.CLIENT)
    said = labels(call)
    assert said.pop("gen_ai.response.time_to_first_chunk") == transcript.time_to_first_chunk
    assert str(said.pop("resilient_stream.call_id")).startswith("call-")
    assert str(said.pop("gen_ai.response.id")).startswith("chatcmpl-")
    port = said.pop("server.port")
    assert said == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "fake-model",
        "gen_ai.request.stream": True,
        "gen_ai.request.max_tokens": 50,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.presence_penalty": 0.1,
        "gen_ai.request.frequency_penalty": 0.2,
        "gen_ai.request.seed": 7,
        "gen_ai.request.stop_sequences": ("END", "STOP"),
        "gen_ai.request.reasoning.level": "low",
        "gen_ai.response.model": "fake-model",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.output_tokens": 2,
        "gen_ai.usage.cache_read.input_tokens": 0,
        "gen_ai.usage.reasoning.output_tokens": 0,
        "resilient_stream.target": "openai:fake-model",
        "resilient_stream.attempts": 1,
        "resilient_stream.outcome": "complete",
        "resilient_stream.request_id": "req_fake",
        "server.address": "127.0.0.1",
    }
    sent = labels(request)
    assert (sent["server.port"], sent["http.response.status_code"], sent["resilient_stream.attempt"]) == (port, 200, 1)
    assert not [name for name in sent if name.startswith("gen_ai.usage")]  # or a backend would add it up twice


async def test_only_a_streamed_request_is_called_streamed(seen: Seen) -> None:
    """An answer asked for in one piece says nothing of a stream, on its own span and on the call's."""
    async with FakeProvider([Text("Hello"), End()]) as provider:
        for options in ({}, {"stream": False}):
            async with Client(provider.target("openai", **options), telemetry=seen.telemetry()) as client:
                await client.complete("Hi")
    streamed = [labels(span).get("gen_ai.request.stream") for span in (*seen.calls, *seen.requests)]
    assert streamed == [True, None, True, None]


async def test_a_call_says_how_its_last_request_asked(seen: Seen) -> None:
    """A call whose last request asked for one piece is not marked as a stream."""
    async with FakeProvider([Status(401)], [Text("Hello"), End()]) as provider:
        targets = provider.target("openai"), provider.target("anthropic", stream=False)
        async with Client(*targets, telemetry=seen.telemetry()) as client:
            await client.complete("Hi")
    [call] = seen.calls
    assert labels(call)["gen_ai.request.stream"] is False
    assert [labels(span).get("gen_ai.request.stream") for span in seen.requests] == [True, None]


async def test_retries_and_fallbacks_are_events_of_the_call(seen: Seen) -> None:
    """Each with its target, number, wait and kind; and the one who answered is on the call."""
    scripts = ([Status(503)], [Status(503)], GOOD)
    async with FakeProvider(*scripts) as provider:
        targets = (provider.target("openai"), provider.target("anthropic", model="second"))
        policy = RetryPolicy(attempts=2, initial=0.001)
        async with Client(*targets, retry=policy, telemetry=seen.telemetry()) as client:
            await client.complete(PROMPT)
    (call,) = seen.calls
    retry, fallback = call.events
    found = dict(retry.attributes or {})
    assert 0.001 <= found.pop("resilient_stream.wait") <= 0.0011  # type: ignore[operator]
    assert (retry.name, found) == (
        "retry",
        {
            "resilient_stream.target": "openai:fake-model",
            "resilient_stream.attempt": 1,
            "resilient_stream.attempts": 2,
            "error.type": "provider_overloaded",
        },
    )
    assert (fallback.name, dict(fallback.attributes or {})) == (
        "fallback",
        {
            "resilient_stream.source": "openai:fake-model",
            "resilient_stream.target": "anthropic:second",
            "resilient_stream.how": "provider_switch",
            "error.type": "provider_overloaded",
        },
    )
    said = labels(call)
    assert (said["gen_ai.provider.name"], said["resilient_stream.target"]) == ("anthropic", "anthropic:second")
    assert said["resilient_stream.attempts"] == 3
    assert seen.requests[0].end_time <= retry.timestamp <= seen.requests[1].start_time + 2_000_000  # type: ignore[operator]


async def test_a_seam_is_an_event_with_the_time_of_its_request(seen: Seen) -> None:
    """A seam is an event with the time of the first content of the request after it."""
    async with Client("openai:m", telemetry=seen.telemetry()) as client:
        stream = client.stream(PROMPT)
        call = stream._call
        call.start()
        transcript = call.transcript
        for offset in (0.0, 2.0):
            record = Attempt(target="openai:m", model="m", started=1000.0 + offset, duration=1.5)
            record.time_to_first_chunk = 0.5
            record.usage = Usage(10, 3)
            transcript.attempts.append(record)
        seam = Seam("openai:m", "openai:m", "prefill", overlap=4)
        transcript._receive([TextDelta("a"), seam, TextDelta("b"), Finished("stop", "stop")])
        call.finish("complete")
    (span,) = seen.calls
    (event,) = span.events
    assert (event.name, event.timestamp) == ("seam", 1_002_500_000_000)
    assert dict(event.attributes or {}) == {
        "resilient_stream.source": "openai:m",
        "resilient_stream.target": "openai:m",
        "resilient_stream.how": "prefill",
        "resilient_stream.overlap": 4,
        "resilient_stream.restart": False,
    }
    assert labels(span)["gen_ai.usage.input_tokens"] == 20  # both requests are on the bill


async def test_the_parent_is_the_span_that_was_current_at_the_first_pull(seen: Seen) -> None:
    """Not at `stream()`; and ours is never current in the application's code."""
    tracer = seen.tracers.get_tracer("application")
    async with FakeProvider(GOOD) as provider, Client(provider.target("openai"), telemetry=seen.telemetry()) as client:
        with tracer.start_as_current_span("too early"):
            stream = client.stream(PROMPT)
        with tracer.start_as_current_span("around") as around:
            async for _ in stream:
                assert trace.get_current_span() is around
        assert not trace.get_current_span().get_span_context().is_valid
    (call,) = seen.calls
    assert call.parent is not None
    assert call.parent.span_id == around.get_span_context().span_id


async def test_two_streams_at_once_keep_apart(seen: Seen) -> None:
    """Interleaved pulls in one task: each request under its own call."""
    async with FakeProvider(GOOD) as provider, Client(provider.target("openai"), telemetry=seen.telemetry()) as client:
        first, second = client.stream(PROMPT), client.stream(PROMPT)
        await anext(first)
        await anext(second)
        await first.collect()
        await second.collect()
    parents = {request.parent.span_id for request in seen.requests if request.parent}
    assert parents == {call.context.span_id for call in seen.calls if call.context}
    assert len({call.context.trace_id for call in seen.calls if call.context}) == 2


@pytest.mark.parametrize("wanted", [True, False])
async def test_the_context_is_sent_only_when_asked_for(wanted: bool, seen: Seen) -> None:
    """`traceparent` names the request's own span."""
    async with FakeProvider([Status(503)], GOOD) as provider:
        async with Client(provider.target("openai"), retry=QUICK, telemetry=seen.telemetry(propagate=wanted)) as client:
            await client.complete(PROMPT)
    sent = [request.headers.get("traceparent") for request in provider.requests]
    contexts = [span.context for span in seen.requests if span.context]
    expected = [f"00-{each.trace_id:032x}-{each.span_id:016x}" for each in contexts]
    assert [value and value[:-3] for value in sent] == (expected if wanted else [None, None])


async def test_what_is_not_sampled_is_not_filled(seen: Seen, caplog: pytest.LogCaptureFixture) -> None:
    """An unsampled trace costs no attributes, and ends without a word."""
    unsampled = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    async with FakeProvider([Status(503)], GOOD) as provider:
        telemetry = Telemetry(tracer_provider=unsampled, meter_provider=seen.meters, content=True)
        async with Client(provider.target("openai"), retry=QUICK, telemetry=telemetry) as client:
            assert (await client.complete(PROMPT)).outcome == "complete"
    assert seen.begun == 0
    assert "raised" not in caplog.text


async def test_every_attribute_of_our_own_is_in_the_table(seen: Seen) -> None:
    """OURS documents what is emitted, and nothing is emitted that it does not have."""
    for ending in ENDINGS.values():
        async with FakeProvider() as provider:
            async with ending.client(provider, retry=QUICK, telemetry=seen.telemetry()) as client:
                await ending.play(provider, client)
    spans = [*seen.spans, *(event for span in seen.spans for event in span.events)]
    used = {name for each in spans for name in (each.attributes or {}) if name.startswith("resilient_stream.")}
    assert used <= set(OURS)
    later = {"hedge", "finish_kind", "overlap", "restart", "unmodelled"}  # need a hedge, a refusal, a seam, a Raw
    assert {name.removeprefix("resilient_stream.") for name in set(OURS) - used} == later


async def test_a_raising_sdk_does_not_touch_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    """Telemetry may break; the answer does not."""

    class Broken(TracerProvider):
        def get_tracer(self, *_: object, **__: object) -> trace.Tracer:
            raise ZeroDivisionError

    async with FakeProvider([Text("Hello"), End()]) as provider:
        telemetry = Telemetry(tracer_provider=Broken(shutdown_on_exit=False))
        async with Client(provider.target("openai"), recovery=Recovery.off(), telemetry=telemetry) as client:
            assert (await client.complete("hi")).text == "Hello"
    assert "the stream is not affected" in caplog.text


def test_an_event_that_nobody_knows_is_ignored() -> None:
    """A later part of the SDK may tell more than a sink understands."""
    telling([Sink()])(object())  # type: ignore[arg-type]
