"""What chunks weigh in a transcript, and how they are kept small.

The one rule: no text is lost or moved here; only the places where it is divided into chunks change.
Must never: run while an answer is of an ordinary length. A transcript asks when its limit is near.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from .chunks import Chunk, Raw, ReasoningDelta, TextDelta, ToolCall, ToolCallDelta

__all__ = ["even", "prefix", "size_of"]

SMALL = 64
"""What a chunk without a text of its own weighs."""


def size_of(chunk: Chunk) -> int:
    """Characters that a chunk weighs in a transcript."""
    if type(chunk) is TextDelta:
        return len(chunk.text)
    if type(chunk) is ReasoningDelta:
        return len(chunk.reasoning) + len(chunk.redacted or "")
    if type(chunk) is Raw:
        return SMALL + len(msgspec.json.encode(chunk.data, enc_hook=str))
    return SMALL + len(chunk.arguments) if isinstance(chunk, ToolCallDelta | ToolCall) else SMALL


def prefix(chunks: Iterable[Chunk], limit: int) -> int:
    """How many chunks from the start fit into the limit."""
    size = count = 0
    for count, chunk in enumerate(chunks):
        size += size_of(chunk)
        if size > limit:
            return count
        count += 1
    return count


def even(chunks: Iterable[Chunk], size: int) -> list[Chunk]:
    """The same texts in pieces of `size` characters: as an object, a chunk is larger than most of their texts are.

    A piece that has its size already is passed on, so doing it again costs what is new.
    """
    found: list[Chunk] = []
    run = _Run(size)
    for chunk in chunks:
        text = _divisible(chunk)
        if text == "":
            continue
        if text is None or len(text) == size:
            found += [*run.end(), chunk]
        else:
            found += run.add(type(chunk), text)
    return found + run.end()


class _Run:
    """Texts of one kind in a row, of which no more than a piece and one text are held."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kind: type[Chunk] | None = None
        self._texts: list[str] = []
        self._held = 0

    def add(self, kind: type[Chunk], text: str) -> list[Chunk]:
        """The pieces that it makes whole."""
        ended = self.end() if kind is not self._kind else []
        self._kind = kind
        self._texts.append(text)
        self._held += len(text)
        if self._held < self._size:
            return ended
        joined = "".join(self._texts)
        whole = len(joined) - len(joined) % self._size
        self._texts, self._held = [joined[whole:]], len(joined) - whole
        return ended + [self._chunk(joined[at : at + self._size]) for at in range(0, whole, self._size)]

    def end(self) -> list[Chunk]:
        """What is held, as the last piece."""
        rest = "".join(self._texts)
        self._texts, self._held = [], 0
        return [self._chunk(rest)] if rest else []

    def _chunk(self, text: str) -> Chunk:
        return TextDelta(text) if self._kind is TextDelta else ReasoningDelta(text)


def _divisible(chunk: Chunk) -> str | None:
    """The text of a chunk that is nothing but text."""
    if type(chunk) is TextDelta:
        return chunk.text
    if type(chunk) is ReasoningDelta and chunk.signature is None and chunk.redacted is None:
        return chunk.reasoning
    return None
