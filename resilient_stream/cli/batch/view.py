"""Shows how far a run is: a bar in a terminal, a line now and then elsewhere; and what was found before it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import monotonic
from types import TracebackType

from ...batch import Book, Counts, found_line, progress_line
from ..terminal import Notes

__all__ = ["View", "bar", "before_lines", "changed_line", "files_lines", "stopping_line"]

BAR = 12
"""Characters of the bar."""
REDRAWN = 0.2
"""Seconds until the bar is drawn anew."""


def bar(counts: Counts) -> str:
    """Return a bar of `BAR` characters; each row of this run is a part of it."""
    full = BAR * counts.ended // max(counts.total, 1)
    return "━" * full + "╺" * (full < BAR) + "─" * (BAR - full - 1)


class View:
    """Shows the progress on standard error: `async with View(counts, notes, every)`.

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
    mended = f"{book.mended} result that was cut by a kill is removed; its row is asked again" if book.mended else ""
    found = found_line(book.found, "" if retry_failed else "--retry-failed asks them again")
    return [line for line in (mended, found) if line]


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
