"""Writes and reads the format `ndjson`: one JSON object on each line, the same objects as in `events`, for programs
that read lines.

The last line has type `end`, and only `"outcome": "complete"` means that the answer is whole; a line of type `error`
comes before it where the answer failed. An empty line is a sign of life. `NdjsonReader` makes chunks of it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..outcome.errors import StreamError
from ..wire.ndjson import NdjsonDecoder
from .events import error_body
from .statuses import NOT_STORED
from .values import MAX_EVENT_BYTES, Reading, ending_objects, item_object
from .writer import About, Ending, Item, Refusal

__all__ = ["NdjsonReader", "NdjsonWriter"]


class NdjsonWriter:
    """Writes chunks as lines of JSON."""

    media_type = "application/x-ndjson"
    headers: Mapping[str, str] = NOT_STORED
    heartbeat = b"\n"
    numbered = False
    cut = False

    def begin(self, about: About) -> list[bytes]:
        """Return no frame: the first chunk is the first line."""
        return []

    def write(self, items: Sequence[Item]) -> list[bytes]:
        """Return a line for each chunk."""
        return [item_object(item) + b"\n" for item in items]

    def end(self, ending: Ending) -> list[bytes]:
        """Return the error, if there is one, and the end."""
        return [each + b"\n" for each in ending_objects(ending)]

    def refusal(self, error: StreamError) -> Refusal:
        """Return the error as JSON."""
        return error_body(error)


class NdjsonReader:
    """Makes chunks of the bytes of one response in this format; it is used as `EventsReader` is."""

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._lines = NdjsonDecoder(max_event_bytes)
        self._reading = Reading()

    @property
    def over(self) -> bool:
        """Return whether the answer has ended, or cannot be read any further."""
        return self._reading.over

    def feed(self, data: bytes) -> list[Item]:
        """Return the chunks that `data` completes. It never raises for what a server sent; `ending` has the error."""
        lines = self._reading.whole(self._lines.feed, data)
        return [item for line in lines for item in self._reading.take(line)]

    def ending(self) -> Ending:
        """Return how the answer ended, as far as was read: complete only where the server said so."""
        return self._reading.ending()
