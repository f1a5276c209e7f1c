"""Refuses a request before it is sent, where the budget of the day is used up (`Limits.cost_per_day`).

A target's own budget is for that target, the client's is for all its targets together. The ledger knows a call's cost
when it has ended, so the calls that run when a budget is reached go on, and may take it over its limit. Of a budget
that is shared with other processes, what a request will probably cost is reserved first, until its call has ended.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from decimal import Decimal
from typing import TYPE_CHECKING

from ...contract import Batch, Handler, Request
from ...failures import ErrorKind
from ...fleet.ledger import NOTHING, DailyBudget, budgets_of, has_budget
from ...outcome.errors import StreamError
from ...text import readable
from ..call import Call

if TYPE_CHECKING:
    from ..purses import Reserved

__all__ = ["USED_UP", "money"]

USED_UP = "own_budget"
"""The code of an error for a request that was not sent because a budget of the application's own is used up."""


def money(request: Request, call: Call, call_next: Handler) -> AsyncGenerator[Batch, None]:
    """Forward the attempt's batches, unless a budget is used up; without one it is not even a link."""
    if not has_budget(request.target, call.settings.limits):
        return call_next(request, call)
    return (_if_money_is_left if call.settings.sharing is None else _with_money_held)(request, call, call_next)


async def _if_money_is_left(request: Request, call: Call, call_next: Handler) -> AsyncGenerator[Batch, None]:
    for budget in budgets_of((request.target,), call.settings.limits):
        spent = call.ledger.today(budget.target)
        if spent >= budget.limit:
            left = call.ledger.until_tomorrow()
            said = f"and {_dollars(spent)} were spent today (UTC). {_tomorrow(left)}"
            raise _refusal(request, call, budget, said, left)
    async with aclosing(call_next(request, call)) as batches:
        async for batch in batches:
            yield batch


async def _with_money_held(request: Request, call: Call, call_next: Handler) -> AsyncGenerator[Batch, None]:
    """Forward the batches within budgets of all processes. What is held for a request is free again when the call ends,
    or already with the request, if that gave nothing."""
    reserved: list[Reserved] = []
    delivered = False
    try:
        for budget in budgets_of((request.target,), call.settings.limits):
            reserved.append(await _reserved(request, call, budget))  # noqa: PERF401 (what came before a refusal)
        async with aclosing(call_next(request, call)) as batches:
            async for batch in batches:
                if not delivered:
                    delivered, call.reserved = True, (*call.reserved, *reserved)
                yield batch
    finally:
        if not delivered:
            for each in reserved:
                each.give_back()


async def _reserved(request: Request, call: Call, budget: DailyBudget) -> Reserved:
    from ...fleet.purse import dollars  # loaded with the client's purses

    assert call.settings.sharing is not None
    purses = call.settings.sharing.purses
    purse = purses.of(budget.target, budget.limit, call.ledger)
    amount = _probable_cost(request, call)
    reserved = await call.wait(lambda: purses.reserve(purse, amount))
    if reserved is not None:
        return reserved
    spent, held = map(dollars, purse.known())
    said = (
        f"all processes have spent {_dollars(spent)} today (UTC), and {_dollars(held)} are held for requests that run."
    )
    if spent < budget.limit:
        raise _refusal(request, call, budget, f"{said} What they do not use is free when they end.", purses.lease)
    left = call.ledger.until_tomorrow()
    raise _refusal(request, call, budget, f"{said} {_tomorrow(left)}", left)


def _probable_cost(request: Request, call: Call) -> int:
    """Return what a request will cost, in billionths of a dollar: the mean of today's at its target; at first by its
    size."""
    from ...fleet.purse import billionths  # loaded with the client's purses
    from ...fleet.sizes import OUTPUT, TOKENS_PER_BYTE, size_of

    name = request.target.name
    cost = call.ledger.usual_cost(name)
    if cost is None:
        given = int(size_of(request.messages, request.tools) * TOKENS_PER_BYTE)
        cost = call.prices.mean(name, given, int(request.max_tokens or OUTPUT), 0) or NOTHING
    return max(1, billionths(cost))


def _refusal(request: Request, call: Call, budget: DailyBudget, said: str, wait: float) -> StreamError:
    whose = "for all targets" if budget.target is None else f"for {budget.target}"
    return call.fail_at(
        request.target, ErrorKind.QUOTA_EXHAUSTED, code=USED_UP, retry=False, retry_after=wait, attempt=request.attempt,
        detail=f"The budget {whose} is {_dollars(budget.limit)} a day, {said}",
    )  # fmt: skip


def _tomorrow(seconds: float) -> str:
    return f"A new day begins in {readable.duration(seconds)}."


def _dollars(amount: Decimal) -> str:
    """Return an amount with cents; a smaller one with two digits."""
    return f"${amount:.2f}" if not amount or amount >= Decimal("0.01") else f"${amount:.2g}"
