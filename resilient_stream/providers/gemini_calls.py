"""Gemini's tool calls: whole as a rule, and in pieces with paths where a request asks for that.

The one rule: calls come one after the other; a name begins a new one, also when the last had no end.
Must never: make up what did not come. A call that was cut has no `parsed`: nobody shall act on half of it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..chunks import ToolCall, ToolCallDelta
from .partial_arguments import PartialArguments
from .tool_calls import parse_arguments

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

    __slots__ = ("_begun", "_open")

    def __init__(self) -> None:
        self._begun = 0
        self._open: _OpenCall | None = None

    def __len__(self) -> int:
        """How many have begun."""
        return self._begun

    def read(self, call: FunctionCall, signature: str | None, turn: str | None) -> list[ToolCallDelta | ToolCall]:
        """A whole call, or a piece of one. turn: the answer's own id."""
        made = self.end() if call.name else []
        if self._open is None:
            if not (call.name or call.args or call.partialArgs):
                return made
            self._open = self._begin(call, turn)
            if call.willContinue:
                made.append(ToolCallDelta(self._open.index, self._open.id, self._open.name, ""))
        self._open.take(call, signature)
        return made if call.willContinue else made + self.end()

    def end(self, *, whole: bool = True) -> list[ToolCallDelta | ToolCall]:
        """The call that is open, if any, as it stands."""
        opened, self._open = self._open, None
        return [] if opened is None else opened.chunks(whole)

    def _begin(self, call: FunctionCall, turn: str | None) -> _OpenCall:
        """Most calls have no id. Ours differ from turn to turn: some providers refuse one used twice."""
        index, self._begun = self._begun, self._begun + 1
        id = call.id or f"call_{index}" + (f"_{turn}" if turn else "")
        return _OpenCall(index, id, call.name or "")


class _OpenCall:
    """A tool call of which not everything has come."""

    __slots__ = ("_arguments", "_partial", "_signature", "id", "index", "name")

    def __init__(self, index: int, id: str, name: str) -> None:
        self.index = index
        self.id = id
        self.name = name
        self._arguments: Any = None
        self._partial = PartialArguments()
        self._signature: str | None = None

    def take(self, call: FunctionCall, signature: str | None) -> None:
        self._signature = self._signature or signature
        self._arguments = self._arguments if call.args is None else call.args
        for piece in call.partialArgs or ():
            self._partial.take(piece)

    def chunks(self, whole: bool) -> list[ToolCallDelta | ToolCall]:
        """Its arguments in one delta, since pieces with paths are no JSON text, and the call.

        A call that was cut, or has a piece that did not fit, has no `parsed`: nobody shall act on half of it.
        """
        value = self._partial.value if self._arguments is None else self._arguments
        text = msgspec.json.encode(value).decode()
        parsed = parse_arguments(text) if whole and not self._partial.broken else None
        return [
            ToolCallDelta(self.index, self.id, self.name, text),
            ToolCall(self.index, self.id, self.name, text, parsed, self._signature),
        ]
