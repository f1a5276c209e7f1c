"""Reads the content of a message as parts, whatever type a server gave it: a text, a part, or lists of both.

A part without a text stays as it is, and its reader passes on what it says, so that nothing is left out in silence.
"""

from __future__ import annotations

from typing import Any

from ...wire.limits import few
from .unmodelled import says
from .values import text_of

__all__ = ["parts_of", "text_in"]

DEEP = 8
"""How many lists may be in one another."""

_PLACES = ("text", "value")
"""Where the text of an object stands that is sent in place of a text."""


def parts_of(content: Any, deep: int = DEEP) -> list[dict[str, Any]]:
    """Return the parts of a content; a text is one part, and the text of each part is a string if it can be read."""
    if isinstance(content, list) and deep:
        return [part for each in few(content) for part in parts_of(each, deep - 1)]
    if isinstance(content, dict):
        return [_readable(content)] if content else []
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return [{"type": "content", "content": content}] if says([content]) else []


def text_in(value: Any, deep: int = DEEP) -> str:
    """Return the text of a value that stands where a text belongs: the text itself, that of an object, or of a list."""
    if isinstance(value, list) and deep:
        return "".join(text_in(each, deep - 1) for each in value)
    if isinstance(value, dict) and deep:
        return next(filter(None, (text_in(value.get(name), deep - 1) for name in _PLACES)), "")
    return text_of(value)


def _readable(part: dict[str, Any]) -> dict[str, Any]:
    text = text_in(part.get("text"))
    return {"type": "text", **part, "text": text} if text else part
