"""concurrency: holds a place at the target while an attempt runs, where `Limits.max_concurrency` counts them.

It stands inside retry, so a place is not held through a backoff. A call waits for one as long as it would wait for a
connection (`Timeouts.connect`), and never past its deadline; then it is a pool_exhausted of our own making, which is
told apart from a host that does not answer (JUDGEMENTS 24).

The one rule: the place is given back in `finally`, so on every ending: a break, a cancel, a dropped stream.
Must never: cost anything where there is no limit. It is not even a link then.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio

from ..call import Call
from ..contract import Batch, Handler, Request
from ..errors import ErrorKind, Failure, error_for
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
    """Wait for a place, no longer than for a connection. Raises ResourceError, or what ended the call."""
    target = request.target
    patience = call.settings.timeouts_for(target).connect

    async def wait() -> bool:
        with anyio.move_on_after(patience):
            await line.take(limit)
            return True
        return False

    if not await call.wait(wait):
        failure = Failure(kind=ErrorKind.POOL_EXHAUSTED, code="max_concurrency", facts={"limit": limit})
        context = {"provider": target.provider, "model": target.model, "attempt": request.attempt}
        raise error_for(failure, phase="connect", **context)
