"""Shares over Redis what hubs of several processes need of each other: answers to read, and the wish to stop one."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from ..delivery import new_id
from ..failures import StreamMisused
from ..formats.writer import Writer
from ..stores.cluster import is_cluster_client
from ..stores.redis import RETRY_AFTER, RedisStore, StoreLost
from .follower import PATIENCE, Follower
from .log import Log, NoSuchStream, OutOfReach
from .mirror import Mirrors
from .run import Reader
from .stored import Stored, StoredAbout, Unreadable

__all__ = ["Shared"]

logger = logging.getLogger("resilient_stream")

ResultT = TypeVar("ResultT")

LONGEST_ID = 64
"""No id of ours is longer, so a longer one is not looked up; nor is one with other characters than ASCII's."""

NOBODY = bytes(32)
"""A digest that no owner has; it is compared where there is no answer."""

LOOKS = (0.0, 0.1, 0.2)
"""Seconds before each look for an answer."""

NO_CLUSTER = "a Hub keeps its answers on one server: give it a RedisStore of its own, of a single Redis or Valkey"

LAST_WRITES = 2.0
"""Seconds that the last frames get at shutdown to reach Redis."""


class Shared:
    """Lets other processes see a hub. stop: stops an answer that runs here."""

    def __init__(
        self,
        store: RedisStore,
        ttl: float,
        max_bytes: int,
        writer: Callable[[str], Callable[[], Writer] | None],
        stop: Callable[[str], object],
    ) -> None:
        if store.is_cluster:
            raise StreamMisused(NO_CLUSTER)
        self._store = store
        self._stored = Stored(store, max_bytes)
        self._ttl = ttl
        self._worker = ""
        self._mirrors: Mirrors | None = None
        self._writer = writer
        self._stop = stop
        self._followers: dict[str, set[Follower]] = {}
        self._pubsub: Any = None
        self._tasks: list[asyncio.Task[None]] = []

    # -- what runs here -----------------------------------------------------------------------

    def add(self, id: str, log: Log, format: str, owner: bytes, alias: bytes) -> None:
        """Let others read this log."""
        self.start().add(id, log, format, owner, alias)

    def touch(self, id: str) -> None:
        """Note that the log of this answer has grown or ended."""
        if self._mirrors is not None:
            self._mirrors.touch(id)

    def forget(self, id: str) -> None:
        """Note that the answer is no longer kept."""
        if self._mirrors is not None:
            self._mirrors.forget(id)

    # -- what runs elsewhere ------------------------------------------------------------------

    async def follow(self, id: str, after: int, owner: bytes) -> Reader:
        """Return a reader of an answer that another process runs, or ran. Raises NoSuchStream and its kinds."""
        self.start()
        about = await self._patiently(lambda: self._owned(id, owner))
        fresh = self._writer(about.format)
        if fresh is None:
            raise NoSuchStream
        (last, ended), *_ = await self._patiently(lambda: self._stored.last([id]))
        position = min(after, last) if ended else after
        follower = Follower(self._stored, id, about.worker, position, fresh, self._leave)
        try:
            await self._listen_for(follower)
            return follower.start(await self._patiently(lambda: self._stored.read(id, position, about.worker)))
        except BaseException:  # also if the request was cancelled meanwhile, since nobody else would close the reader
            self._leave(follower)
            raise

    async def running(self, alias: bytes) -> str | None:
        """Return the id of the answer that got this name last, unless its end is stored. Raises OutOfReach."""
        self.start()
        id = await self._patiently(lambda: self._stored.named(alias))
        if id is None:
            return None
        (_, ended), *_ = await self._patiently(lambda: self._stored.last([id]))
        return None if ended else id

    async def stop(self, id: str, owner: bytes) -> bool:
        """Have an answer stopped. Returns whether its process has heard it."""
        self.start()
        try:
            about = await self._patiently(lambda: self._owned(id, owner))
            (_, ended), *_ = await self._patiently(lambda: self._stored.last([id]))
            heard: bool | None = None if ended else False
            until = asyncio.get_running_loop().time() + PATIENCE
            while heard is False and asyncio.get_running_loop().time() < until:
                heard = await self._patiently(lambda: self._stored.order_stop(about.worker, id))
                if heard is False:  # the process may be about to listen again
                    await asyncio.sleep(RETRY_AFTER / 2)
            return bool(heard)
        except NoSuchStream:
            return False

    async def _owned(self, id: str, owner: bytes) -> StoredAbout:
        """Return what is known of an answer, where it is this owner's. Raises NoSuchStream.

        One that began just now may not have reached Redis, so there is a second look, and a third. Another owner's
        answer takes as long: the time does not say that it is there.
        """
        for wait in LOOKS:
            await asyncio.sleep(wait)
            about = await self._stored.about(id) if len(id) <= LONGEST_ID and id.isascii() else None
            same = hmac.compare_digest(NOBODY if about is None else about.owner, owner)
            if about is not None and same:
                return about
        raise NoSuchStream

    async def _patiently(self, ask: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Ask again while Redis is out of reach, for a bounded time. Raises OutOfReach."""
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE
        while True:
            try:
                return await ask()
            except StoreLost:
                if loop.time() >= until:
                    raise OutOfReach from None
                await asyncio.sleep(RETRY_AFTER)
            except Unreadable:
                raise NoSuchStream from None

    # -- news and orders ----------------------------------------------------------------------

    async def _listen_for(self, follower: Follower) -> None:
        known = self._followers.setdefault(follower.id, set())
        known.add(follower)
        if self._pubsub is not None and len(known) == 1:
            await self._tell(self._pubsub.subscribe, follower.id)

    def _leave(self, follower: Follower) -> None:
        known = self._followers.get(follower.id, set())
        known.discard(follower)
        if not known:
            self._followers.pop(follower.id, None)

    async def _tell(self, command: Callable[[str], Awaitable[object]], id: str) -> None:
        """Subscribe to news, or stop doing so: without news, readers look every second."""
        with contextlib.suppress(StoreLost):
            try:
                async with asyncio.timeout(self._store.timeout):
                    await command(self._stored.news(id))
            except Exception as error:
                raise self._store.lost(error) from error

    async def _listen(self) -> None:
        """Hear news and orders. A connection that is silent for a while is replaced, since it may be dead."""
        while True:
            try:
                await self._hear(self._store.client().pubsub())
            except Exception as error:
                with contextlib.suppress(StoreLost):
                    raise self._store.lost(error) from error
                await asyncio.sleep(RETRY_AFTER)

    async def _hear(self, pubsub: Any) -> None:
        try:
            async with asyncio.timeout(self._store.timeout):
                await pubsub.subscribe(self._stored.orders(self._worker), *map(self._stored.news, self._followers))
            self._pubsub = pubsub
            while (message := await pubsub.get_message(timeout=self._store.lease)) is not None:
                await self._obey(message, pubsub)
        finally:
            self._pubsub = None
            await pubsub.aclose()

    async def _obey(self, message: Any, pubsub: Any) -> None:
        """Act on one message; anything that is not ours is no order."""
        if message["type"] != "message":
            return
        channel = message["channel"].decode()
        if channel == self._stored.orders(self._worker):
            self._stop(message["data"].decode(errors="replace"))
            return
        followers = self._followers.get(channel.rpartition(":")[2], set())
        for follower in followers:
            follower.nudge()
        if not followers:
            await pubsub.unsubscribe(channel)

    # -- tasks --------------------------------------------------------------------------------

    async def aclose(self) -> None:
        """Bring the last frames to Redis, within a bound, and close the connections."""
        tasks, self._tasks = self._tasks, []
        for follower in [each for known in self._followers.values() for each in known]:
            follower.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._mirrors is not None:
            with contextlib.suppress(StoreLost, TimeoutError):
                async with asyncio.timeout(LAST_WRITES):
                    await self._mirrors.finish()
        await self._store.aclose()

    def start(self) -> Mirrors:
        """Start the tasks with the first use. The name of the process is made then, too: a server may make its hub and
        fork afterwards. Raises StreamMisused where the store's own client is one for clusters.
        """
        if self._mirrors is None:
            if is_cluster_client(self._store.client()):
                raise StreamMisused(NO_CLUSTER)
            self._worker = new_id()
            self._mirrors = Mirrors(self._stored, self._worker, self._ttl)
            loop = asyncio.get_running_loop()
            self._tasks = [loop.create_task(_kept_up(work)) for work in (self._mirrors.run, self._listen)]
        return self._mirrors


async def _kept_up(work: Callable[[], Awaitable[None]]) -> None:
    """Run a task for ever. A bug in it is logged, and must not cut off the hub from the others for ever."""
    while True:
        try:
            await work()
        except Exception:
            logger.exception("the hub met an unexpected error and tries again")
            await asyncio.sleep(1.0)
