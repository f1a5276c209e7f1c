"""`explain`: every kind, every class, any text; what it says about retries is what the middleware does."""

from __future__ import annotations

import json
import re

import pytest

from resilient_stream import Client, RetryPolicy, errors
from resilient_stream.cli import exit_codes
from resilient_stream.cli.explain.advice import NOT_SENT, advice_for
from resilient_stream.cli.explain.command import as_dict, as_error, explain, look_up, similar
from resilient_stream.errors import ErrorKind, StreamError
from resilient_stream.kinds import KINDS, TEXTS
from resilient_stream.testing import FakeProvider, Status

from .conftest import run

ADVICE = ("sent again", "next target", "after content", "to catch")


@pytest.mark.parametrize("kind", ErrorKind)
def test_each_kind_is_found_by_its_name(kind):
    """In the ways people write it; the JSON form is whole."""
    for name in (kind, kind.upper(), kind.replace("_", "-"), kind.replace("_", " ")):
        assert [error.kind for error in look_up(name)] == [kind]
    values = as_dict(as_error(kind))
    assert json.loads(json.dumps(values))["catch"][-1] == "StreamError"
    assert values["attempts"] == len(values["waits"]) + 1


@pytest.mark.parametrize(("kind", "code"), [*((kind, "") for kind in ErrorKind), *TEXTS])
def test_an_error_that_we_printed_is_found_again(kind, code):
    """What an application logs of a StreamError is understood when it comes back."""
    error = as_error(kind, "openai", code)
    for text in (str(error), f"resilient_stream.errors.{type(error).__name__}: {error}"):
        assert [found.title for found in look_up(text)] == [error.title]


def test_a_class_stands_for_its_kinds():
    """Each of our classes, with or without its module, and each category."""
    for kind, row in KINDS.items():
        for cls in getattr(errors, row.error).__mro__:
            if issubclass(cls, StreamError):
                assert kind in [error.kind for error in look_up(f"resilient_stream.errors.{cls.__name__}")]
        assert kind in [error.kind for error in look_up(row.category)]


def test_a_provider_may_mean_another_thing():
    """Google's words for a minute's quota are OpenAI's for an empty account; the provider's name is filled in."""
    text = "You exceeded your current quota"
    assert look_up(text)[0].kind is ErrorKind.INSUFFICIENT_FUNDS
    [found] = look_up(text, "gemini")
    assert found.kind is ErrorKind.RATE_LIMITED
    assert found.message.startswith("Gemini is limiting")


@pytest.mark.parametrize(
    ("text", "near"),
    [("rate_limit", "rate_limited"), ("quotas", "quota_exhausted"), ("time out of connect", "connect_timeout"),
     ("AuthentificationFailed", "authentication")],
)  # fmt: skip
def test_what_is_nearly_a_name_is_offered(text, near):
    """Misspelt names and single words lead somewhere."""
    assert near in similar(text)


@pytest.mark.parametrize("status", [429, 408, 409, 500, 502, 503, 529, 400, 401, 403, 404, 413])
async def test_the_advice_is_what_the_middleware_does(status):
    """As many requests as it says are sent, for the same error."""
    error = look_up(str(status), "openai")[0]
    policy = RetryPolicy(initial=0, maximum=0)
    async with FakeProvider([Status(status)]) as provider:
        async with Client(provider.target("openai"), retry=policy) as client:
            with pytest.raises(StreamError) as caught:
                await client.complete("Hello")
        assert caught.value.kind is error.kind
        assert len(provider.requests) == advice_for(error).attempts


def test_the_waits_are_those_of_the_policy():
    """1, 2, 4, 8 s by default; the sentence has the figures."""
    advice = advice_for(as_error(ErrorKind.RATE_LIMITED))
    assert advice.waits == (1, 2, 4, 8)
    assert "up to 5 requests in all, after waits of 1, 2, 4 and 8 s" in advice.again
    assert "up to 60 s" in advice.again
    assert advice_for(as_error(ErrorKind.RATE_LIMITED), RetryPolicy.off()).attempts == 1


async def test_one_kind_as_people_see_it():
    """Title, message, way out, and what the SDK does; no colour in a pipe; no line over 100 columns."""
    ran = await run("explain", "529", "--provider", "anthropic")
    assert (ran.code, ran.err) == (exit_codes.COMPLETE, "")
    assert ran.out.startswith("Provider overloaded  provider_overloaded\n")
    assert "Anthropic is short of capacity right now." in ran.out
    assert all(name in ran.out for name in ADVICE)
    assert "HTTP 529" in ran.out
    assert "\x1b" not in ran.out
    assert max(map(len, ran.out.splitlines())) <= 100


async def test_all_forty():
    """Without an error: a line for each kind, within 80 columns."""
    ran = await run("explain", COLUMNS="80")
    assert ran.code == exit_codes.COMPLETE
    assert {kind for kind in ErrorKind if re.search(rf"^  {kind} ", ran.out, re.MULTILINE)} == set(ErrorKind)
    assert max(map(len, ran.out.splitlines())) <= 80


async def test_a_body_from_standard_input_as_json():
    """A pasted body of many lines; the machine's form is one document."""
    body = b'{"error": {"message": "Rate limit reached. Please try again in 20s.", "code": "rate_limit_exceeded"}}'
    ran = await run("explain", "-", "--json", typed=body)
    found = json.loads(ran.out)
    assert (found["kind"], found["retry_after"], found["attempts"]) == ("rate_limited", 20, 5)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nonsense",), 'nothing is known about "nonsense"'),
        (("rate_limt",), "Did you mean: rate_limited"),
        (("200",), "HTTP 200 is no error"),
        (("429", "--provider", "nobody"), "no provider is called 'nobody'"),
    ],
)
async def test_what_is_unknown(arguments, said):
    """An unknown text gives exit code 2 and a hint, and nothing on standard output."""
    ran = await run("explain", *arguments)
    assert (ran.code, ran.out) == (exit_codes.MISUSED, "")
    assert said in ran.err


async def test_classes_without_a_kind_have_their_meaning():
    """AllTargetsFailed and StreamMisused are no kind, but a reader of a traceback asks for them."""
    ran = await run("explain", "resilient_stream.errors.AllTargetsFailed")
    assert ran.code == exit_codes.COMPLETE
    assert ran.out.startswith("AllTargetsFailed: No target could answer.")


@pytest.mark.parametrize(
    "text",
    ['400 {"error": {"message": "Unknown parameter", "type": "invalid_request_error"}}',
     "Error code: 401 - {'error': {'message': 'Incorrect API key provided', 'code': 'invalid_api_key'}}",
     'HTTP/1.1 429 Too Many Requests\n\n{"error": {"message": "Slow down"}}', "<html><title>503 x</title></html>"],
)  # fmt: skip
def test_a_body_that_was_pasted_is_not_asked_for(text, capsys):
    """It was read; more than that there is not to paste."""
    assert explain(text) == 0
    assert "Paste the body" not in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["authentication", "insufficient_funds", "invalid_request", "dns_failure"])
def test_nothing_is_said_of_content_where_there_is_none(kind, capsys):
    """A bad key ends a request before an answer begins."""
    assert explain(kind) == 0
    out = capsys.readouterr().out
    assert "after content" not in out
    assert "one case" not in out


def test_what_may_happen_in_an_answer_says_what_then(capsys):
    """A cut answer is continued where a target can."""
    assert explain("stream_interrupted") == 0
    assert "after content  continued" in capsys.readouterr().out


@pytest.mark.parametrize("code", NOT_SENT)
def test_what_was_never_sent_is_found_by_its_code(code, capsys):
    """As it stands in a log's field or in `error.code`: nobody was asked, so nothing is said of asking again."""
    assert explain(code) == exit_codes.COMPLETE
    shown = capsys.readouterr().out
    assert "sent again     yes" not in shown
    assert "after content" not in shown
    assert "The provider is limiting" not in shown
    [error] = look_up(code.replace("_", " "))
    assert (error.code, advice_for(error).attempts) == (code, 1)


@pytest.mark.parametrize("around", ["{}", "call-7 failed, not retrying: {}", "resilient_stream.errors.RateLimited: {}"])
def test_the_figures_of_what_was_never_sent_are_kept(around):
    """They are why somebody pastes it."""
    figures = "Limits.requests_per_minute is 60: it could be sent in 13 s, and the call has 5 s left."
    known = as_error(ErrorKind.RATE_LIMITED, code="own_limit")
    text = f"{known.title} (openai:a): {figures} {known.resolution}"
    assert [error.message for error in look_up(around.format(text))] == [figures]


def test_without_its_figures_it_is_said_what_it_means():
    """A title alone, as people search for it."""
    assert look_up("Over a limit of ours")[0].message.startswith("Your own Limits do not allow")
    assert look_up("Skipped by the breaker")[0].message.startswith("Too many requests to this target have failed")
