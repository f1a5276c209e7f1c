"""Reads the parts of an answer that are neither text nor a function's call: code that ran, Google's tools, files.

Each keeps its own form beside what is read of it, with its signature: Google wants the parts of a turn back as they
came. A recording that is streamed comes as several files, whose bytes joined are the recording.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec
from msgspec.structs import replace

from ...chunks import File, ServerToolCall, ServerToolResult
from ...contract import Batch
from ..shared.encoded import UNKNOWN_TYPE, bytes_of
from ..shared.paired import Role
from ..shared.values import object_of, text_of
from .events import PART_EXTRAS, Part

__all__ = ["OwnParts", "role_of"]

_NOT_SENT_BACK = frozenset({"text", "audioTranscription"})
CODE = "code_execution"

_TOOL_PARTS: Mapping[str, bool] = {
    "executableCode": True,
    "toolCall": True,
    "codeExecutionResult": False,
    "toolResponse": False,
}
"""The parts of Google's own tools, and whether each is a call."""


def role_of(part: dict[str, Any]) -> Role | None:
    """Return what a part is to a tool that Google runs. A program has no id of its own in older answers."""
    name = next((name for name in _TOOL_PARTS if name in part), None)
    if name is None:
        return None
    is_code = name in ("executableCode", "codeExecutionResult")
    id = CODE if is_code and isinstance(part[name], dict) else text_of(object_of(part[name]).get("id"))
    return Role(_TOOL_PARTS[name], id, once=not is_code)


class OwnParts:
    """Reads the parts of one answer that are neither text nor a function's call. called: one of them was a tool's call,
    so searches are told by parts."""

    __slots__ = ("_codes", "_names", "called")

    def __init__(self) -> None:
        self.called = False
        self._codes = 0
        self._names: dict[str, str] = {}

    def read(self, part: Part) -> Batch:
        """Return the chunks of a part; none for a part that is not understood."""
        native = {name: value for name, value in msgspec.to_builtins(part).items() if name not in _NOT_SENT_BACK}
        made = [
            chunk
            for name in PART_EXTRAS
            if isinstance(value := native.get(name), dict)
            for chunk in _READERS[name](self, value, native)
        ]
        words = text_of(object_of(part.audioTranscription).get("text"))
        return [replace(chunk, text=words) if type(chunk) is File else chunk for chunk in made] if words else made

    def _code(self, said: dict[str, Any], native: Any) -> Batch:
        self._codes += 1
        return [ServerToolCall(self._code_id(said), CODE, text_of(said.get("code")), said, native)]

    def _code_result(self, said: dict[str, Any], native: Any) -> Batch:
        failed = said.get("outcome") not in ("OUTCOME_OK", "OUTCOME_UNSPECIFIED", 1, None)
        return [ServerToolResult(self._code_id(said), CODE, said, failed, native)]

    def _code_id(self, said: dict[str, Any]) -> str:
        """Return the id of a program, or its number: older models have no ids, and a result follows its program."""
        return text_of(said.get("id")) or f"code_{self._codes}"

    def _tool_call(self, said: dict[str, Any], native: Any) -> Batch:
        id, name, arguments = text_of(said.get("id")), text_of(said.get("toolType")), object_of(said.get("args"))
        self.called = True
        self._names[id] = name
        return [ServerToolCall(id, name, msgspec.json.encode(arguments).decode(), arguments, native)]

    def _tool_response(self, said: dict[str, Any], native: Any) -> Batch:
        id = text_of(said.get("id"))
        name = text_of(said.get("toolType")) or self._names.get(id, "")
        return [ServerToolResult(id, name, said.get("response"), "error" in object_of(said.get("response")), native)]

    def _inline(self, said: dict[str, Any], native: Any) -> Batch:
        """Return a file that came with its bytes. A picture that is only a thought is no part of the answer."""
        data = bytes_of(said.get("data"))
        if data is None or native.get("thought"):
            return []
        return [File(text_of(said.get("mimeType")) or UNKNOWN_TYPE, data, native=native)]

    def _linked(self, said: dict[str, Any], native: Any) -> Batch:
        if native.get("thought"):
            return []
        return [File(text_of(said.get("mimeType")) or UNKNOWN_TYPE, url=text_of(said.get("fileUri")), native=native)]


_Reader: TypeAlias = Callable[[OwnParts, dict[str, Any], Any], Batch]

_READERS: Mapping[str, _Reader] = {
    "executableCode": OwnParts._code,
    "codeExecutionResult": OwnParts._code_result,
    "toolCall": OwnParts._tool_call,
    "toolResponse": OwnParts._tool_response,
    "inlineData": OwnParts._inline,
    "fileData": OwnParts._linked,
}
