"""Sends one answer to one reader, whichever server has the connection.

The response owns the stream. A task of its own waits for the reader to leave, since nobody tells a response that waits
for its next chunk, nor one that waits for a slow reader. Until the first content there is no head, so a failure has its
own HTTP status; a head is sent earlier only when the model has been silent for as long as a heartbeat.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from ..formats.writer import Refusal
from ..outcome.errors import StreamError
from .source import Source

__all__ = ["Answer", "Sink"]

UNBUFFERED: Mapping[str, str] = {"x-accel-buffering": "no"}
"""nginx must not collect the frames."""


class Sink(Protocol):
    """The server's side of one response."""

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the head."""
        ...

    async def send(self, data: bytes) -> None:
        """Send a piece of the body, and wait while the reader is slow."""
        ...

    async def end(self) -> None:
        """End the body."""
        ...

    async def gone(self) -> None:
        """Return when the reader has left."""
        ...


class Answer:
    """One response on its way.

    heartbeat: seconds of silence after which the format's heartbeat is sent; None for never. headers: of the caller's
    own, over all others.
    """

    def __init__(self, source: Source, sink: Sink, heartbeat: float | None, headers: Mapping[str, str]) -> None:
        self._source = source
        self._sink = sink
        self._heartbeat = heartbeat
        self._headers = headers
        self._started = False
        self._writing = asyncio.Lock()
        self._sent = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._beating: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Send the whole answer. Returns when it is sent, when it was refused, and when the reader has left."""
        leaving = asyncio.ensure_future(self._leave_with_the_reader())
        self._beat_later()
        try:
            await self._send_all()
        finally:
            self._source.leave()
            leaving.cancel()
            self._stop_beating()

    async def _leave_with_the_reader(self) -> None:
        await self._sink.gone()
        self._source.leave()  # wakes a waiting pull; what is still written then goes nowhere

    async def _send_all(self) -> None:
        try:
            while frames := await self._source.frames():
                await self._send(b"".join(frames))
        except StreamError as error:  # it failed before its first frame
            if self._started:
                raise
            await self._refuse(self._source.writer.refusal(error))
        await self._sink.end()

    async def _send(self, data: bytes) -> None:
        async with self._writing:
            if not self._started:
                await self._start()
            await self._sink.send(data)
            self._sent = asyncio.get_running_loop().time()

    async def _start(self) -> None:
        self._started = True
        writer, id = self._source.writer, self._source.stream_id
        named = {"x-stream-id": id} if id is not None else {}
        own = {name.lower(): value for name, value in self._headers.items()}
        head = {"content-type": writer.media_type, **UNBUFFERED, **writer.headers, **named, **own}
        await self._sink.start(200, head)

    async def _refuse(self, refusal: Refusal) -> None:
        async with self._writing:
            self._started = True
            head = {**refusal.headers, "content-length": str(len(refusal.body))}
            await self._sink.start(refusal.status, head)
            await self._sink.send(refusal.body)

    # -- heartbeats: one timer, and a task only where there was silence ------------------------

    def _beat_later(self) -> None:
        if self._heartbeat is not None and self._source.writer.heartbeat:
            loop = asyncio.get_running_loop()
            since = max(0.0, self._heartbeat - (loop.time() - self._sent)) if self._sent else self._heartbeat
            self._timer = loop.call_later(since or self._heartbeat, self._beat)

    def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        silent = loop.time() - self._sent >= (self._heartbeat or 0)
        if silent and not self._writing.locked():
            self._beating = asyncio.ensure_future(self._send_heartbeat())
        self._beat_later()

    async def _send_heartbeat(self) -> None:
        await self._send(b"".join([*self._source.open(), self._source.writer.heartbeat]))

    def _stop_beating(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._beating is not None:
            self._beating.cancel()
