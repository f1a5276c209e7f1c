"""Errors as people paste them: what a terminal, a log or another SDK prints gets the kind that the stream would get."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from resilient_stream.classify.pasted import classify_pasted
from resilient_stream.providers import rules_for

from .rows import rows
from .test_taxonomy import ELSEWHERE, classified

BODIES = [
    row
    for row in rows("taxonomy.tsv")
    if row["phase"] == "http" and row["http_status"].isdigit() and row["example_body"].startswith("{")
]
CASES = [case for case in rows("aiohttp_observed.tsv") if case["exc"] != "(none)" and case["kind"] != "-"]

PASTED = [
    ("429", "rate_limited"),
    ("HTTP 529", "provider_overloaded"),
    ("HTTP/1.1 503 Service Unavailable", "provider_overloaded"),
    ("404", "model_not_found"),
    ("You exceeded your current quota", "insufficient_funds"),
    ("insufficient_quota", "insufficient_funds"),
    ("overloaded_error", "provider_overloaded"),
    ("Internal Server Error", "server_error"),
    ("anthropic.APIStatusError: Overloaded", "provider_overloaded"),
    ("Error code: 429 - {'error': {'message': 'slow down', 'code': 'insufficient_quota'}}", "insufficient_funds"),
    ('{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', "provider_overloaded"),
    ('data: {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}',
     "provider_overloaded"),
    ("429 RESOURCE_EXHAUSTED. {'error': {'code': 429, 'status': 'RESOURCE_EXHAUSTED'}}", "rate_limited"),
    ("Client error '401 Unauthorized' for url 'https://api.openai.com/v1/chat/completions'", "authentication"),
    ("aiohttp.client_exceptions.ClientResponseError: 429, message='Too Many Requests', url='https://x'",
     "rate_limited"),
    ("400, message='Invalid character in chunk size'", "protocol_error"),
    ("<html><head><title>502 Bad Gateway</title></head></html>", "gateway_error"),
    ("<!DOCTYPE html><title>Login</title>", "unexpected_response"),
    ("Cannot connect to host api.openai.com:443 ssl:default [Name or service not known]", "dns_failure"),
    ("Cannot connect to host api.openai.com:443 ssl:default [Connect call failed ('1.2.3.4', 443)]",
     "connect_failed"),
    ("ConnectionRefusedError: [Errno 111] Connect call failed ('127.0.0.1', 1)", "connect_failed"),
    ("Cannot connect to host x:443 ssl:True [SSLCertVerificationError: (1, '[SSL: CERTIFICATE_VERIFY_FAILED] "
     "certificate verify failed: certificate has expired (_ssl.c:1006)')]", "tls_failure"),
    ("httpx.ConnectError: [Errno -2] Name or service not known", "dns_failure"),
    ("httpcore.RemoteProtocolError: peer closed connection without sending complete message body "
     "(incomplete chunked read)", "stream_interrupted"),
    ("OSError: [Errno 24] Too many open files", "fd_exhausted"),
    ("OSError: [Errno 24] Zu viele offene Dateien", "fd_exhausted"),
    ("RuntimeError: Session is closed", "client_closed"),
    ("RuntimeError: can't start new thread", "os_limit"),
    ("Connection reset by peer", "connection_lost"),
    ("This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
     "context_length_exceeded"),
    ("bash: claude: command not found", "client_config"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "kind"), PASTED)
def test_a_pasted_text_gets_its_kind(text, kind):
    """A status, a code, a sentence, a body, a page, a line of a traceback."""
    failure = classify_pasted(text)
    assert failure is not None
    assert failure.kind == kind


@pytest.mark.parametrize(
    "text", ["nonsense", "", "hello world", "{}", "[1, 2]", "12", "999", "What is 500 + 1?", "{'a'"]
)
def test_what_is_no_error_is_not_guessed(text):
    """A text that is no error gives None, and never an exception."""
    assert classify_pasted(text) is None


@pytest.mark.parametrize("row", [pytest.param(row, id=row["id"]) for row in BODIES if row["id"] not in ELSEWHERE])
def test_a_pasted_body_is_what_the_stream_would_find(row):
    """Each known body, with its status in front as SDKs print it: as JSON, and as Python prints it."""
    rules, expected = rules_for(row["provider"]), classified({**row, "headers": ""})
    assert expected is not None
    body = row["example_body"]
    for text in (f"{row['http_status']} {body}", f"Error code: {row['http_status']} - {json.loads(body)!r}"):
        failure = classify_pasted(text, rules)
        assert failure is not None
        assert failure.kind == expected.kind


def test_most_exception_lines_are_understood():
    """The last line of a traceback has less than the exception has; nine in ten are still found."""
    if not CASES:
        pytest.skip("the shared error rows are not on this machine")
    verdicts: Counter[str] = Counter()
    for case in CASES:
        failure = classify_pasted(f"{case['exc']}: {case['str'].split(' | ')[0]}")
        right = failure is not None and failure.kind == case["kind"]
        verdicts["right" if right else "wrong"] += 1
        if not right:
            print(
                f"  {case['case']}: {failure and failure.kind} for {case['kind']}: {case['exc']}: {case['str'][:100]}"
            )
    print(verdicts)
    assert verdicts["right"] >= 0.9 * len(CASES)


def test_the_host_of_a_line_is_kept():
    """The host of a pasted line is in the message."""
    failure = classify_pasted("Cannot connect to host api.example.com:443 ssl:default [Name or service not known]")
    assert failure is not None
    assert failure.facts["host"] == "api.example.com"
