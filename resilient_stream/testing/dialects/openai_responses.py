"""Writes OpenAI's Responses API: named events with numbers, each item announced, streamed, and said again when it is
whole.

A GET with `starting_after=N` is the rest of a stream: no `response.created`, numbers from N + 1, the text goes on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...chunks import Usage
from ..http import ReceivedRequest
from .dialect import Called, Dialect, Payload, Said, asks_for_stream, comment, halves, sse

__all__ = ["DIALECT"]

_INCOMPLETE: Mapping[str, str] = {"length": "max_output_tokens", "content_filter": "content_filter"}
_ERRORS: Mapping[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("tokens", "rate_limit_exceeded"),
    503: ("service_unavailable_error", "server_is_overloaded"),
}


def _named_data(payload: Payload, name: str | None = None) -> bytes:
    """Return an event that is named after its `type`; an error inside the stream has that type."""
    if isinstance(payload, dict) and "error" in payload and "type" not in payload:
        payload = {"type": "error", **payload}
    return sse(payload, name or (payload.get("type") if isinstance(payload, dict) else None))


def _event(said: Said, kind: str, **fields: Any) -> Payload:
    number = said.events if said.resumed_after is None else said.events + said.resumed_after + 1
    said.events += 1
    return {"type": kind, "sequence_number": number, **fields}


def _response(said: Said, status: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": "resp_fakeprovider", "object": "response", "created_at": 1763000000, "status": status,
        "background": False, "error": None, "incomplete_details": None, "model": said.model, "output": [],
        "usage": None, **fields,
    }  # fmt: skip


def _preamble(said: Said) -> list[Payload]:
    if said.resumed_after is not None:
        said.blocks.append("message")
        return []
    response = _response(said, "in_progress")
    return [_event(said, f"response.{kind}", response=response) for kind in ("created", "in_progress")]


def _place(said: Said) -> dict[str, Any]:
    number = len(said.blocks) - 1
    return {"item_id": f"msg_fake_{number}", "output_index": number, "content_index": 0}


def _message(said: Said, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    id = f"msg_fake_{len(said.blocks) - 1}"
    return {"id": id, "type": "message", "status": status, "content": content, "role": "assistant"}


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def _open(said: Said) -> list[Payload]:
    """Return the begin of the message, unless it has begun."""
    if said.blocks[-1:] == ["message"]:
        return []
    said.blocks.append("message")
    item = _message(said, "in_progress", [])
    return [
        _event(said, "response.output_item.added", output_index=len(said.blocks) - 1, item=item),
        _event(said, "response.content_part.added", **_place(said), part=_text_part("")),
    ]


def _text(said: Said, piece: str) -> list[Payload]:
    begin = _open(said)
    delta = {**_place(said), "delta": piece, "logprobs": [], "obfuscation": "x" * (16 - len(piece) % 16)}
    return [*begin, _event(said, "response.output_text.delta", **delta)]


def _close(said: Said) -> list[Payload]:
    """Return the end of the message, which says all of it again."""
    if said.blocks[-1:] != ["message"]:
        return []
    text = "".join(said.texts)
    item = _message(said, "completed", [_text_part(text)])
    return [
        _event(said, "response.output_text.done", **_place(said), text=text, logprobs=[]),
        _event(said, "response.content_part.done", **_place(said), part=_text_part(text)),
        _event(said, "response.output_item.done", output_index=len(said.blocks) - 1, item=item),
    ]


def _function_call(called: Called, status: str) -> dict[str, Any]:
    arguments = called.arguments if status == "completed" else ""
    return {
        "id": f"fc_{called.id}", "type": "function_call", "status": status, "arguments": arguments,
        "call_id": called.id, "name": called.name,
    }  # fmt: skip


def _call(said: Said, called: Called) -> list[Payload]:
    events = _close(said)
    said.blocks.append("function_call")
    place = {"item_id": f"fc_{called.id}", "output_index": len(said.blocks) - 1}
    added, done = _function_call(called, "in_progress"), _function_call(called, "completed")
    return [
        *events,
        _event(said, "response.output_item.added", output_index=place["output_index"], item=added),
        *(
            _event(said, "response.function_call_arguments.delta", **place, delta=piece)
            for piece in halves(called.arguments)
        ),
        _event(said, "response.function_call_arguments.done", **place, arguments=called.arguments),
        _event(said, "response.output_item.done", output_index=place["output_index"], item=done),
    ]


def _refusal(said: Said) -> list[Payload]:
    begin = _open(said)
    return [*begin, _event(said, "response.refusal.delta", **_place(said), delta="I cannot help with that.")]


def _usage(tokens: Usage) -> dict[str, Any]:
    read, written = tokens.input_tokens or 0, tokens.output_tokens or 0
    return {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": tokens.cached_input_tokens or 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning_tokens or 0},
        "total_tokens": read + written,
    }


def _whole(said: Said, reason: str) -> dict[str, Any]:
    output = [_message(said, "completed", [_text_part("".join(said.texts))])] if said.texts else []
    output += [_function_call(called, "completed") for called in said.calls]
    whole = reason in ("stop", "tool_calls", "refusal")
    details = None if whole else {"reason": _INCOMPLETE.get(reason, reason)}
    status = "completed" if whole else "incomplete"
    usage = _usage(said.tokens())
    return _response(said, status, output=output, incomplete_details=details, usage=usage)


def _end(said: Said, reason: str) -> list[Payload]:
    refusal = _refusal(said) if reason == "refusal" else []
    close = _close(said)
    response = _whole(said, reason)
    return [*refusal, *close, _event(said, f"response.{response['status']}", response=response)]


def _error(status: int, message: str) -> dict[str, Any]:
    kind, code = _ERRORS.get(status, ("server_error", "server_error"))
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _streams(request: ReceivedRequest) -> bool:
    return asks_for_stream(request) or "stream=true" in request.path


DIALECT = Dialect(
    path=re.compile(r"/responses(?:/[^/?]+)?(?:\?(?:[^#]*starting_after=(?P<resumed_after>\d+))?|$)"),
    suffix="/v1",
    headers={
        "content-type": "text/event-stream; charset=utf-8",
        "openai-version": "2020-10-01",
        "x-request-id": "req_fake",
    },
    streaming=_streams, frame=_named_data, comment=comment, preamble=_preamble, text=_text, call=_call, end=_end,
    whole=_whole, error=_error,
)  # fmt: skip
