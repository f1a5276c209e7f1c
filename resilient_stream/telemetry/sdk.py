"""Finds out for each call whether this process has an OpenTelemetry SDK, without importing anything.

An import of OpenTelemetry's API alone takes 11 ms, so a process that does not use it must not have it imported here. No
provider is set, and the SDK itself is never imported.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

__all__ = ["context_now", "meter_of", "meter_provider", "tracer_of", "tracer_provider"]

SCHEMA = "https://opentelemetry.io/schemas/1.41.0"
"""The release of the conventions that our names and units follow."""

_BY_ENVIRONMENT = {name for name in ("OTEL_PYTHON_TRACER_PROVIDER", "OTEL_PYTHON_METER_PROVIDER") if name in os.environ}
"""Variables with which OpenTelemetry's API loads a provider when it is first asked for one."""


def tracer_provider(given: Any = None) -> Any:
    """Return the given provider, or the process's own; None when it would do nothing."""
    return _provider_that_acts(given, "opentelemetry.trace", "get_tracer_provider")


def meter_provider(given: Any = None) -> Any:
    """Return the given provider, or the process's own; None when it would do nothing."""
    return _provider_that_acts(given, "opentelemetry.metrics", "get_meter_provider")


def tracer_of(provider: Any) -> Any:
    """Return the provider's tracer for this SDK; None when it makes no spans, as with OTEL_SDK_DISABLED."""
    from opentelemetry.trace import NoOpTracer

    tracer = provider.get_tracer(*_scope(), schema_url=SCHEMA)
    return None if isinstance(tracer, NoOpTracer) else tracer


def meter_of(provider: Any) -> Any:
    """Return the provider's meter for this SDK; None when it records nothing."""
    from opentelemetry.metrics import NoOpMeter

    meter = provider.get_meter(*_scope(), schema_url=SCHEMA)
    return None if isinstance(meter, NoOpMeter) else meter


def context_now() -> Any:
    """Return OpenTelemetry's current context; None when nobody uses OpenTelemetry."""
    module = sys.modules.get("opentelemetry.context")
    return None if module is None else module.get_current()


def _scope() -> tuple[str, str]:
    """Return the name and version under which our spans and metrics appear."""
    return "resilient_stream", str(sys.modules["resilient_stream"].__version__)


def _provider_that_acts(given: Any, module: str, asked: str) -> Any:
    if given is None:
        api = sys.modules.get(module) or (import_module(module) if _BY_ENVIRONMENT else None)
        if api is None:
            return None
        given = getattr(api, asked)()
    # Those of the API itself, the proxy that waits for an SDK and the no-op, do nothing.
    return None if type(given).__module__.startswith(module) else given
