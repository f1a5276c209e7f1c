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

from resilient_stream import Client, PermanentError, RetryPolicy, Target
from resilient_stream.providers import adapter_for
from resilient_stream.providers.openai.hosts import HOSTS, Host

CHAT = b'data: {"choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
MESSAGES = (
    b'data: {"type":"message_start","message":{"id":"m","model":"m","usage":{"input_tokens":1,"output_tokens":1}}}\n\n'
    b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}\n\n'
    b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}\n\n'
    b'data: {"type":"message_stop"}\n\n'
)
GEMINI = b'data: {"candidates":[{"content":{"parts":[{"text":"Hello"}]},"finishReason":"STOP"}]}\n\n'

RESPONSE = (
    b'data: {"type":"response.output_text.delta","delta":"Hello"}\n\n'
    b'data: {"type":"response.completed","response":{"id":"r","status":"completed"}}\n\n'
)
LINES = b'{"message":{"content":"Hello"},"done":false}\n{"done":true,"done_reason":"stop"}\n'

OWN = {"AWS_REGION": "eu-1", "CLOUDFLARE_ACCOUNT_ID": "acc", "DATABRICKS_HOST": "dbc.test/", "SNOWFLAKE_ACCOUNT": "org"}
"""What the address of some hosts is made of."""


def _host_address(host: Host) -> str:
    filled = host.base_url.format(**{name: value.rstrip("/") for name, value in OWN.items()})
    return filled if "://" in filled else f"https://{filled}"


SENT: dict[str, tuple[str, str, str, bytes]] = {
    name: (_host_address(host) + host.path, host.keys[0], "Authorization", CHAT)
    for name, host in HOSTS.items()
    if host.keys and host.base_url
} | {
    f"{name}-responses": (f"{_host_address(host)}/responses", host.keys[0], "Authorization", RESPONSE)
    for name, host in HOSTS.items()
    if host.keys and host.responses != "none"
} | {
    "ollama": ("http://127.0.0.1:11434/api/chat", "OLLAMA_API_KEY", "Authorization", LINES),
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
    for own, value in OWN.items():
        monkeypatch.setenv(own, value)
    with aioresponses() as mocked:
        mocked.post(url, body=body, content_type=adapter_for(name).media_types[0], response_class=Answer)
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


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("cloudflare", "CLOUDFLARE_ACCOUNT_ID"),
        ("snowflake", "SNOWFLAKE_ACCOUNT"),
        ("databricks", "DATABRICKS_HOST"),
        ("bedrock-mantle-responses", "AWS_REGION"),
        ("gpustack", "GPUSTACK_BASE_URL"),
    ],
)
async def test_an_address_of_ones_own_is_asked_for(name: str, missing: str) -> None:
    """Where each user has another address, the message names what to set."""
    async with Client(Target(f"{name}:m", api_key="k"), retry=RetryPolicy.off()) as client:
        with pytest.raises(PermanentError, match=missing) as caught:
            await client.complete("hi")
    assert caught.value.title == "Address missing"
