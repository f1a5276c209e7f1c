"""Leaves out the parts of a message that its reader would refuse, together with what depends on them.

A block that only another reader understands leaves its text in its place, if it has any. Signed reasoning of the same
turn is left out with it, because it was signed together with the block and is refused without it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ..messages import Message, OpaquePart, Part, ReasoningPart, TextPart
from .told import left_out

__all__ = ["without_refused"]

Refuses: TypeAlias = Callable[[Part], bool]


def without_refused(message: Message, refuses: Refuses, target: str, told: tuple[str, str]) -> Message:
    """Return the message without what is refused, and its calls in their places among the parts that are kept.

    told: what is left out when a block is, and why, as the log says it.
    """
    lost = any(isinstance(part, OpaquePart) and refuses(part) for part in message.parts)
    if lost:
        left_out(target, *told)
    read = [_read(part, refuses, lost) for part in message.parts]
    kept = [part is not None for part in read]
    calls = tuple(
        call if call.place is None else call.model_copy(update={"place": sum(kept[: call.place])})
        for call in message.tool_calls
    )
    return message.model_copy(update={"content": tuple(part for part in read if part is not None), "tool_calls": calls})


def _read(part: Part, refuses: Refuses, lost: bool) -> Part | None:
    """Return what the reader gets of a part. lost: a block of the turn is not sent."""
    if isinstance(part, ReasoningPart) and lost and (part.signature or part.redacted):
        return None
    if not refuses(part):
        return part
    text = part.text if isinstance(part, TextPart | OpaquePart) else ""
    return TextPart(text=text) if text else None
