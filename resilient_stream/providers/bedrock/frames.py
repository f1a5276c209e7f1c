"""Turns Bedrock's messages into frames (event type, payload), or into the failure that one of them reports.

An error has no event type. It is a message of type `exception`, with its class in a header, or of type `error`, with
code and message in headers. The frames before it are still delivered. An event's payload is not read here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from ...classify import classify_error
from ...failures import ErrorKind, Failure
from ...wire.broken import failure_of
from ...wire.eventstream import EventStreamDecoder, Message
from ...wire.json_events import UNREADABLE
from ...wire.limits import BadFraming, EventTooLarge
from .errors import RULES

__all__ = ["BedrockFrames", "Frame"]


class Frame(NamedTuple):
    """Holds one event: its type from the header, and its payload as JSON text."""

    event: str
    payload: bytes


class BedrockFrames:
    """Decodes bytes into frames. After a failure nothing is read any more."""

    __slots__ = ("_messages", "failure")

    def __init__(self, max_event_bytes: int) -> None:
        self._messages = EventStreamDecoder(max_event_bytes)
        self.failure: Failure | None = None

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that `data` completes, up to an error among them."""
        frames: list[Frame] = []
        for message in self._read(data):
            kind = message.headers.get(":message-type", "event")
            if kind != "event":
                self.failure = _failure(message)
                break
            frames.append(Frame(str(message.headers.get(":event-type", "")), message.payload))
        return frames

    def _read(self, data: bytes) -> list[Message]:
        if self.failure is not None:
            return []
        try:
            return self._messages.feed(data)
        except EventTooLarge as error:
            self.failure = failure_of(error)
        except BadFraming as error:
            self.failure = Failure(kind=ErrorKind.PROTOCOL_ERROR, code="bad_framing", detail=str(error))
        return []


def _failure(message: Message) -> Failure:
    headers = {name: value for name, value in message.headers.items() if isinstance(value, str)}
    said = _json(message.payload)
    if said is None:
        said = {"message": headers.get(":error-message", "")}
    return classify_error(said, RULES, headers=headers)


def _json(payload: bytes) -> Any:
    try:
        return msgspec.json.decode(payload)
    except UNREADABLE:
        return None
