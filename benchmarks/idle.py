"""Many open streams that hold still: what each takes of memory and of CPU, and what it takes to close them all.

    python -m benchmarks.idle floor-openai|ours-openai URL COUNT        prints one line of JSON

Each stream has had its first chunk, and a task that waits for its second. Both clients wait alike.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import resource
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import msgspec

from .measure import settle_allocator, used
from .upstream import asking_for_silence

__all__ = ["HOLDERS", "Held", "most_streams", "opened"]

AT_ONCE = 200
"""Streams that are being opened at the same time."""
SPARE_DESCRIPTORS = 100

Hold: TypeAlias = Callable[[str, Callable[[], None]], Awaitable[None]]
"""Streams an answer until its end, and says when its first chunk is there."""


class Held(msgspec.Struct, frozen=True):
    """streams: how many. kib: memory for each. open_us: CPU to open one. blocked_ms: how long closing them all kept the
    loop from anything else at the longest, without the collector. collector_ms: its longest run meanwhile. closed_s:
    until all of them were closed."""

    streams: int
    kib: float
    open_us: float
    blocked_ms: float
    collector_ms: float
    closed_s: float


@asynccontextmanager
async def _floor(base: str) -> AsyncIterator[tuple[Hold, Callable[[], Awaitable[None]]]]:
    import aiohttp

    tasks: set[Any] = set()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def hold(prompt: str, begun: Callable[[], None]) -> None:
            tasks.add(asyncio.current_task())
            body = {"model": "m", "messages": [{"role": "user", "content": prompt}], "stream": True}
            async with session.post(f"{base}/chat/completions", json=body, timeout=_NO_TIMEOUT) as response:
                async for _ in response.content.iter_any():
                    begun()

        async def close() -> None:
            for task in tasks:
                task.cancel()

        _NO_TIMEOUT = aiohttp.ClientTimeout(total=None)
        yield hold, close


@asynccontextmanager
async def _ours(base: str) -> AsyncIterator[tuple[Hold, Callable[[], Awaitable[None]]]]:
    from resilient_stream import Client, Target

    async with Client(Target("openai:m", base_url=base, api_key="k")) as client:

        async def hold(prompt: str, begun: Callable[[], None]) -> None:
            async with client.stream(prompt, deadline=600) as stream:
                async for chunk in stream:
                    if chunk.text:
                        begun()

        yield hold, client.aclose


HOLDERS = {"floor-openai": _floor, "ours-openai": _ours}


def most_streams(wanted: int) -> int:
    """As many of them as this process may have sockets, and the fake provider as well."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard - SPARE_DESCRIPTORS)


async def measure(name: str, base: str, count: int) -> Held:
    """Open as many streams, look, and close them."""
    settle_allocator()
    async with HOLDERS[name](base) as (hold, close):
        first = await opened(hold, AT_ONCE)  # what the first streams load is not the others'
        gc.collect()
        memory, before = _resident_kib(), used()
        waiting = await opened(hold, count)
        open_us = used().since(before).over(count).total
        gc.collect()
        kib = (_resident_kib() - memory) / count
        with Collections() as collections:
            until = asyncio.Event()
            longest, started = asyncio.ensure_future(_longest_turn(until, collections)), time.perf_counter()
            await asyncio.sleep(0)
            await close()
            await asyncio.gather(*first, *waiting, return_exceptions=True)
            closed_s = time.perf_counter() - started
            until.set()
            blocked = await longest
        return Held(count, kib, open_us, blocked * 1e3, collections.longest * 1e3, closed_s)


class Collections:
    """The time that the garbage collector takes while this is open, in seconds: all of it, and its longest run."""

    def __init__(self) -> None:
        self.total = self.longest = self._began = 0.0

    def __enter__(self) -> Collections:
        gc.callbacks.append(self._told)
        return self

    def __exit__(self, *_: object) -> None:
        gc.callbacks.remove(self._told)

    def _told(self, phase: str, _: object) -> None:
        if phase == "start":
            self._began = time.perf_counter()
            return
        took = time.perf_counter() - self._began
        self.total, self.longest = self.total + took, max(self.longest, took)


async def opened(hold: Hold, count: int) -> list[asyncio.Task[None]]:
    """Tasks, each of which has had the first chunk of an answer and waits for the second."""
    prompt, room, begun, tasks = asking_for_silence(1), asyncio.Semaphore(AT_ONCE), 0, []
    all_begun = asyncio.Event()

    def one_more() -> None:
        nonlocal begun
        begun += 1
        room.release()
        if begun == count:
            all_begun.set()

    for _ in range(count):
        await room.acquire()
        tasks.append(task := asyncio.ensure_future(hold(prompt, one_more)))
        task.add_done_callback(lambda _: room.release())  # one that failed never begins
    failed = asyncio.ensure_future(asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED))
    await asyncio.wait({failed, asyncio.ensure_future(all_begun.wait())}, return_when=asyncio.FIRST_COMPLETED)
    if not all_begun.is_set():
        raise SystemExit(f"a stream ended after {begun} of {count} had begun: {next(iter((await failed)[0]))}")
    failed.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await failed
    return tasks


async def _longest_turn(until: asyncio.Event, collections: Collections) -> float:
    """The longest time, in seconds, that a task which always wants to run had to wait for other tasks."""
    longest, last, collected = 0.0, time.perf_counter(), 0.0
    while not until.is_set():
        await asyncio.sleep(0)
        now = time.perf_counter()
        longest = max(longest, now - last - (collections.total - collected))
        last, collected = now, collections.total
    return longest


def _resident_kib() -> float:
    with open("/proc/self/statm") as told:
        return int(told.read().split()[1]) * resource.getpagesize() / 1024


def main() -> None:
    """Measure one client and print what it `Held`."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("name", choices=HOLDERS)
    options.add_argument("url")
    options.add_argument("count", type=int)
    chosen = options.parse_args()
    held = asyncio.run(measure(chosen.name, chosen.url, most_streams(chosen.count)))
    sys.stdout.write(msgspec.json.encode(held).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
