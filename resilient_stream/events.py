"""What happens around a stream, for whoever watches: `Client(on_event=…)` gets one of these.

The one rule: an event is a value, made only when somebody watches, and never one for each token.
Must never: carry a prompt, an answer or a key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from .errors import StreamError
from .transcript import Transcript

__all__ = ["AttemptFailed", "AttemptStarted", "Event", "FellBack", "OnEvent", "RetryScheduled", "StreamEnded"]


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """A request is about to be sent. `attempt` counts from 1 for each target."""

    call_id: str
    target: str
    attempt: int


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """A request ended badly, before or after content."""

    call_id: str
    target: str
    attempt: int
    error: StreamError


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
    """`source` is given up for this call, `target` is next."""

    call_id: str
    source: str
    target: str
    error: StreamError


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """The stream ended, however it did; `transcript` is final."""

    call_id: str
    transcript: Transcript


Event: TypeAlias = AttemptStarted | AttemptFailed | RetryScheduled | FellBack | StreamEnded
OnEvent: TypeAlias = Callable[[Event], None]
