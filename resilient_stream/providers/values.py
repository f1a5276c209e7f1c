"""Values of decoded JSON, of which nothing is sure.

The one rule: what has the wrong type counts as absent; a server's odd field must not end a stream.
"""

from __future__ import annotations

from typing import Any

__all__ = ["object_of", "text_of"]


def object_of(value: Any) -> dict[str, Any]:
    """A JSON object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def text_of(value: Any) -> str:
    """A string; an empty one for anything else."""
    return value if isinstance(value, str) else ""
