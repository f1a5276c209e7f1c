"""The failure for an exception that nobody foresaw: the last row of every table.

It is for exceptions that are neither of the network nor of this host: a library that meets a value it cannot take, or a
bug of our own. The caller still gets an error of this library, with the exception as its cause, and the next target is
still asked.
"""

from __future__ import annotations

from msgspec.structs import replace

from ..failures import ErrorKind, Failure
from .http import classify_response

__all__ = ["unforeseen"]


def unforeseen(error: Exception, status: int | None = None, *, sent: bool = True) -> Failure:
    """Return the failure for an exception that no table knows.

    status: of the answer, where one had come; an error status says by itself what it means. sent: whether the request
    had been written. Before that the request could not be made, which another target may be able to do.
    """
    if status is not None and status >= 400:
        return replace(classify_response(status, {}, b""), code="unexpected")
    kind = ErrorKind.PROTOCOL_ERROR if sent or status is not None else ErrorKind.CLIENT_CONFIG
    return Failure(kind=kind, code="unexpected", fallback=True, facts={"reason": f"It met {type(error).__name__}"})
