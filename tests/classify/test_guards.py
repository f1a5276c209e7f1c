"""Single words of an answer that decide: each test fails when the table or the line for it is taken out."""

from __future__ import annotations

import re

import pytest

from resilient_stream import ErrorKind as K
from resilient_stream.classify import (
    Verdict,
    classify_error,
    classify_exception,
    classify_response,
    make_rules,
    unforeseen,
)
from resilient_stream.classify.body import read_body, read_error
from resilient_stream.classify.fields import names_a_parameter
from resilient_stream.classify.rules import phrase
from resilient_stream.providers import known_providers, rules_for


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


def test_a_page_is_found_behind_any_number_of_comments():
    """Each comment is looked for behind the one before it, and one that never ends hides a page as well."""
    for page in (b"<!-- a --><!-- b --> <html>", b"<!-- a -->\n<!DOCTYPE html>", b"<!-- never"):
        assert read_body(page).form == "html"
    assert read_body(b"<!-- a --> Not found").form == "text"


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("[{'loc': ['body', 'top_k'], 'msg': 'too large', 'input': 'secret'}]", "body.top_k: too large"),
        (" {'detail': [{'loc': ['body'], 'msg': 'missing'}]}", "body: missing"),
    ],
)
def test_what_python_printed_in_a_message_is_read(told: str, message: str):
    """Also behind a space; what a user sent is not in it."""
    assert read_error({"error": {"message": told}}).message == message


def test_a_long_text_that_python_printed_is_not_evaluated():
    """Reading it costs more than it is worth: it stays a text, cut like any other."""
    told = "{'detail': '" + "x" * 4000 + "'}"
    assert read_error({"error": {"message": told}}).message == told[:4000]


def test_rows_laid_over_other_rules_win_and_the_rest_stays():
    """Codes, types and statuses by their names; phrases of one's own are asked first."""
    base = make_rules(
        codes={K.AUTHENTICATION: "bad_key"}, types={K.RATE_LIMITED: "slow"}, implied={503: "tired asleep"},
        statuses={418: K.CONFLICT}, pages={418: K.GATEWAY_ERROR},
        phrases=(phrase(K.QUOTA_EXHAUSTED, "used up", "all gone", unless="not", statuses=(0, 429)),),
    )  # fmt: skip
    own = Verdict(K.CONTENT_FILTERED, retry=False)
    rules = make_rules(codes={own: "BadKey NewException"}, phrases=(phrase(own, "no way"),), over=base)
    assert rules.codes == {"badkey": own, "new": own}
    assert rules.types == {"slow": Verdict(K.RATE_LIMITED)}
    assert rules.implied == {"tired": 503, "asleep": 503}
    assert (rules.statuses, rules.pages) == ({418: Verdict(K.CONFLICT)}, {418: Verdict(K.GATEWAY_ERROR)})
    assert [each.verdict for each in rules.phrases] == [own, Verdict(K.QUOTA_EXHAUSTED)]
    assert make_rules() == ({}, (), {}, {}, {}, {})
    assert [rules.knows(name) for name in ("Slow", "asleep", "x:bad-key", "other")] == [True, True, True, False]


@pytest.mark.parametrize(
    ("text", "status", "says"),
    [
        ("It is\nALL GONE", 429, True),
        ("used up", 0, True),
        ("used up", 500, False),
        ("not used up", 429, False),
        ("", 0, False),
    ],
)
def test_a_family_of_sentences_is_asked_with_its_limits(text: str, status: int, says: bool):
    """Any of its patterns, in any case; a veto and the statuses count."""
    family = phrase(K.QUOTA_EXHAUSTED, "used up", "^all gone", unless="^not", statuses=(0, 429))
    assert family.says(text, status) is says


def test_a_rule_of_the_user_may_have_capitals():
    """Such a rule is found, and its classes of characters and its groups keep their meaning."""
    own = phrase(K.CONFLICT, r"\bSlot (?P<Name>\S+) TAKEN\b", unless="Never")
    rules = make_rules(phrases=(own,))
    found = [
        rules.phrase_in(text, 0) is own
        for text in ("slot 7 taken", "SLOT B TAKEN", "slot taken", "Never: slot 7 taken")
    ]
    assert found == [True, True, False, False]


def test_an_error_after_white_space_is_read_as_the_error_it_is():
    """Nothing is said in front of it, so it is no error that a gateway passes on."""
    failure = classify_response(400, {}, b'{"message": " {\\"error\\": {\\"message\\": \\"Insufficient balance\\"}}"}')
    assert (failure.kind, failure.detail) == ("insufficient_funds", "Insufficient balance")


def test_a_row_in_another_alphabet_is_not_asked_about_ascii():
    """Such a row has no word that a text of ASCII alone could hold, so nothing is lost by not asking it."""
    row = phrase(K.CONFLICT, "a|\u00e4")._replace(ascii=False)
    assert [row.says(text, 0) for text in ("a", "\u00e4", "a \u00e9")] == [False, True, True]


@pytest.mark.parametrize("provider", ["", *known_providers()])
def test_rows_are_in_lower_case(provider: str):
    """Texts are made lower case before they are searched, so a capital letter in a row would never be found."""
    rows = rules_for(provider).phrases
    patterns = [
        text for row in rows for text in (row.pattern, row.unless, *(word for near in row.near for word in near.words))
    ]
    assert [text for text in patterns if re.search(r"(?<!\\)(?<!\(\?)[A-Z]", text)] == []


@pytest.mark.parametrize(
    ("status", "sent", "kind"),
    [
        (None, True, "protocol_error"), (None, False, "client_config"), (200, False, "protocol_error"),
        (399, True, "protocol_error"), (400, True, "invalid_request"), (503, True, "provider_overloaded"),
    ],
)  # fmt: skip
def test_an_exception_that_no_table_knows_is_judged_by_how_far_the_request_came(
    status: int | None, sent: bool, kind: str
):
    """An error status decides by itself; otherwise another target is still asked, and the exception is named."""
    failure = unforeseen(ZeroDivisionError(), status, sent=sent)
    assert (failure.kind, failure.code) == (kind, "unexpected")
    if status is None or status < 400:
        assert failure.fallback
        assert failure.facts == {"reason": "It met ZeroDivisionError"}
    assert unforeseen(ValueError()).kind == "protocol_error"


def test_the_parsers_own_sentence_is_told():
    """Without the bytes that it quotes."""

    class HttpProcessingError(Exception):
        message = "Bad status line 'x': b'secret'"

    failure = classify_exception(HttpProcessingError(), phase="request")
    assert failure is not None
    assert failure.facts["reason"] == "Bad status line 'x'"


def test_a_text_in_place_of_a_stream_is_read_as_one_without_a_status():
    """The 200 says nothing: sentences that count only with certain statuses count here, too."""
    for headers in ({"content-type": "text/event-stream"}, {"content-type": "text/plain"}):
        assert classify_response(200, headers, b"upstream request timeout").kind == "provider_timeout"
        assert classify_response(200, headers, b"some upstream error").kind == "gateway_error"


@pytest.mark.parametrize(
    ("param", "status", "named"),
    [("top_k", 400, True), ("top_k", 422, True), ("top_k", 0, True), ("top_k", 401, False)]
    + [(nothing, 400, False) for nothing in ("", "None", "NULL", "Key", "api_key", None, 3)],
)
def test_a_body_names_a_parameter_only_by_a_word_for_one(param: object, status: int, named: bool):
    """What stands for nothing, or for the key, is none; nor does one count beside a status that says more."""
    assert names_a_parameter(read_error({"error": {"message": "It is no good.", "param": param}}), status) is named


def test_phrases_are_compiled_once_in_a_program_with_many_patterns_of_its_own(monkeypatch: pytest.MonkeyPatch):
    """`re` keeps 512 patterns; a program that has more must not pay 30 ms of compiling for each of its failures."""
    body = b'{"error": {"message": "The zorg is no quux"}}'
    classify_response(400, {}, body)
    re.purge()
    compiled: list[str] = []
    compile_one = re._compiler.compile  # type: ignore[attr-defined]  # the only place that all patterns pass
    monkeypatch.setattr(re._compiler, "compile", lambda p, flags=0: compiled.append(p) or compile_one(p, flags))  # type: ignore[attr-defined]
    classify_response(400, {}, body)
    assert len(compiled) < 20
