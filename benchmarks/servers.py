"""The web servers of the benchmarks: an app with one route, served on loopback in this process, and its readers."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from importlib.util import find_spec
from typing import Any, TypeAlias

from aiohttp import web
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from resilient_stream.delivery import Answering
from resilient_stream.web.aiohttp import resume_response, stream_response
from resilient_stream.web.starlette import ResumeResponse, StreamResponse

__all__ = ["Ask", "SERVERS", "STACKS", "Reader", "Serving", "listening", "served", "serving"]

PATIENCE = 30
"""Seconds that a reader waits for bytes which a server that works sends at once, when it has started."""
SMALL = 4096
"""Bytes asked of the operating system for a socket's buffer; it takes more, but does not let it grow."""

Ask: TypeAlias = Callable[[], Answering]
"""Makes the stream of one response."""
Serving: TypeAlias = AbstractAsyncContextManager[None]
Serve: TypeAlias = Callable[[Any, socket.socket], Serving]


def listening() -> socket.socket:
    """A socket whose accepted connections have small buffers, so that a slow reader is noticed soon."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", 0))
    made.listen(1024)
    made.setblocking(False)
    return made


# -- the stacks: one app each, with and without a middleware -------------------------------------


async def pass_on(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """A middleware as most are written; Starlette puts queues and tasks of its own around the app for it."""
    return await call_next(request)


@web.middleware
async def handed_on(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
    """The same for aiohttp."""
    return await handler(request)


def fastapi_app(ask: Ask, middleware: bool, options: Mapping[str, Any]) -> Any:
    """A FastAPI app."""
    app = FastAPI(middleware=[Middleware(BaseHTTPMiddleware, dispatch=pass_on)] if middleware else [])

    @app.get("/")
    async def answer() -> Response:
        return StreamResponse(ask(), **options)

    @app.get("/{id}")
    async def rest(id: str, request: Request) -> Response:
        return ResumeResponse(options["hub"], id, request)

    return app


def starlette_app(ask: Ask, middleware: bool, options: Mapping[str, Any]) -> Any:
    """A Starlette app."""

    async def answer(request: Request) -> Response:
        return StreamResponse(ask(), **options)

    async def rest(request: Request) -> Response:
        return ResumeResponse(options["hub"], request.path_params["id"], request)

    around = [Middleware(BaseHTTPMiddleware, dispatch=pass_on)] if middleware else []
    return Starlette(routes=[Route("/", answer), Route("/{id}", rest)], middleware=around)


def aiohttp_app(ask: Ask, middleware: bool, options: Mapping[str, Any]) -> Any:
    """An aiohttp app."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return await stream_response(request, ask(), **options)

    async def rest(request: web.Request) -> web.StreamResponse:
        return await resume_response(request, options["hub"], request.match_info["id"])

    app = web.Application(middlewares=[handed_on] if middleware else [])
    app.router.add_get("/", answer)
    app.router.add_get("/{id}", rest)
    return app


# -- the servers ---------------------------------------------------------------------------------


@asynccontextmanager
async def on_uvicorn(app: Any, made: socket.socket) -> AsyncIterator[None]:
    """uvicorn, with whichever HTTP parser it finds."""
    import uvicorn

    grace: Any = 0.05
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=grace))
    running = asyncio.create_task(server.serve([made]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.001)
    yield
    server.should_exit = True
    await running


@asynccontextmanager
async def on_hypercorn(app: Any, made: socket.socket) -> AsyncIterator[None]:
    """hypercorn."""
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config, done = Config(), asyncio.Event()
    config.bind, config.graceful_timeout, config.accesslog = [f"fd://{made.fileno()}"], 0.05, None
    running = asyncio.create_task(serve(app, config, shutdown_trigger=done.wait))  # type: ignore[arg-type]
    await asyncio.sleep(0.1)
    yield
    done.set()
    await running


@asynccontextmanager
async def on_granian(app: Any, made: socket.socket) -> AsyncIterator[None]:
    """granian's embedded server, which is written in Rust and takes no socket of ours."""
    from granian.constants import Interfaces
    from granian.server.embed import Server

    port = made.getsockname()[1]
    made.close()
    server = Server(app, address="127.0.0.1", port=port, interface=Interfaces.ASGINL, log_enabled=False)
    running = asyncio.create_task(server.serve())
    await asyncio.sleep(0.3)
    yield
    server.stop()
    with suppress(TimeoutError):  # it may wait for a connection of its own
        await asyncio.wait_for(running, 5)


def on_aiohttp(handler_cancellation: bool) -> Serve:
    """aiohttp's own server."""

    @asynccontextmanager
    async def serve(app: Any, made: socket.socket) -> AsyncIterator[None]:
        options = {"handler_cancellation": True} if handler_cancellation else {}
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05, **options)
        await runner.setup()
        await web.SockSite(runner, made).start()
        yield
        await runner.cleanup()

    return serve


SERVERS: Mapping[str, Serve] = {
    "uvicorn": on_uvicorn,
    "hypercorn": on_hypercorn,
    "granian": on_granian,
    "aiohttp": on_aiohttp(False),
    "aiohttp, handler_cancellation": on_aiohttp(True),
}
STACKS: Mapping[str, tuple[Callable[[Ask, bool, Mapping[str, Any]], Any], tuple[str, ...]]] = {
    "Starlette": (starlette_app, ("uvicorn", "hypercorn", "granian")),
    "FastAPI": (fastapi_app, ("uvicorn", "hypercorn", "granian")),
    "aiohttp": (aiohttp_app, ("aiohttp", "aiohttp, handler_cancellation")),
}
"""The app of each framework, and the servers that can run it."""


def serving() -> list[tuple[str, str]]:
    """The pairs of framework and server that are installed here."""
    return [
        (stack, server)
        for stack, (_, servers) in STACKS.items()
        for server in servers
        if find_spec(server.split(",")[0])
    ]


@asynccontextmanager
async def served(stack: str, server: str, middleware: bool, ask: Ask, **options: Any) -> AsyncIterator[tuple[str, int]]:
    """Serve what `ask` gives at GET /, and the rest of a hub's streams at GET /id. Give the address.

    options: of the response.
    """
    made = listening()
    address: tuple[str, int] = made.getsockname()
    async with SERVERS[server](STACKS[stack][0](ask, middleware, options), made):
        yield address


class Reader:
    """One request on a connection of its own, with a small buffer. It reads what it is told to, and leaves."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def ask(cls, address: tuple[str, int], method: str = "GET", path: str = "/") -> Reader:
        """Send a request."""
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, address)
        asked = cls(*await asyncio.open_connection(sock=made, limit=SMALL))
        asked._writer.write(f"{method} {path} HTTP/1.1\r\nhost: test\r\n\r\n".encode())
        return asked

    async def hears(self, text: bytes) -> bytes:
        """Read up to and with `text`."""
        return await asyncio.wait_for(self._reader.readuntil(text), PATIENCE)

    def say(self, data: bytes | None) -> None:
        """Send more; None is the end of what is sent."""
        if data is None:
            self._writer.write_eof()
        else:
            self._writer.write(data)

    async def takes(self, size: int) -> bytes:
        """Read so many bytes."""
        return await asyncio.wait_for(self._reader.readexactly(size), PATIENCE)

    async def hears_out(self) -> bytes:
        """Read to the end of the connection, or of the chunked body."""
        heard = b""
        while not heard.endswith(b"\r\n0\r\n\r\n") and (
            data := await asyncio.wait_for(self._reader.read(65536), PATIENCE)
        ):
            heard += data
        return heard

    def reset(self) -> None:
        """Close at once, by a reset."""
        made = self._writer.get_extra_info("socket")
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.leave()

    def leave(self) -> None:
        """Close at once."""
        self._writer.transport.abort()
