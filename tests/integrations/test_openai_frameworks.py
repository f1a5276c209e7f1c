"""Frameworks that stand on the OpenAI SDK, unchanged over the transport: a primary dies in the middle of an answer,
another vendor's model goes on, and each of them has the whole text."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import BaseModel

from resilient_stream.integrations.openai import ResilientTransport
from resilient_stream.testing import CallTool, End, Status, Text

from .upstreams import WHOLE, Upstreams, upstreams

openai = pytest.importorskip("openai", minversion="3")
httpx2 = pytest.importorskip("httpx2")

pytestmark = pytest.mark.filterwarnings("default")  # theirs are not ours


class Pet(BaseModel):
    """What is asked for."""

    name: str
    legs: int


@pytest.fixture
async def up() -> AsyncIterator[Upstreams]:
    """The two providers and the client over them."""
    async with upstreams() as made:
        yield made


@pytest.fixture
async def ai(up: Upstreams) -> AsyncIterator[Any]:
    """The SDK over the transport."""
    http = httpx2.AsyncClient(transport=ResilientTransport(up.client))
    async with openai.AsyncOpenAI(api_key="-", http_client=http) as made:
        yield made


async def test_langchain_has_the_whole_text(up: Upstreams) -> None:
    """ChatOpenAI, streamed and whole."""
    langchain = pytest.importorskip("langchain_openai")
    async with httpx2.AsyncClient(transport=ResilientTransport(up.client)) as http:
        model = langchain.ChatOpenAI(model="gpt", api_key="-", http_async_client=http)
        assert "".join([str(chunk.content) async for chunk in model.astream("Hi")]) == WHOLE
        assert (await model.ainvoke("Hi")).content == WHOLE


async def test_langchain_has_calls_and_objects(up: Upstreams) -> None:
    """From another vendor."""
    langchain = pytest.importorskip("langchain_openai")
    async with httpx2.AsyncClient(transport=ResilientTransport(up.client)) as http:
        model = langchain.ChatOpenAI(model="gpt", api_key="-", http_async_client=http)
        up.first.play([Status(503)])
        up.second.play([CallTool("add", {"a": 1}), End()])
        tool = {"name": "add", "description": "adds", "parameters": {"type": "object", "properties": {}}}
        [call] = (await model.bind_tools([tool]).ainvoke("Hi")).tool_calls
        assert (call["name"], call["args"]) == ("add", {"a": 1})
        up.second.play([Text('{"name":"Tom","legs":4}'), End()])
        assert await model.with_structured_output(Pet).ainvoke("Hi") == Pet(name="Tom", legs=4)


async def test_pydantic_ai_has_the_whole_text(ai: Any) -> None:
    """OpenAIChatModel, streamed and whole."""
    pytest.importorskip("pydantic_ai")
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    agent = Agent(OpenAIChatModel("gpt", provider=OpenAIProvider(openai_client=ai)))
    async with agent.run_stream("Hi") as run:
        assert "".join([piece async for piece in run.stream_text(delta=True)]) == WHOLE
    result = await agent.run("Hi")
    assert result.output == WHOLE
    assert result.usage.output_tokens > 0


async def test_pydantic_ai_runs_tools(ai: Any, up: Upstreams) -> None:
    """The agent's loop goes through another vendor."""
    pytest.importorskip("pydantic_ai")
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    agent = Agent(OpenAIChatModel("gpt", provider=OpenAIProvider(openai_client=ai)))
    asked = []

    @agent.tool_plain
    def add(a: int) -> int:
        """Add one."""
        asked.append(a)
        return a + 1

    up.first.play([Status(503)])
    up.second.play([CallTool("add", {"a": 1}), End()], [Text("Two."), End()])
    assert (await agent.run("Hi")).output == "Two."
    assert asked == [1]


async def test_openai_agents_have_the_whole_text(ai: Any) -> None:
    """OpenAIChatCompletionsModel, streamed and whole."""
    agents = pytest.importorskip("agents")
    agents.set_tracing_disabled(True)
    agent = agents.Agent(name="a", model=agents.OpenAIChatCompletionsModel(model="gpt", openai_client=ai))
    run = agents.Runner.run_streamed(agent, "Hi")
    events = [event async for event in run.stream_events()]
    deltas = [
        event.data.delta for event in events if getattr(getattr(event, "data", None), "type", "").endswith("text.delta")
    ]
    assert ("".join(deltas), run.final_output) == (WHOLE, WHOLE)
    assert (await agents.Runner.run(agent, "Hi")).final_output == WHOLE


async def test_langchain_has_the_whole_response(up: Upstreams) -> None:
    """By the Responses API, too."""
    langchain = pytest.importorskip("langchain_openai")
    async with httpx2.AsyncClient(transport=ResilientTransport(up.client)) as http:
        model = langchain.ChatOpenAI(model="gpt", api_key="-", http_async_client=http, use_responses_api=True)
        pieces = [chunk.text async for chunk in model.astream("Hi")]
        assert "".join(map(str, pieces)) == WHOLE
        assert str((await model.ainvoke("Hi")).text) == WHOLE


async def test_pydantic_ai_has_the_whole_response(ai: Any, up: Upstreams) -> None:
    """OpenAIResponsesModel, streamed and whole, and with a tool."""
    pytest.importorskip("pydantic_ai")
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    agent = Agent(OpenAIResponsesModel("gpt", provider=OpenAIProvider(openai_client=ai)))
    async with agent.run_stream("Hi") as run:
        assert "".join([piece async for piece in run.stream_text(delta=True)]) == WHOLE
    assert (await agent.run("Hi")).output == WHOLE
    agent.tool_plain(_add)
    up.first.play([Status(503)])
    up.second.play([CallTool("_add", {"a": 1}), End()], [Text("Two."), End()])
    assert (await agent.run("Hi")).output == "Two."


def _add(a: int) -> int:
    """Add one."""
    return a + 1


async def test_openai_agents_have_the_whole_response(ai: Any, up: Upstreams) -> None:
    """Their own usual model, streamed and whole, and with a tool."""
    agents = pytest.importorskip("agents")
    agents.set_tracing_disabled(True)
    model = agents.OpenAIResponsesModel(model="gpt", openai_client=ai)
    agent = agents.Agent(name="a", model=model, tools=[agents.function_tool(_add)])
    run = agents.Runner.run_streamed(agent, "Hi")
    async for _event in run.stream_events():
        pass
    assert run.final_output == WHOLE
    assert (await agents.Runner.run(agent, "Hi")).final_output == WHOLE
    up.first.play([Status(503)])
    up.second.play([CallTool("_add", {"a": 1}), End()], [Text("Two."), End()])
    assert (await agents.Runner.run(agent, "Hi")).final_output == "Two."


async def test_instructor_has_an_object(ai: Any, up: Upstreams) -> None:
    """Its object is made of an answer of which the first half came from elsewhere."""
    instructor = pytest.importorskip("instructor")
    up.first.play([Text('{"name":"To')])
    up.second.play([Text('{"name":"Tom",', '"legs":4}'), End()])
    made = instructor.from_openai(ai, mode=instructor.Mode.JSON_SCHEMA)
    pet = await made.chat.completions.create(
        model="gpt", messages=[{"role": "user", "content": "Hi"}], response_model=Pet
    )
    assert (pet.name, pet.legs) == ("Tom", 4)


async def test_instructor_has_a_call(ai: Any, up: Upstreams) -> None:
    """Its usual way is a call of a tool."""
    instructor = pytest.importorskip("instructor")
    up.first.play([Status(503)])
    up.second.play([CallTool("Pet", {"name": "Tom", "legs": 4}), End()])
    made = instructor.from_openai(ai)
    pet = await made.chat.completions.create(
        model="gpt", messages=[{"role": "user", "content": "Hi"}], response_model=Pet
    )
    assert (pet.name, pet.legs) == ("Tom", 4)


# -- none of them takes a cut answer for a whole one ----------------------------------------------


@pytest.fixture
def cut(up: Upstreams) -> None:
    """Neither provider can go on."""
    up.second.play([Status(500)])


async def _langchain(ai: Any, http: Any, responses: bool) -> None:
    langchain = pytest.importorskip("langchain_openai")
    model = langchain.ChatOpenAI(model="gpt", api_key="-", http_async_client=http, use_responses_api=responses)
    async for _chunk in model.astream("Hi"):
        pass


async def _pydantic_ai(ai: Any, http: Any, responses: bool) -> None:
    pytest.importorskip("pydantic_ai")
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIResponsesModel if responses else OpenAIChatModel
    async with Agent(model("gpt", provider=OpenAIProvider(openai_client=ai))).run_stream("Hi") as run:
        async for _piece in run.stream_text(delta=True):
            pass


async def _agents(ai: Any, http: Any, responses: bool) -> None:
    agents = pytest.importorskip("agents")
    agents.set_tracing_disabled(True)
    model = agents.OpenAIResponsesModel if responses else agents.OpenAIChatCompletionsModel
    run = agents.Runner.run_streamed(agents.Agent(name="a", model=model(model="gpt", openai_client=ai)), "Hi")
    async for _event in run.stream_events():
        pass


@pytest.mark.usefixtures("cut")
@pytest.mark.parametrize("responses", [False, True], ids=["chat", "responses"])
@pytest.mark.parametrize("framework", [_langchain, _pydantic_ai, _agents])
async def test_a_cut_answer_is_an_error(framework: Any, responses: bool, ai: Any, up: Upstreams) -> None:
    """Each raises it, by the SDK's own class or by one of its own, with our words in it."""
    async with httpx2.AsyncClient(transport=ResilientTransport(up.client)) as http:
        with pytest.raises(Exception, match="Answer cut off"):
            await framework(ai, http, responses)
