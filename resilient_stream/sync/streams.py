"""Defines `SyncStream` and `SyncScope`: a stream and a scope of the background loop, as plain iterators and context
managers.

A pull goes to the loop and back once for each batch that the network brings; the chunks of a batch are taken from the
stream's own store of what is ready. Nothing is read ahead between two pulls.

Dropping an iterator drops the stream, which then closes its connection as it does without this facade.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, Unpack

from ..chunks import Chunk
from ..messages import Prompt
from ..options import StreamOptions
from ..outcome.transcript import Outcome, Transcript
from ..scope import Scope, ScopeReport
from ..stream import Stream
from .background import Background

__all__ = ["SyncAnswer", "SyncIterator", "SyncScope", "SyncStream", "SyncTexts"]

ItemT = TypeVar("ItemT")


class SyncIterator(Generic[ItemT]):
    """Iterates over what an asynchronous iterator of a stream gives. Closing it closes the stream."""

    __slots__ = ("__weakref__", "_background", "_items", "_stream")

    def __init__(self, background: Background, stream: Any, items: AsyncIterator[ItemT]) -> None:
        self._background = background
        self._stream = stream
        self._items = items

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ItemT:
        try:
            return self._background.run(self._items.__anext__, self._interrupted)
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self) -> None:
        """Close the connection and end the stream as `abandoned`; a pull in another thread is woken with an error.

        Idempotent: the socket is gone after this line.
        """
        self._end("abandoned")

    def _interrupted(self) -> None:
        self._stream._close("cancelled")

    def _end(self, outcome: Outcome) -> None:
        if not self._background.is_foreign():
            self._background.call(lambda: self._stream._close(outcome))


class SyncAnswer(SyncIterator[ItemT]):
    """Holds what a stream and a conversation have in common. Leaving its `with` block closes it."""

    __slots__ = ()

    def __init__(self, background: Background, stream: Any) -> None:
        super().__init__(background, stream, stream)

    def __repr__(self) -> str:
        return repr(self._stream).replace("<", "<Sync", 1)

    def __next__(self) -> ItemT:
        ready = self._stream._ready
        if ready:  # the fast way: a chunk that has arrived needs nothing of the loop
            try:
                return ready.pop()  # type: ignore[no-any-return]
            except IndexError:
                pass  # the loop has ended the stream meanwhile
        return super().__next__()

    def texts(self) -> SyncTexts:
        """Yield the answer's text only, piece by piece."""
        return SyncTexts(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(_outcome_of(error))


class SyncStream(SyncAnswer[Chunk]):
    """Streams one answer: an iterator of chunks, and a context manager; see `Stream`.

    Nothing is sent before the first pull. Ctrl-C while it waits, `break` out of the `with` block, dropping it: each
    closes the connection at once. Raises StreamError when the answer fails, StreamMisused when two threads pull.
    """

    __slots__ = ()

    @property
    def transcript(self) -> Transcript:
        """Return the record of the answer; readable at any time, and final after the end."""
        return self._stream.transcript  # type: ignore[no-any-return]

    def objects(self) -> SyncIterator[Any]:
        """Yield the object that `output=` asks for, as it grows; the last one is whole and validated.

        Raises StreamMisused where the stream was not asked for an object.
        """
        return SyncIterator(self._background, self._stream, self._stream.objects())

    def collect(self) -> Transcript:
        """Read to the end. Raises StreamError when the answer fails; the transcript is on it."""
        stream: Stream = self._stream
        return self._background.run(stream.collect, self._interrupted)


class SyncTexts:
    """Yields the text of a stream, as an iterator of strings. Closing it closes the stream, as a web server does."""

    __slots__ = ("_chunks",)

    def __init__(self, chunks: SyncIterator[Any]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while True:
            text: str = next(self._chunks).text
            if text:
                return text

    def close(self) -> None:
        """Close the stream."""
        self._chunks.close()


class SyncScope:
    """Owns a group of streams; it is made by `SyncClient.scope()`. Leaving it closes the streams that still run."""

    def __init__(self, background: Background, scope: Scope) -> None:
        self._background = background
        self._scope = scope

    def stream(self, prompt: Prompt, **options: Unpack[StreamOptions]) -> SyncStream:
        """Start a stream as `client.stream` does, owned by this scope. Raises StreamMisused outside its block."""
        return SyncStream(self._background, self._background.call(lambda: self._scope.stream(prompt, **options)))

    def report(self) -> ScopeReport:
        """Return the counts so far. After the scope was left, all opened streams are closed."""
        return self._background.call(self._scope.report)

    def __enter__(self) -> Self:
        self._background.run(self._scope.__aenter__)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cause = asyncio.CancelledError() if _outcome_of(error) == "cancelled" else error
        self._background.run(lambda: self._scope.__aexit__(None, cause, None))


def _outcome_of(error: BaseException | None) -> Outcome:
    return "cancelled" if isinstance(error, KeyboardInterrupt) else "abandoned"
