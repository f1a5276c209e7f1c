"""Defines `Stream`, which `client.stream()` gives: iterate it, or enter it; read its transcript however it ended.

It never looks like a normal end unless it was one. After a failure, a cancellation or a close, another pull raises; an
outside `wait_for` around a pull can therefore not turn a cut answer into a whole one. The loop, its timers and the
client do not refer to it, but to the `Call`; so dropping the stream without closing it closes its connection at once,
in `__del__`. Together with `Call` it is the cancel-guard, the outermost link: a generator cannot guard itself.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import AsyncGenerator, AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .chunks import Chunk
from .contract import Batch, Handler
from .engine.call import Call, closed_error
from .engine.direct import ReadsAhead
from .engine.lone import Lone, may_begin_alone
from .engine.nesting import enter, leave
from .failures import StreamMisused
from .outcome.errors import StreamError
from .outcome.transcript import Outcome, Transcript

if TYPE_CHECKING:
    from .objects.reading import ObjectStream

__all__ = ["Stream", "TextStream", "outcome_of_dropping"]


class Stream:
    """Streams one answer: an async iterator of chunks, and an async context manager.

    Nothing is sent before the first pull; the clocks start there. Raises StreamError when the answer fails,
    StreamMisused when two tasks pull at once. `transcript` is readable at any time, and final after the end.
    """

    __slots__ = ("__weakref__", "_batches", "_call", "_chain", "_direct", "_ready", "transcript")

    def __init__(self, call: Call, chain: Handler) -> None:
        self._call = call
        self._chain = chain
        self._batches: AsyncGenerator[Batch, None] | None = None
        self.transcript: Transcript = call.transcript
        self._ready = call.transcript._ready
        self._direct = call.direct

    def __repr__(self) -> str:
        transcript = self.transcript
        state = transcript.outcome or ("running" if self._call.loop is not None else "not started")
        target = transcript.target or self._call.request.target.name
        return f"<Stream {target}, {state}, {len(transcript.text)} characters>"

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Chunk:
        if self._ready:  # the fast way: a chunk that has arrived needs no clock, no timer and no await
            return self._ready.pop()
        direct = self._direct
        attempt = direct.attempt
        if direct.read is None or direct.busy:
            return await self._pull(attempt)
        direct.busy, direct.since = True, direct.now()
        try:
            # Kept in no variable of this frame, since loggers may show those, and it may quote a key.
            direct.got = await direct.read()
            if (chunk := direct.take()) is not None:
                return chunk
        except (Exception, asyncio.CancelledError) as error:
            direct.got = error  # the attempt finds out what it means
        except BaseException as error:
            direct.busy = False
            self._call.fail(error)
            raise
        return await self._pull(attempt)

    async def _pull(self, attempt: ReadsAhead | None) -> Chunk:
        """Pull where more than a piece of text is expected, or has come to `attempt`."""
        call, direct = self._call, self._direct
        goes_on = direct.got is not None
        if not goes_on and (direct.busy or call.loop is None or self.transcript.outcome is not None):
            self._begin_pull()
        direct.busy = True
        outer = enter(call.id, call.settings.retry.attempts) if call.settings.own_code else None
        try:
            if call.dead is not None and not goes_on:
                raise call.dead
            batch = await attempt.read_ahead() if attempt is not None else None
            self.transcript._receive(batch or await self._more())
            return self._ready.pop()
        except StopAsyncIteration:
            call.finish("complete")
            raise
        except asyncio.CancelledError as error:
            self.transcript._mark(error)
            call.finish("cancelled", error)
            raise
        except Exception as error:
            known = call.named(error)
            call.fail(known)
            if known is error:
                raise
            raise known from call.clean(error)
        except BaseException as error:
            call.fail(error)
            raise
        finally:
            direct.busy = False
            if call.settings.own_code:
                leave(outer)

    async def _more(self) -> Batch:
        """Return the next chunks, where they do not come from a direct read. Raises StopAsyncIteration at the end."""
        call = self._call
        if self._batches is None:
            lone: Lone | None = call.lone
            if lone is None and self.transcript.outcome is None and may_begin_alone(call.request, call):
                lone = call.lone = Lone(call)
                if first := await lone.first():
                    return first
            elif lone is not None and lone.is_whole:
                raise StopAsyncIteration
            if self.transcript.outcome is not None:  # the call ended meanwhile, and nothing more is sent for it
                raise self._ended_by_caller(self.transcript.outcome)
            self._batches = self._chain(call.request, call)
            call.chain = weakref.ref(self._batches)
        batch = await self._batches.__anext__()
        return batch or await self._batches.__anext__()  # an empty batch only told the links what was delivered before

    def _begin_pull(self) -> None:
        """Begin the stream at the first pull, and refuse a pull that is not allowed."""
        call = self._call
        if call.busy:
            raise StreamMisused("this stream is being read by another task; give each task a stream of its own")
        outcome = self.transcript.outcome
        if outcome == "complete":
            raise StopAsyncIteration
        if outcome is not None:
            raise self.transcript.error or self._ended_by_caller(outcome)
        call.start()

    def _ended_by_caller(self, outcome: str) -> StreamError:
        error = closed_error(outcome)
        error.transcript, error.billed_maybe = self.transcript, self._call.sent
        return error

    # -- other ways to read -------------------------------------------------------------------

    def texts(self) -> TextStream:
        """Yield the answer's text only, piece by piece."""
        return TextStream(self)

    def objects(self) -> ObjectStream:
        """Yield the object that `output=` asks for, as it grows; the last one is whole and validated.

        Raises StreamMisused where the stream was not asked for an object.
        """
        from .objects.reading import ObjectStream  # loaded only by calls with output=

        form = self._call.settings.form
        if form is None:
            raise StreamMisused("objects(): this stream has no object; ask for one by stream(…, output=Model)")
        return ObjectStream(self, self._ready, self.transcript, form)

    async def collect(self) -> Transcript:
        """Read to the end. Raises StreamError when the answer fails; the transcript is on it."""
        async for _ in self:
            pass
        return self.transcript

    # -- the end ------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the connection and end the stream as `abandoned`; a pull in another task is woken with an error.

        This is synchronous and may be done again: the socket is gone after this line.
        """
        self._close("abandoned")

    async def aclose(self) -> None:
        """Do the same as `close`, for `contextlib.aclosing`."""
        self.close()

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, asyncio.CancelledError):
            self.transcript._mark(error)
        self._close("cancelled" if isinstance(error, asyncio.CancelledError) else "abandoned")

    def _close(self, outcome: Outcome) -> None:
        if self._call.busy:
            self._call.expire(closed_error(outcome), outcome)
        else:
            self._call.finish(outcome)

    def __del__(self) -> None:
        call: Call | None = getattr(self, "_call", None)
        if call is None or call.transcript.outcome is not None:
            return
        if call.loop is None or call.loop.is_closed() or threading.get_ident() == call.thread:
            call.finish(outcome_of_dropping())
            return
        # The cyclic collector may run in any thread; sockets are closed on the loop's own.
        try:
            call.loop.call_soon_threadsafe(_finish, call, self._batches)
        except RuntimeError:  # the loop has been closed meanwhile
            call.finish("abandoned")


class TextStream:
    """Yields the text of a stream, as an async iterator of strings.

    It is a class and not a generator: when it is dropped the stream is dropped with it, at once.
    """

    __slots__ = ("_stream",)

    def __init__(self, stream: AsyncIterator[Any]) -> None:
        self._stream = stream

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        while True:
            text: str = (await self._stream.__anext__()).text
            if text:
                return text


def outcome_of_dropping() -> Outcome:
    """Return the outcome of a stream that was dropped. A frame that unwinds because its task is being cancelled drops
    its stream, too: that is no `break`."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return "abandoned"
    return "cancelled" if task is not None and task.cancelling() else "abandoned"


def _finish(call: Call, batches: AsyncGenerator[Batch, None] | None) -> None:
    """End a stream on the loop's thread: the chain is kept alive until here, so that `finish` can unwind it."""
    call.finish("abandoned")
    del batches
