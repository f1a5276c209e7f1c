"""Plays the two providers of the demo: one fails by a script, the other passes everything on to the real local model.

Failures happen in bytes on the wire, so the client sees what a bad provider would send. The model's answer may be cut,
but is never changed or read: its events are only counted.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from types import TracebackType
from urllib.parse import urlsplit

from ...local import server as local_server

__all__ = ["CUT_AFTER", "FLAKY_ANSWERS", "NO_CAPACITY", "DemoProxy"]

_EVENT_ENDS = b"\n\n"
_FINISH = re.compile(rb'"finish_reason": ?"')
_JSON = b"content-type: application/json\r\nconnection: close\r\n"
_PREAMBLE = (
    b": a comment keeps the connection warm, and is no content\n\n"
    b'data: {"id":"c1","object":"chat.completion.chunk",'
    b'"choices":[{"index":0,"delta":{"role":"assistant"}}]}\n\n'
)


def _json_answer(status: bytes, headers: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\n%b%bcontent-length: %d\r\n\r\n%b" % (status, _JSON, headers, len(body), body)


CUT_AFTER = 20
"""Events of the model's answer that "flaky" passes on; fewer if the answer would be whole by then."""

NO_CAPACITY = _json_answer(
    b"503 Service Unavailable",
    b"x-should-retry: false\r\n",
    b'{"error":{"message":"The server is overloaded","type":"server_error","code":"overloaded"}}',
)
"""An error that also says that a retry is of no use."""

FLAKY_ANSWERS: tuple[bytes | int, ...] = (
    _json_answer(
        b"429 Too Many Requests",
        b"retry-after: 1\r\n",
        b'{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}',
    ),
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    b"%x\r\n%b\r\n" % (len(_PREAMBLE), _PREAMBLE),
    CUT_AFTER,
    NO_CAPACITY,
)
"""What "flaky" answers, in this order. It closes the connection after each.

The answers are: an error that asks to wait a second; a stream that is cut before its first word; the model's answer,
cut in its middle; and an error that says there is no capacity, which is repeated for all further requests. A number
stands for so many events of the model's answer.
"""


class DemoProxy:
    """Serves both providers on loopback, used with `async with`.

    upstream: the local model's base URL. answers: what "flaky" answers.
    """

    def __init__(self, upstream: str, answers: Sequence[bytes | int] = FLAKY_ANSWERS) -> None:
        parts = urlsplit(upstream)
        self._upstream = (parts.hostname or "", parts.port or 0)
        self._key = local_server.api_key(upstream) or "none"
        self._answers = list(answers)
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    async def __aenter__(self) -> DemoProxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def base_url(self, provider: str) -> str:
        """Return the address of "flaky" or of "steady"."""
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/{provider}/v1"

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Tasks of our own: asyncio's complain when they are cancelled (Python 3.11).
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(_content_length(head))
            if not head.split(b" ", 2)[1].startswith(b"/flaky/"):
                await self._pass_on(_for_upstream(head, self._key) + body, writer)
            elif isinstance(answer := self._next_answer(), int):
                await self._pass_on(_for_upstream(head, self._key) + body, writer, events=answer)
            else:
                writer.write(answer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client or the model has left
        finally:
            writer.close()

    def _next_answer(self) -> bytes | int:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    async def _pass_on(self, request: bytes, writer: asyncio.StreamWriter, *, events: int | None = None) -> None:
        """Pass on the whole answer, or only this number of events."""
        upstream, to_upstream = await asyncio.open_connection(*self._upstream)
        try:
            to_upstream.write(request)
            while data := await upstream.read(65536):
                if events is not None:
                    data, events = _at_most(data, events)
                writer.write(data)
                await writer.drain()
                if events == 0:
                    return
        finally:
            to_upstream.close()


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def _at_most(data: bytes, events: int) -> tuple[bytes, int]:
    """Return the part of the data that has so many events, and the number of events that may still follow."""
    pieces = data.split(_EVENT_ENDS)
    whole = next((place for place, piece in enumerate(pieces) if _FINISH.search(piece)), len(pieces))
    if min(events, whole) < len(pieces):
        return b"".join(piece + _EVENT_ENDS for piece in pieces[: min(events, whole)]), 0
    return data, events - len(pieces) + 1


def _for_upstream(head: bytes, key: str) -> bytes:
    """Return the request's head for the model: without the provider's name in its path, with the model's key.

    It asks for a connection of its own.
    """
    line, _, rest = head.partition(b"\r\n")
    method, path, version = line.split(b" ", 2)
    path = path[path.index(b"/", 1) :]
    return (
        b" ".join((method, path, version))
        + b"\r\nconnection: close\r\nauthorization: Bearer %b\r\n" % key.encode()
        + rest
    )
