"""Guesses how many tokens a request will cost before it is sent, and learns from what others cost.

The guess need not be good. It is put right by the answer's own count, and each count makes the next guess better.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ..messages import Message, Tool

__all__ = ["Sizes", "size_of"]

TOKENS_PER_BYTE = 0.25
"""The first guess for text: four bytes of UTF-8 a token, which is right for English and near it for most others."""

PART_TOKENS = 1000.0
"""Tokens that are guessed for an image or a file, whose bytes say nothing of its tokens."""

OUTPUT = 500.0
"""Tokens of an answer before one was seen, where the request bounds it by nothing."""

REMEMBERED = 20
"""Answers that a mean is made of, about: one more weighs a twentieth, and less is not learned from."""


class _Mean:
    """Keeps the mean of the last values, roughly: each one weighs as much as the others until there are REMEMBERED."""

    __slots__ = ("_seen", "value")

    def __init__(self) -> None:
        self.value: float | None = None
        self._seen = 0

    def add(self, value: float) -> None:
        """Take in one more value."""
        self._seen = min(self._seen + 1, REMEMBERED)
        self.value = value if self.value is None else self.value + (value - self.value) / self._seen


class Sizes:
    """Learns what one target's requests and answers cost in tokens."""

    __slots__ = ("_output", "_rate")

    def __init__(self) -> None:
        self._rate = _Mean()
        self._output = _Mean()

    def guess(self, size: float, max_tokens: float | None) -> float:
        """Return the tokens of a request of this size and its answer, which is no longer than max_tokens."""
        rate = TOKENS_PER_BYTE if self._rate.value is None else self._rate.value
        usual = self._output.value
        if usual is None:
            usual = OUTPUT if max_tokens is None else max_tokens
        return size * rate + (usual if max_tokens is None else min(usual, max_tokens))

    def learn(self, size: float, read: float | None, written: float | None) -> None:
        """Note what a whole answer cost: tokens that the model has read, and that it has written."""
        if read and size:
            self._rate.add(read / size)
        if written:
            self._output.add(written)


def size_of(messages: Iterable[Message], tools: Iterable[Tool]) -> float:
    """Return the size of what the model reads: bytes of its texts, and of other parts what they would be as text."""
    size = float(sum(_of_message(message) for message in messages))
    return size + sum(len(tool.name) + len(tool.description) + _as_json(tool.parameters) for tool in tools)


def _of_message(message: Message) -> float:
    calls = sum(len(call.name) + _bytes(call.arguments) for call in message.tool_calls)
    if isinstance(message.content, str):
        return calls + _bytes(message.content)
    return calls + sum(_of_part(part) for part in message.content)


def _of_part(part: Any) -> float:
    text = getattr(part, "text", None)
    return PART_TOKENS / TOKENS_PER_BYTE if text is None else _bytes(text)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


def _as_json(value: Any) -> int:
    return len(json.dumps(value, default=str))
