"""Whole tool calls from numbered blocks, as Anthropic, Bedrock and Gemini's Interactions have them.

The one rule: a piece belongs to the block that is open under its number; one without such a block makes every call
suspect that has no arguments.
Must never: hold more of an answer than `Holdings` allows.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..chunks import ToolCall, ToolCallDelta
from .holdings import Holdings
from .open_call import LOST, LateArguments, OpenCall

__all__ = ["BlockCalls"]


class BlockCalls:
    """Calls that come as blocks of an answer: each begins, grows and ends under the number of its block."""

    __slots__ = ("_begun", "_ended", "_foreign", "_holdings", "_lost", "_open")

    def __init__(self, holdings: Holdings | None = None) -> None:
        self._holdings = holdings or Holdings()
        self._begun = 0
        self._open: dict[int, OpenCall] = {}
        self._ended: set[int] = set()
        self._foreign: set[int] = set()
        self._lost = False

    def begin(
        self, block: int, id: str, name: str, given: Any = None, signature: str | None = None
    ) -> list[ToolCallDelta | ToolCall]:
        """A block is a call. given: its arguments, where the first event has them; nothing or the whole of them.

        A call that is still open under that number has ended without a word, if it was another.
        """
        text = msgspec.json.encode(given).decode() if given else ""
        call = self._open.get(block)
        if call is not None and call.id == id and call.name == name and not call.arguments:
            call.given = call.given or text
            return []
        ended = [] if call is None else self._end_unsaid(block, call)
        self._foreign.discard(block)
        self._ended.discard(block)
        self._holdings.item(id, name, text)
        call = self._open[block] = OpenCall(self._begun, id, name, text, signature)
        self._begun += 1
        return [*ended, ToolCallDelta(call.index, id, name, "")]

    def begin_foreign(self, block: int) -> None:
        """A block is something else whose deltas may look like a call's: a tool that the provider runs itself."""
        if block not in self._foreign:
            self._holdings.item()
            self._foreign.add(block)

    def add(self, block: int, piece: str) -> list[ToolCallDelta]:
        """A piece of a call's arguments; nothing when there is none, or the block is no call. Raises LateArguments."""
        call = self._open.get(block)
        if call is None:
            if piece.strip() and block not in self._foreign:
                if block in self._ended:
                    raise LateArguments
                self._lost = True
            return []
        if not piece:
            return []
        self._holdings.piece(piece)
        return [call.add(piece)]

    def end(self, block: int) -> list[ToolCallDelta | ToolCall]:
        """The block is whole: the call, if it is one. What was given counts when no piece followed."""
        self._foreign.discard(block)
        call = self._open.get(block)
        if call is None:
            return []
        missing: list[ToolCallDelta] = []
        if call.blank:
            missing = self.add(block, call.given)
        del self._open[block]
        self._ended.add(block)
        return [*missing, call.whole(self._lost)]

    def rest(self) -> list[ToolCallDelta | ToolCall]:
        """The calls whose blocks never ended, as they stand."""
        return [chunk for block in list(self._open) for chunk in self.end(block)]

    def __contains__(self, block: int) -> bool:
        """Whether a block is a call that is still open."""
        return block in self._open

    def _end_unsaid(self, block: int, call: OpenCall) -> list[ToolCallDelta | ToolCall]:
        """Another call begins under its number. Without arguments it may be the one that those to come are for."""
        if call.blank and not call.given:
            call.wrong = LOST
        return self.end(block)
