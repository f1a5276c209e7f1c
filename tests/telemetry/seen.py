"""What OpenTelemetry's SDK got to see, in memory: spans that are counted, and the points of the metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Metric
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider

from resilient_stream import RetryPolicy, Telemetry

QUICK = RetryPolicy(initial=0.001, maximum=0.002)


class _Counting(SpanProcessor):
    """Keeps every span that ended, and counts those that began."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended: list[ReadableSpan] = []

    def on_start(self, span: Span, parent_context: object = None) -> None:
        self.begun += 1

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)


class Seen:
    """An SDK of its own: give `telemetry()` to a client and look here afterwards."""

    def __init__(self) -> None:
        self._spans = _Counting()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(self._spans)
        self.meters = MeterProvider([self._reader], shutdown_on_exit=False)

    def telemetry(self, **more: Any) -> Telemetry:
        """The policy that leads here."""
        return Telemetry(tracer_provider=self.tracers, meter_provider=self.meters, **more)

    @property
    def begun(self) -> int:
        """How many spans were begun."""
        return self._spans.begun

    @property
    def spans(self) -> list[ReadableSpan]:
        """All that ended, in that order."""
        return self._spans.ended

    @property
    def calls(self) -> list[ReadableSpan]:
        """The spans of whole calls."""
        return [span for span in self.spans if span.name.startswith("chat ")]

    @property
    def requests(self) -> list[ReadableSpan]:
        """The spans of requests, in the order in which they were sent."""
        return sorted(
            (span for span in self.spans if span.name.startswith("request ")), key=lambda each: each.start_time or 0
        )

    @property
    def metrics(self) -> dict[str, Metric]:
        """All metrics with a value, by name."""
        data = self._reader.get_metrics_data()
        if data is None:
            return {}
        return {
            metric.name: metric
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def points(self, name: str) -> list[tuple[Mapping[str, Any], float]]:
        """Labels and value of each point: the count of a counter, the sum of a histogram."""
        points = self.metrics[name].data.data_points
        return [(dict(point.attributes or {}), getattr(point, "value", getattr(point, "sum", 0))) for point in points]
