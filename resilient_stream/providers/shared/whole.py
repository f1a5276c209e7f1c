"""Decodes answers in one piece, for every dialect, by the decoder that reads its streams.

    body -> outline (its long texts taken out) -> the same as a stream -> the dialect's own decoder -> chunks

A dialect adds two things, the places where its texts stand and a function from an outline to the bytes of a stream that
says the same. The dialect's decoder already knows what a tool call, a usage or a refusal looks like. No chunk is given
before the body is whole and good, so that any failure can be answered by another request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ...chunks import ReasoningDelta
from ...contract import Batch, Decoder, Request
from ...failures import NO_END_MARKER, Failure
from ...wire.broken import UNREADABLE, failure_of, readable, without_halves, without_nothing
from ...wire.json_outline import JsonOutline, Node
from ...wire.limits import BadFraming, EventTooLarge
from .mending import Mender

__all__ = ["WholeAnswer", "accepted", "has", "sse"]


class WholeAnswer:
    """Decodes one whole answer; see `contract.WholeDecoder`.

    stream: the dialect's decoder. places: where long texts may stand. as_stream: an outline as the bytes of a stream;
    may raise what msgspec raises for JSON that is not of the expected shape. cites: passages of the text are counted,
    so no text is taken out.
    """

    __slots__ = (
        "_as_stream", "_mender", "_outline", "_stream", "done", "failure", "model", "progress", "response_id", "spans",
    )  # fmt: skip

    def __init__(
        self,
        stream: Decoder,
        places: Node,
        as_stream: Callable[[bytes], bytes],
        *,
        max_event_bytes: int,
        cites: bool = False,
        **_: Any,
    ) -> None:
        self._stream = stream
        self._outline = JsonOutline({} if cites else places, max_event_bytes)
        self._as_stream = as_stream
        self._mender: Mender | None = None
        self.failure: Failure | None = None
        self.done = False
        self.progress = 0
        self.model: str | None = None
        self.response_id: str | None = None
        self.spans: Mapping[str, tuple[int, int]] = self._outline.spans

    @property
    def closed(self) -> bool:
        """Return whether the JSON of the answer is whole, whatever it says."""
        return self._outline.closed

    @property
    def unmodelled(self) -> Mapping[str, int]:
        """Return the names of content without a chunk class, with how often each came."""
        counts: Mapping[str, int] = getattr(self._stream, "unmodelled", {})
        return counts

    def feed(self, data: bytes) -> Batch:
        """Take a part of the body. White space is no progress: servers send it to keep a connection alive."""
        if self.failure is None:
            try:
                self._outline.feed(data)
            except (EventTooLarge, BadFraming) as error:
                self.failure = failure_of(error)
            self.progress += bool(data.strip())
        return []

    def finish(self) -> Batch:
        """Return the whole answer at the end of the body, or set the reason why there is none."""
        if self.done or self.failure is not None:
            return []
        if not self._outline.closed:
            self.failure = NO_END_MARKER
            return []
        batch = self._read(bytes(self._outline.text))
        self.model, self.response_id = self._stream.model, self._stream.response_id
        self.failure = self.failure or self._stream.failure
        if self._mender is not None:
            batch = self._mended(self._mender, batch)
        self.done = self.failure is None
        return batch if self.done else []

    def _read(self, outline: bytes) -> Batch:
        try:
            data = self._stream_of(outline)
        except (*UNREADABLE, EventTooLarge) as error:
            self.failure = failure_of(error)
            return []
        return [*self._stream.feed(data), *self._stream.finish()]

    def _mended(self, mender: Mender, batch: Batch) -> Batch:
        """Join halves of characters that end one part and begin the next. The mark of a long text stays as it is."""
        self.model, self.response_id = mender.name(self.model), mender.name(self.response_id)
        self.failure = mender.failure(self.failure)
        found: Batch = []
        for chunk in batch:
            long = (chunk.reasoning if type(chunk) is ReasoningDelta else chunk.text) in self.spans
            found += [*mender.end(), chunk] if long else mender.mend([chunk])
        return found + mender.end()

    def _stream_of(self, outline: bytes) -> bytes:
        """Make the outline a stream, with halves of characters marked; a second try mends what strict readers refuse.

        Not every dialect reads the outline here, and its stream's decoder could not know the mark of a long text.
        """
        if (marked := without_halves(outline, mark=True)) != outline:
            self._mender = Mender()
        try:
            return self._as_stream(marked)
        except UNREADABLE as error:
            sound = readable(marked)
            if sound == marked and not isinstance(error, msgspec.ValidationError):
                raise
        try:
            return self._as_stream(sound)
        except msgspec.ValidationError:
            return self._as_stream(without_nothing(sound))


def sse(*payloads: bytes) -> bytes:
    """Return JSON texts as server-sent events, whatever line ends are in them."""
    return b"".join(b"data: %b\n\n" % b"\ndata: ".join(payload.splitlines()) for payload in payloads)


def accepted(request: Request) -> str:
    """Return the Accept header of a request that may ask for a stream or an answer in one piece."""
    return "text/event-stream" if request.stream else "application/json"


def has(fields: Mapping[str, msgspec.Raw], name: str) -> bool:
    """Return whether an object of undecoded values has this one; null counts as missing."""
    return name in fields and bytes(fields[name]) != b"null"
