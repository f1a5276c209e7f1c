"""Keeps the ledger: what the calls of one client used, wasted and cost, by target, by tenant and by key.

It is told of each request once, when its call has ended. Memory is bounded: a target, tenant and key that come together
for the first time when there are `MAX_ROWS` of such already are counted as the tenant and the key "other", and after as
many more also as the target "other".
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import msgspec

from ..chunks import Certainty
from ..failures import StreamMisused

if TYPE_CHECKING:
    from ..policy import Limits
    from ..target import Target

__all__ = [
    "DAY", "NOTHING", "Amount", "By", "DailyBudget", "Ledger", "Spent", "Total", "budgets_of", "has_budget",
]  # fmt: skip

By: TypeAlias = Literal["target", "tenant", "key"]

MeanPrice: TypeAlias = Callable[[str, int, int, int], Decimal | None]
"""The price of a request to a target, by its input, its output, and the part of the input that was cached."""

MAX_ROWS = 4096
"""Combinations of target, tenant and key that are told apart."""

OTHER = "other"
DAY = 86_400
NOTHING = Decimal(0)

_CERTAINTIES: tuple[Certainty, ...] = ("exact", "estimated", "unknown")
"""The certainties from good to bad: a sum is as certain as the worst of what is in it."""


class DailyBudget(NamedTuple):
    """Says how many US dollars may be spent in a day. target: the name of the target that it is for; None for all
    together."""

    target: str | None
    limit: Decimal


def has_budget(target: Target, limits: Limits) -> bool:
    """Return whether there is a budget to keep to for a target, by its own limits or the client's. It is asked before
    each request, so it makes nothing."""
    own = target.limits is not None and target.limits.cost_per_day is not None
    return own or limits.cost_per_day is not None


def budgets_of(targets: Iterable[Target], limits: Limits) -> Iterator[DailyBudget]:
    """Give the budgets of these targets, and then the client's own, by its limits."""
    for target in targets:
        if target.limits is not None and (own := target.limits.cost_per_day) is not None:
            yield DailyBudget(target.name, Decimal(str(own)))
    if (own := limits.cost_per_day) is not None:
        yield DailyBudget(None, Decimal(str(own)))


class Amount(NamedTuple):
    """Counts tokens, and says how certain their number is: all counted by the provider, some estimated here, or some
    unknown and left out, so that there were at least so many."""

    tokens: int
    certainty: Certainty


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """Sums up what one target, tenant or key used. A request is counted when its call has ended.

    requests: calls whose first request went there. attempts: requests that were sent.
    input_tokens: all input, with what was read from a cache or written to one; cached_input_tokens: the part of it
    that was read from a cache. output_tokens: all output; reasoning_tokens: the part of it that was reasoning.
    wasted_tokens: input and output of the attempts that gave no whole answer: they failed or were cut (whether another
    request went on or not), lost a race, or their caller went away.
    cost: US dollars; None where no price is known. cost_certainty: "unknown" where some of it is not known, "estimated"
    where tokens are, or where many requests were priced at once.
    """

    name: str
    requests: int
    attempts: int
    input_tokens: Amount
    output_tokens: Amount
    cached_input_tokens: Amount
    reasoning_tokens: Amount
    wasted_tokens: Amount
    cost: Decimal | None
    cost_certainty: Certainty


class Spent(NamedTuple):
    """Says what one request used. None for a count that nobody knows. cost: None without a price.

    first: it was the first one of its call. wasted: it gave no whole answer.
    """

    target: str
    tenant: str
    key: str
    first: bool
    wasted: bool
    input: int | None
    output: int | None
    cached: int | None
    reasoning: int | None
    certainty: Certainty
    cost: Decimal | None


class _Sum:
    """Sums up the tokens of many requests, and keeps the worst certainty among them."""

    __slots__ = ("rank", "tokens")

    def __init__(self) -> None:
        self.tokens = 0
        self.rank = 0

    def add(self, tokens: int | None, rank: int) -> None:
        """Add the tokens of one request."""
        if tokens is None:
            self.rank = 2
            return
        self.tokens += tokens
        if rank > self.rank:
            self.rank = rank

    @property
    def amount(self) -> Amount:
        return Amount(self.tokens, _CERTAINTIES[self.rank])


class _Row:
    """Sums up one target, tenant and key; or many of them. unpriced: requests without a cost."""

    __slots__ = ("attempts", "cached", "cost", "input", "output", "priced", "rank", "reasoning", "requests", "unpriced",
                 "wasted")  # fmt: skip

    def __init__(self) -> None:
        self.requests = self.attempts = self.priced = self.unpriced = self.rank = 0
        self.input, self.output, self.cached, self.reasoning, self.wasted = _Sum(), _Sum(), _Sum(), _Sum(), _Sum()
        self.cost = NOTHING

    def add(self, spent: Spent) -> None:
        """Add one request."""
        rank = 0 if spent.certainty == "exact" else _CERTAINTIES.index(spent.certainty)
        self.attempts += 1
        self.requests += spent.first
        self.input.add(spent.input, rank)
        self.output.add(spent.output, rank)
        self.cached.add(spent.cached, rank)
        self.reasoning.add(spent.reasoning, rank)
        if spent.wasted:
            self.wasted.add(spent.input, rank)
            self.wasted.add(spent.output, rank)
        if spent.cost is None:
            self.unpriced += 1
        else:
            self.priced += 1
            self.cost += spent.cost
            self.rank = max(self.rank, rank)

    def merge(self, other: _Row) -> None:
        """Add the sums of another row."""
        self.requests += other.requests
        self.attempts += other.attempts
        for name in ("input", "output", "cached", "reasoning", "wasted"):
            theirs: _Sum = getattr(other, name)
            getattr(self, name).add(theirs.tokens, theirs.rank)
        self.cost += other.cost
        self.priced += other.priced
        self.unpriced += other.unpriced
        self.rank = max(self.rank, other.rank)

    def total(self, name: str) -> Total:
        """Return the sums as they are shown."""
        return Total(
            name=name,
            requests=self.requests,
            attempts=self.attempts,
            input_tokens=self.input.amount,
            output_tokens=self.output.amount,
            cached_input_tokens=self.cached.amount,
            reasoning_tokens=self.reasoning.amount,
            wasted_tokens=self.wasted.amount,
            cost=self.cost if self.priced else None,
            cost_certainty="unknown" if self.unpriced else _CERTAINTIES[self.rank],
        )


class Ledger:
    """Keeps what the calls of one client used. Safe to use from several threads' loops.

    price: what gives the price of a request when somebody asks for totals, where requests come without a cost: their
    mean is priced then. clock: Unix time, in seconds. tell: called with each request that is written down.
    """

    def __init__(self, price: MeanPrice | None = None, clock: Callable[[], float] = time.time) -> None:
        self._price = price
        self._clock = clock
        self.tell: Callable[[Spent], object] | None = None
        self._lock = threading.Lock()
        self._rows: dict[tuple[str, str, str], _Row] = {}
        self._day = 0
        self._today: dict[str, Decimal] = {}
        self._costs_today: dict[str, int] = {}

    def totals(self, by: By = "target") -> Mapping[str, Total]:
        """Return the totals by name: of a target ("provider:model"), a tenant (`metadata={"tenant": …}` of the calls,
        "" without one) or a key (a short digest of it, "" without one).

        The calls that still run are not in it. Raises StreamMisused for another way to group.
        """
        if by not in ("target", "tenant", "key"):
            raise StreamMisused(f'totals(by=…) takes "target", "tenant" or "key", not {by!r}')
        place = ("target", "tenant", "key").index(by)
        sums: dict[str, _Row] = {}
        with self._lock:
            for names, row in self._rows.items():
                mine = sums.setdefault(names[place], _Row())
                mine.merge(row)
                self._add_the_price(mine, names[0], row)
        return {name: row.total(name) for name, row in sums.items()}

    def today(self, target: str | None = None) -> Decimal:
        """Return what was spent since midnight (UTC) at one target, or at all, as far as prices are known."""
        return self.spent_on_day(target)[1]

    def spent_on_day(self, target: str | None = None) -> tuple[int, Decimal]:
        """Return which day it is (UTC, since 1970), and what was spent on it at one target, or at all."""
        with self._lock:
            self._turn_the_page()
            spent = sum(self._today.values(), NOTHING) if target is None else self._today.get(target, NOTHING)
            return self._day, spent

    def usual_cost(self, target: str) -> Decimal | None:
        """Return what a request to a target costs in the mean of today; None before there was one."""
        with self._lock:
            self._turn_the_page()
            return self._today[target] / self._costs_today[target] if target in self._today else None

    def until_tomorrow(self) -> float:
        """Return the seconds until midnight (UTC)."""
        return DAY - self._clock() % DAY

    def add(self, spent: Spent) -> None:
        """Note what one request used, on the day on which its call ended."""
        with self._lock:
            self._row(spent).add(spent)
            if spent.cost:
                self._turn_the_page()
                target = spent.target if len(self._today) < MAX_ROWS or spent.target in self._today else OTHER
                self._today[target] = self._today.get(target, NOTHING) + spent.cost
                self._costs_today[target] = self._costs_today.get(target, 0) + 1
        if self.tell is not None:
            self.tell(spent)

    def _add_the_price(self, total: _Row, target: str, row: _Row) -> None:
        """Price the requests of a row that came without a cost, each as if it had been as large as their mean."""
        if self._price is None or not (count := row.unpriced):
            return
        sums = (row.input.tokens, row.output.tokens, row.cached.tokens)
        cost = self._price(target, *(tokens // count for tokens in sums))
        if cost is not None:
            total.cost += cost * count
            total.priced += count
            total.unpriced -= count
            total.rank = max(total.rank, row.input.rank, row.output.rank, 1)

    def _row(self, spent: Spent) -> _Row:
        names = (spent.target, spent.tenant, spent.key)
        row = self._rows.get(names)
        if row is None:
            if len(self._rows) >= MAX_ROWS:
                names = (spent.target, OTHER, OTHER)
            if len(self._rows) >= 2 * MAX_ROWS and names not in self._rows:
                names = (OTHER, OTHER, OTHER)
            row = self._rows.setdefault(names, _Row())
        return row

    def _turn_the_page(self) -> None:
        day = int(self._clock() // DAY)
        if day != self._day:
            self._day, self._today, self._costs_today = day, {}, {}
