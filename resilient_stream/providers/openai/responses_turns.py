"""Writes the messages of a conversation as items of the Responses API, each block in its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from ...messages import FilePart, FunctionCall, ImagePart, Message, OpaquePart, Part, ReasoningPart, TextPart
from ..shared.tool_calls import fitting_id
from .host_files import write_input_file
from .responses_replay import context_of, replayed

__all__ = ["items_of"]

_CALL_ID = re.compile(r".{1,64}", re.DOTALL)


def items_of(message: Message) -> Iterator[dict[str, Any]]:
    """Yield the items of one message, in their order."""
    yield from _own_items(message)
    if message.role == "tool":
        id = fitting_id(message.tool_call_id or "", _CALL_ID)
        yield {"type": "function_call_output", "call_id": id, "output": _content(message)}
    elif message.role == "assistant":
        yield from _answer(message)
    elif not message.parts or any(not isinstance(part, OpaquePart) for part in message.parts):
        yield {"role": message.role, "content": _content(message)}


def _own_items(message: Message) -> Iterator[dict[str, Any]]:
    """Yield the items that the caller wrote in the API's own form: the output of a computer's action, an approval."""
    for part in () if message.role == "assistant" or isinstance(message.content, str) else message.content:
        if isinstance(part, OpaquePart) and (item := replayed(part.data)):
            yield item


def _answer(message: Message) -> list[dict[str, Any]]:
    """Return an earlier answer's reasoning, text, calls and other items as they came. Reasoning that nothing follows is
    left out, since it would be refused."""
    items: list[dict[str, Any]] = []
    for block in message.blocks:
        if isinstance(block, TextPart) and block.text:
            _add_texts(items, block)
        elif isinstance(block, OpaquePart):
            items += [item] if (item := replayed(block.data)) else []
        elif isinstance(block, FunctionCall):
            items.append(_function_call(block))
        elif isinstance(block, ReasoningPart) and (item := _unsealed(block)):
            items.append(item)
    while items and items[-1]["type"] == "reasoning":
        items.pop()
    return items


def _add_texts(items: list[dict[str, Any]], part: TextPart) -> None:
    """Add texts as one item where nothing separates them. The long form is used: llama.cpp takes no other for the
    assistant. A citation is placed where its passage stands in the joined text."""
    if not (items and items[-1]["type"] == "message"):
        items.append({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": ""}]})
    whole = items[-1]["content"][0]
    start = len(whole["text"])
    whole["text"] += part.text
    if part.citations:
        place = {"start_index": start, "end_index": len(whole["text"])}
        cited = [{**citation, **place} for citation in part.citations if isinstance(citation, dict)]
        whole["annotations"] = [*whole.get("annotations", ()), *cited]


def _function_call(call: FunctionCall) -> dict[str, Any]:
    id = fitting_id(call.id, _CALL_ID)
    fields = {"type": "function_call", "call_id": id, "name": call.name, "arguments": call.arguments}
    return fields | context_of(call.signature) if call.signature else fields


def _content(message: Message) -> str | list[dict[str, Any]]:
    if not any(isinstance(part, ImagePart | FilePart) for part in message.parts):
        return message.text
    return [encoded for part in message.parts if (encoded := _part(part)) is not None]


def _part(part: Part) -> dict[str, Any] | None:
    if isinstance(part, TextPart):
        return {"type": "input_text", "text": part.text}
    if isinstance(part, ImagePart):
        return {"type": "input_image", "image_url": part.url, "detail": part.detail or "auto"}
    return write_input_file(part) if isinstance(part, FilePart) else None


def _unsealed(part: ReasoningPart) -> dict[str, Any] | None:
    """Return the reasoning item again; None when the proof is another provider's, or there is none."""
    try:
        kept = msgspec.json.decode(part.signature or "", type=dict[str, str])
    except msgspec.DecodeError:
        return None
    if not kept:
        return None
    if kept.get("encrypted_content"):
        summary = [{"type": "summary_text", "text": part.text}] if part.text else []
        return {"type": "reasoning", **kept, "summary": summary}
    return {"type": "reasoning", **kept, "summary": [], "content": [{"type": "reasoning_text", "text": part.text}]}
