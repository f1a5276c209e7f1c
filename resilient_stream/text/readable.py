"""Writes figures for people (seconds, amounts, moments, the line shown while the SDK waits) and makes outside text safe
to show.

Errors, the command line and the log use the same words for the same thing. No clock and no locale is used, so the same
value always gives the same words.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime

__all__ = ["amount", "duration", "kept", "moment", "odd_character", "one_line", "printable", "retrying"]

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_STEPS = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
_EXACT_BELOW = 120
"""Seconds below which a duration is given in seconds alone."""

# What controls a terminal, in its 7-bit form (ESC and a letter) and its 8-bit one. No class holds the beginning of
# another sequence, so the time is linear in the text.
_SEQUENCES = (
    r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x00-\x1f\x7f-\x9f]*+(?:\x07|\x1b\\|\x9c)"  # OSC, DCS, SOS, PM, APC
    r"|(?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]?"  # CSI
    r"|\x1b[ -/]*+[0-~]?"  # all others, and the beginning of a string that does not end
)
_CONTROLS = {
    **dict.fromkeys([*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0)]),
    **dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xE0000, 0xE0080)]),
    0x2028: "\n",
    0x2029: "\n",
}
"""Control characters except tab and line feed, marks that reverse the direction of a line, and invisible tags."""

_QUOTES = frozenset("‘’‚‛“”„‟«»‹›")
"""Quotation marks as word processors write them; they are never intended in a header."""


def duration(seconds: float) -> str:
    """Return seconds as `0.25 s`, `3.2 s`, `90 s`, `9 min 38 s`, `5 h 12 min`, `2 d 3 h`: two units at most."""
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.1f}".removesuffix(".0") + " s"
    if seconds < _EXACT_BELOW:
        return f"{seconds:.0f} s"
    size, name, small, small_name = next(step for step in _STEPS if seconds >= step[0])
    whole, rest = divmod(round(seconds / small) * small, size)
    return f"{whole:.0f} {name} {rest / small:.0f} {small_name}" if rest else f"{whole:.0f} {name}"


def amount(value: object) -> str:
    """Return a number as `128,000` or `30,601 tokens`, with separators between thousands."""
    return re.sub(r"\d{4,}", lambda digits: f"{int(digits[0]):,}", str(value))


def moment(iso: str) -> str:
    """Return a moment as `on 1 August 2026 at 14:05 UTC`, from ISO 8601; another text is returned unchanged."""
    try:
        when = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    when = when.astimezone(UTC) if when.tzinfo else when
    return f"on {when.day} {_MONTHS[when.month - 1]} {when.year} at {when:%H:%M} UTC"


def kept(characters: int) -> str | None:
    """Return words for what was received of an answer, like `312 characters were`; None when nothing was."""
    return None if not characters else "1 character was" if characters == 1 else f"{characters:,} characters were"


def retrying(wait: float, attempt: int, attempts: int) -> str:
    """Return `Retrying in 3.2 s (attempt 2/5)`. attempt: the one that comes after the wait."""
    when = f"in {duration(wait)}" if wait > 0 else "now"
    return f"Retrying {when} (attempt {attempt}/{attempts})"


def printable(text: str) -> str:
    """Return outside text without what could control a terminal, reorder a line or break an encoding.

    Escape sequences, control characters (but for line feed and tab), bidirectional overrides and tags are removed; half
    a surrogate pair becomes U+FFFD.
    """
    if text.isprintable():
        return text
    return re.sub("[\ud800-\udfff]", "\ufffd", re.sub(_SEQUENCES, "", text).translate(_CONTROLS))


def one_line(text: str) -> str:
    """Return outside text on one line: any white space, a line's end included, becomes one blank."""
    return printable(" ".join(text.split()))


def odd_character(value: str, ascii_only: bool) -> str:
    """Return the name of the first character that does not belong in a header or a key; "" if there is none."""
    if value.isascii() and value.isprintable():  # nearly every one, and a key has a hundred characters and more
        return ""
    found = next((mark for mark in value if _is_odd(mark, ascii_only)), None)
    if found is None:
        return ""
    name = "a line break" if found in "\r\n" else unicodedata.name(found, "a control character").lower()
    return f"{name} (U+{ord(found):04X})"


def _is_odd(mark: str, ascii_only: bool) -> bool:
    if mark.isascii():
        return not mark.isprintable() and mark != "\t"
    return ascii_only or mark in _QUOTES or unicodedata.category(mark)[0] in "CZ"
