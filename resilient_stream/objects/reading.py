"""Reads the object of a stream as it grows: `ObjectStream`.

The text is read anew from its beginning each time, so that it is not done for each chunk: first after every 16
characters, in a longer text after every 32nd part of it. In all, a text is therefore read some 33 times, however long
it is, and an object on a screen still moves several times a second. Whatever has arrived is taken in before.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from ..chunks import Chunk
from ..outcome.transcript import Transcript
from ..text.json_in_text import json_begins
from .form import Form
from .growing import MISSING

__all__ = ["ObjectStream"]

LEAST = 16
"""Characters that have to be new before the text is read again."""
SHARE = 32
"""The part of a longer text that has to be new."""


class ObjectStream:
    """Yields the growing objects of a stream, as an async iterator. The last one is the validated one.

    An object is given only if it differs from the one before it. An answer that is no object (cut, refused, tool calls)
    ends it without a last one; `transcript.finish_kind` says why. Everything that the stream raises is raised.
    """

    __slots__ = ("_form", "_growing", "_last", "_over", "_ready", "_stream", "_transcript")

    def __init__(self, stream: AsyncIterator[Chunk], ready: list[Chunk], transcript: Transcript, form: Form) -> None:
        self._stream = stream
        self._ready = ready
        self._transcript = transcript
        self._form = form
        self._growing = Growing()
        self._last: Any = MISSING
        self._over = False

    def __aiter__(self) -> ObjectStream:
        return self

    async def __anext__(self) -> Any:
        while not self._over:
            try:
                self._take_text(await self._stream.__anext__())
            except StopAsyncIteration:
                self._over = True
                return self._whole()
            while self._ready:
                self._take_text(self._ready.pop())
            if self._growing.is_due and (grown := self._grown()) is not MISSING:
                return grown
        raise StopAsyncIteration

    def _take_text(self, chunk: Chunk) -> None:
        if chunk.text:
            self._growing.add(chunk.text)
        elif chunk.type == "seam" and chunk.restart:
            self._growing = Growing()

    def _grown(self) -> Any:
        """Return the object as far as it is there; MISSING where it is none yet, or the same as before."""
        grown = self._form.grown(self._growing.begun())
        if grown is MISSING or not self._is_new(grown):
            return MISSING
        self._last = grown
        return grown

    def _is_new(self, grown: Any) -> bool:
        try:
            return not (grown == self._last or grown in ({}, []))
        except Exception:  # values of the caller's own types, such as arrays, may refuse to be compared
            return True

    def _whole(self) -> Any:
        if self._transcript.output is not None:
            return self._transcript.output
        if (grown := self._grown()) is not MISSING:
            return grown
        raise StopAsyncIteration


class Growing:
    """Collects the text of an answer, and tells when it is worth being read again."""

    __slots__ = ("_begins", "_due", "_length", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0
        self._due = LEAST
        self._begins = -1

    def add(self, text: str) -> None:
        """Take in what has come."""
        self._pieces.append(text)
        self._length += len(text)

    @property
    def is_due(self) -> bool:
        """Return whether enough has come since the text was read last."""
        return self._length >= self._due

    def begun(self) -> str:
        """Return the text from where its JSON begins; empty before it does."""
        text = "".join(self._pieces)
        self._pieces = [text]
        self._due = self._length + max(LEAST, self._length // SHARE)
        if self._begins < 0:
            self._begins = json_begins(text)
        return text[self._begins :] if self._begins >= 0 else ""
