"""Sends one request of a call and reads its answer.

An `Attempt` is the sole owner of its body (`body.py`), its state and its two clocks.

Nothing is given out before content came. The preamble is held back until then, so the caller sees nothing of a failure
up to that point, and the request can be sent again or to another target; after a failure, what had arrived before it is
given out first. What a failure means is not decided here: `AttemptEnded` is raised, and `failing.py` names it.

There are two clocks. `first_content` runs from the start until content came. Then `stall` runs, only while a pull waits
(so a slow consumer never causes one), from the last event that had something in it: comments and pings do not count. A
whole answer (`Request.stream` False) has no content until its last byte, so while its body is coming in, `stall` may
outlast `first_content`.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ..chunks import Chunk, Finished, TextDelta, Usage
from ..contract import Batch, Request, Response, Sending, Silence, TextReads, facts_of
from ..failures import NO_END_MARKER, ErrorKind, Failure
from ..fitting.answer_form import in_its_way
from ..fitting.tool_names import names_for
from ..outcome import transcript as record
from ..outcome.errors import StreamError
from ..outcome.traits import SKIP_LINKS
from ..outcome.understood import contradiction, warn
from ..outcome.weight import size_of
from ..providers import adapter_for
from ..wire.broken import failure_of
from ..wire.limits import LEAST_HELD, HeldTooMuch
from .answer_headers import readable_headers
from .body import Body, of_disk
from .call import Call
from .clock import NEVER
from .guard import Guard, Interrupted
from .origin import Answering, Origin
from .process import PROCESS
from .sending import NotSent, send
from .spool import SpoolFailed
from .states import FOLLOWS, RUNNING, State
from .whole_body import WholeBody

if TYPE_CHECKING:
    from .draining import Drain

__all__ = ["Attempt", "AttemptEnded", "may_skip_links"]

ResultT = TypeVar("ResultT")
ANSWERING, BROKEN, WHOLE = State.ANSWERING, State.BROKEN, State.WHOLE  # read at every wake-up


class AttemptEnded(Exception):
    """An attempt ended badly, not yet classified: what happened, and to which attempt. Never leaves the chain."""

    def __init__(self, attempt: Attempt, cause: Exception | Failure) -> None:
        super().__init__(cause)
        self.attempt = attempt
        self.cause = cause


class Attempt:
    """Sends one request: `open` it, `read_batch` until that gives nothing, `close` it whatever happened.

    state: how far it has come (`states.py` has which may follow which).
    """

    def __init__(self, call: Call, request: Request) -> None:
        self.call = call
        self.adapter = adapter_for(request.target.provider)
        self._able = self.adapter.capabilities(request.model)
        if request.extra:
            from ..fitting.own_fields import for_its_provider  # most calls have no `extra`

            request = for_its_provider(request)
        request, answer = in_its_way(request, self._able)
        self.request = request
        self.model = request.target.model
        self.name = request.target.name
        self.state = State.OPENING
        self.record = record.Attempt(target=self.name, model=self.model, started=time.time(), hedge=request.hedge)
        self.sending = Sending(request, self.record)
        if request.meter is not None:
            request.meter.begins(self.sending)
        self.origin = Origin(request, self.adapter, self.sending)
        self.started = call.now()
        self._timeouts = call.settings.timeouts_for(request.target)
        self._guard = Guard()
        self._names = names_for(request, self._able.tool_names)
        kept = call.settings.drain is not None
        self._body = Body(request, self.adapter, self._able, self._names, self._guarded, answer, kept=kept)
        self._held: Batch = []
        self._held_bytes = 0
        self._ahead: Batch | None = None
        self._alone = False
        self._cause: Exception | Failure | None = None
        self._raw = bool(request.target.options.get("raw"))
        self._answer: Answering | None = None
        self._continues = call.answering is not None
        self._receiver = call.receiver
        self._progress = 0
        self._from = 0
        self._waiting_since: float | None = None
        self._first_by = self.started + (self._timeouts.first_content or NEVER)
        self._silence = request.silence if request.stream else None
        call.join(self)
        call.origin = self.origin
        call.arm(self._first_by)
        if self._silence is not None:
            call.arm(self.started + self._silence.seconds)

    @property
    def committed(self) -> bool:
        """Return whether content of the attempt was given out."""
        return self.origin.committed

    @property
    def _is_direct(self) -> bool:
        return self.call.direct.attempt is self

    def _enter(self, state: State) -> None:
        assert state in FOLLOWS[self.state], f"{self.state} is not followed by {state}"
        self.state = state

    def _break(self, cause: Exception | Failure) -> None:
        """Note what the attempt ends with; what had arrived before that is given out first."""
        self._cause = cause
        if self.state is not State.CLOSED:  # a read may have been pending as the call ended
            self._enter(BROKEN)

    # -- the request --------------------------------------------------------------------------

    async def open(self) -> None:
        """Send the request and see that an answer comes back. Raises what failed, not yet classified."""
        self.call.check()
        response = self._body.response = await self._guarded(self._send)
        self.record.status = response.status
        self.record.time_to_headers = self.call.now() - self.started
        if self._guard.interrupted:  # just as the head arrived
            raise self._why_interrupted()
        self.record.request_id = self.origin.shown(_request_id()(response.headers))
        self.record.headers = readable_headers(response.headers, self.origin.shown)
        self.call.note(self.name, self.request.attempt, "head", self.record)
        if self.request.meter is not None:
            self.request.meter.answered(self.sending)
        if not 200 <= response.status < 300 or not await self._body.begin(response):
            await self._refuse(response)
        if self.state is State.OPENING:  # a clock may have broken it as the first bytes came
            self._enter(State.PREAMBLE)

    async def _send(self) -> Response:
        try:
            return await send(self.call, self.origin, self._able, self._names, self._timeouts.connect)
        except NotSent as ended:
            raise AttemptEnded(self, ended.failure) from ended.__cause__

    async def _refuse(self, response: Response) -> None:
        # Read in another frame than the one that raises: loggers show its variables, and the body may quote the key.
        raise AttemptEnded(self, await self._refusal(response))

    async def _refusal(self, response: Response) -> Failure:
        body = await self._guarded(lambda: self._body.error(response))
        return self.adapter.classify(response.status, response.headers, body, self._patience)

    @property
    def _patience(self) -> float:
        return self.call.settings.retry.max_retry_after

    async def _guarded(self, start: Callable[[], Awaitable[ResultT]]) -> ResultT:
        try:
            return await self._guard.run(start)
        except Interrupted:
            raise self._why_interrupted() from None
        except asyncio.CancelledError as error:
            if _is_task_cancelled():
                raise
            raise self._as_lost_connection() from error

    # -- the answer ---------------------------------------------------------------------------

    async def read_ahead(self) -> Batch:
        """Read once for the stream itself, while the chain sleeps, and return the next chunks if no link has to see
        them.

        Nothing is returned if one has to, or if the answer ended: then `read_batch` has them, and the chain is asked.
        """
        batch: Batch = []
        direct = self.call.direct
        self._waiting_since, direct.since = direct.since or self.call.now(), None
        try:
            while not batch and (self.state is ANSWERING or direct.got is not None):
                batch = self._decode(await self._next_read())
        finally:
            self._waiting_since = None
        goes_well = self._goes_well(batch)
        self._read_directly(goes_well)
        if goes_well:
            return batch
        self._ahead = batch
        return []

    async def _next_read(self) -> bytes:
        """Return one network read, or what came of the one that the stream has made."""
        direct = self.call.direct
        try:
            if direct.got is None:
                return await self._body.receive()
            return direct.hand_over()
        except (Exception, asyncio.CancelledError) as error:
            return await self._broken(error)

    @property
    def is_whole(self) -> bool:
        """Return whether the provider's end marker came, and nothing is left to be given out."""
        return self.state is WHOLE and not self._ahead

    def _read_directly(self, goes_well: bool) -> None:
        """Have the stream read on by itself, or ask the chain for the next batch."""
        direct = self.call.direct
        direct.end()
        if goes_well:
            direct.attempt = self
            if (texts := _lone_text(self._body.decoder)) is not None:
                direct.begin(self._body.receive, texts, self.record)

    def _goes_well(self, batch: Batch) -> bool:
        """Return whether no link has to see this batch: nothing is wrong, and it is text, or there is no chain yet.

        `buffered` learns from tool calls, so a chain is made for them.
        """
        if not batch or not self._alone or not (self.state is ANSWERING or self.state is WHOLE):
            return False
        if self.call.lone is not None and not self.request.tools:
            return True
        return self.state is ANSWERING and may_skip_links(batch)

    async def read_batch(self) -> Batch:
        """Return the next chunks, content first of all; nothing at the end of a whole answer. Raises what cut it."""
        if self._ahead:
            ahead, self._ahead = self._ahead, None
            return ahead
        body = self._body
        self._waiting_since = self.call.now()
        try:
            while self.state in RUNNING:
                try:  # no scope is held over this await: `interrupt` wakes it through aiohttp's reader
                    data = await body.read()
                except (Exception, asyncio.CancelledError) as error:
                    data = await self._broken(error)
                batch, size, data = self._decode(data), len(data), b""  # nothing of it stays in this frame
                if batch and (self.committed or self._begins_content(batch, size)):
                    if body.whole is None:
                        self._read_directly(self._goes_well(batch))
                        return batch
                    body.whole.hand_out(batch)
            if body.whole is not None and body.whole.waiting:
                return await self._next_piece(body.whole)
        finally:
            self._waiting_since = None
        if self._cause is not None:
            raise self._as_ended(self._cause)
        rest, self._held = self._held, []  # what comes without content is an answer, too
        if self._lost_the_race:
            self._held = rest
            return []
        if rest:
            self._commit()
        return rest

    async def _broken(self, error: Exception | asyncio.CancelledError) -> bytes:
        """Note why a network read failed, and return what had arrived before."""
        if error is self.call.dead and self._may_be_read_on:  # the caller went away, and nothing failed
            raise error
        if isinstance(error, asyncio.CancelledError):
            if _is_task_cancelled():
                raise error
            lost = self._as_lost_connection()
            lost.__cause__ = error
            self._break(lost)
        else:
            self._break(self._why_interrupted() if isinstance(error, Interrupted) else of_disk(error))
            error.__traceback__ = None  # aiohttp's reader keeps the error, and its frames lead to the stream
        try:
            return await self._body.drain()
        except Exception as full:
            self._break(of_disk(full))
            return b""

    async def _next_piece(self, whole: WholeBody) -> Batch:
        """Return the next chunks of a whole answer; a long text is read from disk piece by piece."""
        try:
            batch = await self._guarded(whole.next)
        except SpoolFailed as error:
            raise AttemptEnded(self, of_disk(error)) from error
        self.call.transcript._weigh(sum(map(size_of, batch)))
        return batch

    def _decode(self, data: bytes) -> Batch:
        """Decode one read. No data means the end of the body; so does the last data before a failure."""
        body, failed = self._body, self.state is BROKEN
        if self.state is State.CLOSED:
            self._cause = self._cause or Interrupted()
            return []
        try:
            batch = body.decode(data, ended=failed)
        except Exception as error:  # also while the attempt closes, where nobody could catch it
            self._break(error)
            return []
        decoder = body.decoder
        if batch and (type(batch[-1]) is not TextDelta or (len(batch) > 1 and self._has_names)):
            batch = self.origin.with_shown_names(batch)
        if decoder.failure is not None:
            # Where the connection broke, that is the cause, and the end marker is missing because of it.
            if not failed or decoder.failure.code != NO_END_MARKER.code:
                self._break(body.real_failure(decoder.failure, self._patience))
        elif decoder.done:
            self._cause = None
            self._enter(WHOLE)
            self._refuse_if_contradicted(batch)
        self.record.chunks += len(batch)
        if body.whole is None:
            self.call.transcript._weigh(len(data))
        if not batch and decoder.progress != self._progress:
            self._progress = decoder.progress
            self._waiting_since = self.call.now()
        return batch

    @property
    def _has_names(self) -> bool:
        """Return whether there may be other chunks before a text. Asked instead of each chunk, of which text has
        many."""
        return self._raw or bool(getattr(self._body.decoder, "unmodelled", True))

    def _refuse_if_contradicted(self, batch: Batch) -> None:
        """Fail an answer whose end contradicts what was read of it: one that says it had content, of which nothing
        came.

        Not asked of a continuation, which may have nothing to add, nor where the user's own links may have taken
        something out of the answer on its way.
        """
        if self._continues or (self.committed and self.call.settings.own_links):
            return
        before: list[Chunk] = self.call.transcript._since(self._from) if self.committed else self._held
        said = [*before, *batch]
        if (failure := contradiction(said)) is not None:
            if self._body.unasked is not None and not any(type(chunk) in (Finished, Usage) for chunk in said):
                failure = self._body.classified(self._patience)  # JSON with neither content nor an end is no answer
            batch[:] = [chunk for chunk in batch if type(chunk) is not Finished]
            self._held = [chunk for chunk in self._held if type(chunk) is not Finished]
            self._cause = failure
            self._enter(State.DOUBTED)

    def _begins_content(self, batch: Batch, size: int) -> bool:
        """Return whether content begins in this batch. What was held back goes in front of it then; else the batch is
        held back as well.

        size: its bytes on the wire. More of them than a decoder may hold back end the attempt.
        """
        if any(chunk.content for chunk in batch):
            if self._lost_the_race:
                self._held += [chunk for chunk in batch if type(chunk) is Usage]  # it is billed all the same
                return False
            batch[:0], self._held = self._held, []
            self._commit()
            return True
        self._held += batch
        self._held_bytes += size
        limit = max(self.request.max_event_bytes, LEAST_HELD)
        if self._held_bytes > limit and self._body.whole is None and self.state in RUNNING:
            self._break(failure_of(HeldTooMuch(limit)))
        return False

    @property
    def _lost_the_race(self) -> bool:
        """Return whether another attempt, which ran beside this one, had its content first."""
        return self.call.answering is not None and not self._continues and not self.committed

    def _commit(self) -> None:
        """Make this attempt the one that answers; the stall clock takes over."""
        now, decoder, whole = self.call.now(), self._body.decoder, self._body.whole is not None
        self.origin.committed = True
        if self.state is State.PREAMBLE:
            self._enter(ANSWERING)
        self.record.time_to_first_chunk = now - self.started
        self.record.request_id = self.record.request_id or self.origin.shown(decoder.response_id)
        transcript, request = self.call.transcript, self.request
        self.call.origin = self.origin
        self._answer = self.call.answering = Answering(request.target, request.attempt, self.record, whole)
        self._from = transcript._place()
        transcript.target, transcript.model = self.name, self.origin.shown(decoder.model) or self.model
        transcript.request_id = self.record.request_id
        self.call.note(self.name, request.attempt, "content", self.record)
        self._alone = not whole and not self._continues and not self.call.settings.own_links
        self.call.arm(now + (self._timeouts.stall or NEVER))

    # -- the clocks ---------------------------------------------------------------------------

    @property
    def _waits_since(self) -> float | None:
        """Return the loop time from which a pull waits; None where none does."""
        return self._waiting_since or (self.call.direct.since if self._is_direct else None)

    def watch(self, now: float) -> None:
        """End the attempt if it is too slow; called when the call's timer rings."""
        if self._silence is not None:
            self._notice_silence(self._silence, now)
        due, allowed = self._due(now)
        if due > now:
            self.call.arm(due)
        elif self.state in RUNNING:
            code = "stall" if self.committed else "first_content"
            self._break(Failure(kind=ErrorKind.READ_TIMEOUT, code=code, facts={"seconds": allowed}))
            self.interrupt()

    def _notice_silence(self, silence: Silence, now: float) -> None:
        """Tell whoever asked to know of it that nothing has come for so long; the attempt goes on."""
        since = self.started
        if self.committed:
            since = now if self._waits_since is None else self._waits_since
        if since + silence.seconds > now:
            self.call.arm(since + silence.seconds)
        else:
            self._silence = None
            silence.noticed()

    def _due(self, now: float) -> tuple[float, float]:
        stall = self._timeouts.stall or NEVER
        due = (now if self._waits_since is None else self._waits_since) + stall
        arriving = self._body.whole is not None and self._progress > 0
        if self.committed or (arriving and due > self._first_by):
            return due, stall
        return self._first_by, self._timeouts.first_content or 0.0

    # -- the ends -----------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Wake whatever waits and close the connection; what has arrived in the reader is kept."""
        self._guard.interrupt()
        if self._body.response is not None and not self._may_be_read_on:
            if self._waits_since is None:
                self._keep_the_rest()
            self._body.response.interrupt(Interrupted())

    def close(self) -> None:
        """Give the connection back, or close it, or have it read on for its usage. Idempotent."""
        if self.record.duration is not None:
            return
        self.record.duration = self.call.now() - self.started
        unread = self._unread() if self.call.settings.drain is not None else None
        if unread is None:
            self._keep_the_rest()
        self.record.outcome = "complete" if self.state is WHOLE and not self._lost_the_race else "abandoned"
        self._guard.interrupt()
        self._fill_the_record()
        self.call.leave(self)
        if self._is_direct:
            self.call.direct.end()
        response, reusable = self._body.response, self.state in (WHOLE, State.DOUBTED)
        self._body.close()
        if unread is not None and response is not None and self._is_read_on(response, unread):
            self.record.draining = True
        elif response is not None and reusable:
            self.call.transport.release(response)
        elif response is not None:
            response.close()
        self._enter(State.CLOSED)
        self.call.note(self.name, self.request.attempt, "kept" if reusable else "closed", self.record)

    def discard_unread(self) -> None:
        """Record nothing of what has arrived and was not read, because the consumer closed the generator."""
        if self.state in RUNNING:
            self._break(Interrupted())

    def _keep_the_rest(self) -> None:
        """Put what has arrived meanwhile into the transcript, since nobody will pull it any more."""
        body, transcript = self._body, self.call.transcript
        if body.whole is not None:
            if self.committed and (rest := body.whole.rest()):
                transcript._receive(rest)
        elif self.state is ANSWERING and body.response is not None:
            self._break(self._why_interrupted())
            if data := body.response.drain():
                transcript._receive(self._receiver(self._decode(data)))

    # -- read on for its usage ----------------------------------------------------------------

    @property
    def _may_be_read_on(self) -> bool:
        """Return whether the caller goes away before the answer's end, and had asked for it to be read on then."""
        call = self.call
        return call.settings.drain is not None and call.left and self._is_unfinished

    @property
    def _is_unfinished(self) -> bool:
        """Return whether the answer is a stream that comes in well, of a provider that bills its tokens: our own server
        does not."""
        if self._body.whole is not None or self._lost_the_race or facts_of(self.adapter).server:
            return False
        return self.state is ANSWERING or self.state is State.PREAMBLE

    def _unread(self) -> bytes | None:
        """Return what has arrived of an unfinished answer, and None of one that has ended or failed.

        Once content was given out, it belongs to the transcript. The call cuts what is read on where it turns out that
        not its caller has left it.
        """
        if not self._is_unfinished:
            return None
        unread = self._body.unread()
        if not unread or self.state is not ANSWERING:
            return unread
        self.call.transcript._receive(self._receiver(self._decode(unread)))
        return b"" if self._is_unfinished else None

    def _is_read_on(self, response: Response, unread: bytes) -> bool:
        """Have the rest read in the background, if there is room for one more. Returns whether it is."""
        from .draining import Drain  # loaded already, with the client's setting

        call = self.call
        assert call.settings.drain is not None
        drain = Drain(
            response, self._body.decoder, unread, call.transport.release, self._learn_usage, self.request.meter
        )
        if is_begun := call.settings.drain.begin(drain):
            call.drains = (*call.drains, drain)
        return is_begun

    def _learn_usage(self, drain: Drain) -> None:
        """Correct the usage in the record, now that the rest of the answer has been read."""
        record, transcript = self.record, self.call.transcript
        record.draining = False
        record.usage = drain.usage or record.usage
        counted = drain.is_whole and record.usage is not None
        record.estimate = None if counted else self._estimate(drain.characters)
        if counted and drain.usage is not None and self.committed and self._answer is self.call.answering:
            transcript._learn(drain.usage)
        self.call.drained(drain, self.name, self.request.attempt, record)

    # -- the record ---------------------------------------------------------------------------

    def _fill_the_record(self) -> None:
        """Write down what the answer said of itself."""
        decoder, shown = self._body.decoder, self.origin.shown
        self.record.usage = self._last_usage()
        if self.state is not WHOLE or self.record.usage is None:
            self.record.estimate = self._estimate()
        self.call.spent = (*self.call.spent, (self.sending, self._able))
        warn(self.name, filter(None, map(shown, getattr(decoder, "unmodelled", ()))), PROCESS.warned)
        self.call.sent = self.call.sent or self.sending.written
        self.record.response_id, self.record.response_model = shown(decoder.response_id), shown(decoder.model)
        if self._answer is not None:
            self._answer.resume_point = getattr(decoder, "resume_point", None)

    def _last_usage(self) -> Usage | None:
        """Return what the provider counted last, also when the answer never began."""
        chunks = self.call.transcript._since(self._from) if self.committed else self._held
        return next((chunk for chunk in reversed(chunks) if isinstance(chunk, Usage)), None)

    def _estimate(self, more: int = 0) -> Usage | None:
        """Return an estimate of what the attempt used, where the provider's own count is missing or came too early;
        None without an answer.

        more: characters that came after its caller had left.
        """
        if self.record.status is None or self.record.status >= 400:
            return None
        from ..outcome.estimate import estimate  # seldom needed: most answers have a count

        chunks = self.call.transcript._since(self._from) if self.committed else ()
        return estimate(self.request.messages, chunks, self.record.chunks, self.record.usage, more)

    def _why_interrupted(self) -> Exception:
        """Return why the attempt was interrupted: the call ended, or the attempt was too slow."""
        return self.call.dead or self._as_ended(self._cause or Interrupted())

    def _as_ended(self, cause: Exception | Failure) -> Exception:
        return cause if isinstance(cause, StreamError | AttemptEnded) else AttemptEnded(self, cause)

    def _as_lost_connection(self) -> AttemptEnded:
        """Return a cancellation that nobody asked for, from inside the transport, as a lost connection."""
        return AttemptEnded(self, Failure(kind=ErrorKind.CONNECTION_LOST, code="stray_cancel"))


def may_skip_links(batch: Batch) -> bool:
    """Return whether a batch of an answer that goes well needs no link of the chain: its last chunk is a piece of text.

    No link of ours looks at text after the commit. A link that has to see it makes this say no; where a user's own
    links are in the chain, or a continuation is compared with what was delivered, it is not asked.
    """
    return bool(batch) and type(batch[-1]) in SKIP_LINKS


def _lone_text(decoder: Any) -> TextReads | None:
    """Return what reads single pieces of text in place of a decoder, now and until that is fed again."""
    # Asked of its class: a decoder around another one passes questions on, but changes what that reads.
    return decoder.lone_text if hasattr(type(decoder), "lone_text") else None


@functools.cache
def _request_id() -> Callable[[Mapping[str, str]], str | None]:
    """Return what finds the provider's id of a request in the headers of its answer."""
    # Imported here and in the providers only: its rules cost 15 ms, which `import resilient_stream` does not pay.
    from ..classify.body import Said
    from ..classify.hints import request_id

    return functools.partial(request_id, Said("empty"))


def _is_task_cancelled() -> bool:
    """Return whether our task was asked to cancel. Outside a task there is nobody else who could have."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
