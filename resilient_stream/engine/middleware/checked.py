"""Reads the whole answer as the object that was asked for, as the outermost link of calls with `output=`.

An answer that does not fit ends the call as model_output_invalid, with the reason in words. Where nobody has seen it
yet (`complete`), it is asked for anew: the answer and the complaint are sent back, as often as the kind allows at that
target, then the next targets are asked, all under the call's deadline. An answer that was cut, refused or filtered, or
that calls tools, is not read, because its own end says why there is no object.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from ...chunks import Seam
from ...contract import Batch, Handler, Request
from ...events import AttemptFailed, FellBack, RetryScheduled
from ...failures import ErrorKind, Failure
from ...messages import Message
from ...objects.form import Form, Unfitting, complaint
from ...outcome.errors import AllTargetsFailed, StreamError
from ...target import Target
from ..call import Call
from .retry import attempts_for

__all__ = ["CORRECTED", "checked"]

CORRECTED = "corrected"
"""The method of the seam behind which an answer was asked for anew."""


async def checked(request: Request, call: Call, call_next: Handler) -> AsyncGenerator[Batch, None]:
    """Forward the answer and read it at its end. Raises what is wrong with it, if it is not asked for anew."""
    assert call.settings.form is not None
    asking = _Asking(request, call, call.settings.form)
    while True:
        async with aclosing(call_next(asking.request, call)) as batches:
            async for batch in batches:
                yield asking.announced(batch)
        if (error := asking.read()) is None:
            return
        asking.ask_again(error)


class _Asking:
    """Knows what is asked now, and the answers that did not fit."""

    def __init__(self, request: Request, call: Call, form: Form) -> None:
        self.request = request
        self._first = request
        self._call = call
        self._form = form
        self._tries = 1
        self._errors: list[StreamError] = []
        self._left: str | None = None
        self._reason = ""

    def announced(self, batch: Batch) -> Batch:
        """Return a batch; the first one of another answer has a seam in front that takes back the one before it."""
        if self._left is None or not batch:
            return batch
        seam = Seam(self._left, self._answering.name, CORRECTED, restart=True)
        self._left = None
        self._call.transcript._restart()
        return [seam, *batch]

    def read(self) -> StreamError | None:
        """Keep the object that the answer means; return what is wrong with it, if it has to be one and is none."""
        transcript = self._call.transcript
        if transcript.finish_kind is not None or transcript.finish_reason == "pause" or transcript.tool_calls:
            return None
        try:
            transcript.output = self._form.read(transcript.text)
        except Unfitting as unfitting:
            self._reason = str(unfitting)
            return self._recorded()
        return None

    def ask_again(self, error: StreamError) -> None:
        """Prepare the next request: the same target with the complaint, or the next one. Raises the error where there
        is none."""
        call, target = self._call, self._answering
        rest = self._after(target)
        if not call.settings.asks_again:
            raise error
        if call.remaining() <= 0:
            error.gave_up = "deadline"
            raise error
        allowed = attempts_for(error.failure, call.settings.retry)
        if self._tries < allowed and call.spend(target):
            self.request = replace(self._with_complaint(), target=target, targets=(target, *rest))
            call.emit(RetryScheduled, target.name, self._tries, allowed, 0.0, error)
            self._tries += 1
        else:
            error.gave_up = "attempts" if self._tries >= allowed else "budget"
            self._errors.append(error)
            self._fall_back(target, rest, error)
        self._left = target.name
        call.answering = None
        call.direct.end()

    def _fall_back(self, target: Target, rest: tuple[Target, ...], error: StreamError) -> None:
        if not rest or not error.fallback or not self._call.spend(rest[0]):
            raise error if len(self._errors) == 1 else AllTargetsFailed.of(self._errors)
        self.request = replace(self._first, target=rest[0], targets=rest)
        self._tries = 1
        self._call.emit(FellBack, target.name, rest[0].name, error)

    @property
    def _answering(self) -> Target:
        """Return the target whose content came last."""
        answering = self._call.answering
        return self.request.target if answering is None else answering.target

    def _after(self, target: Target) -> tuple[Target, ...]:
        """Return the targets behind one, as they were given."""
        targets = self.request.targets
        return targets[targets.index(target) + 1 :] if target in targets else ()

    def _with_complaint(self) -> Request:
        """Return the request with the answer that did not fit, and what is wrong with it."""
        said = self._call.transcript.as_history(calls=False)
        told = Message(role="user", content=complaint(self._reason))
        return replace(self.request, messages=(*self.request.messages, *said, told))

    def _recorded(self) -> StreamError:
        """Return the error for an answer that does not fit, as its attempt and whoever watches are told it."""
        call, answering = self._call, self._call.answering
        facts = {"feature": self._form.name, "reason": self._reason}
        error = call.error(Failure(kind=ErrorKind.MODEL_OUTPUT_INVALID, code="output_invalid", facts=facts))
        error.phase = "finish"
        error.attempt = self._tries
        if answering is not None:
            answering.record.error = error
            call.emit(AttemptFailed, answering.target.name, self._tries, error, answering.record)
        return error
