"""Shows how far a run is: a bar in a terminal, a line now and then elsewhere, and how it ended."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from types import TracebackType

from ...batch import Book, Result
from ...text import readable
from ..terminal import Notes

__all__ = [
    "Counts", "View", "bar", "before_lines", "changed_line", "ended_line", "files_lines", "progress_line",
    "stopping_line",
]  # fmt: skip

BAR = 12
"""Characters of the bar."""
REDRAWN = 0.2
"""Seconds until the bar is drawn anew."""


@dataclass
class Counts:
    """What has happened to the rows of this run so far. total: how many there are to ask; taken: those begun."""

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
        """How many rows have a result."""
        return self.answered + self.failed

    def count(self, result: Result) -> None:
        """Take note of a result."""
        if result.stopped:
            self.stopped += 1
            return
        self.answered += result.finished
        self.failed += not result.finished
        if not result.finished:
            self.reasons[result.why] += 1
        if result.transcript is not None:
            usage = result.transcript.usage
            self.tokens_in += usage.input_tokens or 0
            self.tokens_out += usage.output_tokens or 0


def progress_line(counts: Counts, now: float) -> str:
    """Return how far it is: rows, failures, speed, tokens, and the time that is left at this speed."""
    seconds = max(now - counts.started, 1e-6)
    speed = counts.ended / seconds
    left = counts.total - counts.ended
    parts = (
        f"{counts.ended:,} of {counts.total:,}",
        f"{readable.duration(left / speed)} left" if speed and left else "",
        f"{counts.failed:,} failed" if counts.failed else "",
        f"{counts.taken - counts.ended - counts.stopped:,} running",
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


def bar(counts: Counts) -> str:
    """Return a bar of `BAR` characters; each row of this run is a part of it."""
    full = BAR * counts.ended // max(counts.total, 1)
    return "━" * full + "╺" * (full < BAR) + "─" * (BAR - full - 1)


class View:
    """The progress on standard error: `async with View(counts, notes, every)`.

    every: seconds between two lines where standard error is no terminal.
    """

    def __init__(self, counts: Counts, notes: Notes, every: float) -> None:
        self._counts = counts
        self._notes = notes
        self._pause = REDRAWN if notes.in_place else every

    async def __aenter__(self) -> View:
        self._drawing = asyncio.create_task(self._draw())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drawing.cancel()
        await asyncio.gather(self._drawing, return_exceptions=True)

    async def _draw(self) -> None:
        while True:
            line = progress_line(self._counts, monotonic())
            if self._notes.in_place:
                self._notes.progress(f"{bar(self._counts)} {line}")
            elif self._counts.ended:
                self._notes.note(line)
            await asyncio.sleep(self._pause)


def files_lines(out: Path, failed: Path) -> list[str]:
    """Return where the results are."""
    lines = [f"Answers:  {out}"]
    return [*lines, f"Failures: {failed}   --retry-failed asks them again"] if failed.exists() else lines


def before_lines(book: Book, retry_failed: bool) -> list[str]:
    """Return what earlier runs have left."""
    found = book.found
    mended = f"{book.mended} result that was cut by a kill is removed; its row is asked again" if book.mended else ""
    parts = (
        f"{found.finished:,} answered before",
        f"{found.failed:,} failed before{'' if retry_failed else ' (--retry-failed asks them again)'}",
        f"{found.changed:,} changed since",
        f"{found.new:,} to ask",
    )
    said = [part for part, count in zip(parts, (found.finished, found.failed, found.changed, 1), strict=True) if count]
    return [*filter(None, (mended,)), *([" · ".join(said)] if len(said) > 1 else [])]


def changed_line(book: Book) -> str:
    """Return that lines have changed, and what can be done."""
    found = book.found
    lines = "1 line has" if found.changed == 1 else f"{found.changed:,} lines have"
    return (
        f"{book.file}: {lines} changed since the answers in {book.out} were made, the first is line "
        f"{found.first_changed}. --changed asks changed lines again, --out FILE begins anew"
    )


def stopping_line(running: int, drain: float) -> str:
    """Return what happens after Ctrl-C."""
    rows = "1 row still runs" if running == 1 else f"{running:,} rows still run"
    return f"Stopping. {rows}, for {drain:g} s at most; Ctrl-C again ends them now."
