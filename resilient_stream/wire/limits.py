"""What a framing decoder raises: an event above its bound, or bytes that are not the format.

The one rule: both say what was seen and carry no content.
"""

from __future__ import annotations

__all__ = ["LEAST_HELD", "BadFraming", "EventTooLarge", "HeldTooMuch"]


LEAST_HELD = 1024 * 1024
"""Bytes of an answer that may be held back however small an event has to be."""


class EventTooLarge(ValueError):
    """One event is larger than the bound on the decoder's buffer, in bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"one event is larger than {limit} bytes")
        self.limit = limit


class HeldTooMuch(EventTooLarge):
    """What has to be held back of an answer, over all of its events, is larger than the bound."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.args = (f"more than {limit} bytes of an answer would have to be held back",)


class BadFraming(ValueError):
    """The bytes cannot be the format they are read as."""
