"""Defines the error for a mistake in the calling code, which no retry and no other target can help."""

from __future__ import annotations

__all__ = ["StreamMisused"]


class StreamMisused(RuntimeError):
    """The calling code has a bug: two tasks pull one stream, a message is invalid, no target is given."""


StreamMisused.__module__ = "resilient_stream.errors"  # where users import it from; tracebacks show this name
