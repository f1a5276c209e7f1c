"""Collects blocks that are not for the caller: tools that the provider runs itself, their results, unknown types.

    begin -> pieces of its input, deltas of types that nobody knows -> end: the chunks of the whole block

The dialect says what a whole block is read as; a block that it does not know is a `Raw` named after its type. What is
open at the end leaves as it is. `Holdings` limits how much of an answer is held.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from ...chunks import Raw
from ...contract import Batch
from ...wire.broken import value_of
from .holdings import Holdings
from .unmodelled import Unmodelled

__all__ = ["ForeignBlocks"]

ReadBlock: TypeAlias = Callable[[str, dict[str, Any]], Batch]
"""Returns the chunks of a block of this type, or none for one that the dialect does not know."""


class _Block(msgspec.Struct):
    name: str
    data: dict[str, Any]
    pieces: list[str] = []
    deltas: list[Any] = []
    grown: dict[str, list[str]] = {}


class ForeignBlocks:
    """Collects the foreign blocks of one answer. input: the field for a block's own input once it is whole."""

    __slots__ = ("_blocks", "_holdings", "_input", "_read", "_unmodelled")

    def __init__(
        self,
        unmodelled: Unmodelled,
        holdings: Holdings | None = None,
        input: str = "input",
        read: ReadBlock = lambda kind, block: [],
    ) -> None:
        self._unmodelled = unmodelled
        self._read = read
        self._input = input
        self._holdings = holdings or Holdings()
        self._blocks: dict[int, _Block] = {}

    def begin(self, number: int, name: str, data: dict[str, Any]) -> Batch:
        """Begin a block. If another one is open under its number, that one has ended without an end event."""
        ended = self.end(number)
        self._holdings.item(name)
        self._blocks[number] = _Block(name, data)
        return ended

    def piece(self, number: int, text: str) -> bool:
        """Add a piece of a block's input; return whether there is such a block."""
        block = self._blocks.get(number)
        if block is not None:
            self._holdings.piece(text)
            block.pieces.append(text)
        return block is not None

    def grow(self, number: int, field: str, text: str) -> bool:
        """Add a piece to one of a block's texts; return whether there is such a block."""
        block = self._blocks.get(number)
        if block is not None:
            self._holdings.piece(text)
            block.grown.setdefault(field, []).append(text)
        return block is not None

    def merge(self, number: int, fields: dict[str, Any], size: int) -> bool:
        """Put more fields into a block: lists grow, objects are merged. Return whether there is such a block."""
        block = self._blocks.get(number)
        if block is not None:
            self._holdings.take(size)
            _merge(block.data, fields)
        return block is not None

    def delta(self, number: int, name: str, delta: Any, size: int) -> list[Raw]:
        """Add a delta of an unknown type. Outside of a foreign block it becomes a chunk of its own. size: its bytes."""
        block = self._blocks.get(number)
        if block is None:
            return [self._unmodelled.content(name, delta)]
        self._holdings.take(size)
        block.deltas.append(delta)
        return []

    def end(self, number: int) -> Batch:
        """End a block and return its chunks; nothing when none is open under that number."""
        block = self._blocks.pop(number, None)
        if block is None:
            return []
        data = {**block.data, **{field: "".join(pieces) for field, pieces in block.grown.items()}}
        if text := "".join(block.pieces):
            given = value_of(text.encode("utf-8", "replace"))
            data[self._input] = text if given is None else given
        if block.deltas:  # its deltas could not be put into it, so it cannot be sent back
            return [self._unmodelled.content(block.name, {**data, "deltas": block.deltas})]
        return self._read(block.name, data) or [self._unmodelled.block(block.name, data)]

    def rest(self) -> Batch:
        """Return the chunks of the blocks that never ended, with what came of them."""
        return [chunk for number in list(self._blocks) for chunk in self.end(number)]


def _merge(held: dict[str, Any], more: dict[str, Any]) -> None:
    for name, value in more.items():
        old = held.get(name)
        if isinstance(old, list) and isinstance(value, list):
            old.extend(value)
        elif isinstance(old, dict) and isinstance(value, dict):
            _merge(old, value)
        else:
            held[name] = value
