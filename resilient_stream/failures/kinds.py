"""Holds the one table of failures: 40 kinds, what the SDK does about each, and what a person is told.

Everything that depends on a kind is read from `KINDS`. Retry, fallback, error classes, `explain`, logs, documents and
tests have this table and no other, so they cannot disagree. How a failure is recognised is not written here but in
`classify/` and the providers.

A text is a tuple of sentences. A sentence whose `{fact}` is unknown is left out, so every message reads well with what
is known. Facts: provider model target host address env_var status retry_after resets_at limit used seconds feature
reason proxy variable attempts kept detail (the provider's own words, shortened). provider is whoever answered: where
that is a host of somebody else, `gateway` is its name and `vendor` is unknown; `dialect` is the provider always.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal, NamedTuple, TypeAlias

__all__ = [
    "GAVE_UP",
    "KEPT",
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
    """Says who has to act: nobody (retryable), the developer (permanent), the caller (context), this host
    (resource)."""

    RETRYABLE = "retryable"
    PERMANENT = "permanent"
    CONTEXT = "context"
    RESOURCE = "resource"


class ErrorKind(StrEnum):
    """Names the kinds of failure. `KINDS` says what follows from each."""

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
    """Describes one kind, as a row of `KINDS`. `retry` is about the same provider, `fallback` about another one, both
    before any content.

    `error` names the class in `outcome/errors.py`. `max_attempts` limits the attempts per target below the policy's
    limit. `retry` "after" is like "yes", but the wait itself matters: a retry comes only after the server's hint or a
    backoff.
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
    """Replaces the kind's own text for a person."""

    title: str
    message: tuple[str, ...]
    resolution: tuple[str, ...]


_R, _P, _C, _S = ErrorCategory.RETRYABLE, ErrorCategory.PERMANENT, ErrorCategory.CONTEXT, ErrorCategory.RESOURCE
_K = ErrorKind

_ASKS_TO_WAIT = "It asks to wait {retry_after}."
_SAYS = "It says: {detail}"
_IF_IT_GOES_ON = (
    "Try again; if it goes on, look at the status page of {vendor} or add a fallback target.",
    "Try again; if it goes on, ask who runs {gateway}, or add a fallback target.",
)

KINDS: Mapping[ErrorKind, Kind] = {
    _K.RATE_LIMITED: Kind(
        _R, "RateLimited", "after", True, "Rate limited",
        ("{provider} is limiting how fast you may send requests.", _ASKS_TO_WAIT),
        ("Send fewer requests at a time, or ask {vendor} for a higher limit.",
         "Send fewer requests at a time, or ask who runs {gateway} for a higher limit.")),
    _K.PROVIDER_OVERLOADED: Kind(
        _R, "Overloaded", "after", True, "Provider overloaded",
        ("{provider} is short of capacity right now.", _ASKS_TO_WAIT),
        ("Try again in a few minutes, or add a fallback target.",)),
    _K.SERVER_ERROR: Kind(
        _R, "RetryableError", "yes", True, "Provider error",
        ("{provider} had an internal error.", _ASKS_TO_WAIT),
        _IF_IT_GOES_ON),
    _K.GATEWAY_ERROR: Kind(
        _R, "RetryableError", "yes", True, "Gateway error",
        ("{provider} could not reach its own servers.", "The answer was HTTP {status}.", _ASKS_TO_WAIT),
        _IF_IT_GOES_ON),
    _K.PROVIDER_TIMEOUT: Kind(
        _R, "ResponseTimeout", "yes", True, "Provider timed out",
        ("{provider} took too long to answer and gave up.", _ASKS_TO_WAIT),
        ("Try again, ask for a shorter answer, or add a fallback target.",), 3),
    _K.MODEL_LOADING: Kind(
        _R, "Overloaded", "after", True, "Model loading",
        ("The model is still loading at {provider}.", "It should be ready in {retry_after}."),
        ("Wait a moment and try again.",)),
    _K.CONFLICT: Kind(
        _R, "RetryableError", "yes", False, "Conflicting request",
        ("Another request is using the same conversation at {provider}.", _ASKS_TO_WAIT),
        ("Wait for the other request to end, then try again.",), 2),
    _K.DNS_FAILURE: Kind(
        _R, "ConnectionFailed", "yes", True, "Host not found",
        ("The address of {host} could not be found.",),
        ("Check your network connection and the spelling of the base URL.",), 2),
    _K.CONNECT_FAILED: Kind(
        _R, "ConnectionFailed", "yes", True, "Connection failed",
        ("Could not connect to {host}.",),
        ("Check that the server is running and reachable, and that the base URL has the right port.",), 2),
    _K.CONNECT_TIMEOUT: Kind(
        _R, "ConnectionFailed", "yes", True, "Connection timed out",
        ("Connecting to {host} took too long.", "The limit is {seconds}.",
         "The proxy on the way is {proxy}.", "Its address is in {variable}."),
        ("Check your network, firewall and proxy settings.",), 3),
    _K.CONNECTION_LOST: Kind(
        _R, "ConnectionFailed", "yes", True, "Connection lost",
        ("The connection to {host} closed before an answer arrived.",),
        ("Try again; if it goes on, check your network and any proxy in between.",), 3),
    _K.PROXY_ERROR: Kind(
        _R, "ConnectionFailed", "yes", True, "Proxy failed",
        ("The proxy could not reach {host}.", "It answered with HTTP {status}.", "The proxy is {proxy}.",
         "Its address is in {variable}."),
        ("Check the proxy's address and NO_PROXY, or ask who runs the proxy.",), 2),
    _K.READ_TIMEOUT: Kind(
        _R, "ResponseTimeout", "yes", True, "Answer stalled",
        ("{provider} stopped sending the answer.", "Nothing new came for {seconds}."),
        ("Try again, or raise the stall timeout for models that pause for long.",), 3),
    _K.STREAM_INTERRUPTED: Kind(
        _R, "StreamInterrupted", "yes", True, "Answer cut off",
        ("The answer from {provider} stopped before its end.",),
        ("Ask again, or let the answer be continued.",)),
    _K.PROTOCOL_ERROR: Kind(
        _R, "MalformedStream", "yes", True, "Unreadable answer",
        ("{provider} sent an answer that cannot be read.", "{reason}"),
        ("Try again; if it goes on, check the base URL and any proxy in between, or report it to {vendor}.",
         "Try again; if it goes on, check the base URL and any proxy in between, or ask who runs {gateway}."), 2),
    _K.MODEL_OUTPUT_INVALID: Kind(
        _R, "MalformedStream", "yes", True, "Invalid tool call",
        ("{model} produced a tool call that {provider} could not read.",),
        ("Try again, simplify the tool's parameters, or use another model.",), 3),
    _K.INVALID_REQUEST: Kind(
        _P, "InvalidRequest", "no", False, "Request rejected",
        ("{provider} did not accept the request.", _SAYS),
        ("Correct the request; sending it again as it is will not work.",)),
    _K.AUTHENTICATION: Kind(
        _P, "AuthenticationFailed", "no", True, "API key not accepted",
        ("{provider} did not accept the API key.", "It was sent to {address}."),
        ("Check that the key is complete and still valid.", "It comes from {env_var}, or from the target's api_key."),
        2),
    _K.PERMISSION_DENIED: Kind(
        _P, "PermissionDenied", "no", True, "Not allowed",
        ("This key may not use {model}, or something else that was asked for, at {provider}.",),
        ("Ask for access in the console of {vendor}, or use another model, key or region.",
         "Ask who runs {gateway} for access, or use another model or key.")),
    _K.INSUFFICIENT_FUNDS: Kind(
        _P, "QuotaExhausted", "no", True, "No credit left",
        ("Your account at {provider} has no credit or has reached its spending limit.",),
        ("Add credit or raise the limit in the billing settings of {vendor}.",
         "Ask who runs {gateway}: the limit may be its own, or that of the provider behind it.")),
    _K.QUOTA_EXHAUSTED: Kind(
        _P, "QuotaExhausted", "no", True, "Quota used up",
        ("Your quota at {provider} is used up for this period.", "It starts anew {resets_at}."),
        ("Wait until then, ask {vendor} for a larger quota, or add a fallback target.",
         "Wait until then, ask who runs {gateway} for a larger quota, or add a fallback target.")),
    _K.MODEL_NOT_FOUND: Kind(
        _P, "ModelNotFound", "no", True, "Model not found",
        ("{provider} does not have {model}, or does not show it to this key.",),
        ("Check the model's name in the list of models of {vendor}.",
         "Check the model's name: {gateway} may know it by another one.")),
    _K.CONTEXT_LENGTH_EXCEEDED: Kind(
        _P, "ContextLengthExceeded", "no", True, "Conversation too long",
        ("The conversation is too long for {model}.", "It has {used} tokens.", "The limit is {limit} tokens."),
        ("Shorten the conversation or use a model that can read more.",)),
    _K.REQUEST_TOO_LARGE: Kind(
        _P, "InvalidRequest", "no", True, "Request too large",
        ("The request is too large for {provider}.", "Its size is {used}.", "The limit is {limit}."),
        ("Send less text, or fewer or smaller attachments.",)),
    _K.CONTENT_FILTERED: Kind(
        _P, "ContentBlocked", "no", False, "Blocked by a safety filter",
        ("The safety filter of {provider} blocked the request or its answer.",),
        ("Rephrase the request.", "No other provider is asked: that is for you to decide."), 2),
    _K.REFUSAL: Kind(
        _P, "ContentBlocked", "no", False, "Declined",
        ("{model} declined to answer.",),
        ("Rephrase the request.",)),
    _K.OUTPUT_TRUNCATED: Kind(
        _P, "PermanentError", "no", False, "Output limit reached",
        ("The answer reached the output limit and is incomplete.",),
        ("Raise max_tokens, or ask the model to continue.",)),
    _K.UNSUPPORTED_FEATURE: Kind(
        _P, "InvalidRequest", "no", True, "Not supported",
        ("{model} at {provider} does not support {feature}.", _SAYS),
        ("Leave the option out, or use a model or provider that has it.",)),
    _K.TLS_FAILURE: Kind(
        _P, "PermanentError", "no", True, "Certificate problem",
        ("The identity of {host} could not be verified.", "Reason: {reason}"),
        ("Check this machine's clock and certificates, and whether a proxy reads encrypted traffic.",)),
    _K.CLIENT_CONFIG: Kind(
        _P, "PermanentError", "no", False, "Configuration problem",
        ("The request could not be sent as configured.", "{reason}"),
        ("Check the base URL, the headers and the key for stray characters.",)),
    _K.UNEXPECTED_RESPONSE: Kind(
        _P, "PermanentError", "no", True, "Unexpected answer",
        ("{host} answered, but not as {dialect} would.", "The answer was HTTP {status}."),
        ("Check the base URL; a login page of your network may also be in between.",)),
    _K.PROXY_AUTH: Kind(
        _P, "PermanentError", "no", False, "Proxy needs a login",
        ("The proxy needs a user name and password.", "The proxy is {proxy}."),
        ("Put them into the proxy's address (http://user:password@host:port).", "The address is in {variable}.")),
    _K.CANCELLED: Kind(
        _C, "ContextError", "no", False, "Cancelled",
        ("The answer was cancelled.",),
        ("Ask again if you still want it.",)),
    _K.DEADLINE_EXCEEDED: Kind(
        _C, "DeadlineExceeded", "no", False, "Out of time",
        ("The answer was not finished in time.", "The limit was {seconds}."),
        ("Allow more time, or ask for a shorter answer.",)),
    _K.CLIENT_CLOSED: Kind(
        _C, "ClientClosed", "no", False, "Client closed",
        ("The client was closed while the answer was on its way.",),
        ("Keep the client open until its streams have ended.",)),
    _K.OUT_OF_MEMORY: Kind(
        _S, "ResourceError", "no", False, "Out of memory",
        ("This process ran out of memory.",),
        ("Run fewer requests at a time, or give the process more memory.",)),
    _K.FD_EXHAUSTED: Kind(
        _S, "ResourceError", "after", False, "Too many open files",
        ("This process has too many files and connections open.",),
        ("Raise the limit (ulimit -n), or run fewer requests at a time.",), 3),
    _K.OS_LIMIT: Kind(
        _S, "ResourceError", "after", False, "System limit reached",
        ("The operating system refused a new thread, port or connection.",),
        ("Raise the limit, or run fewer requests at a time.",), 3),
    _K.POOL_EXHAUSTED: Kind(
        _S, "ResourceError", "after", False, "All connections busy",
        ("All connections were busy for too long.", "The limit is {limit}."),
        ("Raise max_concurrency or send fewer requests at a time.",), 3),
    _K.BUFFER_LIMIT: Kind(
        _S, "ResourceError", "no", False, "Event too large",
        ("{provider} sent a single piece that is too large.", "The limit is {limit}."),
        ("Raise Limits.max_event_bytes if such pieces are expected.",)),
}  # fmt: skip


TEXTS: Mapping[tuple[ErrorKind, str], Text] = {
    (_K.PROVIDER_OVERLOADED, "breaker_open"): Text(
        "Skipped by the breaker",
        ("{detail}",),
        ("See in the log why they failed. Allow the call more time than that, or add a fallback target.",)),
    (_K.QUOTA_EXHAUSTED, "own_budget"): Text(
        "Budget used up",
        ("{detail}",),
        ("Wait until the day ends (UTC), or raise Limits.cost_per_day.",
         "A fallback target helps where it is the budget of one target.",)),
    (_K.MODEL_OUTPUT_INVALID, "outputs_missing"): Text(
        "Outputs missing",
        ("{model} finished without giving {feature}.", "{reason}."),
        ("Say in the prompt which outputs are needed, or give on_incomplete, so that a person can help.",)),
    (_K.MODEL_OUTPUT_INVALID, "output_invalid"): Text(
        "Object not as asked for",
        ("{model} gave an answer that is not {feature}, as output= asks for.", "{reason}."),
        ("The text is in {transcript}.",
         "Say in the prompt or the fields' descriptions what belongs where, or take another model.")),
    (_K.MODEL_OUTPUT_INVALID, "max_turns"): Text(
        "Too many turns",
        ("{model} had not finished after {limit} turns.",),
        ("Raise max_turns, or continue from the history of this conversation.",)),
    (_K.MODEL_OUTPUT_INVALID, "no_call"): Text(
        "Tool call missing",
        ("{model} ended its answer to have a tool called, but {provider} sent no call.",),
        ("The text of the answer is in {transcript}.", "Try again, or use another model.")),
    (_K.UNEXPECTED_RESPONSE, "nothing_read"): Text(
        "Nothing readable",
        ("{provider}'s answer ended properly, but nothing in it could be read.", "It should have had {missing}.",
         "Not understood: {unknown}."),
        ("Check that the base URL belongs to {dialect}; look for a newer version of this library.",)),
    (_K.AUTHENTICATION, "missing_key"): Text(
        "API key missing",
        ("There is no API key for {provider}.",),
        ("Set {env_var} in the environment.", "A target can also be given its api_key.")),
    (_K.AUTHENTICATION, "key_callable"): Text(
        "API key missing",
        ("The function that should return the API key for {provider} failed.", "It raised {detail}"),
        ("Look at the cause of this error.",)),
    (_K.AUTHENTICATION, "no_google_credentials"): Text(
        "No Google credentials",
        ("There are no Google Cloud credentials on this machine.",),
        ("Run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS to a key file.",)),
    (_K.AUTHENTICATION, "no_token"): Text(
        "No access token",
        ("The credentials for {provider} gave no access token.", "The reason is {detail}."),
        ("Log in again, or check that the service account is active.",)),
    (_K.AUTHENTICATION, "no_aws_credentials"): Text(
        "No AWS credentials",
        ("There are no AWS credentials on this machine.", "{reason}."),
        ("Set AWS_BEARER_TOKEN_BEDROCK to an API key, or run aws sso login or aws configure, or set AWS_PROFILE.",)),
    (_K.AUTHENTICATION, "ExpiredTokenException"): Text(
        "Session expired",
        ("{provider} did not accept the credentials: their session has expired.",),
        ("Log in again (aws sso login), or set new credentials.",)),
    (_K.BUFFER_LIMIT, "held"): Text(
        "Answer too large to hold",
        ("{provider} sent more than can be held back: tool calls, a refusal, or events without content.",
         "The limit is {limit}."),
        ("Raise Limits.max_event_bytes if such answers are expected.",)),
    (_K.BUFFER_LIMIT, "pieces"): Text(
        "Too many small pieces",
        ("{provider} sent nothing but tiny pieces, more at once than any answer has.", "The limit is {limit}."),
        ("Check that the base URL belongs to {dialect}; otherwise, ask who runs it.",)),
    (_K.CLIENT_CONFIG, "unexpected"): Text(
        "Request could not be made",
        ("The request to {provider} could not be written.", "{reason}"),
        ("Look for a value of an odd type or size; the cause of this error says where.",
         "Otherwise, please report it.")),
    (_K.PROTOCOL_ERROR, "unexpected"): Text(
        "Unreadable answer",
        ("The answer of {provider} could not be read.", "{reason}"),
        ("Try again; if it goes on, please report the cause of this error as a bug of this library.",)),
    (_K.PROTOCOL_ERROR, "header_too_long"): Text(
        "Unreadable answer",
        ("{provider}, or something in between, answered with headers that are too large.", "{reason}"),
        ("It was not tried again, since the answer would be the same; check what the gateway or proxy adds.",)),
    (_K.PROTOCOL_ERROR, "compressed"): Text(
        "Unreadable answer",
        ("{reason}",),
        ("Switch compression off for this path at the proxy or gateway; it also delays each piece of an answer.",)),
    (_K.PROXY_ERROR, "proxy_setting"): Text(
        "Proxy cannot be used",
        ("{reason}.", "The proxy is {proxy}."),
        ("Name an HTTP proxy there, or put {host} into NO_PROXY; SOCKS needs a session of your own: Client(session=…).",
         )),
    (_K.PROXY_ERROR, "proxy_failed"): Text(
        "Proxy failed",
        ("The proxy {proxy} did not pass the request on to {host}: {reason}.", "Its address is in {variable}."),
        ("Check the proxy, or put {host} into NO_PROXY if it can be reached without one.",)),
    (_K.TLS_FAILURE, "in_the_clear"): Text(
        "Encryption needed",
        ("{host} takes encrypted requests only, and this one was sent in the clear.",),
        ("Use https in the base URL.",)),
    (_K.PERMISSION_DENIED, "reasoning_summary"): Text(
        "No summaries allowed",
        ("{provider} gives summaries of the reasoning to verified organizations only.",),
        ("Verify the organization, or switch off the target's option reasoning_summary.",)),
    (_K.PERMISSION_DENIED, "proxy_refused"): Text(
        "Refused by the proxy",
        ("The proxy does not let requests through to {host}.", "The proxy is {proxy}.",
         "Its address is in {variable}."),
        ("Ask who runs the proxy, or put {host} into NO_PROXY if it can be reached without one.",)),
    (_K.CLIENT_CONFIG, "certificates"): Text(
        "Certificates missing",
        ("No server can be verified: {reason}.",),
        ("Set it to a file or directory of certificates in PEM form, or unset it.",)),
    (_K.CLIENT_CONFIG, "mcp_server"): Text(
        "MCP server not usable",
        ("The MCP server {feature} gave no tools.", "{reason}"),
        ("Start it by hand with the same command or address; the cause of this error has its words.",)),
    (_K.CLIENT_CONFIG, "not_set_up"): Text(
        "Not set up",
        ("{reason}",),
        ("Set that up and try again, or name another target that is set up.",)),
    (_K.CLIENT_CONFIG, "command_not_found"): Text(
        "Program not found",
        ("Claude Code's program was not found.", "{reason}"),
        ("Install it: npm install -g @anthropic-ai/claude-code.",
         "Then run `claude` once to log in, or set ANTHROPIC_API_KEY.")),
    (_K.CLIENT_CONFIG, "program_failed"): Text(
        "Program failed",
        ("The program ended without an answer.", "{reason}"),
        ("Run it by hand to see what it needs; it may have to be updated.",)),
    (_K.CLIENT_CONFIG, "missing_address"): Text(
        "Address missing",
        ("Each user of {provider} has an address of their own, and it is not set.",),
        ("Set {env_var}, or give the target its base_url.",)),
    (_K.CLIENT_CONFIG, "local_model"): Text(
        "Local model not available",
        ("The local model cannot be used.", "{reason}"),
        ("Correct that, or name another target and set its key.",)),
    (_K.READ_TIMEOUT, "first_content"): Text(
        "No answer yet",
        ("{provider} did not begin to answer.", "The limit is {seconds}."),
        ("Try again, or raise the first_content timeout for models that think for long.",)),
    (_K.STREAM_INTERRUPTED, "empty"): Text(
        "Empty answer",
        ("The answer from {provider} had nothing in it.",),
        ("Try again; if it goes on, check the base URL and the model's name.",)),
    (_K.INVALID_REQUEST, "not_recorded"): Text(
        "Not recorded",
        ("{reason}",),
        ("Record the conversation again, or change it back to what was recorded.",)),
    (_K.CLIENT_CONFIG, "no_recording"): Text(
        "No recording",
        ("{reason}",),
        ("Make one with Client(record=FILE), or correct the path.",)),
    (_K.STREAM_INTERRUPTED, "recording_ends"): Text(
        "The recording ends here",
        ("When it was made, the answer was not read any further.",),
        ("What was received is in {transcript}.", "To have all of it, record it again to its end.")),
    (_K.OUT_OF_MEMORY, "max_rss_bytes"): Text(
        "Memory limit reached",
        ("This process uses {used} of memory, and Limits.max_rss_bytes is {limit}.",),
        ("Send fewer requests at a time or raise the limit.",)),
    (_K.MODEL_OUTPUT_INVALID, "learned"): Text(
        "Tool calls not streamed",
        ("Earlier, {target} streamed a tool call that could not be read.",),
        ("It is now asked for whole answers when tools are given; update the server.",)),
    (_K.OS_LIMIT, "spool"): Text(
        "No room for the answer",
        ("The answer is larger than {size} and could not be kept in a temporary file.", "Reason: {reason}."),
        ("Make room in the temporary directory, or name another one in TMPDIR.",)),
    (_K.STREAM_INTERRUPTED, "not_continued"): Text(
        "Answer cut off",
        ("{provider}'s answer stopped before its end.", "The cause: {cause}.", "It could not be continued: {tried}."),
        ("What was received is in {transcript}.", "Ask again, or give Recovery more methods or targets.")),
    (_K.STREAM_INTERRUPTED, "contradicted"): Text(
        "Answer cut off",
        ("{provider}'s answer stopped before its end.", "The cause: {cause}.",
         "Another answer does not agree with what was delivered, so it was not joined to it: {tried}."),
        ("What was received is in {transcript}.", "Ask again, or give Recovery other methods or targets.")),
    (_K.STREAM_INTERRUPTED, "not_joined"): Text(
        "Continuation rejected",
        ("The new answer of {provider} does not continue the delivered text: {reason}.",),
        ("It was not delivered.",)),
    (_K.RATE_LIMITED, "own_limit"): Text(
        "Over a limit of ours",
        ("{detail}",),
        ("Allow more time, raise the limit, or add a fallback target.",)),
    (_K.DEADLINE_EXCEEDED, "in_the_line"): Text(
        "Out of time while waiting",
        ("The request waited for its turn at {target} until the deadline passed.", "The deadline was {seconds}.",
         "Streams that Limits allow there at a time: {limit}."),
        ("Allow more time, raise the target's Limits, or send fewer requests at a time.",)),
    (_K.CLIENT_CLOSED, "already_closed"): Text(
        "Client closed",
        ("The client is closed.",),
        ("Make a new one, or keep this one open until the last answer.",)),
    (_K.CANCELLED, "abandoned"): Text(
        "Stream closed",
        ("The stream was closed, or nothing was taken from it for too long.",),
        ("Ask again if you still want the answer.",)),
}  # fmt: skip
"""More precise texts for some of the codes that a kind comes with."""


KEPT = "{kept} received and kept."
"""Sentences that are added to a message when a part of the answer had arrived."""


GAVE_UP: Mapping[GaveUp, str] = {
    "attempts": "It was tried {attempts} times.",
    "budget": "It was not tried again: too many requests to {target} fail, and its retry budget is used up.",
    "deadline": "There was no time left to try again.",
    "patience": "It was tried for as long as the retry policy allows.",
    "hint": "It was not tried again.",
}
"""Why a failure that may pass was not tried again, told at the end of its message."""


def sentences(template: tuple[str, ...], facts: Mapping[str, Any]) -> str:
    """Fill in a text of the table, and leave out each sentence with an unknown fact."""
    return " ".join(_finished(sentence.format_map(facts)) for sentence in template if _has_all_facts(sentence, facts))


def _has_all_facts(sentence: str, facts: Mapping[str, Any]) -> bool:
    names = (name for _, name, _, _ in string.Formatter().parse(sentence) if name)
    return all(facts.get(name) not in (None, "") for name in names)


def _finished(sentence: str) -> str:
    """Return a sentence with a full stop, and with a capital where it begins with `the provider` (not with a name like
    xAI)."""
    sentence = sentence.strip()
    if sentence.endswith("..") and not sentence.endswith("..."):
        sentence = sentence[:-1]  # the fact is a sentence of its own
    if sentence.startswith("the "):
        sentence = f"T{sentence[1:]}"
    return sentence if sentence.rstrip("\"')]").endswith((".", "!", "?", "…")) else f"{sentence}."
