"""When a call has ended: what each of its requests used and cost, for the ledger.

It runs once for each call, and never for a chunk.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..contract import Capabilities, Sending
from ..fleet.health import digest_of
from ..fleet.ledger import NOTHING, Ledger, Spent
from ..outcome.transcript import Attempt

if TYPE_CHECKING:
    from .prices import Prices

__all__ = ["settle"]


def settle(ledger: Ledger, prices: Prices | None, spent: Iterable[tuple[Sending, Capabilities]]) -> None:
    """Write a call's requests into the ledger. prices: what their cost is computed by now; None: not now."""
    first = True
    for sending, able in spent:
        if sending.record is not None:
            ledger.add(_spent(sending, sending.record, able, prices, first))
            first = False


def _spent(sending: Sending, record: Attempt, able: Capabilities, prices: Prices | None, first: bool) -> Spent:
    assert sending.request is not None
    tenant = sending.request.metadata.get("tenant")
    key = sending.endpoint.api_key if sending.endpoint is not None else None
    names = record.target, "" if tenant is None else str(tenant), digest_of(key)
    if not _billed(sending, record):
        record.cost = NOTHING
        return Spent(*names, first, True, 0, 0, 0, 0, "exact", NOTHING)
    if prices is not None:
        record.cost = prices.of(record)
    usage = record.estimate or record.usage
    if usage is None:
        return Spent(*names, first, record.wasted, None, None, None, None, "unknown", record.cost)
    given, made = able.totals(usage)
    cached, thought, certainty = usage.cached_input_tokens, usage.reasoning_tokens, usage.certainty
    return Spent(*names, first, record.wasted, given, made, cached, thought, certainty, record.cost)


def _billed(sending: Sending, record: Attempt) -> bool:
    """Return whether a request may be on a bill: it was written, and was not refused by its status."""
    return sending.written and (record.status is None or record.status < 400)
