"""Reads items of a Responses answer that are sent whole, after their deltas or in place of them.

    deltas                      output_text.delta, reasoning_text.delta …
    parts and texts, whole      output_text.done, content_part.done, reasoning_summary_text.done …
    items, whole                output_item.done
    all of it                   response.completed

Each of these says again what stood above it, and counts only as far as nothing above it was said. Gateways leave out
any of them. Nothing is said twice, and an item's place in the list is not taken for its identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...chunks import ReasoningDelta, TextDelta
from ...contract import Batch
from ...wire.limits import few
from ..shared.holdings import Holdings
from ..shared.parts import parts_of
from ..shared.said import Said
from ..shared.unmodelled import Unmodelled, says
from ..shared.values import text_of
from .responses_events import sealed

__all__ = ["OWN_ITEMS", "Items", "items_of", "odd_parts", "texts_of"]

OWN_ITEMS = frozenset({"message", "reasoning", "function_call"})
"""The types of items that are read here and in `responses_calls.py`. Any other item is read in `responses_tools.py`."""

MAX_PARTS = 4096
"""How many parts are remembered by their numbers; of further parts, the repetition in their end events is not read."""


class Items:
    """Remembers what one answer's items have said. refusal: its pieces.

    resumed: the answer began in another stream, so it is unknown what of a whole item was said there.
    """

    def __init__(self, *, resumed: bool = False, holdings: Holdings | None = None) -> None:
        self._blind = resumed
        self._holdings = holdings or Holdings()
        self.text = Said()
        self.reasoning = Said()
        self.refusal: list[str] = []
        self._settled: set[str] = set()
        self._parts = {"text": 0, "reasoning": 0}
        self._items = {"text": 0, "reasoning": 0}
        self._mixed = False

    def part(self, kind: str, key: str, sure: bool, text: str) -> Batch:
        """Return the part of a whole text that no delta had. sure: its key is a number, which no proxy changes."""
        said = self.text if kind == "text" else self.reasoning
        since = self._parts[kind]
        doubled = said.length == since > self._items[kind] and said.ends(text) and (self._mixed or not sure)
        if self._blind or doubled or key in self._settled or len(self._settled) >= MAX_PARTS:
            return []
        self._holdings.item(key)
        self._settled.add(key)
        self._mixed = not said.begins(text, since)  # true if pieces of two parts came before the first one ended
        new = said.rest(text, since)
        self._parts[kind] = said.length
        return _chunks(kind, new)

    def refuses(self, piece: str) -> None:
        """Add a piece of a refusal."""
        self._holdings.piece(piece)
        self.refusal.append(piece)

    def refused(self, text: str) -> None:
        """Take a whole refusal."""
        if text and not self.refusal:
            self.refuses(text)

    def message(self, item: Mapping[str, Any]) -> Batch:
        """Take a whole message, and return what was not said of its texts."""
        new = "" if self._blind else self.text.rest(texts_of(item.get("content")), self._items["text"])
        self._end("text", self.text)
        self.refused(_refusal(item))
        return _chunks("text", new)

    def thought(self, item: Mapping[str, Any]) -> Batch:
        """Take a whole reasoning item. If any of it was said, all counts as said, since it may have both summary and
        text."""
        unsaid = self.reasoning.length == self._items["reasoning"] and not self._blind
        new = texts_of(item.get("summary")) + texts_of(item.get("content")) if unsaid else ""
        batch = _chunks("reasoning", self.reasoning.rest(new, self._items["reasoning"]))
        self._end("reasoning", self.reasoning)
        seal = sealed(item)
        return batch if seal is None else [*batch, ReasoningDelta("", seal)]

    def _end(self, kind: str, said: Said) -> None:
        self._parts[kind] = self._items[kind] = said.length
        self._mixed = False

    @property
    def begun(self) -> bool:
        """Return whether anything was said."""
        return bool(self.text.length or self.reasoning.length or self.refusal)

    def began(self, kind: str = "text") -> int | None:
        """Return how much had been said when the part at hand began; None where an earlier stream said some of it."""
        return None if self._blind else self._parts[kind]

    def message_began(self) -> int | None:
        """Return how much had been said when the message at hand began; None where an earlier stream said some of
        it."""
        return None if self._blind else self._items["text"]

    # -- the whole answer -----------------------------------------------------------------------

    def rest(self, items: list[dict[str, Any]], unmodelled: Unmodelled) -> Batch:
        """Return what was not said of the whole answer's text, found by where all of the text ends."""
        messages = [item for item in items if item.get("type") == "message"]
        thoughts = [item for item in items if item.get("type") == "reasoning" and not self.reasoning.length]
        thought = "".join(texts_of(item.get(name)) for item in thoughts for name in ("summary", "content"))
        self.refused("".join(map(_refusal, messages)))
        whole = "".join(texts_of(item.get("content")) for item in messages)
        # Parts that were sent by turns stand in another order in it, so a text as long is taken for the same.
        another = unmodelled.another("output", self.text, whole) if len(whole) != self.text.length else []
        new = self.text.rest(whole)
        return [*another, *_chunks("reasoning", self.reasoning.rest(thought)), *_chunks("text", new)]


def items_of(output: Any) -> list[dict[str, Any]]:
    """Return the items of a whole answer. What is no object stands for a message that says it."""
    items = output if isinstance(output, list) else [output]
    return [each if isinstance(each, dict) else {"type": "message", "content": each} for each in few(items) if each]


def odd_parts(content: Any, unmodelled: Unmodelled) -> Batch:
    """Pass on the parts of a message, or of reasoning, that are neither text nor a refusal."""
    unread = (part for part in parts_of(content) if not any(text_of(part.get(name)) for name in ("text", "refusal")))
    return [
        unmodelled.content(text_of(part.get("type")) or "part", part) for part in unread if says({**part, "type": None})
    ]


def texts_of(parts: Any) -> str:
    """Return the texts of content parts, joined."""
    return "".join(text_of(part.get("text")) for part in parts_of(parts))


def _refusal(message: Mapping[str, Any]) -> str:
    return "".join(text_of(part.get("refusal")) for part in parts_of(message.get("content")))


def _chunks(kind: str, text: str) -> Batch:
    if not text:
        return []
    return [TextDelta(text) if kind == "text" else ReasoningDelta(text)]
