"""Builds the body of a request to Gemini, the same for the Gemini API and Vertex.

A turn has parts, and a model's own turn keeps the signatures that came with it. Signing in and the place of a model are
the adapters' business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...contract import Request
from ...fitting.files import forms
from ...fitting.told import left_out, model_first
from ...messages import (
    FilePart,
    FunctionCall,
    HostedTool,
    ImagePart,
    Message,
    OpaquePart,
    Part,
    ReasoningPart,
    TextPart,
    Tool,
)
from ..shared.own_form import in_own_form, is_untyped
from ..shared.paired import paired
from ..shared.system import system_texts, turns_of
from ..shared.tool_calls import parse_arguments
from ..shared.values import known, merged
from .parts import role_of

__all__ = ["FILES", "HOSTED", "OWN_TOOLS", "TOOL_NAMES", "encode_body"]

TOOL_NAMES = r"[a-zA-Z_][a-zA-Z0-9_.-]{0,63}"
"""Function names, as in Google's reference of `FunctionDeclaration`."""

FILES = forms(**dict.fromkeys(("pdf", "text", "audio", "video"), "data url id"), image="id")

_SPACE = {"text": " "}

# What Google's compatibility layer for OpenAI clients makes of an effort, for models that think by a budget.
_BUDGETS: Mapping[str, int] = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}
_LEVELS: Mapping[str, str] = {"none": "MINIMAL", "minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM"}
_SMALLEST_PRO_BUDGET = 128

# Google's own placeholder for a call that another model made: Gemini 3 refuses a turn whose first call has no
# signature.
_FOREIGN_CALL = "skip_thought_signature_validator"
_OWN_ID = re.compile(r"[a-z0-9]{8}")

_IMAGE_TYPES: Mapping[str, str] = {
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif",
    "heic": "image/heic", "heif": "image/heif",
}  # fmt: skip


def encode_body(request: Request) -> dict[str, Any]:
    """Return the request's body, the same for the Gemini API and Vertex.

    `extra` is merged last, objects into objects (`generationConfig` keeps what it has); lists are replaced.
    """
    system = system_texts(request.messages)
    fields: dict[str, Any] = {
        "contents": _contents(request),
        "systemInstruction": {"parts": [{"text": text} for text in system]} if system else None,
        "tools": _tools(request) or None,
        "toolConfig": _tool_config(request.tool_choice),
        "generationConfig": _generation_config(request) or None,
    }
    return merged(known(fields), request.extra)


_HOSTED: Mapping[str, str] = {
    "web_search": "googleSearch", "url_context": "urlContext", "web_fetch": "urlContext",
    "code_execution": "codeExecution", "file_search": "fileSearch", "google_maps": "googleMaps",
}  # fmt: skip
HOSTED = frozenset(_HOSTED)
OWN_TOOLS = r"\.(google|url|code|file|computer|enterprise|parallel|exa|mcp|retrieval)[A-Za-z_]*"
"""Fields of Google's `Tool`, in either spelling."""


def _tools(request: Request) -> list[dict[str, Any]]:
    """Return the functions as one tool, and each tool of Google's own with its options inside."""
    functions = [{"functionDeclarations": [_tool(tool) for tool in request.tools]}] if request.tools else []
    hosted = (
        {_HOSTED[tool.name]: tool.options} if isinstance(tool, HostedTool) else dict(tool) for tool in request.hosted
    )
    return [*functions, *hosted]


def _contents(request: Request) -> list[dict[str, Any]]:
    """Return the turns, those of one role merged and the user's first; a tool's result belongs to the user. System
    messages go elsewhere."""
    contents: list[dict[str, Any]] = []
    called: dict[str, str] = {}
    for message in turns_of(request.messages, request.target.name):
        called.update((call.id, call.name) for call in message.tool_calls)
        role = "model" if message.role == "assistant" else "user"
        parts = _parts(in_own_form(message, is_untyped, request.target.name), called, request.model)
        parts = paired(parts, role_of, request.target.name, whole=False)
        if not parts:
            left_out(request.target.name, "an assistant's turn", "nothing in it can be sent, so it is left out")
        elif contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        else:
            contents.append({"role": role, "parts": parts})
    if contents and contents[0]["role"] == "model":
        raise model_first()
    return contents or [{"role": "user", "parts": [_SPACE]}]


def _parts(message: Message, called: Mapping[str, str], model: str) -> list[dict[str, Any]]:
    """Return the parts of one message. Gemini refuses a turn without any, so an empty turn of the user is a single
    space."""
    if message.role == "tool":
        shown = [_part(part) for part in message.parts if isinstance(part, ImagePart | FilePart)]
        return [_function_response(message, called), *filter(None, shown)]
    calls = iter(_function_calls(message.tool_calls, model))
    blocks = (next(calls) if isinstance(each, FunctionCall) else _part(each) for each in message.blocks)
    made = [block for block in blocks if block is not None]
    return made if made or message.role == "assistant" else [_SPACE]


def _part(part: Part) -> dict[str, Any] | None:
    if isinstance(part, TextPart):
        return {"text": part.text} if part.text else None
    if isinstance(part, OpaquePart):
        return part.data if is_untyped(part.data) else None
    if isinstance(part, FilePart):
        return _file(part)
    return _image(part) if isinstance(part, ImagePart) else _reasoning(part)


def _image(part: ImagePart) -> dict[str, Any]:
    data = part.data()
    if data is not None:
        return {"inlineData": {"mimeType": data[0], "data": data[1]}}
    ending = part.url.partition("?")[0].rpartition(".")[2].lower()
    return {"fileData": known({"mimeType": _IMAGE_TYPES.get(ending), "fileUri": part.url})}


def _file(part: FilePart) -> dict[str, Any]:
    """Return a file's data, or its address. An upload is found at the address that its id stands for."""
    if part.data is not None:
        return {"inlineData": {"mimeType": part.media_type, "data": part.data}}
    address = part.url or (f"{_UPLOADS}{part.id}" if str(part.id).startswith("files/") else part.id)
    return {"fileData": known({"mimeType": part.media_type, "fileUri": address})}


_UPLOADS = "https://generativelanguage.googleapis.com/v1beta/"


def _reasoning(part: ReasoningPart) -> dict[str, Any] | None:
    """Return signed reasoning as a part, and a bare signature on an empty part as it came. Unsigned reasoning is left
    out."""
    if not part.signature:
        return None
    thought = {"thought": True} if part.text else {}
    return {"text": part.text, **thought, "thoughtSignature": part.signature}


def _function_calls(calls: tuple[FunctionCall, ...], model: str) -> list[dict[str, Any]]:
    """Return a turn's calls with their signatures. Of parallel calls only the first has one, also when Gemini sends
    them."""
    foreign = _generation(model) >= 3 and not any(call.signature for call in calls)
    return [_function_call(call, _FOREIGN_CALL if foreign and not place else None) for place, call in enumerate(calls)]


def _function_call(call: FunctionCall, placeholder: str | None) -> dict[str, Any]:
    arguments = parse_arguments(call.arguments) or {}
    inner = known({"id": _own_id(call.id), "name": call.name, "args": arguments})
    return known({"functionCall": inner, "thoughtSignature": call.signature or placeholder})


def _function_response(message: Message, called: Mapping[str, str]) -> dict[str, Any]:
    """Return a tool's result: an object unchanged, anything else as `result`. Gemini finds the call by its name."""
    id = message.tool_call_id or ""
    result = parse_arguments(message.text) if message.text.strip() else None
    response = {"result": message.text} if result is None else result
    name = called.get(id) or message.name or id
    return {"functionResponse": known({"id": _own_id(id), "name": name, "response": response})}


def _own_id(id: str) -> str | None:
    """Return an id that Gemini made (only its newer models do); an id that was made up here means nothing to it, so it
    becomes None."""
    return id if _OWN_ID.fullmatch(id) else None


def _tool(tool: Tool) -> dict[str, Any]:
    # `parameters` takes only a part of OpenAPI and refuses the rest of JSON schema; `parametersJsonSchema` takes all.
    return known({"name": tool.name, "description": tool.description or None, "parametersJsonSchema": tool.parameters})


def _tool_config(choice: str | None) -> dict[str, Any] | None:
    if choice is None:
        return None
    mode = {"auto": "AUTO", "none": "NONE", "required": "ANY"}.get(choice)
    named = {"mode": "ANY", "allowedFunctionNames": [choice]}
    return {"functionCallingConfig": {"mode": mode} if mode else named}


def _generation_config(request: Request) -> dict[str, Any]:
    output = request.output
    return known({
        "maxOutputTokens": request.max_tokens,
        "temperature": request.temperature,
        "topP": request.top_p,
        "topK": request.top_k,
        "presencePenalty": request.presence_penalty,
        "frequencyPenalty": request.frequency_penalty,
        "stopSequences": list(request.stop) or None,
        "seed": request.seed,
        "thinkingConfig": _thinking(request.reasoning, request.model),
        "responseMimeType": None if output is None else "application/json",
        "responseJsonSchema": None if output is None else dict(output),
    })  # fmt: skip


def _thinking(reasoning: str | int | None, model: str) -> dict[str, Any] | None:
    """Return the fields for reasoning. An effort is a level from Gemini 3 on and a budget before; all models take a
    budget."""
    if reasoning is None:
        return None
    shown = {"includeThoughts": reasoning not in ("none", 0)}
    if isinstance(reasoning, int):
        return {"thinkingBudget": reasoning, **shown}
    pro = "pro" in model
    if _generation(model) >= 3:
        level = _LEVELS.get(reasoning, "HIGH")
        return {"thinkingLevel": "LOW" if pro and level == "MINIMAL" else level, **shown}
    budget = _BUDGETS.get(reasoning, _BUDGETS["high"])
    return {"thinkingBudget": max(budget, _SMALLEST_PRO_BUDGET) if pro else budget, **shown}


def _generation(model: str) -> int:
    """Return the number in a Gemini's name; an alias without one (gemini-flash-latest) counts as new, another model as
    0."""
    found = re.search(r"gemini-(\d+)?", model)
    return int(found.group(1) or 3) if found else 0
