"""classify: gives whatever ended an attempt its name. The innermost link, next to the source.

The one rule: what leaves here is a `StreamError` with its context, or a bug that stays visible as it is.
Must never: retry, or look at a message's text; the tables of `classify/` and the providers do.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Literal

from msgspec import structs

from ..attempt import Attempt, AttemptEnded
from ..call import Call
from ..contract import Batch, Handler, Request
from ..errors import ErrorKind, Failure, StreamError
from ..events import AttemptFailed
from .cleanup import clean_up

__all__ = ["classify"]


async def classify(request: Request, call: Call, call_next: Handler) -> AsyncGenerator[Batch, None]:
    """Forward the attempt's batches; turn its bad end into a StreamError."""
    try:
        async with aclosing(call_next(request, call)) as batches:
            async for batch in batches:
                yield batch
    except AttemptEnded as ended:
        attempt, cause = ended.attempt, ended.cause
        error = _named(attempt, cause)
        if error is None:
            raise cause from None  # type: ignore[misc]  # not a Failure: those always have a name
        attempt.record.error = error
        error.__cause__ = cause if isinstance(cause, Exception) else ended.__cause__
        call.emit(AttemptFailed, attempt.name, request.attempt, error, attempt.record)
        if clean_up(call.transport, error, attempt.host):
            call.note(attempt.name, request.attempt, "idle_closed", attempt.record)
        raise error from error.__cause__


def _named(attempt: Attempt, cause: Exception | Failure) -> StreamError | None:
    """The error for a finding or an exception; None for what is no fault of network or host: a bug."""
    if isinstance(cause, Failure):
        return attempt.error(cause)
    from ..classify import classify_exception  # paid for when something fails, not by the import

    phase: Literal["connect", "request", "stream"]
    phase = "stream" if attempt.status is not None else "request" if attempt.sending.written else "connect"
    failure = classify_exception(cause, phase=phase, host=attempt.host)
    if failure is None:
        return None
    if failure.kind is ErrorKind.CONNECTION_LOST and attempt.sending.reused:
        failure = structs.replace(failure, code="stale_connection")  # the server closed it while it lay in the pool
    return attempt.error(failure)
