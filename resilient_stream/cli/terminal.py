"""Writes the output of the commands: the answer to standard output, everything about it to standard error.

Standard output has the answer and nothing else, so that it can be piped. Colours and reasoning are shown in a terminal
only. All output goes through here, where text from outside loses the characters that could control the terminal:
`styled` and `joined` make all texts, a `Screen` cleans whatever else it draws, and `say` cleans what it is given.
Nothing that a model wrote can make this fail.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.control import Control
from rich.segment import ControlType, Segment
from rich.text import Text

from ..chunks import Chunk, ReasoningDelta
from ..conversation.turns import ConversationRecord
from ..outcome.errors import AllTargetsFailed, StreamError
from ..outcome.transcript import Outcome, Transcript
from ..text.readable import printable
from . import exit_codes, wording
from .saving import save_files

__all__ = ["OUTCOME_STYLE", "Answer", "Notes", "Screen", "joined", "say", "say_json", "styled", "until_reader_leaves"]

OUTCOME_STYLE: dict[Outcome | None, str] = {
    "complete": "green", "failed": "red", "deadline": "yellow", "cancelled": "yellow",
    "abandoned": "yellow", "client_closed": "yellow", None: "dim",
}  # fmt: skip


class Screen(Console):
    """Draws for the commands, as rich's console without its markup. No text can control the terminal through it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Clean everything that is shown, while it is text with a style and not yet a terminal's sequences."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


def styled(text: str = "", style: str = "") -> Text:
    """Return a text to be drawn.

    It is cleaned before rich gets it: rich drops the character that ends a sequence and keeps the words inside the
    sequence.
    """
    return Text(printable(text), style)


def joined(*parts: str | tuple[str, str], style: str = "") -> Text:
    """Return one text of several parts, which may have styles of their own."""
    clean = [printable(part) if isinstance(part, str) else (printable(part[0]), part[1]) for part in parts]
    return Text.assemble(*clean, style=style)


def say(text: str, end: str = "\n") -> None:
    """Write a line to standard output, as plain text."""
    sys.stdout.write(printable(text) + end)
    sys.stdout.flush()


def say_json(value: Any) -> None:
    """Write a value to standard output as JSON in plain ASCII."""
    say(json.dumps(value, indent=2))


class Answer:
    """Writes the answer to standard output as it comes; in a terminal, the model's reasoning comes first, dimmed."""

    def __init__(self) -> None:
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a terminal without emoji shows a question mark
        self._console = Screen(soft_wrap=True)
        self._last = "\n"
        self._reasoned = False

    def show(self, chunk: Chunk) -> None:
        """Write what a chunk has for the reader."""
        if isinstance(chunk, ReasoningDelta) and self._console.is_terminal:
            self._write_reasoning(chunk.reasoning)
        elif chunk.text:
            self._write(chunk.text)

    def pause(self) -> None:
        """Begin a new line for a note, if the answer is in the middle of a line."""
        if self._console.is_terminal or _one_place():
            self.end()

    def end(self) -> None:
        """Begin a new line, unless one has begun."""
        if self._last != "\n":
            self._write_text("\n")

    def echoed(self, text: str) -> None:
        """Take note of what the terminal itself wrote, as it does for Ctrl-C."""
        self._last = text[-1:] or self._last

    def _write_reasoning(self, text: str) -> None:
        self._console.print(styled(text, style="dim"), end="")
        self._reasoned, self._last = True, text[-1:] or self._last

    def _write(self, text: str) -> None:
        if self._reasoned:
            self._reasoned = False
            self.end()
            self._write_text("\n")
        self._write_text(text)

    def _write_text(self, text: str) -> None:
        text = printable(text) if self._console.is_terminal else text  # a pipe gets exactly what the model wrote
        sys.stdout.write(text)
        sys.stdout.flush()
        self._last = text[-1:] or self._last


def _one_place() -> bool:
    """Return whether the answer and the notes about it go to the same file or pipe, as with `2>&1`."""
    try:
        return os.path.sameopenfile(sys.stdout.fileno(), sys.stderr.fileno())
    except (OSError, ValueError):  # standard output may be an object without a descriptor
        return False


class Notes:
    """Writes everything that is said about the answer to standard error."""

    def __init__(self) -> None:
        self._console = Screen(stderr=True)
        self._console.soft_wrap = not self._console.is_terminal  # lines of a log are not wrapped
        self._updating = False

    def _print(self, text: Text) -> None:
        """Write a line of its own, in the place of one that was being updated."""
        self._erase()
        self._console.print(text)

    def _erase(self) -> None:
        if self._updating:
            self._updating = False
            self._console.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))

    def note(self, text: str) -> None:
        """Write a remark."""
        self._print(styled(text, style="dim"))

    @property
    def in_place(self) -> bool:
        """Return whether `progress` shows something."""
        return self._console.is_terminal

    def progress(self, text: str) -> None:
        """Write a line that the next one takes the place of. Only a terminal can do that; a log gets none of them."""
        if self._console.is_terminal:
            self._erase()
            line = styled(text, style="dim")
            line.truncate(max(self._console.width - 3, 1), overflow="ellipsis")  # leaves room for "^C" behind it
            self._console.print(line, end="", soft_wrap=True)
            self._updating = True

    def beside(self, transcript: Transcript, folder: Path | None) -> None:
        """Write what came beside the text: its sources, and its files, which are saved if a folder is given."""
        lines = wording.footnotes(transcript.sources)
        files = transcript.files
        lines += save_files(files, folder) if folder is not None else map(wording.file_line, files)
        for line in lines:
            self.note(line)

    def summary(self, transcript: Transcript) -> None:
        """Write the line that says how the call went."""
        ended = transcript.finish_kind or transcript.outcome or "not started"
        style = "yellow" if transcript.finish_kind else OUTCOME_STYLE[transcript.outcome]
        line = joined((ended.replace("_", " "), style), (" · " + wording.summary(transcript), "dim"))
        self._print(line)
        self._unmodelled(transcript)

    def _unmodelled(self, *transcripts: Transcript) -> None:
        """Write what was received but not shown."""
        if (said := wording.unmodelled(*transcripts)) is not None:
            self.note(said)

    def ended(self, record: ConversationRecord) -> None:
        """Write the line under an answer of a conversation. It begins with a word if the answer is not whole."""
        kind = record.transcripts[-1].finish_kind if record.turns else None
        ended = kind or (None if record.outcome == "complete" else record.outcome)
        word = (f"{ended.replace('_', ' ')} · ", "yellow" if kind else OUTCOME_STYLE[record.outcome]) if ended else ""
        self._print(joined(word, (wording.exchange_line(record), "dim")))
        self._unmodelled(*record.transcripts)

    def error(self, error: StreamError) -> None:
        """Write an error's title, what happened and what to do."""
        where = f" ({error.target})" if error.target and not isinstance(error, AllTargetsFailed) else ""
        self._print(joined((error.title, "bold red"), where))
        for line in wording.error_lines(error):
            self._print(styled(line))
        for note in getattr(error, "__notes__", ()):  # they say where a recording and the prompt differ
            self._print(styled(note, style="dim"))

    def misuse(self, message: str) -> None:
        """Write what is wrong with the command itself."""
        self._print(joined(("Error: ", "bold red"), message))


def until_reader_leaves(command: Callable[[], int]) -> int:
    """Run a command and return its exit code. A reader that closes the pipe is not an error.

    Standard output then goes nowhere; otherwise the interpreter would report an error when it ends.
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
