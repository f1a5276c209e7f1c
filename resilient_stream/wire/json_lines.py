"""JSON values, one a line, into typed structs: what Ollama streams.

The one rule: a whole network read is decoded in one call; only when that fails are its lines taken one by one, so
that the good ones before a bad one are not lost. Must never: raise for what a server sent.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from ..errors import ErrorKind, Failure
from .json_events import UNREADABLE, BatchDecoder, place_of
from .limits import EventTooLarge
from .ndjson import NdjsonDecoder

__all__ = ["JsonLines"]

LineT = TypeVar("LineT")


class JsonLines(Generic[LineT]):
    """Bytes in, typed lines out. After a failure nothing is decoded any more."""

    __slots__ = ("_batch", "_lines", "failure")

    def __init__(self, batch: BatchDecoder[LineT], max_event_bytes: int) -> None:
        self._batch = batch
        self._lines = NdjsonDecoder(max_event_bytes)
        self.failure: Failure | None = None

    def feed(self, data: bytes) -> list[LineT]:
        """The lines that `data` makes whole."""
        if self.failure is not None:
            return []
        try:
            return self._decode(self._lines.feed(data))
        except EventTooLarge as error:
            self.failure = Failure(kind=ErrorKind.BUFFER_LIMIT, facts={"limit": f"{error.limit} bytes"})
            return []

    def finish(self) -> list[LineT]:
        """The body ended: a last line without its newline counts when it is whole JSON; half a line is a cut."""
        if self.failure is not None:
            return []
        lines = self._decode(self._lines.finish())
        self.failure = None
        return lines

    def _decode(self, texts: list[bytes]) -> list[LineT]:
        if not texts:
            return []
        lines = self._batch.decode(texts)
        return self._one_by_one(texts) if lines is None else lines

    def _one_by_one(self, texts: list[bytes]) -> list[LineT]:
        lines: list[LineT] = []
        for text in texts:
            try:
                lines.append(self._batch.one.decode(text))
            except UNREADABLE as error:
                self.failure = Failure(kind=ErrorKind.PROTOCOL_ERROR, code="bad_json", detail=place_of(error))
                break
        return lines
