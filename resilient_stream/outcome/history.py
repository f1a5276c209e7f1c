"""Makes messages of what was received, which may be sent again to whichever provider comes next.

Only whole things leave here: a tool call with all of its arguments from an answer that ended well, reasoning that is a
whole thought and names who thought it, and blocks that only their provider understands, in their places. Anything else
of an answer that was cut stays in the transcript and is not sent. Reasoning without its provider's proof goes only to
hosts that take it without one. `fitting/signatures.py` decides what goes back to whom, and adapters write the turns.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, assert_never

from ..chunks import (
    Chunk,
    File,
    Finished,
    Logprobs,
    Raw,
    ReasoningDelta,
    Seam,
    ServerToolCall,
    ServerToolResult,
    Source,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from ..failures import StreamMisused
from ..messages import FunctionCall, Message, OpaquePart, Part, ReasoningPart, TextPart
from ..text.arguments import as_object_text

__all__ = ["ended_well", "file_in_words", "omission", "to_history"]


def to_history(chunks: Sequence[Chunk], target: str | None, gap: tuple[int, int] | None, calls: bool) -> list[Message]:
    """Return one assistant message, or none for an answer without text and calls.

    target: who answered last. gap: the place of a missing middle and its size in characters. calls: with the whole tool
    calls, or without any.
    """
    begin = 1 + max((place for place, chunk in enumerate(chunks) if _is_restart(chunk)), default=-1)
    turn = _Turn(_first_target(chunks, begin) or target, {} if gap else _cited(chunks[begin:]))
    for place in range(begin, len(chunks)):
        if gap is not None and gap[0] == place:
            turn.missing(gap[1])
        turn.take(chunks[place])
    if gap is not None and gap[0] == len(chunks) >= begin:
        turn.missing(gap[1])
    return turn.messages(calls, ended_well(chunks) is True)


def ended_well(chunks: Sequence[Chunk]) -> bool | None:
    """Return whether the model ended the answer by itself; None when it never said how it ended."""
    finished = next((chunk for chunk in reversed(chunks) if type(chunk) is Finished), None)
    return None if finished is None else finished.kind is None


def omission(characters: int) -> str:
    """Return the text that stands for a missing middle."""
    return f"[… {characters} characters omitted …]"


_BESIDE = re.compile(r"citation|annotation|grounding|logprob|attribution", re.IGNORECASE)
"""Names of fields that say something about a text, and are no block of their own."""

_MEDIA_TYPE = re.compile(r"[\w.+-]{1,60}/[\w.+*-]{1,100}")
"""What may be passed on as the type of a file; a server may have sent anything in its place."""


Spans: TypeAlias = Mapping[tuple[int, int], Sequence[Any]]
"""Passages of the answer's text, each with the citations that go back to whoever made them."""


def _cited(chunks: Sequence[Chunk]) -> Spans:
    spans: dict[tuple[int, int], list[Any]] = {}
    for chunk in chunks:
        if type(chunk) is not Source or chunk.native is None or isinstance(chunk.native, str):
            continue
        if chunk.start is not None and chunk.end is not None:
            spans.setdefault((chunk.start, chunk.end), []).append(chunk.native)
    return spans


class _Turn:
    """Builds the assistant's turn while its chunks are read: its blocks, in their order.

    Reasoning is signed together with the blocks around it, and refused where one of them is missing. So all signed
    reasoning of a turn is left out when one of its blocks cannot be sent back.
    """

    def __init__(self, target: str | None, cited: Spans) -> None:
        self._target = target
        self._cited = cited
        self._passages = deque(sorted(cited))
        self._blocks: list[Part | FunctionCall] = []
        self._running: dict[str, OpaquePart | None] = {}
        self._lost = False
        self._text: list[str] = []
        self._length = 0
        self._thought: list[str] = []
        self._blind = False

    @property
    def _provider(self) -> str:
        return (self._target or "").partition(":")[0]

    def take(self, chunk: Chunk) -> None:
        match chunk:
            case ReasoningDelta():
                self._add_thought(chunk)
            case TextDelta():
                self._end_thought()  # a proof comes before the text, so the thought ends without one
                self._text.append(chunk.text)
            case ToolCall():
                self._end_thought()
                self._call(chunk)
            case ServerToolCall():
                self._running[chunk.id] = self._opaque(chunk.native)
            case ServerToolResult():
                self._running.pop(chunk.id, None)
                self._opaque(chunk.native)
            case File():
                self._file(chunk)
            case Seam():
                self._end_thought()
                self._target = chunk.target
            case Raw():
                if chunk.standing == "block":
                    self._opaque(chunk.data)
                self._lost = self._lost or (chunk.standing == "content" and not _BESIDE.search(chunk.event))
            case ToolCallDelta() | Source() | Logprobs() | Usage() | Finished():
                pass
            case _:
                assert_never(chunk)

    def missing(self, characters: int) -> None:
        """Note that the middle of the answer is missing here. A proof that comes next may belong to what is missing."""
        self._thought.clear()
        self._blind = True
        if characters:
            self._text.append(omission(characters))

    def messages(self, calls: bool, well: bool) -> list[Message]:
        """Return the turn. calls: with the tool calls. well: the model came to an end of its own."""
        if well:
            self._end_thought()
        self._thought.clear()  # the last thought of an answer that was cut is not a whole one
        self._end_text()
        self._stop_running(well and (calls or not any(isinstance(block, FunctionCall) for block in self._blocks)))
        kept = _without_unproven([block for block in self._blocks if self._is_kept(block, calls)])
        parts, made = _laid_out(kept)
        if not made and not any(map(_has_content, parts)):
            return []
        return [Message(role="assistant", content=_simplified(parts), tool_calls=made)]

    def _stop_running(self, goes_on: bool) -> None:
        """Leave out tools that have no result at the end, unless the provider goes on with them in its next answer.

        A tool whose block would have come with its result cannot be gone on with.
        """
        stopped = {id(block) for block in self._running.values() if block is None or not goes_on}
        if stopped:
            self._lost = True
            self._blocks = [block for block in self._blocks if id(block) not in stopped]

    def _opaque(self, data: Any, text: str = "") -> OpaquePart | None:
        self._end_thought()
        self._end_text()
        if data is None:
            return None
        block = _own_block(self._provider, data, text)
        self._lost = self._lost or block is None
        self._blocks += [block] if block is not None else _plain_text(text)
        return block

    def _file(self, file: File) -> None:
        """Add a file, with words in its place for those who cannot read it."""
        self._length += len(file.text)
        self._opaque(file.native, file_in_words(file))

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
            self._blocks += self._pieces(text)
        self._length += len(text)

    def _pieces(self, text: str) -> list[TextPart]:
        """Divide a text where passages with citations begin and end. A passage that is not all in it has none."""
        base, at = self._length, 0
        pieces: list[TextPart] = []
        while self._passages and self._passages[0][0] < base + len(text):
            passage = self._passages.popleft()
            start, stop = passage[0] - base, passage[1] - base
            if at <= start < stop <= len(text):
                citations = tuple(self._cited[passage])
                pieces += _plain_text(text[at:start])
                pieces.append(_cited_text(text[start:stop], citations, self._provider))
                at = stop
        return pieces + _plain_text(text[at:])


def _own_block(provider: str, data: Any, text: str) -> OpaquePart | None:
    """Return a block of the provider's own; None for a block that can be sent to nobody.

    That is one with too many levels or too large numbers, and the text that a stored transcript has in its place.
    """
    if isinstance(data, str):
        return None
    try:
        return OpaquePart(provider=provider, data=data, text=text)
    except StreamMisused:
        return None


def _cited_text(text: str, citations: tuple[Any, ...], by: str) -> TextPart:
    """Return a passage with its citations, but without citations that can be sent to nobody."""
    try:
        return TextPart(text=text, citations=citations, cited_by=by)
    except StreamMisused:
        kept = tuple(each for each in citations if _own_block(by, each, "") is not None)
        return TextPart(text=text, citations=kept, cited_by=by) if kept else TextPart(text=text)


def _plain_text(text: str) -> list[TextPart]:
    return [TextPart(text=text)] if text else []


def _has_content(part: Part) -> bool:
    return isinstance(part, OpaquePart) or (isinstance(part, TextPart) and bool(part.text.strip()))


def file_in_words(file: File) -> str:
    """Return what stands for a file where the file itself cannot be sent: its words, or that there was one."""
    if file.text:
        return file.text
    kind = file.media_type if _MEDIA_TYPE.fullmatch(file.media_type) else "file/unknown"
    return f"[{kind.partition('/')[0]}: {kind}]"


def _laid_out(blocks: Sequence[Part | FunctionCall]) -> tuple[list[Part], tuple[FunctionCall, ...]]:
    """Return the parts and the calls, each call with its place if parts follow. Texts with nothing between them are
    joined."""
    parts: list[Part] = []
    places: list[tuple[FunctionCall, int]] = []
    for block in blocks:
        if isinstance(block, FunctionCall):
            places.append((block, len(parts)))
        elif parts and _are_plain_texts(block, parts[-1]) and not _ends_in_call(places, parts):
            parts[-1] = TextPart(text=parts[-1].text + block.text)  # type: ignore[union-attr]
        else:
            parts.append(block)
    calls = (call if place == len(parts) else call.model_copy(update={"place": place}) for call, place in places)
    return parts, tuple(calls)


def _are_plain_texts(part: Part, before: Part) -> bool:
    """Return whether both are plain text, so that they can be one part."""
    return all(isinstance(each, TextPart) and not each.citations for each in (part, before))


def _ends_in_call(places: Sequence[tuple[FunctionCall, int]], parts: Sequence[Part]) -> bool:
    """Return whether a call stands behind the last part."""
    return bool(places) and places[-1][1] == len(parts)


def _simplified(parts: Sequence[Part]) -> str | tuple[Part, ...]:
    """Return a single text as a string."""
    if len(parts) == 1 and isinstance(parts[0], TextPart) and not parts[0].citations:
        return parts[0].text
    return tuple(parts) if parts else ""


def _without_unproven(blocks: list[Part | FunctionCall]) -> list[Part | FunctionCall]:
    """Return a turn's blocks without unproven thoughts that stand beside proven ones, since those are not whole."""
    thoughts = [block for block in blocks if isinstance(block, ReasoningPart)]
    if not any((thought.text and thought.signature) or thought.redacted for thought in thoughts):
        return blocks
    return [block for block in blocks if not isinstance(block, ReasoningPart) or block.signature or block.redacted]


def _is_restart(chunk: Chunk) -> bool:
    return type(chunk) is Seam and chunk.restart


def _first_target(chunks: Sequence[Chunk], begin: int) -> str | None:
    """Return who the chunks from `begin` on came from: after a restart its seam tells, else the next seam."""
    if begin:
        restart = chunks[begin - 1]
        return restart.target if type(restart) is Seam else None
    return next((chunk.source for chunk in chunks if type(chunk) is Seam), None)
