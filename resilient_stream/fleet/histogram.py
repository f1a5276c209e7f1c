"""Counts times in buckets that grow by a fifth, so that the times of many processes can be added, and percentiles read
off."""

from __future__ import annotations

import math
from collections.abc import Mapping

__all__ = ["BUCKETS", "bucket_of", "percentile"]

LEAST = 0.01
"""Seconds that the first bucket ends at."""

GROWTH = 1.2

BUCKETS = 64
"""How many buckets there are. The last one begins at 16 minutes, and has all that is longer."""


def bucket_of(seconds: float) -> int:
    """Return the number of the bucket that a time belongs to."""
    return 0 if seconds <= LEAST else min(math.ceil(math.log(seconds / LEAST, GROWTH)), BUCKETS - 1)


def percentile(counts: Mapping[int, int], percent: int) -> float | None:
    """Return the time that so many of a hundred are not longer than, to within a tenth; None without any time."""
    due = sum(counts.values()) * percent / 100
    for bucket in sorted(counts):
        due -= counts[bucket]
        if due <= 0 < counts[bucket]:
            return LEAST * float(GROWTH ** (bucket - 0.5))
    return None
