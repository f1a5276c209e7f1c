"""Gemini's Interactions API as it is streamed: steps, begun, filled and stopped, into chunks.

The one rule: `interaction.completed` ends an answer, and its status says whether it is one. `[DONE]` may follow, and
proves nothing (recordings QUIRKS 6).
Must never: await, or call a tool that Google runs itself the caller's.

Speed: most network reads of an answer hold nothing but text. Those are decoded as `_TextEvent`, whose types
admit nothing else, so no field needs a look per token; any other read is decoded as `_Event` and taken apart.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from ..chunks import Finished, FinishReason, Raw, ReasoningDelta, TextDelta, Usage
from ..classify import classify_error
from ..contract import Batch, ResumePoint
from ..errors import ErrorKind, Failure
from ..wire.broken import value_of
from ..wire.json_events import BatchDecoder, JsonEvents
from .block_calls import BlockCalls
from .counts import count
from .error_rules import rules_for
from .event_decoder import EventDecoder
from .holdings import Holdings
from .values import object_of, text_of

__all__ = ["FAILED_STATUSES", "FINISH_REASONS", "InteractionReader", "interaction_decoder"]


class _Text(msgspec.Struct, tag_field="type", tag="text", gc=False):
    text: str


class _TextEvent(msgspec.Struct, tag_field="event_type", tag="step.delta", gc=False):
    """A delta of text and nothing else; any other event is a ValidationError."""

    delta: _Text
    event_id: str | None = None
    metadata: None = None


class _Event(msgspec.Struct, gc=False):
    event_type: str = ""
    index: int = 0
    event_id: Any = None
    step: Any = None
    delta: Any = None
    interaction: Any = None
    interaction_id: Any = None
    metadata: Any = None
    error: Any = None


_TEXT = BatchDecoder(_TextEvent)
_EVENTS = BatchDecoder(_Event)

FINISH_REASONS: Mapping[str, tuple[FinishReason, str | None]] = {
    "completed": ("stop", None),
    "requires_action": ("tool_calls", None),
    "incomplete": ("length", "output_truncated"),
    "budget_exceeded": ("length", "output_truncated"),
    "requires_continuation": ("pause", None),
}
"""Statuses that end an answer, and the kind when it is not a whole one. Not here and not below: "other"."""

FAILED_STATUSES: Mapping[str, ErrorKind] = {
    "failed": ErrorKind.SERVER_ERROR,
    "cancelled": ErrorKind.STREAM_INTERRUPTED,
}
"""Statuses that are no answer. Our own cancellation closes the connection, so the second is somebody else's."""


def interaction_decoder(
    provider: str,
    *,
    max_event_bytes: int,
    raw: bool = False,
    eof_ok: bool = False,
    background: bool = False,
    resume: ResumePoint | None = None,
) -> EventDecoder[_Event]:
    """The decoder of one interaction; background and resume as in `InteractionReader`."""
    reader = InteractionReader(
        provider, raw=raw, background=background, resume=resume, holdings=Holdings(max_event_bytes)
    )
    return EventDecoder(provider, reader, JsonEvents(_EVENTS, max_event_bytes), eof_ok=eof_ok)


class InteractionReader:
    """One interaction; see `event_decoder`.

    background: the provider keeps the answer, so the reader keeps a `resume_point`. resume: go on from there.
    """

    __slots__ = (
        "_background", "_calls", "_event_id", "_provider", "_raw", "_usage", "done", "failure", "model", "plain",
        "progress", "response_id", "seen",
    )  # fmt: skip

    texts = _TEXT

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
        self._raw = raw
        self._background = background
        self._usage: Usage | None = None
        self._calls = BlockCalls(holdings)
        self._event_id = ""
        self.plain = False
        self.seen = resume is not None
        self.failure: Failure | None = None
        self.done = False
        self.progress = 0
        self.model: str | None = None
        self.response_id: str | None = None
        if resume is not None:
            self._event_id, self.response_id = str(resume.sequence), resume.response_id
            self._calls = copy.deepcopy(resume.state)  # the point may be used again

    @property
    def resume_point(self) -> ResumePoint | None:
        """Where the provider can take this answer up again; None when it does not keep it."""
        if not (self._background and self.response_id and self._event_id):
            return None
        return ResumePoint(response_id=self.response_id, sequence=self._event_id, state=self._calls)

    def text(self, events: list[_TextEvent]) -> Batch:
        """The chunks of a read that is nothing but text."""
        self._event_id = events[-1].event_id or self._event_id
        return [TextDelta(text) for event in events if (text := event.delta.text)]

    def read(self, events: list[_Event], payloads: Sequence[bytes], batch: Batch) -> None:
        """The chunks of some events, up to the end or a failure among them."""
        for place, event in enumerate(events):
            read = _READERS.get("error" if event.error else event.event_type)
            if read is None or not read(self, event, batch):
                self._pass(event, payloads[place : place + 1], batch)
            if self.done or self.failure is not None:
                break
            self._event_id = text_of(event.event_id) or self._event_id
            self._count(object_of(event.metadata), batch)
        self.seen = self.seen or any(chunk.content for chunk in batch)
        self.plain = bool(batch) and type(batch[-1]) is TextDelta

    def may_end(self, marked: bool, cut: bool) -> bool:
        """Not before `interaction.completed`, whatever else ends."""
        return False

    def close(self) -> Batch:
        """The calls as they stand."""
        self.done = True
        return [*self._calls.rest()]

    # Each reader says whether it knew the event.

    def _status(self, event: _Event, batch: Batch) -> bool:
        said = object_of(event.interaction)
        self.response_id = text_of(said.get("id")) or text_of(event.interaction_id) or self.response_id
        self.model = text_of(said.get("model")) or self.model
        return True

    def _step_start(self, event: _Event, batch: Batch) -> bool:
        """A step has its type here, and a call its name; in a whole answer it has everything."""
        step = object_of(event.step)
        kind = step.get("type")
        if kind == "function_call":
            id, name, signature = (text_of(step.get(field)) for field in ("id", "name", "signature"))
            batch += self._calls.begin(event.index, id, name, step.get("arguments"), signature or None)
        elif kind == "model_output":
            batch += _texts(step.get("content"), TextDelta)
        elif kind == "thought":
            batch += _texts(step.get("summary"), ReasoningDelta)
            batch += _signature(step.get("signature"))
        else:
            self._calls.begin_foreign(event.index)
        self.progress += not batch
        return kind in ("function_call", "model_output", "thought")

    def _step_delta(self, event: _Event, batch: Batch) -> bool:
        delta = object_of(event.delta)
        kind = delta.get("type")
        if kind == "text":
            batch += [TextDelta(text)] if (text := text_of(delta.get("text"))) else []
        elif kind == "thought_summary":
            batch += _texts([delta.get("content")], ReasoningDelta)
        elif kind == "thought_signature":
            batch += _signature(delta.get("signature"))
        elif kind == "arguments_delta":
            batch += self._calls.add(event.index, text_of(delta.get("arguments")))
            return event.index in self._calls
        else:
            return False
        return True

    def _step_stop(self, event: _Event, batch: Batch) -> bool:
        batch += self._calls.end(event.index)
        self.progress += 1
        return True

    def _completed(self, event: _Event, batch: Batch) -> bool:
        self._status(event, batch)
        said = object_of(event.interaction)
        self._count(said, batch)
        status = text_of(said.get("status"))
        if status in FAILED_STATUSES:
            self.failure = self._failed(status, said.get("errors"))
            return True
        batch += self.close()
        reason, kind = FINISH_REASONS.get(status, ("other", None))
        batch.append(Finished(reason, status, kind))
        return True

    def _failed(self, status: str, errors: Any) -> Failure:
        if isinstance(errors, list) and errors:
            return classify_error({"error": errors[0]}, rules_for(self._provider))
        return Failure(kind=FAILED_STATUSES[status], code=status)

    def _error(self, event: _Event, batch: Batch) -> bool:
        self.failure = classify_error({"error": event.error or {}}, rules_for(self._provider))
        return True

    def _pass(self, event: _Event, payload: Sequence[bytes], batch: Batch) -> None:
        """Tools that Google runs, and what is new. Only a step's events are progress: another may be a keep-alive."""
        self.progress += event.event_type.startswith("step.")
        if self._raw and payload:
            batch.append(Raw(self._provider, event.event_type, value_of(payload[0])))

    def _count(self, holder: Mapping[str, Any], batch: Batch) -> None:
        """Counts come with some events, each time all of them; what they say last stands."""
        usage = object_of(holder.get("usage") or holder.get("total_usage"))
        if not usage:
            return
        counts = Usage(
            input_tokens=count(usage.get("total_input_tokens")),
            output_tokens=count(usage.get("total_output_tokens")),
            reasoning_tokens=count(usage.get("total_thought_tokens")),
            cached_input_tokens=count(usage.get("total_cached_tokens")),
        )
        if counts != self._usage:
            self._usage = counts
            batch.append(counts)


_Read: TypeAlias = Callable[[InteractionReader, _Event, Batch], bool]

_READERS: Mapping[str, _Read] = {
    "interaction.created": InteractionReader._status,
    "interaction.status_update": InteractionReader._status,
    "interaction.completed": InteractionReader._completed,
    "step.start": InteractionReader._step_start,
    "step.delta": InteractionReader._step_delta,
    "step.stop": InteractionReader._step_stop,
    "error": InteractionReader._error,
}


def _texts(content: Any, chunk: Callable[[str], TextDelta | ReasoningDelta]) -> Batch:
    """The texts of content parts; pictures and the like are not ours to show."""
    parts = content if isinstance(content, list) else ()
    return [chunk(text) for part in parts if (text := text_of(object_of(part).get("text")))]


def _signature(value: Any) -> Batch:
    proof = text_of(value)
    return [ReasoningDelta("", proof)] if proof else []
