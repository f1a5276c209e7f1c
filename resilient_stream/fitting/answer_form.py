"""Asks for an object in the way that its target has: by a schema it enforces, by JSON mode, by a tool, or in words.

`Capabilities.output_by` says which. A schema and JSON mode have fields in a dialect's request, so the adapter writes
them; JSON mode and words have the schema told to the model. For the tool, one is offered whose arguments are the
object, and it has to be called; its arguments then come as the text of the answer, so that a caller sees no difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar, cast

import msgspec

from ..chunks import Chunk, Finished, TextDelta, ToolCall, ToolCallDelta
from ..contract import Batch, Capabilities, Decoder, Request
from ..messages import Message, Tool

__all__ = ["as_text", "in_its_way", "in_words", "told_in_words"]

DecoderT = TypeVar("DecoderT", bound=Decoder)

ANSWER = "answer"
"""The name of the tool; with an underscore more for each tool of the caller's that has the name already."""

_ABOUT = "Give the answer by calling this tool, once, with all of it as the arguments; say nothing beside it."
_SYSTEM = ("system", "developer")


def in_words(schema: Mapping[str, Any]) -> str:
    """Return the instruction that asks for an answer by a schema where it cannot be enforced."""
    text = msgspec.json.encode(schema).decode()
    return f"Answer with one JSON value that follows this JSON schema, and with nothing else, no code fence:\n{text}"


def told_in_words(request: Request) -> Request:
    """Return the request with its schema in a system message, behind those in front."""
    if request.output is None:
        return request
    messages, told = request.messages, Message(role="system", content=in_words(request.output))
    place = next((number for number, each in enumerate(messages) if each.role not in _SYSTEM), len(messages))
    return replace(request, messages=(*messages[:place], told, *messages[place:]))


def in_its_way(request: Request, able: Capabilities) -> tuple[Request, str]:
    """Return the request as its adapter can write it, and the name of the tool that has the answer, if one has it."""
    if request.output is None or not able.output or able.output_by in ("schema", "json"):
        return request, ""
    if able.output_by == "words" or not (able.tools and able.forced_tools):
        return replace(told_in_words(request), output=None), ""
    name = _free_name(request)
    tool = Tool(name=name, description=_ABOUT, parameters=dict(request.output))
    choice = _choice(request, name)
    return replace(request, output=None, tools=(*request.tools, tool), tool_choice=choice), name


def as_text(decoder: DecoderT, answer: str) -> DecoderT:
    """Return a decoder that gives the calls of the tool `answer` as text; the same one where there is no such tool."""
    return cast(DecoderT, _CallAsText(decoder, answer)) if answer else decoder


def _free_name(request: Request) -> str:
    taken = {tool.name for tool in request.tools}
    taken |= {call.name for message in request.messages for call in message.tool_calls}
    name = ANSWER
    while name in taken:
        name += "_"
    return name


def _choice(request: Request, name: str) -> str:
    """Return which tool has to be called: the answer, or one of the caller's where these may be called as well."""
    if not request.tools or request.tool_choice == "none":
        return name
    given = request.tool_choice
    return "required" if given is None or given == "auto" else given


class _CallAsText:
    """Wraps a decoder and gives the call of one tool as text.

    The first call of the tool is the answer; others of it are dropped. An answer without other calls has stopped.
    """

    def __init__(self, decoder: Decoder, answer: str) -> None:
        self._decoder = decoder
        self._answer = answer
        self._index: int | None = None
        self._spoken = False
        self._other_calls = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._decoder, name)

    def feed(self, data: bytes) -> Batch:
        """Decode one network read, as the wrapped decoder does."""
        return self._read(self._decoder.feed(data))

    def finish(self) -> Batch:
        """Take note that the body ended, as the wrapped decoder does."""
        return self._read(self._decoder.finish())

    def _read(self, batch: Batch) -> Batch:
        return [made for chunk in batch if (made := self._as_text(chunk)) is not None]

    def _as_text(self, chunk: Chunk) -> Chunk | None:
        if isinstance(chunk, ToolCallDelta | ToolCall):
            return self._text_of(chunk)
        if isinstance(chunk, Finished) and chunk.reason == "tool_calls" and self._spoken and not self._other_calls:
            return msgspec.structs.replace(chunk, reason="stop")
        return chunk

    def _text_of(self, call: ToolCallDelta | ToolCall) -> Chunk | None:
        if call.name != self._answer and call.index != self._index:
            self._other_calls = True
            return call
        self._index = call.index if self._index is None else self._index
        text = call.arguments
        if isinstance(call, ToolCall):
            text = "" if self._spoken else text or "{}"
        if not text or call.index != self._index:
            return None
        self._spoken = True
        return TextDelta(text)
