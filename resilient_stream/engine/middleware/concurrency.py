"""concurrency: holds a place at the target while an attempt runs, where `Limits.max_concurrency` counts them.

It stands inside retry, so a place is not held through a backoff. Whoever comes first is served first, and waits as
long as the call's deadline allows: nothing has been asked of a server yet, so none of its clocks runs. A call whose
time runs out in the line is told so.

The one rule: the place is given back in `finally`, so on every ending: a break, a cancel, a dropped stream.
Must never: cost anything where there is no limit. It is not even a link then.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from msgspec import structs

from ...contract import Batch, Handler, Request
from ...failures import ErrorKind, Failure
from ...outcome.errors import StreamError
from ...outcome.making import error_for
from ..call import Call
from ..slots import Line

__all__ = ["concurrency"]


def concurrency(request: Request, call: Call, call_next: Handler) -> AsyncGenerator[Batch, None]:
    """Forward the attempt's batches; in a place of its own, where there is a limit."""
    limit = call.settings.limits_for(request.target).max_concurrency
    return call_next(request, call) if limit is None else _in_a_place(request, call, call_next, limit)


async def _in_a_place(request: Request, call: Call, call_next: Handler, limit: int) -> AsyncGenerator[Batch, None]:
    target = request.target
    key = (id(call.loop), target.name, target.base_url)
    line = call.slots.line(key)
    try:
        await _take(request, call, line, limit)
        try:
            async with aclosing(call_next(request, call)) as batches:
                async for batch in batches:
                    yield batch
        finally:
            line.give_back()
    finally:
        call.slots.leave(key)


async def _take(request: Request, call: Call, line: Line, limit: int) -> None:
    """Wait for a place. Raises what ended the call."""
    before, call.origin = call.origin, _Waiting(request, limit)
    try:
        await call.wait(lambda: line.take(limit))
    finally:
        call.origin = before


class _Waiting:
    """Names the errors of a call that waits for a place at a target."""

    def __init__(self, request: Request, limit: int) -> None:
        self._request = request
        self._limit = limit

    def error(self, failure: Failure) -> StreamError:
        """Return the error for a finding; a deadline that passes here has passed in the line."""
        request = self._request
        if failure.kind is ErrorKind.DEADLINE_EXCEEDED:
            failure = structs.replace(failure, code="in_the_line", facts={**failure.facts, "limit": self._limit})
        context = {"provider": request.target.provider, "model": request.model, "attempt": request.attempt}
        return error_for(failure, phase="connect", **context)

    def clean(self, cause: BaseException | None) -> BaseException | None:
        """Return the exception unchanged: nothing was sent."""
        return cause
