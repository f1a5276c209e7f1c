"""Makes the span that a log line belongs to the current one while the line is written, and puts its ids into the
record.

`log_within` is one synchronous statement; when it returns, the span is no longer current. OpenTelemetry is never
imported in a process that does not use it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any

__all__ = ["TraceIds", "log_within"]

NO_IDS = ("", "")


def log_within(
    context: Any, logger: logging.Logger, level: int, line: str, values: tuple[Any, ...], extra: Mapping[str, Any]
) -> None:
    """Log while `context` is the current one. OpenTelemetry's log handlers and `TraceIds` read it there."""
    if context is None:
        logger.log(level, line, *values, extra=extra, stacklevel=3)
        return
    from opentelemetry.context import attach, detach

    token = attach(context)
    try:
        logger.log(level, line, *values, extra=extra, stacklevel=3)
    finally:
        detach(token)


class TraceIds(logging.Filter):
    """Puts, as a log filter, `trace_id` and `span_id` of the current span on each record; empty without a span."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the ids, and let every record pass."""
        record.trace_id, record.span_id = _current_ids()
        return True


def _current_ids() -> tuple[str, str]:
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return NO_IDS
    span = trace.get_current_span().get_span_context()
    return (f"{span.trace_id:032x}", f"{span.span_id:016x}") if span.is_valid else NO_IDS
