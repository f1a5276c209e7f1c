"""What goes over the wire to the real addresses, which no loopback server can stand for.

aioresponses is for this and nothing else: it never splits, stalls or cuts (docs/decisions/0002). On aiohttp 3.14 it
needs a response class that brings the stream writer it forgets.
"""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import ClientResponse
from aioresponses import aioresponses
from yarl import URL

from resilient_stream import Client, RetryPolicy
from resilient_stream.providers.hosts import HOSTS

CHAT = b'data: {"choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
MESSAGES = (
    b'data: {"type":"message_start","message":{"id":"m","model":"m","usage":{"input_tokens":1,"output_tokens":1}}}\n\n'
    b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}\n\n'
    b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}\n\n'
    b'data: {"type":"message_stop"}\n\n'
)
GEMINI = b'data: {"candidates":[{"content":{"parts":[{"text":"Hello"}]},"finishReason":"STOP"}]}\n\n'

SENT: dict[str, tuple[str, str, str, bytes]] = {
    name: (f"{host.base_url}/chat/completions", host.keys[0], "Authorization", CHAT)
    for name, host in HOSTS.items()
    if host.keys
} | {
    "anthropic": ("https://api.anthropic.com/v1/messages", "ANTHROPIC_API_KEY", "x-api-key", MESSAGES),
    "gemini": (
        "https://generativelanguage.googleapis.com/v1beta/models/m:streamGenerateContent?alt=sse",
        "GEMINI_API_KEY", "x-goog-api-key", GEMINI),
}  # fmt: skip


class Answer(ClientResponse):
    """aioresponses' answer on aiohttp 3.14."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, stream_writer=Mock(output_size=0), **named)


@pytest.mark.parametrize("name", SENT)
async def test_each_provider_is_asked_at_its_own_address(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is that provider's, the key comes from its variable and goes into its header, and only there."""
    url, variable, header, body = SENT[name]
    monkeypatch.setenv(variable, "key-of-this-test")
    with aioresponses() as mocked:
        mocked.post(url, body=body, content_type="text/event-stream", response_class=Answer)
        async with Client(f"{name}:m", retry=RetryPolicy.off()) as client:
            transcript = await client.complete("hi")
    [(sent_to, [request])] = list(mocked.requests.items())
    headers = {key.lower(): value for key, value in request.kwargs["headers"].items()}
    assert transcript.text == "Hello"
    assert sent_to == ("POST", URL(url))
    assert headers.pop(header.lower()).removeprefix("Bearer ") == "key-of-this-test"
    assert "key-of-this-test" not in str(headers) + url + request.kwargs["data"].decode()
    assert headers["accept-encoding"] == "identity"
    assert request.kwargs["allow_redirects"] is False
