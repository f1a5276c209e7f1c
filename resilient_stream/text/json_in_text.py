"""Finds the JSON in an answer that a model wrote around it: a code fence, a sentence before, a sentence after.

What is found is only read; the text that was delivered is not changed. The work is linear in the text.
"""

from __future__ import annotations

__all__ = ["json_begins", "json_in"]

_CLOSES = {"{": "}", "[": "]"}


def json_begins(text: str, start: int = 0) -> int:
    """Return where the first object or list begins, from `start` on; -1 where there is none."""
    found = [place for place in (text.find("{", start), text.find("[", start)) if place >= 0]
    return min(found, default=-1)


def json_in(text: str) -> str:
    """Return the text from the first bracket to the last one that closes it, or the whole text if it has no brackets.

    An object or a list that was cut is returned up to where it was cut.
    """
    text = text.strip()
    begin = json_begins(text)
    if begin < 0:
        return text
    end = text.rfind(_CLOSES[text[begin]])
    return text[begin : end + 1] if end > begin else text[begin:]
