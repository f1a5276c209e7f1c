"""A Redis server in memory: the commands that a hub uses, time by the loop's clock, and outages by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

__all__ = ["FakeRedis"]


class FakeRedis:
    """The server. `down`: nobody reaches it. `hangs`: it takes commands and answers none."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.expires: dict[str, float] = {}
        self.pubsubs: set[PubSub] = set()
        self.down = False
        self.hangs = False
        self.exchanges = 0
        self.clients = 0
        self.fail_after: int | None = None
        """The connection is lost after so many more commands, in the middle of a pipeline, too."""

    def connect(self) -> Client:
        """A client of it."""
        self.clients += 1
        return Client(self)

    def stop(self, *, forget: bool = False) -> None:
        """From now on nobody reaches it; `forget`: and it has no disk."""
        self.down = True
        for pubsub in self.pubsubs:
            pubsub.messages.put_nowait(None)
        self.pubsubs.clear()
        if forget:
            self.values.clear()

    def start(self) -> None:
        """It is there again."""
        self.down = False

    async def exchange(self, commands: list[Callable[[], Any]]) -> list[Any]:
        """One round trip."""
        self.exchanges += 1
        await asyncio.sleep(0)
        if self.hangs:
            await asyncio.Event().wait()
        results = []
        for command in commands:
            if self.fail_after is not None:
                self.fail_after -= 1
                if self.fail_after < 0:
                    self.fail_after, self.down = None, True
            if self.down:
                raise ConnectionRefusedError("no Redis here")
            self._expire()
            results.append(command())
        return results

    def _expire(self) -> None:
        now = asyncio.get_running_loop().time()
        for key in [key for key, when in self.expires.items() if when <= now]:
            self.values.pop(key, None)
            del self.expires[key]


def _number(id: str) -> tuple[int, int]:
    first, _, second = str(id).partition("-")
    return int(first), int(second or 0)


class Commands:
    """The commands, each as a function that a round trip runs."""

    def __init__(self, server: FakeRedis) -> None:
        self.server = server

    def do(self, command: Callable[[], Any]) -> Any:
        raise NotImplementedError

    def get(self, key: str) -> Any:
        key.encode()  # as the package does, which refuses what is no text
        return self.do(lambda: self.server.values.get(key))

    def set(self, key: str, value: bytes, *, px: int, nx: bool = False, xx: bool = False) -> Any:
        def command() -> bool | None:
            there = key in self.server.values
            if (nx and there) or (xx and not there):
                return None
            self.server.values[key] = value
            self._expire_in(key, px)
            return True

        return self.do(command)

    def _expire_in(self, key: str, px: int) -> bool:
        if key in self.server.values:
            self.server.expires[key] = asyncio.get_running_loop().time() + px / 1000
        return key in self.server.values

    def pexpire(self, key: str, px: int) -> Any:
        return self.do(lambda: self._expire_in(key, px))

    def exists(self, key: str) -> Any:
        return self.do(lambda: int(key in self.server.values))

    def delete(self, *keys: str) -> Any:
        return self.do(lambda: sum(self.server.values.pop(key, None) is not None for key in keys))

    def xadd(self, key: str, fields: dict[bytes, bytes], *, id: str, minid: int) -> Any:
        def command() -> bytes:
            entries = self.server.values.setdefault(key, [])
            if entries and _number(entries[-1][0].decode()) >= _number(id):
                raise ConnectionError("The ID specified in XADD is equal or smaller than the target stream top item")
            entries.append((id.encode(), dict(fields)))
            entries[:] = [entry for entry in entries if _number(entry[0].decode()) >= (minid, 0)]
            return id.encode()

        return self.do(command)

    def xrange(self, key: str, *, min: str, count: int) -> Any:
        def command() -> list[Any]:
            entries = self.server.values.get(key, [])
            return [entry for entry in entries if _number(entry[0].decode()) >= _number(min)][:count]

        return self.do(command)

    def xrevrange(self, key: str, *, count: int) -> Any:
        return self.do(lambda: self.server.values.get(key, [])[::-1][:count])

    def publish(self, channel: str, data: bytes) -> Any:
        def command() -> int:
            heard = [pubsub for pubsub in self.server.pubsubs if channel in pubsub.channels]
            for pubsub in heard:
                pubsub.messages.put_nowait({"type": "message", "channel": channel.encode(), "data": data})
            return len(heard)

        return self.do(command)


class Client(Commands):
    """Each command is a round trip."""

    async def do(self, command: Callable[[], Any]) -> Any:  # type: ignore[override]
        return (await self.server.exchange([command]))[0]

    def pipeline(self, *, transaction: bool) -> Pipeline:
        assert not transaction
        return Pipeline(self.server)

    def pubsub(self) -> PubSub:
        return PubSub(self.server)

    async def aclose(self) -> None:
        self.server.clients -= 1


class Pipeline(Commands):
    """All commands in one round trip."""

    def __init__(self, server: FakeRedis) -> None:
        super().__init__(server)
        self.commands: list[Callable[[], Any]] = []

    def do(self, command: Callable[[], Any]) -> None:
        self.commands.append(command)

    async def execute(self) -> list[Any]:
        return await self.server.exchange(self.commands)


class PubSub:
    """What one connection hears."""

    def __init__(self, server: FakeRedis) -> None:
        self.server = server
        self.channels: set[str] = set()
        self.messages: asyncio.Queue[Any] = asyncio.Queue()

    async def subscribe(self, *channels: str) -> None:
        await self.server.exchange([lambda: None])
        self.channels.update(channels)
        self.server.pubsubs.add(self)
        for channel in channels:
            self.messages.put_nowait({"type": "subscribe", "channel": channel.encode(), "data": 1})

    async def unsubscribe(self, channel: str) -> None:
        self.channels.discard(channel)

    async def get_message(self, *, timeout: float) -> Any:
        try:
            async with asyncio.timeout(timeout):
                message = await self.messages.get()
        except TimeoutError:
            return None
        if message is None:
            raise ConnectionResetError("Redis has gone")
        return message

    async def aclose(self) -> None:
        self.server.pubsubs.discard(self)
