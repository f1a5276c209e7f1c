"""What is left of a provider's limits, as its headers say it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import inf

import pytest

from resilient_stream.classify.left import Left, left_of
from resilient_stream.contract import LimitHeaders, facts_of
from resilient_stream.providers import adapter_for

USUAL = LimitHeaders()


@pytest.mark.parametrize(
    ("headers", "left"),
    [
        ({}, Left()),
        ({"remaining-requests": "59", "reset-requests": "1s", "limit-requests": "60"}, Left(59, inf, 0)),
        ({"remaining-tokens": "149984", "remaining-requests": "2"}, Left(2, 149984, 0)),
        ({"remaining-requests": "0", "reset-requests": "6m0s"}, Left(0, inf, 360)),
        ({"remaining-requests": "0", "reset-requests": "60s", "limit-requests": "120"}, Left(0, inf, 0.5)),
        ({"remaining-tokens": "0", "reset-tokens": "12.5"}, Left(inf, 0, 12.5)),
        ({"remaining-tokens": "0", "reset-tokens": "soon"}, Left(inf, 0, 0)),
        ({"remaining-tokens": "0", "reset-tokens": "2020-01-01T00:00:00Z"}, Left(inf, 0, 0)),
        ({"remaining-requests": "-1", "remaining-tokens": "NaN"}, Left()),
        ({"remaining-requests": "9" * 400}, Left()),
    ],
)
def test_the_usual_headers(headers: dict[str, str], left: Left) -> None:
    """What is not a plain number says nothing; the time until all is there again is shared among the limit's units."""
    assert left_of({f"x-ratelimit-{name}": value for name, value in headers.items()}, USUAL) == left


def test_a_provider_has_names_of_its_own() -> None:
    """Anthropic's names and moments, Cerebras's limits a day; the names are facts of their packages."""
    names = facts_of(adapter_for("anthropic")).limit_headers
    soon = (datetime.now(UTC) + timedelta(seconds=30)).isoformat().replace("+00:00", "Z")
    headers = {"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": soon}
    left = left_of({**headers, "anthropic-ratelimit-tokens-remaining": "9000"}, names)
    assert left[:2] == (0, 9000)
    assert 25 < left.hold <= 30
    cerebras = facts_of(adapter_for("cerebras")).limit_headers
    assert left_of({"x-ratelimit-remaining-tokens-minute": "7"}, cerebras).tokens == 7
    assert facts_of(adapter_for("groq")).limit_headers == USUAL
