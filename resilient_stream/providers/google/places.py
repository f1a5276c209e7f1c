"""Finds passages of an answer by Gemini's places, which are bytes of UTF-8 within a part.

    part 0 (code that ran)   part 1 "Grüße, "   part 1 "Welt"      bytes 9 to 13 of part 1 = code points 7 to 11, "Welt"

A streamed part comes in pieces, so texts with nothing between them are one part. Some answers count from the beginning
of the whole text whatever stands before it; the words that come with a place tell which it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from ..shared.values import text_of

__all__ = ["NOWHERE", "Place", "Places"]

Place: TypeAlias = tuple[int | None, int | None]
"""Begin and end of a passage, as code points of the answer's text."""

NOWHERE: Place = (None, None)

_BLOCK = 4096
_INNER_BYTES = bytes(range(0x80, 0xC0))
"""The bytes of UTF-8 that do not begin a character."""


def _points(data: bytes | bytearray) -> int:
    return len(data.translate(None, _INNER_BYTES))


class Places:
    """Keeps the text of one answer in order to find passages in it. located: false when nothing is to be found.

    limit: bytes; the places in a longer text are not told.
    """

    __slots__ = ("_begins", "_counts", "_data", "_kind", "_limit", "_pieces", "_size", "located")

    def __init__(self, limit: int, *, located: bool) -> None:
        self.located = located
        self._limit = limit
        self._size = 0
        self._pieces: list[str] = []
        self._data = bytearray()
        self._counts = [0]
        self._kind = ""
        self._begins: list[int] = []

    def add(self, texts: list[str]) -> None:
        """Add pieces of the answer's text, of the part that is being read."""
        self._size += sum(map(len, texts))
        self._pieces += texts
        if self._size > self._limit:
            self.located = False
            self._pieces.clear()
            self._data.clear()

    def part(self, kind: str) -> None:
        """Note the kind of the part that comes next. Pieces of one text are one part, anything else is one each."""
        if kind not in ("text", "thought") or kind != self._kind:
            self._measure()
            self._begins.append(len(self._data))
        self._kind = kind

    @property
    def latest(self) -> int:
        """Return the number of the part that is being read."""
        return len(self._begins) - 1

    def find(self, segment: dict[str, Any]) -> Place:
        """Return a passage, given as bytes of a part; nowhere if the text there is not the one that was meant."""
        if not self.located:
            return NOWHERE
        self._measure()
        begin, end, said = segment.get("startIndex") or 0, segment.get("endIndex"), text_of(segment.get("text"))
        if not isinstance(begin, int) or not isinstance(end, int) or not 0 <= begin < end:
            return NOWHERE
        for base in self._bases(segment.get("partIndex")):
            start, stop = base + begin, base + end
            if stop <= len(self._data) and (not said or self._data[start:stop] == said.encode("utf-8", "replace")):
                return self._point(start), self._point(stop)
        return NOWHERE

    def _bases(self, part: Any) -> Iterator[int]:
        if isinstance(part, int) and 0 <= part < len(self._begins):
            yield self._begins[part]
        yield 0

    def _measure(self) -> None:
        """Add the latest pieces to the bytes, and count what is complete of it."""
        if self._pieces:
            self._data += "".join(self._pieces).encode("utf-8", "replace")
            self._pieces.clear()
        while len(self._data) >= len(self._counts) * _BLOCK:
            end = len(self._counts) * _BLOCK
            self._counts.append(self._counts[-1] + _points(self._data[end - _BLOCK : end]))

    def _point(self, byte: int) -> int:
        block = byte // _BLOCK
        return self._counts[block] + _points(self._data[block * _BLOCK : byte])
