"""Estimates tokens by characters, for a request whose provider did not count them to its end.

Four characters are taken for a token, as in English prose. Code has fewer for each token, and Chinese about one, so an
estimate may be far off; whoever adds it up says that it is one. What cannot be seen is not estimated: hidden reasoning,
what was read from a cache, pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import structs

from ..chunks import Chunk, ReasoningDelta, Seam, ToolCallDelta, Usage
from ..messages import Message

__all__ = ["characters_of", "estimate"]

CHARACTERS = 4
"""Characters for each token."""


def estimate(
    messages: Sequence[Message], chunks: Iterable[Chunk], received: int, told: Usage | None, more: int = 0
) -> Usage | None:
    """Return an estimate of what a request used; None where the provider's count, `told`, is at least what was seen.

    messages: what was sent. chunks: what is known of its answer. received: how many chunks came, which is the estimate
    where none of them was kept. more: characters that came after its caller had left.
    """
    made = -(-(sum(map(characters_of, chunks)) + more) // CHARACTERS) or received
    if told is None:
        return Usage(_tokens_of(messages), made, certainty="estimated")
    if made <= (told.output_tokens or 0):
        return None
    return structs.replace(told, output_tokens=made, certainty="estimated")


def _tokens_of(messages: Sequence[Message]) -> int | None:
    """Return the tokens of a prompt; None where it has more than texts."""
    characters = 0
    for message in messages:
        if not isinstance(message.content, str) and any(part.type != "text" for part in message.content):
            return None
        characters += len(message.text) + sum(len(call.arguments) for call in message.tool_calls)
    return -(-characters // CHARACTERS)


def characters_of(chunk: Chunk) -> int:
    """Return how many characters of a chunk the model wrote. Text that a continuation repeated was written, too."""
    if isinstance(chunk, ToolCallDelta):
        return len(chunk.arguments)
    if isinstance(chunk, ReasoningDelta):
        return len(chunk.reasoning)
    return chunk.overlap if isinstance(chunk, Seam) else len(chunk.text)
