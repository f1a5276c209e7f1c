"""Defines the events of the Responses API's stream, as types; and which of them are no content.

Most network reads of an answer hold nothing but text. Those are decoded as `TextEvent`, whose types admit nothing else,
so no field needs a look per token; any other read is decoded as `Event` and taken apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ...wire.json_events import BatchDecoder
from ..shared.values import object_of

__all__ = ["EVENTS", "TEXT", "Event", "TextEvent", "id_of", "key_of", "sealed", "sort_of"]


class TextEvent(msgspec.Struct, tag_field="type", tag="response.output_text.delta", gc=False):
    """Admits an event with a delta of text and nothing else; any other event is a ValidationError."""

    delta: str
    sequence_number: int | None = None


class Event(msgspec.Struct, gc=False):
    """Admits an event of any type."""

    type: str = ""
    delta: Any = None
    output_index: Any = None
    item_id: Any = None
    item: Any = None
    part: Any = None
    text: Any = None
    refusal: Any = None
    annotation: Any = None
    content_index: Any = None
    summary_index: Any = None
    response: Any = None
    sequence_number: Any = None
    error: Any = None
    code: Any = None
    message: Any = None
    name: Any = None
    arguments: Any = None
    logprobs: Any = None


TEXT = BatchDecoder(TextEvent)
EVENTS = BatchDecoder(Event)

_ALIVE = frozenset({"keepalive", "keep-alive", "ping", "heartbeat", "rate_limits", "metadata"})
_STEPS = frozenset({
    "in_progress", "searching", "interpreting", "generating", "partial_image", "queued", "completed", "failed",
    "started",
})  # fmt: skip
_CONTENT = ("response.audio", "response.image", "response.output_")


def sort_of(name: str) -> str:
    """Classify an event type without a reader: "content", "step" or "new".

    A step has no content, or is repeated whole by an item.
    """
    if name.startswith(_CONTENT) and "_call" not in name:
        return "content"
    words = name[:128].split(".")
    of_a_call = len(words) > 2 and any(word in words[1] for word in ("_call", "mcp_"))
    return "step" if of_a_call or words[-1] in _ALIVE | _STEPS else "new"


def key_of(event: Event) -> str:
    """Return which item of the answer an event is about. llama.cpp has no output_index, and a call's id in two
    places."""
    if event.output_index is not None:
        return str(event.output_index)
    return str(id_of(event))


def id_of(event: Event) -> Any:
    """Return the id of the item that an event is about; a call's own where the item has none."""
    item = object_of(event.item)
    return event.item_id or item.get("id") or item.get("call_id")


def sealed(item: Mapping[str, Any]) -> str | None:
    """Return a reasoning item's proof, kept with its text: its id, and its encrypted form where there is one.

    Without an encrypted form, only reasoning that an open model gave in plain text may be sent back, since the provider
    has not kept it.
    """
    encrypted = item.get("encrypted_content")
    if not encrypted and not item.get("content"):
        return None
    kept = {"id": item.get("id"), "encrypted_content": encrypted}
    return msgspec.json.encode({name: value for name, value in kept.items() if value}).decode()
