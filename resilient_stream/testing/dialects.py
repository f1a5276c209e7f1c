"""How each API writes its answers: one row of encoder functions per dialect.

The one rule: encoders are pure; they give the events of an answer as plain JSON values, and the row's `frame`
makes bytes of each. What they write has the shape of recorded answers, oddities included (OpenAI's usage on an
event without choices, Anthropic's ping, Gemini's CRLF).
Must never: use our own decoders' idea of a format. A stand-in made from the code it tests would prove nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import msgspec

from ..chunks import Usage
from .http import ReceivedRequest

__all__ = ["DIALECTS", "Dialect", "Said", "dialect_of"]

Payload: TypeAlias = "dict[str, Any] | str"


class Called(NamedTuple):
    """A tool call in an answer; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(slots=True)
class Said:
    """What one answer has said so far: encoders take ids, indices and counts from here.

    usage: None unless the script gives it. blocks: the kinds of the content blocks begun, in order.
    """

    model: str
    usage_wanted: bool = False
    usage: Usage | None = None
    texts: list[str] = field(default_factory=list)
    calls: list[Called] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)

    def tokens(self) -> Usage:
        """The count to report: the script's, or one token for each piece sent."""
        return self.usage or Usage(9, len(self.texts) + len(self.calls))


class Dialect(NamedTuple):
    """One row: how to know a request of this dialect, and how to write its answer.

    path: finds the path, and the model where it stands there. suffix: what a base URL ends in. streaming:
    whether this request asks for a stream. frame: one event as bytes; comment: a keep-alive. preamble, text,
    call, end: the events of an answer. whole: the answer to a request without streaming. error: the body of an
    HTTP error, also what an error inside a stream says.
    """

    path: re.Pattern[str]
    suffix: str
    headers: Mapping[str, str]
    streaming: Callable[[ReceivedRequest], bool]
    frame: Callable[[Payload, str | None], bytes]
    comment: Callable[[str], bytes]
    preamble: Callable[[Said], list[Payload]]
    text: Callable[[Said, str], list[Payload]]
    call: Callable[[Said, Called], list[Payload]]
    end: Callable[[Said, str], list[Payload]]
    whole: Callable[[Said, str], Payload]
    error: Callable[[int, str], dict[str, Any]]


def dialect_of(request: ReceivedRequest) -> str | None:
    """The dialect that a request's path belongs to; None when it is nobody's."""
    return next((name for name, row in DIALECTS.items() if row.path.search(request.path)), None)


def _asks_for_stream(request: ReceivedRequest) -> bool:
    return bool((request.json or {}).get("stream"))


def _encode(payload: Payload) -> bytes:
    return payload.encode() if isinstance(payload, str) else msgspec.json.encode(payload)


# -- OpenAI: chat completions ---------------------------------------------------------------------

_OPENAI_FINISH: Mapping[str, str] = {}
_OPENAI_ERRORS: Mapping[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


def _data(payload: Payload, name: str | None = None) -> bytes:
    head = f"event: {name}\n".encode() if name else b""
    return b"%bdata: %b\n\n" % (head, _encode(payload))


def _comment(text: str) -> bytes:
    return f": {text}\n\n".encode()


def _openai_event(said: Said, choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> Payload:
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


def _openai_delta(said: Said, delta: dict[str, Any], finish: str | None = None) -> Payload:
    return _openai_event(said, [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}])


def _openai_preamble(said: Said) -> list[Payload]:
    return [_openai_delta(said, {"role": "assistant", "content": "", "refusal": None})]


def _openai_text(said: Said, piece: str) -> list[Payload]:
    return [_openai_delta(said, {"content": piece})]


def _openai_call(said: Said, called: Called) -> list[Payload]:
    """The name with empty arguments first, then the arguments in two pieces."""
    index = len(said.calls)
    first = {"id": called.id, "type": "function", "function": {"name": called.name, "arguments": ""}}
    events = [_openai_delta(said, {"tool_calls": [{"index": index, **first}]})]
    for piece in _halves(called.arguments):
        events.append(_openai_delta(said, {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}))
    return events


def _openai_usage(tokens: Usage) -> dict[str, Any]:
    read, written = tokens.input_tokens or 0, tokens.output_tokens or 0
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": tokens.cached_input_tokens or 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": tokens.reasoning_tokens or 0, "audio_tokens": 0},
    }


def _openai_end(said: Said, reason: str) -> list[Payload]:
    events = [_openai_delta(said, {}, _OPENAI_FINISH.get(reason, reason))]
    if said.usage_wanted or said.usage:
        events.append(_openai_event(said, [], _openai_usage(said.tokens())))
    return [*events, "[DONE]"]


def _openai_whole(said: Said, reason: str) -> Payload:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(said.texts) or None, "refusal": None}
    if said.calls:
        message["tool_calls"] = [
            {"id": called.id, "type": "function", "function": {"name": called.name, "arguments": called.arguments}}
            for called in said.calls
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _OPENAI_FINISH.get(reason, reason)}
    return {
        "id": "chatcmpl-B9fakeprovider0000000000000000",
        "object": "chat.completion",
        "created": 1763000000,
        "model": said.model,
        "choices": [choice],
        "usage": _openai_usage(said.tokens()),
    }


def _openai_error(status: int, message: str) -> dict[str, Any]:
    kind, code = _OPENAI_ERRORS.get(status, ("server_error", None))
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


# -- Anthropic: messages --------------------------------------------------------------------------

_ANTHROPIC_FINISH: Mapping[str, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "pause": "pause_turn",
}
_ANTHROPIC_ERRORS: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def _named_data(payload: Payload, name: str | None = None) -> bytes:
    """Anthropic names each event after its `type`."""
    return _data(payload, name or (payload.get("type") if isinstance(payload, dict) else None))


def _anthropic_message(said: Said) -> dict[str, Any]:
    return {"model": said.model, "id": "msg_01FakeProvider00000000000", "type": "message", "role": "assistant"}


def _anthropic_usage(tokens: Usage) -> dict[str, Any]:
    return {
        "input_tokens": tokens.input_tokens or 0,
        "cache_creation_input_tokens": tokens.cache_write_tokens or 0,
        "cache_read_input_tokens": tokens.cached_input_tokens or 0,
        "output_tokens": tokens.output_tokens or 0,
    }


def _anthropic_preamble(said: Said) -> list[Payload]:
    usage = {**_anthropic_usage(said.tokens()), "output_tokens": 1, "service_tier": "standard"}
    message = {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    return [{"type": "message_start", "message": {**_anthropic_message(said), **message}}]


def _anthropic_block(said: Said, kind: str, block: dict[str, Any]) -> list[Payload]:
    """The end of the block before, and the begin of a new one; a ping follows the first."""
    events = _anthropic_close(said)
    said.blocks.append(kind)
    index = len(said.blocks) - 1
    events.append({"type": "content_block_start", "index": index, "content_block": {"type": kind, **block}})
    return events if index else [*events, {"type": "ping"}]


def _anthropic_close(said: Said) -> list[Payload]:
    return [{"type": "content_block_stop", "index": len(said.blocks) - 1}] if said.blocks else []


def _anthropic_delta(said: Said, kind: str, **delta: str) -> Payload:
    return {"type": "content_block_delta", "index": len(said.blocks) - 1, "delta": {"type": kind, **delta}}


def _anthropic_text(said: Said, piece: str) -> list[Payload]:
    begin = [] if said.blocks[-1:] == ["text"] else _anthropic_block(said, "text", {"text": ""})
    return [*begin, _anthropic_delta(said, "text_delta", text=piece)]


def _anthropic_call(said: Said, called: Called) -> list[Payload]:
    events = _anthropic_block(said, "tool_use", {"id": called.id, "name": called.name, "input": {}})
    pieces = ["", *_halves(called.arguments)]
    return [*events, *(_anthropic_delta(said, "input_json_delta", partial_json=piece) for piece in pieces)]


def _anthropic_end(said: Said, reason: str) -> list[Payload]:
    delta = {"stop_reason": _ANTHROPIC_FINISH.get(reason, reason), "stop_sequence": None}
    return [
        *_anthropic_close(said),
        {"type": "message_delta", "delta": delta, "usage": _anthropic_usage(said.tokens())},
        {"type": "message_stop"},
    ]


def _anthropic_whole(said: Said, reason: str) -> Payload:
    content: list[dict[str, Any]] = [{"type": "text", "text": "".join(said.texts)}] if said.texts else []
    for called in said.calls:
        arguments = msgspec.json.decode(called.arguments or "{}")
        content.append({"type": "tool_use", "id": called.id, "name": called.name, "input": arguments})
    return {
        **_anthropic_message(said),
        "content": content,
        "stop_reason": _ANTHROPIC_FINISH.get(reason, reason),
        "stop_sequence": None,
        "usage": _anthropic_usage(said.tokens()),
    }


def _anthropic_error(status: int, message: str) -> dict[str, Any]:
    error = {"type": _ANTHROPIC_ERRORS.get(status, "api_error"), "message": message}
    return {"type": "error", "error": error, "request_id": "req_fake"}


# -- Gemini: generateContent ----------------------------------------------------------------------

_GEMINI_FINISH: Mapping[str, str] = {
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "tool_calls": "STOP",
    "content_filter": "SAFETY",
    "refusal": "PROHIBITED_CONTENT",
    "other": "OTHER",
}
_GEMINI_ERRORS: Mapping[int, str] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def _crlf_data(payload: Payload, name: str | None = None) -> bytes:
    head = f"event: {name}\r\n".encode() if name else b""
    return b"%bdata: %b\r\n\r\n" % (head, _encode(payload))


def _crlf_comment(text: str) -> bytes:
    return f": {text}\r\n\r\n".encode()


def _gemini_event(said: Said, parts: list[dict[str, Any]], finish: str | None = None) -> dict[str, Any]:
    tokens = said.tokens()
    read, written, thought = tokens.input_tokens or 0, tokens.output_tokens or 0, tokens.reasoning_tokens or 0
    # Gemini counts thoughts beside the candidates; our output_tokens includes them.
    usage = {
        "promptTokenCount": read,
        "candidatesTokenCount": written - thought,
        "totalTokenCount": read + written,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": read}],
    }
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    return {
        "candidates": [{**candidate, "finishReason": finish} if finish else candidate],
        "usageMetadata": {**usage, "thoughtsTokenCount": thought} if thought else usage,
        "modelVersion": said.model,
        "responseId": "fakeproviderfakeprovide",
    }


def _gemini_preamble(said: Said) -> list[Payload]:
    return []


def _gemini_text(said: Said, piece: str) -> list[Payload]:
    return [_gemini_event(said, [{"text": piece}])]


def _gemini_function_call(called: Called) -> dict[str, Any]:
    return {"functionCall": {"name": called.name, "args": msgspec.json.decode(called.arguments or "{}")}}


def _gemini_call(said: Said, called: Called) -> list[Payload]:
    return [_gemini_event(said, [_gemini_function_call(called)])]


def _gemini_end(said: Said, reason: str) -> list[Payload]:
    return [_gemini_event(said, [{"text": ""}], _GEMINI_FINISH.get(reason, reason))]


def _gemini_whole(said: Said, reason: str) -> Payload:
    parts: list[dict[str, Any]] = [{"text": "".join(said.texts)}] if said.texts else []
    parts.extend(map(_gemini_function_call, said.calls))
    return _gemini_event(said, parts, _GEMINI_FINISH.get(reason, reason))


def _gemini_error(status: int, message: str) -> dict[str, Any]:
    return {"error": {"code": status, "message": message, "status": _GEMINI_ERRORS.get(status, "UNKNOWN")}}


def _halves(text: str) -> list[str]:
    """A text in two pieces, so that a reader has to put it together."""
    middle = len(text) // 2
    return [piece for piece in (text[:middle], text[middle:]) if piece]


DIALECTS: Mapping[str, Dialect] = {
    "openai": Dialect(
        re.compile(r"/chat/completions(?:\?|$)"), "/v1",
        {"content-type": "text/event-stream; charset=utf-8", "x-request-id": "req_fake", "openai-version": "2020-10-01"},
        _asks_for_stream, _data, _comment,
        _openai_preamble, _openai_text, _openai_call, _openai_end, _openai_whole, _openai_error),
    "anthropic": Dialect(
        re.compile(r"/messages(?:\?|$)"), "",
        {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", "request-id": "req_fake"},
        _asks_for_stream, _named_data, _comment,
        _anthropic_preamble, _anthropic_text, _anthropic_call, _anthropic_end, _anthropic_whole, _anthropic_error),
    "gemini": Dialect(
        re.compile(r"/models/(?P<model>[^/:?]+):(?:streamGenerate|generate)Content"), "",
        {"content-type": "text/event-stream", "vary": "Origin, X-Origin, Referer"},
        lambda request: ":stream" in request.path, _crlf_data, _crlf_comment,
        _gemini_preamble, _gemini_text, _gemini_call, _gemini_end, _gemini_whole, _gemini_error),
}  # fmt: skip
