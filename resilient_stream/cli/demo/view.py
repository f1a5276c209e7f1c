"""How the demo looks: plain lines in a pipe or a file, a live panel in a terminal (panel.py).

The one rule: a view is told events and chunks, and draws them; it decides nothing.
Must never: leave the terminal in another state than it was found in.
"""

from __future__ import annotations

from typing import Protocol

from ...chunks import Chunk, Seam
from ...events import Event
from ...outcome.transcript import Transcript
from .. import telling
from ..terminal import Screen, say

__all__ = ["INTRODUCTION", "STARTING", "DemoView", "PlainView", "seamed", "view_for"]

INTRODUCTION = "Two providers in front of a small local model: flaky fails, steady works."
STARTING = "Starting the local model …"


class DemoView(Protocol):
    """What the demo tells whoever looks on, in this order; `stop` also after an error."""

    def starting(self) -> None:
        """The model is being loaded."""

    def event(self, event: Event) -> None:
        """Something happened around the stream."""

    def chunk(self, chunk: Chunk) -> None:
        """A piece of the answer."""

    def stop(self) -> None:
        """Nothing more will happen."""

    def record(self, transcript: Transcript) -> None:
        """The answer is complete, and this is its transcript."""


def view_for() -> DemoView:
    """The view that standard output can show."""
    console = Screen()
    if console.is_terminal and not console.is_dumb_terminal:
        from .panel import PanelView

        return PanelView(console)
    return PlainView()


class PlainView:
    """One line for each event, the answer, then one line for each attempt."""

    def __init__(self) -> None:
        self._answering = False

    def starting(self) -> None:
        """Say what is about to happen."""
        _line(f"{INTRODUCTION}\n{STARTING}")

    def event(self, event: Event) -> None:
        """Say it."""
        if line := telling.told(event):
            self.stop()
            _line(line)

    def chunk(self, chunk: Chunk) -> None:
        """Write its text; it goes on in a new line behind a seam."""
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
        """The attempts and the sum."""
        for attempt in transcript.attempts:
            result = telling.result_of(attempt, transcript)
            _line(f"{attempt.target}  {result}  {attempt.duration or 0:.2f} s")
        _line(f"{transcript.outcome} · {telling.summary(transcript)}")


def seamed(seam: Seam) -> str:
    """A seam in words."""
    return f"goes on where {seam.source} ended, nothing repeated"


def _line(text: str) -> None:
    say(text)
