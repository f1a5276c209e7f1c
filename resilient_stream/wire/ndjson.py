"""Splits a body into lines of JSON, one value on each, as Ollama streams them.

There is one split per network read; what follows the last newline waits. The lines are not decoded here.
"""

from __future__ import annotations

from .limits import EventTooLarge, TooManyPieces, too_small

__all__ = ["NdjsonDecoder"]


class NdjsonDecoder:
    """Decodes one body incrementally. Blank lines are no values; CRLF ends a line like LF.

    Raises EventTooLarge when a line without an end exceeds `max_event_bytes`; whole lines that came before are returned
    first, and the next call raises. Raises TooManyPieces for a read of nothing but tiny lines.
    """

    __slots__ = ("_held", "_rest", "max_event_bytes")

    def __init__(self, max_event_bytes: int = 8 * 1024 * 1024) -> None:
        self.max_event_bytes = max_event_bytes
        self._rest: list[bytes] = []
        self._held = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` completes."""
        lines: list[bytes] = []
        size = 0
        if b"\n" in data:
            data = self._with_kept(data)
            size = len(data)
            *lines, data = data.split(b"\n")
        self._rest.append(data)
        self._held += len(data)
        if self._held > self.max_event_bytes and not lines:
            raise EventTooLarge(self.max_event_bytes)
        values = [value for line in lines if (value := line.strip())]
        if too_small(len(values), size):
            raise TooManyPieces(len(values))
        return values

    def finish(self) -> list[bytes]:
        """Return the last line of the body, if it had no newline. It may be cut; decoding its JSON tells."""
        value = self._with_kept(b"").strip()
        return [value] if value else []

    def _with_kept(self, data: bytes) -> bytes:
        """Return the kept bytes with `data` after them."""
        data = b"".join((*self._rest, data))
        self._rest, self._held = [], 0
        return data
