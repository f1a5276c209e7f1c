"""Decodes JSON values, one on each line, into typed structs, as Ollama streams them.

A whole network read is decoded in one call; only when that fails are its lines taken one by one, so that the good ones
before a bad one are not lost. Nothing is raised for what a server sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

from ..failures import Failure
from .broken import failure_of
from .json_events import BatchDecoder, what_can_be_read
from .limits import EventTooLarge
from .ndjson import NdjsonDecoder

__all__ = ["JsonLines"]

LineT = TypeVar("LineT")

_BESIDE = (b":", b"event:", b"id:", b"retry:")
"""Beginnings of lines of an event stream that hold no data."""


class JsonLines(Generic[LineT]):
    """Decodes bytes into typed lines. After a failure nothing is decoded any more.

    cut: the body ended within a line. left: the line that only the end completed, as text. done: always False, since no
    line means an end in every dialect. error: always None, since lines have no names. halves: as in `JsonEvents`.
    """

    bare: ClassVar[bool] = True
    __slots__ = ("_batch", "_lines", "cut", "done", "error", "failure", "halves", "left")

    def __init__(self, batch: BatchDecoder[LineT], max_event_bytes: int) -> None:
        self._batch = batch
        self._lines = NdjsonDecoder(max_event_bytes)
        self.cut = False
        self.done = False
        self.halves = False
        self.error: bytes | None = None
        self.left: Sequence[bytes] = ()
        self.failure: Failure | None = None

    def feed(self, data: bytes) -> list[LineT]:
        """Return the lines that `data` completes."""
        return self.decode(self.payloads(data))

    def single(self) -> None:
        """Return None: a line may need the bytes that were kept before it, so every read goes through `payloads`."""

    def payloads(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` completes, not yet decoded."""
        if self.failure is not None:
            return []
        try:
            return self._lines.feed(data)
        except EventTooLarge as error:
            self.failure = failure_of(error)
            return []

    def decode(self, payloads: list[bytes]) -> list[LineT]:
        """Decode lines from their texts."""
        if not payloads:
            return []
        lines = self._batch.decode(payloads)
        return self._one_by_one(payloads) if lines is None else lines

    def finish(self) -> list[LineT]:
        """Return the last line at the end of the body; one without its newline counts if it is whole JSON, else it was
        cut."""
        if self.failure is not None:
            return []
        rest = self._lines.finish()
        self.left = list(rest)
        lines = self.decode(rest)
        self.cut, self.failure = self.failure is not None, None
        return lines

    def stray(self) -> None:
        """Return None: nothing stands between lines."""

    def _one_by_one(self, payloads: list[bytes]) -> list[LineT]:
        payloads[:] = [_unframed(payload) for payload in payloads]
        lines, halves, self.failure = what_can_be_read(self._batch, payloads)
        self.halves = self.halves or halves
        return lines


def _unframed(line: bytes) -> bytes:
    """Return a line without the `data:` that some gateways put before it, since they send lines as an event stream."""
    if line.startswith(_BESIDE):
        return b""
    value = line.removeprefix(b"data:").strip()
    return b"" if value == b"[DONE]" else value
