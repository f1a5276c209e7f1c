"""Makes the JSON objects of the formats `events` and `ndjson`: one for each chunk, one for an error, one for the end.

They are read here, too, from bytes that are not trusted. Only an object of type `end` with `"outcome": "complete"` says
that an answer is whole. One whose type this version does not know becomes a `Raw`, so a server may be newer than its
reader.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from ..chunks import FinishReason, Raw, ReasoningDelta, TextDelta, ToolCallDelta, Usage
from ..conversation.items import ITEMS, chunk_from_dict, chunk_to_dict
from ..failures import NO_END_MARKER, ErrorCategory, ErrorKind, Failure, StreamMisused
from ..failures.kinds import Text
from ..outcome.archive import CHUNKS, plain, read
from ..outcome.errors import StreamError
from ..outcome.making import error_for
from ..outcome.transcript import Outcome
from ..text.readable import printable
from ..wire.limits import EventTooLarge
from .statuses import shown
from .writer import Ending, Item

__all__ = ["MAX_EVENT_BYTES", "Reading", "encode", "ending_objects", "item_object"]

PieceT = TypeVar("PieceT")

MAX_EVENT_BYTES = 32 * 1024 * 1024
"""Bytes of one object at most: a file of 8 MiB as base64 text, with what its provider gave beside it."""

MAX_SHOWN = 2000
"""Characters of an error's title and message that are read."""

_PROVIDER = "resilient-stream"
_encode = msgspec.json.Encoder().encode


def encode(values: Any) -> bytes:
    """Return JSON, with `?` for half a surrogate pair, which a tool's result may have and no UTF-8 can."""
    try:
        return _encode(values)
    except UnicodeEncodeError:
        return json.dumps(plain(values), ensure_ascii=False).encode("utf-8", "replace")


def item_object(item: Item) -> bytes:
    """Return what a stream or a conversation yielded as a JSON object."""
    delta = _DELTAS.get(type(item))
    return encode(chunk_to_dict(item)) if delta is None else delta(item)


def _text(item: TextDelta) -> bytes:
    return b'{"type":"text_delta","text":%b}' % encode(item.text)


def _reasoning(item: ReasoningDelta) -> bytes:
    if item.signature is not None or item.redacted is not None:
        return encode(chunk_to_dict(item))
    return b'{"type":"reasoning_delta","reasoning":%b}' % encode(item.reasoning)


def _tool_call(item: ToolCallDelta) -> bytes:
    id, name, arguments = map(encode, (item.id, item.name, item.arguments))
    return b'{"type":"tool_call_delta","index":%d,"id":%b,"name":%b,"arguments":%b}' % (item.index, id, name, arguments)


_DELTAS: Mapping[type[Any], Callable[[Any], bytes]] = {
    TextDelta: _text,
    ReasoningDelta: _reasoning,
    ToolCallDelta: _tool_call,
}
"""Writes the classes that nearly all of an answer consists of, in a tenth of the time that any chunk takes."""


def ending_objects(ending: Ending) -> list[bytes]:
    """Return the error, if there is one, and the end."""
    failed = [] if ending.error is None else [encode({"type": "error", **shown(ending.error)})]
    return [*failed, encode(_end_of(ending))]


def _end_of(ending: Ending) -> dict[str, Any]:
    return {
        "type": "end",
        "outcome": ending.outcome,
        "finish_reason": ending.finish_reason,
        "usage": None if ending.usage is None else plain(ending.usage),
        "stopped": ending.stopped,
        "target": ending.target,
    }


# -- and back -----------------------------------------------------------------------------------


class _End(msgspec.Struct):
    outcome: Outcome
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    stopped: bool = False
    target: str = ""


class _Error(msgspec.Struct):
    kind: str
    category: ErrorCategory
    title: str
    message: str = ""
    retryable: bool = False
    retry_after: float | None = None


class Reading:
    """Reads the objects of one answer, one after the other. broken: one of them cannot be read."""

    def __init__(self) -> None:
        self.broken = False
        self._error: StreamError | None = None
        self._ending: Ending | None = None

    @property
    def over(self) -> bool:
        """Return whether nothing more is read."""
        return self._ending is not None

    def whole(self, decode: Callable[[bytes], list[PieceT]], data: bytes) -> list[PieceT]:
        """Return the whole pieces of what has arrived; none once it is over, or where one is too large to be read."""
        if self._ending is not None:
            return []
        try:
            return decode(data)
        except EventTooLarge as error:
            self.fail(str(error))
            return []

    def take(self, line: bytes) -> list[Item]:
        """Return the item of an object; none for an error, for the end, and for all that is behind it."""
        if self._ending is not None:
            return []
        try:
            return self._read(msgspec.json.decode(line))
        except (msgspec.DecodeError, StreamMisused, RecursionError) as error:
            self.fail(str(error))
            return []

    def fail(self, reason: str) -> None:
        """End with an answer that cannot be read."""
        if self._ending is None:
            self.broken = True
            failure = Failure(kind=ErrorKind.PROTOCOL_ERROR, facts={"reason": reason})
            self._ending = Ending("failed", error_for(failure, provider=_PROVIDER, phase="stream"))

    def ending(self) -> Ending:
        """Return how the answer ended, as its last object says. Without one it was interrupted."""
        if self._ending is not None:
            return self._ending
        return Ending("failed", self._error or error_for(NO_END_MARKER, provider=_PROVIDER, phase="stream"))

    def _read(self, values: Any) -> list[Item]:
        kind = values.get("type") if isinstance(values, dict) else None
        if kind == "end":
            self._ending = self._end(read(_End, values, "end"))
        elif kind == "error":
            self._error = _error(read(_Error, values, "error"))
        elif isinstance(kind, str) and kind not in CHUNKS and kind not in ITEMS:
            return [Raw(_PROVIDER, kind, values, "doubt")]
        else:
            return [chunk_from_dict(values)]
        return []

    def _end(self, end: _End) -> Ending:
        # An error and a whole answer contradict each other, and a failure must not look like an end.
        outcome = "failed" if self._error is not None and end.outcome == "complete" else end.outcome
        return Ending(outcome, self._error, end.finish_reason, end.usage, end.stopped, end.target)


def _error(told: _Error) -> StreamError:
    """Return the error that the server told of. A kind that this version does not know counts by its category."""
    known = told.kind in ErrorKind.__members__.values()
    failure = Failure(
        kind=ErrorKind(told.kind) if known else ErrorKind.SERVER_ERROR,
        category=told.category, code="" if known else told.kind, retry_after=told.retry_after, retry=told.retryable,
    )  # fmt: skip
    title, message = (printable(text[:MAX_SHOWN]) for text in (told.title, told.message))
    return error_for(failure, said=Text(title, (message,), ()), provider=_PROVIDER, phase="stream")
