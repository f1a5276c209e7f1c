"""Ways to cut a body into network reads, and what a decoder makes of them.

Every helper gives the reads in order; joined, they are the body.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import TypeVar

from hypothesis import strategies as st

FrameT = TypeVar("FrameT")


def at(body: bytes, offsets: Iterable[int]) -> list[bytes]:
    """The body cut at the offsets."""
    inside = sorted({offset for offset in offsets if 0 < offset < len(body)})
    return [body[start:end] for start, end in pairwise((0, *inside, len(body)))]


def ways(body: bytes, seed: int = 0) -> Iterator[list[bytes]]:
    """Whole, byte by byte, in all pairs of halves of a short body, and at random offsets."""
    yield [body]
    yield at(body, range(len(body)))
    if len(body) < 200:
        yield from (at(body, [offset]) for offset in range(1, len(body)))
    generator = random.Random(seed)
    for share in (2, 5, 20):
        yield at(body, generator.sample(range(len(body)), len(body) // share))


def cuts(size: int = 300) -> st.SearchStrategy[set[int]]:
    """Offsets for `at`."""
    return st.sets(st.integers(0, size))


def fed(feed: Callable[[bytes], list[FrameT]], reads: Iterable[bytes]) -> list[FrameT]:
    """All frames of all reads."""
    return [frame for read in reads for frame in feed(read)]
