"""Makes the page of /metrics: OpenTelemetry's Prometheus exporter, with a registry of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["metrics_page"]


def metrics_page() -> tuple[Any, Callable[[], bytes]] | None:
    """Return a meter provider for the client, and what gives its page; None where the packages are not there."""
    try:
        from opentelemetry.exporter.prometheus import PrometheusMetricReader
        from opentelemetry.sdk.metrics import MeterProvider
        from prometheus_client import CollectorRegistry, generate_latest
    except ImportError:
        return None
    registry = CollectorRegistry()
    reader = PrometheusMetricReader(disable_target_info=True, registry=registry)
    return MeterProvider(metric_readers=[reader]), lambda: generate_latest(registry)
