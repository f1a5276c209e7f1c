"""The chain against real sockets: what is tried again, what goes elsewhere, and what the caller is told."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest

from resilient_stream import (
    AllTargetsFailed,
    AuthenticationFailed,
    Client,
    ConnectionFailed,
    DeadlineExceeded,
    InvalidRequest,
    MalformedStream,
    RateLimited,
    Recovery,
    ResponseTimeout,
    RetryPolicy,
    StreamError,
    StreamInterrupted,
    Target,
    Timeouts,
    Transcript,
)
from resilient_stream.engine import body
from resilient_stream.events import AttemptStarted, Event, FellBack, RetryScheduled
from tests.engine.clock import Clock

from .loopback import (
    COMMENT,
    DONE,
    HEAD,
    LAST,
    PREAMBLE,
    Loopback,
    Script,
    chat,
    cut_after,
    delta,
    event,
    framed,
    status,
)

QUICK = RetryPolicy(initial=0.001, maximum=0.002)
RATE_LIMIT = {"error": {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}}

pytestmark = pytest.mark.usefixtures("nothing_left")


async def test_an_answer_streams_through() -> None:
    """The pieces arrive in order, and the transcript says all there is to say."""
    async with Loopback(chat("Hel", "lo")) as server, Client(server.target(), retry=QUICK) as client:
        stream = client.stream("hi")
        assert [piece async for piece in stream.texts()] == ["Hel", "lo"]
    transcript = stream.transcript
    assert (transcript.text, transcript.delivered, transcript.outcome) == ("Hello", "Hello", "complete")
    assert (transcript.finish_reason, transcript.usage.output_tokens) == ("stop", 2)
    assert (transcript.target, transcript.model, transcript.request_id) == ("openai:m", "m-1", "req_1")
    assert len(transcript.attempts) == 1
    assert transcript.attempts[0].error is None
    assert transcript.duration is not None
    assert transcript.time_to_first_chunk is not None


BEFORE_CONTENT: dict[str, Script] = {
    "an HTTP 500": status(500, {"error": {"message": "boom", "type": "server_error"}}),
    "an HTTP 429": status(429, RATE_LIMIT),
    "an error event first": [HEAD, event({"error": {"message": "Overloaded", "type": "overloaded_error"}}), LAST],
    "an error event after the preamble": [HEAD, PREAMBLE, event({"error": {"message": "x", "code": 503}}), LAST],
    "an empty stream": [HEAD, LAST],
    "an empty stream with its marker": [HEAD, DONE, LAST],
    "a cut after the preamble": [HEAD, PREAMBLE, COMMENT, "cut"],
    "a clean end after the preamble": [HEAD, PREAMBLE, LAST],
    "a reset after the preamble": [HEAD, PREAMBLE, "reset"],
    "a cut before the head's end": [HEAD[:40], "cut"],
    "bad JSON": [HEAD, framed(b"data: {nope\n\n"), LAST],
    "a bad chunk": [HEAD, b"zz\r\n"],
}


@pytest.mark.parametrize("script", BEFORE_CONTENT.values(), ids=list(BEFORE_CONTENT))
async def test_before_content_every_failure_is_retried(script: Script) -> None:
    """Refused, cut, empty or an error in a 200: the same target is asked again and the caller sees one answer."""
    async with Loopback(script, chat("Hello")) as server, Client(server.target(), retry=QUICK) as client:
        transcript = await client.complete("hi")
    assert (transcript.text, transcript.outcome, len(transcript.attempts)) == ("Hello", "complete", 2)
    assert transcript.attempts[0].error is not None


@pytest.mark.parametrize("script", BEFORE_CONTENT.values(), ids=list(BEFORE_CONTENT))
async def test_before_content_every_failure_falls_back(script: Script) -> None:
    """With no retry left the next target answers."""
    async with Loopback(script) as bad, Loopback(chat("Hello")) as good:
        async with Client(bad.target(), good.target("other"), retry=RetryPolicy.off()) as client:
            transcript = await client.complete("hi")
    assert (transcript.text, transcript.target) == ("Hello", "openai:other")


@pytest.mark.usefixtures("own_clock")
async def test_silence_before_content_is_a_failure_like_any_other() -> None:
    """No content within first_content: retried, although pings arrive all the time."""
    silent: Script = [HEAD, PREAMBLE, *([COMMENT, 0.01] * 50)]
    async with Loopback(silent, chat("Hello")) as server:
        async with Client(server.target(), retry=QUICK, timeouts=Timeouts(first_content=0.05)) as client:
            transcript = await client.complete("hi")
    assert (transcript.text, len(transcript.attempts)) == ("Hello", 2)
    assert isinstance(transcript.attempts[0].error, ResponseTimeout)


LIMITED = event({"error": {"message": "x", "code": 429}})
AFTER_CONTENT: dict[str, tuple[Script, type[StreamError], str]] = {
    "a cut": (cut_after("Hel", "lo"), StreamInterrupted, "stream"),
    "a reset": (cut_after("Hel", "lo", end="reset"), StreamInterrupted, "stream"),
    "a clean end without its marker": (cut_after("Hel", "lo", end=LAST), StreamInterrupted, "finish"),
    "bad JSON": (cut_after("Hel", "lo", end=framed(b"data: {nope\n\n")), MalformedStream, "stream"),
    "an error event": (cut_after("Hel", "lo", end=LIMITED), RateLimited, "stream"),
    "broken framing": ([*cut_after("Hel", "lo", end=0.02), b"zz\r\n", "stall"], StreamInterrupted, "stream"),
}


@pytest.mark.parametrize(("script", "kind", "phase"), AFTER_CONTENT.values(), ids=list(AFTER_CONTENT))
async def test_after_content_nothing_is_repeated(script: Script, kind: type[StreamError], phase: str) -> None:
    """All that arrived is delivered first; then, with recovery off, the error and the transcript; nobody is asked."""
    async with Loopback(script) as server, Loopback(chat("No")) as other:
        async with Client(server.target(), other.target(), retry=QUICK, recovery=Recovery.off()) as client:
            stream, pieces = client.stream("hi"), []
            with pytest.raises(kind) as caught:
                async for chunk in stream:
                    pieces.append(chunk.text)
        assert not other.seen
    assert "".join(pieces) == stream.transcript.text == "Hello"
    assert stream.transcript.outcome == "failed"
    assert caught.value.transcript is stream.transcript
    assert (caught.value.phase, caught.value.billed_maybe) == (phase, True)


async def test_a_stall_is_noticed_through_keep_alives(own_clock: Clock) -> None:
    """Comments and empty deltas do not feed the stall clock (promise 5)."""
    script = [HEAD, delta("Hel"), *([COMMENT, 0.005, PREAMBLE, 0.005] * 100)]
    async with Loopback(script) as server, Client(server.target(), timeouts=Timeouts(stall=0.06)) as client:
        stream = client.stream("hi", recovery=Recovery.off())
        with pytest.raises(ResponseTimeout) as caught:
            await stream.collect()
        assert await server.idle()
    assert caught.value.kind == "read_timeout"
    assert stream.transcript.text == "Hel"
    assert 0.05 < own_clock.passed < 0.5


@pytest.mark.usefixtures("own_clock")
async def test_a_slow_consumer_never_trips_the_stall_clock() -> None:
    """The clock runs while a pull waits, and not while the consumer thinks."""
    async with Loopback(chat("a", "b", "c", gap=0.001)) as server:
        async with Client(server.target(), timeouts=Timeouts(stall=0.03)) as client:
            async for _ in (stream := client.stream("hi")):
                await asyncio.sleep(0.02)
    assert stream.transcript.outcome == "complete"


async def test_a_bad_request_is_not_retried_and_not_sent_elsewhere() -> None:
    """Permanent errors leave at once, with what to do."""
    refused = status(400, {"error": {"message": "Unknown parameter: 'x'", "type": "invalid_request_error"}})
    async with Loopback(refused) as server, Loopback(chat("No")) as other:
        async with Client(server.target(), other.target(), retry=QUICK) as client:
            with pytest.raises(InvalidRequest) as caught:
                await client.complete("hi")
        assert (len(server.seen), len(other.seen)) == (1, 0)
    assert "Unknown parameter" in caught.value.message
    assert caught.value.status == 400


async def test_a_bad_key_falls_back() -> None:
    """A refused key makes the call go to the next target, which has another key."""
    refused = status(401, {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}})
    async with Loopback(refused) as server, Loopback(chat("Hello")) as other:
        async with Client(server.target(), other.target(), retry=QUICK) as client:
            transcript = await client.complete("hi")
        assert len(server.seen) == 1
    assert isinstance(transcript.attempts[0].error, AuthenticationFailed)


async def test_when_all_targets_fail_each_is_named() -> None:
    """AllTargetsFailed has one error for each target, in order, and the category of the last."""
    async with Loopback(status(429, RATE_LIMIT)) as first, Loopback(status(500)) as second:
        async with Client(first.target("a"), second.target("b"), retry=RetryPolicy.off()) as client:
            with pytest.raises(AllTargetsFailed) as caught:
                await client.complete("hi")
    error = caught.value
    assert [inner.target for inner in error.errors] == ["openai:a", "openai:b"]
    assert error.category == error.errors[-1].category
    assert "openai:a" in str(error)
    assert "openai:b" in str(error)
    assert error.transcript is not None
    assert len(error.transcript.attempts) == 2


async def test_nobody_listens() -> None:
    """A refused connection names the host, is not billed, and is tried twice."""
    async with Client(Target("openai:m", base_url="http://127.0.0.1:1/v1", api_key="k"), retry=QUICK) as client:
        with pytest.raises(ConnectionFailed) as caught:
            await client.complete("hi")
    assert "127.0.0.1:1" in caught.value.message
    assert (caught.value.phase, caught.value.billed_maybe, caught.value.attempt) == ("connect", False, 2)


async def test_a_hint_beyond_the_deadline_goes_to_the_next_target_now() -> None:
    """`Retry-After: 90` under a deadline of 50 s is never slept through (promise 4)."""
    async with Loopback(status(429, RATE_LIMIT, retry_after="90")) as server, Loopback(chat("Hello")) as other:
        async with Client(server.target(), other.target()) as client:
            transcript = await client.complete("hi", deadline=50)
    assert transcript.text == "Hello"
    assert (transcript.duration or 99) < 20


async def test_a_hint_beyond_the_deadline_fails_now() -> None:
    """With nobody else to ask, the rate limit itself is raised, at once."""
    async with Loopback(status(429, RATE_LIMIT, retry_after="30")) as server:
        async with Client(server.target()) as client:
            with pytest.raises(RateLimited) as caught:
                await client.complete("hi", deadline=25)
    assert caught.value.retry_after == 30
    assert caught.value.transcript is not None
    assert (caught.value.transcript.duration or 99) < 20


async def test_a_hint_is_obeyed_and_never_undercut() -> None:
    """The server's own wait is kept, with jitter upward only."""
    waited: list[float] = []

    def watch(happened: Event) -> None:
        if isinstance(happened, RetryScheduled):
            waited.append(happened.wait)

    async with Loopback(status(429, RATE_LIMIT, retry_after_ms="20"), chat("Hello")) as server:
        async with Client(server.target(), on_event=watch) as client:
            await client.complete("hi")
    assert len(waited) == 1
    assert 0.02 <= waited[0] <= 0.022


@pytest.mark.usefixtures("own_clock")
async def test_the_deadline_is_one_for_everything() -> None:
    """It ends a silent first target, although retries and a fallback were left; what had come is kept."""
    script = [HEAD, delta("Hel"), "stall"]
    async with Loopback(script) as server, Client(server.target()) as client:
        stream = client.stream("hi", deadline=0.05)
        with pytest.raises(DeadlineExceeded) as caught:
            await stream.collect()
        assert await server.idle()
    assert isinstance(caught.value, TimeoutError)
    assert (stream.transcript.outcome, stream.transcript.text) == ("deadline", "Hel")


async def test_the_watcher_sees_attempts_waits_and_the_switch() -> None:
    """Events come in order, and a raising watcher changes nothing."""
    happened: list[Event] = []
    async with Loopback(status(500)) as server, Loopback(chat("Hello")) as other:
        targets = (server.target("a"), other.target("b"))
        async with Client(*targets, retry=RetryPolicy(attempts=2, initial=0), on_event=happened.append) as client:
            await client.complete("hi")
    names = [type(item).__name__ for item in happened]
    assert names == [
        "AttemptStarted", "AttemptFailed", "RetryScheduled", "AttemptStarted", "AttemptFailed", "FellBack",
        "AttemptStarted", "StreamEnded",
    ]  # fmt: skip
    assert [item.attempt for item in happened if isinstance(item, AttemptStarted)] == [1, 2, 1]
    assert [(item.source, item.target) for item in happened if isinstance(item, FellBack)] == [("openai:a", "openai:b")]


async def test_a_raising_callback_does_not_touch_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    """on_end and on_event may have bugs; the answer still ends as it ended."""

    def broken(_: object) -> None:
        raise ZeroDivisionError

    async with Loopback(chat("Hello")) as server, Client(server.target(), on_event=broken) as client:
        transcript = await client.complete("hi", on_end=broken)
    assert transcript.outcome == "complete"
    assert "callback" in caplog.text


@pytest.mark.usefixtures("own_clock")
async def test_connections_are_used_again() -> None:
    """A whole answer gives its connection back, also when the last bytes of its framing come late."""
    late = [*chat("Hello")[:-1], DONE, 0.01, LAST]
    async with Loopback(late) as server, Client(server.target()) as client:
        for _ in range(3):
            await client.complete("hi")
            await asyncio.sleep(0.03)
        assert (len(server.seen), server.connections) == (3, 1)


async def test_a_key_is_asked_for_before_every_attempt() -> None:
    """A callable key, plain or async, rotates; nobody sees it but the server."""
    keys = iter(["one", "two"])

    async def rotate() -> str:
        return next(keys)

    async with Loopback(status(500), chat("Hello")) as server:
        target = Target("openai:m", base_url=server.url, api_key=rotate)
        async with Client(target, retry=QUICK) as client:
            transcript: Transcript = await client.complete("hi")
        assert [seen.headers["authorization"] for seen in server.seen] == ["Bearer one", "Bearer two"]
    assert "two" not in repr(target) + repr(transcript.to_dict())


async def test_a_missing_key_names_its_variable_and_sends_nothing() -> None:
    """The message says which environment variable to set."""
    async with Client("openai:m") as client:
        with pytest.raises(AuthenticationFailed) as caught:
            await client.complete("hi")
    assert "OPENAI_API_KEY" in str(caught.value)
    assert caught.value.transcript is not None
    assert caught.value.transcript.attempts == []
    assert (caught.value.phase, caught.value.billed_maybe) == ("connect", False)


@pytest.mark.usefixtures("own_clock")
@pytest.mark.parametrize("end", ["reset", "cut"])
async def test_what_had_arrived_before_a_failure_is_delivered_first(end: Literal["reset", "cut"]) -> None:
    """What aiohttp had buffered when the connection broke is delivered; fails when its private fields are gone."""
    async with Loopback([HEAD, delta("a"), 0.01, delta("b") + delta("c"), 0.01, end]) as server:
        async with Client(server.target()) as client:
            stream = client.stream("hi")
            assert (await anext(stream)).text == "a"
            await asyncio.sleep(0.06)  # b, c and the break arrive meanwhile
            assert [(await anext(stream)).text, (await anext(stream)).text] == ["b", "c"]
            with pytest.raises(StreamInterrupted):
                await anext(stream)
    assert stream.transcript.text == "abc"


@pytest.mark.usefixtures("own_clock")
async def test_a_stale_connection_is_replaced_for_free() -> None:
    """The server closed a connection that lay in the pool: asked again at once, also with retries off."""
    async with Loopback(chat("one"), ["cut"], chat("two")) as server:
        async with Client(server.target(), retry=RetryPolicy.off()) as client:
            await client.complete("hi")
            await asyncio.sleep(0.01)
            transcript = await client.complete("hi")
        assert server.connections == 2
    assert (transcript.text, len(transcript.attempts)) == ("two", 2)


def page(code: int, body: bytes, content_type: str = "text/html", more: str = "") -> Script:
    """An answer that is no event stream."""
    head = f"HTTP/1.1 {code} X\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n{more}\r\n"
    return [head.encode() + body]


NOT_THE_API: dict[str, tuple[Script, str]] = {
    "a login page": (page(200, b"<!doctype html><html>Sign in</html>"), "unexpected_response"),
    "a redirect": (page(302, b"", more="location: https://elsewhere.test/\r\n"), "unexpected_response"),
    "JSON with an error": (
        page(200, b'{"error": {"message": "no", "code": 429}}', "application/json"), "rate_limited"),
    "JSON that calls itself a stream": (
        page(200, b'{"error": {"message": "no", "code": 503}}', "text/event-stream"), "provider_overloaded"),
    "a gateway's page": (page(502, b"<html>Bad Gateway</html>"), "gateway_error"),
}  # fmt: skip


@pytest.mark.parametrize(("script", "kind"), NOT_THE_API.values(), ids=list(NOT_THE_API))
async def test_what_is_not_the_api_is_named_and_left(script: Script, kind: str) -> None:
    """A 200 alone proves nothing: pages, redirects and JSON errors are told apart, and the next target answers."""
    async with Loopback(script) as server, Loopback(chat("Hello")) as other:
        async with Client(server.target(), other.target(), retry=RetryPolicy.off()) as client:
            transcript = await client.complete("hi")
    assert transcript.text == "Hello"
    assert transcript.attempts[0].error is not None
    assert transcript.attempts[0].error.kind == kind


async def test_an_event_stream_under_another_name_is_read() -> None:
    """Proxies relabel: what begins like an event stream is one."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    async with Loopback([head, *chat("Hello")[1:]]) as server, Client(server.target()) as client:
        assert (await client.complete("hi")).text == "Hello"


async def test_an_error_body_that_never_ends_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came of it within its moment is classified."""
    monkeypatch.setattr(body, "ERROR_BODY_SECONDS", 0.03)
    half = b'HTTP/1.1 429 X\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{"error": {'
    async with Loopback([half, "stall"]) as server, Client(server.target(), retry=RetryPolicy.off()) as client:
        with pytest.raises(RateLimited) as caught:
            await client.complete("hi")
        assert await server.idle()
    assert caught.value.status == 429
