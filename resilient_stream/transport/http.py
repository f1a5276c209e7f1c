"""HTTP by aiohttp: the sessions, and `Response`, which owns one answer. The only file that knows aiohttp's client.

The one rule: our clock and our limits decide, aiohttp's are switched off (R7): no total timeout, no pool limit,
no redirects, no compression. One response has one owner, and `close` and `interrupt` are synchronous.
Must never: classify. Its exceptions leave as they are; `classify/` names them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import SimpleNamespace
from typing import Any
from urllib.request import getproxies
from weakref import WeakKeyDictionary

import aiohttp

from ..contract import HttpRequest, Sending

__all__ = ["HttpTransport", "Response"]

READ_BUFFER = 64 * 1024
"""aiohttp pauses the socket at twice this. Its default of 512 KiB is 4,600 buffered events, which a consumer
would work through for 14 ms without another task getting a turn (ASYNC_FINDINGS E4)."""

LINGER = 0.25
"""Seconds that a finished answer may take to send the last bytes of its HTTP framing, so that its connection can
be used again. Many servers send them in a packet of their own, after the provider's end marker."""


class Response:
    """One HTTP answer and its connection."""

    __slots__ = ("_content", "_response", "headers", "read", "status")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._content = response.content
        self.read: Callable[[], Awaitable[bytes]] = response.content.readany
        """One network read; b"" at the end of the body. A bound method, since it runs for every wake-up."""
        self.status = response.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}
        self._watch_connection()

    def _watch_connection(self) -> None:
        """Have `read` fail when the connection goes while the body is open.

        aiohttp 3.14 does that itself, but for one case: when a later read has broken chunk framing, its parser
        drops the body without a word and the reader would wait for ever.
        """
        connection = self._response.connection
        protocol = connection.protocol if connection is not None else None
        closed = protocol.closed if protocol is not None else None
        if closed is not None:
            closed.add_done_callback(self._connection_gone)

            def body_ended() -> None:
                closed.remove_done_callback(self._connection_gone)

            self._content.on_eof(body_ended)

    def _connection_gone(self, closed: asyncio.Future[None]) -> None:
        if not closed.cancelled():
            closed.exception()  # looked at, so that nothing is logged about it
        if not self._content.is_eof() and self._content.exception() is None:
            self._content.set_exception(aiohttp.ClientPayloadError("the connection was closed in mid-body"))

    def interrupt(self, error: Exception) -> None:
        """Make a pending `read` raise `error` now, and close the connection."""
        self._content.set_exception(error)
        self._response.close()

    def drain(self) -> bytes:
        """What had arrived before the body failed: aiohttp refuses it once an exception is set (E6).

        Uses two private fields of aiohttp's reader; a test fails when they go.
        """
        content: Any = self._content
        error, content._exception = content._exception, None
        try:
            return bytes(content.read_nowait(-1)) if content._buffer else b""
        finally:
            content._exception = error

    @property
    def at_end(self) -> bool:
        """The whole body has arrived, its framing included; the connection is free again."""
        return self._content.is_eof()

    def on_end(self, callback: Any) -> None:
        """Call back when the body's end arrives."""
        self._content.on_eof(callback)

    def close(self) -> None:
        """Close the connection; after the body's end it has already gone back to the pool."""
        self._response.close()


class HttpTransport:
    """The client's sessions, one for each running loop, made when first needed.

    A session given by the user is used as it is and never closed.
    """

    def __init__(self, session: aiohttp.ClientSession | None = None) -> None:
        self._given = session
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession] = WeakKeyDictionary()
        self._lingering: dict[Response, asyncio.TimerHandle] = {}

    async def open(self, request: HttpRequest, connect_timeout: float | None, sending: Sending) -> Response:
        """Send the request and wait for the answer's head; `sending` is kept up to date meanwhile."""
        response = await self._session().request(
            request.method,
            request.url,
            data=request.body,
            headers={"Accept-Encoding": "identity", **request.headers},
            timeout=aiohttp.ClientTimeout(total=None, connect=connect_timeout, sock_connect=None),
            allow_redirects=False,
            read_bufsize=READ_BUFFER,
            trace_request_ctx=sending,
        )
        return Response(response)

    def release(self, response: Response) -> None:
        """The answer is whole: let its connection go back to the pool when the last bytes arrive, soon."""
        if response.at_end:
            return
        loop = asyncio.get_running_loop()
        self._lingering[response] = loop.call_later(LINGER, self._part_with, response)
        response.on_end(lambda: self._part_with(response))

    def _part_with(self, response: Response) -> None:
        timer = self._lingering.pop(response, None)
        if timer is not None:
            timer.cancel()
            if not response.at_end:
                response.close()

    def close_idle(self, host: str = "") -> int:
        """Close this loop's connections that lie in the pool. A session of the user's own is left alone.

        Uses two private fields of aiohttp's connector; a test fails when they go.
        """
        for response in list(self._lingering):
            self._part_with(response)
        session = self._sessions.get(asyncio.get_running_loop())
        pool: Any = session.connector._conns if session is not None and session.connector is not None else {}
        idle = [key for key in pool if host in ("", key.host, f"{key.host}:{key.port}")]
        gone = [protocol for key in idle for protocol, _ in pool.pop(key)]
        for protocol in gone:
            protocol.abort()
        return len(gone)

    async def aclose(self) -> None:
        """Close this loop's session and its connections. Idempotent."""
        for response in list(self._lingering):
            self._part_with(response)
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.close()

    def _session(self) -> aiohttp.ClientSession:
        if self._given is not None:
            return self._given
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None or session.closed:
            session = self._sessions[loop] = _new_session()
        return session


def _new_session() -> aiohttp.ClientSession:
    trace = aiohttp.TraceConfig()
    trace.on_connection_reuseconn.append(_note_reuse)
    trace.on_request_headers_sent.append(_note_written)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        # Looking for a proxy costs each request a thread's turn (0.3 ms, E6): only where one is configured.
        trust_env=bool(getproxies()),
        trace_configs=[trace],
    )


async def _note_reuse(session: aiohttp.ClientSession, context: SimpleNamespace, params: object) -> None:
    context.trace_request_ctx.reused = True


async def _note_written(session: aiohttp.ClientSession, context: SimpleNamespace, params: object) -> None:
    context.trace_request_ctx.written = True
