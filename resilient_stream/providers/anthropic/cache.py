"""Writes cache marks for Anthropic's models, which say up to where a prompt is kept for further calls.

A mark covers everything in front of it, tools first, then the system prompt, then the turns. What the API refuses is
refused here, before anything is sent. Bedrock's Converse has marks of its own form under the same rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...fitting.told import refusal
from ...messages import Cache

__all__ = ["MOST_MARKS", "check_marks", "marks_of", "with_mark"]

MOST_MARKS = 4


def with_mark(block: dict[str, Any], cache: Cache | None) -> dict[str, Any]:
    """Return a block with its mark, if it has one."""
    if not cache:
        return block
    return {**block, "cache_control": {"type": "ephemeral", **({"ttl": cache} if isinstance(cache, str) else {})}}


def marks_of(body: Mapping[str, Any]) -> Iterator[str]:
    """Return how long each cache mark in a body of the Messages API is kept, in the order in which they count."""
    for block in _blocks(body):
        if "cache_control" in block:
            yield block["cache_control"].get("ttl", "5m")


def check_marks(marks: Iterable[str]) -> None:
    """Raise StreamError for more marks than the API takes, and for a long one behind a short one."""
    found = list(marks)
    if len(found) > MOST_MARKS:
        raise refusal(f"{len(found)} cache marks (give at most {MOST_MARKS}; each covers all that is in front of it)")
    if "1h" in found and "5m" in found[: len(found) - 1 - found[::-1].index("1h")]:
        raise refusal('a cache mark of "1h" behind one of "5m" (put the longer ones first)')


def _blocks(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from body["tools"] or ()
    lists = (body["system"], *(turn["content"] for turn in body["messages"]))
    for blocks in lists:
        for block in blocks if isinstance(blocks, list) else ():
            inner = block.get("content")
            yield from inner if block["type"] == "tool_result" and isinstance(inner, list) else ()
            yield block
