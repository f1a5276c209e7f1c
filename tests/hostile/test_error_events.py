"""An error inside a stream in a shape that is not its dialect's: it is no good end, and it says what went wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from resilient_stream.failures import ErrorKind, Failure
from tests.hostile.test_odd_events import DIALECTS, whole

LIMIT = "Rate limit exceeded, please slow down"
ERRORS: list[tuple[Any, ErrorKind]] = [
    ({"detail": LIMIT}, ErrorKind.RATE_LIMITED),
    ({"code": 429, "msg": LIMIT}, ErrorKind.RATE_LIMITED),
    ({"errors": [{"message": LIMIT, "code": 429}]}, ErrorKind.RATE_LIMITED),
    ({"error": LIMIT}, ErrorKind.RATE_LIMITED),
    ({"error_code": 17, "error_msg": "it broke"}, ErrorKind.SERVER_ERROR),
    ({"code": 500, "msg": "internal error"}, ErrorKind.SERVER_ERROR),
    ({"status": "error", "msg": "it broke"}, ErrorKind.SERVER_ERROR),
    ({"status": False, "error_msg": LIMIT}, ErrorKind.RATE_LIMITED),
]
HARMLESS: list[Any] = [
    {"code": 0, "msg": "success"},
    {"code": 200, "msg": "OK"},
    {"error_code": "0", "error_msg": "ok"},
]
LINES = sorted(name for name in DIALECTS if not name.startswith(("converse", "invoke")))
"""Bedrock has frames of their own for errors."""


def failure_of(name: str, event: Any, end: bytes) -> Failure | None:
    """What becomes of an answer that has a text, then this event, and then its end."""
    dialect = DIALECTS[name]
    decoder = dialect.make()
    whole(decoder, dialect.frame(dialect.text), dialect.frame(json.dumps(event).encode()) + end)
    return decoder.failure


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize(("event", "kind"), ERRORS)
def test_an_error_in_another_shape_is_named(name: str, event: Any, kind: ErrorKind) -> None:
    """The body ends with it, and the failure says more than that the answer was cut."""
    failure = failure_of(name, event, b"")
    assert failure is not None
    assert failure.kind is kind


@pytest.mark.parametrize("name", ["chat", "messages", "responses", "cohere"])
@pytest.mark.parametrize(("event", "kind"), ERRORS)
def test_an_error_before_any_content_and_a_done_are_no_empty_answer(name: str, event: Any, kind: ErrorKind) -> None:
    """Nothing was said, and the failure says why."""
    dialect = DIALECTS[name]
    decoder = dialect.make()
    ping = dialect.frame(b'{"type": "ping"}')
    whole(decoder, ping, dialect.frame(json.dumps(event).encode()) + b"data: [DONE]\n\n")
    assert decoder.failure is not None
    assert decoder.failure.kind is kind


@pytest.mark.parametrize(("event", "kind"), ERRORS)
def test_a_done_after_an_error_ends_no_good_answer(event: Any, kind: ErrorKind) -> None:
    """A gateway writes its usual last line after the error, too."""
    failure = failure_of("chat", event, b"data: [DONE]\n\n")
    assert failure is not None
    assert failure.kind is kind


@pytest.mark.parametrize("event", HARMLESS)
def test_a_status_that_says_that_all_is_well_is_no_error(event: Any) -> None:
    """Some gateways send one with the answer."""
    assert failure_of("chat", event, b"data: [DONE]\n\n") is None
