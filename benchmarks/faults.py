"""What a caller gets when a provider breaks: five faults, with this SDK and with the official SDKs that are installed.

    python -m benchmarks.faults        writes docs/benchmarks/faults.md

Each client is used as its own documents show, with a read timeout of one second and its default retries. One real
loopback server plays the same script to all. A client that is not installed is left out, and the table says so.
"""

from __future__ import annotations

import asyncio
import datetime
import importlib.metadata
import importlib.util
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import resilient_stream
from resilient_stream.testing import (
    CleanEnd,
    Comment,
    End,
    ErrorEvent,
    FakeProvider,
    Preamble,
    Script,
    Sleep,
    Status,
    Text,
)

QUIET = 1.0
PATIENCE = 4.0
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks" / "faults.md"

DRIP: Script = [step for _ in range(200) for step in (Sleep(0.02), Text("lo"))]

Ask: TypeAlias = Callable[[str], AsyncIterator[str]]
"""A client: the pieces of text that it gives for an answer from this base URL."""

GOOD: Script = [Text("Hel", "lo"), End()]


async def ours(base_url: str) -> AsyncIterator[str]:
    """resilient_stream, with a stall limit of one second."""
    from resilient_stream import Client, RetryPolicy, Target, Timeouts

    target = Target("openai:m", base_url=base_url, api_key="k")
    timeouts = Timeouts(stall=QUIET, first_content=QUIET)
    client = Client(target, timeouts=timeouts, retry=RetryPolicy(initial=0.1))
    try:
        async for piece in client.stream("hi", deadline=PATIENCE - 1).texts():
            yield piece
    finally:
        await client.aclose()


async def openai_sdk(base_url: str) -> AsyncIterator[str]:
    """The openai SDK, as in its README."""
    import openai

    client = openai.AsyncOpenAI(base_url=base_url, api_key="k", timeout=QUIET)
    messages = [{"role": "user", "content": "hi"}]
    async for chunk in await client.chat.completions.create(model="m", messages=messages, stream=True):  # type: ignore[call-overload]
        if chunk.choices and chunk.choices[0].delta.content:
            yield chunk.choices[0].delta.content


async def anthropic_sdk(base_url: str) -> AsyncIterator[str]:
    """The anthropic SDK, as in its README."""
    import anthropic

    client = anthropic.AsyncAnthropic(base_url=base_url.removesuffix("/v1"), api_key="k", timeout=QUIET)
    messages = [{"role": "user", "content": "hi"}]
    async for event in await client.messages.create(model="m", max_tokens=9, messages=messages, stream=True):  # type: ignore[call-overload]
        if event.type == "content_block_delta":
            yield event.delta.text


async def litellm_sdk(base_url: str) -> AsyncIterator[str]:
    """litellm, with two retries."""
    import litellm

    litellm.suppress_debug_info = True
    messages = [{"role": "user", "content": "hi"}]
    options = {"api_base": base_url, "api_key": "k", "timeout": QUIET, "num_retries": 2}
    async for chunk in await litellm.acompletion(model="openai/m", messages=messages, stream=True, **options):
        if chunk.choices and chunk.choices[0].delta.content:
            yield chunk.choices[0].delta.content


CLIENTS: dict[str, tuple[str, Ask]] = {
    "resilient_stream": ("resilient_stream", ours),
    "openai": ("openai", openai_sdk),
    "anthropic": ("anthropic", anthropic_sdk),
    "litellm": ("litellm", litellm_sdk),
}


async def read(ask: Ask, base_url: str) -> tuple[str, str | None, float]:
    """The text, the error's name if there was one, and the seconds it took; `hangs` when we had to stop it."""
    pieces: list[str] = []
    began = time.monotonic()
    try:
        async with asyncio.timeout(PATIENCE):
            async for piece in ask(base_url):
                pieces.append(piece)  # noqa: PERF401  # what came before an error counts
        error = None
    except Exception as caught:
        error = type(caught).__name__
    took = time.monotonic() - began
    return "".join(pieces), "hangs" if took >= PATIENCE - 0.1 else error, took


async def error_first(ask: Ask, provider: FakeProvider, base_url: str) -> str:
    """An error event in a 200, before any text; the next request would be answered."""
    text, error, _ = await read(ask, base_url)
    return "**asks again, whole answer**" if text == "Hello" else f"raises {error}, does not ask again"


async def clean_cut(ask: Ask, provider: FakeProvider, base_url: str) -> str:
    """The body ends properly after two pieces, with no end marker."""
    text, error, _ = await read(ask, base_url)
    return f"**raises {error}**, text kept" if error else f"“{text}” is taken for the whole answer"


async def keep_alives(ask: Ask, provider: FakeProvider, base_url: str) -> str:
    """One piece, then nothing but keep-alive comments."""
    _, error, took = await read(ask, base_url)
    return f"hangs (stopped after {took:.0f} s)" if error == "hangs" else f"**raises {error} after {took:.1f} s**"


async def leaving(ask: Ask, provider: FakeProvider, base_url: str) -> str:
    """`break` in the middle of an answer, the stream dropped."""
    began = time.monotonic()
    answer = ask(base_url)
    async for _ in answer:
        break
    await answer.aclose()  # type: ignore[attr-defined]  # our wrapper's frame goes, and with it the stream
    while provider.open and time.monotonic() - began < 2:  # noqa: ASYNC110  # a measurement, with an end
        await asyncio.sleep(0.002)  # a measurement, with an end
    if provider.open:
        return "the provider is still generating 2 s later"
    return f"**closed after {(time.monotonic() - began) * 1000:.0f} ms**"


async def long_hint(ask: Ask, provider: FakeProvider, base_url: str) -> str:
    """429 with `Retry-After: 90`, while the caller has four seconds."""
    _, error, took = await read(ask, base_url)
    return "sleeps until the caller gives up" if error == "hangs" else f"**raises {error} after {took:.1f} s**"


Fault: TypeAlias = Callable[[Ask, FakeProvider, str], Awaitable[str]]

FAULTS: dict[str, tuple[Fault, list[Script]]] = {
    "error event in a 200, before any text": (error_first, [[Preamble(), ErrorEvent(529), CleanEnd()], GOOD]),
    "clean end, no end marker": (clean_cut, [[Text("Hel", "lo"), CleanEnd()]]),
    "only keep-alives after the first text": (keep_alives, [[Text("Hel"), Comment(every=0.1, times=100)]]),
    "`break` in the middle": (
        leaving,
        [[Text("Hel"), *DRIP]],
    ),
    "`Retry-After: 90`, four seconds to live": (long_hint, [[Status(429, {"retry-after": "90"})]]),
}


async def verdict(name: str, fault: str) -> str:
    """What one client makes of one fault."""
    judge, scripts = FAULTS[fault]
    async with FakeProvider(*scripts) as provider:
        return await judge(CLIENTS[name][1], provider, provider.base_url("openai"))


def installed() -> list[str]:
    """The clients that can be imported here."""
    return [name for name, (module, _) in CLIENTS.items() if importlib.util.find_spec(module)]


async def table(names: list[str]) -> dict[str, dict[str, str]]:
    """Every fault by every client, one at a time, with progress on stderr."""
    rows: dict[str, dict[str, str]] = {}
    for fault in FAULTS:
        rows[fault] = {}
        for name in names:
            rows[fault][name] = await verdict(name, fault)
            print(f"{fault}: {name}: {rows[fault][name]}", file=sys.stderr, flush=True)
    return rows


def version_of(name: str) -> str:
    """As installed; ours may run from a checkout."""
    return resilient_stream.__version__ if name == "resilient_stream" else importlib.metadata.version(name)


def page(rows: dict[str, dict[str, str]], names: list[str]) -> str:
    """The page, with the versions and the day."""
    versions = ", ".join(f"{name} {version_of(name)}" for name in names)
    lines = [
        "# What a caller gets when a provider breaks",
        "",
        f"Measured on {datetime.date.today()} with {versions}, by `python -m benchmarks.faults`: one loopback server",
        f"plays the same script to each; read timeout {QUIET:g} s, default retries. Bold: a caller can work with it.",
        "",
        f"| fault | {' | '.join(names)} |",
        f"|---|{'---|' * len(names)}",
        *(f"| {fault} | {' | '.join(row[name] for name in names)} |" for fault, row in rows.items()),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, and write the page."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it fetches a list at import
    names = installed()
    for name in set(CLIENTS) - set(names):
        print(f"{name} is not installed, and left out", file=sys.stderr)
    text = page(asyncio.run(table(names)), names)
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
