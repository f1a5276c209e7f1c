"""Single words of an answer that decide: each test fails when the table or the line for it is taken out."""

from __future__ import annotations

import pytest

from resilient_stream.classify import classify_error, classify_response


def test_a_404_without_json_is_a_wrong_address_unless_aws_names_its_type():
    """Something in front of an API answers in text. Amazon's own answers may be empty, with the class in a header."""
    assert classify_response(404, {}, b"").kind == "unexpected_response"
    assert classify_response(404, {"x-amzn-errortype": "NewlyMadeUp"}, b"").kind == "model_not_found"


@pytest.mark.parametrize(("left", "wait"), [("0", 30.0), (None, 30.0), ("12", None)])
def test_a_reset_counts_only_for_a_limit_that_is_used_up(left: str | None, wait: float | None):
    """`x-ratelimit-reset` beside requests that remain describes a healthy limit."""
    headers = {"x-ratelimit-reset": "30"} | ({} if left is None else {"x-ratelimit-remaining": left})
    assert classify_response(429, headers, b"{}").retry_after == wait


def test_a_router_says_the_status_of_the_provider_behind_it():
    """Inside a stream there is no status of HTTP: the one that a router quotes stands for it."""
    quoted = {"message": "It failed.", "metadata": {"provider_name": "X", "raw_status_code": 503}}
    failure = classify_error({"error": quoted})
    assert (failure.kind, failure.status) == ("provider_overloaded", 503)


def test_the_status_that_a_router_gives_itself_comes_before_the_one_it_quotes():
    """What it decided is what it will do with the next request."""
    quoted = {"message": "It failed.", "code": 502, "metadata": {"raw_status_code": 401}}
    failure = classify_error({"error": quoted})
    assert (failure.kind, failure.status) == ("gateway_error", 502)
