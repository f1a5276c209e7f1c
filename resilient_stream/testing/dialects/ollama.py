"""Writes Ollama's `/api/chat`: a JSON line for each piece, tool calls whole, and the counts on the line with `done`."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ..http import ReceivedRequest
from .dialect import Called, Dialect, Payload, Said, asked_for, encode

__all__ = ["DIALECT"]


def _line(payload: Payload, name: str | None = None) -> bytes:
    return encode(payload) + b"\n"


def _blank_line(text: str) -> bytes:
    """Return an empty line, since there are no comments in JSON lines; it is as much life and as little content."""
    return b"\n"


def _message(said: Said, done: bool = False, **message: Any) -> dict[str, Any]:
    return {
        "model": said.model,
        "created_at": "2025-11-13T02:13:20.123456Z",
        "message": {"role": "assistant", "content": "", **message},
        "done": done,
    }


def _preamble(said: Said) -> list[Payload]:
    return []


def _text(said: Said, piece: str) -> list[Payload]:
    return [_message(said, content=piece)]


def _tool_call(called: Called) -> dict[str, Any]:
    return {"function": {"name": called.name, "arguments": msgspec.json.decode(called.arguments or "{}")}}


def _call(said: Said, called: Called) -> list[Payload]:
    return [_message(said, tool_calls=[_tool_call(called)])]


def _counts(said: Said, reason: str) -> dict[str, Any]:
    tokens = said.tokens()
    return {
        "done_reason": {"tool_calls": "stop"}.get(reason, reason),
        "total_duration": 1234567890, "load_duration": 12345678, "prompt_eval_count": tokens.input_tokens or 0,
        "prompt_eval_duration": 123456789, "eval_count": tokens.output_tokens or 0, "eval_duration": 1098765432,
    }  # fmt: skip


def _end(said: Said, reason: str) -> list[Payload]:
    return [{**_message(said, done=True), **_counts(said, reason)}]


def _whole(said: Said, reason: str) -> Payload:
    calls = {"tool_calls": [_tool_call(called) for called in said.calls]} if said.calls else {}
    return {**_message(said, done=True, content="".join(said.texts), **calls), **_counts(said, reason)}


def _error(status: int, message: str) -> dict[str, Any]:
    return {"error": message}


def _streams(request: ReceivedRequest) -> bool:
    """Return whether a stream is asked for, which is so unless the body says otherwise."""
    return bool(asked_for(request).get("stream", True))


DIALECT = Dialect(
    path=re.compile(r"/api/chat(?:\?|$)"),
    suffix="",
    headers={"content-type": "application/x-ndjson"},
    streaming=_streams, frame=_line, comment=_blank_line, preamble=_preamble, text=_text, call=_call, end=_end,
    whole=_whole, error=_error,
)  # fmt: skip
