"""Defines what a link of the chain is, and what it may use of the call that it runs in."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Protocol, TypeAlias, TypeVar

from ..events import Event
from ..failures import ErrorKind
from ..outcome.errors import StreamError
from ..outcome.transcript import Transcript
from ..policy import Limits, Recovery, RetryPolicy, Timeouts
from ..target import Target
from .adapter import Batch
from .request import Request

__all__ = ["CallContext", "Handler", "Middleware", "Policies"]

ResultT = TypeVar("ResultT")


class Policies(Protocol):
    """Holds the policies of a call: the client's, or the call's own in their place. deadline: seconds in all."""

    @property
    def retry(self) -> RetryPolicy:
        """Return how often, and after which waits, a target is asked again."""

    @property
    def timeouts(self) -> Timeouts:
        """Return the longest times between two events of a call."""

    @property
    def limits(self) -> Limits:
        """Return how much of an answer is kept, and how many streams run at once."""

    @property
    def recovery(self) -> Recovery:
        """Return how an answer that was cut is continued."""

    @property
    def deadline(self) -> float | None:
        """Return the seconds that the call may take in all; None for as long as it takes."""


class CallContext(Protocol):
    """Gives a link of the chain what it may use of the running call.

    id: the call's name in this process, as in its log lines. request: what the user asked, before any link changed it.
    transcript: everything received so far.
    """

    @property
    def id(self) -> str:
        """Return the call's name in this process, as in log lines and events."""

    @property
    def request(self) -> Request:
        """Return what the user asked, for the first target."""

    @property
    def settings(self) -> Policies:
        """Return the policies of this call."""

    @property
    def transcript(self) -> Transcript:
        """Return what was received and tried so far."""

    def remaining(self) -> float:
        """Return the seconds until the call's deadline; infinite without one."""

    async def sleep(self, seconds: float) -> None:
        """Wait, unless the call ends meanwhile: then its error is raised at once."""

    async def wait(self, start: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Await what `start` gives, unless the call ends meanwhile: then its error is raised at once."""
        ...

    def emit(self, make: Callable[..., Event], *values: Any) -> None:
        """Tell whoever watches the call: `make(call_id, *values)` is called only where somebody does."""

    def fail_at(
        self,
        target: Target,
        kind: ErrorKind,
        *,
        code: str = "",
        detail: str = "",
        retry_after: float | None = None,
        retry: bool | None = None,
        attempt: int = 1,
    ) -> StreamError:
        """Return the error for a request that a link does not send, for it to raise.

        The transcript gets a record of an attempt that was not sent, and whoever watches is told, telemetry included.
        `kind` decides whether the target is tried again and whether the next one is asked. code: tells errors of one
        kind apart ("breaker_open"). detail: what happened, in a sentence that stands in place of the kind's own: the
        provider was not asked. retry_after: seconds. retry: False asks the next target at once, whatever the kind says.
        attempt: `request.attempt`, from 1.
        """


Handler: TypeAlias = Callable[[Request, CallContext], AsyncGenerator[Batch, None]]
"""The rest of the chain: yields batches, one list of chunks for each network wake-up; raises StreamError."""

Middleware: TypeAlias = Callable[[Request, CallContext, Handler], AsyncGenerator[Batch, None]]
"""One link: calls `call_next(request, call)` any number of times, forwards its batches, closes each generator.
One of `middlewares=` runs once for each attempt, inside retry and fallback; the first of them is the outermost. It must
not hold a scope, timeout or task group across a `yield`: it would cancel code that is not the link's."""
