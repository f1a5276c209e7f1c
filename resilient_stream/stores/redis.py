"""Connects processes through a Redis or Valkey server that they share, and decides what happens without it.

A command has a short time. When one fails, the store is down: a single warning says so, and further commands fail at
once, so that nobody waits for a server that is not there. Every half second one command is let through again. The first
that works ends it, with a word in the log.

What calls ask before they go to a provider (`exchange`) has 50 ms. When it takes longer, nobody waits any more: each
call goes by what its process knows, and one exchange at a time finds out whether Redis answers in time again.

In a cluster a node may be lost while the others answer, so there each target is in trouble for itself. Still, one
warning says that it began, and one word that all of it is over.

The package `redis` is imported when the first store is made. Redis 6.2 or later, or any Valkey.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from ..failures import StreamMisused
from .cluster import Cluster, nodes_of

if TYPE_CHECKING:
    from ..fleet.board import News, View
    from ..fleet.pool import Claim, Share
    from ..fleet.report import Reports

__all__ = ["RedisStore", "StoreLost"]

logger = logging.getLogger("resilient_stream")

AskedT = TypeVar("AskedT", "News", "Claim")
ResultT = TypeVar("ResultT")

CONNECTIONS = 16
"""Connections of one event loop to one server. Commands wait for a free one."""

RETRY_AFTER = 0.5
"""Seconds for which commands fail at once, after one has failed."""

OUTDATED_AFTER = 60.0
"""Seconds after which the trouble of a target is forgotten that nobody asks for any more."""

WITHOUT_IT = "RedisStore needs the package redis: pip install 'resilient-stream[redis]'"

PATIENCE = 0.05
"""Seconds that a call waits for an exchange."""

LOOKS = 5
"""The number of parts of the patience. Each is counted as what it should have lasted, so a loop that was busy elsewhere
for longer is not taken for a slow Redis: the answer may be there, and nobody has read it."""


SCHEMES = frozenset({"redis", "rediss", "unix", "redis+cluster", "rediss+cluster"})

EVERYWHERE = ""
"""The place of whatever is asked of a single server."""

OTHER_URL = (
    "RedisStore: the URL begins with redis://, rediss:// or unix://, and a cluster's with redis+cluster:// or "
    "rediss+cluster://"
)

UNREADABLE = (
    "RedisStore: the URL cannot be read. It looks like redis://user:password@host:6379/0, a cluster's like "
    "redis+cluster://one:6379,other:6379; a password is percent-encoded in it (/ is %2F, # is %23): "
    "urllib.parse.quote(password, safe='')"
)


class Misread(ValueError):
    """Redis has answered what the function that was called never answers."""


class StoreLost(Exception):
    """The store did not do what was asked: it is out of reach, too slow, or refuses."""


@dataclass(slots=True)
class _Trouble:
    """Says what is wrong with a place: a command failed, or took too long. next_try: when one is let through again."""

    down: bool = False
    late: bool = False
    next_try: float = 0.0
    trial: asyncio.Task[Any] | None = None

    @property
    def is_tried(self) -> bool:
        """Return whether a command that tries the place again is on its way. In a loop that has stopped, nobody hears
        its answer."""
        return self.trial is not None and not self.trial.done() and self.trial.get_loop().is_running()


class RedisStore:
    """Shares through a Redis server by its URL: `redis://`, `rediss://` (TLS) or `unix://`; or a cluster by some of its
    nodes: `redis+cluster://host:port,host:port` or `rediss+cluster://`.

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
        self._has_answered = self._has_warned = self._has_refused = False
        self._troubles: dict[str, _Trouble] = {}
        self._url = url
        if connect is None:
            _check(url)
        self.is_cluster = connect is None and bool(nodes_of(url))
        self._connect = connect or self._new_client
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = weakref.WeakKeyDictionary()
        self._working: set[asyncio.Task[Any]] = set()

    def __repr__(self) -> str:
        return f"RedisStore({self.place()!r}, prefix={self.prefix!r})"

    def key(self, *parts: str) -> str:
        """Return the name of a key."""
        return ":".join((self.prefix, *parts))

    @property
    def up(self) -> bool:
        """Return whether no command has failed without a later one that worked. It may be read in any thread."""
        return not any(trouble.down for trouble in tuple(self._troubles.values()))

    @property
    def late(self) -> bool:
        """Return whether an answer came too late, and none has come in time since. It may be read in any thread."""
        return any(trouble.late for trouble in tuple(self._troubles.values()))

    async def ask(self, command: Callable[[Any], Awaitable[ResultT]], place: str = EVERYWHERE) -> ResultT:
        """Return what the command returns, which is given the client. Raises StoreLost. place: whose trouble it is when
        it fails."""
        self._may_try(place)
        try:
            result = await asyncio.shield(self._in_background(self._run_in_time(command)))
        except Exception as error:
            raise self.lost(error, place) from error
        self._note_answer(place)
        return result

    def _may_try(self, place: str) -> None:
        """Raise StoreLost while a command would fail, as it did a moment ago."""
        trouble, now = self._troubles.get(place), asyncio.get_running_loop().time()
        if trouble is not None and trouble.down:
            if now < trouble.next_try:
                raise StoreLost("out of reach a moment ago")
            trouble.next_try = now + RETRY_AFTER

    async def exchange(self, news: News) -> View | None:
        """Tell what happened at a target, and return what is known of it; None without an answer within 50 ms. While
        Redis is out of reach or late, the answer is None at once."""
        from .exchange import exchanged

        return await self._answered(news.key, lambda client, what: exchanged(client, self.prefix, what), news)

    async def claim(self, claim: Claim) -> Share | None:
        """Tell what is held of a pool, ask for more, and return what is known of it; None as for `exchange`."""
        from .claim import claimed

        return await self._answered(claim.pool, lambda client, what: claimed(client, self.prefix, what), claim)

    async def _answered(
        self, key: str, command: Callable[[Any, AskedT], Awaitable[ResultT]], asked: AskedT
    ) -> ResultT | None:
        """Return the answer; None where there is none in time. Without what it asks for, the same is used to find out
        whether there is one again."""
        place = self._place_of(key)
        trouble = self._troubles.get(place)
        if trouble is None:
            return await self._in_time(lambda client: command(client, asked), place)
        if not trouble.is_tried and (not trouble.down or asyncio.get_running_loop().time() >= trouble.next_try):
            told = asked.asking_for_nothing()
            trouble.trial = self._in_background(self._in_time(lambda client: command(client, told), place))
        return None

    def _place_of(self, key: str) -> str:
        """Return whose trouble it is when what is told of a key fails: in a cluster that key's, which is on one node,
        and else everybody's."""
        return key if self.is_cluster else EVERYWHERE

    async def report(self, name: str, record: bytes, lasts: float) -> int | None:
        """Keep a record under a name for so many seconds, and return how many there are now; None where it is not kept.

        What Redis has against it is said once, and is no outage: calls share as before.
        """
        from .reports import KEY, kept

        try:
            return await self.ask(lambda client: kept(client, self.prefix, name, record, lasts), self._place_of(KEY))
        except StoreLost:
            return None
        except Exception as error:
            if not self._has_refused:
                self._has_refused = True
                logger.warning("Redis at %s keeps no report of this process for `top` (%s)", self.place(), error)
            return None

    async def reports(self) -> Reports:
        """Return the records of all processes. Raises StoreLost, or RecordRefused with what Redis has against it."""
        from .reports import KEY, found

        return await self.ask(lambda client: found(client, self.prefix), self._place_of(KEY))

    async def _in_time(self, command: Callable[[Any], Awaitable[ResultT]], place: str) -> ResultT | None:
        asking = self._in_background(self._try_once(command, place))
        for _ in range(LOOKS):
            done, _pending = await asyncio.wait((asking,), timeout=PATIENCE / LOOKS)
            if done:
                return asking.result()
        self._trouble(place).late = True
        if self._has_answered:  # before the first answer, it is connecting that takes its time
            self._warn(f"no answer within {PATIENCE * 1000:.0f} ms")
        return None

    async def _try_once(self, command: Callable[[Any], Awaitable[ResultT]], place: str) -> ResultT | None:
        began = asyncio.get_running_loop().time()
        try:
            self._may_try(place)
            result = await self._run_in_time(command)
        except StoreLost:
            return None
        except Exception as error:  # no call may fail because of the store
            self._is_lost(error, place)
            return None
        self._has_answered = True
        self._note_answer(place, in_time=asyncio.get_running_loop().time() - began < PATIENCE)
        return result

    async def _run_in_time(self, command: Callable[[Any], Awaitable[ResultT]]) -> ResultT:
        async with asyncio.timeout(self.timeout):
            return await command(self.client())

    def _in_background(self, work: Coroutine[Any, Any, ResultT]) -> asyncio.Task[ResultT]:
        """Run a command in a task of its own. A command whose caller is cancelled ends by itself: a client that is cut
        off in the middle may lose the connection, and with enough of them its whole pool."""
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

    # -- what is wrong ------------------------------------------------------------------------

    def lost(self, error: Exception, place: str = EVERYWHERE) -> StoreLost:
        """Note that the server is out of reach, with one warning. Raises what is no failure of a server."""
        if not _is_failure(error):
            raise error
        return self._is_lost(error, place)

    def _is_lost(self, error: Exception, place: str) -> StoreLost:
        if not self.is_cluster:  # a cluster drops the client of the lost node itself; the others are in use
            self._drop_client()
        trouble = self._trouble(place)
        trouble.down = True
        trouble.next_try = asyncio.get_running_loop().time() + RETRY_AFTER
        self._warn(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
        return StoreLost(type(error).__name__)

    def _trouble(self, place: str) -> _Trouble:
        """Return the trouble of a place, which begins now if there was none."""
        self._forget_outdated()
        trouble = self._troubles.setdefault(place, _Trouble())
        trouble.next_try = max(trouble.next_try, asyncio.get_running_loop().time())
        return trouble

    def _note_answer(self, place: str, *, in_time: bool = False) -> None:
        """Note that the server answers. in_time: so soon that calls can wait for it."""
        trouble = self._troubles.get(place)
        if trouble is None:
            return
        trouble.down = False
        trouble.late = trouble.late and not in_time
        if not trouble.late:
            del self._troubles[place]
            self._forget_outdated()
            self._say_if_back()

    def _forget_outdated(self) -> None:
        """Forget troubles that nobody tried to end for a while: their targets are not asked for any more."""
        now = asyncio.get_running_loop().time()
        for place in [each for each, trouble in self._troubles.items() if now > trouble.next_try + OUTDATED_AFTER]:
            del self._troubles[place]

    def _warn(self, said: str) -> None:
        """Warn once, until the trouble is over."""
        if not self._has_warned:
            self._has_warned = True
            logger.warning("Redis at %s is lost (%s): each process is on its own until it is back", self.place(), said)

    def _say_if_back(self) -> None:
        if self._has_warned and not self._troubles:
            self._has_warned = False
            logger.info("Redis at %s is back", self.place())

    # -- connections --------------------------------------------------------------------------

    async def aclose(self) -> None:
        """Close this loop's connections."""
        self._drop_client()
        loop = asyncio.get_running_loop()
        while working := [task for task in self._working if task.get_loop() is loop]:
            await asyncio.wait(working)  # each task has a time limit; one that fails may close a node's connections

    def _drop_client(self) -> None:
        """Close this loop's client, whatever state it is in. The next command makes a new one."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            self._close_soon(client)

    def _close_soon(self, client: Any) -> None:
        self._in_background(self._close(client))

    async def _close(self, client: Any) -> None:
        with contextlib.suppress(Exception):  # the connection may be broken, which is why it is closed
            async with asyncio.timeout(self.timeout):
                await client.aclose()

    def _new_client(self) -> Any:
        nodes = nodes_of(self._url)
        return Cluster(nodes, self._connected_to, self._close_soon) if nodes else self._connected_to(self._url)

    def _connected_to(self, url: str) -> Any:
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=self.timeout,
            socket_timeout=None,  # our own timeout is around each command; waiting for news may take longer
            socket_connect_timeout=self.timeout,
            # One more try on a new connection: a server that was started anew, or tidies up, has closed the old ones.
            retry=Retry(NoBackoff(), 1),
        )
        return Redis.from_pool(pool)

    def place(self) -> str:
        """Return where the server is, without a password."""
        parts = urlsplit(self._url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _check(url: str) -> None:
    """Import the package and read the URL now, when the application starts: the first answer must not wait for it."""
    try:
        from redis.asyncio.connection import parse_url
    except ImportError as error:
        raise StreamMisused(WITHOUT_IT) from error
    scheme = url.partition("://")[0]
    if scheme not in SCHEMES:
        raise StreamMisused(OTHER_URL)
    try:
        for each in nodes_of(url) or [url]:
            parse_url(each)
        is_cut = scheme != "unix" and _is_cut(url)
    except ValueError:  # the error may repeat the URL, and with it a password
        is_cut = True
    if is_cut:
        raise StreamMisused(UNREADABLE)


def _is_cut(url: str) -> bool:
    """Return whether a character of the password is read as the end of the host: `redis://:12/34@host` is the host
    "", its port 12 and a path."""
    parts = urlsplit(url)
    before, at, _ = parts.query.partition("@")
    return "@" in parts.path + parts.fragment or bool(at and "=" not in before)


def _is_failure(error: Exception) -> bool:
    """Return whether an error is the server's or the network's, and no bug of the caller."""
    package = type(error).__module__.partition(".")[0]
    return isinstance(error, OSError | TimeoutError | Misread) or package in ("redis", "valkey")
