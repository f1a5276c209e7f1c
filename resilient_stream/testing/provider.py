"""Defines `FakeProvider`: the loopback server, the requests it got, and how each of them ended.

It is a real server on a real socket, so a client sees no difference. It never outlives its `with` block.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from types import TracebackType
from typing import TypeAlias

from anyio.from_thread import start_blocking_portal

from ..target import Target
from .connection import Connection
from .dialects import DIALECTS
from .http import ReceivedRequest
from .reply import Reply
from .steps import End, Script, Text

__all__ = ["FakeProvider", "Handler"]

Handler: TypeAlias = Callable[[ReceivedRequest], Script]

HELLO: Script = (Text("Hello", " from", " the", " fake", " provider."), End())
"""The script that is played when none was given."""


class FakeProvider:
    """Answers by script as a loopback server: `async with FakeProvider(script, ...) as provider`. as provider`.

    scripts: request n gets script n, and the last one repeats. A script is a list of steps, or a function that is given
    the request and returns a list of steps (for answers by path, or by what was asked).
    requests: all requests, in order.
    connections: how many were accepted.
    After an exception in a script's function or step, the client gets a 500, and the exception is raised again when the
    block ends.
    """

    def __init__(self, *scripts: Script | Handler) -> None:
        self.requests: list[ReceivedRequest] = []
        self.connections = 0
        self._live: set[Connection] = set()
        self._waiting: list[tuple[int, Future[list[ReceivedRequest]]]] = []
        self._errors: list[Exception] = []
        self._lock = threading.Lock()
        self._socket = _bound_socket(0)
        self._host, self._port = self._socket.getsockname()
        self._server: asyncio.Server | None = None
        self.play(*scripts)

    @classmethod
    @contextmanager
    def in_thread(cls, *scripts: Script | Handler) -> Iterator[FakeProvider]:
        """Run a fake provider in a thread and loop of its own, for tests without a loop or with one that may block."""
        with start_blocking_portal() as portal, portal.wrap_async_context_manager(cls(*scripts)) as provider:
            yield provider

    async def __aenter__(self) -> FakeProvider:
        self._loop = asyncio.get_running_loop()
        await self._listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        self._socket.close()
        for connection in tuple(self._live):
            await connection.shut()
        if self._errors and error is None:
            raise self._errors[0]

    # -- the test's side ------------------------------------------------------------------------

    def play(self, *scripts: Script | Handler) -> None:
        """Replace the scripts: the next request gets the first of these."""
        self._scripts: Sequence[Script | Handler] = scripts or (HELLO,)
        self._played = 0

    @property
    def url(self) -> str:
        """Return the root address, without a slash at the end."""
        return f"http://{self._host}:{self._port}"

    def base_url(self, provider: str) -> str:
        """Return the base URL in the form that this provider's own SDK takes. An unknown name is taken to speak
        OpenAI's."""
        return self.url + DIALECTS.get(provider, DIALECTS["openai"]).suffix

    def target(self, provider: str, *, model: str = "fake-model", **options: object) -> Target:
        """Return a `Target` that points here, with the key "test". options: any of `Target`'s own."""
        given: dict[str, object] = {"api_key": "test", "base_url": self.base_url(provider), **options}
        return Target(f"{provider}:{model}", **given)  # type: ignore[arg-type]

    @property
    def open(self) -> int:
        """Return how many requests are being answered right now."""
        return sum(request.ended_at is None for request in self.requests)

    @property
    def open_connections(self) -> int:
        """Return how many connections are open, also those without a request."""
        return len(self._live)

    async def wait_closed(self, count: int = 1, timeout: float = 5.0) -> list[ReceivedRequest]:
        """Wait until `count` requests in all have ended in any way, and return them. It works from any loop.

        Raises TimeoutError after `timeout` seconds.
        """
        found = self._when_closed(count)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(found), timeout)
        except TimeoutError:
            raise TimeoutError(self._overdue(count, timeout)) from None

    def block_until_closed(self, count: int = 1, timeout: float = 5.0) -> list[ReceivedRequest]:
        """Do the same as `wait_closed` for code without a loop; only with `in_thread`."""
        try:
            return self._when_closed(count).result(timeout)
        except TimeoutError:
            raise TimeoutError(self._overdue(count, timeout)) from None

    async def refuse(self) -> None:
        """Refuse connections from now on. Those that are open stay."""
        await self._run_in_own_loop(self._refuse)

    async def accept(self) -> None:
        """Undo `refuse`, on the same port."""
        await self._run_in_own_loop(self._listen)

    # -- the server's side ----------------------------------------------------------------------

    async def _listen(self) -> None:
        if self._server is None:
            # asyncio closes the socket with the server; `_refuse` makes the next one.
            self._server = await self._loop.create_server(self._connected, sock=self._socket, backlog=4096)

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
            # Bound, but nobody listens: connecting is refused, and nobody else can get the port.
            self._socket = _bound_socket(self._port)

    async def _run_in_own_loop(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Run a function in the provider's loop, whichever loop we are in."""
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work(), self._loop))

    def _connected(self) -> Connection:
        self.connections += 1
        connection = Connection(self.connections, self._serve)
        self._live.add(connection)
        connection.lost.add_done_callback(lambda _: self._live.discard(connection))
        return connection

    async def _serve(self, connection: Connection) -> None:
        while not connection.closing:
            request = await connection.next_request()
            await self._answer(connection, request)
            if request.headers.get("connection", "").lower() == "close":
                connection.close()

    async def _answer(self, connection: Connection, request: ReceivedRequest) -> None:
        self.requests.append(request)
        reply, before = Reply(connection, request), connection.sent
        try:
            for step in self._next_script(request):
                await step.play(reply)
            await reply.end()
        except Exception as error:
            self._errors.append(error)
            await reply.fail(f"{type(error).__name__} in the script")
        finally:
            request.closed_by_client = connection.left and not (reply.ended and connection.drained)
            request.bytes_sent = connection.sent - before
            self._ended(request)

    def _next_script(self, request: ReceivedRequest) -> Script:
        script = self._scripts[min(self._played, len(self._scripts) - 1)]
        self._played += 1
        return script(request) if callable(script) else script

    def _ended(self, request: ReceivedRequest) -> None:
        with self._lock:
            request.ended_at = time.monotonic()
            closed = self._closed()
            due = [waiter for waiter in self._waiting if waiter[0] <= len(closed)]
            self._waiting = [waiter for waiter in self._waiting if waiter not in due]
        for _, found in due:
            if found.set_running_or_notify_cancel():
                found.set_result(closed)

    def _when_closed(self, count: int) -> Future[list[ReceivedRequest]]:
        found: Future[list[ReceivedRequest]] = Future()
        with self._lock:
            closed = self._closed()
            if len(closed) < count:
                self._waiting.append((count, found))
                return found
        found.set_result(closed)
        return found

    def _closed(self) -> list[ReceivedRequest]:
        return [request for request in self.requests if request.ended_at is not None]

    def _overdue(self, count: int, timeout: float) -> str:
        asked, closed = len(self.requests), len(self._closed())
        return f"after {timeout} s {closed} of {count} requests have ended; {asked} came, {self.open} are open"


def _bound_socket(port: int) -> socket.socket:
    """Return a loopback socket that has its port but does not listen yet."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound
