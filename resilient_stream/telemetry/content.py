"""Writes prompts and answers in the JSON of OpenTelemetry's conventions, for spans that shall have them.

This is called only for `Telemetry(content=True)`. The shapes are those of gen-ai-input-messages.json and
gen-ai-output-messages.json in the conventions. Of a picture only the kind and size are told, never its data.
"""

from __future__ import annotations

import itertools
from typing import Any, TypeAlias

import msgspec

from ..contract import Request
from ..messages import FilePart, FunctionCall, ImagePart, Message, OpaquePart, Part, ReasoningPart, TextPart
from ..outcome.transcript import Transcript

__all__ = ["prompt", "reply", "tool_arguments", "tool_result"]

Json: TypeAlias = dict[str, Any]

_FINISH = {"tool_calls": "tool_call"}
"""Finish reasons that have another name in the conventions."""


def prompt(request: Request) -> dict[str, str]:
    """Return the attributes of a prompt: its instructions, its messages, and the tools by name.

    Instructions are the system's messages in front, wherever the provider wants them; later ones stay among the others.
    """
    asked = list(itertools.dropwhile(_is_instruction, request.messages))
    messages = [{"role": _role(message), "parts": _parts(message)} for message in asked]
    attributes = {"gen_ai.input.messages": _text(messages)}
    if in_front := request.messages[: len(request.messages) - len(asked)]:
        attributes["gen_ai.system_instructions"] = _text([part for message in in_front for part in _parts(message)])
    if request.tools:
        tools = [{"type": "function", "name": tool.name} for tool in request.tools]
        attributes["gen_ai.tool.definitions"] = _text(tools)
    return attributes


def reply(transcript: Transcript) -> dict[str, str]:
    """Return the attributes of what was received, whole or not; none when nothing was received."""
    parts: list[Json] = []
    if reasoning := transcript.reasoning:
        parts.append({"type": "reasoning", "content": reasoning})
    if text := transcript.text:
        parts.append({"type": "text", "content": text})
    parts += [_call(call.id, call.name, _arguments(call.arguments)) for call in transcript.tool_calls]
    finish = transcript.finish_reason or "error"
    message = {"role": "assistant", "parts": parts, "finish_reason": _FINISH.get(finish, finish)}
    return {"gen_ai.output.messages": _text([message])} if parts else {}


def tool_arguments(arguments: str) -> dict[str, str]:
    """Return the attribute of a tool's arguments, as JSON."""
    return {"gen_ai.tool.call.arguments": arguments or "{}"}


def tool_result(result: str) -> dict[str, str]:
    """Return the attribute of a tool's result, as the model gets it: text or JSON."""
    return {"gen_ai.tool.call.result": result}


def _is_instruction(message: Message) -> bool:
    return _role(message) == "system"


def _role(message: Message) -> str:
    return "system" if message.role == "developer" else message.role


def _parts(message: Message) -> list[Json]:
    if message.role == "tool":
        return [{"type": "tool_call_response", "id": message.tool_call_id, "response": message.text}]
    return [*map(_part, message.parts), *map(_earlier_call, message.tool_calls)]


def _part(part: Part) -> Json:
    match part:
        case TextPart():
            return {"type": "text", "content": part.text}
        case ReasoningPart():
            return {"type": "reasoning", "content": part.text}
        case ImagePart():
            return _image(part)
        case OpaquePart():
            return {"type": "opaque", "provider": part.provider}
        case FilePart():
            return _file(part)


def _file(part: FilePart) -> Json:
    """Return what is known of a file, without its content."""
    made: Json = {"type": "file", "modality": part.kind, "mime_type": part.media_type}
    if part.data is not None:
        return made | {"base64_characters": len(part.data)}
    return made | ({"uri": part.url} if part.url is not None else {"file_id": part.id})


def _image(part: ImagePart) -> Json:
    if (data := part.data()) is None:
        return {"type": "uri", "modality": "image", "uri": part.url}
    return {"type": "image", "mime_type": data[0], "base64_characters": len(data[1])}


def _earlier_call(call: FunctionCall) -> Json:
    return _call(call.id, call.name, _arguments(call.arguments))


def _arguments(text: str) -> Any:
    """Return a call's arguments as an object, or as text where they are not one."""
    try:
        return msgspec.json.decode(text or "{}")
    except msgspec.DecodeError:
        return text


def _call(call_id: str, name: str, arguments: Any) -> Json:
    return {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
