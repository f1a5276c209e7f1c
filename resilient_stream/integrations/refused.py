"""Defines `Refused`: a request that is not served, because of what it asks for, how it is written, or what came of it.

Each API has an error object of its own; a `Refused` says what all of them tell.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from ..failures import StreamMisused
from ..given.checks import json_object

__all__ = ["Refused", "check_name", "flag", "known_only", "misused", "object_with"]

_PLACE = re.compile(r"([a-z_]+(?:\[\d+\]|\.[A-Za-z_]+)*)(?::| must )")
"""How a StreamMisused begins that is about a value: `messages[2].content: …`, `top_k must be …`."""


class Refused(Exception):
    """A request cannot be served as it is. param: the field that is wrong. status, code: as the API's errors have them,
    where the default is not right."""

    def __init__(self, message: str, param: str | None = None, *, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.status = status
        self.code = code


def misused(error: StreamMisused) -> Refused:
    """Return what a client is told of a value that `Client.stream` refused; the place in front of it is the field."""
    said = str(error)
    place = _PLACE.match(said)
    return Refused(said, place[1] if place else None)


def object_with(place: str, value: Any, names: Collection[str]) -> dict[str, Any]:
    """Return an object that has no other fields than these. Raises Refused, and StreamMisused for what is no object."""
    given = json_object(place, value)
    known_only(place, given, names)
    return given


def known_only(place: str, given: Mapping[str, Any], names: Collection[str]) -> None:
    """Raise Refused for a field that has no place here, and would be lost."""
    unknown = next((name for name, value in given.items() if name not in names and value is not None), None)
    if unknown is not None:
        raise Refused(f"{place}.{unknown[:40]}: not a known field", f"{place}.{unknown[:40]}")


def flag(name: str, value: Any) -> bool:
    """Return a value that is true or false. Raises Refused for anything else, also for the text "false"."""
    if not isinstance(value, bool):
        raise Refused(f"{name}: give true or false", name)
    return value


def check_name(name: str) -> None:
    """Raise Refused for a field whose name has a meaning for `extra`, where it would say for whom other fields are."""
    if name.endswith((":", "!")):
        raise Refused(f"{name[:40]}: not a known field", name[:40])
