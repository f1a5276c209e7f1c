"""How soon the provider's connection is closed when the reader of a response leaves.

    python -m benchmarks.disconnects        writes docs/benchmarks/disconnects.md

Each cell is a request of its own kind, eight times: a real server, a reader on a socket that is closed without a word,
a provider on loopback in another thread that notes when its own connection is closed. Servers that are not installed
are left out.
"""

from __future__ import annotations

import asyncio
import datetime
import gc
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import resilient_stream
from resilient_stream import Client
from resilient_stream.testing import FakeProvider, Preamble, Script, Stall, Text
from resilient_stream.testing.steps import Step

from .loops import new_loop
from .servers import Reader, served, serving

__all__ = ["WHEN", "Cell", "Flood", "Moment", "leaving", "moment", "times"]

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks" / "disconnects.md"
REPEATS = 8
LIMIT_MS = 50.0
LOST = 2.0
"""Seconds after which the provider's connection counts as never closed."""


class Flood:
    """An answer without an end, as fast as it is taken. taken: bytes of text so far."""

    def __init__(self) -> None:
        self.taken = 0

    def __iter__(self) -> Iterator[Step]:
        while True:
            self.taken += 1000
            yield Text("word " * 200)

    async def dammed(self) -> int:
        """Wait until nothing is taken any more, for 50 ms. Returns the bytes that fit in. Raises TimeoutError."""
        before, quiet = -1, 0
        async with asyncio.timeout(20):
            while quiet < 10:
                quiet = quiet + 1 if self.taken == before else 0
                before = self.taken
                await asyncio.sleep(0.005)
        return before


class Moment(NamedTuple):
    """When the reader leaves. heard: what it waits for before. flood: the script, where it has no end."""

    script: Script
    heard: bytes
    flood: Flood | None = None


def moment(name: str) -> Moment:
    """The script of one request, and what its reader waits for."""
    if name == "before the first token":
        return Moment([Preamble(), Stall()], b"")
    if name == "in mid-stream":
        return Moment([Text("Hello"), Stall()], b"Hello")
    flood = Flood()
    return Moment(flood, b"word ", flood)


WHEN = ("before the first token", "in mid-stream", "under backpressure")


class Cell(NamedTuple):
    """One combination. loop: asyncio or uvloop."""

    stack: str
    server: str
    middleware: bool
    loop: str


async def times(cell: Cell, when: str, repeats: int) -> list[float]:
    """Milliseconds from a reader's leaving to the end of the provider's connection, for each request."""
    with FakeProvider.in_thread() as provider:
        client = Client(provider.target("openai"))
        made = served(cell.stack, cell.server, cell.middleware, lambda: client.stream("Hi"))
        async with client, made as address:
            return [await _played(provider, address, moment(when)) for _ in range(repeats)]


async def _played(provider: FakeProvider, address: tuple[str, int], now: Moment) -> float:
    provider.play(now.script)
    return await leaving(provider, address, now)


async def leaving(provider: FakeProvider, address: tuple[str, int], now: Moment) -> float:
    """Milliseconds until the provider's connection is closed after the reader left; infinite where it stays open."""
    asked = len(provider.requests)
    reader = await Reader.ask(address)
    while len(provider.requests) == asked:  # noqa: ASYNC110 - it is in another thread
        await asyncio.sleep(0.001)
    if now.heard:
        await reader.hears(now.heard)
    if now.flood is not None:
        await now.flood.dammed()
    gc.disable()  # an answer that is closed only by the collector is one that is not closed
    try:
        left = time.monotonic()
        reader.leave()
        ended = (await provider.wait_closed(asked + 1, LOST))[-1].ended_at
    except TimeoutError:
        return float("inf")
    finally:
        gc.enable()
    assert ended is not None
    return max(0.0, ended - left) * 1000


LOOKED_AT = ("hypercorn", "granian")
"""Servers that few use: with one framework on one event loop."""


def cells() -> list[Cell]:
    """All combinations of what is installed."""
    return [
        Cell(stack, server, middleware, loop)
        for stack, server in serving()
        for middleware in (False, True)
        for loop in ("asyncio", "uvloop")
        if server not in LOOKED_AT or (stack, loop) == ("Starlette", "asyncio")
    ]


def measure(cell: Cell, when: str, repeats: int = REPEATS) -> list[float]:
    """The times of one cell, on its event loop."""
    with asyncio.Runner(loop_factory=new_loop(cell.loop)) as runner:
        return runner.run(times(cell, when, repeats))


def markdown(found: dict[tuple[Cell, str], list[float]]) -> str:
    """The page."""
    rows = {cell: None for cell, _ in found}
    slowest = max(max(times) for times in found.values())
    measured = f"{datetime.date.today()} with resilient_stream {resilient_stream.__version__}"
    lines = [f"| {_name(cell)} | {' | '.join(_told(found[cell, when]) for when in WHEN)} |" for cell in rows]
    return f"""# When the reader leaves

Measured on {measured}, by `python -m benchmarks.disconnects`:
real servers on loopback, Python {sys.version.split()[0]}, {REPEATS} requests for each cell. A reader closes its socket
without a word; the provider, in a thread of its own, notes when its connection is closed. The cells give the
milliseconds between the two: median / longest. The slowest of all took **{slowest:.1f} ms**; {LIMIT_MS:g} ms is what is
promised. Python's garbage collector was off meanwhile, so nothing was closed by chance.

| framework, server, middleware, event loop | {" | ".join(WHEN)} |
|---|{"---|" * len(WHEN)}
{chr(10).join(lines)}

The middleware of Starlette and FastAPI is a `BaseHTTPMiddleware`, that of aiohttp a function under `@web.middleware`.
"Before the first token" is before anything was sent to the reader. "Under backpressure" is when the reader has stopped
reading, all buffers are full and the response waits in a write.
"""


def _name(cell: Cell) -> str:
    server = cell.server if cell.server.split(",")[0] != cell.stack else cell.server.partition(", ")[2] or "default"
    return f"{cell.stack}, {server}, {'middleware' if cell.middleware else 'none'}, {cell.loop}"


def _told(times: list[float]) -> str:
    if max(times) == float("inf"):
        return f"**never** ({times.count(float('inf'))} of {len(times)})"
    return f"{statistics.median(times):.1f} / {max(times):.1f}"


def main() -> None:
    """Measure and write the page."""
    found = {}
    for cell in cells():
        for when in WHEN:
            found[cell, when] = measure(cell, when)
            print(f"{_name(cell)}, {when}: {_told(found[cell, when])}", flush=True)
    PAGE.write_text(markdown(found))


if __name__ == "__main__":
    main()
