"""Defines the exceptions of framing decoders: for an event above its bound, and for bytes that are not of the format.

Their texts say what was seen, without any content.
"""

from __future__ import annotations

from typing import TypeVar

__all__ = [
    "LEAST_HELD", "MANY_PIECES", "MAX_DEPTH", "BadFraming", "EventTooLarge", "HeldTooMuch", "TooManyPieces",
    "few", "too_small",
]  # fmt: skip


PieceT = TypeVar("PieceT")

LEAST_HELD = 1024 * 1024
"""Bytes of an answer that may be held back however small an event has to be."""

MAX_DEPTH = 200
"""Brackets open at a time. Answers have ten; the readers of JSON stop at about a thousand."""

MANY_PIECES = 4_096
"""Values of one network read from which on their size is looked at."""
LEAST_PIECE = 16
"""Bytes of a value, on average, that many of them must have: half of what the shortest text of an answer takes."""


def too_small(pieces: int, size: int) -> bool:
    """Return whether so many values in so few bytes can be no answer: each costs a step in Python, whatever it says."""
    return pieces > MANY_PIECES and size < pieces * LEAST_PIECE


class EventTooLarge(ValueError):
    """One event is larger than the bound on the decoder's buffer, in bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"one event is larger than {limit} bytes")
        self.limit = limit


class HeldTooMuch(EventTooLarge):
    """The held parts of an answer are together larger than the bound."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.args = (f"more than {limit} bytes of an answer would have to be held back",)


class TooManyPieces(EventTooLarge):
    """One event has more lines, or one read more values, than any answer has; each costs time, however small it is."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.args = (f"more than {limit} pieces at once",)


def few(pieces: list[PieceT]) -> list[PieceT]:
    """Return the calls or parts of one event, each of which takes a step in Python. Raises TooManyPieces for more than
    any answer has at once."""
    if len(pieces) > MANY_PIECES:
        raise TooManyPieces(MANY_PIECES)
    return pieces


class BadFraming(ValueError):
    """The bytes cannot be of the format that they are read as."""
