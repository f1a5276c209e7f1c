"""Where text goes: the answer to standard output, everything about it to standard error.

The one rule: standard output holds the answer and nothing else, so that it can be piped; colours and
reasoning are for terminals only. And whatever is written goes through here, where foreign text loses what could steer a
terminal: `styled` and `joined` make all texts, a `Screen` cleans whatever else it renders, `say` what it is given.
Must never: fail because of what a model wrote.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from io import TextIOWrapper
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from ..chunks import Chunk, ReasoningDelta
from ..conversation.turns import ConversationRecord
from ..outcome.errors import AllTargetsFailed, StreamError
from ..outcome.transcript import Outcome, Transcript
from ..text.readable import printable
from . import exit_codes, telling

__all__ = ["OUTCOME_STYLE", "Answer", "Notes", "Screen", "joined", "say", "say_json", "styled", "until_reader_leaves"]

OUTCOME_STYLE: dict[Outcome | None, str] = {
    "complete": "green", "failed": "red", "deadline": "yellow", "cancelled": "yellow",
    "abandoned": "yellow", "client_closed": "yellow", None: "dim",
}  # fmt: skip


class Screen(Console):
    """Where the commands draw: a console of rich's without markup, in which no text can steer the terminal."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """All that is shown passes here, as text with a style; the terminal's own sequences are made of them later."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


def styled(text: str = "", style: str = "") -> Text:
    """A text to be drawn. It is cleaned before rich has it, which drops the bell that ends a sequence and leaves the
    sequence's words."""
    return Text(printable(text), style)


def joined(*parts: str | tuple[str, str], style: str = "") -> Text:
    """A text of parts that may have a style each."""
    clean = [printable(part) if isinstance(part, str) else (printable(part[0]), part[1]) for part in parts]
    return Text.assemble(*clean, style=style)


def say(text: str, end: str = "\n") -> None:
    """Write a line to standard output, as plain text."""
    sys.stdout.write(printable(text) + end)
    sys.stdout.flush()


def say_json(value: Any) -> None:
    """Write a value to standard output as JSON, in which everything but plain ASCII is escaped."""
    say(json.dumps(value, indent=2))


class Answer:
    """Standard output: the answer as it comes, in a terminal with the model's reasoning in front, dimmed."""

    def __init__(self) -> None:
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a terminal without emoji shows a question mark
        self._console = Screen(soft_wrap=True)
        self._last = "\n"
        self._reasoned = False

    def show(self, chunk: Chunk) -> None:
        """Write what this chunk has for the reader."""
        if isinstance(chunk, ReasoningDelta) and self._console.is_terminal:
            self._reason(chunk.reasoning)
        elif chunk.text:
            self._write(chunk.text)

    def pause(self) -> None:
        """Make room for a note, where it would stand in the middle of a line."""
        if self._console.is_terminal or _one_place():
            self.end()

    def end(self) -> None:
        """Begin a new line, unless one has begun."""
        if self._last != "\n":
            self._put("\n")

    def echoed(self, text: str) -> None:
        """The terminal itself wrote this, as it does for Ctrl-C."""
        self._last = text[-1:] or self._last

    def _reason(self, text: str) -> None:
        self._console.print(styled(text, style="dim"), end="")
        self._reasoned, self._last = True, text[-1:] or self._last

    def _write(self, text: str) -> None:
        if self._reasoned:
            self._reasoned = False
            self.end()
            self._put("\n")
        self._put(text)

    def _put(self, text: str) -> None:
        text = printable(text) if self._console.is_terminal else text  # into a pipe goes what the model wrote
        sys.stdout.write(text)
        sys.stdout.flush()
        self._last = text[-1:] or self._last


def _one_place() -> bool:
    """Whether the answer and what is said about it are written to the same file or pipe, as by `2>&1`."""
    try:
        return os.path.sameopenfile(sys.stdout.fileno(), sys.stderr.fileno())
    except (OSError, ValueError):  # something that has no descriptor
        return False


class Notes:
    """Standard error: what happens around the answer."""

    def __init__(self) -> None:
        self._console = Screen(stderr=True)
        self._console.soft_wrap = not self._console.is_terminal  # lines of a log are not broken

    def note(self, text: str) -> None:
        """A remark."""
        self._console.print(styled(text, style="dim"))

    def summary(self, transcript: Transcript) -> None:
        """The line that says how it went."""
        ended = transcript.finish_kind or transcript.outcome or "not started"
        style = "yellow" if transcript.finish_kind else OUTCOME_STYLE[transcript.outcome]
        line = joined((ended.replace("_", " "), style), (" · " + telling.summary(transcript), "dim"))
        self._console.print(line)
        self._unmodelled(transcript)

    def _unmodelled(self, *transcripts: Transcript) -> None:
        """What came and was not shown."""
        if (said := telling.unmodelled(*transcripts)) is not None:
            self.note(said)

    def ended(self, record: ConversationRecord) -> None:
        """The line under an answer of a conversation; a word in front of it when it is not whole."""
        kind = record.transcripts[-1].finish_kind if record.turns else None
        ended = kind or (None if record.outcome == "complete" else record.outcome)
        word = (f"{ended.replace('_', ' ')} · ", "yellow" if kind else OUTCOME_STYLE[record.outcome]) if ended else ""
        self._console.print(joined(word, (telling.exchange(record), "dim")))
        self._unmodelled(*record.transcripts)

    def error(self, error: StreamError) -> None:
        """Title, what happened, what to do."""
        where = f" ({error.target})" if error.target and not isinstance(error, AllTargetsFailed) else ""
        self._console.print(joined((error.title, "bold red"), where))
        for line in telling.complaint(error):
            self._console.print(styled(line))
        for note in getattr(error, "__notes__", ()):  # where a recording and the prompt differ
            self._console.print(styled(note, style="dim"))

    def misuse(self, message: str) -> None:
        """What is wrong with the command itself."""
        self._console.print(joined(("Error: ", "bold red"), message))


def until_reader_leaves(command: Callable[[], int]) -> int:
    """Run a command for its exit code; that nobody reads its output any more is no error of ours.

    Without another place to write to, the interpreter would complain about the rest as it ends.
    """
    try:
        code = command()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_codes.PIPE_CLOSED
    return code


def plainly(line: str) -> None:
    """Write one line of our own to standard output."""
    sys.stdout.write(f"{line}\n")
