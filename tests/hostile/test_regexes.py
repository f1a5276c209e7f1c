"""No text from outside meets a pattern that takes more than linear time over it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

import pytest

from tests.processor import best, seconds

from .patterns import Applied, Pump, patterns, pumps, unaccounted

LONGEST = 1 << 20
SOON = 0.05
"""Seconds that one pattern may take over the longest text that it can get."""

BOUNDS: dict[str, tuple[int, str]] = {
    "classify.generic": (8 * 1024, "door.MAX_TEXT: all that the rules read of one answer"),
    "classify.fields": (4000, "door.MAX_MESSAGE"),
    "classify.http": (8 * 1024, "door.MAX_TEXT"),
    "classify.wording": (4000, "door.MAX_MESSAGE: one sentence"),
    "classify.hints": (4000, "door.MAX_MESSAGE; headers are shorter (door.MAX_HEADER)"),
    "classify.body": (64 * 1024, "door.MAX_BODY"),
    "classify.rules": (4000, "door.MAX_MESSAGE; a name is shorter"),
    "classify.pasted": (64 * 1024, "pasted.MAX_PASTED"),
    "classify.network": (32 * 2000, "network.MAX_TEXT of each of 32 exceptions in a chain"),
    "engine.recovery.joins": (64, "joins.LONGEST_CLUSTER"),
    "providers.anthropic.models": (1024, "a model's name, from the user's own target"),
    "providers.ollama.stream": (64, "a date of the answer, cut where it is read"),
    "engine.middleware.buffered": (1024, "a provider's name, from the user's own target"),
    "telemetry.attributes": (200, "attributes.LONGEST_NAME, and names of the user's own targets"),
    "text.harmless": (64 * 1024, "the name of a header or a field, which the transport bounds"),
    "masking.values": (64 * 1024, "the texts of a failure, or of an exception: a head that the transport bounds"),
}
"""What bounds a text before a module's patterns see it. Everything not named here must bear LONGEST."""


def bound_of(applied: Applied) -> int:
    """The longest text that a pattern can get."""
    return next((size for name, (size, _) in BOUNDS.items() if applied.name.startswith(f"{name}:")), LONGEST)


def slowest(applied: Applied, size: int, among: list[Pump]) -> list[tuple[float, Pump]]:
    """The times over texts of a size, the longest first."""
    times: list[tuple[float, Pump]] = []
    for pump in among:
        times.append((seconds(partial(applied.run, pump.text(size)), SOON), pump))
        if times[-1][0] > 4 * SOON:
            break
    return sorted(times, reverse=True)


def is_linear(applied: Applied, pump: Pump, size: int, took: float) -> bool:
    """A quarter of the text takes about a quarter of the time: it only has very many hits."""
    whole, quarter = (partial(applied.run, pump.text(length)) for length in (size, size // 4))
    return took < 8 * SOON and best(quarter) > best(whole) / 9


def rounds(most: int) -> Iterator[tuple[int, int]]:
    """A size, and how many of the worst pumps go on to the next one.

    Very many while texts are short, in small steps: a pattern whose time doubles with every word is found before it
    holds the test."""
    for size, kept in ((32, 120), (64, 60), (128, 30), (256, 15)):
        yield size, kept
    size, kept = 1024, 8
    while size < most:
        yield size, kept
        size, kept = size * 4, 2
    yield most, 0


ALL = patterns()


@pytest.mark.parametrize("applied", [pytest.param(applied, id=applied.name) for applied in ALL])
def test_a_pattern_is_linear_over_its_own_words(applied: Applied) -> None:
    """Repeated words, beginnings and runs of one sign, up to the longest text: under 50 ms."""
    worst = pumps(applied.pattern)
    for size, kept in rounds(bound_of(applied)):
        times = slowest(applied, size, worst)
        took, pump = times[0]
        assert took < SOON or is_linear(applied, pump, size, took), f"{took * 1000:.0f} ms over {pump} of {size}"
        worst = [pump for _, pump in times[:kept]]


def test_every_pattern_is_seen() -> None:
    """What is neither written where it is applied nor in a table of the test would be missed."""
    assert unaccounted() == []
    assert len(ALL) > 150


@pytest.mark.parametrize(
    "pattern",
    [r"(?i)(<!--.*?-->\s*)*<(!doctype|html)", r"violat\w+ .{0,40}\bpolic", r"(?:\S\u200d)+\Z"],
)  # fmt: skip
def test_a_pattern_that_is_not_linear_is_found(pattern: str) -> None:
    """The check finds the patterns that once held the event loop, and similar ones. Tried again where something else
    had the processor meanwhile."""
    applied = Applied("resilient_stream.x", "y", re.compile(pattern), "search")
    assert any(_is_found(applied) for _ in range(4))


def _is_found(applied: Applied) -> bool:
    try:
        test_a_pattern_is_linear_over_its_own_words(applied)
    except AssertionError:
        return True
    return False
