"""Remembers what an answer has said, to compare it with a second place that repeats it.

Nothing is said twice, and a repetition counts only if it clearly continues: a whole text counts from where the pieces
before it end, if they are its beginning. The answer itself is not kept: its length and last characters are enough. The
latest pieces are measured only when somebody asks, so a read of text costs no more than extending a list. The list
keeps the texts, which the chunks share, and not the events, which would stay in memory for it.
"""

from __future__ import annotations

from ...chunks import TextDelta
from ...contract import Batch
from ...wire.surrogates import Joiner, joined

__all__ = ["KEPT", "Said"]

KEPT = 1024
"""Pieces that are kept before they are measured."""
TAIL = 64
"""Characters by which it is known that two texts have the same beginning."""


class Said:
    """Remembers the text, or the reasoning, that one answer has said so far.

    kept: the latest pieces, always the same list, so that a fast reader may add to it directly; it calls `measure` when
    the list is longer than `KEPT`.
    """

    __slots__ = ("_grows", "_halves", "_length", "_measured", "_tail", "kept")

    def __init__(self) -> None:
        self.kept: list[str] = []
        self._length = 0
        self._tail = ""
        self._grows = False
        self._measured = False
        self._halves: Joiner | None = None  # made when half a character comes, which a whole text has as one

    @property
    def pieces(self) -> bool:
        """Return whether some of it came in pieces."""
        return self._measured or bool(self.kept)

    def given(self, texts: list[str]) -> Batch:
        """Remember the pieces of one read of text, and return them as chunks."""
        self.kept += texts
        if len(self.kept) > KEPT:
            self.measure()
        return list(map(TextDelta, texts))

    def add(self, text: str) -> None:
        """Remember the next piece."""
        self.kept.append(text)
        if len(self.kept) > KEPT:
            self.measure()

    @property
    def length(self) -> int:
        """Return the number of characters said so far."""
        self.measure()
        return self._length

    def measure(self) -> None:
        """Count the kept pieces, then drop them."""
        if self.kept:
            self._measured = True
            self._add("".join(self.kept))
            self.kept.clear()

    def _add(self, text: str) -> None:
        if self._halves is None and joined(text) != text:
            self._halves = Joiner()
        if self._halves is not None:
            text = self._halves.feed("text", text)
        self._length += len(text)
        self._tail = (self._tail + text)[-TAIL:]

    def rest(self, whole: str, since: int = 0) -> str:
        """Return the part of a whole text that was not said before; it counts as said from now on.

        since: the `length` at which this text began.
        """
        whole = joined(whole)
        said = self.length - since
        new = whole[said:] if self._is_beginning(whole, said) else ""
        if self._halves is not None and self._halves.waits:  # half a character that stays alone is said at the end
            new = new.removeprefix("\ufffd")
        self._add(new)
        return new

    def take(self, text: str, *, last: bool) -> str:
        """Return the new part of a text that may be the whole text so far or, without deltas, the next piece.

        last: the answer ends here, so a text that was said already is the whole text again.
        """
        said = self.length
        if self.pieces or not said:
            return self.rest(text)
        if len(text) > said and self._is_beginning(text, said):
            self._grows = True
            return self.rest(text)
        if len(text) == said and self._is_beginning(text, said) and (last or self._grows):
            return ""
        self._add(text)
        return text

    def begins(self, whole: str, since: int = 0) -> bool:
        """Return whether what was said since then is the beginning of a whole text."""
        return self._is_beginning(whole, self.length - since)

    def ends(self, text: str) -> bool:
        """Return whether what was said last equals this text, as far as is known."""
        return bool(text) and self.length >= len(text) and self._tail.endswith(text[-TAIL:])

    def differs(self, whole: str) -> bool:
        """Return whether a whole text is no repetition: neither what was said, nor its last part, nor going on from it.

        White space around it does not count.
        """
        whole = joined(whole)
        said = self.length
        if not said or not whole.strip() or self._is_beginning(whole, said):
            return False
        text, end = whole.strip(), self._tail.rstrip()
        return len(text) > said or not (end.endswith(text[-TAIL:]) or text.endswith(end.lstrip()))

    def _is_beginning(self, whole: str, said: int) -> bool:
        """Return whether the last `said` characters are the beginning of `whole`."""
        known = self._tail[-min(said, TAIL) :] if said else ""
        return whole[max(0, said - TAIL) : said] == known
