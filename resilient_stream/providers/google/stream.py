"""Decodes Gemini's streams, from the Gemini API and Vertex, into chunks.

A finish reason does not end the stream: older models send STOP with every event, and the last reason counts. So an
answer is closed when its body ends; `ends.py` says what its reason means. The events' types are in `events.py`.
This module must never await.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from ...chunks import Finished, Logprobs, ReasoningDelta, TextDelta, Usage
from ...classify import classify_error
from ...contract import Batch
from ...failures import ErrorKind, Failure
from ...wire.broken import event_value
from ...wire.json_events import JsonEvents
from ...wire.limits import few
from .. import rules_for
from ..shared.counts import count
from ..shared.event_decoder import EventDecoder
from ..shared.holdings import Holdings
from ..shared.unmodelled import Unmodelled, is_blank_error
from ..shared.values import list_of, object_of, text_of
from .calls import GeminiCalls
from .ends import FINISH_REASONS, failure_of, name_of
from .events import (  # fmt: skip
    CANDIDATE,
    CONTENT,
    EVENT,
    EVENTS,
    PART,
    PART_EXTRAS,
    TEXT,
    Candidate,
    Event,
    Part,
    Sent,
    TextEvent,
)
from .grounding import Grounding, token_objects
from .parts import OwnParts
from .places import Places

__all__ = ["GeminiReader", "gemini_decoder", "read_usage"]


def gemini_decoder(
    provider: str, *, max_event_bytes: int, raw: bool = False, eof_ok: bool = False, cites: bool = False
) -> EventDecoder[Sent]:
    """Return the decoder of one streamed answer. cites: it may have citations."""
    reader = GeminiReader(provider, raw=raw, holdings=Holdings(max_event_bytes), cites=cites)
    return EventDecoder(provider, reader, JsonEvents(EVENTS, max_event_bytes), eof_ok=eof_ok)


class GeminiReader:
    """Reads the events of one streamed answer; see `event_decoder`. Candidate 0 is the answer; others are passed on as
    `Raw`."""

    __slots__ = (
        "_calls", "_explanation", "_finish", "_grounding", "_own", "_places", "_provider", "_unmodelled", "_usage",
        "_usage_text", "done", "failure", "model", "plain", "progress", "response_id", "seen",
    )  # fmt: skip

    texts = TEXT

    def __init__(
        self, provider: str, *, raw: bool = False, holdings: Holdings | None = None, cites: bool = False
    ) -> None:
        holdings = holdings or Holdings()
        self._provider = provider
        self._unmodelled = Unmodelled(provider, raw=raw)
        self._calls = GeminiCalls(holdings)
        self._own = OwnParts()
        self._places = Places(holdings.limit, located=cites)
        self._grounding = Grounding(holdings, self._places)
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

    @property
    def unmodelled(self) -> Mapping[str, int]:
        """Return the names of content without a chunk class, with how often each came."""
        return self._unmodelled.counts

    def text(self, events: list[TextEvent]) -> Batch:
        """Return the chunks of a read that contains only text."""
        batch: Batch = [TextDelta(text) for event in events if (text := event.candidates[0].content.parts[0].text)]
        if self._places.located:
            self._places.add([chunk.text for chunk in batch])
        self._count_tokens(events[-1].usageMetadata, batch)
        return batch

    def read(self, events: list[Sent], payloads: Sequence[bytes], batch: Batch) -> None:
        """Put the chunks of some events into `batch`, up to a failure among them."""
        usage = msgspec.Raw(b"")
        sent = _flat(events)
        # In practice an event that is a list is an error, and its events have no payloads of their own.
        texts = payloads if len(payloads) == len(sent) else ()
        for place, event in enumerate(sent):
            self.model = text_of(event.modelVersion) or self.model
            self.response_id = text_of(event.responseId) or self.response_id
            usage = event.usageMetadata or usage
            for candidate in event.candidates or ():
                self._read_candidate(candidate, batch)
            if place < len(texts) and (type(event) is Event or self._unmodelled.raw):
                self._read_beside(object_of(event_value(texts[place])), batch)
            self.failure = self.failure or self._failure_in(event)
            if self.failure is not None:
                break
        # Whether the next read should be tried as text alone.
        self.plain = bool(batch) and type(batch[-1]) is TextDelta and not self._finish
        self.plain = self.plain and not self._unmodelled.raw
        self._count_tokens(usage, batch)

    def _count_tokens(self, usage: msgspec.Raw, batch: Batch) -> None:
        """Add the read's last counts as a chunk when they are new."""
        text = bytes(usage)
        if not text or text == self._usage_text:
            return
        self._usage_text = text
        counts = read_usage(event_value(text))
        if counts is not None and counts != self._usage:
            self._usage = counts
            batch.append(counts)

    def _read_candidate(self, candidate: Candidate, batch: Batch) -> None:
        if candidate.index:
            batch.append(self._unmodelled.content("candidate", msgspec.to_builtins(candidate)))
            return
        parts = candidate.content.parts if candidate.content else None
        for part in [parts] if isinstance(parts, Part) else few(parts or []):
            self._read_part(part, batch)
        self._read_evidence(candidate, batch)
        reason = name_of(candidate.finishReason)
        if reason:
            self._finished(reason, candidate.finishMessage or "", batch)

    def _read_part(self, part: Part, batch: Batch) -> None:
        if self._places.located:
            self._follow_text(part)
        if part.functionCall is not None:
            made = self._calls.read(part.functionCall, part.thoughtSignature, self.response_id)
            self.progress += not made
            self.seen = self.seen or len(self._calls) > 0
            batch += made
            return
        batch += self._calls.pause()
        if part.text:
            self.seen = True
            batch.append(ReasoningDelta(part.text) if part.thought else TextDelta(part.text))
        if own := self._own_part(part):
            self.seen = True
            self.progress += 1
            batch += own
        elif part.thoughtSignature:
            # A signature belongs to the text before it, or comes on an empty part of its own.
            batch.append(ReasoningDelta("", part.thoughtSignature))
        elif part.text is None:
            self.progress += 1

    def _follow_text(self, part: Part) -> None:
        """Keep the answer's text in order to find passages in it."""
        kind = "other" if part.text is None else "thought" if part.thought else "text"
        if part.text != "":
            self._places.part(kind)
        if part.text and kind == "text":
            self._places.add([part.text])

    def _own_part(self, part: Part) -> Batch:
        """Return files, code that ran and Google's own tools; a part of such a name that is odd is a block."""
        sent = [name for name in PART_EXTRAS if getattr(part, name) is not None]
        if not sent:
            return []
        return self._own.read(part) or [self._unmodelled.block(sent[0], msgspec.to_builtins(part))]

    def _read_evidence(self, candidate: Candidate, batch: Batch) -> None:
        """Read what stands beside the content: what it rests on, and how probable its words were."""
        for name, read in _EVIDENCE.items():
            if (value := getattr(candidate, name)) is not None:
                batch += self._unmodelled.aside(name, value)
                batch += read(self, value) if isinstance(value, dict) else self._unmodelled.fields({name: value}, EVENT)

    def _logprobs(self, result: dict[str, Any]) -> Batch:
        tokens = token_objects(result)
        return [Logprobs(tokens)] if tokens else []

    def _read_beside(self, event: dict[str, Any], batch: Batch) -> None:
        """Pass on what the reader does not read of an event: unknown fields, and parts of unknown types."""
        event = object_of(event.get("response")) or event
        candidates = map(object_of, list_of(event.get("candidates")))
        for candidate in (each for each in candidates if not each.get("index")):
            content = object_of(candidate.get("content"))
            parts = content.get("parts")
            for part in [parts] if isinstance(parts, dict) else list_of(parts):
                batch += self._unknown_fields(object_of(part))
            batch += self._unmodelled.fields(content, CONTENT)
            batch += self._unmodelled.fields(candidate, CANDIDATE, once=True)
        batch += self._unmodelled.fields(event, EVENT, once=True)

    def _unknown_fields(self, part: dict[str, Any]) -> Batch:
        """Return the unknown fields of a part. A part with nothing else is a part of a new type, which can be sent
        back."""
        others = {name: value for name, value in part.items() if name not in PART_EXTRAS}
        if others.keys() & {"text", "functionCall", "thoughtSignature"} or len(others) < len(part):
            return [*self._unmodelled.fields(others, PART)]
        name = next((name for name in others if name not in PART.aside), None)
        return [] if name is None else [self._unmodelled.block(name, part)]

    def _finished(self, reason: str, message: str, batch: Batch) -> None:
        batch += self._calls.stop() if reason == "STOP" else self._calls.end(whole=False)
        self.failure = failure_of(reason, message, self.seen)
        self._finish = reason
        self._explanation = message

    def _failure_in(self, event: Event) -> Failure | None:
        if event.error and not (event.candidates and is_blank_error(event.error)):
            return classify_error({"error": event.error}, rules_for(self._provider))
        blocked = event.promptFeedback.blockReason if event.promptFeedback else None
        if blocked and not event.candidates and not self.seen:
            return Failure(kind=ErrorKind.CONTENT_FILTERED, code=str(blocked))
        return None

    def may_end(self, marked: bool, cut: bool) -> bool:
        """Return whether there was a finish reason and the body did not end within an event."""
        return self._finish is not None and not cut

    def close(self) -> Batch:
        """Return the finish reason, the last chunk of all."""
        self.done = True
        batch: Batch = [*self._calls.end(whole=False), *self._grounding.rest(tools=not self._own.called)]
        if self._finish is not None:
            reason, kind = FINISH_REASONS[self._finish]
            reason = "tool_calls" if reason == "stop" and self._calls else reason
            batch.append(Finished(reason, self._finish, kind, self._explanation))
        return batch


def _flat(events: list[Sent]) -> list[Event]:
    """Return the events of a list, or in a gateway's wrapping, as if each had come alone."""
    single = [one for event in events for one in (event if isinstance(event, list) else [event])]
    return [_unwrapped(event) if isinstance(event.response, dict) else event for event in single]


def _unwrapped(event: Event) -> Event:
    return event if event.candidates else msgspec.convert(event.response, Event)


_Evidence: TypeAlias = Callable[[GeminiReader, dict[str, Any]], Batch]

_EVIDENCE: Mapping[str, _Evidence] = {
    "groundingMetadata": lambda reader, value: reader._grounding.metadata(value),
    "citationMetadata": lambda reader, value: reader._grounding.citations(value),
    "urlContextMetadata": lambda reader, value: reader._grounding.pages(value),
    "logprobsResult": GeminiReader._logprobs,
}


def read_usage(usage: Any) -> Usage | None:
    """Return Gemini's counts as it gives them: candidates exclude thoughts, and the prompt excludes tool use.

    None when there is no count: Vertex sends its traffic type alone until the end.
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
