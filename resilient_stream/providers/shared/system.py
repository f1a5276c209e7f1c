"""Splits off the system messages of a conversation, for dialects that have one place for them, or one name.

A system message holds from where it stands. Those in front of a conversation go to the dialect's own place for them; a
later one keeps its place as a turn of the user's, marked as an instruction, and that is said in the log once. Moved to
the front it would hold for what was said before it, and no cached beginning would stay good. A developer's message is a
system message wherever a dialect does not tell the two apart.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...fitting.told import left_out, refusal
from ...messages import Message, TextPart

__all__ = ["SYSTEM", "instruction", "role_of", "some_turns", "system_parts", "system_text", "system_texts", "turns_of"]

SYSTEM = ("system", "developer")


def system_texts(messages: Sequence[Message]) -> list[str]:
    """Return the texts of the system messages in front; empty ones are left out."""
    return [message.text for message in messages[: _first_turn(messages)] if message.text.strip()]


def system_parts(messages: Sequence[Message]) -> list[TextPart]:
    """Return the system messages in front as parts: one for each message, or all of its parts where one of them has a
    cache mark."""
    made: list[TextPart] = []
    for message in messages[: _first_turn(messages)]:
        parts = [part for part in message.parts if isinstance(part, TextPart) and part.text.strip()]
        if any(part.cache for part in parts):
            made += parts
        elif message.text.strip():
            made.append(TextPart.model_construct(text=message.text))
    return made


def system_text(messages: Sequence[Message]) -> str | None:
    """Return the system messages in front as one text; None when it would be empty."""
    return "\n\n".join(system_texts(messages)) or None


def turns_of(messages: Sequence[Message], target: str) -> list[Message]:
    """Return the messages after the system messages in front; later system messages become turns of the user."""
    turns = messages[_first_turn(messages) :]
    if any(message.role in SYSTEM for message in turns):
        left_out(target, "a system message in mid-conversation", "it is sent as the user's; no other may stand there")
    return [
        message if message.role not in SYSTEM else instruction(message) for message in turns if _has_content(message)
    ]


def some_turns(messages: Sequence[Message], target: str) -> list[Message]:
    """Return the turns that `turns_of` returns, for a dialect that refuses a request without turns. Raises StreamError
    when none is left."""
    if not (turns := turns_of(messages, target)):
        raise refusal("system messages alone (add a user's message)")
    return turns


def instruction(message: Message) -> Message:
    """Return a system message as a turn of the user, marked as an instruction."""
    return Message(role="user", content=f"<system>\n{message.text}\n</system>")


def _has_content(message: Message) -> bool:
    return message.role not in SYSTEM or bool(message.text.strip())


def _first_turn(messages: Sequence[Message]) -> int:
    return next((place for place, message in enumerate(messages) if message.role not in SYSTEM), len(messages))


def role_of(message: Message) -> str:
    """Return a message's role, with "system" for a developer where the dialect does not know that role."""
    return "system" if message.role == "developer" else message.role
