"""Defines `Sink`: what a part of telemetry is told about one call or one conversation, with one method for each kind of
event.

There is one object for each call. It is told the events in order and synchronously, and overrides the methods it needs.
It never raises for an unknown event, since a later version of the SDK may tell more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..events import (
    AttemptFailed,
    AttemptProgress,
    AttemptStarted,
    BreakerChanged,
    Drained,
    FellBack,
    Hedged,
    Observer,
    QueueJoined,
    QueueLeft,
    RetryScheduled,
    StreamEnded,
    Told,
    ToolEnded,
    ToolStarted,
)

__all__ = ["Sink", "telling"]


class Sink:
    """Ignores every event; the other sinks are made from it."""

    __slots__ = ()

    def attempt_started(self, event: AttemptStarted) -> None:
        """Take note of a request that is about to be sent."""

    def progress(self, event: AttemptProgress) -> None:
        """Take note that a request has come further."""

    def attempt_failed(self, event: AttemptFailed) -> None:
        """Take note that a request has failed, also when it could not be sent."""

    def retry(self, event: RetryScheduled) -> None:
        """Take note of a wait that begins, after which the same target is asked again."""

    def fell_back(self, event: FellBack) -> None:
        """Take note that a fallback is taken."""

    def hedged(self, event: Hedged) -> None:
        """Take note that another target is asked beside a slow one."""

    def queue_joined(self, event: QueueJoined) -> None:
        """Take note that a request waits for its target's limits."""

    def queue_left(self, event: QueueLeft) -> None:
        """Take note that a request no longer waits for its target's limits."""

    def breaker_changed(self, event: BreakerChanged) -> None:
        """Take note that a target's breaker has changed its state."""

    def tool_started(self, event: ToolStarted) -> None:
        """Take note that a conversation runs a tool. This is called in the tool's task."""

    def tool_ended(self, event: ToolEnded) -> None:
        """Take note that a tool's call is over. This is called in the tool's task."""

    def ended(self, event: StreamEnded) -> None:
        """Take note that the call is over."""

    def drained(self, event: Drained) -> None:
        """Take note, after the call's end, that a request is no longer read on for its usage."""


_TOLD: dict[type, Callable[[Sink, Any], None]] = {
    AttemptStarted: lambda sink, event: sink.attempt_started(event),
    AttemptProgress: lambda sink, event: sink.progress(event),
    AttemptFailed: lambda sink, event: sink.attempt_failed(event),
    RetryScheduled: lambda sink, event: sink.retry(event),
    FellBack: lambda sink, event: sink.fell_back(event),
    Hedged: lambda sink, event: sink.hedged(event),
    QueueJoined: lambda sink, event: sink.queue_joined(event),
    QueueLeft: lambda sink, event: sink.queue_left(event),
    BreakerChanged: lambda sink, event: sink.breaker_changed(event),
    ToolStarted: lambda sink, event: sink.tool_started(event),
    ToolEnded: lambda sink, event: sink.tool_ended(event),
    StreamEnded: lambda sink, event: sink.ended(event),
    Drained: lambda sink, event: sink.drained(event),
}


def telling(sinks: Sequence[Sink]) -> Observer:
    """Return an observer that passes each event to the sinks, in their order."""

    def tell(event: Told) -> None:
        if (told := _TOLD.get(type(event))) is not None:
            for sink in sinks:
                told(sink, event)

    return tell
