"""Defines the events of the Messages API's stream, as types.

Most network reads of an answer hold nothing but text. Those are decoded as `TextEvent`, whose types admit nothing else,
so no field needs a look per token; any other read is decoded as `Event` and taken apart.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...wire.json_events import BatchDecoder

__all__ = ["EVENTS", "TEXT", "Delta", "Event", "TextEvent"]


class _TextDelta(msgspec.Struct, tag_field="type", tag="text_delta", gc=False):
    text: str


class TextEvent(msgspec.Struct, tag_field="type", tag="content_block_delta", gc=False):
    """Admits an event with a delta of text and nothing else; any other event is a ValidationError."""

    delta: _TextDelta
    error: None = None


class Delta(msgspec.Struct, gc=False):
    """Has the fields that a delta of any type may have."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: Any = None
    input: Any = None
    arguments: Any = None
    stop_reason: str | None = None
    stop_details: Any = None
    stop_sequence: Any = None
    citation: Any = None
    content: Any = None


class Event(msgspec.Struct, gc=False):
    """Admits an event of any type."""

    type: str = ""
    index: int = 0
    delta: Delta | None = None
    content_block: Any = None
    message: Any = None
    usage: Any = None
    error: Any = None


TEXT = BatchDecoder(TextEvent)
EVENTS = BatchDecoder(Event)
