"""Makes recordings a provider: `Target("replay:sessions.jsonl")` gives the answers that were recorded in the file.

The recorded bytes go through the decoder and the classifier of the provider they came from, so a playback gives what
the same stream would give today, its failures included. This module opens no file and finds no recording: `encode` says
what is asked, and `recording/playback.py` plays it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, cast

import msgspec

from ..chunks import Chunk, ReasoningDelta, TextDelta
from ..classify import classify_response
from ..contract import (
    Adapter,
    Batch,
    Capabilities,
    Decoder,
    Endpoint,
    ProviderFacts,
    ReplayRequest,
    Request,
    WholeAdapter,
)
from ..failures import NO_END_MARKER, ErrorKind, Failure, StreamMisused
from ..failures.answered import who_answered
from ..fitting.answer_form import as_text, in_its_way
from ..fitting.features import OPTIONS
from ..fitting.files import ALL_FILES
from ..fitting.tool_names import given_back, names_for
from ..providers import adapter_for
from ..providers.shared.own_hosts import is_own
from ..providers.shared.words import knowing
from ..target import Target
from ..wire.json_events import UNREADABLE
from ..wire.json_string import JsonString
from ..wire.limits import EventTooLarge
from ..wire.ndjson import NdjsonDecoder
from .format import DECODING, Ending, Head, Line

__all__ = ["ADAPTER", "MEDIA_TYPE", "Replay", "ReplayDecoder"]

MEDIA_TYPE = "application/x-resilient-stream-recording"

_LINE = msgspec.json.Decoder(Line)
_LEFT = Failure(kind=ErrorKind.STREAM_INTERRUPTED, code="recording_ends", retry=False, fallback=False)


class ReplayDecoder:
    """Decodes one recorded answer by the recorded provider's decoder; see `contract.Decoder`."""

    def __init__(self, request: Request) -> None:
        self._lines = NdjsonDecoder(request.max_event_bytes)
        self._request = request
        self._adapter: Adapter | None = None
        self._inner: Decoder | None = None
        self._head = Head("")
        self.failure: Failure | None = None
        self.done = False

    progress = property(lambda self: self._inner.progress if self._inner else 0)
    model = property(lambda self: self._inner.model if self._inner else None)
    response_id = property(lambda self: self._inner.response_id if self._inner else None)
    unmodelled = property(lambda self: getattr(self._inner, "unmodelled", {}))

    def feed(self, data: bytes) -> Batch:
        """Decode the lines that are whole."""
        if self.done or self.failure is not None:
            return []
        try:
            return self._read(self._lines.feed(data))
        except EventTooLarge as error:
            self.failure = Failure(kind=ErrorKind.BUFFER_LIMIT, facts={"limit": f"{error.limit} bytes"})
            return []

    def finish(self) -> Batch:
        """Take note that the player stopped. The answer is whole only if the recorded one was."""
        if self.done or self.failure is not None:
            return []
        batch = self._read(self._lines.finish(), last=True)
        if not self.done and self.failure is None:
            batch += self._end(NO_END_MARKER)
        return batch

    def _read(self, lines: list[bytes], *, last: bool = False) -> Batch:
        batch: Batch = []
        for text in lines:
            try:
                line = _LINE.decode(text)
            except UNREADABLE:
                if not last:  # half a line at the end means a cut recording
                    self.failure = Failure(kind=ErrorKind.PROTOCOL_ERROR, code="bad_json")
                break
            self._read_line(line, batch)
            if self.done or self.failure is not None:
                break
        return batch

    def _read_line(self, line: Line, batch: Batch) -> None:
        if line.head is not None:
            self._begin(line.head)
        if self._inner is not None and line.data is not None:
            batch += self._inner.feed(line.bytes)
            self._take_state()
        if line.ended is not None and not self.done and self.failure is None:
            batch += self._end(_recorded(line.ended))

    def _begin(self, head: Head) -> None:
        self._head = head
        own = {name: value for name, value in self._request.target.options.items() if name in DECODING}
        try:
            target = Target(head.target, **{**head.options, **own})
            self._adapter = adapter_for(target.provider)
        except StreamMisused as error:
            reason = f"It is of another provider: {str(error).partition(';')[0]}"
            self.failure = Failure(kind=ErrorKind.CLIENT_CONFIG, code="no_recording", facts={"reason": reason})
            return
        able = self._adapter.capabilities(target.model)
        sent, answer = in_its_way(replace(self._request, target=target, stream=not head.whole), able)
        whole = _Whole(cast(WholeAdapter, self._adapter), sent) if head.whole else None
        decoder = given_back(whole or self._adapter.decoder(sent), names_for(sent, able.tool_names))
        self._inner = as_text(decoder, answer)

    def _take_state(self) -> None:
        if self._inner is not None:
            self.done = self._inner.done
            self.failure = self._inner.failure and told_as(self._inner.failure, self._head, self._adapter)

    def _end(self, failure: Failure | None) -> Batch:
        """End the recorded body. As in a real one, a break after the end marker is no failure."""
        if self._inner is None:
            self.failure = failure or NO_END_MARKER
            return []
        batch = self._inner.finish()
        self._take_state()
        missing = self.failure is not None and self.failure.code == NO_END_MARKER.code
        if failure is not None and not self.done and (missing or self.failure is None):
            self.failure = told_as(failure, self._head, self._adapter)
        return batch


class _Whole:
    """Decodes a recorded whole answer; its long texts are taken from the body, which is in memory."""

    def __init__(self, adapter: WholeAdapter, request: Request) -> None:
        self._inner = adapter.whole_decoder(request)
        self._body = bytearray()

    progress = property(lambda self: self._inner.progress)
    model = property(lambda self: self._inner.model)
    response_id = property(lambda self: self._inner.response_id)
    unmodelled = property(lambda self: getattr(self._inner, "unmodelled", {}))
    failure = property(lambda self: self._inner.failure)
    done = property(lambda self: self._inner.done)

    def feed(self, data: bytes) -> Batch:
        self._body += data
        return self._inner.feed(data)

    def finish(self) -> Batch:
        return [self._with_text(chunk) for chunk in self._inner.finish()]

    def _with_text(self, chunk: Chunk) -> Chunk:
        said = chunk.reasoning if type(chunk) is ReasoningDelta else chunk.text
        if said not in self._inner.spans:
            return chunk
        start, end = self._inner.spans[said]
        text = JsonString().feed(bytes(self._body[start:end]))
        return ReasoningDelta(text, chunk.signature) if type(chunk) is ReasoningDelta else TextDelta(text)


def _recorded(ended: Ending) -> Failure | None:
    """Return the failure that ended the answer, apart from its bytes."""
    return _LEFT if ended.how == "left" else ended.failure


def told_as(failure: Failure, head: Head, adapter: Adapter | None) -> Failure:
    """Return the failure with the names that its message had when it was recorded."""
    if adapter is None:
        return failure
    known = {
        "model": head.target.partition(":")[2],
        "host": head.host,
        "env_var": " or ".join(adapter.key_variables),
    }
    names = who_answered(adapter.title, head.host, foreign=not is_own(adapter, head.host))
    facts = names | {name: value for name, value in known.items() if value} | failure.facts
    return msgspec.structs.replace(failure, facts=facts)


class Replay(msgspec.Struct, frozen=True):
    """Adapts recordings as a provider; see `contract.Adapter`. The target's "model" is the file. Its options:

    speed: how many times as fast as recorded; 1 by default, 0 or None without waiting.
    repeat: True plays an answer again when it was asked for more often than recorded; else that is an error.
    """

    name: ClassVar[str] = "replay"
    title: ClassVar[str] = "The recording"
    base_url: ClassVar[str] = ""
    key_variables: ClassVar[tuple[str, ...]] = ()
    url_variable: ClassVar[str] = ""
    default_model: ClassVar[str | None] = None
    options: ClassVar[tuple[str, ...]] = ("speed", "repeat")
    media_types: ClassVar[tuple[str, ...]] = (MEDIA_TYPE,)
    facts: ClassVar[ProviderFacts] = ProviderFacts(needs="a recorded file")

    def capabilities(self, model: str) -> Capabilities:
        """Return all capabilities: a feature that the recorded provider lacked is a recorded failure, or was not
        recorded."""
        able = Capabilities(
            prefill=True,
            earlier_turns="as_given",
            tool_names=r"(?s).*",
            files=ALL_FILES,
            any_tool=True,
            citations=True,
        )
        return knowing(OPTIONS, able)

    def encode(self, request: Request, endpoint: Endpoint) -> ReplayRequest:
        """Encode which answer to look for, where, and how fast to play it."""
        return ReplayRequest(
            file=request.model,
            messages=request.messages,
            speed=_speed(request.option("speed", 1.0)),
            repeat=bool(request.option("repeat")),
            max_line_bytes=request.max_event_bytes,
        )

    def decoder(self, request: Request) -> ReplayDecoder:
        """Return a decoder for one recorded answer."""
        return ReplayDecoder(request)

    def classify(self, status: int, headers: Mapping[str, str], body: bytes, max_retry_after: float = 60.0) -> Failure:
        """Classify an error as the recorded provider's adapter does."""
        head, said = _unpacked(body)
        try:
            adapter = adapter_for(head.target.partition(":")[0]) if head.target else None
        except StreamMisused:
            adapter = None
        if adapter is None:
            return classify_response(status, headers, said, max_retry_after=max_retry_after)
        return told_as(adapter.classify(status, headers, said, max_retry_after), head, adapter)


ADAPTER = Replay()


def _unpacked(body: bytes) -> tuple[Head, bytes]:
    """Return the lines of a played error as its head and body; a line that was cut off at a limit is left out."""
    head, pieces = Head(""), list[bytes]()
    for text in body.splitlines():
        try:
            line = _LINE.decode(text)
        except UNREADABLE:
            continue
        head = line.head or head
        pieces.append(line.bytes)
    return head, b"".join(pieces)


def _speed(value: Any) -> float:
    """Return the speed; 0 means without waits."""
    number = 0.0 if value is None else value
    if isinstance(number, bool) or not isinstance(number, int | float) or not number >= 0:
        raise StreamMisused(f"speed of a replay must be a number of at least 0, or None, not {value!r}")
    return float(number)
