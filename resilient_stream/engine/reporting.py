"""Tells the store about once a second how a client's targets are, for `resilient-stream top`.

A timer of the loop does so, which begins with the client's first call there and ends with the client. No call waits for
it. A client that nobody else refers to reports nothing: the timer does not keep it alive.

Many processes report less often, so that their store is told so many records a second and no more.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..events import Observer
from ..fleet.health import TargetHealth
from ..fleet.report import Report, ReportStore, written
from ..fleet.tally import Tally
from .process import PROCESS
from .renewals import Timer

if TYPE_CHECKING:
    from .call import Call

__all__ = ["EVERY", "LASTS", "Reporting"]

logger = logging.getLogger("resilient_stream")

EVERY = 1.0
"""Seconds between two records of a client."""

LASTS = 5
"""After so many records that did not come, a process is taken for dead, and its last one is gone."""

MOST_A_SECOND = 1000
"""Records of all processes together."""

LONGEST = 60.0
"""Seconds between two records at most, however many processes there are."""


class Reporting:
    """Reports how the targets of one client are. health: a method of the client, which is not kept alive by it. now:
    the time by which calls are measured."""

    def __init__(
        self, store: ReportStore, health: Callable[[], tuple[TargetHealth, ...]], now: Callable[[], float]
    ) -> None:
        self.tally = Tally(now)
        self._store = store
        self._health = weakref.WeakMethod(health)
        self._client = os.urandom(6).hex()
        self._every = EVERY
        self._closed = False
        self._lock = threading.Lock()
        self._timer: Timer | None = None
        self._sending: asyncio.Task[None] | None = None

    def observe(self, call: Call) -> Observer:
        """Return the observer of a call, and report from now on."""
        self.begin()
        call.observing.followed = True
        return self.tally.watch()

    def begin(self) -> None:
        """Report from now on, in the running loop, unless another one that runs, too, does it already."""
        with self._lock:
            if self._timer is None or not self._timer.loop.is_running():
                self._timer, self._sending = Timer(asyncio.get_running_loop()), None
                self._turn_after(random.uniform(0, EVERY), self._timer)

    def _turn_after(self, seconds: float, timer: Timer) -> None:
        timer.handle = timer.loop.call_later(seconds, self._turn, timer)

    def _turn(self, timer: Timer) -> None:
        """Send a record, unless the last one is still on its way, and set the timer again."""
        record = self._record()
        if record is None or self._closed or timer is not self._timer:
            return
        if self._sending is None or self._sending.done():
            self._sending = timer.loop.create_task(self._send(record))
        self._turn_after(self._every, timer)

    def _record(self) -> bytes | None:
        """Return what there is to say; None if the client is gone."""
        health = self._health()
        if health is None:
            return None
        return written(Report(process=PROCESS.name(), targets=self.tally.figures(health())))

    async def _send(self, record: bytes) -> None:
        name = f"{PROCESS.name()}-{self._client}"
        try:
            known = await self._store.report(name, record, LASTS * self._every)
        except Exception:  # a store of the application's own
            logger.exception("a store raised as it was reported to; it is told no more, and no call is affected")
            self._closed = True
            return
        if known is not None:
            self._every = min(max(EVERY, known / MOST_A_SECOND), LONGEST)

    async def aclose(self) -> None:
        """Report no more. What is on its way is not waited for: the store sees to its end."""
        self._closed = True
        if self._timer is None or self._timer.loop is not asyncio.get_running_loop():
            return  # the timer rings in another loop, and is not set again there
        self._timer.handle.cancel()
        if self._sending is not None and not self._sending.done():
            self._sending.cancel()
            await asyncio.wait([self._sending])
