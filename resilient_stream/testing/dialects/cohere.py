"""Writes Cohere's chat, version 2: named events, a block around the text, a tool call in three kinds of events."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...chunks import Usage
from .dialect import Called, Dialect, Payload, Said, asks_for_stream, comment, halves, sse

__all__ = ["DIALECT"]

_FINISH: Mapping[str, str] = {"stop": "COMPLETE", "length": "MAX_TOKENS", "tool_calls": "TOOL_CALL"}


def _named_event(payload: Payload, name: str | None = None) -> bytes:
    """Return an event that is named after its `type`."""
    return sse(payload, name or (payload.get("type") if isinstance(payload, dict) else None))


def _message(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "delta": {"message": fields}}


def _preamble(said: Said) -> list[Payload]:
    begin = _message("message-start", role="assistant", content=[], tool_plan="", tool_calls=[], citations=[])
    return [{"id": "fake-0000-4000-8000-000000000000", **begin}]


def _text(said: Said, piece: str) -> list[Payload]:
    delta = {"index": 0, **_message("content-delta", content={"text": piece})}
    if said.blocks:
        return [delta]
    said.blocks.append("text")
    return [{"index": 0, **_message("content-start", content={"type": "text", "text": ""})}, delta]


def _close(said: Said) -> list[Payload]:
    return [{"type": "content-end", "index": 0}] if said.blocks and said.blocks.pop() else []


def _call(said: Said, called: Called) -> list[Payload]:
    index = len(said.calls) - 1
    function = {"name": called.name, "arguments": ""}
    begin = _message("tool-call-start", tool_calls={"id": called.id, "type": "function", "function": function})
    pieces = [
        _message("tool-call-delta", tool_calls={"function": {"arguments": piece}}) for piece in halves(called.arguments)
    ]
    events = [{"index": index, **event} for event in (begin, *pieces)]
    return [*_close(said), *events, {"type": "tool-call-end", "index": index}]


def _usage(tokens: Usage) -> dict[str, Any]:
    counted = {"input_tokens": tokens.input_tokens or 0, "output_tokens": tokens.output_tokens or 0}
    return {"billed_units": counted, "tokens": counted, "cached_tokens": tokens.cached_input_tokens or 0}


def _end(said: Said, reason: str) -> list[Payload]:
    delta = {"finish_reason": _FINISH.get(reason, reason), "usage": _usage(said.tokens())}
    return [*_close(said), {"type": "message-end", "delta": delta}]


def _whole(said: Said, reason: str) -> Payload:
    message: dict[str, Any] = {"role": "assistant", "content": [{"type": "text", "text": "".join(said.texts)}]}
    if said.calls:
        message["tool_calls"] = [
            {"id": called.id, "type": "function", "function": {"name": called.name, "arguments": called.arguments}}
            for called in said.calls
        ]
    return {
        "id": "fake-0000-4000-8000-000000000000",
        "message": message,
        "finish_reason": _FINISH.get(reason, reason),
        "usage": _usage(said.tokens()),
    }


def _error(status: int, message: str) -> dict[str, Any]:
    return {"id": "fake-0000-4000-8000-000000000000", "message": message}


DIALECT = Dialect(
    path=re.compile(r"/v2/chat(?:\?|$)"),
    suffix="",
    headers={"content-type": "text/event-stream", "x-debug-trace-id": "req_fake"},
    streaming=asks_for_stream, frame=_named_event, comment=comment, preamble=_preamble, text=_text, call=_call,
    end=_end, whole=_whole, error=_error,
)  # fmt: skip
