"""Reads a tool call's arguments: turns the text that a model wrote into the JSON object that it meant.

All arguments are read here, so that what a transcript calls readable is what a tool gets. Nothing is guessed: a text
that could mean two things is no object.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import msgspec

__all__ = ["as_object_text", "holds_more", "parse_arguments"]

_NOTHING = frozenset({"", "null", "[]", '""', "None", "undefined"})
"""How servers write the arguments of a call that has none."""

_LAYERS = 2
"""How often an object may stand inside of a JSON string; some servers encode once too often, none three times."""

_ESCAPES = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u(?P<half>[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""Each escape of a JSON text; `half`: half of a pair of surrogates, without the other one."""


def as_object_text(text: str) -> str | None:
    """Return the arguments as the text of one JSON object; None when they are no object.

    Nothing, in any of its spellings, becomes `{}`. An object written as a JSON string counts, and raw line ends and
    tabs in its strings are accepted.
    """
    if (value := parse_arguments(text)) is None:
        return None
    stripped = text.strip()
    if stripped.startswith("{") and _decoded(stripped, msgspec.json.decode) is not None:
        return stripped
    return msgspec.json.encode(value).decode()


def parse_arguments(text: str) -> dict[str, Any] | None:
    """Return a tool call's arguments as an object; None when they are not one. Empty arguments mean `{}`."""
    value: Any = text
    for _ in range(_LAYERS + 1):
        if not isinstance(value, str):
            break
        text = value.strip()
        if text in _NOTHING:
            return {}
        value = _decoded(text, msgspec.json.decode)
        if value is None:
            value = _decoded(_without_halves(text), _leniently)
    return value if isinstance(value, dict) else None


def holds_more(text: str) -> bool:
    """Return whether a text is a JSON value followed by something else, usually the arguments of another call."""
    text = text.strip()
    try:
        return json.JSONDecoder(strict=False).raw_decode(text)[1] < len(text)
    except (ValueError, RecursionError):
        return False


def _decoded(text: str, decode: Any) -> Any:
    try:
        return decode(text)
    except (ValueError, RecursionError):  # msgspec's errors, and those of Unicode, are ValueErrors
        return None


def _leniently(text: str) -> Any:
    """Decode JSON whose strings may hold raw line ends and tabs, as models write them; NaN and infinity stay
    forbidden."""
    return json.loads(text, strict=False, parse_constant=_refused, parse_float=_finite)


def _refused(text: str) -> Any:
    raise ValueError("not a JSON number")


def _finite(text: str) -> float:
    return value if math.isfinite(value := float(text)) else _refused(text)


def _without_halves(text: str) -> str:
    """Return a value with U+FFFD in place of half surrogate pairs."""
    return _ESCAPES.sub(lambda found: "\\ufffd" if found["half"] else found[0], text)
