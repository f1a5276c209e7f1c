"""Joins two pieces of text: it says what is not sent back at the end of the first, and puts the second behind it.

A provider may refuse an unfinished turn that ends in white space, or strip it (Anthropic), and a model that is shown
half an emoji may never finish it. So the end of a delivered text is kept back from the request; the model then says
it again, or says what it would have said instead, and here the two are made one.

What was delivered is not changed. Of the continuation only white space is dropped, and what it says again of the end
that was kept back; no character is added that neither side has.
"""

from __future__ import annotations

import re

__all__ = ["Join", "behind", "split_end"]

_FLAGS = "".join(map(chr, range(0x1F1E6, 0x1F200)))
_HALF_EMOJI = re.compile(r"(?:\S[\ufe0f\U0001f3fb-\U0001f3ff]?\u200d)+\Z")
LONGEST_CLUSTER = 64
"""Characters at a text's end that are searched for an emoji that is not whole; the longest real one has ten.

There are two clusters that show that they are not whole: one that ends in a zero-width joiner, and half of a flag. A
base letter whose accent has not come looks whole; the accent then begins the continuation, and all is well."""


def split_end(text: str) -> tuple[str, str]:
    """Return what of a text is sent back, and what is kept back.

    Kept back is the white space at the end, or a cluster that is not whole with any white space before it.
    """
    end = len(text)
    if (end - len(text.rstrip(_FLAGS))) % 2:
        end -= 1
    elif (emoji := _HALF_EMOJI.search(tail := text[-LONGEST_CLUSTER:])) is not None:
        end -= len(tail) - emoji.start()
    body = text[:end].rstrip()
    return body, text[len(body) :]


def behind(kept: str, lead: str) -> str:
    """Return what remains of the white space `lead` of a continuation behind the delivered white space `kept`.

    The same again is dropped; of a longer one the rest stays; otherwise only the line breaks count that are more
    than there are already, with the indentation behind them.
    """
    if lead.startswith(kept):
        return lead[len(kept) :]
    breaks = kept.count("\n")
    if lead.count("\n") <= breaks:
        return ""
    return lead.split("\n", breaks)[breaks] if breaks else lead


class Join:
    """Puts a continuation behind text whose end `kept` was not sent. dropped: its characters that went.

    fits: False once the continuation does not finish the cluster that was begun.
    """

    def __init__(self, kept: str) -> None:
        self.dropped = 0
        self.fits = True
        self._kept = kept
        self._held = ""
        self._done = not kept

    def feed(self, text: str) -> str:
        """Take the next piece, and return what may be delivered."""
        if self._done:
            return text
        self._held += text
        return self._settle(self._held.lstrip() != "")

    def end(self) -> str:
        """Return what is left, because nothing more comes."""
        return "" if self._done else self._settle(True)

    def _settle(self, known: bool) -> str:
        """Decide, if enough is `known`."""
        kept, held = self._kept, self._held
        if kept.isspace():
            if not known:
                return ""
            word = held.lstrip()
            joined = behind(kept, held[: len(held) - len(word)]) + word
        elif held.startswith(kept):
            joined = held[len(kept) :]
        else:
            self.fits = kept.startswith(held)
            return ""
        self._done, self._held = True, ""
        self.dropped = len(held) - len(joined)
        return joined
