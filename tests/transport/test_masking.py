"""What is masked in a recording, value by value. Whole recordings are in test_recording.py."""

from __future__ import annotations

import pytest

from resilient_stream.contract import Endpoint, HttpRequest, ProcessRequest
from resilient_stream.transport.masking import mask, mask_response_headers, mask_sent, mask_url, secrets_of


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("https://api.openai.com/v1/chat/completions", "https://api.openai.com/v1/chat/completions"),
        ("https://me:pass@host:8443/v1?alt=sse&key=AIza1#x", "https://host:8443/v1?alt=sse&key=***"),
        (
            "https://x.azure.com/y?api-version=2024-10-21&sig=a%20b",
            "https://x.azure.com/y?api-version=2024-10-21&sig=***",
        ),
        ("http://[bad", "***"),
    ],
)
def test_a_url_has_no_user_and_no_values_that_may_be_keys(url: str, masked: str) -> None:
    """Host and path say where it went; that is enough."""
    assert mask_url(url) == masked


def test_the_values_to_look_for_are_collected_from_wherever_a_key_is_sent() -> None:
    """The endpoint's key, headers by their name, the URL's own; nothing shorter than a word could be."""
    endpoint = Endpoint(base_url="https://user-name:pass-word@host/v1", api_key="the-api-key")
    headers = {"Authorization": "Bearer bearer-token", "x-amz-security-token": "session-token", "api-key": "short"}
    request = HttpRequest(url="https://host/v1?key=query-value&alt=sse-long-value", headers=headers, body=b"")
    assert secrets_of(request, endpoint) == {
        "the-api-key", "user-name", "pass-word", "bearer-token", "session-token", "query-value",
    }  # fmt: skip


def test_a_program_is_written_without_its_environment() -> None:
    """Its variables by name; its command and its input as they are."""
    request = ProcessRequest(command=("claude", "-p"), stdin=b"hi", environment={"ANTHROPIC_API_KEY": "sk-ant-key"})
    assert secrets_of(request, None) == {"sk-ant-key"}
    assert mask_sent(request, "hi") == {
        "command": ["claude", "-p"], "environment": {"ANTHROPIC_API_KEY": "***"}, "stdin": "hi",
    }  # fmt: skip


def test_fields_of_a_body_that_are_named_like_a_secret_are_masked() -> None:
    """What `extra` may carry; a field that only counts tokens is none."""
    body = {"model": "m", "max_tokens": 5, "extra_body": [{"api_key": "a"}], "password": "b", "access_token": "c"}
    request = HttpRequest(url="https://host", headers={"X-Mine": "d", "Accept": "e"}, body=b"")
    sent = mask_sent(request, body)
    assert sent["headers"] == {"X-Mine": "***", "Accept": "e"}
    assert sent["body"] == {
        "model": "m", "max_tokens": 5, "extra_body": [{"api_key": "***"}], "password": "***", "access_token": "***",
    }  # fmt: skip


def test_a_response_keeps_what_errors_are_read_from() -> None:
    """Limits, hints and ids stay; cookies and what may be followed with a token do not."""
    headers = {
        "x-ratelimit-remaining-tokens": "9", "retry-after": "7", "x-request-id": "req_1", "set-cookie": "a=b",
        "location": "/login?token=x",
    }  # fmt: skip
    assert mask_response_headers(headers) == headers | {"set-cookie": "***", "location": "/login?token=***"}


def test_a_value_is_masked_wherever_it_stands() -> None:
    """In names, in lists, in the middle of a word."""
    value = {"a-secret": ["my a-secret!", 3, None], "b": {"c": "xa-secretx"}}
    assert mask(value, {"a-secret"}) == {"***": ["my ***!", 3, None], "b": {"c": "x***x"}}
