"""Format `events`: our own chunks as Server-Sent Events, each with its class as `type`.

All events are unnamed, so a browser's `EventSource` gives each to `onmessage`. An event of type `error` comes before
the last one where the answer failed. The last one has type `end` and the outcome, and only `"outcome": "complete"`
means that the answer is whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..outcome.archive import plain, plain_chunk
from ..outcome.errors import StreamError
from .statuses import NOT_STORED, STATUS, retry_after, shown
from .writer import About, Ending, Item, Refusal

__all__ = ["EventsWriter", "ending_values", "error_body"]

_encode = msgspec.json.Encoder().encode


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
        return [_event(plain_chunk(item)) for item in items]

    def end(self, ending: Ending) -> list[bytes]:
        """Return the error, if there is one, and the end."""
        failed = [] if ending.error is None else [_event({"type": "error", **shown(ending.error)})]
        return [*failed, _event(ending_values(ending))]

    def refusal(self, error: StreamError) -> Refusal:
        """Return the error as JSON."""
        return error_body(error)


def ending_values(ending: Ending) -> dict[str, Any]:
    """Return the ending as the values of the last event."""
    return {
        "type": "end",
        "outcome": ending.outcome,
        "finish_reason": ending.finish_reason,
        "usage": plain(ending.usage),
        "stopped": ending.stopped,
    }


def error_body(error: StreamError) -> Refusal:
    """Return the response of the formats that are no provider's: what a reader may know, as JSON."""
    headers = {"content-type": "application/json", **NOT_STORED, **retry_after(error)}
    return Refusal(STATUS[error.kind], headers, _encode({"error": shown(error)}))


def _event(values: Any) -> bytes:
    return b"data: %b\n\n" % _encode(values)
