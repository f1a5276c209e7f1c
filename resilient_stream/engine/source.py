"""The innermost generator: encode, open, feed, and yield what became whole in each network read.

The one rule: its `finally` closes the attempt, so the connection is gone on every way out.
Must never: retry, wait, or interpret a failure.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from ..contract import Batch, Request
from ..outcome.errors import StreamError
from .attempt import Attempt, AttemptEnded
from .call import Call

__all__ = ["source"]


async def source(request: Request, call: Call) -> AsyncGenerator[Batch, None]:
    """One request's answer. Raises AttemptEnded (for `classify`) or what ended the whole call."""
    lone, call.lone = call.lone, None
    attempt: Attempt = Attempt(call, request) if lone is None else lone.attempt
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
