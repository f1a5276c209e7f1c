"""Defines what each process reports of its targets to the store that it shares, and how it is read: what `top` shows.

A record is small, and its size is bounded. Who reads it trusts nothing: anybody who can write to the store may have
written it, so each field has a type and bounds, and a record that does not keep to them is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, NamedTuple, Protocol, TypeAlias

import msgspec
from msgspec import Meta

from .histogram import BUCKETS

__all__ = [
    "LARGEST", "LONGEST_NAME", "MOST", "MOST_BYTES", "MOST_TARGETS", "Figures", "Report", "ReportStore", "Reports",
    "read", "written",
]  # fmt: skip

MOST = 2000
"""Records that are read at most."""

LARGEST = 64 * 1024
"""Bytes of a record at most."""

MOST_BYTES = 16 * 1024 * 1024
"""Bytes that are read at most, of all records together."""

MOST_TARGETS = 64
"""Targets in a record at most."""

LONGEST_NAME = 120
"""Characters of a target's name in a record at most."""

_Name: TypeAlias = Annotated[str, Meta(max_length=LONGEST_NAME)]
_Count: TypeAlias = Annotated[int, Meta(ge=0, le=10**12)]
_Amount: TypeAlias = Annotated[float, Meta(ge=0, le=1e12)]
_Bucket: TypeAlias = Annotated[int, Meta(ge=0, lt=BUCKETS)]


class Figures(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """Says what one process does at one target.

    closed, half_open, open: circuits in each state, of which there is one for each key and address. opens_in: seconds
    until one of the open ones may be tested. requests, tokens: a minute. ended, failed: requests of the last minute.
    first: the times to first content of the last minute, by `histogram`. in_flight: requests that run. queued: those
    that wait for limits; longest_wait: seconds for which one of them has waited.
    cost: US dollars since midnight (UTC), as far as prices are known. unpriced: requests since then whose price is not.
    wasted: tokens since then of requests that gave no whole answer.
    """

    target: _Name
    closed: _Count = 0
    half_open: _Count = 0
    open: _Count = 0
    opens_in: _Amount | None = None
    requests: _Amount = 0.0
    tokens: _Amount = 0.0
    ended: _Count = 0
    failed: _Count = 0
    first: Annotated[dict[_Bucket, _Count], Meta(max_length=BUCKETS)] = {}
    in_flight: _Count = 0
    queued: _Count = 0
    longest_wait: _Amount | None = None
    cost: _Amount = 0.0
    unpriced: _Count = 0
    wasted: _Count = 0


class Report(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """Holds one client's record. process: tells processes apart, and says nothing else of them."""

    version: Literal[1] = 1
    process: _Name
    targets: Annotated[list[Figures], Meta(max_length=MOST_TARGETS)]


class Reports(NamedTuple):
    """Holds what a store has: records, not yet read, and how many there are, of which some may have been left out."""

    records: list[bytes]
    known: int


class ReportStore(Protocol):
    """Takes the reports of processes."""

    async def report(self, name: str, record: bytes, lasts: float) -> int | None:
        """Keep a record under a name for so many seconds, and return how many there are; None where it is not kept.
        It raises nothing."""
        ...

    async def reports(self) -> Reports:
        """Return the records. Raises what the store raises where it is out of reach."""
        ...


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Report)


def written(report: Report) -> bytes:
    """Return a report as bytes."""
    return _encoder.encode(report)


def read(records: Iterable[bytes]) -> list[Report]:
    """Return what the records say, without those that are no valid records."""
    return [report for record in records if (report := _read(record)) is not None]


def _read(record: bytes) -> Report | None:
    try:
        return _decoder.decode(record)
    except (ValueError, RecursionError):  # msgspec's own errors are ValueErrors
        return None
