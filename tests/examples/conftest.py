"""The fixture that puts an example on its stage."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from resilient_stream import Client, Stream
from tests.loopback import Loopback, Script

from .stage import Stage, Start, staged

ENDED = {"complete", "failed", "cancelled", "abandoned", "client_closed"}

pytest.register_assert_rewrite("tests.examples.promises")


@pytest.fixture
async def serve(
    nothing_left: None, start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[Callable[..., Awaitable[Stage]]]:
    """`await serve(script, …)` puts the module's example in front of a provider that plays the scripts."""
    stages: list[Stage] = []
    streams: list[Stream] = []
    make_stream = Client.stream

    def kept(client: Client, *given: Any, **options: Any) -> Stream:
        """A stream that is referred to for good, so that dropping it is no way to close it: the app has to."""
        streams.append(make_stream(client, *given, **options))
        return streams[-1]

    monkeypatch.setattr(Client, "stream", kept)
    async with AsyncExitStack() as stack:

        async def on_stage(*scripts: Script) -> Stage:
            upstream = Loopback(*scripts)
            monkeypatch.setenv("CHAT_TARGETS", "openai:m-1")
            monkeypatch.setenv("OPENAI_API_KEY", "test")
            await stack.enter_async_context(upstream)
            monkeypatch.setenv("OPENAI_BASE_URL", upstream.url)
            stages.append(await stack.enter_async_context(staged(upstream, start)))
            return stages[-1]

        yield on_stage
    assert {stream.transcript.outcome for stream in streams} <= ENDED
    allowed = {"resilient_stream"} | {name for stage in stages for name in stage.may_log}  # its word about a failure
    assert [
        record
        for record in caplog.get_records("call")
        if record.levelno >= logging.WARNING and record.name not in allowed
    ] == []
