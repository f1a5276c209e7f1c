"""Marks halves of surrogate pairs, which several JavaScript gateways send in two deltas, and joins them again.

    "\\ud83d"   then   "\\udc69"      one event each, each refused by strict readers of JSON

A half passes through the readers as three characters that no text has (Unicode's noncharacters), so that no code on the
way has to know of it, and no string ever holds what UTF-8 cannot express. A half that stays alone becomes U+FFFD.
"""

from __future__ import annotations

import re

__all__ = ["Joiner", "joined", "marked"]

_HIGH, _LOW = "\ufffe", "\uffff"
_DIGIT = 0xFDD0
_MARKS = re.compile("\ufffe([\ufdd0-\ufdef]{2})(?:\uffff([\ufdd0-\ufdef]{2}))?|\uffff[\ufdd0-\ufdef]{2}")
_AT_END = re.compile("\ufffe[\ufdd0-\ufdef]{2}\\Z")
_ANY = re.compile("[\ufffe\uffff]")


def marked(half: int) -> str:
    """Return the mark of a surrogate: high or low, and its ten bits in two characters of 32."""
    bits = half & 0x3FF
    return (_HIGH if half < 0xDC00 else _LOW) + chr(_DIGIT + (bits >> 5)) + chr(_DIGIT + (bits & 31))


def joined(text: str) -> str:
    """Return a text without marks: pairs become their character, halves U+FFFD."""
    return _MARKS.sub(_character, text) if _ANY.search(text) else text


def _character(found: re.Match[str]) -> str:
    high, low = found.groups()
    return chr(0x10000 + (_bits(high) << 10) + _bits(low)) if high and low else "\ufffd"


def _bits(digits: str) -> int:
    return (ord(digits[0]) - _DIGIT) << 5 | ord(digits[1]) - _DIGIT


class Joiner:
    """Joins halves in the texts of one answer, each text under its own key; a high half at the end of a piece waits."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[str, str] = {}

    @property
    def waits(self) -> bool:
        """Return whether half a character waits for its other half."""
        return bool(self._held)

    def feed(self, key: str, piece: str) -> str:
        """Return the text that a piece completes."""
        text = self._held.pop(key, "") + piece
        if (half := _AT_END.search(text, max(len(text) - 3, 0))) is not None:
            self._held[key] = half[0]
            text = text[:-3]
        return joined(text)

    def rest(self) -> list[tuple[str, str]]:
        """Return the keys under which a half still waits, each with what is left of it."""
        held, self._held = self._held, {}
        return [(key, joined(half)) for key, half in held.items()]
