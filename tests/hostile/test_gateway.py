"""Hostile requests to the gateway, on real sockets: each gets an answer in the API's own words, and none a trace."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeAlias

import pytest
from aiohttp import web

from resilient_stream import Client, RetryPolicy
from resilient_stream.gateway.app import make_app
from resilient_stream.testing import End, FakeProvider, Text

pytestmark = pytest.mark.usefixtures("nothing_left")

KEY = "a-key-of-twenty-four-chars"
CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
RESPONSES = "/v1/responses"
Heard: TypeAlias = tuple[int, bytes]
Ask: TypeAlias = Callable[..., Awaitable[Heard]]


@pytest.fixture
async def ask(nothing_left: None) -> AsyncIterator[Callable[..., Awaitable[Ask]]]:
    """Starts a gateway over a target, and gives what sends it bytes."""
    async with AsyncExitStack() as stack:

        async def start(target: Any, **options: Any) -> Ask:
            client = await stack.enter_async_context(Client(target, retry=RetryPolicy.off()))
            runner = web.AppRunner(make_app(client, **options), handler_cancellation=True, access_log=None)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            port = runner.addresses[0][1]

            async def send(path: str, body: bytes, *headers: bytes, host: bytes = b"127.0.0.1") -> Heard:
                return await _exchange(port, _request(path, body, (b"Host: " + host, *headers)))

            return send

        yield start


def _request(path: str, body: bytes, headers: tuple[bytes, ...]) -> bytes:
    first = f"{'POST' if body else 'GET'} {path} HTTP/1.1".encode()
    return b"\r\n".join((first, *headers, b"Connection: close", b"Content-Length: %d" % len(body), b"", body))


async def _exchange(port: int, request: bytes) -> Heard:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), body


def asking(path: str, **fields: Any) -> bytes:
    """A good request with these fields beside."""
    said = {"input": "Hi"} if path == RESPONSES else {"messages": [{"role": "user", "content": "Hi"}]}
    least = {"max_tokens": 2000} if path == MESSAGES else {}
    return json.dumps({"model": "any", **said, **least, **fields}).encode()


@pytest.mark.parametrize("host", [b"[", b"[::1", b"\xff\xfe", b"a:b:c", b"evil.example@evil.example", b""])
async def test_host_that_is_none_is_refused(ask: Any, host: bytes) -> None:
    """A header that no browser sends is no fault of the gateway's, and it lets nobody in."""
    async with FakeProvider() as provider:
        status, body = await (await ask(provider.target("openai")))(CHAT, asking(CHAT), host=host)
    assert (status, json.loads(body)["error"]["code"]) == (403, "permission_denied")


@pytest.mark.parametrize("page", ["/health", "/metrics"])
@pytest.mark.parametrize("from_page", [{"host": b"evil.example"}, {"headers": (b"Origin: https://evil.example",)}])
async def test_web_page_does_not_see_the_pages_for_operators(ask: Any, page: str, from_page: dict[str, Any]) -> None:
    """They name the targets, and a page could read them under a name that it makes mean this machine."""
    async with FakeProvider() as provider:
        send = await ask(provider.target("openai"), metrics=lambda: b"# HELP x\n")
        status, body = await send(page, b"", *from_page.get("headers", ()), host=from_page.get("host", b"127.0.0.1"))
        assert (status, b"openai" in body, b"HELP" in body) == (403, False, False)
        assert (await send(page, b""))[0] == 200


async def test_monitoring_needs_no_key(ask: Any) -> None:
    """Where callers have keys, health and metrics can be asked without one, and by any name."""
    async with FakeProvider() as provider:
        send = await ask(provider.target("openai"), keys=[KEY])
        assert (await send("/health", b"", host=b"gateway.example"))[0] == 200


@pytest.mark.parametrize("header", [b"Authorization: Bearer \xff\xfe", b"x-api-key: \xff", b"x-api-key: \xed\xa0\x80"])
async def test_key_that_is_no_text_is_refused(ask: Any, header: bytes) -> None:
    """A 401 like for any other wrong key."""
    async with FakeProvider() as provider:
        status, body = await (await ask(provider.target("openai"), keys=[KEY]))(CHAT, asking(CHAT), header)
    assert (status, json.loads(body)["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER "])
async def test_scheme_of_a_key_is_read_in_any_case(ask: Any, scheme: bytes) -> None:
    """HTTP does not tell capitals in it apart."""
    async with FakeProvider([Text("Hello"), End()]) as provider:
        send = await ask(provider.target("openai"), keys=[KEY])
        assert (await send(CHAT, asking(CHAT), b"Authorization: %b %b" % (scheme, KEY.encode())))[0] == 200


async def test_body_that_does_not_decompress_is_refused(ask: Any, caplog: pytest.LogCaptureFixture) -> None:
    """It is the caller's fault, and said in the API's words; what is compressed well is read."""
    caplog.set_level(logging.CRITICAL)  # aiohttp logs the broken connection
    async with FakeProvider([Text("Hello"), End()]) as provider:
        send = await ask(provider.target("openai"))
        status, body = await send(CHAT, b"not gzip at all", b"Content-Encoding: gzip")
        assert (status, json.loads(body)["error"]["type"]) == (400, "invalid_request_error")
        assert (await send(CHAT, gzip.compress(asking(CHAT)), b"Content-Encoding: gzip"))[0] == 200


ODD: list[tuple[str, dict[str, Any], str]] = [
    *((path, {"stream": odd}, "stream") for path in (CHAT, RESPONSES, MESSAGES) for odd in ("false", 1, {})),
    *((path, {name: {"a": 1}}, name) for path in (CHAT, RESPONSES, MESSAGES) for name in ("openai:", "x:", "openai!")),
    (CHAT, {"response_format": {"type": "text", "zzz": 1}}, "response_format.zzz"),
    (CHAT, {"response_format": {"type": "json_object", "zzz": 1}}, "response_format.zzz"),
    (
        CHAT,
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {}, "zzz": 1}}},
        "response_format.json_schema.zzz",
    ),
    (CHAT, {"tool_choice": {"type": "function", "function": {"name": "f"}, "zzz": 1}}, "tool_choice.zzz"),
    (CHAT, {"tool_choice": {"type": "function", "function": {"name": "f", "zzz": 1}}}, "tool_choice.function.zzz"),
    (CHAT, {"stream_options": {"include_usage": "no"}}, "stream_options.include_usage"),
    (RESPONSES, {"tool_choice": {"type": "function", "name": "f", "zzz": 1}}, "tool_choice.zzz"),
    (RESPONSES, {"text": {"format": {"type": "json_schema", "schema": {}, "zzz": 1}}}, "text.format.zzz"),
    (
        RESPONSES,
        {"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "namespace": "n"}]},
        "input[0].namespace",
    ),
    (RESPONSES, {"input": [{"type": "function_call_output", "call_id": "c", "output": "", "zzz": 1}]}, "input[0].zzz"),
    (RESPONSES, {"input": [{"type": "reasoning", "summary": [], "zzz": 1}]}, "input[0].zzz"),
    (MESSAGES, {"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
    (MESSAGES, {"tool_choice": {"type": "auto", "name": "f"}}, "tool_choice.name"),
    (
        MESSAGES,
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "citations": 5}]}]},
        "messages[0].content[0].citations",
    ),
]


@pytest.mark.parametrize(("path", "fields", "named"), ODD)
async def test_what_would_be_lost_is_refused(ask: Any, path: str, fields: dict[str, Any], named: str) -> None:
    """A 400 that names the field, and no provider is asked: nothing that was asked is dropped in silence."""
    async with FakeProvider() as provider:
        status, body = await (await ask(provider.target("openai")))(path, asking(path, **fields))
        assert (status, provider.requests) == (400, [])
    assert json.loads(body)["error"]["message"].startswith(f"{named}: ")


@pytest.mark.parametrize("name", ["self", "name", "fields", "reading", "body"])
async def test_field_may_have_any_name(ask: Any, name: str) -> None:
    """Also one that is a word of ours inside: it reaches Anthropic as it came."""
    async with FakeProvider([Text("Hello"), End()]) as provider:
        status, _ = await (await ask(provider.target("anthropic")))(MESSAGES, asking(MESSAGES, **{name: 5}))
        assert (status, provider.requests[0].json[name]) == (200, 5)


@pytest.mark.parametrize(
    "asked", [{"summary": "detailed"}, {"effort": "low", "summary": "concise"}, {"summary": "auto"}]
)
async def test_kind_of_a_summary_reaches_openai(ask: Any, asked: dict[str, str]) -> None:
    """What was asked is sent as it came, with an effort and without."""
    async with FakeProvider([Text("Hello"), End()]) as provider:
        target = provider.target("openai-responses", model="gpt-5-mini")
        status, _ = await (await ask(target))(RESPONSES, asking(RESPONSES, reasoning=asked))
        assert (status, provider.requests[0].json["reasoning"]) == (200, asked)
