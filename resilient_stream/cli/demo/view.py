"""Shows the demo: plain lines in a pipe or a file, a live panel in a terminal (panel.py).

A view is given events and chunks and draws them; it decides nothing. It leaves the terminal as it found it.
"""

from __future__ import annotations

from typing import Protocol

from ...chunks import Chunk, Seam
from ...events import Event
from ...outcome.transcript import Transcript
from .. import wording
from ..terminal import Screen, say
from .texts import INTRODUCTION, STARTING, seamed

__all__ = ["DemoView", "PlainView", "view_for"]


class DemoView(Protocol):
    """Shows the demo, and is called in this order. `stop` is also called after an error."""

    def starting(self) -> None:
        """Show that the model is being loaded."""

    def event(self, event: Event) -> None:
        """Show something that happened around the stream."""

    def chunk(self, chunk: Chunk) -> None:
        """Show a piece of the answer."""

    def stop(self) -> None:
        """Take note that nothing more will happen."""

    def record(self, transcript: Transcript) -> None:
        """Show the transcript of the complete answer."""


def view_for() -> DemoView:
    """Return the view that standard output can show."""
    console = Screen()
    if console.is_terminal and not console.is_dumb_terminal:
        from .panel import PanelView

        return PanelView(console)
    return PlainView()


class PlainView:
    """Shows a line for each event, the answer, and then a line for each attempt."""

    def __init__(self) -> None:
        self._answering = False

    def starting(self) -> None:
        """Say what is about to happen."""
        _line(f"{INTRODUCTION}\n{STARTING}")

    def event(self, event: Event) -> None:
        """Write a line for the event."""
        if line := wording.event_line(event):
            self.stop()
            _line(line)

    def chunk(self, chunk: Chunk) -> None:
        """Write the chunk's text. After a seam it goes on in a new line."""
        if isinstance(chunk, Seam):
            _line(f"{chunk.target}  {seamed(chunk)}")
        elif chunk.text:
            say(("" if self._answering else "\n") + chunk.text, end="")
            self._answering = True

    def stop(self) -> None:
        """End the answer's last line."""
        if self._answering:
            _line("\n")
        self._answering = False

    def record(self, transcript: Transcript) -> None:
        """Write the attempts and the summary."""
        for attempt in transcript.attempts:
            result = wording.attempt_line(attempt, transcript)
            _line(f"{attempt.target}  {result}  {attempt.duration or 0:.2f} s")
        _line(f"{transcript.outcome} · {wording.summary(transcript)}")


def _line(text: str) -> None:
    say(text)
