"""The surroundings of an example: its server on a real socket, a provider behind it, and a browser that may leave.

All buffers between provider and browser are small, so that a browser that does not read has an effect soon. Nothing
here knows which framework serves.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import aiohttp

from tests.loopback import HEAD, PREAMBLE, Loopback, Step, delta

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
SMALL = 4096
"""Bytes asked of the operating system for a socket's buffer; it takes more, but stops growing it."""

Stop: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
Start: TypeAlias = Callable[[socket.socket], Awaitable[Stop]]
"""Starts the example's server on a listening socket, and returns what stops it."""


def example(name: str) -> ModuleType:
    """An example as a module."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


def listening() -> socket.socket:
    """A socket whose accepted connections have small buffers."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
    made.bind(("127.0.0.1", 0))
    made.listen()
    made.setblocking(False)
    return made


class Flood(list[Step]):
    """An answer without an end, as fast as it is taken. `taken`: bytes so far."""

    taken = 0

    def __iter__(self) -> Iterator[Step]:
        """Count what is taken."""
        yield HEAD + PREAMBLE
        piece = delta("word " * 200)
        while True:
            self.taken += len(piece)
            yield piece

    async def dammed(self) -> int:
        """Wait until nothing is taken any more, 100 ms long. Returns the bytes that fit in."""
        before, quiet = -1, 0
        while quiet < 20:
            quiet = quiet + 1 if self.taken == before else 0
            before = self.taken
            await asyncio.sleep(0.005)
        return before


class Browser:
    """One question on one connection. It reads what it is told to read, and leaves without a word."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def ask(cls, port: int) -> Browser:
        """Send a question."""
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", port))
        browser = cls(*await asyncio.open_connection(sock=made, limit=SMALL))
        browser._writer.write(
            b"POST /chat HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n"
            b'{"prompt":"hi"}'
        )
        return browser

    async def hears(self, text: bytes) -> bytes:
        """Read up to and with `text`."""
        return await asyncio.wait_for(self._reader.readuntil(text), 5)

    async def hears_out(self) -> bytes:
        """Read to the end of the connection, or of the chunked body."""
        heard = b""
        while not heard.endswith(b"0\r\n\r\n") and (data := await asyncio.wait_for(self._reader.read(65536), 5)):
            heard += data
        return heard

    def leave(self) -> None:
        """Close at once."""
        self._writer.transport.abort()


@dataclass
class Answer:
    """A whole response. events: (name, data) of each, when it was a stream."""

    status: int
    headers: dict[str, str]
    text: str
    events: list[tuple[str, Any]] = field(default_factory=list)

    @property
    def json(self) -> Any:
        """The body as values."""
        return json.loads(self.text)


@dataclass
class Stage:
    """One example, served. tasks_at_rest: how many tasks run when no request does."""

    upstream: Loopback
    port: int
    stop: Stop
    tasks_at_rest: int = 0
    may_log: set[str] = field(default_factory=set)

    async def post(self, body: Any) -> Answer:
        """Ask as an ordinary client, and take the whole response."""
        async with aiohttp.ClientSession() as session:
            async with session.post(f"http://127.0.0.1:{self.port}/chat", json=body) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                text = await response.text()
        streamed = response.content_type == "text/event-stream"
        return Answer(response.status, headers, text, parsed(text) if streamed else [])

    async def get(self, path: str) -> Answer:
        """Get a page."""
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{self.port}{path}") as response:
                return Answer(response.status, {}, await response.text())

    async def asked(self) -> None:
        """Wait until the provider has the request."""
        async with asyncio.timeout(5):
            while not self.upstream.seen:
                await asyncio.sleep(0.001)

    async def upstream_is_left(self) -> float:
        """Wait until the provider answers nobody; its script does not end by itself. Returns the milliseconds."""
        began = time.perf_counter()
        assert await self.upstream.idle(within=1.0), "the provider still sends, to nobody"
        return (time.perf_counter() - began) * 1000

    async def at_rest(self, within: float = 1.0) -> None:
        """Wait until no task is there that was not there before the first request, the server still running."""
        async with asyncio.timeout(within):
            while self.upstream.open or len(app_tasks()) > self.tasks_at_rest:
                await asyncio.sleep(0.002)


def app_tasks() -> list[asyncio.Task[Any]]:
    """The tasks that run, without the provider's: it has one for each connection, and those are kept for later."""
    return [task for task in asyncio.all_tasks() if "Loopback" not in str(task.get_coro())]


def parsed(text: str) -> list[tuple[str, Any]]:
    """Server-Sent Events as (name, data)."""
    blocks = (block.split("\n") for block in text.split("\n\n") if block)
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


@asynccontextmanager
async def staged(upstream: Loopback, start: Start) -> AsyncIterator[Stage]:
    """Serve the example in front of this provider."""
    made = listening()
    stage = Stage(upstream, made.getsockname()[1], await start(made))
    stage.tasks_at_rest = len(app_tasks())
    yield stage
    await stage.stop()
