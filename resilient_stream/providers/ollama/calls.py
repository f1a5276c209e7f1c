"""Assembles Ollama's tool calls, each of which comes whole, as an object.

A call without arguments waits for what comes next, since a proxy may send the same call again with them. A call whose
arguments came in another one cannot be run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...chunks import ToolCall, ToolCallDelta
from ...text.arguments import parse_arguments
from ..shared.call_fields import arguments_in, function_of
from ..shared.holdings import Holdings
from ..shared.open_call import TWICE, Doubts, OpenCall
from ..shared.values import text_of

__all__ = ["OllamaCalls"]


class OllamaCalls:
    """Assembles the calls of one answer."""

    __slots__ = ("_begun", "_doubts", "_holdings", "_number", "_waiting")

    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings
        self._begun = 0
        self._doubts = Doubts()
        self._number: Any = None
        self._waiting: OpenCall | None = None

    def __len__(self) -> int:
        """Return how many calls have begun."""
        return self._begun

    def read(self, sent: Mapping[str, Any], turn: str) -> list[ToolCallDelta | ToolCall]:
        """Take a call, and return the call that waited before it. turn: makes this answer's ids differ from those of
        others."""
        function = function_of(sent)
        number = function.get("index")
        call = self._begin(sent, function, turn)
        empty = parse_arguments(call.text) == {}
        waiting = self._waiting
        if waiting is not None and not empty and waiting.name == call.name and number == self._number:
            waiting.wrong = waiting.wrong or TWICE
        made = self.rest()
        self._waiting, self._number = call, number
        return made if empty else made + self.rest()

    def _begin(self, sent: Mapping[str, Any], function: Mapping[str, Any], turn: str) -> OpenCall:
        """Begin a call. Older servers give no id; ours differ from turn to turn, since some providers refuse an id used
        twice."""
        said = arguments_in(function, sent)
        id = text_of(sent.get("id")) or f"call_{self._begun}_{turn}"
        name = text_of(function.get("name")) or text_of(sent.get("name"))
        call = OpenCall(self._begun, id, name, wrong=said.wrong, odd=said.odd)
        self._begun += 1
        self._holdings.item(id, name, said.text)
        call.add(said.text or "{}")
        return call

    def rest(self) -> list[ToolCallDelta | ToolCall]:
        """Return the call that waits, if any, with what has arrived of it."""
        call, self._waiting = self._waiting, None
        if call is None:
            return []
        return [ToolCallDelta(call.index, call.id, call.name, call.text), *self._doubts.all_of([call])]
