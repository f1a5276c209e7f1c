"""Translates between the two ways of saying how much a model should think: an effort and a budget in tokens.

A budget becomes the nearest effort where a model knows efforts only. An effort that a model does not know becomes the
next one above it.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["effort_for", "nearest"]

_ORDER = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def effort_for(reasoning: str | int) -> str:
    """Return the effort nearest to a budget in tokens: below 2,048 low, below 8,192 medium, else high."""
    if isinstance(reasoning, str):
        return reasoning
    return "low" if reasoning < 2048 else "medium" if reasoning < 8192 else "high"


def nearest(effort: str, taken: Sequence[str]) -> str:
    """Return the effort or, if it is not among those taken (lowest first), the next one above it, else their
    highest."""
    if effort in taken or effort not in _ORDER:
        return effort
    above = [other for other in taken if _ORDER.index(other) > _ORDER.index(effort)]
    return above[0] if above else taken[-1]
