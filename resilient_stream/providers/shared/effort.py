"""How much a model should think, between the two ways in which it is said.

A budget in tokens becomes the nearest effort where a model knows efforts only, and an effort that a model does not know
the next one above it.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["effort_for", "nearest"]

_ORDER = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def effort_for(reasoning: str | int) -> str:
    """The effort nearest to a budget in tokens: below 2,048 low, below 8,192 medium, else high."""
    if isinstance(reasoning, str):
        return reasoning
    return "low" if reasoning < 2048 else "medium" if reasoning < 8192 else "high"


def nearest(effort: str, taken: Sequence[str]) -> str:
    """The effort, or the next one above it of those that are taken, least first; else their highest."""
    if effort in taken or effort not in _ORDER:
        return effort
    above = [other for other in taken if _ORDER.index(other) > _ORDER.index(effort)]
    return above[0] if above else taken[-1]
