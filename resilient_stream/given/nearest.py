"""Finds the name that was probably meant by one that is nearly right.

Only a similar name is suggested, since a wrong guess is worse than none. Nothing is imported or computed before a
mistake was made.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["did_you_mean", "nearest"]


def nearest(name: str, known: Iterable[str], closeness: float = 0.7) -> str | None:
    """Return the known name that is most similar, whatever its case; None when none is similar."""
    from difflib import get_close_matches  # imported only to explain a mistake

    spelt = {each.lower(): each for each in known}
    near = get_close_matches(name.lower()[:100], spelt, n=1, cutoff=closeness)
    return spelt[near[0]] if near else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `: did you mean max_tokens?`, or nothing, to follow what is wrong with the name."""
    near = nearest(name, known)
    return f": did you mean {near}?" if near else ""
