"""`serve`: how it starts, what it says, and how it stops."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
from asyncio.subprocess import Process
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from .conftest import HEAD, HELLO, HOLD, begin, delta, end, run

KEY = "a-key-of-twenty-four-chars"
HI = {"model": "any", "messages": [{"role": "user", "content": "Hi"}], "stream": True}


async def told(process: Process, line: str) -> str:
    """Read what it says up to the line with this in it, and return that line."""
    assert process.stderr is not None
    while line not in (said := (await asyncio.wait_for(process.stderr.readline(), 30)).decode()):
        assert said, f"it ended without {line!r}"
    return said


async def serving(*arguments: str, **variables: str) -> tuple[Process, str]:
    """A gateway on a free port, and its address."""
    process = await begin(
        "serve", "--to", "openai:fake", "--port", "0", *arguments, OPENAI_API_KEY="k" * 20, **variables
    )
    said = await told(process, "OPENAI_BASE_URL")
    found = re.search(r"OPENAI_BASE_URL=(http://\S+)/v1", said)
    assert found is not None
    return process, found[1]


async def test_it_says_how_to_use_it_and_what_it_answered(provider: Callable[..., Any]) -> None:
    """Both base URLs can be copied; each answer is a line; Ctrl-C ends it with exit code 0."""
    upstream = await provider([HELLO])
    process, address = await serving(OPENAI_BASE_URL=upstream.url)
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{address}/v1/chat/completions", json=HI) as response,
    ):
        assert b"there." in await response.read()
    line = await told(process, "complete")
    assert "openai:fake · 3 tokens in, 2 out" in line
    process.send_signal(signal.SIGINT)
    ran = await end(process)
    assert ran.code == 0
    assert "Stopping." in ran.err


async def test_running_answers_get_their_time(provider: Callable[..., Any]) -> None:
    """SIGTERM: an answer that runs is waited for as long as --drain says, and then ended as an error that says so."""
    upstream = await provider([HEAD + delta(content="Hel"), HOLD])
    process, address = await serving("--drain", "0.2", OPENAI_BASE_URL=upstream.url)
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{address}/v1/chat/completions", json=HI) as response,
    ):
        await response.content.readuntil(b"Hel")
        process.send_signal(signal.SIGTERM)
        rest = await response.read()
    assert b'"error"' in rest
    assert b"closed" in rest
    ran = await end(process)
    assert ran.code == 0
    assert "1 answer still runs, for 0.2 s at most" in ran.err


async def test_requests_that_are_none_leave_no_trace(provider: Callable[..., Any]) -> None:
    """Whoever scans a network sends anything; a traceback for each of them would fill the log."""
    upstream = await provider([HELLO])
    process, address = await serving(OPENAI_BASE_URL=upstream.url)
    host, _, port = address.removeprefix("http://").partition(":")
    ask = b"POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n"
    for junk in (
        b"\x16\x03\x01\x02\x00",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        ask + b"Content-Encoding: gzip\r\n\r\nno gzip! ",
    ):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(junk)
        await reader.read()
        writer.close()
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(ask + b"\r\n{")
    await asyncio.sleep(0.01)
    writer.transport.abort()
    process.send_signal(signal.SIGINT)
    ran = await end(process)
    assert ran.code == 0
    assert "Traceback" not in ran.err


async def test_an_open_address_without_keys_is_warned_of(provider: Callable[..., Any]) -> None:
    """Whoever listens beyond this machine is told what that means; with keys there is no warning."""
    process, _ = await serving("--host", "0.0.0.0")
    assert "spends your keys" in await told(process, "Warning")
    process.send_signal(signal.SIGTERM)
    await end(process)
    process, _ = await serving("--host", "0.0.0.0", RESILIENT_STREAM_SERVE_KEYS=KEY)
    await told(process, "For operators")
    process.send_signal(signal.SIGTERM)
    assert "Warning" not in (await end(process)).err


async def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    """A taken port, a name without targets, a file without keys, a short key: a line each, and exit code 2."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    empty, short = tmp_path / "empty", tmp_path / "short"
    empty.write_text("\n")
    short.write_text("hunter2\n")
    cases = [
        (("--port", str(taken.getsockname()[1])), "cannot be listened on"),
        (("--model", "quick"), "--model is written NAME=PROVIDER:MODEL"),
        (("--keys", str(empty)), "has no key in it"),
        (("--keys", str(short)), "at least 16 characters"),
        (("--keys", str(tmp_path / "none")), "cannot be read"),
    ]
    for arguments, said in cases:
        ran = await run("serve", "--to", "openai:fake", *arguments, OPENAI_API_KEY="k" * 20)
        assert ran.code == 2
        assert said in ran.err
        assert "hunter2" not in ran.err
    taken.close()
