"""Makes a `Failure` of an exception that no table knows.

Such an exception is neither of the network nor of this host: a library met a value that it cannot take, or this SDK has
a bug. The caller still gets an error of this library, with the exception as its cause, and the next target is still
tried.
"""

from __future__ import annotations

from msgspec.structs import replace

from ..failures import ErrorKind, Failure
from .http import classify_response

__all__ = ["unforeseen"]


def unforeseen(error: Exception, status: int | None = None, *, sent: bool = True) -> Failure:
    """Return the failure for an exception that no table knows.

    status: of the answer, where one had come; an error status decides by itself. sent: whether the request had been
    written. Before that the request could not be made, which may still work for another target.
    """
    if status is not None and status >= 400:
        return replace(classify_response(status, {}, b""), code="unexpected")
    kind = ErrorKind.PROTOCOL_ERROR if sent or status is not None else ErrorKind.CLIENT_CONFIG
    return Failure(kind=kind, code="unexpected", fallback=True, facts={"reason": f"It met {type(error).__name__}"})
