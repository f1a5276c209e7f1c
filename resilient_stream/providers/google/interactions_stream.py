"""Decodes the stream of Gemini's Interactions API (steps that begin, are filled and stop) into chunks.

`interaction.completed` ends an answer, and its status says whether the answer is good. `[DONE]` may follow but proves
nothing, since other dialects send it after failures, too. The events' types are in `interactions_events.py`.
This module must never await.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from ...chunks import Finished, FinishReason, ReasoningDelta, TextDelta, Usage
from ...classify import classify_error
from ...contract import Batch, ResumePoint
from ...failures import ErrorKind, Failure
from ...wire.broken import event_value
from ...wire.json_events import JsonEvents
from .. import rules_for
from ..shared.block_calls import BlockCalls
from ..shared.call_fields import arguments_in
from ..shared.event_decoder import EventDecoder
from ..shared.foreign import ForeignBlocks
from ..shared.holdings import Holdings
from ..shared.parts import parts_of
from ..shared.unmodelled import Unmodelled, says
from ..shared.values import object_of, text_of
from .interactions_content import Content, named
from .interactions_events import EVENTS, TEXT, Event, TextEvent, counts_of, is_whole, steps_of
from .interactions_steps import FILES, OwnSteps

__all__ = ["FAILED_STATUSES", "FINISH_REASONS", "InteractionReader", "interaction_decoder"]


FINISH_REASONS: Mapping[str, tuple[FinishReason, str | None]] = {
    "completed": ("stop", None),
    "requires_action": ("tool_calls", None),
    "incomplete": ("length", "output_truncated"),
    "budget_exceeded": ("length", "output_truncated"),
    "requires_continuation": ("pause", None),
}
"""Statuses that end an answer, and the kind when it is not a whole one. All that are in no table become "other"."""

FAILED_STATUSES: Mapping[str, ErrorKind] = {
    "failed": ErrorKind.SERVER_ERROR,
    "cancelled": ErrorKind.STREAM_INTERRUPTED,
}
"""Statuses of failures. Our own cancellation closes the connection, so the second one is somebody else's."""


def interaction_decoder(
    provider: str,
    *,
    max_event_bytes: int,
    raw: bool = False,
    eof_ok: bool = False,
    background: bool = False,
    resume: ResumePoint | None = None,
    cites: bool = False,
) -> EventDecoder[Event]:
    """Return the decoder of one interaction; background, resume and cites as in `InteractionReader`."""
    reader = InteractionReader(
        provider, raw=raw, background=background, resume=resume, holdings=Holdings(max_event_bytes), cites=cites
    )
    return EventDecoder(provider, reader, JsonEvents(EVENTS, max_event_bytes), eof_ok=eof_ok)


class InteractionReader:
    """Reads the events of one interaction; see `event_decoder`.

    background: the provider keeps the answer, so the reader keeps a `resume_point`. resume: the point at which to
    continue; what came before is not known, so no passages are found in the text. cites: it may have citations.
    """

    __slots__ = (
        "_background", "_calls", "_content", "_event_id", "_foreign", "_provider", "_resumed", "_spoke", "_unmodelled",
        "_usage", "done", "failure", "model", "plain", "progress", "response_id", "seen",
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
        cites: bool = False,
    ) -> None:
        self._provider = provider
        self._unmodelled = Unmodelled(provider, raw=raw)
        self._foreign = ForeignBlocks(self._unmodelled, holdings, "arguments", OwnSteps().chunks)
        self._content = Content(self._unmodelled, holdings or Holdings(), located=cites and resume is None)
        self._spoke = False
        self._resumed = resume is not None
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
            self._calls = copy.deepcopy(resume.state)  # a copy, since the resume point may be used again

    @property
    def resume_point(self) -> ResumePoint | None:
        """Return where the provider can resume this answer; None when it does not keep it."""
        if not (self._background and self.response_id and self._event_id):
            return None
        return ResumePoint(response_id=self.response_id, sequence=self._event_id, state=self._calls)

    @property
    def unmodelled(self) -> Mapping[str, int]:
        """Return the names of content without a chunk class, with how often each came."""
        return self._unmodelled.counts

    def text(self, events: list[TextEvent]) -> Batch:
        """Return the chunks of a read that contains only text."""
        self._event_id = events[-1].event_id or self._event_id
        return self._content.given([text for event in events if (text := event.delta.text)])

    def read(self, events: list[Event], payloads: Sequence[bytes], batch: Batch) -> None:
        """Put the chunks of some events into `batch`, up to the end or a failure among them."""
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
        """Return False: an answer ends only with `interaction.completed`."""
        return False

    def close(self) -> Batch:
        """Return the calls with what has arrived of them."""
        self.done = True
        return [*self._calls.rest(), *self._foreign.rest(), *self._content.end()]

    # Each reader says whether it knew the event.

    def _status(self, event: Event, batch: Batch) -> bool:
        said = object_of(event.interaction)
        self.response_id = text_of(said.get("id")) or text_of(event.interaction_id) or self.response_id
        self.model = text_of(said.get("model")) or self.model
        return True

    def _step_start(self, event: Event, batch: Batch) -> bool:
        """Begin a step: its type, a call's name and, in a whole answer, everything else."""
        step = object_of(event.step)
        kind = text_of(step.get("type"))
        before = len(batch)
        self._content.begin(kind)
        if kind == "function_call":
            id, name, signature = (text_of(step.get(field)) for field in ("id", "name", "signature"))
            batch += self._calls.begin(event.index, id, name, arguments_in(step), signature or None)
        elif kind == "model_output":
            batch += self._content.read(step.get("content"))
        elif kind == "thought":
            batch += self._content.read(step.get("summary"), thought=True)
            batch += _signature(step.get("signature"))
        else:
            self._calls.begin_foreign(event.index)
            batch += self._foreign.begin(event.index, kind or "step", step)
        self._spoke = len(batch) > before
        self.progress += not batch
        return True

    def _step_delta(self, event: Event, batch: Batch) -> bool:
        delta = object_of(event.delta)
        kind = text_of(delta.get("type"))
        self._spoke = True
        if self._calls.open and kind != "arguments_delta" and says({**delta, "type": None, "signature": None}):
            self._calls.odd(event.index)
        if kind == "text":
            batch += self._content.read([delta])
        elif kind == "thought_summary":
            batch += self._content.read([delta.get("content")], thought=True)
        elif kind == "thought_signature":
            batch += _signature(delta.get("signature"))
        elif kind == "text_annotation_delta":
            batch += self._content.annotated(delta.get("annotations"))
        elif kind in FILES:
            batch += self._content.read([delta])
        elif kind != "arguments_delta":
            return self._grow(event.index, delta)
        elif not self._foreign.piece(event.index, (said := arguments_in(delta)).text):
            return self._calls.take(event.index, said, batch)
        return True

    def _grow(self, number: int, delta: dict[str, Any]) -> bool:
        """Put a piece into the step of a tool that Google runs. A text of its result may come in several."""
        fields = {name: value for name, value in delta.items() if name != "type" and value != ""}
        output = fields.pop("result") if isinstance(fields.get("result"), str) else ""
        known = self._foreign.merge(number, fields, len(msgspec.json.encode(fields)))
        self.progress += known
        return known and (not output or self._foreign.grow(number, "result", output))

    def _step_stop(self, event: Event, batch: Batch) -> bool:
        """End a step. Some gateways send all of the step in this event."""
        if event.step and (not self._spoke or event.index in self._calls):
            self._step_start(event, batch)
        batch += [*self._calls.end(event.index), *self._foreign.end(event.index), *self._content.end()]
        self.progress += 1
        return True

    def _completed(self, event: Event, batch: Batch) -> bool:
        self._status(event, batch)
        said = object_of(event.interaction)
        self._count(said, batch)
        if not self._resumed:
            self._rest(said, batch)
        status = text_of(said.get("status"))
        if status in FAILED_STATUSES:
            self.failure = self._failed(status, said.get("errors"))
            return True
        batch += self.close()
        reason, kind = FINISH_REASONS.get(status, ("other", None))
        batch.append(Finished(reason, status, kind))
        return True

    def _rest(self, said: Mapping[str, Any], batch: Batch) -> None:
        """Return the new content of the whole answer at its end, i.e. what no step before it had."""
        steps = steps_of(said)
        self._calls.settle({text_of(step.get("id")): arguments_in(step) for step in steps})
        before = frozenset(self._content.kinds)
        for place, step in enumerate(steps):
            kind = step.get("type")
            if kind != "model_output" and named(kind) not in before:
                self._step_start(Event(index=place, step=step), batch)
                self._step_stop(Event(index=place), batch)
        parts = [part for step in steps if step.get("type") == "model_output" for part in parts_of(step.get("content"))]
        text = "".join(text_of(part.get("text")) for part in parts) or text_of(said.get("output_text"))
        batch += self._unmodelled.another("steps", self._content.said, text)
        batch += [TextDelta(new)] if (new := self._content.said.rest(text)) else []
        if "model_output" not in before:
            batch += self._content.read([part for part in parts if not text_of(part.get("text"))])

    def _failed(self, status: str, errors: Any) -> Failure:
        if isinstance(errors, list) and errors:
            return classify_error({"error": errors[0]}, rules_for(self._provider))
        return Failure(kind=FAILED_STATUSES[status], code=status)

    def _error(self, event: Event, batch: Batch) -> bool:
        self.failure = classify_error({"error": event.error or {}}, rules_for(self._provider))
        return True

    def _pass(self, event: Event, payload: Sequence[bytes], batch: Batch) -> None:
        """Pass on unknown events. Only events of a step count as progress; another one may be a keep-alive."""
        self.progress += event.event_type.startswith("step.")
        said = object_of(event_value(payload[0])) if payload else {}
        if not event.event_type and is_whole(said):  # a server that does not stream sent it
            self._completed(Event(interaction=said), batch)
        elif event.event_type == "step.delta" and payload:
            kind = text_of(object_of(event.delta).get("type")) or "delta"
            batch += self._foreign.delta(event.index, kind, said, len(payload[0]))
        elif payload:
            batch += self._unmodelled.event(event.event_type, payload[0], event.event_type.startswith("step."))

    def _count(self, holder: Mapping[str, Any], batch: Batch) -> None:
        """Take the counts of an event, which cover everything so far."""
        usage = object_of(holder.get("usage") or holder.get("total_usage"))
        if not usage:
            return
        counts = counts_of(usage)
        if counts != self._usage:
            self._usage = counts
            batch.append(counts)


_Read: TypeAlias = Callable[[InteractionReader, Event, Batch], bool]

_READERS: Mapping[str, _Read] = {
    "interaction.created": InteractionReader._status,
    "interaction.status_update": InteractionReader._status,
    "interaction.completed": InteractionReader._completed,
    "step.start": InteractionReader._step_start,
    "step.delta": InteractionReader._step_delta,
    "step.stop": InteractionReader._step_stop,
    "error": InteractionReader._error,
}


def _signature(value: Any) -> Batch:
    proof = text_of(value)
    return [ReasoningDelta("", proof)] if proof else []
