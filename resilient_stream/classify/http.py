"""Makes a `Failure` of an HTTP answer, or of an error object inside a stream.

    body code -> phrases (money, quota, context, ...) -> body type -> status

The status is asked last. Exceptions that the order cannot express are one function each, named. A user's own words are
not read, since `body.py` leaves them out, and `cancelled` is not taken from the wire: only the caller cancels, and the
engine knows when.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from ..failures import ErrorCategory, ErrorKind, Failure
from ..failures.kinds import KINDS
from .body import Said, read_body, read_error, words
from .door import MAX_TEXT, STATUSES, small_headers
from .fields import OF_RIGHTS, about_a_field, forbids_a_thing, names_a_parameter
from .generic import GENERIC
from .hints import asked_to_wait, hint, request_id
from .rules import Rules, Verdict, parts_of
from .wording import detail, facts, figures

__all__ = ["classify_error", "classify_response", "error_in"]

_K = ErrorKind
_TYPE_HEADERS = ("x-amzn-errortype", ":exception-type", ":error-code")
_ONLY_IN_ERRORS = ("error", "errors", "error_msg", "err_msg", "errmsg", "error_message", "errorMessage", "error_code")
_FAILED = frozenset({"error", "failed", "failure", "exception"})
_ALL_IS_WELL = frozenset({"0", "200", "ok", "OK", "success"})
_NAMED = re.compile(
    r"\b(models?|deployments?|engines?|tools?|functions?|files?|prompts?|content|values?|parameters?|arguments?|fields?)"
    r"((?: (?:name|id|called|named))?[:=]? ?)(['`\"])[^'`\"\n]{1,300}\3",
    re.IGNORECASE,
)
"""A name or a value of the request that the sentence quotes: a tool called `get_credit_balance` is not about money."""
_ADDRESS = re.compile(r"(https?://[^\s/]{1,100}/)[^\s\"'<>]+")
"""The path of an address, which may lead to a page about prices or limits that says nothing of this error."""
_CLASS = re.compile(r"\b(?:[A-Z][a-z]{1,24}){2,8}\b")
"""An exception's class in a sentence: `ContentPolicyViolationError`."""
_IN_THE_CLEAR = re.compile(
    rb"plain HTTP (?:request was sent )?to (?:an )?(?:HTTPS|SSL)|HTTP request to an HTTPS server", re.IGNORECASE
)
"""How nginx, Apache and servers in Go say that they take encrypted requests only."""
_NO_PHRASE: Mapping[int, tuple[ErrorKind, ...]] = {
    402: (_K.QUOTA_EXHAUSTED,),
    **dict.fromkeys(range(520, 528), (_K.PROVIDER_OVERLOADED,)),
}
"""Kinds whose phrases a status rules out: a 402 is about money, also where it speaks of a month, and what Cloudflare
answers for a provider only guesses at the reason."""
_BEGINNING = 1024
"""Bytes of a page in which its heading is."""
_WAITS = frozenset({_K.QUOTA_EXHAUSTED, _K.INSUFFICIENT_FUNDS})
_HALF_A_DAY = 12 * 3600.0
"""Seconds from which on a rate limit is the quota of a period: nobody waits, and it starts anew at a known time."""
_NEVER_FORCED = frozenset({_K.INSUFFICIENT_FUNDS, _K.AUTHENTICATION, _K.CONTEXT_LENGTH_EXCEEDED})


def classify_response(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    rules: Rules = GENERIC,
    *,
    max_retry_after: float = 60.0,
) -> Failure:
    """Classify an answer that is not the expected stream: an error status, a page, a redirect, JSON in a 200.

    headers: names in lower case. max_retry_after: seconds that the policy waits at most; it decides no kind.
    """
    headers = small_headers(headers)
    said = _with_header_names(read_body(body), headers)
    if status < 300:
        found = _no_stream(headers, said, rules)
    elif status < 400:
        found = Verdict(_K.UNEXPECTED_RESPONSE)  # Redirects are not followed: a POST would become a GET.
    elif said.form in ("html", "text") and _IN_THE_CLEAR.search(body, 0, _BEGINNING):
        found, said = Verdict(_K.TLS_FAILURE), said._replace(names=("in_the_clear",))
    else:
        found = _decide(said, status, rules, headers)
    failure = _failure(found, said, headers, status if status >= 300 else said.status or status, max_retry_after)
    return _obey_should_retry(failure, headers.get("x-should-retry", "").strip().lower())


def classify_error(
    error: Any,
    rules: Rules = GENERIC,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    max_retry_after: float = 60.0,
    alone: bool = False,
) -> Failure:
    """Classify an error inside a stream: a decoded JSON value in any vendor's shape, or a bare code.

    alone: it was no event of a stream, but all that came in place of one.

    A code in it counts as the status that it would have had. `headers` are those of the event (Bedrock's
    `:exception-type`), never the response's, which were those of a success. Unknown errors are `server_error`.
    """
    headers = small_headers(headers or {})
    said = _with_header_names(read_error(error), headers)
    found = _error_in_success(said, rules, {}) if alone and said.form == "json" else _decide(said, status, rules, {})
    return _failure(found, said, headers, status or said.status, max_retry_after, in_stream=True)


def error_in(value: Any, rules: Rules = GENERIC) -> Failure | None:
    """Return the failure of a JSON value that stands where an event belongs, in no shape of its dialect; None where it
    is not surely an error: no kind and no status can be told, and no field of it is one that only errors have."""
    said = read_error(value)
    outer = said.parts[0] if said.parts else {}
    if any(str(outer.get(name)) in _ALL_IS_WELL for name in STATUSES):  # False is not 0 here
        return None
    found = classify_error(value, rules, alone=True)
    known = found.kind not in (_K.UNEXPECTED_RESPONSE, _K.SERVER_ERROR) or said.status is not None
    told = any(map(outer.get, _ONLY_IN_ERRORS)) or not _FAILED.isdisjoint(map(str.lower, said.names))
    return found if known or told else None


def _with_header_names(said: Said, headers: Mapping[str, str]) -> Said:
    named = tuple(headers[name] for name in _TYPE_HEADERS if headers.get(name))
    return said._replace(names=(*named, *said.names))


def _decide(said: Said, status: int | None, rules: Rules, headers: Mapping[str, str]) -> Verdict:
    """Decide the kind, in the module's order. An HTTP status is known before a code in the body may stand for one."""
    said = said._replace(names=(*said.names, *_classes(said, rules)))
    known = status or said.status or _by_name(said, rules.implied) or 0
    return (
        _by_retry_after(known, headers)
        or _by_name(said, rules.codes)
        or about_a_field(said, known)
        or _by_allowance(said)
        or _by_phrase(said, known, rules)
        or _by_name(said, rules.types)
        or _by_status(said, known, rules, headers)
    )


def _classes(said: Said, rules: Rules) -> tuple[str, ...]:
    """Return the exceptions' classes in the sentence that are names of the tables, with or without their ending."""
    found = _CLASS.findall(said.message)
    return tuple(name for full in found for name in (full, full.removesuffix("Error")) if rules.knows(name))


def _by_name(said: Said, table: Mapping[str, Any]) -> Any:
    """Return what a table has for the first of the error's names that is in it; None where none is."""
    return next((table[part] for name in said.names for part in parts_of(name) if part in table), None)


def _by_retry_after(status: int, headers: Mapping[str, str]) -> Verdict | None:
    """Return the verdict for a 402 that will pass: with Retry-After it means too many requests in flight, not an empty
    account."""
    return Verdict(_K.RATE_LIMITED) if status == 402 and asked_to_wait(headers) else None


def _by_allowance(said: Said) -> Verdict | None:
    """Return the verdict for a request that is larger than the whole allowance of a minute, so that it can never
    pass."""
    if not re.search(r"\btokens? per\b|\bTP[MD]\b", said.message):
        return None
    used, limit = figures(said)
    return Verdict(_K.REQUEST_TOO_LARGE) if used and limit and used > limit else None


def _by_phrase(said: Said, status: int, rules: Rules) -> Verdict | None:
    if said.form == "html":
        return None
    text = "\n".join(_texts_to_match(said, rules))[:MAX_TEXT]
    found = rules.phrase_in(text, status, _silent(said, status))
    return found.verdict if found else None


def _silent(said: Said, status: int) -> Container[ErrorKind]:
    """Return the kinds whose phrases do not count for this error."""
    about_a_thing = names_a_parameter(said, status) or forbids_a_thing(said, status)
    return OF_RIGHTS if about_a_thing else _NO_PHRASE.get(status, ())


def _texts_to_match(said: Said, rules: Rules) -> Iterator[str]:
    """Return the texts that phrases are matched with: message, quotas, and unknown names as words; what the user named
    is left out."""
    yield _ADDRESS.sub(r"\1…", _NAMED.sub(r"\1\2\3…\3", said.message))
    yield from said.quotas
    yield from (words(name) for name in said.names if not rules.knows(name))


def _by_status(said: Said, status: int, rules: Rules, headers: Mapping[str, str]) -> Verdict:
    if said.form == "html" and status in rules.pages:
        return rules.pages[status]
    if said.form != "json" and status == 404 and not headers.get("x-amzn-errortype"):
        return rules.pages[404]
    if not status and forbids_a_thing(said, status):
        return Verdict(_K.INVALID_REQUEST)
    return rules.statuses.get(status) or Verdict(_K.INVALID_REQUEST if 400 <= status < 500 else _K.SERVER_ERROR)


def _no_stream(headers: Mapping[str, str], said: Said, rules: Rules) -> Verdict:
    """Classify a success that is not a stream: an error in JSON, an empty body, or a page of another site."""
    if said.form == "empty":
        return Verdict(_K.STREAM_INTERRUPTED)
    if said.form == "json":
        return _error_in_success(said, rules, headers)
    if "event-stream" in headers.get("content-type", ""):
        # Without a sentence it is broken JSON, or several texts of it.
        return _by_phrase(said, 0, rules) or Verdict(_K.PROTOCOL_ERROR if said == Said("text") else _K.GATEWAY_ERROR)
    if said.form == "text" and re.search(r"(?i)error|unavailable|upstream|gateway|time-?out|overload", said.message):
        return _by_phrase(said, 0, rules) or Verdict(_K.GATEWAY_ERROR)
    return Verdict(_K.UNEXPECTED_RESPONSE)


def _error_in_success(said: Said, rules: Rules, headers: Mapping[str, str]) -> Verdict:
    """Classify JSON in place of an answer. An unknown error may be a brief fault, or mean that this address never
    answers, so it is retried only once: each attempt may be paid for."""
    if not said.is_error and not said.status:
        return Verdict(_K.UNEXPECTED_RESPONSE)
    found = _decide(said, None, rules, headers)
    unknown = found == Verdict(_K.SERVER_ERROR) and not said.status and not _by_name(said, rules.implied)
    return found._replace(max_attempts=2) if unknown else found


def _failure(
    found: Verdict,
    said: Said,
    headers: Mapping[str, str],
    status: int | None,
    max_retry_after: float,
    in_stream: bool = False,
) -> Failure:
    kind = found.kind
    waits = KINDS[kind].category is ErrorCategory.RETRYABLE or kind in _WAITS
    wait = hint(said, {} if in_stream else headers, buckets=kind in (_K.RATE_LIMITED, _K.QUOTA_EXHAUSTED))
    if kind is _K.QUOTA_EXHAUSTED and _names_a_minute(said):
        wait = wait._replace(retry_after=None, resets_at=None)
    elif kind is _K.RATE_LIMITED and wait.asked and (wait.retry_after or 0) >= _HALF_A_DAY:
        kind = _K.QUOTA_EXHAUSTED
    return Failure(
        kind=kind,
        detail=detail(kind, said),
        code=next(iter(said.names), "")[:80],
        status=status,
        retry_after=wait.retry_after if waits else None,
        resets_at=wait.resets_at if kind in _WAITS else None,
        request_id=request_id(said, headers),
        retry=found.retry,
        fallback=found.fallback,
        category=found.category,
        max_attempts=found.max_attempts,
        facts=facts(kind, said),
    )


def _names_a_minute(said: Said) -> bool:
    """Return whether the quota is one of a minute. Google also sends RetryInfo for a day's quota, or one of zero."""
    return said.find("retryDelay") is not None or bool(re.search(r"limit:? ?0\b", said.message))


def _obey_should_retry(failure: Failure, word: str) -> Failure:
    """Apply `x-should-retry`: false always counts, true not for an unpaid bill, a bad key or a context that is too
    long."""
    if word == "false":
        return replace(failure, retry=False)
    if word != "true" or failure.kind in _NEVER_FORCED or KINDS[failure.kind].retry != "no":
        return failure
    if failure.kind is _K.INVALID_REQUEST:  # The server contradicts "Sending it again will not work".
        return replace(failure, kind=_K.SERVER_ERROR)
    return replace(failure, retry=True)
