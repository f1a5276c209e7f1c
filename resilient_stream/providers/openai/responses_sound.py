"""Collects the recording of a Responses answer: pieces of its sound and of its words, given as one file at the end.

When the answer breaks, the file is what has come of it; a stream that goes on with the answer gives the rest as another
one. The API takes no recording back, so an earlier turn has its words.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ...chunks import File
from ..shared.holdings import Holdings
from .chat_files import Recording

__all__ = ["Sound"]


class Sound:
    """Collects the recording of one answer. bool: whether any of it came; most answers have none."""

    __slots__ = ("_holdings", "_made")

    def __init__(self, holdings: Holdings | None = None) -> None:
        self._holdings = holdings
        self._made: Recording | None = None

    def __bool__(self) -> bool:
        return self._made is not None

    def heard(self, piece: str) -> bool:
        """Take a piece of the recording's bytes; return whether it could be read."""
        return self._recording.add({"data": piece})

    def spoken(self, words: str) -> None:
        """Take a piece of the recording's words."""
        self._recording.add({"transcript": words})

    def file(self) -> list[File]:
        """Return what has come of the recording, once."""
        found = [] if self._made is None else self._made.file()
        return [replace(file, native=_as_item(file.text)) for file in found]

    @property
    def _recording(self) -> Recording:
        self._made = self._made or Recording(self._holdings or Holdings())
        return self._made


def _as_item(words: str) -> dict[str, Any]:
    """Return what stands for a recording in the next request: a message of its words, or nothing without any."""
    content = [{"type": "output_text", "text": words, "annotations": []}]
    return {"type": "message", "role": "assistant", "content": content} if words else {}
