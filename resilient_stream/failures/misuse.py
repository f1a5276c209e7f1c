"""The error for a mistake in the calling code, which no retry and no other target can help."""

from __future__ import annotations

__all__ = ["StreamMisused"]


class StreamMisused(RuntimeError):
    """A bug in the calling code: two tasks pulling one stream, a bad message, no target."""


StreamMisused.__module__ = "resilient_stream.errors"  # where users import it from; tracebacks show this name
