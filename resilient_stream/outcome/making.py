"""Makes errors of failures: of the class that the table names, with texts short enough to be kept and sent on."""

from __future__ import annotations

from typing import Any

import msgspec

from ..failures.failure import MAX_TEXTS, Failure
from ..failures.kinds import KINDS
from ..text.readable import printable
from . import errors
from .errors import BY_CATEGORY, StreamError

__all__ = ["error_for", "forget_frames"]

MAX_DETAIL = 240
"""Characters of the provider's own sentence."""


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
    """Return the error for a failure: its class from the table, its context from the caller.

    A category that overrides the kind's own (a remote server's lack of memory) takes that category's base class, so
    that `except PermanentError` and `.category` never disagree.
    """
    note = failure.facts.get("note")
    failure = _bounded(failure)
    context = {name: printable(value) if isinstance(value, str) else value for name, value in context.items()}
    cls: type[StreamError] = getattr(errors, KINDS[failure.kind].error)
    if failure.category not in (None, KINDS[failure.kind].category):
        cls = BY_CATEGORY[failure.category]
    error = cls(failure, **context)
    if note:  # for developers only: shown with a traceback, in no message and no log
        error.add_note(note)
    return error


def _bounded(failure: Failure) -> Failure:
    """Return a failure with texts that may be shown, and that fit into MAX_TEXTS together.

    Only the longest are cut, all to the same length.
    """
    texts: dict[str, str] = {name: getattr(failure, name) or "" for name in ("detail", "code", "request_id")}
    facts = {name: value for name, value in failure.facts.items() if isinstance(value, str) and name != "note"}
    longest = _longest(sorted(len(text.encode()) for text in (*texts.values(), *facts.values())), MAX_TEXTS)
    cut = {name: _cut_to(text, longest) for name, text in texts.items()}
    cut["detail"] = _cut_to(cut["detail"], MAX_DETAIL)
    kept = {**failure.facts, **{name: _cut_to(text, longest) for name, text in facts.items()}}
    kept.pop("note", None)
    return msgspec.structs.replace(
        failure, facts=kept, detail=cut["detail"], code=cut["code"], request_id=cut["request_id"] or None
    )


def _longest(sizes: list[int], room: int) -> int:
    """Return how long each text may be so that all fit: short texts leave their share to the long ones."""
    for place, size in enumerate(sizes):
        share = room // (len(sizes) - place)
        if size > share:
            return share
        room -= size
    return MAX_TEXTS


def _cut_to(text: str, limit: int) -> str:
    if len(text.encode()) <= limit:
        return text
    return text.encode()[: limit - 3].decode(errors="ignore") + "…"
