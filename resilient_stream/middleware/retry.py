"""retry: the same target again, after a wait, as long as nothing was delivered.

The one rule: no wait outlives the call's deadline. A wait that would is not begun: the error goes on to the next
target, or to the caller, now.
Must never: retry after content was delivered.

The waits are backoff's exponential generator; its decorators sleep without knowing a deadline, so only the
schedule is used.
"""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace

import backoff

from ..call import Call
from ..contract import Batch, Handler, Request
from ..errors import StreamError, forget_frames
from ..events import RetryScheduled
from ..kinds import KINDS
from ..policy import RetryPolicy

__all__ = ["retry", "waits"]


async def retry(request: Request, call: Call, call_next: Handler) -> AsyncGenerator[Batch, None]:
    """Try the request's target until it answers, or its policy or the deadline says that it is enough."""
    plan = _Plan(call, call.settings.retry)
    while True:
        delivered = False
        try:
            async with aclosing(call_next(replace(request, attempt=plan.attempt), call)) as batches:
                async for batch in batches:
                    delivered = True
                    yield batch
            return
        except StreamError as error:
            wait = None if delivered else plan.wait_after(error)
            if wait is None:
                raise
            forget_frames(error)
            call.emit(RetryScheduled, error.target, plan.attempt - 1, plan.allowed(error), wait, error)
        await call.sleep(wait)


def waits(policy: RetryPolicy) -> Iterator[float]:
    """The waits before retry 0, 1, 2 …: `min(initial * 2**n, maximum)`, with up to `jitter` of it on top."""
    schedule = backoff.expo(base=2, factor=policy.initial, max_value=policy.maximum)
    next(schedule)  # its first value starts the generator
    return (wait * (1 + random.uniform(0, policy.jitter)) for wait in schedule)


class _Plan:
    """What is left of one target's retries in one call."""

    def __init__(self, call: Call, policy: RetryPolicy) -> None:
        self.attempt = 1
        self._call = call
        self._policy = policy
        self._schedule = waits(policy)
        self._until = call.now() + (policy.max_elapsed or float("inf"))
        self._free = True

    def allowed(self, error: StreamError) -> int:
        """Attempts in all for this kind of error: the policy's, or the kind's own cap if that is lower.

        A kind that is not retried, but this once (RECITATION, x-should-retry), gets one more attempt.
        """
        kind = KINDS[error.kind]
        own = 2 if kind.retry == "no" else kind.max_attempts
        return min(self._policy.attempts, own or self._policy.attempts)

    def wait_after(self, error: StreamError) -> float | None:
        """Seconds until the next attempt; None when there is none."""
        if not error.retryable:
            return None
        if self._free and error.failure.code == "stale_connection":
            self._free = False  # the pool's fault, not the provider's: at once, and not counted (JUDGEMENTS 30)
            return 0.0
        if self.attempt >= self.allowed(error):
            return None
        wait = self._wait(error.retry_after)
        if wait is None or wait >= self._call.remaining() or self._call.now() + wait >= self._until:
            return None
        self.attempt += 1
        return wait

    def _wait(self, hint: float | None) -> float | None:
        """Our own schedule, or the server's hint with jitter upward only: a thousand others got the same one."""
        own = next(self._schedule)
        if not hint:
            return own
        if hint > self._policy.max_retry_after:
            return None
        return hint * (1 + random.uniform(0, self._policy.jitter))
