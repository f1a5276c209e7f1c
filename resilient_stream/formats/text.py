"""Writes the format `text`: the answer's text and nothing else, piece by piece as it comes, for `curl` and terminals.

Plain text has no word for a failure. So the body of an answer that is not whole is broken off (`cut`), and a client
reports a broken transfer (`curl` exits with 18). The same happens when a recovery makes void what was sent (a `Seam`
with `restart=True`): it cannot be taken back, and the new answer behind it would be no answer. Between the texts of two
turns of a conversation stands an empty line. All else that chunks say is left out: sources, calls, reasoning, usage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..chunks import Seam
from ..conversation.turns import TurnStarted
from ..outcome.errors import StreamError
from .statuses import NOT_STORED, STATUS, message_of, retry_after, title_of
from .writer import About, Ending, Item, Refusal

__all__ = ["TextWriter", "text_refusal"]

BETWEEN_TURNS = "\n\n"


class TextWriter:
    """Writes the text of an answer."""

    media_type = "text/plain; charset=utf-8"
    # A browser that guesses what it gets would run HTML that a model wrote, and waits for enough of it to guess by.
    headers: Mapping[str, str] = {**NOT_STORED, "x-content-type-options": "nosniff"}
    heartbeat = b""
    numbered = False

    def __init__(self) -> None:
        self.cut = False
        self._void = False
        self._wrote = False
        self._between = ""

    def begin(self, about: About) -> list[bytes]:
        """Return no frame."""
        return []

    def write(self, items: Sequence[Item]) -> list[bytes]:
        """Return a frame for each piece of text, and none once a recovery has begun the answer anew."""
        frames: list[bytes] = []
        for item in items:
            if type(item) is Seam and item.restart and self._wrote:
                self._void = True
            elif type(item) is TurnStarted:
                self._between = BETWEEN_TURNS if self._wrote else ""
            elif item.text and not self._void:
                frames.append(f"{self._between}{item.text}".encode("utf-8", "replace"))
                self._between, self._wrote = "", True
        return frames

    def end(self, ending: Ending) -> list[bytes]:
        """Return no frame; `cut` says whether the answer is whole."""
        self.cut = self._void or ending.outcome != "complete"
        return []

    def refusal(self, error: StreamError) -> Refusal:
        """Return the error in words."""
        return text_refusal(error)


def text_refusal(error: StreamError) -> Refusal:
    """Return the response of an answer that failed before it began, in the words that a person is to read."""
    headers = {"content-type": "text/plain; charset=utf-8", **NOT_STORED, **retry_after(error)}
    return Refusal(STATUS[error.kind], headers, f"{title_of(error)}: {message_of(error)}\n".encode("utf-8", "replace"))
