"""Builds the body of a request to Bedrock's Converse API.

What Converse refuses is not sent: blank text, turns of one role in a row, a tool's result without the tools. Where it
is sent, and who signs it, is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import msgspec

from ...contract import OutputWay, Request
from ...fitting.hosted import encoded
from ...fitting.told import blank, left_out, model_first, without
from ...messages import (
    FilePart,
    FunctionCall,
    ImagePart,
    Message,
    OpaquePart,
    Part,
    ReasoningPart,
    TextPart,
    Tool,
)
from ..anthropic.cache import check_marks
from ..anthropic.models import generation_of, reasoning_fields
from ..anthropic.request import may_think, system_with_schema
from ..shared.effort import effort_for
from ..shared.own_form import in_own_form, is_untyped
from ..shared.paired import paired
from ..shared.schemas import closed
from ..shared.strict_tools import closed_parameters
from ..shared.system import some_turns
from ..shared.tool_calls import fitting_id, parse_arguments
from ..shared.values import known, merged
from .blocks import role_of
from .cache_points import points, points_of
from .converse_files import encode_file
from .hosted import HOSTED

__all__ = ["encode_body", "output_way", "top_k_of"]

_TOOL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_TOOL_BLOCKS = frozenset({"toolUse", "toolResult"})


def encode_body(request: Request) -> dict[str, Any]:
    """Return the body; `extra` is merged last, objects into objects (guardrailConfig, performanceConfig,
    requestMetadata).

    seed has no equivalent and is ignored. user becomes a value of requestMetadata, which the logs of calls have.
    reasoning is sent for Claude, Nova and gpt-oss, each in its own fields.
    """
    thinking = _thinking(request)
    limit = thinking.pop("max_tokens", request.max_tokens)
    turns = _turns(some_turns(request.messages, request.target.name), request)
    fields = {
        "system": _system(request) or None,
        "messages": turns,
        "inferenceConfig": _inference(request, limit, thinking) or None,
        "toolConfig": _tool_config(request, turns),
        "outputConfig": _output_config(request.output),
        "additionalModelRequestFields": {**_top_k(request, thinking), **thinking} or None,
        "requestMetadata": None if request.user is None else {"user": request.user},
    }
    check_marks(points_of(fields))
    return merged(known(fields), request.extra)


def _system(request: Request) -> list[dict[str, Any]]:
    parts = system_with_schema(request)
    return [block for part in parts for block in ({"text": part.text}, *points(part.cache, request.model))]


# -- turns ------------------------------------------------------------------------------------


def _turns(messages: Sequence[Message], request: Request) -> list[dict[str, Any]]:
    """Return turns that alternate; a tool's result belongs to the user. Blank text is left out, since it is refused.

    The first turn has to be the user's. A model's turn in front that has calls is reported to be accepted, so such
    turns are left to the API.
    """
    turns: list[dict[str, Any]] = []
    for role, run in groupby(messages, _role):
        own = (in_own_form(message, is_untyped, request.target.name) for message in run)
        blocks = [block for message in own for block in _blocks(message, request.model)]
        if role == "assistant":
            blocks = paired(blocks, role_of, request.target.name, whole=True)
        if not _strip_last_reasoning(blocks):
            left_out(request.target.name, f"a turn of the {role}'s", "nothing in it can be sent, so it is left out")
        elif turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    if not turns:
        raise blank()
    if turns[0]["role"] == "assistant" and not any(map(_is_callers, turns[0]["content"])):
        raise model_first()
    if turns[-1]["role"] == "assistant" and isinstance((last := turns[-1]["content"][-1]).get("text"), str):
        last["text"] = last["text"].rstrip()  # an unfinished turn may not end in white space
    return turns


def _role(message: Message) -> str:
    return "assistant" if message.role == "assistant" else "user"


def _strip_last_reasoning(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Remove reasoning from the end of a turn, where an interrupted answer may have it; Claude refuses such a turn."""
    while blocks and "reasoningContent" in blocks[-1]:
        blocks.pop()
    return blocks


def _blocks(message: Message, model: str) -> list[dict[str, Any]]:
    """Return the blocks of a message. In a tool's result no mark may stand, so it stands behind the result."""
    pairs = [(block, points(getattr(each, "cache", None), model)) for each in message.blocks if (block := _block(each))]
    if message.role == "tool":
        parts = [block for block, _ in pairs]
        result = {"toolUseId": fitting_id(message.tool_call_id or "", _TOOL_ID), "content": parts}
        if message.is_error:
            result["status"] = "error"
        return [{"toolResult": result}, *next((mark for _, mark in reversed(pairs) if mark), [])]
    return [each for block, mark in pairs for each in (block, *mark)]


def _block(part: Part | FunctionCall) -> dict[str, Any] | None:
    if isinstance(part, FunctionCall):
        return _tool_use(part)
    if isinstance(part, TextPart):
        return _text(part) if part.text.strip() else None
    if isinstance(part, OpaquePart):
        return part.data if is_untyped(part.data) else None
    if isinstance(part, FilePart):
        return encode_file(part)
    return _image(part) if isinstance(part, ImagePart) else _reasoning(part)


def _text(part: TextPart) -> dict[str, Any]:
    """Return text; a cited passage is a block of its own kind, with what it rests on."""
    if not part.citations:
        return {"text": part.text}
    return {"citationsContent": {"content": [{"text": part.text}], "citations": list(part.citations)}}


def _image(image: ImagePart) -> dict[str, Any]:
    """Return a picture's data, or its s3:// address; other links were refused before (`adapter.py`)."""
    data = image.data()
    form = data[0] if data else image.url.partition("?")[0].rpartition(".")[2]
    source = {"bytes": data[1]} if data else {"s3Location": {"uri": image.url}}
    name = form.removeprefix("image/").lower()
    return {"image": {"format": "jpeg" if name == "jpg" else name, "source": source}}


def _reasoning(part: ReasoningPart) -> dict[str, Any] | None:
    """Return signed or encrypted reasoning as it came; None for unsigned reasoning, which Claude refuses."""
    if part.redacted:
        return {"reasoningContent": {"redactedContent": part.redacted}}
    if part.signature:
        return {"reasoningContent": {"reasoningText": {"text": part.text, "signature": part.signature}}}
    return None


def _tool_use(call: FunctionCall) -> dict[str, Any]:
    arguments = parse_arguments(call.arguments) or {}
    return {"toolUse": {"toolUseId": fitting_id(call.id, _TOOL_ID), "name": call.name, "input": arguments}}


# -- the rest ---------------------------------------------------------------------------------


def _tool_config(request: Request, turns: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the tools and which of them are to be called.

    Converse cannot forbid calls. For "none" the tools are left out, unless the conversation has calls in it, which are
    refused without the tools.
    """
    history = any(map(_is_callers, (block for turn in turns for block in turn["content"])))
    tools = request.tools or (_tools_of(request.messages) if history else ())
    if not (tools or request.hosted) or (request.tool_choice == "none" and not history):
        return None
    declared = [block for tool in tools for block in (_tool(tool), *points(tool.cache, request.model))]
    return known({"tools": [*declared, *encoded(request, HOSTED)], "toolChoice": _tool_choice(request.tool_choice)})


def _is_callers(block: Mapping[str, Any]) -> bool:
    """Return whether it is the call or the result of a tool of the caller's, and of none that Bedrock ran itself."""
    return any("type" not in block[name] for name in _TOOL_BLOCKS & block.keys())


def _tools_of(messages: Sequence[Message]) -> tuple[Tool, ...]:
    """Return the tools that the conversation has calls of, if the caller names no tools any more."""
    names = dict.fromkeys(call.name for message in messages for call in message.tool_calls)
    return tuple(Tool(name=name) for name in names)


def _tool(tool: Tool) -> dict[str, Any]:
    schema = {"json": {"type": "object", **closed_parameters(tool)}}
    described = tool.description if tool.description.strip() else None
    fields = {"name": tool.name, "description": described, "inputSchema": schema, "strict": tool.strict or None}
    return {"toolSpec": known(fields)}


def _tool_choice(choice: str | None) -> dict[str, Any] | None:
    if choice is None or choice == "none":
        return None
    kind = {"auto": "auto", "required": "any"}.get(choice)
    return {kind: {}} if kind else {"tool": {"name": choice}}


_ANSWERS: Mapping[str, OutputWay] = {
    r"amazon\.nova": "tool",
    r"meta\.llama|amazon\.titan|cohere\.|ai21\.|writer\.|deepseek\.r1": "words",
    r"mistral\.(mistral-7b|mixtral|mistral-(small|large)-24)": "words",
}
"""Models that enforce no schema, and how they are asked for an object; only Claude and Nova let one tool be demanded.
Source: the Bedrock user guide, "Get validated JSON results from models" and "Supported models and model features"."""


def output_way(model: str) -> OutputWay:
    """Return how a model is asked for an object. One whose vendor is not in its name is taken to enforce schemas."""
    if "claude" in model:
        return "schema" if generation_of(model).schema else "tool"
    return next((way for pattern, way in _ANSWERS.items() if re.search(pattern, model)), "schema")


def _output_config(output: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the answer's schema as JSON text, closed: Bedrock refuses objects that may have further properties."""
    if output is None or (made := closed(output)) is None:
        return None
    schema = {"name": "answer", "schema": msgspec.json.encode(made).decode()}
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}


def _inference(request: Request, limit: int | None, thinking: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sampling fields. Claude refuses temperature and top_p while it thinks, newer models both together, the
    newest either."""
    accepts, target = generation_of(request.model).sampling, request.target.name
    sampling = {"temperature": request.temperature, "topP": request.top_p}
    if accepts == "none" or "thinking" in thinking:
        sampling = without(target, sampling, tuple(sampling), "Claude takes none while it thinks, or ever")
    elif accepts == "one" and request.temperature is not None:
        sampling = without(target, sampling, ("topP",), "this model takes it or temperature, not both")
    return known({"maxTokens": limit, **sampling, "stopSequences": list(request.stop) or None})


_TOP_K: Mapping[str, tuple[str, ...]] = {
    r"claude": ("top_k",),
    r"amazon\.nova": ("inferenceConfig", "topK"),
    r"mistral\.": ("top_k",),
    r"cohere\.": ("k",),
}
"""Where a vendor's own fields have top_k, which Converse has no field for; by a pattern of the models' names."""


def top_k_of(model: str) -> tuple[str, ...]:
    """Return the place of top_k in the vendor's own fields; empty where it is not known to have any."""
    return next((place for models, place in _TOP_K.items() if re.search(models, model)), ())


def _top_k(request: Request, thinking: Mapping[str, Any]) -> dict[str, Any]:
    """Return top_k in its place. Claude refuses it while it thinks, newer ones always."""
    if request.top_k is None:
        return {}
    if generation_of(request.model).sampling == "none" or "thinking" in thinking:
        return without(request.target.name, {"top_k": request.top_k}, ("top_k",), "Claude takes none while it thinks")
    made: Any = request.top_k
    for name in reversed(top_k_of(request.model)):
        made = {name: made}
    fields: dict[str, Any] = made
    return fields


def _thinking(request: Request) -> dict[str, Any]:
    """Return the fields that ask for reasoning, as the model's vendor spells them; none for vendors that have none."""
    model, wish = request.model, request.reasoning
    if wish is None:
        return {}
    if "claude" in model:
        forced = request.tool_choice not in (None, "auto", "none")
        can = may_think(request.messages)
        return reasoning_fields(model, wish, request.max_tokens, tool_is_forced=forced, may_think=can)
    off = wish in ("none", 0)
    if "nova-2" in model or "nova-premier-2" in model:
        effort = effort_for(wish).replace("minimal", "low")
        return {"reasoningConfig": {"type": "disabled"} if off else {"type": "enabled", "maxReasoningEffort": effort}}
    if "gpt-oss" in model:
        return {"reasoning_effort": "low" if off else effort_for(wish).replace("minimal", "low")}
    return {}
