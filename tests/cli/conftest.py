"""A provider on loopback that plays bytes, and the real command in a child process.

The program that a user starts is tested: its output, its exit code and its signals. No key of the machine's own
environment gets into the child.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple

import pytest

import resilient_stream
from resilient_stream.providers import adapter_for, known_providers

from .forking import run_forked

ROOT = Path(resilient_stream.__file__).parents[1]
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
END = b"data: [DONE]\n\n"
PIPED = 4096
"""Bytes that a pipe holds before anybody reads it."""
HOLD = b""
"""In place of an answer's end: keep the connection open and send nothing."""


def delta(**fields: Any) -> bytes:
    """One event of OpenAI's chat stream."""
    return b"data: %b\n\n" % json.dumps({"choices": [{"index": 0, "delta": fields}]}).encode()


def finish(reason: str = "stop") -> bytes:
    """The event that gives the reason, and one with usage."""
    reason_event = {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
    usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in (reason_event, usage)) + END


def refusal(status: int, **error: str) -> bytes:
    """An HTTP error in OpenAI's shape."""
    body = json.dumps({"error": error}).encode()
    head = f"HTTP/1.1 {status} -\r\ncontent-type: application/json\r\nconnection: close\r\n"
    return head.encode() + b"content-length: %d\r\n\r\n%b" % (len(body), body)


HELLO = HEAD + delta(role="assistant") + delta(content="Hello ") + delta(content="there.") + finish()


class Provider:
    """Plays one script for each request, the last one again and again. `asked`: the requests' bodies."""

    def __init__(self, *scripts: list[bytes]) -> None:
        self.scripts = list(scripts)
        self.asked: list[dict[str, Any]] = []
        self.left = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    @property
    def url(self) -> str:
        """For OPENAI_BASE_URL."""
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=tls)

    async def stop(self) -> None:
        """Listen no longer, and leave nothing."""
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        for writer in self._writers:  # a task that was cancelled before its first step has closed nothing
            writer.close()
        await asyncio.sleep(0)  # a transport lets its socket go in the loop's next turn

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self._connections.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:  # connected, and left without a word
            writer.close()
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        self.asked.append(json.loads(await reader.readexactly(length)))
        try:
            for piece in self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]:
                writer.write(piece)
                await (writer.drain() if piece else reader.read())
        except ConnectionError:
            pass
        finally:
            writer.close()
        self.left.set()


@pytest.fixture
async def provider() -> AsyncIterator[Callable[..., Any]]:
    """`await provider(script, …)` starts one; a script is the pieces of one answer, in bytes."""
    started: list[Provider] = []

    async def start(*scripts: list[bytes], tls: ssl.SSLContext | None = None) -> Provider:
        started.append(Provider(*scripts))
        await started[-1].start(tls)
        return started[-1]

    yield start
    for one in started:
        await one.stop()


class Ran(NamedTuple):
    """What a command did."""

    code: int | None
    out: str
    err: str


def environment(**variables: str) -> dict[str, str]:
    """The machine's own, without the keys of providers."""
    keys = {key for name in known_providers() for key in adapter_for(name).key_variables}
    kept = {name: value for name, value in os.environ.items() if name not in keys}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "", "COLUMNS": "100", **variables}


async def begin(*arguments: str, program: str = "", **variables: str) -> Process:
    """Start the command; `program` runs in its place. Any warning of Python's is an error there, too."""
    what = ["-c", program] if program else ["-m", "resilient_stream.cli"]
    return await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", *what, *arguments,
        stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment(**variables),
    )  # fmt: skip


async def end(process: Process, typed: bytes = b"") -> Ran:
    """Wait for its end."""
    out, err = await asyncio.wait_for(process.communicate(typed), 60)
    ran = Ran(process.returncode, out.decode(), err.decode())
    assert "Traceback" not in ran.err, ran.err
    return ran


async def run(*arguments: str, typed: bytes = b"", program: str = "", **variables: str) -> Ran:
    """The command from start to end."""
    if program or len(typed) > PIPED:
        return await end(await begin(*arguments, program=program, **variables), typed)
    return await asyncio.to_thread(_run, arguments, typed, environment(**variables))


def _run(arguments: Sequence[str], typed: bytes, variables: Mapping[str, str]) -> Ran:
    reads, writes = os.pipe()
    with open(writes, "wb") as pipe:
        pipe.write(typed)
    with open(reads, "rb") as given, TemporaryFile() as out, TemporaryFile() as err:
        code = run_forked(arguments, variables, [given.fileno(), out.fileno(), err.fileno()])
        for file in (out, err):
            file.seek(0)
        ran = Ran(code, out.read().decode(), err.read().decode())
    assert "Traceback" not in ran.err, ran.err
    return ran


async def in_terminal(*arguments: str, **variables: str) -> str:
    """What the command writes into a terminal of its own."""
    ours, theirs = os.openpty()
    try:
        shown = asyncio.create_task(asyncio.to_thread(_read_all, ours))
        variables = environment(TERM="xterm-256color", **variables)
        try:
            await asyncio.to_thread(run_forked, arguments, variables, [theirs] * 3)
        finally:
            os.close(theirs)
        return await shown
    finally:
        os.close(ours)


def _read_all(terminal: int) -> str:
    pieces = []
    try:
        while piece := os.read(terminal, 65536):
            pieces.append(piece)
    except OSError:  # Linux' way to say that the other side of a terminal is closed
        pass
    return b"".join(pieces).decode()
