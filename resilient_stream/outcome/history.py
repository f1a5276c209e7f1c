"""Makes messages of what was received, which may be sent again to whichever provider comes next.

Only whole things leave here: a tool call with all of its arguments from an answer that ended well, and reasoning that
is a whole thought and names who thought it. Anything else of an answer that was cut stays in the transcript and is not
sent. Reasoning without its provider's proof goes only to hosts that take it without one. `fitting/signatures.py`
decides which signature goes back to whom, and adapters write the turns.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import assert_never

from ..chunks import Chunk, Finished, Raw, ReasoningDelta, Seam, TextDelta, ToolCall, ToolCallDelta, Usage
from ..messages import FunctionCall, Message, Part, ReasoningPart, TextPart
from ..text.arguments import as_object_text

__all__ = ["ended_well", "omission", "to_history"]


def to_history(chunks: Sequence[Chunk], target: str | None, gap: tuple[int, int] | None, calls: bool) -> list[Message]:
    """Return one assistant message, or none for an answer without text and calls.

    target: who answered last. gap: the place of a missing middle and its size in characters. calls: with the whole tool
    calls, or without any.
    """
    begin = 1 + max((place for place, chunk in enumerate(chunks) if _restarts(chunk)), default=-1)
    turn = _Turn(_first_target(chunks, begin) or target)
    for place in range(begin, len(chunks)):
        if gap is not None and gap[0] == place:
            turn.missing(gap[1])
        turn.take(chunks[place])
    if gap is not None and gap[0] == len(chunks) >= begin:
        turn.missing(gap[1])
    return turn.messages(calls)


def ended_well(chunks: Sequence[Chunk]) -> bool | None:
    """Return whether the model came to an end of its own; None when it never said how it ended."""
    finished = next((chunk for chunk in reversed(chunks) if type(chunk) is Finished), None)
    return None if finished is None else finished.kind is None


def omission(characters: int) -> str:
    """Return the text that stands for a missing middle."""
    return f"[… {characters} characters omitted …]"


_BESIDE = re.compile(r"citation|annotation|grounding|logprob|attribution", re.IGNORECASE)
"""Names of what is said about a text, and is no block of its own."""


class _Turn:
    """Builds the assistant's turn while its chunks are read: its blocks, in their order.

    A block that has no class here cannot be sent back. The reasoning around it was signed together with it, and is
    refused without it, so all signed reasoning of that turn is left out then.
    """

    def __init__(self, target: str | None) -> None:
        self._target = target
        self._blocks: list[Part | FunctionCall] = []
        self._lost = False
        self._text: list[str] = []
        self._thought: list[str] = []
        self._blind = False

    def take(self, chunk: Chunk) -> None:
        match chunk:
            case ReasoningDelta():
                self._add_thought(chunk)
            case TextDelta():
                self._end_thought()  # its proof would have come before the text
                self._text.append(chunk.text)
            case ToolCall():
                self._end_thought()
                self._call(chunk)
            case Seam():
                self._end_thought()
                self._target = chunk.target
            case Raw():
                self._lost = self._lost or (chunk.content and not _BESIDE.search(chunk.event))
            case ToolCallDelta() | Usage() | Finished():
                pass
            case _:
                assert_never(chunk)

    def missing(self, characters: int) -> None:
        """Note that the middle of the answer is missing here. A proof that comes next may belong to what is missing."""
        self._thought.clear()
        self._blind = True
        if characters:
            self._text.append(omission(characters))

    def messages(self, calls: bool) -> list[Message]:
        self._end_text()
        kept = _without_unproven([block for block in self._blocks if self._is_kept(block, calls)])
        parts, made = _laid_out(kept)
        if not made and not any(isinstance(part, TextPart) and part.text.strip() for part in parts):
            return []
        return [Message(role="assistant", content=_simplified(parts), tool_calls=made)]

    def _is_kept(self, block: Part | FunctionCall, calls: bool) -> bool:
        if isinstance(block, FunctionCall):
            return calls
        return not (self._lost and isinstance(block, ReasoningPart) and (block.signature or block.redacted))

    def _add_thought(self, chunk: ReasoningDelta) -> None:
        self._thought.append(chunk.reasoning)
        if chunk.signature or chunk.redacted:
            if not self._blind:
                self._add_proof(chunk)
            self._thought.clear()
            self._blind = False

    def _add_proof(self, chunk: ReasoningDelta) -> None:
        self._end_text()
        text = "" if chunk.redacted else "".join(self._thought)
        self._blocks.append(
            ReasoningPart(text=text, signature=chunk.signature, redacted=chunk.redacted, signed_by=self._target)
        )
        self._thought.clear()

    def _end_thought(self) -> None:
        """End a thought, since something else follows. One without a proof is kept with its origin."""
        thought = "".join(self._thought)
        self._thought.clear()
        if thought and not self._blind:
            self._end_text()
            self._blocks.append(ReasoningPart(text=thought, signed_by=self._target))
        self._blind = False

    def _call(self, call: ToolCall) -> None:
        self._end_text()
        if call.parsed is not None and call.name:
            self._blocks.append(
                FunctionCall(
                    id=call.id or f"call_{call.index}",
                    name=call.name,
                    arguments=as_object_text(call.arguments) or "{}",
                    signature=call.signature,
                    signed_by=self._target if call.signature else None,
                )
            )

    def _end_text(self) -> None:
        text = "".join(self._text)
        self._text.clear()
        if text:
            self._blocks.append(TextPart(text=text))


def _laid_out(blocks: Sequence[Part | FunctionCall]) -> tuple[list[Part], tuple[FunctionCall, ...]]:
    """Return the parts and the calls, each call with its place if parts follow. Texts with nothing between them are
    joined."""
    parts: list[Part] = []
    places: list[tuple[FunctionCall, int]] = []
    for block in blocks:
        if isinstance(block, FunctionCall):
            places.append((block, len(parts)))
        elif isinstance(block, TextPart) and parts and isinstance(parts[-1], TextPart) and not _ends(places, parts):
            parts[-1] = TextPart(text=parts[-1].text + block.text)
        else:
            parts.append(block)
    calls = (call if place == len(parts) else call.model_copy(update={"place": place}) for call, place in places)
    return parts, tuple(calls)


def _ends(places: Sequence[tuple[FunctionCall, int]], parts: Sequence[Part]) -> bool:
    """Return whether a call stands behind the last part."""
    return bool(places) and places[-1][1] == len(parts)


def _simplified(parts: Sequence[Part]) -> str | tuple[Part, ...]:
    """Return a single text as a string."""
    if len(parts) == 1 and isinstance(parts[0], TextPart):
        return parts[0].text
    return tuple(parts) if parts else ""


def _without_unproven(blocks: list[Part | FunctionCall]) -> list[Part | FunctionCall]:
    """Return a turn's blocks without unproven thoughts that stand beside proven ones, since those are not whole."""
    thoughts = [block for block in blocks if isinstance(block, ReasoningPart)]
    if not any((thought.text and thought.signature) or thought.redacted for thought in thoughts):
        return blocks
    return [block for block in blocks if not isinstance(block, ReasoningPart) or block.signature or block.redacted]


def _restarts(chunk: Chunk) -> bool:
    return type(chunk) is Seam and chunk.restart


def _first_target(chunks: Sequence[Chunk], begin: int) -> str | None:
    """Return who the chunks from `begin` on came from: after a restart its seam tells, else the next seam."""
    if begin:
        restart = chunks[begin - 1]
        return restart.target if type(restart) is Seam else None
    return next((chunk.source for chunk in chunks if type(chunk) is Seam), None)
