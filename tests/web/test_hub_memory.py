"""What a hub holds in memory: bounded with endless answers and many readers, slow ones among them."""

from __future__ import annotations

import asyncio
import tracemalloc
from typing import Any

import pytest

from resilient_stream.web import Hub
from resilient_stream.web.run import AHEAD

from .hub_parts import PIECE, Endless, PlainWriter, turns

pytestmark = pytest.mark.usefixtures("nothing_left")

MAX_BYTES = 4 * 1024 * 1024


async def _take(source: Any, pause: float) -> None:
    while await source.frames():
        await asyncio.sleep(pause)


async def test_endless_answers_and_five_hundred_readers_stay_within_the_bound() -> None:
    """Ten answers without an end, fifty readers each, half of them too slow for it: the hub never has more than it may,
    and neither does the process."""
    hub = Hub(max_bytes=MAX_BYTES)
    answers = [Endless() for _ in range(10)]
    tasks, most = [], 0
    tracemalloc.start()
    for answer in answers:
        stream: Any = answer
        first = hub.begin(stream, PlainWriter(), format="plain", on_disconnect="detach")
        readers = [first, *[await hub.resume(first.stream_id or "") for _ in range(49)]]
        tasks += [asyncio.ensure_future(_take(reader, 0.005 * (place % 2))) for place, reader in enumerate(readers)]
    while sum(answer.given for answer in answers) * len(PIECE) < 4 * MAX_BYTES:
        await turns(5)
        most = max(most, hub._size)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most <= 1.5 * MAX_BYTES
    assert peak < 4 * MAX_BYTES
    for task in tasks:
        task.cancel()
    await hub.aclose(drain=0)
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_many_slow_readers_slow_their_answers_down_and_lose_nothing() -> None:
    """Together they are more than the hub may hold: each answer waits for its reader, and none is cut off."""
    hub, most = Hub(max_bytes=MAX_BYTES), 0
    streams: list[Any] = [Endless() for _ in range(200)]
    sources: list[Any] = [hub.begin(stream, PlainWriter(), format="plain") for stream in streams]
    for _ in range(4):
        await turns(10)
        most = max(most, hub._size)
        for source in sources:
            before = source.position
            assert len(await source.frames()) == source.position - before
            assert source.error is None
    assert most <= 1.5 * MAX_BYTES + 200 * 2 * len(PIECE)
    await hub.aclose(drain=0)


async def test_answers_that_nobody_takes_stop_their_upstreams() -> None:
    """A reader that takes nothing bounds its own answer only."""
    hub = Hub()
    slow, quick = Endless(), Endless()
    streams: list[Any] = [slow, quick]
    _, taken = (hub.begin(stream, PlainWriter(), format="plain") for stream in streams)
    taking = asyncio.ensure_future(_take(taken, 0))
    await turns(2000)
    assert slow.given * len(PIECE) <= AHEAD + 2 * len(PIECE)
    assert quick.given > 4 * slow.given
    taking.cancel()
    await hub.aclose(drain=0)
    await asyncio.gather(taking, return_exceptions=True)
