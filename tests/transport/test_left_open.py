"""Clients that nobody closed: they end with their loop, with the last reference or with the program, without a word."""

from __future__ import annotations

import asyncio
import gc
import sys

import pytest

from resilient_stream import Client, ClientClosed
from tests.loopback import Loopback, chat
from tests.transport.left_open import PROGRAMS

NOT_OURS = ("ResourceWarning: unclosed event loop", "Executing <")
"""What asyncio says in development mode of a loop that the program itself leaves open, and of a slow machine."""


@pytest.mark.parametrize("mode", ["plain", "dev"])
@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_client_that_is_left_open_says_nothing(program, mode):
    """No complaint of aiohttp's or asyncio's, also in development mode, and no connection stays open."""
    async with Loopback(chat("Hello")) as server:
        flags = ["-X", "dev"] if mode == "dev" else []
        child = await asyncio.create_subprocess_exec(
            sys.executable, *flags, "-m", "tests.transport.left_open", program, server.url,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, said = await asyncio.wait_for(child.communicate(), 20)
        assert child.returncode == 0, said.decode()
        lines = [line for line in said.decode().splitlines() if not any(words in line for words in NOT_OURS)]
        assert [line for line in lines if line.strip() and not line.startswith("  ")] == []
        for _ in range(100):
            if not server._tasks:
                break
            await asyncio.sleep(0.005)
        assert not server._tasks


async def test_connections_are_closed_when_a_client_is_dropped(nothing_left):
    """While its loop runs: at the latest when the collector comes, since a call refers to its client."""
    async with Loopback(chat("Hello")) as server:
        client = Client(server.target())
        await client.complete("Hi", deadline=5)
        assert server._tasks
        del client
        gc.collect()
        for _ in range(100):
            if not server._tasks:
                break
            await asyncio.sleep(0.005)
        assert not server._tasks


async def test_a_closed_client_says_that_it_is_closed():
    """Nothing was on its way, and it says what to do."""
    client = Client("openai:m")
    await client.aclose()
    with pytest.raises(ClientClosed) as caught:
        await client.complete("Hi")
    assert "The client is closed." in caught.value.message
    assert "Make a new one" in caught.value.resolution
    assert "on its way" not in str(caught.value)
