"""Runs one use of `client.stream()`, from its first pull to its end: a `Call` has its clock, live parts and transcript.

Every end goes through `finish`, which is synchronous and happens once; after it no socket, timer or task of the call is
left. A call never refers to its `Stream`, because dropping the stream is how an abandoned call is noticed.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import anyio

from ..contract import Batch, Capabilities, Meter, Request, Sending, Transport
from ..events import AttemptFailed, BreakerChanged, Drained, Event, Step, StreamEnded
from ..failures import ErrorKind, Failure, StreamMisused
from ..failures.kinds import Text
from ..outcome.errors import StreamError
from ..outcome.making import error_for
from ..outcome.transcript import Attempt, Outcome, Transcript
from ..providers import adapter_for
from ..target import Target
from .budget import counts_of
from .clock import NEVER, Clock
from .direct import Direct
from .guard import Guard, Interrupted, Live
from .nesting import retries_multiply
from .observing import Observing, safely
from .origin import Answering, Names
from .process import PROCESS
from .settings import Settings
from .slots import Slots
from .unwind import unwind

if TYPE_CHECKING:
    from ..fleet.ledger import Ledger
    from .draining import Drain
    from .prices import Prices
    from .purses import Reserved

__all__ = ["Call", "Owner", "as_it_is", "closed_error"]

logger = logging.getLogger("resilient_stream")

TROUBLE = (AttemptFailed, BreakerChanged)
"""Events with which a call is in trouble: whoever wants to be told of such calls only is told from here on."""

_LEFT: frozenset[Outcome] = frozenset({"cancelled", "abandoned"})
"""Ends that are the caller's own wish, and no failure."""
ResultT = TypeVar("ResultT")


class Owner(Protocol):
    """Gives a call what it needs of its client.

    warned: the log says already that its calls run inside another's retries. ledger: where its calls' requests are
    written down. prices: what gives their cost; priced: it is computed when a call ends.
    """

    transport: Transport
    slots: Slots
    calls: set[Call]
    closed: bool
    warned: bool
    ledger: Ledger
    prices: Prices
    priced: bool


class Call:
    """Holds the state that one stream's chain shares. The client makes it, and the first pull starts it."""

    def __init__(self, owner: Owner, settings: Settings, request: Request) -> None:
        self.settings = settings
        self.request = request
        self.id = f"call-{next(PROCESS.calls)}"
        self.transcript = Transcript(settings.limits.max_transcript_bytes)
        self.dead: StreamError | None = None
        self.sent = False
        """Whether a request has been written, so that the call may be on a bill."""
        self.thread = 0
        self.origin: Names | None = None
        """What names an error of this call: the latest attempt's target, or the line that it waits in."""
        self.answering: Answering | None = None
        """The target and the attempt whose content came last."""
        self.lone: Any = None
        """The first attempt while there is no chain (`lone.Lone`); None from when the chain has taken it over."""
        self.direct = Direct(self.transcript)
        self.receiver: Callable[[Batch], Batch] = as_it_is
        """What an attempt that begins now passes its last batch through, found in its reader as the call ends. A
        continuation sets it, to compare that batch, too, with what was delivered."""
        self.loop: asyncio.AbstractEventLoop | None = None
        self.chain: Callable[[], AsyncGenerator[Batch, None] | None] = _no_chain
        """A weak reference to the stream's generators, to finish them where they are suspended."""
        self.now: Callable[[], float] = _no_clock_yet
        """The loop's clock, in seconds; from the first pull on."""
        self.until = NEVER
        """Loop time that a scope allows at most, over the call's own deadline."""
        self.allowed = NEVER
        self.observing = Observing()
        self.spent: tuple[tuple[Sending, Capabilities], ...] = ()
        """The requests that are over, with what their models can do, for the ledger."""
        self.reserved: tuple[Reserved, ...] = ()
        """Money that is held for the call's requests until they are written down, where a budget is shared."""
        self.left = False
        """Whether the caller goes away before the end, by a break, a close or a cancel; nothing failed."""
        self.drains: tuple[Drain, ...] = ()
        """Answers that are read on for their usage."""
        self._owner = owner
        self._live: list[Live] = []
        self._clock = Clock(self._ring)
        self._deadline = NEVER
        self._ends_as: Outcome = "failed"
        self._taken: tuple[int, int] | None = None
        self._taken_at = 0.0

    @property
    def busy(self) -> bool:
        """Return whether a pull is under way."""
        return self.direct.busy

    @busy.setter
    def busy(self, busy: bool) -> None:
        self.direct.busy = busy

    @property
    def transport(self) -> Transport:
        """Return the client's transport."""
        return self._owner.transport

    @property
    def slots(self) -> Slots:
        """Return the client's places at its targets."""
        return self._owner.slots

    @property
    def ledger(self) -> Ledger:
        """Return what the client's calls used and cost."""
        return self._owner.ledger

    @property
    def prices(self) -> Prices:
        """Return what gives the cost of the client's requests."""
        return self._owner.prices

    # -- beginning ----------------------------------------------------------------------------

    def start(self) -> None:
        """Begin the call at its first pull: the clock starts here, on the loop that pulls."""
        self.loop = asyncio.get_running_loop()
        self.now = self.direct.now = self.loop.time
        self.thread = threading.get_ident()
        self.transcript._begin()
        self.transcript._prices = self._owner.prices
        if self._owner.closed:
            self.dead = closed_error("already_closed")
            self.finish("client_closed", self.dead)
            raise self.dead
        self._owner.calls.add(self)
        self._owner.warned = self._owner.warned or retries_multiply(self.id, self.settings.retry.attempts)
        self.observing.start(self, self.settings.observers, self.settings.on_event)
        self._clock.start(self.loop)
        now = self.now()
        self._deadline = min(self.until, now + (NEVER if self.settings.deadline is None else self.settings.deadline))
        self.allowed = self._deadline - now
        self._arm_once(now)

    def _arm_once(self, now: float) -> None:
        """Arm the timer for the earliest of all clocks that will follow, so that a good call makes a single timer.

        A clock that is armed later for a later time costs nothing; one that has not run out when it rings arms again.
        """
        timeouts = self.settings.timeouts_for(self.request.target)
        clocks = (timeouts.first_content, timeouts.stall, self.settings.timeouts.consumer)
        self.arm(min(self._deadline, *(now + seconds for seconds in clocks if seconds is not None)))

    def join(self, part: Live) -> None:
        """Interrupt and close `part` with the call from now on."""
        self._live.append(part)

    def leave(self, part: Live) -> None:
        """Forget `part`, which is over."""
        if part in self._live:
            self._live.remove(part)

    def remaining(self) -> float:
        """Return the seconds until the deadline; infinite without one."""
        return self._deadline - self.now()

    def emit(self, make: Callable[..., Event], *values: Any) -> None:
        """Make an event and tell it to whoever watches; where nobody does it is not even made."""
        if make in TROUBLE or self.transcript.outcome not in (None, "complete"):
            self.observing.expect_trouble(self)
        self.observing.tell(self.id, make, values)

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
        """Return the error for a request that a link does not send; see `CallContext.fail_at`."""
        adapter = adapter_for(target.provider)
        error = error_for(
            Failure(kind=kind, code=code, detail=detail, retry_after=retry_after, retry=retry),
            phase="connect", provider=target.provider, model=target.model, attempt=attempt,
            provider_title=adapter.title, env_var=" or ".join(adapter.key_variables) or None,
        )  # fmt: skip
        if detail:  # the kind's own sentence says what the provider answered, which was not asked
            error.said = Text(error.title, (error.failure.detail,), (error.resolution,))
        kept_back = Attempt(
            target=target.name,
            model=target.model,
            started=time.time(),
            duration=0.0,
            outcome="failed",
            error=error,
            sent=False,
        )
        self.transcript.attempts.append(kept_back)
        self.emit(AttemptFailed, target.name, attempt, error, kept_back)
        return error

    def note(self, target: str, attempt: int, step: Step, record: Attempt) -> None:
        """Tell the observers how far a request has come, if one of them wants to know."""
        self.observing.note(self.id, target, attempt, step, record)

    def spend(self, target: Target) -> bool:
        """Return whether one more request may go to `target` because something failed; it is counted if so."""
        return counts_of(target).spend(self.settings.budget)

    # -- waiting ------------------------------------------------------------------------------

    async def sleep(self, seconds: float) -> None:
        """Wait, unless the call ends meanwhile: then its error is raised at once."""
        await self.wait(lambda: anyio.sleep(seconds))

    async def wait(self, start: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Await what `start` gives, unless the call ends meanwhile: then its error is raised at once."""
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
        """Have every live part look at its clocks at `when` at the latest."""
        self._clock.arm(when)

    def _ring(self) -> None:
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
        """End the call as abandoned when nothing was taken for too long. The time counts only while nobody is
        pulling."""
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
        """End the call from outside (clock, client, scope, close): sockets are closed before this returns.

        A pending pull raises `error`; without one the end is recorded now.
        """
        if self.dead is not None or self.transcript.outcome is not None:
            return
        self.dead, self._ends_as = error, outcome
        self.left = outcome in _LEFT
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
        from ..classify import classify_exception, unforeseen  # imported only when something fails

        return self.error(classify_exception(error, phase="stream") or unforeseen(error))

    def error(self, failure: Failure) -> StreamError:
        """Return the error for a finding about this call, which names the latest attempt's target."""
        return error_for(failure) if self.origin is None else self.origin.error(failure)

    def clean(self, cause: BaseException | None) -> BaseException | None:
        """Return the exception behind an error as it may be shown: without a secret of the latest attempt."""
        return cause if self.origin is None else self.origin.clean(cause)

    def fail(self, error: BaseException) -> None:
        """End the call because its pull raised `error`."""
        self.finish(self._ends_as if error is self.dead else "failed", error)

    def finish(self, outcome: Outcome, error: BaseException | None = None) -> None:
        """End the call, in the only place where calls end: close its connections and its timer, record the end, tell
        it. Synchronous and idempotent."""
        transcript = self.transcript
        if transcript.outcome is not None:
            return
        self.left = outcome in _LEFT
        for part in list(self._live):
            part.close()
        if self.drains and not self.left:
            self._cut_drains()
        if (chain := self.chain()) is not None:
            unwind(chain)
        self._clock.stop()
        known = error if isinstance(error, StreamError) else None
        if known is not None:
            known.transcript = transcript
            known.billed_maybe = known.billed_maybe or self.sent
        transcript._end(outcome, known)
        if self.lone is not None and self.answering is not None:
            counts_of(self.request.target).request()  # what `retry` counts where there is a chain
        self.lone = None
        self.direct.end()
        self._owner.calls.discard(self)
        if not self.drains:
            self._write_down()
        if self.settings.on_end is not None:
            safely(self.settings.on_end, transcript)
        self.emit(StreamEnded, transcript)

    # -- read on for the usage ----------------------------------------------------------------

    def drained(self, drain: Drain, target: str, attempt: int, record: Attempt) -> None:
        """Note that an answer is no longer read on; its record says what was learned."""
        self.drains = tuple(each for each in self.drains if each is not drain)
        for callback in drain.afterwards:
            callback()
        if not self.drains and self.transcript.outcome is not None:
            self._write_down()
        self.emit(Drained, target, attempt, record)

    def once_read(self, meter: Meter | None, callback: Callable[[], object]) -> None:
        """Call back when the answer that this meter counts is no longer read on, or now."""
        reading = next((drain for drain in self.drains if drain.meter is meter), None)
        if reading is None:
            callback()
        else:
            reading.afterwards.append(callback)

    def _cut_drains(self) -> None:
        """Close answers whose request was cancelled, but not by the call's own caller."""
        for drain in self.drains:
            drain.cut()

    def _write_down(self) -> None:
        """Tell the ledger, once, what the requests used."""
        if self.spent:
            safely(self._settle, self.spent)
            self.spent = ()
        for each in self.reserved:
            each.give_back()

    def _settle(self, spent: list[tuple[Sending, Capabilities]]) -> None:
        from .spending import settle  # loaded with the client's ledger

        settle(self._owner.ledger, self._owner.prices if self._owner.priced else None, spent)


def closed_error(why: str) -> StreamError:
    """Return what a pull raises on a stream that was cancelled, closed or given up."""
    kind = ErrorKind.CLIENT_CLOSED if why in ("client_closed", "already_closed") else ErrorKind.CANCELLED
    return error_for(Failure(kind=kind, code=why))


def as_it_is(batch: Batch) -> Batch:
    """Return the batch unchanged."""
    return batch


def _no_chain() -> None:
    """Return nothing, in place of a chain that was not built."""


def _no_clock_yet() -> float:
    raise RuntimeError("a call has a clock from its first pull on")
