"""The system messages of a conversation, for dialects that have one place for them, or one name.

A system message holds from where it stands. Those in front of a conversation go to the dialect's own place for them; a
later one keeps its place as a turn of the user's, marked as an instruction, and that is said in the log once. Moved to
the front it would hold for what was said before it, and no cached beginning would stay good. A developer's message is a
system message wherever a dialect does not tell the two apart.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...fitting.told import left_out, refusal
from ...messages import Message

__all__ = ["SYSTEM", "instruction", "role_of", "some_turns", "system_text", "system_texts", "turns_of"]

SYSTEM = ("system", "developer")


def system_texts(messages: Sequence[Message]) -> list[str]:
    """The texts of those in front; empty ones are left out."""
    return [message.text for message in messages[: _first_turn(messages)] if message.text.strip()]


def system_text(messages: Sequence[Message]) -> str | None:
    """All of them as one; None when there is nothing in them."""
    return "\n\n".join(system_texts(messages)) or None


def turns_of(messages: Sequence[Message], target: str) -> list[Message]:
    """What follows them, later ones as the user's turns."""
    turns = messages[_first_turn(messages) :]
    if any(message.role in SYSTEM for message in turns):
        left_out(target, "a system message in mid-conversation", "it is sent as the user's; no other may stand there")
    return [message if message.role not in SYSTEM else instruction(message) for message in turns if _says(message)]


def some_turns(messages: Sequence[Message], target: str) -> list[Message]:
    """The same, for a dialect that refuses a request without any. Raises StreamError for that."""
    if not (turns := turns_of(messages, target)):
        raise refusal("system messages alone (add a user's message)")
    return turns


def instruction(message: Message) -> Message:
    """A system message as a turn of the user's."""
    return Message(role="user", content=f"<system>\n{message.text}\n</system>")


def _says(message: Message) -> bool:
    return message.role not in SYSTEM or bool(message.text.strip())


def _first_turn(messages: Sequence[Message]) -> int:
    return next((place for place, message in enumerate(messages) if message.role not in SYSTEM), len(messages))


def role_of(message: Message) -> str:
    """A turn's role, where a developer has no name of its own."""
    return "system" if message.role == "developer" else message.role
