"""Keeps the calls of one client within budgets of money that they share with other processes.

A request takes what it will probably cost from what the store has reserved for this process, and waits for the store
only where that is not enough; those who wait at once ask together. The reservation ends with the call, when the ledger
has what it cost. As long as money is reserved the process says so, three times in a lease.

No call fails because of the store. Without an answer a call goes by what this process knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from ..fleet.board import Store
from ..fleet.purse import Purse, Spending, billionths
from ..fleet.remembered import Remembered
from ..fleet.shared import key_in_store
from .renewals import Renewals

if TYPE_CHECKING:
    from ..fleet.ledger import Ledger

__all__ = ["Purses", "Reserved"]

ROUNDS = 8
"""How often one request asks. Each answer serves at least one of those who wait, and most serve all of them."""


class Reserved:
    """Holds what one request has taken from a purse, until it is given back, once."""

    __slots__ = ("_amount", "_back")

    def __init__(self, back: Callable[[int], None], amount: int) -> None:
        self._back = back
        self._amount = amount

    def give_back(self) -> None:
        """Give the money back, because the request was not sent or its cost is in the ledger."""
        amount, self._amount = self._amount, 0
        if amount:
            self._back(amount)


class Purses:
    """Keeps the budgets of one client. process: gives the name of this process for the store."""

    def __init__(self, store: Store, process: Callable[[], str]) -> None:
        self.lease = store.lease
        self._store = store
        self._process = process
        self._purses: Remembered[tuple[str | None, Decimal], Purse] = Remembered()
        self._renewals: Renewals[Purse] = Renewals(store.lease, self._renew)
        self._asking: dict[tuple[Purse, asyncio.AbstractEventLoop], asyncio.Task[bool]] = {}

    def of(self, target: str | None, limit: Decimal, ledger: Ledger) -> Purse:
        """Return the purse for the budget of a target, or of all of them."""
        return self._purses.of((target, limit), lambda: _made(target, limit, ledger))

    async def reserve(self, purse: Purse, amount: int) -> Reserved | None:
        """Take the amount from the purse; None where the budget is used up."""
        purse.waits(amount)
        try:
            if not await self._take_or_claim(purse, amount):
                return None
        finally:
            purse.waited(amount)
        self._renew_later(purse)
        return Reserved(lambda amount: self._give_back(purse, amount), amount)

    async def _take_or_claim(self, purse: Purse, amount: int) -> bool:
        for _ in range(ROUNDS):
            if purse.take(amount):
                return True
            loop = asyncio.get_running_loop()
            if purse.is_used_up(loop.time()):
                return False
            if not await asyncio.shield(self._asked(purse, loop)):
                break
        return purse.take_alone(amount)

    def _asked(self, purse: Purse, loop: asyncio.AbstractEventLoop) -> asyncio.Task[bool]:
        """Return the task in which all requests of this loop that wait ask together, and the purse tells its news."""
        known = (purse, loop)
        if known not in self._asking:
            self._asking[known] = loop.create_task(self._claim(purse))
            self._asking[known].add_done_callback(lambda _: self._asking.pop(known))
        return self._asking[known]

    async def _claim(self, purse: Purse) -> bool:
        claim = purse.claim(self._process(), self.lease)
        share = await self._store.claim(claim)
        if share is not None:
            purse.heard(claim, share, asyncio.get_running_loop().time())
        self._renew_later(purse)
        return share is not None

    def _give_back(self, purse: Purse, amount: int) -> None:
        purse.give_back(amount)
        self._renew_later(purse)

    def _renew_later(self, purse: Purse) -> None:
        """Say again what is held before the lease is over, and what was spent."""
        if purse.is_open:
            self._renewals.arm(purse)

    def _renew(self, purse: Purse) -> None:
        if purse.is_open:
            self._asked(purse, asyncio.get_running_loop())

    async def aclose(self) -> None:
        """Tell what is left, and wait for it as long as the store allows."""
        for purse in self._renewals.end():
            self._renew(purse)
        loop = asyncio.get_running_loop()
        if asking := [task for (_, whose), task in self._asking.items() if whose is loop]:
            await asyncio.wait(asking)


def _made(target: str | None, limit: Decimal, ledger: Ledger) -> Purse:
    return Purse(key_in_store(("money", target or "")), limit, lambda: _spending(ledger, target))


def _spending(ledger: Ledger, target: str | None) -> Spending:
    day, amount = ledger.spent_on_day(target)
    return Spending(day, billionths(amount))
