"""Writes token counts as OpenAI's APIs have them: the input has cached tokens in it, and the output has reasoning in
it."""

from __future__ import annotations

from typing import Any

from ...chunks import Usage
from ...telemetry.attributes import tokens

__all__ = ["chat_usage", "responses_usage"]


def chat_usage(usage: Usage | None, target: str) -> dict[str, Any] | None:
    """Return the counts of a chat completion; None where the provider gave none."""
    return _usage(usage, target, ("prompt_tokens", "prompt_tokens_details", "completion_tokens"))


def responses_usage(usage: Usage | None, target: str) -> dict[str, Any] | None:
    """Return the counts of a response; None where the provider gave none."""
    return _usage(usage, target, ("input_tokens", "input_tokens_details", "output_tokens"))


def _usage(usage: Usage | None, target: str, names: tuple[str, str, str]) -> dict[str, Any] | None:
    given, made = (None, None) if usage is None else tokens(target, usage)
    if usage is None or given is None or made is None:
        return None
    read, read_details, written = names
    return {
        read: given,
        written: made,
        "total_tokens": given + made,
        read_details: {"cached_tokens": usage.cached_input_tokens or 0, **_written(usage)},
        f"{written}_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
    }


def _written(usage: Usage) -> dict[str, int]:
    """Return what was written to a cache, where the provider counts that."""
    return {} if usage.cache_write_tokens is None else {"cache_write_tokens": usage.cache_write_tokens}
