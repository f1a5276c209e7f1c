"""Knows which call's chain is running here, so that retries inside retries are noticed."""

from __future__ import annotations

import logging
from contextvars import ContextVar

__all__ = ["enter", "leave", "retries_multiply"]

logger = logging.getLogger("resilient_stream")

_around: ContextVar[tuple[str, int] | None] = ContextVar("resilient_stream_call", default=None)
"""The call whose chain is running, and how many attempts it may make. No reference to the call itself: the loop's
handles for a pooled connection keep the context in which they were made."""


def enter(call_id: str, attempts: int) -> tuple[str, int] | None:
    """Set the running call, and return the previous value, to pass to `leave`."""
    outer = _around.get()
    _around.set((call_id, attempts))
    return outer


def leave(outer: tuple[str, int] | None) -> None:
    """Set the previous value again. A token would not do: a pull that the garbage collector ends runs in another
    context, and a token holds in its own one only."""
    _around.set(outer)


def retries_multiply(call_id: str, attempts: int) -> bool:
    """Return whether a call begins inside another one's attempt and both retry, and warn of it in the log."""
    outer = _around.get()
    if outer is None or outer[1] < 2 or attempts < 2:
        return False
    logger.warning(
        "%s runs inside an attempt of %s, and both retry: up to %d x %d requests; "
        "give one of the two clients RetryPolicy.off()",
        call_id, outer[0], outer[1], attempts, extra={"call_id": call_id, "outer_call_id": outer[0]},
    )  # fmt: skip
    return True
