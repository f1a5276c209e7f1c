"""One conversation with a tool, through every dialect: the caller cannot tell which it was.

The stand-in writes each dialect's own answers, in the shape of recorded ones; what is sent back to it is the history
that the transcript gives.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

import pytest

from resilient_stream import Chunk, Client, Finished, Message, RetryPolicy, TextDelta, Tool, ToolCall
from resilient_stream.testing import CallTool, End, FakeProvider, Text
from resilient_stream.testing.dialects import DIALECTS

pytestmark = pytest.mark.usefixtures("nothing_left")


class GoogleToken:
    """In the place of google-auth's credentials."""

    valid = True
    token = "t"


class Row(NamedTuple):
    """One way to say it. dialect: of the stand-in, where it is not the provider's name."""

    provider: str
    model: str = "fake-model"
    options: Mapping[str, Any] = {}
    dialect: str = ""


ON_VERTEX = {"project": "p", "location": "global", "credentials": GoogleToken()}
ROWS = {
    "openai": Row("openai"),
    "groq": Row("groq", dialect="openai"),
    "mistral": Row("mistral", dialect="openai"),
    "openai-responses": Row("openai-responses"),
    "anthropic": Row("anthropic", "claude-haiku-4-5"),
    "gemini": Row("gemini", "gemini-2.5-flash"),
    "gemini as an array": Row("gemini", "gemini-2.5-flash", {"stream_format": "array"}),
    "gemini-interactions": Row("gemini-interactions", "gemini-2.5-flash"),
    "vertex": Row("vertex", "gemini-2.5-flash", ON_VERTEX),
    "claude on vertex": Row("vertex", "claude-haiku-4-5", ON_VERTEX),
    "bedrock": Row("bedrock", "anthropic.claude-haiku-4-5-v1:0"),
    "bedrock-invoke": Row("bedrock", "anthropic.claude-haiku-4-5-v1:0", {"api": "invoke"}, "bedrock-invoke"),
    "cohere": Row("cohere"),
    "ollama": Row("ollama"),
}

WEATHER = Tool(
    name="weather",
    description="The weather in a city.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
ASKED = Message(role="user", content="Weather in Oslo?")
CALLS = [Text("Let me ", "see."), CallTool("weather", {"city": "Oslo"}), End("tool_calls")]
ANSWERS = [Text("It ", "rains."), End()]

SAID = [
    [("text", "Let me "), ("text", "see."), ("call", 0, "weather", {"city": "Oslo"}), ("end", "tool_calls")],
    [("text", "It "), ("text", "rains."), ("end", "stop")],
]


def said(chunk: Chunk) -> tuple[Any, ...] | None:
    """What a chunk says to everyone alike; ids, counts and a provider's own words aside."""
    if isinstance(chunk, TextDelta):
        return ("text", chunk.text)
    if isinstance(chunk, ToolCall):
        return ("call", chunk.index, chunk.name, chunk.parsed)
    return ("end", chunk.reason) if isinstance(chunk, Finished) else None


async def conversation(client: Client) -> AsyncIterator[list[tuple[Any, ...]]]:
    """What is said in each of the two turns."""
    stream = client.stream(ASKED, tools=[WEATHER])
    yield [found async for chunk in stream if (found := said(chunk))]
    history = [ASKED, *stream.transcript.as_history()]
    [call] = history[-1].tool_calls
    history.append(Message(role="tool", tool_call_id=call.id, content="rain"))
    yield [found async for chunk in client.stream(history, tools=[WEATHER]) if (found := said(chunk))]


def test_every_dialect_has_a_row() -> None:
    """A dialect of the stand-in that is not spoken here is a dialect that is not tested."""
    assert {row.dialect or row.provider for row in ROWS.values()} == DIALECTS.keys()


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
async def test_the_chunks_are_the_same_in_every_dialect(row: Row) -> None:
    """Text as it came, the whole call with its arguments, the reason; and the call's result arrives there."""
    async with FakeProvider(CALLS, ANSWERS) as provider:
        target = provider.target(row.provider, model=row.model, **row.options)
        async with Client(target, retry=RetryPolicy.off()) as client:
            assert [turn async for turn in conversation(client)] == SAID
        first, second = provider.requests
    assert b"rain" in second.body
    assert b"rain" not in first.body


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
async def test_in_one_piece_it_is_the_same(row: Row) -> None:
    """A whole answer says what the stream would have said, its text in one chunk."""
    joined = [[("text", "Let me see."), *SAID[0][2:]], [("text", "It rains."), *SAID[1][2:]]]
    async with FakeProvider(CALLS, ANSWERS) as provider:
        target = provider.target(row.provider, model=row.model, stream=False, **row.options)
        async with Client(target, retry=RetryPolicy.off()) as client:
            assert [turn async for turn in conversation(client)] == joined
