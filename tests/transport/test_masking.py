"""What is masked by value: in errors, in a recording. Whole recordings are in transport/test_recording.py."""

from __future__ import annotations

import base64
import html
import json
import traceback
from functools import partial
from urllib.parse import quote, quote_plus

import pytest

from resilient_stream.contract import Endpoint, HttpRequest, ProcessRequest
from resilient_stream.masking.values import MASK, Secrets, mask_response_headers, mask_sent, secrets_of
from resilient_stream.text.harmless import safe_url
from tests.processor import seconds


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
    assert safe_url(url) == masked


def test_the_values_to_look_for_are_collected_from_wherever_a_key_is_sent() -> None:
    """The endpoint's key, headers by their name, the URL's own; nothing shorter than a word could be."""
    endpoint = Endpoint(base_url="https://user-name:pass-word@host/v1", api_key="the-api-key")
    headers = {"Authorization": "Bearer bearer-token", "x-amz-security-token": "session-token", "api-key": "short"}
    request = HttpRequest(url="https://host/v1?key=query-value&alt=sse-long-value", headers=headers, body=b"")
    assert set(secrets_of(request, endpoint)) - {""} == {
        "the-api-key", "user-name", "pass-word", "user-name:pass-word", "bearer-token", "session-token", "query-value",
        "short",
    }  # fmt: skip


def test_a_program_is_written_without_its_environment() -> None:
    """Its variables by name; its command and its input as they are."""
    request = ProcessRequest(command=("claude", "-p"), stdin=b"hi", environment={"ANTHROPIC_API_KEY": "sk-ant-key"})
    assert set(secrets_of(request, None)) - {""} == {"sk-ant-key"}
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
    assert Secrets({"a-secret"}, MASK).hide_in(value) == {"***": ["my ***!", 3, None], "b": {"c": "x***x"}}


KEY = "f3a9c0de/77b1+42aa=9d5e&0c6b"
FORMS = {
    "as it is": KEY,
    "in capitals": KEY.upper(),
    "in an address": quote(KEY, safe=""),
    "in a form": quote_plus(KEY),
    "in JSON of PHP": json.dumps(KEY).replace("/", "\\/"),
    "in HTML": html.escape(KEY),
    "in Base64": base64.b64encode(KEY.encode()).decode(),
    "as a user's password in Base64": base64.b64encode(f"me:{KEY}".encode()).decode(),
    "as a longer user's password in Base64": base64.b64encode(f"user:{KEY}".encode()).decode(),
    "in hexadecimal": KEY.encode().hex(),
    "cut": KEY[:9] + "…",
    "shortened": f"{KEY[:8]}****{KEY[-8:]}",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_key_is_masked_in_whatever_notation_it_is_quoted(form: str) -> None:
    """Servers quote what they were sent in their own way; no run of eight characters of it is left."""
    shown = Secrets([KEY]).hide(f"The header {FORMS[form]} is wrong")
    assert shown.startswith("The header ")
    assert shown.endswith(" is wrong")
    assert "[hidden]" in shown
    left = shown.removeprefix("The header ").removesuffix(" is wrong").replace("[hidden]", "").strip('"*…')
    assert len(left) <= 12  # of a longer text in Base64, what is not the key's


def test_words_of_a_sentence_stay() -> None:
    """A value that is made of words takes no other words with it."""
    assert Secrets(["My Application"]).hide("Any application is unknown") == "Any application is unknown"
    assert Secrets(["My Application"]).hide("My Application is unknown") == "[hidden] is unknown"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abc123 is wrong", "Authorization: Bearer [hidden] is wrong"),
        ('{"x-api-key": "abc123"}', '{"x-api-key": "[hidden]"}'),
        ("token abc123.", "token [hidden]."),
        ("take abc123 and abc1234", "take abc123 and abc1234"),
    ],
)
def test_a_short_key_is_masked_behind_a_name(text: str, shown: str) -> None:
    """A key of six characters may be a word; behind `Authorization` it is none."""
    assert Secrets(["abc123"]).hide(text) == shown


def test_a_login_is_masked_in_every_address() -> None:
    """User and password in an address of which nothing else is known, with an @ in the password, too."""
    assert Secrets([]).hide("see http://me:p@ss@host/v1 and a@b") == "see http://[hidden]@host/v1 and a@b"


SIGNED = (
    "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE1/20260801/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature"
)
HEADERS = {
    "Bearer": ("Authorization", "Bearer the-long-key", {"the-long-key"}),
    "no scheme": ("Authorization", "the-long-key", {"the-long-key"}),
    "Basic": ("Authorization", "Basic bWU6cGFzczEyMzQ1", {"bWU6cGFzczEyMzQ1", "me:pass12345", "pass12345"}),
    "a signature": ("Authorization", f"{SIGNED}=0123456789abcdef", {"AKIAEXAMPLE1", "0123456789abcdef"}),
    "cookies": ("Cookie", "session=abcdefgh1; b=12345678", {"abcdefgh1", "12345678"}),
    "one of the user's own": ("X-Tenant", "hhHEADERhh77", {"hhHEADERhh77"}),
    "a harmless one": ("Content-Type", "application/json", set()),
}


@pytest.mark.parametrize("name", HEADERS)
def test_what_is_secret_in_a_header(name: str) -> None:
    """The value behind a scheme, of each cookie, of a signature's parts; the scheme and the region are not."""
    header, value, secrets = HEADERS[name]
    request = HttpRequest(url="https://host", headers={header: value}, body=b"")
    assert Secrets(secrets_of(request, None)).values == secrets


def test_an_exception_that_says_a_secret_is_replaced_by_one_of_the_same_name() -> None:
    """Its traceback reads the same but for the secret, along all its causes; one that says none stays itself."""
    inner, outer = ValueError("no the-long-key here"), RuntimeError("outer")
    outer.__cause__ = inner
    shown = Secrets(["the-long-key"]).hide_cause(outer)
    assert shown is outer
    text = "".join(traceback.format_exception(shown))
    assert "ValueError: no [hidden] here" in text
    assert "the-long-key" not in text


def test_masking_is_linear() -> None:
    """A text of a megabyte that repeats the beginning of a key takes no longer than its length."""
    for text in ("f3a9c0d" * 150_000, "://" * 350_000, "authorization:" * 75_000, "a" * 1_000_000):
        assert seconds(partial(Secrets([KEY, "abc123"]).hide, text), soon=0.5) < 0.5
