"""The hub: ids, owners, coming back at any moment, what is kept and for how long, shutdown."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from resilient_stream import ErrorKind, StreamMisused
from resilient_stream.formats.events import EventsWriter
from resilient_stream.outcome.errors import StreamError
from resilient_stream.web import Hub, NoLongerKept, NoSuchStream
from resilient_stream.web.formats import FORMATS, Name, writer_for

from ..engine.clock import running_clock
from ..engine.scripted import END, STOP, Answer, client_over, text_event
from .hub_parts import Feeding, PlainWriter, numbers, read_all, stream_of, turns

pytestmark = pytest.mark.usefixtures("nothing_left")

CALL = (
    b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","type":"function","function":'
    b'{"name":"look","arguments":"{}"}}]}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}\n\n'
)


def begin(hub: Hub, stream: Any, **options: Any) -> Any:
    """The first reader of an answer in frames that are easy to compare."""
    return hub.begin(stream, PlainWriter(), format="plain", **options)


async def test_a_reader_that_comes_back_gets_what_it_missed_and_then_the_rest() -> None:
    """The page was reloaded in the middle of the answer."""
    hub, feeding = Hub(), Feeding()
    source = begin(hub, feeding.stream, on_disconnect="detach")
    feeding.feed("a", "b")
    await turns()
    before = b"".join(await source.frames())
    source.leave()
    feeding.feed("c")
    back = await hub.resume(source.stream_id, numbers(before)[-1] - 1)
    feeding.feed("d")
    feeding.end()
    rest = await read_all(back)
    assert numbers(rest)[0] == numbers(before)[-1]
    assert rest.endswith(b"data: c\n\nid: 5\ndata: d\n\nid: 6\ndata: end complete\n\n")
    assert numbers(await read_all(await hub.resume(source.stream_id, 0))) == [1, 2, 3, 4, 5, 6]
    await hub.aclose()


async def test_ids_cannot_be_guessed_and_belong_to_an_owner() -> None:
    """Another owner's id, and an owner's id without an owner, get the same words as one that never was."""
    hub = Hub()
    source = begin(hub, stream_of("a"), owner="ann")
    other = begin(hub, stream_of("a"))
    assert len(source.stream_id) >= 24
    own = source.stream_id
    refused = [("none", "ann"), (own, "bob"), (own, None), (own, ""), (other.stream_id, "ann"), (other.stream_id, "")]
    said = set()
    for id, owner in refused:
        with pytest.raises(NoSuchStream) as caught:
            await hub.resume(id, owner=owner)
        said.add((type(caught.value), str(caught.value)))
        assert not await hub.stop(id, owner)
    assert len(said) == 1
    assert await read_all(await hub.resume(source.stream_id, owner="ann"))
    await hub.aclose()


async def test_an_alias_finds_the_running_answer_of_its_owner() -> None:
    """The answer that got it last, while it runs; the same name of another owner is another name."""
    hub, first, second = Hub(), Feeding(), Feeding()
    ann = begin(hub, first.stream, owner="ann", alias="chat")
    bob = begin(hub, second.stream, owner="bob", alias="chat")
    assert await hub.running("chat", owner="ann") == ann.stream_id
    assert await hub.running("chat", owner="bob") == bob.stream_id
    assert await hub.running("other", owner="ann") is await hub.running("chat", owner="eve") is None
    newer = begin(hub, stream_of("a"), owner="bob", alias="chat")
    assert await hub.running("chat", owner="bob") == newer.stream_id
    first.end()
    await turns()
    assert await hub.running("chat", owner="ann") is await hub.running("chat", owner="bob") is None
    second.end()
    await turns()
    assert not hub._aliases
    await hub.aclose()


@pytest.mark.parametrize(("alias", "owner"), [("chat", None), ("", "ann"), (7, "ann"), (b"chat", "ann")])
async def test_an_alias_without_an_owner_is_refused(alias: Any, owner: Any) -> None:
    """Everybody can guess a name, so it opens nothing by itself; refused before the answer begins."""
    hub = Hub()
    with pytest.raises(StreamMisused, match="alias"):
        begin(hub, stream_of("a"), owner=owner, alias=alias)
    with pytest.raises(StreamMisused, match="alias"):
        await hub.running(alias, owner=owner)
    assert not hub._running
    await hub.aclose()


async def test_a_number_that_was_never_given_is_no_way_around_the_pace() -> None:
    """A reader that claims to have frames of the future, or less than none, is one that has what there is."""
    hub, feeding = Hub(), Feeding()
    source = begin(hub, feeding.stream)
    feeding.feed("a")
    await turns()
    future, past = await hub.resume(source.stream_id, 10**9), await hub.resume(source.stream_id, -5)
    feeding.end()
    assert numbers(await read_all(future)) == [3]
    assert numbers(await read_all(past)) == [1, 2, 3]
    await hub.aclose()


async def test_an_answer_is_kept_for_its_time_after_the_end() -> None:
    """Not for a time since its beginning: a long answer can be read again, too."""
    with running_clock():
        hub, feeding = Hub(ttl=60), Feeding()
        source = begin(hub, feeding.stream, on_disconnect="detach")
        await asyncio.sleep(100)
        feeding.end()
        await read_all(source)
        await asyncio.sleep(59)
        assert await read_all(await hub.resume(source.stream_id))
        await asyncio.sleep(2)
        with pytest.raises(NoSuchStream):
            await hub.resume(source.stream_id)
        assert hub._size == 0


async def test_who_reads_when_the_time_is_over_reads_to_the_end() -> None:
    """A slow reader of a long answer is not cut off, and what it read is forgotten afterwards."""
    with running_clock():
        hub = Hub(ttl=60)
        source = begin(hub, stream_of("x" * 70_000, "y" * 70_000))
        first = await source.frames()
        await asyncio.sleep(100)
        assert numbers(b"".join(first) + await read_all(source)) == [1, 2, 3, 4]
        await asyncio.sleep(60)
        assert hub._size == 0
        assert not hub._ended


async def test_answers_that_ended_make_room_first() -> None:
    """The oldest one goes, and one that somebody reads stays."""
    hub = Hub(max_bytes=30_000)
    sources = []
    for _ in range(4):
        source = begin(hub, stream_of("x" * 6_000))
        sources.append(source)
        while not source._feed.log.done:
            await turns()
    for source in sources[1:]:
        source.leave()
    running = Feeding()
    begin(hub, running.stream)
    running.feed("y" * 6_000)
    await turns()
    assert hub._size <= 30_000
    assert await read_all(sources[0])
    with pytest.raises(NoSuchStream):
        await hub.resume(sources[1].stream_id)
    assert await read_all(await hub.resume(sources[3].stream_id))
    await hub.aclose(drain=0)


async def test_ended_answers_that_are_being_read_do_not_go_beyond_the_bound() -> None:
    """Their readers may be slow for as long as they like, so when it comes to it they lose."""
    hub = Hub(max_bytes=30_000)
    sources = []
    for _ in range(4):
        source = begin(hub, stream_of("x" * 4_000, "y" * 4_000))
        sources.append(source)
        while not source._feed.log.done:
            await turns()
    assert hub._size <= 30_000
    assert b"error no_longer_kept" in b"".join([await read_all(source) for source in sources])
    await hub.aclose()


async def test_a_batch_larger_than_the_hub_reaches_its_reader() -> None:
    """A picture in one event: whoever keeps up gets it, and it is forgotten afterwards."""
    hub, feeding = Hub(max_bytes=10_000), Feeding()
    source = begin(hub, feeding.stream)
    feeding.feed("a")
    assert await source.frames()
    feeding.feed("x" * 50_000)
    await turns(50)
    assert b"x" * 50_000 in b"".join(await source.frames())
    feeding.feed("a")
    assert b"data: a\n\n" in b"".join(await source.frames())
    assert hub._size <= 10_000
    await hub.aclose(drain=0)


async def test_an_endless_answer_forgets_its_beginning_and_says_so() -> None:
    """Memory is bounded without readers, too. Who comes back too late is refused, and a reader that stayed too far
    behind another one gets an end that says why, without a number."""
    hub, feeding = Hub(max_bytes=50_000), Feeding()
    quick = begin(hub, feeding.stream, on_disconnect="detach")
    source: Any = await hub.resume(quick.stream_id)
    feeding.feed(*["x" * 5_000] * 15)
    while quick.position < 16:
        await quick.frames()
    quick.leave()
    assert await source.frames() == [b"data: error no_longer_kept\n\n", b"data: end failed\n\n"]
    assert await source.frames() == []
    source.leave()
    feeding.feed(*["x" * 5_000] * 15)
    await turns(200)
    assert hub._size <= 50_000
    with pytest.raises(NoLongerKept):
        await hub.resume(source.stream_id, 1)
    last = source._feed.log.last
    late = await hub.resume(source.stream_id, last - 2)
    assert numbers(b"".join(await late.frames())) == [last - 1, last]
    await hub.aclose(drain=0)


@pytest.mark.parametrize("format", FORMATS)
async def test_every_format_can_say_that_a_part_is_missing(format: Name) -> None:
    """A reader's own end is written by a writer of its format that has seen nothing of the answer."""
    hub, feeding = Hub(max_bytes=50_000), Feeding()
    quick = hub.begin(feeding.stream, writer_for(format), format=format)
    source = await hub.resume(quick.stream_id or "")
    feeding.feed("first")
    while b"first" not in b"".join(await source.frames()):
        pass
    feeding.feed(*["x" * 20_000] * 6)
    reading = asyncio.ensure_future(read_all(quick))
    await turns(200)
    rest = await source.frames()
    assert rest or format == "text"  # which has no words for it; the connection is cut instead
    assert not numbers(b"".join(rest))
    assert isinstance(source.error, StreamError)
    assert source.error.code == "no_longer_kept"
    assert await source.frames() == []
    await hub.aclose(drain=0)
    await reading


async def test_stop_ends_the_answer_for_all_its_readers() -> None:
    """It was somebody's wish: no error, and the partial answer stays."""
    hub, feeding = Hub(), Feeding()
    source = begin(hub, feeding.stream, owner="ann", on_disconnect="detach")
    other = await hub.resume(source.stream_id, owner="ann")
    feeding.feed("a")
    await turns()
    assert await hub.stop(source.stream_id, "ann")
    assert feeding.answer.interrupted is not None
    assert await read_all(source) == await read_all(other)
    assert (await read_all(await hub.resume(source.stream_id, owner="ann"))).endswith(b"data: end stopped\n\n")
    assert not await hub.stop(source.stream_id, "ann")
    await hub.aclose()


async def test_closing_waits_for_answers_that_end_in_time_and_closes_the_others() -> None:
    """A deployment waits for a bounded time."""
    with running_clock() as clock:
        hub, short, long = Hub(drain=8), Feeding(), Feeding()
        long.feed("a")
        first, second = begin(hub, short.stream), begin(hub, long.stream, on_disconnect="detach")
        asyncio.get_running_loop().call_later(5, short.end)
        await hub.aclose()
        assert clock.passed == 8
        assert (await read_all(first)).endswith(b"data: end complete\n\n")
        assert (await read_all(second)).endswith(b"data: end client_closed\n\n")
        with pytest.raises(StreamMisused):
            begin(hub, stream_of("a"))
        assert not hub._ended
        assert not [timer for timer in asyncio.get_running_loop()._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]


async def test_a_conversation_is_kept_stopped_and_refused_like_a_stream() -> None:
    """Its turns are one answer; a tool that runs is cancelled by a stop; a first turn that fails has a status."""
    hub = Hub()
    client, _ = client_over(Answer(text_event("Hi"), STOP + END))
    read = await read_all(begin(hub, client.converse("hi")))
    assert read.endswith(b"data: Hi\n\nid: 3\ndata: end complete\n\n")
    client, _ = client_over(Answer(CALL, END))
    running = asyncio.Event()

    async def look() -> str:
        running.set()
        await asyncio.Event().wait()
        return ""

    source = begin(hub, client.converse("hi", tools=[look]))
    await running.wait()
    assert await hub.stop(source.stream_id)
    assert (await read_all(source)).endswith(b"data: end stopped\n\n")
    client, _ = client_over(Answer(b'{"error":{"message":"no"}}', status=400))
    with pytest.raises(StreamError) as caught:
        await read_all(begin(hub, client.converse("hi")))
    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    await hub.aclose()


async def test_both_kinds_of_applications_close_their_hub() -> None:
    """Starlette's lifespan, also when the application fails, and aiohttp's cleanup context."""
    hub = Hub()
    with pytest.raises(KeyError):
        async with hub.lifespan(object()):
            raise KeyError
    other = Hub()
    context = other.cleanup_ctx(object())
    await anext(context)
    assert not other._closed
    assert [each async for each in context] == []
    assert hub._closed
    assert other._closed


async def test_a_hub_writes_the_events_format() -> None:
    """An EventSource reconnects by the number of each event."""
    hub = Hub()
    source = hub.begin(stream_of("Hi"), EventsWriter())
    read = await read_all(source)
    assert read.startswith(b'id: 1\ndata: {"type":"text_delta","text":"Hi"}\n\n')
    assert b'"outcome":"complete"' in read
    await hub.aclose()


class _Visitor:
    """A reader that leaves and comes back at random, and keeps what it got."""

    def __init__(self, hub: Hub, id: str, chance: random.Random, visits: int) -> None:
        self.hub, self.id, self.chance, self.visits = hub, id, chance, visits
        self.read: list[bytes] = []
        self.reconnects = 0

    async def go(self) -> None:
        while True:
            source = await self.hub.resume(self.id, len(self.read))
            stay = self.chance.randrange(1, 4) if self.visits > self.reconnects else 10**9
            for _ in range(stay):
                if not (frames := await source.frames()):
                    return
                self.read += frames
            source.leave()
            self.reconnects += 1
            await turns(self.chance.randrange(4))


async def test_a_thousand_reconnects_miss_nothing_and_get_nothing_twice() -> None:
    """During the stream, in replay, after the end, two readers at once: every reader has every frame once, in order."""
    chance, reconnects = random.Random(13), 0
    hub = Hub()
    for _ in range(25):
        feeding = Feeding()
        source = begin(hub, feeding.stream, on_disconnect="detach")
        visitors = [_Visitor(hub, source.stream_id, chance, visits=15) for _ in range(4)]
        tasks = [asyncio.ensure_future(visitor.go()) for visitor in visitors[:2]]
        source.leave()
        for number in range(60):
            feeding.feed(f"t{number}")
            await turns(chance.randrange(5))
            if number == 30:
                tasks.append(asyncio.ensure_future(visitors[2].go()))  # begins in replay
        feeding.end()
        await turns(200)
        tasks.append(asyncio.ensure_future(visitors[3].go()))  # begins after the end
        await asyncio.gather(*tasks)
        whole = [b"id: %d\ndata: t%d\n\n" % (number + 2, number) for number in range(60)]
        for visitor in visitors:
            assert visitor.read == [b"id: 1\ndata: begin\n\n", *whole, b"id: 62\ndata: end complete\n\n"]
            reconnects += visitor.reconnects
    assert reconnects >= 1000
    await hub.aclose()
