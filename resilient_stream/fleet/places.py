"""Keeps the places at one target that many processes share, as one of them knows them.

The store grants a place for each request, and believes what a process holds for the time of a lease. While it does not
answer, the process leaves to the others what they held when it answered last, but takes one place at least; when their
leases would be over, too, it has all places for itself, as a process without a store.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from .pool import Claim, Share, turns

if TYPE_CHECKING:
    from .shared import Member

__all__ = ["Places"]

TURN = 1.0
"""Seconds for which the place that comes free next is kept for a process that says nothing more."""

FIRST_WAIT, GROWTH = 0.02, 1.5
"""Seconds before a process that waits asks again, and how many times longer it is each time."""

LONGEST_WAIT, LONGEST_AS_NEXT = 0.25, 0.1
"""Seconds before it asks again at most; and if the next place is for it."""

ANOTHER_ASKS = 0.001
"""Seconds before a request asks while a claim of another loop is on its way."""

POOL = "streams"
"""What the places at a target are called in the store. They are the same ones by whatever limit: while a new limit is
rolled out, two versions together keep to the smaller one."""

UNANSWERED_AFTER = 5.0
"""Seconds after which a claim is taken for lost: the loop that made it may have ended meanwhile."""


class Places:
    """Keeps what one client holds of the places at a target, and how it waits for more."""

    def __init__(self, member: Member, limit: int, process: Callable[[], str], lasts: float) -> None:
        self.limit = limit
        self.member = member
        self._process = process
        self._lasts = lasts
        self._lock = threading.Lock()  # a client may be used by the loops of several threads
        self._held = 0
        self._told: tuple[int, bool] | None = (0, False)
        self._asking: tuple[int, float] | None = None
        self._is_due = False
        self._waits = False
        self._is_next = False
        self._asked = 0
        self._others = 0
        self._heard = float("-inf")

    @property
    def is_open(self) -> bool:
        """Return whether the store has to hear more: places are held, or it may not know that none are."""
        return bool(self._held) or self._told != (0, False)

    @property
    def unsettled(self) -> bool:
        """Return whether there is something to tell now."""
        return self._is_due or self._told != (self._held, self._waits)

    def renew(self) -> None:
        """Have the store told again what is held, before it stops believing it."""
        if self.is_open:
            self._is_due = True
            self.member.tell()

    def claim(self, now: float, *, ask: bool) -> Claim | None:
        """Return what is to be told, and ask for a place; None while another claim is on its way."""
        with self._lock:
            if self._asking is not None and now - self._asking[1] < UNANSWERED_AFTER:
                return None
            turn = next(turns)
            self._asking, self._is_due = (turn, now), False
            waits = TURN if ask or self._waits else 0.0
            one = 1 if ask else 0
            process = f"{self._process()}/{self.limit}"
            return Claim(POOL, process, turn, self.limit, self._lasts, self._held, one, one, one, waits)

    def heard(self, claim: Claim, share: Share | None, now: float) -> None:
        """Take in the store's answer to a claim; None if there is none, and nobody knows what the store knows."""
        with self._lock:
            if self._asking is not None and self._asking[0] == claim.turn:
                self._asking = None
            is_granted = share is not None and bool(claim.least and share.granted)
            if claim.least:
                self._waits, self._asked = not is_granted, 0 if is_granted else self._asked + 1
            if share is None:
                self._told = None
                return
            self._held += is_granted
            self._told = (share.held, claim.waits > 0 and not is_granted)
            self._others = max(0, share.by_all - share.held)
            self._heard = now
            self._is_next = share.is_next

    def take_alone(self, now: float) -> bool:
        """Take a place without the store, if one is left as far as this process knows."""
        with self._lock:
            others = self._others if now - self._heard < self._lasts else 0
            if self._held >= max(1, self.limit - others):
                return False
            self._held += 1
            self._waits, self._asked = False, 0
            return True

    def leave(self) -> None:
        """Note that a place is free again."""
        with self._lock:
            self._held -= 1
        self.member.tell()

    def gave_up(self) -> None:
        """Note that whoever waited waits no longer."""
        if self._waits:
            self._waits = False
            self.member.tell()

    def wait(self) -> float:
        """Return seconds until it is worth asking again. By chance a little more or less, so that not all ask at
        once."""
        longest = LONGEST_AS_NEXT if self._is_next else LONGEST_WAIT
        return min(longest, FIRST_WAIT * GROWTH ** min(self._asked, 10)) * random.uniform(0.5, 1.5)
