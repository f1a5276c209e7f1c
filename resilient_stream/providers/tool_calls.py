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

__all__ = ["BlockCalls", "ItemCalls", "ToolCalls", "fitting_id", "parse_arguments"]


class _Call(msgspec.Struct):
    index: int
    id: str
    name: str
    arguments: list[str]
    signature: str | None = None
    given: str = ""


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
        calls = [_whole(call) for call in self._calls.values()]
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


class ItemCalls:
    """Calls that begin and end one by one, each with a key of its own: an output index, an item's id."""

    __slots__ = ("_calls", "_places")

    def __init__(self) -> None:
        self._calls: dict[str, _Call] = {}
        self._places: dict[str, int] = {}

    def __len__(self) -> int:
        """How many have begun, the ended ones included."""
        return len(self._places)

    def add(self, key: str, id: str, name: str, arguments: str) -> ToolCallDelta:
        """Take a fragment; the first of a call has its id and name."""
        call = self._calls.get(key)
        if call is None:
            index = self._places.setdefault(key, len(self._places))
            call = self._calls[key] = _Call(index, id, name, [])
        call.arguments.append(arguments)
        return ToolCallDelta(call.index, call.id, call.name, arguments)

    def end(self, key: str, id: str, name: str, arguments: str) -> list[ToolCallDelta | ToolCall]:
        """The call is whole, and said here once more; what no fragment had said of it counts."""
        call = self._calls.get(key)
        known = "" if call is None else "".join(call.arguments)
        rest = arguments.removeprefix(known) if arguments.startswith(known) else ""
        missing = [self.add(key, id, name, rest)] if call is None or rest else []
        return [*missing, _whole(self._calls.pop(key))]

    def whole(self) -> list[ToolCall]:
        """The calls that never ended, as they stand."""
        calls = [_whole(call) for call in self._calls.values()]
        self._calls = {}
        return calls


class BlockCalls:
    """Calls that come as blocks of an answer: each begins, grows and ends under the number of its block."""

    __slots__ = ("_begun", "_open")

    def __init__(self) -> None:
        self._begun = 0
        self._open: dict[int, _Call] = {}

    def begin(self, block: int, id: str, name: str, given: Any = None, signature: str | None = None) -> ToolCallDelta:
        """A block is a call. given: its arguments, where the first event has them; nothing or the whole of them."""
        text = msgspec.json.encode(given).decode() if given else ""
        call = self._open[block] = _Call(self._begun, id, name, [], signature, text)
        self._begun += 1
        return ToolCallDelta(call.index, id, name, "")

    def add(self, block: int, piece: str) -> list[ToolCallDelta]:
        """A piece of a call's arguments; nothing when there is none, or the block is no call."""
        call = self._open.get(block)
        if call is None or not piece:
            return []
        call.arguments.append(piece)
        return [ToolCallDelta(call.index, call.id, call.name, piece)]

    def end(self, block: int) -> list[ToolCallDelta | ToolCall]:
        """The block is whole: the call, if it is one. What was given counts when no piece followed."""
        call = self._open.get(block)
        if call is None:
            return []
        missing = [] if call.arguments else self.add(block, call.given)
        del self._open[block]
        return [*missing, _whole(call)]

    def rest(self) -> list[ToolCallDelta | ToolCall]:
        """The calls whose blocks never ended, as they stand."""
        return [chunk for block in list(self._open) for chunk in self.end(block)]

    def __contains__(self, block: int) -> bool:
        """Whether a block is a call that is still open."""
        return block in self._open


def _whole(call: _Call) -> ToolCall:
    text = "".join(call.arguments)
    return ToolCall(call.index, call.id, call.name, text, parse_arguments(text), call.signature)


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
