"""Sends one request and reads its answer, as the innermost link, and has a name given to whatever ended it.

On every way out the attempt is closed, so the connection is gone. Nothing is retried here.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from ..contract import Batch, Request
from ..outcome.errors import StreamError
from .attempt import Attempt, AttemptEnded
from .call import Call
from .failing import failed

__all__ = ["source"]


async def source(request: Request, call: Call) -> AsyncGenerator[Batch, None]:
    """Yield the batches of one request's answer. Raises StreamError with its context, or what ended the whole call."""
    lone, call.lone = call.lone, None
    attempt: Attempt = Attempt(call, request) if lone is None else lone.attempt
    try:
        try:
            if lone is None:
                await attempt.open()
            elif lone.error is not None:
                raise lone.error
            elif lone.delivered:
                yield []  # the links hear that content was delivered
            while batch := await attempt.read_batch():
                yield batch
        except (StreamError, AttemptEnded):
            raise
        except GeneratorExit:
            attempt.discard_unread()
            raise
        except Exception as error:
            raise AttemptEnded(attempt, error) from error
        finally:
            attempt.close()
    except AttemptEnded as ended:  # closed by now, so what follows finds the connection gone
        known = failed(call, ended)
        raise known from known.__cause__
