"""Writes Gemini's Interactions API: named events, steps that begin, go on and stop, and `[DONE]` at last.

A GET with `last_event_id=N` is the rest of a stream: no `interaction.created`, the step goes on, ids from N + 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from ..http import ReceivedRequest
from . import gemini
from .dialect import Called, Dialect, Payload, Said, asks_for_stream, comment, halves, sse

__all__ = ["DIALECT"]

_ID = "v1_fakeprovider"
_STATUSES: Mapping[str, str] = {"stop": "completed", "tool_calls": "requires_action", "length": "incomplete"}


def _named_data(payload: Payload, name: str | None = None) -> bytes:
    """Return an event that is named after its `event_type`; an error inside the stream has that type."""
    if isinstance(payload, str):
        return sse(payload, name or "done")
    if "error" in payload and "event_type" not in payload:
        payload = {**payload, "event_type": "error"}
    return sse(payload, name or payload.get("event_type"))


def _event(said: Said, kind: str, **fields: Any) -> Payload:
    number = said.events if said.resumed_after is None else said.events + said.resumed_after + 1
    said.events += 1
    return {**fields, "event_type": kind, "event_id": str(number)}


def _interaction(said: Said, status: str, **fields: Any) -> dict[str, Any]:
    return {"id": _ID, "status": status, "object": "interaction", "model": said.model, **fields}


def _preamble(said: Said) -> list[Payload]:
    if said.resumed_after is not None:
        said.blocks.append("model_output")
        return []
    return [
        _event(said, "interaction.created", interaction=_interaction(said, "in_progress")),
        _event(said, "interaction.status_update", interaction_id=_ID, status="in_progress"),
    ]


def _begin(said: Said, step: dict[str, Any]) -> Payload:
    said.blocks.append(step["type"])
    return _event(said, "step.start", index=len(said.blocks) - 1, step=step)


def _delta(said: Said, kind: str, **fields: Any) -> Payload:
    return _event(said, "step.delta", index=len(said.blocks) - 1, delta={**fields, "type": kind})


def _stop(said: Said) -> list[Payload]:
    """Return the end of the text's step, if it is one that is open."""
    if said.blocks[-1:] != ["model_output"]:
        return []
    return [_event(said, "step.stop", index=len(said.blocks) - 1)]


def _text(said: Said, piece: str) -> list[Payload]:
    begin = [] if said.blocks[-1:] == ["model_output"] else [_begin(said, {"type": "model_output"})]
    return [*begin, _delta(said, "text", text=piece)]


def _call(said: Said, called: Called) -> list[Payload]:
    step = {"id": called.id, "signature": "", "type": "function_call", "name": called.name, "arguments": {}}
    before = _stop(said)
    begin = _begin(said, step)
    deltas = [_delta(said, "arguments_delta", arguments=piece) for piece in halves(called.arguments)]
    return [*before, begin, *deltas, _event(said, "step.stop", index=len(said.blocks) - 1)]


def _usage(said: Said) -> dict[str, Any]:
    tokens = said.tokens()
    read, written, thought = tokens.input_tokens or 0, tokens.output_tokens or 0, tokens.reasoning_tokens or 0
    return {
        "total_tokens": read + written, "total_input_tokens": read, "total_cached_tokens": 0,
        "total_output_tokens": written - thought, "total_tool_use_tokens": 0, "total_thought_tokens": thought,
    }  # fmt: skip


def _end(said: Said, reason: str) -> list[Payload]:
    before = _stop(said)
    whole = _interaction(said, _STATUSES.get(reason, reason), usage=_usage(said))
    return [*before, _event(said, "interaction.completed", interaction=whole), "[DONE]"]


def _whole(said: Said, reason: str) -> Payload:
    text = "".join(said.texts)
    said_text = {"type": "model_output", "content": [{"type": "text", "text": text}]}
    steps: list[dict[str, Any]] = [said_text] if text else []
    steps += [
        {"type": "function_call", "id": each.id, "name": each.name,
         "arguments": msgspec.json.decode(each.arguments or "{}")}
        for each in said.calls
    ]  # fmt: skip
    return _interaction(said, _STATUSES.get(reason, reason), usage=_usage(said), steps=steps)


def _streams(request: ReceivedRequest) -> bool:
    return asks_for_stream(request) or "stream=true" in request.path


DIALECT = Dialect(
    path=re.compile(r"/interactions(?:/[^/?]+)?(?:\?(?:[^#]*last_event_id=(?P<resumed_after>\d+))?|$)"),
    suffix="",
    headers={"content-type": "text/event-stream", "vary": "Origin, X-Origin, Referer"},
    streaming=_streams, frame=_named_data, comment=comment, preamble=_preamble, text=_text, call=_call, end=_end,
    whole=_whole, error=gemini.DIALECT.error,
)  # fmt: skip
