"""Reads the last answer of a conversation that has `output=`: as an object, or as one that the model is asked to
correct."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..failures import ErrorKind
from ..failures.kinds import KINDS
from .turns import ConversationRecord, Turn

if TYPE_CHECKING:
    from ..objects.form import Form

__all__ = ["Final"]


class Final:
    """Describes what the last answer has to be. name: of that, for people.

    A complaint is a turn of the user's. There are at most as many as the kind of such a failure allows, and no more
    than `most`.
    """

    def __init__(self, form: Form | None, most: int) -> None:
        self.name = "" if form is None else form.name
        self._form = form
        self._left = min(most, (KINDS[ErrorKind.MODEL_OUTPUT_INVALID].max_attempts or 1) - 1)

    def read(self, turn: Turn, record: ConversationRecord) -> str | None:
        """Keep the object that the answer holds in the record; return what is wrong with the answer if it holds none.

        An answer that was cut, refused or filtered is no object, and says so itself (`finish_kind`).
        """
        if self._form is None or turn.transcript.finish_kind is not None:
            return None
        from ..objects.form import Unfitting  # imported already, by whoever made the form

        try:
            record.output = turn.transcript.output = self._form.read(turn.transcript.text)
        except Unfitting as unfitting:
            return str(unfitting)
        return None

    def complaint(self, reason: str) -> str | None:
        """Return what the model is told about its answer; None when it was told often enough."""
        from ..objects.form import complaint

        self._left -= 1
        return complaint(reason) if self._left >= 0 else None
