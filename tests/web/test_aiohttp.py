"""Responses of aiohttp's server, with and without the cancellation of handlers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from benchmarks.disconnects import Flood
from benchmarks.servers import SERVERS, Reader, listening, served
from resilient_stream import Client
from resilient_stream.formats.events import EventsWriter
from resilient_stream.testing import End, FakeProvider, Preamble, Stall, Text
from resilient_stream.web.aiohttp import stream_response

from .serving import Promises, Until, hearing

KINDS = [
    ("aiohttp", server, middleware)
    for server in ("aiohttp", "aiohttp, handler_cancellation")
    for middleware in (False, True)
]


class TestAiohttp(Promises):
    """All of the promises, for each."""

    @pytest.fixture(params=KINDS, ids=lambda kind: f"{kind[1]}{'-middleware' if kind[2] else ''}")
    def kind(self, request: pytest.FixtureRequest) -> Any:
        return request.param


@pytest.fixture
async def address(fake_provider: FakeProvider) -> AsyncIterator[tuple[str, int]]:
    """Where an app serves the provider's answers."""
    client = Client(fake_provider.target("openai"))
    async with client, served("aiohttp", "aiohttp", False, lambda: client.stream("Hi")) as at:
        yield at


async def test_connection_is_given_back(address: tuple[str, int], fake_provider: FakeProvider) -> None:
    """The next request on the connection works, also where it was sent while the answer before was under way."""
    fake_provider.play([Text("Hello"), End()])
    reader = await Reader.ask(address)
    reader.say(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n")
    for _ in range(2):
        assert b"complete" in await reader.hears_out()
    reader.say(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n")
    assert b"complete" in await reader.hears_out()
    reader.leave()


async def test_protocol_is_given_back(fake_provider: FakeProvider) -> None:
    """After the response the connection has the protocol that it had, so that responses do not pile up on it."""
    fake_provider.play([Text("Hello"), End()])
    client, protocols = Client(fake_provider.target("openai")), []

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        protocols.append(request.transport.get_protocol())
        response = await stream_response(request, client.stream("Hi"))
        protocols.append(request.transport.get_protocol())
        return response

    app = web.Application()
    app.router.add_get("/", answer)
    made = listening()
    async with client, SERVERS["aiohttp"](app, made):
        reader = await Reader.ask(made.getsockname())
        await reader.hears_out()
        reader.leave()
    assert protocols[0] is protocols[1]


async def test_reader_whose_connection_is_reset_has_left(address: tuple[str, int], fake_provider: FakeProvider) -> None:
    """A reset has no end of what is sent before it; it is noticed although nothing is written."""
    fake_provider.play([Preamble(), Stall()])
    reader = await Reader.ask(address)
    while not fake_provider.requests:
        await asyncio.sleep(0.001)
    reader.reset()
    await fake_provider.wait_closed(1)


async def test_slow_reader_that_closes_its_side_has_left(address: tuple[str, int], fake_provider: FakeProvider) -> None:
    """It will never take what waits for it, so the connection itself would stay for long."""
    flood = Flood()
    fake_provider.play(flood)
    reader = await Reader.ask(address)
    await reader.hears(b"data: ")
    await flood.dammed()
    reader.say(None)
    await fake_provider.wait_closed(1)
    reader.leave()


async def test_reader_that_closes_its_side_has_left(address: tuple[str, int], fake_provider: FakeProvider) -> None:
    """aiohttp closes a connection whose other side was closed, so nobody reads the answer."""
    fake_provider.play([Text("Hello"), Stall()])
    reader = await Reader.ask(address)
    await reader.hears(b"Hello")
    reader.say(None)
    await fake_provider.wait_closed(1)
    reader.leave()


async def test_bug_is_told_and_logged(fake_provider: FakeProvider, caplog: pytest.LogCaptureFixture) -> None:
    """The reader gets an event in our words, the log the exception, and the connection is closed."""

    class Broken(EventsWriter):
        def write(self, items: Any) -> list[bytes]:
            if any(item.text == "bad" for item in items):
                raise ZeroDivisionError("a secret")
            return super().write(items)

    more = asyncio.Event()
    fake_provider.play([Text("Hello"), Until(more), Text("bad"), Stall()])
    client = Client(fake_provider.target("openai"))
    async with client, served("aiohttp", "aiohttp", False, lambda: client.stream("Hi"), format=Broken()) as at:
        reader = await Reader.ask(at)
        await reader.hears(b"Hello")
        fake_provider._loop.call_soon_threadsafe(more.set)
        heard = await reader.hears_out()
        reader.leave()
    assert b"Error of the server" in heard
    assert b"secret" not in heard
    assert "ZeroDivisionError: a secret" in caplog.text


async def test_client_that_is_closed_at_shutdown_tells_its_readers(fake_provider: FakeProvider) -> None:
    """aiohttp's on_shutdown runs before it waits for answers: there `client.aclose()` ends them all, in words."""
    fake_provider.play([Text("Hello"), Stall()])
    client = Client(fake_provider.target("openai"))

    async def answer(request: web.Request) -> web.StreamResponse:
        return await stream_response(request, client.stream("Hi"))

    async def stop(app: web.Application) -> None:
        await client.aclose()

    app = web.Application()
    app.router.add_get("/", answer)
    app.on_shutdown.append(stop)
    runner, reader = await hearing(app)
    await runner.cleanup()
    heard = await reader.hears_out()
    assert b"client_closed" in heard
    assert heard.endswith(b"0\r\n\r\n")
    reader.leave()
