"""Chooses what the user of an SDK is told of an error. Our own users have more: its object, with the transcript."""

from __future__ import annotations

from copy import copy

import msgspec

from ..formats.statuses import message_of
from ..outcome.errors import AllTargetsFailed, StreamError

__all__ = ["words_of"]


def words_of(error: StreamError, *, advice: bool) -> str:
    """Return an error as one text. advice: with what to do about it, which is for whoever runs this process."""
    told = _without_transcript(error)
    said = (told.message, told.resolution) if advice else (message_of(told),)
    return " ".join(filter(None, (f"{told.title}:", *said)))


def _without_transcript(error: StreamError) -> StreamError:
    """Return the error without the sentences that speak of what was kept: the user of an SDK has no transcript."""
    told = copy(error)
    told.transcript = None
    told.failure = msgspec.structs.replace(error.failure, facts={**error.failure.facts, "transcript": None})
    if isinstance(told, AllTargetsFailed):
        told.errors = tuple(map(_without_transcript, told.errors))
    return told
