"""Measures one client in a process of its own, for each shape of answer that the fake provider gives.

    python -m benchmarks.measure NAME PORT [--loop uvloop] [--quick]        prints one line of JSON

A client that missed a chunk or invented one gets no figure: it fails.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
import sys
import time

import msgspec

from .loops import new_loop
from .peers import BOTH, PEERS, Ask, Peer
from .upstream import asking

__all__ = ["SHAPES", "Cost", "Miscounted", "Shape", "Shapes", "measure"]

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
    """burst, paced: microseconds of CPU, user and system, for a chunk. first_ms: from the call to its first chunk."""

    burst: float
    paced: float
    first_ms: float


class Miscounted(Exception):
    """A client gave another number of chunks than were sent."""


ENOUGH_SECONDS = 0.5
MOST_REPEATS = 9
"""A burst takes a fast client 30 ms: it is repeated until half a second is over, and the median stands."""


async def measure(peer: Peer, base: str, shapes: Shapes) -> Cost:
    """Warm up, then each shape. Raises Miscounted."""
    _settle_allocator()
    async with peer.open(base) as ask:
        await _run(ask, shapes.first)
        burst = await _burst(ask, shapes.burst)
        await _run(ask, msgspec.structs.replace(shapes.paced, chunks=5))  # opens as many connections
        return Cost(burst, await _run(ask, shapes.paced), await _first(ask, shapes))


def _settle_allocator() -> None:
    """Free one large block, as any process has that lived for a while.

    Until then glibc maps and unmaps the 256 KiB that asyncio asks for at each read: 12 us and two page faults, paid
    by whichever client happened not to free a large block before. It would drown what is measured here.
    """
    bytes(4 << 20)


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
