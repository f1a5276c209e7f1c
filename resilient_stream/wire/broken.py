"""Makes a failure of what cannot be read, and reads events that are malformed but can still be understood.

It is used only where a read could not be decoded, so a good answer pays nothing for it. Half a JSON text never passes
for a whole one, and nothing that may be content is dropped as meaningless.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ..failures import ErrorKind, Failure
from .limits import EventTooLarge, HeldTooMuch, TooManyPieces
from .surrogates import marked

__all__ = [
    "ARGUMENTS", "LARGE", "MOST_VALUES", "UNREADABLE", "carries_nothing", "event_value", "failure_of",
    "has_crowded_error", "is_crowded", "objects_in", "place_of", "readable", "value_of", "without_halves",
    "without_nothing",
]  # fmt: skip

UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeError, OverflowError)
"""What msgspec and Python raise for bytes that are not the JSON, or not of the type, that is asked for."""

_NOTHING = re.compile(
    rb'\s*+(?:null|true|false|\[\s*+\]|-?[0-9][0-9.eE+-]*+|"(?:[^"\\]++|\\.)*+"|[^\w{["]*+\[?+(?:'
    rb"keep[ _-]?alive|ping|pong|heart[ _-]?beat|noop|ok|alive|waiting|(?:openrouter )?processing|connected)"
    rb"[^\w{[\"]*+)?+\s*+",
    re.DOTALL | re.IGNORECASE,
)
"""An event that carries nothing: blank, a value that is no object, or a word that keeps a connection alive."""

ARGUMENTS = ("arguments", "input", "args", "parameters", "partial_json")
"""The field names under which servers send the arguments of a tool call."""

_RAW_LIST = msgspec.json.Decoder(list[msgspec.Raw])

_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_ERROR = re.compile(rb'"error"\s*+:\s*+[\[{]')

_HEX = rb"[0-9a-fA-F]{2}"
_PAIR = rb"u[dD][89abAB]%b\\u[dD][c-fC-F]%b" % (_HEX, _HEX)
_SOUND = re.compile(rb"(?:[^\\]++|\\(?:[^u]|u(?![dD][89a-fA-F])|%b))*+" % _PAIR, re.DOTALL)
_HALF = re.compile(rb"\\u([dD][89a-fA-F]%b)" % _HEX)
"""Half a pair of surrogates."""

_USUAL = re.compile(
    rb'(?:[^"0-9]++|"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[0-9]{1,18}+(?:\.[0-9]{1,18}+)?+(?![0-9.eE]))*+', re.DOTALL
)
_NO_NUMBER = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|-?\b(?:NaN|Infinity)\b', re.DOTALL)
_NUMBER = re.compile(rb"[0-9][0-9.eE+-]*+")

LONG_LIST = 64 * 1024
"""Bytes of a list that is looked into; nobody sends longer ones for an event."""
MOST_PIECES = 4_000
"""Twice as many places of one event as are mended; an event with more of them stays unreadable."""
LONE = "\ufffd".encode()
_UNREAD = "\ufffe\ufffe".encode()
_UNREAD_NUMBER = re.compile(b'"%b([^"]*+)"' % _UNREAD)
"""A number that nobody can read, set aside as a text that no server sends."""
LARGE = 1024 * 1024
"""Bytes of an event from which on its values are counted before all of them become objects of Python."""
MOST_VALUES = 200_000
"""Commas and opening brackets of such an event; 200,000 keys take 0.07 s. The probabilities of 4,000 tokens of a whole
answer, with five others for each, are 172,000."""


def failure_of(error: Exception, code: str = "bad_json") -> Failure:
    """Return the failure for an exception that was raised while an answer was read."""
    if isinstance(error, EventTooLarge):
        if isinstance(error, TooManyPieces):
            facts = {"limit": f"{error.limit} pieces"}  # no real answer has so many, so another target may work
            return Failure(kind=ErrorKind.BUFFER_LIMIT, code="pieces", fallback=True, facts=facts)
        held = "held" if isinstance(error, HeldTooMuch) else ""
        return Failure(kind=ErrorKind.BUFFER_LIMIT, code=held, facts={"limit": f"{error.limit} bytes"})
    return Failure(kind=ErrorKind.PROTOCOL_ERROR, code=code, detail=place_of(error))


def place_of(error: Exception) -> str:
    """Return where the JSON broke, without any of it: msgspec's messages name positions and types, not values."""
    if isinstance(error, UnicodeError):
        return "text that is not UTF-8"
    return str(error).split("\n", 1)[0][:120]


def carries_nothing(payload: bytes) -> bool:
    """Return whether an event is blank, a value that is no object, or a word that keeps a connection alive."""
    return _NOTHING.fullmatch(payload) is not None


def objects_in(payload: bytes) -> list[bytes]:
    """Return the JSON objects of an event that could not be decoded: none if it carries nothing, several for a list.

    Raises one of UNREADABLE for half a JSON value, or text that is no JSON.
    """
    if carries_nothing(payload):
        return []
    if not payload.lstrip().startswith(b"[") or len(payload) > LONG_LIST:
        return [payload]
    return [bytes(item) for item in _RAW_LIST.decode(payload) if bytes(item)[:1] == b"{"]


def readable(payload: bytes, mark: bool = True) -> bytes:
    """Return JSON without what msgspec refuses though most parsers accept it: half surrogate pairs, numbers too large,
    and what Python writes for a number that is none.

    Such a number becomes null. The arguments of a tool call that have one become a text, as they were written, which no
    reader of arguments accepts, so that no tool is run with a null in its place. A half is marked (see
    `surrogates.py`), to be joined to its other half in a later event; without `mark` it becomes U+FFFD.
    """
    sound = without_halves(_without_numbers(_without_words(payload)), mark)
    return _settled(sound) if _UNREAD in sound else sound


def _settled(payload: bytes) -> bytes:
    """Return JSON with null for each number that was set aside, except in the arguments of tool calls."""
    if len(payload) <= LARGE and any(b'"%b"' % name.encode() in payload for name in ARGUMENTS):
        try:
            return msgspec.json.encode(_with_numbers(msgspec.json.decode(payload)))
        except UNREADABLE:
            pass
    return _UNREAD_NUMBER.sub(b"null", payload)


def _with_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _as_written(each) if name in ARGUMENTS else _with_numbers(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_with_numbers(each) for each in value]
    return None if isinstance(value, str) and value.startswith(_UNREAD.decode()) else value


def _as_written(arguments: Any) -> Any:
    """Return arguments in which a number was set aside as their text, and others as they are."""
    text, count = _UNREAD_NUMBER.subn(rb"\1", msgspec.json.encode(arguments))
    return text.decode() if count else arguments


def without_nothing(payload: bytes) -> bytes:
    """Return JSON without the fields that hold null, an empty list or an empty object, and without the nulls of lists.
    Raises one of UNREADABLE.

    Gateways in PHP and Lua write an empty list as an object or an empty object as a list, and those in Go write null
    for a number, so a field of these is of a wrong type though it says nothing. The arguments of a tool call stay as
    they are, since there it does say something.
    """
    return msgspec.json.encode(_with_values(msgspec.json.decode(payload)))


def _with_values(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: each if name in ARGUMENTS else _with_values(each)
            for name, each in value.items()
            if each not in (None, [], {})
        }
    return [_with_values(each) for each in value if each is not None] if isinstance(value, list) else value


def is_crowded(payload: bytes, start: int = 0) -> bool:
    """Return whether a large event has more values, from `start` on, than may be decoded while the event loop waits."""
    if len(payload) - start <= LARGE or _marks(payload, start) <= MOST_VALUES:
        return False
    # The marks may be inside a long text. Leaving texts out costs little only where there are few of them.
    quotes = payload.count(b'"', start) - payload.count(b'\\"', start)
    return quotes > MOST_VALUES or _marks(_TEXT.sub(b"", payload[start:])) > MOST_VALUES


def _marks(payload: bytes, start: int = 0) -> int:
    return sum(payload.count(mark, start) for mark in (b",", b"[", b"{"))


def has_crowded_error(payload: bytes) -> bool:
    """Return whether the errors in a large event have more values than may be decoded while the event loop waits."""
    if len(payload) <= LARGE or (at := payload.find(b'"error"')) < 0:
        return False
    error = _ERROR.search(payload, at)
    return error is not None and is_crowded(payload, error.start())


def event_value(payload: bytes) -> Any:
    """Return the value of an event that was skipped while it was read; None if it is no JSON. Raises TooManyPieces."""
    if is_crowded(payload):
        raise TooManyPieces(MOST_VALUES)
    return value_of(payload)


def value_of(payload: bytes) -> Any:
    """Return the value of a JSON text that was skipped while its event was read; None if it is no JSON."""
    try:
        return msgspec.json.decode(payload)
    except UNREADABLE:
        pass
    try:
        return msgspec.json.decode(readable(payload, mark=False))
    except UNREADABLE:
        return None


def without_halves(data: bytes, mark: bool) -> bytes:
    """Return a JSON text, or the inside of a string, with half surrogate pairs replaced."""
    pieces: list[bytes] = []
    at = 0 if b"\\u" in data else len(data)
    while at < len(data) and len(pieces) < MOST_PIECES:
        end = _match_end(_SOUND, data, at)
        half = _HALF.match(data, end)
        if half is None:  # nothing is broken, or an escape cannot be mended
            break
        pieces += data[at:end], marked(int(half[1], 16)).encode() if mark else LONE
        at = half.end()
    return b"".join((*pieces, data[at:])) if pieces else data


def _without_words(data: bytes) -> bytes:
    """Return JSON with the words set aside that Python writes for a number that is none."""
    if b"NaN" not in data and b"Infinity" not in data:
        return data
    return _NO_NUMBER.sub(lambda found: found[0] if found[0].startswith(b'"') else _set_aside(found[0]), data)


def _set_aside(number: bytes) -> bytes:
    """Return the text that stands for a number that nobody can read until its place is known."""
    return b'"%b%b"' % (_UNREAD, number)


def _without_numbers(data: bytes) -> bytes:
    pieces: list[bytes] = []
    at = kept = 0
    while at < len(data) and len(pieces) < MOST_PIECES:
        start = _match_end(_USUAL, data, at)
        number = _NUMBER.match(data, start)
        if number is None:
            break
        at = number.end()
        if not _is_number(number[0]):
            before = data[kept:start].removesuffix(b"-")
            pieces += before, _set_aside(data[kept + len(before) : at])
            kept = at
    return b"".join((*pieces, data[kept:])) if pieces else data


def _is_number(text: bytes) -> bool:
    try:
        msgspec.json.decode(text)
    except UNREADABLE as error:
        return "range" not in str(error)
    return True


def _match_end(pattern: re.Pattern[bytes], data: bytes, at: int) -> int:
    """Return where the pattern stops matching. The patterns here always match, if only the empty string."""
    found = pattern.match(data, at)
    return found.end() if found else at
