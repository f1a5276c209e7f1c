"""Whole tool calls from the fragments that providers stream.

The one rule: fragments go together by index; where a server leaves the index out, or gives every call the same
one, a new id begins a new call (recordings QUIRKS 31).
Must never: guess at broken JSON. A call that cannot be parsed leaves with `parsed=None`.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec

from ..chunks import ToolCall, ToolCallDelta

__all__ = ["ToolCalls", "fitting_id", "parse_arguments"]


class _Call(msgspec.Struct):
    index: int
    id: str
    name: str
    arguments: list[str]
    signature: str | None = None


class ToolCalls:
    """The calls of one answer, in the order in which they began."""

    __slots__ = ("_calls", "_current")

    def __init__(self) -> None:
        self._calls: dict[int, _Call] = {}
        self._current: _Call | None = None

    def __len__(self) -> int:
        return len(self._calls)

    def add(
        self, index: int | None, id: str | None, name: str | None, arguments: str, signature: str | None = None
    ) -> ToolCallDelta:
        """Take a fragment; an empty id or name never overwrites one that is known."""
        call = self._current = self._find(index, id)
        call.id = call.id or id or ""
        call.name = call.name or name or ""
        call.signature = signature or call.signature
        call.arguments.append(arguments)
        return ToolCallDelta(call.index, call.id, call.name, arguments)

    def whole(self) -> list[ToolCall]:
        """All calls as they stand, and start anew: for when the provider said that they are complete."""
        calls = [
            ToolCall(call.index, call.id, call.name, text, parse_arguments(text), call.signature)
            for call in self._calls.values()
            for text in ("".join(call.arguments),)
        ]
        self._calls, self._current = {}, None
        return calls

    def _find(self, index: int | None, id: str | None) -> _Call:
        current = self._current
        if index is None:
            begins = current is None or (id and current.id and id != current.id)
            index = len(self._calls) if begins or current is None else current.index
        known = self._calls.get(index)
        if known is not None and id and known.id and id != known.id:
            again = next((call for call in self._calls.values() if call.id == id), None)
            known, index = again, again.index if again else max(self._calls) + 1
        if known is None:
            known = self._calls[index] = _Call(index, "", "", [])
        return known


def parse_arguments(text: str) -> dict[str, Any] | None:
    """A tool call's arguments as an object; None when they are not one. Nothing at all means `{}`."""
    if not text.strip():
        return {}
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def fitting_id(id: str, allowed: re.Pattern[str], length: int = 24) -> str:
    """A call's id as another provider accepts it: as it is, or the same made-up one each time."""
    return id if allowed.fullmatch(id) else hashlib.sha256(id.encode()).hexdigest()[:length]
