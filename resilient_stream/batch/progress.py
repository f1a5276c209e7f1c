"""Counts what happens to the rows of a run, and says it in a line. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from ..chunks import Usage
from ..text import readable
from .run import Result

if TYPE_CHECKING:
    from .book import Survey

__all__ = ["Counts", "ended_line", "found_line", "progress_line"]


@dataclass
class Counts:
    """Counts what has happened to the rows of this run so far. total: how many there are to ask; taken: those begun."""

    total: int
    started: float = field(default_factory=monotonic)
    taken: int = 0
    answered: int = 0
    failed: int = 0
    stopped: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def ended(self) -> int:
        """Return how many rows have a result."""
        return self.answered + self.failed

    def count(self, result: Result) -> None:
        """Take note of a result."""
        if result.stopped:
            self.stopped += 1
            return
        usage = result.transcript.usage if result.transcript is not None else Usage()
        self.add("" if result.finished else result.why, usage.input_tokens or 0, usage.output_tokens or 0)

    def add(self, why: str, tokens_in: int, tokens_out: int) -> None:
        """Take note of a row that was answered, or has failed, with `why` as the reason."""
        self.answered += not why
        self.failed += bool(why)
        if why:
            self.reasons[why] += 1
        self.tokens_in += tokens_in
        self.tokens_out += tokens_out


def progress_line(counts: Counts, now: float) -> str:
    """Return how far the run is: rows, failures, speed, tokens, and the time that is left at this speed."""
    seconds = max(now - counts.started, 1e-6)
    speed = counts.ended / seconds
    left = counts.total - counts.ended
    running = counts.taken - counts.ended - counts.stopped
    parts = (
        f"{counts.ended:,} of {counts.total:,}",
        f"{readable.duration(left / speed)} left" if speed and left else "",
        f"{counts.failed:,} failed" if counts.failed else "",
        f"{running:,} running" if running > 0 else "",
        f"{speed:.1f} rows/s" if speed else "",
        f"{counts.tokens_in + counts.tokens_out:,} tokens" if counts.ended else "",
    )
    return " · ".join(filter(None, parts))


def ended_line(counts: Counts, now: float) -> str:
    """Return what this run did."""
    why = ", ".join(f"{count:,} {kind}" for kind, count in counts.reasons.most_common(5))
    parts = (
        f"{counts.answered:,} answered",
        f"{counts.failed:,} failed ({why})" if counts.failed else "",
        f"{counts.stopped:,} stopped" if counts.stopped else "",
        f"{counts.tokens_in:,} tokens in, {counts.tokens_out:,} out",
        readable.duration(now - counts.started),
    )
    return " · ".join(filter(None, parts))


def found_line(found: Survey, again: str) -> str:
    """Return what earlier runs have left, or nothing where there was none. again: how failed rows are asked again."""
    parts = (
        f"{found.finished:,} answered before",
        f"{found.failed:,} failed before{again and f' ({again})'}",
        f"{found.changed:,} changed since",
        f"{found.new:,} to ask",
    )
    said = [part for part, count in zip(parts, (found.finished, found.failed, found.changed, 1), strict=True) if count]
    return " · ".join(said) if len(said) > 1 else ""
