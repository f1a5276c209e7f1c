"""The connection to Redis: what an outage costs, who is told of it, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from typing import Any

import pytest

from resilient_stream import StreamMisused
from resilient_stream.stores import RedisStore
from resilient_stream.stores.redis import RETRY_AFTER, StoreLost

from ..engine.clock import running_clock
from .fake_redis import FakeRedis

pytestmark = pytest.mark.usefixtures("nothing_left")


def get(client: Any) -> Any:
    """A command."""
    return client.get("key")


async def test_an_outage_is_one_warning_and_ends_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    """While it lasts, commands fail at once and one in half a second is let through; its end is a word in the log."""
    caplog.set_level(logging.INFO, "resilient_stream")
    with running_clock():
        server = FakeRedis()
        store = RedisStore("redis://user:secret@there:1/0", connect=server.connect)
        assert await store.ask(get) is None
        server.stop()
        for _ in range(10):
            with pytest.raises(StoreLost):
                await store.ask(get)
        assert server.exchanges == 2
        await asyncio.sleep(RETRY_AFTER)
        with pytest.raises(StoreLost):
            await store.ask(get)
        assert server.exchanges == 3
        server.start()
        await asyncio.sleep(RETRY_AFTER)
        assert await store.ask(get) is None
        assert store.up
        await store.aclose()
        assert server.clients == 0
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "secret" not in caplog.text + repr(store)


async def test_a_server_that_answers_nothing_costs_a_bounded_time() -> None:
    """A command has a second, whatever the network does."""
    with running_clock() as clock:
        server = FakeRedis()
        server.hangs = True
        store = RedisStore(connect=server.connect, timeout=1.0)
        with pytest.raises(StoreLost):
            await store.ask(get)
        assert clock.passed == 1.0


async def test_a_command_outlives_who_waits_for_it() -> None:
    """A client that is cut off in the middle of a command may lose its connection for good, so it never is."""
    server = FakeRedis()
    store = RedisStore(connect=server.connect)
    asking = asyncio.ensure_future(store.ask(lambda client: client.set("key", b"value", px=1000)))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert await store.ask(get) == b"value"
    await store.aclose()


async def test_after_a_failure_nothing_of_the_old_connections_is_used() -> None:
    """Whatever state they are in: they are closed, and the next try makes new ones."""
    with running_clock():
        server = FakeRedis()
        store = RedisStore(connect=server.connect)
        await store.ask(get)
        first = store.client()
        server.stop()
        with pytest.raises(StoreLost):
            await store.ask(get)
        server.start()
        await asyncio.sleep(RETRY_AFTER)
        await store.ask(get)
        assert store.client() is not first
        assert server.clients == 1
        await store.aclose()


async def test_a_bug_is_no_outage() -> None:
    """An exception that is neither the server's nor the network's is raised as it is, and the store stays up."""
    store = RedisStore(connect=FakeRedis().connect)
    with pytest.raises(AttributeError):
        await store.ask(lambda client: client.nonsense())
    assert store.up


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the extra is not installed, the store cannot be made, and the message says what to install."""
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.setitem(sys.modules, "redis.asyncio.connection", None)
    with pytest.raises(StreamMisused, match=r"pip install 'resilient-stream\[redis\]'"):
        RedisStore()


def test_a_url_of_another_kind_is_refused_at_once() -> None:
    """A typing error is one of the start, not of the first answer, and repeats no password."""
    pytest.importorskip("redis")
    with pytest.raises(StreamMisused) as caught:
        RedisStore("http://user:secret@there")
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_nothing_is_imported_before_it_is_needed() -> None:
    """Hubs without Redis pay nothing for it, and naming the store does not either."""
    made = "from resilient_stream.web import Hub; from resilient_stream.stores import RedisStore, MemoryStore"
    seen = "import sys; Hub(MemoryStore()); sys.exit(bool({'redis', 'resilient_stream.web.shared'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", f"{made}; {seen}"], check=False).returncode == 0


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://there/0", "the URL begins with redis://"),
        ("REDIS://there/0", "the URL begins with redis://"),
        ("redis://:hush/hush@there:6379/0", "a password is percent-encoded"),
        ("redis://:12/34@there:6379/0", "a password is percent-encoded"),  # which would be localhost, port 12
        ("redis://user:12/34@there:6379/0", "a password is percent-encoded"),
        ("redis://:12#hush@there:6379/0", "a password is percent-encoded"),
        ("redis://:12?hush@there:6379/0", "a password is percent-encoded"),
        ("redis://:hush?@there", "a password is percent-encoded"),
        ("redis://:hu[sh@there:6379/0", "a password is percent-encoded"),
        ("rediss+cluster://:hush/hush@one:1,two:2", "a password is percent-encoded"),
        ("redis+cluster://:hu]sh@one:1,two:2", "a password is percent-encoded"),
        ("redis://there:port/0", "the URL cannot be read"),
    ],
)
def test_a_url_that_is_not_read_as_it_was_meant_is_refused(url: str, said: str) -> None:
    """In words that say what to write, and without the password; no command goes to another place instead."""
    pytest.importorskip("redis")
    with pytest.raises(StreamMisused) as caught:
        RedisStore(url)
    assert said in str(caught.value)
    assert "hush" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "url",
    [
        "redis://user:hu%2Fsh%23@there:6379/0", "redis://:hu@sh@there:6379/0", "redis://there?password=hu@sh",
        "unix:///run/me@home/redis.sock?db=1", "redis+cluster://:hu%2Fsh@one:1,two:2", "rediss://[::1]:6379/0",
    ],
)  # fmt: skip
def test_a_url_that_is_read_as_it_was_meant_is_taken(url: str) -> None:
    """Characters that stand in their place are no fault."""
    pytest.importorskip("redis")
    assert RedisStore(url).up
