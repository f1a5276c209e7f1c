"""Knows the hosts of OpenAI's shape that take cache marks, in Anthropic's form; the others keep prompts by
themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...messages import Message, Tool
from ..anthropic.cache import with_mark
from ..shared.chat_shape import WriteFile, encode_part

__all__ = ["MARKED", "marked_content", "marked_tools"]

# Sources: the SDK of OpenRouter (which passes marks on to Anthropic and Google); "Context cache" of Alibaba Cloud.
MARKED = frozenset({"OpenRouter", "Alibaba Cloud"})
"""The titles of the hosts that take cache marks."""


def marked_content(message: Message, write_file: WriteFile) -> list[dict[str, Any]] | None:
    """Return the content with its marks; None where it has none."""
    if isinstance(message.content, str) or not any(getattr(part, "cache", None) for part in message.content):
        return None
    pairs = ((encode_part(part, write_file), getattr(part, "cache", None)) for part in message.content)
    return [with_mark(part, cache) for part, cache in pairs if part is not None]


def marked_tools(made: Sequence[dict[str, Any]], tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """Return encoded tools with the marks of the tools that they were made of."""
    return [with_mark(fields, tool.cache) for fields, tool in zip(made, tools, strict=True)]
