"""Defines `Conversation`, which `client.converse()` returns: one stream over all turns that calls the tools in between.

A conversation ends once, like a stream. Its outcome is `complete` only if the model finished and every output is there.
Its `history` can be sent again, whatever ended it.

Each turn is a stream of its own, with retries, fallbacks and a transcript. Above the turns is one more `Call`, which
sends nothing: it has the conversation's deadline and wakes tools and prompts when it passes. The client ends it in
`aclose`.

No cancel scope is open across a `yield` (it could cancel the caller's code), so prompts run inside one pull, and the
tools of a turn in a task of their own, which hands out what they report.
The event loop and callbacks refer to the call and the record, never to the `Conversation`: when the caller drops it, it
must be collected, because that is how an abandoned conversation is noticed.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Protocol, TypeAlias

from ..chunks import Chunk
from ..engine.call import Owner, closed_error
from ..events import FellBack
from ..failures import ErrorCategory, ErrorKind, Failure, StreamMisused
from ..messages import Message
from ..outcome.errors import StreamError
from ..outcome.transcript import Outcome, Transcript
from ..stream import Stream, TextStream, outcome_of_dropping
from .final import Final
from .link import Link, Observers, call_over
from .mcp_servers import MCPServerFailed, MCPServers
from .progress import RunningTools, ToolProgress
from .prompts import Incomplete, Prompts, trigger_of
from .toolbox import Toolbox
from .turns import ConversationRecord, ToolResult, Turn, TurnStarted
from .views import RecordViews

__all__ = ["Conversation", "ConversationChunk"]

ConversationChunk: TypeAlias = Chunk | TurnStarted | ToolProgress | ToolResult
Ask: TypeAlias = Callable[[list[Message], Callable[[Transcript], object]], Stream]


class Host(Owner, Protocol):
    """Lists what a conversation needs of its client. tasks: where its tasks are kept until they have ended."""

    tasks: set[asyncio.Task[None]]


class Conversation(RecordViews):
    """Runs a conversation: an async iterator over the chunks of all turns, and an async context manager.

    Nothing is sent before the first pull, and the deadline's clock starts there. Raises StreamError when a turn fails,
    when outputs stay missing or when the turns run out. Raises StreamMisused when two tasks pull at once, or when a
    tool makes a mistake in using this library.
    """

    __slots__ = (
        "__weakref__", "_ask", "_call", "_done", "_final", "_link", "_max_turns", "_prompts", "_ready", "_running",
        "_servers", "_stream", "_tasks", "_toolbox", "_turn_call", "_upcoming", "record",
    )  # fmt: skip

    def __init__(
        self,
        owner: Host,
        record: ConversationRecord,
        ask: Ask,
        toolbox: Toolbox,
        prompts: Prompts,
        max_turns: int,
        final: Final,
        on_end: Callable[[ConversationRecord], object] | None,
        servers: MCPServers,
        observers: Observers = (),
    ) -> None:
        self.record = record
        self._servers: MCPServers | None = servers
        self._tasks = owner.tasks
        self._ask = ask
        self._toolbox = toolbox
        self._prompts = prompts
        self._max_turns = max_turns
        self._final = final
        self._link = Link()
        # Made at once, so that bad options are refused at once.
        self._upcoming: Stream | None = ask(record.history, self._link.ended)
        self._call = self._turn_call = call_over(self._link, owner, self._upcoming, record, on_end, servers, observers)
        self._stream: Stream | None = None
        self._running: RunningTools | None = None
        self._ready: list[Any] = []
        self._done = False

    def __repr__(self) -> str:
        state = self.outcome or ("running" if self._call.loop is not None else "not started")
        turns = "1 turn" if len(self.record.turns) == 1 else f"{len(self.record.turns)} turns"
        return f"<Conversation {self._turn_call.request.target.name}, {state}, {turns}>"

    # -- pulling ------------------------------------------------------------------------------

    def __aiter__(self) -> Conversation:
        return self

    async def __anext__(self) -> ConversationChunk:
        if self._ready:  # during a turn these are the chunks that its stream has received
            return self._ready.pop()  # type: ignore[no-any-return]
        return await self._pull()

    async def _pull(self) -> ConversationChunk:
        call = self._call
        if call.busy or call.loop is None or self.record.outcome is not None:
            self._begin_pull()
        call.busy = True
        try:
            call.check()
            return await self._next()
        except StopAsyncIteration:
            call.finish("complete")
            raise
        except asyncio.CancelledError as error:
            self._note_transcript(error)
            call.finish("cancelled", error)
            raise
        except StreamError as error:
            ending = call.dead or error  # the turn's stream may have been told of the end first
            call.fail(ending)
            raise ending from (None if ending is error else error)
        except BaseException as error:
            call.fail(error)
            raise
        finally:
            call.busy = False

    def _begin_pull(self) -> None:
        """Check that a pull is allowed, and begin the conversation at the first one."""
        if self._call.busy:
            raise StreamMisused("this conversation is being read by another task")
        outcome = self.record.outcome
        if outcome == "complete":
            raise StopAsyncIteration
        if outcome is not None:
            raise self.record.error or closed_error(outcome)
        self._call.start()
        self._call.join(self._link)

    async def _next(self) -> ConversationChunk:
        """Return the turn's next chunk. At its end, return what its tools report and their results, and then begin the
        next turn."""
        while not self._ready:
            if self._running is not None:
                await self._wait_for_tools(self._running)
                continue
            if self._done:
                raise StopAsyncIteration
            if self._stream is None:
                await self._start_servers()
                self._begin_turn()
                continue
            self._ready = self._stream._ready
            try:
                return await self._stream.__anext__()
            except StopAsyncIteration:
                self._stream, self._ready = None, []
            await self._answered(self.record.turns[-1])
        return self._ready.pop()  # type: ignore[no-any-return]

    def _put_behind(self, chunks: Sequence[ConversationChunk]) -> None:
        """Put chunks behind those that wait to be taken, with the next one last, as in a transcript."""
        self._ready[:0] = chunks[::-1]

    # -- turns --------------------------------------------------------------------------------

    async def _start_servers(self) -> None:
        """Start the MCP servers before the first turn, which then has their tools. Raises PermanentError that names the
        server that cannot be used."""
        servers, self._servers = self._servers, None
        if not servers:
            return
        names = self._toolbox.names
        try:
            self._toolbox.add(await self._call.wait(lambda: servers.open(names)))
        except MCPServerFailed as failed:
            facts = {"feature": failed.name, "reason": failed.reason}
            failure = Failure(kind=ErrorKind.CLIENT_CONFIG, code="mcp_server", fallback=False, facts=facts)
            raise self._call.error(failure) from failed.__cause__
        self._toolbox.check_approved()
        self._upcoming = self._ask(self.record.history, self._link.ended)

    def _begin_turn(self) -> None:
        number = len(self.record.turns) + 1
        if number > self._max_turns:
            raise self._failure("max_turns", limit=self._max_turns)
        stream, self._upcoming = self._upcoming or self._ask(self.record.history, self._link.ended), None
        self._stream, self._turn_call = stream, stream._call
        self._link.begin(stream)
        self.record.turns.append(Turn(number, stream.transcript))
        self._put_behind([TurnStarted(number)])

    async def _answered(self, turn: Turn) -> None:
        """Act on a whole answer: start its tools, or decide whether there is another turn."""
        turn.settle()
        if not turn.calls:
            await self._decide_next_turn(turn)
            return
        outputs = self.record.outputs
        answer = functools.partial(self._toolbox.answer, turn.calls, turn.results, outputs, self._call)
        self._running = RunningTools(answer, turn.results, self._call, self._tasks)

    async def _wait_for_tools(self, running: RunningTools) -> None:
        """Take what the tools of a turn report, and at their end their results."""
        reports = await self._call.wait(running.news)
        self._put_behind(reports)
        if running.is_over:
            self._running = None
            running.leave()
            turn = self.record.turns[-1]
            self._put_behind([turn.results[call.id] for call in turn.calls if call.id in turn.results])
            expected = bool(self.record.outputs) and not self._toolbox.missing(self.record.outputs)
            self._done = bool(turn.unanswered) or expected
            await self._decide_next_turn(turn)

    async def _decide_next_turn(self, turn: Turn) -> None:
        """Decide whether there is another turn after an answer and the results of its calls."""
        if turn.waiting:
            turn.approve(await self._call.wait(lambda: self._toolbox.verdicts(turn.waiting)))
            self._done = self._done or bool(turn.waiting)
        elif turn.calls:
            return
        elif turn.transcript.finish_reason == "pause":
            turn.resume()
        elif missing := self._toolbox.missing(self.record.outputs):
            turn.reply = await self._prompt(turn, missing)
        elif (reason := self._final.read(turn, self.record)) is not None:
            turn.reply = self._correction(reason)
        else:
            self._done = True

    # -- the interactive prompt ---------------------------------------------------------------

    async def _prompt(self, turn: Turn, missing: tuple[str, ...]) -> str:
        """Ask a person how to go on. Raises PermanentError when nobody can be asked or nobody helps."""
        used = self._prompts.used
        helped = f"It was helped {used} times" if used else None
        error = self._failure("outputs_missing", feature=", ".join(missing), reason=helped)
        if not self._prompts.left:
            raise error
        incomplete = Incomplete(trigger_of(self.record.turns), missing, turn.transcript.text, turn.number, used)
        where = turn.transcript.target or ""
        self._turn_call.emit(FellBack, where, where, error, "interactive")
        reply = await self._call.wait(lambda: self._prompts.ask(incomplete))
        if reply is None:
            raise error
        return reply

    def _correction(self, reason: str) -> str:
        """Return what the model is told when its last answer is not an object as it was asked for."""
        complaint = self._final.complaint(reason)
        if complaint is None:
            raise self._failure("output_invalid", feature=self._final.name, reason=reason)
        return complaint

    def _failure(self, code: str, **facts: Any) -> StreamError:
        """Make the error of an end that the model caused. It is permanent, since a retry would call the tools again."""
        permanent = ErrorCategory.PERMANENT
        kind = ErrorKind.MODEL_OUTPUT_INVALID
        failure = Failure(kind=kind, code=code, category=permanent, retry=False, fallback=False, facts=facts)
        error = self._turn_call.error(failure)
        error.phase = "finish"
        return error

    # -- other ways to read -------------------------------------------------------------------

    def texts(self) -> TextStream:
        """Yield only the text of all turns, piece by piece."""
        return TextStream(self)

    async def collect(self) -> ConversationRecord:
        """Read to the end and return the record. Raises StreamError when it fails; `record` has what there is."""
        async for _ in self:
            pass
        return self.record

    # -- the end ------------------------------------------------------------------------------

    def close(self) -> None:
        """End the conversation as `abandoned`. Its connection is closed and its tools are cancelled at once. It may be
        called again."""
        self._close("abandoned")

    async def aclose(self) -> None:
        """Do the same as `close`, for `contextlib.aclosing`."""
        self.close()

    async def __aenter__(self) -> Conversation:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, asyncio.CancelledError):
            self._note_transcript(error)
        self._close("cancelled" if isinstance(error, asyncio.CancelledError) else "abandoned")

    def _note_transcript(self, error: asyncio.CancelledError) -> None:
        if self.record.turns and Transcript.of(error) is None:
            self.record.turns[-1].transcript._mark(error)

    def _close(self, outcome: Outcome) -> None:
        if self._call.busy:
            self._call.expire(closed_error(outcome), outcome)
        else:
            self._link.finish(outcome)

    def __del__(self) -> None:
        link: Link | None = getattr(self, "_link", None)
        if link is None or link.outer is None or link.outer.transcript.outcome is not None:
            return
        loop = link.outer.loop
        if loop is None or loop.is_closed() or threading.get_ident() == link.outer.thread:
            link.finish(outcome_of_dropping())
            return
        # The cyclic collector may run in any thread; the turn's stream is kept until it can be closed on the loop's.
        try:
            loop.call_soon_threadsafe(_finish, link, self._stream)
        except RuntimeError:  # the loop has been closed meanwhile
            link.finish("abandoned")


def _finish(link: Link, stream: Stream | None) -> None:
    """End an abandoned conversation on the event loop's thread."""
    link.finish("abandoned")
    del stream
