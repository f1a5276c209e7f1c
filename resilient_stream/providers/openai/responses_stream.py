"""Decodes the stream of the Responses API into chunks. The adapter is in `responses.py`.

Only its `type` says what an event is: some hosts send no `event:` lines, so they are never read. Events belong together
by `output_index`, since some proxies change item ids in the middle of an answer. A failure is reported once, though an
`error` event is followed by `response.failed`. The events' types are in `responses_events.py`; texts that are repeated
whole after their deltas are handled in `responses_items.py`.
Must never: await.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from ...chunks import Finished, FinishReason, ReasoningDelta, TextDelta, ToolCallDelta
from ...classify import classify_error
from ...contract import Batch, ResumePoint
from ...failures import ErrorKind, Failure
from ...wire.broken import event_value
from ...wire.json_events import JsonEvents
from .. import rules_for
from ..shared.counts import count, openai_usage
from ..shared.event_decoder import EventDecoder
from ..shared.holdings import Holdings
from ..shared.unmodelled import Unmodelled
from ..shared.values import object_of, text_of
from .responses_calls import ResponsesCalls
from .responses_events import EVENTS, TEXT, Event, TextEvent, key_of, sort_of
from .responses_items import Items

__all__ = ["FINISH_REASONS", "ResponsesReader", "responses_decoder"]

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
) -> EventDecoder[Event]:
    """Return the decoder of one answer of the Responses API; background and resume as in `ResponsesReader`."""
    reader = ResponsesReader(
        provider, raw=raw, background=background, resume=resume, holdings=Holdings(max_event_bytes)
    )
    return EventDecoder(provider, reader, JsonEvents(EVENTS, max_event_bytes), eof_ok=eof_ok)


class ResponsesReader:
    """Reads the events of one answer of the Responses API; see `event_decoder`.

    background: the provider keeps the answer, so the reader keeps a `resume_point`. resume: the point at which to
    continue.
    """

    __slots__ = (
        "_background", "_calls", "_items", "_provider", "_resumed", "_sequence", "_unmodelled", "done",
        "failure", "model", "plain", "progress", "response_id", "seen",
    )  # fmt: skip

    texts = TEXT

    def __init__(
        self,
        provider: str,
        *,
        raw: bool = False,
        background: bool = False,
        resume: ResumePoint | None = None,
        holdings: Holdings | None = None,
    ) -> None:
        self._provider = provider
        self._unmodelled = Unmodelled(provider, raw=raw)
        self._background = background
        self._resumed = resume is not None
        self._items = Items(resumed=resume is not None, holdings=holdings)
        self._calls = ResponsesCalls(holdings)
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
                self._calls, self._items.refusal = copy.deepcopy(resume.state)

    @property
    def resume_point(self) -> ResumePoint | None:
        """Return where the provider can resume this answer; None when it does not keep it."""
        if not self._background or self.response_id is None or self._sequence is None:
            return None
        refusal = self._items.refusal
        state = (self._calls, refusal) if self._calls or refusal else None
        return ResumePoint(response_id=self.response_id, sequence=self._sequence, state=state)

    @property
    def unmodelled(self) -> Mapping[str, int]:
        """Return the names of content without a chunk class, with how often each came."""
        return self._unmodelled.counts

    def text(self, events: list[TextEvent]) -> Batch:
        """Return the chunks of a read that is nothing but text."""
        self._sequence = events[-1].sequence_number
        return self._items.text.given([text for event in events if (text := event.delta)])

    def may_end(self, marked: bool, cut: bool) -> bool:
        """Return False: an answer ends only with a final status. Some hosts send `[DONE]` after it, none in its
        place."""
        return False

    def close(self) -> Batch:
        """Return the chunks that a final status would have completed."""
        batch: Batch = []
        self._finish("completed", batch)
        return batch

    def read(self, events: list[Event], payloads: Sequence[bytes], batch: Batch) -> None:
        """Put the chunks of some events into `batch`, up to the end or a failure among them."""
        for place, event in enumerate(events):
            read = _READERS.get("error" if event.error or event.message else event.type)
            if read is not None:
                read(self, event, batch)
            elif (take := _OF_CALLS.get(event.type)) is not None:
                batch += take(self._calls, event, payloads[place : place + 1])
                self.progress += event.type.endswith("done")
            else:
                self._pass(event, payloads[place : place + 1], batch)
            if self.done or self.failure is not None:
                break
            self._sequence = count(event.sequence_number) if event.sequence_number is not None else self._sequence
        self.seen = self.seen or any(chunk.content for chunk in batch)
        self.plain = bool(batch) and type(batch[-1]) is TextDelta

    # One reader for each kind of event.

    def _text(self, event: Event, batch: Batch) -> None:
        if text := text_of(event.delta):
            self._items.text.add(text)
            batch.append(TextDelta(text))

    def _reasoning(self, event: Event, batch: Batch) -> None:
        if text := text_of(event.delta):
            self._items.reasoning.add(text)
            batch.append(ReasoningDelta(text))

    def _refused(self, event: Event, batch: Batch) -> None:
        self._items.refuses(text_of(event.delta))
        self.progress += 1

    def _repeats(self, event: Event, batch: Batch) -> None:
        """Take an event that only says that work has begun."""
        self.progress += 1

    def _part_done(self, event: Event, batch: Batch) -> None:
        """Take a whole part, which normally repeats its deltas."""
        self.progress += 1
        part = object_of(event.part)
        thought = event.type.startswith("response.reasoning") or part.get("type") == "reasoning_text"
        kind = "reasoning" if thought else "text"
        if text := text_of(event.text) or text_of(part.get("text")):
            place = f"{event.summary_index} {event.content_index}"
            batch += self._items.part(kind, f"{kind} {key_of(event)} {place}", event.output_index is not None, text)
        self._items.refused(text_of(event.refusal) or text_of(part.get("refusal")))

    def _item_added(self, event: Event, batch: Batch) -> None:
        item = object_of(event.item)
        self.progress += 1
        if item.get("type") == "function_call":
            batch += self._calls.added(event)

    def _item_done(self, event: Event, batch: Batch) -> None:
        item = object_of(event.item)
        self.progress += 1
        if item.get("type") == "function_call":
            batch += self._calls.done(event)
        elif item.get("type") == "message":
            batch += self._items.message(item)
        elif item.get("type") == "reasoning":
            batch += self._items.thought(item)
        batch += self._items.beside(item, self._unmodelled)

    def _cited(self, event: Event, batch: Batch) -> None:
        self._items.cited()
        batch.append(self._unmodelled.content(event.type, msgspec.to_builtins(event.annotation)))

    def _rest(self, output: Any, batch: Batch) -> None:
        """Return the new content of the whole answer at its end, i.e. what no event before it had."""
        items = [object_of(item) for item in output] if isinstance(output, list) and not self._resumed else []
        batch += self._items.rest(items, self._unmodelled)
        for item in items:
            if item.get("type") == "function_call":
                batch += self._calls.rest(item)
        for unsaid in self._items.unsaid(items):
            batch += self._items.beside(unsaid, self._unmodelled)

    def _status(self, event: Event, batch: Batch) -> None:
        response = object_of(event.response)
        self.response_id = text_of(response.get("id")) or self.response_id
        self.model = text_of(response.get("model")) or self.model

    def _ended(self, event: Event, batch: Batch) -> None:
        self._status(event, batch)
        response = object_of(event.response)
        if usage := object_of(response.get("usage")):
            batch.append(openai_usage(usage, "input", "output"))
        self._rest(response.get("output"), batch)
        status = text_of(response.get("status")) or event.type.removeprefix("response.")
        why = text_of(object_of(response.get("incomplete_details")).get("reason"))
        if status == "failed":
            said = {"error": response.get("error") or {"code": status}}
            self.failure = classify_error(said, rules_for(self._provider))
        elif status == "cancelled":  # the provider cancelled: our own cancellation closes the connection
            self.failure = Failure(kind=ErrorKind.STREAM_INTERRUPTED, code=status)
        else:
            self._finish(why or status, batch)

    def _finish(self, raw: str, batch: Batch) -> None:
        self.done = True
        batch += self._calls.whole()
        reason, kind = FINISH_REASONS.get(raw, ("other", None))
        if self._items.refusal:
            reason, kind = "refusal", "refusal"
        elif self._calls and reason == "stop":
            reason = "tool_calls"
        batch.append(Finished(reason, raw, kind, "".join(self._items.refusal)))

    def _error(self, event: Event, batch: Batch) -> None:
        said = event.error or {"code": event.code, "message": event.message}
        self.failure = classify_error({"error": said}, rules_for(self._provider))

    def _whole(self, event: Event, payload: Sequence[bytes], batch: Batch) -> bool:
        """Read a whole response that comes in place of an event, from a server that does not stream."""
        said = object_of(event_value(payload[0])) if payload and not event.type else {}
        if not isinstance(said.get("output"), list):
            return False
        self._ended(Event(type=f"response.{text_of(said.get('status'))}", response=said), batch)
        return True

    def _pass(self, event: Event, payload: Sequence[bytes], batch: Batch) -> None:
        """Pass on unknown events.

        Only events about the response's content count as progress, since an unknown event type may be a new keep-alive,
        as `keepalive` is. Steps of a tool that the provider runs are repeated by its item.
        """
        self.progress += event.type.startswith("response.")
        if not payload or self._whole(event, payload, batch):
            return
        if (sort := sort_of(event.type)) == "step":
            batch += self._unmodelled.aside(event.type, event_value(payload[0]))
        else:
            batch += self._unmodelled.event(event.type, payload[0], sort == "content")


_Read: TypeAlias = Callable[[ResponsesReader, Event, Batch], None]

_BEGINS = "content_part.added reasoning_summary_part.added"
_REPEATS = "content_part output_text refusal reasoning_text reasoning_summary_text reasoning_summary_part"

_READERS: Mapping[str, _Read] = {
    **{f"response.{name}": ResponsesReader._repeats for name in _BEGINS.split()},
    **{f"response.{name}.done": ResponsesReader._part_done for name in _REPEATS.split()},
    "response.output_text.annotation.added": ResponsesReader._cited,
    "response.output_text.delta": ResponsesReader._text,
    "response.refusal.delta": ResponsesReader._refused,
    "response.reasoning_text.delta": ResponsesReader._reasoning,
    "response.reasoning_summary_text.delta": ResponsesReader._reasoning,
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

_OF_CALLS: Mapping[str, Callable[[ResponsesCalls, Event, Sequence[bytes]], Sequence[ToolCallDelta]]] = {
    "response.function_call_arguments.delta": ResponsesCalls.piece,
    "response.function_call_arguments.done": ResponsesCalls.all_said,
}
