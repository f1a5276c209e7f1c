"""What do spans, metrics and the log cost, for a call and for a chunk? And what when nobody wants them?

    python -m benchmarks.telemetry [--rounds 40] [--quick] [--out docs/benchmarks]

The variants take turns in one process, against one server process, so that whatever else the machine does meets them
alike. The first turns are before anything of OpenTelemetry is imported. Writes telemetry.md.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from resilient_stream import Client, Target, Telemetry

from .report import described
from .running import upstream
from .upstream import asking

__all__ = ["Sizes", "measure"]

logger = logging.getLogger("resilient_stream")

ROUNDS = 40
OFF = logging.CRITICAL + 1


class Sizes(NamedTuple):
    """calls: short answers of ten chunks in a turn. chunks: one long answer, all at once."""

    calls: int = 100
    chunks: int = 20_000


class Variant(NamedTuple):
    """A client, and the level of the logger while it runs."""

    title: str
    client: Client
    level: int


class Turn(NamedTuple):
    """Microseconds of CPU for a call of ten chunks, and for a chunk of a long answer."""

    call: float
    chunk: float


async def measure(base: str, rounds: int, sizes: Sizes) -> list[tuple[str, list[Turn]]]:
    """All variants. The first table entry is the one without any observer."""
    target = Target("openai:m", base_url=f"{base}/openai", api_key="test")
    before = [
        Variant("no observer at all", _blind(Client(target)), logging.WARNING),
        Variant("**no SDK**, log off", Client(target), OFF),
        Variant("**no SDK**, log as Python has it (WARNING)", Client(target), logging.WARNING),
    ]
    found = await _take_turns(before, rounds, sizes)
    after = [
        Variant("no observer at all, again", _blind(Client(target)), logging.WARNING),
        Variant("OpenTelemetry imported, no SDK set up", Client(target), logging.WARNING),
        Variant("log at INFO, to a handler that drops it", Client(target), logging.INFO),
        Variant("log at DEBUG, to a handler that drops it", Client(target), logging.DEBUG),
        Variant("**SDK on**: spans in batches, metrics", Client(target, telemetry=_sdk()), logging.WARNING),
        Variant("SDK on, nothing sampled", Client(target, telemetry=_sdk(sampled=False)), logging.WARNING),
    ]
    return found + await _take_turns(after, rounds, sizes)


def _blind(client: Client) -> Client:
    """As if telemetry had not been written."""
    client._observers = ()  # type: ignore[assignment]
    return client


def _sdk(sampled: bool = True) -> Telemetry:
    """The SDK as an application sets it up, but for an exporter that sends nowhere."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

    class Nowhere(SpanExporter):
        pass

    tracers = TracerProvider(sampler=ALWAYS_ON if sampled else ALWAYS_OFF)
    tracers.add_span_processor(BatchSpanProcessor(Nowhere(), max_queue_size=100_000))
    return Telemetry(tracer_provider=tracers, meter_provider=MeterProvider([InMemoryMetricReader()]))


async def _take_turns(variants: list[Variant], rounds: int, sizes: Sizes) -> list[tuple[str, list[Turn]]]:
    found: dict[str, list[Turn]] = {variant.title: [] for variant in variants}
    for number in range(rounds + 1):  # the first one warms up
        for variant in variants if number % 2 else variants[::-1]:  # to and fro, so that a drift favours nobody
            logger.setLevel(variant.level)
            turn = await _turn(variant.client, sizes)
            if number:
                found[variant.title].append(turn)
    for variant in variants:
        await variant.client.aclose()
    return list(found.items())


async def _turn(client: Client, sizes: Sizes) -> Turn:
    short, long = asking(10, 0), asking(sizes.chunks, 0)

    async def calls() -> None:
        for _ in range(sizes.calls):
            await _read(client, short, 10)

    return Turn(await _cpu(calls) / sizes.calls, await _cpu(lambda: _read(client, long, sizes.chunks)) / sizes.chunks)


async def _read(client: Client, prompt: str, chunks: int) -> None:
    count = 0
    async for chunk in client.stream(prompt):
        count += bool(chunk.text)
    if count != chunks:
        raise SystemExit(f"{count} chunks came, {chunks} were sent")


async def _cpu(work: Callable[[], object]) -> float:
    """Microseconds of CPU, of all threads: the exporter's, too."""
    before = time.process_time()
    await work()  # type: ignore[misc]
    return (time.process_time() - before) * 1e6


def markdown(found: list[tuple[str, list[Turn]]], conditions: dict[str, str]) -> str:
    """The page."""
    base = found[0][1]
    rows = []
    for title, turns in found:
        if title.startswith("no observer"):
            base = turns
        rows.append(f"| {title} | {_figures(turns, base, 'call', 1)} | {_figures(turns, base, 'chunk', 3)} |")
    lines = (f"- {name}: {value}" for name, value in conditions.items())
    return "\n".join((HEAD, *rows, FOOT.format(rounds=len(base)), *lines, ""))


def _figures(turns: list[Turn], base: list[Turn], figure: str, digits: int) -> str:
    own, theirs = ([getattr(turn, figure) for turn in each] for each in (turns, base))
    if turns is base:
        return f"{min(own):.{digits}f} | |"
    middle = statistics.median(mine - other for mine, other in zip(own, theirs, strict=True))
    return f"{min(own):.{digits}f} | {min(own) - min(theirs):+.{digits}f} | {middle:+.{digits}f}"


HEAD = """\
# What telemetry costs

CPU of the process in microseconds, with its other threads. A *call* is a whole answer of ten chunks on a connection
that is open. A *chunk* is one of 20,000 in one answer: telemetry does nothing for a chunk, and it shows.

The figures are the lowest of the rounds, since other work on the machine only ever adds; *more* is the difference to
the row without any observer. *Median*: of that difference in the same round, other work included.

| | call, µs | more | median | chunk, µs | more | median |
|---|--:|--:|--:|--:|--:|--:|"""

FOOT = """
The rows before "again" ran before anything of OpenTelemetry was imported.

## How it was run

`python -m benchmarks.telemetry`: {rounds} rounds, all variants in turns in one process, the server in another.
Spans go to a batch processor whose exporter sends nowhere.
"""


def main() -> None:
    """Measure, and write the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--quick", action="store_true", help="few calls: to see that it runs, not what it costs")
    options.add_argument("--out", type=Path, default=Path("docs/benchmarks"), help="folder for the table")
    chosen = options.parse_args()
    conditions = described()
    with upstream() as fake:
        found = asyncio.run(measure(fake.http, chosen.rounds, Sizes(3, 100) if chosen.quick else Sizes()))
    written = chosen.out / "telemetry.md"
    written.write_text(markdown(found, conditions), encoding="utf-8")
    print(f"wrote {written}")


if __name__ == "__main__":
    main()
