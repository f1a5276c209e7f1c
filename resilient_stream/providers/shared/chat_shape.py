"""Messages and tools in OpenAI's chat shape, which several dialects share.

What is here is the same in all of them; what differs between two stands in their own files. This module must never know
a provider.
"""

from __future__ import annotations

from typing import Any

from ...messages import FunctionCall, ImagePart, Message, Part, TextPart, Tool

__all__ = ["encode_call", "encode_content", "encode_message", "encode_part", "encode_tool", "encode_tool_choice"]


def encode_message(message: Message) -> dict[str, Any]:
    """Encode one turn, with its tool calls or the id of the call that it answers."""
    fields: dict[str, Any] = {"role": message.role, "content": encode_content(message)}
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


def encode_content(message: Message) -> str | list[dict[str, Any]]:
    """Encode a message's content. A single text stays a string, since not every host reads lists."""
    if isinstance(message.content, str) or not any(isinstance(part, ImagePart) for part in message.content):
        return message.text
    return [encoded for part in message.parts if (encoded := encode_part(part)) is not None]


def encode_part(part: Part) -> dict[str, Any] | None:
    """Encode a text or a picture; None for a part that has no place in a request."""
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, ImagePart):
        image = {"url": part.url} | ({"detail": part.detail} if part.detail else {})
        return {"type": "image_url", "image_url": image}
    return None


def encode_tool(tool: Tool) -> dict[str, Any]:
    """Encode a function that the model may call."""
    function: dict[str, Any] = {
        "name": tool.name, "description": tool.description, "parameters": tool.parameters,
    }  # fmt: skip
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def encode_tool_choice(choice: str | None) -> str | dict[str, Any] | None:
    """Encode the tool choice: auto, none and required stay as they are; any other word is the name of a tool."""
    if choice is None or choice in ("auto", "none", "required"):
        return choice
    return {"type": "function", "function": {"name": choice}}
