"""Decodes one JSON array as it arrives, each element as soon as it is whole (Gemini without `alt=sse`).

Every byte is scanned once, by searches that jump from bracket to bracket and over strings, so the time is linear
however the bytes are split. If a bracket or a quote ends an element, the comma is not awaited, since servers send it
with the next element. The inside of an element is not checked: its brackets are counted, and whoever decodes the
element checks its JSON.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from .limits import MAX_DEPTH, BadFraming, EventTooLarge, TooManyPieces, too_small

__all__ = ["OVER_FLAT_VALUES", "JsonArrayDecoder"]

_BOM = b"\xef\xbb\xbf"
_SPACE = re.compile(rb"[ \t\r\n]*+")
_SCALAR = re.compile(rb'[^,\[\]{}" \t\r\n]*+')
_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
"""Matches up to a string's closing quote, the end of what is there, or a backslash that is the last byte there."""
_TO_BRACKET = re.compile(rb'[^"\[\]{}]*+(?:"(?:[^"\\]++|\\.)*+"[^"\[\]{}]*+)*+', re.DOTALL)
"""Matches whole strings and everything else up to a bracket, or to the quote of a string that has no end yet."""
_FLAT = _TO_BRACKET.pattern
OVER_FLAT_VALUES = re.compile(rb"%b(?:[\[{]%b[\]}]%b)*+" % (_FLAT, _FLAT, _FLAT), re.DOTALL)
"""Matches strings and all else up to a bracket, and pairs of brackets without others inside, of which one value may
have very many."""
MOST_BRACKETS = 100_000
"""Brackets of one element that are followed one by one. An answer's element has some hundred."""
_QUOTE, _BACKSLASH = b'"\\'
_OPENING = b"[{"


class JsonArrayDecoder:
    """Decodes one body incrementally.

    closed: the array's `]` was seen. A body that is one object instead (mostly an error) is a single element, which
    `finish` returns.

    Raises EventTooLarge when an element without an end exceeds `max_event_bytes`, TooManyPieces for a read of nothing
    but tiny elements or an element of more than `MOST_BRACKETS`, and BadFraming for anything that is no array of
    values: text before it, a missing comma, something after its end, more than `MAX_DEPTH` brackets inside each other.
    Elements that were whole before are returned first; the next call raises.
    """

    __slots__ = ("_at", "_brackets", "_buffer", "_depth", "_found", "_start", "_state", "closed", "max_event_bytes")

    def __init__(self, max_event_bytes: int = 8 * 1024 * 1024) -> None:
        self.max_event_bytes = max_event_bytes
        self.closed = False
        self._buffer = bytearray()
        self._start = 0  # where the current element begins; bytes before it are dropped
        self._at = 0  # where to continue; bytes before it were scanned
        self._depth = 0  # how many brackets are open inside the element
        self._brackets = 0  # how many brackets of the element were followed so far
        self._found: list[bytes] = []
        self._state: Callable[[JsonArrayDecoder], bool] = JsonArrayDecoder._begin

    def feed(self, data: bytes) -> list[bytes]:
        """Return the elements that `data` completes."""
        self._buffer += data
        while self._at < len(self._buffer) and self._state(self):
            pass
        del self._buffer[: self._start]
        self._at -= self._start
        self._start = 0
        found, self._found = self._found, []
        if len(self._buffer) > self.max_event_bytes and not found:
            raise EventTooLarge(self.max_event_bytes)
        return found

    def finish(self) -> list[bytes]:
        """Return the object at the end of a body that was one object and no array. Half an element is not returned."""
        if self._state is JsonArrayDecoder._bad:
            self._bad()
        return [bytes(self._buffer).rstrip()] if self._state is JsonArrayDecoder._object else []

    # Each state continues at `_at`, and returns False when it needs more bytes.

    def _begin(self) -> bool:
        """Read the beginning of the body."""
        if _BOM.startswith(self._buffer):
            return False
        self._at = len(_BOM) if self._buffer.startswith(_BOM) else 0
        return self._enter(_BEGINNINGS, JsonArrayDecoder._bad)

    def _open(self) -> bool:
        """Read the array's opening bracket."""
        self._at += 1
        self._state = JsonArrayDecoder._first
        return True

    def _first(self) -> bool:
        """Read the first value, or the end of an empty array."""
        return self._enter(_FIRST_VALUES, JsonArrayDecoder._scalar)

    def _value(self) -> bool:
        """Read the value after a comma."""
        return self._enter(_VALUES, JsonArrayDecoder._scalar)

    def _inside(self) -> bool:
        """Skip through an object or array, from bracket to bracket, until it closes."""
        buffer, size, at = self._buffer, len(self._buffer), self._at
        while (at := _match_end(OVER_FLAT_VALUES if self._depth else _TO_BRACKET, buffer, at)) < size:
            self._at = at = at + 1
            if buffer[at - 1] == _QUOTE:
                self._state = JsonArrayDecoder._string
                return True
            self._depth += 1 if buffer[at - 1] in _OPENING else -1
            if not self._depth:
                return self._add_element()
            self._brackets += 1
            if self._brackets > MOST_BRACKETS:
                raise TooManyPieces(MOST_BRACKETS)
            if self._depth > MAX_DEPTH:
                self._state = JsonArrayDecoder._bad
                return True
        self._at = at
        return False

    def _quote(self) -> bool:
        """Read the opening quote of a string that is an element."""
        self._at += 1
        self._state = JsonArrayDecoder._string
        return True

    def _string(self) -> bool:
        """Skip through a string, which is an element or inside of one."""
        self._at = at = _match_end(_STRING, self._buffer, self._at)
        if at == len(self._buffer) or self._buffer[at] == _BACKSLASH:
            return False
        self._at += 1
        self._state = JsonArrayDecoder._inside
        return True if self._depth else self._add_element()

    def _scalar(self) -> bool:
        """Read a number, true, false or null; only the next byte tells that it is whole."""
        self._at = _match_end(_SCALAR, self._buffer, self._at)
        return self._at < len(self._buffer) and self._add_element()

    def _after_value(self) -> bool:
        """Read a comma, or the end of the array."""
        return self._enter(_SEPARATORS, JsonArrayDecoder._bad)

    def _comma(self) -> bool:
        """Read the comma between two elements."""
        self._at += 1
        self._state = JsonArrayDecoder._value
        return True

    def _close(self) -> bool:
        """Read the array's closing bracket."""
        self._at += 1
        self.closed = True
        self._state = JsonArrayDecoder._tail
        return True

    def _tail(self) -> bool:
        """Read what follows the array, which must be white space."""
        return self._enter({}, JsonArrayDecoder._bad)

    def _object(self) -> bool:
        """Keep all of a body that is one object."""
        self._at = len(self._buffer)
        return False

    def _bad(self) -> bool:
        """Refuse a body that has stopped being an array of values."""
        if self._found:
            return False
        raise BadFraming("not an array of JSON values")

    def _enter(self, states: _States, other: Callable[[JsonArrayDecoder], bool]) -> bool:
        """Skip white space, and enter the state for the next byte."""
        self._at = self._start = _match_end(_SPACE, self._buffer, self._at)
        if self._at == len(self._buffer):
            return False
        self._state = states.get(self._buffer[self._at], other)
        return True

    def _add_element(self) -> bool:
        """Add the element from `_start` to `_at`, which is whole, to those that were found."""
        self._found.append(bytes(self._buffer[self._start : self._at]))
        if too_small(len(self._found), self._at):
            raise TooManyPieces(len(self._found))
        self._start = self._at
        self._brackets = 0
        self._state = JsonArrayDecoder._after_value
        return True


_States: TypeAlias = Mapping[int, Callable[[JsonArrayDecoder], bool]]

_BEGINNINGS: _States = {ord("["): JsonArrayDecoder._open, ord("{"): JsonArrayDecoder._object}
_SEPARATORS: _States = {ord(","): JsonArrayDecoder._comma, ord("]"): JsonArrayDecoder._close}
_VALUES: _States = {
    ord("{"): JsonArrayDecoder._inside,
    ord("["): JsonArrayDecoder._inside,
    ord('"'): JsonArrayDecoder._quote,
    **dict.fromkeys(b",]}", JsonArrayDecoder._bad),
}
_FIRST_VALUES: _States = {**_VALUES, ord("]"): JsonArrayDecoder._close}


def _match_end(pattern: re.Pattern[bytes], buffer: bytearray, at: int) -> int:
    """Return where the pattern stops matching. The patterns here always match, if only the empty string."""
    found = pattern.match(buffer, at)
    return found.end() if found else at
