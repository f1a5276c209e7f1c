"""Gemini's tool calls: whole as a rule, and in pieces with paths where a request asks for that.

The one rule: calls come one after the other; a name begins a new one, and one that was to go on was cut.
Must never: make up what did not come. A call that was cut has no `parsed`: nobody shall act on half of it.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from ..chunks import ToolCall, ToolCallDelta
from .holdings import Holdings
from .open_call import tool_call
from .partial_arguments import PartialArguments

__all__ = ["FunctionCall", "GeminiCalls"]


class FunctionCall(msgspec.Struct, gc=False):
    """A `functionCall` part: the whole of a call, or a piece of it where `willContinue`."""

    name: str | None = None
    id: str | None = None
    args: Any = None
    partialArgs: list[dict[str, Any]] | None = None
    willContinue: bool | None = None


class GeminiCalls:
    """The calls of one answer."""

    __slots__ = ("_begun", "_holdings", "_open")

    def __init__(self, holdings: Holdings | None = None) -> None:
        self._holdings = holdings or Holdings()
        self._begun = 0
        self._open: _OpenCall | None = None

    def __len__(self) -> int:
        """How many have begun."""
        return self._begun

    def read(self, call: FunctionCall, signature: str | None, turn: str | None) -> list[ToolCallDelta | ToolCall]:
        """A whole call, or a piece of one. turn: the answer's own id."""
        made = self.stop() if call.name else []
        if self._open is None:
            if not (call.name or call.args or call.partialArgs):
                return made
            self._open = self._begin(call, turn)
            if call.willContinue:
                made.append(ToolCallDelta(self._open.index, self._open.id, self._open.name, ""))
        self._open.take(call, signature)
        return made if call.willContinue else made + self.end()

    def stop(self) -> list[ToolCallDelta | ToolCall]:
        """The call that is open ends without its last piece, which some servers leave out. One that has no arguments
        yet has lost them."""
        return self.end(whole=self._open is not None and not self._open.empty)

    def end(self, *, whole: bool = True) -> list[ToolCallDelta | ToolCall]:
        """The call that is open, if any, as it stands."""
        opened, self._open = self._open, None
        return [] if opened is None else opened.chunks(whole)

    def _begin(self, call: FunctionCall, turn: str | None) -> _OpenCall:
        """Most calls have no id. Ours differ from turn to turn: some providers refuse one used twice."""
        index, self._begun = self._begun, self._begun + 1
        id = call.id or f"call_{index}" + (f"_{turn}" if turn else "")
        self._holdings.item(id, call.name or "")
        return _OpenCall(index, id, call.name or "", self._holdings)


class _OpenCall:
    """A tool call of which not everything has come."""

    __slots__ = ("_arguments", "_holdings", "_own_id", "_partial", "_signature", "_wrong", "id", "index", "name")

    def __init__(self, index: int, id: str, name: str, holdings: Holdings) -> None:
        self.index = index
        self.id = id
        self.name = name
        self._arguments: Any = None
        self._holdings = holdings
        self._partial = PartialArguments(holdings)
        self._signature: str | None = None
        self._own_id = ""
        self._wrong: str | None = None

    @property
    def empty(self) -> bool:
        """Whether it has no arguments yet."""
        return not self._arguments and not self._partial.value

    def take(self, call: FunctionCall, signature: str | None) -> None:
        self._signature = self._signature or signature
        if call.id and self._own_id and call.id != self._own_id:
            self._wrong = "the call was given two ids"
        self._own_id = self._own_id or call.id or ""
        if call.args is not None and call.args != self._arguments:
            self._wrong = self._wrong or ("the arguments were given twice, and differ" if self._arguments else None)
            self._arguments = call.args
        for piece in call.partialArgs or ():
            self._partial.take(piece)

    def chunks(self, whole: bool) -> list[ToolCallDelta | ToolCall]:
        """Its arguments in one delta, since pieces with paths are no JSON text, and the call.

        A call that was cut, or has a piece that did not fit, has no `parsed`: nobody shall act on half of it.
        """
        pieces = self._partial.value
        value = self._arguments or pieces
        text = msgspec.json.encode(value).decode()
        self._holdings.piece(text)
        wrong = self._wrong
        if self._partial.broken:
            wrong = wrong or "a piece of the arguments has no place"
        if pieces and value != pieces:
            wrong = wrong or "the arguments were given twice, and differ"
        call = tool_call(self.index, self.id, self.name, text, self._signature, wrong)
        return [ToolCallDelta(self.index, self.id, self.name, text), call if whole else replace(call, parsed=None)]
