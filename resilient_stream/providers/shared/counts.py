"""Reads token counts as providers write them.

What is no count is not reported; a zero is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...chunks import Usage
from .values import object_of

__all__ = ["count", "openai_usage"]


MOST = 2**63


def count(value: Any) -> int | None:
    """Return a count as an integer; None for anything that cannot be one, like a number beyond 64 bits."""
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < MOST else None


def openai_usage(usage: Mapping[str, Any], read: str = "prompt", written: str = "completion") -> Usage:
    """Read OpenAI's usage object. read, written: the words for the two directions, which its Responses API calls input
    and output.

    DeepSeek's name for cached tokens is understood, too. The counts stay as the provider gives them.
    """
    reading, writing = (object_of(usage.get(f"{word}_tokens_details")) for word in (read, written))
    cached = count(reading.get("cached_tokens"))
    return Usage(
        input_tokens=count(usage.get(f"{read}_tokens")),
        output_tokens=count(usage.get(f"{written}_tokens")),
        reasoning_tokens=count(writing.get("reasoning_tokens")),
        cached_input_tokens=count(usage.get("prompt_cache_hit_tokens")) if cached is None else cached,
        cache_write_tokens=count(reading.get("cache_write_tokens")),
    )
