"""Words events, summaries and errors in a line or two of text for people.

All functions are pure: they return a text and print nothing. They use only words that the documents use.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from ..chunks import File, Seam, ServerToolCall, ServerToolResult, Source, ToolCall, Usage
from ..conversation.progress import ToolProgress
from ..conversation.turns import ConversationRecord, ToolResult
from ..events import AttemptStarted, BreakerChanged, Event, FellBack, Hedged, RetryScheduled
from ..failures.kinds import KINDS
from ..outcome.errors import AllTargetsFailed, StreamError
from ..outcome.transcript import Attempt, Transcript
from ..text import readable
from ..text.readable import printable

__all__ = [
    "attempt_error",
    "attempt_line",
    "call_line",
    "error_lines",
    "event_line",
    "exchange_line",
    "file_line",
    "footnotes",
    "for_a_prompt",
    "how_it_goes_on",
    "printable",
    "progress_line",
    "result_line",
    "seam_line",
    "server_line",
    "short_error",
    "summary",
    "unmodelled",
    "who_asked",
    "whole_call",
]

SHOWN = 6
"""How many names of events are shown."""
FOOTNOTES = 20
"""How many sources are shown."""
WIDEST = 160
"""Characters of a tool's call or result that are shown."""


def short_error(error: StreamError) -> str:
    """Return an error in three words: "Rate limited (429)"."""
    title = KINDS[error.kind].title if isinstance(error, AllTargetsFailed) else error.title
    return f"{title} ({error.status})" if error.status else title


def event_line(event: Event) -> str | None:
    """Return an event as a line; None for an event that says nothing new."""
    match event:
        case AttemptStarted():
            return f"{event.target}  attempt {event.attempt}"
        case RetryScheduled():
            again = readable.retrying(event.wait, event.attempt + 1, event.attempts)
            return f"{event.target}  {short_error(event.error)}. {again}{who_asked(event)}"
        case Hedged():
            return f"{event.source}  no content for {readable.duration(event.after)}, asking {event.target} as well"
        case BreakerChanged():
            return f"{event.target}  {_breaker(event)}"
        case FellBack():
            return f"{event.source}  {short_error(event.error)}, {how_it_goes_on(event)}"
    return None


def _breaker(event: BreakerChanged) -> str:
    """Say what the breaker does with a target from now on."""
    if event.state != "open":
        return "is asked as usual again" if event.state == "closed" else "this request tests whether it is well again"
    failed = f"is sick: {event.failure_rate * 100:.0f} % of its requests failed"
    why = failed if event.failure_rate else "wants to be left alone"
    return f"{why}; not asked for {readable.duration(event.wait or 0.0)}"


def how_it_goes_on(event: FellBack) -> str:
    """Say what is done after a failure: the next target is asked, or the same one again in another way."""
    match event.how:
        case "continuation":
            return f"asking for the rest of its answer ({event.method})"
        case "buffered":
            return "this time asking for the whole answer at once"
        case "interactive":
            return "asking a person, and then it again"
    return "asking it again" if event.target == event.source else f"going on with {event.target}"


def who_asked(event: RetryScheduled) -> str:
    """Say whether the provider asked for the wait."""
    return ", as it asks" if event.error.retry_after else ""


def _tokens(usage: Usage, of: str = "") -> str | None:
    """Return the counts as "21 tokens in, 57 out"; None when the provider counted nothing. of: "at least "."""
    parts = [
        f"{count} {word}"
        for count, word in ((usage.input_tokens, "tokens in"), (usage.output_tokens, "out"))
        if count is not None
    ]
    return of + ", ".join(parts) if parts else None


def _in_all(transcript: Transcript) -> str | None:
    """Return the tokens of all requests of a call; "at least" if one broke off before its provider had counted."""
    answered = [attempt for attempt in transcript.attempts if attempt.chunks]
    counted = [attempt.usage for attempt in answered if attempt.usage is not None]
    if len(answered) < 2:
        return _tokens(transcript.usage)
    total = Usage(
        input_tokens=_sum(usage.input_tokens for usage in counted),
        output_tokens=_sum(usage.output_tokens for usage in counted),
    )
    return _tokens(total, "" if len(counted) == len(answered) else "at least ")


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def summary(transcript: Transcript) -> str:
    """Return how a call went in one line: outcome, target, tokens, attempts, times."""
    tried = {0: "nothing sent", 1: "1 attempt"}.get(count := transcript.requests, f"{count} attempts")
    first, whole = transcript.time_to_first_chunk, transcript.duration
    parts = (
        transcript.target,
        _in_all(transcript),
        tried,
        None if first is None else f"first chunk {first:.2f} s",
        None if whole is None else f"all {whole:.2f} s",
    )
    return " · ".join(part for part in parts if part)


def unmodelled(*transcripts: Transcript) -> str | None:
    """Return what of an answer has no chunk class here, as "2 events that are not modelled: image, map"."""
    names = [name for transcript in transcripts for name in transcript.unmodelled]
    count = sum(sum(transcript.unmodelled.values()) for transcript in transcripts)
    if not count:
        return None
    named = list(dict.fromkeys(names))
    shown = ", ".join(named[:SHOWN]) + (f" and {len(named) - SHOWN} more" if len(named) > SHOWN else "")
    return f"{count} event{'s that are' if count > 1 else ' that is'} not modelled: {shown}"


def exchange_line(record: ConversationRecord) -> str:
    """Return how a question and its answer went in one line: target, tokens, turns, time."""
    turns = len(record.turns)
    last = record.transcripts[-1] if turns else None
    parts = (
        last.target if last else None,
        _tokens(record.usage),
        f"{turns} turns" if turns > 1 else None,
        None if record.duration is None else f"{record.duration:.1f} s",
    )
    return " · ".join(part for part in parts if part)


def call_line(call: ToolCall) -> str:
    """Return a tool call as Python code would have it."""
    return _line(whole_call(call))


def whole_call(call: ToolCall) -> str:
    """Return a tool call as Python code with all of its arguments, for somebody who has to say whether it may run."""
    items = (call.parsed or {}).items()
    given = (f"{readable.one_line(name)}={json.dumps(value, ensure_ascii=False)}" for name, value in items)
    return f"→ {readable.one_line(call.name)}({call.arguments if call.parsed is None else ', '.join(given)})"


def result_line(result: ToolResult) -> str:
    """Return what the model was told about a call."""
    return _line(f"← {'(complaint) ' if result.error else ''}{result.content}")


def progress_line(report: ToolProgress) -> str:
    """Return how far a tool is."""
    part = report.fraction
    done = f"{part:.0%}" if part is not None else "" if report.progress is None else f"{report.progress:g}"
    return _line(" ".join(filter(None, (f"… {report.name}", done, report.message))))


def server_line(chunk: object) -> str | None:
    """Return a line for a tool that the provider runs itself, as it begins, or as it fails. What a good one found is in
    the answer."""
    if isinstance(chunk, ServerToolCall):
        given = chunk.arguments if chunk.parsed is None else json.dumps(chunk.parsed, ensure_ascii=False)
        return _line(f"⇢ {chunk.name} {given}")
    if isinstance(chunk, ServerToolResult) and chunk.is_error:
        return _line(f"⇠ {chunk.name} failed: {json.dumps(chunk.result, ensure_ascii=False, default=str)}")
    return None


def footnotes(sources: Iterable[Source]) -> list[str]:
    """Return what an answer rests on, each page or document once, in the order in which it was first named."""
    found = dict.fromkeys((source.title or source.url or source.id, source.url) for source in sources)
    named = [(title, url) for title, url in found if title]
    lines = [
        _line(f"[{number}] {title}{_address_of(url, title)}")
        for number, (title, url) in enumerate(named[:FOOTNOTES], 1)
    ]
    return lines + ([f"and {len(named) - FOOTNOTES} more sources"] if len(named) > FOOTNOTES else [])


def _address_of(url: str, title: str) -> str:
    return f" {url}" if url and url != title else ""


def file_line(file: File) -> str:
    """Return a line for a file that was not saved."""
    if file.data is None:
        return _line(f"A file came ({file.media_type}): {file.url or file.id}")
    return _line(f"A file came ({file.media_type}, {len(file.data):,} bytes); --save FOLDER keeps it.")


def seam_line(seam: Seam) -> str:
    """Return a line for the place where another target took over."""
    if seam.restart:
        return f"[{seam.source} broke off; {seam.target} begins anew, what stands above no longer counts]"
    return f"[{seam.source} broke off; {seam.target} goes on from here]"


def _line(text: str) -> str:
    """Return a text on one line, shortened if it is long."""
    line = " ".join(text.split())
    return line if len(line) <= WIDEST else line[: WIDEST - 1] + "…"


def attempt_line(attempt: Attempt, transcript: Transcript) -> str:
    """Return how one attempt ended: what failed, or how much it gave."""
    if attempt.error is not None:
        return attempt_error(attempt.error, attempt)
    return f"{transcript.outcome}, {attempt.chunks} chunks"


def attempt_error(error: StreamError, attempt: Attempt | None) -> str:
    """Return an error, and how much had been received before it."""
    begun = attempt is not None and attempt.time_to_first_chunk is not None
    return (
        f"{short_error(error)}, after {attempt.chunks} chunks" if attempt is not None and begun else short_error(error)
    )


def error_lines(error: StreamError) -> list[str]:
    """Return the lines under an error's title: what happened and what to do, for each of several targets."""
    if isinstance(error, AllTargetsFailed):
        return [f"{one.target}: {one.title}. {one.message} {for_a_prompt(one.resolution)}" for one in error.errors]
    return [error.message, for_a_prompt(error.resolution)]


IN_CODE = (
    (", or from the target's api_key.", "."),
    (" A target can also be given its api_key.", ""),
    (", or give the target its base_url.", "."),
    ("or give Recovery more methods or targets.", "or name another target with --to."),
    ("or give Recovery other methods or targets.", "or name another target with --to."),
)
"""Parts of resolutions that are for people who write code, with the words for people who type a command."""


def for_a_prompt(resolution: str) -> str:
    """Return a resolution in words for somebody at a command line."""
    for code, words in IN_CODE:
        resolution = resolution.replace(code, words)
    return resolution
