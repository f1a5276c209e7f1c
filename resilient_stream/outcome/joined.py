"""Joins the text of a growing list of chunks, and keeps what was joined before."""

from __future__ import annotations

from collections.abc import Sequence

from ..chunks import Chunk

__all__ = ["JoinedText"]


class JoinedText:
    """Holds the joined text of the chunks from one place up to another, which moves on.

    An application that shows an answer reads its text after each chunk; joining all of it each time would cost the
    square of its length. Nothing is kept at the first read: most callers read the text once, at the end, and a second
    copy may be large.
    """

    __slots__ = ("_begins", "_count", "_reads", "_text")

    def __init__(self) -> None:
        self._begins = self._count = self._reads = 0
        self._text = ""

    def of(self, chunks: Sequence[Chunk], begins: int, count: int) -> str:
        """Return the text of `chunks[begins:count]`."""
        self._reads += 1
        if self._reads == 1:
            return "".join([chunk.text for chunk in chunks[begins:count]])
        if begins != self._begins or count < self._count:
            self._begins = self._count = begins
            self._text = ""
        if count > self._count:
            self._text += "".join([chunk.text for chunk in chunks[self._count : count]])
            self._count = count
        return self._text
