"""The events around a stream that `Client(on_event=…)` is told of.

An event is a value. It is made only when somebody watches, and never for each token. No event has a prompt, an answer
or a key.
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
    """A request has failed, before or after content."""

    call_id: str
    target: str
    attempt: int
    error: StreamError
    record: Attempt | None = None


@dataclass(frozen=True, slots=True)
class RetryScheduled:
    """The same target is tried again after `wait` seconds. `attempts` is the highest number that is allowed."""

    call_id: str
    target: str
    attempt: int
    attempts: int
    wait: float
    error: StreamError


@dataclass(frozen=True, slots=True)
class FellBack:
    """The call leaves `source`, and goes on with `target`.

    how: another provider before any content, a continuation after it, or the same target asked for a whole answer. A
    continuation may go to the same target. method: the one of `Recovery.methods` that a continuation uses.
    """

    call_id: str
    source: str
    target: str
    error: StreamError
    how: FallbackType = "provider_switch"
    method: str = ""


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """The stream has ended, for whatever reason. `transcript` is final."""

    call_id: str
    transcript: Transcript


@dataclass(frozen=True, slots=True)
class AttemptProgress:
    """A step of a request, told only to observers of a `followed` call, not to `on_event`.

    `record` has the times. step: the head of the answer came, or its first content came, or the request is over and its
    connection was kept for the next request or closed. After a failure, unused connections were closed too.
    """

    call_id: str
    target: str
    attempt: int
    step: Step
    record: Attempt


Event: TypeAlias = AttemptStarted | AttemptFailed | RetryScheduled | FellBack | StreamEnded
OnEvent: TypeAlias = Callable[[Event], None]
Observer: TypeAlias = Callable[[Event | AttemptProgress], None]
