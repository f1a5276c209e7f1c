"""Collects one tool call while its pieces arrive, with the reasons why it must not be run.

A call leaves as one that can be run only when all of its pieces were said of it without contradiction. Anything else
(two names, arguments that belong to no call) leaves with `parsed=None` and an `error`. Where a piece of an answer went
astray, every call of it without arguments is one that may have lost them; see `Doubts`. Broken JSON is not guessed at,
and no piece is looked at twice.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ...chunks import ToolCall, ToolCallDelta
from ...text.arguments import holds_more, parse_arguments
from ...wire.broken import UNREADABLE
from ...wire.limits import EventTooLarge
from ...wire.surrogates import joined
from .brackets import Brackets

__all__ = [
    "EITHER", "LOST", "READERS_RAISE", "TWICE", "TWO_IDS", "TWO_NAMES", "TWO_PLACES", "Doubts", "LateArguments",
    "OpenCall",
]  # fmt: skip

_NO_NAME = "the call has no name"
TWO_NAMES = "the call was given two names"
TWO_IDS = "the call was given two ids"
TWICE = "the arguments were given twice, and differ"
LOST = "arguments came that belong to no call, and this call has none"
EITHER = "arguments came that may be this call's or another's"
TWO_PLACES = "arguments came under the number of one call and the id of another"
ODD = "the call has a field that is not known, and no arguments elsewhere"


class LateArguments(ValueError):
    """Arguments arrived after their call had been given out as whole, so what was given out is wrong."""

    def __init__(self) -> None:
        super().__init__("arguments of a tool call came after its end")


MOST_REPEATS = 4
"""How often a call's arguments may be repeated in other spellings: at their end, with their item, with the answer."""

READERS_RAISE = (*UNREADABLE, EventTooLarge, LateArguments)
"""The exceptions that reading the events of a dialect may raise; each of them ends the answer."""


class OpenCall(msgspec.Struct):
    """Collects one call while its pieces arrive. given: arguments that its first event had. wrong: how its pieces
    contradict each other.

    at: the index that its first fragment had. odd: it has an unknown field, so it needs arguments to be run.
    """

    index: int
    id: str
    name: str
    given: str = ""
    signature: str | None = None
    wrong: str | None = None
    at: int | None = None
    odd: bool = False
    arguments: list[str] = []
    blank: bool = True
    size: int = 0
    repeated: int = 0
    brackets: Brackets = msgspec.field(default_factory=Brackets)

    def says_again(self, arguments: str) -> bool:
        """Return whether arguments that were sent again equal the known ones; otherwise the call contradicts itself.

        A differently written repetition is compared a few times only, since each comparison parses all arguments.
        """
        if len(arguments) == self.size and arguments == self.text:
            return True
        self.repeated += 1
        if self.repeated <= MOST_REPEATS and parse_arguments(joined(arguments)) == parse_arguments(joined(self.text)):
            return True
        self.wrong = self.wrong or TWICE
        return False

    @property
    def text(self) -> str:
        """Return the arguments received so far."""
        return "".join(self.arguments)

    @property
    def complete(self) -> bool:
        """Return whether the arguments are a whole object already. Each piece is scanned once, and only when this is
        asked."""
        if self.arguments[:1] == ["null"]:
            return True
        self.brackets.follow(self.arguments)
        return self.brackets.closed

    def add(self, piece: str) -> ToolCallDelta:
        """Keep a piece of the arguments, and return its delta."""
        self.blank = self.blank and not piece.strip()
        self.size += len(piece)
        self.arguments.append(piece)
        return ToolCallDelta(self.index, self.id, self.name, piece)

    def named(self, id: str, name: str) -> None:
        """Take the call's id and name. They may be sent again, but must then be the same."""
        if name and self.name and name != self.name:
            self.wrong = TWO_NAMES
        if id and self.id and id != self.id:
            self.wrong = TWO_IDS
        self.id, self.name = self.id or id, self.name or name

    def whole(self) -> ToolCall:
        """Return the call with what has arrived of it."""
        wrong = self.wrong or (None if self.name else _NO_NAME)
        text = self.text
        return ToolCall(
            self.index, self.id, self.name, text, None if wrong else parse_arguments(text), self.signature, wrong
        )


class Doubts:
    """Tracks whether pieces of an answer's calls were lost or misplaced. Every call is given out through this class.

    Arguments that may belong to one call may have arrived in another call, or in none. From then on no call without
    arguments may be run. A call that was given out already cannot be taken back, so the answer ends there.
    """

    __slots__ = ("_left_empty", "_waiting", "_why")

    def __init__(self) -> None:
        self._why: str | None = None
        self._left_empty = False
        self._waiting: list[OpenCall] = []

    def note(self, why: str = LOST) -> None:
        """Note a piece that belongs to no call. Raises LateArguments when a call without arguments was given out
        already."""
        if self._left_empty:
            raise LateArguments
        self._why = self._why or why

    def ended(self, call: OpenCall, *, others: bool) -> list[ToolCall]:
        """End a call. others: some calls are still open; a call without arguments waits for them, since they may have
        its arguments."""
        if others and call.blank:
            self._waiting.append(call)
            return []
        calls = [call]
        if not others:
            calls = sorted([*self._waiting, call], key=lambda each: each.index)
            self._waiting = []
        return self.all_of(calls)

    def all_of(self, calls: Iterable[OpenCall]) -> list[ToolCall]:
        """Return these calls for giving out. All are checked first, since one may put the others in doubt."""
        made = [(call, call.whole()) for call in calls]
        for call, whole in made:
            self._check(call, whole)
        return [self._with_doubts(call, whole) for call, whole in made]

    def _check(self, call: OpenCall, whole: ToolCall) -> None:
        """Check one call. Closed brackets that do not make an object usually mean that pieces of another call are in
        it."""
        if whole.error is not None:
            if call.wrong is not None or not call.blank:
                self.note()
        elif whole.parsed is None and call.complete and (not self._left_empty or holds_more(whole.arguments)):
            self.note()

    def _with_doubts(self, call: OpenCall, whole: ToolCall) -> ToolCall:
        if whole.parsed != {}:
            return whole
        if (why := ODD if call.odd else self._why) is None:
            self._left_empty = True
            return whole
        return msgspec.structs.replace(whole, parsed=None, error=why)
