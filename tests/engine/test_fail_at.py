"""One way for a link to fail: `call.fail_at` makes the error, the attempt's record and the event."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from resilient_stream import Client, ErrorKind, RetryPolicy
from resilient_stream.contract import Batch, CallContext, Handler, Request
from resilient_stream.errors import AllTargetsFailed, StreamError
from resilient_stream.events import AttemptFailed, Event
from resilient_stream.testing import End, FakeProvider, Text


class Breaker:
    """Keeps requests from the targets that are named, as an open circuit breaker does."""

    def __init__(self, *names: str) -> None:
        self._names = names

    async def __call__(self, request: Request, call: CallContext, call_next: Handler) -> AsyncGenerator[Batch, None]:
        if request.target.model in self._names:
            raise call.fail_at(
                request.target, ErrorKind.PROVIDER_OVERLOADED,
                code="breaker_open", detail="It failed five times in a row.", retry=False, attempt=request.attempt,
            )  # fmt: skip
        async with aclosing(call_next(request, call)) as batches:
            async for batch in batches:
                yield batch


async def test_the_next_target_answers_and_the_one_kept_back_is_in_the_transcript():
    """The transcript has an attempt that was not sent; only one request went out."""
    events: list[Event] = []
    async with FakeProvider([Text("Hello"), End()]) as server:
        client = Client(
            server.target("openai", model="broken"), server.target("openai", model="good"),
            middlewares=[Breaker("broken")], retry=RetryPolicy.off(), on_event=events.append,
        )  # fmt: skip
        async with client:
            transcript = await client.stream("Hi").collect()
    kept_back, sent = transcript.attempts
    assert (kept_back.sent, kept_back.duration, kept_back.status) == (False, 0.0, None)
    assert (sent.sent, sent.status) == (True, 200)
    assert transcript.requests == len(server.requests) == 1
    failed = [event for event in events if isinstance(event, AttemptFailed)]
    assert [(event.target, event.record) for event in failed] == [("openai:broken", kept_back)]


async def test_the_error_has_the_words_of_its_kind_and_its_target():
    """A title, a message and a way out, as any error has; nothing was sent, so nothing is billed."""
    async with FakeProvider([Text("Hello"), End()]) as server:
        client = Client(
            server.target("openai", model="broken"), middlewares=[Breaker("broken")], retry=RetryPolicy.off()
        )
        async with client:
            with pytest.raises(StreamError) as raised:
                await client.stream("Hi").collect()
    error = raised.value
    assert not isinstance(error, AllTargetsFailed)
    assert (error.kind, error.code, error.target) == (ErrorKind.PROVIDER_OVERLOADED, "breaker_open", "openai:broken")
    assert all((error.title, error.message, error.resolution))
    assert (error.phase, error.billed_maybe) == ("connect", False)
    assert server.requests == []


async def test_a_request_kept_back_is_not_waited_for_and_not_counted(caplog: pytest.LogCaptureFixture):
    """With retry=False the next target is asked at once under the default policy; the log counts what was sent."""
    caplog.set_level("INFO", "resilient_stream")
    async with FakeProvider([Text("Hello"), End()]) as server:
        client = Client(
            server.target("openai", model="broken"), server.target("openai", model="good"),
            middlewares=[Breaker("broken")],
        )  # fmt: skip
        async with client:
            transcript = await client.stream("Hi").collect()
    assert [attempt.sent for attempt in transcript.attempts] == [False, True]
    assert "5 to openai:broken" not in caplog.text
    assert "It failed five times in a row." in caplog.text
