"""Reads what a chat message says, in deltas and whole: text, reasoning, a refusal, calls, and unknown parts.

A delta is the next piece. The content of a whole message counts only as far as no delta had it: some gateways send
messages in place of deltas, some both, some the whole text so far with each event. A message that says something else
than the deltas is passed on as `Raw`, since they were delivered. A part is read by its fields, never
by who sent it, so no host's name stands in this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from ...chunks import Chunk, ReasoningDelta, TextDelta
from ...contract import Batch
from ..shared.holdings import Holdings
from ..shared.parts import text_in
from ..shared.said import Said
from ..shared.tool_calls import ToolCalls
from ..shared.unmodelled import Unmodelled, says
from ..shared.values import list_of, object_of, text_of
from .chat_calls import Fragment, fragments_of
from .chat_details import Details
from .chat_events import Speech

__all__ = ["Speaker"]

DEEP = 8
"""How many lists may be in one another."""

_REASONING: Mapping[str, tuple[str, ...]] = {
    "thinking": ("thinking", "text", "content"),
    "reasoning": ("summary", "reasoning", "text", "content"),
    "reasoning_text": ("text",),
    "reasoning_content": ("text", "reasoning_content"),
    "summary_text": ("text",),
}
"""Types of parts that are reasoning, and where it may stand in them; the first place that has any counts."""

_BARE = ("reference",)
"""Types of parts that say something although they hold nothing but numbers."""

_OWN_KINDS = ("", "text", "reasoning", "refusal")
"""Kinds of pieces that have a text; a part of such a type without one goes by another name."""

_THOUGHTS = ("text", "content", "reasoning", "reasoning_content", "thinking", "summary")
"""Where the text may stand in reasoning that is an object."""


ReadPart: TypeAlias = Callable[[str, dict[str, Any], bool], Batch]
"""Returns the chunks of a part of this type; see `Beside.part`."""


class Piece(NamedTuple):
    """Holds a piece of a message. kind: "text", "reasoning", "refusal"; or the type of a part that is none of these."""

    kind: str
    text: str
    part: Any = None


class _Memory:
    """Holds what is remembered of an answer that is more than text and reasoning.

    calls: those that are not yet whole. details: the proofs of its reasoning, which come after it. kinds: of parts that
    came in deltas. given: the calls that a whole message had.
    """

    __slots__ = ("calls", "details", "given", "kinds")

    def __init__(self, holdings: Holdings) -> None:
        self.calls = ToolCalls(holdings)
        self.details = Details(holdings)
        self.kinds: set[str] = set()
        self.given: set[tuple[str, str, str]] = set()


class Speaker:
    """Reads the message of one answer.

    refusal: the pieces of a refusal. part: reads a part that is neither text nor reasoning.
    """

    __slots__ = ("_fragments", "_holdings", "_made", "_part", "_thoughts", "_unmodelled", "refusal", "text")

    def __init__(self, unmodelled: Unmodelled, holdings: Holdings, text: Said, part: ReadPart) -> None:
        self.text = text
        self._part = part
        self._thoughts: Said | None = None
        self.refusal: list[str] = []
        self._holdings = holdings
        self._unmodelled = unmodelled
        self._fragments = False
        self._made: _Memory | None = None

    @property
    def reasoning(self) -> Said:
        """Return the reasoning so far, which is remembered from when there is some."""
        if self._thoughts is None:
            self._thoughts = Said()
        return self._thoughts

    @property
    def _memory(self) -> _Memory:
        """Return what is remembered, which is made when it is needed: most answers are text alone."""
        if self._made is None:
            self._made = _Memory(self._holdings)
        return self._made

    def whole(self) -> Batch:
        """Return the proofs of the reasoning and the calls, now that the provider says that they are complete."""
        return [] if self._made is None else [*self._made.details.chunks(), *self._made.calls.whole()]

    def delta(self, delta: Speech) -> Batch:
        """Return the chunks of the next piece."""
        batch: Batch = []
        if _is_plain(delta):
            if thought := _thought(delta):
                self._add_piece("reasoning", thought, batch)
            if delta.content:
                self._add_piece("text", delta.content, batch)
            return batch
        if delta.reasoning_details:
            self._memory.details.add(delta.reasoning_details)
        for kind, text, part in _pieces(delta):
            if kind in ("text", "reasoning"):
                self._add_piece(kind, text, batch)
            else:
                self._memory.kinds.add(kind)
                batch += self._add_other_piece(kind, text, part)
        for fragment in fragments_of(delta):
            self._fragments = True
            batch.append(self._fragment(fragment))
        return batch

    def _add_piece(self, kind: str, text: str, batch: Batch) -> None:
        if kind == "text":
            self.text.add(text)
            batch.append(TextDelta(text))
        else:
            self.reasoning.add(text)
            batch.append(ReasoningDelta(text))

    def message(self, message: Speech, *, last: bool) -> Batch:
        """Return the chunks for the content of a message that was not said before. last: the answer ends with it."""
        pieces = [*_pieces(message)]
        if message.reasoning_details and not self._memory.details:
            self._memory.details.add(message.reasoning_details)
        thought = "".join(piece.text for piece in pieces if piece.kind == "reasoning")
        said = "".join(piece.text for piece in pieces if piece.kind == "text")
        batch: Batch = []
        for memory, whole in ((self.reasoning, thought), (self.text, said)):
            # A shorter message may be all of the text so far.
            if memory.pieces and (last or len(whole) > memory.length):
                batch += self._unmodelled.another("message", memory, whole)
        if thought and (new := self.reasoning.take(thought, last=last)):
            batch.append(ReasoningDelta(new))
        if said and (new := self.text.take(said, last=last)):
            batch.append(TextDelta(new))
        for kind, text, part in pieces:
            if kind not in ("text", "reasoning") and kind not in self._memory.kinds:
                batch += self._add_other_piece(kind, text, part, placed=False)
        return batch + self._whole_calls(message)

    def _add_other_piece(self, kind: str, text: str, part: Any, *, placed: bool = True) -> Batch:
        if kind == "refusal":
            self._holdings.piece(text)
            self.refusal.append(text)
            return []
        return self._part(kind, part, placed) if isinstance(part, dict) else [self._unmodelled.content(kind, part)]

    def _whole_calls(self, message: Speech) -> Batch:
        """Return the calls of a message. Each is a new call, unless it is a repetition or was already sent in
        deltas."""
        batch: Batch = []
        for call in fragments_of(message):
            if self._fragments:
                batch += self._memory.calls.again(call.id, call.name, call.said)
                continue
            key = (call.id, call.name, call.said.text)
            if not (call.id and key in self._memory.given):
                self._holdings.item(*key)
                self._memory.given.add(key)
                batch.append(self._fragment(call))
        return batch

    def _fragment(self, call: Fragment) -> Chunk:
        return self._memory.calls.add(call.index, call.id, call.name, call.said, call.signature)


def _is_plain(delta: Speech) -> bool:
    """Return whether a delta is only text, reasoning or both; most deltas that are not text alone are so."""
    others = delta.tool_calls or delta.function_call or delta.refusal or delta.reasoning_details
    return not others and (delta.content is None or type(delta.content) is str) and type(_thought(delta) or "") is str


def _thought(speech: Speech) -> Any:
    """Return the reasoning, which is a text except at unusual hosts; the same text under two names counts once."""
    return speech.reasoning_content or speech.reasoning or speech.thinking


def _pieces(speech: Speech) -> Iterator[Piece]:
    """Return the pieces in a delta or message, the reasoning first."""
    details = [object_of(item) for item in speech.reasoning_details or ()]
    if odd := _thought(speech):
        if thought := _thought_in(odd):
            yield Piece("reasoning", thought)
        elif says(odd):
            yield Piece("reasoning_content", "", odd)
    elif thought := "".join(text_of(item.get("text")) or text_of(item.get("summary")) for item in details):
        yield Piece("reasoning", thought)
    yield from _content(speech.content)
    if speech.refusal:
        yield Piece("refusal", speech.refusal)


def _content(content: Any, deep: int = DEEP) -> Iterator[Piece]:
    """Return the pieces of a message's content: a text, or parts of many types."""
    if isinstance(content, str):
        if content:
            yield Piece("text", content)
    elif isinstance(content, list) and deep:
        for part in content:
            yield from _content(part, deep - 1)
    elif isinstance(content, dict):
        yield from _part(content)
    elif says([content]):
        yield Piece("content", "", content)


def _part(part: dict[str, Any]) -> Iterator[Piece]:
    kind = text_of(part.get("type"))
    found = (text_in(part.get(name)) for name in _REASONING.get(kind, ()))
    if thought := next(filter(None, found), ""):
        yield Piece("reasoning", thought)
    elif refusal := text_of(part.get("refusal")) or (kind == "refusal" and text_of(part.get("text"))):
        yield Piece("refusal", refusal)
    elif text := text_in(part.get("text")):
        yield Piece("text", text)
        yield from (Piece("annotation", "", note) for note in list_of(part.get("annotations")))
    elif kind in _BARE or says({**part, "type": None}):
        yield Piece("content" if kind in _OWN_KINDS else kind, "", part)


def _thought_in(value: Any, deep: int = DEEP) -> str:
    """Return the text of reasoning that may be a text, a part, or a list of these."""
    if isinstance(value, list) and deep:
        return "".join(_thought_in(each, deep - 1) for each in value)
    if isinstance(value, dict):
        return next(filter(None, (text_in(value.get(name)) for name in _THOUGHTS)), "")
    return text_of(value)
