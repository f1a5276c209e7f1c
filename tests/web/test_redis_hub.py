"""Hubs of several processes over one Redis: who may read and stop what, and what a reader sees when a part fails.

The Redis of these tests is a fake in memory, with time by the loop's clock; test_redis_real.py runs a real one.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from copy import copy
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from resilient_stream import ErrorKind, StreamMisused
from resilient_stream.outcome.errors import StreamError
from resilient_stream.stores import RedisStore
from resilient_stream.web import Hub, NoLongerKept, NoSuchStream, OutOfReach
from resilient_stream.web.follower import PATIENCE
from resilient_stream.web.run import AHEAD

from ..engine.clock import Clock, running_clock
from ..stores.fake_redis import FakeRedis
from .hub_parts import Feeding, PlainWriter, numbers, read_all, stream_of, turns

pytestmark = pytest.mark.usefixtures("nothing_left")

LEASE = 10.0


class Fleet:
    """Hubs over one Redis, as if each ran in a process of its own."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.redis = FakeRedis()
        self.hubs: list[Hub] = []

    def hub(self, **options: Any) -> Hub:
        """Another process."""
        hub = Hub(RedisStore(connect=self.redis.connect, lease=LEASE), writers={"plain": PlainWriter}, **options)
        self.hubs.append(hub)
        return hub

    def kill(self, hub: Hub) -> None:
        """End the tasks of a process without a word to Redis or to its readers."""
        self.hubs.remove(hub)
        shared: Any = hub._shared
        for task in shared._tasks:
            task.cancel()
        hub._shared = None


@pytest_asyncio.fixture
async def fleet() -> AsyncIterator[Fleet]:
    """Two clocks would be one too many: time passes by the timers of the hubs."""
    with running_clock() as clock:
        own = Fleet(clock)
        yield own
        for hub in own.hubs:
            await hub.aclose(drain=0)


class RedisCluster:
    """Stands for the client of the package redis that has this name; a subclass of it counts, too."""

    async def aclose(self) -> None:
        """Close it."""


def begin(hub: Hub, stream: Any, **options: Any) -> Any:
    """The first reader of an answer in frames that are easy to compare."""
    return hub.begin(stream, PlainWriter(), format="plain", **{"on_disconnect": "detach", **options})


async def mirrored() -> None:
    """Time enough for what was appended to reach Redis, and no lease runs out."""
    await asyncio.sleep(0.2)


@pytest.mark.parametrize("id", ["\ud800", "\u00e4", "x" * 100_000])
async def test_odd_id_is_not_looked_up(fleet: Fleet, id: str) -> None:
    """An id from a JSON body may be no text at all; it is one that never was."""
    hub = fleet.hub()
    with pytest.raises(NoSuchStream):
        await hub.resume(id)
    assert await hub.stop(id) is False


async def test_any_process_serves_what_another_one_runs(fleet: Fleet) -> None:
    """From the beginning, from the middle, and live to the end; also when its process has ended meanwhile."""
    one, two, feeding = fleet.hub(), fleet.hub(), Feeding()
    source = begin(one, feeding.stream)
    feeding.feed("a", "b")
    await mirrored()
    whole, rest = await two.resume(source.stream_id), await two.resume(source.stream_id, 2)
    feeding.feed("c")
    feeding.end()
    expected = await read_all(source)
    assert await read_all(whole) == expected
    assert numbers(await read_all(rest)) == [3, 4, 5]
    await one.aclose()
    assert not [key for key in fleet.redis.values if ":worker:" in key]
    assert await read_all(await two.resume(source.stream_id)) == expected
    assert await read_all(await two.resume(source.stream_id, -5)) == expected
    assert await read_all(await two.resume(source.stream_id, 5)) == b""
    assert await read_all(await two.resume(source.stream_id, 10**9)) == b""


async def test_a_reader_that_comes_at_once_elsewhere_is_let_in(fleet: Fleet) -> None:
    """A page that is reloaded in its first moment is not told that there is no such answer."""
    one, two, feeding = fleet.hub(), fleet.hub(), Feeding()
    begin(one, stream_of("a"))
    await asyncio.sleep(0.001)
    source = begin(one, feeding.stream)
    reader = await two.resume(source.stream_id)
    feeding.end()
    assert await read_all(reader) == await read_all(source)
    times = set()
    for id, owner in ((source.stream_id, "eve"), ("nonsense", "eve")):
        at = fleet.clock.now
        with pytest.raises(NoSuchStream):
            await two.resume(id, owner=owner)
        times.add(round(fleet.clock.now - at, 3))
    assert len(times) == 1


async def test_another_process_stops_an_answer(fleet: Fleet) -> None:
    """The stop button's request goes to any process; readers get the format's end, and a second stop finds nothing."""
    one, two, feeding = fleet.hub(), fleet.hub(), Feeding()
    source = begin(one, feeding.stream, owner="ann")
    feeding.feed("a")
    await mirrored()
    reader = await two.resume(source.stream_id, owner="ann")
    assert await two.stop(source.stream_id, "ann")
    assert (await read_all(reader)).endswith(b"data: end stopped\n\n")
    assert feeding.answer.interrupted is not None
    await mirrored()
    assert not await two.stop(source.stream_id, "ann")
    assert not await two.stop("nonsense", "ann")


async def test_owners_hold_in_other_processes_too(fleet: Fleet) -> None:
    """The same words for all, and no id of any length or form reaches another key."""
    one, two = fleet.hub(), fleet.hub()
    id = begin(one, stream_of("a"), owner="ann").stream_id
    await mirrored()
    said = set()
    for hub, asked, owner in (
        (two, id, "bob"),
        (two, id, None),
        (one, id, "bob"),
        (two, "x", "ann"),
        (two, "x" * 99, "ann"),
    ):
        with pytest.raises(NoSuchStream) as caught:
            await hub.resume(asked, owner=owner)
        said.add((type(caught.value), str(caught.value)))
        assert not await hub.stop(asked, owner)
    assert len(said) == 1
    shared: Any = two._shared
    shared._stored.about = None  # an id of such a length is looked up nowhere
    with pytest.raises(NoSuchStream):
        await two.resume("x" * 99)
    assert "ann" not in str(fleet.redis.values)


async def test_an_alias_finds_an_answer_of_another_process(fleet: Fleet) -> None:
    """While it runs, however long; also when its process is lost, whose readers are then told. Only for its owner."""
    one, two, feeding, lost = fleet.hub(ttl=20), fleet.hub(ttl=20), Feeding(), Feeding()
    source = begin(one, feeding.stream, owner="ann", alias="a chat")
    feeding.feed("a")
    await mirrored()
    assert await two.running("a chat", owner="ann") == source.stream_id
    assert await two.running("a chat", owner="eve") is await two.running("x", owner="ann") is None
    await asyncio.sleep(90)
    assert await two.running("a chat", owner="ann") == source.stream_id
    newer = begin(two, stream_of("b"), owner="ann", alias="a chat")
    await mirrored()
    assert await one.running("a chat", owner="ann") == source.stream_id  # what runs here is found here first
    assert await two.running("a chat", owner="ann") is None
    assert await read_all(newer)
    again = begin(one, lost.stream, owner="ann", alias="a chat")
    await mirrored()
    fleet.kill(one)
    assert await two.running("a chat", owner="ann") == again.stream_id
    assert "a chat" not in str(fleet.redis.values)
    for each in (feeding, lost):
        each.stream.close()
    await turns()


async def test_an_alias_is_found_here_while_redis_is_out_of_reach(fleet: Fleet) -> None:
    """And elsewhere it is said that nobody could be asked."""
    one, two, feeding = fleet.hub(), fleet.hub(), Feeding()
    source = begin(one, feeding.stream, owner="ann", alias="chat")
    await mirrored()
    fleet.redis.down = True
    assert await one.running("chat", owner="ann") == source.stream_id
    with pytest.raises(OutOfReach):
        await two.running("chat", owner="ann")
    fleet.redis.down = False
    fleet.redis.values[next(key for key in fleet.redis.values if ":alias:" in key)] = b"\xff"
    with pytest.raises(NoSuchStream):
        await two.running("chat", owner="ann")


async def test_a_failure_before_the_first_frame_has_its_status_elsewhere_too(fleet: Fleet) -> None:
    """The error is stored with its kind, so the other process refuses with the same one."""
    one, two, feeding = fleet.hub(), fleet.hub(), Feeding()
    source = begin(one, feeding.stream)
    feeding._set(b'data: {"error":{"message":"no","type":"invalid_request_error"}}\n\n')
    await mirrored()
    with pytest.raises(StreamError) as caught:
        await (await two.resume(source.stream_id)).frames()
    assert caught.value.kind is ErrorKind.INVALID_REQUEST


async def test_a_lost_process_is_an_honest_end_with_the_partial_kept(fleet: Fleet) -> None:
    """Its lease runs out: each reader gets what was written, and then an error without a number."""
    one, two, feeding = fleet.hub(), fleet.hub(), Feeding()
    source = begin(one, feeding.stream)
    feeding.feed("a", "b")
    await mirrored()
    reader = await two.resume(source.stream_id)
    assert numbers(b"".join(await reader.frames())) == [1, 2, 3]
    fleet.kill(one)
    at = fleet.clock.passed
    assert await read_all(reader) == b"data: error worker_lost\n\ndata: end failed\n\n"
    assert isinstance(reader.error, StreamError)
    assert fleet.clock.passed - at < 2 * LEASE
    again = await read_all(await two.resume(source.stream_id, 2))
    assert numbers(again) == [3]
    assert again.endswith(b"data: error worker_lost\n\ndata: end failed\n\n")
    assert not await two.stop(source.stream_id)
    feeding.stream.close()
    await turns()


async def test_a_slow_reader_gets_all_that_a_lost_process_wrote(fleet: Fleet) -> None:
    """It reads for longer than the lease and the grace together, and is told of the loss behind the last frame."""
    one, two, feeding = fleet.hub(), fleet.hub(), Feeding()
    source = begin(one, feeding.stream)
    source.leave()
    feeding.feed(*["x" * 40_000] * 30)
    await mirrored()
    assert len(fleet.redis.values[f"resilient_stream:frames:{source.stream_id}"]) >= 30
    fleet.kill(one)
    reader, read = await two.resume(source.stream_id), b""
    for _ in range(31):
        read += b"".join(await reader.frames())
        await asyncio.sleep(1)
    assert numbers(read + await read_all(reader)) == list(range(1, 32))
    assert isinstance(reader.error, StreamError)
    assert reader.error.code == "worker_lost"
    feeding.stream.close()
    await turns()


async def test_a_failure_in_the_middle_is_known_elsewhere(fleet: Fleet) -> None:
    """A format without words for it has its connection cut, by any process."""
    one, two, feeding = fleet.hub(), fleet.hub(), Feeding()
    source = begin(one, feeding.stream)
    feeding.feed("a")
    feeding._set(b'data: {"error":{"message":"no","type":"invalid_request_error","code":"nope"}}\n\n')
    await mirrored()
    reader = await two.resume(source.stream_id)
    assert (await read_all(reader)).endswith(b"data: error nope\n\nid: 4\ndata: end failed\n\n")
    assert isinstance(reader.error, StreamError)
    assert reader.error.kind is ErrorKind.INVALID_REQUEST


async def test_a_process_that_says_nothing_for_a_moment_is_not_lost(fleet: Fleet) -> None:
    """A long silence of the model is no silence of the process, which renews its lease."""
    one, two, feeding = fleet.hub(ttl=2), fleet.hub(ttl=2), Feeding()
    source = begin(one, feeding.stream)
    feeding.feed("a")
    await mirrored()
    reader = await two.resume(source.stream_id)
    await asyncio.sleep(100)
    feeding.end()
    assert numbers(await read_all(reader)) == [1, 2, 3]


async def test_without_redis_a_process_serves_its_own(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    """One warning; readers of this process notice nothing, a stop works, and no answer waits for Redis."""
    one, feeding = fleet.hub(), Feeding()
    fleet.redis.stop()
    source = begin(one, feeding.stream)
    feeding.feed("a", "b")
    await asyncio.sleep(5)
    back = await one.resume(source.stream_id, 1)
    assert await one.stop(source.stream_id)
    assert (await read_all(back)).endswith(b"data: end stopped\n\n")
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize("forget", [False, True], ids=["kept", "forgotten"])
async def test_when_redis_is_back_what_it_missed_is_written(fleet: Fleet, forget: bool) -> None:
    """A reader elsewhere waits, and goes on without a hole, whether Redis has kept what it had or not."""
    one, two, feeding = fleet.hub(), fleet.hub(), Feeding()
    source = begin(one, feeding.stream)
    feeding.feed("a", "b")
    await mirrored()
    reader = await two.resume(source.stream_id)
    before = numbers(b"".join(await reader.frames()))
    fleet.redis.stop(forget=forget)
    feeding.feed("c", "d")
    await asyncio.sleep(PATIENCE / 2)
    fleet.redis.start()
    feeding.feed("e")
    feeding.end()
    assert before + numbers(await read_all(reader)) == list(range(1, 8))
    assert await read_all(await two.resume(source.stream_id)) == await read_all(source)


async def test_a_redis_that_forgot_unnoticed_gets_everything_again(fleet: Fleet) -> None:
    """It was started anew between two commands; the lease that is gone says so."""
    one, two, feeding = fleet.hub(), fleet.hub(), Feeding()
    source = begin(one, feeding.stream)
    feeding.feed("a", "b")
    await mirrored()
    fleet.redis.values.clear()
    feeding.feed("c")
    await asyncio.sleep(LEASE)
    feeding.end()
    await mirrored()
    assert await read_all(await two.resume(source.stream_id)) == await read_all(source)


async def test_a_connection_lost_in_the_middle_of_a_write_repeats_nothing(fleet: Fleet) -> None:
    """Wherever it breaks: what is there is looked up before the next write."""
    one, two = fleet.hub(), fleet.hub()
    for commands in range(1, 7):
        feeding = Feeding()
        source = begin(one, feeding.stream)
        feeding.feed("a", "b")
        await mirrored()
        fleet.redis.fail_after = commands
        feeding.feed("c")
        feeding.end()
        await asyncio.sleep(2)
        fleet.redis.fail_after = None
        fleet.redis.start()
        await asyncio.sleep(2)
        assert await read_all(await two.resume(source.stream_id)) == await read_all(source)


async def test_a_reader_waits_for_redis_for_a_bounded_time(fleet: Fleet) -> None:
    """One that has begun gets an error in the format, without a number, and one that comes is told to come again."""
    one, two, feeding = fleet.hub(), fleet.hub(), Feeding()
    source = begin(one, feeding.stream)
    feeding.feed("a")
    await mirrored()
    reader = await two.resume(source.stream_id)
    assert await reader.frames()
    fleet.redis.stop()
    at = fleet.clock.passed
    assert await read_all(reader) == b"data: error store_lost\n\ndata: end failed\n\n"
    assert PATIENCE <= fleet.clock.passed - at < PATIENCE + 3
    with pytest.raises(OutOfReach):
        await two.resume(source.stream_id)
    assert not await two.stop(source.stream_id)
    fleet.redis.start()
    feeding.end()
    assert numbers(await read_all(await two.resume(source.stream_id, 2))) == [3]


async def test_the_patience_of_a_reader_begins_anew_with_each_outage(fleet: Fleet) -> None:
    """Two short ones, with a moment between them, are not one long one."""
    one, two, feeding = fleet.hub(), fleet.hub(), Feeding()
    source = begin(one, feeding.stream)
    feeding.feed("a")
    await mirrored()
    reader = await two.resume(source.stream_id)
    for _ in range(3):
        fleet.redis.stop()
        await asyncio.sleep(PATIENCE / 2)
        fleet.redis.start()
        await asyncio.sleep(2)
    feeding.end()
    assert numbers(await read_all(reader)) == [1, 2, 3]


async def test_an_answer_that_redis_evicted_is_an_honest_end(fleet: Fleet) -> None:
    """It ran short of memory: the process lives, and yet nothing more will come."""
    one, two, feeding = fleet.hub(), fleet.hub(), Feeding()
    source = begin(one, feeding.stream)
    feeding.feed("a")
    await mirrored()
    reader = await two.resume(source.stream_id)
    assert await reader.frames()
    del fleet.redis.values[f"resilient_stream:about:{source.stream_id}"]
    assert (await read_all(reader)).startswith(b"data: error worker_lost\n\n")


async def test_news_of_answers_that_nobody_reads_here_are_no_longer_heard(fleet: Fleet) -> None:
    """Otherwise a process would hear of every answer that was ever read in it."""
    one, two, feeding = fleet.hub(), fleet.hub(), Feeding()
    source = begin(one, feeding.stream)
    await mirrored()
    reader = await two.resume(source.stream_id)
    channel = f"resilient_stream:news:{source.stream_id}"
    assert [each for each in fleet.redis.pubsubs if channel in each.channels]
    reader.leave()
    feeding.feed("a")
    await mirrored()
    assert not [each for each in fleet.redis.pubsubs if channel in each.channels]


async def test_a_bug_while_following_is_an_honest_end(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    """A reader never sees an end that looks like the answer's own."""
    one, two, feeding = fleet.hub(), fleet.hub(), Feeding()
    source = begin(one, feeding.stream)
    feeding.feed("a")
    await mirrored()
    reader = await two.resume(source.stream_id)
    assert await reader.frames()
    shared: Any = two._shared
    shared._stored.read = None
    assert await read_all(reader) == b"data: error unreadable\n\ndata: end failed\n\n"
    assert "TypeError" in caplog.text


async def test_what_is_stored_is_bounded_and_a_hole_is_an_error(fleet: Fleet) -> None:
    """Redis forgets with the log: who comes too late for the beginning is refused there, too."""
    one, two, feeding = fleet.hub(max_bytes=50_000), fleet.hub(), Feeding()
    source = begin(one, feeding.stream)
    source.leave()
    for _ in range(30):
        feeding.feed("x" * 5_000)
        await mirrored()
    stored = sum(
        len(fields[b"frames"]) for _, fields in fleet.redis.values[f"resilient_stream:frames:{source.stream_id}"]
    )
    assert stored <= 60_000
    with pytest.raises(NoLongerKept):
        await two.resume(source.stream_id, 1)
    last = source._feed.log.last
    assert numbers(b"".join(await (await two.resume(source.stream_id, last - 2)).frames())) == [last - 1, last]


async def test_a_slow_reader_elsewhere_is_no_memory(fleet: Fleet) -> None:
    """What is held for a reader that takes nothing is bounded; it gets all of it when it does."""
    one, two, feeding = fleet.hub(), fleet.hub(), Feeding()
    source = begin(one, feeding.stream)
    source.leave()
    feeding.feed(*["x" * 20_000] * 100)
    feeding.end()
    await mirrored()
    reader: Any = await two.resume(source.stream_id)
    await asyncio.sleep(3)
    assert reader._feed.log.size <= 4 * AHEAD
    assert numbers(await read_all(reader)) == list(range(1, 103))
    assert reader._feed.log.first == 103


async def test_answers_end_in_redis_with_their_time(fleet: Fleet) -> None:
    """After the end nothing is kept there for longer than here, and nothing of a lost process for ever."""
    one, two, three, feeding = fleet.hub(ttl=20), fleet.hub(ttl=20), fleet.hub(ttl=20), Feeding()
    for hub in (one, two):
        await read_all(begin(hub, stream_of("a")))
    begin(three, feeding.stream)
    feeding.feed("a")
    await mirrored()
    assert len(fleet.redis.values) == 9
    fleet.kill(two)
    fleet.kill(three)
    await asyncio.sleep(21)
    await mirrored()
    assert len(fleet.redis.values) == 3  # the lease of the first, and what the lost one had not ended
    await asyncio.sleep(50)
    await mirrored()
    assert len(fleet.redis.values) == 1
    feeding.stream.close()
    await turns()


async def test_many_answers_are_written_in_turn(fleet: Fleet) -> None:
    """One exchange has a bound, and the next one follows at once."""
    one, two = fleet.hub(), fleet.hub()
    sources = [begin(one, stream_of("a")) for _ in range(150)]
    await mirrored()
    for source in sources:
        assert await read_all(await two.resume(source.stream_id)) == await read_all(source)
    assert fleet.clock.passed < 1


async def test_what_was_forgotten_during_an_outage_is_an_error_elsewhere(fleet: Fleet) -> None:
    """The log had no room for all that Redis missed: what is left is written, and who lacks the rest is told."""
    one, two, feeding = fleet.hub(max_bytes=50_000), fleet.hub(), Feeding()
    source = begin(one, feeding.stream)
    source.leave()
    feeding.feed("a")
    await mirrored()
    reader = await two.resume(source.stream_id)
    assert await reader.frames()
    fleet.redis.stop()
    feeding.feed(*["x" * 5_000] * 30)
    await asyncio.sleep(2)
    fleet.redis.start()
    assert await read_all(reader) == b"data: error no_longer_kept\n\ndata: end failed\n\n"
    last = source._feed.log.last
    assert numbers(b"".join(await (await two.resume(source.stream_id, last - 2)).frames())) == [last - 1, last]


async def test_what_was_forgotten_for_its_size_is_forgotten_in_redis(fleet: Fleet) -> None:
    """Otherwise all that a process ever ran would pile up there."""
    one = fleet.hub(max_bytes=20_000)
    for _ in range(10):
        await read_all(begin(one, stream_of("x" * 5_000)))
        await mirrored()
    stored = [key for key in fleet.redis.values if ":frames:" in key]
    assert len(stored) <= 4


GARBAGE: list[Callable[[Any, str], object]] = [
    lambda values, id: values.update({f"resilient_stream:about:{id}": b"\xff\x00"}),
    lambda values, id: values.update({f"resilient_stream:about:{id}": b"\x90"}),
]
ENTRIES = [
    (b"3-0", {b"frames": b"\xff"}), (b"3-0", {}), (b"3-0", {b"frames": b"\x91\x01"}),
    (b"2-1", {b"end": b"", b"error": b"{"}), (b"2-1", {b"end": b"", b"error": b'{"kind":"nonsense"}'}),
    (b"3-0", {b"frames": msgspec.msgpack.encode([b"x" * 30_000])}),
]  # fmt: skip


@pytest.mark.parametrize("spoil", GARBAGE)
async def test_nonsense_about_an_answer_is_no_answer(fleet: Fleet, spoil: Callable[[Any, str], object]) -> None:
    """What is read from Redis is checked."""
    one, two = fleet.hub(), fleet.hub()
    id = begin(one, stream_of("a")).stream_id
    await mirrored()
    spoil(fleet.redis.values, id)
    with pytest.raises(NoSuchStream):
        await two.resume(id)


@pytest.mark.parametrize("entry", ENTRIES)
async def test_nonsense_in_the_frames_is_an_honest_end(fleet: Fleet, entry: Any) -> None:
    """A reader gets what could be read, and an error."""
    one, two, feeding = fleet.hub(), fleet.hub(max_bytes=20_000), Feeding()
    source = begin(one, feeding.stream)
    feeding.feed("a")
    await mirrored()
    reader = await two.resume(source.stream_id)
    assert await reader.frames()
    fleet.redis.values[f"resilient_stream:frames:{source.stream_id}"].append(entry)
    assert await read_all(reader) == b"data: error unreadable\n\ndata: end failed\n\n"


async def test_a_format_that_others_cannot_write_is_refused(fleet: Fleet) -> None:
    """A reader elsewhere may need an error in it."""
    with pytest.raises(StreamMisused, match="writers="):
        fleet.hub().begin(stream_of("a"), PlainWriter(), format="mine")


async def test_shutdown_brings_the_last_frames_to_redis(fleet: Fleet) -> None:
    """Answers that are closed with their process end honestly for readers elsewhere, and at once."""
    one, two, feeding = fleet.hub(), fleet.hub(), Feeding()
    source = begin(one, feeding.stream)
    feeding.feed("a")
    await mirrored()
    reader = await two.resume(source.stream_id)
    at = fleet.clock.passed
    await one.aclose(drain=0)
    assert (await read_all(reader)).endswith(b"data: error client_closed\n\nid: 4\ndata: end client_closed\n\n")
    assert fleet.clock.passed - at < 2


async def test_the_end_of_an_answer_is_news(fleet: Fleet) -> None:
    """It comes after the last frames, which may have been written by then."""
    hub, news = fleet.hub(), []
    shared: Any = hub._shared
    source = begin(hub, stream_of("a"))
    shared.touch = lambda id: news.append((id, source._feed.log.done))
    await read_all(source)
    await turns()
    assert news[-1] == (source.stream_id, True)
    del shared.touch


async def test_a_request_that_is_cancelled_while_it_comes_back_leaves_nothing(fleet: Fleet) -> None:
    """The browser left before the first frame; the fixture sees a task that would go on."""
    one, two, feeding = fleet.hub(), fleet.hub(), Feeding()
    source = begin(one, feeding.stream)
    await mirrored()
    shared: Any = two._shared
    for moment in range(30):
        coming = asyncio.ensure_future(two.resume(source.stream_id))
        await turns(moment)
        if coming.done():
            coming.result().leave()
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        await turns()
        assert not shared._followers
    feeding.stream.close()


async def test_readers_of_others_answers_end_with_their_own_process(fleet: Fleet) -> None:
    """It shuts down while they read: they are told to come back, and nothing is left that reads for them."""
    one, two, feeding = fleet.hub(), fleet.hub(), Feeding()
    source = begin(one, feeding.stream)
    feeding.feed("a")
    await mirrored()
    reader = await two.resume(source.stream_id)
    assert await reader.frames()
    waiting = asyncio.ensure_future(reader.frames())
    await turns()
    await two.aclose()
    assert b"".join(await waiting) == b"data: error elsewhere\n\ndata: end failed\n\n"
    assert fleet.redis.clients == 1


async def test_processes_forked_from_one_are_told_apart(fleet: Fleet) -> None:
    """A server that makes its hub and forks has one in each child, each with a lease of its own."""
    parent: Any = fleet.hub()
    child = copy(parent)
    child._shared = copy(parent._shared)
    child._running, child._ended, child._shared._followers = {}, {}, {}
    fleet.hubs.append(child)
    for hub in (parent, child):
        begin(hub, stream_of("a"))
    await mirrored()
    assert len([key for key in fleet.redis.values if ":worker:" in key]) == 2


async def test_a_write_that_shutdown_interrupts_is_not_repeated(fleet: Fleet) -> None:
    """Whatever it is doing at that moment, the last frames reach Redis once, with the end."""
    two = fleet.hub()
    for moment in range(12):
        one, feeding = fleet.hub(), Feeding()
        source = begin(one, feeding.stream)
        await mirrored()
        feeding.feed("a")
        await turns(moment)
        await one.aclose(drain=0)
        fleet.hubs.remove(one)
        expected = await read_all(source)
        assert expected.endswith(b"data: end client_closed\n\n")
        assert await read_all(await two.resume(source.stream_id, 0)) == expected


async def test_a_thousand_reconnects_to_any_process(fleet: Fleet) -> None:
    """Each at a process by chance, during the stream, in replay and after the end: every frame once, in order."""
    chance, hubs, reconnects = random.Random(13), [fleet.hub() for _ in range(3)], 0

    async def visit(id: str, read: list[bytes]) -> None:
        nonlocal reconnects
        for visits in range(1000):
            source = await chance.choice(hubs).resume(id, len(read))
            for _ in range(chance.randrange(1, 4) if visits < 25 else 10**6):
                if not (frames := await source.frames()):
                    return
                read += frames
            source.leave()
            reconnects += 1
            await asyncio.sleep(chance.random() / 10)

    for _ in range(14):
        feeding = Feeding()
        source = begin(chance.choice(hubs), feeding.stream)
        source.leave()
        await mirrored()
        reads: list[list[bytes]] = [[] for _ in range(4)]
        visits: list[Awaitable[None]] = [asyncio.ensure_future(visit(source.stream_id, read)) for read in reads[:3]]
        for number in range(60):
            feeding.feed(f"t{number}")
            await asyncio.sleep(chance.random() / 10)
        feeding.end()
        await asyncio.sleep(1)
        await asyncio.gather(*visits, visit(source.stream_id, reads[3]))
        whole = [b"id: %d\ndata: t%d\n\n" % (number + 2, number) for number in range(60)]
        for read in reads:
            assert read == [b"id: 1\ndata: begin\n\n", *whole, b"id: 62\ndata: end complete\n\n"]
    assert reconnects >= 1000


async def test_a_bug_in_the_copying_is_logged_and_tried_again(
    fleet: Fleet, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub is not cut off from the others for good by one unexpected exception."""
    one, two, feeding = fleet.hub(), fleet.hub(), Feeding()
    source = begin(one, feeding.stream)
    shared: Any = one._shared
    with monkeypatch.context() as patch:
        patch.setattr(shared._stored, "write", None)
        await mirrored()
    await asyncio.sleep(2)
    feeding.end()
    await mirrored()
    assert await read_all(await two.resume(source.stream_id)) == await read_all(source)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


@pytest.mark.parametrize("client", [RedisCluster, type("Mine", (RedisCluster,), {})])
async def test_a_client_for_clusters_is_refused_before_anything_begins(client: type) -> None:
    """A hub's pipelines are over keys of several nodes. Whoever begins, comes back or stops is told what to give."""
    hub = Hub(RedisStore(connect=client), writers={"plain": PlainWriter})
    with pytest.raises(StreamMisused, match="give it a RedisStore of its own, of a single Redis"):
        begin(hub, stream_of("Hello"))
    for ask in (hub.resume("id"), hub.stop("id"), hub.running("chat", owner="me")):
        with pytest.raises(StreamMisused, match="of a single Redis"):
            await ask
    await hub.aclose()
