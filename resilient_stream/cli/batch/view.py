"""Shows how far a run is: a bar in a terminal, a line now and then elsewhere, and how it ended."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from types import TracebackType

from rich.progress import BarColumn, Progress, TextColumn

from ...batch import Book, Result
from ...text import readable
from ..terminal import Notes, Screen

__all__ = [
    "Counts", "View", "before_lines", "changed_line", "ended_line", "files_lines", "progress_line", "stopping_line",
]  # fmt: skip

BAR = 20
"""Characters of the bar."""


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
        f"{counts.failed:,} failed" if counts.failed else "",
        f"{counts.taken - counts.ended - counts.stopped:,} running",
        f"{speed:.1f} rows/s",
        f"{counts.tokens_in + counts.tokens_out:,} tokens",
        f"{readable.duration(left / speed)} left" if speed and left else "",
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


class View:
    """The progress on standard error: `async with View(counts, notes, every) as view`.

    every: seconds between two lines where standard error is no terminal.
    """

    def __init__(self, counts: Counts, notes: Notes, every: float) -> None:
        self._counts = counts
        self._notes = notes
        screen = Screen(stderr=True)
        self._progress = Progress(
            BarColumn(BAR), TextColumn("{task.fields[line]}", markup=False), console=screen, transient=True,
            auto_refresh=False,
        )  # fmt: skip
        self._in_place = screen.is_terminal
        self._draw: Callable[[], None] = self._bar if self._in_place else self._line
        self._pause = 0.2 if self._in_place else every

    async def __aenter__(self) -> View:
        if self._in_place:
            self._task = self._progress.add_task("", total=self._counts.total, line="")
            self._progress.start()
            self._bar()
        self._drawing = asyncio.create_task(self._again())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drawing.cancel()
        await asyncio.gather(self._drawing, return_exceptions=True)
        if self._in_place:
            self._progress.stop()

    def note(self, text: str) -> None:
        """Say something while it runs."""
        if self._in_place:
            self._progress.stop()
        self._notes.note(text)
        if self._in_place:
            self._progress.start()

    async def _again(self) -> None:
        while True:
            await asyncio.sleep(self._pause)
            self._draw()

    def _bar(self) -> None:
        line = progress_line(self._counts, monotonic())
        self._progress.update(self._task, completed=self._counts.ended, line=line)
        self._progress.refresh()

    def _line(self) -> None:
        self._notes.note(progress_line(self._counts, monotonic()))


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
