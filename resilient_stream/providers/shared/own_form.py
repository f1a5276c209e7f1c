"""Keeps blocks of one API away from another API of the same provider.

Vertex and Bedrock serve models by several APIs, and each gives and takes blocks in its own form. A block goes back to
its provider, whose name does not tell the API; its form does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from ...fitting.told import left_out
from ...messages import Message, OpaquePart, Part, ReasoningPart, TextPart

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
    lost = any(isinstance(part, OpaquePart) and _is_other(part, is_own) for part in message.content)
    if lost:
        left_out(target, *told)
    read = [_read(part, is_own, lost) for part in message.content]
    kept = [part is not None for part in read]
    calls = tuple(
        call if call.place is None else call.model_copy(update={"place": sum(kept[: call.place])})
        for call in message.tool_calls
    )
    return message.model_copy(update={"content": tuple(part for part in read if part is not None), "tool_calls": calls})


def _is_other(part: Part, is_own: IsOwn) -> bool:
    if isinstance(part, OpaquePart):
        return not is_own(part.data)
    return isinstance(part, TextPart) and not all(map(is_own, part.citations))


def _read(part: Part, is_own: IsOwn, lost: bool) -> Part | None:
    if isinstance(part, ReasoningPart) and lost and (part.signature or part.redacted):
        return None
    if not _is_other(part, is_own):
        return part
    text = part.text if isinstance(part, TextPart | OpaquePart) else ""
    return TextPart(text=text) if text else None
