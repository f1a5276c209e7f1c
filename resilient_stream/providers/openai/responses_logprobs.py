"""Reads the probabilities of an answer's tokens, for a request that asks for them.

They come beside each piece of text, and again in the whole message and the whole answer. They leave once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...chunks import Logprobs
from ...contract import Batch
from ..shared.values import list_of, object_of

__all__ = ["Probabilities"]


class Probabilities:
    """Counts the tokens of one answer that have left."""

    __slots__ = ("_all", "_message")

    def __init__(self) -> None:
        self._all = 0
        self._message = 0

    def __bool__(self) -> bool:
        return bool(self._all)

    def piece(self, tokens: Any) -> Batch:
        """Return the tokens of a piece of text."""
        return self._count_tokens(list_of(tokens))

    def message(self, message: Mapping[str, Any]) -> Batch:
        """Return the tokens of a whole message that did not come before."""
        found = self._count_tokens(_tokens_of(message)[self._message :])
        self._message = 0
        return found

    def rest(self, messages: Iterable[Mapping[str, Any]]) -> Batch:
        """Return the tokens of the whole answer that did not come before."""
        return self._count_tokens([token for message in messages for token in _tokens_of(message)][self._all :])

    def _count_tokens(self, tokens: list[Any]) -> Batch:
        self._all += len(tokens)
        self._message += len(tokens)
        return [Logprobs(tuple(tokens))] if tokens else []


def _tokens_of(message: Mapping[str, Any]) -> list[Any]:
    parts = map(object_of, list_of(message.get("content")))
    return [token for part in parts for token in list_of(part.get("logprobs"))]
