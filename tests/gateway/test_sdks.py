"""Real SDKs and frameworks through a gateway on a real socket: one vendor dies in mid-answer, another one goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web

from resilient_stream import Client, RetryPolicy
from resilient_stream.gateway.app import make_app
from resilient_stream.testing import CallTool, Cut, End, FakeProvider, Text

WHOLE = "Half an answer and the rest."
KEY = "none"


async def openai_chat(address: str) -> str:
    """OpenAI's SDK, chat completions."""
    sdk = pytest.importorskip("openai")
    async with sdk.AsyncOpenAI(base_url=f"{address}/v1", api_key=KEY) as client:
        asked: Any = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
        stream = await client.chat.completions.create(**asked)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])


async def openai_responses(address: str) -> str:
    """OpenAI's SDK, Responses."""
    sdk = pytest.importorskip("openai")
    async with sdk.AsyncOpenAI(base_url=f"{address}/v1", api_key=KEY) as client:
        async with client.responses.stream(model="m", input="Hi") as stream:
            return "".join([event.delta async for event in stream if event.type == "response.output_text.delta"])


async def anthropic(address: str) -> str:
    """Anthropic's SDK."""
    sdk = pytest.importorskip("anthropic")
    async with sdk.AsyncAnthropic(base_url=address, api_key=KEY) as client:
        asked: Any = {"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": "Hi"}]}
        async with client.messages.stream(**asked) as stream:
            return str(await stream.get_final_text())


async def langchain(address: str) -> str:
    """LangChain's model for OpenAI."""
    module = pytest.importorskip("langchain_openai")
    model = module.ChatOpenAI(base_url=f"{address}/v1", api_key=KEY, model="m")
    return "".join([chunk.content async for chunk in model.astream("Hi")])


async def pydantic_ai(address: str) -> str:
    """pydantic-ai's model for OpenAI."""
    ai = pytest.importorskip("pydantic_ai")
    models = pytest.importorskip("pydantic_ai.models.openai")
    providers = pytest.importorskip("pydantic_ai.providers.openai")
    provider = providers.OpenAIProvider(base_url=f"{address}/v1", api_key=KEY)
    async with ai.Agent(models.OpenAIChatModel("m", provider=provider)).run_stream("Hi") as answer:
        return str(await answer.get_output())


async def agents(address: str) -> str:
    """OpenAI's agents."""
    module, sdk = pytest.importorskip("agents"), pytest.importorskip("openai")
    module.set_tracing_disabled(True)
    model = module.OpenAIChatCompletionsModel("m", sdk.AsyncOpenAI(base_url=f"{address}/v1", api_key=KEY))
    running = module.Runner.run_streamed(module.Agent(name="a", model=model), "Hi")
    async for _ in running.stream_events():
        pass
    return str(running.final_output)


SDKS: dict[str, Callable[[str], Awaitable[str]]] = {
    each.__name__: each for each in (openai_chat, openai_responses, anthropic, langchain, pydantic_ai, agents)
}


@pytest.fixture
async def gateway() -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """`await gateway(script, …)` serves two vendors' targets; gives the address."""
    async with AsyncExitStack() as stack:

        async def start(*scripts: Any) -> str:
            provider = await stack.enter_async_context(FakeProvider(*scripts))
            targets = provider.target("openai"), provider.target("anthropic")
            client = await stack.enter_async_context(Client(*targets, retry=RetryPolicy.off()))
            runner = web.AppRunner(make_app(client), handler_cancellation=True, access_log=None)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            return f"http://127.0.0.1:{runner.addresses[0][1]}"

        yield start


@pytest.mark.parametrize("sdk", list(SDKS))
@pytest.mark.filterwarnings("default")
async def test_a_vendor_that_dies_is_not_noticed(gateway: Any, sdk: str) -> None:
    """The SDK gets the whole text from a gateway, without an error."""
    address = await gateway([Text("Half an ", "answer"), Cut()], [Text("Half an answer", " and the rest."), End()])
    assert await SDKS[sdk](address) == WHOLE


@pytest.mark.filterwarnings("default")
async def test_instructor_gets_its_object(gateway: Any) -> None:
    """The object comes as a call of a tool, which the gateway passes on both ways."""
    instructor, sdk = pytest.importorskip("instructor"), pytest.importorskip("openai")
    from pydantic import BaseModel

    class Answer(BaseModel):
        text: str

    address = await gateway([CallTool("Answer", {"text": WHOLE}), End()])
    async with sdk.AsyncOpenAI(base_url=f"{address}/v1", api_key=KEY) as plain:
        client = instructor.from_openai(plain)
        asked: Any = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
        assert (await client.chat.completions.create(**asked, response_model=Answer)).text == WHOLE
