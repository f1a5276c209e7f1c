"""Puts a call's targets into the order that `Client(routing=…)` asks for, once, before any of them is asked.

The link stands around those that ask targets, so hedging, fallback and continuations all see the same order.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from ...contract import Batch, Handler, Request
from ..call import Call

if TYPE_CHECKING:
    from ...fleet.routing import Router

__all__ = ["routed"]


def routed(request: Request, call: Call, call_next: Handler) -> AsyncGenerator[Batch, None]:
    """Forward the answer; where the client has a router, ask the targets in its order."""
    router = call.settings.router
    if router is None or len(request.targets) < 2:
        return call_next(request, call)
    return _in_routed_order(request, call, call_next, router)


async def _in_routed_order(
    request: Request, call: Call, call_next: Handler, router: Router
) -> AsyncGenerator[Batch, None]:
    targets = router.order(request.targets, call.now())
    async with aclosing(call_next(replace(request, targets=targets, target=targets[0]), call)) as batches:
        async for batch in batches:
            yield batch
