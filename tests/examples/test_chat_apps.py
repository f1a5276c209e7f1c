"""The chat examples: an answer belongs to its browser, goes on without it, and stops when it is asked to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from resilient_stream.testing import Cut, End, FakeProvider, Sleep, Stall, Status, Text

from .serving import SERVERS, served

pytestmark = pytest.mark.usefixtures("nothing_left")


class Browser:
    """A browser that has loaded the page, and so has its cookie."""

    def __init__(self, address: str, session: aiohttp.ClientSession) -> None:
        self.address = address
        self.session = session

    async def ask(self, text: str = "Hi") -> aiohttp.ClientResponse:
        """Ask; the response is not read yet."""
        turns = [{"role": "user", "content": text}]
        return await self.session.post(f"{self.address}/chat", json={"messages": turns})

    async def resume(self, id: str, after: str = "") -> aiohttp.ClientResponse:
        """Come back for an answer."""
        return await self.session.get(f"{self.address}/chat/{id}", headers={"Last-Event-ID": after} if after else {})

    async def stop(self, id: str) -> int:
        """Ask to stop an answer; returns the status."""
        async with self.session.delete(f"{self.address}/chat/{id}") as response:
            return response.status


def events(body: bytes) -> list[dict[str, Any]]:
    """The events of a response."""
    return [json.loads(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: ")]


def texts(body: bytes) -> str:
    """The text of an answer."""
    return "".join(event.get("text", "") for event in events(body))


@pytest.fixture(params=list(SERVERS))
async def chat(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Any]]:
    """`await chat(script, …)` serves an example in front of a provider; gives the provider, and what opens browsers."""
    async with AsyncExitStack() as stack:

        async def start(*scripts: Any) -> tuple[FakeProvider, Callable[[], Any]]:
            provider = await stack.enter_async_context(FakeProvider(*scripts))
            targets = [provider.target("openai"), provider.target("anthropic")]
            address = await stack.enter_async_context(served(request.param, targets, monkeypatch))

            async def browser() -> Browser:
                jar = aiohttp.CookieJar(unsafe=True)  # it keeps cookies of addresses without a name, too
                session = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=jar))
                async with session.get(address) as page:
                    assert "<title>Chat</title>" in await page.text()
                return Browser(address, session)

            return provider, browser

        yield start


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\xff", b"NaN", b"[]", b'{"messages": NaN}', b'{"messages": 1e999}', b'{"\\ud800": 1}', b"1" * 5000,
        b'{"messages": [{"role": "user", "content": "\\ud800"}]}', b"[" * 100_000,
        b'{"messages": [{"role": "user", "content": ""}]}', b'{"messages": [], "x": Infinity}',
    ],
)  # fmt: skip
async def test_an_odd_body_is_refused_in_words(chat: Any, body: bytes) -> None:
    """What a browser never sends is no fault of the server."""
    _, open_browser = await chat([End()])
    browser = await open_browser()
    for kind in ("application/json", "text/plain"):
        headers = {"content-type": kind}
        async with browser.session.post(f"{browser.address}/chat", data=body, headers=headers) as response:
            assert 400 <= response.status < 500
            assert len(await response.text()) > 10


async def test_an_answer_is_streamed_to_its_end(chat: Any) -> None:
    """Text in events, and an end that says that the answer is whole."""
    _, browser = await chat([Text("Hel", "lo"), End()])
    response = await (await browser()).ask()
    body = await response.read()
    assert response.headers["content-type"].startswith("text/event-stream")
    assert texts(body) == "Hello"
    assert events(body)[-1]["outcome"] == "complete"


async def test_a_page_that_is_loaded_again_gets_all_of_the_answer(chat: Any) -> None:
    """The connection is gone in the middle: the provider's goes on, and the reader that comes back misses nothing."""
    provider, browser = await chat([Text("Hel"), Sleep(0.05), Text("lo"), End()])
    mine = await browser()
    response = await mine.ask()
    await response.content.readuntil(b"Hel")
    id = response.headers["x-stream-id"]
    response.close()
    again = await mine.resume(id)
    assert texts(await again.read()) == "Hello"
    assert not provider.requests[0].closed_by_client


async def test_a_reader_that_says_what_it_has_gets_the_rest(chat: Any) -> None:
    """Behind the event that it names, nothing is missing and nothing comes twice."""
    _, browser = await chat([Text("one ", "two ", "three"), End()])
    mine = await browser()
    response = await mine.ask()
    await response.read()
    rest = await mine.resume(response.headers["x-stream-id"], after="2")
    assert texts(await rest.read()) == "three"


async def test_stop_ends_the_answer_at_the_provider(chat: Any) -> None:
    """The page is told that it was stopped, and the provider's connection is closed."""
    provider, browser = await chat([Text("Hel"), Stall()])
    mine = await browser()
    response = await mine.ask()
    await response.content.readuntil(b"Hel")
    assert await mine.stop(response.headers["x-stream-id"]) == 204
    assert events(await response.read())[-1]["stopped"] is True
    await provider.wait_closed(1, timeout=1)


async def test_nobody_else_may_read_or_stop_it(chat: Any) -> None:
    """Another browser gets a 404 for it, as for an answer that never was; one without a cookie gets nothing."""
    _, browser = await chat([Text("secret"), Stall()])
    mine, other = await browser(), await browser()
    response = await mine.ask()
    id = response.headers["x-stream-id"]
    async with await other.resume(id) as refused:
        assert refused.status == 404
    assert await other.stop(id) == 404
    async with aiohttp.ClientSession() as stranger:
        for method, path in (("POST", "/chat"), ("GET", f"/chat/{id}"), ("DELETE", f"/chat/{id}")):
            body = {"messages": [{"role": "user", "content": "Hi"}]} if method == "POST" else None
            async with stranger.request(method, mine.address + path, json=body) as refused:
                assert refused.status in (401, 422)
    response.close()


async def test_a_failure_before_content_is_a_status_with_words(chat: Any) -> None:
    """Both targets refuse: the page gets a status, a title and a message, and nothing about keys."""
    _, browser = await chat([Status(401)], [Status(401)])
    response = await (await browser()).ask()
    said = (await response.json())["error"]
    assert response.status == 502
    assert said["title"]
    assert said["message"]
    assert "resolution" not in said


async def test_an_answer_that_breaks_off_goes_on_at_the_next_target(chat: Any) -> None:
    """The page is told of the seam, and gets the whole text."""
    _, browser = await chat([Text("Half an ", "answer"), Cut()], [Text("Half an answer", " and the rest."), End()])
    body = await (await (await browser()).ask()).read()
    assert texts(body) == "Half an answer and the rest."
    assert [event["target"] for event in events(body) if event["type"] == "seam"]


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"messages": []}', b'{"messages": [{"role": "system", "content": "x"}]}']
)
async def test_a_question_that_is_none_is_refused(chat: Any, body: bytes) -> None:
    """A 422, and nothing is sent to a provider."""
    provider, browser = await chat()
    mine = await browser()
    async with mine.session.post(f"{mine.address}/chat", data=body, headers={"content-type": "application/json"}) as no:
        assert no.status == 422
    assert provider.requests == []


async def test_shutdown_is_told_to_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads while the server stops learns that the answer is not whole."""
    async with FakeProvider([Text("Hel"), Stall()]) as provider:
        for name in SERVERS:
            provider.play([Text("Hel"), Stall()])
            async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
                async with served(name, [provider.target("openai")], monkeypatch) as address:
                    await (await session.get(address)).read()
                    response = await Browser(address, session).ask()
                    await response.content.readuntil(b"Hel")
                    reading = asyncio.ensure_future(response.read())
                try:
                    end = events(await reading)[-1]
                except aiohttp.ClientPayloadError:
                    continue  # cut, and so not to be taken for whole either
                assert end["outcome"] != "complete"
