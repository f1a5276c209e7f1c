"""Checks a second answer against what was delivered, in several ways, one class for each.

A matcher is fed the content of one answer, gives what of it may be delivered, and holds the rest until it knows. It
gives no character before it knows that it follows what was delivered, because a wrong join is a wrong answer. Once it
has given anything, or the answer has ended, it is not asked again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol, assert_never

from ...chunks import (
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
from ...contract import Batch
from .beginnings import LOOK, Overlap, common, objection, tells
from .joins import Join, split_end
from .partial import Partial
from .starting_over import ignored, undecided

__all__ = ["REFUSALS", "Instructed", "Matcher", "Prefilled", "Refusal", "Replayed", "Restarted", "Resumed", "Rethought"]

REFUSALS: Mapping[str, str] = {
    "differs": "its answer differs from character {at}",
    "shorter": "its answer ended at character {at}, before the end of what was delivered",
    "echo": "it only repeated what was delivered",
    "anew": "it began anew",
    "preface": "it talked about the task instead",
    "fence": "it opened a code block again",
    "half_character": "it did not finish a character that was half delivered",
    "empty": "its answer was empty",
}
"""Why a second answer was not joined to the first, for people."""

CONTRADICTIONS = frozenset({"differs", "shorter"})


class Refusal(NamedTuple):
    """Says why an answer is not joined. at: how many characters of the delivered text it agreed with."""

    code: str
    at: int = 0

    @property
    def contradicts(self) -> bool:
        """Return whether the same request got another answer than before."""
        return self.code in CONTRADICTIONS

    def __str__(self) -> str:
        return REFUSALS[self.code].format(at=self.at)


class Matcher(Protocol):
    """Checks the content of one answer, piece by piece.

    overlap: characters recognised as delivered, and dropped. refusal: set when the answer does not fit. restarts:
    whether what the matcher gives takes the place of all that was delivered.
    """

    overlap: int
    refusal: Refusal | None
    restarts: bool

    def take(self, chunk: Chunk) -> Batch:
        """Take the next piece of content, and return what may be delivered."""
        ...

    def end(self) -> Batch:
        """Return what was still held, because the answer is whole."""
        ...


class Resumed:
    """Passes on an answer that the provider itself resumes: it begins where the other ended."""

    restarts = False

    def __init__(self) -> None:
        self.overlap = 0
        self.refusal: Refusal | None = None

    def take(self, chunk: Chunk) -> Batch:
        """Return all of the piece: everything in it is new."""
        return [chunk]

    def end(self) -> Batch:
        """Return nothing, since nothing is held."""
        return []


class Restarted(Resumed):
    """Passes on a new answer in place of the old one. All of it is delivered; one without content is refused."""

    restarts = True

    def end(self) -> Batch:
        """Refuse a continuation that had no content."""
        self.refusal = Refusal("empty")
        return []


class Replayed:
    """Compares the answer to the same request, which has to begin with what was delivered, text and reasoning alike."""

    restarts = False

    def __init__(self, partial: Partial) -> None:
        self.overlap = 0
        self.refusal: Refusal | None = None
        self._pieces = partial.pieces
        self._piece = 0
        self._at = 0

    def take(self, chunk: Chunk) -> Batch:
        """Leave out what agrees with the delivered part, and return what goes beyond it."""
        match chunk:
            case TextDelta():
                rest = self._compare(True, chunk.text)
                return [TextDelta(rest)] if rest else []
            case ReasoningDelta():
                return self._take_reasoning(chunk)
            case (
                ToolCallDelta() | ToolCall() | File() | ServerToolCall() | ServerToolResult() | Raw()
                | Source() | Logprobs() | Usage() | Finished() | Seam()
            ):  # fmt: skip
                return [*self.end(), chunk]
            case _:
                assert_never(chunk)

    def _take_reasoning(self, chunk: ReasoningDelta) -> Batch:
        rest = self._compare(False, chunk.reasoning)
        new = rest or (self._is_at_end and (chunk.signature or chunk.redacted))
        if chunk.redacted and not self._is_at_end:  # encrypted reasoning where none was delivered
            self.refusal = self.refusal or Refusal("differs", self.overlap)
        return [ReasoningDelta(rest, chunk.signature, chunk.redacted)] if new else []

    def end(self) -> Batch:
        """Refuse an answer that ends before the delivered part does."""
        if not self._is_at_end and self.refusal is None:
            self.refusal = Refusal("shorter", self.overlap)
        return []

    @property
    def _is_at_end(self) -> bool:
        return self._piece == len(self._pieces)

    def _compare(self, is_text: bool, text: str) -> str:
        """Return what of `text` goes beyond the delivered pieces."""
        while text and not self._is_at_end:
            wanted_text, wanted = self._pieces[self._piece]
            same = min(len(text), len(wanted) - self._at)
            if is_text != wanted_text or not wanted.startswith(text[:same], self._at):
                agreed = common(wanted[self._at : self._at + same], text) if is_text and wanted_text else 0
                self.refusal = Refusal("differs", self.overlap + agreed)
                return ""
            self.overlap += same * is_text
            self._at += same
            text = text[same:]
            if self._at == len(wanted):
                self._piece, self._at = self._piece + 1, 0
        return text


class Rethought(Replayed):
    """Compares the answer to the same request after reasoning alone was delivered, and goes on where it says the same.

    Where it does not, all of it is given, in place of the reasoning that was delivered.
    """

    def __init__(self, partial: Partial) -> None:
        super().__init__(partial)
        self.restarts = False
        self._all: Batch = []

    def take(self, chunk: Chunk) -> Batch:
        """Leave out what agrees with the delivered part, or return all that has come when it does not agree."""
        self._all.append(chunk)
        return self._all_if_refused(super().take(chunk))

    def end(self) -> Batch:
        """Give what came, when it is another answer than the one whose beginning was delivered."""
        return self._all_if_refused(super().end())

    def _all_if_refused(self, given: Batch) -> Batch:
        if self.refusal is None or not self._all:
            return given
        self.refusal, self.overlap, self.restarts = None, 0, True
        return self._all


class _AfterPrefix:
    """Holds an answer until its beginning is checked, and joins it: for the two methods that send the delivered text
    along."""

    restarts = False

    def __init__(self, partial: Partial) -> None:
        self.overlap = 0
        self.refusal: Refusal | None = None
        self._body, kept = split_end(partial.text)
        self._join = Join(kept)
        self._others: Batch = []

    def take(self, chunk: Chunk) -> Batch:
        """Take a piece and return what may be delivered. Text is compared; reasoning waits for it; a tool call is no
        part of the text and decides that the answer goes on."""
        match chunk:
            case TextDelta():
                return self._given(self._join.feed(self._text(chunk.text)))
            case ReasoningDelta():
                self._others.append(chunk)
                return []
            case (
                ToolCallDelta() | ToolCall() | File() | ServerToolCall() | ServerToolResult() | Raw()
                | Source() | Logprobs() | Usage() | Finished() | Seam()
            ):  # fmt: skip
                self._others.append(chunk)
                return self.end()
            case _:
                assert_never(chunk)

    def end(self) -> Batch:
        """Return what was held, or refuse it where it does not continue the text."""
        rest = self._join.feed(self._rest())
        return self._given(rest + self._join.end(), certain=True)

    def _given(self, text: str, *, certain: bool = False) -> Batch:
        if not self._join.fits:
            self.refusal = self.refusal or Refusal("half_character")
        if self.refusal is not None or not (text or certain):
            return []
        self.overlap += self._join.dropped
        others, self._others = self._others, []
        reasoning = [chunk for chunk in others if isinstance(chunk, ReasoningDelta)]
        calls = [chunk for chunk in others if not isinstance(chunk, ReasoningDelta)]
        return [*reasoning, *([TextDelta(text)] if text else []), *calls]

    def _text(self, text: str) -> str:
        """Return what of a piece of text is known to continue the delivered text."""
        raise NotImplementedError

    def _rest(self) -> str:
        """Return what of the held text continues the delivered text, now that no more comes."""
        raise NotImplementedError


class Prefilled(_AfterPrefix):
    """Checks a reply to a request in which the delivered text was the beginning of the model's own turn.

    echoes: the provider is known to send that text again. Others do so unasked (llama.cpp without streaming), or do not
    know an unfinished turn and begin anew. So the beginning of every reply is looked at before it is believed.
    """

    def __init__(self, partial: Partial, *, echoes: bool = False) -> None:
        super().__init__(partial)
        self._gap = partial.text[len(self._body) :]
        self._echoes = echoes
        self._reply = ""
        self._looking = True

    def _text(self, text: str) -> str:
        if not self._looking:
            return text
        self._reply += text
        return "" if undecided(self._body, self._gap, self._reply) else self._decided()

    def _rest(self) -> str:
        return self._decided() if self._looking else ""

    def _decided(self) -> str:
        self._looking = False
        body, reply = self._body, self._reply
        if reply.startswith(body) and (self._echoes or (tells(body) and len(reply) > len(body))):
            self.overlap = len(body)
            return reply[len(body) :]
        if code := ignored(body, self._gap, reply):
            self.refusal = Refusal(code, common(body, reply))
            return ""
        return reply


class Instructed(_AfterPrefix):
    """Checks a reply of a model that was asked to go on. It says its last words again first, or goes on at once, or
    does neither."""

    def __init__(self, partial: Partial) -> None:
        super().__init__(partial)
        self._kept = partial.text[len(self._body) :]
        self._lead = ""
        self._reply = ""
        self._overlap = Overlap(self._body)
        self._looking = True

    def _text(self, text: str) -> str:
        if not self._looking:
            return text
        if not self._reply:
            word = text.lstrip()
            self._lead += text[: len(text) - len(word)]
            text = word
        self._reply += text
        self._overlap.feed(text)
        if len(self._reply) < LOOK:
            self._overlap.compare()
        enough = self._overlap.length or len(self._reply) >= LOOK
        return self._decided() if enough and not self._overlap.open else ""

    def _rest(self) -> str:
        rest = self._decided() if self._looking else ""
        if not rest and self.overlap >= len(self._body.lstrip()):
            self.refusal = self.refusal or Refusal("echo", self.overlap)
        return rest

    def _decided(self) -> str:
        self._looking = False
        self._overlap.compare()
        length, reply = self._overlap.length, self._reply
        if length:
            self.overlap = length
            return reply[length:]
        if reply and (code := objection(self._body, self._kept or self._lead, reply)) is not None:
            self.refusal = Refusal(code)
            return ""
        return self._lead + reply
