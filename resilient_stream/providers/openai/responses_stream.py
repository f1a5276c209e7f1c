"""Decodes the stream of the Responses API into chunks. The adapter is in `responses.py`.

Only its `type` says what an event is: some hosts send no `event:` lines, so they are never read. Events belong together
by `output_index`, since some proxies change item ids in the middle of an answer. A failure is reported once, though an
`error` event is followed by `response.failed`. The events' types are in `responses_events.py`; texts that are repeated
whole after their deltas are handled in `responses_items.py`.
This module must never await.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

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
from ..shared.parts import text_in
from ..shared.unmodelled import Unmodelled
from ..shared.values import object_of, text_of
from .responses_calls import ResponsesCalls
from .responses_content import OF_CONTENT, Content
from .responses_events import EVENTS, TEXT, Event, TextEvent, sort_of

__all__ = ["FINISH_REASONS", "ResponsesReader", "responses_decoder"]

FINISH_REASONS: Mapping[str, tuple[FinishReason, str | None]] = {
    "completed": ("stop", None),
    "max_output_tokens": ("length", "output_truncated"),
    "content_filter": ("content_filter", "content_filtered"),
    "incomplete": ("other", "output_truncated"),
}
"""What an answer may end with: its status, or why it is incomplete. An end that is not here becomes "other"."""


def responses_decoder(
    provider: str,
    *,
    max_event_bytes: int,
    raw: bool = False,
    eof_ok: bool = False,
    background: bool = False,
    resume: ResumePoint | None = None,
    logprobs: bool = False,
) -> EventDecoder[Event]:
    """Return the decoder of one answer of the Responses API; background, resume, logprobs as in `ResponsesReader`."""
    reader = ResponsesReader(
        provider,
        raw=raw,
        background=background,
        resume=resume,
        holdings=Holdings(max_event_bytes),
        logprobs=logprobs,
    )
    return EventDecoder(provider, reader, JsonEvents(EVENTS, max_event_bytes), eof_ok=eof_ok)


class ResponsesReader:
    """Reads the events of one answer of the Responses API; see `event_decoder`.

    background: the provider keeps the answer, so the reader keeps a `resume_point`. resume: the point at which to
    continue. logprobs: they were asked for.
    """

    __slots__ = (
        "_background", "_content", "_provider", "_sequence", "_unmodelled", "done", "failure", "model", "plain",
        "progress", "response_id", "seen",
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
        logprobs: bool = False,
    ) -> None:
        self._provider = provider
        self._unmodelled = Unmodelled(provider, raw=raw)
        self._background = background
        resumed = resume is not None
        self._content = Content(self._unmodelled, holdings, resumed=resumed, logprobs=logprobs)
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
            self._content.restore(resume.state)

    @property
    def resume_point(self) -> ResumePoint | None:
        """Return where the provider can resume this answer; None when it does not keep it."""
        if not self._background or self.response_id is None or self._sequence is None:
            return None
        return ResumePoint(response_id=self.response_id, sequence=self._sequence, state=self._content.state)

    @property
    def unmodelled(self) -> Mapping[str, int]:
        """Return the names of content without a chunk class, with how often each came."""
        return self._unmodelled.counts

    def text(self, events: list[TextEvent]) -> Batch:
        """Return the chunks of a read that contains only text."""
        self._sequence = events[-1].sequence_number
        return self._content.items.text.given([text for event in events if (text := event.delta)])

    def may_end(self, marked: bool, cut: bool) -> bool:
        """Return False: an answer ends only with a final status. Some hosts send `[DONE]` after it, none in its
        place."""
        return False

    def close(self) -> Batch:
        """Return the chunks that a final status would have completed."""
        batch: Batch = []
        self._finish("completed", batch)
        return batch

    def left(self) -> Batch:
        """Return what is held for the end and is content by itself: half a recording, when the answer fails."""
        return self._content.left()

    def read(self, events: list[Event], payloads: Sequence[bytes], batch: Batch) -> None:
        """Put the chunks of some events into `batch`, up to the end or a failure among them."""
        for place, event in enumerate(events):
            read = _READERS.get("error" if event.error or event.message else event.type)
            if read is not None:
                read(self, event, batch)
            elif (of_content := OF_CONTENT.get(event.type)) is not None:
                batch += of_content(self._content, event)
                self.progress += 1
            elif (take := _OF_CALLS.get(event.type)) is not None:
                batch += take(self._content.calls, event, payloads[place : place + 1])
                self.progress += event.type.endswith("done")
            else:
                self._pass(event, payloads[place : place + 1], batch)
            if self.done or self.failure is not None:
                break
            self._sequence = count(event.sequence_number) if event.sequence_number is not None else self._sequence
        self.seen = self.seen or any(chunk.content for chunk in batch)
        self.plain = bool(batch) and type(batch[-1]) is TextDelta and self._content.logprobs is None

    # One reader for each kind of event.

    def _text(self, event: Event, batch: Batch) -> None:
        batch += self._content.text(event)

    def _reasoning(self, event: Event, batch: Batch) -> None:
        if text := text_in(event.delta):
            self._content.items.reasoning.add(text)
            batch.append(ReasoningDelta(text))
        else:
            batch += self._unmodelled.unread(event.type, event.delta)

    def _refused(self, event: Event, batch: Batch) -> None:
        self._content.items.refuses(text_of(event.delta))
        self.progress += 1

    def _note_step(self, event: Event, batch: Batch) -> None:
        """Take an event that only says that work has begun, or that what came in pieces is whole."""
        self.progress += 1

    def _status(self, event: Event, batch: Batch) -> None:
        response = object_of(event.response)
        self.response_id = text_of(response.get("id")) or self.response_id
        self.model = text_of(response.get("model")) or self.model

    def _ended(self, event: Event, batch: Batch) -> None:
        self._status(event, batch)
        response = object_of(event.response)
        if usage := object_of(response.get("usage")):
            batch.append(openai_usage(usage, "input", "output"))
        batch += self._content.rest(response.get("output"))
        if not self.seen and not any(chunk.content for chunk in batch):
            batch += self._content.rest(response.get("output_text"))
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
        batch += [*self._content.calls.whole(), *self.left()]
        reason, kind = FINISH_REASONS.get(raw, ("other", None))
        if self._content.items.refusal:
            reason, kind = "refusal", "refusal"
        elif self._content.asks and reason == "stop":
            reason = "tool_calls"
        batch.append(Finished(reason, raw, kind, "".join(self._content.items.refusal)))

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

_READERS: Mapping[str, _Read] = {
    "response.reasoning_summary_part.added": ResponsesReader._note_step,
    "response.audio.done": ResponsesReader._note_step,
    "response.audio.transcript.done": ResponsesReader._note_step,
    "response.output_text.delta": ResponsesReader._text,
    "response.refusal.delta": ResponsesReader._refused,
    "response.reasoning_text.delta": ResponsesReader._reasoning,
    "response.reasoning_summary_text.delta": ResponsesReader._reasoning,
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
