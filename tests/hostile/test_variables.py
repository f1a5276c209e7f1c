"""Tools that show the variables of a traceback (Sentry, rich, pytest) show no key in our functions or in aiohttp's."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator

import pytest

from resilient_stream import Client, Recovery, RetryPolicy, StreamError, Target, Timeouts
from resilient_stream.testing import Cut, End, FakeProvider, Status, Text
from tests.loopback import Loopback

KEY = "q7Zp-4vX1mLd9_RtB8wK2sYf6h"

WAYS: dict[str, Callable[[str, str], Target]] = {
    "nobody there": lambda name, _: Target(f"{name}:m", api_key=KEY, base_url="http://127.0.0.1:1"),
    "key in the query": lambda name, _: Target(f"{name}:m", api_key="test", base_url=f"http://127.0.0.1:1/?key={KEY}"),
    "no HTTP": lambda name, url: Target(f"{name}:m", api_key=KEY, base_url=url),
    "header": lambda name, url: Target(f"{name}:m", api_key="test", base_url=url, headers={"X-My": KEY}),
    "unknown host": lambda name, _: Target(f"{name}:m", api_key=KEY, base_url="http://no.host.invalid"),
    "bad port": lambda name, _: Target(f"{name}:m", api_key="test", base_url=f"http://u:{KEY}@127.0.0.1:99999"),
    "line break": lambda name, url: Target(f"{name}:m", api_key=f"{KEY}\r\nX: y", base_url=url),
    "from a function": lambda name, url: Target(f"{name}:m", api_key=lambda: f"{KEY}\r\nX: y", base_url=url),
    "header's break": lambda name, url: Target(
        f"{name}:m", api_key="test", base_url=url, headers={"X-My": f"{KEY}\r\nX: y"}
    ),
    "header's name": lambda name, url: Target(f"{name}:m", api_key="test", base_url=url, headers={f"X-é {KEY}": "v"}),
}


def variables(error: BaseException | None) -> Iterator[str]:
    """All that such a tool would show, of all functions but the test's own."""
    while error is not None:
        for frame in traceback.TracebackException.from_exception(error, capture_locals=True).stack:
            if "/tests/" not in frame.filename:
                yield from (frame.locals or {}).values()
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "ollama", "cohere", "openai-responses"])
@pytest.mark.parametrize("way", WAYS)
async def test_no_variable_of_a_failed_request_shows_a_secret(way: str, provider: str) -> None:
    """Whatever failed: the connection, the answer, the address, the key itself."""
    async with Loopback([b"no HTTP\r\n\r\n"]) as server:
        target = WAYS[way](provider, f"http://127.0.0.1:{server.port}")
        async with Client(target, retry=RetryPolicy.off(), timeouts=Timeouts(connect=0.3)) as client:
            with pytest.raises(StreamError) as caught:
                await client.complete("hi")
    assert [shown for shown in variables(caught.value) if KEY in shown] == []


@pytest.mark.parametrize("script", [[Status(400, {}, {"error": "no"})], [Text("Hel"), Cut()]], ids=["refused", "cut"])
async def test_no_variable_of_a_failed_answer_shows_a_secret(script: list[object]) -> None:
    """After the request was sent as well."""
    async with FakeProvider(script) as server:  # type: ignore[arg-type]
        target = server.target("openai", api_key=KEY)
        async with Client(target, retry=RetryPolicy.off(), recovery=Recovery.off()) as client:
            with pytest.raises(StreamError) as caught:
                await client.complete("hi")
    assert [shown for shown in variables(caught.value) if KEY in shown] == []


NO_KEYS: dict[str, object] = {
    "bytes": KEY.encode(), "a number": 5, "a list": [KEY], "None": None, "an empty text": "", "a blank": " \n",
    "another line": f"{KEY}\r\nX: 1", "half a character": f"{KEY}\ud83d", "no ASCII": f"{KEY}é",
}  # fmt: skip


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "cohere", "ollama"])
@pytest.mark.parametrize("given", NO_KEYS)
async def test_a_key_that_is_none_is_one_targets_own_matter(given: str, provider: str) -> None:
    """The next target is asked, whatever the function for the first one's key returns."""
    async with FakeProvider([Text("Hello"), End()]) as server:
        first = server.target(provider, api_key=lambda: NO_KEYS[given])
        async with Client(first, server.target("openai")) as client:
            assert (await client.complete("hi")).text == "Hello"
            assert len(server.requests) == 1


OWN_FAULTS = {
    "a key": {"api_key": f"{KEY}\r\nX: 1"},
    "an address": {"base_url": "http://127.0.0.1:99999"},
    "a header": {"headers": {"X-My": "a\r\nb"}},
    "a header's name": {"headers": {"X My": "a"}},
}


@pytest.mark.parametrize("fault", OWN_FAULTS)
async def test_what_cannot_be_sent_to_one_target_is_its_own_matter(fault: str) -> None:
    """Another one has another key, address and headers."""
    async with FakeProvider([Text("Hello"), End()]) as server:
        async with Client(server.target("openai", **OWN_FAULTS[fault]), server.target("openai")) as client:
            assert (await client.complete("hi")).text == "Hello"
