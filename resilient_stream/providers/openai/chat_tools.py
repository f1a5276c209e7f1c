"""Reads tools that a host ran itself (`executed_tools`) as chunks: each call once, and its result when it has come.

A tool comes with its arguments first and again, under the same index, with what it gave. It has no id, so its index
names it. Pictures that a program drew are files. No host's name stands in this module.
"""

from __future__ import annotations

from typing import Any

from ...chunks import Chunk, File, ServerToolCall, ServerToolResult
from ...text.arguments import parse_arguments
from ..shared.encoded import bytes_of
from ..shared.holdings import Holdings
from ..shared.unmodelled import says
from ..shared.values import list_of, object_of, text_of

__all__ = ["ExecutedTools"]

_CALL = frozenset({"index", "type", "name", "arguments", "id"})
"""The fields of a tool that are no result."""


class ExecutedTools:
    """The tools of one answer. holdings: counts what is remembered of them."""

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

    def _result(self, id: str, name: str, result: dict[str, Any]) -> list[Chunk]:
        """Return a result that says something, unless it was given."""
        digest = hash(repr(sorted(result.items())))  # the result itself may be as long as an event
        if not says(result) or self._given[id] == digest:
            return []
        self._given[id] = digest
        drawn = (bytes_of(object_of(each).get("png")) for each in list_of(result.get("code_results")))
        return [ServerToolResult(id, name, result), *(File("image/png", png) for png in drawn if png)]
