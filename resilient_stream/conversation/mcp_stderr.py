"""Shows what an MCP server's program writes to its stderr on ours, as lines of text that cannot control a terminal.

The program gets the end of a pipe, and the event loop reads the other end. A line is cut where it is longer than a
reader wants, so no more than one read is ever held.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from ..text.readable import one_line

__all__ = ["Lines", "shown_stderr"]

MAX_LINE = 2000
"""Characters of a line that are shown."""

_READ = 64 * 1024


class Lines:
    """Shows what comes out of a pipe, line by line. name: of the server, in front of each line."""

    def __init__(self, name: str, pipe: int) -> None:
        self._name = name
        self._pipe = pipe
        self._rest = b""

    def read(self) -> bool:
        """Show the lines that are there; return whether there may be more."""
        try:
            data = os.read(self._pipe, _READ)
        except BlockingIOError:
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._show(line)
        if len(self._rest) > _READ:  # a line that is longer than a read is shown in parts
            self._show(self._rest)
            self._rest = b""
        return bool(data)

    def end(self) -> None:
        """Show what is left, also of a line without an end."""
        while self.read():
            pass
        self._show(self._rest)

    def _show(self, line: bytes) -> None:
        text = one_line(line[: MAX_LINE * 4].decode("utf-8", "replace"))
        if text:
            cut = "…" if len(text) > MAX_LINE else ""
            with suppress(OSError, ValueError, AttributeError):  # stderr may be closed or missing
                sys.stderr.write(f"{self._name}: {text[:MAX_LINE]}{cut}\n")


@contextmanager
def shown_stderr(name: str) -> Iterator[TextIO]:
    """Yield a file for a program's stderr, whose lines are shown on ours until the block is left."""
    if sys.platform == "win32":  # the event loop cannot watch a pipe on Windows
        yield sys.stderr
        return
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    lines = Lines(name, ours)
    loop = asyncio.get_running_loop()
    try:
        with open(theirs, "w") as file:
            loop.add_reader(ours, lines.read)
            try:
                yield file
            finally:
                loop.remove_reader(ours)
        lines.end()
    finally:
        os.close(ours)
