"""Asks the next target when one cannot answer, and only before content was delivered.

A target is left only for an error that another one may not have (`StreamError.fallback`), and never because this
process ran out of something: the next target needs a socket, too. An answer that is too large is its server's doing, so
the next one is asked. No error is hidden: each target's last one is in `AllTargetsFailed.errors`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import NoReturn

from ...contract import Batch, Handler, Request
from ...events import FellBack
from ...outcome.errors import AllTargetsFailed, StreamError
from ...outcome.making import forget_frames
from ...target import Target
from ..call import Call

__all__ = ["fallback", "give_up"]


async def fallback(request: Request, call: Call, call_next: Handler) -> AsyncGenerator[Batch, None]:
    """Try the request's targets in order. Raises the only error there was, or AllTargetsFailed with each target's."""
    targets = request.targets
    errors: list[StreamError] = []
    for number, target in enumerate(targets, 1):
        delivered = False
        try:
            async with aclosing(call_next(_for_target(request, target), call)) as batches:
                async for batch in batches:
                    delivered = True
                    yield batch
            return
        except StreamError as error:
            if delivered or error is call.dead:
                raise
            errors.append(error)
            if not error.fallback or number == len(targets):
                break
            forget_frames(error)
            call.emit(FellBack, target.name, targets[number].name, error)
    give_up(errors, untried=len(targets) - len(errors))


def give_up(errors: list[StreamError], untried: int) -> NoReturn:
    """Raise the only error there was, or AllTargetsFailed with each target's. untried: targets that were not asked."""
    if len(errors) == 1:
        raise errors[0]
    raise AllTargetsFailed.of(errors, untried=untried) from errors[-1]


def _for_target(request: Request, target: Target) -> Request:
    return request if request.target is target else replace(request, target=target)
