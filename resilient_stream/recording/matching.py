"""Finds the recorded answer for a request: the one that was given to the same conversation.

Two conversations are the same if people would say so: who said what, the calls, their results and the pictures count.
Reasoning and signatures belong to the provider and do not count. A question that was not recorded gets no answer but
the nearest recorded conversation, with the first message that differs.
"""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import TypeAlias

import msgspec

from ..failures import ErrorKind, Failure
from ..messages import FilePart, FunctionCall, ImagePart, Message, TextPart
from .format import Exchange

__all__ = ["Book"]

Turn: TypeAlias = tuple[str, ...]
"""One message as lines to be compared and shown; the first has the role."""

WIDTH = 100
DIFF_LINES = 24
"""The most lines of a diff that are shown to a person; further lines are only counted."""


class Book:
    """Holds the exchanges of one file, by conversation. Each is played once, in the order in which they were begun."""

    def __init__(self, name: str, exchanges: Sequence[tuple[Sequence[Message], Exchange]]) -> None:
        self._name = name
        self._found: dict[tuple[Turn, ...], list[Exchange]] = {}
        self._played: dict[tuple[Turn, ...], int] = {}
        for messages, exchange in sorted(exchanges, key=lambda pair: pair[1].started):
            self._found.setdefault(_conversation(messages), []).append(exchange)

    def next_for(self, messages: Sequence[Message], *, repeat: bool = False) -> Exchange | Failure:
        """Return the next answer to this conversation, or why there is none. repeat: start again after the last one."""
        asked = _conversation(messages)
        recorded = self._found.get(asked)
        if recorded is None:
            return self._nothing_like(asked)
        number = self._played.get(asked, 0)
        if number >= len(recorded) and not repeat:
            return _not_recorded(f"This was asked more often than the {_times(len(recorded))} in {self._name}")
        self._played[asked] = number + 1
        return recorded[number % len(recorded)]

    def _nothing_like(self, asked: tuple[Turn, ...]) -> Failure:
        if not self._found:
            return _not_recorded(f"Nothing is recorded in {self._name}")
        nearest = max(self._found, key=lambda known: (_common(known, asked), -abs(len(known) - len(asked))))
        place = _common(nearest, asked)
        was, now = nearest[place : place + 1], asked[place : place + 1]
        if not now:
            reason = f"In {self._name} the model was first asked after messages[{place}]"
        elif not was:
            reason = f"messages[{place}] ({now[0][0]}) goes on after the end of the conversation in {self._name}"
        else:
            reason = f"messages[{place}] ({now[0][0]}) is not what was recorded in {self._name}"
        return _not_recorded(reason, _difference(was, now, place))


def _common(one: tuple[Turn, ...], other: tuple[Turn, ...]) -> int:
    """Return how many messages two conversations have in common from their start."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _times(number: int) -> str:
    return "one time recorded" if number == 1 else f"{number} times recorded"


def _not_recorded(reason: str, note: str = "") -> Failure:
    facts = {"reason": reason, "note": note} if note else {"reason": reason}
    return Failure(kind=ErrorKind.INVALID_REQUEST, code="not_recorded", facts=facts, retry=False, fallback=False)


def _difference(was: Sequence[Turn], now: Sequence[Turn], place: int) -> str:
    """Return a unified diff of one message, shortened."""
    before, after = (list(_wrapped(turns)) for turns in (was, now))
    names = f"messages[{place}] as recorded", f"messages[{place}] as asked"
    lines = list(difflib.unified_diff(before, after, *names, lineterm="", n=2))
    more = len(lines) - DIFF_LINES
    return "\n".join(lines[:DIFF_LINES] + ([f"… and {more} more lines"] if more > 0 else []))


def _wrapped(turns: Sequence[Turn]) -> Iterator[str]:
    for turn in turns:
        for line in turn:
            yield from textwrap.wrap(line, WIDTH, replace_whitespace=False, drop_whitespace=False) or [""]


# -- messages as lines --------------------------------------------------------------------------


def _conversation(messages: Sequence[Message]) -> tuple[Turn, ...]:
    return tuple(tuple(_lines(message)) for message in messages)


def _lines(message: Message) -> Iterator[str]:
    yield message.role + (f" answers {message.tool_call_id}" if message.tool_call_id else "")
    for part in message.parts:
        if isinstance(part, TextPart):
            yield from part.text.split("\n")
        elif isinstance(part, ImagePart):
            yield f"[picture {part.url}]"
        elif isinstance(part, FilePart):
            yield f"[file {part.media_type} {part.url or part.id or part.data}]"
    yield from map(_call, message.tool_calls)


def _call(call: FunctionCall) -> str:
    return f"[calls {call.name} as {call.id} with {_ordered(call.arguments)}]"


def _ordered(arguments: str) -> str:
    """Return JSON in one way of writing it; another text is returned unchanged."""
    try:
        return msgspec.json.encode(msgspec.json.decode(arguments), order="deterministic").decode()
    except (msgspec.DecodeError, RecursionError):
        return arguments
