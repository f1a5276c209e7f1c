"""Holds the policies of one call: the client's, or the call's own in their place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..events import Observer, OnEvent
from ..outcome.transcript import Transcript
from ..policy import Hedge, Limits, Recovery, RetryBudget, RetryPolicy, Timeouts
from ..target import Target

if TYPE_CHECKING:
    from ..fleet.beginnings import Beginnings
    from ..fleet.health import Health
    from ..fleet.routing import Router
    from ..objects.form import Form
    from .draining import Draining
    from .sharing import Sharing

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Holds the policies that the links and clocks of one call follow.

    own_timeouts: the call named timeouts itself, and they stand over a target's. deadline: seconds in all.
    budget: what all calls of the process together may send again. own_code: the user's own code runs inside the
    chain, a middleware or a callable for a key, which may ask another client. own_links: it is a middleware.
    form: what the answer is read as, where an object was asked for. asks_again: whether one that does not fit is asked
    for anew.
    hedge: when another target is asked beside a slow one. beginnings: how long targets take to begin, where the hedge
    goes by that.
    health: what the client knows of its targets, where it has a breaker or balances them. router: what puts them in
    order, where it is not the one in which they were given.
    sharing: how health and limits are shared with other processes.
    drain: how long an answer is read on after its caller has left it; None: it is closed at once.
    observers: asked once a call, with the call, for someone to tell its events to; None for nobody.
    """

    retry: RetryPolicy
    timeouts: Timeouts
    limits: Limits
    budget: RetryBudget
    recovery: Recovery
    own_timeouts: bool = False
    own_code: bool = False
    own_links: bool = False
    deadline: float | None = None
    form: Form | None = None
    health: Health | None = None
    hedge: Hedge | None = None
    beginnings: Beginnings | None = None
    router: Router | None = None
    sharing: Sharing | None = None
    drain: Draining | None = None
    asks_again: bool = False
    on_end: Callable[[Transcript], object] | None = None
    on_event: OnEvent | None = None
    observers: tuple[Callable[[Any], Observer | None], ...] = ()

    def timeouts_for(self, target: Target) -> Timeouts:
        """Return the call's own timeouts, else the target's, else the client's."""
        return self.timeouts if self.own_timeouts or target.timeouts is None else target.timeouts

    def limits_for(self, target: Target) -> Limits:
        """Return the target's limits, else the client's."""
        return target.limits or self.limits
