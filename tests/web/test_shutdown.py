"""A server that shuts down tells its readers: real uvicorn processes that get a signal, and aiohttp's own order."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from benchmarks.servers import Reader, listening
from resilient_stream import Client, StreamMisused
from resilient_stream.stores import RedisStore
from resilient_stream.testing import End, FakeProvider, Preamble, Sleep, Stall, Text
from resilient_stream.web import Hub, end_responses, graceful_shutdown
from resilient_stream.web.aiohttp import stream_response
from resilient_stream.web.answer import Answer, open_answers
from resilient_stream.web.source import Source

from ..engine.clock import Clock
from ..stores.fake_redis import FakeRedis
from .hub_parts import Feeding, PlainWriter, read_all, turns
from .serving import events, hearing
from .test_answer import Response, beginning

pytestmark = pytest.mark.usefixtures("nothing_left")


TOLD = b"data: error elsewhere\n\ndata: end failed\n\n"


@pytest.fixture
def serve() -> Iterator[Callable[..., Any]]:
    """`serve(after, script, …)` starts uvicorn; gives the process, its address and the provider that it asks."""
    pytest.importorskip("uvicorn")
    started: list[Any] = []

    def start(after: float, *scripts: Any) -> tuple[subprocess.Popen[bytes], tuple[str, int], FakeProvider]:
        upstream = FakeProvider.in_thread(*scripts)
        provider, made = upstream.__enter__(), listening()
        environ = {**os.environ, "UPSTREAM": provider.base_url("openai"), "AFTER": str(after)}
        command = [sys.executable, "-m", "uvicorn", "tests.web.shutdown_app:app", "--log-level", "warning"]
        fd = made.fileno()
        process = subprocess.Popen([*command, "--fd", str(fd)], env=environ, pass_fds=[fd], stderr=subprocess.PIPE)
        address = made.getsockname()
        made.close()
        started.append((upstream, process))
        return process, address, provider

    yield start
    for upstream, process in started:
        process.kill()
        process.communicate()
        upstream.__exit__(None, None, None)


async def rest_of(reader: Reader) -> bytes:
    """What else it hears of a body that has its end."""
    heard = await reader.hears_out()
    assert heard.endswith(b"0\r\n\r\n")
    return heard


async def ended(process: subprocess.Popen[bytes]) -> bytes:
    """What a process that ends in time has written."""
    return (await asyncio.to_thread(process.communicate, timeout=30))[1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_readers_are_told_at_a_signal(serve: Any, number: signal.Signals) -> None:
    """An error and an end in the format, a body with its end, and no waiting for an answer without one. Who has nothing
    yet gets a status."""
    said = [Text("Hello"), Stall()]
    process, address, provider = serve(0.1, said, said, said, [Preamble(), Stall()])
    readers = [await Reader.ask(address, path=f"/{how}") for how in ("alone", "hub", "detached")]
    for reader in readers:
        await reader.hears(b"Hello")
    waiting = await Reader.ask(address, path="/alone")
    while len(provider.requests) < 4:
        await asyncio.sleep(0.01)
    sent = time.monotonic()
    process.send_signal(number)
    for reader in readers:
        error, end = events(await rest_of(reader))[-2:]
        assert (error["kind"], error["title"]) == ("client_closed", "Server shut down")
        assert (end["type"], end["outcome"]) == ("end", "client_closed")
    refused = await waiting.hears_out()
    assert refused.startswith(b"HTTP/1.1 503")
    assert b"The server was shut down while the answer was on its way." in refused
    assert b"Traceback" not in await ended(process)
    assert time.monotonic() - sent < 20
    for reader in (*readers, waiting):
        reader.leave()


async def test_a_short_answer_ends_by_itself(serve: Any) -> None:
    """Within the time that is given to it, nothing is cut short."""
    process, address, _ = serve(10, [Text("Hello"), Sleep(0.5), Text(" again"), End()])
    reader = await Reader.ask(address, path="/alone")
    await reader.hears(b"Hello")
    process.send_signal(signal.SIGTERM)
    assert events(await rest_of(reader))[-1]["outcome"] == "complete"
    await ended(process)
    reader.leave()


@pytest.mark.parametrize("after", [0.0, 0.05])
async def test_aiohttp_tells_before_it_waits(fake_provider: FakeProvider, after: float) -> None:
    """Its on_shutdown comes first, so no signal has to be heard; a hub's answers end there, too."""
    fake_provider.play([Text("Hello"), Stall()])
    client, hub = Client(fake_provider.target("openai")), Hub()

    async def answer(request: web.Request) -> web.StreamResponse:
        return await stream_response(request, client.stream("Hi"), hub=hub)

    async def tell(app: web.Application) -> None:
        await end_responses(after)

    app = web.Application()
    app.router.add_get("/", answer)
    app.on_shutdown.append(tell)
    runner, reader = await hearing(app)
    await runner.cleanup()
    assert events(await rest_of(reader))[-2]["title"] == "Server shut down"
    reader.leave()
    await hub.aclose()
    await client.aclose()
    assert open_answers() == []


@asynccontextmanager
async def shared() -> AsyncIterator[tuple[Hub, Hub]]:
    """Two processes over one Redis."""
    redis = FakeRedis()
    hubs = [Hub(RedisStore(connect=redis.connect), writers={"plain": PlainWriter}) for _ in range(2)]
    yield hubs[0], hubs[1]
    for hub in hubs:
        await hub.aclose(drain=0)


async def sent(source: Source, *, until: bytes = b"") -> tuple[Response, asyncio.Future[None]]:
    """A response on its way."""
    response = Response()
    task = asyncio.ensure_future(Answer(source, response, None, []).run())
    while until not in response.body:
        await asyncio.sleep(0.001)
    return response, task


@pytest.mark.parametrize("on_disconnect", ["cancel", "drain", "detach"])
async def test_an_answer_that_others_serve_goes_on(on_disconnect: Any) -> None:
    """Its reader is told to come back, without a number; who runs it is not stopped by the reader that leaves."""
    async with shared() as (one, two):
        feeding = Feeding()
        source = one.begin(feeding.stream, PlainWriter(), format="plain", on_disconnect=on_disconnect)
        feeding.feed("a")
        response, task = await sent(source, until=b"data: a")
        await end_responses(after=0)
        await task
        assert response.body.endswith(TOLD)
        assert response.ended
        rest = await two.resume(source.stream_id or "", 2)
        feeding.feed("b")
        feeding.end()
        assert response.body.removesuffix(TOLD) + await read_all(rest) == b"".join(
            b"id: %d\ndata: %b\n\n" % (number, text)
            for number, text in enumerate([b"begin", b"a", b"b", b"end complete"], 1)
        )


async def test_readers_of_others_answers_are_told_too() -> None:
    """The process that runs the answer notices nothing."""
    async with shared() as (one, two):
        feeding = Feeding()
        source = one.begin(feeding.stream, PlainWriter(), format="plain", on_disconnect="detach")
        feeding.feed("a")
        response, task = await sent(await two.resume(source.stream_id or ""), until=b"data: a")
        await end_responses(after=0)
        await task
        assert response.body.endswith(TOLD)
        feeding.end()
        assert (await read_all(source)).endswith(b"data: end complete\n\n")


async def test_who_has_nothing_yet_is_refused_and_may_ask_another_server() -> None:
    """Before the first frame it is a status, also where others have the answer."""
    async with shared() as (one, _):
        feeding = Feeding()
        source = one.begin(feeding.stream, PlainWriter(), format="plain", on_disconnect="detach")
        response, task = await sent(source)
        await turns()
        await end_responses(after=0)
        await task
        assert (response.status, response.body) == (502, b"stream_interrupted")
        feeding.end()


async def test_a_reader_that_takes_nothing_holds_up_nothing(own_clock: Clock) -> None:
    """The shutdown goes on after a second; the server cuts that reader."""
    feeding = Feeding()
    response, task = beginning(feeding)
    response.room.clear()
    feeding.feed("a")
    await turns()
    await end_responses(after=0)
    assert 0.5 < own_clock.passed < 5
    assert not task.done()
    response.room.set()
    await task
    assert response.events[-2]["title"] == "Server shut down"


async def test_handlers_are_given_back() -> None:
    """Whoever had the signal has it again; a signal that nobody handles stays so."""
    heard: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: heard.append(number))
    unhandled = signal.getsignal(signal.SIGUSR2)
    ours = signal.getsignal(signal.SIGUSR1)
    async with graceful_shutdown(after=0, signals=[signal.SIGUSR1, signal.SIGUSR2]):
        assert signal.getsignal(signal.SIGUSR2) is unhandled
        feeding = Feeding()
        response, task = beginning(feeding)
        feeding.feed("a")
        await turns()
        signal.raise_signal(signal.SIGUSR1)
        await task
        assert response.events[-2]["title"] == "Server shut down"
        late, task = beginning(Feeding())
        await task
        assert late.status == 503
    assert heard == [signal.SIGUSR1]
    assert signal.getsignal(signal.SIGUSR1) is ours
    signal.signal(signal.SIGUSR1, before)


async def test_another_thread_hears_no_signals() -> None:
    """There it does nothing, and nothing fails."""

    async def there() -> None:
        async with graceful_shutdown():
            pass

    before = signal.getsignal(signal.SIGTERM)
    await asyncio.to_thread(asyncio.run, there())
    assert signal.getsignal(signal.SIGTERM) is before


async def test_no_time_is_less_than_none() -> None:
    """A mistake is told when the application starts."""
    with pytest.raises(StreamMisused, match="after"):
        async with graceful_shutdown(after=-1):
            pass
    with pytest.raises(StreamMisused, match="after"):
        await end_responses(after=-1)
