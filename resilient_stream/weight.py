"""What chunks weigh in a transcript, and how they are kept small.

The one rule: no text is lost or moved here; only the places where it is divided into chunks change.
Must never: run while an answer is of an ordinary length. A transcript asks when its limit is near.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from .chunks import Chunk, ReasoningDelta, TextDelta, ToolCall, ToolCallDelta

__all__ = ["even", "prefix", "size_of"]

SMALL = 64
"""What a chunk without a text of its own weighs."""


def size_of(chunk: Chunk) -> int:
    """Characters that a chunk weighs in a transcript."""
    if type(chunk) is TextDelta:
        return len(chunk.text)
    if type(chunk) is ReasoningDelta:
        return len(chunk.reasoning)
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


def even(chunks: Sequence[Chunk], size: int) -> list[Chunk]:
    """The same texts in pieces of `size` characters: as an object, a chunk is larger than most of their texts are."""
    found: list[Chunk] = []
    run: list[Chunk] = []
    for chunk in chunks:
        if run and type(chunk) is not type(run[0]):
            found += _pieces(run, size)
            run = []
        if _divisible(chunk) and size_of(chunk) != size:
            run.append(chunk)
            continue
        found += [*_pieces(run, size), chunk]
        run = []
    return found + _pieces(run, size)


def _divisible(chunk: Chunk) -> bool:
    return type(chunk) is TextDelta or (type(chunk) is ReasoningDelta and chunk.signature is None)


def _pieces(run: list[Chunk], size: int) -> list[Chunk]:
    if not run:
        return []
    make: Callable[[str], Chunk] = TextDelta if type(run[0]) is TextDelta else ReasoningDelta
    text = "".join(chunk.reasoning if isinstance(chunk, ReasoningDelta) else chunk.text for chunk in run)
    return [make(text[start : start + size]) for start in range(0, len(text), size)]
