"""Where a response's frames come from: a running stream of its own, or the log of a stream that a hub keeps."""

from __future__ import annotations

from typing import Protocol

from ..delivery import Answering, Direct, about, ending_of, pull
from ..formats.writer import Writer

__all__ = ["Answering", "Direct", "Source", "about", "ending_of", "pull"]


class Source(Protocol):
    """The frames of one answer for one reader."""

    writer: Writer
    stream_id: str | None

    async def frames(self) -> list[bytes]:
        """Return the next frames, and an empty list behind the last one.

        Raises StreamError when the answer failed and this source has not given a frame yet.
        """
        ...

    def open(self) -> list[bytes]:
        """Return what stands before the first chunk, when the response has to begin before there is one."""
        ...

    def leave(self) -> None:
        """The reader has gone, or has everything. Idempotent; wakes a waiting `frames`."""
        ...
