"""Defines the form of error rules: tables from code, phrase or status to kind, and how some override others.

    codes      a name that says it all: `invalid_api_key`, `insufficient_quota`
    phrases    families of sentences, for what has no code of its own: money, long quotas, overlong input
    types      a name that says the class only, and so comes after the phrases: `rate_limit_error`
    statuses   the HTTP status, at last; `implied` is the status that a vague name stands for inside a stream

They are asked in that order and the first hit wins. A 429 may be money, a 400 may be a bad key. No row stands here: the
shared ones are in `generic.py`, a provider's own in its package's `errors.py`.
"""

from __future__ import annotations

import functools
import re
from bisect import bisect_left
from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple, TypeAlias

from ..failures import ErrorCategory, ErrorKind

__all__ = ["Near", "Phrase", "Rules", "Verdict", "make_rules", "near", "parts_of", "phrase"]


class Verdict(NamedTuple):
    """Names a kind, and says where this case differs from the kind's own row in `KINDS`."""

    kind: ErrorKind
    retry: bool | None = None
    fallback: bool | None = None
    category: ErrorCategory | None = None
    max_attempts: int | None = None


class Near(NamedTuple):
    """Finds words that stand near one another in a line: what is spoken of, and last what is said of it, in any order.

    within: characters between each of them and the last; half as many where the last comes first.
    """

    words: tuple[str, ...]
    within: int

    def met(self, text: str) -> bool:
        """Return whether the last of the words stands near one of each of the others."""
        text = text.lower()
        *others, last = ([found.span() for found in _compiled(words).finditer(text)] for words in self.words)
        return any(all(self._beside(place, spans, text) for spans in others) for place in last)

    def _beside(self, place: tuple[int, int], spans: list[tuple[int, int]], text: str) -> bool:
        """Return whether the nearest of the spans, which are in order, ends before or begins after a place in reach."""
        start, end = place
        ahead = bisect_left(spans, place)
        before = [(stop, start, self.within) for _, stop in spans[max(ahead - 2, 0) : ahead] if stop <= start]
        behind = [(end, begin, self.within // 2) for begin, _ in spans[ahead : ahead + 2] if begin >= end]
        return any(to - since <= reach and "\n" not in text[since:to] for since, to, reach in before + behind)


class Phrase(NamedTuple):
    """Matches a family of sentences, line by line, by a pattern or by words that stand near one another.

    `unless` vetoes it; `statuses` limits it (0: none known); without `ascii`, a text of ASCII alone cannot have it.

    Texts and patterns are made lower case: a search that folds the case of each sign takes twice as long.

    The patterns are compiled at the first failure, so importing costs nothing.
    """

    pattern: str
    verdict: Verdict
    unless: str = ""
    statuses: frozenset[int] = frozenset()
    near: tuple[Near, ...] = ()
    ascii: bool = True

    def says(self, text: str, status: int) -> bool:
        """Return whether a text has such a sentence."""
        if (self.statuses and status not in self.statuses) or (not self.ascii and text.isascii()):
            return False
        text = text.lower()
        said = _occurs(self.pattern, text) or any(near.met(text) for near in self.near)
        return said and not _occurs(self.unless, text)


class Rules(NamedTuple):
    """Holds the tables of one provider, the shared ones included. `pages`: statuses of HTML pages that differ."""

    codes: Mapping[str, Verdict]
    phrases: tuple[Phrase, ...]
    types: Mapping[str, Verdict]
    implied: Mapping[str, int]
    statuses: Mapping[int, Verdict]
    pages: Mapping[int, Verdict]

    def phrase_in(self, text: str, status: int, silent: Container[ErrorKind] = ()) -> Phrase | None:
        """Return the first phrase that a text has. silent: kinds that are not asked."""
        asked = (phrase for phrase in self.phrases if phrase.verdict.kind not in silent)
        return next((phrase for phrase in asked if phrase.says(text, status)), None)

    def knows(self, name: str) -> bool:
        """Return whether a name is in a table; one that is not is read as words."""
        return any(part in table for part in parts_of(name) for table in (self.codes, self.types, self.implied))


Means: TypeAlias = ErrorKind | Verdict
Named: TypeAlias = Mapping[Means, str]

_NONE: Mapping[Means, str] = {}
_CAPITALS = re.compile(r"\\.|\(\?P|[A-Z]+")
"""Capital letters of a pattern; what begins with a backslash or names a group is passed over, and stays as it is."""


def normal(name: str) -> str:
    """Return one spelling for `ThrottlingException`, `throttling_exception` and `throttling`."""
    return re.sub(r"[^a-z0-9]", "", name.lower()).removesuffix("exception")


def parts_of(name: str) -> tuple[str, ...]:
    """Return a name, and the parts of `unauthenticated:bad-credentials` or `aws#Throttling`, in one spelling."""
    pieces = re.split(r"[:#]", name)
    return tuple(dict.fromkeys(filter(None, map(normal, (name, *pieces)))))


def phrase(means: Means, *ways: str | Near, unless: str = "", statuses: Iterable[int] = ()) -> Phrase:
    """Return a phrase from its alternatives, whatever their case: patterns, and words near one another."""
    pattern = "|".join(way for way in ways if isinstance(way, str))
    near = tuple(way for way in ways if isinstance(way, Near))
    return Phrase(pattern, _verdict(means), unless, frozenset(statuses), near)


def near(*words: str, within: int = 60, edge: str = r"\b") -> Near:
    """Return words that must stand near one another, the last within so many characters of the others. edge: of a word;
    a language without spaces has none."""
    return Near(tuple(rf"{edge}(?:{one}){edge}" for one in words), within)


def make_rules(
    *,
    codes: Named = _NONE,
    phrases: tuple[Phrase, ...] = (),
    types: Named = _NONE,
    implied: Mapping[int, str] | None = None,
    statuses: Mapping[int, Means] | None = None,
    pages: Mapping[int, Means] | None = None,
    over: Rules | None = None,
) -> Rules:
    """Return rules from tables as they are written (kind: names), over other rules: codes override, phrases are asked
    first."""
    base = over or Rules({}, (), {}, {}, {}, {})
    names = {normal(name): status for status, line in (implied or {}).items() for name in line.split()}
    return Rules(
        codes={**base.codes, **_named(codes)},
        phrases=(*phrases, *base.phrases),
        types={**base.types, **_named(types)},
        implied={**base.implied, **names},
        statuses={**base.statuses, **_numbered(statuses)},
        pages={**base.pages, **_numbered(pages)},
    )


def _verdict(means: Means) -> Verdict:
    return means if isinstance(means, Verdict) else Verdict(means)


def _named(table: Named) -> dict[str, Verdict]:
    return {normal(name): _verdict(means) for means, names in table.items() for name in names.split()}


def _numbered(table: Mapping[int, Means] | None) -> dict[int, Verdict]:
    return {status: _verdict(means) for status, means in (table or {}).items()}


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Return a pattern of a table, compiled once: all of them take 30 ms, and `re` forgets some in a program that has
    many of its own."""
    lower = _CAPITALS.sub(lambda found: found[0] if found[0][0] in "\\(" else found[0].lower(), pattern)
    return re.compile(lower, re.MULTILINE)


def _occurs(pattern: str, text: str) -> bool:
    return bool(pattern and _compiled(pattern).search(text))
