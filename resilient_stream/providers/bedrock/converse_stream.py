"""Reads the events of Bedrock's ConverseStream; Amazon Nova sends the same events through InvokeModel.

`messageStop` ends an answer, but `metadata`, which has the token counts, comes after it. So the answer is closed by the
counts, or by the end of the body if they do not come. How the events were framed is not known here. A tool that Bedrock
runs itself is not treated as the caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from ...chunks import Finished, FinishReason, ReasoningDelta, TextDelta, Usage
from ...contract import Batch
from ...failures import NO_END_MARKER, ErrorKind, Failure
from ...wire.broken import value_of
from ...wire.json_events import BatchDecoder, what_can_be_read
from ..anthropic.citations import Passage
from ..shared.block_calls import BlockCalls
from ..shared.call_fields import Arguments, argument_text, arguments_in
from ..shared.counts import count
from ..shared.ends import end_of, failed_end
from ..shared.foreign import ForeignBlocks
from ..shared.holdings import Holdings
from ..shared.parts import text_in
from ..shared.unmodelled import Unmodelled, says
from ..shared.values import object_of, text_of
from .blocks import SOURCES, OwnBlocks, source_of
from .frames import Frame

__all__ = ["FAILED_REASONS", "FINISH_REASONS", "ConverseReader"]


class _Delta(msgspec.Struct, gc=False):
    text: str | None = None
    toolUse: Any = None
    reasoningContent: Any = None
    citation: Any = None
    toolResult: Any = None
    image: Any = None


class _Event(msgspec.Struct, gc=False):
    contentBlockIndex: int = 0
    start: Any = None
    delta: _Delta | None = None
    stopReason: Any = None
    usage: Any = None
    trace: Any = None
    additionalModelResponseFields: Any = None


_EVENTS = BatchDecoder(_Event)

FINISH_REASONS: Mapping[str, tuple[FinishReason, str | None]] = {
    "end_turn": ("stop", None),
    "stop_sequence": ("stop", None),
    "tool_use": ("tool_calls", None),
    "max_tokens": ("length", "output_truncated"),
    "model_context_window_exceeded": ("length", "output_truncated"),
    "guardrail_intervened": ("content_filter", "content_filtered"),
    "content_filtered": ("content_filter", "content_filtered"),
}
"""Reasons with which an answer may end, and the kind when it is not a whole one. A reason that is in no table becomes
"other"."""

FAILED_REASONS: Mapping[str, ErrorKind] = {
    "malformed_model_output": ErrorKind.MODEL_OUTPUT_INVALID,
    "malformed_tool_use": ErrorKind.MODEL_OUTPUT_INVALID,
}
"""Reasons that mean that there is no answer."""


class ConverseReader:
    """Reads one answer; the part of `contract.Decoder` that comes after the framing."""

    __slots__ = (
        "_calls", "_eof_ok", "_finish", "_foreign", "_passage", "_seen", "_unmodelled", "done", "failure", "halves",
        "model", "progress", "response_id",
    )  # fmt: skip

    def __init__(self, *, max_event_bytes: int, raw: bool, eof_ok: bool, cites: bool = False) -> None:
        held = Holdings(max_event_bytes)
        self._unmodelled = Unmodelled("bedrock", raw=raw)
        self._foreign = ForeignBlocks(self._unmodelled, held, read=OwnBlocks(self._unmodelled).chunks)
        self._passage = Passage(held, located=cites, read=source_of)
        self._eof_ok = eof_ok
        self._seen = False
        self._calls = BlockCalls(Holdings(max_event_bytes))
        self._finish: str | None = None
        self.failure: Failure | None = None
        self.halves = False
        self.done = False
        self.progress = 0
        self.model: str | None = None
        self.response_id: str | None = None

    @property
    def unmodelled(self) -> Mapping[str, int]:
        """Return the names of content without a chunk class, with how often each came."""
        return self._unmodelled.counts

    def read(self, frames: list[Frame], batch: Batch) -> None:
        """Put the chunks of some frames into `batch`. Those before an unreadable frame are not lost."""
        events = _EVENTS.decode([frame.payload for frame in frames])
        for place, (name, payload) in enumerate(frames):
            if events is not None:
                self.take(name, events[place], payload, batch)
            else:
                self._read_leniently(name, payload, batch)
            if self.done or self.failure is not None:
                break

    def finish(self) -> Batch:
        """Take note that the body ended. The answer is whole after `messageStop`, or where the target says eof_ok."""
        if self.done or self.failure is not None:
            return []
        if self._finish is None and not (self._eof_ok and self._seen):
            self.failure = NO_END_MARKER
            return []
        return self._close()

    def take(self, name: str, event: _Event, payload: bytes, batch: Batch) -> None:
        """Read one event, however it was framed. payload: its text, for passing on unchanged."""
        reader = _READERS.get(name)
        if reader is None or not reader(self, event, batch):
            self._pass(name, payload, batch)
        self._seen = self._seen or bool(batch)

    def _read_leniently(self, name: str, payload: bytes, batch: Batch) -> None:
        """Read one event that may be malformed."""
        texts = [payload]
        events, halves, self.failure = what_can_be_read(_EVENTS, texts)
        self.halves = self.halves or halves
        for event, text in zip(events, texts, strict=True):
            self.take(name, event, text, batch)

    # Each reader says whether it knew the event.

    def _message_start(self, event: _Event, batch: Batch) -> bool:
        return True

    def _block_start(self, event: _Event, batch: Batch) -> bool:
        """Begin a block; text has no start event. A tool that Bedrock runs itself is not for the caller to call."""
        start = object_of(event.start)
        use = object_of(start.get("toolUse"))
        if text := text_of(start.get("text")):
            self._add_text(text, batch)
            return True
        if not use or use.get("type") == "server_tool_use":
            return self._begin_foreign(event.contentBlockIndex, start, batch)
        id, name = text_of(use.get("toolUseId")), text_of(use.get("name"))
        batch += self._calls.begin(event.contentBlockIndex, id, name, arguments_in(use))
        return True

    def _begin_foreign(self, number: int, start: dict[str, Any], batch: Batch) -> bool:
        """Begin a block with a single field, which is its name."""
        self._calls.begin_foreign(number)
        self.progress += 1
        for field, block in start.items():
            batch += self._foreign.begin(number, field, block if isinstance(block, dict) else {field: block})
        return True

    def _block_delta(self, event: _Event, batch: Batch) -> bool:
        delta = event.delta or _Delta()
        if self._calls.open and (delta.text or says(delta.reasoningContent)):
            self._calls.odd(event.contentBlockIndex)
        if delta.text is not None:
            self._add_text(delta.text, batch)
        elif delta.reasoningContent is not None:
            return self._reasoning(delta.reasoningContent, batch)
        elif delta.toolUse is None:
            return self._other_delta(event.contentBlockIndex, delta, batch)
        elif not self._foreign.piece(event.contentBlockIndex, (said := _call_fields(delta.toolUse)).text):
            return self._calls.take(event.contentBlockIndex, said, batch)
        return True

    def _add_text(self, text: str, batch: Batch) -> None:
        if text:
            batch.append(TextDelta(text))
            if self._passage.located:
                self._passage.follow(batch[-1:])

    def _other_delta(self, number: int, delta: _Delta, batch: Batch) -> bool:
        """Read a citation, or a piece of a tool's result or of a picture, which wait for the end of their block."""
        if isinstance(delta.citation, dict) and number not in self._calls:
            batch += self._passage.cite(delta.citation)
            self.progress += 1
            return True
        if isinstance(delta.toolResult, list):
            return self._collect(number, {"content": delta.toolResult})
        if not isinstance(delta.image, dict):
            return False
        pieces = {SOURCES: [delta.image["source"]]} if "source" in delta.image else {}
        return self._collect(
            number, {**{name: value for name, value in delta.image.items() if name != "source"}, **pieces}
        )

    def _collect(self, number: int, fields: dict[str, Any]) -> bool:
        self.progress += 1
        return self._foreign.merge(number, fields, len(msgspec.json.encode(fields)))

    def _reasoning(self, sent: Any, batch: Batch) -> bool:
        """Read reasoning: text and then its signature, or a whole block whose text only the vendor can read."""
        # An answer in one piece has this level, a stream has not.
        content = object_of(object_of(sent).get("reasoningText")) or object_of(sent)
        thought, signature = text_in(content.get("text")), text_of(content.get("signature"))
        redacted = text_of(content.get("redactedContent"))
        if thought or signature or redacted:
            batch.append(ReasoningDelta(thought, signature or None, redacted or None))
        else:
            batch += self._unmodelled.unread("reasoningContent", sent)
        return True

    def _block_stop(self, event: _Event, batch: Batch) -> bool:
        batch += self._calls.end(event.contentBlockIndex)
        batch += self._foreign.end(event.contentBlockIndex)
        batch += self._passage.end()
        return True

    def _message_stop(self, event: _Event, batch: Batch) -> bool:
        reason = text_of(event.stopReason)
        batch += self._calls.rest()
        batch += self._foreign.rest()
        batch += self._passage.end()
        if event.additionalModelResponseFields is not None:
            batch += self._unmodelled.aside("additionalModelResponseFields", event.additionalModelResponseFields)
        if (failed := failed_end(reason, FAILED_REASONS, FINISH_REASONS)) is not None:
            self.failure = Failure(kind=failed, code=reason)
        self._finish = reason
        return True

    def _metadata(self, event: _Event, batch: Batch) -> bool:
        if event.trace is not None:
            batch += self._unmodelled.aside("trace", event.trace)
        if (usage := read_usage(event.usage)) is not None:
            batch.append(usage)
        if self._finish is not None:
            batch += self._close()
        return True

    def _pass(self, name: str, payload: bytes, batch: Batch) -> None:
        """Pass on unknown events and deltas. Only content counts as progress."""
        self.progress += name.startswith("contentBlock")
        if name != "contentBlockDelta":
            batch += self._unmodelled.event(name, payload, name.startswith("contentBlock"))
            return
        event = object_of(value_of(payload))
        for field, value in object_of(event.get("delta")).items():
            if says(value):
                number = event.get("contentBlockIndex")
                block = number if isinstance(number, int) else 0
                self._calls.odd(block)
                batch += self._foreign.delta(block, field, value, len(payload))

    def _close(self) -> Batch:
        self.done = True
        if self._finish is None:
            return []
        reason, kind = end_of(self._finish, FINISH_REASONS)
        return [Finished(reason, self._finish, kind)]


def _call_fields(use: Any) -> Arguments:
    return arguments_in(use) if isinstance(use, dict) else Arguments(argument_text(use))


_Reader: TypeAlias = Callable[[ConverseReader, _Event, Batch], bool]

_READERS: Mapping[str, _Reader] = {
    "messageStart": ConverseReader._message_start,
    "contentBlockStart": ConverseReader._block_start,
    "contentBlockDelta": ConverseReader._block_delta,
    "contentBlockStop": ConverseReader._block_stop,
    "messageStop": ConverseReader._message_stop,
    "metadata": ConverseReader._metadata,
}


def read_usage(usage: Any) -> Usage | None:
    """Return Bedrock's counts as it gives them; Nova has longer names for those of the cache."""
    counts = object_of(usage)
    if not counts:
        return None
    return Usage(
        input_tokens=count(counts.get("inputTokens")),
        output_tokens=count(counts.get("outputTokens")),
        cached_input_tokens=count(counts.get("cacheReadInputTokens", counts.get("cacheReadInputTokenCount"))),
        cache_write_tokens=count(counts.get("cacheWriteInputTokens", counts.get("cacheWriteInputTokenCount"))),
    )
