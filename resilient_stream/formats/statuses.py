"""Chooses the HTTP status with which a server answers its own client when an answer failed before it began: one row a
kind.

A key that the provider refuses is this server's fault and not the browser's, so most failures are a 502. Formats that
speak a provider's own API have tables of their own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import copy
from typing import Any

import msgspec

from ..failures.kinds import ErrorKind, Text
from ..outcome.errors import AllTargetsFailed, StreamError

__all__ = ["NOT_STORED", "STATUS", "message_of", "retry_after", "shown", "title_of"]

STATUS: Mapping[ErrorKind, int] = {
    ErrorKind.RATE_LIMITED: 429,
    ErrorKind.PROVIDER_OVERLOADED: 503,
    ErrorKind.SERVER_ERROR: 502,
    ErrorKind.GATEWAY_ERROR: 502,
    ErrorKind.PROVIDER_TIMEOUT: 504,
    ErrorKind.MODEL_LOADING: 503,
    ErrorKind.CONFLICT: 502,
    ErrorKind.DNS_FAILURE: 502,
    ErrorKind.CONNECT_FAILED: 502,
    ErrorKind.CONNECT_TIMEOUT: 504,
    ErrorKind.CONNECTION_LOST: 502,
    ErrorKind.PROXY_ERROR: 502,
    ErrorKind.READ_TIMEOUT: 504,
    ErrorKind.STREAM_INTERRUPTED: 502,
    ErrorKind.PROTOCOL_ERROR: 502,
    ErrorKind.MODEL_OUTPUT_INVALID: 502,
    ErrorKind.INVALID_REQUEST: 400,
    ErrorKind.AUTHENTICATION: 502,
    ErrorKind.PERMISSION_DENIED: 502,
    ErrorKind.INSUFFICIENT_FUNDS: 503,
    ErrorKind.QUOTA_EXHAUSTED: 503,
    ErrorKind.MODEL_NOT_FOUND: 502,
    ErrorKind.CONTEXT_LENGTH_EXCEEDED: 413,
    ErrorKind.REQUEST_TOO_LARGE: 413,
    ErrorKind.CONTENT_FILTERED: 422,
    ErrorKind.REFUSAL: 422,
    ErrorKind.OUTPUT_TRUNCATED: 502,
    ErrorKind.UNSUPPORTED_FEATURE: 400,
    ErrorKind.TLS_FAILURE: 502,
    ErrorKind.CLIENT_CONFIG: 500,
    ErrorKind.UNEXPECTED_RESPONSE: 502,
    ErrorKind.PROXY_AUTH: 502,
    ErrorKind.CANCELLED: 503,
    ErrorKind.DEADLINE_EXCEEDED: 504,
    ErrorKind.CLIENT_CLOSED: 503,
    ErrorKind.OUT_OF_MEMORY: 503,
    ErrorKind.FD_EXHAUSTED: 503,
    ErrorKind.OS_LIMIT: 503,
    ErrorKind.POOL_EXHAUSTED: 503,
    ErrorKind.BUFFER_LIMIT: 502,
}

NOT_STORED: Mapping[str, str] = {"cache-control": "no-store"}
"""The header by which no cache keeps an answer, nor the news that there was none."""

LONGEST_WAIT = 86_400


def retry_after(error: StreamError) -> dict[str, str]:
    """Return the header that says when to ask again, where the provider said it."""
    wait = error.retry_after
    return {"retry-after": str(math.ceil(min(wait, LONGEST_WAIT)))} if wait else {}


def shown(error: StreamError) -> dict[str, Any]:
    """Return what a reader of this server is told of an error.

    The resolution, the target, its address and the provider's request id speak to whoever runs the server, and stay in
    its log.
    """
    return {
        "kind": error.kind.value,
        "category": error.category.value,
        "title": title_of(error),
        "message": message_of(error),
        "retryable": error.retryable,
        "retry_after": error.retry_after,
    }


def title_of(error: StreamError) -> str:
    """Return what happened in a few words for a reader, who knows of a server and of no client in it."""
    return _SHUT_DOWN.title if error.kind is ErrorKind.CLIENT_CLOSED else error.title


def message_of(error: StreamError) -> str:
    """Return what happened, in words that name no target, no variable, and no address of a server or a proxy, since a
    reader of an answer should not learn them."""
    if isinstance(error, AllTargetsFailed):
        return " ".join(dict.fromkeys(f"{each.title}: {message_of(each)}" for each in error.errors))
    told = copy(error)
    if error.kind is ErrorKind.CLIENT_CLOSED:
        told.said = _SHUT_DOWN
    told.provider, told.host, told.env_var, told.foreign = "", None, None, False
    told.provider_title = "The provider" if error.foreign else error.provider_title or error.provider
    known = {name: value for name, value in error.failure.facts.items() if name not in _OF_THE_OPERATOR}
    told.failure = msgspec.structs.replace(error.failure, facts=known)
    return told.message.replace(error.host, "the server") if error.host else told.message


_SHUT_DOWN = Text("Server shut down", ("The server was shut down while the answer was on its way.",), ("Ask again.",))
"""What a closed client means to a reader: servers close their clients when they end."""

_OF_THE_OPERATOR = frozenset({"tried", "proxy", "host", "address", "variable", "base_url"})
"""Facts of a failure that speak of targets and addresses; a sentence that needs one is left out."""
