"""Asks for the answer in one piece where a stream will not do.

    on request          Target(..., stream=False), or <PROVIDER>_DISABLE_STREAMING=1
    tool calls          the model cannot stream them, or this target has streamed one that could not be read (learned)
    memory              an event above our limit, a MemoryError, or more in use than Limits.max_rss_bytes
    an unreadable one   the retry after a protocol_error, or after an answer of which nothing could be read

The link stands inside retry, so each attempt is decided anew and the waits, the counts and the budget are retry's. Only
for what is not retried, an event that is too large or memory that ran out, it asks a second time itself, at once and
once.

The caller sees the same chunks, only later, and nothing is asked again once one of them was given out. An answer that
the user wants as a stream (`Target(..., stream=True)`) is never buffered, nor one that cannot be asked for in one
piece.
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
    asking = _Asking(request, call)
    try:
        async with aclosing(call_next(asking.request, call)) as batches:
            async for batch in batches:
                asking.learn_from(batch)
                yield batch
        return
    except StreamError as error:
        if not asking.asks_again(error):
            raise
        forget_frames(error)
        asking.ask_whole(error)
    async with aclosing(call_next(asking.request, call)) as batches:
        async for batch in batches:
            yield batch


def asks_for_a_stream(request: Request, call: Call) -> bool:
    """Return whether nothing speaks against asking for a stream now; the link itself tells what does."""
    if _is_asked_whole(request) or _reason_against(request, call) is not None:
        return False
    return not request.tools or adapter_for(request.target.provider).capabilities(request.model).streaming_tools


def _is_asked_whole(request: Request) -> bool:
    """Return whether the target or the environment asks for answers in one piece."""
    wish = request.option("stream")
    return wish is False or (wish is None and _disabled(request.target.provider))


class _Asking:
    """Decides whether one attempt asks for a stream, and learns from its answer."""

    def __init__(self, request: Request, call: Call) -> None:
        able = adapter_for(request.target.provider).capabilities(request.model)
        self.request = request
        self._call = call
        self._free = request.option("stream") is not True and able.whole and request.resume is None
        self._delivered = False
        self._broken = False
        if _is_asked_whole(request) or (self._free and request.tools and not able.streaming_tools):
            self.request = replace(request, stream=False)
        elif self._free and call.lone is None and (reason := _reason_against(request, call)) is not None:
            self.ask_whole(reason)

    def ask_whole(self, reason: StreamError) -> None:
        """Ask for one piece from here on, and tell whoever watches."""
        name = self.request.target.name
        self.request = replace(self.request, stream=False)
        self._call.emit(FellBack, name, name, reason, "buffered")

    def learn_from(self, batch: Batch) -> None:
        """Learn from tool calls. One that max_tokens cut is broken as well, and no fault of the stream."""
        self._delivered = True
        if not self.request.tools or not batch or type(batch[-1]) is TextDelta:
            return
        for chunk in batch:
            if type(chunk) is ToolCall and chunk.parsed is None:
                self._broken = True
            elif type(chunk) is Finished and self._broken and chunk.reason in ("stop", "tool_calls"):
                self._learn()

    def asks_again(self, error: StreamError) -> bool:
        """Return whether a whole answer is asked for now, because of this error. What cannot be streamed is learned."""
        streamed = self._free and self.request.stream and error is not self._call.dead
        if streamed and error.kind is ErrorKind.MODEL_OUTPUT_INVALID and _had_a_stream(self._call):
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
    """Return the environment variable that switches streaming off: `OPENAI_RESPONSES_DISABLE_STREAMING` and so on."""
    return re.sub(r"\W", "_", provider).upper() + "_DISABLE_STREAMING"


def _disabled(provider: str) -> bool:
    return os.environ.get(variable_of(provider), "").strip().lower() not in _OFF


def _had_a_stream(call: Call) -> bool:
    """Return whether the latest attempt had a stream: a refusal by status says nothing about streaming."""
    attempts = call.transcript.attempts
    return bool(attempts) and attempts[-1].status == 200


# -- why, where nobody asked for it -----------------------------------------------------------


def _reason_against(request: Request, call: Call) -> StreamError | None:
    """Return the first reason against a stream; None where there is none."""
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
    """Return an error that is told to whoever watches, and never raised."""
    target = request.target
    return error_for(failure, provider=target.provider, model=target.model, attempt=request.attempt)
