"""Keeps what processes share: in memory for one of them, in Redis (or Valkey) for many."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .memory import MemoryStore
    from .redis import RedisStore

_HOMES = {"MemoryStore": "memory", "RedisStore": "redis"}
"""Names that are imported when they are first used, and from where."""

__all__ = ["MemoryStore", "RedisStore"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
