"""Waits until a request may go, where `Limits` bound what is sent to its target.

The link stands inside retry, so each request is counted, and a place is not held through a backoff. Whoever comes first
is served first, and waits as long as the call's deadline allows: nothing has been asked of a server yet, so none of its
clocks runs. A request that would wait in vain is refused before it waits, and the next target is asked. What it cost is
corrected when it is over, whatever ended it; what a server says is left is noted as its headers come.

What was taken is given back in `finally`, so on every ending: a break, a cancel, a dropped stream. Where there is no
limit this costs nothing, because it is not even a link then.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

from msgspec import structs

from ...chunks import Usage
from ...contract import Batch, Handler, Request, Sending, facts_of
from ...events import QueueJoined, QueueLeft
from ...failures import ErrorKind, Failure
from ...outcome.errors import StreamError
from ...outcome.making import error_for
from ...outcome.transcript import Attempt
from ...policy import Limits
from ...providers import adapter_for
from ...target import Target
from ...text import readable
from ..call import Call
from ..slots import Gate, is_limited

if TYPE_CHECKING:
    from ...fleet.bucket import Allowance, Cost, Wait
    from ...fleet.quota import Quota

__all__ = ["IN_THE_LINE", "OWN_LIMIT", "concurrency"]

OWN_LIMIT = "own_limit"
"""The code of an error for a request that was not sent because a limit of ours would not allow it in time."""

IN_THE_LINE = "in_the_line"
"""The code of an error for a call whose deadline passed while its request waited for a place."""

_REFUSALS = frozenset({ErrorKind.RATE_LIMITED, ErrorKind.PROVIDER_OVERLOADED})
"""Errors by which a target says that it is asked too much."""


def concurrency(request: Request, call: Call, call_next: Handler) -> AsyncGenerator[Batch, None]:
    """Forward the attempt's batches; where there are limits, once they allow it."""
    limits = call.settings.limits_for(request.target)
    return _when_allowed(request, call, call_next, limits) if is_limited(limits) else call_next(request, call)


async def _when_allowed(
    request: Request, call: Call, call_next: Handler, limits: Limits
) -> AsyncGenerator[Batch, None]:
    visit = _Visit(request, call, limits)
    try:
        if not visit.is_in_vain:
            await visit.enter()
        try:
            async with aclosing(call_next(visit.request, call)) as batches:
                async for batch in batches:
                    visit.began()
                    yield batch
        except StreamError as error:
            visit.failed(error)
            raise
        finally:
            visit.leave()
    finally:
        visit.forget()


class _Visit:
    """Follows one request at its target: its wait, its place, and what it shows of how much the target can carry."""

    def __init__(self, request: Request, call: Call, limits: Limits) -> None:
        self._call = call
        self._quota = quota = call.slots.quota(request.target, limits)
        self._gate = call.slots.gate(id(call.loop), quota.key)
        self._meter = _Meter(request, quota, self._gate, call.now)
        self.request = replace(request, meter=self._meter)
        self._has_place = quota.places is not None
        self._was_first = False
        self._entered: float | None = None
        self._round = 0
        self._delivered = False

    @property
    def is_in_vain(self) -> bool:
        """Return whether the breaker would refuse the request, however long it had waited here."""
        health = self._call.settings.health
        return health is not None and health.of(self.request.target).circuit.state(self._call.now()) == "open"

    async def enter(self) -> None:
        """Wait until the request may go. Raises what ended the call, or a refusal."""
        quota, call = self._quota, self._call
        self._refuse_in_vain(self._gate.ahead)
        waiting = _Waiting(self.request, quota)
        before, call.origin = call.origin, waiting
        limit = (lambda: quota.places or 1) if self._has_place else None
        ask = None if quota.allowance is None and quota.shared is None else self._ask
        arrived, who = call.now(), (call.id, self.request.target.name, self.request.attempt)
        call.observing.queue(QueueJoined, *who)
        try:
            await call.wait(lambda: self._gate.enter(self._meter.cost, limit, ask))
        except BaseException:
            if quota.shared is not None and self._was_first:
                quota.shared.gave_up()
            raise
        finally:
            if call.origin is waiting:  # another request of the same race may have put its own there
                call.origin = before
            call.observing.queue(QueueLeft, *who, call.now() - arrived)
        self._entered = call.now()
        self._round = quota.adaptive.round if quota.adaptive is not None else 0

    async def _ask(self) -> float:
        """Take the cost, and return 0, or the seconds until it may be there. Whoever is first in the line asks; the
        buckets may be in another process, so this is the place to await them."""
        quota, sharing, now = self._quota, self._call.settings.sharing, self._call.now()
        self._was_first = True
        if sharing is not None:
            wait = await sharing.take(quota, self._meter.cost, now)
        else:
            assert quota.allowance is not None  # else nobody would ask
            wait = quota.allowance.take(self._meter.cost, now)
        if wait:
            self._refuse_in_vain()
        return wait

    def _refuse_in_vain(self, ahead: Cost | None = None) -> None:
        """Raise a refusal if the deadline would pass first. ahead: what those cost who wait already."""
        if (allowance := self._quota.allowance) is None:
            return
        wait = allowance.wait(self._meter.cost, self._call.now(), *(() if ahead is None else (ahead,)))
        if wait.seconds and wait.seconds >= self._call.remaining():
            raise self._refusal(wait)

    def _refusal(self, wait: Wait) -> StreamError:
        limit = getattr(self._quota.limits, wait.limit, None)
        of = "Its provider has nothing left" if limit is None else f"Limits.{wait.limit} is {limit:,.15g}"
        line = f", and {self._gate.queued} wait already" if self._gate.queued else ""
        left = readable.duration(max(0.0, self._call.remaining()))
        detail = f"{of}{line}: it could be sent in {readable.duration(wait.seconds)}, and the call has {left} left."
        return self._call.fail_at(
            self.request.target, ErrorKind.RATE_LIMITED, code=OWN_LIMIT, detail=detail, retry_after=wait.seconds,
            retry=False, attempt=self.request.attempt,
        )  # fmt: skip

    def began(self) -> None:
        """Note that content came."""
        if self._delivered:
            return
        self._delivered = True
        if (adaptive := self._quota.adaptive) is not None and self._entered is not None:
            adaptive.began(self._round, self._call.now() - self._entered, self._gate.running)
            self._gate.places.admit()

    def failed(self, error: StreamError) -> None:
        """Learn from an error by which the server says that it is asked too much."""
        if error.kind not in _REFUSALS or not self._meter.was_sent:
            return
        if self._quota.adaptive is not None:
            self._quota.adaptive.refused(self._round)
        self._meter.hold(error.retry_after or 0.0)

    def leave(self) -> None:
        """Give back the place, and what was taken and not used, once the provider no longer works on the request."""
        if self._entered is not None:
            self._call.once_read(self._meter, self._give_back)

    def _give_back(self) -> None:
        self._meter.settle(delivered=self._delivered)
        if self._quota.shared is not None:
            self._quota.shared.leave()
        self._gate.leave(place=self._has_place)
        self.forget()

    def forget(self) -> None:
        """Forget the gate, if no other request is at it."""
        self._call.slots.leave(id(self._call.loop), self._quota.key)


class _Meter:
    """Measures what one request costs: by a guess, then by a count. It refers to no call, because the attempt's request
    refers to it."""

    def __init__(self, request: Request, quota: Quota, gate: Gate, now: Callable[[], float]) -> None:
        from ...fleet.bucket import NOTHING, Cost  # loaded already, with the quota

        self._target = request.target
        self._quota = quota
        self._gate = gate
        self._now = now
        self._nothing = NOTHING
        self._size = _size(request) if quota.limits.tokens_per_minute is not None else 0.0
        self.cost = Cost(1.0, quota.sizes.guess(self._size, request.max_tokens))
        self._sent: list[Sending] = []

    def begins(self, sending: Sending) -> None:
        """Note that an attempt is made; one request may be sent more than once, by `buffered` or a link of the
        user's."""
        self._sent.append(sending)

    def answered(self, sending: Sending) -> None:
        """Note what the server says is left of its limits."""
        if self._quota.allowance is None or sending.record is None:
            return
        from ...classify.left import left_of  # loaded with `classify`, before the first request

        left = left_of(sending.record.headers, facts_of(adapter_for(self._target.provider)).limit_headers)
        self._correct_allowance(self._quota.allowance, left.requests, left.tokens, left.hold)

    def hold(self, seconds: float) -> None:
        """Let nothing go for so long, as the server asked."""
        if self._quota.allowance is not None:
            self._correct_allowance(self._quota.allowance, inf, inf, seconds)

    def _correct_allowance(self, allowance: Allowance, requests: float, tokens: float, hold: float) -> None:
        allowance.told(self.cost._replace(requests=requests, tokens=tokens), hold, self._now())
        self._gate.look_again()

    @property
    def was_sent(self) -> bool:
        """Return whether a request was written."""
        return any(sending.written for sending in self._sent)

    def settle(self, *, delivered: bool) -> None:
        """Give back what was taken and not used, or take what was used beside it. delivered: there was content."""
        if self._quota.allowance is not None:
            spent = self.cost if delivered and not self._sent else self._nothing  # one of the user's links has answered
            for sending in self._sent:
                spent = spent.plus(self._cost_of(sending))
            self._quota.allowance.give_back(self.cost.minus(spent), self._now())
        self._sent.clear()  # each refers to its request, which refers to this

    def _cost_of(self, sending: Sending) -> Cost:
        """Return what one attempt cost: by its usage; by the guess where there is none; nothing if it was not sent."""
        record = sending.record
        if record is None or not sending.written:
            return self._nothing
        if record.usage is None:
            return self.cost._replace(tokens=0.0) if (record.status or 0) >= 300 else self.cost
        read, written = _tokens(self._target, record, record.usage)
        if record.outcome == "complete":
            self._quota.sizes.learn(self._size, read, written)
        return self.cost._replace(tokens=float(read + written))


def _size(request: Request) -> float:
    from ...fleet.sizes import size_of  # loaded already, with the quota

    return size_of(request.messages, request.tools)


def _tokens(target: Target, record: Attempt, usage: Usage) -> tuple[int, int]:
    """Return the tokens that limits count, read and written: what comes from a provider's cache is free where it is
    counted apart. An answer that was cut has had a token for each chunk at least, whatever was counted last."""
    able = adapter_for(target.provider).capabilities(target.model)
    read, written = usage.input_tokens or 0, usage.output_tokens or 0
    if not able.cached_in_input:
        read += usage.cache_write_tokens or 0
    if not able.reasoning_in_output:
        written += usage.reasoning_tokens or 0
    return read, written if record.outcome == "complete" else max(written, record.chunks)


class _Waiting:
    """Names the errors of a call that waits to be sent to a target."""

    def __init__(self, request: Request, quota: Quota) -> None:
        self._request = request
        self._quota = quota

    def error(self, failure: Failure) -> StreamError:
        """Return the error for a finding; a deadline that passes here has passed in the line."""
        request = self._request
        if failure.kind is ErrorKind.DEADLINE_EXCEEDED:
            facts = {} if (places := self._quota.places) is None else {"limit": places}
            failure = structs.replace(failure, code=IN_THE_LINE, facts={**failure.facts, **facts})
        context = {"provider": request.target.provider, "model": request.model, "attempt": request.attempt}
        return error_for(failure, phase="connect", **context)

    def clean(self, cause: BaseException | None) -> BaseException | None:
        """Return the exception unchanged: nothing was sent."""
        return cause
