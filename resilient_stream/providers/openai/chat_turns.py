"""Fits the turns of a conversation to a host of OpenAI's shape: their roles, and their order.

Nothing that was said is lost, and a conversation that the host takes unchanged stays the same object. Columns of
`hosts.py` say what a host takes; no host's name stands in this module.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from ...contract import Request
from ...fitting.told import left_out
from ...messages import FilePart, ImagePart, Message, OpaquePart, Part, ReasoningPart, TextPart
from ..shared.system import SYSTEM, role_of
from .chat_returns import without_untaken
from .hosts import Host
from .model_rules import rule_for

__all__ = ["fitted"]

_JOINED = ("system", "user", "assistant")
_FOLLOWS = "(See the picture in the message that follows.)"
_FILE_FOLLOWS = "(See the file in the message that follows.)"
_UNDERSTOOD = "Understood."


def fitted(request: Request, host: Host, *, shows: bool = False) -> list[Message]:
    """Return the turns for this host. shows: a tool's result may have pictures in it, which only the Responses API
    takes."""
    turns = list(request.messages) if host.developer else [_in_known_role(message) for message in request.messages]
    if not shows:
        turns = [without_untaken(turn, host.returns, request.target.name) for turn in _pictures_behind(turns)]
    if host.joins == "strict":
        turns = _system_in_front(turns, request.target.name)
    if rule_for(host.title, request.model).bridged:
        turns = _bridged(turns)
    return turns if host.joins == "no" else _joined(turns)


def _pictures_behind(turns: list[Message]) -> list[Message]:
    """Move pictures in tools' results to a turn of the user behind all results of a turn: there, a result is text."""
    if not any(turn.role == "tool" and _has_picture(turn) for turn in turns):
        return turns
    made: list[Message] = []
    for is_result, run in groupby(turns, key=lambda turn: turn.role == "tool"):
        if not is_result:
            made += run
            continue
        results = list(run)
        made += map(_as_text, results)
        if any(map(_has_picture, results)):
            pictures = (part for result in results for part in _pictures_of_result(result))
            made.append(Message.model_construct(role="user", content=tuple(pictures)))
    return made


def _has_picture(message: Message) -> bool:
    return any(isinstance(part, ImagePart | FilePart) for part in message.parts)


def _as_text(result: Message) -> Message:
    if not _has_picture(result):
        return result
    follows = _FILE_FOLLOWS if any(isinstance(part, FilePart) for part in result.parts) else _FOLLOWS
    text = f"{result.text}\n\n{follows}" if result.text.strip() else follows
    return result.model_copy(update={"content": text})


def _pictures_of_result(result: Message) -> list[Part]:
    """Return the pictures of one result, after a text that says which result it was."""
    pictures: list[Part] = [part for part in result.parts if isinstance(part, ImagePart | FilePart)]
    what = f"tool call {result.tool_call_id}" if result.name is None else f"{result.name} ({result.tool_call_id})"
    return [TextPart(text=f"From the result of {what}:"), *pictures] if pictures else []


def _bridged(turns: list[Message]) -> list[Message]:
    """Insert a turn of the assistant between a result and the user's next turn."""
    made: list[Message] = []
    for turn in turns:
        if turn.role == "user" and made and made[-1].role == "tool":
            made.append(Message.model_construct(role="assistant", content=_UNDERSTOOD))
        made.append(turn)
    return made


def _in_known_role(message: Message) -> Message:
    role = role_of(message)
    return message if role == message.role else message.model_copy(update={"role": role})


def _system_in_front(turns: list[Message], target: str) -> list[Message]:
    """Turn a system message behind the first turn into one of the user, at its place."""
    begin = next((place for place, turn in enumerate(turns) if turn.role not in SYSTEM), len(turns))
    if any(turn.role in SYSTEM for turn in turns[begin:]):
        left_out(target, "a system message in mid-conversation", "it is sent as the user's; no other may stand there")
    moved = (turn.model_copy(update={"role": "user"}) if turn.role in SYSTEM else turn for turn in turns[begin:])
    return [*turns[:begin], *moved]


def _joined(turns: list[Message]) -> list[Message]:
    """Join neighbouring turns of one role. A message after calls is never joined to their turn."""
    made: list[Message] = []
    for _, run in groupby(turns, key=lambda turn: (turn.role in _JOINED, role_of(turn))):
        first, *rest = run
        made.append(first)
        for turn in rest:
            if turn.role in _JOINED and not made[-1].tool_calls:
                made[-1] = _merged(made[-1], turn)
            else:
                made.append(turn)
    return made


def _merged(one: Message, other: Message) -> Message:
    named = one.name == other.name
    parts = _parts(one, other) if named else _parts(_with_name(one), _with_name(other))
    calls = tuple(call.model_copy(update={"place": None}) for call in other.tool_calls)
    return one.model_copy(update={"content": parts, "tool_calls": calls, "name": one.name if named else None})


def _with_name(message: Message) -> Message:
    """Write a speaker's name into the text, since a turn has only one name."""
    if not message.name:
        return message
    return message.model_copy(update={"content": (TextPart(text=f"{message.name}: "), *message.parts)})


def _parts(one: Message, other: Message) -> str | tuple[Part, ...]:
    """Return the content of two messages, with a blank line between texts."""
    parts = (*one.parts, *other.parts)
    if _has_picture(one) or _has_picture(other) or any(isinstance(part, OpaquePart) for part in parts):
        return parts
    text = "\n\n".join(_texts((one, other)))
    thoughts = tuple(part for part in parts if isinstance(part, ReasoningPart))
    return (*thoughts, TextPart(text=text)) if thoughts else text


def _texts(messages: Iterable[Message]) -> Iterable[str]:
    return (message.text for message in messages if message.text.strip())
