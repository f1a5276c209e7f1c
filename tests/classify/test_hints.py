"""When to come back: each source, their order, and what does not count."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_stream.classify import classify_error, classify_response
from resilient_stream.classify.body import Said, read_error
from resilient_stream.classify.hints import duration, hint, request_id

NOW = "Sat, 28 Nov 2026 00:00:00 GMT"
DAY = "2026-11-28T00:00"
EPOCH = 1795824000  # the same moment


def rate_limit(message: str = "Slow down.", **fields: Any) -> dict[str, Any]:
    """A 429's body."""
    return {"error": {"message": message, "type": "rate_limit_error", **fields}}


def wait(headers: dict[str, str], body: Any = None) -> float | None:
    """The seconds that an answer asks for."""
    return hint(read_error(body or rate_limit()), {"date": NOW, **headers}).retry_after


RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.4s"}


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        pytest.param({}, rate_limit(availability={"retry_after": 5}), 5, id="body-availability"),
        pytest.param({}, rate_limit(details=[RETRY_INFO]), 34.4, id="body-retry-info"),
        pytest.param({}, rate_limit(details=[{"retryDelay": "900ms"}]), 0.9, id="body-retry-info-ms"),
        pytest.param({}, rate_limit(details=[{"retryDelay": {"seconds": 12}}]), 12, id="body-retry-info-object"),
        pytest.param({"retry-after-ms": "174.5"}, None, 0.1745, id="retry-after-ms"),
        pytest.param({"x-ms-retry-after-ms": "2000"}, None, 2, id="x-ms-retry-after-ms"),
        pytest.param({"retry-after": "7"}, None, 7, id="retry-after"),
        pytest.param({"retry-after": "1.5"}, None, 1.5, id="retry-after-float"),
        pytest.param({"retry-after": "Sat, 28 Nov 2026 00:00:30 GMT"}, None, 30, id="retry-after-date"),
        pytest.param(
            {"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": f"{DAY}:09Z",
             "anthropic-ratelimit-tokens-remaining": "900", "anthropic-ratelimit-tokens-reset": "2026-11-28T00:05:00Z"},
            None, 9, id="anthropic-the-one-used-up"),
        pytest.param(
            {"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": f"{DAY}:09Z",
             "anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": f"{DAY}:40Z"},
            None, 40, id="anthropic-the-later-of-two"),
        pytest.param({"x-ratelimit-reset-requests": "12ms", "x-ratelimit-reset-tokens": "6m0s"}, None, 360, id="go"),
        pytest.param(
            {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2m59.56s",
             "x-ratelimit-remaining-tokens": "10", "x-ratelimit-reset-tokens": "1h"},
            None, 179.56, id="go-the-one-used-up"),
        pytest.param({"x-ratelimit-reset-tokens": "11"}, None, 11, id="azure-bare-integer"),
        pytest.param({"x-ratelimit-reset": str(EPOCH + 8)}, None, 8, id="unix-seconds"),
        pytest.param({"x-ratelimit-reset": str((EPOCH + 8) * 1000)}, None, 8, id="unix-milliseconds"),
        pytest.param({"x-ratelimit-reset": "8"}, None, 8, id="seconds"),
        pytest.param({"x-ratelimit-reset-tokens-minute": "3.25"}, None, 3.25, id="cerebras"),
        pytest.param({}, {"error": "loading", "estimated_time": 20.5}, 20.5, id="hugging-face"),
        pytest.param({}, rate_limit("Please try again in 174ms. Visit x."), 0.174, id="prose-ms"),
        pytest.param({}, rate_limit("Please try again in 9m38.016s."), 578.016, id="prose-minutes"),
        pytest.param({}, rate_limit("Please retry in 48.9s"), 48.9, id="prose-retry-in"),
        pytest.param({}, rate_limit("Please retry after 86400 seconds."), 86400, id="prose-after"),
        pytest.param({}, rate_limit("try again after 1 seconds"), 1, id="prose-one"),
        pytest.param({}, rate_limit("Expected available in 2 minutes."), 120, id="prose-available"),
        pytest.param({}, rate_limit("You will regain access on 2026-11-28 at 01:00 UTC."), 3600, id="prose-date"),
    ],
)  # fmt: skip
def test_each_source_is_read(headers: dict[str, str], body: Any, seconds: float) -> None:
    """All ten places where providers say how long to wait, in all their formats."""
    assert wait(headers, body) == pytest.approx(seconds)


IN_ORDER: list[tuple[str, dict[str, str], dict[str, Any]]] = [
    ("1", {}, {"availability": {"retry_after": 1}}),
    ("2", {}, {"details": [{"retryDelay": "2s"}]}),
    ("3", {"retry-after-ms": "3000"}, {}),
    ("4", {"retry-after": "4"}, {}),
    (
        "5",
        {"anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": f"{DAY}:05Z"},
        {},
    ),
    ("6", {"x-ratelimit-reset-requests": "6s"}, {}),
    ("7", {"x-ratelimit-reset": str(EPOCH + 7)}, {}),
    ("8", {"x-ratelimit-reset-requests-day": "8"}, {}),
    ("9", {}, {"estimated_time": 9}),
    ("10", {}, {"message": "Try again in 10s."}),
]


@pytest.mark.parametrize("first", range(len(IN_ORDER)))
def test_the_first_usable_source_wins(first: int) -> None:
    """With sources n to 10 all present, number n is taken."""
    headers = {name: value for _, named, _ in reversed(IN_ORDER[first:]) for name, value in named.items()}
    fields = {name: value for _, _, given in IN_ORDER[first:] for name, value in given.items()}
    assert wait(headers, rate_limit(fields.pop("message"), **fields)) == pytest.approx(first + 1)


@pytest.mark.parametrize("useless", ["0", "-1", "NaN", "inf", "-inf", "", "soon", "Fri, 27 Nov 2026 00:00:00 GMT"])
def test_a_useless_source_falls_through(useless: str) -> None:
    """Zero, negative, not a number, infinite, past: as if it were not there (Azure sends 0 ms beside 1 s)."""
    later = {"x-ratelimit-reset-tokens": "5s"}
    assert wait({"retry-after-ms": useless, "retry-after": "1"}) == 1
    assert wait({"retry-after": useless, **later}) == 5
    assert wait({"x-ratelimit-reset-requests": useless, **later}) == 5
    assert wait({}, rate_limit("Try again in 3s", availability={"retry_after": useless})) == 3


def test_a_date_is_measured_by_the_servers_clock() -> None:
    """An HTTP date is compared with the response's own Date, however wrong the local clock is."""
    date = "Mon, 01 Jan 2001 00:00:20 GMT"
    assert hint(Said("empty"), {"retry-after": date, "date": "Mon, 01 Jan 2001 00:00:00 GMT"}).retry_after == 20
    assert hint(Said("empty"), {"retry-after": date}).retry_after is None


def test_openrouters_quoted_headers_count() -> None:
    """Rate-limit headers inside the body, in milliseconds of the epoch."""
    quoted = {"headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str((EPOCH + 26) * 1000)}}
    assert wait({}, rate_limit(metadata=quoted)) == pytest.approx(26)


def test_inside_a_stream_only_the_body_counts() -> None:
    """The headers of a 200 describe a success; Anthropic even sends retry-after there."""
    failure = classify_error(rate_limit("Please try again in 1.574s."), headers={"retry-after": "31"})
    assert failure.retry_after == pytest.approx(1.574)


@pytest.mark.parametrize("seconds", [90, 3600, 21600])
def test_a_hint_that_is_longer_than_the_patience_is_still_a_rate_limit(seconds: int) -> None:
    """Whether it is waited for is the policy's business; nothing is used up."""
    failure = classify_response(429, {"retry-after": str(seconds), "date": NOW}, b"{}")
    assert (failure.kind.value, failure.retry_after) == ("rate_limited", seconds)


def test_a_hint_of_half_a_day_is_a_quota() -> None:
    """The limit of a day or longer, with the time when it starts anew."""
    failure = classify_response(429, {"retry-after": "86400", "date": NOW}, b"{}")
    assert (failure.kind.value, failure.retry_after, failure.resets_at) == (
        "quota_exhausted", 86400, "2026-11-29T00:00:00Z",
    )  # fmt: skip


def test_a_full_bucket_is_not_a_long_hint() -> None:
    """x-ratelimit-reset says when the bucket is full again; that may be far, and a request fits much sooner."""
    failure = classify_response(429, {"x-ratelimit-reset-tokens": "6m0s"}, b"{}")
    assert (failure.kind.value, failure.retry_after) == ("rate_limited", 360)


def test_googles_hint_beside_a_days_quota_is_dropped() -> None:
    """PerDay beats RetryInfo: 18 seconds would be a lie, and so would a reset in 18 seconds."""
    violation = {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}
    body = rate_limit("You exceeded your current quota.", details=[violation, {"retryDelay": "18s"}])
    failure = classify_error(body)
    assert (failure.kind.value, failure.retry_after, failure.resets_at) == ("quota_exhausted", None, None)


def test_a_rolling_days_quota_says_when() -> None:
    """Groq's tokens per day clear in minutes: still no retry, but the caller may plan."""
    body = b'{"error":{"message":"Limit reached on tokens per day (TPD): Try again in 9m38.016s.","type":"tokens"}}'
    failure = classify_response(429, {"date": NOW}, body)
    assert (failure.kind.value, failure.resets_at) == ("quota_exhausted", "2026-11-28T00:09:38Z")


@pytest.mark.parametrize(
    ("headers", "body", "found"),
    [
        ({"x-request-id": "a"}, {}, "a"),
        ({"request-id": "b", "cf-ray": "z"}, {"request_id": "c"}, "b"),
        ({"cf-ray": "z"}, {"request_id": "c"}, "c"),
        ({"apim-request-id": "d"}, {}, "d"),
        ({"x-amzn-requestid": "e"}, {}, "e"),
        ({"x-generation-id": "f"}, {}, "f"),
        ({"cf-ray": "g"}, {}, "g"),
        ({"x-debug-trace-id": "h"}, {}, "h"),
        ({"mistral-correlation-id": "i"}, {}, "i"),
        ({}, {"id": "j", "message": "m"}, "j"),
        ({"x-array": "no"}, {}, None),
    ],
)
def test_the_request_id_is_found(headers: dict[str, str], body: Any, found: str | None) -> None:
    """Each provider's own header first, then the body, then whatever looks like a trace."""
    assert request_id(read_error(body), headers) == found


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("12ms", 0.012), ("1s", 1), ("6m0s", 360), ("2m59.56s", 179.56), ("1h2m3s", 3723), ("1 hour and 5 minutes", 3900),
     ("2 days", 172800), ("0", 0), ("", None), ("s", None), ("5 apples", None), ("1.2.3s", None)],
)  # fmt: skip
def test_durations(text: str, seconds: float | None) -> None:
    """Durations are read in Go's format and as people write them."""
    assert duration(text) == (None if seconds is None else pytest.approx(seconds))


@given(st.text() | st.from_regex(r"[\d.eE+-]{1,40}(ms|s|m)?", fullmatch=True))
def test_no_header_breaks_it(text: str) -> None:
    """Whatever a header holds, the wait is absent or a positive number."""
    names = ("retry-after", "retry-after-ms", "x-ratelimit-reset", "x-ratelimit-reset-tokens", "date",
             "anthropic-ratelimit-tokens-reset", "x-ratelimit-remaining", "x-should-retry")  # fmt: skip
    for name in names:
        seconds = classify_response(429, {name: text, "anthropic-ratelimit-tokens-remaining": "0"}, b"").retry_after
        assert seconds is None or 0 < seconds < float("inf")
