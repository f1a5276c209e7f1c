"""Sends requests with aiohttp: `Response` owns one answer, and a client has one session for each running loop.

Only our clock and our limits decide. aiohttp's are switched off: no total timeout, whose exception would look like one
of ours, and no pool limit, whose exception would look like a dead host. Redirects are not followed, and no compression
is asked for. One response has one owner; `close` and `interrupt` are synchronous. aiohttp's exceptions leave unchanged,
and `classify/` names them. What only this module can know leaves as a StreamError: a proxy's fault (`proxied.py`), an
address or a header that cannot be sent (`routes.py`).
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Mapping, MutableMapping
from time import perf_counter
from typing import Any
from weakref import WeakKeyDictionary, WeakSet, finalize

import aiohttp
from yarl import URL

from ..contract import HttpRequest, Sending
from ..text.harmless import forget_variables
from .heads import as_text, refuse_encoding
from .proxied import of_the_proxy, refuse_login
from .routes import Route, route_for
from .sessions import BROKE_OFF, HEADER_LIMITS, Connection, SentBody, let_go, new_session

__all__ = ["HttpTransport", "Response"]

READ_BUFFER = 64 * 1024
"""aiohttp pauses the socket at twice this. Its default of 512 KiB is 4,600 buffered events, which a consumer
would work through for 14 ms without another task getting a turn."""

TURN = 32 * 1024
"""Bytes of a body after which the loop may need a turn, and of one read from then on. A read does not wait when its
data is there; what is inflated, or comes from this same machine, is always there. A read is worked through for 20 ms at
the worst, but mostly in 50 us, of which a turn would be a fifth."""

PATIENCE = 0.002
"""Seconds that a long body may be read without giving the loop a turn."""

LINGER = 0.25
"""Seconds that a finished answer may take to send the last bytes of its HTTP framing, so that its connection can
be used again. Many servers send them in a packet of their own, after the provider's end marker."""


GOODBYE = 0.2
"""Seconds that a program's exit waits at most for an event loop in another thread."""


class Response:
    """Owns one HTTP answer and its connection."""

    __slots__ = ("_content", "_response", "_turn", "_turn_at", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._content = response.content
        self._turn_at = TURN
        self._turn = 0.0
        self.status = response.status
        self.headers: Mapping[str, str] = {
            sys.intern(name.lower()): as_text(value) for name, value in response.headers.items()
        }
        self._watch_connection()

    def read(self) -> Awaitable[bytes]:
        """Return one network read; b"" at the end of the body. A plain function, since it runs for every wake-up."""
        return self._content.readany() if self._content.total_bytes < self._turn_at else self._read_after_a_turn()

    async def _read_after_a_turn(self) -> bytes:
        if perf_counter() - self._turn > PATIENCE:
            await asyncio.sleep(0)
            self._turn = perf_counter()
        data = await self._content.read(TURN)
        if len(data) < TURN:  # less than was asked for: nothing more has arrived
            self._turn_at = self._content.total_bytes + TURN
        return data

    def _watch_connection(self) -> None:
        """Make `read` fail when the connection is lost while the body is open.

        aiohttp 3.14 does that itself, but for one case: when a later read has broken chunk framing, its parser
        drops the body silently and the reader would wait for ever.
        """
        connection = self._response.connection
        protocol = connection.protocol if connection is not None else None
        if isinstance(protocol, Connection):
            protocol.body = self._content
            return
        closed = protocol.closed if protocol is not None else None  # a connection of the user's own session
        if closed is not None:
            closed.add_done_callback(self._connection_gone)

            def body_ended() -> None:
                closed.remove_done_callback(self._connection_gone)

            self._content.on_eof(body_ended)

    def _connection_gone(self, closed: asyncio.Future[None]) -> None:
        if not closed.cancelled():
            closed.exception()  # retrieved, so that asyncio does not log it
        if not self._content.is_eof() and self._content.exception() is None:
            self._content.set_exception(aiohttp.ClientPayloadError(BROKE_OFF))

    def interrupt(self, error: Exception) -> None:
        """Make a pending `read` raise `error` now, and close the connection."""
        self._content.set_exception(error)
        self._response.close()

    def drain(self) -> bytes:
        """Return the bytes that had arrived before the body failed; aiohttp refuses them once an exception is set.

        It uses two private fields of aiohttp's reader; a test fails when they go.
        """
        content: Any = self._content
        error, content._exception = content._exception, None
        try:
            return bytes(content.read_nowait(-1)) if content._buffer else b""
        finally:
            content._exception = error

    @property
    def at_end(self) -> bool:
        """Return whether the whole body has arrived, its framing included; the connection is then free again."""
        return self._content.is_eof()

    def on_end(self, callback: Any) -> None:
        """Call back when the body's end arrives."""
        self._content.on_eof(callback)

    def close(self) -> None:
        """Close the connection; after the body's end it has already gone back to the pool."""
        self._response.close()


class _Here:
    """Holds the things of one client in one loop: a session, and answers whose last bytes are still to come."""

    __slots__ = ("__weakref__", "keeper", "lingering", "loop", "own", "session")

    def __init__(self, loop: asyncio.AbstractEventLoop, given: aiohttp.ClientSession | None) -> None:
        self.loop = loop
        self.own = given is None
        self.session = new_session() if given is None else given
        self.lingering: dict[Response, asyncio.TimerHandle] = {}
        self.keeper: AsyncGenerator[None, None] | None = None

    def part_with_all(self) -> None:
        """Close the answers whose end is still awaited."""
        for response in list(self.lingering):
            self.part_with(response)

    def part_with(self, response: Response) -> None:
        """Let an answer go: its connection is free, or its time is over."""
        timer = self.lingering.pop(response, None)
        if timer is not None:
            timer.cancel()
            if not response.at_end:
                response.close()

    def end(self, *, for_good: bool = False) -> None:
        """Close everything at once, without an await. It may be called again."""
        if not self.loop.is_closed():
            self.part_with_all()
        if self.own:
            let_go(self.session, for_good=for_good)
        keeper, self.keeper = self.keeper, None
        if keeper is not None:
            with contextlib.suppress(StopIteration):
                keeper.aclose().__await__().send(None)


async def _until_the_loop_ends(here: _Here, sessions: MutableMapping[Any, _Here]) -> AsyncGenerator[None, None]:
    """Wait as long as the session lives; `asyncio.run` closes such generators before it closes its loop."""
    try:
        yield
    finally:
        here.keeper = None  # the keeper is this generator
        sessions.pop(here.loop, None)
        here.end()


class HttpTransport:
    """Holds the client's sessions, one for each running loop, made when first needed.

    A session given by the user is used as it is and never closed. One of ours ends with the client, with its loop, or
    with the program, whichever is first, whether or not the client is closed.
    """

    def __init__(self, session: aiohttp.ClientSession | None = None) -> None:
        self._given = session
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, _Here] = WeakKeyDictionary()
        finalize(self, _abandon, self._sessions).atexit = False
        _ALIVE.add(self)

    async def open(self, request: HttpRequest, connect_timeout: float | None, sending: Sending) -> Response:
        """Send the request and wait for the answer's head; `sending` is kept up to date meanwhile."""
        here = self._sessions.get(asyncio.get_running_loop()) or await self._begin()
        route: Route | None = None
        try:
            route = route_for(request, ours=here.own)
            response = await here.session.request(
                request.method,
                URL(route.url, encoded=True),
                data=SentBody(request.body, sending),
                headers=route.headers,
                timeout=_timeout(connect_timeout),
                allow_redirects=False,
                read_bufsize=READ_BUFFER,
                **HEADER_LIMITS,
                **route.options,
            )
        except Exception as error:
            forget_variables(error)  # aiohttp's frames hold the headers
            if route is not None and route.proxy is not None:
                of_the_proxy(error, route.proxy, route.url, sending)
            raise
        return _accepted(response, route)

    async def _begin(self) -> _Here:
        loop = asyncio.get_running_loop()
        here = self._sessions[loop] = _Here(loop, self._given)
        if not getattr(loop, "_asyncgens_shutdown_called", False):
            here.keeper = _until_the_loop_ends(here, self._sessions)
            await anext(here.keeper)
        return here

    def release(self, response: Response) -> None:
        """Let a whole answer's connection go back to the pool when the last bytes arrive, which is soon."""
        if response.at_end:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # the loop is over, and the stream was dropped after it
            response.close()
            return
        here = self._sessions.get(loop)
        if here is None:
            response.close()
            return
        here.lingering[response] = loop.call_later(LINGER, here.part_with, response)
        response.on_end(lambda: here.part_with(response))

    def close_idle(self, host: str = "") -> int:
        """Close this loop's connections that lie in the pool. A session of the user's own is not touched.

        It uses two private fields of aiohttp's connector; a test fails when they go.
        """
        here = self._sessions.get(asyncio.get_running_loop())
        if here is None:
            return 0
        here.part_with_all()
        pool: Any = here.session.connector._conns if here.own and here.session.connector is not None else {}
        idle = [key for key in pool if host in ("", key.host, f"{key.host}:{key.port}")]
        gone = [protocol for key in idle for protocol, _ in pool.pop(key)]
        for protocol in gone:
            protocol.abort()
        return len(gone)

    async def aclose(self) -> None:
        """Close this loop's session and its connections. It may be called again."""
        here = self._sessions.pop(asyncio.get_running_loop(), None)
        if here is not None:
            here.part_with_all()
            if here.own:
                await here.session.close()
            here.end()


@functools.lru_cache(maxsize=16)
def _timeout(connect: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=connect, sock_connect=None)


def _accepted(response: aiohttp.ClientResponse, route: Route) -> Response:
    """Return the answer, if it can be read; else close it and raise StreamError."""
    try:
        answer = Response(response)
        if route.proxy is not None and response.status == 407:
            refuse_login(route.proxy, route.url)
        if 200 <= response.status < 300:
            refuse_encoding(answer.headers.get("content-encoding", ""))
    except BaseException:
        response.close()
        raise
    return answer


# -- clients that nobody closed ---------------------------------------------------------------

_ALIVE: WeakSet[HttpTransport] = WeakSet()


def _abandon(sessions: MutableMapping[asyncio.AbstractEventLoop, _Here]) -> None:
    """Close the sessions of a client that was dropped without being closed, in whatever thread the collector runs."""
    for here in list(sessions.values()):
        _end_anywhere(here)
    sessions.clear()


@atexit.register
def _at_exit() -> None:
    """Close sessions when the program ends, and with it the loops that nobody has closed."""
    for transport in list(_ALIVE):
        for here in list(transport._sessions.values()):
            if (ended := _end_anywhere(here, for_good=True)) is not None:
                ended.wait(GOODBYE)


def _end_anywhere(here: _Here, *, for_good: bool = False) -> threading.Event | None:
    """End a session now, or in its own loop if that runs in another thread; then the event tells when it is done."""
    if not here.loop.is_running() or asyncio._get_running_loop() is here.loop:
        here.end(for_good=for_good)
        return None
    ended = threading.Event()

    def end() -> None:
        here.end()
        ended.set()

    with contextlib.suppress(RuntimeError):  # the loop has closed meanwhile
        here.loop.call_soon_threadsafe(end)
    return ended
