"""Decodes AWS's binary event stream: messages of headers and a payload, each with two checksums.

    total length (4) | headers length (4) | CRC of these (4) | headers | payload | CRC of all before it (4)

Nothing is believed before its checksum: the lengths after the prelude's, the rest after the message's. Payloads are not
looked into. Sources: Amazon Transcribe's and smithy's description of the event stream encoding.
"""

from __future__ import annotations

import functools
import struct
from binascii import crc32
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from .limits import BadFraming, EventTooLarge

__all__ = ["EventStreamDecoder", "Message"]

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_OVERHEAD = _PRELUDE.size + _CRC.size
_USUAL = 512
"""Bytes of headers that are worth remembering."""


class Message(NamedTuple):
    """Holds one message. headers: their values as Python types: bool, int, bytes, str, UUID; a timestamp as its
    milliseconds."""

    headers: Mapping[str, Any]
    payload: bytes


class EventStreamDecoder:
    """Decodes one body incrementally.

    Raises BadFraming for a checksum that does not fit or headers that are none, and EventTooLarge for a message above
    `max_event_bytes`. Whole messages that came before are returned first; the next call raises.
    """

    __slots__ = ("_buffer", "_error", "max_event_bytes")

    def __init__(self, max_event_bytes: int = 8 * 1024 * 1024) -> None:
        self.max_event_bytes = max_event_bytes
        self._buffer = bytearray()
        self._error: Exception | None = None

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that `data` completes."""
        if self._error is not None:
            raise self._error
        self._buffer += data
        found: list[Message] = []
        try:
            found.extend(self._messages())
        except (BadFraming, EventTooLarge) as error:
            self._error = error
            if not found:
                raise
        return found

    @property
    def pending(self) -> bool:
        """Return whether a message has begun and not ended; at the end of a body this means that it was cut."""
        return bool(self._buffer)

    def _messages(self) -> Iterator[Message]:
        start = 0
        try:
            while (length := self._length(start)) and len(self._buffer) >= start + length:
                message = _message(bytes(self._buffer[start : start + length]))
                start += length
                yield message
        finally:
            del self._buffer[:start]

    def _length(self, start: int) -> int:
        """Return the number of bytes of the message that begins here; 0 while its prelude is not whole."""
        prelude = self._buffer[start : start + _PRELUDE.size]
        if len(prelude) < _PRELUDE.size:
            return 0
        total, headers, checksum = _PRELUDE.unpack(prelude)
        if crc32(prelude[:8]) != checksum:
            raise BadFraming("the checksum of a message's lengths does not fit")
        if total < _OVERHEAD or headers > total - _OVERHEAD:
            raise BadFraming("a message's lengths contradict each other")
        if total > self.max_event_bytes:
            raise EventTooLarge(self.max_event_bytes)
        return int(total)


def _message(data: bytes) -> Message:
    """Return a message from all of its bytes, whose lengths were checked before."""
    if crc32(data[:-4]) != _CRC.unpack(data[-4:])[0]:
        raise BadFraming("the checksum of a message does not fit")
    end = _PRELUDE.size + _PRELUDE.unpack(data[: _PRELUDE.size])[1]
    block = data[_PRELUDE.size : end]
    headers = _usual_headers(block) if len(block) <= _USUAL else _headers(block)
    return Message(headers, data[end:-4])


@functools.lru_cache(maxsize=32)
def _usual_headers(data: bytes) -> Mapping[str, Any]:
    """Return the headers in a block. A stream repeats a few blocks, and parsing one costs more than all the rest, so
    they are remembered."""
    return MappingProxyType(_headers(data))


def _headers(data: bytes) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    at = 0
    try:
        while at < len(data):
            name, at = _sized(data, at, 1)
            value, at = _VALUES[data[at]](data, at + 1)
            if name.decode() in headers:
                raise BadFraming("a message has the same header twice")
            headers[name.decode()] = value
    except (IndexError, KeyError, struct.error, UnicodeDecodeError) as error:
        raise BadFraming("a message's headers cannot be read") from error
    return headers


def _sized(data: bytes, at: int, width: int) -> tuple[bytes, int]:
    """Return bytes that follow their own length, and where they end."""
    begin = at + width
    end = begin + int.from_bytes(data[at:begin], "big")
    if begin > len(data) or end > len(data):
        raise IndexError
    return data[begin:end], end


def _number(form: str) -> Callable[[bytes, int], tuple[int, int]]:
    packed = struct.Struct(form)
    return lambda data, at: (packed.unpack_from(data, at)[0], at + packed.size)


def _text(data: bytes, at: int) -> tuple[str, int]:
    value, end = _sized(data, at, 2)
    return value.decode(), end


def _uuid(data: bytes, at: int) -> tuple[UUID, int]:
    if at + 16 > len(data):
        raise IndexError
    return UUID(bytes=data[at : at + 16]), at + 16


_VALUES: Mapping[int, Callable[[bytes, int], tuple[Any, int]]] = {
    0: lambda data, at: (True, at),
    1: lambda data, at: (False, at),
    2: _number(">b"),
    3: _number(">h"),
    4: _number(">i"),
    5: _number(">q"),
    6: lambda data, at: _sized(data, at, 2),
    7: _text,
    8: _number(">q"),
    9: _uuid,
}
"""How a header's value is read, by its type."""
