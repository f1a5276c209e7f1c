"""Writes what a call tells the logger `resilient_stream`.

    ERROR    the call failed, and will not be tried again
    WARNING  a request failed and is sent again, or another way is taken; out of time; this process lacks something
    INFO     begin and end of a call, what its retries were, details of a fallback
    DEBUG    every request: sent, head, first content, end; chains of causes; connections closed

A line is a template and its values, and is made only when its level is on. Its facts are also in `extra`, under the
names in `log_fields.FIELDS`. No line has a prompt, an answer, a header or a key, or a sentence of a provider, because
providers quote what they were sent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from ..engine.call import Call
from ..engine.clock import NEVER
from ..events import (
    AttemptFailed,
    AttemptProgress,
    AttemptStarted,
    BreakerChanged,
    FallbackType,
    FellBack,
    Hedged,
    RetryScheduled,
    State,
    Step,
    StreamEnded,
)
from ..failures import ErrorCategory, ErrorKind
from ..outcome.errors import StreamError
from ..outcome.transcript import Attempt, Outcome, Transcript
from . import log_fields
from .attributes import known
from .current import log_within
from .sink import Sink
from .words import Words, tame

__all__ = ["CHANGES", "LEVELS", "STEPS", "WAYS", "CallLog"]

logger = logging.getLogger("resilient_stream")

LEVELS: Mapping[Outcome, int] = {
    "complete": logging.INFO,
    "failed": logging.ERROR,
    "deadline": logging.WARNING,
    "cancelled": logging.INFO,
    "abandoned": logging.INFO,
    "client_closed": logging.INFO,
}
"""The log level of each outcome."""

WAYS: Mapping[FallbackType, str] = {
    "provider_switch": "%s %s: %s Not retrying it; going on with %s",
    "continuation": "%s %s: %s Not retrying it; the answer is continued by %s",
    "buffered": "%s %s: %s Not retrying the stream; asking %s for the whole answer at once (buffered)",
    "interactive": "%s %s: %s Asking a person, then going on with %s",
}
"""The templates for a fallback. Their values are the call, the target, what happened and the next target."""

BY_MEMORY = "%s %s: %s Memory is short: falling back to buffered mode, asking %s for the whole answer at once"

CHANGES: Mapping[State, tuple[int, str]] = {
    "open": (
        logging.WARNING,
        "%s %s: the breaker is open: %.0f %% of its requests failed of late. Not asked for %.3g s",
    ),
    "half_open": (logging.INFO, "%s %s: the breaker is half open: this request tests whether the target is well"),
    "closed": (logging.INFO, "%s %s: the breaker is closed: the target is asked as usual again"),
}
"""The level and the template for each state that a target's breaker comes to."""

STEPS: Mapping[Step, str] = {
    "head": "%s %s: head of the answer after %.3f s, status %s",
    "content": "%s %s: first content after %.3f s",
    "kept": "%s %s: request over after %.3f s, chunks: %d; its connection is kept",
    "closed": "%s %s: request over after %.3f s, chunks: %d; its connection is closed",
    "idle_closed": "%s %s: after its failure, connections that nobody used are closed",
}


class CallLog(Sink):
    """Writes the log of one call. context: returns the trace's context of a request, or of the call."""

    def __init__(self, call: Call, context: Callable[[Attempt | None], Any]) -> None:
        self._call = call
        self._words = Words(call)
        self._context = context
        call.observing.followed = call.observing.followed or logger.isEnabledFor(logging.DEBUG)
        if logger.isEnabledFor(logging.INFO):
            names = [target.name for target in call.request.targets or (call.request.target,)]
            self._log_line(logging.INFO, "%s started: %s", call.id, ", else ".join(names), targets=names)

    def attempt_started(self, event: AttemptStarted) -> None:
        """Log at DEBUG where the request goes."""
        if logger.isEnabledFor(logging.DEBUG):
            facts = {**log_fields.named(event.target), "attempt": event.attempt, "host": event.host or None}
            self._log_line(
                logging.DEBUG, "%s %s: request %d goes to %s", self._call.id, event.target, event.attempt,
                event.host or "a program", record=event.record, **facts,
            )  # fmt: skip

    def progress(self, event: AttemptProgress) -> None:
        """Log at DEBUG how far a request has come, and what became of its connection."""
        if logger.isEnabledFor(logging.DEBUG) and any(event.record is sent for sent in self._call.transcript.attempts):
            facts = {**log_fields.named(event.target), "attempt": event.attempt, **log_fields.figures(event.record)}
            values = _values_of_step(event.step, event.record)
            self._log_line(
                logging.DEBUG, STEPS[event.step], self._call.id, event.target, *values, record=event.record, **facts
            )

    def attempt_failed(self, event: AttemptFailed) -> None:
        """Log at DEBUG why a request failed; at WARNING if this process lacks something."""
        error, record = event.error, event.record
        if logger.isEnabledFor(logging.DEBUG):
            self._log_line(
                logging.DEBUG, "%s %s: request %d failed: %s", self._call.id, event.target, event.attempt,
                log_fields.chain(error), record=record, **log_fields.why(error),
            )  # fmt: skip
        if error.category is ErrorCategory.RESOURCE and logger.isEnabledFor(logging.WARNING):
            self._log_line(
                logging.WARNING, "%s %s: this process is short of something. %s", self._call.id, event.target,
                self._described(error), record=record, **log_fields.why(error),
            )  # fmt: skip

    def retry(self, event: RetryScheduled) -> None:
        """Log at WARNING that the same target is tried again."""
        if logger.isEnabledFor(logging.WARNING):
            again, most = event.attempt + 1, event.attempts
            facts = {**log_fields.why(event.error), "attempt": again, "attempts": most, "wait": event.wait}
            self._log_line(
                logging.WARNING, "%s %s: %s Retrying in %.3g s (attempt %d/%d)", self._call.id, event.target,
                self._described(event.error), event.wait, again, most, **facts,
            )  # fmt: skip

    def fell_back(self, event: FellBack) -> None:
        """Log at WARNING that another way is taken, and at INFO what is left and what would help."""
        if not logger.isEnabledFor(logging.WARNING):
            return
        error = event.error
        facts = {
            **log_fields.why(error), **log_fields.named(event.source),
            "next_target": event.target, "fallback": event.how,
        }  # fmt: skip
        by_memory = event.how == "buffered" and error.kind is ErrorKind.OUT_OF_MEMORY
        line = BY_MEMORY if by_memory else WAYS[event.how]
        self._log_line(
            logging.WARNING, line, self._call.id, event.source, self._described(error), event.target, **facts
        )
        if logger.isEnabledFor(logging.INFO):
            # What to do about a cut answer is being done when it is continued.
            advice = "" if event.how == "continuation" else f" About {event.source}: {self._words.advice(error)}"
            self._log_line(
                logging.INFO, "%s fell back (%s); requests sent: %d, time left: %s.%s", self._call.id, event.how,
                self._call.transcript.requests, _time_left(self._call), advice, **facts,
            )  # fmt: skip

    def hedged(self, event: Hedged) -> None:
        """Log at INFO that a second target is asked."""
        if logger.isEnabledFor(logging.INFO):
            self._log_line(
                logging.INFO, "%s %s: no content after %.3g s, asking %s as well", self._call.id, event.source,
                event.after, event.target, **log_fields.named(event.source), next_target=event.target,
            )  # fmt: skip

    def breaker_changed(self, event: BreakerChanged) -> None:
        """Log at WARNING that a target is not asked for a while, and at INFO that it is tested or asked again."""
        level, line = CHANGES[event.state]
        if logger.isEnabledFor(level):
            figures = () if event.wait is None else (100 * event.failure_rate, event.wait)
            facts = {**log_fields.named(event.target), "state": event.state, "wait": event.wait}
            self._log_line(level, line, self._call.id, event.target, *figures, **facts)

    def ended(self, event: StreamEnded) -> None:
        """Log the end at the level of its outcome; at INFO what the retries were, at DEBUG causes and cleanup."""
        transcript, call_id = event.transcript, self._call.id
        outcome = transcript.outcome or "failed"
        if logger.isEnabledFor(LEVELS[outcome]):
            self._tell_end(transcript, outcome)
        sent = transcript.requests
        if sent > 1 and logger.isEnabledFor(logging.INFO):
            tried = log_fields.tried(transcript)
            self._log_line(
                logging.INFO, "%s took %d requests: %s", call_id, sent, tried, attempts=sent, outcome=outcome
            )
        if logger.isEnabledFor(logging.DEBUG):
            if transcript.error is not None:
                self._log_line(logging.DEBUG, "%s ended by: %s", call_id, log_fields.chain(transcript.error))
            self._log_line(logging.DEBUG, "%s cleaned up: no connection and no timer of it is left", call_id)

    def _tell_end(self, transcript: Transcript, outcome: Outcome) -> None:
        error, facts = transcript.error, log_fields.result(transcript)
        level, call_id = LEVELS[outcome], self._call.id
        if level < logging.WARNING:
            self._log_line(level, "%s %s: %s", call_id, outcome, log_fields.summary(transcript), **facts)
        elif error is None:
            self._log_line(
                level, "%s failed, not retrying: an exception that is not this SDK's ended it", call_id, **facts
            )
        else:
            facts = {**log_fields.why(error), **known(facts)}
            self._log_line(
                level,
                "%s failed, not retrying: %s %s",
                call_id,
                self._described(error),
                self._words.advice(error),
                **facts,
            )

    def _described(self, error: StreamError) -> str:
        """Describe a failure, like "Rate limited (429). OpenAI is limiting how fast you may send requests."."""
        status = f" ({error.status})" if error.status else ""
        return f"{error.title}{status}. {self._words.about(error)}"

    def _log_line(self, level: int, line: str, *values: Any, record: Attempt | None = None, **facts: Any) -> None:
        extra = {"call_id": self._call.id, **{name: tame(value) for name, value in known(facts).items()}}
        log_within(self._context(record), logger, level, line, tuple(map(tame, values)), extra)


def _values_of_step(step: Step, record: Attempt) -> tuple[Any, ...]:
    """Return the values for a line of `STEPS`."""
    if step == "head":
        return record.time_to_headers or 0.0, record.status
    if step == "content":
        return (record.time_to_first_chunk or 0.0,)
    return (record.duration or 0.0, record.chunks) if step in ("kept", "closed") else ()


def _time_left(call: Call) -> str:
    left = call.remaining()
    return "no deadline" if left == NEVER else f"{left:.1f} s"
