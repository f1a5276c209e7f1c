"""The errors an application catches, and `Failure`, the pure finding they are made from.

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
    StreamMisused(RuntimeError)  a bug in the calling code

The one rule: the kind decides everything, through `KINDS`; a class is only a handle to catch.
Must never: carry a key, a header, a prompt, or a provider's body. `detail` is the provider's own sentence,
shortened, and only that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from . import readable
from .kinds import GAVE_UP, KEPT, KINDS, TEXTS, ErrorCategory, ErrorKind, GaveUp, Kind, Phase, Text, sentences
from .readable import one_line, printable

if TYPE_CHECKING:
    from .messages import Message
    from .transcript import Transcript

__all__ = [
    "AllTargetsFailed",
    "AuthenticationFailed",
    "ClientClosed",
    "ConnectionFailed",
    "ContentBlocked",
    "ContextError",
    "ContextLengthExceeded",
    "DeadlineExceeded",
    "EMPTY_ANSWER",
    "ErrorCategory",
    "ErrorKind",
    "Failure",
    "InvalidRequest",
    "MalformedStream",
    "ModelNotFound",
    "NO_END_MARKER",
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
    "StreamMisused",
    "error_for",
    "is_no_answer",
    "forget_frames",
    "who_answered",
]

MAX_DETAIL = 240
"""Characters of the provider's own sentence."""
MAX_NOTE = 8000
MAX_TEXTS = 470
"""Bytes of all texts in a failure, which servers make as long as they like: an error stays under 1 KB."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """What a pure classifier found: a kind and the facts around it. No context, no exception.

    `detail`: the provider's own message (shortened by `error_for`; never shown for kinds whose text may quote
    the user). `retry`: overrides the table's word for this one case (x-should-retry, RECITATION). `category`
    likewise. `max_attempts`: in all, fewer than the kind's. `retry_after`: seconds the server asked for.
    `resets_at`: ISO time of a quota's reset.
    `facts`: extra values for the message's `{placeholders}`: limit, used, feature, reason, proxy, host, seconds;
    numbers are made readable there.
    """

    kind: ErrorKind
    detail: str = ""
    code: str = ""
    status: int | None = None
    retry_after: float | None = None
    resets_at: str | None = None
    request_id: str | None = None
    retry: bool | None = None
    fallback: bool | None = None
    category: ErrorCategory | None = None
    max_attempts: int | None = None
    facts: dict[str, Any] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        # The one place through which all that a server says passes: printable, on one line, fit for UTF-8, bounded.
        for name in ("detail", "code", "request_id", "resets_at"):
            text = getattr(self, name)
            if text and (clean := _clean(text, MAX_TEXTS)) != text:
                msgspec.structs.force_setattr(self, name, clean)
        if self.facts:
            facts = {name: _clean_fact(name, value) for name, value in self.facts.items()}
            msgspec.structs.force_setattr(self, "facts", facts)

    def __reduce__(self) -> tuple[Any, ...]:
        # Without the fields' names, which would be a third of a pickled error.
        return (_failure, (self.kind.value, *msgspec.structs.astuple(self)[1:]))


def _failure(kind: str, *values: Any) -> Failure:
    return Failure(kind=ErrorKind(kind), **dict(zip(Failure.__struct_fields__[1:], values, strict=True)))


def _clean(text: str, limit: int) -> str:
    return one_line(text[: limit * 4])[:limit]


def _clean_fact(name: str, value: Any) -> Any:
    """A note is for a developer and may have several lines."""
    if not isinstance(value, str):
        return value
    return printable(value[: MAX_NOTE * 2])[:MAX_NOTE] if name == "note" else _clean(value, MAX_TEXTS)


NO_END_MARKER = Failure(kind=ErrorKind.STREAM_INTERRUPTED, code="no_end_marker")
"""A body ended, and its provider's end marker had not come. One value: an attempt knows it by its code."""

EMPTY_ANSWER = Failure(kind=ErrorKind.STREAM_INTERRUPTED, code="empty")
"""An end marker, and nothing before it."""


def is_no_answer(read: Failure, found: Failure) -> bool:
    """Whether JSON in a good status, of which no answer could be read, is something else: an error, or nothing known.

    read: why it could not. found: what it is as the body of an error. A body of no known shape that was read as far as
    a failure of its own is an answer that failed.
    """
    unreadable = read.kind in (ErrorKind.PROTOCOL_ERROR, ErrorKind.STREAM_INTERRUPTED)
    return unreadable or found.kind is not ErrorKind.UNEXPECTED_RESPONSE


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
    """Its words as they were, on an error that was stored; what they were made from is gone."""
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
        """One of the 40 kinds."""
        return self.failure.kind

    @property
    def category(self) -> ErrorCategory:
        """Who has to act: retryable, permanent, context or resource."""
        return self.failure.category or KINDS[self.failure.kind].category

    @property
    def target(self) -> str:
        """Where it happened, as "provider:model"; empty when no target was involved."""
        return f"{self.provider}:{self.model}" if self.provider else ""

    @property
    def code(self) -> str:
        """What tells apart errors of one kind, ours ("outputs_missing") or the provider's own; often empty."""
        return self.failure.code

    @property
    def status(self) -> int | None:
        """The HTTP status, or the one that an error inside a stream would have had."""
        return self.failure.status

    @property
    def request_id(self) -> str | None:
        """The provider's id of the failed request, for its support."""
        return self.failure.request_id

    @property
    def retry_after(self) -> float | None:
        """Seconds that the provider asked to wait, if it did."""
        return self.failure.retry_after

    @property
    def resets_at(self) -> str | None:
        """When the exhausted quota starts anew (ISO 8601), if the provider said so."""
        return self.failure.resets_at

    @property
    def cause(self) -> str | None:
        """The class of the exception behind this one, by name."""
        behind = self.__cause__
        return self.__dict__.get("_cause") if behind is None else type(behind).__name__

    @property
    def deadline_passed(self) -> bool:
        """Whether it was the caller's own time that ran out."""
        return self.kind is ErrorKind.DEADLINE_EXCEEDED

    @property
    def retryable(self) -> bool:
        """Whether the same request may work at the same provider."""
        if self.failure.retry is not None:
            return self.failure.retry
        return KINDS[self.kind].retry != "no" and self.category in (ErrorCategory.RETRYABLE, ErrorCategory.RESOURCE)

    @property
    def fallback(self) -> bool:
        """Whether another target makes sense without asking anybody."""
        if self.failure.fallback is not None:
            return self.failure.fallback
        return KINDS[self.kind].fallback

    @property
    def title(self) -> str:
        """Two or three words, for a heading."""
        return self._text.title

    @property
    def message(self) -> str:
        """What happened, in plain sentences."""
        if self.said is not None:
            return self.said.message[0]
        facts = self._facts()
        if facts["gateway"]:
            facts["provider"] = f"{_MARK}{facts['provider']}"
        after = (KEPT, *((GAVE_UP[self.gave_up],) if self.gave_up else ()))
        happened = sentences(self._text.message, facts) or sentences(KINDS[self.kind].message, facts)
        said = " ".join(filter(None, (happened, sentences(after, facts))))
        return _introduced(said, facts["dialect"]) if facts["gateway"] else said

    @property
    def resolution(self) -> str:
        """What to do about it."""
        if self.said is not None:
            return self.said.resolution[0]
        facts = self._facts()
        return sentences(self._text.resolution, facts) or sentences(KINDS[self.kind].resolution, facts)

    @property
    def _text(self) -> Kind | Text:
        """The kind's text, or a more precise one for its code."""
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
            "kept": readable.kept(len(self.transcript.text)) if self.transcript is not None else None,
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
        """A plain dict for logs and APIs, JSON as it is: no key, no prompt; the transcript is not in it."""
        return {
            "category": self.category.value, "kind": self.kind.value, "phase": self.phase,
            "provider": self.provider, "model": self.model, "target": self.target, "host": self.host,
            "status": self.status, "code": self.code, "request_id": self.request_id, "cause": self.cause,
            "retryable": self.retryable, "fallback": self.fallback, "retry_after": self.retry_after,
            "resets_at": self.resets_at, "attempt": self.attempt, "gave_up": self.gave_up,
            "deadline_passed": self.deadline_passed, "billed_maybe": self.billed_maybe,
            "title": self.title, "message": self.message, "resolution": self.resolution,
        }  # fmt: skip


def who_answered(title: str, host: str | None, *, foreign: bool) -> dict[str, Any]:
    """What a message calls the one who was asked. foreign: the host is not the provider's own."""
    provider = f"t{title[1:]}" if title.startswith("The ") else title
    if foreign and host:
        return {"provider": host, "dialect": provider, "gateway": host, "vendor": "", "address": ""}
    return {"provider": provider, "dialect": provider, "gateway": "", "vendor": provider, "address": host}


_MARK = "\0"
"""In front of the name of whoever answered, where it is not the provider."""


def _introduced(text: str, dialect: str) -> str:
    """A message in which the first mention of the one who answered says what it is."""
    before, _, behind = text.partition(_MARK)
    host, blank, rest = behind.replace(_MARK, "").partition(" ")
    name = host.rstrip(".,;:")
    if not name or name.endswith("'s"):
        return f"{before}{host}{blank}{rest}"
    whose = f"{dialect}'" if dialect.endswith("s") else f"{dialect}'s"
    end = host[len(name) :] or ("," if rest else "")
    return f"{before}{name}, which speaks {whose} dialect{end}{blank}{rest}"


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
    """Nothing, or nothing new, arrived in time; or the provider gave up waiting for itself."""


class StreamInterrupted(RetryableError):
    """The answer was cut before its end. `transcript` has what arrived."""


class MalformedStream(RetryableError):
    """The answer cannot be read: broken framing or JSON, or an invalid tool call by the model."""


class PermanentError(StreamError):
    """It will not work without a change: a key, a setting, the request, money."""


class AuthenticationFailed(PermanentError):
    """The key is missing, wrong, expired or revoked."""


class PermissionDenied(PermanentError):
    """The key is good, but may not do this."""


class InvalidRequest(PermanentError):
    """The request cannot work as it is: bad or unsupported parameters, or too large."""


class QuotaExhausted(PermanentError):
    """No money, or the quota of a long period is used up; `resets_at` says when it starts anew, if known."""


class ModelNotFound(PermanentError):
    """No such model, or not for this key."""


class ContextLengthExceeded(PermanentError):
    """The conversation is longer than the model's window."""


class ContentBlocked(PermanentError):
    """A filter blocked the request, and there is no answer at all."""


class ContextError(StreamError):
    """The caller ended it: closed, cancelled, out of time. What was received is kept."""


class DeadlineExceeded(ContextError, TimeoutError):
    """The caller's deadline passed. Also a TimeoutError."""


class ClientClosed(ContextError):
    """The client was closed under the stream, or used after it was closed."""


class ResourceError(StreamError):
    """This process ran out of something; no provider is to blame."""


class AllTargetsFailed(StreamError):
    """No target could answer. `errors` has one error for each target that was tried, in order. The category is the
    last one's, and the error is an instance of that category's class too: `except RetryableError` catches it where
    the last target's error may pass. retry_after: the soonest of all. untried: targets left out because the last
    error would be the same there."""

    errors: tuple[StreamError, ...] = ()
    untried: int = 0

    def __new__(cls, failure: Failure, **context: Any) -> AllTargetsFailed:
        """An object of the class below that is of the failure's category, too."""
        return super().__new__(_ALL_FAILED[failure.category or KINDS[failure.kind].category], failure)

    def __reduce__(self) -> tuple[Any, ...]:
        return (AllTargetsFailed, *super().__reduce__()[1:])

    @classmethod
    def of(cls, errors: list[StreamError], untried: int = 0) -> AllTargetsFailed:
        """Sum up: the last error's failure and context, with all of them attached."""
        last = errors[-1]
        context = {name: value for name, value in last.__dict__.items() if name not in _OWN}
        context["billed_maybe"] = any(error.billed_maybe for error in errors)
        return cls(last.failure, **context, errors=tuple(errors), untried=untried)

    @property
    def category(self) -> ErrorCategory:
        """The category of the last target's error."""
        return self.errors[-1].category if self.errors else super().category

    @property
    def retry_after(self) -> float | None:
        """Seconds until the first target that named a time wants to be asked again; None when none did."""
        hints = [error.retry_after for error in self.errors if error.retry_after is not None]
        return min(hints, default=None) if self.errors else super().retry_after

    @property
    def title(self) -> str:
        """How many targets failed."""
        failed = len(self.errors)
        if self.untried:
            return f"{failed} of {failed + self.untried} targets failed"
        return "Both targets failed" if failed == 2 else f"All {failed} targets failed"

    @property
    def message(self) -> str:
        """What happened at each target, in a few words."""
        left_out = ("The others were not tried: it would be the same there.",) if self.untried else ()
        return " ".join((*(f"{error.target}: {error.title}." for error in self.errors), *left_out))

    @property
    def resolution(self) -> str:
        """What to do about each; the same advice once."""
        return " ".join(dict.fromkeys(error.resolution for error in self.errors))

    def __str__(self) -> str:
        return "\n".join((f"{self.title}:", *(f"  {_on_one_line(error)}" for error in self.errors)))

    def to_dict(self) -> dict[str, Any]:
        """As of any error, and `errors` with one such dict for each target."""
        errors = [error.to_dict() for error in self.errors]
        return {**super().to_dict(), "errors": errors, "untried": self.untried}


def _on_one_line(error: StreamError) -> str:
    return " ".join(f"{error.target}: {error.title}. {error.message} {error.resolution}".split())


class StreamMisused(RuntimeError):
    """A bug in the calling code: two tasks pulling one stream, a bad message, no target."""


_CLASSES: dict[str, type[StreamError]] = {
    cls.__name__: cls
    for cls in (
        RetryableError, RateLimited, Overloaded, ConnectionFailed, ResponseTimeout, StreamInterrupted,
        MalformedStream, PermanentError, AuthenticationFailed, PermissionDenied, InvalidRequest, QuotaExhausted,
        ModelNotFound, ContextLengthExceeded, ContentBlocked, ContextError, DeadlineExceeded, ClientClosed,
        ResourceError,
    )
}  # fmt: skip

_BY_CATEGORY: dict[ErrorCategory, type[StreamError]] = {
    ErrorCategory.RETRYABLE: RetryableError,
    ErrorCategory.PERMANENT: PermanentError,
    ErrorCategory.CONTEXT: ContextError,
    ErrorCategory.RESOURCE: ResourceError,
}

_OWN = ("failure", "errors", "untried", "_cause")
"""What the sum of several errors does not take over from the last one."""

_ALL_FAILED: dict[ErrorCategory, type[AllTargetsFailed]] = {
    category: type(
        AllTargetsFailed.__name__,
        (AllTargetsFailed, cls),
        {"__doc__": AllTargetsFailed.__doc__, "__module__": __name__},
    )
    for category, cls in _BY_CATEGORY.items()
}
"""What is made for each category; all are called the same, since a reader of a traceback looks for that name."""


def forget_frames(error: BaseException) -> None:
    """Drop the tracebacks of an error that is kept but not raised, and of all its causes.

    A frame refers to its caller's, up to the one of the application that holds the stream. Kept in a transcript, a
    retried error would keep the stream alive, and dropping it would close nothing until the cyclic collector came.
    """
    seen: set[int] = set()
    links: list[BaseException | None] = [error]
    while links:
        link = links.pop()
        if link is not None and id(link) not in seen:
            seen.add(id(link))
            link.__traceback__ = None
            links += (link.__cause__, link.__context__)


def error_for(failure: Failure, **context: Any) -> StreamError:
    """The error object for a finding: its class from the table, its context from the caller.

    A category that overrides the kind's own (a remote server's out-of-memory) takes that category's base class,
    so that `except PermanentError` and `.category` never disagree.
    """
    note = failure.facts.get("note")
    failure = _bounded(failure)
    context = {name: printable(value) if isinstance(value, str) else value for name, value in context.items()}
    cls = _CLASSES[KINDS[failure.kind].error]
    if failure.category not in (None, KINDS[failure.kind].category):
        cls = _BY_CATEGORY[failure.category]
    error = cls(failure, **context)
    if note:  # for a developer's eyes: under a traceback, in no message and no log
        error.add_note(note)
    return error


def _bounded(failure: Failure) -> Failure:
    """Return the same with texts that may be shown, and that fit into MAX_TEXTS together.

    Only the longest are cut, all to the same length.
    """
    texts: dict[str, str] = {name: getattr(failure, name) or "" for name in ("detail", "code", "request_id")}
    facts = {name: value for name, value in failure.facts.items() if isinstance(value, str) and name != "note"}
    longest = _longest(sorted(len(text.encode()) for text in (*texts.values(), *facts.values())), MAX_TEXTS)
    cut = {name: _cut(text, longest) for name, text in texts.items()}
    cut["detail"] = _cut(cut["detail"], MAX_DETAIL)
    kept = {**failure.facts, **{name: _cut(text, longest) for name, text in facts.items()}}
    kept.pop("note", None)
    return msgspec.structs.replace(
        failure, facts=kept, detail=cut["detail"], code=cut["code"], request_id=cut["request_id"] or None
    )


def _longest(sizes: list[int], room: int) -> int:
    """What each may have at most, so that all fit: the short ones leave their share to the long ones."""
    for place, size in enumerate(sizes):
        share = room // (len(sizes) - place)
        if size > share:
            return share
        room -= size
    return MAX_TEXTS


def _cut(text: str, limit: int) -> str:
    if len(text.encode()) <= limit:
        return text
    return text.encode()[: limit - 3].decode(errors="ignore") + "…"
