"""Reads a JSON text as it arrives without keeping its long strings, so that a long answer needs little memory.

    {"choices":[{"message":{"content":"… 100 MB …"},"finish_reason":"stop"}],"usage":{…}}
    {"choices":[{"message":{"content":"5e0f…:0"},"finish_reason":"stop"}],"usage":{…}}       5e0f…:0 = bytes 35 to …

What may be long is named by its path; a long string there is checked, replaced by a mark and forgotten, whatever its
length. Everything else is kept and bounded, so memory is bounded by `max_bytes`. Nothing is interpreted: brackets are
counted and strings are followed; the outline's reader says whether it is JSON.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

import msgspec

from .json_array import OVER_FLAT_VALUES
from .json_string import JsonString
from .limits import MAX_DEPTH, BadFraming, EventTooLarge, TooManyPieces

__all__ = ["JsonOutline", "Span", "paths"]

KEPT = 4 * 1024
"""Bytes of a string that stay where they are; a longer one is taken out."""

MOST_STEPS = 500_000
"""Brackets, commas and strings that are followed one by one, which takes half a second. The longest answers with log
probabilities have some 300,000."""
MANY_STEPS = 50_000
"""Steps from which on each must have made way: two bytes, on average, where the shortest answers have more."""

_QUOTE, _BACKSLASH, _COMMA = b'"\\,'
_OBJECT, _ARRAY = b"{["
_OPENING = b"{["
_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
"""Matches up to a string's closing quote, the end of what is there, or a backslash that is the last byte there."""
_TO_MARK = re.compile(rb'[^"\[\]{},]*+')
_SPACE = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*+")
_BOM = b"\xef\xbb\xbf"

Node: TypeAlias = "Mapping[str, Node]"
"""What may be long below a place: the names and indexes that lead there. `"*"` stands for any index, `""` for the
place itself."""

_NOWHERE: Node = {}


class Span(NamedTuple):
    """Marks the inside of a string: from byte `start` of the body up to `end`, without the quotes."""

    start: int
    end: int


def paths(*names: str) -> Node:
    """Return the places of long strings, given as "choices.0.message.content"; "*" is any index of an array."""
    root: dict[str, Node] = {}
    for name in names:
        place: dict[str, Node] = root
        for step in name.split("."):
            place = place.setdefault(step, {})  # type: ignore[assignment]
        place[""] = {}
    return root


class JsonOutline:
    """Builds the outline of one JSON object or array incrementally.

    text: the outline so far. spans: the string that each mark in it stands for. closed: the last bracket was seen.

    Raises EventTooLarge when the outline exceeds `max_bytes`, TooManyPieces for too many values, BadFraming for what
    cannot become JSON: no bracket first, a closing bracket too many, nesting beyond 200, an invalid long string.
    """

    __slots__ = (
        "_at",
        "_begin",
        "_brackets",
        "_check",
        "_child",
        "_cut",
        "_indexes",
        "_kept",
        "_key_next",
        "_mark",
        "_max",
        "_nodes",
        "_shift",
        "_state",
        "_steps",
        "closed",
        "spans",
        "text",
    )  # fmt: skip

    def __init__(self, places: Node, max_bytes: int = 8 * 1024 * 1024) -> None:
        self.text = bytearray()
        self.spans: dict[str, Span] = {}
        self.closed = False
        self._max = max_bytes
        self._kept = min(KEPT, max_bytes // 4)
        self._at = 0  # where to continue in `text`; what is before it was scanned
        self._shift = 0  # the difference between a place in the body and one in `text`
        self._brackets = bytearray()  # the brackets that are open
        self._nodes: list[Node] = []  # the places of the open brackets
        self._indexes: list[int] = []
        self._child = places  # the place of the next value
        self._key_next = False
        self._begin = 0  # where the current string begins in `text`
        self._cut: int | None = None  # where the current string began in the body, once it is taken out
        self._check = JsonString()
        self._mark = ""  # random and made when first needed, so that no string of the answer can be taken for a mark
        self._steps = 0
        self._state: Callable[[JsonOutline], bool] = JsonOutline._start

    def feed(self, data: bytes) -> None:
        """Continue with `data`."""
        self.text += data
        while self._at < len(self.text) and self._state(self):
            self._steps += 1
            if self._steps > MANY_STEPS and self._is_crowded():
                raise TooManyPieces(MANY_STEPS)
        if len(self.text) > self._max:
            raise EventTooLarge(self._max)

    def _is_crowded(self) -> bool:
        return self._steps > MOST_STEPS or self._at + self._shift < 2 * self._steps

    # Each state continues at `_at`, and returns False when it needs more bytes.

    def _start(self) -> bool:
        """Skip white space before everything, which servers send to keep a connection alive."""
        found = _SPACE.match(self.text)
        self._at = found.end() if found else 0
        self._drop_space()
        if _BOM.startswith(self.text):  # nothing, or the beginning of a byte order mark
            return False
        if self.text[0] not in _OPENING:
            raise BadFraming("no JSON object")
        self._state = JsonOutline._between
        return True

    def _drop_space(self) -> None:
        del self.text[: self._at]
        self._shift += self._at
        self._at = 0

    def _between(self) -> bool:
        """Move to the next character outside of strings that changes the place."""
        known = not self._nodes or bool(self._nodes[-1])
        self._at = at = _match_end(_TO_MARK if known else OVER_FLAT_VALUES, self.text, self._at)
        if at == len(self.text):
            return False
        self._at += 1
        _MARKS[self.text[at]](self)
        return True

    def _open(self) -> None:
        node = self._place()
        if len(self._brackets) == MAX_DEPTH:
            raise BadFraming(f"more than {MAX_DEPTH} brackets inside each other")
        bracket = self.text[self._at - 1]
        self._brackets.append(bracket)
        self._nodes.append(node)
        self._indexes.append(0)
        self._key_next = bracket == _OBJECT

    def _close(self) -> None:
        if not self._brackets:
            raise BadFraming("a closing bracket too many")
        self._brackets.pop()
        self._nodes.pop()
        self._indexes.pop()
        self._key_next = False
        if not self._brackets:
            self.closed = True
            self._state = JsonOutline._after_end

    def _comma(self) -> None:
        self._indexes[-1] += 1
        self._key_next = self._brackets[-1] == _OBJECT

    def _quote(self) -> None:
        self._begin = self._at
        if self._key_next and self._nodes[-1]:
            self._state = JsonOutline._key
        elif "" in self._place():
            self._state = JsonOutline._long
        else:
            self._state = JsonOutline._short

    def _place(self) -> Node:
        """Return the place of the value that begins here."""
        if not self._nodes or self._brackets[-1] == _OBJECT:
            place, self._child = self._child, _NOWHERE
            return place
        node = self._nodes[-1]
        return node.get(str(self._indexes[-1])) or node.get("*") or _NOWHERE

    def _key(self) -> bool:
        """Read a name, which leads to the place of the value after it."""
        if not self._to_end():
            return False
        name = bytes(self.text[self._begin : self._at - 1])
        self._child = self._nodes[-1].get(_name(name)) or _NOWHERE
        self._key_next = False
        return True

    def _short(self) -> bool:
        """Read a string that is kept."""
        return self._to_end()

    def _long(self) -> bool:
        """Read a string that is taken out if it is long."""
        ended = self._to_end()
        at = self._at - ended
        if self._cut is not None or at - self._begin > self._kept:
            self._take_out(at)
            if ended:
                self._put_mark()
        return ended

    def _to_end(self) -> bool:
        """Move behind the closing quote, if it has arrived."""
        quote = self.text.find(_QUOTE, self._at)
        end = len(self.text) if quote < 0 else quote
        plain = self.text.find(_BACKSLASH, self._at, end) < 0
        self._at = end if plain else _match_end(_STRING, self.text, self._at)
        if self._at == len(self.text) or self.text[self._at] == _BACKSLASH:
            return False
        self._at += 1
        self._state = JsonOutline._between
        return True

    def _take_out(self, at: int) -> None:
        """Check the string up to `at`, and drop it."""
        if self._cut is None:
            self._cut = self._begin + self._shift
            self._check = JsonString()
        self._check.feed(bytes(self.text[self._begin : at]))
        del self.text[self._begin : at]
        self._shift += at - self._begin
        self._at -= at - self._begin

    def _put_mark(self) -> None:
        """Put the mark of a string that has ended in its place."""
        self._check.finish()
        assert self._cut is not None
        self._mark = self._mark or secrets.token_hex(8)
        name = f"{self._mark}:{len(self.spans)}"
        self.spans[name] = Span(self._cut, self._begin + self._shift)
        self._cut = None
        self.text[self._begin : self._begin] = name.encode()
        self._shift -= len(name)
        self._at += len(name)

    def _after_end(self) -> bool:
        """Keep what comes behind the last bracket; whoever decodes the outline refuses it."""
        self._at = len(self.text)
        return False


_MARKS: Mapping[int, Callable[[JsonOutline], None]] = {
    _OBJECT: JsonOutline._open,
    _ARRAY: JsonOutline._open,
    ord("}"): JsonOutline._close,
    ord("]"): JsonOutline._close,
    _COMMA: JsonOutline._comma,
    _QUOTE: JsonOutline._quote,
}


def _name(name: bytes) -> str:
    """Return a key as text; None for an invalid string, which leads nowhere."""
    try:
        return msgspec.json.decode(b'"%b"' % name, type=str) if b"\\" in name else name.decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def _match_end(pattern: re.Pattern[bytes], buffer: bytearray, at: int) -> int:
    """Return where the pattern stops matching. The patterns here always match, if only the empty string."""
    found = pattern.match(buffer, at)
    return found.end() if found else at
