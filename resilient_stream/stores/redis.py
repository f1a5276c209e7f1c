"""`RedisStore`: the connection to a Redis or Valkey server that processes share, and what happens without it.

A command has a short time. When one fails, the store is down: a single warning says so, and further commands fail at
once, so that nobody waits for a server that is not there. Every half second one command is let through again. The first
that works ends it, with a word in the log.

What calls ask before they go to a provider (`exchange`) has 50 ms. When it takes longer, nobody waits any more: each
call goes by what its process knows, and one exchange at a time finds out whether Redis answers in time again.

The package `redis` is imported when the first store is made. Redis 6.2 or later, or any Valkey.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from ..failures import StreamMisused

if TYPE_CHECKING:
    from ..fleet.board import News, View

__all__ = ["RedisStore", "StoreLost"]

logger = logging.getLogger("resilient_stream")

ResultT = TypeVar("ResultT")

CONNECTIONS = 16
"""Connections of one event loop. Commands wait for a free one."""

RETRY_AFTER = 0.5
"""Seconds for which commands fail at once, after one has failed."""

WITHOUT_IT = "RedisStore needs the package redis: pip install 'resilient-stream[redis]'"


PATIENCE = 0.05
"""Seconds that a call waits for an exchange."""

LOOKS = 5
"""Parts of the patience. Each is counted as what it should have lasted, so a loop that was busy elsewhere for longer is
not taken for a slow Redis: the answer may be there, and nobody has read it."""


class Misread(ValueError):
    """Redis has answered what the function that was called never answers."""


class StoreLost(Exception):
    """The store did not do it: it is out of reach, too slow, or refuses."""


class RedisStore:
    """A Redis server by its URL: `redis://`, `rediss://` (TLS) or `unix://`.

    prefix: what the names of all keys begin with; programs with the same one share. timeout: seconds for a command.
    lease: seconds after which a process that says nothing any more is taken for dead. connect: makes a client of your
    own instead, such as Valkey's; it is called once for each event loop. Raises StreamMisused for a URL of another
    kind, and where the package redis is missing.
    """

    def __init__(
        self,
        url: str = "redis://localhost:6379/0",
        *,
        prefix: str = "resilient_stream",
        timeout: float = 1.0,
        lease: float = 10.0,
        connect: Callable[[], Any] | None = None,
    ) -> None:
        self.prefix = prefix
        self.timeout = timeout
        self.lease = lease
        self.up = True
        self.late = False
        self._has_answered = self._has_warned = False
        self._trial: asyncio.Task[View | None] | None = None
        self._url = url
        if connect is None:
            _check(url)
        self._connect = connect or self._connected
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = weakref.WeakKeyDictionary()
        self._next_try = 0.0
        self._working: set[asyncio.Task[Any]] = set()

    def __repr__(self) -> str:
        return f"RedisStore({self._place()!r}, prefix={self.prefix!r})"

    def key(self, *parts: str) -> str:
        """Return the name of a key."""
        return ":".join((self.prefix, *parts))

    async def ask(self, command: Callable[[Any], Awaitable[ResultT]]) -> ResultT:
        """Return what the command returns, which is given the client. Raises StoreLost."""
        self._may_try()
        try:
            result = await asyncio.shield(self._in_background(self._within(command)))
        except Exception as error:
            raise self.lost(error) from error
        self.found()
        return result

    def _may_try(self) -> None:
        """Raise StoreLost while a command would fail, as it did a moment ago."""
        now = asyncio.get_running_loop().time()
        if not self.up:
            if now < self._next_try:
                raise StoreLost("out of reach a moment ago")
            self._next_try = now + RETRY_AFTER

    async def exchange(self, news: News) -> View | None:
        """Tell what happened at a target, and return what is known of it; None without an answer within 50 ms. While
        Redis is out of reach or late, the answer is None at once."""
        if self.up and not self.late:
            return await self._in_time(news)
        is_tried = self._trial is not None and not self._trial.done()
        if not is_tried and (self.up or asyncio.get_running_loop().time() >= self._next_try):
            self._trial = self._in_background(self._in_time(_asking_for_nothing(news)))
        return None

    async def _in_time(self, news: News) -> View | None:
        asking = self._in_background(self._exchanged(news))
        for _ in range(LOOKS):
            done, _pending = await asyncio.wait((asking,), timeout=PATIENCE / LOOKS)
            if done:
                return asking.result()
        self.late = True
        if self._has_answered:  # else it is the first connection that takes its time
            self._warn(f"no answer within {PATIENCE * 1000:.0f} ms")
        return None

    async def _exchanged(self, news: News) -> View | None:
        from .exchange import exchanged

        began = asyncio.get_running_loop().time()
        try:
            self._may_try()
            view = await self._within(lambda client: exchanged(client, self.prefix, news))
        except StoreLost:
            return None
        except Exception as error:  # whatever it is, no call may fail because of it
            self._is_lost(error)
            return None
        self.found()
        self._has_answered = True
        if self.late and asyncio.get_running_loop().time() - began < PATIENCE:
            self.late = False
            self._is_back()
        return view

    async def _within(self, command: Callable[[Any], Awaitable[ResultT]]) -> ResultT:
        async with asyncio.timeout(self.timeout):
            return await command(self.client())

    def _in_background(self, work: Coroutine[Any, Any, ResultT]) -> asyncio.Task[ResultT]:
        """Run it in a task of its own. A command whose caller is cancelled ends by itself: a client that is cut off in
        the middle may lose the connection, and with enough of them its whole pool."""
        task = asyncio.get_running_loop().create_task(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return task

    def client(self) -> Any:
        """Return this loop's client."""
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            self._clients[loop] = self._connect()
        return self._clients[loop]

    def lost(self, error: Exception) -> StoreLost:
        """Note that the server is out of reach, with one warning. Raises what is no failure of a server."""
        if not _is_failure(error):
            raise error
        return self._is_lost(error)

    def _is_lost(self, error: Exception) -> StoreLost:
        self._next_try = asyncio.get_running_loop().time() + RETRY_AFTER
        self._drop_client()
        if self.up:
            self.up = False
            self._warn(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
        return StoreLost(type(error).__name__)

    def _warn(self, said: str) -> None:
        """Warn once, until it is back."""
        if not self._has_warned:
            self._has_warned = True
            logger.warning("Redis at %s is lost (%s): each process is on its own until it is back", self._place(), said)

    def _is_back(self) -> None:
        if self._has_warned:
            self._has_warned = False
            logger.info("Redis at %s is back", self._place())

    def found(self) -> None:
        """Note that the server answers."""
        if not self.up:
            self.up = True
            if not self.late:
                self._is_back()

    async def aclose(self) -> None:
        """Close this loop's connections."""
        self._drop_client()
        loop = asyncio.get_running_loop()
        if working := [task for task in self._working if task.get_loop() is loop]:
            await asyncio.wait(working)  # each has a bound

    def _drop_client(self) -> None:
        """Close this loop's client, whatever state it is in. The next command makes a new one."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            self._in_background(self._close(client))

    async def _close(self, client: Any) -> None:
        with contextlib.suppress(Exception):  # it may be the reason why it is closed
            async with asyncio.timeout(self.timeout):
                await client.aclose()

    def _connected(self) -> Any:
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        pool = BlockingConnectionPool.from_url(
            self._url,
            max_connections=CONNECTIONS,
            timeout=self.timeout,
            socket_timeout=None,  # ours is around each command; one that waits for news may wait longer
            socket_connect_timeout=self.timeout,
            # One more try on a new connection: a server that was started anew, or tidies up, has closed the old ones.
            retry=Retry(NoBackoff(), 1),
        )
        return Redis.from_pool(pool)

    def _place(self) -> str:
        """Return where it is, without a password."""
        parts = urlsplit(self._url)
        host = parts.hostname or ""
        return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{parts.path}"


def _check(url: str) -> None:
    """Import the package and read the URL now, when the application starts: the first answer must not wait for it."""
    try:
        from redis.asyncio.connection import parse_url
    except ImportError as error:
        raise StreamMisused(WITHOUT_IT) from error
    try:
        parse_url(url)
    except ValueError:  # it may repeat the URL, and with it a password
        raise StreamMisused("RedisStore: the URL begins with redis://, rediss:// or unix://") from None


def _asking_for_nothing(news: News) -> News:
    """Return the news without what somebody would have to wait for."""
    return news._replace(take=news.take._replace(requests=0.0, tokens=0.0), probe=0.0)


def _is_failure(error: Exception) -> bool:
    """Return whether it is the server's or the network's, and no bug of the caller."""
    package = type(error).__module__.partition(".")[0]
    return isinstance(error, OSError | TimeoutError | Misread) or package in ("redis", "valkey")
