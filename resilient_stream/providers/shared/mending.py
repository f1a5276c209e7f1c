"""Joins the marked halves of characters in chunks.

It runs only in an answer in which such a half has come (`surrogates.py` says why and what). What a half waits for comes
in a later chunk of the same text: the answer's, the reasoning's, or one call's arguments. A chunk that has no mark is
not changed.
"""

from __future__ import annotations

from typing import Any, assert_never

import msgspec
from msgspec.structs import fields, replace

from ...chunks import (
    Chunk,
    File,
    Finished,
    Logprobs,
    Raw,
    ReasoningDelta,
    Seam,
    ServerToolCall,
    ServerToolResult,
    Source,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from ...contract import Batch
from ...failures import Failure
from ...text.arguments import parse_arguments
from ...wire.broken import UNREADABLE
from ...wire.surrogates import Joiner, joined

__all__ = ["Mender"]


class Mender:
    """Joins halves of characters in the chunks of one answer, in their order."""

    __slots__ = ("_joiner",)

    def __init__(self) -> None:
        self._joiner = Joiner()

    def mend(self, batch: Batch) -> Batch:
        """Return the same chunks without marks. A chunk is left out while all of its text waits for another half."""
        return [whole for chunk in batch for whole in self._whole(chunk)]

    def end(self) -> Batch:
        """Return the chunks for halves that never got their other half; called at the end of the answer."""
        return [_MADE[key](text) for key, text in self._joiner.rest() if key in _MADE]

    def failure(self, failure: Failure | None) -> Failure | None:
        """Return the failure without marks in the provider's message."""
        return None if failure is None else _without_marks(failure)

    def name(self, name: str | None) -> str | None:
        """Return a name without marks."""
        return None if name is None else joined(name)

    def _whole(self, chunk: Chunk) -> Batch:
        match chunk:
            case TextDelta():
                text = self._joiner.feed("text", chunk.text)
                return [TextDelta(text)] if text else []
            case ReasoningDelta():
                thought = self._joiner.feed("reasoning", chunk.reasoning)
                return [replace(chunk, reasoning=thought)] if thought or chunk.signature or chunk.redacted else []
            case ToolCallDelta():
                piece = self._joiner.feed(f"call {chunk.index}", chunk.arguments)
                return [_without_marks(replace(chunk, arguments=piece))]
            case ToolCall():
                return [_call(chunk)]
            case Finished():
                return [*self.end(), _without_marks(chunk)]
            case Raw() | Source() | File() | ServerToolCall() | ServerToolResult() | Logprobs():
                return [_whole_values(chunk)]
            case Usage() | Seam():
                return [chunk]
            case _:
                assert_never(chunk)


_MADE: dict[str, Any] = {"text": TextDelta, "reasoning": ReasoningDelta}


def _without_marks(value: Any) -> Any:
    """Return the struct with no marks in its own texts."""
    texts = ((field.name, getattr(value, field.name)) for field in fields(value))
    found = {name: joined(text) for name, text in texts if isinstance(text, str)}
    return replace(value, **{name: text for name, text in found.items() if text != getattr(value, name)})


_JSON = ("data", "native", "parsed", "result", "tokens")
"""The fields of chunks that hold decoded JSON."""


def _whole_values(chunk: Any) -> Any:
    """Return the chunk with no marks in its texts and in its decoded JSON."""
    made = _without_marks(chunk)
    values = {
        name: getattr(made, name) for name in ("data", "native", "parsed", "result", "tokens") if hasattr(made, name)
    }
    found = {name: _data(value) for name, value in values.items() if isinstance(value, dict | list | tuple)}
    changed = {name: value for name, value in found.items() if value is not values[name]}
    return replace(made, **changed) if changed else made


def _call(call: ToolCall) -> ToolCall:
    made: ToolCall = _without_marks(call)
    if made.parsed is not None and made.arguments != call.arguments:
        return replace(made, parsed=parse_arguments(made.arguments))
    return made


def _data(data: Any) -> Any:
    try:
        text = msgspec.json.encode(data).decode()
        return data if (whole := joined(text)) == text else msgspec.json.decode(whole, type=type(data))
    except UNREADABLE:
        return data
