"""Errors as values: their fields, that they can be pickled, how small they are, and what they cost."""

from __future__ import annotations

import copy
import json
import pickle
import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from resilient_stream import Client, Recovery, RetryPolicy, Timeouts, errors
from resilient_stream.errors import AllTargetsFailed, DeadlineExceeded, Failure, StreamError, error_for
from resilient_stream.kinds import KINDS, TEXTS, ErrorCategory, ErrorKind
from resilient_stream.outcome import archive
from resilient_stream.providers import adapter_for
from resilient_stream.providers.shared.own_hosts import is_own
from resilient_stream.testing import Cut, End, FakeProvider, Preamble, Raw, Stall, Status, Text

FIELDS = (
    "category", "kind", "phase", "provider", "model", "target", "status", "request_id", "retry_after", "attempt",
    "title", "message", "resolution", "billed_maybe", "retryable", "fallback", "resets_at", "gave_up", "cause",
    "deadline_passed", "code", "host",
)  # fmt: skip
CONTEXT = {
    "provider": "openai-responses", "provider_title": "OpenAI", "model": "m" * 64, "host": "h" * 64,
    "env_var": "GEMINI_API_KEY or GOOGLE_API_KEY", "attempt": 3, "phase": "request", "billed_maybe": True,
    "gave_up": "attempts",
}  # fmt: skip
LONG = "ü" * 5000


def long_facts(kind: ErrorKind) -> dict[str, object]:
    """Every fact that this kind's texts have a place for, as long as a server likes."""
    rows = (KINDS[kind], *(text for (one, _), text in TEXTS.items() if one is kind))
    named = set(re.findall(r"{(\w+)}", " ".join(line for row in rows for line in (*row.message, *row.resolution))))
    numbers = {"used": 10**12, "limit": 10**12, "seconds": 1234.5678}
    return {
        name: numbers.get(name, LONG) for name in named & {*numbers, "feature", "reason", "proxy", "host", "env_var"}
    }


def heavy(kind: ErrorKind) -> StreamError:
    """An error with everything at its longest."""
    failure = Failure(
        kind=kind, detail="" if "reason" in long_facts(kind) else LONG, code=LONG, status=503,
        retry_after=1234.5678, resets_at="2026-08-01T00:00:00Z", request_id=LONG, facts=long_facts(kind),
    )  # fmt: skip
    error = error_for(failure, **CONTEXT)
    error.__cause__ = ConnectionResetError(LONG)
    return error


async def fails(script, **policy) -> StreamError:
    """The error of a call to a provider that plays this."""
    async with FakeProvider(script) as provider, Client(provider.target("openai"), **policy) as client:
        with pytest.raises(StreamError) as caught:
            await client.complete("Hello")
    return caught.value


@pytest.mark.parametrize("kind", ErrorKind)
def test_an_error_is_under_a_kilobyte(kind):
    """Pickled, with every text at its longest, each kind stays under 1 KB besides the transcript."""
    assert len(pickle.dumps(heavy(kind))) < 1024


@pytest.mark.parametrize("kind", ErrorKind)
def test_every_field_is_in_the_dict_and_the_dict_is_json(kind):
    """`to_dict` has all that the design lists, in plain values, and survives a round trip through JSON."""
    values = heavy(kind).to_dict()
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert set(FIELDS) <= set(values)
    assert values["cause"] == "ConnectionResetError"
    error = heavy(kind)
    assert {name: getattr(error, name) for name in FIELDS if name != "code"}.items() <= values.items()


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
@pytest.mark.parametrize("kind", ErrorKind)
def test_a_copy_says_the_same(kind, again):
    """A copied or unpickled error has its class, all fields and its text; of the cause the name is left."""
    error = heavy(kind)
    other = again(error)
    assert (type(other), other.to_dict(), str(other)) == (type(error), error.to_dict(), str(error))
    assert other.__cause__ is None


async def test_an_error_crosses_with_its_transcript():
    """With a transcript that refers back to the error; through another process and back it is still the same."""
    error = await fails([Text("Half an ", "answer"), Cut()])
    with ProcessPoolExecutor(1, mp_context=get_context("forkserver")) as pool:
        other = pool.submit(next, iter([error])).result()
    assert (other.transcript.text, other.transcript.outcome) == ("Half an answer", "failed")
    assert other.transcript.error is other
    assert other.to_dict() == error.to_dict()
    assert copy.deepcopy(error).transcript.text == "Half an answer"


async def test_the_error_of_all_targets_crosses_too():
    """Each target's error is still there, and the sum reads the same."""
    async with FakeProvider([Status(401)]) as provider:
        async with Client(provider.target("openai"), provider.target("anthropic")) as client:
            with pytest.raises(AllTargetsFailed) as caught:
                await client.complete("Hello")
    other = pickle.loads(pickle.dumps(caught.value))
    assert str(other) == str(caught.value)
    assert [type(one) for one in other.errors] == [errors.AuthenticationFailed] * 2
    values = other.to_dict()
    assert [one["target"] for one in values["errors"]] == ["openai:fake-model", "anthropic:fake-model"]
    json.dumps(values)


@pytest.mark.parametrize(
    ("kind", "category", "cls"),
    [
        (ErrorKind.PROVIDER_OVERLOADED, None, errors.RetryableError),
        (ErrorKind.AUTHENTICATION, None, errors.PermanentError),
        (ErrorKind.CANCELLED, None, errors.ContextError),
        (ErrorKind.OUT_OF_MEMORY, None, errors.ResourceError),
        (ErrorKind.OUT_OF_MEMORY, ErrorCategory.PERMANENT, errors.PermanentError),
    ],
)
def test_all_targets_failed_is_caught_by_its_category(kind, category, cls):
    """Of the class of its category and of its own, and of no other; also after a copy, a pickle and a store."""
    first = error_for(Failure(kind=ErrorKind.SERVER_ERROR), provider="a", model="m")
    last = error_for(Failure(kind=kind, category=category), provider="b", model="m")
    error = AllTargetsFailed.of([first, last])
    stored = archive.read(StreamError, archive.plain(error), "error")
    again = pickle.loads(pickle.dumps(error))
    for one in (error, again, copy.copy(error), copy.deepcopy(error), stored, AllTargetsFailed.of([first, error])):
        assert isinstance(one, AllTargetsFailed)
        assert type(one).__name__ == "AllTargetsFailed"
        assert [each for each in CATEGORIES if isinstance(one, each)] == [cls]
        assert one.category == last.category
        assert len(one.errors) == 2
    assert str(again) == str(error)


CATEGORIES = (errors.RetryableError, errors.PermanentError, errors.ContextError, errors.ResourceError)


@pytest.mark.parametrize(
    ("statuses", "cls"), [((503, 503), errors.RetryableError), ((503, 401), errors.PermanentError)]
)
async def test_two_dead_targets_are_caught_as_the_documents_say(statuses, cls):
    """The usual failure of a client with a fallback reaches the `except` of its category."""
    async with FakeProvider(*([Status(status)] for status in statuses)) as provider:
        targets = provider.target("openai"), provider.target("anthropic")
        async with Client(*targets, retry=RetryPolicy.off()) as client:
            with pytest.raises(cls) as caught:
                await client.complete("Hello")
    assert isinstance(caught.value, AllTargetsFailed)


@pytest.mark.parametrize(("hints", "soonest"), [((30, 7.5), 7.5), ((None, 4), 4), ((4, None), 4), ((None, None), None)])
def test_all_targets_failed_has_the_soonest_hint(hints, soonest):
    """retry_after of the target that can be asked again first, whichever came last."""
    failures = [Failure(kind=ErrorKind.RATE_LIMITED, retry_after=hint) for hint in hints]
    error = AllTargetsFailed.of([error_for(failure) for failure in failures])
    assert error.retry_after == error.to_dict()["retry_after"] == soonest
    assert pickle.loads(pickle.dumps(error)).retry_after == soonest


def test_what_tells_errors_of_a_kind_apart_is_a_field():
    """`code` is on every error, as in its dict; empty where there is none."""
    error = error_for(Failure(kind=ErrorKind.CLIENT_CONFIG, code="missing_address"))
    assert error.code == error.to_dict()["code"] == "missing_address"
    assert AllTargetsFailed.of([error]).code == "missing_address"
    assert error_for(Failure(kind=ErrorKind.SERVER_ERROR)).code == ""


async def test_a_request_that_was_sent_may_be_billed():
    """Refused after it was sent: maybe. Never sent: no."""
    assert (await fails([Status(500)], retry=RetryPolicy.off())).billed_maybe
    async with FakeProvider() as provider:
        target = provider.target("openai")
        await provider.refuse()
        async with Client(target, retry=RetryPolicy.off()) as client:
            with pytest.raises(StreamError) as caught:
                await client.complete("Hello")
    assert not caught.value.billed_maybe


async def test_a_sent_call_that_its_owner_ends_may_be_billed():
    """A stream that is closed, or whose client is: the request had left by then."""
    async with FakeProvider([Text("Half"), Stall()]) as provider:
        client = Client(provider.target("openai"))
        stream = client.stream("Hello")
        await anext(stream)
        stream.close()
        with pytest.raises(StreamError) as closed:
            await anext(stream)
        other = client.stream("Hello")
        await anext(other)
        await client.aclose()
        with pytest.raises(StreamError) as gone:
            await anext(other)
    assert closed.value.billed_maybe
    assert gone.value.billed_maybe


async def test_a_refused_fallback_does_not_unbill_the_first_target():
    """The last target was never reached, but the first one had been sent to."""
    async with FakeProvider([Status(401)]) as first, FakeProvider() as second:
        targets = (first.target("openai"), second.target("openai"))
        await second.refuse()
        async with Client(*targets, retry=RetryPolicy.off()) as client:
            with pytest.raises(AllTargetsFailed) as caught:
                await client.complete("Hello")
    assert [error.billed_maybe for error in caught.value.errors] == [True, False]
    assert caught.value.billed_maybe


@pytest.mark.usefixtures("own_clock")
async def test_a_stall_and_a_late_beginning_are_told_apart():
    """Each names the timeout that a person would have to raise, and its figure."""
    late = await fails([Preamble(), Stall()], timeouts=Timeouts(first_content=0.05), retry=RetryPolicy.off())
    assert "dialect, did not begin to answer. The limit is 0.05 s." in late.message
    assert "first_content" in late.resolution
    stalled = await fails([Text("Half"), Stall()], timeouts=Timeouts(stall=0.05), recovery=Recovery.off())
    assert "Nothing new came for 0.05 s. 4 characters were received and kept." in stalled.message
    assert "stall timeout" in stalled.resolution


@pytest.mark.parametrize("label", ["application/json", "text/event-stream", "text/plain"])
@pytest.mark.parametrize(("said", "requests"), [("beep", 2), ("Unexpected endpoint or method.", 1)])
async def test_an_error_that_nobody_knows_does_not_cost_five_requests(said, requests, label):
    """JSON in place of an answer, in a 200, however it is labelled: once more; not at all on a wrong path."""
    body = json.dumps({"error": said}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {label}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    async with FakeProvider([Raw(head + body), Cut()]) as fake:
        async with Client(fake.target("openai"), retry=RetryPolicy(initial=0.001)) as client:
            with pytest.raises(StreamError):
                await client.complete("Hello")
        assert len(fake.requests) == requests


async def test_a_longer_wait_than_the_policy_allows_is_said():
    """It is no used-up quota: the request may be sent again in 90 s, by whoever can wait; the next target is asked."""
    slow = [Status(429, {"retry-after": "90"})]
    async with FakeProvider(slow) as first, FakeProvider([Text("Hi"), End()]) as second:
        async with Client(first.target("openai"), second.target("openai")) as client:
            answer = await client.complete("Hello")
    error = answer.attempts[0].error
    assert (answer.text, error.kind, error.gave_up) == ("Hi", ErrorKind.RATE_LIMITED, "hint")
    assert error.category is ErrorCategory.RETRYABLE
    assert "It asks to wait 90 s, longer than max_retry_after (60 s)." in error.message
    assert "used up" not in str(error)


@pytest.mark.parametrize("status", [401, 402, 403, 404, 429, 500, 502, 503])
@pytest.mark.parametrize(
    "provider", ["openai", "anthropic", "gemini", "bedrock", "openai-responses", "cohere", "azure"]
)
async def test_a_gateway_is_called_by_its_own_name(provider, status):
    """Who has no page or console for people does not get one from an error: the host that answered is named."""
    async with FakeProvider([Status(status)]) as fake:
        async with Client(fake.target(provider), retry=RetryPolicy.off()) as client:
            with pytest.raises(StreamError) as caught:
                await client.complete("Hello")
    error, host = caught.value, fake.url.partition("://")[2].partition("/")[0]
    assert f"{host}, which speaks {adapter_for(provider).title}'s dialect" in error.message
    for place in ("console of", "status page", "billing settings", "list of models"):
        assert place not in str(error)


@pytest.mark.parametrize(
    ("provider", "host", "own"),
    [
        ("openai", "api.openai.com", True),
        ("openai", "eu.api.openai.com:443", True),
        ("openai", "openai.com.evil.io", False),
        ("openai", "127.0.0.1:14000", False),
        ("moonshot", "api.moonshot.cn", True),
        ("azure", "me.openai.azure.com", True),
        ("azure", "10.0.0.1:80", False),
        ("vllm", "10.0.0.7:8000", True),
        ("ollama", "ollama.example.com", True),
        ("databricks", "adb-1.azuredatabricks.net", True),
        ("bedrock", "bedrock-runtime.eu-west-1.amazonaws.com", True),
        ("claude-code", "", True),
        ("gemini", "[::1]:80", False),
    ],
)
def test_a_host_is_the_providers_own_or_not(provider, host, own):
    """By its domain, and the other addresses of the same provider; of a program that people run, every host is."""
    assert is_own(adapter_for(provider), host) is own


async def test_the_deadline_says_its_length():
    """A long deadline is not written as a power of ten; the error is a TimeoutError without a system's number."""
    error = error_for(Failure(kind=ErrorKind.DEADLINE_EXCEEDED, facts={"seconds": 1000.0}))
    assert "16 min 40 s" in error.message
    assert isinstance(error, DeadlineExceeded)
    assert error.deadline_passed
    assert error.errno is None


async def test_targets_after_an_error_for_all_are_left_alone():
    """A safety filter would be asked the same everywhere: the third target is not tried, and the error says so."""
    blocked = Status(400, body={"error": {"code": "content_filter", "message": "no"}})
    async with FakeProvider([Status(401)], [blocked], [Text("Hello"), End()]) as provider:
        async with Client(*(provider.target("openai", model=name) for name in "abc")) as client:
            with pytest.raises(AllTargetsFailed, match=r"2 of 3 targets failed"):
                await client.complete("Hello")
        assert len(provider.requests) == 2
