"""Defines the errors that an application catches.

    StreamError                  what every failed stream raises
    |- RetryableError            a later try of the same request may work
    |   |- RateLimited           the provider limits how fast you may send
    |   |- Overloaded            the provider has no capacity, for anyone
    |   |- ConnectionFailed      no connection, or lost before the answer began
    |   |- ResponseTimeout       nothing (new) arrived in time
    |   |- StreamInterrupted     the answer was cut
    |   `- MalformedStream       the answer cannot be read
    |- PermanentError            it will not work without a change
    |   |- AuthenticationFailed  PermissionDenied  InvalidRequest  QuotaExhausted
    |   `- ModelNotFound  ContextLengthExceeded  ContentBlocked
    |- ContextError              the caller ended it
    |   `- DeadlineExceeded (also a TimeoutError)  ClientClosed
    |- ResourceError             this process ran out of something
    `- AllTargetsFailed          every target was tried; also of the class of its category, one of the four above

The kind decides everything, through `KINDS`; a class is only a handle to catch. No error carries a key, a header, a
prompt, or a provider's body. `detail` is the provider's own sentence, shortened, and only that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..failures.answered import MARK, introduced, who_answered
from ..failures.failure import Failure
from ..failures.kinds import GAVE_UP, KEPT, KINDS, TEXTS, ErrorCategory, ErrorKind, GaveUp, Kind, Phase, Text, sentences
from ..text import readable

if TYPE_CHECKING:
    from ..messages import Message
    from .transcript import Transcript

__all__ = [
    "BY_CATEGORY",
    "AllTargetsFailed",
    "AuthenticationFailed",
    "ClientClosed",
    "ConnectionFailed",
    "ContentBlocked",
    "ContextError",
    "ContextLengthExceeded",
    "DeadlineExceeded",
    "InvalidRequest",
    "MalformedStream",
    "ModelNotFound",
    "Overloaded",
    "PermanentError",
    "PermissionDenied",
    "QuotaExhausted",
    "RateLimited",
    "ResourceError",
    "ResponseTimeout",
    "RetryableError",
    "StreamError",
    "StreamInterrupted",
]


class StreamError(Exception):
    """A stream failed. Catch this for everything, or a subclass for what you can act on.

    category, kind: see `KINDS`. phase: connect, request (until the first event), stream or finish.
    provider, model, target: where; target is "provider:model". status: the HTTP status, if one arrived.
    retry_after: seconds the provider asked to wait. attempt: which attempt at this target failed, from 1.
    gave_up: why a failure that may pass was not tried again at this target: attempts, budget (the retry budget of
    all calls), deadline, patience (RetryPolicy.max_elapsed), hint (max_retry_after); None when it never is.
    title, message, resolution: plain sentences for a person. billed_maybe: a request had been sent, so it may
    be on the bill. transcript: everything received, set when the error leaves the stream. history: where a
    conversation failed, its messages until then, which can be sent again.

    It can be pickled and copied, with its transcript; of the exception behind it only the name stays (`cause`).
    """

    failure: Failure
    phase: Phase = "request"
    provider: str = ""
    model: str = ""
    attempt: int = 0
    host: str | None = None
    env_var: str | None = None
    provider_title: str = ""
    billed_maybe: bool = False
    foreign: bool = False
    """Whether the host is not the provider's own: a gateway, or any server that speaks its dialect."""
    gave_up: GaveUp | None = None
    longest_wait: float | None = None
    """RetryPolicy.max_retry_after, where the provider asked for more."""
    said: Text | None = None
    """The texts of an error that was stored, since the facts that they were made from are gone."""
    transcript: Transcript | None = None
    history: list[Message] | None = None

    def __init__(self, failure: Failure, **context: Any) -> None:
        super().__init__(failure)
        self.failure = failure
        self.__dict__.update(context)

    def __reduce__(self) -> tuple[Any, ...]:
        # As a state and not as arguments: the transcript in it refers back to this error.
        state = {name: value for name, value in self.__dict__.items() if name != "failure"}
        return (type(self), (self.failure,), {**state, "_cause": self.cause} if self.cause else state)

    @property
    def kind(self) -> ErrorKind:
        """Return which of the 40 kinds it is."""
        return self.failure.kind

    @property
    def category(self) -> ErrorCategory:
        """Return who has to act: retryable, permanent, context or resource."""
        return self.failure.category or KINDS[self.failure.kind].category

    @property
    def target(self) -> str:
        """Return where it happened, as "provider:model"; empty when no target was involved."""
        return f"{self.provider}:{self.model}" if self.provider else ""

    @property
    def code(self) -> str:
        """Return what distinguishes errors of one kind, ours ("outputs_missing") or the provider's own; often empty."""
        return self.failure.code

    @property
    def status(self) -> int | None:
        """Return the HTTP status, or the one that an error inside a stream would have had."""
        return self.failure.status

    @property
    def request_id(self) -> str | None:
        """Return the provider's id of the failed request, for its support."""
        return self.failure.request_id

    @property
    def retry_after(self) -> float | None:
        """Return the seconds that the provider asked to wait, if it did."""
        return self.failure.retry_after

    @property
    def resets_at(self) -> str | None:
        """Return when the exhausted quota starts anew (ISO 8601), if the provider said so."""
        return self.failure.resets_at

    @property
    def cause(self) -> str | None:
        """Return the class of the exception behind this one, by name."""
        behind = self.__cause__
        return self.__dict__.get("_cause") if behind is None else type(behind).__name__

    @property
    def deadline_passed(self) -> bool:
        """Return whether the caller's own time ran out."""
        return self.kind is ErrorKind.DEADLINE_EXCEEDED

    @property
    def retryable(self) -> bool:
        """Return whether the same request may work at the same provider."""
        if self.failure.retry is not None:
            return self.failure.retry
        return KINDS[self.kind].retry != "no" and self.category in (ErrorCategory.RETRYABLE, ErrorCategory.RESOURCE)

    @property
    def fallback(self) -> bool:
        """Return whether another target may be tried without asking anybody."""
        if self.failure.fallback is not None:
            return self.failure.fallback
        return KINDS[self.kind].fallback

    @property
    def title(self) -> str:
        """Return two or three words, for a heading."""
        return self._text.title

    @property
    def message(self) -> str:
        """Return what happened, in plain sentences."""
        if self.said is not None:
            return self.said.message[0]
        facts = self._facts()
        if facts["gateway"]:
            facts["provider"] = f"{MARK}{facts['provider']}"
        after = (KEPT, *((GAVE_UP[self.gave_up],) if self.gave_up else ()))
        happened = sentences(self._text.message, facts) or sentences(KINDS[self.kind].message, facts)
        said = " ".join(filter(None, (happened, sentences(after, facts))))
        return introduced(said, facts["dialect"]) if facts["gateway"] else said

    @property
    def resolution(self) -> str:
        """Return what to do about it."""
        if self.said is not None:
            return self.said.resolution[0]
        facts = self._facts()
        return sentences(self._text.resolution, facts) or sentences(KINDS[self.kind].resolution, facts)

    @property
    def _text(self) -> Kind | Text:
        """Return the kind's text, or a more precise one for its code."""
        return self.said or TEXTS.get((self.kind, self.failure.code)) or KINDS[self.kind]

    def _facts(self) -> dict[str, Any]:
        failure = self.failure
        return {
            **who_answered(self.provider_title or self.provider or "the provider", self.host, foreign=self.foreign),
            "model": self.model or "the model",
            "target": self.target or "the provider",
            "attempts": self.attempt if self.attempt > 1 else None,
            "host": self.host or "the server",
            "env_var": self.env_var,
            "detail": failure.detail,
            "feature": "what was asked for",
            "status": failure.status,
            "retry_after": self._wait(),
            "resets_at": None if failure.resets_at is None else readable.moment(failure.resets_at),
            "transcript": "the transcript",
            "kept": readable.kept(self.transcript._characters()) if self.transcript is not None else None,
            **{name: _readable_fact(name, value) for name, value in failure.facts.items()},
        }

    def _wait(self) -> str | None:
        asked, longest = self.failure.retry_after, self.longest_wait
        if asked is None:
            return None
        wait = readable.duration(asked)
        return wait if longest is None else f"{wait}, longer than max_retry_after ({readable.duration(longest)})"

    def __str__(self) -> str:
        where = f" ({self.target})" if self.target else ""
        return f"{self.title}{where}: {self.message} {self.resolution}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.kind.value!r}, target={self.target!r}, status={self.status!r})"

    def to_dict(self) -> dict[str, Any]:
        """Return a plain dict for logs and APIs, ready for JSON: no key, no prompt; the transcript is not in it."""
        return {
            "category": self.category.value, "kind": self.kind.value, "phase": self.phase,
            "provider": self.provider, "model": self.model, "target": self.target, "host": self.host,
            "status": self.status, "code": self.code, "request_id": self.request_id, "cause": self.cause,
            "retryable": self.retryable, "fallback": self.fallback, "retry_after": self.retry_after,
            "resets_at": self.resets_at, "attempt": self.attempt, "gave_up": self.gave_up,
            "deadline_passed": self.deadline_passed, "billed_maybe": self.billed_maybe,
            "title": self.title, "message": self.message, "resolution": self.resolution,
        }  # fmt: skip


def _readable_fact(name: str, value: Any) -> Any:
    if name == "seconds" and isinstance(value, int | float):
        return readable.duration(value)
    return readable.amount(value) if name in ("used", "limit") else value


class RetryableError(StreamError):
    """A later try of the same request may work. The SDK has already tried as often as its policy allows."""


class RateLimited(RetryableError):
    """The provider limits how fast you may send requests; `retry_after` has its hint."""


class Overloaded(RetryableError):
    """The provider has no capacity right now, for anyone."""


class ConnectionFailed(RetryableError):
    """No connection could be made, or it was lost before the answer began."""


class ResponseTimeout(RetryableError):
    """No answer, or nothing more of it, arrived in time; or the provider's own time ran out."""


class StreamInterrupted(RetryableError):
    """The answer was cut before its end. `transcript` has what arrived."""


class MalformedStream(RetryableError):
    """The answer cannot be read: broken framing or JSON, or an invalid tool call by the model."""


class PermanentError(StreamError):
    """The request will not work without a change: a key, a setting, the request itself, money."""


class AuthenticationFailed(PermanentError):
    """The key is missing, wrong, expired or revoked."""


class PermissionDenied(PermanentError):
    """The key is good, but may not do this."""


class InvalidRequest(PermanentError):
    """The request cannot work as it is: bad or unsupported parameters, or too large."""


class QuotaExhausted(PermanentError):
    """The account has no money, or the quota of a long period is used up; `resets_at` says when it starts anew, if
    known."""


class ModelNotFound(PermanentError):
    """The model does not exist, or this key may not use it."""


class ContextLengthExceeded(PermanentError):
    """The conversation is longer than the model's window."""


class ContentBlocked(PermanentError):
    """A filter blocked the request, and there is no answer at all."""


class ContextError(StreamError):
    """The caller ended the stream, or its time ran out. What was received is kept."""


class DeadlineExceeded(ContextError, TimeoutError):
    """The caller's deadline passed. This error is also a TimeoutError."""


class ClientClosed(ContextError):
    """The client was closed under the stream, or used after it was closed."""


class ResourceError(StreamError):
    """This process ran out of a resource; the provider is not at fault."""


class AllTargetsFailed(StreamError):
    """No target could answer. `errors` has one error for each target that was tried, in order. The category is the
    last one's, and the error is an instance of that category's class too: `except RetryableError` catches it where
    the last target's error may pass. retry_after: the soonest of all. untried: targets left out because the last
    error would be the same there."""

    errors: tuple[StreamError, ...] = ()
    untried: int = 0

    def __new__(cls, failure: Failure, **context: Any) -> AllTargetsFailed:
        """Return an object of the subclass that also has the class of the failure's category."""
        return super().__new__(_ALL_FAILED[failure.category or KINDS[failure.kind].category], failure)

    def __reduce__(self) -> tuple[Any, ...]:
        return (AllTargetsFailed, *super().__reduce__()[1:])

    @classmethod
    def of(cls, errors: list[StreamError], untried: int = 0) -> AllTargetsFailed:
        """Sum up several errors in one, which has the last one's failure and context, and all of them attached."""
        last = errors[-1]
        context = {name: value for name, value in last.__dict__.items() if name not in _OWN}
        context["billed_maybe"] = any(error.billed_maybe for error in errors)
        return cls(last.failure, **context, errors=tuple(errors), untried=untried)

    @property
    def category(self) -> ErrorCategory:
        """Return the category of the last target's error."""
        return self.errors[-1].category if self.errors else super().category

    @property
    def retry_after(self) -> float | None:
        """Return the seconds until the first target that named a time may be asked again; None when none did."""
        hints = [error.retry_after for error in self.errors if error.retry_after is not None]
        return min(hints, default=None) if self.errors else super().retry_after

    @property
    def title(self) -> str:
        """Say how many targets failed."""
        failed = len(self.errors)
        if self.untried:
            return f"{failed} of {failed + self.untried} targets failed"
        return "Both targets failed" if failed == 2 else f"All {failed} targets failed"

    @property
    def message(self) -> str:
        """Return what happened at each target, in a few words."""
        left_out = ("The others were not tried: it would be the same there.",) if self.untried else ()
        return " ".join((*(f"{error.target}: {error.title}." for error in self.errors), *left_out))

    @property
    def resolution(self) -> str:
        """Return what to do about each error; advice that is the same for several is given once."""
        return " ".join(dict.fromkeys(error.resolution for error in self.errors))

    def __str__(self) -> str:
        return "\n".join((f"{self.title}:", *(f"  {_on_one_line(error)}" for error in self.errors)))

    def to_dict(self) -> dict[str, Any]:
        """Return a dict as for any error, with `errors` for each target."""
        errors = [error.to_dict() for error in self.errors]
        return {**super().to_dict(), "errors": errors, "untried": self.untried}


def _on_one_line(error: StreamError) -> str:
    return " ".join(f"{error.target}: {error.title}. {error.message} {error.resolution}".split())


PUBLIC = "resilient_stream.errors"
"""The module where users import the classes from: the name that tracebacks show, and that pickled errors are found
by."""

for _class in [value for value in vars().values() if isinstance(value, type) and issubclass(value, StreamError)]:
    _class.__module__ = PUBLIC

BY_CATEGORY: dict[ErrorCategory, type[StreamError]] = {
    ErrorCategory.RETRYABLE: RetryableError,
    ErrorCategory.PERMANENT: PermanentError,
    ErrorCategory.CONTEXT: ContextError,
    ErrorCategory.RESOURCE: ResourceError,
}
"""The class of each category."""

_OWN = ("failure", "errors", "untried", "_cause")
"""Fields that the sum of several errors does not take over from the last one."""

_ALL_FAILED: dict[ErrorCategory, type[AllTargetsFailed]] = {
    category: type(
        AllTargetsFailed.__name__,
        (AllTargetsFailed, cls),
        {"__doc__": AllTargetsFailed.__doc__, "__module__": PUBLIC},
    )
    for category, cls in BY_CATEGORY.items()
}
"""The class that is made for each category; all have the same name, since a reader of a traceback looks for that
name."""
