"""The clients that are measured: a loop written by hand, ours, and others'.

A chunk counts when its text reached the caller. Each client is set up as its own documentation does, with nothing
switched off. A client's imports are inside its own function, so that none pays for another's.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from typing import Any, NamedTuple, TypeAlias

import msgspec

__all__ = ["PEERS", "Answer", "Ask", "Peer"]

now = time.perf_counter


class Answer(NamedTuple):
    """How many chunks of text came, and when the first one did."""

    chunks: int
    first_at: float


Ask: TypeAlias = Callable[[str], Awaitable[Answer]]

# -- written by hand --------------------------------------------------------------------------


@asynccontextmanager
async def _posting(url: str, body: Callable[[str], dict[str, Any]]) -> AsyncIterator[Callable[[str], Any]]:
    """An aiohttp session without limits, and the request that all loops below make."""
    aiohttp = import_module("aiohttp")
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield lambda prompt: session.post(url, json=body(prompt))


async def _frames(response: Any, blank_line: bytes) -> AsyncIterator[list[bytes]]:
    """Events as lists, one list for each network wake-up: nothing is awaited for a single event."""
    rest = b""
    async for data in response.content.iter_any():
        *frames, rest = (rest + data).split(blank_line)
        yield frames


def _chat(prompt: str) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": prompt}], "stream": True}


def _contents(prompt: str) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": prompt}]}]}


class _ChatDelta(msgspec.Struct):
    content: str | None = None


class _ChatChoice(msgspec.Struct):
    delta: _ChatDelta


class _ChatEvent(msgspec.Struct):
    choices: list[_ChatChoice]


class _MessageDelta(msgspec.Struct):
    text: str | None = None


class _MessageEvent(msgspec.Struct):
    delta: _MessageDelta | None = None


class _Part(msgspec.Struct):
    text: str = ""


class _Content(msgspec.Struct):
    parts: list[_Part]


class _Candidate(msgspec.Struct):
    content: _Content


class _ContentEvent(msgspec.Struct):
    candidates: list[_Candidate]


@asynccontextmanager
async def floor_openai(base: str) -> AsyncIterator[Ask]:
    decode = msgspec.json.Decoder(_ChatEvent).decode
    async with _posting(f"{base}/chat/completions", _chat) as post:

        async def ask(prompt: str) -> Answer:
            chunks, first_at = 0, 0.0
            async with post(prompt) as response:
                async for frames in _frames(response, b"\n\n"):
                    for frame in frames:
                        if frame != b"data: [DONE]":
                            event = decode(frame[6:])
                            if event.choices and event.choices[0].delta.content:
                                chunks += 1
                                first_at = first_at or now()
            return Answer(chunks, first_at)

        yield ask


@asynccontextmanager
async def floor_anthropic(base: str) -> AsyncIterator[Ask]:
    decode = msgspec.json.Decoder(_MessageEvent).decode
    async with _posting(f"{base}/v1/messages", _chat) as post:

        async def ask(prompt: str) -> Answer:
            chunks, first_at = 0, 0.0
            async with post(prompt) as response:
                async for frames in _frames(response, b"\n\n"):
                    for frame in frames:
                        event = decode(frame[frame.find(b"data: ") + 6 :])
                        if event.delta and event.delta.text:
                            chunks += 1
                            first_at = first_at or now()
            return Answer(chunks, first_at)

        yield ask


@asynccontextmanager
async def floor_gemini(base: str) -> AsyncIterator[Ask]:
    decode = msgspec.json.Decoder(_ContentEvent).decode
    async with _posting(f"{base}/v1beta/models/m:streamGenerateContent?alt=sse", _contents) as post:

        async def ask(prompt: str) -> Answer:
            chunks, first_at = 0, 0.0
            async with post(prompt) as response:
                async for frames in _frames(response, b"\r\n\r\n"):
                    for frame in frames:
                        if decode(frame[6:]).candidates[0].content.parts[0].text:
                            chunks += 1
                            first_at = first_at or now()
            return Answer(chunks, first_at)

        yield ask


@asynccontextmanager
async def lines_openai(base: str) -> AsyncIterator[Ask]:
    async with _posting(f"{base}/chat/completions", _chat) as post:

        async def ask(prompt: str) -> Answer:
            chunks, first_at = 0, 0.0
            async with post(prompt) as response:
                async for line in response.content:
                    if line.startswith(b"data: ") and not line.startswith(b"data: [DONE]"):
                        event = json.loads(line[6:])
                        if event["choices"] and event["choices"][0]["delta"].get("content"):
                            chunks += 1
                            first_at = first_at or now()
            return Answer(chunks, first_at)

        yield ask


# -- ours -------------------------------------------------------------------------------------


def _ours(provider: str) -> Callable[[str], AbstractAsyncContextManager[Ask]]:
    """The whole chain: deadline, stall clock, retry, a fallback, and the transcript."""

    @asynccontextmanager
    async def ours(base: str) -> AsyncIterator[Ask]:
        resilient_stream = import_module("resilient_stream")
        names = (f"{provider}:first", f"{provider}:second")
        targets = [resilient_stream.Target(name, base_url=base, api_key="k") for name in names]
        async with resilient_stream.Client(*targets) as client:

            async def ask(prompt: str) -> Answer:
                chunks, first_at = 0, 0.0
                async with client.stream(prompt, deadline=600) as stream:
                    async for chunk in stream:
                        if chunk.text:
                            chunks += 1
                            first_at = first_at or now()
                return Answer(chunks, first_at)

            yield ask

    return ours


# -- others' ----------------------------------------------------------------------------------


@asynccontextmanager
async def openai_sdk(base: str) -> AsyncIterator[Ask]:
    async with import_module("openai").AsyncOpenAI(base_url=base, api_key="k") as client:

        async def ask(prompt: str) -> Answer:
            chunks, first_at = 0, 0.0
            async for event in await client.chat.completions.create(**_chat(prompt)):
                if event.choices and event.choices[0].delta.content:
                    chunks += 1
                    first_at = first_at or now()
            return Answer(chunks, first_at)

        yield ask


@asynccontextmanager
async def anthropic_sdk(base: str) -> AsyncIterator[Ask]:
    async with import_module("anthropic").AsyncAnthropic(base_url=base, api_key="k") as client:

        async def ask(prompt: str) -> Answer:
            chunks, first_at = 0, 0.0
            async for event in await client.messages.create(max_tokens=100, **_chat(prompt)):
                if event.type == "content_block_delta" and event.delta.text:
                    chunks += 1
                    first_at = first_at or now()
            return Answer(chunks, first_at)

        yield ask


@asynccontextmanager
async def genai_sdk(base: str) -> AsyncIterator[Ask]:
    client = import_module("google.genai").Client(api_key="k", http_options={"base_url": base}).aio
    try:

        async def ask(prompt: str) -> Answer:
            chunks, first_at = 0, 0.0
            async for event in await client.models.generate_content_stream(model="m", contents=prompt):
                if event.text:
                    chunks += 1
                    first_at = first_at or now()
            return Answer(chunks, first_at)

        yield ask
    finally:
        await client.aclose()


@asynccontextmanager
async def litellm(base: str) -> AsyncIterator[Ask]:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or its import fetches one
    acompletion = import_module("litellm").acompletion

    async def ask(prompt: str) -> Answer:
        chunks, first_at = 0, 0.0
        request = _chat(prompt) | {"model": "openai/m"}
        async for event in await acompletion(**request, api_base=base, api_key="k"):
            if event.choices and event.choices[0].delta.content:
                chunks += 1
                first_at = first_at or now()
        return Answer(chunks, first_at)

    yield ask


@asynccontextmanager
async def pydantic_ai(base: str) -> AsyncIterator[Ask]:
    models, providers = import_module("pydantic_ai.models.openai"), import_module("pydantic_ai.providers.openai")
    request_stream, messages = (
        import_module("pydantic_ai.direct").model_request_stream,
        import_module("pydantic_ai.messages"),
    )
    async with import_module("openai").AsyncOpenAI(base_url=base, api_key="k") as client:
        model = models.OpenAIChatModel("m", provider=providers.OpenAIProvider(openai_client=client))

        async def ask(prompt: str) -> Answer:
            chunks, first_at = 0, 0.0
            async with request_stream(model, [messages.ModelRequest.user_text_prompt(prompt)]) as stream:
                async for event in stream:
                    if isinstance(event, messages.PartStartEvent | messages.PartDeltaEvent):
                        chunks += 1
                        first_at = first_at or now()
            return Answer(chunks, first_at)

        yield ask


@asynccontextmanager
async def langchain(base: str) -> AsyncIterator[Ask]:
    model = import_module("langchain_openai").ChatOpenAI(model="m", base_url=base, api_key="k")

    async def ask(prompt: str) -> Answer:
        chunks, first_at = 0, 0.0
        async for event in model.astream(prompt):
            if event.content:
                chunks += 1
                first_at = first_at or now()
        return Answer(chunks, first_at)

    yield ask


# -- the table of them ------------------------------------------------------------------------

BOTH, ONE = ("asyncio", "uvloop"), ("asyncio",)

FEW = 2
"""Rounds are for ratios near one; where they are in the tens, two are enough, and the others' turn comes sooner. Such
clients have fewer chunks and streams, too: see `SHAPES`."""
SOME = 3
"""Rounds of the pairs that say for another dialect what the first pair says already."""


class Peer(NamedTuple):
    """title: for the reader. module, package: what must be installed, as imported and as named by its makers."""

    title: str
    dialect: str
    open: Callable[[str], AbstractAsyncContextManager[Ask]]
    module: str
    package: str
    loops: tuple[str, ...] = ONE
    most_rounds: int = 100


_FLOOR, _OURS = "floor: aiohttp, typed msgspec", ("resilient_stream", "resilient-stream")

PEERS = {
    "floor-openai": Peer(_FLOOR, "openai", floor_openai, "aiohttp", "aiohttp", BOTH),
    "ours-openai": Peer("resilient_stream", "openai", _ours("openai"), *_OURS, BOTH),
    "lines-openai": Peer("by hand: aiohttp lines, json", "openai", lines_openai, "aiohttp", "aiohttp", BOTH),
    "openai-sdk": Peer("openai SDK", "openai", openai_sdk, "openai", "openai", most_rounds=FEW),
    "pydantic-ai": Peer("pydantic-ai", "openai", pydantic_ai, "pydantic_ai", "pydantic-ai-slim", most_rounds=FEW),
    "langchain": Peer("langchain-openai", "openai", langchain, "langchain_openai", "langchain-openai", most_rounds=FEW),
    "litellm": Peer("litellm", "openai", litellm, "litellm", "litellm", most_rounds=FEW),
    "floor-anthropic": Peer(_FLOOR, "anthropic", floor_anthropic, "aiohttp", "aiohttp", ONE, SOME),
    "ours-anthropic": Peer("resilient_stream", "anthropic", _ours("anthropic"), *_OURS, ONE, SOME),
    "anthropic-sdk": Peer("anthropic SDK", "anthropic", anthropic_sdk, "anthropic", "anthropic", most_rounds=FEW),
    "floor-gemini": Peer(_FLOOR, "gemini", floor_gemini, "aiohttp", "aiohttp", ONE, SOME),
    "ours-gemini": Peer("resilient_stream", "gemini", _ours("gemini"), *_OURS, ONE, SOME),
    "genai-sdk": Peer("google-genai SDK", "gemini", genai_sdk, "google.genai", "google-genai", most_rounds=FEW),
}  # fmt: skip
"""Those of a dialect are compared with that dialect's floor, on the same loop."""
