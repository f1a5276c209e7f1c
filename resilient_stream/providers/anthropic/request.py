"""Builds the body of a request to Anthropic's Messages API; Vertex and Bedrock take the same body.

Turns alternate, and nothing is sent that the API is known to refuse. What a model accepts is a row of `models.py`; this
module never decides by a model's name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from ...contract import Request
from ...fitting.answer_form import in_words
from ...fitting.told import blank, left_out, without
from ...messages import FilePart, FunctionCall, ImagePart, Message, OpaquePart, Part, ReasoningPart, TextPart, Tool
from ..shared.own_form import in_own_form, is_typed
from ..shared.paired import Paired
from ..shared.schemas import closed
from ..shared.strict_tools import closed_parameters
from ..shared.system import SYSTEM, some_turns, system_parts
from ..shared.tool_calls import fitting_id, parse_arguments
from ..shared.values import known, text_of
from .cache import check_marks, marks_of, with_mark
from .hosted import hosted_tools, mcp_servers
from .models import Generation, generation_of, reasoning_fields
from .server_tools import CALLS, RESULT, caller_of, role_of

__all__ = ["encode_body", "may_think", "system_with_schema"]

_CALL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_THINKING = ("thinking", "redacted_thinking")


def encode_body(request: Request) -> dict[str, Any]:
    """Return the request's body without `extra`; Vertex and Bedrock put the model elsewhere."""
    accepts = generation_of(request.model)
    fields: dict[str, Any] = {
        "model": request.model,
        "max_tokens": request.max_tokens or accepts.max_tokens,
        "stream": request.stream,
        "system": _system(system_with_schema(request)),
        "messages": _turns(some_turns(request.messages, request.target.name), request.target.name),
        "tools": [*map(_tool, request.tools), *hosted_tools(request)] or None,
        "mcp_servers": mcp_servers(request),
        "tool_choice": _tool_choice(request.tool_choice),
        "stop_sequences": list(request.stop) or None,
        "metadata": None if request.user is None else {"user_id": request.user},
        **reasoning_fields(
            request.model,
            request.reasoning,
            request.max_tokens,
            tool_is_forced=request.tool_choice not in (None, "auto", "none"),
            may_think=may_think(request.messages),
        ),
    }
    if request.output is not None and (schema := closed(request.output)) is not None:
        form = {"type": "json_schema", "schema": schema}
        fields["output_config"] = {**fields.get("output_config", {}), "format": form}
    fields |= _sampling_fields(request, accepts, fields.get("thinking"))
    check_marks(marks_of(fields))
    return known(fields)


def _system(parts: list[TextPart]) -> str | list[dict[str, Any]] | None:
    """Return the system messages as one text, or as blocks where one of them has a cache mark."""
    if any(part.cache for part in parts):
        return [with_mark({"type": "text", "text": part.text}, part.cache) for part in parts]
    return "\n\n".join(part.text for part in parts) or None


def system_with_schema(request: Request) -> list[TextPart]:
    """Return the system messages, with the answer's schema in words if it cannot be enforced.

    The API enforces only schemas whose objects name all of their properties.
    """
    parts = system_parts(request.messages)
    if request.output is None or closed(request.output) is not None:
        return parts
    left_out(request.target.name, "output=", "an object in it has names of its own; it is asked for in words")
    return [*parts, TextPart.model_construct(text=in_words(request.output))]


def _turns(messages: Sequence[Message], target: str) -> list[dict[str, Any]]:
    """Return turns that alternate: messages of one role in a row become one, and tool results belong to the user."""
    turns: list[tuple[str, list[dict[str, Any]]]] = []
    pairs = Paired(role_of, target)
    for role, run in groupby(messages, _role):
        blocks = [block for message in run for block in _message_blocks(in_own_form(message, is_typed, target))]
        blocks = _sound(blocks, pairs)
        if role == "assistant" and not _strip_last_thinking(blocks):
            left_out(target, "an assistant's turn", "nothing in it can be sent, so it is left out")
        elif turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        else:
            turns.append((role, blocks))
    answered = {block.get("tool_use_id") for _, blocks in turns for block in blocks if block["type"].endswith(RESULT)}
    for _, blocks in turns[:-1]:
        _strip_unanswered(blocks, answered)
    if turns and turns[-1][0] == "assistant" and not _strip_prefill(turns[-1][1]):
        turns.pop()
    if not turns:
        raise blank()
    return [{"role": role, "content": _content(blocks)} for role, blocks in turns]


def _role(message: Message) -> str:
    return "assistant" if message.role == "assistant" else "user"


def _sound(blocks: list[dict[str, Any]], pairs: Paired) -> list[dict[str, Any]]:
    """Return the blocks without server tools that the API would refuse, and without the thinking beside them."""
    kept = [block for block in blocks if pairs.fits(block)]
    return kept if len(kept) == len(blocks) else [block for block in kept if block["type"] not in _THINKING]


def _strip_last_thinking(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Remove thinking from the end of a turn, where an interrupted answer may have it; the API refuses such a turn."""
    while blocks and (blocks[-1]["type"] in _THINKING or _is_blank(blocks[-1])):
        blocks.pop()
    return blocks


def _strip_unanswered(blocks: list[dict[str, Any]], answered: set[Any]) -> None:
    """Remove server tools that never gave a result, and the thinking beside them, from a turn that others follow.

    In a last turn they are what the model goes on with, and a program that called a function waits for its result;
    before any other turn of the user the API refuses them. answered: the ids of all results of the conversation.
    """
    open_ids = {block.get("id") for block in blocks if block["type"] in CALLS} - answered
    if open_ids:
        callers = (block.get("caller") for block in blocks if block["type"] == "tool_use")
        open_ids -= {caller.get("tool_id") for caller in callers if caller}
    if open_ids:
        blocks[:] = [block for block in blocks if block.get("id") not in open_ids and block["type"] not in _THINKING]


def _strip_prefill(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Remove white space from the end of an unfinished turn, or the whole turn if nothing else is in it; the API
    refuses both."""
    while blocks and blocks[-1]["type"] == "text":
        blocks[-1]["text"] = text_of(blocks[-1].get("text")).rstrip()
        if blocks[-1]["text"]:
            break
        blocks.pop()
    return blocks


def _is_blank(block: dict[str, Any]) -> bool:
    """Return whether a block is text without anything in it. A block of Anthropic's own may have anything as text."""
    return isinstance(text := block.get("text", "-"), str) and not text.strip()


def _content(blocks: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """Return text alone as a string. Blank text is refused beside other blocks; no content at all becomes a single
    space."""
    kept = [block for block in blocks if not _is_blank(block)]
    if all(block.keys() == {"type", "text"} for block in kept) and len(kept) < 2:
        return kept[0]["text"] if kept else " "
    return kept


def _message_blocks(message: Message) -> list[dict[str, Any]]:
    blocks = [block for each in message.blocks if (block := _block(each)) is not None]
    if message.role == "tool":
        id = fitting_id(message.tool_call_id or "", _CALL_ID)
        failed = {"is_error": True} if message.is_error else {}
        return [{"type": "tool_result", "tool_use_id": id, "content": _content(blocks), **failed}]
    return blocks


def _block(part: Part | FunctionCall) -> dict[str, Any] | None:
    if isinstance(part, FunctionCall):
        return _tool_use(part)
    if isinstance(part, TextPart):
        cited = {"citations": list(part.citations)} if part.citations else {}
        return with_mark({"type": "text", "text": part.text, **cited}, part.cache)
    if isinstance(part, OpaquePart):
        return part.data if is_typed(part.data) else None
    if isinstance(part, ImagePart):
        return with_mark({"type": "image", "source": _image_source(part)}, part.cache)
    return _file(part) if isinstance(part, FilePart) else _thinking_block(part)


def _image_source(image: ImagePart) -> dict[str, Any]:
    data = image.data()
    if data is None:
        return {"type": "url", "url": image.url}
    return {"type": "base64", "media_type": data[0], "data": data[1]}


def _file(part: FilePart) -> dict[str, Any]:
    """Return a document, or an uploaded picture, as a block."""
    if part.kind == "image":
        return with_mark({"type": "image", "source": {"type": "file", "file_id": part.id}}, part.cache)
    cited = {"enabled": True} if part.citations else None
    document = {"type": "document", "source": _document_source(part), "title": part.name, "citations": cited}
    return with_mark(known(document), part.cache)


def _document_source(part: FilePart) -> dict[str, Any]:
    if part.id is not None:
        return {"type": "file", "file_id": part.id}
    if part.url is not None:
        return {"type": "url", "url": part.url}
    if (text := part.plain_text) is not None:
        return {"type": "text", "media_type": "text/plain", "data": text}
    return {"type": "base64", "media_type": part.media_type, "data": part.data}


def _thinking_block(part: ReasoningPart) -> dict[str, Any] | None:
    """Return reasoning as it came if it is signed or encrypted; None for unsigned reasoning, which would be refused."""
    if part.redacted:
        return {"type": "redacted_thinking", "data": part.redacted}
    if part.signature:
        return {"type": "thinking", "thinking": part.text, "signature": part.signature}
    return None


def _tool_use(call: FunctionCall) -> dict[str, Any]:
    arguments = parse_arguments(call.arguments) or {}
    fields = {"type": "tool_use", "id": fitting_id(call.id, _CALL_ID), "name": call.name, "input": arguments}
    return with_mark(fields | caller_of(call.signature), call.cache)


def _tool(tool: Tool) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": tool.name, "input_schema": {"type": "object", **closed_parameters(tool)}}
    if tool.description:
        fields["description"] = tool.description
    if tool.strict:
        fields["strict"] = True
    return with_mark(fields, tool.cache)


def _tool_choice(choice: str | None) -> dict[str, Any] | None:
    if choice is None:
        return None
    kind = {"auto": "auto", "none": "none", "required": "any"}.get(choice)
    return {"type": kind} if kind else {"type": "tool", "name": choice}


def _sampling_fields(request: Request, accepts: Generation, thinking: Any) -> dict[str, Any]:
    """Return temperature, top_p and top_k where they are accepted; if only one of the first two is, temperature is
    sent."""
    fields = {"temperature": request.temperature, "top_p": request.top_p, "top_k": request.top_k}
    if accepts.sampling == "none" or thinking is not None:
        return without(request.target.name, fields, tuple(fields), "Claude takes none while it thinks, or ever")
    if accepts.sampling == "one" and request.temperature is not None:
        return without(request.target.name, fields, ("top_p",), "this model takes it or temperature, not both")
    return fields


def may_think(messages: Sequence[Message]) -> bool:
    """Return whether the assistant turn that continues (a prefill, a tool loop), if any, began with thinking."""
    after = [message.role for message in messages if message.role not in SYSTEM]
    while after and after[-1] == "tool":
        after.pop()
    if not after or after[-1] != "assistant":
        return True
    last = next(message for message in reversed(messages) if message.role == "assistant")
    return any(isinstance(part, ReasoningPart) and _thinking_block(part) for part in last.parts[:1])
