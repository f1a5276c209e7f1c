"""Turns langchain's messages into ours: content blocks in its standard form, or in the shape of an API, and calls.

Nothing is dropped silently, but what another provider alone understands, as in any conversation that changes its model.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from langchain_core import messages as theirs

from ...failures import StreamMisused
from ...messages import FunctionCall, Message, OpaquePart, ReasoningPart, TextPart
from ..frameworks import TARGET, assistant, in_words, simple

__all__ = ["BLOCK", "SIGNATURES", "to_messages"]

BLOCK, SIGNATURES = "block", "tool_call_signatures"
"""Among the extras of a content block: the block as its provider gave it, which goes back to it unchanged. Among a
message's additional values: the provider's proofs of its calls, by their ids."""

_MEDIA = ("image", "audio", "video", "file", "text-plain")
_CALLS = ("tool_call", "tool_call_chunk", "invalid_tool_call", "tool_use", "function_call")
"""Blocks that repeat a call of `tool_calls`, in its place among the others."""


def to_messages(messages: Iterable[theirs.BaseMessage]) -> list[Any]:
    """Return messages for `client.stream()`. Raises StreamMisused for what has no place here."""
    return [made for message in messages for made in _read(message)]


def _read(message: theirs.BaseMessage) -> list[Any]:
    match message:
        case theirs.AIMessage():
            return _answered(message)
        case theirs.ToolMessage():
            content = simple(_parts(message.content))
            return [Message(role="tool", tool_call_id=message.tool_call_id, content=content)]
        case theirs.SystemMessage() | theirs.HumanMessage():
            role: Any = "system" if isinstance(message, theirs.SystemMessage) else "user"
            return [Message(role=role, content=simple(_parts(message.content)), name=message.name)]
        case theirs.ChatMessage():
            return [{"role": message.role, "content": simple(_parts(message.content))}]
    raise StreamMisused(f"ResilientChat cannot send a {type(message).__name__}")


def _parts(content: str | Sequence[Any]) -> list[Any]:
    """Return the parts of a message: ours, or dicts that a message reads."""
    blocks = [content] if isinstance(content, str) else content
    return [part for block in blocks if (part := _part(block, "")) is not None]


def _part(block: Any, target: str) -> Any:
    """Return a block as a part. target: who gave it, in an earlier answer. None for nothing, and for what only another
    library's model had at its provider."""
    if isinstance(block, str):
        return TextPart(text=block) if block else None
    kind, extras = block.get("type"), block.get("extras") or {}
    provider = target.partition(":")[0]
    if kind == "text":
        return {name: value for name, value in block.items() if name != "extras"} if block.get("text") else None
    if kind == "reasoning":
        proof = {name: extras[name] for name in ("signature", "redacted") if name in extras}
        return ReasoningPart(text=block.get("reasoning") or "", signed_by=target or None, **proof)
    if kind == "refusal":
        return TextPart(text=block["refusal"]) if block.get("refusal") else None
    if BLOCK in extras or (kind == "non_standard" and BLOCK in block["value"]):
        text = in_words(block.get("mime_type", "")) if kind in _MEDIA else ""
        return OpaquePart(provider=provider, data=extras.get(BLOCK) or block["value"][BLOCK], text=text)
    if kind in ("server_tool_call", "server_tool_result"):
        return None
    if kind in _MEDIA and any(name in block for name in ("url", "base64", "file_id", "text")):
        return TextPart(text=in_words(block.get("mime_type", "file/unknown"))) if target else _media(block, extras)
    return block["value"] if kind == "non_standard" else block


def _media(block: Mapping[str, Any], extras: Mapping[str, Any]) -> dict[str, Any]:
    """Return a picture, recording or document in langchain's standard form as a dict that a message reads."""
    kind, data, media_type = block["type"], block.get("base64"), block.get("mime_type")
    mark = {"cache_control": {**extras, **block}.get("cache_control")}
    if kind == "image" and not block.get("file_id"):
        url = block.get("url") or (f"data:{media_type};base64,{data}" if media_type else data)
        return {"type": "image_url", "url": url, **mark}
    if kind == "text-plain" and block.get("text") is not None:
        data = block["text"].encode()
    where = {"url": block.get("url"), "data": data, "id": block.get("file_id")}
    name = next((each for name in ("filename", "title") if (each := block.get(name) or extras.get(name))), None)
    about = {"media_type": media_type or ("image/*" if kind == "image" else None), "name": name}
    return {"type": "file", **{name: value for name, value in where.items() if value is not None}, **about, **mark}


def _answered(message: theirs.AIMessage) -> list[Message]:
    said = message.response_metadata
    target = said.get(TARGET) or f"{said.get('model_provider', '')}:{said.get('model_name', '')}"
    waiting = {call.id: call for call in _calls(message, target)}
    blocks: list[Any] = []
    for block in [message.content] if isinstance(message.content, str) else message.content:
        if isinstance(block, dict) and block.get("type") in _CALLS:
            made = waiting.pop(block.get("id") or "", None)
        else:
            made = _part(block, target)
        blocks += [] if made is None else [made]
    return assistant([*blocks, *waiting.values()])


def _calls(message: theirs.AIMessage, target: str) -> list[FunctionCall]:
    proofs = message.additional_kwargs.get(SIGNATURES, {})
    calls: list[Any] = [call for call in (*message.tool_calls, *message.invalid_tool_calls) if call.get("name")]
    return [
        FunctionCall(
            id=call["id"] or "",
            name=call["name"],
            arguments=call["args"]
            if isinstance(call["args"], str)
            else json.dumps(call["args"] or {}, ensure_ascii=False),
            signature=proofs.get(call["id"]),
            signed_by=target if call["id"] in proofs else None,
        )
        for call in calls
    ]
