"""Defines `Failure`, which says as a plain value what went wrong: a kind and the facts around it.

All pure code (decoders, classifiers, adapters) describes a failure by it. Where it leaves the library, an exception is
made of it, with the context of the attempt.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..text.readable import one_line, printable
from .kinds import ErrorCategory, ErrorKind

__all__ = ["EMPTY_ANSWER", "MAX_TEXTS", "NO_END_MARKER", "Failure", "is_no_answer"]

MAX_NOTE = 8000
MAX_TEXTS = 440
"""Bytes of all texts in a failure, so that an error stays under 1 KB however long a server's texts are."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Says what pure code found to be wrong: a kind and the facts around it. It is no exception and knows nothing of
    the attempt.

    `detail`: the provider's own message (shortened by `error_for`; never shown for kinds whose text may quote
    the user). `retry`: overrides the table's word for this one case (x-should-retry, RECITATION). `category`
    likewise. `max_attempts`: in all, fewer than the kind's. `retry_after`: seconds the server asked for.
    `resets_at`: ISO time of a quota's reset.
    `leave_out`: the target's option that is refused, if the same request may work without it; it is sent again without,
    unless the caller set that option.
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
    leave_out: str = ""

    def __post_init__(self) -> None:
        # Every text of a server passes here: it becomes printable, one line, valid UTF-8, and bounded.
        for name in ("detail", "code", "request_id", "resets_at"):
            text = getattr(self, name)
            if text and (clean := _clean(text, MAX_TEXTS)) != text:
                msgspec.structs.force_setattr(self, name, clean)
        if self.facts:
            facts = {name: _clean_fact(name, value) for name, value in self.facts.items()}
            msgspec.structs.force_setattr(self, "facts", facts)

    def __reduce__(self) -> tuple[Any, ...]:
        # Fields without their names, which would be a third of a pickled error; nearly none has the last one.
        values = msgspec.structs.astuple(self)[1:]
        return (_failure, (self.kind.value, *(values if self.leave_out else values[:-1])))


def _failure(kind: str, *values: Any) -> Failure:
    return Failure(kind=ErrorKind(kind), **dict(zip(Failure.__struct_fields__[1:], values, strict=False)))


def _clean(text: str, limit: int) -> str:
    return one_line(text[: limit * 4])[:limit]


def _clean_fact(name: str, value: Any) -> Any:
    """Return a fact that is fit to show. A note is for a developer and may have several lines."""
    if not isinstance(value, str):
        return value
    return printable(value[: MAX_NOTE * 2])[:MAX_NOTE] if name == "note" else _clean(value, MAX_TEXTS)


NO_END_MARKER = Failure(kind=ErrorKind.STREAM_INTERRUPTED, code="no_end_marker")
"""The body ended without the provider's end marker. It is a single value, which an attempt recognises by its code."""

EMPTY_ANSWER = Failure(kind=ErrorKind.STREAM_INTERRUPTED, code="empty")
"""The stream ended properly but contained no content."""


def is_no_answer(read: Failure, found: Failure) -> bool:
    """Return whether JSON with a successful status is an error or unknown, when no answer could be read from it.

    read: why it could not be read. found: its meaning as the body of an error. A body that was read as far as a failure
    of its own is an answer that failed.
    """
    unreadable = read.kind in (ErrorKind.PROTOCOL_ERROR, ErrorKind.STREAM_INTERRUPTED)
    return unreadable or found.kind is not ErrorKind.UNEXPECTED_RESPONSE
