"""One client in a process of its own: it asks the stand-in for each shape of answer, and says what that cost.

    python -m benchmarks.peers NAME PORT [--loop uvloop] [--quick]        prints one line of JSON

A chunk counts when its text reached the caller; a client that missed or invented one fails. Each client is set up
as its own documentation does, with nothing switched off.

The one rule: a client's imports stay inside its own function, so one never pays for another.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from typing import Any, NamedTuple, TypeAlias

import msgspec

from .loops import new_loop
from .upstream import asking

__all__ = ["PEERS", "SHAPES", "Answer", "Cost", "Miscounted", "Peer", "Shape", "measure"]

now = time.perf_counter


class Shape(msgspec.Struct, frozen=True):
    """`streams` at the same time, each of `chunks`, `gap_ms` apart."""

    streams: int
    chunks: int
    gap_ms: int = 0


class Shapes(msgspec.Struct, frozen=True):
    """burst and paced: what a chunk costs. first: short answers one after another, for the time to the first chunk."""

    burst: Shape
    paced: Shape
    first: Shape = Shape(1, 10)
    first_answers: int = 100


SHAPES = {
    "full": Shapes(burst=Shape(1, 20_000), paced=Shape(200, 100, 20)),
    "quick": Shapes(burst=Shape(1, 300), paced=Shape(5, 10, 5), first_answers=5),
}


class Cost(msgspec.Struct, frozen=True):
    """Microseconds of CPU (user and system) per chunk; the paced streams' wall seconds; milliseconds to a first chunk."""

    burst: float
    paced: float
    paced_seconds: float
    first_ms: float


class Answer(NamedTuple):
    """How many chunks of text came, and when the first one did."""

    chunks: int
    first_at: float


class Miscounted(Exception):
    """A client gave another number of chunks than were sent."""


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


@asynccontextmanager
async def floor_openai(base: str) -> AsyncIterator[Ask]:
    class Delta(msgspec.Struct):
        content: str | None = None

    class Choice(msgspec.Struct):
        delta: Delta

    class Event(msgspec.Struct):
        choices: list[Choice]

    decode = msgspec.json.Decoder(Event).decode
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
    class Delta(msgspec.Struct):
        text: str | None = None

    class Event(msgspec.Struct):
        delta: Delta | None = None

    decode = msgspec.json.Decoder(Event).decode
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
    class Part(msgspec.Struct):
        text: str = ""

    class Content(msgspec.Struct):
        parts: list[Part]

    class Candidate(msgspec.Struct):
        content: Content

    class Event(msgspec.Struct):
        candidates: list[Candidate]

    decode = msgspec.json.Decoder(Event).decode
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


# -- the table of them ------------------------------------------------------------------------

BOTH = ("asyncio", "uvloop")


class Peer(NamedTuple):
    """title: for the reader. module, package: what must be installed, as imported and as named by its makers."""

    title: str
    dialect: str
    open: Callable[[str], AbstractAsyncContextManager[Ask]]
    module: str
    package: str
    loops: tuple[str, ...] = ("asyncio",)


PEERS = {
    "floor-openai": Peer("floor: aiohttp, typed msgspec", "openai", floor_openai, "aiohttp", "aiohttp", BOTH),
    "ours-openai": Peer("resilient_stream", "openai", _ours("openai"), "resilient_stream", "resilient-stream", BOTH),
    "lines-openai": Peer("by hand: aiohttp lines, json", "openai", lines_openai, "aiohttp", "aiohttp", BOTH),
    "openai-sdk": Peer("openai SDK", "openai", openai_sdk, "openai", "openai", BOTH),
    "litellm": Peer("litellm", "openai", litellm, "litellm", "litellm"),
    "floor-anthropic": Peer("floor: aiohttp, typed msgspec", "anthropic", floor_anthropic, "aiohttp", "aiohttp"),
    "ours-anthropic": Peer("resilient_stream", "anthropic", _ours("anthropic"), "resilient_stream", "resilient-stream"),
    "anthropic-sdk": Peer("anthropic SDK", "anthropic", anthropic_sdk, "anthropic", "anthropic"),
    "floor-gemini": Peer("floor: aiohttp, typed msgspec", "gemini", floor_gemini, "aiohttp", "aiohttp"),
    "ours-gemini": Peer("resilient_stream", "gemini", _ours("gemini"), "resilient_stream", "resilient-stream"),
    "genai-sdk": Peer("google-genai SDK", "gemini", genai_sdk, "google.genai", "google-genai"),
}  # fmt: skip
"""Those of a dialect are compared with that dialect's floor, on the same loop."""

# -- measuring --------------------------------------------------------------------------------

ENOUGH_SECONDS = 1.0
MOST_REPEATS = 9
"""A burst takes a fast client 30 ms: it is repeated until a second is over, and the median stands."""


async def measure(peer: Peer, base: str, shapes: Shapes) -> Cost:
    """Warm up, then each shape. Raises Miscounted."""
    async with peer.open(base) as ask:
        await _run(ask, shapes.first)
        burst = await _burst(ask, shapes.burst)
        await _run(ask, msgspec.structs.replace(shapes.paced, chunks=5))  # opens as many connections
        started = now()
        paced = await _run(ask, shapes.paced)
        paced_seconds = now() - started
        return Cost(burst, paced, paced_seconds, await _first(ask, shapes))


async def _burst(ask: Ask, shape: Shape) -> float:
    until, costs = now() + ENOUGH_SECONDS, [await _run(ask, shape)]
    while now() < until and len(costs) < MOST_REPEATS:
        costs.append(await _run(ask, shape))
    return statistics.median(costs)


async def _first(ask: Ask, shapes: Shapes) -> float:
    """The median time from the call to its first chunk, in milliseconds, on a connection that is open already."""
    prompt, waits = asking(shapes.first.chunks, shapes.first.gap_ms), []
    for _ in range(shapes.first_answers):
        started = now()
        waits.append((await ask(prompt)).first_at - started)
    return statistics.median(waits) * 1e3


async def _run(ask: Ask, shape: Shape) -> float:
    """Microseconds of CPU for a chunk. Raises Miscounted."""
    prompt, before = asking(shape.chunks, shape.gap_ms), _cpu_seconds()
    answers = await asyncio.gather(*(ask(prompt) for _ in range(shape.streams)))
    spent = _cpu_seconds() - before
    for answer in answers:
        if answer.chunks != shape.chunks:
            raise Miscounted(f"{answer.chunks} chunks, {shape.chunks} were sent")
    return spent / (shape.streams * shape.chunks) * 1e6


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure one client and print its `Cost`."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("name", choices=PEERS)
    options.add_argument("port", type=int)
    options.add_argument("--loop", choices=BOTH, default="asyncio")
    options.add_argument("--quick", action="store_true")
    chosen = options.parse_args()
    shapes = SHAPES["quick" if chosen.quick else "full"]
    with asyncio.Runner(loop_factory=new_loop(chosen.loop)) as runner:
        cost = runner.run(measure(PEERS[chosen.name], f"http://127.0.0.1:{chosen.port}", shapes))
    sys.stdout.write(msgspec.json.encode(cost).decode() + "\n")


if __name__ == "__main__":
    main()
