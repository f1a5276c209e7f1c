"""Counts what processes hold of something that is scarce for all of them together, like the money of a day.

A process says how much it holds, all in all, and asks for more. It is believed for as long as its lease lasts, so what
a dead process held comes back by itself. Because a claim is a sum and no change, it can be made again: after an answer
that was lost, and to a store that has lost its memory, the next one puts everything right. The claims of a process are
numbered, and one that comes late changes nothing. Figures are whole numbers, so sums are exact.

`Pool` keeps one of them in memory. Its twin is a function in Lua that runs inside Redis; one suite of tests holds both
to the same answers.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

__all__ = ["LONGEST_LEASE", "MOST", "PERIOD_LASTS", "SPARE", "Claim", "Pool", "Share", "turns"]

turns = itertools.count(1)
"""The numbers of the claims of this process."""

MOST = 9 * 10**15
"""The largest figure: whole numbers up to here are exact in Lua, too, where all numbers are floats."""

LONGEST_LEASE = 3600.0
"""Seconds for which a process is believed at most."""

PERIOD_LASTS = 2 * 86_400.0
"""Seconds for which it is remembered what was used up in a period, which is a day, after the last news of it."""

SPARE = 16
"""What one process is granted beyond its need is a sixteenth of what is left at most, so little lies idle."""


class Claim(NamedTuple):
    """Says what one process tells of a pool, and what it asks for.

    pool: its key. process: who tells, by one limit; whoever has several has a name for each. turn: the number of the
    claim, which grows. limit: of all processes together; of what is only held, the smallest one counts for all, as long
    as a lease by it lasts.
    lasts: seconds for which the claim is good. held: what the process holds.
    least: what it asks for beside that, and gets whole where anything is left; 0 asks for nothing. need: what it can
    use now. most: what would save it the next question.
    waits: seconds for which it keeps its turn if it gets nothing; 0 where nobody waits.
    period: in which things are used up, "" where they only are held. used: in this period by the spender, all in all.
    spender: who tells that; one may hold by several limits.
    """

    pool: str
    process: str
    turn: int
    limit: int
    lasts: float
    held: int = 0
    least: int = 0
    need: int = 0
    most: int = 0
    waits: float = 0.0
    period: str = ""
    used: int = 0
    spender: str = ""

    def asking_for_nothing(self) -> Claim:
        """Return the claim with what it tells only."""
        return self._replace(least=0, need=0, most=0, waits=0.0)


class Share(NamedTuple):
    """Says what the store knows of a pool after a claim.

    held: by the process, with what it was granted. by_all: by all processes. used: in the period, by all.
    granted: beside what was held. is_next: what comes free first is for this process.
    """

    held: int = 0
    by_all: int = 0
    used: int = 0
    granted: int = 0
    is_next: bool = False


class _Lease(NamedTuple):
    """Says what one process holds, by its claim of this number, and when that ends."""

    turn: int
    held: int
    ends: float
    limit: int


_NONE = _Lease(0, 0, 0.0, MOST)


class Pool:
    """Keeps one pool. `now` is a time in seconds, the same clock in all calls."""

    def __init__(self) -> None:
        self._leases: dict[str, _Lease] = {}
        self._used: dict[str, dict[str, int]] = {}
        self._ends: dict[str, float] = {}
        self._next = ("", 0.0)

    def claim(self, claim: Claim, now: float) -> Share:
        """Take in what the process tells, and grant what it asks for where it is there."""
        self._forget(now)
        used = self._count(claim, now) if claim.period else 0
        known = self._leases.get(claim.process, _NONE)
        if claim.turn <= known.turn:
            return Share(known.held, self._by_all(), used, 0, self._next[0] == claim.process)
        ends = now + min(claim.lasts, LONGEST_LEASE)
        lease = self._leases[claim.process] = _Lease(claim.turn, claim.held, ends, claim.limit)
        limit = claim.limit if claim.period else min(each.limit for each in self._leases.values())
        granted = self._amount_to_grant(claim, limit - used - self._by_all(), now)
        self._leases[claim.process] = lease._replace(held=claim.held + granted)
        return Share(claim.held + granted, self._by_all(), used, granted, self._next[0] == claim.process)

    def _amount_to_grant(self, claim: Claim, room: int, now: float) -> int:
        """Return what is granted of what is left. One piece of it is kept for whoever is next."""
        whose, until = self._next
        is_kept = whose not in ("", claim.process) and now < until
        granted = 0
        if claim.least and room - is_kept > 0:
            granted = max(claim.least, min(claim.need, room), min(claim.most, room // SPARE))
        if not is_kept and claim.waits and not granted:
            self._next = (claim.process, now + claim.waits)
        elif whose == claim.process:
            self._next = ("", 0.0)
        return granted

    def _count(self, claim: Claim, now: float) -> int:
        """Take in what the spender has used in the period, and return what all have."""
        used = self._used.setdefault(claim.period, {})
        if claim.used > used.get(claim.spender, 0):
            used[claim.spender] = claim.used
            self._ends[claim.period] = now + PERIOD_LASTS
        return sum(used.values())

    def _by_all(self) -> int:
        return sum(lease.held for lease in self._leases.values())

    def _forget(self, now: float) -> None:
        for process in [process for process, lease in self._leases.items() if lease.ends <= now]:
            del self._leases[process]
        for period in [period for period, ends in self._ends.items() if ends <= now]:
            del self._ends[period]
            self._used.pop(period, None)

    def is_over(self, now: float) -> bool:
        """Return whether nothing of the pool matters any more."""
        self._forget(now)
        return not self._leases and not self._ends
