"""Decodes the inside of one JSON string as it arrives, so that a long string is never held whole.

Any split of the same bytes gives the same text: an escape, a surrogate pair or a UTF-8 sequence that a split has
divided waits for the rest, which is 11 bytes at most. Half a pair without the other half becomes U+FFFD. Everything
else that JSON forbids inside a string (a bare line end, an unknown escape) is BadFraming, as it is to the reader of
whole texts.
"""

from __future__ import annotations

import re

import msgspec

from .broken import UNREADABLE, without_halves
from .limits import BadFraming

__all__ = ["JsonString"]

_WHOLE = re.compile(
    rb"(?:[^\\]++|\\[^u]|\\u[dD][89abAB][0-9a-fA-F]{2}"
    rb"(?:\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?=[^\\]|\\[^u]|\\u(?![dD][c-fC-F])[0-9a-fA-F]{4}))"
    rb"|\\u(?![dD][89abAB])[0-9a-fA-F]{4})*+",
    re.DOTALL,
)
"""Matches up to an escape, or a pair of surrogates, that is not all there."""

_ALONE = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}")

_BACKSLASH = ord("\\")
_LONGEST = 11
"""Bytes of `\\ud83d\\ude0`, the longest beginning of something that is not whole."""

_decode = msgspec.json.Decoder(str).decode


class JsonString:
    """Decodes one string incrementally, without its quotes. Raises BadFraming for what is no JSON string."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> str:
        """Return the text that `data` completes."""
        data = self._rest + data
        end = _whole(data)
        self._rest = data[end:]
        if len(self._rest) > _LONGEST:
            raise BadFraming("an invalid escape in a JSON string")
        return _text(data[:end])

    def finish(self) -> str:
        """Return the rest at the end of the string, which is nothing or half a pair."""
        rest, self._rest = self._rest, b""
        if rest and not _ALONE.fullmatch(rest):
            raise BadFraming("a JSON string that ends inside a character")
        return "\ufffd" if rest else ""


def _whole(data: bytes) -> int:
    """Return how many bytes from the start are whole characters. Only the end has to be looked at, since what a split
    divides is short."""
    start = max(len(data) - _LONGEST - 1, 0)
    while start and data[start - 1] == _BACKSLASH:  # not between a backslash and the character it escapes
        start -= 1
    found = _WHOLE.match(data, start)
    end = found.end() if found else 0
    return end if end < len(data) else _whole_utf8(data)


def _whole_utf8(data: bytes) -> int:
    """Return the length without an incomplete UTF-8 sequence at the end (RFC 3629)."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte >= 0xC0:
            wanted = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2
            return len(data) - back if wanted > back else len(data)
        if byte < 0x80:
            break
    return len(data)


def _text(data: bytes) -> str:
    for text in (data, without_halves(data, mark=False)):
        try:
            return _decode(b'"%b"' % text)
        except UNREADABLE:
            continue
    raise BadFraming("not the inside of a JSON string")
