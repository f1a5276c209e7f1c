"""What an HTTP answer is classified as, which source decides first, and what of it is shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_stream.classify import classify_error, classify_response
from resilient_stream.errors import Failure, error_for
from resilient_stream.kinds import KINDS
from resilient_stream.providers import known_providers, rules_for
from tests.classify.own_rules import ERROR_RULES


def openai(message: str, type_: str | None = None, code: Any = None, **fields: Any) -> bytes:
    """An error body in OpenAI's shape."""
    return json.dumps({"error": {"message": message, "type": type_, "param": None, "code": code, **fields}}).encode()


def kind(status: int, body: bytes, provider: str = "", **headers: str) -> str:
    """The kind of an answer; headers with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return classify_response(status, named, body, rules_for(provider)).kind.value


def test_code_then_phrase_then_type_then_status() -> None:
    """Each step decides only when those before it said nothing."""
    money = "You have used all available credits."
    assert kind(500, openai(money, "rate_limit_error", "invalid_api_key")) == "authentication"
    assert kind(500, openai(money, "rate_limit_error")) == "insufficient_funds"
    assert kind(500, openai("?", "rate_limit_error")) == "rate_limited"
    assert kind(500, openai("?", "invalid_request_error")) == "server_error"


@pytest.mark.parametrize("field", ["failed_generation", "flagged_input", "prompt", "input"])
def test_the_users_own_words_decide_nothing_and_are_not_shown(field: str) -> None:
    """Only the message field is read: a prompt about money is not a bill."""
    words = "insufficient balance, invalid api key, per day"
    body = openai("Bad parameter.", "invalid_request_error", **{field: words, "metadata": {field: words}})
    failure = classify_response(400, {}, body)
    assert (failure.kind.value, failure.detail) == ("invalid_request", "Bad parameter.")


def test_pydantics_rejected_input_is_not_shown() -> None:
    """A list of complaints is told by place and reason."""
    complaint = {"loc": ["body", "messages", 0], "msg": "Field required", "input": "SECRET", "type": "missing"}
    failure = classify_response(422, {}, json.dumps({"detail": [complaint]}).encode())
    assert failure.detail == "body.messages.0: Field required"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, openai("The model wrote: my secret diary", code="tool_use_failed")),
        (400, openai("Your text 'my secret diary' was flagged", code="content_filter")),
        (502, b"<html><body>my secret diary</body></html>"),
        (400, b'{"error": {"message": "my secret diary'),
    ],
)
def test_what_may_quote_the_user_is_not_shown(status: int, body: bytes) -> None:
    """Rejected output, filtered text, pages and broken JSON give no detail."""
    assert classify_response(status, {}, body).detail == ""


@pytest.mark.parametrize(
    "secret",
    ["sk-proj-abc123DEF456", "sk-ant-api03-xyz", "gsk_abcdef123456", "hf_abcdefgh", "AIzaSyA1234567890abc",
     "AKIAIOSFODNN7EXAMPLE", "bad-key-**********test", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.abc"],
)  # fmt: skip
@pytest.mark.parametrize(
    "sentence",
    ["Incorrect API key provided: {}. You can find it.", "Bearer {} was refused", "api_key={}&x=1 is wrong",
     "Your api key: {} is invalid", 'Authorization token="{}"'],
)  # fmt: skip
def test_secrets_are_hidden(secret: str, sentence: str) -> None:
    """OpenAI echoes a bad key; it reaches no message, repr or dict."""
    failure = classify_response(401, {}, openai(sentence.format(secret)))
    error = error_for(failure, provider="openai")
    assert "[hidden]" in failure.detail
    assert secret[-6:] not in f"{failure!r} {error} {error!r} {error.to_dict()}"


@pytest.mark.parametrize(
    "secret", ["sk-proj-abc123DEF456", "gsk_abcdef123456", "AIzaSyA1234567890abc", "AKIAIOSFODNN7EXAMPLE"]
)
def test_a_secret_is_known_by_its_shape(secret: str) -> None:
    """Without a word in front that says it is one."""
    assert classify_response(400, {}, openai(f"We do not like {secret}.")).detail == "We do not like [hidden]."


def test_a_minutes_limit_is_not_the_models_window() -> None:
    """`Reduce the length of the messages` is a rate limit where the body names a limit for each minute."""
    advice = "Please reduce the length of the messages."
    assert kind(429, openai(f"Limit of 40000 tokens per minute reached. {advice}")) == "rate_limited"
    assert kind(400, openai(advice)) == "context_length_exceeded"


def test_a_detail_is_one_short_line() -> None:
    """Newlines become spaces, and 240 characters are enough."""
    detail = classify_response(400, {}, openai("a\nb \t " + "c" * 1000)).detail
    assert detail.startswith("a b cc")
    assert len(detail) == 240


@pytest.mark.parametrize(
    ("message", "used", "limit"),
    [
        ("prompt is too long: 3333404 tokens > 200000 maximum", 3333404, 200000),
        ("input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease", 209573, 200000),
        ("The input token count (1250074) exceeds the maximum number of tokens allowed (1048576).", 1250074, 1048576),
        ("This model's maximum context length is 32,768 tokens. However, you requested 32,818 tokens", 32818, 32768),
        ("maximum context length is 4097 tokens. However, your messages resulted in 5020 tokens", 5020, 4097),
        ("request (13392 tokens) exceeds the available context size (8192 tokens), try", 13392, 8192),
        ("Please reduce the length. Current length is 140000 while limit is 131072", 140000, 131072),
        ("`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens", 5000, 4096),
        ("Prompt contains 40960 tokens, too large for model with 32768 maximum context length", 40960, 32768),
        ("too many tokens: size limit exceeded by 25836 tokens. The limit for this model is 288000", None, 288000),
    ],
)
def test_the_figures_of_an_overlong_conversation(message: str, used: int | None, limit: int) -> None:
    """How long it is and how long it may be, from a dozen ways of saying so."""
    failure = classify_response(400, {}, openai(message))
    assert failure.kind.value == "context_length_exceeded"
    assert (failure.facts.get("used"), failure.facts.get("limit")) == (used, limit)


def test_figures_of_a_request_that_never_fits() -> None:
    """A request larger than a whole minute's allowance is too large, even where the provider calls it a rate limit."""
    failure = classify_response(
        429,
        {},
        openai("Limit reached on tokens per min (TPM): Limit 30000, Requested 30601.", "tokens", "rate_limit_exceeded"),
    )
    assert (failure.kind.value, failure.facts) == (
        "request_too_large",
        {"used": "30601 tokens", "limit": "30000 tokens"},
    )


def test_the_missing_feature_is_named() -> None:
    """`does not support tools` says which."""
    assert classify_response(400, {}, b'{"error":"gemma:2b does not support tools"}').facts == {"feature": "tools"}


def test_should_retry_false_is_obeyed_always() -> None:
    """`x-should-retry: false` forbids a retry of every kind."""
    failure = classify_response(529, {"x-should-retry": "false"}, b"")
    assert (failure.kind.value, error_for(failure).retryable) == ("provider_overloaded", False)


@pytest.mark.parametrize(
    ("body", "expected", "retryable"),
    [
        (b"", "server_error", True),
        (openai("?", code="content_filter"), "content_filtered", True),
        (openai("?", code="insufficient_quota"), "insufficient_funds", False),
        (openai("?", code="invalid_api_key"), "authentication", False),
        (openai("?", code="context_length_exceeded"), "context_length_exceeded", False),
    ],
)
def test_should_retry_true_has_exceptions(body: bytes, expected: str, retryable: bool) -> None:
    """Not against an empty account, a bad key or a full window; a vague 400 becomes the server's problem."""
    failure = classify_response(400, {"x-should-retry": "true"}, body)
    assert (failure.kind.value, error_for(failure).retryable) == (expected, retryable)


def test_402_with_retry_after_is_a_rate_limit() -> None:
    """A 402 with Retry-After is a limit on requests in flight; without that header the account is empty."""
    assert kind(402, openai("?"), retry_after="3") == "rate_limited"
    assert kind(402, openai("?")) == kind(402, openai("?"), retry_after="0") == "insufficient_funds"


def test_recitation_is_tried_again_and_elsewhere() -> None:
    """A recitation filter is retried and falls back, because another sample of the model may pass it."""
    error = error_for(classify_error({"code": "RECITATION"}))
    assert (error.kind.value, error.retryable, error.fallback) == ("content_filtered", True, True)
    other = error_for(classify_error({"code": "SAFETY"}))
    assert (other.kind.value, other.retryable, other.fallback) == ("content_filtered", False, False)


def test_too_little_memory_over_there_is_permanent_and_not_ours() -> None:
    """Ollama's 500 about memory: no retry, another provider may serve, and no resource of this process."""
    body = b'{"error":"model requires more system memory (5.6 GiB) than is available (3.1 GiB)"}'
    error = error_for(classify_response(500, {}, body, rules_for("ollama")))
    assert (error.kind.value, error.category.value, error.retryable, error.fallback) == (
        "server_error", "permanent", False, True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "content_type", "body", "expected"),
    [
        (200, "text/html", b"<!doctype html><title>Sign in</title>", "unexpected_response"),
        (200, "text/event-stream", b"<html>down</html>", "gateway_error"),
        (200, "text/event-stream", b"Internal Server Error", "gateway_error"),
        (200, "text/event-stream", b"", "stream_interrupted"),
        (200, "application/json", b'{"error":{"code":503,"message":"?"}}', "provider_overloaded"),
        (200, "application/json", b'{"error":{"message":"?"}}', "server_error"),
        (200, "application/json", b'{"choices":[]}', "unexpected_response"),
        (200, "text/plain", b"It works!", "unexpected_response"),
        (200, "text/event-stream", b'{"id": 1}\n{"id": 2}\n', "protocol_error"),
        (200, "text/event-stream", b'{"choices": [{"del', "protocol_error"),
        (204, "", b"", "stream_interrupted"),
        (301, "", b"", "unexpected_response"),
        (307, "application/json", openai("?", code="invalid_api_key"), "unexpected_response"),
        (500, "text/html", b"<html>", "gateway_error"),
        (500, "", b"", "server_error"),
        (503, "text/html", b"\n <!-- proxy --> <html>", "gateway_error"),
        (404, "text/plain", b"404 page not found", "unexpected_response"),
        (404, "", b"", "unexpected_response"),
        (404, "application/json", b'{"detail":"Not Found"}', "unexpected_response"),
        (404, "application/json", b'{"message":"?"}', "model_not_found"),
    ],
)
def test_what_is_not_the_api(status: int, content_type: str, body: bytes, expected: str) -> None:
    """A page, a redirect, an empty body or JSON in the place of a stream is an error, never an empty answer."""
    assert kind(status, body, content_type=content_type) == expected


def test_an_error_in_sse_framing_or_behind_a_mark_is_read() -> None:
    """Gateways frame errors as events, Windows puts a BOM in front, routers wrap JSON in JSON."""
    body = openai("?", code="invalid_api_key")
    assert kind(400, b"event: error\ndata: " + body + b"\n\n") == "authentication"
    assert kind(400, b"\xef\xbb\xbf" + body) == "authentication"
    assert kind(400, b"[" + body + b"]") == "authentication"
    assert kind(400, openai(body.decode())) == "authentication"


def test_a_code_in_a_stream_is_the_status_it_would_have_had() -> None:
    """Numbers, numbers as text, and Google's names."""
    for code in (429, "429", "RESOURCE_EXHAUSTED"):
        failure = classify_error({"error": {"code": code, "message": "?"}})
        assert failure.kind.value == "rate_limited"
    assert classify_error({"error": {"code": 429}}).status == 429
    assert classify_error({"error": {"code": "not a code"}}).kind.value == "server_error"


@pytest.mark.parametrize("provider", sorted(ERROR_RULES))
def test_a_providers_rows_say_something_new(provider: str) -> None:
    """A row that the shared rules have too is taken out: what generalises lives there."""
    own, shared = rules_for(provider), rules_for("")
    fresh = {name: value for table in (own.codes, own.types, own.statuses) for name, value in table.items()}
    common = {name: value for table in (shared.codes, shared.types, shared.statuses) for name, value in table.items()}
    differing = {name for name in fresh if fresh[name] != common.get(name)}
    assert differing or len(own.phrases) > len(shared.phrases)
    for rows in (ERROR_RULES[provider].get("codes", {}), ERROR_RULES[provider].get("types", {})):
        for means, names in rows.items():
            for name in names.split():
                assert shared.codes.get(name.lower().replace("_", "")) != (getattr(means, "kind", means),), name


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["error", "message", "code", "type", "status", "details", "detail", "metadata", "raw", "errors", "delta",
             "retryDelay", "retry_after", "resets_at", "estimated_time", "violations", "quotaId", "headers", "msg",
             "finish_reason", "response", "innererror", "id", "request_id", "n_ctx", "n_prompt_tokens", "loc"]
        ) | st.text(max_size=5),
        inner, max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip
headers = st.dictionaries(
    st.sampled_from(["retry-after", "date", "x-should-retry", "content-type", "x-amzn-errortype", "x-ratelimit-reset"]),
    st.text(max_size=30),
)


def is_sound(failure: Failure) -> bool:
    """A failure that an error can be made from, and shown."""
    error = error_for(failure, provider="p", model="m")
    return failure.kind in KINDS and bool(error.message) and len(failure.detail) <= 240 and "\n" not in failure.detail


@given(st.integers(100, 999), headers, st.binary() | values.map(lambda value: json.dumps(value).encode()))
def test_no_answer_breaks_it(status: int, named: dict[str, str], body: bytes) -> None:
    """Any status, headers and body give a failure with a message, never an exception."""
    for provider in ("", "gemini", "openrouter"):
        assert is_sound(classify_response(status, named, body, rules_for(provider)))


@given(values, st.none() | st.integers())
def test_no_error_object_breaks_it(value: Any, status: int | None) -> None:
    """Any decoded JSON gives a failure with a message, never an exception."""
    assert is_sound(classify_error(value, status=status))


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"error":' * 100_000, b'{"error":"' + b"a " * 500_000 + b'"}'])
def test_a_hostile_body_is_only_a_bad_answer(body: bytes) -> None:
    """Deep nesting and megabytes of text neither raise nor take long."""
    assert kind(400, body) == "invalid_request"


def test_a_deep_object_is_read_to_a_depth() -> None:
    """A decoded object that is deeper than any real one."""
    value: Any = "deep"
    for _ in range(3000):
        value = {"error": value}
    assert classify_error(value).kind.value == "server_error"


@pytest.mark.parametrize(
    "body",
    [b'{"error": "Unexpected endpoint or method. (POST /chat/completions)"}', b'{"error": "not found"}',
     b'{"detail": "Not Found"}', b'{"error": "unsupported path"}', b'{"message": "no route for POST /v1"}',
     b'{"error": "Cannot POST /v1/v1/chat/completions"}', b'{"error": "method not allowed"}'],
)  # fmt: skip
def test_a_wrong_path_in_a_success_is_no_server_error(body: bytes) -> None:
    """Some servers answer every path with 200: it is never asked for again, but the next target is."""
    error = error_for(classify_response(200, {"content-type": "application/json"}, body))
    assert (error.kind.value, error.retryable, error.fallback) == ("unexpected_response", False, True)
    assert error_for(classify_error(json.loads(body), alone=True)).kind.value == "unexpected_response"


@pytest.mark.parametrize("body", [{"error": "beep"}, {"errors": [{"message": "x"}]}, {"success": False, "msg": "odd"}])
def test_an_unknown_error_in_a_success_is_looked_at_once_more(body: Any) -> None:
    """It may pass, or it may mean that no answer will ever come: two requests in all, not five."""
    for failure in (classify_response(200, {}, json.dumps(body).encode()), classify_error(body, alone=True)):
        assert (failure.kind.value, failure.max_attempts) == ("server_error", 2)
    assert classify_error(body).max_attempts is None
    assert classify_response(500, {}, json.dumps(body).encode()).max_attempts is None


@pytest.mark.parametrize(
    ("code", "expected"),
    [(1000, "server_error"), (1001, "provider_timeout"), (1002, "rate_limited"), (1004, "authentication"),
     (1008, "insufficient_funds"), (1024, "server_error"), (1026, "content_filtered"), (1027, "content_filtered"),
     (1039, "rate_limited"), (1042, "invalid_request"), (2013, "invalid_request"), (2049, "authentication"),
     (2056, "quota_exhausted"), (2061, "model_not_found")],
)  # fmt: skip
def test_a_status_object_with_numbers_of_its_own(code: int, expected: str) -> None:
    """`base_resp` comes in a 200, whole or as an event, beside choices that are null."""
    body = {"id": "1", "choices": None, "base_resp": {"status_code": code, "status_msg": "?"}}
    assert kind(200, json.dumps(body).encode()) == expected
    assert classify_error(body).kind.value == expected


def test_a_status_object_that_says_success_is_no_error() -> None:
    """A good answer has it, too."""
    body = {"id": "1", "base_resp": {"status_code": 0, "status_msg": "success"}}
    assert kind(200, json.dumps(body).encode()) == "unexpected_response"


def test_a_host_says_the_same_by_both_of_its_apis() -> None:
    """The error rules of a host hold for its Responses API, too."""
    for name in (name for name in known_providers() if name.endswith("-responses")):
        assert rules_for(name) == rules_for(name.removesuffix("-responses"))
