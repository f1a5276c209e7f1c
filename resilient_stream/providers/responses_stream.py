"""The Responses API's stream: its events into chunks. The adapter is in `openai_responses.py`.

The one rule: what an event is, its `type` says; `event:` lines are missing on some hosts and never read (recordings
QUIRKS 7). What belongs together goes by `output_index`: item ids change in mid-answer behind some proxies (QUIRKS 27).
Must never: await, or report one failure twice: an `error` event is followed by `response.failed` (QUIRKS 13).

Speed: most network reads of an answer hold nothing but text. Those are decoded as `_TextEvent`, whose types
admit nothing else, so no field needs a look per token; any other read is decoded as `_Event` and taken apart.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from ..chunks import Finished, FinishReason, Raw, ReasoningDelta, TextDelta
from ..classify import classify_error
from ..contract import Batch, ResumePoint
from ..errors import ErrorKind, Failure
from ..wire.json_events import BatchDecoder, JsonEvents
from .counts import count, openai_usage
from .error_rules import rules_for
from .event_decoder import EventDecoder
from .tool_calls import ItemCalls
from .values import object_of, text_of

__all__ = ["FINISH_REASONS", "ResponsesReader", "responses_decoder", "sealed"]


class _TextEvent(msgspec.Struct, tag_field="type", tag="response.output_text.delta", gc=False):
    """A delta of text and nothing else; any other event is a ValidationError."""

    delta: str
    sequence_number: int | None = None


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    delta: Any = None
    output_index: Any = None
    item_id: Any = None
    item: Any = None
    response: Any = None
    sequence_number: Any = None
    error: Any = None
    code: Any = None
    message: Any = None


_TEXT = BatchDecoder(_TextEvent)
_EVENTS = BatchDecoder(_Event)

FINISH_REASONS: Mapping[str, tuple[FinishReason, str | None]] = {
    "completed": ("stop", None),
    "max_output_tokens": ("length", "output_truncated"),
    "content_filter": ("content_filter", "content_filtered"),
    "incomplete": ("other", "output_truncated"),
}
"""What an answer may end with: its status, or why it is incomplete. Not here: "other"."""


def responses_decoder(
    provider: str,
    *,
    max_event_bytes: int,
    raw: bool = False,
    eof_ok: bool = False,
    background: bool = False,
    resume: ResumePoint | None = None,
) -> EventDecoder[_Event]:
    """The decoder of one answer of the Responses API; background and resume as in `ResponsesReader`."""
    reader = ResponsesReader(provider, raw=raw, background=background, resume=resume)
    return EventDecoder(provider, reader, JsonEvents(_EVENTS, max_event_bytes), eof_ok=eof_ok)


class ResponsesReader:
    """One answer of the Responses API; see `event_decoder`.

    background: the provider keeps the answer, so the reader keeps a `resume_point`. resume: go on from there.
    """

    __slots__ = (
        "_background", "_calls", "_provider", "_raw", "_refusal", "_sequence", "done", "failure", "model", "plain",
        "progress", "response_id", "seen",
    )  # fmt: skip

    texts = _TEXT

    def __init__(
        self, provider: str, *, raw: bool = False, background: bool = False, resume: ResumePoint | None = None
    ) -> None:
        self._provider = provider
        self._raw = raw
        self._background = background
        self._refusal: list[str] = []
        self._calls = ItemCalls()
        self._sequence: int | str | None = None
        self.plain = False
        self.seen = resume is not None
        self.failure: Failure | None = None
        self.done = False
        self.progress = 0
        self.model: str | None = None
        self.response_id: str | None = None
        if resume is not None:
            self._sequence, self.response_id = resume.sequence, resume.response_id
            if resume.state is not None:
                self._calls, self._refusal = copy.deepcopy(resume.state)

    @property
    def resume_point(self) -> ResumePoint | None:
        """Where the provider can take this answer up again; None when it does not keep it."""
        if not self._background or self.response_id is None or self._sequence is None:
            return None
        state = (self._calls, self._refusal) if self._calls or self._refusal else None
        return ResumePoint(response_id=self.response_id, sequence=self._sequence, state=state)

    def text(self, events: list[_TextEvent]) -> Batch:
        """The chunks of a read that is nothing but text."""
        self._sequence = events[-1].sequence_number
        return [TextDelta(text) for event in events if (text := event.delta)]

    def may_end(self, marked: bool, cut: bool) -> bool:
        """Not before a final status. `[DONE]`: some hosts send it after that, none in its place."""
        return False

    def close(self) -> Batch:
        """What a final status would have made whole."""
        batch: Batch = []
        self._finish("completed", batch)
        return batch

    def read(self, events: list[_Event], payloads: Sequence[bytes] = ()) -> Batch:
        """The chunks of some events, up to the end or a failure among them."""
        batch: Batch = []
        for place, event in enumerate(events):
            read = _READERS.get("error" if event.error or event.message else event.type)
            if read is not None:
                read(self, event, batch)
            else:
                self._pass(event, payloads[place : place + 1], batch)
            if self.done or self.failure is not None:
                break
            self._sequence = count(event.sequence_number) if event.sequence_number is not None else self._sequence
        self.seen = self.seen or any(chunk.content for chunk in batch)
        self.plain = bool(batch) and type(batch[-1]) is TextDelta
        return batch

    # One reader for each kind of event.

    def _text(self, event: _Event, batch: Batch) -> None:
        if text := text_of(event.delta):
            batch.append(TextDelta(text))

    def _reasoning(self, event: _Event, batch: Batch) -> None:
        if text := text_of(event.delta):
            batch.append(ReasoningDelta(text))

    def _refused(self, event: _Event, batch: Batch) -> None:
        self._refusal.append(text_of(event.delta))
        self.progress += 1

    def _repeats(self, event: _Event, batch: Batch) -> None:
        """Says again what the deltas said; or that the work has begun."""
        self.progress += 1

    def _item_added(self, event: _Event, batch: Batch) -> None:
        item = object_of(event.item)
        self.progress += 1
        if item.get("type") == "function_call":
            batch.append(self._calls.add(_key(event), *_said_of_call(item)))

    def _arguments(self, event: _Event, batch: Batch) -> None:
        if piece := text_of(event.delta):
            batch.append(self._calls.add(_key(event), "", "", piece))

    def _item_done(self, event: _Event, batch: Batch) -> None:
        item = object_of(event.item)
        self.progress += 1
        if item.get("type") == "function_call":
            batch += self._calls.end(_key(event), *_said_of_call(item))
        elif item.get("type") == "reasoning" and (seal := sealed(item)) is not None:
            batch.append(ReasoningDelta("", seal))

    def _status(self, event: _Event, batch: Batch) -> None:
        response = object_of(event.response)
        self.response_id = text_of(response.get("id")) or self.response_id
        self.model = text_of(response.get("model")) or self.model

    def _ended(self, event: _Event, batch: Batch) -> None:
        self._status(event, batch)
        response = object_of(event.response)
        if usage := object_of(response.get("usage")):
            batch.append(openai_usage(usage, "input", "output"))
        status = text_of(response.get("status")) or event.type.removeprefix("response.")
        why = text_of(object_of(response.get("incomplete_details")).get("reason"))
        if status == "failed":
            said = {"error": response.get("error") or {"code": status}}
            self.failure = classify_error(said, rules_for(self._provider))
        elif status == "cancelled":  # not by us: our own cancellation closes the connection
            self.failure = Failure(kind=ErrorKind.STREAM_INTERRUPTED, code=status)
        else:
            self._finish(why or status, batch)

    def _finish(self, raw: str, batch: Batch) -> None:
        self.done = True
        batch += self._calls.whole()
        reason, kind = FINISH_REASONS.get(raw, ("other", None))
        if self._refusal:
            reason, kind = "refusal", "refusal"
        elif self._calls and reason == "stop":
            reason = "tool_calls"
        batch.append(Finished(reason, raw, kind, "".join(self._refusal)))

    def _error(self, event: _Event, batch: Batch) -> None:
        said = event.error or {"code": event.code, "message": event.message}
        self.failure = classify_error({"error": said}, rules_for(self._provider))

    def _pass(self, event: _Event, payload: Sequence[bytes], batch: Batch) -> None:
        """Tools that the provider runs, annotations, and what is new. Only what is said of the response counts as
        progress: an event type that nobody knows may well be a new keep-alive, as `keepalive` is."""
        self.progress += event.type.startswith("response.")
        if self._raw and payload:
            batch.append(Raw(self._provider, event.type, msgspec.json.decode(payload[0])))


_Read: TypeAlias = Callable[[ResponsesReader, _Event, Batch], None]

_REPEATS = """content_part.added content_part.done output_text.done refusal.done reasoning_text.done
    reasoning_summary_text.done reasoning_summary_part.added reasoning_summary_part.done function_call_arguments.done"""

_READERS: Mapping[str, _Read] = {
    **{f"response.{name}": ResponsesReader._repeats for name in _REPEATS.split()},
    "response.output_text.delta": ResponsesReader._text,
    "response.refusal.delta": ResponsesReader._refused,
    "response.reasoning_text.delta": ResponsesReader._reasoning,
    "response.reasoning_summary_text.delta": ResponsesReader._reasoning,
    "response.function_call_arguments.delta": ResponsesReader._arguments,
    "response.output_item.added": ResponsesReader._item_added,
    "response.output_item.done": ResponsesReader._item_done,
    "response.created": ResponsesReader._status,
    "response.queued": ResponsesReader._status,
    "response.in_progress": ResponsesReader._status,
    "response.completed": ResponsesReader._ended,
    "response.incomplete": ResponsesReader._ended,
    "response.failed": ResponsesReader._ended,
    "response.cancelled": ResponsesReader._ended,
    "error": ResponsesReader._error,
}


def _key(event: _Event) -> str:
    """Which item of the answer an event is about. llama.cpp has no output_index, and a call's id in two places."""
    if event.output_index is not None:
        return str(event.output_index)
    item = object_of(event.item)
    return str(event.item_id or item.get("id") or item.get("call_id"))


def _said_of_call(item: Mapping[str, Any]) -> tuple[str, str, str]:
    return text_of(item.get("call_id")), text_of(item.get("name")), text_of(item.get("arguments"))


def sealed(item: Mapping[str, Any]) -> str | None:
    """A reasoning item's proof, to be kept with its text: its id, and its encrypted form where there is one.

    Without one, only what an open model thought in plain words may be sent back: the provider has not kept it.
    """
    encrypted = item.get("encrypted_content")
    if not encrypted and not item.get("content"):
        return None
    kept = {"id": item.get("id"), "encrypted_content": encrypted}
    return msgspec.json.encode({name: value for name, value in kept.items() if value}).decode()
