"""Makes the errors that a reader is told of when the answer itself did not fail, but what carried it did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from ..failures import ErrorKind, Failure
from ..failures.kinds import Text
from ..outcome.errors import StreamError
from ..outcome.making import error_for

__all__ = ["Loss", "loss"]

Loss: TypeAlias = Literal["no_longer_kept", "worker_lost", "store_lost", "elsewhere", "unreadable"]

_LOSSES: Mapping[Loss, tuple[ErrorKind, Text]] = {
    "no_longer_kept": (
        ErrorKind.BUFFER_LIMIT,
        Text(
            "Answer no longer kept",
            ("What follows the part that was read is no longer kept.",),
            ("Read faster, or let the hub keep more: Hub(max_bytes=…).",),
        ),
    ),
    "worker_lost": (
        ErrorKind.STREAM_INTERRUPTED,
        Text(
            "Server lost",
            ("The server that was writing this answer has gone, and nobody goes on with it.",),
            ("Ask again. What was written before is kept.",),
        ),
    ),
    "store_lost": (
        ErrorKind.STREAM_INTERRUPTED,
        Text(
            "Answer out of reach",
            ("Another server writes this answer, and what connects the two is out of order.",),
            ("Come back for the rest in a moment.",),
        ),
    ),
    "elsewhere": (
        ErrorKind.STREAM_INTERRUPTED,
        Text(
            "Server shuts down",
            ("This server shuts down, and others have the rest of the answer.",),
            ("Come back for the rest.",),
        ),
    ),
    "unreadable": (
        ErrorKind.PROTOCOL_ERROR,
        Text(
            "Stored answer unreadable",
            ("What is stored of this answer cannot be read.",),
            ("Ask again. Let the servers that share a store run the same version, and nobody else write into it.",),
        ),
    ),
}


def loss(code: Loss) -> StreamError:
    """Return the error of this code."""
    kind, text = _LOSSES[code]
    return error_for(Failure(kind=kind, code=code), phase="stream", said=text)
