"""The record of one call: what was received, what reached the caller, how it ended, what was tried.

The one rule: it is complete at every moment, and costs one list append per network wake-up; every view of it
(text, usage, tool calls) is made when somebody looks.
Must never: claim `complete` by itself. The call sets the outcome, once.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec

from .chunks import Chunk, Finished, FinishReason, ReasoningDelta, Seam, TextDelta, ToolCall, Usage
from .errors import StreamError
from .messages import FunctionCall, Message

__all__ = ["Attempt", "Outcome", "Transcript"]

Outcome: TypeAlias = Literal["complete", "failed", "deadline", "cancelled", "abandoned", "client_closed"]
_WITHHELD: frozenset[Outcome] = frozenset({"cancelled", "abandoned", "client_closed"})
"""Ends that the caller brought about: what was received but not yet taken stays here, and pulls raise at once."""

_ChunkT = TypeVar("_ChunkT")
_NOTE = "_resilient_stream_transcript"


class Attempt(msgspec.Struct, kw_only=True):
    """One request that was sent. Times in seconds; `started` is Unix time.

    status: of the HTTP answer, if one came; time_to_headers: until then. chunks: how many were received.
    hedge: whether it ran beside another one. error: why it ended badly, else None.
    """

    target: str
    model: str
    started: float
    duration: float | None = None
    time_to_headers: float | None = None
    time_to_first_chunk: float | None = None
    status: int | None = None
    error: StreamError | None = None
    request_id: str | None = None
    usage: Usage | None = None
    chunks: int = 0
    hedge: bool = False


class Transcript:
    """Everything known about one call, at any time; final once `outcome` is set.

    text: the answer as received. delivered: the part of it that was handed to the caller.
    After a seam with `restart` both begin anew behind it, and so do reasoning and tool calls; `chunks` has all.
    usage: of the request that answered last; what each one cost is in `attempts`.
    target: the one that is answering, as "provider:model". request_id: its id at the provider.
    started: Unix time of the first pull; duration, time_to_first_chunk: seconds from there.
    omitted: characters dropped from the middle because of `Limits.max_transcript_bytes`.
    """

    __slots__ = (
        "_chunks",
        "_dropped",
        "_head",
        "_limit",
        "_ready",
        "_restarted",
        "_start",
        "_wire",
        "_withheld",
        "attempts",
        "duration",
        "error",
        "model",
        "omitted",
        "outcome",
        "request_id",
        "started",
        "target",
        "time_to_first_chunk",
    )  # fmt: skip

    def __init__(self, limit: int = 64 * 1024 * 1024) -> None:
        self._chunks: list[Chunk] = []
        self._ready: deque[Chunk] = deque()
        self._limit = limit
        self._wire = 0
        self._head = 0
        self._withheld = 0
        self._dropped = 0
        self._restarted = False
        self._start = 0.0
        self.omitted = 0
        self.outcome: Outcome | None = None
        self.error: StreamError | None = None
        self.attempts: list[Attempt] = []
        self.target: str | None = None
        self.model: str | None = None
        self.request_id: str | None = None
        self.started: float | None = None
        self.time_to_first_chunk: float | None = None
        self.duration: float | None = None

    # -- written by the call ------------------------------------------------------------------

    def _begin(self) -> None:
        self.started = time.time()
        self._start = time.perf_counter()

    def _receive(self, batch: list[Chunk]) -> None:
        if self.time_to_first_chunk is None:
            self.time_to_first_chunk = time.perf_counter() - self._start
        self._chunks.extend(batch)
        self._ready.extend(batch)

    def _place(self) -> int:
        """How many chunks were received so far."""
        return self._dropped + len(self._chunks)

    def _since(self, place: int) -> list[Chunk]:
        """The chunks received from there on, but for those that were dropped."""
        return self._chunks[max(0, place - self._dropped) :]

    def _restart(self) -> None:
        """A seam that takes back all before it is about to be received: nothing is missing from what comes now."""
        self._restarted = True
        self._head = self.omitted = 0

    def _counts(self) -> tuple[int, int]:
        """(received, waiting to be taken): changes whenever the consumer takes something."""
        return len(self._chunks), len(self._ready)

    def _end(self, outcome: Outcome, error: StreamError | None) -> None:
        self.outcome = outcome
        self.error = error
        if outcome in _WITHHELD:
            self._withheld = len(self._ready)
            self._ready.clear()
        if self.started is not None:
            self.duration = time.perf_counter() - self._start

    def _weigh(self, wire_bytes: int) -> None:
        """Count bytes from the wire: an upper bound of the text, so that short answers are never measured."""
        self._wire += wire_bytes
        if self._wire > self._limit:
            self._drop(0, min(self._begins(len(self._chunks)) - 1, len(self._chunks) - len(self._ready)))
            if self._wire > self._limit:
                self._trim()

    def _trim(self) -> None:
        """Keep the first half of the limit and the last quarter; chunks not yet delivered always stay."""
        if not self._head:
            self._head = _prefix(self._chunks, self._limit // 2)
        keep = max(_prefix(list(reversed(self._chunks)), self._limit // 4), len(self._ready))
        end = max(len(self._chunks) - keep, self._head)
        self.omitted += sum(len(chunk.text) for chunk in self._chunks[self._head : end])
        self._drop(self._head, end)

    def _drop(self, start: int, end: int) -> None:
        """Let go of some chunks, if there are any, and weigh the rest."""
        if end > start:
            del self._chunks[start:end]
            self._dropped += end - start
        self._wire = sum(map(_size, self._chunks))

    # -- read by everybody --------------------------------------------------------------------

    @property
    def text(self) -> str:
        """The answer's text as received so far."""
        return self._join(len(self._chunks))

    @property
    def delivered(self) -> str:
        """The text that was handed to the caller so far."""
        return self._join(len(self._chunks) - len(self._ready) - self._withheld)

    @property
    def reasoning(self) -> str:
        """The model's visible reasoning so far."""
        return "".join(chunk.reasoning for chunk in self._answer() if type(chunk) is ReasoningDelta)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls that are whole."""
        return tuple(chunk for chunk in self._answer() if type(chunk) is ToolCall)

    @property
    def seams(self) -> tuple[Seam, ...]:
        """Where another request took over."""
        return tuple(chunk for chunk in self._chunks if type(chunk) is Seam)

    @property
    def usage(self) -> Usage:
        """The last count the provider gave; `certainty="unknown"` when it gave none."""
        return self._last(Usage) or Usage(certainty="unknown")

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why the model stopped; None when it never said so."""
        finished = self._last(Finished)
        return finished.reason if finished else None

    @property
    def raw_finish_reason(self) -> str | None:
        """The same in the provider's own word."""
        finished = self._last(Finished)
        return finished.raw_reason if finished else None

    @property
    def finish_kind(self) -> str | None:
        """Set when the answer is one but not whole: output_truncated, refusal or content_filtered."""
        finished = self._last(Finished)
        return finished.kind if finished else None

    @property
    def chunks(self) -> tuple[Chunk, ...]:
        """All chunks received, in order."""
        return tuple(self._chunks)

    def as_history(self) -> list[Message]:
        """The answer as messages that are safe to send back: whole tool calls only, no reasoning.

        Reasoning is left out: unsigned reasoning is refused by the providers that sign it. A tool call whose
        arguments are not an object is left out as well. An answer without anything gives an empty list.
        """
        calls = tuple(
            FunctionCall(id=call.id, name=call.name, arguments=call.arguments or "{}", signature=call.signature)
            for call in self.tool_calls
            if call.parsed is not None
        )
        text = self.text
        return [Message(role="assistant", content=text, tool_calls=calls)] if text or calls else []

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a log or a database."""
        return {
            "text": self.text,
            "delivered": self.delivered,
            "reasoning": self.reasoning,
            "tool_calls": [msgspec.to_builtins(call) for call in self.tool_calls],
            "usage": msgspec.to_builtins(self.usage),
            "finish_reason": self.finish_reason,
            "raw_finish_reason": self.raw_finish_reason,
            "finish_kind": self.finish_kind,
            "outcome": self.outcome,
            "error": self.error.to_dict() if self.error else None,
            "attempts": [_attempt_dict(attempt) for attempt in self.attempts],
            "seams": [msgspec.to_builtins(seam) for seam in self.seams],
            "target": self.target,
            "model": self.model,
            "request_id": self.request_id,
            "started": self.started,
            "time_to_first_chunk": self.time_to_first_chunk,
            "duration": self.duration,
            "omitted": self.omitted,
        }

    @staticmethod
    def of(error: BaseException) -> Transcript | None:
        """The transcript of the stream that this exception interrupted, looked for along its causes.

        For a `CancelledError` or the `TimeoutError` of `asyncio.timeout`, which carry nothing themselves.
        """
        seen: set[int] = set()
        link: BaseException | None = error
        while link is not None and id(link) not in seen:
            seen.add(id(link))
            found = getattr(link, _NOTE, None) or getattr(link, "transcript", None)
            if isinstance(found, Transcript):
                return found
            link = link.__cause__ or link.__context__
        return None

    def _mark(self, error: BaseException) -> None:
        setattr(error, _NOTE, self)

    def _answer(self) -> list[Chunk]:
        """The chunks of the answer that stands: all, or those behind the seam that restarted it."""
        return self._chunks[self._begins(len(self._chunks)) :]

    def _begins(self, count: int) -> int:
        """Where the answer begins that stands after so many chunks."""
        places = range(count - 1, -1, -1) if self._restarted else ()
        return next((place + 1 for place in places if getattr(self._chunks[place], "restart", False)), 0)

    def _last(self, kind: type[_ChunkT]) -> _ChunkT | None:
        return next((chunk for chunk in reversed(self._chunks) if type(chunk) is kind), None)

    def _join(self, count: int) -> str:
        begins = self._begins(count)
        chunks = self._chunks[begins:count]
        if not self.omitted:
            return "".join([chunk.text for chunk in chunks])
        note = f"[… {self.omitted} characters omitted …]"
        middle = max(0, self._head - begins)
        head, tail = chunks[:middle], chunks[middle:]
        return "".join([*(chunk.text for chunk in head), note, *(chunk.text for chunk in tail)])

    def __repr__(self) -> str:
        return f"Transcript(outcome={self.outcome!r}, target={self.target!r}, characters={len(self.text)})"


def _size(chunk: Chunk) -> int:
    if type(chunk) is TextDelta:
        return len(chunk.text)
    return len(chunk.reasoning) if type(chunk) is ReasoningDelta else 64


def _prefix(chunks: list[Chunk], limit: int) -> int:
    """How many chunks from the start fit into the limit."""
    size = 0
    for count, chunk in enumerate(chunks):
        size += _size(chunk)
        if size > limit:
            return count
    return len(chunks)


def _attempt_dict(attempt: Attempt) -> dict[str, Any]:
    fields = msgspec.structs.asdict(attempt)
    fields["error"] = attempt.error.to_dict() if attempt.error else None
    fields["usage"] = msgspec.to_builtins(attempt.usage) if attempt.usage else None
    return fields
