"""Assembles whole tool calls from numbered blocks, as Anthropic, Bedrock and Gemini's Interactions send them.

A piece belongs to the block that is open under its number; one without such a block makes every call suspect that has
no arguments. `Holdings` limits how much of an answer is held.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...chunks import ToolCall, ToolCallDelta
from ...contract import Batch
from ...text.arguments import parse_arguments
from .call_fields import Arguments, argument_text
from .holdings import Holdings
from .open_call import LOST, TWICE, Doubts, LateArguments, OpenCall

__all__ = ["BlockCalls"]


class BlockCalls:
    """Assembles tool calls that arrive as blocks of an answer: each begins, grows and ends under the number of its
    block.

    open: the calls that have begun and not ended.
    """

    __slots__ = ("_begun", "_blank", "_doubts", "_ended", "_foreign", "_holdings", "open")

    def __init__(self, holdings: Holdings | None = None) -> None:
        self._holdings = holdings or Holdings()
        self._begun = 0
        self.open: dict[int, OpenCall] = {}
        self._ended: set[int] = set()
        self._foreign: set[int] = set()
        self._blank: set[str] = set()
        self._doubts = Doubts()

    def begin(
        self, block: int, id: str, name: str, given: Any = None, signature: str | None = None
    ) -> list[ToolCallDelta | ToolCall]:
        """Begin a call in a block. given: its arguments, if the first event has them; either none or all of them.

        A server may announce the same call again. If another call is still open under that number, it has ended without
        an end event.
        """
        said = _without_empty_object(given if isinstance(given, Arguments) else Arguments(argument_text(given)))
        call = self.open.get(block)
        if call is not None and call.id == id and call.name == name and (id or not call.arguments):
            self._repeated(call, said)
            return []
        ended = [] if call is None else self._end_replaced(block, call)
        self._foreign.discard(block)
        self._ended.discard(block)
        self._holdings.item(id, name, said.text)
        call = self.open[block] = OpenCall(self._begun, id, name, said.text, signature, said.wrong, odd=said.odd)
        self._begun += 1
        return [*ended, ToolCallDelta(call.index, id, name, "")]

    def _repeated(self, call: OpenCall, said: Arguments) -> None:
        """Handle a call that is announced again while it is open; arguments that no piece had brought count."""
        call.odd, call.wrong = call.odd or said.odd, call.wrong or said.wrong
        if call.blank:
            call.given = call.given or said.text
        elif said.text:
            call.says_again(said.text)

    def settle(self, said: Mapping[str, Arguments]) -> None:
        """Complete the open calls from the whole answer, which lists all calls by their ids at its end.

        Raises LateArguments when a call was already given out without the arguments that it has here.
        """
        for call in self.open.values():
            if call.id in said:
                self._repeated(call, _without_empty_object(said[call.id]))
        if any(id and id in self._blank and parse_arguments(each.text) != {} for id, each in said.items()):
            raise LateArguments

    def odd(self, block: int) -> None:
        """Note an event for an unknown block; if the block is a call, the event may hold its arguments."""
        call = self.open.get(block)
        if call is not None:
            call.odd = True

    def begin_foreign(self, block: int) -> None:
        """Begin a block that is no call but has deltas that may look like a call's, such as a tool that the provider
        runs."""
        if block not in self._foreign:
            self._holdings.item()
            self._foreign.add(block)

    def add(self, block: int, piece: str) -> list[ToolCallDelta]:
        """Add a piece of a call's arguments and return its delta; None when the piece is empty or the block is no call.

        Raises LateArguments.
        """
        call = self.open.get(block)
        if call is None:
            if piece.strip() and block not in self._foreign:
                if block in self._ended:
                    raise LateArguments
                self._doubts.note()
            return []
        if not piece:
            return []
        self._holdings.piece(piece)
        return [call.add(piece)]

    def take(self, block: int, said: Arguments, batch: Batch) -> bool:
        """Put the chunks of an event's arguments into `batch`, and return whether the block is a call."""
        if said.odd or said.wrong:
            self.odd(block)
        batch += self.add(block, said.text)
        return block in self.open

    def end(self, block: int) -> list[ToolCallDelta | ToolCall]:
        """End a block and return its call, if it is one. Arguments given at its beginning count when no piece
        followed."""
        self._foreign.discard(block)
        call = self.open.get(block)
        if call is None:
            return []
        missing: list[ToolCallDelta] = []
        if call.blank:
            missing = self.add(block, call.given)
        elif call.given and parse_arguments(call.text) == {}:
            call.wrong = call.wrong or TWICE
        if call.blank:
            self._blank.add(call.id)
        del self.open[block]
        self._ended.add(block)
        return [*missing, *self._doubts.ended(call, others=bool(self.open))]

    def rest(self) -> list[ToolCallDelta | ToolCall]:
        """Return the calls whose blocks never ended, with the arguments received so far."""
        return [chunk for block in list(self.open) for chunk in self.end(block)]

    def __contains__(self, block: int) -> bool:
        """Return whether a block is a call that is still open."""
        return block in self.open

    def _end_replaced(self, block: int, call: OpenCall) -> list[ToolCallDelta | ToolCall]:
        """End a call because another one begins under its number. If it has no arguments, those that follow may be its
        own."""
        if call.blank and not call.given:
            call.wrong = LOST
        return self.end(block)


def _without_empty_object(said: Arguments) -> Arguments:
    """Return the arguments without an empty object, which an announcement has when pieces follow."""
    return said._replace(text="") if parse_arguments(said.text) == {} else said
