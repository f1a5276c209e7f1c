"""Which name was meant by one that is nearly right.

Only a near name is offered; a guess that is far off is worse than none. This module must never cost anything before a
mistake was made.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["did_you_mean", "nearest"]


def nearest(name: str, known: Iterable[str], closeness: float = 0.7) -> str | None:
    """The known name that is most like this one, whatever its case; None when no one is like it."""
    from difflib import get_close_matches  # read for a mistake only

    spelt = {each.lower(): each for each in known}
    near = get_close_matches(name.lower()[:100], spelt, n=1, cutoff=closeness)
    return spelt[near[0]] if near else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`: did you mean max_tokens?`, or nothing, to be put behind what is wrong with the name."""
    near = nearest(name, known)
    return f": did you mean {near}?" if near else ""
