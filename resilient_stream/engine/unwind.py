"""Finishes a suspended chain of generators by hand, at once.

The `finally` blocks run now, in the task that ended the stream. Left to themselves they would run in new tasks, one for
each layer, after the caller went on. Nothing here waits: our own links do not suspend, because their sockets are closed
by then; a user's middleware may await in its own `finally`, and then the rest of it is handed to a task.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, Generator
from typing import Any

from .process import PROCESS

__all__ = ["unwind"]


def unwind(generator: AsyncGenerator[Any, None]) -> None:
    """Close a suspended (or new, or finished) async generator. One that runs is left to who runs it."""
    closing = generator.aclose()
    try:
        waited_for = closing.send(None)
    except (StopIteration, RuntimeError):
        return  # it has ended; or it is running, and the pull that runs it ends it
    try:
        task = asyncio.get_running_loop().create_task(_Rest(closing, waited_for).run())
    except RuntimeError:
        closing.close()
        return
    PROCESS.closing.add(task)
    task.add_done_callback(PROCESS.closing.discard)


class _Rest:
    """Runs the remainder of a coroutine that has already been started by hand."""

    def __init__(self, coroutine: Any, waited_for: Any) -> None:
        self._coroutine = coroutine
        self._waited_for = waited_for

    async def run(self) -> None:
        await self

    def __await__(self) -> Generator[Any, Any, None]:
        future = self._waited_for
        while True:
            try:
                value = yield future
            except BaseException as error:
                step = functools.partial(self._coroutine.throw, error)
            else:
                step = functools.partial(self._coroutine.send, value)
            try:
                future = step()
            except StopIteration:
                return
