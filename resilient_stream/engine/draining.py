"""Reads an answer on for a while after its caller has left, in the background, only to learn what it used.

Nothing of it is kept but the provider's count. Each answer has its own time and a bound in bytes, and a client reads on
a bounded number of them at once: one more is closed as if nothing had been asked for.

A connection is closed or given back exactly once, whatever ends the reading: the end marker, the time, the client, the
loop. A loop that ends closes what is still read before it is gone. Where a loop was closed without that, its
connections are let go of when the next caller leaves an answer, or with the client.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from typing import Any, NamedTuple

from ..chunks import Usage
from ..contract import Batch, Decoder, Meter, Response
from ..outcome.estimate import characters_of
from .observing import safely

__all__ = ["MAX_BYTES", "MOST", "Drain", "Draining", "Drains"]

logger = logging.getLogger("resilient_stream")

MOST = 64
"""Answers that one client reads on at once. They are read as fast as they come, and each takes of the loop's time."""

MAX_BYTES = 4 * 1024 * 1024
"""Bytes that are read of one answer after its caller has left: some 20,000 tokens, each in an event of its own."""


class Drain:
    """Reads one answer on.

    usage: as its provider counted last, since its caller left. characters: of what came since. afterwards: functions
    that are called when the reading is over.
    unread: what has arrived and was not decoded yet. release: gives a connection back whose answer is whole. learned:
    is told once, when the reading is over. meter: who counts what the request costs.
    """

    task: asyncio.Task[None]
    _reading: Coroutine[Any, Any, None]

    def __init__(
        self,
        response: Response,
        decoder: Decoder,
        unread: bytes,
        release: Callable[[Response], object],
        learned: Callable[[Drain], object],
        meter: Meter | None,
    ) -> None:
        self.usage: Usage | None = None
        self.characters = 0
        self.meter = meter
        self.is_over = False
        self.afterwards: list[Callable[[], object]] = []
        self._response = response
        self._decoder = decoder
        self._unread = unread
        self._release = release
        self._learned = learned
        self._keeper: AsyncGenerator[None, None] | None = None
        self._running: set[Drain] = set()

    @property
    def is_whole(self) -> bool:
        """Return whether the provider's end marker has come, so that its count is final."""
        return self._decoder.done and self._decoder.failure is None

    def begin(self, seconds: float, running: set[Drain]) -> None:
        """Read on in a task of the running loop, and return at once. running: what it is in until its end."""
        self._running = running
        running.add(self)
        self._reading = self._run(seconds)
        self.task = asyncio.get_running_loop().create_task(self._reading)
        self.task._log_destroy_pending = False  # type: ignore[attr-defined]  # a loop may be dropped without its end
        self.task.add_done_callback(lambda _: self.end())  # a task that is cancelled before its first step runs nothing
        self._keeper = _until_the_loop_ends(self)
        with suppress(StopIteration):
            self._keeper.asend(None).send(None)

    async def _run(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await asyncio.sleep(0)  # not while the caller leaves, even where tasks start eagerly
                await self._read()
        except Exception as error:  # the time is over, or the connection broke: what came until now is kept
            logger.debug("an answer was not read on to its end: %s", type(error).__name__)
        finally:
            self.end()

    async def _read(self) -> None:
        decoder, size = self._decoder, 0
        data = self._unread or await self._response.read()
        while data and size < MAX_BYTES:
            size += len(data)
            self._take(decoder.feed(data))
            if decoder.done or decoder.failure is not None:
                return
            data = await self._response.read()
        if not data:
            self._take(decoder.finish())

    def _take(self, batch: Batch) -> None:
        self.characters += sum(map(characters_of, batch))
        self.usage = next((chunk for chunk in reversed(batch) if type(chunk) is Usage), self.usage)

    def cut(self) -> None:
        """Stop reading now. Synchronous and idempotent."""
        self.task.cancel()
        self.end()

    def end_with_its_loop(self) -> None:
        """End the reading if its loop was closed without an end of its tasks. Idempotent."""
        if self.task.get_loop().is_closed():
            self._reading.close()  # first, because nothing can wake the task any more
            self.end()

    def end(self) -> None:
        """Let go of the connection, and tell what was learned. Idempotent."""
        if self.is_over:
            return
        self.is_over = True
        self._running.discard(self)
        if self.is_whole:
            self._release(self._response)
        else:
            self._response.close()
        if self._keeper is not None:
            with suppress(StopIteration, RuntimeError):  # RuntimeError: the keeper runs, and ends this
                self._keeper.aclose().__await__().send(None)
        safely(self._learned, self)


async def _until_the_loop_ends(drain: Drain) -> AsyncGenerator[None, None]:
    """Wait as long as the reading lasts; `asyncio.run` closes such generators, and waits for them, before its loop.

    It cancels all tasks first. One that is cancelled then may leave an answer, whose reading begins too late for that.
    """
    try:
        yield
    finally:
        if not drain.is_over:
            drain.cut()
            await asyncio.wait([drain.task])


class Drains:
    """Keeps the answers that one client reads on."""

    def __init__(self) -> None:
        self.running: set[Drain] = set()

    def end_with_their_loops(self) -> None:
        """Let go of answers whose loops are closed, because nobody reads them on."""
        for drain in tuple(self.running):
            drain.end_with_its_loop()

    async def aclose(self) -> None:
        """Wait for this loop's answers, each for its own time at most. A wait that is cancelled closes them at once."""
        self.end_with_their_loops()
        here = self._of_this_loop()
        try:
            if here:
                await asyncio.wait([drain.task for drain in here])
        finally:
            self.cut()

    def cut(self) -> None:
        """Close this loop's answers at once."""
        for drain in self._of_this_loop():
            drain.cut()

    def _of_this_loop(self) -> list[Drain]:
        loop = asyncio.get_running_loop()
        return [drain for drain in tuple(self.running) if drain.task.get_loop() is loop]


class Draining(NamedTuple):
    """Says that a call's answers are read on: for so many seconds, among those of its client."""

    drains: Drains
    seconds: float

    def begin(self, drain: Drain) -> bool:
        """Read on, if there is room and a loop that runs. Returns whether there is."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # the loop is over, and the stream was dropped after it
            return False
        self.drains.end_with_their_loops()
        running = self.drains.running
        if len(running) >= MOST or getattr(loop, "_asyncgens_shutdown_called", False):
            return False
        drain.begin(self.seconds, running)
        return True
