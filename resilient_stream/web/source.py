"""Supplies a response's frames: from a running stream of its own, or from the log of a stream that a hub keeps."""

from __future__ import annotations

from typing import Protocol

from ..conversation.conversation import Conversation
from ..delivery import Answering, Direct
from ..failures import ErrorKind, Failure, StreamMisused
from ..failures.kinds import Text
from ..formats.writer import Writer
from ..outcome.errors import StreamError
from ..outcome.making import error_for
from ..stream import Stream

__all__ = ["Owned", "Source", "answering", "own_fault"]


class Source(Protocol):
    """Supplies the frames of one answer for one reader.

    error: what ended the answer too early, known when `frames` has returned its last ones; the reader was told. Other
    than a StreamError it is a bug, which the server was not told of yet.
    """

    writer: Writer
    stream_id: str | None

    @property
    def error(self) -> Exception | None:
        """Return what ended the answer too early, see the class."""
        ...

    async def frames(self) -> list[bytes]:
        """Return the next frames, and an empty list behind the last one.

        Raises StreamError when the answer failed and this source has not given a frame yet.
        """
        ...

    def open(self) -> list[bytes]:
        """Return what stands before the first chunk, when the response has to begin before there is one."""
        ...

    def leave(self) -> None:
        """Note that the reader has gone, or has everything. Idempotent; wakes a waiting `frames`."""
        ...

    def turn_away(self) -> None:
        """Note that the server shuts down: the next frames say so and are the last; a waiting `frames` is woken."""
        ...


def answering(stream: object) -> Answering:
    """Return a stream or a conversation unchanged. Raises StreamMisused for anything else."""
    if not isinstance(stream, Stream | Conversation):
        raise StreamMisused(f"give what client.stream() or client.converse() returns, not a {type(stream).__name__}")
    return stream


def own_fault() -> StreamError:
    """Return what a reader is told of a bug in this server; the server's log has the exception."""
    error = error_for(Failure(kind=ErrorKind.CLIENT_CONFIG, code="bug"), phase="stream")
    error.said = Text("Error of the server", ("The answer ended because of a fault in this server.",), ())
    return error


class Owned(Direct):
    """Supplies a response that owns its stream: it is pulled when what came before is sent, and ends with it."""

    def turn_away(self) -> None:
        """Close the provider's connection; the reader gets an error and the format's end."""
        self._answering._close("client_closed")

    async def frames(self) -> list[bytes]:
        """Pull until there is something to send. A bug is told like a failure; before the first frame it is raised."""
        try:
            return await super().frames()
        except StreamError:
            raise
        except Exception as error:
            if not self._given or self._over:
                raise
            self._over = True
            frames = self.broken(own_fault())
            self.error = error
            return frames
