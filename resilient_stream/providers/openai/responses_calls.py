"""Collects the tool calls of a Responses answer from the events about them.

An event's `output_index` and `item_id` must mean the same call; see `item_calls.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ...chunks import ToolCall, ToolCallDelta
from ...wire.broken import event_value
from ..shared.call_fields import Arguments, arguments_in
from ..shared.values import object_of, text_of
from .item_calls import ItemCalls
from .responses_events import Event, id_of

__all__ = ["CONTEXT", "ResponsesCalls"]

CONTEXT = ("caller", "namespace")
"""What a call may have beside its name: the program that made it, the group of tools that it is in."""
_OF_A_PIECE = frozenset({"output_index", "sequence_number", "obfuscation", "response_id", "event_id", "delta"})


class ResponsesCalls(ItemCalls):
    """Collects the tool calls of one answer."""

    __slots__ = ()

    def added(self, event: Event) -> list[ToolCallDelta | ToolCall]:
        """Begin an item, if it is a call."""
        self.place(event.output_index, object_of(event.item).get("id"))
        return self.begin(self._key(event), *_said_of(object_of(event.item), event.arguments))

    def piece(self, event: Event, payload: Sequence[bytes]) -> list[ToolCallDelta]:
        """Add a piece of a call's arguments."""
        if not isinstance(event.delta, str):
            key, said = self._odd_piece(event, payload)
            return [self.add(key, "", "", said.text)] if said.text else []
        return [self.add(self._key_of_piece(event), "", "", event.delta)] if event.delta else []

    def all_said(self, event: Event, payload: Sequence[bytes]) -> list[ToolCallDelta]:
        """Take the whole arguments, sent once more; some servers send no pieces before."""
        if not isinstance(event.arguments, str):
            key, said = self._odd_piece(event, payload)
            return self.say(key, text_of(event.name), said)
        return self.say(self._key_of_piece(event), text_of(event.name), event.arguments)

    def done(self, event: Event) -> list[ToolCallDelta | ToolCall]:
        """End an item, if it is a call."""
        item = object_of(event.item)
        if (proof := _context(item)) is not None:
            self.prove(self._key(event), proof)
        return self.end(self._key(event), *_said_of(item, event.arguments))

    def rest(self, item: Mapping[str, Any]) -> list[ToolCallDelta | ToolCall]:
        """Take a call from the whole answer at its end."""
        if (proof := _context(item)) is not None and text_of(item.get("call_id")) not in self._ids:
            self.prove(self.next_key, proof)
        return self.settle(*_said_of(item))

    def _key(self, event: Event) -> str:
        return self.key(event.output_index, id_of(event))

    def _key_of_piece(self, event: Event) -> str:
        if event.output_index is None and id_of(event) is None and len(self._calls) == 1:
            return next(iter(self._calls))  # a server that numbers nothing means the only call that is open
        return self.key_of_piece(event.output_index, id_of(event))

    def _odd_piece(self, event: Event, payload: Sequence[bytes]) -> tuple[str, Arguments]:
        """Find arguments in an unusual field of such an event; return them with the key of their item."""
        sent = object_of(event_value(payload[0])) if payload else {"event": "unknown"}
        said = arguments_in(sent, {"arguments": event.delta or None}, known=_OF_A_PIECE)
        key = self._key_of_piece(event)
        if said.odd or said.wrong:
            self.odd(key)
        return key, said


def _context(item: Mapping[str, Any]) -> str | None:
    """Return what a call has beside its name, to be sent back with it; None for a call like most."""
    kept = {name: item[name] for name in CONTEXT if item.get(name)}
    return msgspec.json.encode(kept).decode() if kept else None


def _said_of(item: Mapping[str, Any], beside: Any = None) -> tuple[str, str, Arguments]:
    """Return a call's id, name and arguments from its item, or else from the event beside it."""
    return text_of(item.get("call_id")), text_of(item.get("name")), arguments_in(item, {"arguments": beside})
