"""Measures what chunks weigh in a transcript, and keeps them small.

No text is lost or moved; only the places where it is divided into chunks change. This runs only when a transcript's
limit is near, never for an answer of ordinary length.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, assert_never

from ..chunks import (
    Chunk,
    File,
    Finished,
    Logprobs,
    Raw,
    ReasoningDelta,
    Seam,
    ServerToolCall,
    ServerToolResult,
    Source,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from .traits import TRAITS, is_sealed, piece_of, with_piece

__all__ = ["even", "prefix", "size_of"]

SMALL = 64
"""What a chunk, or a value in one, weighs beside its texts."""


def size_of(chunk: Chunk) -> int:
    """Return how many characters a chunk weighs in a transcript."""
    match chunk:
        case TextDelta():
            return len(chunk.text)
        case ReasoningDelta():
            return len(chunk.reasoning) + len(chunk.redacted or "") + len(chunk.signature or "")
        case ToolCallDelta():
            return SMALL + len(chunk.arguments)
        case ToolCall():
            return SMALL + len(chunk.arguments) + len(chunk.signature or "")
        case Source():
            return SMALL + len(chunk.url) + len(chunk.title) + len(chunk.quote) + _as_objects(chunk.native)
        case File():
            return SMALL + len(chunk.data or b"") + len(chunk.url) + len(chunk.text) + _as_objects(chunk.native)
        case ServerToolCall():
            return SMALL + len(chunk.arguments) + _as_objects(chunk.parsed) + _as_objects(chunk.native)
        case ServerToolResult():
            return SMALL + _as_objects(chunk.result if chunk.native is None else chunk.native)
        case Logprobs():
            return SMALL + _as_objects(chunk.tokens)
        case Raw():
            return SMALL + _as_objects(chunk.data)
        case Usage() | Finished() | Seam():
            return SMALL
        case _:
            assert_never(chunk)


def _as_objects(value: Any) -> int:
    """Return what decoded JSON weighs: its texts, and each value as an object."""
    size, waiting = 0, [value] if value is not None else []
    while waiting:
        each = waiting.pop()
        size += SMALL + (len(each) if isinstance(each, str | bytes) else 0)
        if isinstance(each, dict):
            waiting += [*each, *each.values()]
        elif isinstance(each, list | tuple):
            waiting += each
    return size


def prefix(chunks: Iterable[Chunk], limit: int) -> int:
    """Return how many chunks from the start fit into the limit."""
    size = count = 0
    for count, chunk in enumerate(chunks):
        size += size_of(chunk)
        if size > limit:
            return count
        count += 1
    return count


def even(chunks: Iterable[Chunk], size: int) -> list[Chunk]:
    """Return the same texts in pieces of `size` characters: as an object, a chunk is larger than most texts.

    A piece that already has its size is passed on, so repeating this costs only what is new.
    """
    found: list[Chunk] = []
    run = _Run(size)
    for chunk in chunks:
        text = _divisible(chunk)
        if text == "" and type(chunk) is not ToolCallDelta:  # an empty delta may begin a call
            continue
        if text is None or len(text) == size:
            found += [*run.end(), chunk]
        else:
            found += run.add(chunk, text)
    return found + run.end()


class _Run:
    """Joins successive texts of one kind, holding no more than a piece and one text."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._first: Chunk | None = None
        self._texts: list[str] = []
        self._held = 0

    def add(self, chunk: Chunk, text: str) -> list[Chunk]:
        """Return the pieces that a chunk completes. text: the chunk's own."""
        ended = self.end() if self._first is None or not _belong_together(chunk, self._first) else []
        self._first = chunk
        self._texts.append(text)
        self._held += len(text)
        if self._held < self._size:
            return ended
        joined = "".join(self._texts)
        whole = len(joined) - len(joined) % self._size
        self._texts, self._held = [joined[whole:]], len(joined) - whole
        return ended + [self._chunk(joined[at : at + self._size]) for at in range(0, whole, self._size)]

    def end(self) -> list[Chunk]:
        """Return what is held, as the last piece."""
        begun, rest = bool(self._texts), "".join(self._texts)
        self._texts, self._held = [], 0
        return [self._chunk(rest)] if rest or (begun and type(self._first) is ToolCallDelta) else []

    def _chunk(self, text: str) -> Chunk:
        assert self._first is not None
        return with_piece(self._first, text)


def _belong_together(chunk: Chunk, other: Chunk) -> bool:
    """Return whether the texts of two chunks belong together."""
    if type(chunk) is ToolCallDelta and type(other) is ToolCallDelta:
        return (chunk.index, chunk.id, chunk.name) == (other.index, other.id, other.name)
    return type(chunk) is type(other)


def _divisible(chunk: Chunk) -> str | None:
    """Return the text of a chunk that has nothing else, or of another piece of a known call."""
    return None if TRAITS[type(chunk)].piece is None or is_sealed(chunk) else piece_of(chunk)
