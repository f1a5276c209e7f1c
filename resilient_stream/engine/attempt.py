"""`Attempt`: one request of a call, the sole owner of its response, its decoder and its two clocks.

The one rule: nothing leaves before content came. The preamble is held back until then, so that any failure up to
that point can be retried or sent elsewhere unseen; after a failure, what had arrived before it leaves first.
Must never: decide what a failure means (it raises `AttemptEnded` for `classify`), or hold a scope across a read.

The clocks: `first_content` runs from the start until content came. Then `stall`, which runs only while a pull
waits (a slow consumer never trips it), from the last event of substance: comments and pings are none. A whole answer
(`Request.stream` False) has no content until its last byte, so while its body is coming in, `stall` may outlast
`first_content`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

import anyio
from msgspec import structs

from ..chunks import Chunk, Finished, TextDelta, Usage
from ..contract import Batch, Decoder, Endpoint, HttpRequest, Outgoing, Request, Response, Sending, WholeAdapter
from ..credentials.endpoint import host_of, resolve
from ..events import AttemptStarted
from ..failures import NO_END_MARKER, ErrorKind, Failure, is_no_answer
from ..fitting.features import unsupported
from ..fitting.signatures import for_its_target
from ..fitting.tool_names import given_back, names_for, renamed
from ..outcome import transcript as record
from ..outcome.errors import StreamError
from ..outcome.traits import SKIP_LINKS
from ..outcome.understood import contradiction, warn
from ..outcome.weight import size_of
from ..providers import adapter_for, families_of
from ..text.harmless import forget_variables
from ..wire.broken import failure_of
from ..wire.forms import BLANK, Taken, form_of, taken_as
from ..wire.limits import LEAST_HELD, HeldTooMuch
from .call import Call
from .clock import NEVER
from .guard import Guard, Interrupted
from .origin import Answering, Origin
from .spool import IN_MEMORY, SpoolFailed
from .whole_body import WholeBody

__all__ = ["Attempt", "AttemptEnded"]

logger = logging.getLogger("resilient_stream")

ERROR_BODY_BYTES = 64 * 1024
ERROR_BODY_SECONDS = 5.0
"""An error's body is worth a moment, not a stall: what has come by then is classified."""

ResultT = TypeVar("ResultT")


class AttemptEnded(Exception):
    """An attempt ended badly, not yet classified: what happened, and to which attempt. Never leaves the chain."""

    def __init__(self, attempt: Attempt, cause: Exception | Failure) -> None:
        super().__init__(cause)
        self.attempt = attempt
        self.cause = cause


class Attempt:
    """One request. `open` it, `read_batch` until that gives nothing, `close` it whatever happened."""

    def __init__(self, call: Call, request: Request) -> None:
        self.call = call
        self.request = request
        self.adapter = adapter_for(request.target.provider)
        self.model = request.target.model
        self.name = request.target.name
        self.status: int | None = None
        self.committed = False
        self.record = record.Attempt(target=self.name, model=self.model, started=time.time())
        self.sending = Sending(request, self.record)
        self.origin = Origin(request, self.adapter, self.sending)
        self._timeouts = call.settings.timeouts_for(request.target)
        self._guard = Guard()
        self._response: Response | None = None
        self._able = self.adapter.capabilities(request.model)
        self._names = names_for(request, self._able.tool_names)
        self._decoder: Decoder = given_back(self.adapter.decoder(request), self._names)
        self._whole: WholeBody | None = None
        self._unasked: bytes | None = None
        self._receive: Callable[[], Awaitable[bytes]]
        self._first = b""
        self._says_stream = False
        self._held: Batch = []
        self._held_bytes = 0
        self._ahead: Batch = []
        self._alone = False
        self._cause: Exception | Failure | None = None
        self._over = False
        self._raw = bool(request.target.options.get("raw"))
        self._answer: Answering | None = None
        self._continues = call.answering is not None
        self._receiver = call.receiver
        self._progress = 0
        self._from = 0
        self._waiting_since: float | None = None
        self.started = call.now()
        self._first_by = self.started + (self._timeouts.first_content or NEVER)
        call.join(self)
        call.origin = self.origin
        call.arm(self._first_by)

    # -- the request --------------------------------------------------------------------------

    async def open(self) -> None:
        """Send the request and see that an answer comes back. Raises what failed, not yet classified."""
        self.call.check()
        response = self._response = await self._guarded(self._send)
        self._receive, self.status = response.read, response.status
        self.record.status, self.record.time_to_headers = response.status, self.call.now() - self.started
        if self._guard.interrupted:  # exactly as the head arrived
            raise self._reason()
        self.record.request_id = self.origin.shown(_request_id(response))
        self.call.note(self.name, self.request.attempt, "head", self.record)
        if not 200 <= response.status < 300:
            await self._refuse(response)
        else:
            self._says_stream = self._is_stream(response.headers.get("content-type", ""))
            if self._says_stream and not self._whole_able:
                return
            if self._says_stream:
                self._receive = lambda: self._begin(response)
            elif await self._guarded(lambda: self._look(response)) == "refused":
                await self._refuse(response)

    async def _send(self) -> Response:
        _load_what_a_failure_needs()
        if (lacking := unsupported(self.request, self._able)) is not None:
            raise AttemptEnded(self, lacking)
        endpoint = self.sending.endpoint = await self._endpoint()
        request = self._encode(endpoint)
        self.origin.host = host_of(request.url)
        self.call.transcript.attempts.append(self.record)
        asked = self.request
        self.call.emit(AttemptStarted, self.name, asked.attempt, self.record, self.origin.host, asked.stream)
        if (more := self.call.observing.trace_headers) is not None and isinstance(request, HttpRequest):
            request = structs.replace(request, headers={**request.headers, **more(self.record)})
        self.origin.sent = request
        try:
            return await self.call.transport.open(request, self._timeouts.connect, self.sending)
        except StreamError as error:  # a transport that knows what happened
            raise AttemptEnded(self, error.failure) from error.__cause__

    def _encode(self, endpoint: Endpoint) -> Outgoing:
        from ..fitting.earlier_turns import with_fitting_turns  # `import resilient_stream` loads no provider

        try:
            request = for_its_target(self.request, families_of)
            if (may := self._able.earlier_turns) != "as_given":
                own = endpoint.base_url == self.adapter.base_url  # who answers elsewhere may take less
                request = with_fitting_turns(request, own and may == "texts")
            return self.adapter.encode(renamed(request, self._names), endpoint)
        except StreamError as error:  # what this dialect has no words for
            raise AttemptEnded(self, error.failure) from error

    async def _endpoint(self) -> Endpoint:
        try:
            endpoint = await resolve(self.request.target, self.adapter, self.request.attempt)
        except StreamError as error:  # a server that we start ourselves, a key or an address that is none
            forget_variables(error)
            raise AttemptEnded(self, error.failure) from error
        except Exception as error:  # the user's own callable for the key
            reason = Failure(kind=ErrorKind.AUTHENTICATION, code="key_callable", detail=type(error).__name__)
            raise AttemptEnded(self, reason) from error
        if isinstance(endpoint, Failure):
            raise AttemptEnded(self, endpoint)
        return endpoint

    def _is_stream(self, content_type: str) -> bool:
        """Does it say so? Also where a whole answer was asked for: some servers stream all the same."""
        if not self.request.stream and content_type.startswith("application/json"):
            return False
        return content_type.startswith(self.adapter.media_types)

    async def _begin(self, response: Response) -> bytes:
        """The first read of what says that it is a stream. One JSON object is none, whatever it says."""
        self._receive = response.read
        await self._look(response)
        return await self._read_on()

    async def _look(self, response: Response) -> Taken:
        """What the answer is, by its first bytes: proxies relabel, servers do not stream, networks have login pages."""
        types = self.adapter.media_types
        lines, arrays = types[0].endswith("ndjson"), "application/json" in types
        while (form := form_of(self._first, lines=lines)) == "unknown" and (data := await response.read()):
            self._first = (self._first + data).lstrip(BLANK)
        asked, says = self.request.stream, self._says_stream
        taken = taken_as(form, asked=asked, says=says, arrays=arrays, whole=self._whole_able)
        if taken == "whole":
            self._expect_whole(response)
        return taken

    @property
    def _whole_able(self) -> bool:
        """Whether an answer in one piece can be read, also where a stream was asked for."""
        return self.request.resume is None and self._able.whole

    def _expect_whole(self, response: Response) -> None:
        self._unasked = b"" if self.request.stream else None
        decoder = given_back(cast(WholeAdapter, self.adapter).whole_decoder(self.request), self._names)
        whole = self._whole = WholeBody(self._first, response.read, decoder)
        self._decoder, self._first = decoder, b""
        self._receive = lambda: self._guarded(whole.receive)  # it waits for a disk, too, which `interrupt` cannot wake

    async def _refuse(self, response: Response) -> None:
        body = await self._guarded(lambda: _read_body(response, self._first))
        patience = self.call.settings.retry.max_retry_after
        raise AttemptEnded(self, self.adapter.classify(response.status, response.headers, body, patience))

    async def _guarded(self, start: Callable[[], Awaitable[ResultT]]) -> ResultT:
        try:
            return await self._guard.run(start)
        except Interrupted:
            raise self._reason() from None
        except asyncio.CancelledError as error:
            if _is_ours():
                raise
            raise self._stray() from error

    # -- the answer ---------------------------------------------------------------------------

    async def read_ahead(self) -> Batch:
        """Read once for the stream itself, while the chain sleeps: the next chunks, where they may skip the links.

        Empty where they may not, or the answer ended: then `read_batch` has them, and the chain has to be asked.
        """
        batch: Batch = []
        self._waiting_since = self.call.now()
        try:
            while not (batch or self._over) and self._cause is None:
                try:
                    data = await self._receive()
                except (Exception, asyncio.CancelledError) as error:
                    data = await self._broken(error)
                batch = self._take(data)
        finally:
            self._waiting_since = None
        if self._goes_well(batch):
            return batch
        self.call.direct = None
        self._ahead = batch
        return []

    @property
    def is_whole(self) -> bool:
        """Whether the provider's end marker came, and nothing is left to be given out."""
        return self._over and self._cause is None and not self._ahead

    def _goes_well(self, batch: Batch) -> bool:
        """Whether no link has to see this batch: nothing is wrong, and it is text, or there is no chain yet.

        `buffered` learns from tool calls, so a chain is made for them.
        """
        if self._cause is not None or not self._alone or not batch:
            return False
        if self.call.lone is not None and not self.request.tools:
            return True
        return not self._over and may_skip_links(batch)

    async def read_batch(self) -> Batch:
        """The next chunks, content first of all; empty at the end of a whole answer. Raises what cut it."""
        if self._ahead:
            ahead, self._ahead = self._ahead, []
            return ahead
        self._waiting_since = self.call.now()
        try:
            while self._cause is None and not self._over:
                try:  # no scope is held over this await: `interrupt` wakes it through aiohttp's reader
                    data = await (self._read_on() if self._first else self._receive())
                except (Exception, asyncio.CancelledError) as error:
                    data = await self._broken(error)
                batch = self._take(data)
                if batch and (self.committed or self._commits(batch, len(data))):
                    if self._whole is None:
                        self.call.direct = self if self._goes_well(batch) else None
                        return batch
                    self._whole.hand_out(batch)
            if self._whole is not None and self._whole.waiting:
                return await self._next_piece(self._whole)
        finally:
            self._waiting_since = None
        if self._cause is not None:
            raise self._ended(self._cause)
        rest, self._held = self._held, []  # an answer without content is one, too
        if rest:
            self._commit()
        return rest

    async def _broken(self, error: Exception | asyncio.CancelledError) -> bytes:
        """A network read failed: note why, and give what had arrived before."""
        if isinstance(error, asyncio.CancelledError):
            if _is_ours():
                raise error
            self._cause = self._stray()
            self._cause.__cause__ = error
        else:
            self._cause = self._reason() if isinstance(error, Interrupted) else _of_disk(error)
            error.__traceback__ = None  # aiohttp's reader keeps the error, and its frames lead to the stream
        return await self._drain()

    async def _read_on(self) -> bytes:
        first, self._first = self._first, b""
        return first or await self._receive()

    async def _drain(self) -> bytes:
        """What had arrived before the body failed."""
        data = self._response.drain() if self._response is not None else b""
        if self._whole is None or not data:
            return data
        try:
            return await self._whole.keep(data)
        except Exception as error:
            self._cause = _of_disk(error)
            return b""

    async def _next_piece(self, whole: WholeBody) -> Batch:
        """Of a whole answer, the next chunks; a long text is read from disk piece by piece."""
        try:
            batch = await self._guarded(whole.next)
        except SpoolFailed as error:
            raise AttemptEnded(self, _of_disk(error)) from error
        self.call.transcript._weigh(sum(map(size_of, batch)))
        return batch

    def _take(self, data: bytes) -> Batch:
        """Decode one read. No data means the end of the body; so does the last data before a failure."""
        decoder, failed = self._decoder, self._cause is not None
        if self._unasked is not None and len(self._unasked) < ERROR_BODY_BYTES:
            self._unasked += data[: ERROR_BODY_BYTES - len(self._unasked)]
        try:
            batch = decoder.feed(data) if data else []
            if not data or failed:
                batch += decoder.finish()
        except Exception as error:  # also while the attempt closes, where nobody could catch it
            self._cause = error
            return []
        if batch and (type(batch[-1]) is not TextDelta or (len(batch) > 1 and self._has_names)):
            batch = self.origin.with_shown_names(batch)
        if decoder.failure is not None:
            # When the connection broke, the missing end marker is not the news: the break is.
            if not failed or decoder.failure.code != NO_END_MARKER.code:
                self._cause = self._meant(decoder.failure)
        elif decoder.done:
            self._cause, self._over = None, True
            self._doubt(batch)
        self.record.chunks += len(batch)
        if self._whole is None:
            self.call.transcript._weigh(len(data))
        if not batch and decoder.progress != self._progress:
            self._progress = decoder.progress
            self._waiting_since = self.call.now()
        return batch

    @property
    def _has_names(self) -> bool:
        """Whether there may be other chunks before a text. Asked instead of each chunk, of which text has many."""
        return self._raw or bool(getattr(self._decoder, "unmodelled", True))

    def _meant(self, failure: Failure) -> Failure:
        """Where JSON came in place of a stream and is no answer, what it is: an error, or nothing of this dialect's."""
        if self._unasked is None or not getattr(self._decoder, "closed", True):
            return failure
        found = self._classified()
        return found if is_no_answer(failure, found) else failure

    def _classified(self) -> Failure:
        headers = self._response.headers if self._response is not None else {}
        patience = self.call.settings.retry.max_retry_after
        return self.adapter.classify(self.status or 200, headers, self._unasked or b"", patience)

    def _doubt(self, batch: Batch) -> None:
        """It came to its end: was anything in it? If its end says so against what was read, it has none.

        Not asked of a continuation, which may have nothing to add, nor where the user's own links may have taken
        something out of the answer on its way.
        """
        if self._continues or (self.committed and self.call.settings.own_links):
            return
        before: list[Chunk] = self.call.transcript._since(self._from) if self.committed else self._held
        said = [*before, *batch]
        if (failure := contradiction(said)) is not None:
            if self._unasked is not None and not any(type(chunk) in (Finished, Usage) for chunk in said):
                failure = self._classified()  # JSON that had neither content nor an end is no answer at all
            batch[:] = [chunk for chunk in batch if type(chunk) is not Finished]
            self._held = [chunk for chunk in self._held if type(chunk) is not Finished]
            self._cause = failure

    def _commits(self, batch: Batch, size: int) -> bool:
        """Does content begin in this batch? Then what was held goes in front of it; else it is held as well.

        size: its bytes on the wire. More of them than a decoder may hold back end the attempt.
        """
        if any(chunk.content for chunk in batch):
            batch[:0], self._held = self._held, []
            self._commit()
            return True
        self._held += batch
        self._held_bytes += size
        limit = max(self.request.max_event_bytes, LEAST_HELD)
        if self._held_bytes > limit and self._whole is None and not self._over:
            self._cause = self._cause or failure_of(HeldTooMuch(limit))
        return False

    def _commit(self) -> None:
        """This attempt is the one that answers; the stall clock takes over."""
        now = self.call.now()
        self.committed = self.origin.committed = True
        self.record.time_to_first_chunk = now - self.started
        self.record.request_id = self.record.request_id or self.origin.shown(self._decoder.response_id)
        transcript = self.call.transcript
        request = self.request
        answer = self._answer = Answering(request.target, request.attempt, self.record, self._whole is not None)
        self.call.answering = answer
        self._from = transcript._place()
        transcript.target, transcript.model = self.name, self.origin.shown(self._decoder.model) or self.model
        transcript.request_id = self.record.request_id
        self.call.note(self.name, self.request.attempt, "content", self.record)
        self._alone = self._whole is None and not self._continues and not self.call.settings.own_links
        self.call.arm(now + (self._timeouts.stall or NEVER))

    # -- the clocks ---------------------------------------------------------------------------

    def watch(self, now: float) -> None:
        """The call's timer rang: is this attempt too slow?"""
        due, allowed = self._due(now)
        if due > now:
            self.call.arm(due)
        elif self._cause is None and not self._over:
            code = "stall" if self.committed else "first_content"
            self._cause = Failure(kind=ErrorKind.READ_TIMEOUT, code=code, facts={"seconds": allowed})
            self.interrupt()

    def _due(self, now: float) -> tuple[float, float]:
        stall = self._timeouts.stall or NEVER
        due = (now if self._waiting_since is None else self._waiting_since) + stall
        arriving = self._whole is not None and self._progress > 0
        if self.committed or (arriving and due > self._first_by):
            return due, stall
        return self._first_by, self._timeouts.first_content or 0.0

    # -- the ends -----------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Wake whatever waits and close the connection; what lies in the reader is kept."""
        self._guard.interrupt()
        if self._response is not None:
            if self._waiting_since is None:
                self._salvage()
            self._response.interrupt(Interrupted())

    def close(self) -> None:
        """Give the connection back, or close it. Idempotent."""
        if self.record.duration is not None:
            return
        self.record.duration = self.call.now() - self.started
        self._salvage()
        self._guard.interrupt()
        self.record.usage = self._last_usage()
        warn(self.name, filter(None, map(self.origin.shown, getattr(self._decoder, "unmodelled", ()))))
        self.call.sent = self.call.sent or self.sending.written
        self.record.response_id = self.origin.shown(self._decoder.response_id)
        self.record.response_model = self.origin.shown(self._decoder.model)
        if self._answer is not None:
            self._answer.resume_point = getattr(self._decoder, "resume_point", None)
        self.call.leave(self)
        if self.call.direct is self:
            self.call.direct = None
        if self._whole is not None:
            self._whole.close()
        response, self._response = self._response, None
        if response is not None and self._over:
            self.call.transport.release(response)
        elif response is not None:
            response.close()
        self.call.note(self.name, self.request.attempt, "kept" if self._over else "closed", self.record)

    def disown(self) -> None:
        """A link of the chain wants no more of this answer: what has arrived meanwhile belongs to nobody."""
        self._cause = self._cause or Interrupted()

    def _salvage(self) -> None:
        """Nobody pulls, and nobody will: what has arrived meanwhile still belongs to the transcript."""
        if self._whole is not None:
            if self.committed and (rest := self._whole.rest()):
                self.call.transcript._receive(rest)
        elif self.committed and self._response is not None and self._cause is None and not self._over:
            self._cause = self._reason()
            if data := self._response.drain():
                self.call.transcript._receive(self._receiver(self._take(data)))

    def _last_usage(self) -> Usage | None:
        """What the provider counted last, also when the answer never began."""
        chunks = self.call.transcript._since(self._from) if self.committed else self._held
        return next((chunk for chunk in reversed(chunks) if isinstance(chunk, Usage)), None)

    def _reason(self) -> Exception:
        """Why we were interrupted: the call ended, or this attempt was too slow."""
        return self.call.dead or self._ended(self._cause or Interrupted())

    def _ended(self, cause: Exception | Failure) -> Exception:
        return cause if isinstance(cause, StreamError | AttemptEnded) else AttemptEnded(self, cause)

    def _stray(self) -> AttemptEnded:
        """A cancellation from inside the transport, nobody's request: the connection is lost, no more (R6)."""
        return AttemptEnded(self, Failure(kind=ErrorKind.CONNECTION_LOST, code="stray_cancel"))


def may_skip_links(batch: Batch) -> bool:
    """Whether a batch of an answer that goes well needs no link of the chain: its last chunk is a piece of text.

    No link of ours looks at text after the commit. A link that has to see it makes this say no; where a user's own
    links are in the chain, or a continuation is compared with what was delivered, it is not asked.
    """
    return bool(batch) and type(batch[-1]) in SKIP_LINKS


def _of_disk(error: Exception) -> Exception | Failure:
    """What a failed read means, where it is our own disk."""
    if not isinstance(error, SpoolFailed):
        return error
    facts = {"size": f"{IN_MEMORY // 1024} KiB", "reason": str(error)}
    return Failure(kind=ErrorKind.OS_LIMIT, code="spool", retry=False, facts=facts)


async def _read_body(response: Response, first: bytes) -> bytes:
    """The body of an error, bounded in bytes and seconds; what has come is enough."""
    body = first
    with anyio.move_on_after(ERROR_BODY_SECONDS):
        try:
            while len(body) < ERROR_BODY_BYTES and (data := await response.read()):
                body += data
        except Exception as error:
            logger.debug("an error's body broke off: %s", type(error).__name__)
    return body[:ERROR_BODY_BYTES]


def _load_what_a_failure_needs() -> None:
    """Import it before the first request: `import resilient_stream` does not pay for it, and a process that has run out
    of files cannot import anything any more."""
    from ..masking import values as masking  # noqa: F401
    from ..providers.shared import own_hosts  # noqa: F401


def _request_id(response: Response) -> str | None:
    # Imported here and in the providers only: its rules cost 15 ms, which `import resilient_stream` does not pay.
    from ..classify.body import Said
    from ..classify.hints import request_id

    return request_id(Said("empty"), response.headers)


def _is_ours() -> bool:
    """Was our task asked to cancel? Outside a task there is nobody else who could have."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
