"""Defines the events of Cohere's chat stream, as types: those with nothing but text, and any other."""

from __future__ import annotations

from typing import Any

import msgspec

from ...wire.json_events import BatchDecoder
from ..shared.unmodelled import Fields, names

__all__ = ["EVENTS", "MESSAGE", "TEXT", "Event", "TextEvent"]


class _TextContent(msgspec.Struct, gc=False):
    text: str
    thinking: None = None


class _TextMessage(msgspec.Struct, gc=False):
    content: _TextContent


class _TextDelta(msgspec.Struct, gc=False):
    message: _TextMessage


class TextEvent(msgspec.Struct, tag_field="type", tag="content-delta", gc=False):
    """Admits an event with a piece of text and nothing else; any other event is a ValidationError."""

    delta: _TextDelta


class Event(msgspec.Struct, gc=False):
    """Admits an event of any kind. A message that comes whole has no type."""

    type: str = ""
    index: int = 0
    delta: Any = None
    id: Any = None
    message: Any = None
    logprobs: Any = None


MESSAGE = Fields(read=names("role content tool_calls tool_plan citations"))

TEXT = BatchDecoder(TextEvent)
EVENTS = BatchDecoder(Event)
