"""Reads bytes that an answer has as base64 text, whole or in pieces.

Some servers encode each piece on its own, with its own padding; others cut one long text anywhere. Both are read: the
padding of a piece ends a text, and anything else goes on.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from ...given.files import type_of

__all__ = ["UNKNOWN_TYPE", "Pieces", "bytes_of", "in_data_url", "type_by_bytes"]

UNKNOWN_TYPE = "application/octet-stream"

_URL_SAFE = str.maketrans("-_", "+/")
_DATA_URL = re.compile(r"data:([^;,]*)(?:;[^;,]*)*;base64,")
_BASE64 = re.compile(r"[A-Za-z0-9+/=_\-\s]*")
_LOOKED_AT = 24
"""Bytes that are enough to know a file by."""


def bytes_of(value: Any) -> bytes | None:
    """Return the bytes of a base64 text, also of one without padding or in lines; None for anything else."""
    if not isinstance(value, str) or not value:
        return None
    found = _decoded(value)
    return _decoded("".join(map(str.strip, value.splitlines()))) if found is None else found


def _decoded(text: str) -> bytes | None:
    """Return the bytes of a base64 text; None where anything else is in it, which would make other bytes of it."""
    text = text.translate(_URL_SAFE).rstrip("=")
    try:
        return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True) or None
    except (binascii.Error, ValueError):
        return None


def in_data_url(url: str) -> tuple[str, bytes] | None:
    """Return the media type and the bytes of a data URL in base64; None for any other text."""
    head = _DATA_URL.match(url)
    data = bytes_of(url[head.end() :]) if head is not None else None
    return (head.group(1) or type_by_bytes(data), data) if head is not None and data else None


def type_by_bytes(data: bytes) -> str:
    """Return the media type that the first bytes of a file show."""
    return type_of(None, None, base64.b64encode(data[:_LOOKED_AT]).decode()) or UNKNOWN_TYPE


class Pieces:
    """Decodes a base64 text that comes in pieces. A text that is cut off loses at most its last two bytes."""

    __slots__ = ("_bytes", "_left")

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._left = ""

    def add(self, text: str) -> int | None:
        """Decode the next piece; return how many bytes were added. None: it is no base64, and nothing of it is kept."""
        if _BASE64.fullmatch(text) is None:
            return None
        *ended, rest = re.split("=+", self._left + "".join(text.split()))
        whole = len(rest) - len(rest) % 4
        found = [bytes_of(each) for each in (*ended, rest[:whole]) if each]
        if None in found:
            return None
        before = len(self._bytes)
        self._bytes += b"".join(each for each in found if each is not None)
        self._left = rest[whole:]
        return len(self._bytes) - before

    def end(self) -> bytes:
        """Return all bytes, with those of an unfinished group."""
        self._bytes += bytes_of(self._left[: len(self._left) - (len(self._left) == 1)]) or b""
        self._left = ""
        return bytes(self._bytes)
