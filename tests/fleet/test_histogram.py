"""Times in buckets: what is read off them, and that those of many processes can be added."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from resilient_stream.fleet.histogram import BUCKETS, bucket_of, percentile


@pytest.mark.parametrize("seconds", [0.011, 0.05, 0.3, 1.0, 4.2, 60.0, 600.0])
def test_a_time_is_known_to_within_a_tenth(seconds: float) -> None:
    """What is read off is at most a tenth away from what was put in."""
    assert percentile({bucket_of(seconds): 1}, 50) == pytest.approx(seconds, rel=0.1)


@pytest.mark.parametrize(("seconds", "bucket"), [(0.0, 0), (-1.0, 0), (0.01, 0), (1e9, BUCKETS - 1)])
def test_any_time_has_a_bucket(seconds: float, bucket: int) -> None:
    """None is too short or too long."""
    assert bucket_of(seconds) == bucket


def test_percentiles_of_many_processes_are_those_of_all_times() -> None:
    """Two that are quick and one that is slow: their buckets are added, and not their percentiles."""
    chance = random.Random(3)
    times = [[chance.lognormvariate(mean, 0.5) for _ in range(500)] for mean in (-1, -1, 1.5)]
    together: Counter[int] = Counter()
    for each in times:
        together.update(Counter(map(bucket_of, each)))
    every = sorted(second for each in times for second in each)
    for percent in (50, 95):
        assert percentile(together, percent) == pytest.approx(every[len(every) * percent // 100], rel=0.12)


@pytest.mark.parametrize("counts", [{}, {3: 0}])
def test_without_times_there_is_no_percentile(counts: dict[int, int]) -> None:
    """Nothing is made up."""
    assert percentile(counts, 50) is None


def test_of_few_times_each_counts() -> None:
    """The median of three is the middle one, and their 95th percentile the longest."""
    counts = Counter(map(bucket_of, (0.1, 1.0, 10.0)))
    assert percentile(counts, 50) == pytest.approx(1.0, rel=0.1)
    assert percentile(counts, 95) == pytest.approx(10.0, rel=0.1)
