"""Writes token counts and stop reasons as Anthropic's API has them: its input leaves out what a cache read or wrote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...chunks import Finished, Usage
from ...formats.writer import Ending
from ...providers.anthropic.stream import FINISH_REASONS
from ...telemetry.attributes import tokens

__all__ = ["STOP_REASONS", "counts", "stop_fields"]

STOP_REASONS: Mapping[str, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
    "pause": "pause_turn",
    "other": "end_turn",
}


def counts(usage: Usage | None, target: str) -> dict[str, Any]:
    """Return the counts of a message; those that the API demands are 0 where they are not known."""
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    given, made = tokens(target, usage)
    cached, written = usage.cached_input_tokens, usage.cache_write_tokens
    made_up: dict[str, Any] = {
        "input_tokens": max(0, (given or 0) - (cached or 0) - (written or 0)),
        "output_tokens": made or 0,
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": written,
    }
    if usage.reasoning_tokens is not None:
        made_up["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return {name: value for name, value in made_up.items() if value is not None}


def stop_fields(finished: Finished | None, ending: Ending) -> dict[str, Any]:
    """Return why the message ended: in the provider's own word where that is Anthropic's."""
    reason = ending.finish_reason or (finished.reason if finished is not None else None) or "stop"
    raw = finished.raw_reason if finished is not None else ""
    is_own = FINISH_REASONS.get(raw, ("", None))[0] == reason
    said = finished.explanation if finished is not None and reason == "refusal" else ""
    details = {"stop_details": {"type": "refusal", "category": None, "explanation": said}} if said else {}
    return {"stop_reason": raw if is_own else STOP_REASONS[reason], "stop_sequence": None, **details}
