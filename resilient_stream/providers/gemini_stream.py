"""Gemini's answers as they are streamed, by the Gemini API and Vertex: events into chunks.

The one rule: a finish reason does not end the stream: older models send STOP with every event, and the last reason
stands. So an answer is closed when its body ends, and `gemini_ends.py` says what its reason means.
Must never: await, or know how the events were asked for.

Speed: most network reads of an answer hold nothing but text. Those are decoded as `_TextEvent`, whose types
admit nothing else; any other read is decoded as `_Event` and taken apart. Token counts come with every event
and only the last one stands, so they stay undecoded (`msgspec.Raw`) until a read is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from ..chunks import Finished, Raw, ReasoningDelta, TextDelta, Usage
from ..classify import classify_error
from ..contract import Batch
from ..errors import ErrorKind, Failure
from ..wire.broken import value_of
from ..wire.json_events import BatchDecoder, JsonEvents
from .counts import count
from .error_rules import rules_for
from .event_decoder import EventDecoder
from .gemini_calls import FunctionCall, GeminiCalls
from .gemini_ends import FINISH_REASONS, failure_of, name_of
from .holdings import Holdings

__all__ = ["GeminiReader", "gemini_decoder", "read_usage"]


class _TextPart(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    text: str


class _TextContent(msgspec.Struct, gc=False):
    parts: tuple[_TextPart]


class _TextCandidate(msgspec.Struct, gc=False):
    content: _TextContent
    finishReason: None = None
    index: Literal[0] = 0


class _TextEvent(msgspec.Struct, gc=False):
    """An event that is one text part and nothing else; anything more is a ValidationError."""

    candidates: tuple[_TextCandidate]
    usageMetadata: msgspec.Raw = msgspec.Raw(b"")
    error: None = None


class _Part(msgspec.Struct, gc=False):
    text: str | None = None
    thought: bool | None = None
    thoughtSignature: str | None = None
    functionCall: FunctionCall | None = None
    executableCode: Any = None
    codeExecutionResult: Any = None
    toolCall: Any = None
    toolResponse: Any = None
    inlineData: Any = None
    fileData: Any = None


class _Content(msgspec.Struct, gc=False):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, gc=False):
    content: _Content | None = None
    finishReason: str | int | None = None
    finishMessage: str | None = None
    index: int | None = 0
    citationMetadata: Any = None
    groundingMetadata: Any = None
    urlContextMetadata: Any = None


class _PromptFeedback(msgspec.Struct, gc=False):
    blockReason: str | int | None = None


class _Event(msgspec.Struct, gc=False):
    candidates: list[_Candidate] | None = None
    usageMetadata: msgspec.Raw = msgspec.Raw(b"")
    promptFeedback: _PromptFeedback | None = None
    error: Any = None
    modelVersion: Any = None
    responseId: Any = None


_TEXT = BatchDecoder(_TextEvent)
_Sent: TypeAlias = _Event | list[_Event]
"""Google's front-ends wrap an error in a list of one."""
_EITHER: Any = _Sent
_EVENTS: BatchDecoder[_Sent] = BatchDecoder(_EITHER)

_PART_EXTRAS = ("executableCode", "codeExecutionResult", "toolCall", "toolResponse", "inlineData", "fileData")
_CANDIDATE_EXTRAS = ("citationMetadata", "groundingMetadata", "urlContextMetadata")


def gemini_decoder(
    provider: str, *, max_event_bytes: int, raw: bool = False, eof_ok: bool = False
) -> EventDecoder[_Sent]:
    """The decoder of one streamed answer."""
    reader = GeminiReader(provider, raw=raw, holdings=Holdings(max_event_bytes))
    return EventDecoder(provider, reader, JsonEvents(_EVENTS, max_event_bytes), eof_ok=eof_ok)


class GeminiReader:
    """One streamed answer; see `event_decoder`. Candidate 0 is the answer; others come as `Raw`."""

    __slots__ = (
        "_calls", "_explanation", "_finish", "_provider", "_raw", "_usage", "_usage_text", "done", "failure",
        "model", "plain", "progress", "response_id", "seen",
    )  # fmt: skip

    texts = _TEXT

    def __init__(self, provider: str, *, raw: bool = False, holdings: Holdings | None = None) -> None:
        self._provider = provider
        self._raw = raw
        self._calls = GeminiCalls(holdings)
        self._finish: str | None = None
        self._explanation = ""
        self._usage: Usage | None = None
        self._usage_text = b""
        self.plain = False
        self.seen = False
        self.failure: Failure | None = None
        self.done = False
        self.progress = 0
        self.model: str | None = None
        self.response_id: str | None = None

    def text(self, events: list[_TextEvent]) -> Batch:
        """The chunks of a read that is nothing but text."""
        batch: Batch = [TextDelta(text) for event in events if (text := event.candidates[0].content.parts[0].text)]
        self._count_tokens(events[-1].usageMetadata, batch)
        return batch

    def read(self, events: list[_Sent], payloads: Sequence[bytes], batch: Batch) -> None:
        """The chunks of some events, up to a failure among them."""
        usage = msgspec.Raw(b"")
        for event in _flat(events):
            self.model = event.modelVersion or self.model
            self.response_id = event.responseId or self.response_id
            usage = event.usageMetadata or usage
            for candidate in event.candidates or ():
                self._read_candidate(candidate, batch)
            self.failure = self.failure or self._failure_in(event)
            if self.failure is not None:
                break
        # Is the next read worth trying as text alone?
        self.plain = bool(batch) and type(batch[-1]) is TextDelta and not self._finish and not self._raw
        self._count_tokens(usage, batch)

    def _count_tokens(self, usage: msgspec.Raw, batch: Batch) -> None:
        """The read's last counts as a chunk, when they say something new."""
        text = bytes(usage)
        if not text or text == self._usage_text:
            return
        self._usage_text = text
        counts = read_usage(value_of(text))
        if counts is not None and counts != self._usage:
            self._usage = counts
            batch.append(counts)

    def _read_candidate(self, candidate: _Candidate, batch: Batch) -> None:
        if candidate.index:
            self._report("candidate", candidate, batch)
            return
        for part in (candidate.content and candidate.content.parts) or ():
            self._read_part(part, batch)
        if self._raw:
            self._read_extras(candidate, _CANDIDATE_EXTRAS, batch)
        reason = name_of(candidate.finishReason)
        if reason:
            self._finished(reason, candidate.finishMessage or "", batch)

    def _read_part(self, part: _Part, batch: Batch) -> None:
        if part.functionCall is not None:
            made = self._calls.read(part.functionCall, part.thoughtSignature, self.response_id)
            self.progress += not made
            self.seen = self.seen or len(self._calls) > 0
            batch += made
            return
        if part.text:
            self.seen = True
            batch.append(ReasoningDelta(part.text) if part.thought else TextDelta(part.text))
        if self._read_extras(part, _PART_EXTRAS, batch):
            self.seen = True
            self.progress += 1
        elif part.thoughtSignature:
            # It belongs to the text before it, or to an empty part of its own (recordings QUIRKS 39).
            batch.append(ReasoningDelta("", part.thoughtSignature))
        elif part.text is None:
            self.progress += 1

    def _read_extras(self, holder: _Part | _Candidate, names: tuple[str, ...], batch: Batch) -> bool:
        """What stands in these fields, as `Raw` when asked for; whether there was anything."""
        found = [(name, value) for name in names if (value := getattr(holder, name)) is not None]
        for name, value in found:
            self._report(name, value, batch)
        return bool(found)

    def _report(self, name: str, value: Any, batch: Batch) -> None:
        if self._raw:
            batch.append(Raw(self._provider, name, _as_json(value)))

    def _finished(self, reason: str, message: str, batch: Batch) -> None:
        batch += self._calls.stop() if reason == "STOP" else self._calls.end(whole=False)
        self.failure = failure_of(reason, message, self.seen)
        self._finish = reason
        self._explanation = message

    def _failure_in(self, event: _Event) -> Failure | None:
        if event.error:
            return classify_error({"error": event.error}, rules_for(self._provider))
        blocked = event.promptFeedback.blockReason if event.promptFeedback else None
        if blocked and not event.candidates and not self.seen:
            return Failure(kind=ErrorKind.CONTENT_FILTERED, code=str(blocked))
        return None

    def may_end(self, marked: bool, cut: bool) -> bool:
        """After any finish reason, but not within an event: there was more to come."""
        return self._finish is not None and not cut

    def close(self) -> Batch:
        """The finish reason, last of all."""
        self.done = True
        batch: Batch = [*self._calls.end(whole=False)]
        if self._finish is not None:
            reason, kind = FINISH_REASONS[self._finish]
            reason = "tool_calls" if reason == "stop" and self._calls else reason
            batch.append(Finished(reason, self._finish, kind, self._explanation))
        return batch


def _flat(events: list[_Sent]) -> list[_Event]:
    return [one for event in events for one in (event if isinstance(event, list) else [event])]


def _as_json(value: Any) -> Any:
    """A struct of ours as the JSON it came from, without the fields it did not have."""
    if not isinstance(value, msgspec.Struct):
        return value
    return {name: item for name, item in msgspec.to_builtins(value).items() if item is not None}


def read_usage(usage: Any) -> Usage | None:
    """Gemini's counts as it gives them: thoughts are not among the candidates, nor tool use in the prompt.

    None when there is no count in it: Vertex sends its traffic type alone until the end.
    """
    if not isinstance(usage, dict):
        return None
    counts = Usage(
        input_tokens=count(usage.get("promptTokenCount")),
        output_tokens=count(usage.get("candidatesTokenCount")),
        reasoning_tokens=count(usage.get("thoughtsTokenCount")),
        cached_input_tokens=count(usage.get("cachedContentTokenCount")),
    )
    return None if counts == Usage() else counts
