"""`Attempt.headers` has what a person reads of an answer's headers, on a success too, and no secret."""

from __future__ import annotations

import json

import pytest

from resilient_stream import Client, RetryPolicy, StreamError, Transcript
from resilient_stream.engine.answer_headers import LONGEST, MOST, readable_headers
from resilient_stream.testing import FakeProvider, serve_bytes
from tests.providers.test_anthropic import _block, _end, _message_start, _sse

BODY = _sse(_message_start(), _block(0, {"type": "text", "text": "Hi"}), *_end())
HEADERS = {
    "X-RateLimit-Remaining-Tokens": "149998",
    "anthropic-ratelimit-requests-reset": "2026-11-28T12:00:00Z",
    "Retry-After": "7",
    "request-id": "req_1",
    "CF-Ray": "8f-FRA",
    "Set-Cookie": "session=1234567890",
    "Content-Security-Policy": "default-src 'none'",
    "x-quota-left": "sk-secret-12345678 of sk-secret-12345678",
}


async def test_what_a_person_reads_is_kept() -> None:
    """Lower-case names, values as sent; in what is stored, too; cookies and the rest are not kept, nor is the key."""
    async with FakeProvider(serve_bytes(BODY, headers=HEADERS)) as provider:
        target = provider.target("anthropic", api_key="sk-secret-12345678")
        async with Client(target) as client:
            transcript = await client.complete("hi")
    [attempt] = Transcript.from_dict(json.loads(json.dumps(transcript.to_dict()))).attempts
    assert attempt.headers == transcript.attempts[0].headers
    kept = dict(attempt.headers)
    assert "sk-secret" not in kept.pop("x-quota-left")
    assert kept == {
        "x-ratelimit-remaining-tokens": "149998",
        "anthropic-ratelimit-requests-reset": "2026-11-28T12:00:00Z",
        "retry-after": "7",
        "request-id": "req_1",
        "cf-ray": "8f-FRA",
    }


async def test_a_refusal_has_them_as_well() -> None:
    """An answer that is no 200 says more by its headers than by its body."""
    script = serve_bytes(b"{}", "application/json", status=429, headers={"x-ratelimit-limit-requests": "3"})
    async with FakeProvider(script) as provider, Client(provider.target("openai"), retry=RetryPolicy.off()) as client:
        with pytest.raises(StreamError) as raised:
            await client.complete("hi")
    assert raised.value.transcript is not None
    assert raised.value.transcript.attempts[0].headers["x-ratelimit-limit-requests"] == "3"


def test_what_a_server_may_send_is_bounded() -> None:
    """Neither many headers nor long ones are kept."""
    many = {f"x-ratelimit-{number}": "1" for number in range(1000)}
    assert len(readable_headers(many, lambda value: value)) == MOST
    assert readable_headers({"x-ratelimit": "1" * (LONGEST + 1)}, lambda value: value) == {}
