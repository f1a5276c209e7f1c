"""How much of an answer a decoder may hold back: tool calls until they are whole, a refusal, what has begun.

Whatever a reader keeps from one event to the next, and a server can make longer, is counted here. This module must
never be a limit on text. What leaves as a chunk at once is the transcript's to bound.
"""

from __future__ import annotations

from ...wire.limits import LEAST_HELD, HeldTooMuch

__all__ = ["Holdings"]

_PIECE = 16
"""Bytes that a piece costs beyond its text, as an entry of a list."""
_ITEM = 256
"""Bytes that a call costs before anything is in it."""


class Holdings:
    """What one decoder holds, in bytes. Raises HeldTooMuch beyond the limit, which is that of one event, but for tiny
    ones. What has left is not given back, since a transcript keeps it."""

    __slots__ = ("limit", "size")

    def __init__(self, limit: int = 8 * 1024 * 1024) -> None:
        self.limit = max(limit, LEAST_HELD)
        self.size = 0

    def piece(self, text: str) -> None:
        """Another piece of text is kept."""
        self.take(_PIECE + len(text))

    def item(self, *texts: str) -> None:
        """Another thing with an identity of its own is kept: a call, a block. texts: its id and names."""
        self.take(_ITEM + sum(map(len, texts)))

    def take(self, size: int) -> None:
        """So many bytes more are kept."""
        self.size += size
        if self.size > self.limit:
            raise HeldTooMuch(self.limit)
