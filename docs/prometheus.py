"""What OpenTelemetry's metrics are called in Prometheus: dots become underscores, units and `_total` are added.

The rule is OpenTelemetry's "Prometheus and OpenMetrics Compatibility", as the Prometheus exporters, the Collector and
Prometheus' own OTLP receiver do it by default: a unit in braces adds nothing; `ms` becomes `_milliseconds`, `s`
becomes `_seconds`, unless the name already ends so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from resilient_stream.telemetry.names import METRICS, Metric

__all__ = ["SCRAPED", "label", "labels_of", "metric", "series"]

UNITS = {"ms": "milliseconds", "s": "seconds"}
SUFFIXES = {"counter": ("",), "updowncounter": ("",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
SCRAPED = frozenset({"job", "instance", "le"})
"""Labels that Prometheus itself adds; `job` is OpenTelemetry's `service.name`."""


def metric(row: Metric) -> str:
    """The metric's name in Prometheus: `llm_request_retries_total`."""
    name = re.sub(r"[^a-zA-Z0-9_:]", "_", row.name)
    unit = UNITS.get(row.unit, "")
    if unit and not name.endswith(f"_{unit}"):
        name += f"_{unit}"
    return f"{name}_total" if row.instrument == "counter" else name


def label(name: str) -> str:
    """A label's name in Prometheus: `gen_ai_request_model`."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", name)


def series(rows: Iterable[Metric] = METRICS.values()) -> dict[str, Metric]:
    """Every series that Prometheus stores, with the row it comes from."""
    return {f"{metric(row)}{suffix}": row for row in rows for suffix in SUFFIXES[row.instrument]}


def labels_of(row: Metric) -> set[str]:
    """Every label that one of its series may have."""
    return {label(name) for name in row.labels} | SCRAPED
