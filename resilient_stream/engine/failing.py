"""Gives what ended an attempt its name, its place in the transcript, and its event.

An exception that no table knows gets a name, too, with the exception as its cause: whatever a server, the environment
or a prompt provoked in this library or in one that it uses, the next target is still asked. No message's text is looked
at here; the tables of `classify/` and of the providers do that.
"""

from __future__ import annotations

from typing import Literal

from msgspec import structs

from ..events import AttemptFailed
from ..failures import ErrorKind, Failure, StreamMisused
from ..outcome.errors import StreamError
from .attempt import Attempt, AttemptEnded
from .call import Call
from .cleanup import clean_up

__all__ = ["failed"]


def failed(call: Call, ended: AttemptEnded) -> StreamError:
    """Return the error that an attempt ended with, once it is recorded and told. Raises StreamMisused as it is."""
    attempt, cause = ended.attempt, ended.cause
    if isinstance(cause, StreamMisused):  # a bug in the calling code, which another target would not change
        raise cause from None
    error = _named(attempt, cause)
    attempt.record.error, attempt.record.outcome = error, "failed"
    error.__cause__ = attempt.origin.clean(cause if isinstance(cause, Exception) else ended.__cause__)
    del cause  # aiohttp's exceptions have the headers in their repr, and some tools show variables
    call.emit(AttemptFailed, attempt.name, attempt.request.attempt, error, attempt.record)
    if clean_up(call.transport, error, attempt.origin.host):
        call.note(attempt.name, attempt.request.attempt, "idle_closed", attempt.record)
    return error


def _named(attempt: Attempt, cause: Exception | Failure) -> StreamError:
    """Return the error for a finding or an exception of this attempt."""
    if isinstance(cause, Failure):
        return attempt.origin.error(cause)
    from ..classify import classify_exception, unforeseen  # imported only when something fails

    phase: Literal["connect", "request", "stream"]
    phase = "stream" if attempt.record.status is not None else "request" if attempt.sending.written else "connect"
    failure = classify_exception(cause, phase=phase, host=attempt.origin.host)
    if failure is None:
        failure = unforeseen(cause, attempt.record.status, sent=attempt.sending.written)
    if failure.kind is ErrorKind.CONNECTION_LOST and attempt.sending.reused:
        failure = structs.replace(failure, code="stale_connection")  # the server closed it while it lay in the pool
    return attempt.origin.error(failure)
