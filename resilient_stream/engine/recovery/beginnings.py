"""Tells from the beginning of a second answer whether it goes on, says the same again, or begins anew.

In doubt it does not go on: a refused continuation costs a request, a wrong one is a wrong answer. Only the beginning is
looked at, because what a model says later is its answer.

A comparison tells nothing about a text of few different characters: a line of dashes goes on with dashes.
"""

from __future__ import annotations

import re

__all__ = ["LOOK", "STARTS_OVER", "Overlap", "common", "objection", "tells"]

TELLING = 12
"""Characters that two texts do not have in common by chance, if enough of them differ."""
DIFFERENT = 7
SHORTEST = 6
"""Characters of overlap that are none by chance, also in the middle of a word."""
FARTHEST = 4_000
"""Characters from its end that a text is searched for an overlap; and its whole."""
LOOK = 48
"""Characters of a reply that are looked at before it is believed."""
STEPS = 8
"""An overlap that goes on is looked at again when the reply has grown by one part in so many."""

_PREFACE = re.compile(
    r"""\W*+ (?:
      (?:sure|certainly|of\ course|absolutely|okay|ok|understood|got\ it|no\ problem|alright|great|right|yes)
        (?:\ thing)? \s*+ [,.!:;—–-]
    | (?:i\ (?:apologi[sz]e|am\ sorry)|i['’]m\ sorry|sorry|apologies|my\ apologies|pardon) \b
    | (?:here(?:\ is|['’]s|\ are|\ you\ go)|this\ is|below\ is|let\ me|i(?:['’]ll|\ will|\ can)) \b
        .{0,24}? \b (?:rest|remain\w*|continu\w*|missing|next\ part|complete|full|pick\ up|resum\w*|finish\w*)
    | (?:continuing|continuation|continued|picking\ up|resuming|to\ continue|where\ (?:i|we)\ left\ off) \b
    | as\ an\ ai \b
    )""",
    re.IGNORECASE | re.VERBOSE,
)
"""How a model that was asked to go on talks about it instead. In English; for other languages the other signs have
to do."""

_FENCE = re.compile(r"^ {0,3}```", re.MULTILINE)
_OPENS_FENCE = re.compile(r"```[^\s`]")
STARTS_OVER = re.compile(r"[A-ZÀ-Þ][a-zß-ÿ]*[ ,'’!:]|#{1,6} \S|…|\.\.\.")
_LETS_BEGIN = (*"([{<\"'“‘«*_`#>|/\\@$=-",)
"""What a capital letter may stand behind without a space."""


def common(one: str, other: str) -> int:
    """Return how many characters two texts have in common at their beginning."""
    same, differs = 0, min(len(one), len(other))
    if one[:differs] == other[:differs]:
        return differs
    while differs - same > 1:  # halving, since comparing slices is a hundred times faster than a loop
        middle = (same + differs) // 2
        if one[same:middle] == other[same:middle]:
            same = middle
        else:
            differs = middle
    return same


def tells(text: str) -> bool:
    """Return whether this much in common is no coincidence."""
    return len(text) >= TELLING and len(set(text)) >= DIFFERENT


class Overlap:
    """Finds how much of a text's end a reply says again at its beginning. It is fed piece by piece.

    length: the longest overlap found so far. open: the reply may still turn out to overlap by more.
    """

    def __init__(self, body: str) -> None:
        self.length = 0
        self._body = body
        self._first = len(body) - len(body.lstrip())
        self._varied = _last_varied(body)
        self._seen = 0
        self._new = ""
        self._starts = [0, *range(max(1, len(body) - FARTHEST), len(body))] if body else []

    @property
    def open(self) -> bool:
        """Return whether some place in the text reads on like the reply, as far as it has come."""
        return bool(self._starts)

    def feed(self, text: str) -> None:
        """Take the next piece of the reply."""
        self._new += text
        # Comparing after each letter would cost the square of a long overlap, so it is done when enough has come.
        if len(self._new) * STEPS >= self._seen:
            self.compare()

    def compare(self) -> None:
        """Compare all of the reply that has come."""
        body, text, seen = self._body, self._new, self._seen
        if not text:
            return
        still: list[int] = []
        for start in self._starts:
            left = len(body) - start - seen
            if left > len(text):
                if body.startswith(text, start + seen):
                    still.append(start)
            elif text.startswith(body[start + seen :]) and self._believable(start):
                self.length = max(self.length, len(body) - start)
        self._starts, self._seen, self._new = still, seen + len(text), ""

    def _believable(self, start: int) -> bool:
        """Return whether an overlap is long enough and no pattern, or whole words, or the whole text."""
        body, again = self._body, self._body[start:]
        if start <= self._first:
            return bool(again.lstrip(again[0]))
        if len(again) >= SHORTEST:
            return start <= self._varied
        inside_word = body[start - 1].isalnum() and again[0].isalnum()
        return not inside_word and sum(map(str.isalnum, again)) >= 2


def _last_varied(body: str) -> int:
    """Return the last place from which a text has three letters that differ; -1 where its end is a pattern of two."""
    letters: set[str] = set()
    for start in range(len(body) - 1, max(len(body) - FARTHEST, 0) - 1, -1):
        letters.add(body[start])
        if len(letters) >= 3:
            return start
    return -1


def objection(body: str, gap: str, reply: str) -> str | None:
    """Return why a reply without overlap is not what comes behind `body`; None when it may be.

    gap: the white space between the two. Where there is none, a reply that begins like a sentence or a heading does
    not go on; a half word would begin in small letters.
    """
    again = common(body, reply)
    if again >= 2 and again == len(reply):
        return "echo"
    if tells(reply[:again]):
        return "anew"
    if _PREFACE.match(reply):
        return "preface"
    if reply.startswith("```") and _reopens_fence(body, gap, reply):
        return "fence"
    if not gap and not body.endswith(_LETS_BEGIN) and STARTS_OVER.match(reply):
        return "anew"
    return "anew" if _repeats(body, reply) else None


def _reopens_fence(body: str, gap: str, reply: str) -> bool:
    """Return whether a code block that is open already is opened again, or a line is torn by one."""
    inside = len(_FENCE.findall(body)) % 2 == 1
    return "\n" not in gap or (inside and _OPENS_FENCE.match(reply) is not None)


def _repeats(body: str, reply: str) -> bool:
    """Return whether the last words come again, but not letter by letter (other spacing, other case)."""
    words = body[-FARTHEST:].casefold().split()[-3:]
    last = " ".join(words)
    return len(words) == 3 and tells(last) and last in " ".join(reply.casefold().split())
