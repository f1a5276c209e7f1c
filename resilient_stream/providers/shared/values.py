"""Reads JSON values of an answer, whose types are never certain, and builds the fields of a request.

A value of the wrong type counts as absent, because a server's odd field must not end a stream. What the caller did not
ask for is not sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["items_in", "known", "list_of", "listed", "merged", "object_of", "text_of", "with_extra"]


def known(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a request that have a value; None means that it was not asked for."""
    return {name: value for name, value in fields.items() if value is not None}


def with_extra(fields: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a request overridden by the caller's own; a None among those removes a field."""
    return known({**fields, **extra}) if extra else dict(fields)


def merged(fields: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a request overridden by the caller's own, with objects merged into objects, so that a None
    can remove a field of an inner one."""
    both = {
        name: merged(fields[name], value)
        for name, value in extra.items()
        if isinstance(value, Mapping) and isinstance(fields.get(name), Mapping)
    }
    taken_out = {name for name, value in extra.items() if value is None}
    return {name: value for name, value in {**fields, **extra, **both}.items() if name not in taken_out}


def object_of(value: Any) -> dict[str, Any]:
    """Return a JSON object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def list_of(value: Any) -> list[Any]:
    """Return a JSON array; an empty one for anything else."""
    return value if isinstance(value, list) else []


def listed(value: Any) -> list[Any]:
    """Return a JSON array; one of a single element for an object in its place, and an empty one for anything else."""
    return [value] if isinstance(value, dict) and value else list_of(value)


def items_in(value: Any) -> list[Any]:
    """Return what is in a list, or the one value that stands in its place."""
    return value if isinstance(value, list) else [value] if value else []


def text_of(value: Any) -> str:
    """Return a string; an empty one for anything else."""
    return value if isinstance(value, str) else ""
