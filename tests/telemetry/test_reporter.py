"""Who is made for a call: nobody without an SDK and with the logger off, and nothing of OpenTelemetry is imported."""

from __future__ import annotations

import logging
import subprocess
import sys
import weakref
from collections.abc import Iterator

import pytest
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider, ProxyTracerProvider

from resilient_stream import Client, DeadlineExceeded, StreamMisused, Telemetry
from resilient_stream.telemetry import sdk
from resilient_stream.telemetry.reporter import Reporter
from resilient_stream.testing import FakeProvider, Status

from .endings import GOOD, HALF, PROMPT
from .seen import QUICK, Seen


@pytest.fixture
def log_off() -> Iterator[None]:
    """The logger takes nothing."""
    logger = logging.getLogger("resilient_stream")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(before)


@pytest.mark.usefixtures("log_off")
@pytest.mark.parametrize(
    "telemetry",
    [
        None,
        Telemetry(enabled=False),
        Telemetry(tracer_provider=NoOpTracerProvider(), meter_provider=NoOpMeterProvider()),
    ],
    ids=["no SDK", "off", "no-op providers"],
)
async def test_without_sdk_and_log_there_is_no_observer(telemetry: Telemetry | None) -> None:
    """The API is imported here, and its own providers do nothing: no object is made for the call."""
    async with FakeProvider(GOOD) as provider, Client(provider.target("openai"), telemetry=telemetry) as client:
        stream = client.stream(PROMPT)
        await stream.collect()
    assert (stream._call.observing.observers, stream._call.observing.watchers) == ((), ())


async def test_a_good_call_at_warning_has_no_observer_either(caplog: pytest.LogCaptureFixture) -> None:
    """The log as Python has it: one is made when something goes wrong, and tells it from there."""
    caplog.set_level(logging.WARNING, "resilient_stream")
    async with FakeProvider(GOOD, [Status(503)], GOOD) as provider:
        async with Client(provider.target("openai"), retry=QUICK) as client:
            good, retried = client.stream(PROMPT), client.stream(PROMPT)
            await good.collect()
            assert good._call.observing.watchers == ()
            assert not caplog.records
            await retried.collect()
            assert len(retried._call.observing.watchers) == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "(attempt 2/5)" in caplog.text


async def test_a_deadline_alone_is_trouble(caplog: pytest.LogCaptureFixture) -> None:
    """No request failed; the call did."""
    caplog.set_level(logging.WARNING, "resilient_stream")
    async with FakeProvider(HALF) as provider, Client(provider.target("openai")) as client:
        with pytest.raises(DeadlineExceeded):
            await client.complete(PROMPT, deadline=0.03)
    assert "not retrying: Out of time" in caplog.text


@pytest.mark.usefixtures("log_off")
async def test_off_is_off_with_an_sdk(seen: Seen) -> None:
    """With `enabled=False` nothing is recorded, even if providers are given."""
    async with FakeProvider(GOOD) as provider:
        async with Client(provider.target("openai"), telemetry=seen.telemetry(enabled=False)) as client:
            await client.complete(PROMPT)
    assert (seen.begun, seen.metrics) == (0, {})


async def test_an_sdk_may_come_after_the_client(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider is looked for at each call's first pull."""
    async with FakeProvider(GOOD) as provider, Client(provider.target("openai")) as client:
        await client.complete(PROMPT)
        monkeypatch.setattr("opentelemetry.trace.get_tracer_provider", lambda: seen.tracers)
        await client.complete(PROMPT)
    assert len(seen.calls) == 1


def test_what_the_api_brings_itself_is_no_sdk() -> None:
    """The proxy that waits for one, and the no-op."""
    assert sdk.tracer_provider(ProxyTracerProvider()) is None
    assert sdk.tracer_provider(NoOpTracerProvider()) is None
    assert sdk.meter_provider(NoOpMeterProvider()) is None
    assert sdk.meter_provider() is None


def test_a_disabled_sdk_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_SDK_DISABLED=true: the SDK gives no-op tracers and meters, and a call has no spans."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    disabled = Seen()
    reporter = Reporter(disabled.telemetry(), weakref.WeakMethod(Client("openai:m")._facts))
    assert reporter._find_tracer() is None
    assert reporter._find_instruments() is None


def python(script: str, **environment: str) -> str:
    """What it prints in a fresh interpreter."""
    import os

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    return done.stdout


CALL = """
import asyncio, sys
from resilient_stream import Client
from resilient_stream.testing import CallTool, End, FakeProvider, Text
async def tool(): ...
async def main():
    async with FakeProvider([CallTool("tool"), End()], [Text("x"), End()]) as provider:
        async with Client(provider.target("openai")) as client:
            await client.converse("hi", tools=[tool]).collect()
            await client.complete("hi")
asyncio.run(main())
print(sorted(name for name in sys.modules if name.startswith("opentelemetry")))
"""


def test_who_does_not_use_opentelemetry_does_not_load_it() -> None:
    """Neither the import nor a call nor a conversation loads OpenTelemetry if the process does not use it."""
    assert python(CALL) == "[]\n"


def test_an_sdk_named_by_the_environment_is_found() -> None:
    """OTEL_PYTHON_TRACER_PROVIDER: the API loads it when it is first asked, so it has to be asked."""
    assert "'opentelemetry.sdk.trace'" in python(CALL, OTEL_PYTHON_TRACER_PROVIDER="sdk_tracer_provider")


def test_a_policy_is_checked_and_hides_its_providers(seen: Seen) -> None:
    """Like every policy: frozen, refused with the field's name; and its repr is short."""
    with pytest.raises(StreamMisused, match="sampel"):
        Telemetry(sampel=1)  # type: ignore[call-arg]
    assert repr(seen.telemetry()) == "Telemetry(enabled=True, content=False, propagate=False)"
