"""Reads the lines of a file one by one, each with its number and a digest of its content.

Memory is bounded by the longest line that is taken, whatever the size of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import BinaryIO, NamedTuple

__all__ = ["MAX_LINE", "Line", "digest_of", "lines"]

MAX_LINE = 64 * 1024 * 1024
"""Bytes of one line at most; pictures and documents are in it as text."""

PIECE = 1024 * 1024
"""Bytes that are read at a time of a line that is longer than allowed."""

BOM = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """Holds one line. number: from 1, blank lines counted. digest: of its content, never 0. data: None where it is
    longer than allowed."""

    number: int
    digest: int
    data: bytes | None


def lines(file: BinaryIO, most: int = MAX_LINE) -> Iterator[Line]:
    """Return the lines that are not blank, without the space around them."""
    number = 0
    while raw := file.readline(most + 1):
        number += 1
        if len(raw) > most and not raw.endswith(b"\n"):
            yield Line(number, _rest_of(raw, file), None)
        elif data := (raw.removeprefix(BOM) if number == 1 else raw).strip():
            yield Line(number, digest_of(data), data)


def digest_of(data: bytes) -> int:
    """Return a number of 64 bits that stands for the content; never 0."""
    return _number(blake2b(data, digest_size=8).digest())


def _rest_of(raw: bytes, file: BinaryIO) -> int:
    """Read to the end of a line, keeping nothing of it, and return its digest."""
    digest = blake2b(raw, digest_size=8)
    while raw and not raw.endswith(b"\n"):
        raw = file.readline(PIECE)
        digest.update(raw)
    return _number(digest.digest())


def _number(digest: bytes) -> int:
    return int.from_bytes(digest, "big") or 1
