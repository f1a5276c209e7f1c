"""Writes the measurements as a dated table and a plot.

A ratio is taken within a round, between a client and the hand-written loop that ran beside it. The report shows the
median of these ratios, with the lowest and the highest.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import resilient_stream

from .idle import Held
from .measure import SHAPES, Cost, Cpu, Shapes
from .peers import PEERS

__all__ = [
    "DIALECTS", "FLOOR_CASE", "OUR_CASE", "SETTINGS", "Case", "Report", "Spread", "amounts", "described", "floor_of",
    "import_ratio", "markdown", "medians", "ratio", "three_digits", "values",
]  # fmt: skip


class Case(NamedTuple):
    """A client, by its name in `PEERS`, on a loop, over HTTP or over TLS."""

    peer: str
    loop: str
    scheme: str = "http"


class Report(NamedTuple):
    """What all rounds have measured, by client; each list has an entry for each round.

    conditions: where and with what it ran. imports: milliseconds of CPU, by title. growth: microseconds for a chunk in
    answers of `lengths`. held: many idle streams. skipped: what was left out, and why.
    """

    shapes: Shapes
    conditions: dict[str, str]
    lengths: tuple[int, ...]
    costs: dict[Case, list[Cost]]
    imports: dict[str, list[float]]
    growth: dict[str, list[list[float]]]
    held: dict[str, list[Held]]
    skipped: list[str]


class Spread(NamedTuple):
    """A median, with the lowest and the highest."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """Of one figure in all rounds."""
        return cls(statistics.median(values), min(values), max(values))


DIALECTS = {"openai": "OpenAI's dialect", "anthropic": "Anthropic's dialect", "gemini": "Gemini's dialect"}
OUR_CASE, FLOOR_CASE = Case("ours-openai", "asyncio"), Case("floor-openai", "asyncio")
"""The pair that the title and the first sentence tell of."""
SETTINGS = {"asyncio": ("asyncio", "http"), "asyncio, TLS": ("asyncio", "https"), "uvloop": ("uvloop", "http")}

PACKAGES = (
    "aiohttp", "msgspec", "pydantic", "uvloop", "openai", "anthropic", "google-genai", "pydantic-ai-slim",
    "langchain-openai", "langchain-core", "litellm",
)  # fmt: skip


def described() -> dict[str, str]:
    """The date, the machine and the versions."""
    return {
        "Date": time.strftime("%Y-%m-%d"),
        "Machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}",
        "Load when it began": f"{os.getloadavg()[0]:.1f}",
        "Python": platform.python_version(),
        "C library": " ".join(platform.libc_ver()).strip() or "not known",
        "resilient_stream": resilient_stream.__version__,
    } | {package: found for package in PACKAGES if (found := _version(package))}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


# -- figures over the rounds ------------------------------------------------------------------


def amounts(report: Report, case: Case, figure: str) -> list[float]:
    """One figure of `Cost` in each round; of CPU time, user and system together."""
    found = [getattr(cost, figure) for cost in report.costs[case]]
    return [each.total if isinstance(each, Cpu) else each for each in found]


def values(report: Report, case: Case, figure: str) -> Spread:
    """The same as a median with its ends."""
    return Spread.of(amounts(report, case, figure))


def ratio(report: Report, case: Case, figure: str) -> Spread:
    """The same over the floor's, round by round."""
    pairs = zip(amounts(report, case, figure), amounts(report, floor_of(case), figure), strict=False)
    return Spread.of([own / floor for own, floor in pairs])


def floor_of(case: Case) -> Case:
    """What it is compared with: the floor of its dialect, on its loop."""
    return case._replace(peer=f"floor-{PEERS[case.peer].dialect}")


def import_ratio(report: Report, title: str) -> Spread:
    """An import over that of the first row, turn by turn."""
    first = next(iter(report.imports.values()))
    return Spread.of([own / base for own, base in zip(report.imports[title], first, strict=False)])


# -- the page ---------------------------------------------------------------------------------

HOW_TO_READ = """\
- *Burst*: {burst.chunks:,} chunks of text in one answer, all at once: what decoding and the layers cost.
- *Paced*: {paced.streams} answers at a time, a chunk each {paced.gap_ms} ms: nearly every chunk is a wake-up of
  its own, as with a real provider. Plan a server by this one. *Streams a core*: at that pace, from the CPU time alone.
- *µs*: user and system CPU of the client's process for each chunk whose text reached the caller; not the server's.
- *× floor*: times the CPU of a loop by hand, which reads aiohttp, decodes typed events with msgspec, and has no
  deadline, no retry and no record of the answer. In brackets the lowest and the highest of the rounds.
- *First chunk*: from the call to its first text on a connection that is open, the server's part included; a median.
"""

CONFOUNDS = """\
What else than the client's code moves these figures, and what was done about it:

- **The allocator.** In a fresh process on glibc, each read of asyncio's maps and unmaps 256 KiB, for some 12 µs and two
  page faults, until the process has freed one large block. Some clients happen to do that while they are imported, and
  others do not. Here every process frees one (`bytes(4 << 20)`) before anything is measured. A client in a process
  that never does is slower than in these tables on plain HTTP. Over TLS there is no such cost; with uvloop or
  another C library it was not looked at.
- **TCP acknowledgements.** Whether the kernel acknowledges a chunk at once, inside the client's own read, or later
  together with others depends on the history of the connection, and is worth up to 6 µs of system time a chunk. It is
  left as the system has it, for every client alike (no `TCP_QUICKACK`). The first table says how many segments each
  client sent for a paced chunk (*acks*): where two of them differ there, a part of their difference in system time is
  the kernel's and not theirs.
- **User and system time.** Their sum is exact. The kernel shares it out between the two by a look at each tick of its
  clock, so what lasts a few milliseconds may be all user or all system.
- **One machine.** The fake provider is a process beside the client, on the same cores and over loopback. It
  evicts caches and takes turns; a real network would not. What it uses is not counted.
- **Other work on the machine.** CPU time is counted and not time by the wall, but with shared cores and caches it still
  grows by half under load. So clients take turns round by round, every second round in reverse, a ratio is
  taken inside a round, and the median of the rounds stands. Compare inside one run only.
- **Wake-ups that are merged.** A busy client finds several chunks in one read, which makes each of them cheaper. One
  that needs 300 µs for a chunk cannot hold the paced load at all; it is given {slow.paced.streams} streams, and bursts
  of {slow.burst.chunks:,} chunks, and is compared with the floor's figures of the full load.
- **A paced chunk holds a part of its call**: 1/{paced.chunks} of what opening and ending a call costs.
- **The collector runs** as it does in a program; nothing is switched off for a client.
- **Imports** read compiled modules: each has been imported once before. They are CPU time, like all else here but the
  first chunk and the times of closing.
"""

TABLE_HEAD = """\
| client | burst, µs | × floor | paced, µs | × floor | streams a core | call of {chunks} chunks, µs | first chunk, ms |
|---|--:|--:|--:|--:|--:|--:|--:|
"""


def markdown(report: Report) -> str:
    """The whole page."""
    return "\n".join([
        "# What the whole chain costs\n",
        f"{headline(report)}\n\n![CPU for each chunk, beside other clients](overhead.png)\n",
        "![TLS, uvloop, short and long answers, idle streams, imports](overhead-parts.png)\n",
        "## How to read it\n",
        HOW_TO_READ.format(burst=report.shapes.burst, paced=report.shapes.paced),
        _pairs(report),
        *filter(None, (_clients(report, dialect) for dialect in DIALECTS)),
        _growth(report),
        _held(report),
        _imports(report),
        "## What may deceive\n",
        CONFOUNDS.format(paced=report.shapes.paced, slow=SHAPES["slow"]),
        "## How it was run\n",
        "`make bench`, or `python -m benchmarks.overhead`, whose docstring says how to get the other clients.",
        f"Rounds are interleaved, every client in a process of its own: {_rounds(report)}.\n",
        *(f"- Left out: {said}" for said in report.skipped),
        *(f"- {name}: {value}" for name, value in report.conditions.items()),
        "",
    ])  # fmt: skip


def headline(report: Report) -> str:
    """The answer in a sentence or two, from the figures."""
    burst, paced, call = (_times(ratio(report, OUR_CASE, shape)) for shape in ("burst", "paced", "call"))
    own, floor = (values(report, case, "first_ms").middle for case in (OUR_CASE, FLOOR_CASE))
    trial = "" if report.shapes == SHAPES["full"] else "**A trial run with few chunks: its figures mean nothing.** "
    return (
        f"{trial}With deadline, stall clock, retry, fallback and the transcript on, a chunk costs {burst} times the "
        f"CPU of a bare loop in a burst, and {paced} times at a model's pace. A whole call of "
        f"{report.shapes.call.chunks} chunks costs {call} times as much, and its first chunk comes "
        f"{(own - floor) * 1000:.0f} µs later."
    )


# -- beside the loop by hand ------------------------------------------------------------------

PAIRS_HEAD = """\
## Beside the loop by hand

User and system CPU time apart, µs, OpenAI's dialect: for a chunk, and for a whole call of {chunks} chunks at once.

| | | floor | resilient_stream | × floor | acks, floor | acks, ours |
|---|---|--:|--:|--:|--:|--:|
"""
PARTS = {
    "burst": "burst, a chunk",
    "paced": "paced, a chunk",
    "call": "short call",
    "first_ms": "first chunk, by the wall",
}


def _pairs(report: Report) -> str:
    rows = [
        _pair(report, setting, figure)
        for setting, (loop, scheme) in SETTINGS.items()
        if report.costs.get(Case("ours-openai", loop, scheme))
        for figure in PARTS
    ]
    return PAIRS_HEAD.format(chunks=report.shapes.call.chunks) + "".join(rows)


def _pair(report: Report, setting: str, figure: str) -> str:
    own, floor = (Case(peer, *SETTINGS[setting]) for peer in ("ours-openai", "floor-openai"))
    acks = [_acks(report, case) if figure == "paced" else "" for case in (floor, own)]
    shown = [_apart(report, case, figure) for case in (floor, own)]
    cells = [setting, PARTS[figure], *shown, f"**{_times(ratio(report, own, figure))}**", *acks]
    return f"| {' | '.join(cells)} |\n"


def _apart(report: Report, case: Case, figure: str) -> str:
    if figure == "first_ms":
        return f"{values(report, case, figure).middle * 1000:.0f}"
    costs: list[Cpu] = [getattr(cost, figure) for cost in report.costs[case]]
    user, system = (statistics.median(getattr(cost, part) for cost in costs) for part in ("user", "system"))
    return f"{three_digits(user)} + {three_digits(system)}"


def _acks(report: Report, case: Case) -> str:
    known = [cost.acks for cost in report.costs[case] if cost.acks is not None]
    return f"{statistics.median(known):.2f}" if known else "not known"


# -- beside other clients ---------------------------------------------------------------------


def _clients(report: Report, dialect: str) -> str:
    rows = [
        _row(report, case)
        for case in report.costs
        if (case.loop, case.scheme) == ("asyncio", "http") and PEERS[case.peer].dialect == dialect
    ]
    head = TABLE_HEAD.format(chunks=report.shapes.call.chunks)
    return f"## {DIALECTS[dialect]}, beside other clients\n\n{head}{''.join(rows)}" if rows else ""


def _row(report: Report, case: Case) -> str:
    title = f"{PEERS[case.peer].title} {_version_of(case)}".strip()
    cells = [f"**{title}**" if case.peer.startswith("ours") else title]
    for shape in ("burst", "paced"):
        cells += [f"{three_digits(values(report, case, shape).middle)}", _times(ratio(report, case, shape))]
    a_second = 1000 / report.shapes.paced.gap_ms
    cells += [f"{1e6 / values(report, case, 'paced').middle / a_second:,.0f}"]
    cells += [f"{values(report, case, 'call').middle:,.0f}", f"{values(report, case, 'first_ms').middle:.2f}"]
    return f"| {' | '.join(cells)} |\n"


def _version_of(case: Case) -> str:
    by_hand = case.peer.startswith(("floor", "lines", "ours"))
    return "" if by_hand else _version(PEERS[case.peer].package) or ""


def _times(found: Spread) -> str:
    if found.low == found.high == 1:
        return "1"
    middle, low, high = (f"{times:.2f}" if times < 10 else f"{times:.0f}" for times in found)
    return f"{middle} ({low} to {high})"


def three_digits(micros: float) -> str:
    """`1.37`, `32.9`, `153`."""
    return f"{micros:.2f}" if micros < 10 else f"{micros:.1f}" if micros < 100 else f"{micros:.0f}"


# -- long answers, idle streams, imports ------------------------------------------------------


def _growth(report: Report) -> str:
    head = "| | " + " | ".join(f"{length:,} chunks" for length in report.lengths) + " |\n"
    rows = [
        f"| {PEERS[name].title} | {' | '.join(three_digits(each) for each in medians(rounds))} |\n"
        for name, rounds in report.growth.items()
    ]
    said = "µs of CPU for each chunk of one answer, which comes at once: does a chunk of a long answer cost more?"
    return f"## Long answers\n\n{said}\n\n{head}|---|{'--:|' * len(report.lengths)}\n{''.join(rows)}"


def medians(rounds: list[list[float]]) -> list[float]:
    """Of each column."""
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


HELD_HEAD = """\
## Many open streams that hold still

Each has had its first chunk, and a task that waits for the second. *Memory*: of the process, for each stream. *Loop
held*: the longest time that another task had to wait while all were closed, without Python's garbage collector, whose
longest run meanwhile stands beside it: it looks at every object of every open stream. The floor's tasks are only
cancelled, all at once.

| | streams | memory, KiB | to open one, µs | loop held, ms | longest collection, ms | all closed after, s |
|---|--:|--:|--:|--:|--:|--:|
"""


def _held(report: Report) -> str:
    rows = []
    for name, rounds in report.held.items():
        kib, micros, blocked, collector, closed = (
            statistics.median(getattr(held, figure) for held in rounds)
            for figure in ("kib", "open_us", "blocked_ms", "collector_ms", "closed_s")
        )
        cells = f"{rounds[0].streams:,} | {kib:.1f} | {micros:.0f} | {blocked:.0f} | {collector:.0f} | {closed:.1f}"
        rows.append(f"| {PEERS[name].title} | {cells} |\n")
    return HELD_HEAD + "".join(rows)


def _imports(report: Report) -> str:
    rows = [
        f"| {title} | {statistics.median(taken):.0f} | {_times(import_ratio(report, title))} |\n"
        for title, taken in report.imports.items()
    ]
    first = next(iter(report.imports), "")
    return f"## Importing it\n\n| import | CPU, ms | × {first} |\n|---|--:|--:|\n{''.join(rows)}"


def _rounds(report: Report) -> str:
    counts = sorted({len(costs) for costs in report.costs.values()}, reverse=True)
    fewer = f" (at least {counts[-1]} for other dialects and for clients that cost many times the floor)"
    return f"{counts[0]} rounds{fewer if len(counts) > 1 else ''}"
