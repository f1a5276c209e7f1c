"""Writes Anthropic's messages: named events, a block around each text and tool call, a ping after the first begin."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from ...chunks import Usage
from .dialect import Called, Dialect, Payload, Said, asks_for_stream, comment, halves, sse

__all__ = ["DIALECT"]

_FINISH: Mapping[str, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "pause": "pause_turn",
}
_ERRORS: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def _named_data(payload: Payload, name: str | None = None) -> bytes:
    """Return an event that is named after its `type`, as Anthropic names each."""
    return sse(payload, name or (payload.get("type") if isinstance(payload, dict) else None))


def _message(said: Said) -> dict[str, Any]:
    return {"model": said.model, "id": "msg_01FakeProvider00000000000", "type": "message", "role": "assistant"}


def _usage(tokens: Usage) -> dict[str, Any]:
    return {
        "input_tokens": tokens.input_tokens or 0,
        "cache_creation_input_tokens": tokens.cache_write_tokens or 0,
        "cache_read_input_tokens": tokens.cached_input_tokens or 0,
        "output_tokens": tokens.output_tokens or 0,
    }


def _preamble(said: Said) -> list[Payload]:
    usage = {**_usage(said.tokens()), "output_tokens": 1, "service_tier": "standard"}
    message: dict[str, Any] = {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    return [{"type": "message_start", "message": {**_message(said), **message}}]


def _block(said: Said, kind: str, block: dict[str, Any]) -> list[Payload]:
    """Return the end of the block before, and the begin of a new one; a ping follows the first."""
    events = _close(said)
    said.blocks.append(kind)
    index = len(said.blocks) - 1
    events.append({"type": "content_block_start", "index": index, "content_block": {"type": kind, **block}})
    return events if index else [*events, {"type": "ping"}]


def _close(said: Said) -> list[Payload]:
    return [{"type": "content_block_stop", "index": len(said.blocks) - 1}] if said.blocks else []


def _delta(said: Said, kind: str, **delta: str) -> Payload:
    return {"type": "content_block_delta", "index": len(said.blocks) - 1, "delta": {"type": kind, **delta}}


def _text(said: Said, piece: str) -> list[Payload]:
    begin = [] if said.blocks[-1:] == ["text"] else _block(said, "text", {"text": ""})
    return [*begin, _delta(said, "text_delta", text=piece)]


def _call(said: Said, called: Called) -> list[Payload]:
    events = _block(said, "tool_use", {"id": called.id, "name": called.name, "input": {}})
    pieces = ["", *halves(called.arguments)]
    return [*events, *(_delta(said, "input_json_delta", partial_json=piece) for piece in pieces)]


def _end(said: Said, reason: str) -> list[Payload]:
    delta = {"stop_reason": _FINISH.get(reason, reason), "stop_sequence": None}
    return [
        *_close(said),
        {"type": "message_delta", "delta": delta, "usage": _usage(said.tokens())},
        {"type": "message_stop"},
    ]


def _whole(said: Said, reason: str) -> Payload:
    content: list[dict[str, Any]] = [{"type": "text", "text": "".join(said.texts)}] if said.texts else []
    for called in said.calls:
        arguments = msgspec.json.decode(called.arguments or "{}")
        content.append({"type": "tool_use", "id": called.id, "name": called.name, "input": arguments})
    return {
        **_message(said),
        "content": content,
        "stop_reason": _FINISH.get(reason, reason),
        "stop_sequence": None,
        "usage": _usage(said.tokens()),
    }


def _error(status: int, message: str) -> dict[str, Any]:
    # What it has no type for comes from something in front of it, and says nothing of its own.
    kind = _ERRORS.get(status, "invalid_request_error" if status < 500 else "error")
    error = {"type": kind, "message": message}
    return {"type": "error", "error": error, "request_id": "req_fake"}


DIALECT = Dialect(
    path=re.compile(r"/messages(?:\?|$)|/publishers/anthropic/models/(?P<model>[^/:?]+):(?:streamRaw|raw)Predict"),
    suffix="",
    headers={
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache",
        "request-id": "req_fake",
    },
    streaming=asks_for_stream, frame=_named_data, comment=comment, preamble=_preamble, text=_text, call=_call,
    end=_end, whole=_whole, error=_error,
)  # fmt: skip
