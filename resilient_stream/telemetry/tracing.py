"""Makes one span for each call, under the caller's, and one under it for each request sent.

    chat gpt-5-mini                      the call: what was asked, what came of it; events: retry, fallback, seam
      request gpt-5-mini                 one request: where to, status, times, why it failed
      request claude-haiku-4-5

Each span is ended exactly once, with its own status and with the times of the attempt's record. A failure and a missed
deadline are errors; a caller that leaves is not.

No span is the current one across a `yield`: the caller's own spans would become its children. So the parent is passed
explicitly. The parent of the call's span is the one that was current at the first pull, or the conversation's.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from opentelemetry import propagate
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from ..engine.call import Call
from ..events import AttemptFailed, AttemptStarted, FellBack, Hedged, RetryScheduled, StreamEnded
from ..outcome.errors import StreamError
from ..outcome.transcript import Attempt, Outcome, Transcript
from . import attributes, content
from .sink import Sink
from .words import Words

__all__ = ["CONVERSATION", "Trace", "Within", "close", "end_of_call", "nanoseconds"]

CONVERSATION = "gen_ai.conversation.id"

logger = logging.getLogger("resilient_stream")


class Within(NamedTuple):
    """Holds the conversation of a turn: its id, and its span."""

    id: str
    span: Span


class Trace(Sink):
    """Makes the spans of one call. around: the caller's context."""

    def __init__(
        self, tracer: Tracer, call: Call, around: Context, *, with_content: bool, within: Within | None = None
    ) -> None:
        self._tracer = tracer
        self._words = Words(call, with_detail=with_content)
        self._with_content = with_content
        request = call.request
        known = attributes.conversation_id(request) if within is None else within.id
        self._within = within
        self._own: dict[str, Any] = {} if known is None else {CONVERSATION: known}
        self._span = tracer.start_span(
            f"{attributes.OPERATION} {request.target.model}",
            around,
            SpanKind.CLIENT,
            {**attributes.asked(request), **self._own, "resilient_stream.call_id": call.id},
            start_time=nanoseconds(call.transcript.started),
        )
        self._context = set_span_in_context(self._span, around)
        self._open: dict[int, tuple[Span, Attempt]] = {}
        self._contexts: dict[int, Context] = {}
        self._latest = 0
        self._streamed = False
        if with_content and self._span.is_recording():
            self._span.set_attributes(content.prompt(request))

    def context(self, record: Attempt | None = None) -> Context:
        """Return the context of a request's span, or of the call's."""
        return self._contexts.get(id(record), self._context)

    def headers(self, record: Attempt) -> Mapping[str, str]:
        """Return the headers that make the provider's spans children of the request's span."""
        carrier: dict[str, str] = {}
        try:
            propagate.inject(carrier, self.context(record))
        except Exception:
            logger.exception("a propagator of OpenTelemetry raised; the request is sent without a trace's context")
        return carrier

    def attempt_started(self, event: AttemptStarted) -> None:
        """Start a span for the request."""
        record = event.record
        if record is None:
            return
        where = attributes.place(event.host)
        self._span.set_attributes(where)
        if event.stream or self._streamed:  # the attribute is written only where it is true, or changes back to false
            self._span.set_attribute(attributes.STREAMED, event.stream)
            self._streamed = True
        provider, model = attributes.split_target(event.target)
        labels = {
            "gen_ai.provider.name": attributes.provider_name(provider),
            "gen_ai.request.model": model,
            "resilient_stream.target": event.target,
            "resilient_stream.attempt": event.attempt,
            **({attributes.STREAMED: True} if event.stream else {}),
            **self._own,
            **where,
        }
        started = nanoseconds(record.started)
        span = self._tracer.start_span(f"request {model}", self._context, SpanKind.CLIENT, labels, start_time=started)
        self._open[id(record)] = (span, record)
        self._contexts[id(record)] = set_span_in_context(span, self._context)

    def attempt_failed(self, event: AttemptFailed) -> None:
        """End the request's span with an error. A request that was never sent has no span."""
        if (found := self._open.pop(id(event.record), None)) is not None:
            self._end_attempt(*found, "failed", event.error)

    def retry(self, event: RetryScheduled) -> None:
        """Add an event between two requests."""
        self._add_event("retry", {
            "resilient_stream.target": event.target,
            "resilient_stream.attempt": event.attempt,
            "resilient_stream.attempts": event.attempts,
            "resilient_stream.wait": event.wait,
            "error.type": event.error.kind.value,
        })  # fmt: skip

    def fell_back(self, event: FellBack) -> None:
        """Add an event between two requests, or between two turns if a person is asked how to go on."""
        self._add_event("fallback", {
            "resilient_stream.source": event.source,
            "resilient_stream.target": event.target,
            "resilient_stream.how": event.how,
            "error.type": event.error.kind.value,
        })  # fmt: skip

    def hedged(self, event: Hedged) -> None:
        """Add an event while a request runs."""
        self._add_event("hedge", {
            "resilient_stream.source": event.source,
            "resilient_stream.target": event.target,
            "resilient_stream.wait": event.after,
        })  # fmt: skip

    def ended(self, event: StreamEnded) -> None:
        """End every span that is still open."""
        transcript = event.transcript
        outcome = transcript.outcome or "failed"
        for span, record in self._open.values():
            self._end_attempt(span, record, _outcome_of(record, outcome), transcript.error)
        if self._span.is_recording():
            self._span.set_attributes(attributes.whole(transcript))
            if len(transcript.attempts) > 1:  # only then, since every chunk of the answer is looked at
                self._tell_seams(transcript)
            if self._with_content:
                self._span.set_attributes(content.reply(transcript))
        # Requests are timed by another clock than calls; by some microseconds, none may outlive its call.
        at = max(self._latest, nanoseconds(end_of_call(transcript)) or 0)
        self._close(self._span, outcome, transcript.error, at or None)

    def _add_event(self, name: str, labels: dict[str, Any]) -> None:
        """Add an event to the call's span, or to the conversation's span when the turn and its span have ended."""
        if self._span.is_recording():
            self._span.add_event(name, labels)
        elif self._within is not None:
            self._within.span.add_event(name, labels)

    def _end_attempt(self, span: Span, record: Attempt, outcome: Outcome, error: StreamError | None) -> None:
        if span.is_recording():
            span.set_attributes(attributes.answered(record))
            span.set_attribute("resilient_stream.outcome", outcome)
            if record.hedge:
                span.set_attribute("resilient_stream.hedge", True)
        at = nanoseconds(_end_of_attempt(record))
        self._latest = max(self._latest, at or 0)
        self._close(span, outcome, error, at)

    def _close(self, span: Span, outcome: Outcome, error: StreamError | None, at: int | None) -> None:
        close(span, outcome, error, self._words, at)

    def _tell_seams(self, transcript: Transcript) -> None:
        """Add the seams as events, each with the time of the first content after it."""
        answering = [record for record in transcript.attempts if record.time_to_first_chunk is not None][1:]
        times: list[float | None] = [record.started + (record.time_to_first_chunk or 0) for record in answering]
        for seam, at in zip(transcript.seams, times + [None] * len(transcript.seams), strict=False):
            labels: dict[str, Any] = {
                "resilient_stream.source": seam.source,
                "resilient_stream.target": seam.target,
                "resilient_stream.how": seam.method,
                "resilient_stream.overlap": seam.overlap,
                "resilient_stream.restart": seam.restart,
            }
            self._span.add_event("seam", labels, nanoseconds(at))


def close(span: Span, outcome: Outcome, error: StreamError | None, words: Words, at: int | None) -> None:
    """End the span of a request, a call or a conversation. This is the only place where a span is ended."""
    if (kind := attributes.error_type(outcome, error)) is not None and span.is_recording():
        span.set_attributes({"error.type": kind} if error is None else attributes.ended(error))
        span.set_status(Status(StatusCode.ERROR, words.about(error) if error is not None else None))
    span.end(at)


def _outcome_of(record: Attempt, outcome: Outcome) -> Outcome:
    """Return how a request that did not fail by itself ended: as its call did, or it was left without an answer."""
    return "abandoned" if outcome == "complete" and record.time_to_first_chunk is None else outcome


def _end_of_attempt(record: Attempt) -> float | None:
    return None if record.duration is None else record.started + record.duration


def end_of_call(transcript: Transcript) -> float | None:
    """Return when a call or a conversation ended, in seconds since 1970."""
    started, duration = transcript.started, transcript.duration
    return None if started is None or duration is None else started + duration


def nanoseconds(seconds: float | None) -> int | None:
    """Return a time in the unit of spans."""
    return None if seconds is None else int(seconds * 1e9)
