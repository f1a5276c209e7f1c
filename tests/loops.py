"""Event loops that are closed over their tasks, as some programs do that make loops of their own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from .engine.clock import Clock, running_clock

__all__ = ["closed_over", "passing_clock"]

ResultT = TypeVar("ResultT")


@contextmanager
def closed_over(work: Coroutine[Any, Any, ResultT]) -> Iterator[ResultT]:
    """What the work returns. Its loop was closed over all tasks that it had begun, which are ended afterwards."""
    loop = asyncio.new_event_loop()
    result = loop.run_until_complete(work)
    tasks = asyncio.all_tasks(loop)
    loop.close()
    try:
        yield result
    finally:
        for task in tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # it is pending, as it is meant to be
            if (coroutine := task.get_coro()) is not None:
                coroutine.close()


@contextmanager
def passing_clock(grace: float = 0.0) -> Iterator[Clock]:
    """A clock of the test's own for a loop that ran before, or will run again: no timer of it is due at once."""
    with running_clock(grace) as clock:
        clock.start = clock.now = time.monotonic()
        yield clock
