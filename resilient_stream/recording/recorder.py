"""Records every request and its answer to a file as it ends: `Client(record="sessions.jsonl")`.

    RecordingTransport   passes requests on, and notes what comes back and when
    Recorder             writes one line for each when its attempt or its call is over, however

Recording never disturbs a stream: if the disk is full, there is a WARNING and the stream continues. Nothing is written
while an answer is still arriving, and no secret is written (`masking/values.py`).

Lines are written in one piece and appended, so several clients and processes may share a file. It is opened for each
line: nothing is held open, and nothing has to be closed.
"""

from __future__ import annotations

import itertools
import logging
import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ..contract import (
    CallContext,
    HttpRequest,
    Outgoing,
    ProcessRequest,
    ReplayRequest,
    Request,
    Response,
    Sending,
    Transport,
)
from ..events import AttemptFailed, Observer, StreamEnded, Told
from ..failures import StreamMisused
from ..masking.private_files import is_plain, open_private
from ..masking.values import MASK, Secrets, mask_response_headers, mask_sent, secrets_of
from ..outcome.errors import StreamError
from ..text.harmless import safe_url
from .format import DECODING, VERSION, Ending, Exchange, Piece, as_data

__all__ = ["Recorder", "RecordingTransport"]

logger = logging.getLogger("resilient_stream")

MAX_BYTES = 64 * 1024 * 1024
"""The bytes that are kept of one answer. Played back, a longer recording ends there."""


class Recorder:
    """Writes recordings to one file. Raises StreamMisused when there is no folder for it."""

    def __init__(self, file: str | os.PathLike[str]) -> None:
        self._path = Path(file)
        self._takes: dict[int, Take] = {}
        if not self._path.absolute().parent.is_dir():
            raise StreamMisused(f"record: there is no folder {self._path.absolute().parent}")
        if self._path.is_dir():
            raise StreamMisused(f"record: {self._path} is a folder; give the name of a file")
        if self._path.is_symlink() or not is_plain(self._path):
            raise StreamMisused(f"record: {self._path} is a link, a pipe or a device; give the name of a plain file")

    def observe(self, call: CallContext) -> Observer:
        """Take the events that tell how attempts end; for `Settings.observers`."""
        return self._on_event

    def begin(self, request: Outgoing, sending: Sending) -> Take:
        """Take note of a request that is about to be sent."""
        take = Take(request, sending)
        self._takes[id(sending.record)] = take
        return take

    def _on_event(self, event: Told) -> None:
        if isinstance(event, AttemptFailed):
            self._end(event.record, event.call_id, event.error, None)
        elif isinstance(event, StreamEnded):
            for record in event.transcript.attempts:
                self._end(record, event.call_id, None, event.transcript.outcome)

    def _end(self, record: Any, call_id: str, error: StreamError | None, outcome: str | None) -> None:
        take = self._takes.pop(id(record), None)
        if take is not None:
            try:
                self._append(msgspec.json.encode(take.exchange(call_id, error, outcome), enc_hook=str))
            except Exception as failed:
                logger.warning("an answer could not be recorded in %s: %s", self._path, failed)

    def _append(self, line: bytes) -> None:
        """Append one line, in one write. If an earlier crash left an unfinished line, that line is ended first."""
        file = open_private(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        try:
            size = os.fstat(file).st_size
            unfinished = size > 0 and os.pread(file, 1, size - 1) != b"\n"
            data = b"\n" * unfinished + line + b"\n"
            while data:
                data = data[os.write(file, data) :]
        finally:
            os.close(file)


class Take:
    """Notes one exchange while it is recorded. whole: the body came to its end, or to the provider's end marker."""

    def __init__(self, request: Outgoing, sending: Sending) -> None:
        self.whole = False
        self._sent = request
        self._sending = sending
        self._started = time.time()
        self._start = time.perf_counter()
        self._pieces: list[tuple[float, bytes]] = []
        self._bytes = 0
        self._status: int | None = None
        self._headers: dict[str, str] = {}
        self._head_after: float | None = None
        self._last = 0.0

    def answered(self, response: Response) -> None:
        """Take note of the head, which has arrived."""
        self._head_after = self._now()
        self._status, self._headers = response.status, dict(response.headers)

    def took(self, data: bytes) -> None:
        """Take a read of the body; an empty read is its end."""
        after = self._now()
        self._bytes += len(data)
        if data and self._bytes <= MAX_BYTES:
            self._pieces.append((after, data))
        self.whole = self.whole or (not data and self._bytes <= MAX_BYTES)

    def ended(self, *, whole: bool = False) -> None:
        """Take note that nothing more will be read."""
        self._now()
        self.whole = self.whole or (whole and self._bytes <= MAX_BYTES)

    def exchange(self, call_id: str, error: StreamError | None, outcome: str | None) -> Any:
        """Return what is written: JSON values without secrets."""
        request = self._sending.request
        assert request is not None
        secrets = Secrets(secrets_of(self._sent, self._sending.endpoint, request.target), MASK)
        exchange = Exchange(
            version=VERSION,
            call=call_id,
            target=request.target.name,
            options={name: value for name, value in request.target.options.items() if name in DECODING},
            stream=request.stream,
            attempt=request.attempt,
            started=self._started,
            messages=_messages(request),
            sent=mask_sent(self._sent, _body(self._sent)),
            host=urlsplit(safe_url(self._sent.url)).netloc,
            status=self._status,
            headers=mask_response_headers(self._headers),
            head_after=self._head_after,
            pieces=[],
            ended=self._ending(error, outcome),
            written=self._sending.written,
            reused=self._sending.reused,
        )
        plain = secrets.hide_in(msgspec.to_builtins(exchange, enc_hook=str))
        return {**plain, "pieces": _pieces(self._pieces, secrets)}

    def _ending(self, error: StreamError | None, outcome: str | None) -> Ending:
        if self.whole:
            return Ending(how="end", after=self._last)
        if error is not None:
            return Ending(how="failed", after=self._last, failure=error.failure)
        return Ending(how="left", after=self._last, outcome=outcome)

    def _now(self) -> float:
        self._last = round(time.perf_counter() - self._start, 6)
        return self._last


class RecordedResponse:
    """Passes on an answer and notes it for the recording; see `contract.Response`."""

    def __init__(self, inner: Response, take: Take) -> None:
        self.inner = inner
        self.take = take
        self.status = inner.status
        self.headers = inner.headers

    async def read(self) -> bytes:
        """Return the next network read, and note it."""
        data = await self.inner.read()
        self.take.took(data)
        return data

    def drain(self) -> bytes:
        """Return what had arrived but was not read, and note it."""
        if data := self.inner.drain():
            self.take.took(data)
        return data

    def interrupt(self, error: Exception) -> None:
        """Make a pending `read` raise `error` now, and close."""
        self.inner.interrupt(error)

    def close(self) -> None:
        """Release the answer."""
        self.take.ended()
        self.inner.close()


class RecordingTransport:
    """Notes what another transport sends and gets; see `contract.Transport`. Playbacks are not recorded."""

    def __init__(self, inner: Transport, recorder: Recorder) -> None:
        self._inner = inner
        self._recorder = recorder

    async def open(self, request: Any, connect_timeout: float | None, sending: Sending) -> Response:
        """Send the request, and wait for the answer's head."""
        if isinstance(request, ReplayRequest):
            return await self._inner.open(request, connect_timeout, sending)
        take = self._recorder.begin(request, sending)
        try:
            response = await self._inner.open(request, connect_timeout, sending)
        except BaseException:
            take.ended()
            raise
        take.answered(response)
        return RecordedResponse(response, take)

    def release(self, response: Any) -> None:
        """Release an answer that is whole."""
        if isinstance(response, RecordedResponse):
            response.take.ended(whole=True)
            response = response.inner
        self._inner.release(response)

    def close_idle(self, host: str = "") -> int:
        """Close the connections that nobody uses."""
        return self._inner.close_idle(host)

    async def aclose(self) -> None:
        """Close everything of the running loop."""
        await self._inner.aclose()


def _messages(request: Request) -> list[dict[str, Any]]:
    return [message.model_dump(mode="json", exclude_defaults=True) for message in request.messages]


def _body(sent: Outgoing) -> Any:
    """Return what was sent as JSON values, or as text, or as base64."""
    data = sent.body if isinstance(sent, HttpRequest) else sent.stdin if isinstance(sent, ProcessRequest) else b""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return msgspec.to_builtins(as_data(data))


def _pieces(pieces: list[tuple[float, bytes]], secrets: Secrets) -> list[Piece]:
    """Return the reads; they are joined into one where a secret would otherwise be split over two of them and
    escape."""
    whole = b"".join(data for _, data in pieces)
    secret = secrets.places(whole)
    if b"\1" not in secret:
        return [Piece(after, as_data(data)) for after, data in pieces]
    ends = itertools.accumulate(len(data) for _, data in pieces)
    if any(secret[end - 1 : end + 1] == b"\1\1" for end in ends):
        pieces = [(pieces[-1][0], whole)]
    return [Piece(after, as_data(secrets.hide_bytes(data))) for after, data in pieces]
