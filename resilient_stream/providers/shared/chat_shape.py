"""Encodes messages and tools in OpenAI's chat shape, which several dialects share.

What is here is the same in all of them; what differs between two stands in their own files. No provider is known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from ...messages import FilePart, FunctionCall, ImagePart, Message, Part, TextPart, Tool

__all__ = [
    "WriteFile", "data_url", "encode_call", "encode_content", "encode_message", "encode_part", "encode_tool",
    "encode_tool_choice", "no_file",
]  # fmt: skip


WriteFile: TypeAlias = Callable[[FilePart], dict[str, Any] | None]
"""Encodes a file in a host's own words."""


def no_file(part: FilePart) -> None:
    """Leave a file out, where none can come: what a dialect does not take was refused before (`fitting/files.py`)."""


def encode_message(message: Message, write_file: WriteFile = no_file) -> dict[str, Any]:
    """Encode one turn, with its tool calls or the id of the call that it answers."""
    fields: dict[str, Any] = {"role": message.role, "content": encode_content(message, write_file)}
    if message.tool_calls:
        fields["content"] = fields["content"] or None
        fields["tool_calls"] = [encode_call(call) for call in message.tool_calls]
    if message.tool_call_id:
        fields["tool_call_id"] = message.tool_call_id
    if message.name:
        fields["name"] = message.name
    return fields


def encode_call(call: FunctionCall) -> dict[str, Any]:
    """Encode a tool call that the model made; its arguments stay JSON text."""
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def encode_content(message: Message, write_file: WriteFile = no_file) -> str | list[dict[str, Any]]:
    """Encode a message's content. A single text stays a string, since not every host reads lists."""
    if isinstance(message.content, str) or not any(isinstance(part, ImagePart | FilePart) for part in message.content):
        return message.text
    return [encoded for part in message.parts if (encoded := encode_part(part, write_file)) is not None]


def encode_part(part: Part, write_file: WriteFile = no_file) -> dict[str, Any] | None:
    """Encode a text, a picture or a file; None for a part that has no place in a request."""
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, ImagePart):
        image = {"url": part.url} | ({"detail": part.detail} if part.detail else {})
        return {"type": "image_url", "image_url": image}
    return write_file(part) if isinstance(part, FilePart) else None


def data_url(part: FilePart) -> str:
    """Return the address of a file: its link, or its data as a URL."""
    return part.url or f"data:{part.media_type};base64,{part.data}"


def encode_tool(tool: Tool, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Encode a function that the model may call. parameters: where the API does not take them as they were given."""
    schema = tool.parameters if parameters is None else parameters
    function: dict[str, Any] = {"name": tool.name, "description": tool.description, "parameters": schema}
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def encode_tool_choice(choice: str | None) -> str | dict[str, Any] | None:
    """Encode the tool choice: auto, none and required stay as they are; any other word is the name of a tool."""
    if choice is None or choice in ("auto", "none", "required"):
        return choice
    return {"type": "function", "function": {"name": choice}}
