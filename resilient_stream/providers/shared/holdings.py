"""Limits how much of an answer a decoder holds back: unfinished tool calls, a refusal, blocks that have begun.

Whatever a reader keeps from one event to the next, and a server can make longer, is counted here. Text is not limited
here: what leaves as a chunk at once is limited by the transcript.
"""

from __future__ import annotations

from ...wire.limits import LEAST_HELD, HeldTooMuch

__all__ = ["Holdings"]

_PIECE = 16
"""Bytes that a piece costs beyond its text, as an entry of a list."""
_ITEM = 256
"""Bytes that a call costs before anything is in it."""


class Holdings:
    """Counts the bytes that one decoder holds back.

    Raises HeldTooMuch beyond the limit of one event (or a small minimum). What has been given out still counts, since a
    transcript keeps it.
    """

    __slots__ = ("limit", "size")

    def __init__(self, limit: int = 8 * 1024 * 1024) -> None:
        self.limit = max(limit, LEAST_HELD)
        self.size = 0

    def piece(self, text: str) -> None:
        """Count another piece of text that is kept."""
        self.take(_PIECE + len(text))

    def item(self, *texts: str) -> None:
        """Count another kept item with an identity of its own, such as a call or a block. texts: its id and names."""
        self.take(_ITEM + sum(map(len, texts)))

    def take(self, size: int) -> None:
        """Count this many more kept bytes."""
        self.size += size
        if self.size > self.limit:
            raise HeldTooMuch(self.limit)
