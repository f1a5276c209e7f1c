"""Reads tools that a host ran itself as chunks: each call once, and its result when it has come.

    executed_tools    a tool comes with its arguments first and again, under the same index, with what it gave
    reasoning_steps   a thought and what was done then, both at once

None has an id, so its index or its number names it. Pictures that a program drew are files. No host's name stands in
this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ...chunks import Chunk, File, ReasoningDelta, ServerToolCall, ServerToolResult
from ...text.arguments import parse_arguments
from ..shared.encoded import bytes_of
from ..shared.holdings import Holdings
from ..shared.unmodelled import says
from ..shared.values import list_of, object_of, text_of

__all__ = ["ExecutedTools"]

_CALL = frozenset({"index", "type", "name", "arguments", "id"})
"""The fields of a tool that are no result."""


_RESULTS: Mapping[str, str] = {
    "web_search": "search_results", "fetch_url_content": "contents", "execute_python": "result",
}  # fmt: skip
"""What a step may do, each with the field that is its result; the other fields are its arguments."""


class ExecutedTools:
    """Reads the tools that the host ran for one answer. holdings: counts what is remembered of them."""

    __slots__ = ("_given", "_holdings")

    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings
        self._given: dict[str, int | None] = {}

    def add(self, tools: list[Any]) -> list[Chunk]:
        """Return the chunks of what is new in the tools of one event."""
        found: list[Chunk] = []
        for place, tool in enumerate(map(object_of, tools)):
            id = text_of(tool.get("id")) or f"executed_{tool.get('index', place)}"
            name = text_of(tool.get("name")) or text_of(tool.get("type"))
            if id not in self._given:
                self._holdings.item(id, name)
                self._given[id] = None
                arguments = text_of(tool.get("arguments"))
                found.append(ServerToolCall(id, name, arguments, parse_arguments(arguments) if arguments else None))
            found += self._result(id, name, {field: said for field, said in tool.items() if field not in _CALL})
        return found

    def step(self, step: dict[str, Any]) -> list[Chunk]:
        """Return the chunks of a step: its thought, its call and its result. None for a step of another kind."""
        thought = text_of(step.get("thought"))
        found: list[Chunk] = [ReasoningDelta(thought)] if thought else []
        for name in filter(step.get, _RESULTS):
            if done := object_of(step[name]):
                id, asked = f"step_{len(self._given)}", {**done}
                self._holdings.item(id, name)
                self._given[id] = None
                result = asked.pop(_RESULTS[name], None)
                found.append(ServerToolCall(id, name, msgspec.json.encode(asked).decode(), asked))
                found.append(ServerToolResult(id, name, result))
        return found

    def _result(self, id: str, name: str, result: dict[str, Any]) -> list[Chunk]:
        """Return a result that says something, unless it was given."""
        digest = hash(repr(sorted(result.items())))  # the result itself may be as long as an event
        if not says(result) or self._given[id] == digest:
            return []
        self._given[id] = digest
        drawn = (bytes_of(object_of(each).get("png")) for each in list_of(result.get("code_results")))
        return [ServerToolResult(id, name, result), *(File("image/png", png) for png in drawn if png)]
