"""Tells whether a target that was given an unfinished turn goes on with it, or begins anew.

Some targets do not know such turns. A reply that begins anew and is put behind the delivered text gives the reader the
same text twice, in an answer that claims to be complete. So the beginning of every reply is compared with the beginning
of the text, also behind white space and marks. In doubt the reply is refused: that costs a request, a wrong join is a
wrong answer. Most replies show with their first letter that they go on, and nothing of them is held.
"""

from __future__ import annotations

import re

from .beginnings import LOOK, STARTS_OVER, common, tells

__all__ = ["ignored", "undecided"]

_CONTINUES = re.compile(
    r"""(?:sure|certainly|of\ course|okay|ok)\s*[,.!]\s*(?:here|i|let)\b
    | (?:here(?:\ is|['’]s|\ are)|below\ is|let\ me|i(?:['’]ll|\ will))\ .{0,24}?
        \b(?:rest|remain\w{0,9}|continu\w{0,9}|pick\ up|resum\w{0,9})\b
    | (?:continuing|continuation|picking\ up|resuming)\b.{0,24}?\b(?:from|where|of|with)\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""The prefaces that no text has by itself, in English."""

_PREFACES = (
    "sure", "certainly", "of", "okay", "ok", "here", "below", "let", "i", "continuing", "continuation", "picking",
    "resuming",
)  # fmt: skip
"""The first words of the above."""
_CAPITAL = re.compile(r"[A-ZÀ-Þ][a-zß-ÿ]*")
_WORD = re.compile(r"\w+")
_BARE = re.compile(r"[\W_]*")


def undecided(body: str, gap: str, reply: str) -> bool:
    """Return whether more of a reply is needed before `ignored` can tell.

    body: the text that was sent back. gap: the white space behind it that was delivered and not sent.
    """
    if not _stripped(reply):
        return len(reply) < LOOK
    if len(reply) < len(body) and body.startswith(reply):
        return True
    if len(reply) >= LOOK:
        return False
    if _may_repeat(body, reply) or _may_introduce(reply):
        return True
    return not _is_apart(reply) and _may_begin(body, gap, reply)


def _may_repeat(body: str, reply: str) -> bool:
    """Return whether the reply so far is the beginning of the text, but for marks in front and for capitals."""
    ours, theirs = _stripped(body), _stripped(reply)
    return len(theirs) < len(ours) and ours.startswith(theirs)


def _may_begin(body: str, gap: str, reply: str) -> bool:
    """Return whether a reply so far may become a sentence, or the text's words in other punctuation."""
    if _in_a_sentence(body, gap) and _CAPITAL.fullmatch(reply):
        return True
    return _may_agree(_words(body), reply) or (not gap and _last_word(body).startswith(reply))


def _may_agree(ours: list[str], reply: str) -> bool:
    """Return whether all words of a reply so far are those of the text, the last one perhaps not yet whole."""
    theirs = _words(reply)
    if not theirs or len(theirs) > len(ours):
        return False
    *before, last = theirs
    word = ours[len(before)]
    return before == ours[: len(before)] and (word.startswith(last) if reply[-1].isalnum() else word == last)


def _may_introduce(reply: str) -> bool:
    """Return whether a reply so far may become one of the prefaces; behind a space only a capital letter begins one."""
    if _is_apart(reply) and not reply.lstrip()[:1].isupper():
        return False
    first, *more = _words(reply) or [""]
    whole = bool(more) or not reply[-1:].isalnum()
    return first in _PREFACES if whole else any(word.startswith(first) for word in _PREFACES)


def ignored(body: str, gap: str, reply: str) -> str | None:
    """Say why a reply is not what a model says that was given `body` as the beginning of its own turn.

    None: nothing speaks against it.
    """
    ours, theirs = _stripped(body), _stripped(reply)
    if not theirs:
        return None
    if _CONTINUES.match(theirs):
        return "preface"
    if body == reply:
        return "echo"
    if not ours:  # marks alone, such as the dash of a list
        return "anew" if reply.lstrip().startswith(body.strip()) else None
    again = common(ours, theirs)
    if again == len(ours) or tells(theirs[:again]):
        return "anew"
    if _is_apart(reply):  # a model that goes on begins with the space; nothing else speaks against it
        return None
    if again == len(theirs):
        return "echo"
    if _same_words(body, reply) or _says_last_word_again(body, gap, reply):
        return "anew"
    return "anew" if STARTS_OVER.match(reply) and _in_a_sentence(body, gap) else None


def _stripped(text: str) -> str:
    """Return the beginning of a text in small letters, without the white space and the marks in front of its first
    letter."""
    start = _BARE.match(text, 0, 4 * LOOK)
    return text[start.end() if start else 0 :][:LOOK].casefold()


def _is_apart(reply: str) -> bool:
    """Return whether white space stands in front, so that the reply does not go on with a word."""
    return reply[:1].isspace()


def _same_words(body: str, reply: str) -> bool:
    """Return whether a reply begins with the words of `body`, in whatever case and punctuation: with two of them, or
    all."""
    ours, theirs = _words(body), _words(reply)
    whole = len(body) <= LOOK and ours == theirs[: len(ours)]
    return bool(ours) and (whole or (len(ours) > 2 and ours[:2] == theirs[:2]))


def _says_last_word_again(body: str, gap: str, reply: str) -> bool:
    """Return whether the word that was just said comes once more, without a space between the two."""
    last = _last_word(body)
    return not gap and len(last) > 2 and reply.startswith(last) and not reply[len(last) :][:1].isalnum()


def _last_word(body: str) -> str:
    words = _WORD.findall(body[-LOOK:])
    return words[-1] if words and body.endswith(words[-1]) else ""


def _words(text: str) -> list[str]:
    return _WORD.findall(text[:LOOK].casefold())


def _in_a_sentence(body: str, gap: str) -> bool:
    """Return whether a capital letter is out of place behind `body`: inside a sentence, or inside a word."""
    return body[-1:].isalnum() and "\n" not in gap
