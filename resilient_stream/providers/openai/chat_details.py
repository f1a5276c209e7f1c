"""Reads and keeps `reasoning_details`, in which relays (OpenRouter, Vercel and others) stream an upstream's reasoning
and proofs.

What was streamed in pieces goes back as the list that it was, signatures and unknown fields included, so pieces of one
item become that item again, and nothing else is touched. A proof is not read.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ...chunks import ReasoningDelta
from ..shared.holdings import Holdings

__all__ = ["Details"]

_GROWING = ("text", "summary")
"""Fields that come in pieces; of any other the last value counts."""


class Details:
    """Keeps the reasoning items of one answer. holdings: counts what is kept until the end."""

    __slots__ = ("_holdings", "_items", "_pieces")

    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings
        self._items: list[dict[str, Any]] = []
        self._pieces: dict[str, list[str]] = {}

    def add(self, items: list[Any]) -> None:
        """Take the items of one event."""
        for item in items:
            if isinstance(item, dict):
                self._holdings.piece(msgspec.json.encode(item).decode())
                self._add_item(item)

    def __len__(self) -> int:
        return len(self._items)

    def chunks(self) -> list[ReasoningDelta]:
        """Return all items as the proof of the reasoning, once; nothing where there were none."""
        if not self._items:
            return []
        self._close()
        proof = msgspec.json.encode(self._items).decode()
        self._items = []
        return [ReasoningDelta("", proof)]

    def _add_item(self, item: dict[str, Any]) -> None:
        if not self._items or not _goes_on(self._items[-1], item):
            self._close()
            self._holdings.item()
            self._items.append({})
        for name, value in item.items():
            if name in _GROWING and isinstance(value, str):
                self._pieces.setdefault(name, []).append(value)
            elif value is not None or name not in self._items[-1]:
                self._items[-1][name] = value

    def _close(self) -> None:
        """Finish the last item."""
        if self._items:
            self._items[-1].update({name: "".join(pieces) for name, pieces in self._pieces.items()})
        self._pieces = {}


def _goes_on(last: dict[str, Any], item: dict[str, Any]) -> bool:
    """Return whether a piece continues the item before it: same type and place, and a type that comes in pieces."""
    same = all(item.get(name) in (None, last.get(name)) for name in ("type", "index", "id"))
    return same and "data" not in item and "data" not in last
