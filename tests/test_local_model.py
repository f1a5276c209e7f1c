"""The real small model through the whole chain: llama.cpp itself says when a stream has let go of it."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from resilient_stream import Client, DeadlineExceeded, FunctionCall, Message, StreamError, Target, Tool
from resilient_stream.cli.demo.proxy import NO_CAPACITY, DemoProxy
from resilient_stream.local import server as local_server
from tests.local_model import needs_local_model

pytestmark = [*needs_local_model, pytest.mark.usefixtures("nothing_left")]

LONG = "Count from one to two hundred, in words."
ENDLESS: dict[str, Any] = {"max_tokens": 900, "extra": {"ignore_eos": True}}
"""Left to itself the model sometimes ends within a tenth of a second, and there is nothing to interrupt."""


async def busy_slots(http: aiohttp.ClientSession) -> int:
    """How many answers llama.cpp is working on."""
    url = await local_server.base_url()
    headers = {"Authorization": f"Bearer {local_server.api_key(url)}"}
    async with http.get(f"{url.removesuffix('/v1')}/slots", headers=headers) as response:
        return sum(bool(slot["is_processing"]) for slot in await response.json())


async def free_within(http: aiohttp.ClientSession, seconds: float) -> bool:
    """Whether the model is idle again by then."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while await busy_slots(http):
        if loop.time() > end:
            return False
        await asyncio.sleep(0.01)
    return True


async def test_a_real_answer_arrives_with_its_books() -> None:
    """Text, finish reason and usage come from a real model, over the dialect of every OpenAI-compatible host."""
    async with Client("local") as client:
        transcript = await client.complete("Name three rivers.", max_tokens=30, temperature=0, seed=1)
    assert transcript.outcome == "complete"
    assert len(transcript.text) > 10
    assert transcript.target == "local:smollm2"
    assert transcript.finish_reason in ("stop", "length")
    assert transcript.usage.output_tokens


DIALECTS = ("llamacpp", "llamacpp-responses", "anthropic")
"""llama.cpp speaks all three: `/v1/chat/completions`, `/v1/responses` and `/v1/messages`."""


async def spoken(provider: str) -> Target:
    """The real model by one of its dialects; Anthropic's base URL has no /v1."""
    url = await local_server.base_url()
    key = local_server.api_key(url)
    return Target(
        f"{provider}:smollm2", base_url=url.removesuffix("/v1") if provider == "anthropic" else url, api_key=key
    )


@pytest.mark.parametrize("provider", DIALECTS)
async def test_the_same_model_answers_in_each_of_its_dialects(provider: str) -> None:
    """The same question gives the same text, with the books, whichever adapter reads it."""
    asked: dict[str, Any] = {"max_tokens": 30, "temperature": 0, "extra": {"seed": 1}}
    async with Client(await spoken(provider)) as client, Client("local") as other:
        transcript = await client.complete("Name three rivers.", **asked)
        expected = await other.complete("Name three rivers.", **asked)
    assert transcript.outcome == "complete"
    assert transcript.text == expected.text
    assert len(transcript.text) > 10
    assert transcript.usage.output_tokens == expected.usage.output_tokens
    assert transcript.target == f"{provider}:smollm2"


@pytest.mark.parametrize("provider", DIALECTS)
async def test_a_conversation_goes_back_in_each_of_its_dialects(provider: str) -> None:
    """llama.cpp takes our encoding of earlier turns, a tool's call and result among them."""
    call = FunctionCall(id="call_1", name="weather", arguments='{"place":"Bern"}')
    turns = [
        Message(role="system", content="Be brief."),
        Message(role="user", content="Weather in Bern?"),
        Message(role="assistant", content="Let me see.", tool_calls=(call,)),
        Message(role="tool", content="rain", tool_call_id="call_1"),
    ]
    tool = Tool(name="weather", description="The weather at a place.")
    async with Client(await spoken(provider)) as client:
        transcript = await client.complete(turns, tools=[tool], max_tokens=10)
    assert transcript.outcome == "complete"


@pytest.mark.parametrize("provider", DIALECTS)
async def test_break_frees_the_model_in_each_of_its_dialects(provider: str) -> None:
    """Leaving the loop closes the connection, and llama.cpp stops to generate (`/slots`)."""
    async with aiohttp.ClientSession() as http, Client(await spoken(provider)) as client:
        async for chunk in client.stream(LONG, **ENDLESS):
            if chunk.text:
                break
        assert await free_within(http, 0.5)


async def test_break_frees_the_model_within_half_a_second() -> None:
    """Leaving the loop is enough: the generation stops, not only the reading."""
    async with aiohttp.ClientSession() as http, Client("local") as client:
        async for chunk in client.stream(LONG, **ENDLESS):
            if chunk.text:
                break
        assert await free_within(http, 0.5)


async def test_cancel_and_deadline_free_the_model_too() -> None:
    """So do a cancelled task and a deadline, with the partial answer kept."""
    async with aiohttp.ClientSession() as http, Client("local") as client:
        stream = client.stream(LONG, **ENDLESS)
        await anext(stream)
        task = asyncio.create_task(stream.collect())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await free_within(http, 0.5)
        with pytest.raises(DeadlineExceeded) as caught:
            await client.complete(LONG, deadline=1.0, **ENDLESS)
        assert await free_within(http, 0.5)
    assert caught.value.transcript is not None
    assert caught.value.transcript.text


RIVERS = "Explain in a few sentences why rivers bend."


@pytest.mark.parametrize("events", [3, 17, 40])
async def test_a_cut_answer_is_continued_by_prefill(events: int) -> None:
    """Cut on the wire after so many events, at temperature 0: the second target goes on where the first ended, and the
    joined text is the uncut answer. (Not at every place: cut in mid-word, the same text has other tokens.)"""
    options: dict[str, Any] = {"max_tokens": 60, "temperature": 0, "seed": 1}
    async with DemoProxy(await local_server.base_url(), (events, NO_CAPACITY)) as proxy, Client("local") as client:
        whole = await client.complete(RIVERS, **options)
        cut = [Target(f"llamacpp:{name}", base_url=proxy.base_url(name)) for name in ("flaky", "steady")]
        joined = await client.complete(RIVERS, to=cut, **options)
    [seam] = joined.seams
    assert (seam.source, seam.target, seam.method) == ("llamacpp:flaky", "llamacpp:steady", "prefill")
    assert joined.text == whole.text
    assert joined.finish_reason == whole.finish_reason


async def test_too_long_a_conversation_is_named() -> None:
    """llama.cpp's own error is read: the message says how long it is and what the limit is."""
    async with Client("local") as client:
        with pytest.raises(StreamError) as caught:
            await client.complete("word " * 20_000)
    assert caught.value.kind == "context_length_exceeded"
    assert "limit" in caught.value.message
