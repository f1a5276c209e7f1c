"""What every server promises, written once: each framework's test file runs all of it, on a real socket.

The servers and the reader are those of the benchmarks, so what is measured there is what is tested here.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from benchmarks.disconnects import Flood, Moment, leaving, moment
from benchmarks.servers import Reader, listening, served
from resilient_stream import Client, RetryPolicy
from resilient_stream.testing import Cut, End, FakeProvider, Preamble, Script, Stall, Status, Text
from resilient_stream.web import Hub

SAID: Script = [Text("Hel", "lo"), End()]


async def hearing(app: web.Application) -> tuple[web.AppRunner, Reader]:
    """Serve an app of aiohttp's, and return it with a reader who has heard the beginning of its answer."""
    runner, made = web.AppRunner(app), listening()
    await runner.setup()
    await web.SockSite(runner, made).start()
    reader = await Reader.ask(made.getsockname())
    await reader.hears(b"Hello")
    return runner, reader


class Served:
    """One app, served. ask: sends a request, and gives its reader."""

    def __init__(self, address: tuple[str, int], provider: FakeProvider, client: Client) -> None:
        self.address = address
        self.provider = provider
        self.client = client

    async def ask(self, *, method: str = "GET", path: str = "/") -> Reader:
        """Send a request on a connection of its own."""
        return await Reader.ask(self.address, method, path)

    async def whole(self, **asked: str) -> tuple[int, dict[str, str], bytes]:
        """Ask, and give status, headers and body. Raises EOFError for a body without an end."""
        reader = await self.ask(**asked)
        try:
            status, headers = parsed(await reader.hears(b"\r\n\r\n"))
            if asked.get("method") == "HEAD":
                return status, headers, b""
            if "content-length" in headers:
                return status, headers, await reader.takes(int(headers["content-length"]))
            return status, headers, unchunked(await reader.hears_out())
        finally:
            reader.leave()


def parsed(head: bytes) -> tuple[int, dict[str, str]]:
    """The status and the headers of a head."""
    first, *lines = head.decode().split("\r\n")
    return int(first.split()[1]), {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


def unchunked(body: bytes) -> bytes:
    """A body without its framing. Raises EOFError where the last chunk is not there."""
    read = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        if not int(size, 16):
            return read
        read, body = read + body[: int(size, 16)], body[int(size, 16) + 2 :]
    raise EOFError(read)


def events(body: bytes) -> list[Any]:
    """The values of Server-Sent Events."""
    return [json.loads(line[6:]) for line in body.decode().split("\n") if line.startswith("data: ")]


class Promises:
    """Collected by way of a subclass, which says what serves: framework, server, middleware."""

    @pytest.fixture(params=[])
    def kind(self, request: pytest.FixtureRequest) -> tuple[str, str, bool]:
        """The framework, the server and whether there is a middleware."""
        kind: tuple[str, str, bool] = request.param
        return kind

    @pytest.fixture
    async def serve(
        self, kind: tuple[str, str, bool], fake_provider: FakeProvider, nothing_left: None
    ) -> Callable[..., Any]:
        """Serves the streams of a client whose provider follows a script."""

        @asynccontextmanager
        async def serving(script: Any = SAID, **options: Any) -> AsyncIterator[Served]:
            fake_provider.play(script)
            client = Client(fake_provider.target("openai"), retry=RetryPolicy.off())
            async with client, served(*kind, lambda: client.stream("Hi"), **options) as address:
                yield Served(address, fake_provider, client)

        return serving

    async def test_whole_answer(self, serve: Any) -> None:
        """Chunks as events, the end, a proper end of the body; nobody may keep it or hold it back."""
        async with serve() as app:
            status, headers, body = await app.whole()
        assert status == 200
        assert headers["content-type"].startswith("text/event-stream")
        assert headers["cache-control"] == "no-store"
        assert headers["x-accel-buffering"] == "no"
        assert [event["text"] for event in events(body) if event["type"] == "text_delta"] == ["Hel", "lo"]
        assert events(body)[-1]["outcome"] == "complete"

    async def test_failure_before_the_first_content_is_a_status(self, serve: Any) -> None:
        """The status of the failure, with the format's own body, under the caller's headers."""
        async with serve([Status(429, {"retry-after": "7"})], headers={"X-Mine": "1"}) as app:
            status, headers, body = await app.whole()
        assert (status, headers["retry-after"], headers["x-mine"]) == (429, "7", "1")
        assert json.loads(body)["error"]["kind"] == "rate_limited"

    async def test_failure_in_mid_stream_is_told_in_the_format(self, serve: Any) -> None:
        """An error event and the end, and then a proper end of the body."""
        async with serve([Text("Hello"), Cut()]) as app:
            status, _, body = await app.whole()
        assert status == 200
        assert [event["type"] for event in events(body)][-2:] == ["error", "end"]

    async def test_text_that_is_not_whole_is_cut_off(self, serve: Any) -> None:
        """Plain text has no word for a failure: the connection ends without the last chunk."""
        async with serve([Text("Hello"), Cut()], format="text") as app:
            with pytest.raises(EOFError, match="Hello"):
                await app.whole()
        async with serve(format="text") as app:
            assert (await app.whole())[2] == b"Hello"

    async def test_silence_is_filled(self, serve: Any) -> None:
        """A model that thinks for long gives a head and heartbeats."""
        async with serve([Preamble(), Stall()], heartbeat=0.005) as app:
            reader = await app.ask()
            assert b"200" in await reader.hears(b"\r\n\r\n")
            await reader.hears(b": waiting")
            await reader.hears(b": waiting")
            reader.leave()
            await app.provider.wait_closed(1)

    async def test_head_request_costs_nothing(self, serve: Any, kind: tuple[str, str, bool]) -> None:
        """HEAD is answered with the head of an answer, and no provider is asked."""
        if kind[0] == "FastAPI":
            pytest.skip("FastAPI has no HEAD for a route of GET")
        async with serve() as app:
            status, headers, _ = await app.whole(method="HEAD")
            assert (status, headers["content-type"].partition(";")[0]) == (200, "text/event-stream")
            assert not app.provider.requests

    @pytest.mark.parametrize("when", ["before the first token", "in mid-stream", "under backpressure"])
    async def test_reader_that_leaves_closes_the_provider(self, serve: Any, when: str) -> None:
        """Within 50 ms on a quiet machine, see docs/benchmarks/disconnects.md; here within a second."""
        now: Moment = moment(when)
        async with serve(now.script) as app:
            assert await leaving(app.provider, app.address, now) < 1000

    async def test_slow_reader_slows_its_provider(self, serve: Any) -> None:
        """A reader that stops reading stops the provider, whatever it would still send; no other reader waits."""
        flood = Flood()
        scripts = iter([flood, SAID])
        async with serve(lambda request: next(scripts)) as app:
            slow = await app.ask()
            await slow.hears(b"word")
            assert await flood.dammed() < 12e6
            assert events((await app.whole())[2])[-1]["outcome"] == "complete"
            slow.leave()
            await app.provider.wait_closed(2)

    async def test_end_of_the_client_ends_all_responses(self, serve: Any) -> None:
        """`client.aclose()` at shutdown: each reader gets an error in its format, and an end."""
        async with serve([Text("Hello"), Stall()]) as app:
            readers = [await app.ask() for _ in range(3)]
            for reader in readers:
                await reader.hears(b"Hello")
            await app.client.aclose()
            for reader in readers:
                heard = await reader.hears_out()
                assert b"client_closed" in heard
                assert heard.endswith(b"0\r\n\r\n")
                reader.leave()

    async def test_reader_that_comes_back_gets_the_rest(self, serve: Any) -> None:
        """A hub names the stream; a reader that lost its connection goes on behind the event that it has last."""
        hub = Hub()
        more = asyncio.Event()
        async with serve([Text("Hel"), Until(more), Text("lo"), End()], hub=hub, on_disconnect="detach") as app:
            reader = await app.ask()
            _, headers = parsed(await reader.hears(b"\r\n\r\n"))
            await reader.hears(b"Hel")
            reader.leave()
            app.provider._loop.call_soon_threadsafe(more.set)
            _, again, body = await app.whole(path=f"/{headers['x-stream-id']}?last_event_id=1")
            assert again["x-stream-id"] == headers["x-stream-id"]
            assert [event.get("text") for event in events(body)][:1] == ["lo"]
            status, _, _ = await app.whole(path="/none")
            assert status == 404
        await hub.aclose()


class Until:
    """Waits for an event of the test."""

    def __init__(self, event: asyncio.Event) -> None:
        self.event = event

    async def play(self, reply: Any) -> None:
        await self.event.wait()
