"""Writes Bedrock's Converse: AWS's binary messages, padding in each, the counts after the end. And its InvokeModel of a
Claude, whatever the model's name: Anthropic's events in base64, Bedrock's own counts in the last.

What is in a header there is in no payload: an event is `{its type: its payload}` here, and an error has its class as
`__type`. A real answer with an HTTP status has the class in `x-amzn-errortype`, which a script may add.
"""

from __future__ import annotations

import base64
import re
import struct
import zlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from ...chunks import Usage
from . import anthropic
from .dialect import Called, Dialect, Payload, Said, encode, halves

__all__ = ["DIALECT", "INVOKE"]

_FINISH: Mapping[str, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "guardrail_intervened",
    "refusal": "content_filtered",
}
_ERRORS: Mapping[int, str] = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
    529: "ServiceUnavailableException",
}
_PADDING = "abcdefghijklmnopqrstuvwxyz"


def _message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Return a message: lengths and their checksum, headers (7 is a string), payload, and the checksum of it all."""
    fields = b"".join(
        bytes([len(name)]) + name.encode() + b"\7" + struct.pack(">H", len(value)) + value.encode()
        for name, value in headers.items()
    )
    lengths = struct.pack(">II", 4 + 4 + 4 + len(fields) + len(payload) + 4, len(fields))
    message = lengths + struct.pack(">I", zlib.crc32(lengths)) + fields + payload
    return message + struct.pack(">I", zlib.crc32(message))


def _framed(payload: Payload, name: str | None = None) -> bytes:
    if isinstance(payload, dict) and "__type" in payload:
        kind = payload["__type"]
        said = {key: value for key, value in payload.items() if key != "__type"}
        return _message(_headers("exception", kind[:1].lower() + kind[1:]), encode(said))
    if isinstance(payload, dict) and name is None and len(payload) == 1:
        [(name, payload)] = payload.items()
    return _message(_headers("event", name or "unknown"), _padded(payload))


def _headers(kind: str, name: str) -> dict[str, str]:
    return {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}


def _padded(payload: Payload) -> bytes:
    """Return an event with a field of changing length, as real events have it, so that their size tells nobody what was
    said."""
    if isinstance(payload, str):
        return encode(payload)
    return encode({**payload, "p": _PADDING[: len(encode(payload)) % len(_PADDING)]})


def _keep_alive(text: str) -> bytes:
    """Return an event that says nothing, which comes nearest to a comment: the format has none."""
    return _message(_headers("event", "initial-response"), b"{}")


def _preamble(said: Said) -> list[Payload]:
    return [{"messageStart": {"role": "assistant"}}]


def _block(said: Said, kind: str) -> list[Payload]:
    """Return the end of the block before; the new one has no start of its own unless it is a tool's."""
    events = _close(said)
    said.blocks.append(kind)
    return events


def _close(said: Said) -> list[Payload]:
    return [{"contentBlockStop": {"contentBlockIndex": len(said.blocks) - 1}}] if said.blocks else []


def _delta(said: Said, delta: dict[str, Any]) -> Payload:
    return {"contentBlockDelta": {"delta": delta, "contentBlockIndex": len(said.blocks) - 1}}


def _text(said: Said, piece: str) -> list[Payload]:
    begin = [] if said.blocks[-1:] == ["text"] else _block(said, "text")
    return [*begin, _delta(said, {"text": piece})]


def _call(said: Said, called: Called) -> list[Payload]:
    events = _block(said, "tool")
    use = {"toolUseId": called.id, "name": called.name}
    events.append({"contentBlockStart": {"start": {"toolUse": use}, "contentBlockIndex": len(said.blocks) - 1}})
    pieces = ["", *halves(called.arguments)]
    return [*events, *(_delta(said, {"toolUse": {"input": piece}}) for piece in pieces)]


def _usage(tokens: Usage) -> dict[str, Any]:
    read, written = tokens.input_tokens or 0, tokens.output_tokens or 0
    cached, kept = tokens.cached_input_tokens, tokens.cache_write_tokens
    counts: dict[str, Any] = {"inputTokens": read, "outputTokens": written, "totalTokens": read + written}
    counts |= {} if cached is None else {"cacheReadInputTokens": cached}
    return counts if kept is None else {**counts, "cacheWriteInputTokens": kept}


def _end(said: Said, reason: str) -> list[Payload]:
    return [
        *_close(said),
        {"messageStop": {"stopReason": _FINISH.get(reason, reason)}},
        {"metadata": {"usage": _usage(said.tokens()), "metrics": {"latencyMs": 512}}},
    ]


def _whole(said: Said, reason: str) -> Payload:
    content: list[dict[str, Any]] = [{"text": "".join(said.texts)}] if said.texts else []
    for called in said.calls:
        arguments = msgspec.json.decode(called.arguments or "{}")
        content.append({"toolUse": {"toolUseId": called.id, "name": called.name, "input": arguments}})
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": _FINISH.get(reason, reason),
        "usage": _usage(said.tokens()),
        "metrics": {"latencyMs": 512},
    }


def _error(status: int, message: str) -> dict[str, Any]:
    return {"__type": _ERRORS.get(status) or _named_after(status), "message": message}


def _named_after(status: int) -> str:
    """Return the name that services of AWS give an error that is not in Bedrock's own list."""
    try:
        return f"{HTTPStatus(status).phrase.title().replace(' ', '')}Exception"
    except ValueError:
        return f"Http{status}Exception"


DIALECT = Dialect(
    path=re.compile(r"/model/(?P<model>[^/?]+)/converse"),
    suffix="",
    headers={"content-type": "application/vnd.amazon.eventstream", "x-amzn-requestid": "00000000-fake"},
    streaming=lambda request: "/converse-stream" in request.path, frame=_framed, comment=_keep_alive,
    preamble=_preamble, text=_text, call=_call, end=_end, whole=_whole, error=_error,
)  # fmt: skip


def _chunk(payload: Payload, name: str | None = None) -> bytes:
    """Return an event of Anthropic's as InvokeModel frames it."""
    if isinstance(payload, dict) and "__type" in payload:
        return _framed(payload)
    return _framed({"bytes": base64.b64encode(encode(payload)).decode()}, "chunk")


def _invoke_end(said: Said, reason: str) -> list[Payload]:
    *events, last = anthropic.DIALECT.end(said, reason)
    counts = {"inputTokenCount": said.tokens().input_tokens, "outputTokenCount": said.tokens().output_tokens}
    metrics = {"amazon-bedrock-invocationMetrics": {**counts, "invocationLatency": 512, "firstByteLatency": 256}}
    return [*events, {**last, **metrics} if isinstance(last, dict) else last]


INVOKE = DIALECT._replace(
    path=re.compile(r"/model/(?P<model>[^/?]+)/invoke"),
    streaming=lambda request: "/invoke-with-response-stream" in request.path, frame=_chunk,
    preamble=anthropic.DIALECT.preamble, text=anthropic.DIALECT.text, call=anthropic.DIALECT.call, end=_invoke_end,
    whole=anthropic.DIALECT.whole,
)  # fmt: skip
