"""What happens around a stream, for whoever watches: `Client(on_event=…)` gets one of these.

The one rule: an event is a value, made only when somebody watches, and never one for each token.
Must never: carry a prompt, an answer or a key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from .outcome.errors import StreamError
from .outcome.transcript import Attempt, Transcript

__all__ = [
    "AttemptFailed",
    "AttemptProgress",
    "AttemptStarted",
    "Event",
    "FallbackType",
    "FellBack",
    "Observer",
    "OnEvent",
    "RetryScheduled",
    "Step",
    "StreamEnded",
]

Step: TypeAlias = Literal["head", "content", "kept", "closed", "idle_closed"]
FallbackType: TypeAlias = Literal["buffered", "provider_switch", "continuation", "interactive"]


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """A request is about to be sent. `attempt` counts from 1 for each target; `record` fills as it goes on.

    host: where it goes, with the port if that is not the usual one; empty for a program. stream: whether the answer is
    asked for as a stream, or in one piece.
    """

    call_id: str
    target: str
    attempt: int
    record: Attempt | None = None
    host: str = ""
    stream: bool = True


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """A request ended badly, before or after content."""

    call_id: str
    target: str
    attempt: int
    error: StreamError
    record: Attempt | None = None


@dataclass(frozen=True, slots=True)
class RetryScheduled:
    """The same target is tried again after `wait` seconds; `attempts` is the most there will be."""

    call_id: str
    target: str
    attempt: int
    attempts: int
    wait: float
    error: StreamError


@dataclass(frozen=True, slots=True)
class FellBack:
    """`source` is given up for this call, `target` is next.

    how: another provider before any content, a continuation after it, or the same target asked for a whole answer.
    A continuation may be tried at the same target. method: of `Recovery.methods`, for a continuation.
    """

    call_id: str
    source: str
    target: str
    error: StreamError
    how: FallbackType = "provider_switch"
    method: str = ""


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """The stream ended, however it did; `transcript` is final."""

    call_id: str
    transcript: Transcript


@dataclass(frozen=True, slots=True)
class AttemptProgress:
    """A step of a request, for observers of a call that is `followed`: `on_event` is not told. `record` has the times.

    step: the answer's head came, its first content came, or the request is over: its connection was kept for the
    next one, or closed; after a failure, connections that nobody used were closed too.
    """

    call_id: str
    target: str
    attempt: int
    step: Step
    record: Attempt


Event: TypeAlias = AttemptStarted | AttemptFailed | RetryScheduled | FellBack | StreamEnded
OnEvent: TypeAlias = Callable[[Event], None]
Observer: TypeAlias = Callable[[Event | AttemptProgress], None]
