"""Whole tool calls from items, as OpenAI's Responses API has them: added, filled, and said once more when done.

The one rule: what an item says when it is done and what its pieces said must be the same call.
Must never: hold more of an answer than `Holdings` allows.
"""

from __future__ import annotations

from typing import Any

from ..chunks import ToolCall, ToolCallDelta
from .holdings import Holdings
from .open_call import LOST, LateArguments, OpenCall

__all__ = ["ItemCalls"]


class ItemCalls:
    """Calls that begin and end one by one, each with a key of its own: an output index, an item's id."""

    __slots__ = ("_begun", "_calls", "_ended", "_holdings", "_ids", "_keys", "_lost")

    def __init__(self, holdings: Holdings | None = None) -> None:
        self._holdings = holdings or Holdings()
        self._begun = 0
        self._calls: dict[str, OpenCall] = {}
        self._ended: dict[str, str] = {}
        self._ids: dict[str, str] = {}
        self._keys: dict[str, str] = {}
        self._lost = False

    def __len__(self) -> int:
        """How many have begun, the ended ones included."""
        return self._begun

    def key(self, index: Any, item_id: Any) -> str:
        """The key of an item: its output index, or what was said of its id before; some servers give only one."""
        if index is None:
            return self._keys.get(str(item_id), str(item_id))
        if item_id and str(item_id) not in self._keys:
            self._holdings.item(str(item_id))
            self._keys[str(item_id)] = str(index)
        return str(index)

    def begin(self, key: str, id: str, name: str, arguments: str) -> list[ToolCallDelta | ToolCall]:
        """A call begins. One that is open under the same key has ended without a word, if it was another."""
        self._ids.setdefault(id, key)
        call = self._calls.get(key)
        if call is None or not call.name or call.id == id:
            return [self.add(key, id, name, arguments if call is None or call.blank else "")]
        call.wrong = call.wrong or (LOST if call.blank else None)
        return [*self._give_out(key), self.add(key, id, name, arguments)]

    def add(self, key: str, id: str, name: str, arguments: str) -> ToolCallDelta:
        """Take a fragment; the first of a call has its id and name, as a rule."""
        call = self._calls.get(key)
        if call is None:
            if key in self._ended and not name and arguments.strip():
                raise LateArguments
            self._holdings.item(key, id, name)
            call = self._calls[key] = OpenCall(self._begun, id, name)
            self._begun += 1
        call.named(id, name)
        self._holdings.piece(arguments)
        return call.add(arguments)

    def say(self, key: str, name: str, arguments: str) -> list[ToolCallDelta]:
        """All arguments of a call, said once more while it is open: what no fragment had said of them counts."""
        call = self._calls.get(key)
        if call is None:
            return [] if key in self._ended or not arguments.strip() else [self.add(key, "", name, arguments)]
        if call.blank and arguments.strip():
            return [self.add(key, "", name, arguments)]
        if len(arguments) > call.size and arguments.startswith(call.text):
            return [self.add(key, "", name, arguments[call.size :])]
        if arguments.strip() and call.wrong is None:
            call.says_again(arguments)
        call.named("", name)
        return []

    def end(self, key: str, id: str, name: str, arguments: str) -> list[ToolCallDelta | ToolCall]:
        """The call is whole, and said here once more; nothing when it had ended already."""
        if key not in self._calls and key in self._ended and self._ended[key] == id:
            return []
        self._ids.setdefault(id, key)
        begun = key in self._calls
        said: list[ToolCallDelta] = [] if begun else [self.add(key, id, name, arguments)]
        self._calls[key].named(id, name)
        if begun:
            said += self.say(key, name, arguments)
        return [*said, *self._give_out(key)]

    def settle(self, id: str, name: str, arguments: str) -> list[ToolCallDelta | ToolCall]:
        """A call as the whole answer has it, at the end of everything: what is still open is whole with it."""
        key = self._ids.get(id)
        if key is None:
            return self.end(f"whole {self._begun}", id, name, arguments)
        return self.end(key, id, name, arguments) if key in self._calls else []

    def whole(self) -> list[ToolCall]:
        """The calls that never ended, as they stand."""
        self._lost = self._lost or any(not call.name for call in self._calls.values())
        return [call for key in list(self._calls) for call in self._give_out(key)]

    def _give_out(self, key: str) -> list[ToolCall]:
        call = self._calls.pop(key)
        self._ended[key] = call.id
        return [call.whole(self._lost)]
