"""Token counts as providers write them.

The one rule: what is no count is not reported; a zero is one.
"""

from __future__ import annotations

from typing import Any

__all__ = ["count"]


def count(value: Any) -> int | None:
    """A count as an integer; None for anything that cannot be one."""
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None
