"""Describes what was delivered of an answer, as far as a continuation has to know it.

A `Partial` is made from the chunks that the caller got, and from nothing else. `tokens` is never guessed too high,
because one too many would cut the answer short.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from ...chunks import Chunk, ReasoningDelta, Usage
from ...contract import ResumePoint
from ...outcome.traits import SPOKEN, TRAITS, fixes, is_sealed, piece_of

__all__ = ["Partial"]

BYTES_PER_TOKEN = 6
"""English prose has 4 to 5 bytes of UTF-8 a token, code and most other scripts have fewer: so this guesses low. (With
4, an answer of the small local model that was cut and continued ended up to 8 tokens before its limit.)"""


@dataclass(frozen=True, slots=True)
class Partial:
    """Describes what the caller has of an answer.

    pieces: (is it text, or reasoning; the piece), in order, neighbours of one sort joined. text: all text pieces.
    fixed: it holds a tool call, signed or encrypted reasoning, or events that we do not model; no other request can go
    on there. thinks: it is reasoning and nothing else, signed or not: no word of the answer has come, so the reasoning
    may begin anew. sealed: some of its reasoning is signed or encrypted.
    known: its chunks that a second answer may bring once more, and that are not delivered twice.
    whole: nothing of it was dropped from the middle. tokens: how many it cost at least. resume: where its provider
    can take it up again.
    """

    pieces: tuple[tuple[bool, str], ...]
    text: str
    fixed: bool
    whole: bool
    tokens: int
    resume: ResumePoint | None = None
    thinks: bool = False
    sealed: bool = False
    known: tuple[Chunk, ...] = ()

    @classmethod
    def of(cls, chunks: Sequence[Chunk], *, whole: bool = True, resume: ResumePoint | None = None) -> Partial:
        """Make a `Partial` of the chunks of an answer so far. whole: none are missing among them."""
        pieces = tuple(_pieces(chunks))
        return cls(
            pieces=pieces,
            text="".join(piece for is_text, piece in pieces if is_text),
            fixed=any(map(fixes, chunks)),
            whole=whole,
            tokens=_tokens(chunks, pieces),
            resume=resume,
            thinks=_only_reasoning(chunks),
            sealed=any(map(is_sealed, chunks)),
            known=tuple(chunk for chunk in chunks if TRAITS[type(chunk)].continuing == "once"),
        )

    @property
    def speaks(self) -> bool:
        """Return whether it ends in the answer's text, and not in the reasoning before it."""
        return bool(self.pieces) and self.pieces[-1][0] and bool(self.text.strip())


def _pieces(chunks: Iterable[Chunk]) -> Iterable[tuple[bool, str]]:
    spoken = (chunk for chunk in chunks if type(chunk) in SPOKEN)
    for is_text, group in groupby(spoken, lambda chunk: SPOKEN[type(chunk)] == "text"):
        joined = "".join(map(piece_of, group))
        if joined:
            yield is_text, joined


def _only_reasoning(chunks: Sequence[Chunk]) -> bool:
    content = [chunk for chunk in chunks if chunk.content or TRAITS[type(chunk)].fixes == "always"]
    return bool(content) and all(isinstance(chunk, ReasoningDelta) for chunk in content)


def _tokens(chunks: Sequence[Chunk], pieces: Sequence[tuple[bool, str]]) -> int:
    """Return the largest of three counts that are each too low: the provider's, which may be of an early moment
    (Anthropic says 1 at the start); a token for each chunk; a token for each six bytes."""
    spoken = sum(type(chunk) in SPOKEN for chunk in chunks)
    counted = next((chunk.output_tokens for chunk in reversed(chunks) if isinstance(chunk, Usage)), None)
    size = sum(len(piece.encode("utf-8", "replace")) for _, piece in pieces)
    return max(spoken, counted or 0, size // BYTES_PER_TOKEN)
