"""What an answer has said so far, as far as a second place that says it again must be held against it.

Nothing is said twice, and nothing is said of which it is not clear that it goes on. So a whole text counts only from
where the pieces before it end, if they are its beginning. This module must never keep an answer. Its length and its
last characters are enough; what came last is not even measured until somebody asks, so a read of text costs no more
than a list's growth. What waits is the texts, which the chunks have anyway, and not the events: those would stay in
memory for it, and cost more than their decoding.
"""

from __future__ import annotations

from ...chunks import TextDelta
from ...contract import Batch

__all__ = ["KEPT", "Said"]

KEPT = 1024
"""Pieces that are kept before they are measured."""
TAIL = 64
"""Characters by which it is known that two texts have the same beginning."""


class Said:
    """The text, or the reasoning, of one answer.

    kept: the pieces that came last, one list for good: who reads text fast adds to it by itself, and calls `measure`
    when it is longer than `KEPT`.
    """

    __slots__ = ("_grows", "_length", "_measured", "_tail", "kept")

    def __init__(self) -> None:
        self.kept: list[str] = []
        self._length = 0
        self._tail = ""
        self._grows = False
        self._measured = False

    @property
    def pieces(self) -> bool:
        """Whether some of it came in pieces."""
        return self._measured or bool(self.kept)

    def given(self, texts: list[str]) -> Batch:
        """Remember the pieces of one read of text, and return them as chunks."""
        self.kept += texts
        if len(self.kept) > KEPT:
            self.measure()
        return [TextDelta(text) for text in texts]

    def add(self, text: str) -> None:
        """Remember the next piece."""
        self.kept.append(text)
        if len(self.kept) > KEPT:
            self.measure()

    @property
    def length(self) -> int:
        """Characters said so far."""
        self.measure()
        return self._length

    def measure(self) -> None:
        """Count what was kept, and forget it."""
        if self.kept:
            self._measured = True
            self._add("".join(self.kept))
            self.kept.clear()

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
