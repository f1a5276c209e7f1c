"""Gathers what operators want to see of a client's fleet at any time: states of targets, budgets, the store.

It only reads, and may be called in any thread: metrics are collected in one of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias

from ..events import State
from ..policy import Limits
from ..target import Target
from .health import Health, key_of
from .ledger import NOTHING, budgets_of

__all__ = ["ALL_TARGETS", "STATES", "Budget", "Facts", "SpentOf", "facts_of"]

SpentOf: TypeAlias = Callable[[str | None, Decimal], Decimal]
"""Gives what was spent today of a budget: of a target's, or of all targets' (None), and how large it is."""

STATES: Mapping[State, int] = {"closed": 0, "half_open": 1, "open": 2}
"""The states of a breaker as numbers, the worst one last."""

ALL_TARGETS = "all targets"
"""The name of the client's own budget, beside those of its targets."""

ANSWERS, LATE, LOST = 0, 1, 2


class Budget(NamedTuple):
    """Describes a budget of the day (UTC). name: of its target, or ALL_TARGETS."""

    name: str
    dollars: Decimal
    spent: Decimal

    @property
    def left(self) -> Decimal:
        """Return the US dollars that may still be spent."""
        return max(NOTHING, self.dollars - self.spent)

    @property
    def share(self) -> Decimal:
        """Return the part of the budget that is used; 1 for a budget of nothing."""
        return self.spent / self.dollars if self.dollars else Decimal(1)


class Facts(NamedTuple):
    """Holds what there is to see of a client now. states: of each target by its name, of several keys the worst; None
    where nothing is observed. is_shut: none of the client's own targets is closed. store: 0 answers, 1 is late, 2 is
    out of reach; None without one."""

    states: Mapping[str, State] | None
    is_shut: bool
    budgets: Sequence[Budget]
    store: int | None


def facts_of(
    targets: Sequence[Target], health: Health | None, limits: Limits, spent_of: SpentOf, store: Any, now: float
) -> Facts:
    """Return what there is to see now."""
    budgets = tuple(
        Budget(name or ALL_TARGETS, dollars, spent_of(name, dollars)) for name, dollars in budgets_of(targets, limits)
    )
    if health is None:
        return Facts(None, False, budgets, _state_of(store))
    known = dict(health.states(now))
    states: dict[str, State] = {}
    for key, state in known.items():
        states[key.name] = max(states.get(key.name, "closed"), state, key=STATES.__getitem__)
    is_shut = bool(targets) and all(known.get(key_of(target), "closed") != "closed" for target in targets)
    return Facts(states, is_shut, budgets, _state_of(store))


def _state_of(store: Any) -> int | None:
    """Return how a store is; one that cannot be lost, like a MemoryStore, has nothing to say of it."""
    if store is None:
        return None
    if not getattr(store, "up", True):
        return LOST
    return LATE if getattr(store, "late", False) else ANSWERS
