"""The table of kinds against the definition it was made from."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from resilient_stream.errors import Failure, error_for
from resilient_stream.kinds import KINDS, ErrorCategory, ErrorKind
from tests.shared_files import shared

CATEGORIES = {"Retryable": "retryable", "Permanent": "permanent", "Context": "context", "Resource": "resource"}


def test_category_retry_and_fallback_are_those_of_the_definition() -> None:
    """Every kind has the category, the retries and the fallback of its definition."""
    text = shared("errors/KINDS.md").read_text("utf-8")
    defined = {}
    for title, section in pairwise(re.split(r"(?m)^## (.*)$", text)[1:]):
        category = CATEGORIES.get(title.split()[0])
        for row in re.findall(r"(?m)^\| `(\w+)` \| (\w+) \| (\w+) \|", section) if category else ():
            defined[row[0]] = (category, row[1], row[2])
    found = {
        kind.value: (row.category.value, row.retry, "yes" if row.fallback else "no") for kind, row in KINDS.items()
    }
    assert found == defined


@pytest.mark.parametrize(
    ("kind", "retries"),
    [("protocol_error", 1), ("dns_failure", 1), ("connect_failed", 1), ("model_output_invalid", 2), ("conflict", 1),
     ("authentication", 1), ("content_filtered", 1), ("provider_timeout", 2), ("fd_exhausted", 2)],
)  # fmt: skip
def test_kinds_that_are_tried_less_often(kind: str, retries: int) -> None:
    """Own caps, where one or two more tries tell all there is to know."""
    assert KINDS[ErrorKind(kind)].max_attempts == retries + 1


@pytest.mark.parametrize("kind", ErrorKind)
def test_every_kind_has_something_to_say(kind: ErrorKind) -> None:
    """With no fact known at all there is still a title, a message and what to do."""
    error = error_for(Failure(kind=kind))
    assert error.title
    assert error.message.endswith(".")
    assert error.resolution.endswith((".", "?"))
    assert "{" not in error.message + error.resolution


def test_what_the_caller_ended_is_never_tried_again() -> None:
    """No kind of the category context is retried or falls back."""
    rows = [row for row in KINDS.values() if row.category is ErrorCategory.CONTEXT]
    assert {(row.retry, row.fallback) for row in rows} == {("no", False)}
