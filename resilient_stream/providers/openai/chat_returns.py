"""Gives a host back what it gave beside the text: pictures, a recording's id, what it made of a file.

Each is a field of the assistant's turn. A column of `hosts.py` says which of them a host takes; for others, and for a
recording that the host has forgotten, words stand in its place. No host's name stands in this module.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

from ...messages import Message, OpaquePart
from ..shared.own_form import EARLIER_FILE, in_own_form
from ..shared.values import list_of, object_of, text_of

__all__ = ["returned", "without_untaken"]

SOON = 60
"""Seconds before its end in which a recording is no longer asked for."""


def without_untaken(message: Message, takes: Collection[str], target: str) -> Message:
    """Return the message with words for what the host does not take back. takes: the host's column."""
    return in_own_form(message, lambda data: _is_taken(data, takes), target, EARLIER_FILE)


def returned(message: Message) -> dict[str, Any]:
    """Return the fields for what is left, in a message from `without_untaken`."""
    fields: dict[str, Any] = {}
    for part in () if isinstance(message.content, str) else message.content:
        if isinstance(part, OpaquePart):
            for name, value in object_of(part.data).items():
                fields[name] = {"id": value["id"]} if name == "audio" else [*fields.get(name, ()), *value]
    return fields


def _is_taken(data: Any, takes: Collection[str]) -> bool:
    """Return whether the host takes all fields of a block."""
    fields = object_of(data)
    sound = (bool(_recording(value) if name == "audio" else list_of(value)) for name, value in fields.items())
    return bool(fields) and fields.keys() <= set(takes) and all(sound)


def _recording(value: Any) -> str:
    """Return the id of a recording that the host still has."""
    until = object_of(value).get("expires_at")
    forgotten = isinstance(until, int | float) and until < time.time() + SOON
    return "" if forgotten else text_of(object_of(value).get("id"))
