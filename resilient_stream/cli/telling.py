"""What people are told: events, summaries and errors in a line or two of text.

The one rule: pure; a text goes in or comes out, nothing is printed here.
Must never: use a word that the documents do not use.
"""

from __future__ import annotations

from ..errors import AllTargetsFailed, StreamError
from ..events import AttemptStarted, Event, FellBack, RetryScheduled
from ..kinds import KINDS
from ..transcript import Attempt, Transcript

__all__ = ["complaint", "continuing", "failed", "found", "printable", "result_of", "summary", "told", "why"]

_CONTROLS = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


def printable(text: str) -> str:
    """A model's text without what could steer a terminal: escape sequences begin with a control character."""
    return text.translate(_CONTROLS)


def found(error: StreamError) -> str:
    """An error in three words: "Rate limited (429)"."""
    title = KINDS[error.kind].title if isinstance(error, AllTargetsFailed) else error.title
    return f"{title} ({error.status})" if error.status else title


def told(event: Event) -> str | None:
    """One event as a line; None for one that says nothing new."""
    match event:
        case AttemptStarted():
            return f"{event.target}  attempt {event.attempt}"
        case RetryScheduled():
            again = f"again in {event.wait:.1f} s{why(event)} (attempt {event.attempt + 1}/{event.attempts})"
            return f"{event.target}  {found(event.error)}, {again}"
        case FellBack(how="continuation"):
            return f"{event.source}  {found(event.error)}, {continuing(event)}"
        case FellBack():
            return f"{event.source}  {found(event.error)}, going on with {event.target}"
    return None


def continuing(event: FellBack) -> str:
    """What is done with an answer that broke off in the middle."""
    return f"asking for the rest of its answer ({event.method})"


def why(event: RetryScheduled) -> str:
    """Whose idea the wait is."""
    return ", as it asks" if event.error.retry_after else ""


def _tokens(transcript: Transcript) -> str | None:
    """What was counted, as "21 tokens in, 57 out"; None when the provider counted nothing."""
    usage = transcript.usage
    parts = [
        f"{count} {word}"
        for count, word in ((usage.input_tokens, "tokens in"), (usage.output_tokens, "out"))
        if count is not None
    ]
    return ", ".join(parts) or None


def summary(transcript: Transcript) -> str:
    """How it went in one line: outcome, target, tokens, attempts, times."""
    tried = {0: "nothing sent", 1: "1 attempt"}.get(count := len(transcript.attempts), f"{count} attempts")
    first, whole = transcript.time_to_first_chunk, transcript.duration
    parts = (
        transcript.target,
        _tokens(transcript),
        tried,
        None if first is None else f"first chunk {first:.2f} s",
        None if whole is None else f"all {whole:.2f} s",
    )
    return " · ".join(part for part in parts if part)


def result_of(attempt: Attempt, transcript: Transcript) -> str:
    """How one attempt ended: what failed, or how much it gave."""
    if attempt.error is not None:
        return failed(attempt.error, attempt)
    return f"{transcript.outcome}, {attempt.chunks} chunks"


def failed(error: StreamError, attempt: Attempt | None) -> str:
    """An error, and how much had come before it."""
    begun = attempt is not None and attempt.time_to_first_chunk is not None
    return f"{found(error)}, after {attempt.chunks} chunks" if attempt is not None and begun else found(error)


def complaint(error: StreamError) -> list[str]:
    """The lines under an error's title: what happened, at each target if there were several; what to do."""
    if isinstance(error, AllTargetsFailed):
        happened = [f"{one.target}: {one.message}" for one in error.errors]
    else:
        happened = [error.message]
    return [*happened, error.resolution]
