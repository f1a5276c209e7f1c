"""money: refuses a request before it is sent, where the budget of the day is used up (`Limits.cost_per_day`).

A target's own budget is for that target, the client's is for all its targets together. The ledger knows a call's cost
when it has ended, so the calls that run when a budget is reached go on, and may take it over its limit.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from decimal import Decimal

from ...contract import Batch, Handler, Request
from ...failures import ErrorKind
from ...fleet.ledger import Ledger
from ...target import Target
from ..call import Call

__all__ = ["USED_UP", "has_budget", "money"]

USED_UP = "own_budget"
"""The code of an error for a request that was not sent because a budget of the application's own is used up."""


def money(request: Request, call: Call, call_next: Handler) -> AsyncGenerator[Batch, None]:
    """Forward the attempt's batches, unless a budget is used up; without one it is not even a link."""
    return _within(request, call, call_next) if has_budget(request.target, call) else call_next(request, call)


def has_budget(target: Target, call: Call) -> bool:
    """Whether a budget has to be looked at before a request to this target."""
    own = target.limits is not None and target.limits.cost_per_day is not None
    return own or call.settings.limits.cost_per_day is not None


async def _within(request: Request, call: Call, call_next: Handler) -> AsyncGenerator[Batch, None]:
    for whose, budget, spent in _budgets(request.target, call, call.ledger):
        if spent >= budget:
            detail = f"The budget {whose} is ${budget:.2f} a day, and ${spent:.2f} were spent today (UTC)."
            raise call.fail_at(
                request.target, ErrorKind.QUOTA_EXHAUSTED, code=USED_UP, detail=detail, retry=False,
                retry_after=call.ledger.until_tomorrow(), attempt=request.attempt,
            )  # fmt: skip
    async with aclosing(call_next(request, call)) as batches:
        async for batch in batches:
            yield batch


def _budgets(target: Target, call: Call, ledger: Ledger) -> Iterator[tuple[str, Decimal, Decimal]]:
    """Return whose budgets there are, what they are, and what of them was spent today."""
    if target.limits is not None and target.limits.cost_per_day is not None:
        yield f"for {target.name}", Decimal(str(target.limits.cost_per_day)), ledger.today(target.name)
    if call.settings.limits.cost_per_day is not None:
        yield "for all targets", Decimal(str(call.settings.limits.cost_per_day)), ledger.today()
