"""Writes and reads the format `events`: our own chunks as Server-Sent Events, each with its class as `type`.

All events are unnamed, so a browser's `EventSource` gives each to `onmessage`. An event of type `error` comes before
the last one where the answer failed. The last one has type `end` and the outcome, and only `"outcome": "complete"`
means that the answer is whole. `EventsReader` makes chunks of it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..outcome.errors import StreamError
from ..wire.sse import SseDecoder
from .statuses import NOT_STORED, STATUS, retry_after, shown
from .values import MAX_EVENT_BYTES, Reading, encode, ending_objects, item_object
from .writer import About, Ending, Item, Refusal

__all__ = ["EventsReader", "EventsWriter", "error_body"]


class EventsWriter:
    """Writes chunks as Server-Sent Events."""

    media_type = "text/event-stream"
    headers: Mapping[str, str] = NOT_STORED
    heartbeat = b": waiting\n\n"
    numbered = True
    cut = False

    def begin(self, about: About) -> list[bytes]:
        """Return no frame: the first chunk is the first event."""
        return []

    def write(self, items: Sequence[Item]) -> list[bytes]:
        """Return an event for each chunk."""
        return [b"data: %b\n\n" % item_object(item) for item in items]

    def end(self, ending: Ending) -> list[bytes]:
        """Return the error, if there is one, and the end."""
        return [b"data: %b\n\n" % each for each in ending_objects(ending)]

    def refusal(self, error: StreamError) -> Refusal:
        """Return the error as JSON."""
        return error_body(error)


def error_body(error: StreamError) -> Refusal:
    """Return the response of the formats that are no provider's: what a reader may know, as JSON."""
    headers = {"content-type": "application/json", **NOT_STORED, **retry_after(error)}
    return Refusal(STATUS[error.kind], headers, encode({"error": shown(error)}))


class EventsReader:
    """Makes chunks of the bytes of one response in this format, in whatever pieces they arrive.

        for piece in body:
            for chunk in reader.feed(piece): ...
        ending = reader.ending()

    last_event_id: of the last event that was read, for the header `Last-Event-ID` of a request that asks for the rest;
    give it to the reader of that response. An event of more than `max_event_bytes` ends the reading.
    """

    def __init__(self, last_event_id: str = "", max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.last_event_id = last_event_id
        self._events = SseDecoder(max_event_bytes)
        self._reading = Reading()

    @property
    def over(self) -> bool:
        """Return whether the answer has ended, or cannot be read any further."""
        return self._reading.over

    def feed(self, data: bytes) -> list[Item]:
        """Return the chunks that `data` completes. It never raises for what a server sent; `ending` has the error."""
        items: list[Item] = []
        for event in self._reading.whole(self._events.feed, data):
            items += self._reading.take(event.data)
            if self._reading.broken:
                break
            self.last_event_id = event.id or self.last_event_id
        return items

    def ending(self) -> Ending:
        """Return how the answer ended, as far as was read: complete only where the server said so."""
        return self._reading.ending()
