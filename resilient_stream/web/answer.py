"""Sends one answer to one reader, whichever server has the connection.

The response owns the stream. A task of its own waits for the reader to leave, since nobody tells a response that waits
for its next chunk, nor one that waits for a slow reader. Until the first content there is no head, so a failure has its
own HTTP status; a head is sent earlier only when the model has been silent for as long as a heartbeat.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Protocol

from ..formats.writer import Refusal
from ..outcome.errors import StreamError
from .heads import Headers, of_answer, of_refusal
from .source import Source

__all__ = ["Answer", "ReaderLeft", "Sink", "open_answers", "refuse"]

READER_LEFT = 499
"""The status that nginx writes into its log for a reader that has left."""


class ReaderLeft(Exception):
    """Is raised by a sink where what is sent goes nowhere any more, and is caught in `Answer`."""


class Sink(Protocol):
    """Writes to the server's side of one response. `start`, `send` and `end` may raise ReaderLeft."""

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head."""
        ...

    async def send(self, data: bytes) -> None:
        """Send a piece of the body, and wait while the reader is slow."""
        ...

    async def end(self) -> None:
        """End the body."""
        ...

    async def cut(self) -> None:
        """Close the connection without the end of the body, so that what was sent does not look whole."""
        ...

    async def gone(self) -> None:
        """Return when the reader has left."""
        ...


class Answer:
    """Sends one response.

    heartbeat: seconds of silence after which the format's heartbeat is sent; None for never. headers: the caller's own.
    """

    def __init__(self, source: Source, sink: Sink, heartbeat: float | None, headers: Headers) -> None:
        self._source = source
        self._sink = sink
        self._heartbeat = heartbeat
        self._headers = headers
        self._started = False
        self._left = False
        self._writing = False
        self._beating: asyncio.Future[None] | None = None
        self._turned_away = False
        self.loop = asyncio.get_running_loop()
        self._now = self.loop.time
        self._sent_at = self._now()

    async def run(self) -> None:
        """Send the whole answer. Returns when it is sent, when it was refused, and when the reader has left.

        Raises what no format has words for, a bug of the server, after the reader was told that there was one.
        """
        _open.add(self)
        helpers = [asyncio.ensure_future(self._leave_with_the_reader())]
        if self._heartbeat is not None:
            helpers.append(asyncio.ensure_future(self._beat(self._heartbeat)))
        try:
            await self._send_all()
        except ReaderLeft:
            await self._send_to_nobody()
        finally:
            _open.discard(self)
            self._source.leave()
            for helper in helpers:
                helper.cancel()
        error = self._source.error
        if error is not None and not isinstance(error, StreamError):
            raise error

    async def send_head(self) -> None:
        """Answer a HEAD request, which costs nothing: no provider is asked."""
        try:
            with suppress(ReaderLeft):
                await self._start()
                await self._sink.end()
        finally:
            self._source.leave()

    def turn_away(self) -> None:
        """End the response in its format, because the server shuts down."""
        if not self._turned_away:
            self._turned_away = True
            self._source.turn_away()

    async def _leave_with_the_reader(self) -> None:
        await self._sink.gone()
        self._left = True
        self._source.leave()  # wakes a waiting pull

    async def _send_all(self) -> None:
        try:
            while frames := await self._source.frames():
                await self._send(b"".join(frames))
        except StreamError as error:
            if self._left:  # the error is what woke the pull
                raise ReaderLeft from None
            await self._no_heartbeat()
            if self._started:
                raise
            self._writing = self._started = True
            await refuse(self._sink, self._source.writer.refusal(error), self._headers)
        else:
            await self._end()

    async def _send(self, data: bytes) -> None:
        if self._beating is not None:
            await self._no_heartbeat()
        self._writing = True
        await self._write(data)
        self._writing = False

    async def _write(self, data: bytes) -> None:
        if self._left:
            raise ReaderLeft
        if not self._started:
            await self._start()
        if data:
            await self._sink.send(data)
        self._sent_at = self._now()

    async def _start(self) -> None:
        self._started = True
        await self._sink.start(200, of_answer(self._source.writer, self._source.stream_id, self._headers))

    async def _send_to_nobody(self) -> None:
        """Give middlewares a response to hold, and the access log a status; some say that there is a bug otherwise."""
        if not self._started:
            with suppress(ReaderLeft):
                await self._sink.start(READER_LEFT, [])
                await self._sink.end()

    async def _end(self) -> None:
        await self._no_heartbeat()
        self._writing = True
        if self._left:
            raise ReaderLeft
        if not self._started:
            await self._start()
        await (self._sink.cut() if self._source.writer.cut else self._sink.end())

    # -- heartbeats: sent by a task of their own, never while something else is written ----------

    async def _beat(self, seconds: float) -> None:
        """Send a heartbeat after each silence of so many seconds; the first one brings the head, if there is none."""
        while not self._left:
            silent = self._now() - self._sent_at
            if silent < seconds:
                await asyncio.sleep(seconds - silent)
            elif self._writing:  # it is the reader that is slow, and not the model
                await asyncio.sleep(seconds)
            else:
                await self._send_heartbeat()

    async def _send_heartbeat(self) -> None:
        self._beating = asyncio.get_running_loop().create_future()
        try:
            await self._write(b"".join([*self._source.open(), self._source.writer.heartbeat]))
        except ReaderLeft:
            self._left = True
        finally:
            self._beating.set_result(None)
            self._beating = None

    async def _no_heartbeat(self) -> None:
        """Wait until a heartbeat is sent that is on its way."""
        if self._beating is not None:
            await self._beating


_open: set[Answer] = set()


def open_answers() -> list[Answer]:
    """Return the responses of the running event loop that are on their way."""
    loop = asyncio.get_running_loop()
    return [answer for answer in _open if answer.loop is loop]


async def refuse(sink: Sink, refusal: Refusal, headers: Headers) -> None:
    """Send a response without an answer. Raises ReaderLeft."""
    await sink.start(refusal.status, of_refusal(refusal, headers))
    await sink.send(refusal.body)
    await sink.end()
