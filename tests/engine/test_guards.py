"""Guards of an attempt and of the chain's links: each test fails when one line of theirs is taken out."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from types import ModuleType
from typing import Any

import pytest

from resilient_stream import Client, Limits, Recovery, RetryBudget, RetryPolicy, StreamError, Target, Transcript
from resilient_stream.contract import Batch, CallContext, Capabilities, Handler, Request, ResumePoint
from resilient_stream.failures import Failure
from resilient_stream.providers import _OWN
from resilient_stream.providers.openai.chat import OpenAIChat
from resilient_stream.providers.openai.hosts import HOSTS

from .clock import Clock
from .scripted import END, STOP, Answer, Refused, ScriptedTransport, client_over, text_event

ONCE = RetryPolicy.off()
AT_ONCE = RetryPolicy(initial=0, jitter=0)
FREE = RetryBudget.off()
HALF = (text_event("One two three four "), text_event("five six seven "))


def cut(*texts: bytes) -> Answer:
    """An answer that is lost after these events."""
    return Answer(*(texts or HALF), ConnectionResetError())


def refused() -> Refused:
    """A host that takes no connection."""
    return Refused(ConnectionRefusedError(errno.ECONNREFUSED, "refused"))


def whole(*texts: bytes) -> Answer:
    """An answer that ends well."""
    return Answer(*texts, STOP, END)


def in_stream_error(code: int, message: str, **more: Any) -> bytes:
    """An error as an event of the stream."""
    return b'data: {"error": {"code": %d, "message": "%b"}}\n\n' % (code, message.encode())


def has_waited(answer: Answer, reads: int) -> Any:
    """Give the loop turns until the answer was asked for so many reads."""

    async def wait() -> None:
        while answer.reads < reads:
            await asyncio.sleep(0)

    return asyncio.wait_for(wait(), 10)


# -- attempt ----------------------------------------------------------------------------------


async def test_the_body_of_an_error_is_read_up_to_64_kib():
    """A server that sends its error without end is not listened to for ever."""
    endless = Answer(*[b"x" * 16384] * 100, status=500)
    client, _ = client_over(endless, retry=ONCE)
    async with client:
        with pytest.raises(StreamError):
            await client.complete("Hi")
    assert endless.reads == 4
    assert endless.closed == 1


async def test_what_lies_in_the_reader_of_a_continuation_is_compared_too():
    """A continuation is cancelled while it repeats the answer: what had arrived of it is no new text."""
    pending: asyncio.Future[bytes] = asyncio.Future()
    second = Answer(text_event("One two "), pending, text_event("three four five six seven eight "))
    client, _ = client_over(cut(), second, retry=AT_ONCE, recovery=Recovery(methods=("replay",)), budget=FREE)
    async with client:
        stream = client.stream("Hi")
        task = asyncio.create_task(stream.collect())
        await has_waited(second, 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert stream.transcript.text == "One two three four five six seven eight "
    assert [seam.method for seam in stream.transcript.seams] == ["replay"]


async def test_bytes_behind_the_end_that_a_link_set_are_not_recorded():
    """A user's link that wants no more of the answer has closed it: what has arrived meanwhile belongs to nobody."""

    async def first_only(request: Request, call: CallContext, call_next: Handler) -> AsyncGenerator[Batch, None]:
        async with aclosing(call_next(request, call)) as batches:
            async for batch in batches:
                yield batch
                return

    answer = Answer(text_event("a"), text_event("b"), text_event("c"))
    client, _ = client_over(answer, middlewares=[first_only], retry=ONCE)
    async with client:
        transcript = await client.complete("Hi")
    assert (transcript.text, transcript.outcome) == ("a", "complete")
    assert answer.closed == 1


async def test_a_call_stays_billed_when_its_last_request_never_left():
    """The error of a request that was not sent does not hide that an earlier one was."""
    client, _ = client_over(Answer(status=503), refused(), refused(), retry=AT_ONCE, budget=FREE)
    async with client:
        with pytest.raises(StreamError) as raised:
            await client.complete("Hi")
    assert raised.value.kind == "connect_failed"
    assert raised.value.billed_maybe


class Asking(OpenAIChat, frozen=True):
    """OpenAI's dialect, which notes in `told` how long the policy waits."""

    def classify(self, status: int, headers: Mapping[str, str], body: bytes, max_retry_after: float = 60.0) -> Failure:
        """Note it."""
        told.append(max_retry_after)
        return super().classify(status, headers, body, max_retry_after)


told: list[float] = []


async def test_an_adapter_is_told_how_long_the_policy_waits(monkeypatch: pytest.MonkeyPatch):
    """A third party's adapter may judge an error by it; none of ours does."""
    told.clear()
    _provide(monkeypatch, Asking("asks-for-patience", HOSTS["openai"]))
    client, _ = client_over(Answer(status=500), retry=RetryPolicy(attempts=1, max_retry_after=7))
    async with client:
        with pytest.raises(StreamError):
            await client.complete(
                "Hi", to=Target("asks-for-patience:m", base_url="http://127.0.0.1:9", api_key="k" * 12)
            )
    assert told == [7]


# -- call -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("outer_policy", "inner_policy"), [(RetryPolicy(), ONCE), (ONCE, RetryPolicy())])
async def test_a_nested_call_is_no_news_when_one_of_the_two_does_not_retry(
    caplog: pytest.LogCaptureFixture, outer_policy: RetryPolicy, inner_policy: RetryPolicy
):
    """Retries multiply only where both calls retry."""
    inner, _ = client_over(whole(text_event("a")), retry=inner_policy)

    async def asks_too(request: Request, call: CallContext, call_next: Handler) -> AsyncGenerator[Batch, None]:
        await inner.complete("Hi")
        async for batch in call_next(request, call):
            yield batch

    outer, _ = client_over(whole(text_event("b")), middlewares=[asks_too], retry=outer_policy)
    async with inner, outer:
        with caplog.at_level(logging.WARNING, "resilient_stream"):
            await outer.complete("Hi")
    assert not caplog.records


# -- classify and retry -----------------------------------------------------------------------


async def test_only_a_used_connection_can_have_gone_stale():
    """A new connection that is lost is a fault of the network: with retries off it is not tried again."""
    client, transport = client_over(Refused(ConnectionResetError(), written=True), whole(), retry=ONCE)
    async with client:
        with pytest.raises(StreamError) as raised:
            await client.complete("Hi")
    assert (raised.value.kind, raised.value.code) == ("connection_lost", "")
    assert len(transport.requests) == 1


async def test_a_stale_connection_is_replaced_once_for_nothing():
    """The pool's fault costs no attempt and no wait, but only the first time."""
    stale = Refused(ConnectionResetError(), written=True, reused=True)
    client, transport = client_over(stale, whole(text_event("a")), retry=ONCE)
    async with client:
        transcript = await client.complete("Hi")
    assert (transcript.text, len(transport.requests)) == ("a", 2)

    client, transport = client_over(stale, stale, whole(text_event("a")), retry=ONCE)
    async with client:
        with pytest.raises(StreamError) as raised:
            await client.complete("Hi")
    assert raised.value.code == "stale_connection"
    assert len(transport.requests) == 2


async def test_a_kind_that_is_not_retried_is_sent_once_more_where_the_server_asks_for_it():
    """`x-should-retry: true` on a refusal means one more request, not all that the policy has."""
    refusals = [Answer(status=403, headers={"x-should-retry": "true"}) for _ in range(5)]
    client, transport = client_over(*refusals, retry=AT_ONCE, budget=FREE)
    async with client:
        with pytest.raises(StreamError) as raised:
            await client.complete("Hi")
    assert (raised.value.kind, raised.value.gave_up) == ("permission_denied", "attempts")
    assert len(transport.requests) == 2


# -- errors that are kept ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "options"),
    [
        (refused, {"targets": 2, "retry": ONCE}),
        (refused, {"retry": AT_ONCE}),
        (cut, {"retry": ONCE}),
    ],
    ids=["fallback", "retry", "recover"],
)
async def test_an_error_that_was_got_over_keeps_no_frames(
    first: Callable[[], Answer | Refused], options: dict[str, Any]
):
    """A transcript may be kept for long: what it says of an attempt that failed refers to nothing of the call."""
    client, _ = client_over(first(), whole(*HALF, text_event("eight.")), budget=FREE, **options)
    async with client:
        transcript = await client.complete("Hi")
    links: list[BaseException | None] = [transcript.attempts[0].error]
    assert links[0] is not None
    for link in links:
        if link is not None:
            assert link.__traceback__ is None
            links += (link.__cause__, link.__context__)


async def test_dropping_a_stream_that_fell_back_closes_its_connection_at_once():
    """The error of the first target does not lead back to the stream."""
    second = Answer(text_event("a"), asyncio.Future())
    client, _ = client_over(Answer(status=401), second, targets=2, retry=ONCE)
    gc.disable()
    try:
        async with client:
            stream = client.stream("Hi")
            await anext(stream)
            transcript = stream.transcript
            del stream
            assert second.closed == 1
            assert transcript.outcome == "abandoned"
    finally:
        gc.enable()


# -- recover ----------------------------------------------------------------------------------


async def test_an_error_that_no_target_mends_ends_the_continuations():
    """A continuation is told that the configuration is wrong: nothing else is tried, whatever methods are left."""
    wrong = Refused(ValueError("Newline or carriage return detected in headers: in header"))
    client, transport = client_over(
        cut(), wrong, whole(*HALF), whole(*HALF), targets=2, retry=ONCE, budget=FREE,
        recovery=Recovery(methods=("replay", "instruct", "restart"), max_continuations=5),
    )  # fmt: skip
    async with client:
        with pytest.raises(StreamError) as raised:
            await client.complete("Hi")
    assert raised.value.kind == "stream_interrupted"
    assert len(transport.requests) == 2


@pytest.mark.parametrize("deadline", [20.0, 30.0])
async def test_a_pause_that_would_outlast_the_deadline_is_not_begun(clock: Clock, deadline: float):
    """The target that broke off asks for thirty seconds: the part is handed back now, nobody waits for the deadline."""
    busy = Answer(*HALF, in_stream_error(429, "Rate limit reached. Please try again in 30s."))
    client, transport = client_over(
        busy, whole(*HALF), retry=RetryPolicy(jitter=0), budget=FREE, recovery=Recovery(methods=("replay",))
    )
    async with client:
        with pytest.raises(StreamError) as raised:
            await client.complete("Hi", deadline=deadline)
    assert raised.value.transcript is not None
    assert raised.value.transcript.outcome == "failed"
    assert (len(transport.requests), clock.passed) == (1, 0)


async def test_a_pause_before_the_deadline_is_waited(clock: Clock):
    """With one second more the answer is gone on with, after the pause."""
    busy = Answer(*HALF, in_stream_error(429, "Rate limit reached. Please try again in 30s."))
    client, transport = client_over(
        busy, whole(*HALF, text_event("eight.")), retry=RetryPolicy(jitter=0), budget=FREE,
        recovery=Recovery(methods=("replay",)),
    )  # fmt: skip
    async with client:
        transcript = await client.complete("Hi", deadline=31)
    assert transcript.text == "One two three four five six seven eight."
    assert (len(transport.requests), clock.passed) == (2, 30)


async def test_a_host_without_resources_ends_a_continuation():
    """This process has no more files: it is told so as what it is, and no other continuation needs one, too."""
    full = Refused(OSError(errno.EMFILE, "Too many open files"))
    client, transport = client_over(
        cut(), full, whole(*HALF), whole(*HALF), targets=2, retry=ONCE, budget=FREE,
        recovery=Recovery(methods=("replay", "restart"), max_continuations=5),
    )  # fmt: skip
    async with client:
        with pytest.raises(StreamError) as raised:
            await client.complete("Hi")
    assert raised.value.kind == "fd_exhausted"
    assert len(transport.requests) == 2


# -- buffered ---------------------------------------------------------------------------------


class Resumable(OpenAIChat, frozen=True):
    """OpenAI's dialect, as if it could take an answer up again."""

    def capabilities(self, model: str) -> Capabilities:
        """It resumes, and can answer in one piece."""
        return Capabilities(native_resume=True, whole=True)

    def decoder(self, request: Request) -> Any:
        """With a place to go on from."""
        return _Marked(super().decoder(request))


class _Marked:
    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.resume_point = ResumePoint(response_id="r1", sequence=2)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


async def test_a_resumed_answer_is_not_asked_for_in_one_piece(monkeypatch: pytest.MonkeyPatch):
    """A whole answer would begin anew, so the rest of a stream is asked for as a stream, also where memory is short."""
    _provide(monkeypatch, Resumable("resumes-or-whole", HOSTS["openai"]))
    used = [1]
    monkeypatch.setattr("resilient_stream.engine.middleware.buffered.rss_bytes", lambda: used[0])
    target = Target("resumes-or-whole:m", base_url="http://127.0.0.1:9", api_key="k" * 12)
    first = Answer(*HALF, asyncio.Future())
    client, transport = client_over(
        first, whole(text_event("eight.")), retry=AT_ONCE, budget=FREE, recovery=Recovery(methods=("native",)),
        limits=Limits(max_rss_bytes=1000),
    )  # fmt: skip
    async with client:
        stream = client.stream("Hi", to=target)
        task = asyncio.create_task(stream.collect())
        await has_waited(first, 3)
        used[0] = 2000
        first.interrupt(ConnectionResetError())
        transcript = await task
    assert transcript.text == "One two three four five six seven eight."
    assert [b'"stream":true' in request.body for request in transport.requests] == [True, True]


# -- cleanup and concurrency ------------------------------------------------------------------


async def test_an_error_without_a_host_closes_no_idle_connections():
    """No address is known when the user's own callable for the key fails: the pools of all others stay as they are."""

    def no_key() -> str:
        raise KeyError("vault")

    client, transport = client_over(retry=ONCE)
    async with client:
        with pytest.raises(StreamError) as raised:
            await client.complete("Hi", to=Target("openai:m", base_url="http://127.0.0.1:9", api_key=no_key))
    assert raised.value.kind == "authentication"
    assert transport.idle_closed == []


async def test_a_refused_key_closes_the_idle_connections_of_its_host():
    """With the address known, only what goes there is closed."""
    client, transport = client_over(Answer(status=401), retry=ONCE)
    async with client:
        with pytest.raises(StreamError):
            await client.complete("Hi")
    assert transport.idle_closed == ["127.0.0.1:9"]


def test_each_loop_has_a_line_of_its_own():
    """A place taken on one loop is given back there: nobody on another loop may wait for it."""
    known = Target("openai:m", base_url="http://127.0.0.1:9", api_key="k" * 12)
    client = Client(known, limits=Limits(max_concurrency=1), retry=ONCE)
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    try:
        pending = first.create_future()
        client.transport = ScriptedTransport([Answer(text_event("a"), pending), whole(text_event("b"))])

        async def began() -> Any:
            stream = client.stream("Hi")
            await anext(stream)
            return stream

        stream = first.run_until_complete(began())
        other = second.run_until_complete(client.complete("Hi", deadline=10))
        assert other.text == "b"

        async def closes() -> None:
            stream.close()

        first.run_until_complete(closes())
    finally:
        first.close()
        second.close()


# -- transcript -------------------------------------------------------------------------------


async def test_a_transcript_is_found_behind_an_error_that_was_raised_meanwhile():
    """Also where an `except` block of the application failed itself, which names no cause."""
    client, _ = client_over(cut(), retry=ONCE, recovery=Recovery.off())
    async with client:
        with pytest.raises(ZeroDivisionError) as raised:
            try:
                await client.complete("Hi")
            except StreamError:
                _ = 1 / 0
    assert raised.value.__cause__ is None
    transcript = Transcript.of(raised.value)
    assert transcript is not None
    assert transcript.text == "One two three four five six seven "


def _provide(monkeypatch: pytest.MonkeyPatch, adapter: OpenAIChat) -> None:
    """Make the adapter known under its name, which no other test may use: adapters are kept by their names."""
    module = ModuleType(f"resilient_stream.providers.{adapter.name}")
    module.ADAPTER = adapter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(_OWN, adapter.name, f".{adapter.name}:ADAPTER")
