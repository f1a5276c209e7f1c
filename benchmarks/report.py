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
from typing import Any, NamedTuple

import resilient_stream

from .measure import SHAPES, Cost, Shape, Shapes
from .peers import PEERS

__all__ = ["Case", "Report", "described", "markdown", "plot", "write"]


class Case(NamedTuple):
    """A client, by its name in `PEERS`, on a loop."""

    peer: str
    loop: str


class Report(NamedTuple):
    """conditions: where and with what it ran. costs: one for each round. imports: milliseconds, by title."""

    shapes: Shapes
    conditions: dict[str, str]
    costs: dict[Case, list[Cost]]
    imports: dict[str, list[float]]


class Spread(NamedTuple):
    """A median, with the lowest and the highest."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))


DIALECTS = {"openai": "OpenAI's dialect", "anthropic": "Anthropic's dialect", "gemini": "Gemini's dialect"}
OUR_CASE = Case("ours-openai", "asyncio")
"""The one that the title and the first sentence tell of."""

PACKAGES = ("aiohttp", "msgspec", "pydantic", "uvloop", "openai", "anthropic", "google-genai", "litellm")


def described() -> dict[str, str]:
    """The date, the machine and the versions."""
    return {
        "Date": time.strftime("%Y-%m-%d"),
        "Machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}",
        "Load when it began": f"{os.getloadavg()[0]:.1f}",
        "Python": platform.python_version(),
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


def values(report: Report, case: Case, figure: str) -> Spread:
    """One figure of `Cost` over the rounds."""
    return Spread.of([getattr(cost, figure) for cost in report.costs[case]])


def ratio(report: Report, case: Case, figure: str) -> Spread:
    """The same over the floor's, round by round."""
    pairs = zip(report.costs[case], report.costs[_floor_of(case)], strict=False)
    return Spread.of([getattr(own, figure) / getattr(floor, figure) for own, floor in pairs])


def _floor_of(case: Case) -> Case:
    """What it is compared with: the floor of its dialect, on its loop."""
    return Case(f"floor-{PEERS[case.peer].dialect}", case.loop)


# -- the table --------------------------------------------------------------------------------

HOW_TO_READ = """\
- *Burst*: {burst.chunks:,} chunks of text in one answer, all at once: what decoding and the layers cost.
- *Paced*: {paced.streams} answers at a time, a chunk each {paced.gap_ms} ms: nearly every chunk is a wake-up of
  its own, as with a real provider. Plan a server by this one. *Streams a core*: at that pace, from the CPU time alone.
- *µs*: user and system CPU of the client's process for each chunk whose text reached the caller; not the server's.
- *× floor*: times the CPU of a loop by hand, which reads aiohttp, decodes typed events with msgspec, and has no
  deadline, no retry and no record of the answer. In brackets the lowest and the highest of the rounds.
- *First chunk*: from the call to its first text on a connection that is open, the server's part included; a median.
"""

TABLE_HEAD = """\
| client | burst, µs | × floor | paced, µs | × floor | streams a core | first chunk, ms |
|---|--:|--:|--:|--:|--:|--:|
"""


def markdown(report: Report) -> str:
    """The whole page."""
    tables = [_table(report, dialect, "asyncio") for dialect in DIALECTS] + [_table(report, "openai", "uvloop")]
    return "\n".join([
        "# What the whole chain costs\n",
        f"{headline(report)}\n\n![CPU for each chunk, beside other clients](overhead.png)\n",
        "## How to read it\n",
        HOW_TO_READ.format(burst=report.shapes.burst, paced=report.shapes.paced),
        *filter(None, tables),
        _imports(report),
        "## How it was run\n",
        "`make bench`, or `python -m benchmarks.overhead`. Other clients take part where they are installed.",
        f"Rounds are interleaved, every client in a process of its own: {_rounds(report)}.",
        "Each process frees a large block first: in a fresh one, reading may cost 12 µs more (see `measure.py`).\n",
        *(f"- {name}: {value}" for name, value in report.conditions.items()),
        "",
    ])  # fmt: skip


def headline(report: Report) -> str:
    """The answer in a sentence or two, from the figures."""
    burst, paced = (_times(ratio(report, OUR_CASE, shape)) for shape in ("burst", "paced"))
    own, floor = (values(report, case, "first_ms").middle for case in (OUR_CASE, _floor_of(OUR_CASE)))
    trial = "" if report.shapes == SHAPES["full"] else "**A trial run with few chunks: its figures mean nothing.** "
    return (
        f"{trial}With deadline, stall clock, retry, fallback and the transcript on, a chunk costs {burst} times the "
        f"CPU of a bare loop in a burst, and {paced} times at a model's pace. "
        f"The first chunk comes {(own - floor) * 1000:.0f} µs later."
    )


def _table(report: Report, dialect: str, loop: str) -> str:
    rows = [_row(report, case) for case in report.costs if case.loop == loop and PEERS[case.peer].dialect == dialect]
    return f"## {DIALECTS[dialect]}, {loop}\n\n{TABLE_HEAD}{''.join(rows)}" if rows else ""


def _row(report: Report, case: Case) -> str:
    title = PEERS[case.peer].title
    cells = [f"**{title}**" if case.peer.startswith("ours") else title]
    for shape in ("burst", "paced"):
        cells += [f"{_three_digits(values(report, case, shape).middle)}", _times(ratio(report, case, shape))]
    a_second = 1000 / report.shapes.paced.gap_ms
    cells += [f"{1e6 / values(report, case, 'paced').middle / a_second:,.0f}"]
    cells += [f"{values(report, case, 'first_ms').middle:.2f}"]
    return f"| {' | '.join(cells)} |\n"


def _times(found: Spread) -> str:
    if found.low == found.high == 1:
        return "1"
    middle, low, high = (f"{times:.2f}" if times < 10 else f"{times:.0f}" for times in found)
    return f"{middle} ({low} to {high})"


def _three_digits(micros: float) -> str:
    return f"{micros:.2f}" if micros < 10 else f"{micros:.1f}" if micros < 100 else f"{micros:.0f}"


def _imports(report: Report) -> str:
    rows = [f"| {title} | {statistics.median(taken):.0f} |\n" for title, taken in report.imports.items()]
    return "## Importing it\n\n| import | ms |\n|---|--:|\n" + "".join(rows)


def _rounds(report: Report) -> str:
    counts = sorted({len(costs) for costs in report.costs.values()}, reverse=True)
    fewer = f" ({counts[-1]} for clients that cost many times the floor)" if len(counts) > 1 else ""
    return f"{counts[0]} rounds{fewer}"


# -- the plot ---------------------------------------------------------------------------------

OURS, OTHERS = "#d9480f", "#a5b4c4"
FLOOR = "#495057"


def plot(report: Report, path: Path) -> None:
    """A bar for each client on asyncio, on a log scale: one panel for each shape, the floor's multiple on the bar."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = _rows(report)
    figure, panels = pyplot.subplots(1, 2, figsize=(13, 0.42 * len(rows) + 2.2), sharey=True)
    for panel, shape in zip(panels, ("burst", "paced"), strict=True):
        _draw(panel, report, rows, shape)
        panel.set_title(_pace(report, shape), fontsize=11, loc="left", color="#333333")
    figure.suptitle(_title(report), fontsize=15, fontweight="bold", x=0.012, ha="left")
    figure.supxlabel(_axis(report), fontsize=10, color="#333333", x=0.012, ha="left")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _title(report: Report) -> str:
    burst, paced = (ratio(report, OUR_CASE, shape).middle for shape in ("burst", "paced"))
    return f"The whole chain costs {burst:.2f}× a bare loop's CPU in a burst, {paced:.2f}× at a model's pace"


def _axis(report: Report) -> str:
    return (
        "CPU for each chunk, µs, on a log scale. × is times the floor: a loop by hand over aiohttp with typed decoding "
        f"and nothing else. {report.conditions['Machine']}, {report.conditions['Date']}"
    )


def _pace(report: Report, shape: str) -> str:
    asked: Shape = getattr(report.shapes, shape)
    if shape == "burst":
        return f"burst: {asked.chunks:,} chunks at once"
    return f"paced: {asked.streams} streams, a chunk each {asked.gap_ms} ms"


def _rows(report: Report) -> list[Case | str]:
    """From top to bottom: each dialect's name, then its clients."""
    rows: list[Case | str] = []
    for dialect, title in DIALECTS.items():
        rows.append(title)
        rows += [case for case in report.costs if case.loop == "asyncio" and PEERS[case.peer].dialect == dialect]
    return rows


def _draw(panel: Any, report: Report, rows: list[Case | str], shape: str) -> None:
    for place, row in enumerate(rows):
        if isinstance(row, Case):
            cost, times = values(report, row, shape).middle, ratio(report, row, shape).middle
            panel.barh(place, cost, color=_colour(row), height=0.74)
            panel.text(cost, place, f" {_multiple(row, times)}", va="center", fontweight="bold", color=_ink(row))
            inside = "black" if _colour(row) == OTHERS else "white"
            panel.text(_LEFT * 1.12, place, f"{_three_digits(cost)} µs", va="center", fontsize=9, color=inside)
    _dress(panel, rows)


_LEFT, _RIGHT = 0.1, 1500
"""The axis, µs. The same on both panels and in every run, so that pictures can be compared."""


def _dress(panel: Any, rows: list[Case | str]) -> None:
    panel.set(xscale="log", xlim=(_LEFT, _RIGHT), ylim=(len(rows) - 0.4, -0.6))
    panel.xaxis.set_major_formatter("{x:g}")
    panel.tick_params(axis="y", length=0, labelsize=11)
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.set_yticks(range(len(rows)), [row if isinstance(row, str) else PEERS[row.peer].title for row in rows])
    for label, row in zip(panel.get_yticklabels(), rows, strict=False):  # the right panel has none
        ours = isinstance(row, Case) and row.peer.startswith("ours")
        label.set(fontweight="bold" if ours or isinstance(row, str) else "normal", color=OURS if ours else "#222222")


def _multiple(case: Case, times: float) -> str:
    if case == _floor_of(case):
        return "the floor"
    return f"{times:.2f}×" if times < 10 else f"{times:.0f}×"


def _colour(case: Case) -> str:
    if case == _floor_of(case):
        return FLOOR
    return OURS if case.peer.startswith("ours") else OTHERS


def _ink(case: Case) -> str:
    """The colour of what is written beside a bar: the same, but readable on white."""
    return FLOOR if _colour(case) == OTHERS else _colour(case)


def write(report: Report, folder: Path) -> list[Path]:
    """overhead.md and overhead.png, in that folder."""
    folder.mkdir(parents=True, exist_ok=True)
    page, picture = folder / "overhead.md", folder / "overhead.png"
    page.write_text(markdown(report), encoding="utf-8")
    plot(report, picture)
    return [page, picture]
