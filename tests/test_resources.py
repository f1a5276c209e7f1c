"""When this process runs out of something: memory, files, places. Nobody else is blamed, and what can be freed is."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import subprocess
import sys
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from resilient_stream import (
    Client,
    DeadlineExceeded,
    Limits,
    RetryBudget,
    RetryPolicy,
    Stream,
    StreamError,
    Target,
    Timeouts,
)
from resilient_stream.engine.cleanup import SCOPES
from resilient_stream.engine.memory import rss_bytes
from resilient_stream.engine.slots import Line, Slots
from resilient_stream.errors import ErrorKind
from resilient_stream.fleet.health import key_of
from resilient_stream.kinds import KINDS, ErrorCategory
from resilient_stream.testing import (
    CleanEnd,
    End,
    FakeProvider,
    Head,
    ReceivedRequest,
    Reply,
    Script,
    Send,
    Sleep,
    Stall,
    Status,
    Text,
)

QUICK = RetryPolicy(initial=0.001, maximum=0.002)
HELLO: Script = (Text("Hel", "lo"), End())
HANGS: Script = (Text("Hel"), Stall())
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits and /proc are Linux's")


def child(*arguments: str) -> dict[str, Any]:
    """What a process says that runs `tests.resource_child`."""
    command = [sys.executable, "-m", "tests.resource_child", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# -- memory -----------------------------------------------------------------------------------


LIMIT = 300
"""MiB of address space for a whole Python process. It takes about 150 to have started."""

ANSWER = 320
"""MiB of text."""

WORDS = ("some words, and more of them, " * 40)[:1024].encode()


def large_answer(request: ReceivedRequest) -> Iterator[Any]:
    """The answer in one piece, or as a stream; or as a stream of one event, to somebody who did not say which."""
    if not request.json["stream"]:
        yield Head(200, {"content-type": "application/json"})
        yield Send(b'{"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"')
        yield from [Send(WORDS * 64)] * (ANSWER * 16)
        yield Send(b'"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":99}}')
    else:
        event = b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % WORDS
        yield from [Send(event * 64)] * (ANSWER * 16)
        yield Send(b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')
    yield CleanEnd()


def one_endless_event(request: ReceivedRequest) -> Iterator[Any]:
    """A stream whose first event does not end; a whole answer is one."""
    if not request.json["stream"]:
        yield from large_answer(request)
        return
    yield Send(b'data: {"choices":[{"index":0,"delta":{"content":"')
    while True:
        yield Send(WORDS * 64)


@linux
@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "script", "fell_back"),
    [("whole", large_answer, []), ("streamed", large_answer, []), ("falls_back", one_endless_event, ["buffer_limit"])],
    ids=["asked for", "streamed", "fallen back"],
)
def test_an_answer_larger_than_all_memory_completes(way: str, script: Any, fell_back: list[str]) -> None:
    """Under RLIMIT_AS, with the default limits: in one piece, as a stream, and as one that had to become a piece."""
    with FakeProvider.in_thread(script) as provider:
        found = child("memory", provider.base_url("openai"), str(LIMIT), way)
    print(json.dumps(found))
    check = 0
    for _ in range(ANSWER * 16):
        check = zlib.crc32(WORDS * 64, check)
    assert (found["outcome"], found["error"], found["fell_back"]) == ("complete", None, fell_back)
    assert found["bytes"] == ANSWER << 20 > found["limit"] > found["peak_address_space"]
    assert found["crc32"] == check
    assert found["peak_rss"] < 200 << 20
    assert found["transcript"] + found["omitted"] == found["bytes"]


def test_what_is_in_use_is_known() -> None:
    """About what the operating system says, and cheap."""
    used = rss_bytes()
    assert used is not None
    assert 10 << 20 < used < 8 << 30


# -- files ------------------------------------------------------------------------------------


@linux
@pytest.mark.parametrize("way", ["idle", "full"])
def test_too_many_open_files(way: str) -> None:
    """Under RLIMIT_NOFILE: idle connections make room; where there are none, two more tries, and nobody is blamed."""
    with (
        FakeProvider.in_thread(HELLO) as before,
        FakeProvider.in_thread(HELLO) as wanted,
        FakeProvider.in_thread(HELLO) as other,
    ):
        urls = [provider.base_url("openai") for provider in (before, wanted, other)]
        found = child("files", *urls, way)
        assert (len(wanted.requests), len(other.requests)) == (way == "idle", 0)
    print(json.dumps(found))
    if way == "idle":
        assert (found["outcome"], found["attempts"]) == ("complete", ["fd_exhausted", "answered"])
    else:
        assert (found["outcome"], found["attempts"]) == ("failed", ["fd_exhausted"] * 3)
        assert found["error"].startswith("Too many open files (openai:m): This process has too many files")
        assert "It was tried 3 times." in found["error"]
        assert "ulimit -n" in found["error"]


async def test_our_own_trouble_spends_no_budget_of_the_target() -> None:
    """Nothing was sent, so a retry adds nothing to its load."""

    async def no_files(request, call, call_next):  # type: ignore[no-untyped-def]
        if request.attempt == 1:
            call.transport.http.open = lambda *_: _raise(OSError(24, "Too many open files"), call.transport.http)
        async for batch in call_next(request, call):
            yield batch

    async def _raise(error: Exception, transport: Any) -> None:
        del transport.open
        raise error

    async with FakeProvider(HELLO) as provider:
        target, budget = provider.target("openai"), RetryBudget(ratio=0, reserve=0)
        async with Client(target, retry=QUICK, budget=budget, middlewares=[no_files]) as client:
            transcript = await client.complete("hi")
    assert [each.error and each.error.kind.value for each in transcript.attempts] == ["fd_exhausted", None]


async def test_a_log_that_cannot_be_made_ends_no_call(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, nothing_left: None
) -> None:
    """What tells of a failure may fail for the same reason: the call has its own end all the same, once."""

    def no_memory(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("resilient_stream.telemetry.reporter._only_log", no_memory)
    ended: list[Any] = []
    async with FakeProvider([Status(400)]) as provider, Client(provider.target("openai")) as client:
        with pytest.raises(StreamError):
            await client.complete("hi", on_end=ended.append)
        assert not client.calls
    assert [transcript.outcome for transcript in ended] == ["failed"]
    assert "an observer of resilient_stream raised" in caplog.text


# -- idle connections -------------------------------------------------------------------------


def test_only_what_concerns_everything_or_the_target_closes_connections() -> None:
    """Resource errors close them everywhere, permanent ones at their host; nothing that may work again does."""
    for kind, scope in SCOPES.items():
        wanted = ErrorCategory.RESOURCE if scope == "everywhere" else ErrorCategory.PERMANENT
        assert KINDS[kind].category is wanted
    assert (
        not {ErrorKind.INVALID_REQUEST, ErrorKind.CONTEXT_LENGTH_EXCEEDED, ErrorKind.CONTENT_FILTERED} & SCOPES.keys()
    )


@pytest.mark.parametrize(("status", "left"), [(401, 0), (404, 0), (400, 1), (429, 1)])
async def test_a_permanent_error_closes_idle_connections_to_its_host(
    status: int, left: int, caplog: pytest.LogCaptureFixture, nothing_left: None
) -> None:
    """Those of other hosts stay (fails when aiohttp's private fields go); it is logged at DEBUG."""
    caplog.set_level(logging.DEBUG, "resilient_stream")
    async with FakeProvider(HELLO) as other, FakeProvider([Status(status)]) as provider:
        async with Client(provider.target("openai"), retry=RetryPolicy.off()) as client:
            await client.complete("hi", to=other.target("openai"))
            with pytest.raises(StreamError):
                await client.complete("hi")
            await asyncio.sleep(0.01)
            assert (provider.open_connections, other.open_connections) == (left, 1)
            said = [record.getMessage() for record in caplog.records if "nobody used are closed" in record.getMessage()]
            assert len(said) == (not left)
            assert client.transport.close_idle() == 1 + left
            await asyncio.sleep(0.01)
            assert other.open_connections == 0
            assert (await client.complete("hi", to=other.target("openai"))).text == "Hello"


async def test_a_connection_in_use_is_left_alone(nothing_left: None) -> None:
    """An answer goes on while the idle ones are closed."""
    async with FakeProvider(HELLO) as provider, Client(provider.target("openai")) as client:
        stream = client.stream("hi")
        assert (await anext(stream)).text == "Hel"
        client.transport.close_idle()
        assert (await stream.collect()).text == "Hello"


# -- places -----------------------------------------------------------------------------------


class Counting:
    """A step that counts how many answers are on their way at once, and lets others have a turn."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def play(self, reply: Reply) -> None:
        """Count."""
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.005)
        self.now -= 1


@pytest.mark.parametrize("where", ["client", "target"])
async def test_no_more_streams_at_a_target_than_there_are_places(where: str, nothing_left: None) -> None:
    """The others wait for their turn; another target has places of its own."""
    limits, counting, others = Limits(max_concurrency=3), Counting(), Counting()
    async with FakeProvider([counting, *HELLO]) as provider, FakeProvider([others, *HELLO]) as other:
        target = provider.target("openai", limits=limits if where == "target" else None)
        async with Client(target, limits=limits if where == "client" else None) as client:
            calls = [client.complete("hi") for _ in range(20)]
            calls += [client.complete("hi", to=other.target("openai")) for _ in range(3)]
            found = await asyncio.gather(*calls)
            assert client.slots._gates == {}
    assert [transcript.text for transcript in found] == ["Hello"] * 23
    assert (counting.most, others.most) == (3, 3)


async def by_break(stream: Stream) -> None:
    """Leave the loop."""
    async for _ in stream:
        break


async def by_close(stream: Stream) -> None:
    """Close it."""
    await anext(stream)
    stream.close()


async def by_cancel(stream: Stream) -> None:
    """Cancel who reads it."""
    task = asyncio.create_task(stream.collect())
    await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def by_deadline(stream: Stream) -> None:
    """Let its time pass."""
    with pytest.raises(DeadlineExceeded):
        await stream.collect()


async def by_dropping(stream: Stream) -> None:
    """Forget it."""
    await anext(stream)


@pytest.mark.usefixtures("own_clock")
@pytest.mark.parametrize("way", [by_break, by_close, by_cancel, by_deadline, by_dropping])
async def test_a_place_is_given_back_on_every_ending(way: Any, nothing_left: None) -> None:
    """The next call has it at once."""
    limits, timeouts = Limits(max_concurrency=1), Timeouts(connect=0.5)
    async with FakeProvider(HANGS, HELLO) as provider:
        async with Client(provider.target("openai"), limits=limits, timeouts=timeouts) as client:
            await way(client.stream("hi", deadline=0.05 if way is by_deadline else None))
            assert client.slots._gates == {}
            assert (await client.complete("hi")).text == "Hello"


@pytest.mark.usefixtures("own_clock")
async def test_who_waits_too_long_for_a_place_is_told_why(nothing_left: None) -> None:
    """At the deadline: it says that it was the line, and its limit; nothing was sent anywhere."""
    async with FakeProvider(HANGS) as provider, FakeProvider(HELLO) as other:
        targets = provider.target("openai"), other.target("openai")
        limits, timeouts = Limits(max_concurrency=1), Timeouts(connect=0.02, first_content=0.03)
        async with Client(*targets, limits=limits, timeouts=timeouts, retry=QUICK) as client:
            async with client.stream("hi", timeouts=Timeouts()) as first:
                await anext(first)
                with pytest.raises(DeadlineExceeded) as caught:
                    await client.complete("hi", deadline=0.1)
        assert (len(provider.requests), len(other.requests)) == (1, 0)
    error = caught.value
    assert (error.failure.code, error.phase, error.target) == ("in_the_line", "connect", "openai:fake-model")
    assert "Streams that Limits allow there at a time: 1." in error.message
    assert not error.billed_maybe
    assert error.transcript is not None
    assert error.transcript.attempts == []


@pytest.mark.usefixtures("own_clock")
async def test_a_batch_of_calls_waits_for_its_turns(nothing_left: None) -> None:
    """Twenty calls in four places all succeed, however much longer they take than a connection may."""
    limits, timeouts = Limits(max_concurrency=4), Timeouts(connect=0.1, first_content=0.2)
    async with FakeProvider([Sleep(0.05), *HELLO]) as provider:
        async with Client(provider.target("openai"), limits=limits, timeouts=timeouts) as client:
            done = await asyncio.gather(*(client.complete("hi") for _ in range(20)))
            assert client.slots._gates == {}
        assert [transcript.text for transcript in done] == ["Hello"] * 20
        assert len(provider.requests) == 20


@pytest.mark.usefixtures("own_clock")
@pytest.mark.parametrize("end", ["deadline", "cancel", "close", "client"])
async def test_a_wait_for_a_place_ends_with_its_call(end: str, nothing_left: None) -> None:
    """At once, and it leaves nobody else's place behind."""
    limits = Limits(max_concurrency=1)
    async with FakeProvider(HANGS, HELLO) as provider, Client(provider.target("openai"), limits=limits) as client:
        first = client.stream("hi")
        await anext(first)
        waiting = client.stream("hi", deadline=0.05 if end == "deadline" else None)
        pull = asyncio.create_task(waiting.collect())
        await asyncio.sleep(0.02)
        if end == "cancel":
            pull.cancel()
        elif end == "close":
            waiting.close()
        elif end == "client":
            await client.aclose()
        done, _ = await asyncio.wait([pull], timeout=0.5)
        assert done
        assert pull.cancelled() or pull.exception() is not None
        if end != "client":
            first.close()
            assert (await client.complete("hi")).text == "Hello"
        assert client.slots._gates == {}


@pytest.mark.usefixtures("own_clock")
async def test_a_place_is_free_during_a_backoff(nothing_left: None) -> None:
    """Whoever waits to try again lets others try."""
    async with FakeProvider([Status(503)], HELLO) as provider:
        client = Client(
            provider.target("openai"), limits=Limits(max_concurrency=1), retry=RetryPolicy(initial=0.1, jitter=0)
        )
        async with client:
            slow = asyncio.create_task(client.complete("hi"))
            await asyncio.sleep(0.03)
            quick = await client.complete("hi")
            assert not slow.done()
            assert (quick.text, (await slow).text) == ("Hello", "Hello")


async def test_a_place_goes_to_who_has_waited_longest() -> None:
    """One after the other; one that was interrupted as its turn came passes it on."""
    line, order = Line(), list[int]()

    async def wait(number: int) -> None:
        await line.take(lambda: 1)
        order.append(number)

    await line.take(lambda: 1)
    waiting = [asyncio.create_task(wait(number)) for number in range(4)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    line.give_back()
    waiting[0].cancel()  # in the moment in which it is its turn
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert order == [2]
    line.give_back()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert order == [2, 3]
    line.give_back()
    assert line.unused


async def test_without_a_limit_nothing_is_counted() -> None:
    """Without max_concurrency no stream is counted or made to wait."""
    async with FakeProvider(HELLO) as provider, Client(provider.target("openai")) as client:
        async with client.stream("hi") as stream:
            await anext(stream)
            assert client.slots._gates == {}


def test_gates_are_forgotten() -> None:
    """A client that has seen many targets keeps none of them."""
    slots, keys = Slots(), [key_of(Target(f"openai:{name}")) for name in "abc"]
    slots.gate(1, keys[0]).running = 1
    slots.gate(1, keys[1])
    for key in keys:
        slots.leave(1, key)
    assert list(slots._gates) == [(1, keys[0])]
    gc.collect()
    assert Target("openai:m").limits is None
