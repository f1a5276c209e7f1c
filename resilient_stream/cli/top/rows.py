"""Adds up the reports of many processes: one row for each target, and one for all of them together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ...fleet.circuit import CircuitState
from ...fleet.histogram import percentile
from ...fleet.report import Figures, Report
from ...text.readable import one_line

__all__ = ["Row", "as_dict", "rows_of", "total_of"]

ALL_TARGETS = "all targets"
"""What stands in the place of a target's name where all are added up."""

WORST_FIRST: tuple[CircuitState, ...] = ("open", "half_open", "closed")


@dataclass(slots=True)
class Row:
    """Sums up what processes report of one target, or of all; the names are those of `Figures`.

    opens_in: the shortest, longest_wait: the longest of all.
    """

    target: str
    processes: set[str] = field(default_factory=set)
    circuits: Counter[CircuitState] = field(default_factory=Counter)
    opens_in: float | None = None
    requests: float = 0.0
    tokens: float = 0.0
    ended: int = 0
    failed: int = 0
    first: Counter[int] = field(default_factory=Counter)
    in_flight: int = 0
    queued: int = 0
    longest_wait: float | None = None
    cost: float = 0.0
    unpriced: int = 0
    wasted: int = 0

    def add(self, process: str, figures: Figures) -> None:
        """Add what one process reports."""
        self.processes.add(process)
        self.circuits.update(closed=figures.closed, half_open=figures.half_open, open=figures.open)
        self.opens_in = _of_known(min, self.opens_in, figures.opens_in)
        self.longest_wait = _of_known(max, self.longest_wait, figures.longest_wait)
        self.first.update(figures.first)
        for name in ("requests", "tokens", "ended", "failed", "in_flight", "queued", "cost", "unpriced", "wasted"):
            setattr(self, name, getattr(self, name) + getattr(figures, name))

    @property
    def state(self) -> CircuitState:
        """Return the worst state that one of the target's circuits is in."""
        return next((state for state in WORST_FIRST if self.circuits[state]), "closed")

    @property
    def failure_rate(self) -> float | None:
        """Return the share of failed requests; None where none has ended."""
        return min(1.0, self.failed / self.ended) if self.ended else None

    @property
    def known_cost(self) -> float | None:
        """Return the US dollars of today, as far as prices are known; None where there is no price of any request."""
        return None if self.unpriced and not self.cost else self.cost

    def first_within(self, percent: int) -> float | None:
        """Return the seconds within which so many of a hundred answers began."""
        return percentile(self.first, percent)


def rows_of(reports: Iterable[Report]) -> list[Row]:
    """Return a row for each target: open circuits first, then those that are tested, each by name."""
    rows: dict[str, Row] = {}
    for report in reports:
        for figures in report.targets:
            name = one_line(figures.target)
            rows.setdefault(name, Row(name)).add(report.process, figures)
    return sorted(rows.values(), key=lambda row: (WORST_FIRST.index(row.state), row.target))


def total_of(reports: Iterable[Report]) -> Row:
    """Return one row for everything."""
    total = Row(ALL_TARGETS)
    for report in reports:
        total.processes.add(report.process)
        for figures in report.targets:
            total.add(report.process, figures)
    return total


def as_dict(row: Row) -> dict[str, Any]:
    """Return a row for a script."""
    return {
        "target": row.target,
        "state": row.state,
        "circuits": {state: row.circuits[state] for state in reversed(WORST_FIRST)},
        "opens_in": row.opens_in,
        "processes": len(row.processes),
        "requests_per_minute": row.requests,
        "tokens_per_minute": row.tokens,
        "failure_rate": row.failure_rate,
        "first_chunk": {"p50": row.first_within(50), "p95": row.first_within(95)},
        "in_flight": row.in_flight,
        "waiting": row.queued,
        "longest_wait": row.longest_wait,
        "cost_today": row.known_cost,
        "unpriced_today": row.unpriced,
        "wasted_tokens_today": row.wasted,
    }


def _of_known(choose: Callable[..., float], *values: float | None) -> float | None:
    known = [value for value in values if value is not None]
    return choose(known) if known else None
