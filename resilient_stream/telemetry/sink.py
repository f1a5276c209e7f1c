"""`Sink`: what a part of telemetry is told about one call, one method for each kind of event.

The one rule: one object for each call, told in order and synchronously. A sink overrides what it wants to know.
Must never: raise for an event that it does not know; a later part of the SDK may tell more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..events import (
    AttemptFailed,
    AttemptProgress,
    AttemptStarted,
    Event,
    FellBack,
    Observer,
    RetryScheduled,
    StreamEnded,
)

__all__ = ["Sink", "telling"]


class Sink:
    """Ignores everything."""

    __slots__ = ()

    def attempt_started(self, event: AttemptStarted) -> None:
        """A request is about to be sent."""

    def progress(self, event: AttemptProgress) -> None:
        """A request has come further."""

    def attempt_failed(self, event: AttemptFailed) -> None:
        """A request ended badly; also one that could not even be sent."""

    def retry(self, event: RetryScheduled) -> None:
        """The same target will be asked again."""

    def fell_back(self, event: FellBack) -> None:
        """There is a way around a failure."""

    def ended(self, event: StreamEnded) -> None:
        """The call is over."""


_TOLD: dict[type, Callable[[Sink, Any], None]] = {
    AttemptStarted: lambda sink, event: sink.attempt_started(event),
    AttemptProgress: lambda sink, event: sink.progress(event),
    AttemptFailed: lambda sink, event: sink.attempt_failed(event),
    RetryScheduled: lambda sink, event: sink.retry(event),
    FellBack: lambda sink, event: sink.fell_back(event),
    StreamEnded: lambda sink, event: sink.ended(event),
}


def telling(sinks: Sequence[Sink]) -> Observer:
    """An observer that passes each event to the sinks, in their order."""

    def tell(event: Event | AttemptProgress) -> None:
        if (told := _TOLD.get(type(event))) is not None:
            for sink in sinks:
                told(sink, event)

    return tell
