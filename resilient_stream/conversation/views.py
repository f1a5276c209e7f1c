"""Offers what is known about a conversation as properties of whatever has its record."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from ..chunks import ToolCall, Usage
from ..messages import Message
from ..outcome.transcript import Outcome, Transcript
from .turns import ConversationRecord

__all__ = ["RecordViews"]


class RecordViews:
    """Offers the record's fields, one by one, for `Conversation` and its synchronous facade."""

    __slots__ = ()

    record: ConversationRecord

    @property
    def history(self) -> list[Message]:
        """Return the messages until now. They can be sent again at any time, see `ConversationRecord`."""
        return self.record.history

    @property
    def transcripts(self) -> tuple[Transcript, ...]:
        """Return the transcripts, one for each turn."""
        return self.record.transcripts

    @property
    def outputs(self) -> dict[str, BaseModel]:
        """Return the outputs that the model has handed in, by name."""
        return self.record.outputs

    @property
    def output(self) -> Any:
        """Return the object that the last answer is, where `output=` asks for one; None before the end."""
        return self.record.output

    @property
    def pending(self) -> tuple[ToolCall, ...]:
        """Return the calls of tools that have no function; the caller gives their results with `answer`."""
        return self.record.pending

    @property
    def usage(self) -> Usage:
        """Return the tokens of all turns together."""
        return self.record.usage

    @property
    def outcome(self) -> Outcome | None:
        """Return how the conversation ended; None while it runs."""
        return self.record.outcome

    def answer(self, call_id: str, result: Any) -> None:
        """Give the result of a pending call after the end. `history` then has it, for the next conversation."""
        self.record.answer(call_id, result)
