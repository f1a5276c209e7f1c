"""Names a client, or a process, for the store that it shares with others."""

from __future__ import annotations

import os

__all__ = ["Identity"]


class Identity:
    """Names one client, or all of them, in one process. A client that was made before its process forked has another
    one in each: under the same name, what one holds and spends would replace what another one does."""

    def __init__(self) -> None:
        self._pid = 0
        self._name = ""

    def __call__(self) -> str:
        """Return the name."""
        if self._pid != (pid := os.getpid()):
            self._name, self._pid = os.urandom(6).hex(), pid
        return self._name
