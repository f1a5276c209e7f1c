"""`Call`: one use of `client.stream()`, from its first pull to its end: its clock, its guard, its record.

The one rule: every end goes through `finish`, which is synchronous and happens once; after it no socket, timer or
task of the call is left.
Must never: refer to the `Stream` (R5: dropping the stream is how an abandoned call is noticed), or hold a cancel
scope anywhere but inside `Guard.run`, a plain coroutine (R1).

One timer serves all clocks of a call. It is armed for the nearest of them and looks again when it rings, so a
chunk that is already here costs no clock and no timer (R3).
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import anyio

from ..contract import Batch, Request, ResumePoint, Transport
from ..events import AttemptFailed, AttemptProgress, Event, Observer, OnEvent, Step, StreamEnded
from ..failures import ErrorKind, Failure, StreamMisused
from ..outcome.errors import StreamError
from ..outcome.making import error_for
from ..outcome.transcript import Attempt, Outcome, Transcript
from ..policy import Limits, Recovery, RetryBudget, RetryPolicy, Timeouts
from ..providers import adapter_for
from ..target import Target
from .budget import ledger_of
from .slots import Slots
from .unwind import unwind

__all__ = ["NEVER", "Answering", "Call", "Guard", "Interrupted", "Settings", "as_it_is"]

logger = logging.getLogger("resilient_stream")

NEVER = float("inf")
_around: ContextVar[tuple[str, int] | None] = ContextVar("resilient_stream_call", default=None)
"""The call whose chain is running, and how many attempts it may make. No reference to the call itself: the loop's
handles for a pooled connection keep the context in which they were made."""
_numbers = itertools.count(1)
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the middlewares and clocks of one call go by: the client's policies with the call's own over them.

    own_timeouts: the call named timeouts itself, and they stand over a target's. deadline: seconds in all.
    budget: what all calls of the process together may send again. own_code: the user's own code runs inside the
    chain, a middleware or a callable for a key, which may ask another client. own_links: it is a middleware.
    observers: asked once a call for someone to tell its events to; None for nobody.
    """

    retry: RetryPolicy
    timeouts: Timeouts
    limits: Limits
    budget: RetryBudget
    recovery: Recovery
    own_timeouts: bool = False
    own_code: bool = False
    own_links: bool = False
    deadline: float | None = None
    on_end: Callable[[Transcript], object] | None = None
    on_event: OnEvent | None = None
    observers: tuple[Callable[[Call], Observer | None], ...] = ()

    def timeouts_for(self, target: Target) -> Timeouts:
        """The call's own, else the target's, else the client's."""
        return self.timeouts if self.own_timeouts or target.timeouts is None else target.timeouts

    def limits_for(self, target: Target) -> Limits:
        """The target's, else the client's."""
        return target.limits or self.limits


@dataclass(slots=True)
class Answering:
    """A target that has given content, in which of its attempts, and that attempt's record. whole: in one piece.

    resume_point: where its provider can take the answer up again, once the attempt is over.
    """

    target: Target
    number: int
    record: Attempt
    whole: bool = False
    resume_point: ResumePoint | None = None


class Names(Protocol):
    """What gives a call's errors their names: an attempt's origin, or whatever the call waits in."""

    def error(self, failure: Failure) -> StreamError:
        """Return the error for a finding."""

    def clean(self, cause: BaseException | None) -> BaseException | None:
        """Return the exception behind an error as it may be shown."""


class Direct(Protocol):
    """An attempt whose answer has begun, as the stream reads it without the chain."""

    async def read_ahead(self) -> Batch:
        """Read once: the next chunks, where no link needs to see them; else none, and the chain is to be asked."""
        ...


class Owner(Protocol):
    """What a call needs of its client. warned: it was told that its calls run inside another's retries."""

    transport: Transport
    slots: Slots
    calls: set[Call]
    closed: bool
    warned: bool


class Live(Protocol):
    """A part of a running call that may be waiting, or holds a connection. All three are synchronous."""

    def watch(self, now: float) -> None:
        """The timer rang: look at your clocks, and arm the timer again."""

    def interrupt(self) -> None:
        """Wake what waits."""

    def close(self) -> None:
        """Let go of everything. Idempotent."""


class Interrupted(Exception):
    """Wakes a pending await; why is written on the call or the attempt. Never leaves the chain."""


class Guard:
    """One await that can be interrupted from outside, synchronously."""

    __slots__ = ("_scope", "interrupted")

    def __init__(self) -> None:
        self._scope: anyio.CancelScope | None = None
        self.interrupted = False

    async def run(self, start: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Await it, or raise `Interrupted`. The scope opens and closes in here (R1)."""
        if self.interrupted:
            raise Interrupted
        with anyio.CancelScope() as scope:
            self._scope = scope
            try:
                return await start()
            finally:
                self._scope = None
        raise Interrupted

    def interrupt(self) -> None:
        """Wake the await, now or as soon as it starts."""
        self.interrupted = True
        if self._scope is not None:
            self._scope.cancel()

    def close(self) -> None:
        """The same: a guard holds nothing else."""
        self.interrupt()

    def watch(self, now: float) -> None:
        """A guard has no clock of its own."""


class Call:
    """The state that one stream's chain shares. Made by the client, started by the first pull."""

    def __init__(self, owner: Owner, settings: Settings, request: Request) -> None:
        self.settings = settings
        self.request = request
        self.id = f"call-{next(_numbers)}"
        self.transcript = Transcript(settings.limits.max_transcript_bytes)
        self.dead: StreamError | None = None
        self.busy = False
        self.sent = False
        """Whether a request has been written, so that the call may be on a bill."""
        self.thread = 0
        self.origin: Names | None = None
        """What names an error of this call: the latest attempt's target, or the line that it waits in."""
        self.answering: Answering | None = None
        """Whose content came last."""
        self.lone: Any = None
        """The first attempt while there is no chain (`lone.Lone`); None from when the chain has taken it over."""
        self.direct: Direct | None = None
        """The attempt that the stream reads from itself, while the links of the chain sleep; set from the commit on."""
        self.receiver: Callable[[Batch], Batch] = as_it_is
        """What an attempt that begins now passes its last batch through, found in its reader as the call ends. A
        continuation sets it, to compare that batch, too, with what was delivered."""
        self.loop: asyncio.AbstractEventLoop | None = None
        self.chain: Callable[[], AsyncGenerator[Batch, None] | None] = lambda: None
        """A weak reference to the stream's generators, to finish them where they are suspended."""
        self.now: Callable[[], float] = _no_clock_yet
        """The loop's clock, in seconds; from the first pull on."""
        self.until = NEVER
        """Loop time that a scope allows at most, over the call's own deadline."""
        self.allowed = NEVER
        self.trace_headers: Callable[[Attempt], Mapping[str, str]] | None = None
        """What an observer wants sent along with a request, if it was told to: its trace's context."""
        self.followed = False
        """An observer wants to be told of every step of each request."""
        self.in_trouble: Callable[[], Observer] | None = None
        """Asked for an observer when something first goes wrong: a good call does not even make one."""
        self._owner = owner
        self._live: set[Live] = set()
        self._observers: tuple[Observer, ...] = ()
        self._watchers: tuple[OnEvent, ...] = ()
        self._inside = (self.id, settings.retry.attempts)
        self._timer: asyncio.TimerHandle | None = None
        self._rings = NEVER
        self._deadline = NEVER
        self._ends_as: Outcome = "failed"
        self._taken: tuple[int, int] | None = None
        self._taken_at = 0.0

    @property
    def transport(self) -> Transport:
        """The client's way out."""
        return self._owner.transport

    @property
    def slots(self) -> Slots:
        """The client's places at its targets."""
        return self._owner.slots

    # -- beginning ----------------------------------------------------------------------------

    def start(self) -> None:
        """The first pull: the clock starts here, on the loop that pulls."""
        self.loop = asyncio.get_running_loop()
        self.now = self.loop.time
        self.thread = threading.get_ident()
        self.transcript._begin()
        if self._owner.closed:
            self.dead = closed_error("already_closed")
            self.finish("client_closed", self.dead)
            raise self.dead
        self._owner.calls.add(self)
        self._look_around()
        self._observers = tuple(self._who_observes())
        self._watchers = (*self._observers, *filter(None, (self.settings.on_event,)))
        now = self.now()
        self._deadline = min(self.until, now + (NEVER if self.settings.deadline is None else self.settings.deadline))
        self.allowed = self._deadline - now
        self.arm(self._deadline)
        if self.settings.timeouts.consumer is not None:
            self.arm(now + self.settings.timeouts.consumer)

    def join(self, part: Live) -> None:
        """From now on `part` is interrupted and closed with the call."""
        self._live.add(part)

    def leave(self, part: Live) -> None:
        """`part` is over."""
        self._live.discard(part)

    def remaining(self) -> float:
        """Seconds until the deadline; infinite without one."""
        return self._deadline - self.now()

    def emit(self, make: Callable[..., Event], *values: Any) -> None:
        """Tell whoever watches; the event is not even made otherwise."""
        if self.in_trouble is not None and (make is AttemptFailed or self.transcript.outcome not in (None, "complete")):
            observe, self.in_trouble = self.in_trouble, None
            self._watchers = (*self._made(observe), *self._watchers)
        if self._watchers:
            event = make(self.id, *values)
            for watcher in self._watchers:
                _safely(watcher, event)

    def fail_at(
        self,
        target: Target,
        kind: ErrorKind,
        *,
        code: str = "",
        detail: str = "",
        retry_after: float | None = None,
        attempt: int = 1,
    ) -> StreamError:
        """Return the error for a request that a link does not send; see `CallContext.fail_at`."""
        adapter = adapter_for(target.provider)
        error = error_for(
            Failure(kind=kind, code=code, detail=detail, retry_after=retry_after),
            phase="connect", provider=target.provider, model=target.model, attempt=attempt,
            provider_title=adapter.title, env_var=" or ".join(adapter.key_variables) or None,
        )  # fmt: skip
        kept_back = Attempt(
            target=target.name, model=target.model, started=time.time(), duration=0.0, error=error, sent=False
        )
        self.transcript.attempts.append(kept_back)
        self.emit(AttemptFailed, target.name, attempt, error, kept_back)
        return error

    def note(self, target: str, attempt: int, step: Step, record: Attempt) -> None:
        """Tell the observers how far a request has come, if one of them wants to know."""
        if self.followed:
            progress = AttemptProgress(self.id, target, attempt, step, record)
            for observer in self._observers:
                _safely(observer, progress)

    def _made(self, observe: Callable[[], Observer]) -> tuple[Observer, ...]:
        """An observer for a call that went wrong. Its bug, or a lack of memory, must not keep the call from ending."""
        try:
            return (observe(),)
        except Exception:
            logger.exception("an observer of resilient_stream raised; the stream is not affected")
            return ()

    def _who_observes(self) -> Iterator[Observer]:
        """The observers that want this call. A bug in one must not keep the call from starting."""
        for asked in self.settings.observers:
            try:
                observer = asked(self)
            except Exception:
                logger.exception("an observer of resilient_stream raised; the stream is not affected")
                continue
            if observer is not None:
                yield observer

    # -- one owner of retries -----------------------------------------------------------------

    def enter(self) -> tuple[str, int] | None:
        """A pull begins: calls started from inside the chain are inside this one's retries. Gives what to leave to."""
        outer = _around.get()
        _around.set(self._inside)
        return outer

    def exit(self, outer: tuple[str, int] | None) -> None:
        """The pull is over. No token: a pull that the collector ends does so in a foreign context."""
        _around.set(outer)

    def _look_around(self) -> None:
        """Retries inside retries multiply; say so, once for each client."""
        outer, own = _around.get(), self.settings.retry.attempts
        if outer is None or outer[1] < 2 or own < 2 or self._owner.warned:
            return
        self._owner.warned = True
        logger.warning(
            "%s runs inside an attempt of %s, and both retry: up to %d x %d requests; "
            "give one of the two clients RetryPolicy.off()",
            self.id, outer[0], outer[1], own, extra={"call_id": self.id, "outer_call_id": outer[0]},
        )  # fmt: skip

    def spend(self, target: Target) -> bool:
        """Whether one more request may go to `target` because something failed; it is counted if so."""
        return ledger_of(target).spend(self.settings.budget)

    # -- waiting ------------------------------------------------------------------------------

    async def sleep(self, seconds: float) -> None:
        """Wait, unless the call ends meanwhile: then its error is raised at once."""
        await self.wait(lambda: anyio.sleep(seconds))

    async def wait(self, start: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Await it, unless the call ends meanwhile: then its error is raised at once."""
        guard = Guard()
        self.join(guard)
        try:
            self.check()
            return await guard.run(start)
        except Interrupted:
            self.check()
            raise
        finally:
            self.leave(guard)

    def check(self) -> None:
        """Raise what ended the call, if it has ended."""
        if self.dead is not None:
            raise self.dead

    # -- the clock ----------------------------------------------------------------------------

    def arm(self, when: float) -> None:
        """Ring at `when` at the latest."""
        if when < self._rings and self.transcript.outcome is None and self.loop is not None:
            if self._timer is not None:
                self._timer.cancel()
            self._rings = when  # kept apart: uvloop's handle for a time in the past has no `when()`
            self._timer = self.loop.call_at(when, self._ring)

    def _ring(self) -> None:
        self._timer, self._rings = None, NEVER
        now = self.now()
        if now >= self._deadline:
            failure = Failure(kind=ErrorKind.DEADLINE_EXCEEDED, facts={"seconds": self.allowed})
            self.expire(self.error(failure), "deadline")
            return
        self.arm(self._deadline)
        self._watch_consumer(now)
        for part in list(self._live):
            part.watch(now)

    def _watch_consumer(self, now: float) -> None:
        """Has anything been taken since the last look? Counts only while nobody is pulling."""
        limit = self.settings.timeouts.consumer
        if limit is None:
            return
        taken = self.transcript._counts()
        if self.busy or taken != self._taken:
            self._taken, self._taken_at = taken, now
        elif now - self._taken_at >= limit:
            self.expire(closed_error("abandoned"), "abandoned")
        self.arm(self._taken_at + limit)

    # -- ending -------------------------------------------------------------------------------

    def expire(self, error: StreamError, outcome: Outcome) -> None:
        """End from outside (clock, client, scope, close): sockets are closed before this returns.

        A pending pull raises `error`; without one the end is recorded now.
        """
        if self.dead is not None or self.transcript.outcome is not None:
            return
        self.dead, self._ends_as = error, outcome
        for part in list(self._live):
            part.interrupt()
        if not self.busy:
            self.finish(outcome, error)

    def named(self, error: Exception) -> Exception:
        """Return what a pull raises for an exception that left the chain.

        Errors of this library stay as they are, and so does everything where a user's own links are in the chain, whose
        exceptions are the user's to catch. Anything else becomes a StreamError.
        """
        if isinstance(error, StreamError | StreamMisused) or self.settings.own_links:
            return error
        from ..classify import classify_exception, unforeseen  # paid for when something fails, not by the import

        return self.error(classify_exception(error, phase="stream") or unforeseen(error))

    def error(self, failure: Failure) -> StreamError:
        """Return the error for a finding about this call, which names the latest attempt's target."""
        return error_for(failure) if self.origin is None else self.origin.error(failure)

    def clean(self, cause: BaseException | None) -> BaseException | None:
        """Return the exception behind an error as it may be shown: without a secret of the latest attempt."""
        return cause if self.origin is None else self.origin.clean(cause)

    def fail(self, error: BaseException) -> None:
        """End because the pull raised `error`."""
        self.finish(self._ends_as if error is self.dead else "failed", error)

    def finish(self, outcome: Outcome, error: BaseException | None = None) -> None:
        """The one end: connections closed, timer gone, recorded, told. Synchronous and idempotent."""
        transcript = self.transcript
        if transcript.outcome is not None:
            return
        for part in list(self._live):
            part.close()
        if (chain := self.chain()) is not None:
            unwind(chain)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        known = error if isinstance(error, StreamError) else None
        if known is not None:
            known.transcript = transcript
            known.billed_maybe = known.billed_maybe or self.sent
        transcript._end(outcome, known)
        if self.lone is not None and self.answering is not None:
            ledger_of(self.request.target).request()  # what `retry` counts where there is a chain
        self.lone = self.direct = None
        self._owner.calls.discard(self)
        if self.settings.on_end is not None:
            _safely(self.settings.on_end, transcript)
        self.emit(StreamEnded, transcript)
        self.in_trouble = None  # it refers to the call; without it, one that is over is freed without the collector


def closed_error(why: str) -> StreamError:
    """What a pull raises on a stream that was cancelled, closed or given up."""
    kind = ErrorKind.CLIENT_CLOSED if why in ("client_closed", "already_closed") else ErrorKind.CANCELLED
    return error_for(Failure(kind=kind, code=why))


def as_it_is(batch: Batch) -> Batch:
    """Return the batch unchanged."""
    return batch


def _no_clock_yet() -> float:
    raise RuntimeError("a call has a clock from its first pull on")


def _safely(callback: Callable[[Any], object], value: Any) -> None:
    """A watcher's bug must not become the stream's end."""
    try:
        callback(value)
    except Exception:
        logger.exception("a callback given to resilient_stream raised; the stream is not affected")
