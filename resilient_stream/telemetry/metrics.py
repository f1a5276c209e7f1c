"""Records the metrics: makes instruments from the table in `names.py`, and adds what one call gives.

Names, units and labels come from that table, and no other label is recorded. A value is recorded when a request or a
call is over, never for a chunk. Gauges are in `gauges.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.metrics import Meter

from ..engine.middleware.breaker import OPEN
from ..engine.middleware.concurrency import IN_THE_LINE, OWN_LIMIT
from ..engine.middleware.money import USED_UP
from ..events import (
    AttemptFailed,
    AttemptStarted,
    BreakerChanged,
    Drained,
    FellBack,
    Hedged,
    QueueJoined,
    QueueLeft,
    RetryScheduled,
    StreamEnded,
)
from ..outcome.errors import StreamError
from ..outcome.transcript import Attempt, Outcome, Transcript
from .attributes import OPERATION, OTHER, error_type, known, model_label, place, provider_name, split_target, tokens
from .names import METRICS
from .sink import Sink

__all__ = ["REFUSALS", "CallMetrics", "Instruments"]

REFUSALS = frozenset({OPEN, OWN_LIMIT, USED_UP})
"""Codes of errors for requests that the client itself did not send. They are counted apart from failures."""

MOST_VARIANTS = 20
"""How many different names one model may answer with; further names get the label "other"."""

MOST_TENANTS = 100
"""How many tenants have series of their own; further ones get the label "other"."""

LONGEST_TENANT = 64
"""How many characters of a tenant's name are used as its label."""


class Instruments:
    """Holds the instruments of all rows of the table. `record` adds to a counter or to a histogram."""

    def __init__(self, meter: Meter) -> None:
        self._record: dict[str, Callable[..., None]] = {}
        self._variants: dict[str, set[str]] = {}
        self._tenants: set[str] = set()
        for row in METRICS.values():
            if row.instrument == "gauge":
                continue
            if row.instrument == "counter":
                self._record[row.name] = meter.create_counter(row.name, row.unit, row.meaning).add
            elif row.instrument == "updowncounter":
                self._record[row.name] = meter.create_up_down_counter(row.name, row.unit, row.meaning).add
            else:
                self._record[row.name] = meter.create_histogram(
                    row.name, row.unit, row.meaning, explicit_bucket_boundaries_advisory=row.buckets
                ).record

    def record(self, name: str, value: float, labels: dict[str, Any], context: Any) -> None:
        """Record one value of a metric. The context connects the value with its trace."""
        self._record[name](value, labels, context)

    def answered(self, asked: str, answered: str | None) -> str | None:
        """Return the label for the model that answered. There are only few labels for each model asked for."""
        label = model_label(asked, answered)
        if label in (None, asked, OTHER):
            return label
        return _label_or_other(label, self._variants.setdefault(asked, set()), MOST_VARIANTS)

    def tenant(self, named: Any) -> str | None:
        """Return the label for a tenant; None for a call without one. There are only so many labels."""
        return None if named is None else _label_or_other(str(named)[:LONGEST_TENANT], self._tenants, MOST_TENANTS)


def _label_or_other(label: str, known: set[str], most: int) -> str:
    """Return the label if it is one of the first `most`, and else "other"."""
    if len(known) < most:
        known.add(label)
    return label if label in known else OTHER


class CallMetrics(Sink):
    """Records the metrics of one call. tenant: whose call it is. context: returns the span's context of a request, or
    of the call."""

    def __init__(
        self, instruments: Instruments, target: str, tenant: Any, context: Callable[[Attempt | None], Any]
    ) -> None:
        self._instruments = instruments
        self._target = target
        self._tenant = tenant
        self._context = context
        self._open: dict[int, AttemptStarted] = {}
        self._raced: dict[str, str] = {}

    def attempt_started(self, event: AttemptStarted) -> None:
        """Remember the request until it is over."""
        self._target = event.target
        self._open[id(event.record)] = event

    def attempt_failed(self, event: AttemptFailed) -> None:
        """Record an error, and the request's own figures if it was sent; or a refusal of ours."""
        if event.error.code in REFUSALS and event.record is not None and not event.record.sent:
            self._count("llm.request.refused", event.target, reason=event.error.code)
            return
        self._count_error(event.target, event.error, event.record)
        if (started := self._open.pop(id(event.record), None)) is not None:
            self._attempt_over(started, "failed", event.error)

    def retry(self, event: RetryScheduled) -> None:
        """Count one more request to the same target."""
        self._count("llm.request.retries", event.target, error_type=event.error.kind.value)

    def fell_back(self, event: FellBack) -> None:
        """Count one fallback from the target that failed."""
        self._count("llm.fallback.triggered", event.source, fallback_type=event.how)

    def hedged(self, event: Hedged) -> None:
        """Count one request beside a slow one."""
        self._raced[event.target] = event.source
        self._count("llm.request.hedges", event.source)

    def queue_joined(self, event: QueueJoined) -> None:
        """Count one more request that waits."""
        self._count("llm.queue.length", event.target)

    def queue_left(self, event: QueueLeft) -> None:
        """Count one less, and record how long it waited."""
        self._record_value("llm.queue.length", -1, _our_labels(event.target), None)
        self._record_value("llm.queue.duration", event.waited, _our_labels(event.target), None)

    def breaker_changed(self, event: BreakerChanged) -> None:
        """Count the change of a target's breaker."""
        self._count("llm.breaker.changes", event.target, state=event.state)

    def ended(self, event: StreamEnded) -> None:
        """Record the requests that did not fail, and the call."""
        transcript = event.transcript
        outcome = transcript.outcome or "failed"
        # The deadline passed, although no request had failed.
        if outcome == "deadline" and transcript.error is not None:
            self._count_error(self._target, transcript.error, None)
            if transcript.error.code == IN_THE_LINE:
                self._count("llm.request.refused", transcript.error.target or self._target, reason=IN_THE_LINE)
        for started in self._open.values():
            self._attempt_over(started, outcome, transcript.error)
        for attempt in transcript.attempts:
            if not attempt.draining:
                self._spent(attempt)
        if self._raced:
            self._race_over(transcript.attempts)
        self._call_over(transcript)

    def drained(self, event: Drained) -> None:
        """Record what a request used that was read on after the call's end."""
        self._tokens(event.record, event.target, self._labels(event.target, event.record))
        self._spent(event.record)

    def _attempt_over(self, started: AttemptStarted, outcome: Outcome, error: StreamError | None) -> None:
        record = started.record
        if record is None or record.duration is None:
            return
        labels = self._labels(started.target, record)
        why = known({"error.type": error_type(outcome, error)})
        self._record_value(
            "gen_ai.client.operation.duration", record.duration, {**labels, **why, **place(started.host)}, record
        )
        self._times(record, started.target, labels)
        if not record.draining:
            self._tokens(record, started.target, labels)

    def _labels(self, target: str, record: Attempt) -> dict[str, Any]:
        provider, model = split_target(target)
        return known({
            "gen_ai.operation.name": OPERATION,
            "gen_ai.provider.name": provider_name(provider),
            "gen_ai.request.model": model,
            "gen_ai.response.model": self._instruments.answered(model, record.response_model),
        })  # fmt: skip

    def _times(self, record: Attempt, target: str, labels: dict[str, Any]) -> None:
        whole, head, first = record.duration or 0.0, record.time_to_headers, record.time_to_first_chunk
        if head is not None:
            self._duration(target, "connect", head, record)
            self._duration(target, "stream", whole - head, record)
        if first is not None:
            self._record_value("gen_ai.client.operation.time_to_first_chunk", first, labels, record)
            if record.chunks > 1:
                mean = (whole - first) / (record.chunks - 1)
                self._record_value("gen_ai.client.operation.time_per_output_chunk", mean, labels, record)

    def _tokens(self, record: Attempt, target: str, labels: dict[str, Any]) -> None:
        if (usage := record.usage) is None:
            return
        totals = tokens(target, usage)
        for kind, counted, total in zip(
            ("input", "output"), (usage.input_tokens, usage.output_tokens), totals, strict=True
        ):
            if counted is not None and total is not None:
                self._record_value("gen_ai.client.token.usage", total, {**labels, "gen_ai.token.type": kind}, record)
                self._record_value(f"llm.{kind}_tokens", counted, _our_labels(target), record)

    def _spent(self, record: Attempt) -> None:
        """Record what a request cost and wasted, for its target and for its tenant."""
        used, ours, named = _all_tokens(record), _our_labels(record.target), self._instruments.tenant(self._tenant)
        if record.cost:
            self._record_value("llm.cost", float(record.cost), ours, record)
        if used and record.wasted:
            self._record_value("llm.wasted_tokens", used, ours, record)
        if named is None:
            return
        tenant = {"tenant": named}
        if record.cost:
            self._record_value("llm.tenant.cost", float(record.cost), tenant, record)
        if used:
            self._record_value("llm.tenant.tokens", used, tenant, record)
            if record.wasted:
                self._record_value("llm.tenant.wasted_tokens", used, tenant, record)

    def _race_over(self, attempts: Sequence[Attempt]) -> None:
        """Record whether a hedge was first, and the tokens of those that were not."""
        began = [attempt for attempt in attempts if attempt.time_to_first_chunk is not None]
        for attempt in began:
            if attempt.hedge and (slow := self._raced.get(attempt.target)) is not None:
                self._count("llm.hedge.won", slow)
        for attempt in attempts if began else ():
            if (
                attempt.outcome == "abandoned"
                and attempt.time_to_first_chunk is None
                and (used := _all_tokens(attempt))
            ):
                self._record_value("llm.hedge.wasted_tokens", used, _our_labels(attempt.target), attempt)

    def _call_over(self, transcript: Transcript) -> None:
        if transcript.duration is not None:
            self._duration(transcript.target or self._target, "total", transcript.duration, None)

    def _duration(self, target: str, phase: str, seconds: float, record: Attempt | None) -> None:
        self._record_value("llm.request.duration_ms", 1000 * seconds, {**_our_labels(target), "phase": phase}, record)

    def _count_error(self, target: str, error: StreamError, record: Attempt | None) -> None:
        labels = {**_our_labels(target), "error_category": error.category.value}
        self._record_value("llm.streaming.errors", 1, labels, record)

    def _count(self, name: str, target: str, **labels: str) -> None:
        self._record_value(name, 1, {**_our_labels(target), **labels}, None)

    def _record_value(self, name: str, value: float, labels: dict[str, Any], record: Attempt | None) -> None:
        self._instruments.record(name, value, labels, self._context(record))


def _all_tokens(record: Attempt) -> int:
    """Return the tokens of a request, input and output, as far as they are known."""
    usage = record.estimate or record.usage
    return 0 if usage is None else sum(count or 0 for count in tokens(record.target, usage))


def _our_labels(target: str) -> dict[str, str]:
    """Return provider and model as they are in a target's name."""
    provider, model = split_target(target)
    return {"provider": provider, "model": model}
