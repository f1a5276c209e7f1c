"""Frameworks that stand on the Anthropic SDK, over the transport: Claude dies in the middle of an answer, another
vendor's model goes on, and each of them has the whole text."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import BaseModel

from resilient_stream import Client, RetryPolicy
from resilient_stream.integrations.anthropic import ResilientTransport
from resilient_stream.testing import CallTool, End, Event, FakeProvider, Preamble, Status, Text

from .upstreams import DYING, GOING_ON, WHOLE, Upstreams

anthropic = pytest.importorskip("anthropic", minversion="1")
httpx2 = pytest.importorskip("httpx2")

pytestmark = pytest.mark.filterwarnings("default")  # theirs are not ours

THOUGHT = [Event({"index": 0, **each}) for each in (
    {"type": "content_block_start", "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "Hm."}},
    {"type": "content_block_delta", "delta": {"type": "signature_delta", "signature": "SIG"}},
    {"type": "content_block_stop"},
)]  # fmt: skip
FOREIGN_THOUGHT = Event({"choices": [{"index": 0, "delta": {"reasoning_content": "Hm."}}]})


class Pet(BaseModel):
    """What is asked for."""

    name: str
    legs: int


@pytest.fixture
def second() -> str:
    """Which provider's dialect the other vendor speaks."""
    return "openai"


@pytest.fixture
async def up(second: str) -> AsyncIterator[Upstreams]:
    """Claude, which dies, and a model of another vendor; and the client over them."""
    async with FakeProvider(DYING) as dying, FakeProvider(GOING_ON) as going_on:
        targets = dying.target("anthropic", model="claude"), going_on.target(second, model="other")
        async with Client(*targets, retry=RetryPolicy.off()) as client:
            yield Upstreams(dying, going_on, client)


@pytest.fixture
async def ai(up: Upstreams) -> AsyncIterator[Any]:
    """The SDK over the transport."""
    http = httpx2.AsyncClient(transport=ResilientTransport(up.client))
    async with anthropic.AsyncAnthropic(api_key="-", http_client=http) as made:
        yield made


def chat_model(ai: Any, **options: Any) -> Any:
    """LangChain's model, which makes its SDK client in a property."""
    langchain = pytest.importorskip("langchain_anthropic")

    class Claude(langchain.ChatAnthropic):  # type: ignore[misc, name-defined]
        @functools.cached_property
        def _async_client(self) -> Any:
            return ai

    return Claude(model="claude", api_key="-", max_tokens=5000, **options)


def agent(ai: Any, **options: Any) -> Any:
    """pydantic-ai's agent over the SDK."""
    pydantic_ai = pytest.importorskip("pydantic_ai")
    from anthropic.types.beta import BetaMessageParam

    if not isinstance(BetaMessageParam, type):
        pytest.skip("pydantic-ai calls a type that this SDK has made a union: it runs with anthropic 1.x")
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    model = AnthropicModel("claude-haiku-4-5", provider=AnthropicProvider(anthropic_client=ai))
    return pydantic_ai.Agent(model, **options)


async def test_langchain_has_the_whole_text(ai: Any) -> None:
    """ChatAnthropic, streamed and whole, with its counts."""
    model = chat_model(ai)
    assert "".join([str(chunk.text) async for chunk in model.astream("Hi")]) == WHOLE
    message = await model.ainvoke("Hi")
    assert message.text == WHOLE
    assert message.usage_metadata["output_tokens"] > 0


async def test_langchain_has_calls_and_objects(ai: Any, up: Upstreams) -> None:
    """From another vendor, streamed and whole, with a result that goes back."""
    from langchain_core.messages import HumanMessage, ToolMessage

    up.first.play([Status(503)])
    up.second.play([Text("So: "), CallTool("add", {"a": 1}), End()])
    tool = {"name": "add", "description": "adds", "input_schema": {"type": "object", "properties": {}}}
    model = chat_model(ai).bind_tools([tool])
    message = await model.ainvoke("Hi")
    [call] = message.tool_calls
    assert (call["name"], call["args"]) == ("add", {"a": 1})
    joined = functools.reduce(lambda a, b: a + b, [chunk async for chunk in model.astream("Hi")])
    assert [(each["name"], each["args"]) for each in joined.tool_calls] == [("add", {"a": 1})]
    up.second.play(GOING_ON)
    answer = await model.ainvoke(
        [HumanMessage("Hi"), joined, ToolMessage("2", tool_call_id=joined.tool_calls[0]["id"])]
    )
    assert answer.text == WHOLE
    up.second.play([CallTool("Pet", {"name": "Tom", "legs": 4}), End()])
    assert await chat_model(ai).with_structured_output(Pet).ainvoke("Hi") == Pet(name="Tom", legs=4)


@pytest.mark.parametrize("second", ["deepseek"])
async def test_langchain_sends_thoughts_back(ai: Any, up: Upstreams) -> None:
    """Claude's with their signature; those of another vendor are its own again."""
    from langchain_core.messages import HumanMessage

    up.first.play([Preamble(), *THOUGHT, Text("Yes."), End()])
    model = chat_model(ai, thinking={"type": "enabled", "budget_tokens": 1024})
    message = await model.ainvoke("Hi")
    await model.ainvoke([HumanMessage("Hi"), message, HumanMessage("So?")])
    assert up.first.requests[-1].json["messages"][1]["content"][0] == {
        "type": "thinking", "thinking": "Hm.", "signature": "SIG",
    }  # fmt: skip
    up.first.play([Status(503)])
    up.second.play([Preamble(), FOREIGN_THOUGHT, Text("Yes."), End()])
    message = await model.ainvoke("Hi")
    await model.ainvoke([HumanMessage("Hi"), message, HumanMessage("So?")])
    assert up.second.requests[-1].json["messages"][1] == {
        "role": "assistant", "content": "Yes.", "reasoning_content": "Hm.",
    }  # fmt: skip


async def test_pydantic_ai_has_the_whole_text(ai: Any) -> None:
    """AnthropicModel, streamed and whole."""
    made = agent(ai)
    async with made.run_stream("Hi") as run:
        assert "".join([piece async for piece in run.stream_text(delta=True)]) == WHOLE
    result = await made.run("Hi")
    assert result.output == WHOLE
    assert result.usage.output_tokens > 0


async def test_pydantic_ai_runs_tools_and_makes_objects(ai: Any, up: Upstreams) -> None:
    """The whole loop, with another vendor's calls."""
    up.first.play([Status(503)])
    up.second.play([CallTool("add", {"a": 1}), End()], [CallTool("final_result", {"name": "Tom", "legs": 4}), End()])
    made = agent(ai, output_type=Pet)
    seen = []

    @made.tool_plain
    def add(a: int) -> int:
        seen.append(a)
        return a + 1

    assert (await made.run("Hi")).output == Pet(name="Tom", legs=4)
    assert seen == [1]
    assert up.second.requests[-1].json["messages"][-1]["role"] == "tool"


@pytest.mark.parametrize("second", ["deepseek"])
async def test_pydantic_ai_sends_thoughts_back(ai: Any, up: Upstreams) -> None:
    """Over two turns, streamed: Claude's to Claude, another vendor's to that one."""
    made = agent(ai)
    up.first.play([Preamble(), *THOUGHT, Text("Yes."), End()])
    async with made.run_stream("Hi") as run:
        assert await run.get_output() == "Yes."
        history = run.all_messages()
    await made.run("So?", message_history=history)
    assert up.first.requests[-1].json["messages"][1]["content"][0]["signature"] == "SIG"
    up.first.play([Status(503)])
    up.second.play([Preamble(), FOREIGN_THOUGHT, Text("Yes."), End()])
    history = (await made.run("Hi")).all_messages()
    await made.run("So?", message_history=history)
    assert up.second.requests[-1].json["messages"][1]["reasoning_content"] == "Hm."


async def test_a_failure_is_the_sdks_own_error(ai: Any, up: Upstreams) -> None:
    """As these frameworks know it; and it is not tried again by anybody."""
    up.first.play([Status(429)])
    up.second.play([Status(429)])
    with pytest.raises(anthropic.RateLimitError):
        await chat_model(ai).ainvoke("Hi")
    assert len(up.first.requests) == 1
