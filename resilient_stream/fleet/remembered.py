"""Keeps values by a key that are made when they are first asked for, in bounded memory, and from several threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["MAX_TARGETS", "Remembered"]

MAX_TARGETS = 1024
"""Targets that are remembered; of more, the one that was used longest ago is forgotten."""

KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")


class Remembered(Generic[KeyT, ValueT]):
    """Keeps values by their keys. A client may be used by the loops of several threads, so one at a time is looked up:
    two that made a value each would go by different ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[KeyT, ValueT] = {}

    def of(self, key: KeyT, make: Callable[[], ValueT]) -> ValueT:
        """Return the value of a key, which is made if there is none."""
        with self._lock:
            value = self._values.pop(key) if key in self._values else make()
            self._values[key] = value  # the last in the order is the one that was used last
            if len(self._values) > MAX_TARGETS:
                del self._values[next(iter(self._values))]
            return value

    def get(self, key: KeyT) -> ValueT | None:
        """Return the value of a key, if there is one."""
        return self._values.get(key)

    def keys(self) -> tuple[KeyT, ...]:
        """Return the keys that are known, the one that was used longest ago first."""
        with self._lock:
            return tuple(self._values)

    def items(self) -> tuple[tuple[KeyT, ValueT], ...]:
        """Return the keys that are known with their values, in the same order."""
        with self._lock:
            return tuple(self._values.items())
