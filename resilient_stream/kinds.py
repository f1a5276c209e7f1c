"""The one table of failures: 40 kinds, what the SDK does about each, and what a person is told.

The one rule: everything that depends on a kind is read from `KINDS`. Retry, fallback, error classes, `explain`,
logs, documents and tests have this table and no other (DESIGN R10).
Must never: hold a rule about recognising a failure. That is `classify/` and the providers.

A text is a tuple of sentences. A sentence whose `{fact}` is unknown is left out, so every message reads well
with what is known. Facts: provider model host env_var status retry_after resets_at limit used size seconds
feature reason proxy detail (the provider's own words, shortened).
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal, NamedTuple, TypeAlias

__all__ = [
    "GAVE_UP",
    "KINDS",
    "TEXTS",
    "ErrorCategory",
    "ErrorKind",
    "GaveUp",
    "Kind",
    "Phase",
    "Retry",
    "Text",
    "sentences",
]

Phase: TypeAlias = Literal["connect", "request", "stream", "finish"]
Retry: TypeAlias = Literal["yes", "after", "no"]
GaveUp: TypeAlias = Literal["attempts", "budget", "deadline", "patience", "hint"]


class ErrorCategory(StrEnum):
    """Who has to act: nobody (retryable), the developer (permanent), the caller (context), this host (resource)."""

    RETRYABLE = "retryable"
    PERMANENT = "permanent"
    CONTEXT = "context"
    RESOURCE = "resource"


class ErrorKind(StrEnum):
    """What went wrong, in one word. `KINDS` says what follows from it."""

    RATE_LIMITED = "rate_limited"
    PROVIDER_OVERLOADED = "provider_overloaded"
    SERVER_ERROR = "server_error"
    GATEWAY_ERROR = "gateway_error"
    PROVIDER_TIMEOUT = "provider_timeout"
    MODEL_LOADING = "model_loading"
    CONFLICT = "conflict"
    DNS_FAILURE = "dns_failure"
    CONNECT_FAILED = "connect_failed"
    CONNECT_TIMEOUT = "connect_timeout"
    CONNECTION_LOST = "connection_lost"
    PROXY_ERROR = "proxy_error"
    READ_TIMEOUT = "read_timeout"
    STREAM_INTERRUPTED = "stream_interrupted"
    PROTOCOL_ERROR = "protocol_error"
    MODEL_OUTPUT_INVALID = "model_output_invalid"
    INVALID_REQUEST = "invalid_request"
    AUTHENTICATION = "authentication"
    PERMISSION_DENIED = "permission_denied"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    QUOTA_EXHAUSTED = "quota_exhausted"
    MODEL_NOT_FOUND = "model_not_found"
    CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded"
    REQUEST_TOO_LARGE = "request_too_large"
    CONTENT_FILTERED = "content_filtered"
    REFUSAL = "refusal"
    OUTPUT_TRUNCATED = "output_truncated"
    UNSUPPORTED_FEATURE = "unsupported_feature"
    TLS_FAILURE = "tls_failure"
    CLIENT_CONFIG = "client_config"
    UNEXPECTED_RESPONSE = "unexpected_response"
    PROXY_AUTH = "proxy_auth"
    CANCELLED = "cancelled"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    CLIENT_CLOSED = "client_closed"
    OUT_OF_MEMORY = "out_of_memory"
    FD_EXHAUSTED = "fd_exhausted"
    OS_LIMIT = "os_limit"
    POOL_EXHAUSTED = "pool_exhausted"
    BUFFER_LIMIT = "buffer_limit"


class Kind(NamedTuple):
    """One row. `retry` is about the same provider, `fallback` about another one, both before any content.

    `error` names the class in `errors.py`. `max_attempts` is the kind's own cap on attempts per target, below
    the policy's; `after` in `retry` means: only after the server's hint or a backoff, like `yes`, but the
    wait is the point of it.
    """

    category: ErrorCategory
    error: str
    retry: Retry
    fallback: bool
    title: str
    message: tuple[str, ...]
    resolution: tuple[str, ...]
    max_attempts: int | None = None


class Text(NamedTuple):
    """What a person is told, in place of the kind's own words."""

    title: str
    message: tuple[str, ...]
    resolution: tuple[str, ...]


_R, _P, _C, _S = ErrorCategory.RETRYABLE, ErrorCategory.PERMANENT, ErrorCategory.CONTEXT, ErrorCategory.RESOURCE
_K = ErrorKind

KINDS: Mapping[ErrorKind, Kind] = {
    _K.RATE_LIMITED: Kind(
        _R, "RateLimited", "after", True, "Rate limited",
        ("{provider} is limiting how fast you may send requests.", "It asks to wait {retry_after}."),
        ("Send fewer requests at a time, or ask {provider} for a higher limit.",)),
    _K.PROVIDER_OVERLOADED: Kind(
        _R, "Overloaded", "after", True, "Provider overloaded",
        ("{provider} is short of capacity right now.",),
        ("Try again in a few minutes, or add a fallback target.",)),
    _K.SERVER_ERROR: Kind(
        _R, "RetryableError", "yes", True, "Provider error",
        ("{provider} had an internal error.",),
        ("Try again; if it goes on, look at {provider}'s status page or add a fallback target.",)),
    _K.GATEWAY_ERROR: Kind(
        _R, "RetryableError", "yes", True, "Gateway error",
        ("{provider}'s front-end could not reach its servers.", "It answered with HTTP {status}."),
        ("Try again; if it goes on, look at {provider}'s status page or add a fallback target.",)),
    _K.PROVIDER_TIMEOUT: Kind(
        _R, "ResponseTimeout", "yes", True, "Provider timed out",
        ("{provider} took too long to answer and gave up.",),
        ("Try again, ask for a shorter answer, or add a fallback target.",), 3),
    _K.MODEL_LOADING: Kind(
        _R, "Overloaded", "after", True, "Model loading",
        ("The model is still loading on {provider}.", "It should be ready in {retry_after}."),
        ("Wait a moment and try again.",)),
    _K.CONFLICT: Kind(
        _R, "RetryableError", "yes", False, "Conflicting request",
        ("Another request is using the same conversation at {provider}.",),
        ("Wait for the other request to end, then try again.",), 2),
    _K.DNS_FAILURE: Kind(
        _R, "ConnectionFailed", "yes", True, "Host not found",
        ("Could not look up {host}.",),
        ("Check your network connection and the spelling of the base URL.",), 2),
    _K.CONNECT_FAILED: Kind(
        _R, "ConnectionFailed", "yes", True, "Connection failed",
        ("Could not connect to {host}.",),
        ("Check that the server is running and reachable, and that the base URL has the right port.",), 2),
    _K.CONNECT_TIMEOUT: Kind(
        _R, "ConnectionFailed", "yes", True, "Connection timed out",
        ("Connecting to {host} timed out.", "It took longer than {seconds} s."),
        ("Check your network, firewall and proxy settings.",), 3),
    _K.CONNECTION_LOST: Kind(
        _R, "ConnectionFailed", "yes", True, "Connection lost",
        ("The connection to {host} closed before an answer arrived.",),
        ("Try again; if it goes on, check your network and any proxy in between.",), 3),
    _K.PROXY_ERROR: Kind(
        _R, "ConnectionFailed", "yes", True, "Proxy failed",
        ("The proxy could not reach {host}.", "The proxy is {proxy}.", "It answered with HTTP {status}."),
        ("Check the HTTPS_PROXY and NO_PROXY settings, or ask who runs the proxy.",), 2),
    _K.READ_TIMEOUT: Kind(
        _R, "ResponseTimeout", "yes", True, "No data",
        ("{provider} stopped sending data.", "Nothing new came for {seconds} s."),
        ("Try again, or raise the first_content or stall timeout for models that think for long.",), 3),
    _K.STREAM_INTERRUPTED: Kind(
        _R, "StreamInterrupted", "yes", True, "Answer cut off",
        ("{provider}'s answer stopped before its end.",),
        ("What was received is in the transcript; ask again, or let it be continued.",)),
    _K.PROTOCOL_ERROR: Kind(
        _R, "MalformedStream", "yes", True, "Unreadable answer",
        ("{provider} sent data that is not valid HTTP or JSON.",),
        ("Try again; if it goes on, check the base URL and any proxy in between, or report it to {provider}.",), 2),
    _K.MODEL_OUTPUT_INVALID: Kind(
        _R, "MalformedStream", "yes", True, "Invalid tool call",
        ("{model} produced a tool call that {provider} could not read.",),
        ("Try again, simplify the tool's parameters, or use another model.",), 3),
    _K.INVALID_REQUEST: Kind(
        _P, "InvalidRequest", "no", False, "Request rejected",
        ("{provider} did not accept the request.", "It says: {detail}"),
        ("Correct the request; sending it again as it is will not work.",)),
    _K.AUTHENTICATION: Kind(
        _P, "AuthenticationFailed", "no", True, "API key not accepted",
        ("{provider} did not accept the API key.",),
        ("Check {env_var}: is the key complete, current, and made for {host}?",), 2),
    _K.PERMISSION_DENIED: Kind(
        _P, "PermissionDenied", "no", True, "Not allowed",
        ("This key may not use {model} or one of the requested features at {provider}.",),
        ("Ask for access in {provider}'s console, or use another model, key or region.",)),
    _K.INSUFFICIENT_FUNDS: Kind(
        _P, "QuotaExhausted", "no", True, "No credit left",
        ("Your {provider} account has no credit or has reached its spending limit.",),
        ("Add credit or raise the limit in {provider}'s billing settings.",)),
    _K.QUOTA_EXHAUSTED: Kind(
        _P, "QuotaExhausted", "no", True, "Quota used up",
        ("Your {provider} quota for this period is used up.", "It resets {resets_at}."),
        ("Wait for the reset, ask {provider} for a larger quota, or add a fallback target.",)),
    _K.MODEL_NOT_FOUND: Kind(
        _P, "ModelNotFound", "no", True, "Model not found",
        ("{provider} has no model called {model}, or this key may not see it.",),
        ("Check the model's name against {provider}'s list of models.",)),
    _K.CONTEXT_LENGTH_EXCEEDED: Kind(
        _P, "ContextLengthExceeded", "no", True, "Conversation too long",
        ("The conversation is too long for {model}.", "It has {used} tokens and the limit is {limit}."),
        ("Shorten the conversation or use a model with a larger context.",)),
    _K.REQUEST_TOO_LARGE: Kind(
        _P, "InvalidRequest", "no", True, "Request too large",
        ("The request is too large for {provider}.", "It has {used} and the limit is {limit}."),
        ("Send less text, or fewer or smaller attachments.",)),
    _K.CONTENT_FILTERED: Kind(
        _P, "ContentBlocked", "no", False, "Blocked by a safety filter",
        ("{provider}'s safety filter blocked the request or its answer.",),
        ("Rephrase the request.", "Another provider is not tried unless you allow it."), 2),
    _K.REFUSAL: Kind(
        _P, "ContentBlocked", "no", False, "Declined",
        ("{model} declined to answer.",),
        ("Rephrase the request.",)),
    _K.OUTPUT_TRUNCATED: Kind(
        _P, "PermanentError", "no", False, "Output limit reached",
        ("The answer reached the output limit and is incomplete.",),
        ("Raise max_tokens, or ask the model to go on.",)),
    _K.UNSUPPORTED_FEATURE: Kind(
        _P, "InvalidRequest", "no", True, "Not supported",
        ("{model} at {provider} does not support {feature}.", "It says: {detail}"),
        ("Leave the option out, or use a model or provider that has it.",)),
    _K.TLS_FAILURE: Kind(
        _P, "PermanentError", "no", True, "Certificate problem",
        ("Could not verify the identity of {host}.", "Reason: {reason}."),
        ("Check the clock, the CA bundle, and whether a proxy inspects TLS traffic.",)),
    _K.CLIENT_CONFIG: Kind(
        _P, "PermanentError", "no", False, "Configuration problem",
        ("The request could not be sent as configured.", "{reason}."),
        ("Check the base URL, the headers and the key for stray characters.",)),
    _K.UNEXPECTED_RESPONSE: Kind(
        _P, "PermanentError", "no", True, "Not the provider's API",
        ("{host} answered, but it is not the {provider} API.",),
        ("Check the base URL; a login page or captive portal may be in between.",)),
    _K.PROXY_AUTH: Kind(
        _P, "PermanentError", "no", False, "Proxy needs a login",
        ("The proxy needs a user name and password.", "The proxy is {proxy}."),
        ("Put them into HTTPS_PROXY (http://user:password@host:port).",)),
    _K.CANCELLED: Kind(
        _C, "ContextError", "no", False, "Cancelled",
        ("The stream was cancelled or closed.",),
        ("What was received until then is in the transcript.",)),
    _K.DEADLINE_EXCEEDED: Kind(
        _C, "DeadlineExceeded", "no", False, "Out of time",
        ("The answer was not finished in time.", "The time allowed was {seconds} s."),
        ("Allow more time; what was received until then is in the transcript.",)),
    _K.CLIENT_CLOSED: Kind(
        _C, "ClientClosed", "no", False, "Client closed",
        ("The client was closed while the answer was on its way.",),
        ("Keep the client open until its streams have ended.",)),
    _K.OUT_OF_MEMORY: Kind(
        _S, "ResourceError", "no", False, "Out of memory",
        ("This process ran out of memory.",),
        ("Lower the concurrency or give the process more memory.",)),
    _K.FD_EXHAUSTED: Kind(
        _S, "ResourceError", "after", False, "Too many open files",
        ("This process has too many open files or sockets.",),
        ("Raise the limit (ulimit -n) or lower the concurrency.",), 3),
    _K.OS_LIMIT: Kind(
        _S, "ResourceError", "after", False, "System limit reached",
        ("The operating system refused a new thread, port or socket.",),
        ("Raise the limit or lower the concurrency.",), 3),
    _K.POOL_EXHAUSTED: Kind(
        _S, "ResourceError", "after", False, "All connections busy",
        ("All connections were busy for too long.", "The limit is {limit}."),
        ("Raise max_concurrency or send fewer requests at a time.",), 3),
    _K.BUFFER_LIMIT: Kind(
        _S, "ResourceError", "no", False, "Event too large",
        ("{provider} sent an event that is too large.", "The limit is {limit}."),
        ("Raise Limits.max_event_bytes if such events are expected.",)),
}  # fmt: skip


TEXTS: Mapping[tuple[ErrorKind, str], Text] = {
    (_K.AUTHENTICATION, "missing_key"): Text(
        "API key missing",
        ("There is no API key for {provider}.",),
        ("Set {env_var}, or give the target its api_key.",)),
    (_K.AUTHENTICATION, "key_callable"): Text(
        "API key missing",
        ("The function that was to give the API key for {provider} failed.", "It raised {detail}."),
        ("Look at the cause of this error.",)),
    (_K.AUTHENTICATION, "no_google_credentials"): Text(
        "No Google credentials",
        ("There are no Google Cloud credentials on this machine.",),
        ("Run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS to a key file.",)),
    (_K.AUTHENTICATION, "no_token"): Text(
        "No access token",
        ("The credentials for {provider} gave no access token.", "The reason is {detail}."),
        ("Log in again, or check that the service account is active.",)),
    (_K.CLIENT_CONFIG, "not_set_up"): Text(
        "Not set up",
        ("{reason}.",),
        ("Then try again, or name another target.",)),
    (_K.CLIENT_CONFIG, "command_not_found"): Text(
        "Program not found",
        ("{reason}.",),
        ("Install it with: npm install -g @anthropic-ai/claude-code",
         "Then run claude once and log in, or set ANTHROPIC_API_KEY.")),
    (_K.CLIENT_CONFIG, "program_failed"): Text(
        "Program failed",
        ("{reason}.",),
        ("Run it by hand to see what it needs; it may have to be updated.",)),
    (_K.CLIENT_CONFIG, "local_model"): Text(
        "Local model not available",
        ("{reason}.",),
        ("Or name another target and set its key.",)),
    (_K.STREAM_INTERRUPTED, "not_continued"): Text(
        "Answer cut off",
        ("{provider}'s answer stopped before its end.", "The cause: {cause}.", "It could not be continued: {tried}."),
        ("What was received is in the transcript; ask again, or give Recovery more methods or targets.",)),
    (_K.STREAM_INTERRUPTED, "contradicted"): Text(
        "Answer cut off",
        ("{provider}'s answer stopped before its end.", "The cause: {cause}.",
         "Another answer does not agree with what was delivered, so it was not joined to it: {tried}."),
        ("What was received is in the transcript; ask again, or give Recovery other methods or targets.",)),
    (_K.STREAM_INTERRUPTED, "not_joined"): Text(
        "Did not fit",
        ("What {provider} answered does not continue what was delivered: {reason}.",),
        ("Nothing of it was delivered.",)),
    (_K.CANCELLED, "abandoned"): Text(
        "Stream closed",
        ("The stream was closed, or nothing was taken from it for too long.",),
        ("What was received until then is in the transcript.",)),
}  # fmt: skip
"""More precise texts for some of the codes that a kind comes with."""


GAVE_UP: Mapping[GaveUp, str] = {
    "attempts": "It was tried {attempts} times.",
    "budget": "It was not tried again: too much of what is sent to {target} fails, and its retry budget is spent.",
    "deadline": "There was no time left to try again.",
    "patience": "It was tried for as long as the retry policy allows.",
    "hint": "That is longer than this client waits.",
}
"""Why a failure that may pass was not tried again, told at the end of its message."""


def sentences(template: tuple[str, ...], facts: Mapping[str, Any]) -> str:
    """Fill a text of the table; a sentence with an unknown fact is left out."""
    return " ".join(sentence.format_map(facts) for sentence in template if _known(sentence, facts))


def _known(sentence: str, facts: Mapping[str, Any]) -> bool:
    names = (name for _, name, _, _ in string.Formatter().parse(sentence) if name)
    return all(facts.get(name) not in (None, "") for name in names)
