"""Writes errors as OpenAI's API does: a status, an object with `message`, `type`, `param` and `code`, and a header.

The official SDKs choose a class by the status, so each kind of ours has the status with which OpenAI's own failures of
that kind come. `x-should-retry: false` keeps an SDK from doing again what was tried as often as the policy allows.
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

__all__ = ["ERRORS", "Row", "ended_early", "error_object", "error_values", "refusal", "refusal_of"]

_K = ErrorKind


class Row(NamedTuple):
    """Says what one kind is called. code: empty where OpenAI has no word of its own for it, then it is our kind's
    name."""

    status: int
    type: str
    code: str = ""


ERRORS: Mapping[ErrorKind, Row] = {
    _K.RATE_LIMITED: Row(429, "rate_limit_error", "rate_limit_exceeded"),
    _K.PROVIDER_OVERLOADED: Row(503, "server_error"),
    _K.SERVER_ERROR: Row(500, "server_error"),
    _K.GATEWAY_ERROR: Row(502, "server_error"),
    _K.PROVIDER_TIMEOUT: Row(504, "server_error"),
    _K.MODEL_LOADING: Row(503, "server_error"),
    _K.CONFLICT: Row(409, "invalid_request_error"),
    _K.DNS_FAILURE: Row(502, "server_error"),
    _K.CONNECT_FAILED: Row(502, "server_error"),
    _K.CONNECT_TIMEOUT: Row(504, "server_error"),
    _K.CONNECTION_LOST: Row(502, "server_error"),
    _K.PROXY_ERROR: Row(502, "server_error"),
    _K.READ_TIMEOUT: Row(504, "server_error"),
    _K.STREAM_INTERRUPTED: Row(502, "server_error"),
    _K.PROTOCOL_ERROR: Row(502, "server_error"),
    _K.MODEL_OUTPUT_INVALID: Row(502, "server_error"),
    _K.INVALID_REQUEST: Row(400, "invalid_request_error"),
    _K.AUTHENTICATION: Row(401, "authentication_error", "invalid_api_key"),
    _K.PERMISSION_DENIED: Row(403, "permission_error"),
    _K.INSUFFICIENT_FUNDS: Row(429, "insufficient_quota", "insufficient_quota"),
    _K.QUOTA_EXHAUSTED: Row(429, "insufficient_quota", "insufficient_quota"),
    _K.MODEL_NOT_FOUND: Row(404, "invalid_request_error", "model_not_found"),
    _K.CONTEXT_LENGTH_EXCEEDED: Row(400, "invalid_request_error", "context_length_exceeded"),
    _K.REQUEST_TOO_LARGE: Row(413, "invalid_request_error"),
    _K.CONTENT_FILTERED: Row(400, "invalid_request_error", "content_filter"),
    _K.REFUSAL: Row(400, "invalid_request_error", "content_filter"),
    _K.OUTPUT_TRUNCATED: Row(502, "server_error"),
    _K.UNSUPPORTED_FEATURE: Row(400, "invalid_request_error"),
    _K.TLS_FAILURE: Row(502, "server_error"),
    _K.CLIENT_CONFIG: Row(500, "server_error"),
    _K.UNEXPECTED_RESPONSE: Row(502, "server_error"),
    _K.PROXY_AUTH: Row(502, "server_error"),
    _K.CANCELLED: Row(503, "server_error"),
    _K.DEADLINE_EXCEEDED: Row(504, "server_error"),
    _K.CLIENT_CLOSED: Row(503, "server_error"),
    _K.OUT_OF_MEMORY: Row(503, "server_error"),
    _K.FD_EXHAUSTED: Row(503, "server_error"),
    _K.OS_LIMIT: Row(503, "server_error"),
    _K.POOL_EXHAUSTED: Row(503, "server_error"),
    _K.BUFFER_LIMIT: Row(502, "server_error"),
}

_HEADERS: Mapping[str, str] = {"content-type": "application/json", "x-should-retry": "false", **NOT_STORED}
_NOT_WHOLE = "The answer ended before it was whole."


def request_headers(request_id: str | None) -> dict[str, str]:
    """Return the header by which the SDK finds a request's id."""
    return {"x-request-id": request_id} if request_id else {}


def error_object(error: StreamError, *, advice: bool = False) -> dict[str, Any]:
    """Return an error as OpenAI's error object.

    advice: also say what to do about it, which is for whoever runs this process.
    """
    row = ERRORS[error.kind]
    return _object(words_of(error, advice=advice), row.type, None, row.code or error.kind.value)


def ended_early(ending: Ending, *, advice: bool = False) -> dict[str, Any] | None:
    """Return what is said at the end of a broken answer; None for one that is whole, or was stopped on purpose."""
    if ending.error is not None:
        return error_object(ending.error, advice=advice)
    if ending.outcome == "complete" or ending.stopped:
        return None
    return error_values(_NOT_WHOLE, ErrorKind.STREAM_INTERRUPTED.value)


def refusal(error: StreamError, request_id: str | None = None, *, advice: bool = False) -> Refusal:
    """Return the response for an answer that failed before any of it was sent."""
    body = {"error": error_object(error, advice=advice)}
    headers = {**_HEADERS, **retry_after(error), **request_headers(request_id)}
    return Refusal(ERRORS[error.kind].status, headers, encode(body))


def refusal_of(refused: Refused, request_id: str | None = None) -> Refusal:
    """Return the response for a request that cannot be served as it is."""
    kind = "server_error" if refused.status >= 500 else "invalid_request_error"
    body = {"error": _object(refused.message, kind, refused.param, refused.code)}
    return Refusal(refused.status, {**_HEADERS, **request_headers(request_id)}, encode(body))


def error_values(message: str, code: str) -> dict[str, Any]:
    """Return an error that is said in the middle of an answer, and is none of ours."""
    return _object(message, "server_error", None, code)


def _object(message: str, type: str, param: str | None, code: str | None) -> dict[str, Any]:
    return {"message": message, "type": type, "param": param, "code": code}
