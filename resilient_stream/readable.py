"""Figures as a person reads them: seconds, amounts, moments, and the line shown while the SDK waits.

The one rule: one wording for one thing. Errors, the command line and the log say a wait in the same words.
Must never: look at a clock or a locale. The same value gives the same words, today and in last year's log.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

__all__ = ["amount", "duration", "kept", "moment", "retrying"]

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_STEPS = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
_EXACT_BELOW = 120
"""Seconds up to which people count in seconds."""


def duration(seconds: float) -> str:
    """`0.25 s`, `3.2 s`, `90 s`, `9 min 38 s`, `5 h 12 min`, `2 d 3 h`: two units at most."""
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.1f}".removesuffix(".0") + " s"
    if seconds < _EXACT_BELOW:
        return f"{seconds:.0f} s"
    size, name, small, small_name = next(step for step in _STEPS if seconds >= step[0])
    whole, rest = divmod(round(seconds / small) * small, size)
    return f"{whole:.0f} {name} {rest / small:.0f} {small_name}" if rest else f"{whole:.0f} {name}"


def amount(value: object) -> str:
    """`128,000` or `30,601 tokens`: separators between thousands."""
    return re.sub(r"\d{4,}", lambda digits: f"{int(digits[0]):,}", str(value))


def moment(iso: str) -> str:
    """`on 1 August 2026 at 14:05 UTC`, from ISO 8601; a text that is none stays as it is."""
    try:
        when = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    when = when.astimezone(UTC) if when.tzinfo else when
    return f"on {when.day} {_MONTHS[when.month - 1]} {when.year} at {when:%H:%M} UTC"


def kept(characters: int) -> str | None:
    """`312 characters were`, for what was received of an answer; None for nothing."""
    return None if not characters else "1 character was" if characters == 1 else f"{characters:,} characters were"


def retrying(wait: float, attempt: int, attempts: int) -> str:
    """`Retrying in 3.2 s (attempt 2/5)`. attempt: the one that comes after the wait."""
    when = f"in {duration(wait)}" if wait > 0 else "now"
    return f"Retrying {when} (attempt {attempt}/{attempts})"
