"""Keeps the record of one call: what was received, what reached the caller, how it ended, what was tried.

It is complete at every moment, and costs one list append per network wake-up; every view of it (text, usage, tool
calls) is made when somebody asks for it. The call sets the outcome, once; nothing here decides that an answer is
complete.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

import msgspec
from pydantic_core import to_jsonable_python

from ..chunks import (
    Chunk,
    File,
    Finished,
    FinishReason,
    Raw,
    ReasoningDelta,
    Seam,
    ServerToolCall,
    ServerToolResult,
    Source,
    ToolCall,
    Usage,
)
from ..failures import StreamMisused
from ..given.checks import check_depth
from ..messages import Message
from .archive import MAX_LEVELS, pack, plain, plain_chunk, read, read_chunk, shallow
from .errors import StreamError
from .history import ended_well, omission, to_history
from .joined import JoinedText
from .traits import TRAITS
from .understood import tally
from .weight import even, prefix, size_of

__all__ = ["Attempt", "Outcome", "Transcript"]

Outcome: TypeAlias = Literal["complete", "failed", "deadline", "cancelled", "abandoned", "client_closed"]
_WITHHELD: frozenset[Outcome] = frozenset({"cancelled", "abandoned", "client_closed"})
"""Ends that the caller caused: chunks not yet taken stay in the transcript, and the next pull raises at once."""

VERSION = 1
"""The version of `to_dict`'s format; it goes up when an older `from_dict` could not read the new one."""

_ChunkT = TypeVar("_ChunkT")
_NOTE = "_resilient_stream_transcript"


class Attempt(msgspec.Struct, kw_only=True):
    """Describes one request to a target. Times in seconds; `started` is Unix time.

    sent: False where a link of the chain failed it before anything was sent (`CallContext.fail_at`).
    status: of the HTTP answer, if one came; time_to_headers: until then. chunks: how many were received.
    hedge: whether it ran beside another one. outcome: how it ended: complete, failed, or abandoned, where it was left
    before its end because its caller went away, the time was over, or another request of a race was first; None while
    it runs. error: why it failed, else None. response_id, response_model: the
    answer's own id and model, as the provider names them. headers: of the HTTP answer, those that a person reads:
    request ids, rate limits, `retry-after`; names in lower case, values as sent.
    usage: as the provider told it last; None where it told nothing. estimate: what the request used by characters,
    where the provider did not tell, or the answer was cut and had more than it told.
    draining: whether it is still read on in the background, after its caller left, for the provider's count (`drain=`).
    cost: US dollars; None where it is not known, or was not asked for: `Client(prices=True)` fills it in, and so does
    `Transcript.cost`.
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
    outcome: Outcome | None = None
    response_id: str | None = None
    response_model: str | None = None
    sent: bool = True
    headers: dict[str, str] = {}
    estimate: Usage | None = None
    cost: Decimal | None = None
    draining: bool = False

    @property
    def wasted(self) -> bool:
        """Return whether it gave no whole answer: it failed, was cut, lost a race, or its caller went away."""
        return self.outcome != "complete" or self.error is not None


class PriceList(Protocol):
    """Gives the price of a request, as `engine/prices.py` does."""

    def of(self, attempt: Attempt) -> Decimal | None:
        """Return what a request cost, in US dollars; None where that is not known."""
        ...


class _Stored(msgspec.Struct, kw_only=True):
    """Holds the values from which a transcript is made again.

    taken: how many chunks were delivered. gap: the chunk before which text is missing; None when all is there.
    """

    version: int
    chunks: list[dict[str, Any]]
    taken: int
    outcome: Outcome | None
    gap: int | None = None
    error: StreamError | None = None
    attempts: list[Attempt] = []
    target: str | None = None
    model: str | None = None
    request_id: str | None = None
    started: float | None = None
    time_to_first_chunk: float | None = None
    duration: float | None = None
    omitted: int = 0
    unmodelled: dict[str, int] = {}
    output: Any = None


_KEPT = (
    "outcome", "error", "attempts", "target", "model", "request_id", "started", "time_to_first_chunk", "duration",
    "omitted",
)  # fmt: skip


class Transcript:
    """Holds everything known about one call, at any time; it is final once `outcome` is set.

    text: the answer as received. delivered: the part of it that was handed to the caller.
    After a seam with `restart` both begin anew behind it, and so do reasoning and tool calls; `chunks` has all.
    usage: of the request that answered last; what each one cost is in `attempts`.
    target: the one that is answering, as "provider:model". request_id: its id at the provider.
    started: Unix time of the first pull; duration, time_to_first_chunk: seconds from there.
    output: where `output=` asked for one, the object that the text was read as; None until the end, and where the
    answer is none (see `finish_kind`).
    omitted: characters dropped from the middle because of `Limits.max_transcript_bytes`.
    """

    __slots__ = (
        "_chunks",
        "_delivered",
        "_dropped",
        "_head",
        "_limit",
        "_next_look",
        "_prices",
        "_ready",
        "_restarted",
        "_start",
        "_text",
        "_trimmed",
        "_unmodelled",
        "_wire",
        "_withheld",
        "attempts",
        "duration",
        "error",
        "model",
        "omitted",
        "outcome",
        "output",
        "request_id",
        "started",
        "target",
        "time_to_first_chunk",
    )  # fmt: skip

    def __init__(self, limit: int = 64 * 1024 * 1024) -> None:
        self._chunks: list[Chunk] = []
        self._ready: list[Chunk] = []
        """Chunks that wait to be taken, the next one last. An empty deque would take 600 bytes more."""
        self._limit = limit
        self._next_look = limit // 4
        self._wire = 0
        self._head = 0
        self._trimmed = False
        self._withheld = 0
        self._dropped = 0
        self._unmodelled: dict[str, int] = {}
        self._restarted = False
        self._prices: PriceList | None = None
        self._text: JoinedText | None = None
        self._delivered: JoinedText | None = None
        self._start = 0.0
        self.omitted = 0
        self.outcome: Outcome | None = None
        self.output: Any = None
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
        self._ready[:0] = batch[::-1]

    def _learn(self, usage: Usage) -> None:
        """Take in what the provider counted in the end, which came after the caller had left."""
        self._chunks.append(usage)
        self._withheld += 1

    def _pass_on(self, batch: list[Chunk], wire_bytes: int) -> Chunk:
        """Receive a batch of one chunk, and return that, when nothing waits to be taken and it is not the first."""
        self._chunks += batch
        self._wire += wire_bytes
        if self._wire > self._next_look:
            self._weigh(0)
        return batch[0]

    def _place(self) -> int:
        """Return how many chunks were received so far."""
        return self._dropped + len(self._chunks)

    def _since(self, place: int) -> list[Chunk]:
        """Return the chunks received from this place on, without those that were dropped."""
        return self._chunks[max(0, place - self._dropped) :]

    def _restart(self) -> None:
        """Prepare for a seam that takes back all before it; nothing is missing from what comes after it."""
        self._restarted = True
        self._head = self.omitted = 0
        self._trimmed = False
        self._unmodelled = {}

    def _counts(self) -> tuple[int, int]:
        """Return (received, waiting to be taken); it changes whenever the consumer takes something."""
        return len(self._chunks), len(self._ready)

    def _end(self, outcome: Outcome, error: StreamError | None) -> None:
        self.outcome = outcome
        self.error = error
        if outcome in _WITHHELD:
            with contextlib.suppress(IndexError):
                while True:  # one by one, since the thread of a synchronous caller may take some at the same time
                    self._ready.pop()
                    self._withheld += 1
        if self.started is not None:
            self.duration = time.perf_counter() - self._start

    def _weigh(self, wire_bytes: int) -> None:
        """Count bytes from the wire, an upper bound of the text, so that short answers are never measured."""
        self._wire += wire_bytes
        if self._wire > self._next_look:
            self._text = self._delivered = None
            self._drop_restarted()
            self._divide_evenly()
            self._wire = sum(map(size_of, self._chunks))
            if self._wire > self._limit:
                self._trim()
            more = self._wire + self._limit // 4
            self._next_look = more if self._wire > self._limit else min(more, self._limit)

    def _divide_evenly(self) -> None:
        """Store delivered text in pieces of equal size: a million chunks of a token each take 100 MB."""
        taken = len(self._chunks) - len(self._ready)
        before = len(self._chunks)
        self._chunks[self._head : taken] = even(self._chunks[self._head : taken], max(self._limit // 64, 1))
        self._dropped += before - len(self._chunks)

    def _drop_restarted(self) -> None:
        """Drop chunks that a restart took back, before any others."""
        end = min(self._begins(len(self._chunks)) - 1, len(self._chunks) - len(self._ready))
        if end > 0:
            del self._chunks[:end]
            self._dropped += end

    def _trim(self) -> None:
        """Keep the first half of the limit and the last quarter; chunks not yet delivered always stay."""
        if not self._trimmed:
            self._head = prefix(self._chunks, self._limit // 2)
        keep = max(prefix(reversed(self._chunks), self._limit // 4), len(self._ready))
        end = max(len(self._chunks) - keep, self._head)
        dropped = self._chunks[self._head : end]
        # A reader needs all of these; the decoder limits how large an answer's calls are.
        kept = [chunk for chunk in dropped if TRAITS[type(chunk)].outlives]
        self.omitted += sum(len(chunk.text) for chunk in dropped)
        tally(_unmodelled(dropped), self._unmodelled)
        self._chunks[self._head : end] = kept
        self._dropped += len(dropped) - len(kept)
        self._head += len(kept)
        self._trimmed = True
        self._wire = sum(map(size_of, self._chunks))

    # -- read by everybody --------------------------------------------------------------------

    @property
    def text(self) -> str:
        """Return the answer's text as received so far."""
        self._text = self._text or JoinedText()
        return self._join(len(self._chunks), self._text)

    @property
    def delivered(self) -> str:
        """Return the text that was handed to the caller so far."""
        self._delivered = self._delivered or JoinedText()
        return self._join(len(self._chunks) - len(self._ready) - self._withheld, self._delivered)

    @property
    def reasoning(self) -> str:
        """Return the model's visible reasoning so far."""
        return "".join(chunk.reasoning for chunk in self._answer() if type(chunk) is ReasoningDelta)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """Return the tool calls that are whole."""
        return tuple(chunk for chunk in self._answer() if type(chunk) is ToolCall)

    @property
    def sources(self) -> tuple[Source, ...]:
        """Return what the answer rests on, in the order in which it was said."""
        return tuple(chunk for chunk in self._answer() if type(chunk) is Source)

    @property
    def files(self) -> tuple[File, ...]:
        """Return the pictures, recordings and documents that the model made."""
        return tuple(chunk for chunk in self._answer() if type(chunk) is File)

    @property
    def server_tools(self) -> tuple[ServerToolCall | ServerToolResult, ...]:
        """Return what ran at the provider: calls and their results, in order."""
        return tuple(chunk for chunk in self._answer() if isinstance(chunk, ServerToolCall | ServerToolResult))

    @property
    def seams(self) -> tuple[Seam, ...]:
        """Return where another request took over."""
        return tuple(chunk for chunk in self._chunks if type(chunk) is Seam)

    @property
    def unmodelled(self) -> Mapping[str, int]:
        """Return the names of content that came as `Raw`, since it has no chunk class, with how often each came."""
        return tally(_unmodelled(self._answer()), dict(self._unmodelled))

    @property
    def requests(self) -> int:
        """Return how many requests were sent; `attempts` also has those that a link of the chain kept back."""
        return sum(attempt.sent for attempt in self.attempts)

    @property
    def usage(self) -> Usage:
        """Return the last count the provider gave; `certainty="unknown"` when it gave none."""
        return self._last(Usage) or Usage(certainty="unknown")

    @property
    def cost(self) -> Decimal | None:
        """Return what all requests of the call cost, in US dollars; None where that of one of them is not known.

        It is looked up when it is first asked for, which loads the table of prices (the extra `prices`).
        """
        sent = [attempt for attempt in self.attempts if attempt.sent]
        for attempt in sent:
            if attempt.cost is None and attempt.outcome is not None and self._prices is not None:
                attempt.cost = self._prices.of(attempt)
        costs = [attempt.cost for attempt in sent if attempt.cost is not None]
        return sum(costs, Decimal(0)) if len(costs) == len(sent) else None

    @property
    def finish_reason(self) -> FinishReason | None:
        """Return why the model stopped; None when it never said so."""
        finished = self._last(Finished)
        return finished.reason if finished else None

    @property
    def raw_finish_reason(self) -> str | None:
        """Return why the model stopped, in the provider's own word."""
        finished = self._last(Finished)
        return finished.raw_reason if finished else None

    @property
    def finish_kind(self) -> str | None:
        """Return the kind of an answer that is not whole: output_truncated, refusal or content_filtered."""
        finished = self._last(Finished)
        return finished.kind if finished else None

    @property
    def chunks(self) -> tuple[Chunk, ...]:
        """Return all chunks received, in order."""
        return tuple(self._chunks)

    def as_history(self, calls: bool | None = None) -> list[Message]:
        """Return the answer as messages that every provider accepts, however it ended: one, or none when nothing was
        said.

        Text is kept as received, a part cut off in the middle too. Reasoning is kept with the target it came from,
        and is sent to that family of models only, without a signature only to hosts that take it as text. What came
        before a `Seam(restart=True)` is void. A middle dropped for `max_transcript_bytes` is marked in the text.

        Whole tool calls are kept, unless the answer was cut: then a provider would wait for results of calls that
        may never have been run. Before the next turn, each call of `as_history()[-1].tool_calls` needs a message
        with role "tool", and no other call does. calls: True keeps them after a cut too (their results are at
        hand), False leaves them out (the user goes on without). Never kept: a call whose arguments are no object.
        """
        gap = (self._head, self.omitted) if self._trimmed else None
        return to_history(self._chunks, self.target, gap, self._keeps_calls() if calls is None else calls)

    def _keeps_calls(self) -> bool:
        """Return whether the model ended by itself. Servers that never say so are believed, unless a cut is known."""
        well = ended_well(self._chunks)
        return self.outcome in (None, "complete") if well is None else well

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, for a log or a database; `from_dict` makes a transcript of them again.

        Everything that can be read (text, tool_calls, usage, …) is also in `chunks`, which are joined where nothing is
        lost. An object in `output` is stored as JSON, and stays that.
        """
        head = self._head if self._trimmed else len(self._chunks)
        chunks, (taken, gap) = pack(self._chunks, (len(self._chunks) - len(self._ready) - self._withheld, head))
        stored = _Stored(
            version=VERSION,
            chunks=[plain_chunk(chunk) for chunk in chunks],
            taken=taken,
            gap=gap if self._trimmed else None,
            unmodelled=dict(self.unmodelled),
            output=None if self.output is None else to_jsonable_python(self.output, serialize_unknown=True),
            **{name: getattr(self, name) for name in _KEPT},
        )
        return {
            "text": self.text,
            "delivered": self.delivered,
            "reasoning": self.reasoning,
            "tool_calls": plain(tuple(map(shallow, self.tool_calls))),
            "sources": plain(tuple(map(shallow, self.sources))),
            "usage": plain(self.usage),
            "finish_reason": self.finish_reason,
            "raw_finish_reason": self.raw_finish_reason,
            "finish_kind": self.finish_kind,
            "seams": plain(self.seams),
            **plain(stored),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Transcript:
        """Return the transcript from the values that `to_dict` gave for it; they may have been JSON meanwhile.

        It equals the original in everything it says; runs of chunks may be joined. Raises StreamMisused that names the
        field when something is missing, of a wrong type, or of a newer version.
        """
        version = values.get("version") if isinstance(values, Mapping) else None
        if version != VERSION:
            raise StreamMisused(f"transcript.version: Expected {VERSION}, from this library's Transcript.to_dict()")
        check_depth("transcript", values, MAX_LEVELS)
        stored = read(_Stored, dict(values), "transcript")
        transcript = cls()
        transcript._chunks = [
            read_chunk(each, f"transcript.chunks[{place}]") for place, each in enumerate(stored.chunks)
        ]
        transcript._withheld = max(len(stored.chunks) - stored.taken, 0)
        transcript._restarted = any(seam.restart for seam in transcript.seams)
        transcript._trimmed, transcript._head = stored.gap is not None, stored.gap or 0
        for name in _KEPT:
            setattr(transcript, name, getattr(stored, name))
        transcript.output = stored.output
        transcript._unmodelled = dict(Counter(stored.unmodelled) - Counter(transcript.unmodelled))
        if stored.error is not None:
            stored.error.transcript = transcript
        return transcript

    @staticmethod
    def of(error: BaseException) -> Transcript | None:
        """Return the transcript of the stream that this exception interrupted, searched for along its causes.

        It is for a `CancelledError` or the `TimeoutError` of `asyncio.timeout`, which carry nothing themselves.
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
        """Return the chunks of the valid answer: all, or those behind the seam that restarted it."""
        return self._chunks[self._begins(len(self._chunks)) :]

    def _begins(self, count: int) -> int:
        """Return where the valid answer begins after so many chunks."""
        places = range(count - 1, -1, -1) if self._restarted else ()
        return next((place + 1 for place in places if getattr(self._chunks[place], "restart", False)), 0)

    def _last(self, kind: type[_ChunkT]) -> _ChunkT | None:
        return next((chunk for chunk in reversed(self._chunks) if type(chunk) is kind), None)

    def _characters(self) -> int:
        """Return the length of the text received so far."""
        return sum(len(chunk.text) for chunk in self._answer())

    def _join(self, count: int, joined: JoinedText) -> str:
        begins = self._begins(count)
        if not self.omitted:
            return joined.of(self._chunks, begins, count)
        chunks = self._chunks[begins:count]
        note = omission(self.omitted)
        middle = max(0, self._head - begins)
        head, tail = chunks[:middle], chunks[middle:]
        return "".join([*(chunk.text for chunk in head), note, *(chunk.text for chunk in tail)])

    def __repr__(self) -> str:
        return f"Transcript(outcome={self.outcome!r}, target={self.target!r}, characters={len(self.text)})"


def _unmodelled(chunks: Iterable[Chunk]) -> Iterator[str]:
    """Return the names of content without a chunk class."""
    return (chunk.event for chunk in chunks if type(chunk) is Raw and chunk.standing != "extra")
