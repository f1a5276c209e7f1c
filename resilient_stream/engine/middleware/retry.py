"""Asks the same target again, after a wait, as long as nothing was delivered.

No wait outlives the call's deadline, and none is begun that the target's retry budget does not allow (`budget`): the
error goes on to the next target, or to the caller, now, and says why. After content was delivered nothing is sent again
here, because the caller would get the beginning twice; `recover` sees to that.

The waits are backoff's exponential generator; its decorators sleep without knowing a deadline, so only the
schedule is used.
"""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace

import backoff

from ...contract import Batch, Handler, Request
from ...events import RetryScheduled
from ...failures import ErrorCategory, Failure, GaveUp
from ...failures.kinds import KINDS
from ...fitting.told import left_out
from ...outcome.errors import StreamError
from ...outcome.making import forget_frames
from ...policy import RetryPolicy
from ...target import Target
from ..budget import counts_of
from ..call import Call

__all__ = ["attempts_for", "retry", "waits"]


async def retry(request: Request, call: Call, call_next: Handler) -> AsyncGenerator[Batch, None]:
    """Try the request's target until it answers, or its policy or the deadline says that it is enough."""
    plan = _Plan(call, request.target)
    while True:
        delivered = False
        try:
            async with aclosing(call_next(_numbered(request, plan), call)) as batches:
                async for batch in batches:
                    if not delivered:
                        delivered = True
                        plan.ended()
                    yield batch
            return
        except StreamError as error:
            wait = None if delivered else plan.wait_after(error)
            if wait is None:
                raise
            forget_frames(error)
            call.emit(RetryScheduled, error.target, plan.attempt - 1, plan.allowed(error), wait, error)
        await call.sleep(wait)


def _numbered(request: Request, plan: _Plan) -> Request:
    if request.attempt == plan.attempt and request.without == plan.without:
        return request
    return replace(request, attempt=plan.attempt, without=plan.without)


def waits(policy: RetryPolicy) -> Iterator[float]:
    """Return the waits before retry 0, 1, 2 …: `min(initial * 2**n, maximum)`, with up to `jitter` of it on top."""
    schedule = backoff.expo(base=2, factor=policy.initial, max_value=policy.maximum)
    next(schedule)  # its first value starts the generator
    return (wait * (1 + random.uniform(0, policy.jitter)) for wait in schedule)


def attempts_for(failure: Failure, policy: RetryPolicy) -> int:
    """Return the number of attempts in all at one target: the policy's, or the kind's or this failure's own cap if that
    is lower.

    A kind that is not retried, but this once (RECITATION, x-should-retry), gets one more attempt.
    """
    row = KINDS[failure.kind]
    own = 2 if row.retry == "no" else row.max_attempts
    return min(policy.attempts, own or policy.attempts, failure.max_attempts or policy.attempts)


class _Plan:
    """Knows what is left of one target's retries in one call."""

    def __init__(self, call: Call, target: Target) -> None:
        policy = call.settings.retry
        self.attempt = 1
        self._call = call
        self._target = target
        self._policy = policy
        self._schedule = waits(policy)
        began = call.now() if call.lone is None else call.lone.attempt.started
        self._until = began + (policy.max_elapsed or float("inf"))
        self._free = True
        self.without: frozenset[str] = frozenset()
        """The options that were refused and are left out from now on."""

    def allowed(self, error: StreamError) -> int:
        """Return the number of attempts in all for this kind of error."""
        return self._policy.attempts if error.failure.leave_out else attempts_for(error.failure, self._policy)

    def wait_after(self, error: StreamError) -> float | None:
        """Return the seconds until the next attempt; None when there is none, and then the error says why."""
        if error.retryable and self._free and error.failure.code == "stale_connection":
            self._free = False  # the pool is to blame, so it is sent at once and not counted
            return 0.0
        self.ended()
        if self._leaves_out(error):
            self.attempt += 1
            return 0.0
        if not error.retryable:
            return None
        wait = self._wait(error.retry_after)
        error.gave_up = self._reason_to_stop(error, wait)
        if error.gave_up is not None:
            return None
        self.attempt += 1
        return wait

    def _leaves_out(self, error: StreamError) -> bool:
        """Leave an option out that was refused, once; return whether the request may work without it.

        It is not left to the budget, since a provider that refuses an option is not overloaded by the next request. An
        option that the caller set is not left out.
        """
        name, target = error.failure.leave_out, self._target
        if not name or name in self.without or name in target.options or self.attempt >= self._policy.attempts:
            return False
        left_out(target.name, name, "it was refused, so the request was sent again without it")
        self.without |= {name}
        return True

    def ended(self) -> None:
        """Note that an attempt has its answer, or has failed. The first one is a request of its own to the budget."""
        if self.attempt == 1:
            counts_of(self._target).request()

    def _reason_to_stop(self, error: StreamError, wait: float) -> GaveUp | None:
        """Return what forbids another attempt after `wait`; None where nothing does. The budget is asked last: it
        counts what it grants."""
        call = self._call
        if self.attempt >= self.allowed(error):
            return "attempts"
        if (error.retry_after or 0) > self._policy.max_retry_after:
            error.longest_wait = self._policy.max_retry_after
            return "hint"
        if wait >= call.remaining():
            return "deadline"
        if call.now() + wait >= self._until:
            return "patience"
        if error.category is ErrorCategory.RESOURCE:
            return None  # nothing was sent, and the target is not to blame
        return None if call.spend(self._target) else "budget"

    def _wait(self, hint: float | None) -> float:
        """Return the wait of our own schedule, or the server's hint with jitter upward only: a thousand others got the
        same hint."""
        own = next(self._schedule)
        return hint * (1 + random.uniform(0, self._policy.jitter)) if hint else own
