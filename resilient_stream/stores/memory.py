"""`MemoryStore`: everything stays in this process, and ends with it."""

from __future__ import annotations

__all__ = ["MemoryStore"]


class MemoryStore:
    """The default: nothing is shared with another process, and nothing can be out of reach."""

    async def aclose(self) -> None:
        """Nothing is open."""
