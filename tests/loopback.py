"""A loopback server that follows its script, byte by byte, and notices when the client leaves.

It uses no HTTP framework. A script is a list of steps; bytes are sent as one piece each. The answers are in OpenAI's
chat dialect, as `chat` writes them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from resilient_stream import Target

Step: TypeAlias = bytes | float | Literal["stall", "reset", "cut"]
Script: TypeAlias = Sequence[Step]

HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nx-request-id: req_1\r\n\r\n"
)
LAST = b"0\r\n\r\n"


def framed(data: bytes) -> bytes:
    """One piece of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(value: Any) -> bytes:
    """One SSE event, framed."""
    return framed(b"data: %b\n\n" % json.dumps(value).encode())


def delta(text: str | None = None, finish: str | None = None, **more: Any) -> bytes:
    """One chat completion chunk."""
    fields = {"content": text} if text is not None else {}
    choice = {"index": 0, "delta": {**fields, **more}, "finish_reason": finish}
    return event({"id": "chatcmpl-1", "model": "m-1", "choices": [choice], "usage": None})


def usage(output: int) -> bytes:
    """The usage chunk that ends an answer."""
    return event({"id": "chatcmpl-1", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": output}})


PREAMBLE = delta("", role="assistant")
COMMENT = framed(b": keep-alive\n\n")
DONE = framed(b"data: [DONE]\n\n")


def chat(*pieces: str, gap: float = 0.0) -> list[Step]:
    """A whole answer."""
    texts: list[Step] = [step for piece in pieces for step in (delta(piece), gap)]
    return [HEAD, PREAMBLE, *texts, delta(finish="stop"), usage(len(pieces)), DONE + LAST]


def cut_after(*pieces: str, end: Step = "cut") -> list[Step]:
    """An answer that stops after its pieces: `cut` (FIN), `reset` (RST), `stall`, or LAST for a clean end."""
    return [HEAD, PREAMBLE, *(delta(piece) for piece in pieces), end]


def status(code: int, body: Any = None, **headers: str) -> list[Step]:
    """An HTTP error with a JSON body."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = {"content-type": "application/json", "content-length": str(len(content))}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return [f"HTTP/1.1 {code} Nope\r\n{head}\r\n".encode() + content]


@dataclass
class Seen:
    """What one request looked like, and how its connection ended."""

    path: str
    headers: dict[str, str]
    body: Any
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the client went away before the script's end."""


class Loopback:
    """Plays scripts: request n gets script n, the last one repeats; or the one that `choose` gives."""

    def __init__(self, *scripts: Script, choose: Callable[[Seen], Script] | None = None) -> None:
        self.scripts = list(scripts)
        self.choose = choose
        self.seen: list[Seen] = []
        self.open = 0
        self.connections = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The base URL, as OpenAI's SDK means it."""
        return f"http://127.0.0.1:{self.port}/v1"

    def target(self, model: str = "m", **options: Any) -> Target:
        """A target of OpenAI's dialect that leads here."""
        return Target(f"openai:{model}", base_url=options.pop("base_url", self.url), api_key="test", **options)

    async def __aenter__(self) -> Loopback:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)

    async def idle(self, within: float = 10.0) -> bool:
        """Wait until no request is being answered."""
        end = asyncio.get_running_loop().time() + within
        while self.open and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.002)
        return not self.open

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._answer(reader, writer):
                pass
        except ConnectionError:
            with contextlib.suppress(ConnectionError):  # asyncio reports it again when nobody asks here
                await writer.wait_closed()
        except (asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        seen = await _read_request(reader)
        self.seen.append(seen)
        number = min(len(self.seen), len(self.scripts)) - 1
        script = self.choose(seen) if self.choose else self.scripts[number]
        self.open += 1
        # From here on the client has nothing to say: anything that arrives is its leaving.
        leaving = asyncio.create_task(reader.read(1))
        playing = asyncio.create_task(_play(script, writer))
        try:
            await asyncio.wait({leaving, playing}, return_when=asyncio.FIRST_COMPLETED)
            if not playing.done():
                seen.left.set()
            return playing.done() and playing.result() and not leaving.done()
        finally:
            self.open -= 1
            for task in (leaving, playing):
                task.cancel()
            await asyncio.gather(leaving, playing, return_exceptions=True)


async def _read_request(reader: asyncio.StreamReader) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Seen(first.split(" ")[1], headers, json.loads(body) if body else None)


async def _play(script: Script, writer: asyncio.StreamWriter) -> bool:
    """Send it; True when the connection may serve another request."""
    for step in script:
        if isinstance(step, bytes):
            writer.write(step)
            await writer.drain()
        elif isinstance(step, float | int):
            await asyncio.sleep(step)
        elif step == "stall":
            await asyncio.Event().wait()
        else:
            if step == "reset":
                raw: socket.socket = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            return False
    return True


class InThread:
    """The same server on a loop of its own, to look at a client's loop from outside."""

    def __init__(self, server: Loopback) -> None:
        self.server = server
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Loopback:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.server.__aenter__(), self._loop).result(5)
        return self.server

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.server.__aexit__(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()
