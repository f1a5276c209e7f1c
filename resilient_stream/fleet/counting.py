"""Says which failures show that a target is sick: one row for each kind.

A failure counts if the next request to the target would probably meet it, too, whoever sends it. What only this request
caused does not count (it is too long, it was filtered). Nor does what the caller or this process did: a deadline, no
memory.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..failures.kinds import ErrorKind

__all__ = ["COUNTS"]

COUNTS: Mapping[ErrorKind, bool] = {
    ErrorKind.RATE_LIMITED: True,
    ErrorKind.PROVIDER_OVERLOADED: True,
    ErrorKind.SERVER_ERROR: True,
    ErrorKind.GATEWAY_ERROR: True,
    ErrorKind.PROVIDER_TIMEOUT: True,
    ErrorKind.MODEL_LOADING: True,
    ErrorKind.CONFLICT: False,
    ErrorKind.DNS_FAILURE: True,
    ErrorKind.CONNECT_FAILED: True,
    ErrorKind.CONNECT_TIMEOUT: True,
    ErrorKind.CONNECTION_LOST: True,
    ErrorKind.PROXY_ERROR: True,
    ErrorKind.READ_TIMEOUT: True,
    ErrorKind.STREAM_INTERRUPTED: True,
    ErrorKind.PROTOCOL_ERROR: True,
    ErrorKind.MODEL_OUTPUT_INVALID: False,
    ErrorKind.INVALID_REQUEST: False,
    ErrorKind.AUTHENTICATION: True,
    ErrorKind.PERMISSION_DENIED: False,
    ErrorKind.INSUFFICIENT_FUNDS: True,
    ErrorKind.QUOTA_EXHAUSTED: True,
    ErrorKind.MODEL_NOT_FOUND: True,
    ErrorKind.CONTEXT_LENGTH_EXCEEDED: False,
    ErrorKind.REQUEST_TOO_LARGE: False,
    ErrorKind.CONTENT_FILTERED: False,
    ErrorKind.REFUSAL: False,
    ErrorKind.OUTPUT_TRUNCATED: False,
    ErrorKind.UNSUPPORTED_FEATURE: False,
    ErrorKind.TLS_FAILURE: True,
    ErrorKind.CLIENT_CONFIG: False,
    ErrorKind.UNEXPECTED_RESPONSE: True,
    ErrorKind.PROXY_AUTH: True,
    ErrorKind.CANCELLED: False,
    ErrorKind.DEADLINE_EXCEEDED: False,
    ErrorKind.CLIENT_CLOSED: False,
    ErrorKind.OUT_OF_MEMORY: False,
    ErrorKind.FD_EXHAUSTED: False,
    ErrorKind.OS_LIMIT: False,
    ErrorKind.POOL_EXHAUSTED: False,
    ErrorKind.BUFFER_LIMIT: False,
}
