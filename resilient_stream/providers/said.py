"""What an answer has said so far, as far as a second place that says it again must be held against it.

The one rule: nothing is said twice, and nothing is said of which it is not clear that it goes on. So a whole text
counts only from where the pieces before it end, if they are its beginning.
Must never: keep an answer. Its length and its last characters are enough; what came last is not even measured until
somebody asks, so a read of text costs no more than a list's append. What waits is the chunks, which the caller has
anyway, and not the events: those would stay in memory for it, and cost more than their decoding.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..chunks import Chunk

__all__ = ["Said"]

KEPT = 64
"""Reads whose chunks are kept before they are measured."""
TAIL = 64
"""Characters by which it is known that two texts have the same beginning."""


class Said:
    """The text, or the reasoning, of one answer. pieces: some of it came in deltas."""

    __slots__ = ("_grows", "_length", "_reads", "_tail", "pieces")

    def __init__(self) -> None:
        self._reads: list[Sequence[Chunk] | str] = []
        self._length = 0
        self._tail = ""
        self._grows = False
        self.pieces = False

    def keep(self, batch: Sequence[Chunk]) -> None:
        """Remember the chunks of one read, which are pieces of its text."""
        self.pieces = True
        self._reads.append(tuple(batch))
        if len(self._reads) == KEPT:
            self._measure()

    def add(self, text: str) -> None:
        """The next piece of it."""
        self.pieces = True
        self._reads.append(text)
        if len(self._reads) == KEPT:
            self._measure()

    @property
    def length(self) -> int:
        """Characters said so far."""
        self._measure()
        return self._length

    def _measure(self) -> None:
        reads, self._reads = self._reads, []
        if reads:
            self._add("".join(map(_text_of, reads)))

    def _add(self, text: str) -> None:
        self._length += len(text)
        self._tail = (self._tail + text)[-TAIL:]

    def rest(self, whole: str, since: int = 0) -> str:
        """What of a whole text was not said, and now is. since: where it began, as `length` was then."""
        said = self.length - since
        new = whole[said:] if self._begins(whole, said) else ""
        self._add(new)
        return new

    def take(self, text: str, *, last: bool) -> str:
        """The same for a text that may be the whole so far or, where there are no deltas, the next piece.

        last: the answer ends here, so a text that was said already is the whole once more.
        """
        said = self.length
        if self.pieces or not said:
            return self.rest(text)
        if len(text) > said and self._begins(text, said):
            self._grows = True
            return self.rest(text)
        if len(text) == said and self._begins(text, said) and (last or self._grows):
            return ""
        self._add(text)
        return text

    def begins(self, whole: str, since: int = 0) -> bool:
        """Whether what was said since then is the beginning of a whole text."""
        return self._begins(whole, self.length - since)

    def ends(self, text: str) -> bool:
        """Whether the last that was said is this text, as far as is known."""
        return bool(text) and self.length >= len(text) and self._tail.endswith(text[-TAIL:])

    def _begins(self, whole: str, said: int) -> bool:
        """Whether the last `said` characters are the beginning of `whole`."""
        known = self._tail[-min(said, TAIL) :] if said else ""
        return whole[max(0, said - TAIL) : said] == known


def _text_of(read: Sequence[Chunk] | str) -> str:
    return read if isinstance(read, str) else "".join([chunk.text for chunk in read])
