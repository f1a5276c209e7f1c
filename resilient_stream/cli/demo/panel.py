"""Draws the demo's live panel: attempts with their results, waits with a countdown, and the answer as it comes.

The panel is drawn from its rows ten times a second; events and chunks only change the rows. It is imported only for a
terminal.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ...chunks import Chunk, Seam
from ...events import AttemptFailed, AttemptStarted, Event, FellBack, RetryScheduled, StreamEnded
from ...outcome.transcript import Transcript
from .. import wording
from ..terminal import joined, styled
from .texts import INTRODUCTION, STARTING, seamed

__all__ = ["PanelView"]

WIDEST = 100
"""Columns of the panel at most, since longer lines are hard to read."""

SEAM = ("▌", "bold yellow")
"""The mark that is shown in the answer where another request went on. It is not part of the answer; what follows has
another colour."""


@dataclass
class _Row:
    """Describes one line of the panel. resumes: the time when the wait after it is over."""

    at: float
    target: str
    attempt: str
    said: str
    style: str
    wait: float = 0.0
    resumes: float | None = None
    why: str = ""

    def result(self, now: float) -> Text:
        text = styled(self.said, self.style)
        if self.resumes is None:
            return text
        left = self.resumes - now
        waiting = f", waited {self.wait:.1f} s" if left <= 0 else f", again in {left:.1f} s{self.why}"
        return text.append(waiting, "dim" if left <= 0 else "yellow")


class PanelView:
    """Shows the demo as a live panel, see `DemoView`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._start = 0.0
        self._rows: list[_Row] = []
        self._answer = styled()
        self._legend = styled()
        self._speaking = False
        self._live = Live(console=console, refresh_per_second=10, get_renderable=self._draw)

    def starting(self) -> None:
        """Show the panel."""
        self._live.start()

    def event(self, event: Event) -> None:
        """Add a row, or complete the last one."""
        match event:
            case AttemptStarted():
                self._add(event.target, f"#{event.attempt}", "asking …", "dim")
                self._speaking = False
            case AttemptFailed():
                self._set_result(wording.attempt_error(event.error, event.record), "red")
            case RetryScheduled():
                row = self._rows[-1]
                row.wait, row.resumes = event.wait, time.monotonic() + event.wait
                row.why = wording.who_asked(event)
            case FellBack():
                given_up = "given up, " if event.how == "provider_switch" else ""
                self._add(event.source, "", given_up + wording.how_it_goes_on(event), "yellow")
            case StreamEnded() if event.transcript.outcome == "complete":
                self._set_result("answered", "green")

    def chunk(self, chunk: Chunk) -> None:
        """Add a piece to the answer."""
        if isinstance(chunk, Seam):
            self._answer.append(*SEAM)
            self._legend = joined(SEAM, f" {chunk.target} {seamed(chunk)}", style="dim")
        elif chunk.text:
            if not self._speaking:
                self._set_result("answering …", "green")
                self._speaking = True
            self._answer.append(wording.printable(chunk.text), "green" if self._legend else "")

    def stop(self) -> None:
        """Draw the panel a last time and leave it on the screen."""
        self._live.stop()

    def record(self, transcript: Transcript) -> None:
        """Show the transcript as a table."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for heading in ("target", "result"):
            table.add_column(heading)
        for heading in ("first chunk", "duration"):
            table.add_column(heading, justify="right")
        for attempt in transcript.attempts:
            style = "red" if attempt.error else "green"
            result = styled(wording.attempt_line(attempt, transcript), style)
            times = (attempt.time_to_first_chunk, attempt.duration)
            table.add_row(attempt.target, result, *("" if one is None else f"{one:.2f} s" for one in times))
        self._console.print(table)
        self._console.print(joined((str(transcript.outcome), "green"), f" · {wording.summary(transcript)}"))

    def _add(self, target: str, attempt: str, said: str, style: str) -> None:
        now = time.monotonic()
        self._start = self._start or now
        self._rows.append(_Row(now - self._start, target, attempt, said, style))

    def _set_result(self, said: str, style: str) -> None:
        self._rows[-1].said, self._rows[-1].style = said, style

    def _draw(self) -> Panel:
        parts = [styled(INTRODUCTION, "dim"), styled()]
        body = self._table() if self._rows else styled(STARTING)
        answer = [styled(), self._answer, *([styled(), self._legend] if self._legend else [])] if self._answer else []
        # Narrower than the terminal by the two characters of "^C", which would move the panel down a line.
        width = min(self._console.width - 2, WIDEST)
        return Panel(Group(*parts, body, *answer), title="resilient-stream demo", box=box.ROUNDED, width=width)

    def _table(self) -> Table:
        now = time.monotonic()
        table = Table.grid(padding=(0, 2))
        table.add_column(justify="right", style="dim", no_wrap=True)
        table.add_column(no_wrap=True, min_width=len("llamacpp:steady"))
        table.add_column(style="dim")
        table.add_column()
        for row in list(self._rows):
            table.add_row(f"{row.at:.1f} s", row.target, row.attempt, row.result(now))
        return table
