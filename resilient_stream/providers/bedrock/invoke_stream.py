"""Reads the stream of Bedrock's InvokeModel: each model vendor's own dialect, in base64.

The shape of the first payload tells the dialect. A model's name cannot, since it may be an ARN or be new. Dialects that
are used elsewhere are read by their own decoders; the rest are rows of `invoke_flat.py`. Requests are written in
`bodies.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from ...chunks import Finished, Usage
from ...contract import Batch, Decoder
from ...failures import NO_END_MARKER, ErrorKind, Failure
from ...wire.broken import UNREADABLE, objects_in, readable, value_of
from ..anthropic.stream import messages_decoder
from ..openai.chat_stream import chat_decoder
from ..shared.values import object_of
from .converse_stream import ConverseReader
from .frames import Frame
from .invoke_flat import METRICS, SHAPES, FlatReader, read_metrics

__all__ = ["InvokeReader", "as_chat"]


class _Part(msgspec.Struct, rename={"payload": "bytes"}):
    """Holds one `chunk` event. msgspec decodes base64 for a field of bytes."""

    payload: bytes = b""


_PARTS = msgspec.json.Decoder(_Part)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
UNKNOWN_DIALECT = Failure(kind=ErrorKind.PROTOCOL_ERROR, code="unknown_dialect")
_BAD_JSON = Failure(kind=ErrorKind.PROTOCOL_ERROR, code="bad_json")


class _State(Protocol):
    """Holds the state that a decoder reports beside its chunks; see `contract.Decoder`."""

    failure: Failure | None
    done: bool
    progress: int
    model: str | None
    response_id: str | None


class _Reader(Protocol):
    """Reads the payloads of one vendor; `state` is what it found."""

    @property
    def state(self) -> _State: ...

    def read(self, payloads: list[bytes], batch: Batch) -> None: ...

    def finish(self) -> Batch: ...


class InvokeReader:
    """Reads one answer in whatever dialect arrives; the part of `contract.Decoder` that comes after the framing. cites:
    it may have citations."""

    __slots__ = (
        "_cites",
        "_counted",
        "_inner",
        "_options",
        "_skipped",
        "done",
        "failure",
        "halves",
        "model",
        "progress",
        "response_id",
    )

    def __init__(self, *, cites: bool = False, **options: Any) -> None:
        self._cites = cites
        self._options = options
        self._inner: _Reader | None = None
        self._counted = False
        self._skipped = False
        self.halves = False
        self.failure: Failure | None = None
        self.done = False
        self.progress = 0
        self.model: str | None = None
        self.response_id: str | None = None

    @property
    def unmodelled(self) -> Mapping[str, int]:
        """Return the names of content without a chunk class, with how often each came."""
        counts: Mapping[str, int] = getattr(self._inner and self._inner.state, "unmodelled", {})
        return counts

    def read(self, frames: list[Frame], batch: Batch) -> None:
        """Put the chunks of some frames into `batch`."""
        payloads, bad = self._payloads(frames)
        if self._inner is None and payloads:
            self._inner = self._reader_for(payloads[0])
        if self._inner is None or not payloads:
            self.failure = self.failure or bad
            return
        self._inner.read(payloads, batch)
        self._count(payloads[-1], batch)
        self._take_state(self._inner.state)
        self.failure = self.failure or bad

    def finish(self) -> Batch:
        """Take note that the body ended."""
        if self._inner is None:
            self.failure = UNKNOWN_DIALECT if self._skipped else NO_END_MARKER
            return []
        batch = self._inner.finish()
        self._take_state(self._inner.state)
        return batch

    def _take_state(self, state: _State) -> None:
        self.failure, self.done, self.progress = state.failure, state.done, state.progress
        self.model, self.response_id = state.model, state.response_id

    def _count(self, payload: bytes, batch: Batch) -> None:
        """Use Bedrock's own counts if the vendor's events have none."""
        self._counted = self._counted or any(type(chunk) is Usage for chunk in batch)
        if METRICS.encode() in payload and not self._counted:
            place = len(batch) - 1 if batch and type(batch[-1]) is Finished else len(batch)
            batch.insert(place, read_metrics(_fields(payload).get(METRICS)))

    def _payloads(self, frames: list[Frame]) -> tuple[list[bytes], Failure | None]:
        """Return the vendor's JSON texts, up to one that is not JSON. Payloads that carry nothing are left out."""
        payloads: list[bytes] = []
        for frame in frames:
            try:
                for outer in [frame.payload] if frame.payload[:1] == b"{" else objects_in(frame.payload):
                    payloads += self._readable_texts(_PARTS.decode(outer).payload)
            except UNREADABLE:
                return payloads, _BAD_JSON
        return payloads, None

    def _readable_texts(self, payload: bytes) -> list[bytes]:
        texts = [payload] if payload[:1] == b"{" else objects_in(payload)
        self._skipped = self._skipped or not texts
        if b"\\u" not in payload:
            return texts
        sound = [readable(text) for text in texts]
        self.halves = self.halves or sound != texts
        return sound

    def _reader_for(self, payload: bytes) -> _Reader | None:
        fields = _fields(payload)
        shape = next((row for name, row in SHAPES.items() if name in fields), None)
        if shape is not None:
            return FlatReader(shape, **self._options)
        if "choices" in fields:
            return _Reframed(chat_decoder("bedrock", **self._options), as_chat)
        if "type" in fields:
            return _Reframed(messages_decoder("bedrock", cites=self._cites, **self._options), bytes)
        if "messageStart" in fields:
            return _Nova(cites=self._cites, **self._options)
        self.failure = UNKNOWN_DIALECT
        return None


def _fields(payload: bytes) -> dict[str, Any]:
    return object_of(value_of(payload))


class _Reframed:
    """Frames payloads as server-sent events again, for the decoder of a dialect that is streamed so elsewhere."""

    def __init__(self, decoder: Decoder, in_its_form: Callable[[bytes], bytes]) -> None:
        self.state = decoder
        self._in_its_form = in_its_form

    def read(self, payloads: list[bytes], batch: Batch) -> None:
        # A line end is white space in JSON, but would end the field of a server-sent event.
        lines = (self._in_its_form(payload).replace(b"\r", b" ").replace(b"\n", b" ") for payload in payloads)
        batch += self.state.feed(b"".join(b"data: %b\n\n" % line for line in lines))

    def finish(self) -> Batch:
        return self.state.finish()


def as_chat(payload: bytes) -> bytes:
    """Return a chat event in OpenAI's shape: Mistral streams `message` for `delta`, DeepSeek `text`, both
    `stop_reason`.

    AI21 sends a finish_reason and, beside it, a stop_reason that is a bare number.
    """
    fields = _fields(payload)
    given = fields.get("choices")
    choices = [choice for choice in given if isinstance(choice, dict)] if isinstance(given, list) else []
    if all("delta" in choice for choice in choices):
        return payload
    for choice in choices:
        choice["delta"] = choice.pop("message", None) or {"content": choice.pop("text", None)}
        choice["finish_reason"] = choice.get("finish_reason") or choice.pop("stop_reason", None)
    return msgspec.json.encode({**fields, "choices": choices})


class _Nova:
    """Reads Converse's events, each the first field of an object; Bedrock's own counts may follow in the object."""

    def __init__(self, **options: Any) -> None:
        self.state = ConverseReader(**options)

    def read(self, payloads: list[bytes], batch: Batch) -> None:
        self.state.read([frame for payload in payloads for frame in _unwrapped(payload)], batch)

    def finish(self) -> Batch:
        return self.state.finish()


def _unwrapped(payload: bytes) -> list[Frame]:
    try:
        fields = _FIELDS.decode(payload)
    except UNREADABLE:
        return [Frame("", payload)]
    return [Frame(name, bytes(value)) for name, value in fields.items() if name != METRICS]
