"""Goes on with an answer that lost its provider after a part of it was delivered.

What the caller has is never repeated and never contradicted. A continuation is a request of its own through the rest of
the chain, with retry and fallback until it has content; its answer passes a `Splice`, which checks its beginning and
puts the seam in front. An answer that the caller ended is not continued, nor one that ended because this process ran
out of something: another request would need the same.

The methods are tried in the order of `Recovery.methods`: for each, the target that died first, if its error is one
that a retry may get over there, and then the targets after it, if it is one that another target may not have. Each
continuation is paid from the retry budget of the target that is asked first, and never begun after the deadline.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from msgspec import structs

from ...contract import Batch, Capabilities, Handler, Request
from ...events import AttemptFailed, FellBack
from ...failures import ErrorCategory, ErrorKind, Failure
from ...failures.kinds import KINDS
from ...outcome.errors import AllTargetsFailed, StreamError
from ...outcome.making import error_for, forget_frames
from ...policy import RecoveryMethod
from ...providers import adapter_for
from ...target import Target
from ..call import Call, as_it_is
from ..recovery import METHODS, Partial, Refusal, Splice
from .retry import waits

__all__ = ["recover"]

ENDED = (ErrorCategory.CONTEXT, ErrorCategory.RESOURCE)
TOLD = 4
"""Continuations named in an error, the last ones: its message stays short."""


async def recover(request: Request, call: Call, call_next: Handler) -> AsyncGenerator[Batch, None]:
    """Forward the answer, and continue it where it breaks. Raises StreamInterrupted when no method holds."""
    try:
        async with aclosing(call_next(request, call)) as batches:
            async for batch in batches:
                yield batch
        return
    except StreamError as error:
        if not _may_go_on(error, call):
            raise
        rescue = _Rescue(request, call, error)
    while (continuation := await rescue.begin()) is not None:
        try:
            async with aclosing(call_next(continuation.request, call)) as batches:
                async for batch in batches:
                    if fresh := continuation.feed(batch):
                        yield fresh
                    if continuation.refusal is not None:
                        break
            if fresh := continuation.finish():
                yield fresh
        except StreamError as error:
            if error is call.dead or error.category in ENDED:
                raise
            rescue.failed(continuation, error)
        else:
            if continuation.refusal is None:
                return
            rescue.refused(continuation, continuation.refusal)
        finally:
            continuation.close()
    raise rescue.error()


def _may_go_on(error: StreamError, call: Call) -> bool:
    """Return whether something was delivered, and neither the caller nor this process ended the answer."""
    policy = call.settings.recovery
    if not policy.methods or not policy.max_continuations or error is call.dead or error.category in ENDED:
        return False
    return call.answering is not None and (error.retryable or error.fallback)


class _Continuation:
    """Runs one continuation: its request, and the splice once its first target answers. places: where it may be
    sent."""

    def __init__(self, rescue: _Rescue, method: RecoveryMethod, places: list[int]) -> None:
        targets = tuple(rescue.targets[place] for place in places)
        self.method = method
        self.places = places
        self.request = replace(METHODS[method].ask(rescue.request, rescue.partial), targets=targets)
        self._rescue = rescue
        self._call = rescue.call
        self._before = self._call.answering
        self._splice: Splice | None = None
        transcript = self._call.transcript
        self._named = transcript.target, transcript.model, transcript.request_id
        self._call.receiver = self.feed

    @property
    def target(self) -> Target:
        """Return the target whose content came, or that was asked first."""
        answering = self._call.answering
        return answering.target if answering is not None and self.answered else self.request.targets[0]

    @property
    def answered(self) -> bool:
        """Return whether a target has given content, fitting or not."""
        return self._call.answering is not self._before

    @property
    def begun(self) -> bool:
        """Return whether something of the continuation was delivered."""
        return self._splice is not None and self._splice.begun

    @property
    def refusal(self) -> Refusal | None:
        """Return why the continuation does not fit; None where it does."""
        return self._splice.refusal if self._splice is not None else None

    def feed(self, batch: Batch) -> Batch:
        """Return what of a batch goes to the caller."""
        return self._announced(self._spliced.feed(batch))

    def finish(self) -> Batch:
        """Return what goes to the caller at the continuation's end."""
        return self._announced(self._spliced.finish())

    def close(self) -> None:
        """End the continuation. If nothing of it was delivered, the transcript names the target before it again."""
        self._call.receiver = as_it_is
        if not self.begun and self.answered and self._call.answering is not None:
            record, usage = self._call.answering.record, self._spliced.usage
            if usage is not None:
                record.usage, record.estimate = record.usage or usage, None
            self._call.answering = self._before
            transcript = self._call.transcript
            transcript.target, transcript.model, transcript.request_id = self._named

    @property
    def _spliced(self) -> Splice:
        if self._splice is None:
            rescue, target = self._rescue, self.target
            answering = self._call.answering
            whole = answering is not None and self.answered and answering.whole
            echoes = _capabilities_of(target).echoes_prefill in (("whole", "always") if whole else ("always",))
            matcher = METHODS[self.method].matcher(rescue.partial, echoes)
            self._splice = Splice(matcher, rescue.died.name, target.name, self.method, rescue.partial)
        return self._splice

    def _announced(self, batch: Batch) -> Batch:
        if batch and batch[0].type == "seam" and batch[0].restart:
            self._call.transcript._restart()
        return batch


class _Rescue:
    """Knows a broken answer and what was tried to continue it, and chooses what is tried next."""

    def __init__(self, request: Request, call: Call, error: StreamError) -> None:
        forget_frames(error)
        self.request = request
        self.call = call
        self.targets = request.targets
        self.original = error
        self.partial: Partial
        self.died: Target
        self._error = error
        self._left = call.settings.recovery.max_continuations
        self._tried: list[str] = []
        self._differs_at: int | None = None
        self._last: set[int] = set()
        self._not_at: set[tuple[RecoveryMethod | None, int]] = set()
        self._read_partial()

    def _read_partial(self) -> None:
        """Read off what the caller has, and who gave the last of it."""
        transcript, answering = self.call.transcript, self.call.answering
        self.died = answering.target if answering is not None else self.targets[0]
        chunks, resume = transcript._answer(), None if answering is None else answering.resume_point
        self.partial = Partial.of(chunks, whole=not transcript._trimmed, resume=resume)

    # -- the next one ---------------------------------------------------------------------------

    async def begin(self) -> _Continuation | None:
        """Return the next continuation, after the wait that a failing target asks for; None when nothing is left to
        try."""
        pause = self._pause()
        for method in self.call.settings.recovery.methods if self._left > 0 and self.call.remaining() > 0 else ():
            places = self._affordable(self._places(method, pause))
            if places:
                self._left -= 1
                source, target = self.died.name, self.targets[places[0]].name
                self.call.emit(FellBack, source, target, self._error, "continuation", method)
                if pause and places[0] == self._died_at:
                    await self.call.sleep(pause)
                return _Continuation(self, method, places)
        return None

    def _places(self, method: RecoveryMethod, pause: float | None) -> list[int]:
        """Return the places of the targets where the method can be used now, in order."""
        row, died = METHODS[method], self._died_at
        here = [died] if self._error.retryable and pause is not None else []
        after = range(died + 1, len(self.targets)) if self._error.fallback and not row.stays else ()
        able = [
            place
            for place in (*here, *after)
            if not self._not_at & {(None, place), (method, place)}
            and row.can(self.request, self.partial, _capabilities_of(self.targets[place]))
        ]
        return sorted(able, key=self._last.__contains__)

    def _affordable(self, places: list[int]) -> list[int]:
        """Return the places without those in front whose target's retry budget is spent."""
        for number, place in enumerate(places):
            if self.call.spend(self.targets[place]):
                return places[number:]
            self.original.gave_up = "budget"
        return []

    @property
    def _died_at(self) -> int:
        return self._place_of(self.died)

    def _place_of(self, target: Target) -> int:
        """Return a target's place in the list. Two may have one name, at different addresses; a middleware may have
        replaced one."""
        same = [place for place, other in enumerate(self.targets) if other is target]
        alike = [place for place, other in enumerate(self.targets) if other.name == target.name]
        return (same or alike or [0])[0]

    def _pause(self) -> float | None:
        """Return the seconds to wait before the target that failed is asked again; None when that is too long.

        A cut needs no wait. A target that said it is overloaded has earned the first wait of a retry.
        """
        error, policy = self._error, self.call.settings.retry
        pause = error.retry_after or 0.0
        if not pause and KINDS[error.kind].retry == "after":
            pause = next(waits(policy))
        return None if pause > policy.max_retry_after or pause >= self.call.remaining() else pause

    # -- how one ended --------------------------------------------------------------------------

    def failed(self, continuation: _Continuation, error: StreamError) -> None:
        """Note that a continuation broke off, after it had gone on a little or before."""
        forget_frames(error)
        self._note(
            continuation,
            f"broke off again ({_in_three_words(error)})" if continuation.answered else _in_three_words(error),
        )
        if continuation.answered:
            self._last.add(self._place_of(continuation.target))  # asked last from now on: another may get further
            if continuation.begun:
                self._error = error
                self._read_partial()
            return
        errors = error.errors if isinstance(error, AllTargetsFailed) else (error,)
        for place, one in zip(continuation.places, errors, strict=False):
            refused = one.category is ErrorCategory.PERMANENT  # perhaps only what this method asks for
            self._not_at.add((continuation.method if refused else None, place))
        if not (errors[-1].fallback or errors[-1].kind is ErrorKind.INVALID_REQUEST):
            self._left = 0

    def refused(self, continuation: _Continuation, refusal: Refusal) -> None:
        """Note that a target answered, but not with what continues the text."""
        self._not_at.add((continuation.method, self._place_of(continuation.target)))
        self._note(continuation, str(refusal))
        if refusal.contradicts and self._differs_at is None:
            self._differs_at = refusal.at
        answering = self.call.answering
        if answering is not None:
            facts = {"reason": str(refusal)}
            error = self.call.error(Failure(kind=ErrorKind.STREAM_INTERRUPTED, code="not_joined", facts=facts))
            answering.record.error = error
            self.call.emit(AttemptFailed, answering.target.name, answering.number, error, answering.record)

    def _note(self, continuation: _Continuation, what: str) -> None:
        self._tried.append(f"{continuation.method} at {continuation.target.name}, {what}")

    # -- the end --------------------------------------------------------------------------------

    def error(self) -> StreamError:
        """Return why the answer stays incomplete: the first error as an interruption, with all that was tried."""
        original = self.original
        if not self._tried and original.category is ErrorCategory.PERMANENT:
            return original
        context = {name: value for name, value in original.__dict__.items() if name != "failure"}
        code = "not_continued" if self._differs_at is None else "contradicted"
        failure = structs.replace(
            original.failure, kind=ErrorKind.STREAM_INTERRUPTED, code=code, category=None, retry=None, fallback=None,
            facts={**original.failure.facts, "cause": self._cause_in_words(), "tried": self._tries_in_words(),
                   "differs_at": self._differs_at},
        )  # fmt: skip
        error = error_for(failure, **context)
        error.__cause__ = original
        return error

    def _cause_in_words(self) -> str | None:
        """Return the part of a cause that the title does not say already."""
        return None if self.original.kind is ErrorKind.STREAM_INTERRUPTED else _in_three_words(self.original)

    def _tries_in_words(self) -> str:
        """Return what was tried, or why nothing was."""
        if self._tried:
            return "; ".join(dict.fromkeys(self._tried[-TOLD:]))
        if self.partial.fixed:
            return "tool calls, signed reasoning and events of a provider's own are not continued by another request"
        return "no target that is left can do what Recovery.methods names"


def _in_three_words(error: StreamError) -> str:
    """Return an error in three words: "Rate limited (429)"."""
    title = KINDS[error.kind].title
    return f"{title} ({error.status})" if error.status else title


def _capabilities_of(target: Target) -> Capabilities:
    return adapter_for(target.provider).capabilities(target.model)
