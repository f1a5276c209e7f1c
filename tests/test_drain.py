"""Answers that are left and read on, over real sockets: the provider's books, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from typing import Any

import pytest

from resilient_stream import Client, ClientClosed, Stream, Usage
from resilient_stream.sync import SyncClient
from resilient_stream.testing import End, FakeProvider, Sleep, Stall, Text
from resilient_stream.testing.http import ReceivedRequest
from resilient_stream.testing.steps import Script
from tests.engine.clock import Clock

DIALECTS = ("openai", "anthropic", "gemini", "openai-responses", "cohere", "ollama", "gemini-interactions")


class Books:
    """What a provider wrote down for each answer: the tokens that it will have counted."""

    def __init__(self) -> None:
        self.chance = random.Random(14)
        self.given = self.made = 0

    def answer(self, _: ReceivedRequest) -> Script:
        """One answer, with a pause in the middle in which its caller leaves."""
        usage = Usage(self.chance.randint(1, 99), self.chance.randint(1, 99))
        self.given += usage.input_tokens or 0
        self.made += usage.output_tokens or 0
        return (Text("one"), Sleep(self.chance.choice((0, 0.005))), Text(" two", " three"), End(usage=usage))


async def _break(stream: Stream) -> None:
    async with stream:
        async for _ in stream:
            return


async def _drop(stream: Stream) -> None:
    await anext(stream)


async def _cancel(stream: Stream) -> None:
    task = asyncio.ensure_future(stream.collect())
    while not stream.transcript.chunks:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])


async def _close_elsewhere(stream: Stream) -> None:
    task = asyncio.ensure_future(stream.collect())
    while not stream.transcript.chunks:
        await asyncio.sleep(0)
    stream.close()
    await asyncio.wait([task])
    task.exception()


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_the_ledger_is_the_providers_book(dialect: str) -> None:
    """40 calls that are left in four ways: each token is counted, exactly, and the connections are used again."""
    books = Books()
    async with FakeProvider(books.answer) as server:
        async with Client(server.target(dialect), drain=5) as client:
            for place in range(40):
                leave = (_break, _drop, _cancel, _close_elsewhere)[place % 4]
                await leave(client.stream("Hi"))
        total = client.ledger.totals()[client.targets[0].name]
        assert total.input_tokens == (books.given, "exact")
        assert total.output_tokens == (books.made, "exact")
        assert total.attempts == 40
        assert total.wasted_tokens.certainty == "exact"
        assert not any(request.closed_by_client for request in server.requests)
        assert server.connections < 40
        await asyncio.sleep(0.005)
        assert server.open_connections == 0


@pytest.mark.usefixtures("nothing_left")
async def test_the_connection_is_closed_when_the_time_is_over(own_clock: Clock) -> None:
    """A provider that says nothing more sees its caller leave a little later, and the count stays an estimate."""
    async with FakeProvider((Text("one"), Stall())) as server, Client(server.target("openai"), drain=20) as client:
        await _break(client.stream("Hi"))
        assert own_clock.passed < 1
        (request,) = await server.wait_closed(timeout=60)
        assert request.closed_by_client
        assert 20 <= own_clock.passed < 21
        assert client.ledger.totals()["openai:fake-model"].output_tokens == (1, "estimated")


@pytest.mark.usefixtures("nothing_left")
async def test_without_the_option_it_is_closed_at_once() -> None:
    """Nothing is read on unless it is asked for."""
    async with FakeProvider((Text("one"), Stall())) as server, Client(server.target("openai")) as client:
        stream = client.stream("Hi")
        await _break(stream)
        await server.wait_closed()
        assert client.ledger.totals()["openai:fake-model"].output_tokens == (1, "estimated")


@pytest.mark.usefixtures("nothing_left")
async def test_closing_the_client_while_a_stream_runs_does_not_wait_for_it() -> None:
    """A running stream ends with the client; only what was left before is waited for."""
    async with FakeProvider((Text("one"), Stall())) as server:
        client = Client(server.target("openai"), drain=60)
        stream = client.stream("Hi")
        await anext(stream)
        await client.aclose()
        with pytest.raises(ClientClosed):
            await anext(stream)
        await server.wait_closed()


@pytest.mark.usefixtures("nothing_left")
async def test_a_turn_of_a_conversation_is_read_on() -> None:
    """The record's usage is the provider's, and no tool of the turn runs."""
    usage = Usage(11, 22)
    async with FakeProvider((Text("one"), Sleep(0.005), Text("two"), End(usage=usage))) as server:
        async with Client(server.target("openai"), drain=5) as client, client.converse("Hi") as conversation:
            async for chunk in conversation:
                if chunk.type == "text_delta":
                    break
        assert conversation.record.outcome == "abandoned"
        assert (conversation.usage.input_tokens, conversation.usage.output_tokens) == (11, 22)
        assert conversation.usage.certainty == "exact"


def test_without_an_event_loop() -> None:
    """A plain iterator that is left is read on by the loop in the background."""
    with FakeProvider.in_thread((Text("one"), Sleep(0.005), Text("two"), End(usage=Usage(11, 22)))) as server:
        with SyncClient(server.target("openai"), drain=5) as client:
            for _ in client.stream("Hi"):
                break
        assert client.ledger.totals()["openai:fake-model"].output_tokens == (22, "exact")


BEGIN = """
import asyncio, gc, sys
from resilient_stream import Client, Target
from resilient_stream.sync import SyncClient
target = Target("openai:m", base_url=sys.argv[1], api_key="k" * 12)
async def leave(client):
    async with client.stream("Hi") as stream:
        async for _ in stream:
            break
    assert stream.transcript.attempts[0].draining
    return stream
async def read(stream):
    await stream.collect()
"""
ENDS = {
    "the loop ends while it is read": """
async def main():
    return await leave(Client(target, drain=60))
stream = asyncio.run(main())
assert not stream.transcript.attempts[0].draining
""",
    "the loop ends, and that makes a task leave": """
async def main():
    stream = Client(target, drain=60).stream("Hi")
    task = asyncio.ensure_future(read(stream))
    while not stream.transcript.chunks:
        await asyncio.sleep(0.001)
    return stream
stream = asyncio.run(main())
assert stream.transcript.outcome == "cancelled"
assert not stream.transcript.attempts[0].draining
""",
    "a loop is closed without its end": """
client = Client(target, drain=60)
loop = asyncio.new_event_loop()
loop.run_until_complete(leave(client))
loop.close()
del client, loop
gc.collect()
""",
    "a program without a loop ends": """
import atexit, time
from resilient_stream.sync import background
atexit.unregister(background._at_exit)
client = SyncClient(target, drain=60)
for _ in client.stream("Hi"):
    break
background.PATIENCE = 60
began = time.monotonic()
background._at_exit()
assert time.monotonic() - began < 20
""",
}


@pytest.mark.parametrize("end", ENDS)
def test_the_end_of_a_program_leaves_nothing(end: str) -> None:
    """No task is destroyed while it is pending, no socket stays open, nobody waits; and nothing is printed.

    Of a loop that was closed without its end, aiohttp's connections say that they are open.
    """
    warnings = "ignore" if "without its end" in end else "error"
    with FakeProvider.in_thread((Text("one"), Stall())) as server:
        command = [sys.executable, "-W", warnings, "-c", BEGIN + ENDS[end], server.base_url("openai")]
        done: Any = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert (done.stderr, done.returncode) == ("", 0)
        server.block_until_closed()
