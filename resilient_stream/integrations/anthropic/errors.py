"""Writes errors as Anthropic's API does: a status, an object with a type and a message, and headers.

The official SDK chooses a class by the status, so each kind of ours has the status with which Anthropic's own failures
of that kind come. `x-should-retry: false` keeps an SDK from doing again what was tried as often as the policy allows.
The SDK's `error_code` is our kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ...failures.kinds import ErrorKind
from ...formats.statuses import NOT_STORED, retry_after
from ...formats.values import encode
from ...formats.writer import Ending, Refusal
from ...outcome.errors import StreamError
from ..refused import Refused
from ..words import words_of

__all__ = ["ERRORS", "TYPES", "Row", "ended_early", "error_body", "refusal", "refusal_of", "request_headers"]

_K = ErrorKind


class Row(NamedTuple):
    """Says what one kind is called."""

    status: int
    type: str


ERRORS: Mapping[ErrorKind, Row] = {
    _K.RATE_LIMITED: Row(429, "rate_limit_error"),
    _K.PROVIDER_OVERLOADED: Row(529, "overloaded_error"),
    _K.SERVER_ERROR: Row(500, "api_error"),
    _K.GATEWAY_ERROR: Row(502, "api_error"),
    _K.PROVIDER_TIMEOUT: Row(504, "timeout_error"),
    _K.MODEL_LOADING: Row(529, "overloaded_error"),
    _K.CONFLICT: Row(409, "invalid_request_error"),
    _K.DNS_FAILURE: Row(502, "api_error"),
    _K.CONNECT_FAILED: Row(502, "api_error"),
    _K.CONNECT_TIMEOUT: Row(504, "timeout_error"),
    _K.CONNECTION_LOST: Row(502, "api_error"),
    _K.PROXY_ERROR: Row(502, "api_error"),
    _K.READ_TIMEOUT: Row(504, "timeout_error"),
    _K.STREAM_INTERRUPTED: Row(502, "api_error"),
    _K.PROTOCOL_ERROR: Row(502, "api_error"),
    _K.MODEL_OUTPUT_INVALID: Row(502, "api_error"),
    _K.INVALID_REQUEST: Row(400, "invalid_request_error"),
    _K.AUTHENTICATION: Row(401, "authentication_error"),
    _K.PERMISSION_DENIED: Row(403, "permission_error"),
    _K.INSUFFICIENT_FUNDS: Row(402, "billing_error"),
    _K.QUOTA_EXHAUSTED: Row(429, "rate_limit_error"),
    _K.MODEL_NOT_FOUND: Row(404, "not_found_error"),
    _K.CONTEXT_LENGTH_EXCEEDED: Row(400, "invalid_request_error"),
    _K.REQUEST_TOO_LARGE: Row(413, "request_too_large"),
    _K.CONTENT_FILTERED: Row(400, "invalid_request_error"),
    _K.REFUSAL: Row(400, "invalid_request_error"),
    _K.OUTPUT_TRUNCATED: Row(502, "api_error"),
    _K.UNSUPPORTED_FEATURE: Row(400, "invalid_request_error"),
    _K.TLS_FAILURE: Row(502, "api_error"),
    _K.CLIENT_CONFIG: Row(500, "api_error"),
    _K.UNEXPECTED_RESPONSE: Row(502, "api_error"),
    _K.PROXY_AUTH: Row(502, "api_error"),
    _K.CANCELLED: Row(503, "api_error"),
    _K.DEADLINE_EXCEEDED: Row(504, "timeout_error"),
    _K.CLIENT_CLOSED: Row(503, "api_error"),
    _K.OUT_OF_MEMORY: Row(503, "api_error"),
    _K.FD_EXHAUSTED: Row(503, "api_error"),
    _K.OS_LIMIT: Row(503, "api_error"),
    _K.POOL_EXHAUSTED: Row(503, "api_error"),
    _K.BUFFER_LIMIT: Row(502, "api_error"),
}

TYPES: Mapping[int, str] = {400: "invalid_request_error", 404: "not_found_error", 413: "request_too_large"}
"""The types of requests that are not served as they are, by their status; all others are an `api_error`."""

_HEADERS: Mapping[str, str] = {"content-type": "application/json", "x-should-retry": "false", **NOT_STORED}
_ENDED: Mapping[bool, tuple[str, str]] = {
    True: ("The answer was stopped.", "stopped"),
    False: ("The answer ended before it was whole.", "stream_interrupted"),
}
"""The message and code for an answer without an error of its own, by whether it was stopped on purpose."""


def request_headers(request_id: str | None) -> dict[str, str]:
    """Return the header by which the SDK finds a request's id."""
    return {"request-id": request_id} if request_id else {}


def refusal(error: StreamError, request_id: str | None = None, *, advice: bool = False) -> Refusal:
    """Return the response for an answer that failed before any of it was sent.

    advice: also say what to do about it, which is for whoever runs this process.
    """
    headers = {**_HEADERS, **retry_after(error), **request_headers(request_id)}
    return Refusal(ERRORS[error.kind].status, headers, encode(_of_error(error, request_id, advice)))


def refusal_of(refused: Refused, request_id: str | None = None) -> Refusal:
    """Return the response for a request that cannot be served as it is."""
    body = error_body(refused.message, TYPES.get(refused.status, "api_error"), refused.code, request_id)
    return Refusal(refused.status, {**_HEADERS, **request_headers(request_id)}, encode(body))


def ended_early(ending: Ending, request_id: str | None = None, *, advice: bool = False) -> dict[str, Any] | None:
    """Return what is said at the end of an answer that is not whole; None for one that is."""
    if ending.error is not None:
        return _of_error(ending.error, request_id, advice)
    if ending.outcome == "complete":
        return None
    message, code = _ENDED[ending.stopped]
    return error_body(message, "api_error", code, request_id)


def error_body(message: str, type: str, code: str | None, request_id: str | None) -> dict[str, Any]:
    """Return an error as the API writes it, in a response or as an event."""
    details = {"details": {"error_code": code}} if code else {}
    return {"type": "error", "error": {"type": type, "message": message, **details}, "request_id": request_id}


def _of_error(error: StreamError, request_id: str | None, advice: bool) -> dict[str, Any]:
    return error_body(words_of(error, advice=advice), ERRORS[error.kind].type, error.kind.value, request_id)
