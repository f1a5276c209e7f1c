"""JSON values: those of an answer, of which nothing is sure, and the fields of a request.

What has the wrong type counts as absent; a server's odd field must not end a stream. What was not asked for is not
sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["known", "list_of", "merged", "object_of", "text_of", "with_extra"]


def known(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a request that have a value: None is what was not asked for."""
    return {name: value for name, value in fields.items() if value is not None}


def with_extra(fields: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a request with the caller's own over them; a None among those takes a field out of the request."""
    return known({**fields, **extra}) if extra else dict(fields)


def merged(fields: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """The same with objects merged into objects, so that a None takes out a field of an inner one, too."""
    both = {
        name: merged(fields[name], value)
        for name, value in extra.items()
        if isinstance(value, Mapping) and isinstance(fields.get(name), Mapping)
    }
    taken_out = {name for name, value in extra.items() if value is None}
    return {name: value for name, value in {**fields, **extra, **both}.items() if name not in taken_out}


def object_of(value: Any) -> dict[str, Any]:
    """A JSON object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def list_of(value: Any) -> list[Any]:
    """A JSON array; an empty one for anything else."""
    return value if isinstance(value, list) else []


def text_of(value: Any) -> str:
    """A string; an empty one for anything else."""
    return value if isinstance(value, str) else ""
