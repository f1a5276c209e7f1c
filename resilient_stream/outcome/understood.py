"""Decides whether an answer was understood: counts content without a chunk class, and checks its end for
contradictions.

An answer can end properly and still say nothing, because its content was in an unknown place. So unknown content is
counted here, and an end without content is compared with the reason and the token count beside it. An answer is checked
once, at its end, and by no provider's name.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence

from ..chunks import Chunk, Finished, Raw, ReasoningDelta, TextDelta, Usage
from ..failures import ErrorKind, Failure
from .traits import TRAITS

__all__ = ["MAX_NAMES", "NOTHING_READ", "OTHERS", "clean", "contradiction", "tally", "warn"]

logger = logging.getLogger("resilient_stream")

NOTHING_READ = "nothing_read"
"""The code of the failure of an answer that ended well and said nothing that could be read."""

FEW = 10
"""Output tokens that an empty answer may cost: marks that begin and end a turn are counted by some servers, and a stop
sequence at once is. Recorded empty answers have 0 to 4."""

MAX_NAMES = 64
"""Names that are counted one by one; servers make them."""
OTHERS = "others"
"""The name under which all further names are counted."""
MAX_NAME = 64
MAX_WARNED = 1024
SHOWN = 6
"""Names in an error's message."""

_CONTROL = re.compile(r"[^\x20-\x7e]")


def clean(name: str) -> str:
    """Return a name from a server as it may be shown in a log line or a terminal."""
    return _CONTROL.sub("", name[: 4 * MAX_NAME])[:MAX_NAME] or "unnamed"


def tally(names: Iterable[str], counts: dict[str, int]) -> dict[str, int]:
    """Count names into `counts`, at most `MAX_NAMES` of them and one for the rest."""
    for name in names:
        known = name if name in counts or len(counts) < MAX_NAMES else OTHERS
        counts[known] = counts.get(known, 0) + 1
    return counts


def warn(target: str, names: Iterable[str], warned: set[tuple[str, str]]) -> None:
    """Log, once for each target and name, that something of an answer comes as `Raw`. warned: of what it was said."""
    for name in names:
        if (target, name) not in warned and len(warned) < MAX_WARNED:
            warned.add((target, name))
            logger.warning(
                "%s sent content that is not modelled, %s: it is passed on as a Raw chunk", target, name,
                extra={"target": target, "event": name},
            )  # fmt: skip


def contradiction(chunks: Sequence[Chunk]) -> Failure | None:
    """Return why an answer that ended properly is no answer: its end speaks of content that is not there. None for a
    real answer.

    Content that is passed on as `Raw` is there. Content that is only suspected is not.
    """
    finished = next((chunk for chunk in reversed(chunks) if type(chunk) is Finished), None)
    reason = finished.reason if finished is not None else "stop"
    if reason == "tool_calls":
        return _without_a_call(chunks)
    if reason not in ("stop", "other") or (finished is not None and finished.explanation):
        return None  # an end of this kind explains the missing content
    return None if any(map(_has_content, chunks)) else _says_nothing(chunks)


def _without_a_call(chunks: Sequence[Chunk]) -> Failure | None:
    """Return the failure for an answer that ended to have tools called, without a call. A tool that ran at the provider
    is passed on as `Raw`."""
    if any(chunk.content and TRAITS[type(chunk)].calls for chunk in chunks):
        return None
    if not any(map(_has_content, chunks)):
        return _nothing_read(chunks, "tool calls")
    # Its text was delivered, so neither a retry nor a fallback may repeat it.
    return Failure(kind=ErrorKind.MODEL_OUTPUT_INVALID, code="no_call", retry=False, fallback=False)


def _says_nothing(chunks: Sequence[Chunk]) -> Failure | None:
    """Return whether it has no text and no call. Reasoning alone is enough, unless the provider counted more than
    that."""
    unread = _tokens_unread(chunks)
    if unread is not None:
        return _nothing_read(chunks, f"{unread} tokens") if unread > FEW else None
    reasoned = any(type(chunk) is ReasoningDelta for chunk in chunks)
    return _nothing_read(chunks, "") if _doubtful(chunks) and not reasoned else None


def _tokens_unread(chunks: Sequence[Chunk]) -> int | None:
    """Return the output tokens beyond the reasoning, which some providers include in them and some count separately."""
    usage = next((chunk for chunk in reversed(chunks) if type(chunk) is Usage), None)
    if usage is None or usage.output_tokens is None:
        return None
    written, thought = usage.output_tokens, usage.reasoning_tokens
    if thought is None:
        return None if any(type(chunk) is ReasoningDelta for chunk in chunks) else written
    return written - thought if thought <= written else written


def _has_content(chunk: Chunk) -> bool:
    return chunk.content and TRAITS[type(chunk)].answers and not (type(chunk) is TextDelta and not chunk.text)


def _doubtful(chunks: Sequence[Chunk]) -> list[str]:
    """Return the names of what may have been content."""
    return list(dict.fromkeys(chunk.event for chunk in chunks if type(chunk) is Raw and chunk.standing == "doubt"))


def _nothing_read(chunks: Sequence[Chunk], missing: str) -> Failure:
    """Return the failure; it allows one retry: if a host cannot express something once, more tries do not help."""
    names = _doubtful(chunks)
    shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    facts = {"missing": missing or None, "unknown": shown or None}
    return Failure(kind=ErrorKind.UNEXPECTED_RESPONSE, code=NOTHING_READ, retry=True, facts=facts)
