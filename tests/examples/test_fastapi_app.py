"""docs/examples/fastapi_app.py on a real uvicorn, alone and behind a BaseHTTPMiddleware."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from resilient_stream import Client
from tests.loopback import Loopback, chat, cut_after

from .promises import Promises
from .stage import Start, Stop, example


async def pass_on(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """A middleware as most are written; Starlette puts queues and tasks of its own around the app for it."""
    return await call_next(request)


@pytest.fixture(params=["alone", "middleware"])
def start(request: pytest.FixtureRequest) -> Start:
    """Serves by uvicorn."""
    app = example("fastapi_app").app
    if request.param == "middleware":
        app = BaseHTTPMiddleware(app, pass_on)

    async def on(listening: socket.socket) -> Stop:
        grace: Any = 0.05
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=grace))
        serving = asyncio.create_task(server.serve([listening]))
        while not server.started:
            await asyncio.sleep(0.001)

        async def stop() -> None:
            server.should_exit = True
            await serving

        return stop

    return on


class TestFastAPI(Promises):
    """All of the promises, twice."""


class Server:
    """An ASGI server in a few lines, for what uvicorn does not do."""

    def __init__(self, *, spec_version: str = "2.3", breaks: bool = False) -> None:
        self.scope = {"type": "http", "asgi": {"version": "3.0", "spec_version": spec_version}}
        self.gone = asyncio.Event()
        self.breaks = breaks
        self.sent = b""

    async def receive(self) -> Message:
        """Says nothing until the browser is gone."""
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """From ASGI 2.4 on a server may raise here when the browser is gone."""
        self.sent += message.get("body", b"")
        if self.breaks and self.sent:
            raise ConnectionResetError


@pytest.fixture
async def upstream(nothing_left: None) -> AsyncIterator[Loopback]:
    """A provider for tests without uvicorn."""
    async with Loopback(["stall"]) as loopback:
        yield loopback


@pytest.fixture
async def response(upstream: Loopback) -> AsyncIterator[Response]:
    """A streamed answer that was not sent yet."""
    async with Client(upstream.target()) as client:
        yield example("fastapi_app").StreamedAnswer(client.stream("hi"))


@pytest.mark.parametrize("spec_version", ["2.3", "2.4"])
async def test_leaving_is_noticed_by_any_server(upstream: Loopback, response: Response, spec_version: str) -> None:
    """From ASGI 2.4 on Starlette's own response would notice only at its next send; this one does not wait for it."""
    server = Server(spec_version=spec_version)
    answering = asyncio.create_task(response(server.scope, server.receive, server.send))
    while not upstream.seen:
        await asyncio.sleep(0.001)
    server.gone.set()
    assert await upstream.idle()
    await answering


async def test_server_that_raises_in_send(upstream: Loopback, response: Response) -> None:
    """When sending fails the provider's side is closed, though the response is still referred to."""
    upstream.scripts = [cut_after("first", end="stall")]
    server = Server(breaks=True)
    with pytest.raises(ConnectionResetError):
        await response(server.scope, server.receive, server.send)
    assert await upstream.idle()


async def test_watch_ends_with_the_answer(upstream: Loopback, response: Response) -> None:
    """With a server that never says that the browser is gone, nothing waits for it after the answer."""
    upstream.scripts = [chat("Hello")]
    server = Server()
    await response(server.scope, server.receive, server.send)
    assert b"complete" in server.sent


async def test_response_that_is_never_sent_asks_nobody(upstream: Loopback, response: Response) -> None:
    """A middleware that drops the response leaves nothing open: the provider was not even asked."""
    assert response.status_code == 200
    assert not upstream.connections
