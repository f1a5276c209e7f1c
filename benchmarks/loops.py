"""The two event loops by name; uvloop is used where it is installed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

__all__ = ["new_loop"]


def new_loop(name: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes such a loop, for `asyncio.Runner`; None is asyncio's own."""
    if name == "uvloop" and find_spec("uvloop"):
        made: Callable[[], asyncio.AbstractEventLoop] = import_module("uvloop").new_event_loop
        return made
    return None
