"""buffered: asks for the answer in one piece where a stream will not do.

    on request          Target(..., stream=False), or <PROVIDER>_DISABLE_STREAMING=1
    tool calls          the model cannot stream them, or this target has streamed one that could not be read (learned)
    memory              an event above our limit, a MemoryError, or more in use than Limits.max_rss_bytes
    an unreadable one   the retry that answers a protocol_error, or an answer of which nothing could be read

It stands inside retry, so each attempt is decided anew and the waits, the counts and the budget are retry's. Only for
what is not retried, an event that is too large or memory that ran out, it asks a second time itself, at once and once.

The one rule: the caller sees the same chunks, later; and nothing is asked again once one of them has left.
Must never: buffer what was asked to stream (`Target(..., stream=True)`), or what cannot be asked for in one piece.
"""

from __future__ import annotations

import functools
import logging
import os
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from ...chunks import Finished, TextDelta, ToolCall
from ...contract import Batch, Handler, Request
from ...events import FellBack
from ...failures import ErrorKind, Failure
from ...outcome.errors import StreamError
from ...outcome.making import error_for, forget_frames
from ...outcome.understood import NOTHING_READ
from ...providers import adapter_for
from ..call import Call
from ..memory import rss_bytes
from ..process import PROCESS, place_of

__all__ = ["buffered", "variable_of"]

logger = logging.getLogger("resilient_stream")

MAX_LEARNED = 512
"""Targets that are remembered; beyond it the oldest is forgotten, and learned again if need be."""

_MEMORY = frozenset({ErrorKind.BUFFER_LIMIT, ErrorKind.OUT_OF_MEMORY})
_OFF = frozenset({"", "0", "false", "no", "off"})


async def buffered(request: Request, call: Call, call_next: Handler) -> AsyncGenerator[Batch, None]:
    """Forward the stream's batches, or those of a whole answer."""
    way = _Way(request, call)
    try:
        async with aclosing(call_next(way.request, call)) as batches:
            async for batch in batches:
                way.look(batch)
                yield batch
        return
    except StreamError as error:
        if not way.answers(error):
            raise
        forget_frames(error)
        way.turn(error)
    async with aclosing(call_next(way.request, call)) as batches:
        async for batch in batches:
            yield batch


def asks_for_a_stream(request: Request, call: Call) -> bool:
    """Whether nothing speaks against asking for a stream now; what does is told by the link itself."""
    if _is_asked_whole(request) or _reason(request, call) is not None:
        return False
    return not request.tools or adapter_for(request.target.provider).capabilities(request.model).streaming_tools


def _is_asked_whole(request: Request) -> bool:
    """Whether the target or the environment asks for answers in one piece."""
    wish = request.option("stream")
    return wish is False or (wish is None and _disabled(request.target.provider))


class _Way:
    """How one attempt is asked, and what its answer teaches."""

    def __init__(self, request: Request, call: Call) -> None:
        able = adapter_for(request.target.provider).capabilities(request.model)
        self.request = request
        self._call = call
        self._free = request.option("stream") is not True and able.whole and request.resume is None
        self._delivered = False
        self._broken = False
        if _is_asked_whole(request) or (self._free and request.tools and not able.streaming_tools):
            self.request = replace(request, stream=False)
        elif self._free and call.lone is None and (reason := _reason(request, call)) is not None:
            self.turn(reason)

    def turn(self, reason: StreamError) -> None:
        """From here on it is asked for in one piece, and whoever watches is told."""
        name = self.request.target.name
        self.request = replace(self.request, stream=False)
        self._call.emit(FellBack, name, name, reason, "buffered")

    def look(self, batch: Batch) -> None:
        """Learn from tool calls. One that max_tokens cut is broken as well, and no fault of the stream."""
        self._delivered = True
        if not self.request.tools or not batch or type(batch[-1]) is TextDelta:
            return
        for chunk in batch:
            if type(chunk) is ToolCall and chunk.parsed is None:
                self._broken = True
            elif type(chunk) is Finished and self._broken and chunk.reason in ("stop", "tool_calls"):
                self._learn()

    def answers(self, error: StreamError) -> bool:
        """Whether a whole answer is asked for now, because of this error. What a stream was bad at is learned."""
        streamed = self._free and self.request.stream and error is not self._call.dead
        if streamed and error.kind is ErrorKind.MODEL_OUTPUT_INVALID and _began(self._call):
            self._learn()
        memory = streamed and not self._delivered and error.kind in _MEMORY
        return memory and self._call.spend(self.request.target)

    def _learn(self) -> None:
        target, known = self.request.target, PROCESS.whole
        if not (self._free and self.request.stream and self.request.tools) or place_of(target) in known:
            return
        if len(known) >= MAX_LEARNED:
            del known[next(iter(known))]
        known[place_of(target)] = None
        logger.warning(
            "%s streamed a tool call that cannot be read; while this process lives it is asked for whole answers "
            "where tools are given (stream=True on the target forbids that)",
            target.name, extra={"call_id": self._call.id, "target": target.name},
        )  # fmt: skip


@functools.cache
def variable_of(provider: str) -> str:
    """The environment variable that switches streaming off: `OPENAI_RESPONSES_DISABLE_STREAMING` and so on."""
    return re.sub(r"\W", "_", provider).upper() + "_DISABLE_STREAMING"


def _disabled(provider: str) -> bool:
    return os.environ.get(variable_of(provider), "").strip().lower() not in _OFF


def _began(call: Call) -> bool:
    """The latest attempt had a stream: a refusal by status says nothing about streaming."""
    attempts = call.transcript.attempts
    return bool(attempts) and attempts[-1].status == 200


# -- why, where nobody asked for it -----------------------------------------------------------


def _reason(request: Request, call: Call) -> StreamError | None:
    """The first reason against a stream; None for none."""
    return next((error for reason in _REASONS if (error := reason(request, call)) is not None), None)


def _mis_streams_tools(request: Request, call: Call) -> StreamError | None:
    if request.tools and place_of(request.target) in PROCESS.whole:
        return _error(request, Failure(kind=ErrorKind.MODEL_OUTPUT_INVALID, code="learned"))
    return None


def _memory_is_short(request: Request, call: Call) -> StreamError | None:
    limit = call.settings.limits.max_rss_bytes
    used = rss_bytes() if limit is not None else None
    if limit is None or used is None or used <= limit:
        return None
    facts = {"used": f"{used >> 20} MiB", "limit": f"{limit >> 20} MiB"}
    return _error(request, Failure(kind=ErrorKind.OUT_OF_MEMORY, code="max_rss_bytes", facts=facts))


def _was_unreadable(request: Request, call: Call) -> StreamError | None:
    attempts = call.transcript.attempts
    error = attempts[-1].error if request.attempt > 1 and attempts else None
    unread = error is not None and error.failure.code == NOTHING_READ
    return error if error is not None and (unread or error.kind is ErrorKind.PROTOCOL_ERROR) else None


_REASONS: tuple[Callable[[Request, Call], StreamError | None], ...] = (
    _mis_streams_tools,
    _memory_is_short,
    _was_unreadable,
)


def _error(request: Request, failure: Failure) -> StreamError:
    """Told to whoever watches, never raised."""
    target = request.target
    return error_for(failure, provider=target.provider, model=target.model, attempt=request.attempt)
