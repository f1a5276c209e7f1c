"""Writes OpenAI's chat completions: a role first, usage on an event without choices, then `[DONE]`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...chunks import Usage
from .dialect import Called, Dialect, Payload, Said, asks_for_stream, comment, halves, sse

__all__ = ["DIALECT"]

_ERRORS: Mapping[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


def _event(said: Said, choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> Payload:
    event = {
        "id": "chatcmpl-B9fakeprovider0000000000000000",
        "object": "chat.completion.chunk",
        "created": 1763000000,
        "model": said.model,
        "service_tier": "default",
        "system_fingerprint": "fp_07871e2ad8",
        "choices": choices,
    }
    # With include_usage each event has the field, null until the last one.
    return {**event, "usage": usage} if said.usage_wanted or said.usage else event


def _delta(said: Said, delta: dict[str, Any], finish: str | None = None) -> Payload:
    return _event(said, [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}])


def _preamble(said: Said) -> list[Payload]:
    return [_delta(said, {"role": "assistant", "content": "", "refusal": None})]


def _text(said: Said, piece: str) -> list[Payload]:
    return [_delta(said, {"content": piece})]


def _call(said: Said, called: Called) -> list[Payload]:
    """Return the name with empty arguments first, then the arguments in two pieces."""
    index = len(said.calls) - 1
    first = {"id": called.id, "type": "function", "function": {"name": called.name, "arguments": ""}}
    rest = [{"index": index, "function": {"arguments": piece}} for piece in halves(called.arguments)]
    return [_delta(said, {"tool_calls": [call]}) for call in ({"index": index, **first}, *rest)]


def _usage(tokens: Usage) -> dict[str, Any]:
    read, written = tokens.input_tokens or 0, tokens.output_tokens or 0
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": tokens.cached_input_tokens or 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": tokens.reasoning_tokens or 0, "audio_tokens": 0},
    }


def _end(said: Said, reason: str) -> list[Payload]:
    events = [_delta(said, {}, reason)]
    if said.usage_wanted or said.usage:
        events.append(_event(said, [], _usage(said.tokens())))
    return [*events, "[DONE]"]


def _whole(said: Said, reason: str) -> Payload:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(said.texts) or None, "refusal": None}
    if said.calls:
        message["tool_calls"] = [
            {"id": called.id, "type": "function", "function": {"name": called.name, "arguments": called.arguments}}
            for called in said.calls
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
    return {
        "id": "chatcmpl-B9fakeprovider0000000000000000",
        "object": "chat.completion",
        "created": 1763000000,
        "model": said.model,
        "choices": [choice],
        "usage": _usage(said.tokens()),
    }


def _error(status: int, message: str) -> dict[str, Any]:
    kind, code = _ERRORS.get(status, ("server_error", None))
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


DIALECT = Dialect(
    path=re.compile(r"/chat/completions(?:\?|$)"),
    suffix="/v1",
    headers={
        "content-type": "text/event-stream; charset=utf-8",
        "openai-version": "2020-10-01",
        "x-request-id": "req_fake",
    },
    streaming=asks_for_stream, frame=sse, comment=comment, preamble=_preamble, text=_text, call=_call, end=_end,
    whole=_whole, error=_error,
)  # fmt: skip
