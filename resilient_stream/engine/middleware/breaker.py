"""Keeps requests from a target that is sick; what its requests ended with decides whether it is sick.

The link stands inside retry, so each request asks for permission, and tells afterwards how the target did: by a status,
an error inside a stream, a cut, or silence (`Breaker.slow_after`: the answer is waited for all the same). Without
permission the next target is asked at once. Where all are sick, `patient` waits for the first to recover.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from dataclasses import replace
from itertools import dropwhile
from typing import TYPE_CHECKING

from msgspec import structs

from ...contract import Batch, Handler, Request, Sending
from ...events import BreakerChanged
from ...failures import ErrorKind
from ...outcome.errors import AllTargetsFailed, StreamError
from ...outcome.making import forget_frames
from ...text import readable
from ..call import Call

if TYPE_CHECKING:
    from ...fleet.circuit import Permit
    from ...fleet.health import Health, Patient

__all__ = ["OPEN", "breaker", "patient"]

OPEN = "breaker_open"
"""The code of an error for a request that was not sent because its target is sick."""


def breaker(request: Request, call: Call, call_next: Handler) -> AsyncGenerator[Batch, None]:
    """Forward the attempt's batches; where a breaker is set, only if it lets the request through."""
    health = call.settings.health
    return call_next(request, call) if health is None else _with_permission(request, call, call_next, health)


async def _with_permission(
    request: Request, call: Call, call_next: Handler, health: Health
) -> AsyncGenerator[Batch, None]:
    known = health.of(request.target)
    if call.settings.sharing is not None:
        await call.settings.sharing.look(known, call)
    _tell_of_a_change(request, call, known)
    permit = known.circuit.ask(call.now())
    if permit is None:
        raise _refusal(request, call, known)
    visit = _Visit(known, permit, call.now)
    if known.slow_after is not None:
        request = replace(request, silence=visit)
    if request.meter is None and call.settings.drain is not None:
        request = replace(request, meter=visit)
    try:
        async with aclosing(call_next(request, call)) as batches:
            async for batch in batches:
                if not visit.delivered:
                    visit.began()
                    _tell_of_a_change(request, call, known)
                yield batch
    except StreamError as error:
        visit.failed(error)
        if not visit.delivered and error.kind is ErrorKind.RATE_LIMITED and _another_is_free(request, call, health):
            error.failure = structs.replace(error.failure, retry=False)  # this one rests now, so the next is asked
        raise
    finally:
        visit.over()
        call.once_read(request.meter, visit.gone)
        _tell_of_a_change(request, call, known)


def _tell_of_a_change(request: Request, call: Call, known: Patient) -> None:
    """Tell of the circuit's state, if it is another one than was told last."""
    circuit, now = known.circuit, call.now()
    state = circuit.state(now)
    if state != known.told:
        before, known.told = known.told, state
        wait = circuit.wait(now) if state == "open" else None
        call.emit(BreakerChanged, request.target.name, state, before, circuit.failure_rate(now), wait)


class _Visit:
    """Follows one request at a target, until it has shown how the target is. It refers to no call, because the attempt
    refers to it."""

    def __init__(self, known: Patient, permit: Permit, now: Callable[[], float]) -> None:
        self.seconds = known.slow_after or 0.0
        self.delivered = False
        self._known = known
        self._permit = permit
        self._now = now
        self._started = now()
        known.in_flight += 1

    def gone(self) -> None:
        """Note that the target no longer works on the request."""
        self._known.in_flight -= 1

    def begins(self, sending: Sending) -> None:
        """Count nothing: as a meter it only tells this request's answer from others that are read on."""

    def answered(self, sending: Sending) -> None:
        """Count nothing."""

    def began(self) -> None:
        """Note that content came."""
        self.delivered = True
        now = self._now()
        self._known.began(self._permit, now - self._started, now)

    def noticed(self) -> None:
        """Count a failure: no content for `seconds`. What comes later is no second verdict."""
        self._known.silent(self._take_permit(), self._now(), after_content=self.delivered)

    def failed(self, error: StreamError) -> None:
        """Count what the request ended with."""
        self._known.failed(self._take_permit(), error, self._now(), after_content=self.delivered)

    def over(self) -> None:
        """Note that the request is over, and that nothing failed or the failure has been told."""
        if self.delivered:
            self._known.ended(self._permit, self._now())
        else:
            self._known.left(self._permit)

    def _take_permit(self) -> Permit:
        from ...fleet.circuit import SPENT  # loaded with the client's health

        permit, self._permit = self._permit, SPENT
        return permit


def _another_is_free(request: Request, call: Call, health: Health) -> bool:
    """Return whether targets are balanced, and one that has not been asked yet in this call is not resting."""
    if call.settings.router is None:
        return False
    later = dropwhile(lambda target: target is not request.target, request.targets)
    return any(health.of(target).circuit.state(call.now()) != "open" for target in tuple(later)[1:])


def _refusal(request: Request, call: Call, known: Patient) -> StreamError:
    wait = known.circuit.wait(call.now())
    rate = known.circuit.failure_rate(call.now())
    why = f"{rate * 100:.0f} % of its last requests failed" if rate else "It failed before, or asked for a pause"
    detail = f"{why}. It is tried again in {readable.duration(wait)}."
    return call.fail_at(
        request.target, ErrorKind.PROVIDER_OVERLOADED, code=OPEN, detail=detail, retry_after=wait, retry=False,
        attempt=request.attempt,
    )  # fmt: skip


def patient(request: Request, call: Call, call_next: Handler) -> AsyncGenerator[Batch, None]:
    """Forward the answer; where all targets are sick, wait for the first one to recover."""
    return call_next(request, call) if call.settings.health is None else _wait_for_first(request, call, call_next)


async def _wait_for_first(request: Request, call: Call, call_next: Handler) -> AsyncGenerator[Batch, None]:
    while True:
        delivered = False
        try:
            async with aclosing(call_next(request, call)) as batches:
                async for batch in batches:
                    delivered = True
                    yield batch
            return
        except StreamError as error:
            first = None if delivered else _first_to_recover(error)
            if first is None or first.retry_after is None or first.retry_after >= call.remaining():
                raise
            forget_frames(error)
        await call.sleep(first.retry_after)
        request = _beginning_with(request, first.target)


def _first_to_recover(error: StreamError) -> StreamError | None:
    """Return the refusal that ends first, if no target was asked at all."""
    errors: Iterable[StreamError] = error.errors if isinstance(error, AllTargetsFailed) else (error,)
    refusals = [each for each in errors if each.code == OPEN and each.retry_after is not None]
    if len(refusals) != len(tuple(errors)):
        return None
    return min(refusals, key=lambda each: each.retry_after or 0.0)


def _beginning_with(request: Request, name: str) -> Request:
    """Return the request with this target first, and the others behind it."""
    ordered = tuple(sorted(request.targets, key=lambda target: target.name != name))
    return replace(request, targets=ordered, target=ordered[0])
