"""Keeps a budget of a day that many processes share, as one of them knows it.

The store reserves money for a process, a little more than its running requests will probably cost, so most requests
find theirs in the purse and wait for nobody. What they really cost is told with the next claim, as the sum of the day.
While the store does not answer, the process goes by its own spending and by what the others had when it answered last.

Money is counted in billionths of a dollar: a token of the cheapest models costs tens of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import ROUND_CEILING, Decimal
from typing import NamedTuple

from .pool import MOST, Claim, Share, turns

__all__ = ["Known", "Purse", "Spending", "billionths", "dollars"]

AHEAD = 16
"""Requests for which money is reserved ahead, or as many as run already."""

FRESH = 0.25
"""Seconds for which the store's word that nothing is left is good without asking again."""

ONE_DOLLAR = 10**9


def billionths(amount: Decimal) -> int:
    """Return dollars as a whole number of billionths; a part of one counts as a whole one."""
    return min(MOST, max(0, int((amount * ONE_DOLLAR).to_integral_value(ROUND_CEILING))))


def dollars(amount: int) -> Decimal:
    """Return billionths as dollars."""
    return Decimal(amount) / ONE_DOLLAR


class Spending(NamedTuple):
    """Says what one client has spent on a day, by the ledger."""

    day: int
    amount: int


class _Others(NamedTuple):
    """Says what the other processes have spent on a day, and what they hold, as it was told last."""

    day: int
    spent: int
    held: int


class Known(NamedTuple):
    """Says what was spent today, and what is held for requests that run."""

    spent: int
    held: int


class Purse:
    """Says what one client may spend of a budget. spent: tells what it has spent today, all in all."""

    def __init__(self, pool: str, limit: Decimal, spent: Callable[[], Spending]) -> None:
        self.pool = pool
        self.limit = billionths(limit)
        self._spent = spent
        self._lock = threading.Lock()  # a client may be used by the loops of several threads
        self._turn = 0
        self._running = 0
        self._granted = 0
        self._waiting: list[int] = []
        self._told = Spending(0, 0)
        self._others = _Others(0, 0, 0)
        self._refused = float("-inf")

    def take(self, amount: int) -> bool:
        """Take so much of what is reserved for this process; return whether it was there."""
        spent = self._spent()
        with self._lock:
            untold = spent.amount - self._told.amount
            if spent.day != self._told.day or untold + self._running + amount > self._granted:
                return False
            if spent.amount >= self.limit:
                return False  # whatever the store says
            self._running += amount
        return True

    def take_alone(self, amount: int) -> bool:
        """Take so much without the store; return whether anything was left, as far as this process knows."""
        with self._lock:
            if sum(self.known()) >= self.limit:
                return False
            self._running += amount
        return True

    def give_back(self, amount: int) -> None:
        """Give back an amount that is not needed any more: the ledger has what the request cost."""
        with self._lock:
            self._running -= amount

    def waits(self, amount: int) -> None:
        """Ask for so much with the next claim; call `waited` afterwards."""
        self._waiting.append(amount)

    def waited(self, amount: int) -> None:
        """Ask no longer for an amount that `waits` has asked for."""
        self._waiting.remove(amount)

    def claim(self, process: str, lasts: float) -> Claim:
        """Return what is to be told and asked for. What was reserved ahead is given back by it."""
        spent, waiting = self._spent(), tuple(self._waiting)
        with self._lock:
            self._turn = next(turns)
            self._granted = held = max(0, self._running)
        least, need = max(waiting, default=0), sum(waiting)
        most = need + max(held, AHEAD * least) if waiting else 0
        return Claim(
            self.pool, f"{process}/{self.limit}", self._turn, self.limit, lasts, min(held, MOST), min(least, MOST),
            min(need, MOST), min(most, MOST), period=str(spent.day), used=spent.amount, spender=process,
        )  # fmt: skip

    def heard(self, claim: Claim, share: Share, now: float) -> None:
        """Take in the store's answer to a claim."""
        with self._lock:
            if claim.turn != self._turn:
                return  # this answer was overtaken by a later one
            day = int(claim.period)
            self._granted = min(share.held, claim.held + claim.most)
            self._told = Spending(day, claim.used)
            self._others = _Others(day, max(0, share.used - claim.used), max(0, share.by_all - share.held))
            if claim.least:
                self._refused = float("-inf") if share.granted else now

    def is_used_up(self, now: float) -> bool:
        """Return whether the store said a moment ago, on this day, that nothing is left."""
        return now - self._refused < FRESH and self._told.day == self._spent().day

    @property
    def is_open(self) -> bool:
        """Return whether there is something to tell: money is reserved, or was spent."""
        spent = self._spent()
        return bool(self._running or self._granted or (spent.amount and spent != self._told))

    def known(self) -> Known:
        """Return what all have spent today and what they hold, as far as this process knows."""
        spent, others = self._spent(), self._others
        if others.day != spent.day:
            others = _Others(spent.day, 0, 0)
        return Known(spent.amount + others.spent, max(0, self._running) + others.held)
