"""How much a model should think, between the two ways in which it is said.

The one rule: a budget in tokens becomes the nearest effort where a model knows efforts only.
"""

from __future__ import annotations

__all__ = ["effort_for"]


def effort_for(reasoning: str | int) -> str:
    """The effort nearest to a budget in tokens: below 2,048 low, below 8,192 medium, else high."""
    if isinstance(reasoning, str):
        return reasoning
    return "low" if reasoning < 2048 else "medium" if reasoning < 8192 else "high"
