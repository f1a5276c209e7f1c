"""Defines the events around a stream that `Client(on_event=…)` is told of.

An event is a value. It is made only when somebody watches, and never for each token. No event has a prompt, an answer
or a key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from .chunks import ToolCall
from .messages import Tool
from .outcome.errors import StreamError
from .outcome.transcript import Attempt, Outcome, Transcript

__all__ = [
    "AttemptFailed",
    "AttemptProgress",
    "AttemptStarted",
    "BreakerChanged",
    "Drained",
    "Event",
    "FallbackType",
    "FellBack",
    "Hedged",
    "Observer",
    "OnEvent",
    "QueueJoined",
    "QueueLeft",
    "RetryScheduled",
    "State",
    "Step",
    "StreamEnded",
    "Told",
    "ToolEnded",
    "ToolKind",
    "ToolOutcome",
    "ToolStarted",
]

Step: TypeAlias = Literal["head", "content", "kept", "closed", "idle_closed"]
FallbackType: TypeAlias = Literal["buffered", "provider_switch", "continuation", "interactive"]
State: TypeAlias = Literal["closed", "open", "half_open"]
ToolKind: TypeAlias = Literal["function", "extension"]
ToolOutcome: TypeAlias = Outcome | Literal["refused"]


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
class Hedged:
    """`source` has given no content for `after` seconds, so `target` is asked as well; the first content wins."""

    call_id: str
    source: str
    target: str
    after: float


@dataclass(frozen=True, slots=True)
class BreakerChanged:
    """The breaker treats `target` in another way from now on: `open` (it is not asked), `half_open` (one request tests
    it) or `closed` (it is asked as usual).

    before: the state until now. failure_rate: share of its requests that failed of late. wait: seconds until it is
    tested; None unless it is open. It is told to the call in which it was noticed, once for each client.
    """

    call_id: str
    target: str
    state: State
    before: State
    failure_rate: float
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """The stream has ended, for whatever reason. `transcript` is final."""

    call_id: str
    transcript: Transcript


@dataclass(frozen=True, slots=True)
class Drained:
    """A request that its caller had left is no longer read on (`drain=`); this comes after StreamEnded.

    record.usage is what its provider counted, if that came in time; else record.estimate stands, as before.
    """

    call_id: str
    target: str
    attempt: int
    record: Attempt


@dataclass(frozen=True, slots=True)
class AttemptProgress:
    """A request has come a step further; this is told only to observers of a `followed` call, not to `on_event`.

    `record` has the times. step: the head of the answer came, or its first content came, or the request is over and its
    connection was kept for the next request or closed. After a failure, unused connections were closed too.
    """

    call_id: str
    target: str
    attempt: int
    step: Step
    record: Attempt


@dataclass(frozen=True, slots=True)
class QueueJoined:
    """A request comes to a target that has limits, and waits until they allow it, if only for a moment.

    It is told only to observers.
    """

    call_id: str
    target: str
    attempt: int


@dataclass(frozen=True, slots=True)
class QueueLeft:
    """A request has waited for its target's limits: it may go now, or nobody wants it any more. waited: seconds.

    It is told once for each `QueueJoined`, only to observers.
    """

    call_id: str
    target: str
    attempt: int
    waited: float


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """A conversation runs a tool, or refuses to. It is told only to observers, in the task in which the tool runs.

    call: with the arguments that the tool gets. kind: a function runs here, an extension on an MCP server. started:
    the time, in seconds since 1970.
    """

    call_id: str
    call: ToolCall
    tool: Tool
    kind: ToolKind
    started: float


@dataclass(frozen=True, slots=True)
class ToolEnded:
    """The call of a tool is over. It is told once for each `ToolStarted`, in the same task.

    outcome: as for a stream; `refused` if it was not run because `approve` did not allow it. error_type: one word for
    what went wrong. result: what the model is told, if there is a result.
    """

    call_id: str
    call: ToolCall
    kind: ToolKind
    outcome: ToolOutcome
    error_type: str | None
    result: str | None
    duration: float


Event: TypeAlias = (
    AttemptStarted | AttemptFailed | RetryScheduled | FellBack | Hedged | BreakerChanged | StreamEnded | Drained
)
OnEvent: TypeAlias = Callable[[Event], None]
Told: TypeAlias = Event | AttemptProgress | QueueJoined | QueueLeft | ToolStarted | ToolEnded
"""All that observers are told of."""
Observer: TypeAlias = Callable[[Told], None]
