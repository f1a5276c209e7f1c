"""Reads Anthropic's token counts, of whole answers and of events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...chunks import Usage
from ..shared.counts import count

__all__ = ["COUNTS", "read_usage"]

COUNTS = (
    "input_tokens", "output_tokens", "output_tokens_details", "cache_read_input_tokens", "cache_creation_input_tokens",
)  # fmt: skip
"""The fields that are read; an event may have some of them."""


def read_usage(usage: Mapping[str, Any]) -> Usage:
    """Return Anthropic's counts as it gives them: `input_tokens` excludes tokens that the cache read or wrote."""
    details = usage.get("output_tokens_details")
    return Usage(
        input_tokens=count(usage.get("input_tokens")),
        output_tokens=count(usage.get("output_tokens")),
        reasoning_tokens=count(details.get("thinking_tokens")) if isinstance(details, dict) else None,
        cached_input_tokens=count(usage.get("cache_read_input_tokens")),
        cache_write_tokens=count(usage.get("cache_creation_input_tokens")),
    )
