"""JSON values: those of an answer, of which nothing is sure, and the fields of a request.

The one rule: what has the wrong type counts as absent; a server's odd field must not end a stream.
What was not asked for is not sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["known", "merged", "object_of", "text_of"]


def known(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a request that have a value: None is what was not asked for."""
    return {name: value for name, value in fields.items() if value is not None}


def merged(fields: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """`extra` over `fields`, objects into objects; lists are replaced."""
    both = {
        name: merged(fields[name], value)
        for name, value in extra.items()
        if isinstance(value, Mapping) and isinstance(fields.get(name), Mapping)
    }
    return {**fields, **extra, **both}


def object_of(value: Any) -> dict[str, Any]:
    """A JSON object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def text_of(value: Any) -> str:
    """A string; an empty one for anything else."""
    return value if isinstance(value, str) else ""
