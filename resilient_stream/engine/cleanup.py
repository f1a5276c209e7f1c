"""Closes idle connections when they are in the way, or of no use any more.

It happens where an attempt's end gets its name, so before any wait, retry or fallback. A connection that is in use is
never touched. Neither is one to a host that refused only this request, because its pool serves other calls.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..contract import Transport
from ..failures import ErrorKind
from ..outcome.errors import StreamError

__all__ = ["clean_up"]

_EVERYWHERE = frozenset({ErrorKind.FD_EXHAUSTED, ErrorKind.OS_LIMIT})
"""This process has too many sockets; those that nobody uses go first."""

_THERE = frozenset({
    ErrorKind.AUTHENTICATION, ErrorKind.PERMISSION_DENIED, ErrorKind.INSUFFICIENT_FUNDS, ErrorKind.QUOTA_EXHAUSTED,
    ErrorKind.MODEL_NOT_FOUND, ErrorKind.TLS_FAILURE, ErrorKind.UNEXPECTED_RESPONSE, ErrorKind.PROXY_AUTH,
})  # fmt: skip
"""Permanent, and about the target as a whole: nobody will use a connection to its host soon."""

SCOPES: Mapping[ErrorKind, str] = {**dict.fromkeys(_EVERYWHERE, "everywhere"), **dict.fromkeys(_THERE, "there")}


def clean_up(transport: Transport, error: StreamError, host: str) -> int:
    """Close the connections that the error makes useless, and return how many that were.

    host: of the failed attempt, with its port if that is not the usual one.
    """
    scope = SCOPES.get(error.kind)
    if scope is None or (scope == "there" and not host):
        return 0
    return transport.close_idle("" if scope == "everywhere" else host)
