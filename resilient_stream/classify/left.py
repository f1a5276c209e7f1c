"""Reads from an answer's headers how much is left of the account's limits."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from time import time
from typing import NamedTuple

from ..contract import LimitHeaders
from .hints import duration

__all__ = ["Left", "left_of"]


class Left(NamedTuple):
    """Says how many requests and tokens are left, infinite where the server says nothing, and for how many seconds
    nothing may be sent."""

    requests: float = math.inf
    tokens: float = math.inf
    hold: float = 0.0


def left_of(headers: Mapping[str, str], names: LimitHeaders) -> Left:
    """Return what the headers say is left; their names are in lower case."""
    requests, tokens = (_left_of_one(headers, names, of) for of in (names.requests, names.tokens))
    return Left(requests[0], tokens[0], max(requests[1], tokens[1]))


def _left_of_one(headers: Mapping[str, str], names: LimitHeaders, of: str) -> tuple[float, float]:
    """Return what is left of one limit, and for how long nothing is.

    `reset` is when all of it is there again. Where the limit itself is known, its first unit is there much sooner.
    """
    left = _amount(headers.get(names.name("remaining", of), ""))
    if left is None:
        return math.inf, 0.0
    if left > 0:
        return left, 0.0
    limit = _amount(headers.get(names.name("limit", of), ""))
    return left, _seconds(headers.get(names.name("reset", of), "")) / max(limit or 1.0, 1.0)


def _amount(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d{1,15}(\.\d{0,9})?", text.strip()) else None


def _seconds(text: str) -> float:
    """Return the seconds in a duration or until a moment (RFC 3339); 0 for anything else."""
    if (seconds := duration(text)) is not None:
        return seconds if math.isfinite(seconds) else 0.0
    try:
        return max(0.0, datetime.fromisoformat(text).timestamp() - time())
    except (ValueError, OverflowError):
        return 0.0
