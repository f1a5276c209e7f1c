"""The system messages of a conversation, for dialects that have one place for them, or one name.

The one rule: a developer's message is a system message wherever a dialect does not tell the two apart.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..messages import Message

__all__ = ["SYSTEM", "role_of", "system_text", "system_texts"]

SYSTEM = ("system", "developer")


def system_texts(messages: Iterable[Message]) -> list[str]:
    """Their texts, wherever they stand; empty ones are left out."""
    return [message.text for message in messages if message.role in SYSTEM and message.text]


def system_text(messages: Iterable[Message]) -> str | None:
    """All of them as one; None when there is nothing in them."""
    return "\n\n".join(system_texts(messages)) or None


def role_of(message: Message) -> str:
    """A turn's role, where a developer has no name of its own."""
    return "system" if message.role == "developer" else message.role
