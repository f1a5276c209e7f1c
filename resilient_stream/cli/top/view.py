"""Shows `top`: a table of targets that fits its terminal, and what is to be said of it.

State is shown in words, and in colour beside them. Where the terminal is too narrow, columns are left out in the order
of `DROPPED`, and a line says which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ...fleet.circuit import CircuitState
from ...fleet.report import Report
from ...text import readable
from ..terminal import Screen, joined, styled
from .rows import Row, rows_of, total_of

__all__ = ["COLUMNS", "DROPPED", "Seen", "drawn", "number"]

STYLES: dict[CircuitState, str] = {"closed": "green", "half_open": "yellow", "open": "bold red"}

GAP = 2
"""Blanks between two columns."""

NAME = 32
"""Characters of a target's name that columns are left out for; a longer one is broken."""

MOST_ROWS = 200
"""Targets that are shown at most, whatever is in the store."""

AROUND = 8
"""Lines around the rows: the headings, the totals, what is said below."""

NO_TARGET = "No target was given to the clients that report, and they have asked none yet."

MANY_FAIL = 0.5
"""The share of failed requests from which it is shown in red."""


class Column(NamedTuple):
    """Describes a column: the two lines above it, and what it shows of a row."""

    above: str
    below: str
    cell: Callable[[Row], Text]
    right: bool = True

    @property
    def name(self) -> str:
        """Return both lines of the heading as one."""
        return f"{self.above} {self.below}".strip()


def number(value: float) -> str:
    """Return a number in few characters: 0.4, 12, 9,999, 12.3k, 4.56M."""
    if 0 < value < 9.95 and value != int(value):
        return f"{value:.1f}"
    for size, mark in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if round(value) >= size:
            return f"{value / (1e3 if mark == 'k' else size):.3g}{mark}"
    return f"{value:,.0f}"


def _word(row: Row) -> str:
    return row.state.replace("_", " ")


def _state(row: Row) -> Text:
    state, all_of_it = row.state, sum(row.circuits.values())
    wait = f" {readable.duration(max(1, round(row.opens_in)))}" if state == "open" and row.opens_in is not None else ""
    some = f" ({row.circuits[state]}/{all_of_it})" if row.circuits[state] < all_of_it else ""
    return styled(f"{_word(row)}{wait}{some}", STYLES[state])


def _failed(row: Row) -> Text:
    rate = row.failure_rate
    return styled("-" if rate is None else f"{rate:.0%}", "bold red" if rate is not None and rate >= MANY_FAIL else "")


def _waiting(row: Row) -> Text:
    seconds = round(row.longest_wait or 0)
    return styled(f"{number(row.queued)}, {readable.duration(seconds)}" if seconds else number(row.queued))


def _cost(row: Row) -> Text:
    cost = row.known_cost
    return styled("-" if cost is None else f"${_dollars(cost)}{'+' if row.unpriced else ''}")


def _dollars(cost: float) -> str:
    return f"{cost:.4f}" if 0 < cost < 0.1 else f"{cost:.2f}" if cost < 1000 else number(cost)


def _seconds(percent: int) -> Callable[[Row], Text]:
    def cell(row: Row) -> Text:
        seconds = row.first_within(percent)
        return styled("-" if seconds is None else readable.duration(seconds))

    return cell


COLUMNS: tuple[Column, ...] = (
    Column("", "target", lambda row: styled(row.target), right=False),
    Column("", "state", _state, right=False),
    Column("", "processes", lambda row: styled(number(len(row.processes)))),
    Column("req", "/min", lambda row: styled(number(row.requests))),
    Column("tok", "/min", lambda row: styled(number(row.tokens))),
    Column("", "failed", _failed),
    Column("first", "p50", _seconds(50)),
    Column("first", "p95", _seconds(95)),
    Column("in", "flight", lambda row: styled(number(row.in_flight))),
    Column("", "waiting", _waiting),
    Column("cost", "today", _cost),
    Column("wasted", "today", lambda row: styled(number(row.wasted))),
)

DROPPED = (
    "wasted today", "processes", "tok /min", "cost today", "first p50", "in flight", "waiting", "req /min",
    "first p95", "failed",
)  # fmt: skip
"""Columns that are left out where there is no room, the first one first. Target and state are always there."""


@dataclass(slots=True)
class Seen:
    """Holds what was read of a store. known: records that it has; found: those that were read; lost: since when nothing
    could be read any more, and why."""

    place: str
    prefix: str
    reports: Sequence[Report] = ()
    known: int = 0
    found: int = 0
    lost: tuple[float, str] | None = None

    @property
    def remarks(self) -> list[str]:
        """Return what is to be said of the figures."""
        bad = self.found - len(self.reports)
        each = (
            _outdated_line(*self.lost) if self.lost is not None else "",
            f"Only {self.found:,} of {self.known:,} reports are added up." if self.known > self.found else "",
            f"{bad:,} of {self.found:,} reports could not be read, and are left out." if bad else "",
        )
        return [remark for remark in each if remark]

    @property
    def nobody(self) -> str:
        """Return what is said where no process reports."""
        return (
            f'No process reports to this store: {self.place}, prefix "{self.prefix}". A client reports from its '
            "first call on, if it is made with Client(store=RedisStore(url)) and the same prefix."
        )


def _outdated_line(seconds: float, why: str) -> str:
    """Return how old the figures are, and what is wrong since then."""
    return f"These figures are {readable.duration(round(seconds))} old. {readable.one_line(why)}"


def drawn(seen: Seen, console: Screen, *, heading: str = "", height: int | None = None) -> RenderableType:
    """Return what is shown. heading: behind the first line. height: lines that there are."""
    rows, total = rows_of(seen.reports), total_of(seen.reports)
    count = len(total.processes)
    parts = (f"{count:,} process{'' if count == 1 else 'es'} at {seen.place}", heading)
    above = [joined((" · ".join(filter(None, parts)), "dim")), *(styled(each, "yellow") for each in seen.remarks)]
    if not rows:
        return Group(*above, styled(), styled(NO_TARGET if seen.reports else seen.nobody))
    room = MOST_ROWS if height is None else min(MOST_ROWS, max(1, height - len(above) - AROUND))
    last = {column.name: _of_all(column, rows, total) for column in COLUMNS}
    columns, left_out = _that_fit(rows[:room], last, console.width)
    table = _table(columns, rows[:room], [last[column.name] for column in columns])
    notes = (
        f"… and {len(rows) - room:,} more targets" if len(rows) > room else "",
        f"No room in {console.width} columns for: {', '.join(left_out)}." if left_out else "",
    )
    return Group(*above, styled(), table, *(styled(note, "dim") for note in notes if note))


def _that_fit(rows: Sequence[Row], last: Mapping[str, Text], width: int) -> tuple[list[Column], list[str]]:
    """Return the columns that there is room for, and the names of the others, in the order of the table."""
    needs = {column.name: _width(column, [*map(column.cell, rows), last[column.name]]) + GAP for column in COLUMNS}
    for name in DROPPED:
        if sum(needs.values()) - GAP > width:
            del needs[name]
    shown = [column for column in COLUMNS if column.name in needs]
    return shown, [column.name for column in COLUMNS if column.name not in needs]


def _width(column: Column, cells: Iterable[Text]) -> int:
    widest = max(cell.cell_len for cell in cells)
    return max(min(widest, NAME) if column.name == "target" else widest, len(column.above), len(column.below))


def _of_all(column: Column, rows: Sequence[Row], total: Row) -> Text:
    """Return the last line's cell: of states, how many targets are in the worst one."""
    if column.name != "state":
        return column.cell(total)
    count = sum(row.state == total.state for row in rows)
    return styled() if total.state == "closed" else styled(f"{count} {_word(total)}", STYLES[total.state])


def _table(columns: Sequence[Column], rows: Sequence[Row], last: Sequence[Text]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim", collapse_padding=True)
    for column in columns:
        is_name = column.name == "target"
        table.add_column(
            styled(f"{column.above}\n{column.below}"), justify="right" if column.right else "left",
            vertical="bottom", no_wrap=not is_name, overflow="fold",
        )  # fmt: skip
    for row in rows:
        table.add_row(*(column.cell(row) for column in columns))
    table.add_section()
    table.add_row(*last, style="bold")
    return table
