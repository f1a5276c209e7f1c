"""Brings one answer to one reader: the items that a network wake-up brought, written as frames, until it ends.

Whoever has the connection, a web server or the transport under another SDK, asks for the next frames when the ones
before are sent.
"""

from __future__ import annotations

import secrets
import time
from typing import Any, TypeAlias

from .conversation.conversation import Conversation
from .formats.writer import About, Ending, Writer
from .outcome.errors import StreamError
from .stream import Stream

__all__ = ["Answering", "Direct", "about", "ending_of", "pull"]

Answering: TypeAlias = Stream | Conversation


async def pull(answering: Answering) -> list[Any]:
    """Return the items that one network wake-up brought; an empty list at the end. Raises StreamError."""
    try:
        items: list[Any] = [await answering.__anext__()]
    except StopAsyncIteration:
        return []
    ready = answering._ready
    while ready:
        items.append(ready.pop())
    return items


def about(answering: Answering, stream_id: str | None) -> About:
    """Return what a writer is told about an answer before it begins."""
    target = _target_of(answering)
    model = target.partition(":")[2] or answering._call.request.target.model
    return About(stream_id or new_id(), int(time.time()), model, target)


def new_id() -> str:
    """Return an id that nobody can guess."""
    return secrets.token_urlsafe(18)


def ending_of(answering: Answering, error: StreamError | None = None, *, stopped: bool = False) -> Ending:
    """Return how an answer ended, when it has."""
    if isinstance(answering, Conversation):
        record = answering.record
        last = record.transcripts[-1] if record.transcripts else None
        reason = None if last is None else last.finish_reason
        return Ending(record.outcome or "abandoned", error, reason, record.usage, stopped, _target_of(answering))
    transcript = answering.transcript
    outcome, target = transcript.outcome or "abandoned", _target_of(answering)
    return Ending(outcome, error, transcript.finish_reason, transcript.usage, stopped, target)


def _target_of(answering: Answering) -> str:
    """Return who answers, or answered last; empty where nobody has begun."""
    if isinstance(answering, Conversation):
        return next((each.target for each in reversed(answering.record.transcripts) if each.target), "")
    return answering.transcript.target or ""


class Direct:
    """Delivers a stream that belongs to one response and ends with it: it is pulled when what came before is sent.

    stopped: somebody stopped the stream on purpose, so that its end is no failure. error: what ended it otherwise.
    """

    def __init__(self, answering: Answering, writer: Writer, stream_id: str | None = None) -> None:
        self.writer = writer
        self.stream_id = stream_id
        self.stopped = False
        self.error: Exception | None = None
        self._answering = answering
        self._early: list[Any] = []
        self._begun = False
        self._given = False
        self._over = False

    async def frames(self) -> list[bytes]:
        """Pull until there is something to send."""
        while not self._over:
            try:
                frames = self._written(await pull(self._answering))
            except StreamError as error:
                self._over = True
                if not self._given and not self.stopped:
                    raise
                frames = self.broken(error)
            if frames:
                self._given = True
                return frames
        return []

    def broken(self, error: StreamError) -> list[bytes]:
        """Return what says that the answer failed, or that it was stopped, and ends it."""
        self.error = shown = None if self.stopped else error
        return [*self._begin(), *self.writer.end(ending_of(self._answering, shown, stopped=self.stopped))]

    def _written(self, items: list[Any]) -> list[bytes]:
        if not items:
            self._over = True
            return [*self._begin(), *self.writer.end(ending_of(self._answering))]
        if not self._begun and all(item.type == "turn_started" for item in items):
            self._early = items  # kept back, since the request may still fail, which decides the response's status
            return []
        return [*self._begin(), *self.writer.write(items)]

    def open(self) -> list[bytes]:
        """Return what stands before the first chunk, once. From now on a failure is told in the format."""
        self._given = True
        return self._begin()

    def _begin(self) -> list[bytes]:
        if self._begun:
            return []
        self._begun = True
        early = self.writer.write(self._early) if self._early else []
        return [*self.writer.begin(about(self._answering, self.stream_id)), *early]

    def leave(self) -> None:
        """Close the stream, and with it the provider's connection."""
        self._answering.close()
