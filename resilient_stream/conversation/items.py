"""Converts what a stream or a conversation yields to JSON values and back: chunks, turns, tools' progress and results.

Values that are read are not trusted: whatever is missing or of a wrong type is a StreamMisused that names its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ..failures import StreamMisused
from ..messages import Part, to_messages
from ..outcome.archive import CHUNKS, plain_chunk, read, read_chunk
from .conversation import ConversationChunk
from .progress import ToolProgress
from .turns import ToolResult, TurnStarted

__all__ = ["ITEMS", "chunk_from_dict", "chunk_to_dict"]


def chunk_to_dict(chunk: ConversationChunk) -> dict[str, Any]:
    """Return a chunk, or what a conversation yields beside chunks, as JSON values.

    `type` says which class it is. Fields that have their default are left out; the bytes of a file are base64 text.
    """
    if type(chunk) is ToolResult and chunk.parts:
        bare: Any = msgspec.structs.replace(chunk, parts=())
        return plain_chunk(bare) | {"parts": [_plain_part(part) for part in chunk.parts]}
    if not isinstance(chunk, msgspec.Struct) or not isinstance(getattr(chunk, "type", None), str):
        raise StreamMisused(f"chunk_to_dict: give a chunk, not {type(chunk).__name__}")
    item: Any = chunk
    return plain_chunk(item)


def chunk_from_dict(data: Mapping[str, Any]) -> ConversationChunk:
    """Return the chunk that `chunk_to_dict` gave these values for. Raises StreamMisused, which names what is wrong."""
    kind = data.get("type") if isinstance(data, dict) else None
    if isinstance(kind, str) and kind in ITEMS:
        return ITEMS[kind](data)
    if not isinstance(kind, str) or kind not in CHUNKS:
        raise StreamMisused(f"chunk.type: Expected one of {', '.join((*CHUNKS, *ITEMS))}")
    return read_chunk(data, "chunk")


class _StoredResult(msgspec.Struct):
    """Holds a ToolResult as values. The library that reads the wire does not know the parts, which users write, too."""

    id: str
    name: str
    content: str
    error: bool
    duration: float
    parts: list[Any] = []


def _result(data: Any) -> ToolResult:
    stored = read(_StoredResult, data, "chunk")
    parts = _parts(stored.parts) if stored.parts else ()
    return ToolResult(stored.id, stored.name, stored.content, stored.error, stored.duration, parts)


def _plain_part(part: Part) -> dict[str, Any]:
    return {"type": part.type} | part.model_dump(mode="json", exclude_defaults=True)


def _parts(values: list[Any]) -> tuple[Part, ...]:
    """Read the parts of a result, as those of the message that it becomes."""
    try:
        (message,) = to_messages([{"role": "tool", "tool_call_id": "any", "content": values}])
    except StreamMisused as error:
        raise StreamMisused(str(error).replace("messages[0].content", "chunk.parts", 1)) from None
    return message.parts


ITEMS: Mapping[str, Callable[[Any], TurnStarted | ToolProgress | ToolResult]] = {
    TurnStarted.type: lambda data: read(TurnStarted, data, "chunk"),
    ToolProgress.type: lambda data: read(ToolProgress, data, "chunk"),
    ToolResult.type: _result,
}
"""How each class is read that only a conversation yields."""
