"""Assembles Gemini's tool calls, which usually come whole, and in pieces with paths if the request asks for that.

Calls come one after the other: a name begins a new call, and an unfinished call before it was cut. A call without
arguments waits for the next part, since some servers send them in a part of their own, without the name. A call that
was cut has no `parsed`, so that nobody acts on half of it.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from ...chunks import ToolCall, ToolCallDelta
from ...text.arguments import parse_arguments
from ..shared.call_fields import arguments_in
from ..shared.holdings import Holdings
from ..shared.open_call import TWICE, TWO_IDS, Doubts, OpenCall
from .partial_arguments import PartialArguments

__all__ = ["GeminiCalls"]


_OWN = frozenset({"partialArgs", "willContinue"})


class _FunctionCall(msgspec.Struct, gc=False):
    """Holds a `functionCall` part: a whole call or, where `willContinue`, a piece of one. odd, wrong: see
    `OpenCall`."""

    name: str | None = None
    id: str | None = None
    args: Any = None
    partialArgs: list[dict[str, Any]] | None = None
    willContinue: bool | None = None
    odd: bool = False
    wrong: str | None = None


def _read(sent: dict[str, Any]) -> _FunctionCall:
    """Read the fields of a part, with the arguments under any of their names. Raises msgspec's error for a wrong
    type."""
    call = msgspec.convert({**sent, "args": None, "odd": False, "wrong": None}, _FunctionCall)
    said = arguments_in(sent, known=_OWN)
    call.odd, call.wrong = said.odd, said.wrong
    if said.text:
        parsed = parse_arguments(said.text)
        call.args = said.text if parsed is None else parsed
    return call


class GeminiCalls:
    """Assembles the calls of one answer."""

    __slots__ = ("_begun", "_doubts", "_holdings", "_open")

    def __init__(self, holdings: Holdings | None = None) -> None:
        self._holdings = holdings or Holdings()
        self._begun = 0
        self._doubts = Doubts()
        self._open: _OpenCall | None = None

    def __len__(self) -> int:
        """Return how many calls have begun."""
        return self._begun

    def read(self, sent: dict[str, Any], signature: str | None, turn: str | None) -> list[ToolCallDelta | ToolCall]:
        """Take a whole call, or a piece of one. turn: the answer's own id."""
        call = _read(sent)
        made = self._next(call) if call.name else []
        opened = self._open
        if opened is None:
            if not (call.name or call.args or call.partialArgs):
                if call.odd:
                    self._doubts.note()
                return made
            opened = self._open = self._begin(call, turn)
            if call.willContinue:
                made.append(ToolCallDelta(opened.index, opened.id, opened.name, ""))
        opened.take(call, signature)
        return made if opened.waits else made + self.end()

    def _next(self, call: _FunctionCall) -> list[ToolCallDelta | ToolCall]:
        """Begin another call. If it has the same name, its arguments may be meant for the call that waits."""
        waiting = self._open
        if waiting is not None and waiting.empty and waiting.name == call.name and (call.args or call.partialArgs):
            waiting.wrong = waiting.wrong or TWICE
        return self.stop()

    def pause(self) -> list[ToolCallDelta | ToolCall]:
        """End a call that was only waiting for arguments without a name, since something else follows."""
        return self.end() if self._open is not None and not self._open.goes_on else []

    def stop(self) -> list[ToolCallDelta | ToolCall]:
        """End an open call whose last piece some servers leave out. A call without arguments has lost them."""
        opened = self._open
        return self.end(whole=opened is not None and not (opened.empty and opened.goes_on))

    def end(self, *, whole: bool = True) -> list[ToolCallDelta | ToolCall]:
        """Return the open call, if any, with what has arrived of it."""
        opened, self._open = self._open, None
        if opened is None:
            return []
        call = opened.call()
        delta = ToolCallDelta(call.index, call.id, call.name, call.text)
        if not whole and call.wrong is None:
            return [delta, replace(call.whole(), parsed=None)]
        return [delta, *self._doubts.all_of([call])]

    def _begin(self, call: _FunctionCall, turn: str | None) -> _OpenCall:
        """Begin a call. Most have no id; ours differ from turn to turn, since some providers refuse an id used
        twice."""
        index, self._begun = self._begun, self._begun + 1
        id = call.id or f"call_{index}" + (f"_{turn}" if turn else "")
        self._holdings.item(id, call.name or "")
        return _OpenCall(index, id, call.name or "", self._holdings)


class _OpenCall:
    """Holds a tool call of which not everything has arrived."""

    __slots__ = (
        "_arguments",
        "_holdings",
        "_odd",
        "_own_id",
        "_partial",
        "_signature",
        "goes_on",
        "id",
        "index",
        "name",
        "wrong",
    )

    def __init__(self, index: int, id: str, name: str, holdings: Holdings) -> None:
        self.index = index
        self.id = id
        self.name = name
        self._arguments: Any = None
        self._holdings = holdings
        self._partial = PartialArguments(holdings)
        self._signature: str | None = None
        self._own_id = ""
        self._odd = False
        self.goes_on = False
        self.wrong: str | None = None

    @property
    def empty(self) -> bool:
        """Return whether it has no arguments yet."""
        return not self._arguments and not self._partial.value

    @property
    def waits(self) -> bool:
        """Return whether more of the call may come: its piece said so, or it has no arguments."""
        return self.goes_on or (self.empty and bool(self.name) and self.wrong is None)

    def take(self, call: _FunctionCall, signature: str | None) -> None:
        self._signature = self._signature or signature
        self.goes_on, self._odd = bool(call.willContinue), self._odd or call.odd
        if call.id and self._own_id and call.id != self._own_id:
            self.wrong = self.wrong or TWO_IDS
        self._own_id = self._own_id or call.id or ""
        self.wrong = self.wrong or call.wrong
        if call.args is not None and call.args != self._arguments:
            self.wrong = self.wrong or (TWICE if self._arguments else None)
            self._arguments = call.args
        for piece in call.partialArgs or ():
            self._partial.take(piece)

    def call(self) -> OpenCall:
        """Return the call with what has arrived. A piece that did not fit leaves it without `parsed`: nobody should act
        on half of a call."""
        pieces = self._partial.value
        value = self._arguments or pieces
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        self._holdings.piece(text)
        wrong = self.wrong
        if self._partial.broken:
            wrong = wrong or "a piece of the arguments has no place"
        if pieces and value != pieces:
            wrong = wrong or TWICE
        made = OpenCall(self.index, self.id, self.name, "", self._signature, wrong, odd=self._odd)
        made.add(text)
        return made
