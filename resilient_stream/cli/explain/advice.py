"""Explains what the SDK does about a kind of failure: retries, fallback, recovery after content, and what to catch.

The sentences are made from `KINDS`, the policies and the functions that the middlewares use, so they cannot differ from
what the SDK does. Nothing is printed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import NamedTuple

from ...engine.middleware.breaker import OPEN
from ...engine.middleware.concurrency import IN_THE_LINE, OWN_LIMIT
from ...engine.middleware.money import USED_UP
from ...engine.middleware.retry import attempts_for, waits
from ...failures import ErrorCategory, ErrorKind
from ...outcome.errors import StreamError
from ...policy import Recovery, RetryPolicy
from ...text import readable

__all__ = ["NOT_SENT", "Advice", "advice_for", "classes"]

ENDS_AN_ANSWER = frozenset({ErrorKind.OUTPUT_TRUNCATED, ErrorKind.REFUSAL, ErrorKind.CONTENT_FILTERED})
"""Kinds that an answer may also end with. Then nothing is raised: it is complete, and `Finished.kind` says so."""

BEFORE_CONTENT = frozenset({
    ErrorKind.MODEL_LOADING, ErrorKind.CONFLICT, ErrorKind.DNS_FAILURE, ErrorKind.CONNECT_FAILED,
    ErrorKind.CONNECT_TIMEOUT, ErrorKind.CONNECTION_LOST, ErrorKind.PROXY_ERROR, ErrorKind.INVALID_REQUEST,
    ErrorKind.AUTHENTICATION, ErrorKind.PERMISSION_DENIED, ErrorKind.INSUFFICIENT_FUNDS, ErrorKind.QUOTA_EXHAUSTED,
    ErrorKind.MODEL_NOT_FOUND, ErrorKind.CONTEXT_LENGTH_EXCEEDED, ErrorKind.REQUEST_TOO_LARGE,
    ErrorKind.UNSUPPORTED_FEATURE, ErrorKind.TLS_FAILURE, ErrorKind.CLIENT_CONFIG, ErrorKind.UNEXPECTED_RESPONSE,
    ErrorKind.PROXY_AUTH,
})  # fmt: skip
"""Kinds that end a request before its answer begins. For them there is nothing to say about the time after."""

_ONCE = {
    ErrorKind.AUTHENTICATION: "no, but once with fresh credentials where a session of temporary ones has expired",
    ErrorKind.CONTENT_FILTERED: "no, but once where the filter only suspects a quotation (RECITATION)",
}


class NotSent(NamedTuple):
    """Describes a request that was never sent. happened: why, where its figures are unknown. again: whether it is sent
    later."""

    happened: str
    again: str


NOT_SENT: Mapping[str, NotSent] = {
    OPEN: NotSent(
        "Too many requests to this target have failed, so none is sent there for a while.",
        "no: a later request tests the target; where all targets are skipped, the call waits for the first test, if "
        "its deadline allows that",
    ),
    OWN_LIMIT: NotSent(
        "Your own Limits do not allow the request in the time that the call has.",
        "no: its deadline would have passed before it was sent",
    ),
    USED_UP: NotSent(
        "The day's budget (Limits.cost_per_day) is used up, so no further request is sent today.",
        "no: not before the next day (UTC)",
    ),
    IN_THE_LINE: NotSent("", "no: the time of the call is over"),
}
"""What is said of errors for requests that were never sent, by their code."""

_WHY_NOT_ELSEWHERE = {
    ErrorCategory.CONTEXT: "no: you ended it",
    ErrorCategory.RESOURCE: "no: it is this process that lacks something, whichever target is asked",
}


class Advice(NamedTuple):
    """Says what the SDK does about a failure.

    attempts: requests to one target in all.
    waits: seconds between them, without jitter.
    again, elsewhere, after_content: what is done, in words; after_content is empty for a kind that ends a request
    before there is content.
    catch: the class of the error and its base classes.
    """

    attempts: int
    waits: tuple[float, ...]
    again: str
    elsewhere: str
    after_content: str
    catch: tuple[str, ...]


def advice_for(error: StreamError, retry: RetryPolicy | None = None, recovery: Recovery | None = None) -> Advice:
    """Return what happens when this error ends a request. Without policies, the defaults are used."""
    retry, recovery = retry or RetryPolicy(), recovery or Recovery()
    attempts = attempts_for(error.failure, retry) if error.retryable else 1
    schedule = waits(retry.model_copy(update={"jitter": 0.0}))
    between = tuple(islice(schedule, attempts - 1))
    return Advice(
        attempts, between, _retries_in_words(error, attempts, between, retry), _fallback_in_words(error),
        _recovery_in_words(error, recovery), classes(error),
    )  # fmt: skip


def classes(error: StreamError) -> tuple[str, ...]:
    """Return the error's class and its base classes, the narrowest first."""
    return tuple(dict.fromkeys(cls.__name__ for cls in type(error).__mro__ if issubclass(cls, StreamError)))


def _retries_in_words(error: StreamError, attempts: int, between: tuple[float, ...], policy: RetryPolicy) -> str:
    if error.code in NOT_SENT:
        return NOT_SENT[error.code].again
    if not error.retryable:
        return _ONCE.get(error.kind, "no")
    if attempts == 1:
        return "no: the policy allows one request"
    patience = f"or as long as the provider asks, up to {readable.duration(policy.max_retry_after)}"
    return f"yes: up to {attempts} requests in all, after waits of {_listed(between)} s, {patience}"


def _fallback_in_words(error: StreamError) -> str:
    if error.fallback:
        return "yes, " + ("after that" if error.retryable else "at once")
    if error.kind is ErrorKind.CONTENT_FILTERED:
        return "no: whether to send it on is for you to decide"
    return _WHY_NOT_ELSEWHERE.get(error.category, "no: it would be the same there")


def _recovery_in_words(error: StreamError, recovery: Recovery) -> str:
    if error.kind in BEFORE_CONTENT or error.code in NOT_SENT:
        return ""
    if error.kind in ENDS_AN_ANSWER:
        return "no error: the answer is complete, and transcript.finish_kind says this"
    if error.category in _WHY_NOT_ELSEWHERE or not (error.retryable or error.fallback):
        return "raised, with all that was received in its transcript"
    if not recovery.methods or not recovery.max_continuations:
        return "never sent again: raised, with all that was received in its transcript"
    methods = ", ".join(recovery.methods)
    return f"continued, where a target can ({methods}; {recovery.max_continuations} times at most); else raised"


def _listed(figures: Iterable[float]) -> str:
    *others, last = (f"{figure:g}" for figure in figures)
    return f"{', '.join(others)} and {last}" if others else last
