"""Decodes the stream of Anthropic's Messages API, sent by Anthropic, Vertex, Bedrock and many gateways, into chunks.

Only `message_stop` ends an answer: a stop reason before it does not. An unknown event is no error, since Anthropic adds
block and delta types every few months. The events' types are in `events.py`.
This module must never await.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from ...chunks import Finished, FinishReason, ReasoningDelta, TextDelta
from ...classify import classify_error
from ...contract import Batch
from ...failures import ErrorKind, Failure
from ...wire.broken import event_value
from ...wire.json_events import JsonEvents
from .. import rules_for
from ..shared.block_calls import BlockCalls
from ..shared.call_fields import Arguments, argument_text, arguments_in
from ..shared.ends import end_of, failed_end
from ..shared.event_decoder import EventDecoder
from ..shared.foreign import ForeignBlocks
from ..shared.holdings import Holdings
from ..shared.parts import parts_of, text_in
from ..shared.unmodelled import Unmodelled, says
from ..shared.values import items_in, list_of, object_of, text_of
from .citations import Passage
from .events import EVENTS, TEXT, Delta, Event, TextEvent
from .server_tools import ServerBlocks, caller_in
from .usage import COUNTS, read_usage

__all__ = ["FINISH_REASONS", "MessagesReader", "messages_decoder"]


FINISH_REASONS: Mapping[str, tuple[FinishReason, str | None]] = {
    "end_turn": ("stop", None),
    "stop_sequence": ("stop", None),
    "tool_use": ("tool_calls", None),
    "max_tokens": ("length", "output_truncated"),
    "model_context_window_exceeded": ("length", "output_truncated"),
    "refusal": ("refusal", "refusal"),
    "pause_turn": ("pause", None),
    "compaction": ("pause", None),
}
"""Reasons with which an answer may end, and the kind when it is not a whole one. Any reason that is not here becomes
"other"."""


def messages_decoder(
    provider: str, *, max_event_bytes: int, raw: bool = False, eof_ok: bool = False, cites: bool = False
) -> EventDecoder[Event]:
    """Return the decoder of one answer of the Messages API. cites: it may have citations."""
    events = JsonEvents(EVENTS, max_event_bytes)
    reader = MessagesReader(provider, raw=raw, holdings=Holdings(max_event_bytes), cites=cites)
    return EventDecoder(provider, reader, events, eof_ok=eof_ok)


class MessagesReader:
    """Reads the events of one answer of the Messages API; see `event_decoder`."""

    __slots__ = (
        "_calls", "_explanation", "_foreign", "_passage", "_provider", "_spoke", "_stop_reason", "_unmodelled",
        "_usage", "done", "failure", "model", "plain", "progress", "response_id", "seen",
    )  # fmt: skip

    texts = TEXT

    def __init__(
        self, provider: str, *, raw: bool = False, holdings: Holdings | None = None, cites: bool = False
    ) -> None:
        self._provider = provider
        self._unmodelled = Unmodelled(provider, raw=raw)
        self._foreign = ForeignBlocks(self._unmodelled, holdings, read=ServerBlocks().chunks)
        self._passage = Passage(holdings, located=cites)
        self._calls = BlockCalls()
        self._spoke = False
        self._usage: dict[str, Any] = {}
        self._stop_reason: str | None = None
        self._explanation = ""
        self.plain = False
        self.seen = False
        self.failure: Failure | None = None
        self.done = False
        self.progress = 0
        self.model: str | None = None
        self.response_id: str | None = None

    @property
    def unmodelled(self) -> Mapping[str, int]:
        """Return the names of content without a chunk class, with how often each came."""
        return self._unmodelled.counts

    def text(self, events: list[TextEvent]) -> Batch:
        """Return the chunks of a read that contains only text."""
        batch: Batch = [TextDelta(text) for event in events if (text := event.delta.text)]
        if self._passage.located:
            self._passage.follow(batch)
        return batch

    def read(self, events: list[Event], payloads: Sequence[bytes], batch: Batch) -> None:
        """Put the chunks of some events into `batch`, up to the end or a failure among them."""
        for place, event in enumerate(events):
            read = _READERS.get("error" if event.error else event.type)
            if read is None or not read(self, event, batch):
                self._pass(event, payloads[place : place + 1], batch)
            if self.done or self.failure is not None:
                break
        self.seen = self.seen or any(chunk.content for chunk in batch)
        self.plain = bool(batch) and type(batch[-1]) is TextDelta

    def may_end(self, marked: bool, cut: bool) -> bool:
        """Return False: an answer ends only with `message_stop`."""
        return False

    def close(self) -> Batch:
        """Return the chunks that `message_stop` would have completed."""
        batch: Batch = []
        self._message_stop(Event(), batch)
        return batch

    # Each reader says whether it knew the event.

    def _message_start(self, event: Event, batch: Batch) -> bool:
        message = object_of(event.message)
        id = text_of(message.get("id"))
        if self._is_another(id, batch):
            self.failure = Failure(kind=ErrorKind.STREAM_INTERRUPTED, code="message_restarted")
            return True
        if self.response_id is None or id not in ("", self.response_id):
            self._first_content(message, batch)
        self.response_id = id or self.response_id
        self.model = text_of(message.get("model")) or self.model
        self._count(message.get("usage"), batch)
        return True

    def _first_content(self, message: dict[str, Any], batch: Batch) -> None:
        """Read a first event that has the content already, as when the message continues calls planned earlier."""
        self._stop_reason = text_of(message.get("stop_reason")) or self._stop_reason
        for index, block in enumerate(parts_of(message.get("content"))):
            self._block_start(Event(index=index, content_block=block), batch)
            self._block_stop(Event(index=index), batch)

    def _is_another(self, id: str, batch: Batch) -> bool:
        """Return whether a second message begins, as from a proxy that retries inside one stream. It replaces the first
        one only before any content; after content the two must not be joined."""
        begun = self.seen or any(chunk.content for chunk in batch)
        return bool(begun and id and self.response_id and id != self.response_id)

    def _block_start(self, event: Event, batch: Batch) -> bool:
        block = object_of(event.content_block)
        kind = block.get("type")
        before = len(batch)
        if kind == "tool_use":
            id, name = text_of(block.get("id")), text_of(block.get("name"))
            batch += self._calls.begin(event.index, id, name, arguments_in(block), caller_in(block))
        elif kind == "text":
            batch += self._new_text(block.get("text", {**block, "type": None, "citations": None}))
            for citation in items_in(block.get("citations")):
                batch += self._passage.cite(citation)
        elif kind == "thinking":
            thought = text_in(block.get("thinking"))
            batch += _reasoning(thought, block.get("signature"))
            batch += [] if thought else self._unmodelled.unread("thinking", block.get("thinking"))
        elif kind == "redacted_thinking":
            batch += _redacted(block.get("data"))
        else:
            self._calls.begin_foreign(event.index)
            batch += self._foreign.begin(event.index, text_of(kind) or "content_block", block)
        self._spoke = len(batch) > before
        self.progress += not self._spoke
        return True

    def _block_delta(self, event: Event, batch: Batch) -> bool:
        delta = event.delta or Delta()
        self._spoke = True
        if self._calls.open and (delta.text or delta.thinking):
            self._calls.odd(event.index)
        if delta.type == "" and delta == Delta():
            return False
        if delta.type in ("text_delta", "") and (delta.text or not delta.thinking):
            batch += self._new_text(delta.text)
        elif delta.type == "citations_delta" and delta.citation:
            batch += self._passage.cite(delta.citation)
        elif delta.type == "compaction_delta" and isinstance(delta.content, str):
            return self._foreign.grow(event.index, "content", delta.content)
        elif delta.type in ("thinking_delta", "signature_delta", ""):
            batch += _reasoning(delta.thinking, delta.signature)
        elif delta.type != "input_json_delta" or (piece := _piece(delta)) is None:
            return False
        elif not self._foreign.piece(event.index, piece):
            return self._calls.take(event.index, Arguments(piece), batch)
        else:
            self.progress += 1
        return True

    def _block_stop(self, event: Event, batch: Batch) -> bool:
        """End a block. Some gateways send all of the block in this event."""
        if event.content_block and (not self._spoke or event.index in self._calls):
            self._block_start(event, batch)
        batch += self._calls.end(event.index)
        batch += self._foreign.end(event.index)
        batch += self._passage.end()
        return True

    def _message_delta(self, event: Event, batch: Batch) -> bool:
        delta = event.delta or Delta()
        self._stop_reason = delta.stop_reason or self._stop_reason
        if isinstance(delta.stop_details, dict):
            self._explanation = text_of(delta.stop_details.get("explanation"))
        if delta.stop_sequence is not None:
            batch += self._unmodelled.aside("stop_sequence", delta.stop_sequence)
        self._count(event.usage, batch)
        return True

    def _message_stop(self, event: Event, batch: Batch) -> bool:
        self.done = True
        batch += self._calls.rest()
        batch += self._foreign.rest()
        batch += self._passage.end()
        if (failed := failed_end(self._stop_reason or "", {}, FINISH_REASONS)) is not None:
            self.done, self.failure = False, Failure(kind=failed, code=self._stop_reason or "")
        elif self._stop_reason is not None:
            reason, kind = end_of(self._stop_reason, FINISH_REASONS)
            batch.append(Finished(reason, self._stop_reason, kind, self._explanation))
        return True

    def _error(self, event: Event, batch: Batch) -> bool:
        said = {"type": "error", "error": event.error or event.message or {}}
        self.failure = classify_error(said, rules_for(self._provider))
        return True

    def _ping(self, event: Event, batch: Batch) -> bool:
        return True

    def _pass(self, event: Event, payload: Sequence[bytes], batch: Batch) -> None:
        """Pass on citations and unknown events. Only content counts as progress, since an unknown event may be a
        keep-alive."""
        self.progress += event.type.startswith("content_block")
        if not payload:
            return
        said = object_of(event_value(payload[0]))
        if event.type == "message":
            self._whole(said, batch)
        elif event.type == "content_block_delta" and event.delta is not None:
            if says({**object_of(said.get("delta")), "type": None}):
                self._calls.odd(event.index)
            batch += self._foreign.delta(event.index, event.delta.type, said, len(payload[0]))
        else:
            batch += self._unmodelled.event(event.type, payload[0], event.type.startswith("content_block"))

    def _whole(self, message: dict[str, Any], batch: Batch) -> None:
        """Read a whole message that comes in place of the events, or at the end of a stream."""
        if self.seen or any(chunk.content for chunk in batch):
            blocks = [object_of(block) for block in list_of(message.get("content"))]
            self._calls.settle({text_of(block.get("id")): arguments_in(block) for block in blocks})
            message = {**message, "content": None}
        self._message_start(Event(message={**message, "id": message.get("id") or "message"}), batch)
        if self.failure is None and self._stop_reason is not None:
            self._message_stop(Event(), batch)

    def _new_text(self, value: Any) -> Batch:
        """Return a piece of text; a value that is none is passed on."""
        text = text_in(value)
        batch: Batch = [TextDelta(text)] if text else []
        self._passage.follow(batch)
        return batch if text else [*self._unmodelled.unread("text", value)]

    def _count(self, usage: Any, batch: Batch) -> None:
        """Take an event's counts. They are cumulative, and each event has only some of them."""
        if isinstance(usage, dict) and usage:
            self._usage.update({name: usage[name] for name in COUNTS if usage.get(name) is not None})
            batch.append(read_usage(self._usage))


_Read: TypeAlias = Callable[[MessagesReader, Event, Batch], bool]

_READERS: Mapping[str, _Read] = {
    "message_start": MessagesReader._message_start,
    "content_block_start": MessagesReader._block_start,
    "content_block_delta": MessagesReader._block_delta,
    "content_block_stop": MessagesReader._block_stop,
    "message_delta": MessagesReader._message_delta,
    "message_stop": MessagesReader._message_stop,
    "ping": MessagesReader._ping,
    "error": MessagesReader._error,
}


def _reasoning(text: Any, signature: Any) -> Batch:
    thought, proof = text_of(text), text_of(signature)
    return [ReasoningDelta(thought, proof or None)] if thought or proof else []


def _piece(delta: Delta) -> str | None:
    found = (each for each in (delta.partial_json, delta.input, delta.arguments) if each not in (None, ""))
    return next(map(argument_text, found), "" if delta.partial_json == "" else None)


def _redacted(data: Any) -> Batch:
    block = text_of(data)
    return [ReasoningDelta("", None, block)] if block else []
