"""Anthropic's Messages API as it is streamed, by Anthropic, Vertex, Bedrock and many gateways: events into chunks.

The one rule: only `message_stop` ends an answer. A stop reason before it is not the end, and no event that we
do not know is an error: Anthropic adds block and delta types every few months (recordings QUIRKS 36).
Must never: await, or know who sent it.

Speed: most network reads of an answer hold nothing but text. Those are decoded as `_TextEvent`, whose types
admit nothing else, so no field needs a look per token; any other read is decoded as `_Event` and taken apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from ..chunks import Finished, FinishReason, Raw, ReasoningDelta, TextDelta, Usage
from ..classify import classify_error
from ..contract import Batch
from ..errors import ErrorKind, Failure
from ..wire.broken import value_of
from ..wire.json_events import BatchDecoder, JsonEvents
from .block_calls import BlockCalls
from .counts import count
from .error_rules import rules_for
from .event_decoder import EventDecoder
from .holdings import Holdings
from .values import object_of, text_of

__all__ = ["FINISH_REASONS", "MessagesReader", "messages_decoder", "read_usage"]


class _TextDelta(msgspec.Struct, tag_field="type", tag="text_delta", gc=False):
    text: str


class _TextEvent(msgspec.Struct, tag_field="type", tag="content_block_delta", gc=False):
    """A delta of text and nothing else; any other event is a ValidationError."""

    delta: _TextDelta
    error: None = None


class _Delta(msgspec.Struct, gc=False):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None
    stop_details: Any = None


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    index: int = 0
    delta: _Delta | None = None
    content_block: Any = None
    message: Any = None
    usage: Any = None
    error: Any = None


_COUNTS = (
    "input_tokens", "output_tokens", "output_tokens_details", "cache_read_input_tokens", "cache_creation_input_tokens",
)  # fmt: skip
_TEXT = BatchDecoder(_TextEvent)
_EVENTS = BatchDecoder(_Event)

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
"""What an answer may end with, and the kind when it is not a whole one. Not here: "other"."""


def messages_decoder(
    provider: str, *, max_event_bytes: int, raw: bool = False, eof_ok: bool = False
) -> EventDecoder[_Event]:
    """The decoder of one answer of the Messages API."""
    events = JsonEvents(_EVENTS, max_event_bytes)
    reader = MessagesReader(provider, raw=raw, holdings=Holdings(max_event_bytes))
    return EventDecoder(provider, reader, events, eof_ok=eof_ok)


class MessagesReader:
    """One answer of the Messages API; see `event_decoder`."""

    __slots__ = (
        "_calls", "_explanation", "_provider", "_raw", "_stop_reason", "_usage", "done", "failure",
        "model", "plain", "progress", "response_id", "seen",
    )  # fmt: skip

    texts = _TEXT

    def __init__(self, provider: str, *, raw: bool = False, holdings: Holdings | None = None) -> None:
        self._provider = provider
        self._raw = raw
        self._calls = BlockCalls(holdings)
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

    def text(self, events: list[_TextEvent]) -> Batch:
        """The chunks of a read that is nothing but text."""
        return [TextDelta(text) for event in events if (text := event.delta.text)]

    def read(self, events: list[_Event], payloads: Sequence[bytes], batch: Batch) -> None:
        """The chunks of some events, up to the end or a failure among them."""
        for place, event in enumerate(events):
            read = _READERS.get("error" if event.error else event.type)
            if read is None or not read(self, event, batch):
                self._pass(event, payloads[place : place + 1], batch)
            if self.done or self.failure is not None:
                break
        self.seen = self.seen or any(chunk.content for chunk in batch)
        self.plain = bool(batch) and type(batch[-1]) is TextDelta

    def may_end(self, marked: bool, cut: bool) -> bool:
        """Not before `message_stop`, whatever else ends."""
        return False

    def close(self) -> Batch:
        """What `message_stop` would have made whole."""
        batch: Batch = []
        self._message_stop(_Event(), batch)
        return batch

    # Each reader says whether it knew the event.

    def _message_start(self, event: _Event, batch: Batch) -> bool:
        message = object_of(event.message)
        id = text_of(message.get("id"))
        if self._is_another(id, batch):
            self.failure = Failure(kind=ErrorKind.STREAM_INTERRUPTED, code="message_restarted")
            return True
        if self.response_id is None or id not in ("", self.response_id):
            self._given(message, batch)
        self.response_id = id or self.response_id
        self.model = text_of(message.get("model")) or self.model
        self._count(message.get("usage"), batch)
        return True

    def _given(self, message: dict[str, Any], batch: Batch) -> None:
        """A message that goes on with calls planned earlier has them in its first event, stop reason and all."""
        self._stop_reason = text_of(message.get("stop_reason")) or self._stop_reason
        content = message.get("content")
        for index, block in enumerate(content if isinstance(content, list) else ()):
            self._block_start(_Event(index=index, content_block=block), batch)
            self._block_stop(_Event(index=index), batch)

    def _is_another(self, id: str, batch: Batch) -> bool:
        """A proxy that tries again inside one stream begins a second message. Before any content that is as
        good as the first; after it, the two must not be spliced (QUIRKS 37)."""
        begun = self.seen or any(chunk.content for chunk in batch)
        return bool(begun and id and self.response_id and id != self.response_id)

    def _block_start(self, event: _Event, batch: Batch) -> bool:
        block = object_of(event.content_block)
        kind = block.get("type")
        if kind == "tool_use":
            id, name = text_of(block.get("id")), text_of(block.get("name"))
            batch += self._calls.begin(event.index, id, name, block.get("input"))
        elif kind == "text":
            batch += _text(block.get("text"))
        elif kind == "thinking":
            batch += _reasoning(block.get("thinking"), block.get("signature"))
        elif kind == "redacted_thinking":
            batch += _redacted(block.get("data"))
        else:
            self._calls.begin_foreign(event.index)
            return False
        return True

    def _block_delta(self, event: _Event, batch: Batch) -> bool:
        delta = event.delta or _Delta()
        if delta.type == "text_delta":
            batch += _text(delta.text)
        elif delta.type in ("thinking_delta", "signature_delta"):
            batch += _reasoning(delta.thinking, delta.signature)
        elif delta.type == "input_json_delta":
            made = self._calls.add(event.index, delta.partial_json or "")
            batch += made
            return event.index in self._calls
        else:
            return False
        return True

    def _block_stop(self, event: _Event, batch: Batch) -> bool:
        batch += self._calls.end(event.index)
        return True

    def _message_delta(self, event: _Event, batch: Batch) -> bool:
        delta = event.delta or _Delta()
        self._stop_reason = delta.stop_reason or self._stop_reason
        if isinstance(delta.stop_details, dict):
            self._explanation = text_of(delta.stop_details.get("explanation"))
        self._count(event.usage, batch)
        return True

    def _message_stop(self, event: _Event, batch: Batch) -> bool:
        self.done = True
        batch += self._calls.rest()
        if self._stop_reason is not None:
            reason, kind = FINISH_REASONS.get(self._stop_reason, ("other", None))
            batch.append(Finished(reason, self._stop_reason, kind, self._explanation))
        return True

    def _error(self, event: _Event, batch: Batch) -> bool:
        said = {"type": "error", "error": event.error or event.message or {}}
        self.failure = classify_error(said, rules_for(self._provider))
        return True

    def _ping(self, event: _Event, batch: Batch) -> bool:
        return True

    def _pass(self, event: _Event, payload: Sequence[bytes], batch: Batch) -> None:
        """Server tools, citations and what is new. Only what belongs to the content counts as progress: an
        event type that nobody knows may well be a new keep-alive."""
        self.progress += event.type.startswith("content_block")
        if self._raw and payload:
            batch.append(Raw(self._provider, event.type, value_of(payload[0])))

    def _count(self, usage: Any, batch: Batch) -> None:
        """Counts are cumulative, and each event has some of them: the last of each stands (QUIRKS 35)."""
        if isinstance(usage, dict) and usage:
            self._usage.update({name: usage[name] for name in _COUNTS if usage.get(name) is not None})
            batch.append(read_usage(self._usage))


_Read: TypeAlias = Callable[[MessagesReader, _Event, Batch], bool]

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


def _text(value: Any) -> Batch:
    text = text_of(value)
    return [TextDelta(text)] if text else []


def _reasoning(text: Any, signature: Any) -> Batch:
    thought, proof = text_of(text), text_of(signature)
    return [ReasoningDelta(thought, proof or None)] if thought or proof else []


def _redacted(data: Any) -> Batch:
    block = text_of(data)
    return [ReasoningDelta("", None, block)] if block else []


def read_usage(usage: Mapping[str, Any]) -> Usage:
    """Anthropic's counts as it gives them: `input_tokens` excludes what the cache was read or written for."""
    details = usage.get("output_tokens_details")
    return Usage(
        input_tokens=count(usage.get("input_tokens")),
        output_tokens=count(usage.get("output_tokens")),
        reasoning_tokens=count(details.get("thinking_tokens")) if isinstance(details, dict) else None,
        cached_input_tokens=count(usage.get("cache_read_input_tokens")),
        cache_write_tokens=count(usage.get("cache_creation_input_tokens")),
    )
