"""One tool call while its pieces come, and why one must not be run.

The one rule: a call leaves as one that can be run only when all of its pieces were said of it without contradiction.
Anything else (two names, arguments that belong to no call) leaves with `parsed=None` and an `error`.
Must never: guess at broken JSON, or look at a piece twice.
"""

from __future__ import annotations

import msgspec

from ..arguments import parse_arguments
from ..chunks import ToolCall, ToolCallDelta
from ..wire.broken import UNREADABLE
from ..wire.limits import EventTooLarge
from .brackets import Brackets

__all__ = ["LOST", "READERS_RAISE", "TWICE", "TWO_IDS", "TWO_NAMES", "LateArguments", "OpenCall", "tool_call"]

_NO_NAME = "the call has no name"
TWO_NAMES = "the call was given two names"
TWO_IDS = "the call was given two ids"
TWICE = "the arguments were given twice, and differ"
LOST = "arguments came that belong to no call, and this call has none"


class LateArguments(ValueError):
    """Arguments of a call came after the call had been given out as whole: what was given out is wrong."""

    def __init__(self) -> None:
        super().__init__("arguments of a tool call came after its end")


MOST_REPEATS = 4
"""How often a call's arguments may be said again in other words: at their end, with their item, with the answer."""

READERS_RAISE = (*UNREADABLE, EventTooLarge, LateArguments)
"""What may be raised while the events of a dialect are read; each of it ends the answer."""


class OpenCall(msgspec.Struct):
    """One call while it comes. given: its arguments as its beginning had them. wrong: what contradicts itself."""

    index: int
    id: str
    name: str
    given: str = ""
    signature: str | None = None
    wrong: str | None = None
    arguments: list[str] = []
    blank: bool = True
    size: int = 0
    repeated: int = 0
    brackets: Brackets = msgspec.field(default_factory=Brackets)

    def says_again(self, arguments: str) -> bool:
        """Whether all of its arguments, said once more, are what is known of them. Otherwise it contradicts itself.

        In other words nobody says them more than a few times, and each time costs a look at all of them.
        """
        if len(arguments) == self.size and arguments == self.text:
            return True
        self.repeated += 1
        if self.repeated <= MOST_REPEATS and parse_arguments(arguments) == parse_arguments(self.text):
            return True
        self.wrong = self.wrong or TWICE
        return False

    @property
    def text(self) -> str:
        """The arguments so far."""
        return "".join(self.arguments)

    @property
    def complete(self) -> bool:
        """Whether its arguments are an object already. Each piece is looked at once, and only when this is asked."""
        if self.arguments[:1] == ["null"]:
            return True
        self.brackets.follow(self.arguments)
        return self.brackets.closed

    def add(self, piece: str) -> ToolCallDelta:
        """Keep a piece, and give it to whoever shows it as it comes."""
        self.blank = self.blank and not piece.strip()
        self.size += len(piece)
        self.arguments.append(piece)
        return ToolCallDelta(self.index, self.id, self.name, piece)

    def named(self, id: str, name: str) -> None:
        """What is said of it besides its arguments: once, or the same each time."""
        if name and self.name and name != self.name:
            self.wrong = TWO_NAMES
        if id and self.id and id != self.id:
            self.wrong = TWO_IDS
        self.id, self.name = self.id or id, self.name or name

    def whole(self, lost: bool = False) -> ToolCall:
        """The call as it stands. lost: some arguments of the answer belong to no call that is known."""
        wrong = self.wrong or (LOST if lost and self.blank else None)
        return tool_call(self.index, self.id, self.name, self.text, self.signature, wrong)


def tool_call(
    index: int, id: str, name: str, text: str, signature: str | None = None, wrong: str | None = None
) -> ToolCall:
    """A call from its parts. wrong: why it must not be run, whatever its arguments are."""
    wrong = wrong or (None if name else _NO_NAME)
    return ToolCall(index, id, name, text, None if wrong else parse_arguments(text), signature, wrong)
