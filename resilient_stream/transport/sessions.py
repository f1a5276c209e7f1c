"""Makes our aiohttp sessions: with limits of our own, sockets that notice a dead peer, and an end without warnings.

Whatever a server sends in place of a body is bounded: when 256 KiB have arrived of which nothing is body (a head,
trailers, the extension of a chunk), the connection fails with a sentence that says what it was. `.netrc` is not read
(aiohttp would with `trust_env`), no cookies are kept, and no socket is left behind.

Some private fields of aiohttp and asyncio are used here; tests in tests/transport/ fail when they go.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong, TransferEncodingError

from ..contract import Sending

__all__ = ["BROKE_OFF", "HEADER_LIMITS", "Connection", "SentBody", "let_go", "new_session"]

MAX_HEADER = 64 * 1024
MAX_HEAD = 256 * 1024
HEADER_LIMITS: dict[str, Any] = {"max_line_size": MAX_HEADER, "max_field_size": MAX_HEADER + 1024, "max_headers": 2048}
"""The most that aiohttp may read of a head. Its own limits are 8 KiB a header and 128 headers, which the trace and
policy headers of a gateway reach. A field is name and value together; the name has a KiB of its own."""

BROKE_OFF = "the connection was closed in mid-body"

IDLE = 60
"""Seconds of silence after which the operating system asks whether the other side is still there."""


def new_session() -> aiohttp.ClientSession:
    """Return a session for the running loop, without limits, cookies, proxies and `.netrc`."""
    connector = aiohttp.TCPConnector(limit=0, socket_factory=_socket)
    made: Any = functools.partial(Connection, asyncio.get_running_loop())
    connector._factory = made
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        request_class=_Request,
    )


class SentBody(bytes):
    """Carries the body of a request, with a note of how far the request has come.

    aiohttp's own tracing would tell the same, but costs 30 us a request. It stays bytes for whoever looks at what is
    sent, as a test with a mocked session does.
    """

    sending: Sending

    def __new__(cls, body: bytes, sending: Sending) -> SentBody:
        """Make the body with its note."""
        made = super().__new__(cls, body)
        made.sending = sending
        return made


class _Request(aiohttp.ClientRequest):
    """Notes the connection that aiohttp's request uses, and when it was written."""

    _sending: Sending | None = None

    def update_body_from_data(self, body: Any, _stacklevel: int = 3) -> None:
        """Take the note off the body, which aiohttp is about to wrap."""
        self._sending = getattr(body, "sending", None)
        super().update_body_from_data(body, _stacklevel + 1)

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        """Write the request."""
        sending = self._sending
        if sending is not None:
            sending.reused = conn.protocol.used
            conn.protocol.used = True
        response = await super().send(conn)
        if sending is not None:
            sending.written = True
        return response


# -- connections ------------------------------------------------------------------------------


class HeadTooLarge(HttpProcessingError):
    """A head is beyond our limits; `classify/network.py` knows it by this class name."""


_received = ResponseHandler.data_received
"""aiohttp's own `data_received`, which is called directly, since `super()` costs as much as the count, and this runs
for every network read."""


class Connection(ResponseHandler):
    """Ends aiohttp's connection when much arrives and nothing of it is body.

    body: of the latest answer; it fails when the connection is lost.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.used = False
        self.body: aiohttp.StreamReader | None = None
        self._head: bytearray | None = None
        self._fruitless = 0
        self._body_size = 0

    def set_response_params(self, **params: Any) -> None:
        """Begin an answer with its head, since a request goes out."""
        self._head, self._fruitless, self._body_size = bytearray(), 0, 0
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        """Take one network read; this costs two additions and a comparison more than in aiohttp."""
        self._fruitless += len(data)
        if self._head is not None:
            self._head += data
        if self._fruitless > MAX_HEAD and self._is_too_much():
            return
        _received(self, data)

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Read on, where reading was paused. aiohttp asks for it after each read, and would feed its parser nothing."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Take a head that was read: the final one, or an informational one in front of it."""
        if data[0].code >= 200:
            self._head, self._fruitless = None, 0
        super().feed_data(data, size)

    def set_exception(self, exc: Any, exc_cause: BaseException | None = None) -> None:
        """Pass on the parser's complaint about a head that is too large, with the name of the header that is."""
        if isinstance(exc_cause, LineTooLong) and self._head is not None:
            exc = HeadTooLarge(message=f"{_longest_line(self._head)} is longer than {MAX_HEADER // 1024} KiB")
        super().set_exception(exc) if exc_cause is None else super().set_exception(exc, exc_cause)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the head, and fail a body that is still open; `Response` says why aiohttp does not always do so."""
        self._head = None
        body, self.body = self.body, None
        super().connection_lost(exc)
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(aiohttp.ClientPayloadError(BROKE_OFF))

    def _is_too_much(self) -> bool:
        """Return whether none of the last 256 KiB was body; if so, fail the answer."""
        if self._head is not None:
            longest = f"{_longest_line(self._head)} is the longest part of it"
            size = f"{MAX_HEAD // 1024} KiB"
            self._fail(HeadTooLarge(message=f"the head of the answer is longer than {size} ({longest})"))
            return True
        payload = self._payload
        if payload is None or payload.is_eof():
            return False
        if payload.total_raw_bytes != self._body_size:
            self._fruitless, self._body_size = 0, payload.total_raw_bytes
            return False
        reason = TransferEncodingError("the lines between two pieces of the body have no end")
        payload.set_exception(reason)
        self._fail(reason)
        return True

    def _fail(self, reason: Exception) -> None:
        self._head = None
        self.set_exception(reason)
        if self.transport is not None:
            self.transport.abort()


def _longest_line(head: bytearray) -> str:
    """Return the name of the longest header; a first line without a name is the status line."""
    line = max(bytes(head).split(b"\n"), key=len)
    name, colon, _ = line[:200].partition(b":")
    word = name.decode("latin-1")
    known = colon and word.isascii() and word.replace("-", "").replace("_", "").isalnum()
    return f"the header {word[:100]}" if known else "the longest line of the head"


_KEEP_ALIVE = (
    ("SO_KEEPALIVE", 1),
    ("TCP_KEEPIDLE", IDLE),
    ("TCP_KEEPALIVE", IDLE),  # the name of TCP_KEEPIDLE on macOS
    ("TCP_KEEPINTVL", 15),
    ("TCP_KEEPCNT", 4),
)


def _socket(info: Any) -> socket.socket:
    """Return a socket that notices within about two minutes when its peer has disappeared."""
    family, kind, protocol, *_ = info
    made = socket.socket(family, kind, protocol)
    for name, value in _KEEP_ALIVE:
        level = socket.SOL_SOCKET if name.startswith("SO_") else socket.IPPROTO_TCP
        if (option := getattr(socket, name, None)) is not None:
            with contextlib.suppress(OSError):  # the system does not have this option
                made.setsockopt(level, option, value)
    return made


# -- the end ----------------------------------------------------------------------------------


def let_go(session: aiohttp.ClientSession, *, for_good: bool = False) -> None:
    """Close a session and its connections at once, without its loop. It may be called again.

    aiohttp's own way is a coroutine, and it logs a complaint about a session that was left open.

    for_good: the loop will not run again, so its remaining work is done here.
    """
    connector = session.connector
    if connector is None:
        return
    session.detach()
    transports = [protocol.transport for protocol in _protocols(connector)]
    connector._close(abort_ssl=True)
    if for_good or connector._loop.is_closed():
        for transport in transports:
            _forget(transport)


def _protocols(connector: Any) -> list[Any]:
    pooled = (protocol for pool in connector._conns.values() for protocol, _ in pool)
    return [protocol for protocol in (*pooled, *connector._acquired) if getattr(protocol, "transport", None)]


def _forget(transport: Any) -> None:
    """Close the socket under a transport whose loop is over, and so prevent the warning that it is open."""
    secured = getattr(transport, "_ssl_protocol", None)
    if secured is not None:
        transport._closed = True
        transport = getattr(secured, "_transport", None)
    found = getattr(transport, "_sock", None)
    if found is not None:
        with contextlib.suppress(OSError):
            found.close()
        transport._sock = None
