"""What an error costs does not depend on how much a server writes into it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from resilient_stream.classify import classify_error, classify_response
from resilient_stream.classify.pasted import classify_pasted
from resilient_stream.errors import Failure
from resilient_stream.providers import rules_for
from tests.classify.own_rules import ERROR_RULES
from tests.processor import seconds

SIZE = 8 << 20
SOON = 0.1
PROVIDERS = ("", "openai", "gemini", "bedrock", "openrouter")


def deep(levels: int, key: str = "error") -> Any:
    """An object in an object in an object."""
    value: Any = {"message": "The end."}
    for _ in range(levels):
        value = {key: value}
    return value


def fan_out(width: int, depth: int) -> Any:
    """Every place where an error may have another one has one: width ** depth of them, shared in memory."""
    keys = ("error", "response", "delta", "meta_info", "finish_reason", "errors", "details", "detail", "innererror",
            "inner_error", "metadata", "availability", "violations")  # fmt: skip
    value: Any = {"message": "unknown " * 10, "code": "unheard_of_code"}
    for _ in range(depth):
        value = dict.fromkeys(keys[:width], value)
    return value


def nested_texts(levels: int) -> str:
    """JSON text in JSON text; each level doubles the backslashes, so few are long enough."""
    text = json.dumps({"error": {"message": "The end."}})
    for _ in range(levels):
        text = json.dumps({"error": {"message": text, "metadata": {"raw": text}}})
    return text


def filled(unit: str) -> str:
    """8 MiB of the same."""
    return unit * (SIZE // len(unit))


def sentence(unit: str) -> dict[str, Any]:
    """An error whose message is 8 MiB long."""
    return {"error": {"message": filled(unit), "type": "x", "code": None}}


SHAPES: dict[str, Callable[[], Any]] = {
    "wide": lambda: {"error": {f"key{n}": n for n in range(400_000)}},
    "wide-texts": lambda: {f"k{n}": "violat" * 4 for n in range(150_000)},
    "deep": lambda: deep(900),
    "fan-out": lambda: fan_out(13, 6),
    "many-details": lambda: {"error": {"details": [{"reason": f"unheard_of_{n}"} for n in range(200_000)]}},
    "array-of-errors": lambda: [{"error": {"message": "x" * 20}} for _ in range(150_000)],
    "errors-list": lambda: {"errors": [{"code": 7, "message": "y" * 20}] * 200_000},
    "quota-id": lambda: {"error": {"details": [{"violations": [{"quotaId": filled("violat")}]}]}},
    "quota-words": lambda: {"error": {"details": [{"violations": [{"quotaId": filled("PerDay ")}]}]}},
    "code": lambda: {"error": {"code": filled("rate_limit_"), "type": filled("x")}},
    "digits": lambda: {"error": {"message": "maximum context length " + filled("1")}},
    "raw": lambda: {"error": {"message": "Provider returned error", "metadata": {"raw": filled("{ ")}}},
    "raw-json": lambda: {"error": {"message": "e", "metadata": {"raw": json.dumps(["violat" * 10] * 100_000)}}},
    "json-in-json": lambda: {"error": nested_texts(8)},
    "headers-quoted": lambda: {"error": {"metadata": {"headers": {f"x-ratelimit-{n}": "1" for n in range(200_000)}}}},
    "number": lambda: {"error": {"code": 10**4000, "retry_after": 10**400, "n_ctx": 1 << 5000}},
    "pydantic": lambda: {"detail": [{"loc": ["body"] * 100_000, "msg": filled("Field required ")}] * 8},
    **{
        f"message-{name}": lambda unit=unit: sentence(unit)
        for name, unit in {
            "violat": "violat", "digits": "1", "commas": "1,", "space": " ", "lines": "\n", "retry": "retry after ",
            "wait": "wait 1 hour and ", "max": "maximum 1 ", "used": "1 + 1 > ", "model": "model ",
            "comment": "<!---->", "bearer": "Bearer ", "key": "api key: ", "secret": "sk-", "date": "at 2026-01-01 ",
            "words": "exceeded your ",
            "json": '{"', "tokens": "tokens per min ", "support": "does not support ", "escape": "\x1b[31m",
        }.items()
    },
}  # fmt: skip

BODIES: dict[str, Callable[[], bytes]] = {
    "html-comments": lambda: b"<!---->" * (SIZE // 7),
    "html-comments-spaced": lambda: b"<!-- -->\n \n" * (SIZE // 11),
    "html-comment-open": lambda: b"<!--" * (SIZE // 4),
    "page": lambda: b"<html>" + b"<p>" * (SIZE // 3),
    "sse": lambda: b"data:\n" * (SIZE // 6),
    "sse-json": lambda: b": x\n" * (SIZE // 8) + b'data: {"error": 1}\n',
    "braces": lambda: b"[" * SIZE,
    "objects": lambda: b"[" + b"{}," * (SIZE // 3) + b"{}]",
    "zeros": lambda: b"\x00" * SIZE,
    "space": lambda: b" " * SIZE,
    "no-text": lambda: b"\xff" * SIZE,
    "words": lambda: b"violat " * (SIZE // 7),
}


def is_quick(use: Callable[[], Failure | None], soon: float = SOON) -> bool:
    """Whether it takes less than this of the processor's time."""
    return seconds(use, soon) < soon


@pytest.mark.parametrize("shape", SHAPES)
def test_an_error_object_of_any_size_is_classified_at_once(shape: str) -> None:
    """8 MiB in one event, in every shape and at several providers: under 100 ms each."""
    value = SHAPES[shape]()
    for provider in PROVIDERS:
        rules = rules_for(provider)
        assert is_quick(partial(classify_error, value, rules))


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape not in ("fan-out", "number")])
def test_an_answer_of_any_size_is_classified_at_once(shape: str) -> None:
    """The same as the body of an answer with an error status."""
    body = json.dumps(SHAPES[shape]()).encode()
    for status in (200, 400, 429):
        assert is_quick(partial(classify_response, status, {}, body))


@pytest.mark.parametrize("shape", BODIES)
def test_a_body_of_any_size_is_classified_at_once(shape: str) -> None:
    """Pages, comments, events and bytes without a meaning: under 100 ms each."""
    body = BODIES[shape]()
    for status in (200, 404, 500):
        headers = {"content-type": "text/event-stream"}
        assert is_quick(partial(classify_response, status, headers, body))
    assert is_quick(lambda: classify_error(body))


@pytest.mark.parametrize(
    "name",
    ["x-amzn-errortype", "retry-after", "retry-after-ms", "date", "x-ratelimit-reset", "x-ratelimit-reset-tokens",
     "anthropic-ratelimit-tokens-reset", "x-request-id", "x-should-retry", "content-type", "x-my-trace"],
)  # fmt: skip
@pytest.mark.parametrize("unit", ["1", "violat", "1,", " ", "1h", "Sat, ", "x:#"])
def test_a_header_of_any_size_is_classified_at_once(name: str, unit: str) -> None:
    """Values of a megabyte: under 100 ms each."""
    headers = {name: unit * ((1 << 20) // len(unit))}
    assert is_quick(lambda: classify_response(429, headers, b"{}", rules_for("bedrock")))
    assert is_quick(lambda: classify_error({"message": "x"}, headers=headers))


@pytest.mark.parametrize("provider", ERROR_RULES)
def test_the_rules_of_each_provider_are_quick(provider: str) -> None:
    """The longest text that they get, made of words that many of them begin with."""
    text = "exceeded your current quota violating the model context limit 1 tokens per no api key of 2 1,1 > " * 100
    body = json.dumps({"error": {"message": text, "code": text[:100]}}).encode()
    assert is_quick(lambda: classify_response(400, {}, body, rules_for(provider)))


@pytest.mark.parametrize("unit", [" ", "1", "HTTP", "status ", "{", "<!---->", "cannot connect ", "Error: ", "a."])
def test_a_pasted_text_of_any_size_is_classified_at_once(unit: str) -> None:
    """`explain` reads as little of it as the rest of the package would."""
    text = f"x{unit * (SIZE // len(unit))}"
    assert is_quick(lambda: classify_pasted(text), SOON * 4)
