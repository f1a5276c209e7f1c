"""Reads dialects that only Bedrock's InvokeModel has: each event has a piece of text, and the last one says why the
answer ended.

Such a dialect is a row of `SHAPES`; no row is chosen by a model's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import msgspec

from ...chunks import Finished, FinishReason, Source, TextDelta, Usage
from ...contract import Batch
from ...failures import NO_END_MARKER, ErrorKind, Failure
from ...wire.broken import value_of
from ..shared.counts import count
from ..shared.ends import end_of, failed_end
from ..shared.holdings import Holdings
from ..shared.unmodelled import Fields, Unmodelled, names
from ..shared.values import list_of, object_of, text_of

__all__ = ["FAILED_REASONS", "FINISH_REASONS", "METRICS", "SHAPES", "FlatReader", "Shape", "read_metrics"]

METRICS = "amazon-bedrock-invocationMetrics"
GUARDRAIL = "amazon-bedrock-guardrailAction"

Pick: TypeAlias = Callable[[dict[str, Any]], Any]


class Shape(NamedTuple):
    """Describes a dialect with flat events: each has a piece of text, and the last one the reason why the answer ended.

    text, reason: the fields they are in. counts: the fields for tokens read and written, used if Bedrock's own are
    missing. answer: the field that numbers the answers, if there may be several.
    """

    text: Pick
    reason: Pick
    counts: tuple[str, str] = ("", "")
    answer: str = ""


def _first(value: Any) -> dict[str, Any]:
    return object_of(value[0]) if isinstance(value, list) and value else {}


def _titan_reason(event: dict[str, Any]) -> Any:
    """Return Titan's reason. A guardrail that blocks an answer leaves it out, but the total count is still in the last
    event."""
    blocked = event.get(GUARDRAIL) == "INTERVENED" and "totalOutputTextTokenCount" in event
    return event.get("completionReason") or ("guardrail_intervened" if blocked else None)


SHAPES: Mapping[str, Shape] = {
    "outputText": Shape(  # Titan
        lambda event: event.get("outputText"), _titan_reason, ("inputTextTokenCount", "totalOutputTextTokenCount")
    ),
    "generation": Shape(  # Llama
        lambda event: event.get("generation"), lambda event: event.get("stop_reason"),
        ("prompt_token_count", "generation_token_count"),
    ),
    "completion": Shape(  # Claude 2 and older
        lambda event: event.get("completion"), lambda event: event.get("stop_reason")
    ),
    "outputs": Shape(  # Mistral's text models
        lambda event: _first(event.get("outputs")).get("text"),
        lambda event: _first(event.get("outputs")).get("stop_reason") or event.get("stop_reason"),
    ),
    "generations": Shape(  # Cohere Command, whose answer comes all at once
        lambda event: _first(event.get("generations")).get("text"),
        lambda event: _first(event.get("generations")).get("finish_reason"),
    ),
    "is_finished": Shape(  # Cohere Command and Command R; the latter says all of it once more at the end
        lambda event: event.get("text"), lambda event: event.get("finish_reason"), answer="index"
    ),
}  # fmt: skip
"""The dialects, by a field that only this dialect's events have."""

FIELDS = Fields(
    read=names(
        "outputText completionReason inputTextTokenCount totalOutputTextTokenCount tokenCount generation stop_reason "
        "stop prompt_token_count generation_token_count completion outputs generations text is_finished finish_reason "
        "index event_type type id generation_id response_id response prompt chat_history role model object created "
        "citations documents"
    ),
    aside=names(
        "meta likelihood token_likelihoods logprobs log_id results is_search_required contentFilterResults usage "
        f"{METRICS} {GUARDRAIL} amazon-bedrock-trace"
    ),
    content=names("search_results search_queries tool_calls tool_call_delta tool_plan"),
)

FINISH_REASONS: Mapping[str, tuple[FinishReason, str | None]] = {
    "stop": ("stop", None),
    "stop_sequence": ("stop", None),
    "FINISH": ("stop", None),
    "COMPLETE": ("stop", None),
    "STOP_CRITERIA_MET": ("stop", None),
    "length": ("length", "output_truncated"),
    "LENGTH": ("length", "output_truncated"),
    "max_tokens": ("length", "output_truncated"),
    "MAX_TOKENS": ("length", "output_truncated"),
    "CONTENT_FILTERED": ("content_filter", "content_filtered"),
    "guardrail_intervened": ("content_filter", "content_filtered"),
    "ERROR_TOXIC": ("content_filter", "content_filtered"),
}
"""Reasons with which an answer in one of these dialects may end. A reason that is in no table becomes "other"."""

FAILED_REASONS: Mapping[str, ErrorKind] = {
    "ERROR": ErrorKind.SERVER_ERROR,
    "ERROR_LIMIT": ErrorKind.CONTEXT_LENGTH_EXCEEDED,
}


class FlatReader:
    """Reads one answer in the dialect of a row."""

    def __init__(self, shape: Shape, *, max_event_bytes: int, raw: bool, eof_ok: bool) -> None:
        self.state = self
        self._shape = shape
        self._unmodelled = Unmodelled("bedrock", raw=raw)
        self._eof_ok = eof_ok
        self._seen = False
        self._finish: str | None = None
        self._counts: dict[str, int] = {}
        self._filtered = False
        self._holdings = Holdings(max_event_bytes)
        self._documents: dict[str, dict[str, Any]] = {}
        self.failure: Failure | None = None
        self.done = False
        self.progress = 0
        self.model: str | None = None
        self.response_id: str | None = None

    @property
    def unmodelled(self) -> Mapping[str, int]:
        """Return the names of content without a chunk class, with how often each came."""
        return self._unmodelled.counts

    def read(self, payloads: list[bytes], batch: Batch) -> None:
        """Put the chunks of some events into `batch`."""
        for payload in payloads:
            event = value_of(payload)
            if isinstance(event, dict):
                self._event(event, batch)
            else:
                self.failure = Failure(kind=ErrorKind.PROTOCOL_ERROR, code="bad_json")
            if self.done or self.failure is not None:
                break

    def finish(self) -> Batch:
        """Take note that the body ended. The answer is whole after a reason, or where the target says eof_ok."""
        if self.done or self.failure is not None:
            return []
        if self._finish is None and not (self._eof_ok and self._seen):
            self.failure = NO_END_MARKER
            return []
        return self._close()

    def _event(self, event: dict[str, Any], batch: Batch) -> None:
        if count(event.get(self._shape.answer)):
            self._pass(event, batch)  # only the first of several answers is delivered
            return
        if text := text_of(self._shape.text(event)):
            self._seen = True
            batch.append(TextDelta(text))
        elif not self._seen and (text := text_of(object_of(event.get("response")).get("text"))):
            self._seen = True  # Cohere's last event repeats the whole text
            batch.append(TextDelta(text))
        if "citations" in event or "documents" in event:
            batch += self._sources(event)
        batch += self._unmodelled.fields(event, FIELDS, once=True)
        self._filtered = self._filtered or event.get(GUARDRAIL) == "INTERVENED"
        found = ((name, count(event.get(name))) for name in self._shape.counts)
        self._counts.update({name: value for name, value in found if value is not None})
        reason = text_of(self._shape.reason(event))
        self._finish = reason or self._finish
        if (failed := failed_end(reason, FAILED_REASONS, FINISH_REASONS)) is not None:
            self.failure = Failure(kind=failed, code=reason)
        elif self._finish is not None:
            self._end(event, batch)

    def _sources(self, event: dict[str, Any]) -> list[Source]:
        """Return what passages rest on, as Cohere's models say it: each passage names its documents."""
        documents = list(map(object_of, list_of(event.get("documents"))))
        if documents:
            self._holdings.take(len(msgspec.json.encode(documents)))
        self._documents |= {text_of(document.get("id")): document for document in documents}
        cited = list(map(object_of, list_of(event.get("citations"))))
        return [
            _source(id, self._documents.get(id, {}), passage)
            for passage in cited
            for id in map(text_of, list_of(passage.get("document_ids")) or [""])
        ]

    def _end(self, event: dict[str, Any], batch: Batch) -> None:
        """Take the reason. The answer closes once its counts are there, since nothing more will come."""
        if METRICS in event:
            batch.append(read_metrics(event[METRICS]))
            batch += self._close()
        elif self._counts:
            read, written = map(self._counts.get, self._shape.counts)
            batch.append(Usage(read, written))

    def _close(self) -> Batch:
        self.done = True
        if self._finish is None:
            return []
        reason, kind = end_of(self._finish, FINISH_REASONS)
        if self._filtered:
            reason, kind = "content_filter", "content_filtered"
        return [Finished(reason, self._finish, kind)]

    def _pass(self, event: dict[str, Any], batch: Batch) -> None:
        self.progress += 1
        batch.append(self._unmodelled.content("generation", event))


def _source(id: str, document: dict[str, Any], passage: dict[str, Any]) -> Source:
    url, title, quote = (text_of(document.get(name)) for name in ("url", "title", "snippet"))
    start, end = count(passage.get("start")), count(passage.get("end"))
    return Source(url, title, quote or text_of(document.get("text")), start, end, id)


def read_metrics(metrics: Any) -> Usage:
    """Return Bedrock's own counts, which are the same for every vendor."""
    counts = object_of(metrics)
    return Usage(
        input_tokens=count(counts.get("inputTokenCount")),
        output_tokens=count(counts.get("outputTokenCount")),
        cached_input_tokens=count(counts.get("cacheReadInputTokenCount")),
        cache_write_tokens=count(counts.get("cacheWriteInputTokenCount")),
    )
