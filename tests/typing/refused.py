"""Mistakes that a type checker has to see: each line that ends in `# refused`, and no other. Nothing here is run."""

from __future__ import annotations

from resilient_stream import Client, Limits, Message, RetryPolicy, StreamOptions, Target, Timeouts, Tool

client = Client("openai:gpt-5-mini")


async def misspelt_or_of_a_wrong_type() -> None:
    """Options of a call."""
    await client.complete("x", max_tokns=5)  # refused
    await client.complete("x", deadline="soon")  # refused
    await client.complete(5)  # refused
    await client.complete("x", response_format={})  # refused
    client.stream("x", max_tokns=5)  # refused
    client.stream("x", temperature="hot")  # refused
    client.converse("x", max_tokns=5)  # refused
    client.converse("x", deadline="soon")  # refused
    client.converse("x", max_turns="many")  # refused
    async with client.scope() as scope:
        scope.stream("x", max_tokns=5)  # refused
        scope.stream("x", on_end=5)  # refused


RetryPolicy(atempts=5)  # refused
RetryPolicy(attempts="many")  # refused
RetryPolicy(5)  # refused
Timeouts(read=5)  # refused
Limits(max_concurrency="4")  # refused
Client("openai:gpt-5-mini", timeouts=30)  # refused
Client(["openai:gpt-5-mini"])  # refused
Target(5)  # refused
Message(role="usr", content="x")  # refused
Tool(nme="x")  # refused
wrong: StreamOptions = {"max_tokns": 5}  # refused
