"""Tells by brackets alone whether pieces of JSON text are a whole object yet.

Every piece is scanned once, by searches and never character by character, so that asking after each of a million pieces
costs no more than asking once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["Brackets"]

_CLOSED = re.compile(r'(?:[^"]*+"(?:[^"\\]++|\\.)*+")*+[^"]*+', re.DOTALL)
"""Matches up to the quote of a string that has no end yet, or to the end."""
_STRINGS = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)


class Brackets:
    """Follows the brackets in a growing list of pieces."""

    __slots__ = ("_begun", "_depth", "_open", "_seen")

    def __init__(self) -> None:
        self._seen = 0
        self._depth = 0
        self._begun = False
        self._open = ""

    @property
    def closed(self) -> bool:
        """Return whether at least one bracket was opened and all of them are closed."""
        return self._begun and not self._open and self._depth == 0

    def follow(self, pieces: Sequence[str]) -> None:
        """Scan the new pieces. For an open string, the quote and any unfinished backslash are remembered."""
        text = self._open + "".join(pieces[self._seen :])
        self._seen = len(pieces)
        found = _CLOSED.match(text)
        end = found.end() if found else 0
        outside = _STRINGS.sub("", text[:end])
        self._depth += outside.count("{") - outside.count("}")
        self._begun = self._begun or "{" in outside
        rest = text[end:]
        torn = (len(rest) - len(rest.rstrip("\\"))) % 2
        self._open = rest[:1] + "\\" * torn
