"""Chooses once for each call or conversation what watches it: a trace, the metrics, the log, or nothing.

Nothing is made that is not needed. Without an SDK a call has no observer, unless the log is at INFO or something goes
wrong that the log has to tell. OpenTelemetry is not imported before there is an SDK of it (`sdk.py`).
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from ..engine.call import Call
from ..events import Observer
from ..outcome.transcript import Attempt
from ..policy import Telemetry
from . import sdk
from .sink import Sink, telling

if TYPE_CHECKING:
    from .conversations import ConversationTrace
    from .gauges import Watched

__all__ = ["Reporter"]

logger = logging.getLogger("resilient_stream")


class Reporter:
    """Keeps what a client needs for the telemetry of its calls: the policy, one tracer and one set of instruments.
    client: gives what gauges show of it."""

    def __init__(self, policy: Telemetry, client: Watched) -> None:
        self._policy = policy
        self._client = client
        self._tracer: tuple[Any, Any] = (None, None)
        self._instruments: tuple[Any, Any] = (None, None)

    def __call__(self, call: Call) -> Observer | None:
        """Return the call's observer, at its first pull."""
        tracer, instruments = self._find_tracer(), self._find_instruments()
        conversation: ConversationTrace | None = call.observing.from_conversation
        around = sdk.context_now() if conversation is None else conversation.turn(call)
        if tracer is None and instruments is None and not logger.isEnabledFor(logging.INFO):
            if logger.isEnabledFor(logging.ERROR):
                from . import logs  # noqa: F401  # now: in trouble there may be no file left to open

                call.observing.in_trouble = _only_log if around is None else partial(_only_log, around=around)
            return None
        sinks: list[Sink] = []
        context = _constant(around)
        if tracer is not None:
            from .tracing import Trace

            within = None if conversation is None else conversation.within
            trace = Trace(tracer, call, around, with_content=self._policy.content, within=within)
            sinks.append(trace)
            context = trace.context
            if self._policy.propagate:
                call.observing.trace_headers = trace.headers
        if instruments is not None:
            from .metrics import CallMetrics

            sinks.append(
                CallMetrics(instruments, call.request.target.name, call.request.metadata.get("tenant"), context)
            )
        if logger.isEnabledFor(logging.ERROR):
            sinks.append(_log(call, context))
        return telling(sinks)

    def conversation(self, call: Call) -> Observer | None:
        """Return the observer of a conversation, whose call this is, at its first pull."""
        tracer, instruments = self._find_tracer(), self._find_instruments()
        if tracer is None and instruments is None:
            return None
        from .conversations import ConversationMetrics, ConversationTrace

        around = sdk.context_now()
        sinks: list[Sink] = []
        if tracer is not None:
            trace = call.observing.for_turns = ConversationTrace(
                tracer, call, around, with_content=self._policy.content
            )
            sinks.append(trace)
            around = trace.context
        if instruments is not None:
            sinks.append(ConversationMetrics(instruments, around))
        return telling(sinks)

    def _find_tracer(self) -> Any:
        """Return the tracer of the current provider: an application may set its SDK up after it made the client."""
        provider = sdk.tracer_provider(self._policy.tracer_provider) if self._policy.enabled else None
        if provider is not self._tracer[0]:
            self._tracer = (provider, None if provider is None else sdk.tracer_of(provider))
        return self._tracer[1]

    def _find_instruments(self) -> Any:
        provider = sdk.meter_provider(self._policy.meter_provider) if self._policy.enabled else None
        if provider is not self._instruments[0]:
            self._instruments = (provider, None if provider is None else self._instruments_of(provider))
        return self._instruments[1]

    def _instruments_of(self, provider: Any) -> Any:
        meter = sdk.meter_of(provider)
        if meter is None:
            return None
        from .gauges import watch
        from .metrics import Instruments

        watch(provider, meter, self._client)
        return Instruments(meter)


def _only_log(call: Call, around: Any = None) -> Observer:
    return telling([_log(call, _constant(around))])


def _log(call: Call, context: Any) -> Sink:
    from .logs import CallLog

    return CallLog(call, context)


def _constant(context: Any) -> Any:
    def same(_: Attempt | None = None) -> Any:
        return context

    return same
