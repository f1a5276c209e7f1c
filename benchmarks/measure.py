"""One client in a process of its own: it asks the fake provider for each shape of answer, and says what that cost.

    python -m benchmarks.measure NAME URL [--loop uvloop] [--shapes quick] [--growth]        prints one line of JSON

A client that missed a chunk or invented one has no cost; it fails.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
import sys
import time
from urllib.request import urlopen

import msgspec

from .loops import new_loop
from .peers import BOTH, PEERS, Ask, Peer
from .upstream import asking

__all__ = ["LENGTHS", "SHAPES", "Cost", "Cpu", "Miscounted", "Shape", "Shapes", "measure", "settle_allocator"]

now = time.perf_counter


class Shape(msgspec.Struct, frozen=True):
    """`streams` at the same time, each of `chunks`, `gap_ms` apart."""

    streams: int
    chunks: int
    gap_ms: int = 0


class Shapes(msgspec.Struct, frozen=True):
    """burst and paced: what a chunk costs. call: what a short answer costs from its beginning to its end, and how long
    its first chunk takes; they are asked for one after another, `calls` of them."""

    burst: Shape
    paced: Shape
    call: Shape = Shape(1, 10)
    calls: int = 200


SHAPES = {
    "full": Shapes(burst=Shape(1, 20_000), paced=Shape(200, 100, 20)),
    # 200 streams of a client that needs 300 us for a chunk are more than a core: they would wait and share wake-ups.
    "slow": Shapes(burst=Shape(1, 4_000), paced=Shape(20, 100, 20), calls=50),
    "quick": Shapes(burst=Shape(1, 300), paced=Shape(5, 10, 5), calls=5),
}
LENGTHS = (100, 1_000, 10_000, 100_000, 1_000_000)
"""Chunks of one answer: does a chunk cost the same in a long one?"""
SHORT_LENGTHS = LENGTHS[:3]
"""For a trial."""


class Cpu(msgspec.Struct, frozen=True):
    """Microseconds of CPU time: in the process itself, and in the kernel for it."""

    user: float
    system: float

    @property
    def total(self) -> float:
        """Both together."""
        return self.user + self.system

    def over(self, count: int) -> Cpu:
        """The share of one of so many."""
        return Cpu(self.user / count, self.system / count)

    def since(self, before: Cpu) -> Cpu:
        """What was used since then."""
        return Cpu(self.user - before.user, self.system - before.system)


class Cost(msgspec.Struct, frozen=True):
    """burst, paced: for a chunk. call: for a whole short call. first_ms: from the call to its first chunk, by the wall.

    acks: TCP segments that the client sent for each paced chunk; they acknowledge what came. None where not known.
    """

    burst: Cpu
    paced: Cpu
    call: Cpu
    first_ms: float
    acks: float | None = None


class Miscounted(Exception):
    """A client gave another number of chunks than were sent."""


ENOUGH_SECONDS = 0.5
COMING_BACK = 0.3
"""Seconds until all connections are free again. A client that ends an answer at its end marker, and not at the end of
the body, gets its connection back a little later. A new one would cost more, at its opening and for each chunk, which
the kernel then acknowledges at once."""

MOST_REPEATS = 9
"""A burst takes a fast client 30 ms: it is repeated until half a second is over, and the median stands."""


async def measure(peer: Peer, base: str, shapes: Shapes, segments: str = "") -> Cost:
    """Warm up, then each shape. segments: where it is told how many TCP segments came. Raises Miscounted."""
    settle_allocator()
    async with peer.open(base) as ask:
        await _run(ask, shapes.call)
        burst = await _median_run(ask, shapes.burst)
        await _run(ask, msgspec.structs.replace(shapes.paced, chunks=5))  # opens as many connections
        await asyncio.sleep(COMING_BACK)
        before = _segments(segments)
        paced = await _run(ask, shapes.paced)
        acks = (_segments(segments) - before) / (shapes.paced.streams * shapes.paced.chunks)
        call, first_ms = await _calls(ask, shapes)
        return Cost(burst, paced, call, first_ms, acks or None)


async def growth(peer: Peer, base: str, lengths: tuple[int, ...]) -> list[float]:
    """Microseconds of CPU for a chunk, in answers of these lengths. Raises Miscounted."""
    settle_allocator()
    async with peer.open(base) as ask:
        await _run(ask, Shape(1, 1_000))
        return [(await _median_run(ask, Shape(1, length))).total for length in lengths]


def settle_allocator() -> None:
    """Free one large block, as any process has that lived for a while.

    Until then glibc maps and unmaps the 256 KiB that asyncio asks for at each read: 12 us and two page faults, paid
    by whichever client happened not to free a large block before. It would drown what is measured here.
    """
    bytes(4 << 20)


def _segments(url: str) -> int:
    if not url:
        return 0
    with urlopen(url) as told:
        return int(told.read())


async def _median_run(ask: Ask, shape: Shape) -> Cpu:
    until, costs = now() + ENOUGH_SECONDS, [await _run(ask, shape)]
    while now() < until and len(costs) < MOST_REPEATS:
        costs.append(await _run(ask, shape))
    return sorted(costs, key=lambda cost: cost.total)[len(costs) // 2]


async def _calls(ask: Ask, shapes: Shapes) -> tuple[Cpu, float]:
    """For one call on a connection that is open already: its CPU time on average, and the median of its first chunk."""
    prompt, waits, before = asking(shapes.call.chunks, shapes.call.gap_ms), [], used()
    for _ in range(shapes.calls):
        started = now()
        waits.append((await ask(prompt)).first_at - started)
    return used().since(before).over(shapes.calls), statistics.median(waits) * 1e3


async def _run(ask: Ask, shape: Shape) -> Cpu:
    """For a chunk. Raises Miscounted."""
    prompt, before = asking(shape.chunks, shape.gap_ms), used()
    answers = await asyncio.gather(*(ask(prompt) for _ in range(shape.streams)))
    spent = used().since(before)
    for answer in answers:
        if answer.chunks != shape.chunks:
            raise Miscounted(f"{answer.chunks} chunks, {shape.chunks} were sent")
    return spent.over(shape.streams * shape.chunks)


def used() -> Cpu:
    """What this process has used since it began."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Cpu(used.ru_utime * 1e6, used.ru_stime * 1e6)


def main() -> None:
    """Measure one client and print its `Cost`, or its growth as a list."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("name", choices=PEERS)
    options.add_argument("url")
    options.add_argument("--loop", choices=BOTH, default="asyncio")
    options.add_argument("--shapes", choices=SHAPES, default="full")
    options.add_argument("--segments", default="", help="where the fake provider tells how many TCP segments came")
    options.add_argument("--growth", action="store_true")
    chosen = options.parse_args()
    peer, lengths = PEERS[chosen.name], SHORT_LENGTHS if chosen.shapes == "quick" else LENGTHS
    with asyncio.Runner(loop_factory=new_loop(chosen.loop)) as runner:
        found: Cost | list[float]
        if chosen.growth:
            found = runner.run(growth(peer, chosen.url, lengths))
        else:
            found = runner.run(measure(peer, chosen.url, SHAPES[chosen.shapes], chosen.segments))
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")


if __name__ == "__main__":
    main()
