"""Turns what pydantic-ai asks of a model into what `client.stream()` takes: messages of all kinds, settings, tools.

Nothing is dropped silently, but what another provider alone understands, as in any conversation that changes its model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic_ai import messages as theirs
from pydantic_ai.exceptions import UserError
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ToolOrOutput

from ...messages import FilePart, FunctionCall, ImagePart, Message, OpaquePart, Part, TextPart, Tool
from ...messages import ReasoningPart as Thought
from ..frameworks import TARGET, assistant, in_words, simple
from .hosted import hosted

__all__ = ["BLOCK", "SIGNATURE", "to_messages", "to_options"]

BLOCK, SIGNATURE = "block", "thought_signature"
"""In the details of a part: a block, and the proof of a call, which go back to their provider unchanged."""

_SETTINGS: Mapping[str, str] = {
    "max_tokens": "max_tokens", "temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "seed": "seed",
    "presence_penalty": "presence_penalty", "frequency_penalty": "frequency_penalty", "stop_sequences": "stop",
    "extra_headers": "headers", "extra_body": "extra", "timeout": "deadline",
}  # fmt: skip
"""Settings of pydantic-ai, each with our option for it."""


def to_options(settings: Mapping[str, Any], parameters: ModelRequestParameters, provider: str = "") -> dict[str, Any]:
    """Return our options for what is asked. provider: the one that is asked first. Raises UserError for what has no
    place here."""
    given = {name: value for name, value in settings.items() if value is not None}
    choice, parallel = given.pop("tool_choice", None), given.pop("parallel_tool_calls", True)
    if unknown := [*given.keys() - _SETTINGS.keys(), *(() if parallel else ("parallel_tool_calls",))]:
        raise UserError(
            f"{unknown[0]} is no setting of ResilientModel: give your provider's field for it in extra_body"
        )
    if not isinstance(given.get("timeout", 0), int | float):
        raise UserError("timeout: give seconds; they are for the whole request, with its retries")
    options = {_SETTINGS[name]: value for name, value in given.items()}
    if (thinking := parameters.thinking) is not None:
        options["reasoning"] = ("medium" if thinking else "none") if isinstance(thinking, bool) else thinking
    if parameters.output_mode == "native" and (form := parameters.output_object) is not None:
        named = {"title": form.name, "description": form.description}
        options["output"] = form.json_schema | {name: text for name, text in named.items() if text}
    tools, must = _tools(choice, parameters)
    if tools or parameters.native_tools:
        at_provider = [hosted(tool, provider) for tool in parameters.native_tools]
        options["tools"] = [*map(_declared, tools), *at_provider]
    return options | {"tool_choice": must} if tools and must else options


def _tools(choice: Any, parameters: ModelRequestParameters) -> tuple[list[Any], str | None]:
    """Return the tools that are offered, and whether one has to be called.

    By pydantic-ai's rules a choice is about functions; tools for the output stay, unless a function is demanded.
    """
    functions, outputs = parameters.declared_function_tools, parameters.output_tools
    must = None if parameters.allow_text_output or parameters.allow_image_output else "required"
    names = choice.function_tools if isinstance(choice, ToolOrOutput) else choice
    if names in (None, "auto"):
        return [*functions, *outputs], must
    if names in ("none", []):
        return (outputs, must) if outputs else (functions, "none")
    chosen = [tool for tool in functions if names == "required" or tool.name in names]
    if not chosen:
        raise UserError(f"tool_choice={names!r}: there is no such function")
    return ([*chosen, *outputs], must) if isinstance(choice, ToolOrOutput) else (chosen, "required")


def _declared(tool: Any) -> Tool:
    about = tool.description or ""
    return Tool(name=tool.name, description=about, parameters=tool.parameters_json_schema, strict=tool.strict)


def to_messages(messages: Sequence[Any], told: Iterable[str]) -> list[Message]:
    """Return our messages. told: instructions for this request, which stand behind the system's other words."""
    made: list[Message] = []
    for message in messages:
        made += _answered(message) if message.kind == "response" else map(_question_part, message.parts)
    leading = next((place for place, each in enumerate(made) if each.role != "system"), len(made))
    return [*made[:leading], *(Message(role="system", content=text) for text in told), *made[leading:]]


def _question_part(part: Any) -> Message:
    match part:
        case theirs.SystemPromptPart():
            return Message(role="system", content=part.content)
        case theirs.UserPromptPart():
            return Message(role="user", content=part.content if isinstance(part.content, str) else _parts(part.content))
        case theirs.ToolReturnPart():
            content = simple(_parts(part.content_items(mode="str")))
            return Message(role="tool", tool_call_id=part.tool_call_id, content=content)
        case theirs.RetryPromptPart(tool_name=None):
            return Message(role="user", content=part.model_response())
        case theirs.RetryPromptPart():
            return Message(role="tool", tool_call_id=part.tool_call_id, content=part.model_response())
    raise UserError(f"ResilientModel cannot send a {type(part).__name__}")


def _parts(items: Iterable[Any]) -> list[Part]:
    parts: list[Part] = []
    for item in items:
        if not isinstance(item, theirs.CachePoint):
            parts.append(_part(item))
        elif not parts:
            raise UserError("a CachePoint needs something in front of it")
        else:
            parts[-1] = parts[-1].model_copy(update={"cache": item.ttl})
    return parts


def _part(item: Any) -> Part:
    if getattr(item, "force_download", False):
        raise UserError(f"{type(item).__name__}(force_download=…): nothing is downloaded here; give a BinaryContent")
    detail = (getattr(item, "vendor_metadata", None) or {}).get("detail")
    match item:
        case str() | theirs.TextContent():
            return TextPart(text=item if isinstance(item, str) else item.content)
        case theirs.ImageUrl():
            return ImagePart(url=item.url, detail=detail)
        case theirs.AudioUrl() | theirs.VideoUrl() | theirs.DocumentUrl():
            return FilePart(url=item.url, media_type=item.media_type)
        case theirs.BinaryContent(is_image=True):
            return ImagePart.of(item.data, item.media_type, detail=detail)
        case theirs.BinaryContent():
            return FilePart(data=item.data, media_type=item.media_type)
        case theirs.UploadedFile():
            unknown = item.media_type == "application/octet-stream"
            return FilePart(id=item.file_id, media_type=None if unknown else item.media_type)
    raise UserError(f"ResilientModel cannot send a {type(item).__name__}")


def _answered(response: Any) -> list[Message]:
    target = (response.provider_details or {}).get(TARGET) or f"{response.provider_name}:{response.model_name}"
    return assistant([block for part in response.parts for block in _earlier_part(part, target)])


def _earlier_part(part: Any, target: str) -> list[Part | FunctionCall]:
    """Return a part of an earlier answer as ours; nothing for what another library's model had at its provider."""
    given = part.provider_details or {}
    file = part.content.media_type if isinstance(part, theirs.FilePart) else ""
    if BLOCK in given:
        return [OpaquePart(provider=target.partition(":")[0], data=given[BLOCK], text=in_words(file) if file else "")]
    match part:
        case theirs.TextPart():
            return [TextPart(text=part.content)] if part.content else []
        case theirs.FilePart():
            return [TextPart(text=in_words(file))]
        case theirs.ToolCallPart():
            call = FunctionCall(id=part.tool_call_id, name=part.tool_name, arguments=part.args_as_json_str())
            proof = {"signature": given[SIGNATURE], "signed_by": target} if SIGNATURE in given else {}
            return [call.model_copy(update=proof)]
        case theirs.ThinkingPart(id="redacted_thinking"):
            return [Thought(redacted=part.signature, signed_by=target)]
        case theirs.ThinkingPart(id=None):
            return [Thought(text=part.content, signature=part.signature or None, signed_by=target)]
        case theirs.ThinkingPart() | theirs.NativeToolCallPart() | theirs.NativeToolReturnPart():
            return []
    raise UserError(f"ResilientModel cannot send a {type(part).__name__} of an earlier answer")
