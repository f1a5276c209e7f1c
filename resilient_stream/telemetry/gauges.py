"""Shows the gauges: what is read of all clients of this process each time metrics are collected.

OpenTelemetry keeps one instrument of a name, and a later one with another callback is dropped silently. So there is one
set of gauges for each provider of meters, and clients are added to it. They are known by weak references: a gauge keeps
no client alive.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from ..fleet.facts import STATES, Budget, Facts
from .attributes import split_target
from .names import METRICS

__all__ = ["GAUGES", "Watched", "watch"]

Watched: TypeAlias = "weakref.WeakMethod[Callable[[], Facts]]"
"""A client's method that returns its facts, for as long as the client exists."""

_watching: dict[int, Gauges] = {}
"""The gauges of each provider, by its id: providers of other packages may have no hash."""
_lock = threading.Lock()


def watch(provider: Any, meter: Meter, client: Watched) -> None:
    """Show a client in the gauges of a provider of meters."""
    with _lock:
        gauges = _watching.get(id(provider))
        if gauges is None:
            gauges = _watching[id(provider)] = Gauges(meter)
            with contextlib.suppress(TypeError):  # a provider that cannot be referred to weakly stays
                weakref.finalize(provider, _watching.pop, id(provider), None)
        gauges.clients = [*(each for each in gauges.clients if each() is not None), client]


class Gauges:
    """Shows the gauges of one provider. clients: those that it shows."""

    def __init__(self, meter: Meter) -> None:
        self.clients: list[Watched] = []
        for name, read in GAUGES.items():
            row = METRICS[name]
            meter.create_observable_gauge(name, [partial(self._observe, read)], row.unit, row.meaning)

    def _observe(self, read: Read, _: CallbackOptions) -> Iterable[Observation]:
        facts = [method() for client in self.clients if (method := client()) is not None]
        return [Observation(value, labels) for labels, value in read(facts)]


Point: TypeAlias = tuple[dict[str, str], float]
Read: TypeAlias = Callable[[list[Facts]], Iterator[Point]]


def _states(facts: list[Facts]) -> Iterator[Point]:
    worst: dict[str, int] = {}
    for each in facts:
        for target, state in (each.states or {}).items():
            worst[target] = max(worst.get(target, 0), STATES[state])
    for target, number in worst.items():
        provider, model = split_target(target)
        yield {"provider": provider, "model": model}, number


def _shut_clients(facts: list[Facts]) -> Iterator[Point]:
    if watched := [each.is_shut for each in facts if each.states is not None]:
        yield {}, sum(watched)


def _tightest_budgets(facts: list[Facts]) -> list[Budget]:
    """Return one budget of each name: of several clients' the one of which the greatest part is used."""
    found: dict[str, Budget] = {}
    for budget in sorted((budget for each in facts for budget in each.budgets), key=lambda budget: budget.share):
        found[budget.name] = budget
    return list(found.values())


def _spent_points(facts: list[Facts]) -> Iterator[Point]:
    for budget in _tightest_budgets(facts):
        yield {"budget": budget.name}, float(budget.spent)


def _left_points(facts: list[Facts]) -> Iterator[Point]:
    for budget in _tightest_budgets(facts):
        yield {"budget": budget.name}, float(budget.left)


def _stores(facts: list[Facts]) -> Iterator[Point]:
    if stores := [each.store for each in facts if each.store is not None]:
        yield {}, max(stores)


GAUGES: Mapping[str, Read] = {
    "llm.breaker.state": _states,
    "llm.breaker.shut_clients": _shut_clients,
    "llm.budget.used": _spent_points,
    "llm.budget.left": _left_points,
    "llm.store.state": _stores,
}
"""How each gauge is read."""
