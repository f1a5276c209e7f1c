"""Runs the event loop of a process in a thread of its own, and lets other threads have something done there.

The thread starts with the first work, and ends with the process. A forked process has none of its parent's threads, so
it gets a loop of its own; the parent's is kept and never touched, because both processes share its sockets.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import Generic, TypeVar
from weakref import WeakSet

from ..client import Client
from ..engine.call import closed_error
from ..failures import StreamMisused

__all__ = ["Background", "background"]

ResultT = TypeVar("ResultT")

LOOK = 0.05 if sys.platform == "win32" else -1
"""Seconds for which a thread waits in one go. Ctrl-C ends a wait without a limit everywhere but on Windows."""

PATIENCE = 1.0
"""Seconds that a thread waits at most for work that it has given up, and the process for its streams as it ends."""


class Background:
    """Runs the event loop of one process. clients: those whose streams are ended with it."""

    def __init__(self) -> None:
        self.clients: WeakSet[Client] = WeakSet()
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._over = False

    @property
    def runs(self) -> bool:
        """Return whether there is a loop, in this process, that can be given work."""
        return self._loop is not None and not self._over and self._pid == os.getpid()

    def run(self, work: Callable[[], Awaitable[ResultT]], interrupted: Callable[[], object] | None = None) -> ResultT:
        """Await `work()` on the loop, in the caller's context, and return or raise what comes of it.

        When the wait itself is ended, by Ctrl-C or by another signal's exception, the work is cancelled and
        `interrupted` is called on the loop; the exception leaves when both are done.
        """
        loop = self._running()
        if self._thread is threading.current_thread():
            raise StreamMisused("SyncClient waits for its event loop, so code that runs there has to use Client")
        errand = _Errand(work)
        try:
            loop.call_soon_threadsafe(errand.begin, context=copy_context())
            errand.wait()
        except BaseException:
            loop.call_soon_threadsafe(errand.give_up, interrupted)
            errand.over.acquire(timeout=PATIENCE)
            raise
        return errand.outcome()

    def call(self, function: Callable[[], ResultT]) -> ResultT:
        """Call a plain function on the loop's thread, and return when it has."""

        async def called() -> ResultT:
            return function()

        return function() if self._thread is threading.current_thread() or not self.runs else self.run(called)

    def is_foreign(self) -> bool:
        """Return whether this is the loop of the process that this one was forked from."""
        return self._pid != os.getpid()

    def _running(self) -> asyncio.AbstractEventLoop:
        if self.is_foreign():
            raise StreamMisused("this stream was made before the process was forked; make it in the process that reads")
        if self._over:
            raise closed_error("already_closed")
        return self._loop or self._start()

    def _start(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=_serve, args=(loop,), name="resilient_stream", daemon=True)
                self._thread.start()
                self._loop = loop
            return self._loop

    def stop(self) -> None:
        """End every stream and the loop. What cannot be ended in time is left to the end of the process."""
        with self._lock:
            self._over = True
            loop, thread = self._loop, self._thread
        if loop is not None and thread is not None:
            asyncio.run_coroutine_threadsafe(self._wind_up(loop), loop)
            thread.join(PATIENCE)

    async def _wind_up(self, loop: asyncio.AbstractEventLoop) -> None:
        for client in list(self.clients):
            client._stop_reading_on()  # at the end of the process, nobody waits for the usage of its streams
            await client.aclose()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:  # the pulls, which raise now, and tasks that the caller's own code has started
            _, late = await asyncio.wait(others, timeout=PATIENCE / 4)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        loop.stop()


class _Errand(Generic[ResultT]):
    """Does work on the loop, which the thread that made it waits for."""

    __slots__ = ("_error", "_result", "_task", "_work", "over")

    def __init__(self, work: Callable[[], Awaitable[ResultT]]) -> None:
        self._work = work
        self._task: asyncio.Task[None] | None = None
        self._error: BaseException | None = None
        self.over = threading.Lock()
        self.over.acquire()

    def begin(self) -> None:
        """Start the work, on the loop."""
        self._task = asyncio.get_running_loop().create_task(self._do_work())

    async def _do_work(self) -> None:
        try:
            self._result = await self._work()
        except BaseException as error:  # nothing may end the loop's thread
            self._error = error
        finally:
            self.over.release()

    def wait(self) -> None:
        """Wait until the work is done, in the thread that made it."""
        while not self.over.acquire(timeout=LOOK):
            pass

    def give_up(self, interrupted: Callable[[], object] | None) -> None:
        """Cancel the work, on the loop."""
        if interrupted is not None:
            interrupted()
        if self._task is None or self._task.done():
            if self.over.locked():  # the wait has taken the lock and was interrupted afterwards
                self.over.release()
        # In the loop's next turn, since a task that is cancelled before its first step would never say that it is over.
        else:
            asyncio.get_running_loop().call_soon(self._task.cancel)

    def outcome(self) -> ResultT:
        """Return what the work returned, or raise what it raised."""
        error, self._error = self._error, None
        if error is None:
            return self._result
        try:
            raise error
        finally:
            del error  # the traceback has this frame in it, a cycle that only the collector would free


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop until it is stopped, and close it."""
    asyncio.set_event_loop(loop)
    try:
        while not _stopped(loop):
            pass
    finally:
        loop.close()


def _stopped(loop: asyncio.AbstractEventLoop) -> bool:
    """Run the loop; return whether it was stopped.

    asyncio also leaves it for a `sys.exit()` in a task, as in a tool. Whoever waits for that task is told of it, and
    all others go on.
    """
    try:
        loop.run_forever()
    except (KeyboardInterrupt, SystemExit):
        return False
    return True


_loops: dict[int, Background] = {}
"""The loop of each process, by its number. That of a parent stays here: it would close shared sockets if it were freed.
No lock: one that is held while the process is forked would be held in the child for ever."""


def background() -> Background:
    """Return this process's loop."""
    return _loops.get(os.getpid()) or _loops.setdefault(os.getpid(), Background())


@atexit.register
def _at_exit() -> None:
    if (here := _loops.get(os.getpid())) is not None:
        here.stop()
