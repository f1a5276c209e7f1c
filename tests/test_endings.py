"""Every way a stream can end: the connection is gone, the record is kept, and it never looks like a normal end."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
import pytest

from resilient_stream import (
    Client,
    ClientClosed,
    ContextError,
    RateLimited,
    RetryPolicy,
    Stream,
    StreamError,
    StreamMisused,
    Timeouts,
    Transcript,
)

from .loopback import HEAD, InThread, Loopback, Script, chat, cut_after, delta, status

pytestmark = pytest.mark.usefixtures("nothing_left")

PATIENCE = 3.0
"""Seconds in which a server hears that its client has left. That takes milliseconds, and its answers last longer."""
ENDLESS: Script = [HEAD, *([delta("tok"), 0.002] * 2000)]
QUIET: Script = [HEAD, delta("tok"), "stall"]


@pytest.fixture
async def server() -> AsyncIterator[Loopback]:
    """A server whose answers do not end by themselves."""
    async with Loopback(ENDLESS) as loopback:
        yield loopback


@pytest.fixture
async def client(server: Loopback) -> AsyncIterator[Client]:
    """A client of that server."""
    async with Client(server.target(), retry=RetryPolicy(initial=0.001)) as made:
        yield made


async def by_break(stream: Stream) -> None:
    """Leave the loop."""
    async for _ in stream:
        break


async def by_raise(stream: Stream) -> None:
    """Raise in the loop's body."""
    async for _ in stream:
        raise KeyError


async def by_context(stream: Stream) -> None:
    """Leave the `async with` block."""
    async with stream:
        async for _ in stream:
            break


async def by_close(stream: Stream) -> None:
    """Call close()."""
    await anext(stream)
    stream.close()
    stream.close()


async def by_aclose(stream: Stream) -> None:
    """Call aclose()."""
    await anext(stream)
    await stream.aclose()


async def by_texts(stream: Stream) -> None:
    """Leave the loop over the texts."""
    async for _ in stream.texts():
        break


WAYS = [by_break, by_raise, by_context, by_close, by_aclose, by_texts]


@pytest.mark.parametrize("way", WAYS)
async def test_leaving_closes_the_connection_at_once(
    way: Callable[[Stream], Awaitable[None]], server: Loopback, client: Client
) -> None:
    """However the caller leaves, the server sees it within milliseconds, and on_end is called once."""
    ended: list[Transcript] = []
    try:
        await way(client.stream("hi", on_end=ended.append))
    except KeyError:
        pass
    assert [transcript.outcome for transcript in ended] == ["abandoned"]  # before anything else had a turn
    assert ended[0].delivered == "tok"
    await asyncio.wait_for(server.seen[0].left.wait(), PATIENCE)
    assert not client.calls


@pytest.mark.usefixtures("own_clock")
@pytest.mark.parametrize("first", [status(500), ["cut"], [HEAD, "stall"]], ids=["500", "lost", "silent"])
async def test_leaving_closes_at_once_also_after_a_failed_attempt(first: Script) -> None:
    """The error of an earlier attempt is kept, but not its frames: they would keep the stream until a collection."""
    timeouts = Timeouts(first_content=1)
    async with Loopback(first) as bad, Loopback(first, ENDLESS) as good:
        async with Client(
            bad.target(), good.target(), retry=RetryPolicy(attempts=2, initial=0), timeouts=timeouts
        ) as client:
            gc.collect()
            gc.disable()
            try:
                async for _ in client.stream("hi"):
                    break
                await asyncio.wait_for(good.seen[1].left.wait(), PATIENCE)
            finally:
                gc.enable()
        assert await bad.idle()


async def test_a_dropped_stream_that_was_never_pulled_sends_nothing(server: Loopback, client: Client) -> None:
    """stream() alone costs nothing, and still ends once."""
    ended: list[Transcript] = []
    client.stream("hi", on_end=ended.append)
    gc.collect()
    assert [transcript.outcome for transcript in ended] == ["abandoned"]
    assert server.seen == []


async def test_a_stream_collected_in_another_thread_is_closed_on_its_loop(server: Loopback, client: Client) -> None:
    """The cyclic collector may run anywhere; on_end still runs on the loop's thread."""
    threads: list[int] = []
    holder: list[object] = []
    stream = client.stream("hi", on_end=lambda _: threads.append(threading.get_ident()))
    await anext(stream)
    holder += [holder, stream]
    gc.disable()
    try:
        del stream, holder
        await asyncio.to_thread(gc.collect)
    finally:
        gc.enable()
    await asyncio.wait_for(server.seen[0].left.wait(), PATIENCE)
    assert threads == [threading.get_ident()]


@pytest.mark.parametrize("script", [[], [HEAD], QUIET], ids=["before the head", "before content", "mid answer"])
async def test_cancelling_leaves_at_once_and_keeps_the_partial(script: Script) -> None:
    """CancelledError leaves as itself, once; the transcript is on the stream, in on_end, and found from the error."""
    ended: list[Transcript] = []
    found: list[Transcript | None] = []

    async def consume(stream: Stream) -> None:
        try:
            async for _ in stream:
                pass
        except asyncio.CancelledError as error:
            found.append(Transcript.of(error))
            raise

    async with Loopback([*script, "stall"]) as server, Client(server.target()) as client:
        stream = client.stream("hi", on_end=ended.append)
        task = asyncio.create_task(consume(stream))
        while not server.seen or (script is QUIET and not stream.transcript.delivered):
            await asyncio.sleep(0.002)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.seen[0].left.wait(), PATIENCE)
    assert found == ended == [stream.transcript]
    assert stream.transcript.outcome == "cancelled"
    assert stream.transcript.text == ("tok" if script is QUIET else "")


async def test_cancelling_a_wait_between_attempts_ends_it() -> None:
    """A long backoff is left at once."""
    async with Loopback(status(503)) as server:
        async with Client(server.target(), retry=RetryPolicy(initial=30)) as client:
            task = asyncio.create_task(client.complete("hi"))
            while not server.seen:
                await asyncio.sleep(0.002)
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(task, PATIENCE)


async def test_timeouts_around_a_stream_work_as_they_should(client: Client) -> None:
    """asyncio.timeout and anyio's scopes see their own cancellation; the transcript is found from the error."""
    stream = client.stream("hi")
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0.03):
            async for _ in stream:
                pass
    found = Transcript.of(caught.value)
    assert found is stream.transcript
    assert found.outcome == "cancelled"
    with anyio.move_on_after(0.03) as scope:
        async for _ in client.stream("hi"):
            pass
    assert scope.cancelled_caught
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_timed_out_pull_does_not_become_a_whole_answer() -> None:
    """After a wait_for around one pull has timed out, the next pull raises instead of ending the loop."""
    async with Loopback(QUIET) as server, Client(server.target()) as client:
        stream = client.stream("hi")
        assert (await anext(stream)).text == "tok"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.01)
        for _ in range(2):
            with pytest.raises(ContextError):
                await anext(stream)
    assert stream.transcript.outcome == "cancelled"


async def test_a_closed_stream_raises_when_pulled(client: Client) -> None:
    """After close() there is no normal end, and what was not taken is not handed out any more."""
    stream = client.stream("hi")
    await anext(stream)
    stream.close()
    with pytest.raises(ContextError) as caught:
        await anext(stream)
    assert caught.value.kind == "cancelled"
    assert caught.value.transcript is stream.transcript


async def test_a_failed_stream_raises_again() -> None:
    """The same error each time, and a complete one just ends again."""
    async with Loopback(cut_after("a"), chat("b")) as server, Client(server.target()) as client:
        stream = client.stream("hi")
        errors = []
        for _ in range(2):
            with pytest.raises(StreamError) as caught:
                await stream.collect()
            errors.append(caught.value)
        assert errors[0] is errors[1]
        whole = client.stream("hi")
        await whole.collect()
        with pytest.raises(StopAsyncIteration):
            await anext(whole)


async def test_two_tasks_may_not_pull_one_stream() -> None:
    """The second one is told so, and the first one is not disturbed."""
    async with Loopback([HEAD, delta("a"), 0.02, *chat("b")[1:]]) as server, Client(server.target()) as client:
        stream = client.stream("hi")
        await anext(stream)
        first = asyncio.create_task(anext(stream))
        await asyncio.sleep(0)
        with pytest.raises(StreamMisused, match="another task"):
            await anext(stream)
        assert (await first).text == "b"  # type: ignore[union-attr]
        stream.close()


async def test_close_wakes_a_pull_in_another_task() -> None:
    """The pull raises, the connection is closed, and the outcome is recorded once."""
    ended: list[Transcript] = []
    async with Loopback(QUIET) as server, Client(server.target()) as client:
        stream = client.stream("hi", on_end=ended.append)
        await anext(stream)
        pull = asyncio.create_task(anext(stream))
        await asyncio.sleep(0.01)
        stream.close()
        with pytest.raises(ContextError):
            await pull
        await asyncio.wait_for(server.seen[0].left.wait(), PATIENCE)
    assert [transcript.outcome for transcript in ended] == ["abandoned"]


async def test_closing_the_client_ends_all_its_streams(server: Loopback) -> None:
    """Pulls raise ClientClosed, suspended streams are recorded at once, new ones are refused."""
    ended: list[Transcript] = []
    client = Client(server.target())
    streams = [client.stream("hi", on_end=ended.append) for _ in range(5)]
    for stream in streams:
        await anext(stream)
    pull = asyncio.create_task(streams[0].collect())
    await asyncio.sleep(0.01)
    await client.aclose()
    with pytest.raises(ClientClosed):
        await pull
    assert [transcript.outcome for transcript in ended] == ["client_closed"] * 5
    with pytest.raises(ClientClosed):
        await anext(streams[1])
    with pytest.raises(ClientClosed):
        await client.complete("hi")
    assert await server.idle()
    await client.aclose()


@pytest.mark.usefixtures("own_clock")
async def test_a_consumer_that_takes_nothing_loses_its_connection(server: Loopback) -> None:
    """A forgotten stream is given up after the consumer timeout, and says so when it is pulled."""
    ended: list[Transcript] = []
    async with Client(server.target(), timeouts=Timeouts(consumer=0.05)) as client:
        stream = client.stream("hi", on_end=ended.append)
        await anext(stream)
        await asyncio.wait_for(server.seen[0].left.wait(), PATIENCE)
        assert [transcript.outcome for transcript in ended] == ["abandoned"]
        with pytest.raises(ContextError):
            await anext(stream)


@pytest.mark.usefixtures("own_clock")
async def test_the_deadline_passes_while_nobody_pulls() -> None:
    """What had arrived by then is delivered, and then the deadline is raised; it was recorded when it passed."""
    ended: list[Transcript] = []
    async with Loopback([HEAD, delta("a"), 0.01, delta("b"), "stall"]) as server, Client(server.target()) as client:
        stream = client.stream("hi", deadline=0.05, on_end=ended.append)
        assert (await anext(stream)).text == "a"
        await asyncio.wait_for(server.seen[0].left.wait(), PATIENCE)
        assert (ended[0].outcome, ended[0].text, ended[0].delivered) == ("deadline", "ab", "a")
        assert (await anext(stream)).text == "b"
        with pytest.raises(TimeoutError):
            await anext(stream)
    assert stream.transcript.delivered == "ab"


async def test_a_scope_closes_what_was_started_in_it(server: Loopback, client: Client) -> None:
    """Leaving it ends every stream, and the report counts them."""
    async with client.scope() as scope:
        kept = [scope.stream("hi"), scope.stream("hi"), scope.stream("hi")]
        await anext(kept[0])
        await anext(kept[1])
        assert scope.report().closed == 0
    report = scope.report()
    assert (report.opened, report.closed, report.complete, report.partial) == (3, 3, 0, 2)
    assert await server.idle()
    with pytest.raises(ContextError):
        await anext(kept[0])
    with pytest.raises(StreamMisused):
        scope.stream("hi")


async def test_a_scopes_deadline_is_over_its_streams(client: Client) -> None:
    """Streams of a scope share its time."""
    async with client.scope(deadline=0.05) as scope:
        with pytest.raises(TimeoutError):
            await scope.stream("hi", deadline=60).collect()
        with pytest.raises(TimeoutError):
            await scope.stream("hi").collect()


async def test_a_middleware_that_awaits_in_its_finally_is_finished(server: Loopback) -> None:
    """A user's link may clean up slowly; it is run to its end in a task."""
    cleaned = asyncio.Event()

    async def slow(request, call, call_next):  # type: ignore[no-untyped-def]
        try:
            async for batch in call_next(request, call):
                yield batch
        finally:
            await asyncio.sleep(0.01)
            cleaned.set()

    async with Client(server.target(), middlewares=[slow]) as client:
        await by_break(client.stream("hi"))
        await asyncio.wait_for(cleaned.wait(), PATIENCE)


async def test_a_cancellation_from_inside_the_transport_is_a_lost_connection() -> None:
    """A CancelledError that nobody asked for is a failure of the attempt, and the chain goes on."""

    async def stray(request, call, call_next):  # type: ignore[no-untyped-def]
        if request.attempt == 1:
            call.transport.open = _cancelled(call.transport.open)
        async for batch in call_next(request, call):
            yield batch

    def _cancelled(real):  # type: ignore[no-untyped-def]
        async def open_once(*arguments: object) -> object:
            del transport.open
            raise asyncio.CancelledError

        return open_once

    async with Loopback(chat("Hello")) as server:
        async with Client(server.target(), middlewares=[stray], retry=RetryPolicy(initial=0)) as client:
            transport = client.transport
            transcript = await client.complete("hi")
    assert (transcript.text, len(transcript.attempts)) == ("Hello", 2) or len(transcript.attempts) == 1


def test_a_client_serves_several_loops() -> None:
    """Made outside any loop, used in two: a session for each."""
    client = Client(retry=RetryPolicy.off())
    for _ in range(2):

        async def use() -> str:
            async with Loopback(chat("Hello")) as server:
                transcript = await client.complete("hi", to=server.target())
                await client.transport.aclose()
                return transcript.text

        assert asyncio.run(use()) == "Hello"


def test_a_loop_that_ends_with_a_running_stream_closes_it() -> None:
    """asyncio.run cancels what runs; the server sees it go and on_end was called."""
    ended: list[Transcript] = []
    with InThread(Loopback(ENDLESS)) as server:

        async def main() -> None:
            client = Client(server.target())
            task = asyncio.create_task(client.stream("hi", on_end=ended.append).collect())
            while not server.seen:
                await asyncio.sleep(0.002)
            await asyncio.sleep(0.01)
            task.cancel()
            await client.aclose()

        asyncio.run(main())
    assert [transcript.outcome for transcript in ended] in (["cancelled"], ["client_closed"])


async def test_a_rate_limit_is_raised_with_its_class_from_complete() -> None:
    """`complete` raises RateLimited, since it runs the same chain."""
    body = {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
    async with Loopback(status(429, body)) as server, Client(server.target(), retry=RetryPolicy.off()) as client:
        with pytest.raises(RateLimited):
            await client.complete("hi")
