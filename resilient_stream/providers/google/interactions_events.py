"""Defines the events of the Interactions API's stream, as types.

Most network reads of an answer hold nothing but text. Those are decoded as `TextEvent`, whose types admit nothing else,
so no field needs a look per token; any other read is decoded as `Event` and taken apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ...chunks import Usage
from ...wire.json_events import BatchDecoder
from ...wire.limits import few
from ..shared.counts import count
from ..shared.values import list_of, object_of

__all__ = ["EVENTS", "OWN_STEPS", "TEXT", "Event", "TextEvent", "counts_of", "is_whole", "steps_of"]

OWN_STEPS = frozenset({"function_call", "model_output", "thought"})
"""Steps that are read; any other is a tool that Google runs, or new."""


class _Text(msgspec.Struct, tag_field="type", tag="text", gc=False):
    text: str


class TextEvent(msgspec.Struct, tag_field="event_type", tag="step.delta", gc=False):
    """Admits an event with a delta of text and nothing else; any other event is a ValidationError."""

    delta: _Text
    event_id: str | None = None
    metadata: None = None


class Event(msgspec.Struct, gc=False):
    """Admits an event of any type."""

    event_type: str = ""
    index: int = 0
    event_id: Any = None
    step: Any = None
    delta: Any = None
    interaction: Any = None
    interaction_id: Any = None
    metadata: Any = None
    error: Any = None


TEXT = BatchDecoder(TextEvent)
EVENTS = BatchDecoder(Event)


def counts_of(usage: Mapping[str, Any]) -> Usage:
    """Return Google's counts as it gives them; thoughts are not counted in the output."""
    return Usage(
        input_tokens=count(usage.get("total_input_tokens")),
        output_tokens=count(usage.get("total_output_tokens")),
        reasoning_tokens=count(usage.get("total_thought_tokens")),
        cached_input_tokens=count(usage.get("total_cached_tokens")),
    )


def is_whole(said: Mapping[str, Any]) -> bool:
    """Return whether an object is a whole interaction in place of an event."""
    return isinstance(said.get("steps", said.get("outputs")), list)


def steps_of(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the steps of a whole interaction; the API's first version has a list of what they say in their place."""
    if (steps := said.get("steps")) is not None:
        items = steps if isinstance(steps, list) else [steps]
        return [each if isinstance(each, dict) else {"type": "model_output", "content": each} for each in few(items)]
    outputs = map(object_of, list_of(said.get("outputs")))
    own = OWN_STEPS - {"model_output"}
    return [each if each.get("type") in own else {"type": "model_output", "content": [each]} for each in outputs]
