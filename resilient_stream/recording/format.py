"""Defines the format of recordings: one exchange a line in a file, and the lines in which one is played back.

    a file       {"version":1,"target":"openai:gpt-5-mini","messages":[…],"status":200,"pieces":[[0.41,"data: …"]],…}
    played back  {"head":{"target":…}}   {"data":"data: …"} …   {"ended":{"how":"end",…}}

Pieces are the bytes as they came, with their time, so that whoever plays them decodes them anew. Bytes that are text
stand as text: a recording is read and reviewed like any other file of a test. A recording holds no secret: what goes in
has been through `masking/values.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from ..failures import Failure

__all__ = ["DECODING", "VERSION", "Ending", "Exchange", "Head", "Line", "Numbered", "Piece", "as_data", "lines_of"]

VERSION = 1

DECODING = ("api", "raw", "terminal")
"""The options of a target that decide how its answers are read; no other is recorded, it may be a secret."""

How: TypeAlias = Literal["end", "failed", "left"]


class Binary(msgspec.Struct, gc=False):
    """Holds bytes that are no text, which JSON keeps as base64."""

    base64: bytes


Data: TypeAlias = str | Binary


class Piece(msgspec.Struct, array_like=True, gc=False):
    """Holds one network read. after: seconds since the request was sent.

    The garbage collector has nothing to find in pieces, of which a recording may have very many.
    """

    after: float
    data: Data

    @property
    def bytes(self) -> bytes:
        """Return the bytes as they came."""
        return _bytes(self.data)


class Ending(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Says how an answer ended, `after` seconds: with the body's end, with a failure that is not in the bytes (reset,
    timeout), or because the caller left (`left`; outcome: the stream's)."""

    how: How
    after: float
    failure: Failure | None = None
    outcome: str | None = None


class Numbered(msgspec.Struct):
    """Holds what is read first of a line, and costs little: the version of its format."""

    version: Any = None


class Exchange(msgspec.Struct, kw_only=True):
    """Holds one request and its answer.

    options: those of the target that decide how its answer is read. stream: whether it was to be streamed. started:
    Unix time. messages: the conversation, before a dialect was made of it; sent: what was. status, headers,
    head_after: None and empty when no answer came. written, reused: how far the request came, as in `contract.Sending`.
    """

    version: int
    target: str
    messages: list[dict[str, Any]]
    ended: Ending
    options: dict[str, Any] = {}
    stream: bool = True
    call: str = ""
    attempt: int = 1
    started: float = 0.0
    sent: dict[str, Any] = {}
    status: int | None = None
    headers: dict[str, str] = {}
    head_after: float | None = None
    pieces: list[Piece] = []
    written: bool = True
    reused: bool = False
    host: str = ""


class Head(msgspec.Struct, omit_defaults=True):
    """Describes the answer whose lines follow. whole: in one piece, not as a stream."""

    target: str
    options: Mapping[str, Any] = {}
    host: str = ""
    whole: bool = False


class Line(msgspec.Struct, omit_defaults=True):
    """Holds one line of a playback; exactly one of the three fields is set."""

    head: Head | None = None
    data: Data | None = None
    ended: Ending | None = None

    @property
    def bytes(self) -> bytes:
        """Return the bytes of this line, if it has any."""
        return b"" if self.data is None else _bytes(self.data)


def as_data(data: bytes) -> Data:
    """Return text as text, anything else as base64."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return Binary(data)


def lines_of(data: bytes, most: int) -> Iterator[Line]:
    """Return a network read as lines, each with so few bytes that no line is too long for `most`."""
    size = max(most // 8, 64)  # in the worst case JSON writes six bytes for one
    return (Line(data=as_data(data[start : start + size])) for start in range(0, len(data), size))


def _bytes(data: Data) -> bytes:
    return data.encode() if isinstance(data, str) else data.base64
