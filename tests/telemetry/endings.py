"""Every way in which a call ends, played on a real socket: used for spans, metrics and logs alike."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from resilient_stream import Client, Conversation, Recovery, Stream, StreamError, Target, Timeouts
from resilient_stream.contract import Batch, Handler, Request
from resilient_stream.engine.call import Call
from resilient_stream.testing import CallTool, Cut, End, FakeProvider, Script, Stall, Status, Text
from resilient_stream.transcript import Outcome

PROMPT = "What is a good way to deal with failure, in three sentences?"
ANSWER = ("Expect it ", "and keep going.")
GOOD: Script = (Text(*ANSWER), End())
HALF: Script = (Text(ANSWER[0]), Stall())
CUT: Script = (Text(*ANSWER), Cut())


async def to_the_end(stream: Stream) -> None:
    """Nothing special."""
    await stream.collect()


async def fails(stream: Stream) -> None:
    """An error of ours comes out."""
    with pytest.raises(StreamError):
        await stream.collect()


async def broken_off(stream: Stream) -> None:
    """`break`, and the stream is closed by the block."""
    async with stream:
        async for _ in stream:
            break


async def cancelled_waiting(stream: Stream) -> None:
    """The task is cancelled while it waits for a chunk."""
    task = asyncio.create_task(stream.collect())
    while not stream.transcript.text:
        await asyncio.sleep(0.001)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def cancelled_elsewhere(stream: Stream) -> None:
    """The task is cancelled in the application's own code, between two chunks."""

    async def consume() -> None:
        async with stream:
            async for _ in stream:
                await asyncio.sleep(5)

    task = asyncio.create_task(consume())
    while not stream.transcript.text:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def closed_with_its_client(stream: Stream) -> None:
    """`client.aclose()` while a chunk is waited for."""
    task = asyncio.create_task(stream.collect())
    while not stream.transcript.text:
        await asyncio.sleep(0.001)
    client = stream._call._owner
    assert isinstance(client, Client)
    await client.aclose()
    with pytest.raises(StreamError):
        await task


async def breaks_down(stream: Stream) -> None:
    """A bug in the user's own middleware comes out as it is."""
    with pytest.raises(ZeroDivisionError):
        await stream.collect()


async def left_lying(stream: Stream) -> None:
    """Nobody takes anything any more, and nobody closes it."""
    await anext(stream)
    while stream.transcript.outcome is None:
        await asyncio.sleep(0.005)


async def buggy(request: Request, call: Call, call_next: Handler) -> AsyncGenerator[Batch, None]:
    """A middleware with a bug."""
    async for batch in call_next(request, call):
        yield batch
        raise ZeroDivisionError


@dataclass(frozen=True)
class Ending:
    """One way: what the provider plays, what the consumer does, and what has to be seen.

    error: `error.type` of the call; None when it is no error. failed: `error.type` of each request, in order.
    """

    scripts: tuple[Script, ...]
    outcome: Outcome
    error: str | None = None
    failed: tuple[str | None, ...] = (None,)
    consume: Callable[[Stream], Awaitable[None]] = to_the_end
    targets: int = 1
    deadline: float | None = None
    buggy: bool = False
    timeouts: Timeouts | None = None
    key: str | None = "test"

    def client(self, provider: FakeProvider, **options: object) -> Client:
        """A client of the provider; a second target is the same one by another dialect."""
        names = ("openai", "anthropic")[: self.targets]
        targets = [provider.target(name, model=f"model-{name}", api_key=self.key) for name in names]
        if self.key is None:
            targets = [Target("openai:model-openai")]
        links = [buggy] if self.buggy else []
        options = {"recovery": Recovery.off(), **options}
        return Client(*targets, middlewares=links, timeouts=self.timeouts, **options)  # type: ignore[arg-type]

    async def play(self, provider: FakeProvider, client: Client) -> Stream:
        """Run it; gives the stream, which has ended."""
        provider.play(*self.scripts)
        stream = client.stream(PROMPT, deadline=self.deadline)
        await self.consume(stream)
        return stream


async def converse(client: Client, provider: FakeProvider) -> Conversation:
    """Play a conversation to its end: a tool that fails, and another turn."""

    def tool() -> None:
        """A tool that fails."""
        raise ValueError

    provider.play((CallTool("tool"), End()), GOOD)
    conversation = client.converse(PROMPT, tools=[tool])
    await conversation.collect()
    return conversation


async def converse_too_long(client: Client, provider: FakeProvider) -> None:
    """Play a conversation that misses its deadline."""
    provider.play(HALF)
    with pytest.raises(StreamError):
        await client.converse(PROMPT, deadline=0.05).collect()


OVERLOADED: Script = (Status(503),)
REFUSED: Script = (Status(401),)

ENDINGS = {
    "success": Ending((GOOD,), "complete"),
    "retry then success": Ending((OVERLOADED, GOOD), "complete", failed=("provider_overloaded", None)),
    "fallback": Ending((REFUSED, GOOD), "complete", failed=("authentication", None), targets=2),
    "permanent failure": Ending((REFUSED,), "failed", "authentication", ("authentication",), fails),
    "every retry fails": Ending(
        (OVERLOADED,), "failed", "provider_overloaded", ("provider_overloaded",) * 5, fails
    ),
    "cut after content": Ending((CUT,), "failed", "stream_interrupted", ("stream_interrupted",), fails),
    "no key": Ending((GOOD,), "failed", "authentication", (), fails, key=None),
    "break": Ending((HALF,), "abandoned", consume=broken_off),
    "cancel while waiting": Ending((HALF,), "cancelled", consume=cancelled_waiting),
    "cancel in user code": Ending((HALF,), "cancelled", consume=cancelled_elsewhere),
    "deadline": Ending((HALF,), "deadline", "deadline_exceeded", ("deadline_exceeded",), fails, deadline=0.25),
    "client closed": Ending((HALF,), "client_closed", consume=closed_with_its_client),
    "a bug in a middleware": Ending((GOOD,), "failed", "_OTHER", ("_OTHER",), breaks_down, buggy=True),
    "left lying": Ending((HALF,), "abandoned", consume=left_lying, timeouts=Timeouts(consumer=0.25)),
}  # fmt: skip
