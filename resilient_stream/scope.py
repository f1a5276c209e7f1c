"""Defines `Scope`: streams that end together.

Whatever was started from a scope is closed when the scope is left, however it is left. A scope holds no cancel scope
and no task group: it closes its streams synchronously and does nothing else.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Unpack
from weakref import WeakSet

from .engine.in_turns import end_in_turns
from .failures import StreamMisused
from .messages import Prompt
from .options import StreamOptions, checks_options, plain_function
from .outcome.transcript import Outcome, Transcript
from .stream import Stream

__all__ = ["Scope", "ScopeReport"]


@dataclass(frozen=True, slots=True)
class ScopeReport:
    """Counts a scope's streams. partial: streams that ended with a part of their answer only."""

    opened: int
    closed: int
    complete: int
    partial: int


class Scope:
    """Owns a group of streams; it is made by `client.scope()`. Leaving it closes the streams that still run."""

    def __init__(self, stream: Callable[..., Stream], deadline: float | None) -> None:
        self._start = stream
        self._deadline = deadline
        self._until: float | None = None
        # Weak: a stream that is dropped inside the scope is to close then, not at the scope's end.
        self._streams: WeakSet[Stream] = WeakSet()
        self._opened = 0
        self._ended: list[Transcript] = []

    @checks_options(StreamOptions)
    def stream(self, prompt: Prompt, **options: Unpack[StreamOptions]) -> Stream:
        """Start a stream as `client.stream` does, owned by this scope.

        Raises StreamMisused outside the `async with` block.
        """
        if self._until is None:
            raise StreamMisused("a scope starts streams only inside its `async with` block")

        on_end = plain_function(options.get("on_end"))

        def ended(transcript: Transcript) -> None:
            self._ended.append(transcript)
            if on_end is not None:
                on_end(transcript)

        options["on_end"] = ended
        stream = self._start(prompt, **options)
        stream._call.until = self._until
        self._streams.add(stream)
        self._opened += 1
        return stream

    def report(self) -> ScopeReport:
        """Return the counts so far. After the scope was left, all opened streams are closed."""
        complete = sum(transcript.outcome == "complete" for transcript in self._ended)
        partial = sum(transcript.outcome != "complete" and bool(transcript.chunks) for transcript in self._ended)
        return ScopeReport(self._opened, len(self._ended), complete, partial)

    async def __aenter__(self) -> Scope:
        now = asyncio.get_running_loop().time()
        self._until = now + (float("inf") if self._deadline is None else self._deadline)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._until = None
        cancelled = isinstance(error, asyncio.CancelledError)
        outcome: Outcome = "cancelled" if cancelled else "abandoned"
        await end_in_turns([functools.partial(stream._close, outcome) for stream in self._streams])
