"""Interprets finish reasons that are not in a dialect's own table, or are spelt differently there.

Servers and gateways write `MAX_TOKENS` for `max_tokens`, and invent reasons for answers that failed: `server_error`,
`Aborted`, `cancelled`. An answer with such a reason is not whole, so these are recognised by the words in them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ...chunks import FinishReason
from ...failures import ErrorKind

__all__ = ["End", "end_of", "failed_end"]

End = tuple[FinishReason, str | None]

_LETTERS = re.compile(r"[^a-z]+")

_FAILED: tuple[tuple[str, ErrorKind], ...] = (
    ("malformed", ErrorKind.MODEL_OUTPUT_INVALID),
    ("overload", ErrorKind.PROVIDER_OVERLOADED),
    ("timeout", ErrorKind.PROVIDER_TIMEOUT),
    ("timedout", ErrorKind.PROVIDER_TIMEOUT),
    ("abort", ErrorKind.STREAM_INTERRUPTED),
    ("cancel", ErrorKind.STREAM_INTERRUPTED),
    ("interrupt", ErrorKind.STREAM_INTERRUPTED),
    ("disconnect", ErrorKind.STREAM_INTERRUPTED),
    ("error", ErrorKind.SERVER_ERROR),
    ("fail", ErrorKind.SERVER_ERROR),
    ("exception", ErrorKind.SERVER_ERROR),
    ("crash", ErrorKind.SERVER_ERROR),
)
"""Parts of words that mean that an answer failed, the most specific first."""

_ENDED: tuple[tuple[str, End], ...] = (
    ("maxtokens", ("length", "output_truncated")),
    ("maxoutputtokens", ("length", "output_truncated")),
    ("maxlength", ("length", "output_truncated")),
    ("contextwindow", ("length", "output_truncated")),
    ("contentfilter", ("content_filter", "content_filtered")),
    ("safety", ("content_filter", "content_filtered")),
    ("guardrail", ("content_filter", "content_filtered")),
    ("refus", ("refusal", "refusal")),
)
"""Parts of words that mean that an answer ended but is not whole, in other dialects."""


def failed_end(word: str, own: Mapping[str, ErrorKind], good: Mapping[str, End]) -> ErrorKind | None:
    """Return the kind of failure that a finish reason means; None for a reason that ends an answer.

    own, good: the dialect's tables, which are asked before the families of words.
    """
    if word in own:
        return own[word]
    if not word or word in good:
        return None
    letters = _letters(word)
    return next((kind for part, kind in _FAILED if part in letters), None)


def end_of(word: str, own: Mapping[str, End]) -> End:
    """Return the finish reason in our words for one in the provider's; ("other", None) for one that nobody knows."""
    if word in own:
        return own[word]
    letters = _letters(word)
    spelled = next((end for name, end in own.items() if _letters(name) == letters), None)
    return spelled or next((end for part, end in _ENDED if part in letters), ("other", None))


def _letters(word: str) -> str:
    return _LETTERS.sub("", word[:200].lower())
