"""Reads the blocks of tools that Anthropic runs itself as chunks.

A call is a `server_tool_use` or `mcp_tool_use`; its result is a block whose type ends in `_tool_result`. All blocks
keep their own form beside what is read of them, since the API wants them back unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ...chunks import Chunk, File, ServerToolCall, ServerToolResult
from ..shared.encoded import UNKNOWN_TYPE
from ..shared.paired import Role
from ..shared.values import list_of, object_of, text_of

__all__ = ["CALLS", "RESULT", "ServerBlocks", "caller_in", "caller_of", "role_of"]

CALLS = ("server_tool_use", "mcp_tool_use")
RESULT = "_tool_result"


def role_of(block: dict[str, Any]) -> Role | None:
    """Return what a block is to a tool that Anthropic runs. A call without a name or with arguments that are no object
    is refused like one without an id."""
    if block["type"] in CALLS:
        sound = bool(text_of(block.get("name"))) and isinstance(block.get("input"), dict)
        return Role(True, text_of(block.get("id")) if sound else "")
    return Role(False, text_of(block.get("tool_use_id"))) if block["type"].endswith(RESULT) else None


class ServerBlocks:
    """Reads the blocks of one answer that belong to tools that Anthropic runs. A result has no name of its own for an
    MCP server's tool, so the calls' are kept."""

    __slots__ = ("_names",)

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def chunks(self, kind: str, block: dict[str, Any]) -> list[Chunk]:
        """Return the chunks of a whole block; none for a block of another type."""
        if kind in CALLS:
            return [self._call(block)]
        if kind.endswith(RESULT):
            return [self._result(kind, block), *_files(block.get("content"))]
        return []

    def _call(self, block: dict[str, Any]) -> ServerToolCall:
        id, name, given = text_of(block.get("id")), text_of(block.get("name")), block.get("input")
        self._names[id] = name
        arguments = given if isinstance(given, str) else msgspec.json.encode(given or {}).decode()
        return ServerToolCall(id, name, arguments, given if isinstance(given, dict) else None, block)

    def _result(self, kind: str, block: dict[str, Any]) -> ServerToolResult:
        id, content = text_of(block.get("tool_use_id")), block.get("content")
        name = self._names.get(id) or kind.removesuffix(RESULT)
        failed = block.get("is_error") is True or text_of(object_of(content).get("type")).endswith("_error")
        return ServerToolResult(id, name, content, failed, block)


def caller_in(block: dict[str, Any]) -> str | None:
    """Return the proof of a function call that a program of the provider made; None for one that the model made."""
    caller = object_of(block.get("caller"))
    direct = caller.get("type") in (None, "direct")
    return None if direct else msgspec.json.encode({"caller": caller}).decode()


def caller_of(proof: str | None) -> dict[str, Any]:
    """Return the field of a call that goes back with it, so that the program goes on; nothing for any other proof."""
    try:
        kept = msgspec.json.decode(proof or "null")
    except msgspec.DecodeError:
        return {}
    caller = object_of(object_of(kept).get("caller"))
    return {"caller": caller} if caller else {}


def _files(content: Any) -> Iterator[File]:
    """Yield the files that a program wrote, which can be fetched by their ids."""
    for output in list_of(object_of(content).get("content")):
        if id := text_of(object_of(output).get("file_id")):
            yield File(UNKNOWN_TYPE, id=id)
