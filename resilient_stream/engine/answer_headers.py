"""Chooses the headers of an answer that a person reads: request ids, rate limits, and when to come back.

Others may hold a cookie or a whole policy of the host's, and are left out. What is kept is short, and has nothing in it
that was sent as a secret.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping

__all__ = ["readable_headers"]

MOST = 64
LONGEST = 256
"""How many headers are kept of one answer, and how many characters a value may have."""

_READ = re.compile(r"rate-?limit|^retry-after|request-?id|correlation-?id|^traceparent$|(^|-)(trace-?id|ray)$|quota")


def readable_headers(headers: Mapping[str, str], shown: Callable[[str | None], str | None]) -> dict[str, str]:
    """Return the headers that a person reads, by their lower-case names. shown: hides secrets in a value."""
    kept = [(name, value) for name, value in headers.items() if _is_read(name) and len(value) <= LONGEST]
    return {name.lower(): shown(value) or "" for name, value in kept[:MOST]}


@functools.lru_cache(maxsize=1024)
def _is_read(name: str) -> bool:
    """Return whether a person reads a header of this name. Hosts send the same names with every answer."""
    return len(name) <= LONGEST and _READ.search(name.lower()) is not None
