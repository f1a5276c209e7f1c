"""Pairs tool calls with their results: each call has one result, right behind its turn, in the order of the calls.

What no provider accepts is reported before anything is sent (`check_results`). What can be corrected without doubt is
corrected when it is sent (`in_order`): results in another order, and ids that begin anew in each turn. The caller's
messages are not changed. The copy is the same each time for the same beginning of a conversation, so that a provider's
cache of it stays valid.
"""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Sequence

from ..failures import StreamMisused
from ..messages import FunctionCall, Message

__all__ = ["check_results", "in_order"]

_SYSTEM = ("system", "developer")
_SHOWN = 60
"""Characters of an id or a name in a complaint."""

_HOW = "answer each call with one message of role 'tool' behind the turn that made it"


class _Open:
    """Describes a call that waits for its result. turn: the index of its message; number: its own index in that
    message."""

    __slots__ = ("call", "number", "result", "turn")

    def __init__(self, turn: int, number: int, call: FunctionCall) -> None:
        self.turn, self.number, self.call = turn, number, call
        self.result: int | None = None


def check_results(messages: Sequence[Message]) -> None:
    """Raise StreamMisused for a call without a result, a result without a call, and a second result."""
    if any(message.tool_calls or message.role == "tool" for message in messages):
        _, wrong = _matched(messages)
        if wrong:
            raise StreamMisused(f"{wrong[0]}; {_HOW}")


def in_order(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Return messages with results behind their calls in order, each id used once; the same object where they are so
    already.

    A conversation that `check_results` would refuse is left as it is.
    """
    if not any(message.tool_calls or message.role == "tool" for message in messages):
        return messages
    calls, wrong = _matched(messages)
    if wrong:
        return messages
    answered = {each.result for each in calls}
    by_turn: dict[int, list[_Open]] = {}
    for each in calls:
        by_turn.setdefault(each.turn, []).append(each)
    names = _names(calls)
    made: list[Message] = []
    for place, message in enumerate(messages):
        if place not in answered:
            own = by_turn.get(place, [])
            made.append(_renamed_calls(message, [names[id(each)] for each in own]))
            made += [_renamed_result(messages[each.result or 0], names[id(each)]) for each in own]
    same = len(made) == len(messages) and all(map(operator.is_, made, messages))
    return messages if same else tuple(made)


def _matched(messages: Sequence[Message]) -> tuple[list[_Open], list[str]]:
    """Return all calls with the index of their result, and what is wrong, in words."""
    calls: list[_Open] = []
    group = _Group()
    wrong: list[str] = []
    for place, message in enumerate(messages):
        if message.role == "tool":
            wrong += group.answer(place, message.tool_call_id or "")
        elif message.role not in _SYSTEM:
            if message.role == "user" or group.answered:
                wrong += group.unanswered()
                group = _Group()
            made = [_Open(place, number, call) for number, call in enumerate(message.tool_calls)]
            calls += made
            group.ask(made)
    return calls, wrong + group.unanswered()


class _Group:
    """Holds the calls of an assistant's turn, which may be several messages, until the next turn begins."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[_Open]] = {}
        self.answered: set[str] = set()

    def ask(self, calls: Sequence[_Open]) -> None:
        for each in calls:
            self._waiting.setdefault(each.call.id, deque()).append(each)

    def answer(self, place: int, id: str) -> list[str]:
        """Give a result to the first call with this id that has none yet. Return what is wrong with it."""
        if waiting := self._waiting.get(id):
            self.answered.add(id)
            waiting.popleft().result = place
            return []
        if id in self.answered:
            return [f"messages[{place}]: a second result for call {_short(id)!r}"]
        return [f"messages[{place}]: a result for call {_short(id)!r}, which the turn before it has not made"]

    def unanswered(self) -> list[str]:
        return [_without_result(each) for waiting in self._waiting.values() for each in waiting]


def _without_result(each: _Open) -> str:
    call = f"{_short(each.call.id)!r} ({_short(each.call.name)})"
    return f"messages[{each.turn}].tool_calls[{each.number}]: no result for call {call}"


def _short(name: str) -> str:
    return name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…"


def _names(calls: Sequence[_Open]) -> dict[int, str]:
    """Return an id for each call that no earlier call has: its own, or its own with a number."""
    taken: set[str] = set()
    used: dict[str, int] = {}
    names: dict[int, str] = {}
    for each in calls:
        own = name = each.call.id
        while name in taken:
            used[own] = used.get(own, 1) + 1
            name = f"{own}_{used[own]}"
        taken.add(name)
        names[id(each)] = name
    return names


def _renamed_calls(message: Message, names: Sequence[str]) -> Message:
    if [call.id for call in message.tool_calls] == list(names):
        return message
    renamed = (
        call if call.id == name else call.model_copy(update={"id": name})
        for call, name in zip(message.tool_calls, names, strict=True)
    )
    return message.model_copy(update={"tool_calls": tuple(renamed)})


def _renamed_result(message: Message, name: str) -> Message:
    return message if message.tool_call_id == name else message.model_copy(update={"tool_call_id": name})
