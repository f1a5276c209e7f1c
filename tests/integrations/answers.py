"""Answers with everything that a model may send, and a client that gives them and keeps what it is asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from resilient_stream import Client, Message
from resilient_stream.chunks import (
    Chunk,
    File,
    Finished,
    Raw,
    ReasoningDelta,
    ServerToolCall,
    ServerToolResult,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from resilient_stream.contract import Batch, CallContext, Handler, Request
from resilient_stream.testing import FakeProvider

CALL = ToolCall(0, "call_1", "weather", '{"city": "Oslo"}', {"city": "Oslo"})
SIGNED_CALL = ToolCall(0, "call_1", "weather", '{"city": "Oslo"}', {"city": "Oslo"}, signature="proof")
PIECES = (ToolCallDelta(0, "call_1", "weather", ""), ToolCallDelta(0, "call_1", "weather", '{"city": "Oslo"}'))
SEARCH = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "Oslo"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []}
PICTURE = b"\x89PNG\r\n\x1a\n" + b"0" * 16

ANSWERS: dict[str, tuple[Chunk, ...]] = {
    "a text": (TextDelta("It is "), TextDelta("sunny.")),
    "a plain thought": (ReasoningDelta("I "), ReasoningDelta("wonder."), TextDelta("Sunny.")),
    "a signed thought": (ReasoningDelta("I see."), ReasoningDelta("", signature="proof"), TextDelta("Sunny.")),
    "two signed thoughts": (
        ReasoningDelta("One.", signature="first"), ReasoningDelta("Two."), ReasoningDelta("", signature="second"),
        TextDelta("Sunny."),
    ),
    "an encrypted thought": (
        ReasoningDelta("", redacted="gAAA"), ReasoningDelta("Then."), ReasoningDelta("", signature="proof"),
        TextDelta("Sunny."),
    ),
    "a call": (*PIECES, CALL),
    "a call in one piece": (TextDelta("Let me look."), CALL),
    "a signed call": (ReasoningDelta("I look."), ReasoningDelta("", signature="proof"), *PIECES, SIGNED_CALL),
    "a search": (
        TextDelta("I search. "),
        ServerToolCall("s1", "web_search", '{"query": "Oslo"}', {"query": "Oslo"}, native=SEARCH),
        ServerToolResult("s1", "web_search", [], native=FOUND),
        TextDelta("Sunny."),
    ),
    "a picture": (TextDelta("Here: "), File("image/png", PICTURE, native={"type": "image", "id": "i1"})),
    "a block": (Raw("anthropic", "compaction", {"type": "compaction", "content": "…"}, "block"), TextDelta("Sunny.")),
}  # fmt: skip

UNEVEN: dict[str, tuple[Chunk, ...]] = {
    "a thought before an encrypted one": (
        ReasoningDelta("I"), ReasoningDelta("", redacted="gAAA"), TextDelta("Sunny."),
    ),
}  # fmt: skip
"""Answers of which the library sends less back than a framework keeps."""


class Scripted:
    """A middleware that puts `answers` in place of what a provider said, one a request, and keeps the requests."""

    def __init__(self, *answers: tuple[Chunk, ...], reason: Any = "stop", usage: Usage | None = None) -> None:
        self.answers = list(answers)
        self.requests: list[Request] = []
        self.end = (usage or Usage(10, 5), Finished(reason, str(reason)))

    async def __call__(self, request: Request, call: CallContext, call_next: Handler) -> AsyncGenerator[Batch, None]:
        self.requests.append(request)
        async for _ in call_next(request, call):
            pass
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        yield [*answer, *self.end]

    @asynccontextmanager
    async def client(self, provider: str = "anthropic", model: str = "claude-sonnet-4-5") -> AsyncIterator[Client]:
        """A client whose provider is on loopback."""
        async with FakeProvider() as fake, Client(fake.target(provider, model=model), middlewares=[self]) as client:
            yield client

    @property
    def messages(self) -> tuple[Message, ...]:
        """The messages of the last request."""
        return self.requests[-1].messages


async def as_history(answer: tuple[Chunk, ...]) -> list[Message]:
    """What the library itself sends back of an answer."""
    async with Scripted(answer).client() as client:
        return (await client.complete("Weather?")).as_history()
