"""Keeps blocks of one API away from another API of the same provider.

Vertex and Bedrock serve models by several APIs, and each gives and takes blocks in its own form. A block goes back to
its provider, whose name does not tell the API; its form does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from ...fitting.refused_parts import without_refused
from ...messages import Message, OpaquePart, Part, TextPart

__all__ = ["EARLIER_FILE", "in_own_form", "is_typed", "is_untyped"]

IsOwn: TypeAlias = Callable[[Any], bool]


def is_typed(data: Any) -> bool:
    """Return whether this is a block whose `type` says what it is, as Anthropic's do."""
    return isinstance(data, dict) and isinstance(data.get("type"), str)


def is_untyped(data: Any) -> bool:
    """Return whether this is a block whose only field says what it is, as in Gemini's parts and Converse's blocks."""
    return isinstance(data, dict) and bool(data) and "type" not in data


EARLIER_FILE = ("a picture or recording of an earlier answer", "its words are")
_FOREIGN = ("a block of another of this provider's APIs", "its form is not known to this one")


def in_own_form(message: Message, is_own: IsOwn, target: str, told: tuple[str, str] = _FOREIGN) -> Message:
    """Return the message with text in place of blocks that this API would refuse, and without the signed reasoning
    beside them. told: what is left out, and why, as the log says it."""
    if isinstance(message.content, str) or not any(_is_other(part, is_own) for part in message.content):
        return message
    return without_refused(message, lambda part: _is_other(part, is_own), target, told)


def _is_other(part: Part, is_own: IsOwn) -> bool:
    if isinstance(part, OpaquePart):
        return not is_own(part.data)
    return isinstance(part, TextPart) and not all(map(is_own, part.citations))
