"""Writes into the ledger what each request of a call used and cost, when the call has ended.

This runs once for each call, and never for a chunk.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..contract import Capabilities, Sending
from ..fleet.health import digest_of
from ..fleet.ledger import NOTHING, Ledger, Spent
from ..outcome.transcript import Attempt

if TYPE_CHECKING:
    from .prices import Prices

__all__ = ["settle"]


def settle(ledger: Ledger, prices: Prices | None, spent: Sequence[tuple[Sending, Capabilities]]) -> None:
    """Write a call's requests into the ledger. prices: what their cost is computed by now; None: not now."""
    first, counted = True, _counted_whole(spent)
    for sending, able in spent:
        if (record := sending.record) is not None:
            billed = _is_billed(sending, record) and (record.usage is not None or record.response_id not in counted)
            ledger.add(_spent(sending, record, able, prices, first) if billed else _unbilled(sending, record, first))
            first = False


def _counted_whole(spent: Sequence[tuple[Sending, Capabilities]]) -> set[str]:
    """Return the ids of responses that were cut and taken up again, with a count of all of them in the end."""
    return {
        sending.request.resume.response_id
        for sending, _ in (spent if len(spent) > 1 else ())
        if sending.request and sending.request.resume and sending.record and sending.record.usage
    }


def _names(sending: Sending, record: Attempt) -> tuple[str, str, str]:
    """Return the target, the tenant and the key of a request, as the ledger knows them."""
    tenant = None if sending.request is None else sending.request.metadata.get("tenant")
    key = None if sending.endpoint is None else sending.endpoint.api_key
    return record.target, "" if tenant is None else str(tenant), digest_of(key)


def _unbilled(sending: Sending, record: Attempt, first: bool) -> Spent:
    record.cost = NOTHING
    return Spent(*_names(sending, record), first, True, 0, 0, 0, 0, "exact", NOTHING)


def _spent(sending: Sending, record: Attempt, able: Capabilities, prices: Prices | None, first: bool) -> Spent:
    names = _names(sending, record)
    if prices is not None:
        record.cost = prices.of(record)
    usage = record.estimate or record.usage
    if usage is None:
        return Spent(*names, first, record.wasted, None, None, None, None, "unknown", record.cost)
    given, made = able.totals(usage)
    cached, thought, certainty = usage.cached_input_tokens, usage.reasoning_tokens, usage.certainty
    return Spent(*names, first, record.wasted, given, made, cached, thought, certainty, record.cost)


def _is_billed(sending: Sending, record: Attempt) -> bool:
    """Return whether a request may be on a bill: it was written, and was not refused by its status."""
    return sending.written and (record.status is None or record.status < 400)
