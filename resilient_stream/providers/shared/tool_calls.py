"""Assembles whole tool calls from fragments that belong together by an index, as in OpenAI's chat completions.

What could belong to two calls is run as neither; see `open_call.py`. `Holdings` limits how much of an answer is held.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter

from ...chunks import ToolCall, ToolCallDelta
from ...text.arguments import parse_arguments
from .call_fields import Arguments
from .holdings import Holdings
from .open_call import EITHER, TWICE, TWO_NAMES, Doubts, LateArguments, OpenCall

__all__ = ["ToolCalls", "fitting_id", "parse_arguments"]


_SHORT = 16
"""Characters of arguments that may be an empty object."""


class ToolCalls:
    """Assembles the calls of one answer, in the order in which they began; their fragments belong together by index.

    Servers leave the index out, give every call the same one, or give ids and names with each fragment or never. So a
    call begins with a new index, with a new id that has a name, or with a name where a call is complete already; what
    has neither goes on with the call that came last under its index.
    """

    __slots__ = (
        "_announced",
        "_at",
        "_blank",
        "_by_id",
        "_calls",
        "_current",
        "_doubts",
        "_given_out",
        "_holdings",
        "_next",
    )

    def __init__(self, holdings: Holdings | None = None) -> None:
        self._holdings = holdings or Holdings()
        self._next = 0
        self._given_out: dict[str, bool] = {}
        self._doubts = Doubts()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._calls: dict[int, OpenCall] = {}
        self._at: dict[int, OpenCall] = {}
        self._by_id: dict[str, OpenCall] = {}
        self._current: OpenCall | None = None
        self._announced = ""
        self._blank: Counter[int | None] = Counter()

    def __len__(self) -> int:
        return len(self._calls)

    def add(
        self, index: int | None, id: str | None, name: str | None, said: str | Arguments, signature: str | None = None
    ) -> ToolCallDelta:
        """Take a fragment and return its delta; an empty id or name never overwrites a known one. Raises
        LateArguments."""
        id, name = id or "", name or ""
        arguments, odd, wrong = said if isinstance(said, Arguments) else Arguments(said)
        call = self._find(index, id, name, arguments)
        if call is None:
            if name and not id:
                self._check_previous(index, name, arguments)
            name = name or self._announced
            call = self._begin(index, name, arguments)
        elif name and call.name and name != call.name:
            call.wrong = TWO_NAMES
        elif name and call.id and arguments.strip() and call.complete:
            arguments = "" if call.says_again(arguments) else arguments
        elif name and not id and call.complete:
            self._announced = name  # this may repeat the call or begin another one; the next fragment decides
        if arguments.strip():
            self._announced = ""
        if call.blank and arguments.strip():
            self._first_arguments(call, index, not (id or name))
        self._remember(call, index, id)
        call.odd, call.wrong = call.odd or odd, call.wrong or wrong
        call.id, call.name = call.id or id, call.name or name
        call.signature = signature or call.signature
        self._holdings.piece(arguments)
        return call.add(arguments)

    def again(self, id: str, name: str, said: Arguments) -> list[ToolCallDelta]:
        """Take a call that is sent whole, after its pieces. Its new arguments count where its id says which call it is.

        Raises LateArguments when the call was given out without them.
        """
        call = self._by_id.get(id)
        if call is not None:
            if call.blank and name in ("", call.name):
                return [self.add(None, id, "", said)]
            if parse_arguments(said.text) != {}:
                call.says_again(said.text)
            return []
        text = said.text.strip()
        if parse_arguments(text) == {} or self._given_out.get(id) is False or self._has_arguments(text):
            return []
        self._doubts.note()
        return []

    def _has_arguments(self, text: str) -> bool:
        return any(call.text.strip() == text for call in self._calls.values())

    def doubt(self) -> None:
        """Note an unknown field or event about the calls. Raises LateArguments as `Doubts` does."""
        self._doubts.note()

    def whole(self) -> list[ToolCall]:
        """Return all calls received so far and start anew; used when the provider says that they are complete."""
        calls = [call for call in self._calls.values() if call.name or call.id or not call.blank]
        self._given_out |= {call.id: call.blank for call in calls}
        if self._calls or self._announced or self._blank:  # a fast way, since most answers have no calls
            self._begin_anew()
        return self._doubts.all_of(calls)

    def _find(self, index: int | None, id: str, name: str, arguments: str) -> OpenCall | None:
        """Return the call that a fragment continues; None when the fragment begins one."""
        there = self._current if index is None else self._at.get(index)
        known = self._by_id.get(id) if id else None
        if there is None:  # a new call, unless it is a piece of a known one
            return known if known is not None and not name and not known.complete else None
        if id and there.id and id != there.id:
            return known or (None if name or there.complete else there)
        if name and there.name and not (id and there.id) and _begins_another(there, name, arguments):
            return None
        if self._announced and not name and not id and arguments.strip() and there.complete:
            return None
        return there

    def _first_arguments(self, call: OpenCall, index: int | None, by_place: bool) -> None:
        """Note that the first arguments of a call have come.

        by_place: only the index says whose they are, so another call of that index without arguments may be the right
        one.
        """
        self._blank[call.at] -= 1
        rivals = self._blank.total() if index is None else self._blank[index] + self._blank[None]
        if by_place and rivals:
            call.wrong = call.wrong or EITHER
            self._doubts.note(EITHER)

    def _check_previous(self, index: int | None, name: str, arguments: str) -> None:
        """Check a call that begins by its name alone.

        If the call before it has the same name and an empty object, the arguments may be meant for that one.
        """
        there = self._current if index is None else self._at.get(index)
        same = there is not None and there.name == name and there.size < _SHORT and arguments.strip()
        if there is not None and same and parse_arguments(there.text) == {} and parse_arguments(arguments) != {}:
            there.wrong = there.wrong or TWICE

    def _begin(self, index: int | None, name: str, arguments: str) -> OpenCall:
        if self._given_out and not name and arguments.strip():
            raise LateArguments
        place = self._next if index is None or index < 0 or index in self._calls else index
        self._next = max(self._next, place + 1)
        self._holdings.item()
        call = self._calls[place] = OpenCall(place, "", "", at=index)
        self._blank[index] += 1
        return call

    def _remember(self, call: OpenCall, index: int | None, id: str) -> None:
        """Remember the call, since a later fragment with neither id nor name continues it."""
        self._current = call
        if index is not None:
            self._at[index] = call
        if id and id not in self._by_id:
            self._holdings.item(id)
            self._by_id[id] = call


def _begins_another(call: OpenCall, name: str, arguments: str) -> bool:
    """Return whether a name without an id begins a new call instead of continuing the one at its index."""
    if name == call.name:
        return bool(arguments.strip()) and call.complete
    return call.complete or (call.blank and not call.id)


def fitting_id(id: str, allowed: re.Pattern[str], length: int = 24) -> str:
    """Return a call's id as another provider accepts it: unchanged if it fits, else a made-up one that is always the
    same."""
    return id if allowed.fullmatch(id) else hashlib.sha256(id.encode()).hexdigest()[:length]
