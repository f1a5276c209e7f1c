"""Assembles whole tool calls from items, as OpenAI's Responses API sends them: added, filled, and repeated when done.

The repetition of an item and its pieces must be the same call. `Holdings` limits how much of an answer is kept.
"""

from __future__ import annotations

from typing import Any

from ...chunks import ToolCall, ToolCallDelta
from ...text.arguments import parse_arguments
from ..shared.call_fields import Arguments
from ..shared.holdings import Holdings
from ..shared.open_call import LOST, TWO_PLACES, Doubts, LateArguments, OpenCall

__all__ = ["ItemCalls"]


class ItemCalls:
    """Assembles calls that begin and end one by one, each under a key of its own: an output index or an item's id."""

    __slots__ = ("_begun", "_calls", "_doubts", "_ended", "_holdings", "_ids", "_items", "_keys", "_proofs")

    def __init__(self, holdings: Holdings | None = None) -> None:
        self._holdings = holdings or Holdings()
        self._begun = 0
        self._calls: dict[str, OpenCall] = {}
        self._doubts = Doubts()
        self._ended: dict[str, tuple[str, bool]] = {}
        self._ids: dict[str, str] = {}
        self._keys: dict[str, str] = {}
        self._items: dict[str, str] = {}
        self._proofs: dict[str, str] = {}

    def __len__(self) -> int:
        """Return how many calls have begun, including those that ended."""
        return self._begun

    def key(self, index: Any, item_id: Any) -> str:
        """Return the key of an item: its output index, or the one known for its id, since some servers send only one of
        them."""
        if index is None:
            return self._keys.get(str(item_id), str(item_id))
        if item_id and str(item_id) not in self._keys:
            self._holdings.item(str(item_id))
            self._keys[str(item_id)] = str(index)
        return str(index)

    def place(self, index: Any, item_id: Any) -> None:
        """Note an item that was announced with an index and an id. An id that several items have identifies none."""
        if index is not None and item_id:
            known = self._items.setdefault(str(item_id), str(index))
            if known != str(index):
                self._items[str(item_id)] = ""

    def key_of_piece(self, index: Any, item_id: Any) -> str:
        """Return the key of the item that a piece belongs to. If its index and id mean different calls, neither call
        may be run."""
        key = self.key(index, item_id)
        known = self._items.get(str(item_id)) if index is not None else None
        if known and known != key:
            for each in (key, known):
                if (call := self._calls.get(each)) is not None:
                    call.wrong = call.wrong or TWO_PLACES
            self._doubts.note(TWO_PLACES)
        return key

    def prove(self, key: str, proof: str) -> None:
        """Keep what has to come back with a call."""
        if key not in self._proofs:
            self._holdings.item(proof)
            self._proofs[key] = proof

    def begin(self, key: str, id: str, name: str, said: str | Arguments) -> list[ToolCallDelta | ToolCall]:
        """Begin a call. A different call that is open under the same key has ended without an end event."""
        said = _arguments(said)
        self._ids.setdefault(id, key)
        call = self._calls.get(key)
        if call is None or not call.name or call.id == id:
            return [self._start_or_fill(key, id, name, said if call is None or call.blank else said._replace(text=""))]
        call.wrong = call.wrong or (LOST if call.blank else None)
        return [*self._give_out(key), self._start_or_fill(key, id, name, said)]

    def _start_or_fill(self, key: str, id: str, name: str, said: Arguments) -> ToolCallDelta:
        delta = self.add(key, id, name, said.text)
        self._keep_faults(self._calls[key], said)
        return delta

    def _keep_faults(self, call: OpenCall, said: Arguments) -> None:
        call.odd, call.wrong = call.odd or said.odd, call.wrong or said.wrong

    def add(self, key: str, id: str, name: str, arguments: str) -> ToolCallDelta:
        """Take a fragment; normally only the first one has the call's id and name."""
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

    def say(self, key: str, name: str, said: str | Arguments) -> list[ToolCallDelta]:
        """Take the whole arguments of an open call, which are sent once more; what no fragment had of them counts."""
        said = _arguments(said)
        arguments = said.text
        call = self._calls.get(key)
        if call is None:
            if key in self._ended:
                self._must_be_known(key, arguments)
                return []
            return [self._start_or_fill(key, "", name, said)] if arguments.strip() else []
        self._keep_faults(call, said)
        if call.blank and arguments.strip():
            return [self.add(key, "", name, arguments)]
        if len(arguments) > call.size and arguments.startswith(call.text):
            return [self.add(key, "", name, arguments[call.size :])]
        if arguments.strip() and call.wrong is None:
            call.says_again(arguments)
        call.named("", name)
        return []

    def odd(self, key: str) -> None:
        """Note an event for an unknown item; if the item is a call, the event may hold its arguments."""
        if (call := self._calls.get(key)) is not None:
            call.odd = True
        else:
            self._doubts.note()

    def end(self, key: str, id: str, name: str, said: str | Arguments) -> list[ToolCallDelta | ToolCall]:
        """End a call with its repeated arguments, and return it; nothing when it had ended already."""
        said = _arguments(said)
        if key not in self._calls and key in self._ended and self._ended[key][0] == id:
            self._must_be_known(key, said.text)
            return []
        self._ids.setdefault(id, key)
        begun = key in self._calls
        made: list[ToolCallDelta] = [] if begun else [self._start_or_fill(key, id, name, said)]
        self._calls[key].named(id, name)
        if begun:
            made += self.say(key, name, said)
        return [*made, *self._give_out(key)]

    def settle(self, id: str, name: str, said: str | Arguments) -> list[ToolCallDelta | ToolCall]:
        """Take a call from the whole answer at the end; a call that is still open ends with it."""
        said = _arguments(said)
        key = self._ids.get(id)
        if key is None:
            return self.end(self.next_key, id, name, said)
        if key in self._calls:
            return self.end(key, id, name, said)
        if id == self._ended[key][0]:
            self._must_be_known(key, said.text)
        return []

    @property
    def next_key(self) -> str:
        """Return the key of a call that only the whole answer at the end has."""
        return f"whole {self._begun}"

    def _must_be_known(self, key: str, arguments: str) -> None:
        """Check a repetition of a call that has ended: it must not have been given out without the arguments that are
        here."""
        id, empty = self._ended[key]
        if id and empty and parse_arguments(arguments) != {}:
            raise LateArguments

    def whole(self) -> list[ToolCall]:
        """Return the calls that never ended, with what has arrived of them."""
        return [call for key in list(self._calls) for call in self._give_out(key)]

    def _give_out(self, key: str) -> list[ToolCall]:
        call = self._calls.pop(key)
        call.signature = self._proofs.pop(key, None)
        self._ended[key] = call.id, call.blank
        return self._doubts.ended(call, others=bool(self._calls))


def _arguments(said: str | Arguments) -> Arguments:
    return said if isinstance(said, Arguments) else Arguments(said)
