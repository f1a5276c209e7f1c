"""Defines the row that describes a dialect, and what an answer's encoders keep count of.

Encoders are pure: they return the events of an answer as plain JSON values, and `frame` makes bytes of each. Nothing
here knows a single dialect.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import msgspec

from ...chunks import Usage
from ..http import ReceivedRequest

__all__ = ["Called", "Dialect", "Payload", "Said", "asked_for", "asks_for_stream", "comment", "encode", "halves", "sse"]

Payload: TypeAlias = "dict[str, Any] | str"


class Called(NamedTuple):
    """Describes a tool call in an answer. `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(slots=True)
class Said:
    """Keeps what one answer has said so far: encoders take ids, indices and counts from here.

    usage: None unless the script gives it. blocks: the kinds of the content blocks begun, in order. events: how many
    were sent, where they are numbered. resumed_after: the number after which the client wants the rest.
    """

    model: str
    usage_wanted: bool = False
    usage: Usage | None = None
    texts: list[str] = field(default_factory=list)
    calls: list[Called] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    events: int = 0
    resumed_after: int | None = None

    def tokens(self) -> Usage:
        """Return the count to report: the script's, or one token for each piece sent."""
        return self.usage or Usage(9, len(self.texts) + len(self.calls))


class Dialect(NamedTuple):
    """Describes one dialect: how to know a request of it, and how to write its answer.

    path: finds the path, and the model where it stands there. suffix: what a base URL ends in. streaming:
    whether this request asks for a stream. frame: one event as bytes; comment: a keep-alive. preamble, text,
    call, end: the events of an answer. whole: the answer to a request without streaming. error: the body of an
    HTTP error, also what an error inside a stream says.
    """

    path: re.Pattern[str]
    suffix: str
    headers: Mapping[str, str]
    streaming: Callable[[ReceivedRequest], bool]
    frame: Callable[[Payload, str | None], bytes]
    comment: Callable[[str], bytes]
    preamble: Callable[[Said], list[Payload]]
    text: Callable[[Said, str], list[Payload]]
    call: Callable[[Said, Called], list[Payload]]
    end: Callable[[Said, str], list[Payload]]
    whole: Callable[[Said, str], Payload]
    error: Callable[[int, str], dict[str, Any]]


def asked_for(request: ReceivedRequest) -> dict[str, Any]:
    """Return the request's JSON object; an empty one when the body is anything else."""
    try:
        asked = request.json
    except msgspec.DecodeError:
        return {}
    return asked if isinstance(asked, dict) else {}


def asks_for_stream(request: ReceivedRequest) -> bool:
    """Return whether the body has `"stream": true`, as OpenAI and related APIs have it."""
    return bool(asked_for(request).get("stream"))


def encode(payload: Payload) -> bytes:
    """Return an event as JSON. A text is sent unchanged (`[DONE]`)."""
    return payload.encode() if isinstance(payload, str) else msgspec.json.encode(payload)


def sse(payload: Payload, name: str | None = None) -> bytes:
    """Return one server-sent event."""
    head = f"event: {name}\n".encode() if name else b""
    return b"%bdata: %b\n\n" % (head, encode(payload))


def comment(text: str) -> bytes:
    """Return a keep-alive: a comment and a blank line, which no reader takes for an event."""
    return f": {text}\n\n".encode()


def halves(text: str) -> list[str]:
    """Return a text in two pieces, so that a reader has to put it together."""
    middle = len(text) // 2
    return [piece for piece in (text[:middle], text[middle:]) if piece]
