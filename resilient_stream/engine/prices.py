"""Says what requests cost, in US dollars: by the table of genai-prices, or by a function of the application's own.

The table is part of that package; nothing is fetched. Loading it takes some tenths of a second, so it is loaded when
prices are switched on (`Client(prices=True)`), or when somebody first asks for a cost.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeAlias

from ..chunks import Usage
from ..failures import StreamMisused
from ..outcome.transcript import Attempt
from ..providers import capabilities_of, facts_about

__all__ = ["INSTALL", "PriceOf", "Prices"]

logger = logging.getLogger("resilient_stream")

PriceOf: TypeAlias = Callable[[str, Usage], Decimal | float | None]
"""A price function: given a target ("provider:model") and its usage as the provider counts it, US dollars, or None."""

INSTALL = "pip install 'resilient-stream[prices]'"
_BLEND = Usage(input_tokens=3000, output_tokens=1000)
"""What targets are compared by: three times as much input as output."""


class Prices:
    """Gives the prices of one client. own: a function that is asked in place of the table."""

    def __init__(self, own: PriceOf | None = None) -> None:
        self._own = own

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave the application's function behind when a transcript is pickled, which may not be one to pickle."""
        return Prices, ()

    def load(self) -> None:
        """Load the table, if it is the one that will be asked. Raises StreamMisused where it is not installed."""
        if self._own is None and _table() is None:
            raise StreamMisused(f"prices come with the extra: {INSTALL}; or give a function: prices=…")

    def of(self, attempt: Attempt) -> Decimal | None:
        """Return what a request cost; None where its tokens or its price are not known."""
        usage = attempt.estimate or attempt.usage
        if usage is None:
            return None
        return self._price(attempt.target, usage, attempt.started, attempt.response_model)

    def compared(self, target: str) -> Decimal | None:
        """Return the price of a usual request, to compare targets by; None where it is not known."""
        return self._price(target, _BLEND, None, None)

    def mean(self, target: str, given: int, made: int, cached: int) -> Decimal | None:
        """Return the price of a request with so much input, cached input included, and so much output."""
        if capabilities_of(target).cached_in_input:
            return self._price(target, Usage(given, made, cached_input_tokens=cached), None, None)
        return self._price(target, Usage(given - cached, made, cached_input_tokens=cached), None, None)

    def _price(self, target: str, usage: Usage, when: float | None, answered: str | None) -> Decimal | None:
        try:
            if self._own is None:
                return _by_the_table(target, usage, when, answered)
            price = self._own(target, usage)
            return None if price is None else Decimal(str(price))
        except Exception:
            logger.exception("a price could not be computed for %s; its cost is not known", target)
            return None


def _by_the_table(target: str, usage: Usage, when: float | None, answered: str | None) -> Decimal | None:
    """Return the price of the model by the name that was asked for, or else by the provider's own name for it, as for a
    deployment on Azure."""
    table = _table()
    given, made = capabilities_of(target).totals(usage)
    if table is None or given is None or made is None:
        return None
    provider, _, model = target.partition(":")
    counted = table.Usage(
        input_tokens=given, output_tokens=made,
        cache_read_tokens=usage.cached_input_tokens or 0, cache_write_tokens=usage.cache_write_tokens or 0,
    )  # fmt: skip
    at = None if when is None else datetime.fromtimestamp(when, UTC)
    name = facts_about(provider).prices_name or provider
    for each in dict.fromkeys((model, answered or model)):
        try:
            found = table.calc_price(counted, each, provider_id=name, genai_request_timestamp=at)
        except (LookupError, ValueError):  # no such model, or counts that contradict each other
            continue
        total: Decimal = found.total_price
        return total
    return None


@functools.cache
def _table() -> Any:
    """Return the package with the table; None where it is not installed."""
    try:
        import genai_prices
        from genai_prices import data_snapshot

        data_snapshot.get_snapshot()
    except ImportError:
        return None
    return genai_prices
