"""Writes cache marks into a request to Bedrock's Converse API: blocks of their own, each behind what it marks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...messages import Cache

__all__ = ["keeps_marks", "points", "points_of"]


def keeps_marks(model: str) -> bool:
    """Return whether a model takes cache marks; others refuse them."""
    return re.search(r"claude|amazon\.nova", model) is not None


def points(cache: Cache | None, model: str) -> list[dict[str, Any]]:
    """Return the block of a mark, which stands behind what it marks; nothing where the model takes none."""
    if not cache or not keeps_marks(model):
        return []
    return [{"cachePoint": {"type": "default", **({"ttl": cache} if isinstance(cache, str) else {})}}]


def points_of(fields: Mapping[str, Any]) -> Iterator[str]:
    """Return how long each cache point in a body is kept, in the order in which they count."""
    tools = (fields["toolConfig"] or {}).get("tools", ())
    for block in (
        *tools,
        *(fields["system"] or ()),
        *(each for turn in fields["messages"] for each in turn["content"]),
    ):
        if "cachePoint" in block:
            yield block["cachePoint"].get("ttl", "5m")
