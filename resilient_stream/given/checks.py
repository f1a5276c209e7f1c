"""Makes what a caller gives fit to be sent: texts that can be written as UTF-8, values that JSON has.

What cannot be sent is reported with its place (`.limits[3].most`) before anything is sent. What comes out is a copy;
the caller's objects are not changed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

from ..failures import StreamMisused
from ..text.harmless import safe_name

__all__ = [
    "MAX_DEPTH", "Unfit", "check_depth", "header_values", "json_object", "number", "one_answer", "plain", "text",
    "whole_text",
]  # fmt: skip

MAX_DEPTH = 100
"""Levels of objects and lists in one another: more than any provider reads, and less than a decoder can bear."""

_MAX_INT = 2**63 - 1


class Unfit(ValueError):
    """Reports a value that cannot be sent. The message begins with the place, like `.name[3]: …`."""

    def __init__(self, words: str) -> None:
        super().__init__(text(words))  # pydantic cannot print half a character


def text(value: str) -> str:
    """Return a text as it can be sent: two halves of a character are joined, a single half becomes U+FFFD."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return value


def whole_text(name: str, value: Any) -> str:
    """Return a value, which has to be a text, as it can be sent. Raises StreamMisused for anything else."""
    if not isinstance(value, str):
        raise StreamMisused(f"{name}: give a text, not {_kind(value)}")
    return text(value)


def json_object(name: str, value: Any) -> dict[str, Any]:
    """Return a copy of an object that JSON can write. StreamMisused says what is wrong in it, and where."""
    if not isinstance(value, Mapping):
        raise StreamMisused(f"{name}: give a dict, not {_kind(value)}")
    try:
        made: dict[str, Any] = plain(value)
    except Unfit as error:
        raise StreamMisused(f"{name}{error}") from None
    return made


def header_values(name: str, value: Any) -> dict[str, str]:
    """Return a copy of headers, all texts. StreamMisused names a header that is no text, or whose value only the
    transport can know; a value is never shown."""
    if not isinstance(value, Mapping):
        raise StreamMisused(f"{name}: give a dict, not {_kind(value)}")
    for header, content in value.items():
        if not isinstance(header, str):
            raise StreamMisused(f"{name}: names of headers are texts, not {_kind(header)}")
        if not isinstance(content, str):
            raise StreamMisused(f"{name}[{safe_name(header)!r}]: give a text, not {_kind(content)}")
        if header.strip().lower() in _FRAMING:
            raise StreamMisused(f"{name}[{header.strip()!r}]: is set when the request is sent; leave it out")
    return dict(value)


_FRAMING = frozenset({"content-length", "transfer-encoding"})
"""Headers that say where the body ends. A wrong one makes a server wait for ever, or take the rest of the body for
another request."""


def one_answer(name: str, extra: Mapping[str, Any]) -> None:
    """Raise StreamMisused for a field that asks for several answers, in the words of any dialect."""
    for field, value in extra.items():
        if field in _COUNTS and isinstance(value, int) and value > 1:
            raise StreamMisused(
                f"{name}[{field!r}]: a call gives one answer; start {value} calls side by side, such as "
                f"asyncio.gather(*(client.complete(…) for _ in range({value})))"
            )
        if isinstance(value, Mapping):
            one_answer(f"{name}[{field!r}]", value)


_COUNTS = frozenset({
    "n", "best_of", "candidateCount", "candidate_count", "num_generations", "numGenerations", "num_results",
    "numResults", "num_return_sequences",
})  # fmt: skip
"""What dialects call the number of answers."""


def check_depth(name: str, value: Any, most: int) -> None:
    """Raise StreamMisused for objects and lists that are nested deeper than so many levels."""
    waiting = [(value, 0)]
    while waiting:
        each, depth = waiting.pop()
        if isinstance(each, Mapping | list | tuple):
            if depth >= most:
                raise StreamMisused(f"{name}: more than {most} levels in one another, or a circle")
            waiting += [(item, depth + 1) for item in (each.values() if isinstance(each, Mapping) else each)]


def number(name: str, value: Any, least: float | None, *, whole: bool = False) -> Any:
    """Return a number that is in range; else raise an error that names it. None is allowed; NaN and infinity are in no
    range."""
    if value is None:
        return None
    wanted = "an integer" if whole else "a number"
    of_kind = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not of_kind or not (-_MAX_INT <= value <= _MAX_INT) or (least is not None and value < least):
        raise StreamMisused(
            f"{name} must be {wanted}{'' if least is None else f' of at least {least:g}'}, not {_number_or_type(value)}"
        )
    return value


def plain(value: Any, place: str = "", depth: int = 0) -> Any:
    """Return a value as JSON has it, with its texts made fit. Raises Unfit."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text(str.__str__(value))
    if isinstance(value, int | float):
        return _number(value, place)
    if depth >= MAX_DEPTH:
        raise Unfit(f"{place[:60]}…: more than {MAX_DEPTH} levels in one another, or a circle")
    if isinstance(value, Mapping):
        return {_key(key, place): plain(item, f"{place}.{key}", depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, f"{place}[{number}]", depth + 1) for number, item in enumerate(value)]
    if isinstance(value, Enum):
        return plain(value.value, place, depth + 1)
    raise Unfit(f"{place}: JSON has no {type(value).__name__}")


def _number(value: float, place: str) -> int | float:
    if isinstance(value, int):
        if not -_MAX_INT - 1 <= value <= 2 * _MAX_INT + 1:
            raise Unfit(f"{place}: an integer of more than 64 bits")
        return int(value)
    if not math.isfinite(value):
        raise Unfit(f"{place}: JSON has no {value}")
    return float(value)


def _key(key: Any, place: str) -> str:
    if not isinstance(key, str):
        raise Unfit(f"{place}: names in JSON are texts, not {_kind(key)}")
    return text(key)


def _kind(value: Any) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"


def _number_or_type(value: Any) -> str:
    """Return a number unchanged, unless it is longer than a line; for anything else return its type."""
    if isinstance(value, int) and abs(value) > _MAX_INT:
        return "one of more than 64 bits"
    return repr(value) if isinstance(value, int | float) else _kind(value)
