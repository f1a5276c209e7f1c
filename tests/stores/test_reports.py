"""What a store keeps of the reports of many processes: one suite for the store in memory and for Redis."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from resilient_stream.fleet.report import LARGEST, MOST, MOST_BYTES
from resilient_stream.stores import MemoryStore, RedisStore
from resilient_stream.stores.redis import RETRY_AFTER, StoreLost
from resilient_stream.stores.reports import RecordRefused, keys

from ..engine.clock import running_clock
from ..web.redis_server import RedisServer
from .conftest import Kept
from .fake_redis import FakeRedis

pytestmark = pytest.mark.usefixtures("nothing_left")


async def records(kept: Kept) -> set[bytes]:
    """What is there."""
    found = await kept.store.reports()
    assert len(found.records) == found.known
    return set(found.records)


async def test_each_process_has_its_last_record(kept: Kept) -> None:
    """A newer one takes the place of the one before, and whoever keeps one is told how many there are."""
    assert (await kept.store.reports()) == ([], 0)
    assert await kept.store.report("a", b"first", 5) == 1
    assert await kept.store.report("b", b"\x00\xff", 5) == 2
    assert await kept.store.report("a", b"second", 5) == 2
    assert await records(kept) == {b"second", b"\x00\xff"}


async def test_a_record_expires_by_itself(kept: Kept) -> None:
    """A process that is dead vanishes, also where others go on; and where none does, nothing is left."""
    await kept.store.report("dead", b"dead", 0.03)
    await kept.store.report("alive", b"alive", 0.3)
    await kept.passes(0.05)
    assert await kept.store.report("other", b"other", 0.03) == 2
    assert await records(kept) == {b"alive", b"other"}
    await kept.passes(0.05)
    assert await records(kept) == {b"alive"}
    await kept.passes(0.3)
    assert await records(kept) == set()


async def test_in_memory_as_many_are_read_as_in_redis() -> None:
    """The latest ones."""
    store = MemoryStore(lambda: 0.0)
    for number in range(MOST + 5):
        await store.report(f"{number}", str(number).encode(), 5 + number)
    found = await store.reports()
    assert (len(found.records), found.known) == (MOST, MOST + 5)
    assert b"4" not in found.records


@pytest.mark.outside
async def test_redis_keeps_no_key_of_those_who_are_dead(redis_server: RedisServer) -> None:
    """Both keys expire with the last record, and a dead process's record is removed by the next one of another."""
    store = RedisStore(redis_server.url, prefix="gone")
    await store.report("dead", b"dead", 0.02)
    await asyncio.sleep(0.03)
    await store.report("alive", b"alive", 0.05)
    await store.report("short", b"short", 0.01)
    assert await store.ask(lambda client: client.hkeys(keys("gone")[1])) == [b"alive", b"short"]
    await asyncio.sleep(0.06)
    assert await store.ask(lambda client: client.exists(*keys("gone"))) == 0
    await store.aclose()


@pytest.mark.outside
async def test_what_is_read_is_bounded(redis_server: RedisServer) -> None:
    """Whatever somebody wrote to Redis: only so many records, none that is too large, and so many bytes."""
    store = RedisStore(redis_server.url, prefix="bounded", timeout=60.0)
    times, kept = keys("bounded")
    late = {f"{number}": 9e15 for number in range(3 * MOST)}
    await store.ask(lambda client: client.zadd(times, late))
    await store.ask(lambda client: client.hset(kept, mapping=dict.fromkeys(late, "x")))
    found = await store.reports()
    assert (len(found.records), found.known) == (MOST, 3 * MOST)
    large = {f"{number}": b"x" * (LARGEST + number % 2) for number in range(600)}
    await store.ask(lambda client: client.delete(times, kept))
    await store.ask(lambda client: client.zadd(times, dict.fromkeys(large, 9e15)))
    await store.ask(lambda client: client.hset(kept, mapping=large))
    found = await store.reports()
    assert sum(map(len, found.records)) == MOST_BYTES
    assert {len(record) for record in found.records} == {LARGEST}
    await store.aclose()


@pytest.mark.outside
async def test_a_key_that_redis_has_dropped_is_begun_anew(redis_server: RedisServer) -> None:
    """Redis may drop one of both keys where it has no room: no record of a dead process is kept for ever then."""
    store = RedisStore(redis_server.url, prefix="dropped")
    for name in ("a", "b"):
        await store.report(name, b"old", 5)
    await store.ask(lambda client: client.delete(keys("dropped")[0]))
    assert await store.report("c", b"new", 5) == 1
    assert await store.ask(lambda client: client.hkeys(keys("dropped")[1])) == [b"c"]
    await store.aclose()


@pytest.mark.outside
async def test_what_redis_has_against_it_is_said_once_and_is_no_outage(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A key of ours that holds something else: nothing is reported, calls share as before, and `top` is told why."""
    caplog.set_level(logging.INFO, "resilient_stream")
    store = RedisStore(redis_server.url, prefix="refused")
    await store.ask(lambda client: client.set(keys("refused")[0], b"rubbish"))
    for _ in range(3):
        assert await store.report("a", b"x", 5) is None
    assert store.up
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "keeps no report" in caplog.text
    with pytest.raises(RecordRefused, match="WRONGTYPE"):
        await store.reports()
    await store.aclose()


async def test_an_outage_is_said_once_as_for_calls(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is raised where it is reported; whoever reads is told. It comes back by itself."""
    caplog.set_level(logging.INFO, "resilient_stream")
    with running_clock():
        server = Answering()
        store = RedisStore("redis://user:secret@there:1/0", connect=server.connect)
        assert await store.report("a", b"x", 5) == 7
        server.down = True
        for _ in range(5):
            assert await store.report("a", b"x", 5) is None
        with pytest.raises(StoreLost):
            await store.reports()
        server.down = False
        await asyncio.sleep(RETRY_AFTER)
        assert await store.report("a", b"x", 5) == 7
        await store.aclose()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "secret" not in caplog.text


@pytest.mark.parametrize("reply", [None, b"OK", [], [1], [1, 2], [b"1", []], [1, ["text"]], [1, [b"x"], 3]])
async def test_an_answer_of_another_form_is_none(reply: Any) -> None:
    """Nothing is made of it, and the store is not taken for lost."""
    server = Answering(reply)
    store = RedisStore(connect=server.connect)
    assert await store.report("a", b"x", 5) is None
    with pytest.raises(RecordRefused):
        await store.reports()
    assert store.up
    await store.aclose()


async def test_both_keys_share_a_node() -> None:
    """Both names carry the same part in braces, by which a cluster places them."""
    server = Answering()
    store = RedisStore(connect=server.connect, prefix="mine")
    await store.report("a", b"x", 5)
    (_, number, *names), *_ = server.called
    assert (number, names[:2]) == (2, ["mine:fleet:{reports}:times", "mine:fleet:{reports}:records"])
    await store.aclose()


class Answering(FakeRedis):
    """A Redis that answers each function with the same."""

    def __init__(self, reply: Any = 7) -> None:
        super().__init__()
        self.reply = reply
        self.called: list[tuple[Any, ...]] = []

    def connect(self) -> Any:
        """A client that knows one function."""
        client: Any = super().connect()
        client.evalsha = self._called
        return client

    async def _called(self, *arguments: Any) -> Any:
        self.called.append(arguments)
        return (await self.exchange([lambda: self.reply]))[0]
