"""What a server says is fit to print, to log, to encode and to keep, whatever it says."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from resilient_stream.classify import classify_error, classify_response
from resilient_stream.errors import ErrorKind, Failure, StreamError, error_for
from resilient_stream.failures.failure import MAX_TEXTS
from resilient_stream.providers import rules_for
from tests.classify.own_rules import ERROR_RULES

HOSTILE = (
    "\x1b[2J\x1b[31mred", "\x1b]52;c;aGk=\x07clip", "\x1b]0;title\x1b\\t", "\x9b31mc1", "\x9d52;c;x\x9cosc",
    "line\nERROR root: forged", "line\r\nforged", "a\u2028b\u2029c\x85d", "\u202eevil\u2066x", "\ud83d lone", "\udcff",
    "\x00nul\x7f", "\U000e0041tags",
)  # fmt: skip
_RANGES = ((0, 32), (127, 160), (0xD800, 0xE000), (0x2028, 0x202F), (0x2066, 0x206A))
FORBIDDEN = frozenset(chr(code) for first, last in _RANGES for code in range(first, last))


def texts_of(error: StreamError) -> list[str]:
    """All that an application or a log would show of it."""
    failure = error.failure
    facts = [value for value in failure.facts.values() if isinstance(value, str)]
    own = (failure.detail, failure.code, failure.request_id or "", failure.resets_at or "", *facts)
    return [str(error), repr(error), error.title, error.message, error.resolution, *own]


def is_fit(failure: Failure) -> bool:
    """Whether nothing of it steers a terminal, forges a line, breaks an encoding, or is long."""
    error = error_for(failure, provider="openai", provider_title="OpenAI", model="gpt", host="example.com")
    for text in texts_of(error):
        assert not FORBIDDEN & set(text), repr(text)
        text.encode()
        print(text)
    json.dumps(error.to_dict(), ensure_ascii=False, allow_nan=False).encode()
    assert all(len(text) <= MAX_TEXTS for text in texts_of(error)[5:])
    return str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("provider", ["", *ERROR_RULES])
def test_nothing_of_a_body_steers_a_terminal(provider: str, text: str) -> None:
    """Message, code, type, names, ids and quotas, of an answer and of an event in a stream."""
    said = f"Rate limit {text} reached for {text}"
    body: dict[str, Any] = {
        "error": {"message": said, "code": text, "type": text, "param": text, "request_id": text, "resets_at": text,
                  "details": [{"reason": text, "violations": [{"quotaId": text, "quotaValue": text}]}]}
    }  # fmt: skip
    assert is_fit(classify_error(body, rules_for(provider)))
    for status in (200, 400, 401, 404, 429, 500):
        assert is_fit(classify_response(status, {}, json.dumps(body).encode(), rules_for(provider)))
        assert is_fit(classify_response(status, {}, said.encode("utf-8", "replace"), rules_for(provider)))


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("name", ["x-request-id", "x-amzn-errortype", "cf-ray", "retry-after", "x-ratelimit-reset"])
def test_nothing_of_a_header_steers_a_terminal(name: str, text: str) -> None:
    """Headers come with what was no UTF-8 in them as lone surrogates."""
    assert is_fit(classify_response(429, {name: text}, b"{}", rules_for("bedrock")))
    assert is_fit(classify_error({"message": "x"}, headers={name: text}))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_failure_is_clean_whoever_makes_it(text: str) -> None:
    """A decoder that takes a reason from the wire need not know about it; a note keeps its lines."""
    failure = Failure(
        kind=ErrorKind.PROTOCOL_ERROR, detail=text, code=text * 500, request_id=text, resets_at=text,
        facts={"reason": text * 1000, "limit": 3, "note": f"two\nlines {text}"},
    )  # fmt: skip
    assert is_fit(failure)
    assert "two\nlines" in failure.facts["note"]


def test_an_error_of_odd_numbers_can_be_dumped() -> None:
    """Integers of thousands of digits, infinities, and numbers where texts are meant."""
    for value in (10**4000, -(10**400), float("inf"), float("nan"), 1 << 70, 1e308):
        names = (
            "code",
            "status",
            "type",
            "message",
            "n_ctx",
            "n_prompt_tokens",
            "retry_after",
            "resets_at",
            "quotaValue",
        )
        assert is_fit(classify_error({"error": dict.fromkeys(names, value)}))
    limit = {"error": {"message": "context length", "n_ctx": 1 << 62, "n_prompt_tokens": 1 << 62}}
    assert is_fit(classify_error(limit))
