"""Gemini's answers as they are streamed, by the Gemini API and Vertex: events into chunks.

A finish reason does not end the stream: older models send STOP with every event, and the last reason stands. So an
answer is closed when its body ends, and `gemini_ends.py` says what its reason means. This module must never await, or
know how the events were asked for. The events' types are in `gemini_events.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ...chunks import Finished, ReasoningDelta, TextDelta, Usage
from ...classify import classify_error
from ...contract import Batch
from ...failures import ErrorKind, Failure
from ...wire.broken import event_value
from ...wire.json_events import JsonEvents
from ..shared.counts import count
from ..shared.error_rules import rules_for
from ..shared.event_decoder import EventDecoder
from ..shared.holdings import Holdings
from ..shared.unmodelled import Unmodelled
from ..shared.values import list_of, object_of, text_of
from .calls import GeminiCalls
from .ends import FINISH_REASONS, failure_of, name_of
from .events import (  # fmt: skip
    CANDIDATE,
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

__all__ = ["GeminiReader", "gemini_decoder", "read_usage"]


def gemini_decoder(
    provider: str, *, max_event_bytes: int, raw: bool = False, eof_ok: bool = False
) -> EventDecoder[Sent]:
    """The decoder of one streamed answer."""
    reader = GeminiReader(provider, raw=raw, holdings=Holdings(max_event_bytes))
    return EventDecoder(provider, reader, JsonEvents(EVENTS, max_event_bytes), eof_ok=eof_ok)


class GeminiReader:
    """One streamed answer; see `event_decoder`. Candidate 0 is the answer; others come as `Raw`."""

    __slots__ = (
        "_calls", "_explanation", "_finish", "_provider", "_unmodelled", "_usage", "_usage_text", "done", "failure",
        "model", "plain", "progress", "response_id", "seen",
    )  # fmt: skip

    texts = TEXT

    def __init__(self, provider: str, *, raw: bool = False, holdings: Holdings | None = None) -> None:
        self._provider = provider
        self._unmodelled = Unmodelled(provider, raw=raw)
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

    @property
    def unmodelled(self) -> Mapping[str, int]:
        """What came that has no chunk class, by name."""
        return self._unmodelled.counts

    def text(self, events: list[TextEvent]) -> Batch:
        """The chunks of a read that is nothing but text."""
        batch: Batch = [TextDelta(text) for event in events if (text := event.candidates[0].content.parts[0].text)]
        self._count_tokens(events[-1].usageMetadata, batch)
        return batch

    def read(self, events: list[Sent], payloads: Sequence[bytes], batch: Batch) -> None:
        """The chunks of some events, up to a failure among them."""
        usage = msgspec.Raw(b"")
        sent = _flat(events)
        # A list of events in one is an error in practice, and has no text of its own to look at.
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
        # Is the next read worth trying as text alone?
        self.plain = bool(batch) and type(batch[-1]) is TextDelta and not self._finish
        self.plain = self.plain and not self._unmodelled.raw
        self._count_tokens(usage, batch)

    def _count_tokens(self, usage: msgspec.Raw, batch: Batch) -> None:
        """The read's last counts as a chunk, when they say something new."""
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
            batch.append(self._unmodelled.content("candidate", _as_json(candidate)))
            return
        parts = candidate.content.parts if candidate.content else None
        for part in [parts] if isinstance(parts, Part) else parts or ():
            self._read_part(part, batch)
        reason = name_of(candidate.finishReason)
        if reason:
            self._finished(reason, candidate.finishMessage or "", batch)

    def _read_part(self, part: Part, batch: Batch) -> None:
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
        if extras := self._extras(part):
            self.seen = True
            self.progress += 1
            batch += extras
        elif part.thoughtSignature:
            # It belongs to the text before it, or to an empty part of its own (seen on the wire).
            batch.append(ReasoningDelta("", part.thoughtSignature))
        elif part.text is None:
            self.progress += 1

    def _extras(self, part: Part) -> Batch:
        """Pictures, code that ran, tools of Google's own: at their place between the texts."""
        found = ((name, getattr(part, name)) for name in PART_EXTRAS)
        return [self._unmodelled.content(name, value) for name, value in found if value is not None]

    def _read_beside(self, event: dict[str, Any], batch: Batch) -> None:
        """What an event has that is not read: sources, and fields that nobody here knows."""
        event = object_of(event.get("response")) or event
        candidates = map(object_of, list_of(event.get("candidates")))
        for candidate in (each for each in candidates if not each.get("index")):
            parts = object_of(candidate.get("content")).get("parts")
            for part in [parts] if isinstance(parts, dict) else list_of(parts):
                batch += self._others(object_of(part))
            batch += self._unmodelled.fields(candidate, CANDIDATE, once=True)
        batch += self._unmodelled.fields(event, EVENT, once=True)

    def _others(self, part: dict[str, Any]) -> Batch:
        """The fields of a part that are new. One that has nothing else is a part of a new kind."""
        others = {name: value for name, value in part.items() if name not in PART_EXTRAS}
        if others.keys() & {"text", "functionCall", "thoughtSignature"} or len(others) < len(part):
            return [*self._unmodelled.fields(others, PART)]
        return [self._unmodelled.content(name, value) for name, value in others.items() if name not in PART.aside]

    def _finished(self, reason: str, message: str, batch: Batch) -> None:
        batch += self._calls.stop() if reason == "STOP" else self._calls.end(whole=False)
        self.failure = failure_of(reason, message, self.seen)
        self._finish = reason
        self._explanation = message

    def _failure_in(self, event: Event) -> Failure | None:
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


def _flat(events: list[Sent]) -> list[Event]:
    """Events that came in a list, or wrapped by a gateway, as if they had come alone."""
    single = [one for event in events for one in (event if isinstance(event, list) else [event])]
    return [_unwrapped(event) if isinstance(event.response, dict) else event for event in single]


def _unwrapped(event: Event) -> Event:
    return event if event.candidates else msgspec.convert(event.response, Event)


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
