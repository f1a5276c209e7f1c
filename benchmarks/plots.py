"""The same as two pictures: every client's CPU for a chunk, and what else there is to compare with the loop by hand.

An axis starts at zero, or is the same log scale in every run, so that pictures can be compared.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from .measure import Shape
from .peers import PEERS
from .report import (
    DIALECTS,
    OUR_CASE,
    SETTINGS,
    Case,
    Report,
    floor_of,
    import_ratio,
    markdown,
    medians,
    ratio,
    three_digits,
    values,
)

__all__ = ["write"]

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
        rows += [
            case
            for case in report.costs
            if (case.loop, case.scheme) == ("asyncio", "http") and PEERS[case.peer].dialect == dialect
        ]
    return rows


def _draw(panel: Any, report: Report, rows: list[Case | str], shape: str) -> None:
    for place, row in enumerate(rows):
        if isinstance(row, Case):
            cost, times = values(report, row, shape).middle, ratio(report, row, shape).middle
            panel.barh(place, cost, color=_colour(row), height=0.74)
            panel.text(cost, place, f" {_multiple(row, times)}", va="center", fontweight="bold", color=_ink(row))
            inside = "black" if _colour(row) == OTHERS else "white"
            panel.text(_LEFT * 1.12, place, f"{three_digits(cost)} µs", va="center", fontsize=9, color=inside)
    _dress(panel, rows)


_LEFT, _RIGHT = 0.1, 3000
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
    if case == floor_of(case):
        return "the floor"
    return f"{times:.2f}×" if times < 10 else f"{times:.0f}×"


def _colour(case: Case) -> str:
    if case == floor_of(case):
        return FLOOR
    return OURS if case.peer.startswith("ours") else OTHERS


def _ink(case: Case) -> str:
    """The colour of what is written beside a bar: the same, but readable on white."""
    return FLOOR if _colour(case) == OTHERS else _colour(case)


# -- the parts --------------------------------------------------------------------------------

SHORT = {"burst": "burst", "paced": "paced", "call": "short call", "first_ms": "first chunk"}
PAIR = (("floor-openai", FLOOR, "floor"), ("ours-openai", OURS, "resilient_stream"))


def plot_parts(report: Report, path: Path) -> None:
    """Six panels, each beside the loop by hand in the same run."""
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(2, 3, figsize=(16, 8.6), width_ratios=(1.25, 1, 1))
    drawn = (_draw_times, _draw_user_and_system, _draw_growth, _draw_memory, _draw_closing, _draw_imports)
    for panel, draw in zip(panels.flat, drawn, strict=True):
        draw(panel, report)
        panel.spines[["top", "right"]].set_visible(False)
    figure.suptitle(
        "Beside a loop by hand over aiohttp, in the same run", fontsize=15, fontweight="bold", x=0.012, ha="left"
    )
    figure.supxlabel(f"{report.conditions['Machine']}, {report.conditions['Date']}", fontsize=10, x=0.012, ha="left")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _titled(panel: Any, title: str) -> None:
    panel.set_title(title, fontsize=11, loc="left", color="#333333")


def _measured(report: Report) -> list[str]:
    return [name for name, where in SETTINGS.items() if report.costs.get(Case("ours-openai", *where))]


def _draw_times(panel: Any, report: Report) -> None:
    settings, width = _measured(report), 0.26
    for number, setting in enumerate(settings):
        found = [ratio(report, Case("ours-openai", *SETTINGS[setting]), figure) for figure in SHORT]
        places = [place + (number - 1) * width for place in range(len(SHORT))]
        middles = [each.middle for each in found]
        ends = [[each.middle - each.low for each in found], [each.high - each.middle for each in found]]
        panel.bar(places, middles, width * 0.92, label=setting, color=SHADES[number], yerr=ends, ecolor="#868e96")
        for place, middle in zip(places, middles, strict=True):
            panel.text(place, 0.08, f"{middle:.2f}", ha="center", va="bottom", rotation=90, fontsize=9, color="white")
    panel.axhline(1, color=FLOOR, linewidth=1.2)
    panel.set_xticks(range(len(SHORT)), list(SHORT.values()))
    panel.legend(frameon=False, fontsize=9, loc="upper left")
    _titled(panel, "× the floor; the line is the floor itself, whiskers are the rounds")


SHADES = ("#d9480f", "#e8772e", "#b08968")


def _draw_user_and_system(panel: Any, report: Report) -> None:
    rows = [(setting, *pair) for setting in _measured(report) for pair in PAIR]
    for place, (setting, peer, colour, _) in enumerate(rows):
        costs = [cost.paced for cost in report.costs[Case(peer, *SETTINGS[setting])]]
        user, system = (statistics.median(getattr(cost, part) for cost in costs) for part in ("user", "system"))
        panel.barh(place, user, color=colour)
        panel.barh(place, system, left=user, color=colour, alpha=0.45, hatch="///", edgecolor="white", linewidth=0)
        panel.text(user + system, place, f" {user:.0f} + {system:.0f}", va="center", fontsize=9)
    panel.set_yticks(range(len(rows)), [f"{setting}, {title}" for setting, _, _, title in rows], fontsize=9)
    panel.invert_yaxis()
    panel.margins(x=0.18)
    _titled(panel, "paced: user + system (hatched) CPU for a chunk, µs")


def _draw_growth(panel: Any, report: Report) -> None:
    for peer, colour, title in PAIR:
        if rounds := report.growth.get(peer):
            costs = medians(rounds)
            panel.plot(report.lengths, costs, marker="o", color=colour, label=title)
            for length, cost in zip(report.lengths, costs, strict=True):
                panel.text(length, cost * 1.15, three_digits(cost), ha="center", fontsize=8, color=colour)
    panel.set(xscale="log", yscale="log", ylim=(0.5, 50), xlabel="chunks in one answer")
    panel.yaxis.set_major_formatter("{x:g}")
    panel.set_xticks(report.lengths, [_short(length) for length in report.lengths])
    panel.legend(frameon=False, fontsize=9)
    _titled(panel, "long answers: CPU for a chunk, µs")


def _short(count: int) -> str:
    """`100`, `10k`, `1M`."""
    return f"{count}" if count < 1_000 else f"{count // 1_000}k" if count < 1_000_000 else f"{count // 1_000_000}M"


def _draw_memory(panel: Any, report: Report) -> None:
    _draw_held(panel, report, "kib", "{:.1f} KiB")
    count = next((rounds[0].streams for rounds in report.held.values()), 0)
    _titled(panel, f"{count:,} idle streams: memory for each, KiB")


def _draw_closing(panel: Any, report: Report) -> None:
    _draw_held(panel, report, "blocked_ms", "{:.0f} ms")
    _titled(panel, "closing all: longest the loop is held (but for gc), ms")


def _draw_held(panel: Any, report: Report, figure: str, words: str) -> None:
    for peer, colour, title in PAIR:
        if rounds := report.held.get(peer):
            found = statistics.median(getattr(held, figure) for held in rounds)
            panel.barh(title, found, color=colour, height=0.5)
            panel.text(found, title, f" {words.format(found)}", va="center", fontweight="bold")
    panel.invert_yaxis()
    panel.margins(x=0.2, y=0.4)


def _draw_imports(panel: Any, report: Report) -> None:
    for title, taken in report.imports.items():
        found, ours = statistics.median(taken), title.startswith("resilient_stream")
        panel.barh(title, found, color=OURS if ours else FLOOR if title == next(iter(report.imports)) else OTHERS)
        panel.text(found, title, f" {import_ratio(report, title).middle:.2f}×", va="center", fontsize=9)
    panel.invert_yaxis()
    panel.margins(x=0.15)
    panel.tick_params(axis="y", labelsize=9)
    _titled(panel, "importing: CPU, ms")


def write(report: Report, folder: Path) -> list[Path]:
    """overhead.md and its pictures, in that folder."""
    folder.mkdir(parents=True, exist_ok=True)
    page, picture, parts = (folder / name for name in ("overhead.md", "overhead.png", "overhead-parts.png"))
    page.write_text(markdown(report), encoding="utf-8")
    plot(report, picture)
    plot_parts(report, parts)
    return [page, picture, parts]
