"""Finds errors in events that have the shape of no event of their dialect: a gateway writes its own into any stream."""

from __future__ import annotations

from ...classify import error_in
from ...failures import Failure
from ...wire.broken import value_of
from .. import rules_for

__all__ = ["error_in_event", "whole_object"]

MOST_OF_AN_ERROR = 64 * 1024
"""Bytes of an event that may be an error."""


def error_in_event(payload: bytes, provider: str) -> Failure | None:
    """Return the failure of the last event of an answer without an end; None where it is not surely an error."""
    text = whole_object(payload)
    return None if text is None else error_in(value_of(text), rules_for(provider))


def whole_object(payload: bytes) -> bytes | None:
    """Return an event that is one JSON object, without the `data:` that some gateways put before lines of JSON."""
    text = payload.lstrip().removeprefix(b"data:").lstrip()
    return text if len(text) < MOST_OF_AN_ERROR and text.startswith(b"{") and value_of(text) is not None else None
