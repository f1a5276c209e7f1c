"""Decides which of a call's targets is asked first: the orders that `Client(routing=…)` knows.

order          as they were given
weighted       by chance, each as often first as its `Target.weight` says
least_busy     the one with the fewest running requests for its weight first; by chance among equals
fastest        the one that is expected to have content first, by what was learned (Finagle's peak EWMA): the learned
               time, longer the more requests run there and the more of them fail. A target that nothing is known of is
               tried by one request at a time, and what is known is forgotten by half in 30 seconds without an answer
cheapest       by price for three times as much input as output; by chance among equals, unknown prices last
a function     given the targets and their health, it returns the targets in its own order; it may leave some out

In all but the first, a target that rests or whose circuit is open comes last.
"""

from __future__ import annotations

import inspect
import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, TypeAlias, cast

from ..failures import StreamMisused
from ..target import Target
from .health import Health, Patient, TargetHealth

__all__ = ["Chooser", "Router", "Routing"]

Chooser: TypeAlias = Callable[[Sequence[Target], Sequence[TargetHealth]], Sequence[Target]]
"""An order of the application's own: given the targets and the health of each, it returns the targets to ask."""

Routing: TypeAlias = Literal["order", "weighted", "least_busy", "fastest", "cheapest"] | Chooser

Rank: TypeAlias = Callable[["Router", Target, Patient, float], float]


class Router:
    """Orders the targets of each call. price: of a usual request to a target. chance: what decides between equals."""

    def __init__(
        self,
        how: Routing,
        health: Health,
        price: Callable[[str], Decimal | None] = lambda _: None,
        chance: random.Random | None = None,
    ) -> None:
        self._rank = None if callable(how) else _RANKS[how]
        self._choose = how if callable(how) else None
        self._health = health
        self._price = price
        self._chance = chance or random.Random()
        self._prices: dict[str, float] = {}

    def order(self, targets: tuple[Target, ...], now: float) -> tuple[Target, ...]:
        """Return the targets of one call in the order in which they are asked. Raises StreamMisused for what a function
        of the application's own did."""
        if self._rank is None:
            targets = self._by_own_function(targets, now)
            return tuple(sorted(targets, key=lambda each: self._is_open(each, now)))
        ranked = [(self._is_open(each, now), self._ranked(each, now), self._chance.random(), each) for each in targets]
        return tuple(each for *_, each in sorted(ranked, key=lambda row: row[:3]))

    def price(self, target: str) -> float:
        """Return what a usual request costs at a target; infinite where nobody knows."""
        if target not in self._prices:
            price = self._price(target)
            self._prices[target] = math.inf if price is None else float(price)
        return self._prices[target]

    def chance(self) -> float:
        """Return a random number from 0 to 1."""
        return self._chance.random()

    def _ranked(self, target: Target, now: float) -> float:
        assert self._rank is not None
        return self._rank(self, target, self._health.of(target), now)

    def _is_open(self, target: Target, now: float) -> bool:
        return self._health.of(target).circuit.state(now) == "open"

    def _by_own_function(self, targets: tuple[Target, ...], now: float) -> tuple[Target, ...]:
        assert self._choose is not None
        try:
            chosen: Any = self._choose(targets, self._health.views(targets, now))
            own = tuple(chosen)
        except Exception as error:
            raise StreamMisused(f"the function for routing= raised {type(error).__name__}: {error}") from error
        if not own or any(each not in targets for each in own) or len(set(map(id, own))) < len(own):
            raise StreamMisused(f"the function for routing= must return some of its targets, not {_listed_names(own)}")
        return own


def _weighted(router: Router, target: Target, known: Patient, now: float) -> float:
    """Return a place in the order by chance and weight. The target with the largest `u ** (1 / weight)` is first, so
    each is first as often as its weight says (Efraimidis, Spirakis)."""
    return -math.pow(router.chance(), 1 / target.weight)


def _least_busy(router: Router, target: Target, known: Patient, now: float) -> float:
    return known.in_flight / target.weight


def _fastest(router: Router, target: Target, known: Patient, now: float) -> float:
    expected, failing = known.latency.expected(now), known.circuit.failure_rate(now)
    if expected is None:
        return math.inf if known.in_flight or failing else -1.0
    return math.inf if failing >= 1 else expected * (known.in_flight + 1) / (1 - failing)


def _cheapest(router: Router, target: Target, known: Patient, now: float) -> float:
    return router.price(target.name)


_RANKS: Mapping[str, Rank] = {
    "weighted": _weighted,
    "least_busy": _least_busy,
    "fastest": _fastest,
    "cheapest": _cheapest,
}


def checked(routing: Any) -> Routing:
    """Return a way to route that there is. Raises StreamMisused for anything else."""
    if isinstance(routing, str) and (routing == "order" or routing in _RANKS):
        return cast(Routing, routing)
    if callable(routing) and not inspect.iscoroutinefunction(routing):
        return cast(Routing, routing)
    ways = ", ".join(map(repr, ("order", *_RANKS)))
    raise StreamMisused(f"routing= takes {ways}, or a plain function that is given targets and their health")


def _listed_names(own: Iterable[Any]) -> str:
    return f"[{', '.join(each.name if isinstance(each, Target) else type(each).__name__ for each in own)}]"
