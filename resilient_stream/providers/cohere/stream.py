"""Decodes the stream of Cohere's chat API, version 2, into chunks.

`message-end` ends an answer, and its finish reason says whether the answer is good. ERROR and TIMEOUT are failures that
look like an ordinary end; the words beside them tell their kind. The plan before tool calls (`tool_plan`) is delivered
as reasoning.
This module must never await.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from ...chunks import Chunk, Finished, FinishReason, Logprobs, ReasoningDelta, TextDelta, Usage
from ...classify import classify_error
from ...contract import Batch
from ...failures import ErrorKind, Failure
from ...wire.broken import event_value
from ...wire.json_events import JsonEvents
from ..shared.call_fields import arguments_in, function_of
from ..shared.counts import count
from ..shared.ends import end_of, failed_end
from ..shared.event_decoder import EventDecoder
from ..shared.holdings import Holdings
from ..shared.parts import parts_of, text_in
from ..shared.said import Said
from ..shared.tool_calls import ToolCalls
from ..shared.unmodelled import Unmodelled, says
from ..shared.values import list_of, object_of, text_of
from .citations import Citations
from .errors import RULES
from .events import EVENTS, MESSAGE, TEXT, Event, TextEvent

__all__ = ["FAILED_REASONS", "FINISH_REASONS", "CohereReader", "cohere_decoder"]


FINISH_REASONS: Mapping[str, tuple[FinishReason, str | None]] = {
    "COMPLETE": ("stop", None),
    "STOP_SEQUENCE": ("stop", None),
    "TOOL_CALL": ("tool_calls", None),
    "MAX_TOKENS": ("length", "output_truncated"),
}
"""Reasons with which an answer may end, and the kind when it is not a whole one. A reason that is in no table becomes
"other"."""

FAILED_REASONS: Mapping[str, ErrorKind] = {
    "ERROR": ErrorKind.SERVER_ERROR,
    "TIMEOUT": ErrorKind.PROVIDER_TIMEOUT,
}
"""Reasons that mean that there is no answer, and the kind when nothing beside them says more."""


def cohere_decoder(
    *, max_event_bytes: int, raw: bool = False, eof_ok: bool = False, logprobs: bool = False, placed: bool = True
) -> EventDecoder[Event]:
    """Return the decoder of one answer. logprobs: they were asked for. placed: see `Citations`."""
    reader = CohereReader(raw=raw, holdings=Holdings(max_event_bytes), logprobs=logprobs, placed=placed)
    return EventDecoder("cohere", reader, JsonEvents(EVENTS, max_event_bytes), eof_ok=eof_ok)


class CohereReader:
    """Reads the events of one answer; see `event_decoder`."""

    __slots__ = (
        "_calls", "_citations", "_logprobs", "_text", "_thought", "_unmodelled", "done", "failure", "model", "plain",
        "progress", "response_id", "seen",
    )  # fmt: skip

    texts = TEXT

    def __init__(
        self, *, raw: bool = False, holdings: Holdings | None = None, logprobs: bool = False, placed: bool = True
    ) -> None:
        self._calls = ToolCalls(holdings)
        self._citations = Citations(holdings or Holdings(), placed=placed)
        self._logprobs = logprobs
        self._unmodelled = Unmodelled("cohere", raw=raw)
        self._text = Said()
        self._thought = False
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
        return self._text.given([text for event in events if (text := event.delta.message.content.text)])

    def read(self, events: list[Event], payloads: Sequence[bytes], batch: Batch) -> None:
        """Put the chunks of some events into `batch`, up to the end or a failure among them."""
        for place, event in enumerate(events):
            reader = _READERS.get(event.type)
            if reader is not None:
                reader(self, event, batch)
            else:
                self._pass(event, payloads[place : place + 1], batch)
            if self.done or self.failure is not None:
                break
        self.seen = self.seen or bool(batch)
        self.plain = bool(batch) and type(batch[-1]) is TextDelta and not self._logprobs

    def may_end(self, marked: bool, cut: bool) -> bool:
        """Return False: an answer ends only with `message-end`."""
        return False

    def close(self) -> Batch:
        """Return the calls with what has arrived of them."""
        self.done = True
        return [*self._calls.whole()]

    def _begin(self, event: Event, batch: Batch) -> None:
        self.response_id = event.id if isinstance(event.id, str) else None
        self._whole(_message(event), batch)

    def _content(self, event: Event, batch: Batch) -> None:
        """Read a start of a block or a delta, which have the same shape; a start may have text already."""
        if event.type == "content-start":
            self._citations.begin(event.index, self._text)
        message = _message(event)
        for piece in parts_of(message.get("content")):
            batch += self._block(piece)
        batch += self._unmodelled.fields(message, MESSAGE)
        batch += self._probable(event.logprobs)

    def _probable(self, items: Any) -> list[Logprobs]:
        """Read how probable a piece was, or all of them, where that was asked for."""
        found = tuple(items if isinstance(items, list) else [items] if isinstance(items, dict) else [])
        return [Logprobs(found)] if found and self._logprobs else []

    def _citation(self, event: Event, batch: Batch) -> None:
        self.progress += 1
        cited = _message(event).get("citations")
        batch += self._cited(cited if isinstance(cited, list) else [cited])

    def _cited(self, citations: list[Any]) -> Batch:
        """Return the sources of some citations; a citation without any is passed on."""
        found: Batch = []
        for citation in filter(says, citations):
            sources = self._citations.sources(citation)
            found += sources or [self._unmodelled.content("citations", citation)]
        return found

    def _block(self, piece: dict[str, Any]) -> Batch:
        """Read a piece of a block, or all of it; one that is neither text nor thinking is passed on."""
        batch: Batch = []
        if thought := text_of(piece.get("thinking")):
            self._thought = True
            batch.append(ReasoningDelta(thought))
        if text := text_of(piece.get("text")):
            self._text.add(text)
            batch.append(TextDelta(text))
        if not batch and says({**piece, "type": None}):
            batch.append(self._unmodelled.content(text_of(piece.get("type")) or "content", piece))
        return batch

    def _plan(self, event: Event, batch: Batch) -> None:
        plan = _message(event).get("tool_plan")
        if thought := text_in(plan):
            self._thought = True
            batch.append(ReasoningDelta(thought))
        else:
            batch += self._unmodelled.unread("tool_plan", plan)

    def _whole(self, message: dict[str, Any], batch: Batch) -> None:
        """Read a message that comes whole, at the beginning, at the end, or in place of a stream; only new content
        counts."""
        blocks = parts_of(message.get("content"))
        thought = text_of(message.get("tool_plan")) + "".join(text_of(block.get("thinking")) for block in blocks)
        if thought and not self._thought:
            self._thought = True
            batch.append(ReasoningDelta(thought))
        text = "".join(text_of(block.get("text")) for block in blocks)
        batch += self._unmodelled.another("message", self._text, text)
        if new := self._text.rest(text):
            batch.append(TextDelta(new))
        batch += [chunk for block in blocks if not says([block.get("text"), block.get("thinking")])
                  for chunk in self._block(block)]  # fmt: skip
        again = len(self._calls) > 0
        for place, call in enumerate(map(object_of, list_of(message.get("tool_calls")))):
            batch += self._repeated_call(call) if again else [self._fragment(place, call)]
        if not self._citations.given:
            batch += self._cited(list_of(message.get("citations")))

    def _tool_call(self, event: Event, batch: Batch) -> None:
        sent = _message(event).get("tool_calls")
        calls = [sent] if isinstance(sent, dict) else list_of(sent)
        batch += [self._fragment(event.index, object_of(call)) for call in calls]
        if not calls and says(event.delta):
            self._calls.doubt()

    def _fragment(self, index: int, call: dict[str, Any]) -> Chunk:
        function = function_of(call)
        return self._calls.add(index, text_of(call.get("id")), _name(call, function), arguments_in(function, call))

    def _repeated_call(self, call: dict[str, Any]) -> Batch:
        function = function_of(call)
        said = arguments_in(function, call)
        return [*self._calls.again(text_of(call.get("id")), _name(call, function), said)]

    def _end(self, event: Event, batch: Batch) -> None:
        delta = object_of(event.delta)
        reason = text_of(delta.get("finish_reason"))
        if (usage := read_usage(delta.get("usage"))) is not None:
            batch.append(usage)
        if (failed := failed_end(reason, FAILED_REASONS, FINISH_REASONS)) is not None:
            self.failure = _failure(failed, reason, delta)
            return
        self.done = True
        self._whole(object_of(delta.get("message")), batch)
        batch += self._probable(list_of(delta.get("logprobs")))
        batch += self._calls.whole()
        finish, kind = end_of(reason, FINISH_REASONS)
        batch.append(Finished(finish, reason, kind))

    def _block_end(self, event: Event, batch: Batch) -> None:
        self.progress += 1

    def _pass(self, event: Event, payload: Sequence[bytes], batch: Batch) -> None:
        """Pass on unknown events, which may be the model's work. A bare error has no type."""
        if not event.type and isinstance(event.message, dict):  # a server that does not stream sent it
            said = object_of(event_value(payload[0])) if payload else {}
            self._begin(Event(id=event.id, delta={"message": event.message}), batch)
            self._end(Event(delta={**said, "message": None}), batch)
            return
        if not event.type and event.message is not None:
            self.failure = classify_error(msgspec.to_builtins(event), RULES)
            return
        known = event.type.startswith(("citation", "content", "tool"))
        self.progress += known
        if payload:
            batch += self._unmodelled.event(event.type, payload[0], known)


_Read: TypeAlias = Callable[[CohereReader, Event, Batch], None]

_READERS: Mapping[str, _Read] = {
    "message-start": CohereReader._begin,
    "content-start": CohereReader._content,
    "content-delta": CohereReader._content,
    "content-end": CohereReader._block_end,
    "tool-plan-delta": CohereReader._plan,
    "tool-call-start": CohereReader._tool_call,
    "tool-call-delta": CohereReader._tool_call,
    "tool-call-end": CohereReader._block_end,
    "citation-start": CohereReader._citation,
    "citation-end": CohereReader._block_end,
    "message-end": CohereReader._end,
}


def _name(call: Mapping[str, Any], function: Mapping[str, Any]) -> str:
    return text_of(function.get("name")) or text_of(call.get("name"))


def _failure(kind: ErrorKind, reason: str, delta: Mapping[str, Any]) -> Failure:
    """Return the failure that an end means, by its message, else by the reason alone."""
    said = {name: delta.get(name) for name in ("error", "error_type") if delta.get(name)}
    return classify_error(said, RULES) if said else Failure(kind=kind, code=reason)


def read_usage(usage: Any) -> Usage | None:
    """Return the tokens as the model counted them, or the billed ones if only these are given."""
    counts = object_of(usage)
    tokens = object_of(counts.get("tokens")) or object_of(counts.get("billed_units"))
    if not tokens:
        return None
    return Usage(
        input_tokens=count(tokens.get("input_tokens")),
        output_tokens=count(tokens.get("output_tokens")),
        cached_input_tokens=count(counts.get("cached_tokens")),
    )


def _message(event: Event) -> dict[str, Any]:
    message = object_of(event.delta).get("message")
    return {"content": message} if isinstance(message, str | list) else object_of(message)
