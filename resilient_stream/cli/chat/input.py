"""Reads a chat's questions, from a terminal with line editing or from a pipe.

A question can have several lines. A line that ends in a backslash goes on in the next one; three quotes begin and end a
block; what is pasted into a terminal stays one question. What was typed is kept in memory only.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from typing import TypeAlias

from ...failures import StreamMisused

__all__ = ["Read", "question", "reader_for", "while_running"]

Read: TypeAlias = Callable[[str], str]
"""A function that shows a prompt and returns the next line without its end. It raises EOFError at the end."""

PROMPT, MORE, QUOTES = "> ", "… ", '"""'


def question(read: Read) -> str:
    """Return the next whole question."""
    line = read(PROMPT)
    if line.lstrip().startswith(QUOTES):
        return _block(line.lstrip().removeprefix(QUOTES), read)
    lines = [line]
    while lines[-1].endswith("\\"):
        lines[-1] = lines[-1][:-1]
        lines.append(_line_or("", read))
    return "\n".join(lines)


def reader_for(commands: Sequence[str]) -> tuple[Read, bool]:
    """Return a function that reads from standard input, and whether a person types."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        return _terminal(commands), True
    return _piped, False


async def while_running(prompt: str) -> str:
    """Return a line that a person types while an answer is running; "" for Ctrl-D. Ctrl-C stops the answer."""
    from prompt_toolkit import PromptSession

    session: PromptSession[str] = PromptSession()
    try:
        return await session.prompt_async([("bold", prompt)])
    except EOFError:
        return ""
    except KeyboardInterrupt:  # Ctrl-C is a key here and no signal; a signal would cancel the task of the answer
        signal.raise_signal(signal.SIGINT)
        return await asyncio.Future()


def _block(first: str, read: Read) -> str:
    lines = [first]
    while not lines[-1].rstrip().endswith(QUOTES):
        lines.append(_line_or(QUOTES, read))
    lines[-1] = lines[-1].rstrip().removesuffix(QUOTES)
    return "\n".join(lines).strip("\n")


def _line_or(end: str, read: Read) -> str:
    """Return the next line, or `end` when a pipe has no more."""
    try:
        return read(MORE)
    except EOFError:
        return end


def _piped(prompt: str) -> str:
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\n")


def _terminal(commands: Sequence[str]) -> Read:
    """Make a reader with line editing and a history by prompt_toolkit, which keeps pasted lines together."""
    try:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.completion import WordCompleter
    except ModuleNotFoundError as error:
        raise StreamMisused("a chat needs one more package: pip install 'resilient-stream[cli]'") from error

    completer = WordCompleter(list(commands), sentence=True)
    session: PromptSession[str] = PromptSession(completer=completer, complete_while_typing=False)
    return lambda prompt: session.prompt([("bold", prompt)])
