"""Builds a tool call's arguments from pieces with JSON paths, as Gemini streams them on request.

    {"jsonPath": "$.recipe.steps[0]", "stringValue": "Boil", "willContinue": true}

A string is added to the string at its path; any other value is put where its path says (RFC 9535, with names and
indexes only, since a path must mean one value). Nothing is guessed: a piece that does not fit makes the whole call
`broken`, and a list grows only by its next item.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from ..shared.holdings import Holdings

__all__ = ["PartialArguments", "steps_of"]

MAX_DEPTH = 64
_VALUES = ("stringValue", "numberValue", "boolValue", "nullValue")
_STEP = re.compile(r"""\.([^.\[\]]+)|\[(\d{1,9})\]|\['((?:[^'\\]++|\\.)*+)'\]|\["((?:[^"\\]++|\\.)*+)"\]""")
_ABSENT: Any = object()


class _Text(NamedTuple):
    """Holds a string that may still grow; its pieces are joined only once."""

    pieces: list[str]


class PartialArguments:
    """Holds the object built so far. `broken` is set when a piece does not fit, and stays set."""

    __slots__ = ("_holdings", "_root", "broken")

    def __init__(self, holdings: Holdings | None = None) -> None:
        self._holdings = holdings or Holdings()
        self._root: dict[str, Any] = {}
        self.broken = False

    @property
    def value(self) -> dict[str, Any]:
        """Return the object with what has arrived of it."""
        return {name: _plain(value) for name, value in self._root.items()}

    def take(self, piece: Mapping[str, Any]) -> None:
        """Put one piece in its place; a piece without a value only shows that the stream is alive."""
        name = next((name for name in _VALUES if name in piece), None)
        if name is None:
            return
        value = None if name == "nullValue" else piece[name]
        try:
            steps = steps_of(piece.get("jsonPath"))
            self._holdings.piece(value if isinstance(value, str) else "")
            self._put_value(steps, value)
        except LookupError:
            self.broken = True

    def _put_value(self, steps: list[str | int], value: Any) -> None:
        place: Any = self._root
        for step, following in pairwise(steps):
            place = self._child(place, step, [] if isinstance(following, int) else {})
        old = self._child(place, steps[-1], _ABSENT)
        if isinstance(old, dict | list):
            raise LookupError("a value where an object or a list stands")
        if isinstance(old, _Text) and isinstance(value, str):
            old.pieces.append(value)
        else:
            place[steps[-1]] = _Text([value]) if isinstance(value, str) else value

    def _child(self, place: Any, step: str | int, fresh: Any) -> Any:
        """Return the value at a step; `fresh` is put there if there is none. Raises LookupError where it cannot be."""
        if isinstance(place, dict) and isinstance(step, str):
            if step not in place:
                self._holdings.item(step)
                place[step] = fresh
            return place[step]
        if isinstance(place, list) and isinstance(step, int):
            if step == len(place):
                self._holdings.item()
                place.append(fresh)
            return place[step]  # behind a gap this raises IndexError, which is a LookupError
        raise LookupError("no place for this step")


def steps_of(path: Any) -> list[str | int]:
    """Return the steps of a path: `$.a[0]['b c']` is ["a", 0, "b c"]. Raises LookupError for a path that does not mean
    one value."""
    if not isinstance(path, str) or not path.startswith("$"):
        raise LookupError("not a path from the root")
    steps: list[str | int] = []
    place = 1
    while place < len(path):
        found = _STEP.match(path, place)
        if found is None or len(steps) == MAX_DEPTH:
            raise LookupError("not a path to one value")
        steps.append(_step(found))
        place = found.end()
    if not steps:
        raise LookupError("the root itself")
    return steps


def _step(found: re.Match[str]) -> str | int:
    name, index, single, double = found.groups()
    if index is not None:
        return int(index)
    return name if name is not None else re.sub(r"\\(.)", r"\1", double if single is None else single)


def _plain(value: Any) -> Any:
    """Return a part of the object with its strings joined."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return "".join(value.pieces) if isinstance(value, _Text) else value
