"""Writes Gemini's generateContent with `alt=sse`: whole responses as events, CRLF line ends, no end marker but the
reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from .dialect import Called, Dialect, Payload, Said, encode

__all__ = ["DIALECT"]

_FINISH: Mapping[str, str] = {
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "tool_calls": "STOP",
    "content_filter": "SAFETY",
    "refusal": "PROHIBITED_CONTENT",
    "other": "OTHER",
}
_ERRORS: Mapping[int, str] = {
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
    return b"%bdata: %b\r\n\r\n" % (head, encode(payload))


def _crlf_comment(text: str) -> bytes:
    return f": {text}\r\n\r\n".encode()


def _event(said: Said, parts: list[dict[str, Any]], finish: str | None = None) -> dict[str, Any]:
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


def _preamble(said: Said) -> list[Payload]:
    return []


def _text(said: Said, piece: str) -> list[Payload]:
    return [_event(said, [{"text": piece}])]


def _function_call(called: Called) -> dict[str, Any]:
    return {"functionCall": {"name": called.name, "args": msgspec.json.decode(called.arguments or "{}")}}


def _call(said: Said, called: Called) -> list[Payload]:
    return [_event(said, [_function_call(called)])]


def _end(said: Said, reason: str) -> list[Payload]:
    return [_event(said, [{"text": ""}], _FINISH.get(reason, reason))]


def _whole(said: Said, reason: str) -> Payload:
    parts: list[dict[str, Any]] = [{"text": "".join(said.texts)}] if said.texts else []
    parts.extend(map(_function_call, said.calls))
    return _event(said, parts, _FINISH.get(reason, reason))


def _error(status: int, message: str) -> dict[str, Any]:
    return {"error": {"code": status, "message": message, "status": _ERRORS.get(status, "UNKNOWN")}}


DIALECT = Dialect(
    path=re.compile(r"/models/(?P<model>[^/:?]+):(?:streamGenerate|generate)Content"),
    suffix="",
    headers={"content-type": "text/event-stream", "vary": "Origin, X-Origin, Referer"},
    streaming=lambda request: ":stream" in request.path, frame=_crlf_data, comment=_crlf_comment,
    preamble=_preamble, text=_text, call=_call, end=_end, whole=_whole, error=_error,
)  # fmt: skip
