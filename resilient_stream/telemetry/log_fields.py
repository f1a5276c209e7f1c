"""Names the fields of a log record's `extra`, and reads their values.

No record has a field that is not a row of `FIELDS`. None has a prompt, an answer, a header or a key, or the text of an
exception that may contain one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ..outcome.errors import StreamError
from ..outcome.transcript import Attempt, Transcript
from .attributes import split_target
from .words import code_of

__all__ = ["FIELDS", "chain", "figures", "named", "result", "summary", "tried", "why"]

FIELDS: Mapping[str, str] = {
    "call_id": "The call's number in this process; in every record of a call.",
    "trace_id": "32 hex digits, or empty without a trace; in every record.",
    "span_id": "16 hex digits, or empty: the request's span, or the call's, or the caller's; in every record.",
    "target": "provider:model that the line is about.",
    "provider": "Its provider.",
    "model": "Its model.",
    "targets": "All that the call may try, in order.",
    "next_target": "Where the call goes on.",
    "fallback": "The way around: provider_switch, continuation, buffered or interactive.",
    "host": "Where the request goes, with the port if that is not the usual one.",
    "attempt": "Which request to this target, from 1.",
    "attempts": "The most there will be to this target; at the end of a call, how many were sent in all.",
    "wait": "Seconds until the next request.",
    "state": "The breaker's state of the target: open, half_open or closed.",
    "kind": "What went wrong, one of the kinds in errors.md.",
    "category": "Who has to act: retryable, permanent, context or resource.",
    "phase": "How far the request had come: connect, request, stream or finish.",
    "status": "HTTP status, or the one that an error inside a stream would have had.",
    "code": "The provider's or our own word for the failure, if it is one word.",
    "request_id": "The provider's id of the request, for its support.",
    "retry_after": "Seconds that the provider asked to wait.",
    "gave_up": "Why a failure that may pass is not tried again: attempts, budget, deadline, patience or hint.",
    "outcome": "How the call ended: complete, failed, deadline, cancelled, abandoned or client_closed.",
    "finish_reason": "Why the model stopped.",
    "duration": "Seconds, of the request or of the whole call.",
    "time_to_headers": "Seconds until the answer's head.",
    "time_to_first_chunk": "Seconds until the first content.",
    "chunks": "How many were received.",
    "input_tokens": "As the provider counts them.",
    "output_tokens": "As the provider counts them.",
    "outer_call_id": "The call inside whose attempt this one runs.",
}
"""The fields by name, each with its meaning. An unknown one is left out, except for trace_id and span_id."""


def named(target: str) -> dict[str, Any]:
    """Return the fields of a target: its name and the two parts of it."""
    provider, model = split_target(target)
    return {"target": target, "provider": provider, "model": model}


def why(error: StreamError) -> dict[str, Any]:
    """Return the fields of a failure."""
    return {
        **(named(error.target) if error.target else {}),
        "host": error.host, "attempt": error.attempt or None, "kind": error.kind.value,
        "category": error.category.value, "phase": error.phase, "status": error.status,
        "code": code_of(error), "request_id": error.request_id, "retry_after": error.retry_after,
        "gave_up": error.gave_up,
    }  # fmt: skip


def figures(record: Attempt) -> dict[str, Any]:
    """Return the times and counts of one request."""
    return {
        "status": record.status, "request_id": record.request_id, "duration": record.duration,
        "time_to_headers": record.time_to_headers, "time_to_first_chunk": record.time_to_first_chunk,
        "chunks": record.chunks or None,
    }  # fmt: skip


def result(transcript: Transcript) -> dict[str, Any]:
    """Return the fields of a call's result."""
    usage = transcript.usage
    return {
        **(named(transcript.target) if transcript.target else {}),
        "outcome": transcript.outcome, "attempts": transcript.requests, "duration": transcript.duration,
        "time_to_first_chunk": transcript.time_to_first_chunk, "finish_reason": transcript.finish_reason,
        "request_id": transcript.request_id, "chunks": transcript._counts()[0],
        "input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens,
    }  # fmt: skip


def summary(transcript: Transcript) -> str:
    """Describe a call's result in one line."""
    usage, first, last = transcript.usage, transcript.time_to_first_chunk, transcript.duration
    parts = (
        transcript.target or "nothing was received",
        transcript.finish_reason and f"finished by {transcript.finish_reason}",
        None if first is None else f"first chunk after {first:.2f} s",
        None if last is None else f"{last:.2f} s in all",
        None if usage.input_tokens is None else f"{usage.input_tokens} tokens in",
        None if usage.output_tokens is None else f"{usage.output_tokens} out",
    )
    return ", ".join(part for part in parts if part)


def tried(transcript: Transcript) -> str:
    """Describe the requests of a call, and why there were retries: "2 to openai:a (rate_limited 2), 1 to openai:b"."""
    return ", ".join(
        f"{len(records)} to {target}{_reasons(records)}" for target, records in _by_target(transcript).items()
    )


def _by_target(transcript: Transcript) -> dict[str, list[Attempt]]:
    found: dict[str, list[Attempt]] = {}
    for record in transcript.attempts:
        if record.sent:
            found.setdefault(record.target, []).append(record)
    return found


def _reasons(records: list[Attempt]) -> str:
    kinds = Counter(record.error.kind.value for record in records if record.error is not None)
    return f" ({', '.join(f'{kind} {count}' for kind, count in kinds.items())})" if kinds else ""


def chain(error: BaseException) -> str:
    """Describe an error and its causes, the first cause last.

    Of other libraries' exceptions, only the system's own texts are shown, since others may quote anything.
    """
    links: list[str] = []
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        links.append(_described_error(link))
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return " <- ".join(links)


def _described_error(error: BaseException) -> str:
    name = type(error).__name__
    if isinstance(error, StreamError):
        code = code_of(error)
        return f"{name}({error.kind.value}{f', {code}' if code else ''})"
    return f"{name}: {error}" if isinstance(error, OSError) else name
