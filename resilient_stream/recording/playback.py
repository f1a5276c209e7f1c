"""Plays recordings back: the answer that was recorded for the same conversation, at its recorded pace.

A playback ends as the recording ended, also with a reset or a silence: the recorded failure is reported when its time
has come. With `speed` 0 nothing waits, and each read lets other tasks run.
"""

from __future__ import annotations

import asyncio
import errno
import io
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import cast

import anyio.to_thread
import msgspec

from ..contract import Adapter, ReplayRequest, Request, Sending, WholeAdapter
from ..failures import ErrorKind, Failure, StreamMisused, is_no_answer
from ..masking.private_files import is_plain
from ..messages import Message, to_messages
from ..outcome.errors import StreamError
from ..providers import adapter_for
from ..target import Target
from ..wire.forms import BLANK, MOST, Taken, form_of, taken_as
from .format import VERSION, Exchange, Head, Line, Numbered, lines_of
from .matching import Book
from .provider import MEDIA_TYPE, told_as

__all__ = ["Played", "Recordings"]

logger = logging.getLogger("resilient_stream")

MAX_FILE = 512 * 1024 * 1024
"""Bytes of a recording; all of it is held in memory."""

GRACE = 1.0
"""Seconds of silence at the end of an answer that its caller left, so that the caller's own time runs out first
again."""


class Recordings:
    """Holds the files that one client plays from, and what it has played of them."""

    def __init__(self) -> None:
        self._books: dict[str, Book] = {}

    async def play(self, request: ReplayRequest, sending: Sending) -> Played:
        """Find the answer and wait for its head. Raises StreamError for one that was not recorded, or the recorded
        failure."""
        found = (await self._book(request.file)).next_for(request.messages, repeat=request.repeat)
        if isinstance(found, Failure):
            raise StreamError(found)
        pace = _Pace(request.speed)
        played = Played(found, pace, request.max_line_bytes)
        sending.written, sending.reused = found.written, found.reused
        if found.status is None:
            await pace.until(found.ended.after)
            raise StreamError(_without_answer(found))
        await pace.until(found.head_after or 0.0)
        return played

    async def _book(self, file: str) -> Book:
        if file not in self._books:
            # If the disk does not answer, the thread is left behind when the call's time is over.
            book = await anyio.to_thread.run_sync(_load, file, abandon_on_cancel=True)
            self._books.setdefault(file, book)  # another stream may have loaded it meanwhile and begun to play
        return self._books[file]


class Played:
    """Plays a recorded answer; see `contract.Response`."""

    def __init__(self, exchange: Exchange, pace: _Pace, max_line_bytes: int) -> None:
        self.status = exchange.status or 0
        form = _form(exchange)
        kind = exchange.headers.get("content-type", "") if form == "refused" else MEDIA_TYPE
        self.headers: Mapping[str, str] = {**exchange.headers, "content-type": kind}
        self._exchange = exchange
        self._pace = pace
        self._most = max_line_bytes
        self._place = 0
        self._ended = False
        self._head = _encoded(Line(head=Head(exchange.target, exchange.options, exchange.host, form == "whole")))

    async def read(self) -> bytes:
        """Return the next network read of the recording, when its time has come."""
        pieces = self._exchange.pieces
        if self._place < len(pieces):
            await self._pace.until(pieces[self._place].after)
            return self._next()
        if self._ended:
            return b""
        ended = self._exchange.ended
        await self._pace.until(ended.after + (GRACE if ended.how == "left" else 0.0))
        self._ended = True
        return self._take_head() + _encoded(Line(ended=ended))

    def drain(self) -> bytes:
        """Return what would have arrived by now; nothing when nobody is waiting."""
        pieces, arrived = self._exchange.pieces, []
        while self._place < len(pieces) and self._pace.is_past(pieces[self._place].after):
            arrived.append(self._next())
        return b"".join(arrived)

    def interrupt(self, error: Exception) -> None:
        """Make a pending `read` raise `error` now."""
        self._pace.stop(error)

    def close(self) -> None:
        """Do nothing: no connection is held."""

    def _next(self) -> bytes:
        piece = self._exchange.pieces[self._place]
        self._place += 1
        return self._take_head() + b"".join(map(_encoded, lines_of(piece.bytes, self._most)))

    def _take_head(self) -> bytes:
        head, self._head = self._head, b""
        return head


class _Pace:
    """Maps the recorded times to our clock, from when the request was made."""

    def __init__(self, speed: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._speed = speed
        self._start = self._loop.time()
        self._waiting: asyncio.Future[None] | None = None
        self._error: Exception | None = None

    async def until(self, after: float) -> None:
        """Wait for this moment of the recording; raises the error that `stop` was given."""
        wait = self._start + after / self._speed - self._loop.time() if self._speed else 0.0
        if self._error is None and wait > 0:
            await self._wait(wait)
        else:
            await asyncio.sleep(0)
        if self._error is not None:
            raise self._error

    async def _wait(self, seconds: float) -> None:
        self._waiting = self._loop.create_future()
        timer = self._loop.call_later(seconds, self._wake)
        try:
            await self._waiting
        finally:
            timer.cancel()
            self._waiting = None

    def stop(self, error: Exception) -> None:
        self._error = self._error or error
        self._wake()

    def is_past(self, after: float) -> bool:
        return bool(self._speed) and self._start + after / self._speed <= self._loop.time()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


def _encoded(line: Line) -> bytes:
    return msgspec.json.encode(line) + b"\n"


def _form(exchange: Exchange) -> Taken:
    """Return the form that the answer was read as when it came, decided as in `Attempt`, by its content type and first
    bytes."""
    adapter, kind = _adapter_of(exchange), exchange.headers.get("content-type", "")
    types = adapter.media_types
    says = kind.startswith(types) and (exchange.stream or not kind.startswith("application/json"))
    form = form_of(_beginning(exchange), lines=types[0].endswith("ndjson"))
    able = adapter.capabilities(exchange.target.partition(":")[2]).whole
    taken = taken_as(form, asked=exchange.stream, says=says, arrays="application/json" in types, whole=able)
    if taken == "whole" and exchange.stream and not _is_answer(exchange, cast(WholeAdapter, adapter)):
        return "refused"
    return taken


def _beginning(exchange: Exchange) -> bytes:
    """Return as much of the answer as its form is decided by: a long one is not joined while the loop waits."""
    pieces: list[bytes] = []
    size = 0
    for piece in exchange.pieces:
        data = piece.bytes if pieces else piece.bytes.lstrip(BLANK)
        if data:
            pieces.append(data)
            size += len(data)
        if size >= MOST:
            break
    return b"".join(pieces)


def _is_answer(exchange: Exchange, adapter: WholeAdapter) -> bool:
    """Return whether JSON that came in place of a stream was an answer, and no error."""
    body = b"".join(piece.bytes for piece in exchange.pieces)
    target = Target(exchange.target, **exchange.options)
    decoder = adapter.whole_decoder(Request(messages=to_messages(exchange.messages), target=target, stream=False))
    decoder.feed(body)
    decoder.finish()
    if decoder.failure is None or not getattr(decoder, "closed", True):
        return True
    return not is_no_answer(decoder.failure, adapter.classify(exchange.status or 200, exchange.headers, body))


def _without_answer(exchange: Exchange) -> Failure:
    """Return the failure of a request that got no answer."""
    failure = exchange.ended.failure
    if failure is None:
        return Failure(kind=ErrorKind.STREAM_INTERRUPTED, code="recording_ends", retry=False, fallback=False)
    adapter = _adapter_of(exchange)
    return told_as(failure, Head(exchange.target, host=exchange.host), adapter)


def _adapter_of(exchange: Exchange) -> Adapter:
    return adapter_for(exchange.target.partition(":")[0])


# -- the file -----------------------------------------------------------------------------------


def _load(file: str) -> Book:
    """Read a file. Raises StreamError when there is none, or it is not a recording."""
    path = Path(file)
    try:
        lines = io.BytesIO(_content(path))  # each line is cut off by itself, and other threads run in between
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its name is no file's name"
        raise _no_recording(f"{file} cannot be read: {reason}") from error
    return Book(path.name, list(_exchanges(file, lines)))


def _content(path: Path) -> bytes:
    """Return a file's bytes; a pipe or a device, which may never end, is not opened."""
    if not is_plain(path):
        raise OSError(errno.EINVAL, "Is a directory" if path.is_dir() else "It is no plain file")
    with path.open("rb") as file:
        too_large = os.fstat(file.fileno()).st_size > MAX_FILE
        content = b"" if too_large else file.read(MAX_FILE + 1)
    if too_large or len(content) > MAX_FILE:  # the file may have grown
        raise OSError(errno.EFBIG, f"It has more than {MAX_FILE // 1024**2} MiB")
    return content


def _exchanges(file: str, lines: Iterable[bytes]) -> Iterator[tuple[tuple[Message, ...], Exchange]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            exchange = _exchange(f"{file}, line {number},", line)
            if exchange is not None:
                yield exchange


def _exchange(where: str, line: bytes) -> tuple[tuple[Message, ...], Exchange] | None:
    """Return the exchange of one line; None for a line that was cut off while it was written, by a full disk or a
    crash."""
    try:
        _check_version(where, line)
        exchange = msgspec.json.decode(line, type=Exchange)
        adapter_for(exchange.target.partition(":")[0])
        return to_messages(exchange.messages), exchange
    except (msgspec.ValidationError, StreamMisused) as error:
        raise _no_recording(f"{where} cannot be played: {str(error).partition(';')[0]}") from error
    except (msgspec.DecodeError, RecursionError):
        logger.warning("%s is not whole JSON, and left out", where)
        return None


def _check_version(where: str, line: bytes) -> None:
    try:
        known = msgspec.json.decode(line, type=Numbered).version == VERSION
    except msgspec.ValidationError:
        known = False
    if not known:
        raise _no_recording(f"{where} is not an exchange of version {VERSION}")


def _no_recording(reason: str) -> StreamError:
    return StreamError(Failure(kind=ErrorKind.CLIENT_CONFIG, code="no_recording", facts={"reason": reason}))
