"""Defines how a request leaves and its answer comes in: what an adapter wants sent, and what carries it.

A transport knows bytes and connections. It knows no dialect, and decides nothing about a failure.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Protocol, TypeAlias

import msgspec

from ..messages import Message
from ..outcome.transcript import Attempt
from ..text.harmless import safe_url
from .request import Endpoint, Request

__all__ = ["HttpRequest", "Outgoing", "ProcessRequest", "ReplayRequest", "Response", "Sending", "Transport"]


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what an adapter wants sent. The transport adds `Accept-Encoding`, the target its own headers."""

    method: str = "POST"
    url: str
    headers: dict[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"HttpRequest({self.method} {safe_url(self.url)}, {len(self.body)} bytes)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("method", self.method), ("url", safe_url(self.url))]


class ProcessRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what an adapter wants run, for a provider that is a program. `stdin` is written to it and closed.

    environment: all the variables that it has. files: options of its command line whose values are names of files with
    this content, which only this user can read and which are removed when the program is over.
    """

    command: tuple[str, ...]
    stdin: bytes
    environment: Mapping[str, str] = msgspec.field(default_factory=dict)
    files: Mapping[str, bytes] = msgspec.field(default_factory=dict)

    @property
    def url(self) -> str:
        """Return a name for messages, since a program has no address."""
        return ""

    def __repr__(self) -> str:
        return f"ProcessRequest({self.command[0]}, {len(self.stdin)} bytes)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("program", self.command[0])]


class ReplayRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Says what is looked for in a recording, and how its answer is played (see `recording/provider.py`)."""

    file: str
    messages: tuple[Message, ...]
    speed: float = 1.0
    repeat: bool = False
    max_line_bytes: int = 8 * 1024 * 1024

    @property
    def url(self) -> str:
        """Return a name for messages, since a file has no address."""
        return ""

    def __repr__(self) -> str:
        return f"ReplayRequest({self.file!r}, {len(self.messages)} messages)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("file", self.file)]


Outgoing: TypeAlias = HttpRequest | ProcessRequest | ReplayRequest


class Sending:
    """Says how far a request has come: whether its connection had served another one, and whether it was written.

    request, record, endpoint: what it is, the attempt's entry in the transcript, and where it goes with which key;
    for a transport that keeps what passes (recording/recorder.py).
    """

    __slots__ = ("endpoint", "record", "request", "reused", "written")

    def __init__(self, request: Request | None = None, record: Attempt | None = None) -> None:
        self.request = request
        self.record = record
        self.endpoint: Endpoint | None = None
        self.reused = False
        self.written = False


class Response(Protocol):
    """Carries one answer over one connection. It has one owner, who closes it. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]

    def read(self) -> Awaitable[bytes]:
        """Return what has arrived, at least one byte; b"" at the end of the body."""
        ...

    def interrupt(self, error: Exception) -> None:
        """Make a pending `read` raise `error` now, and close. This is synchronous."""
        ...

    def drain(self) -> bytes:
        """Return what had arrived but was not read."""
        ...

    def close(self) -> None:
        """Close the answer and its connection now. This is synchronous, and it may be called again."""
        ...


class Transport(Protocol):
    """Sends requests, over HTTP or to a program's standard input."""

    async def open(self, request: Any, connect_timeout: float | None, sending: Sending) -> Response:
        """Send the request, and wait for the head of its answer."""
        ...

    def release(self, response: Any) -> None:
        """Keep what carried an answer for another request, since the answer is whole."""
        ...

    def close_idle(self, host: str = "") -> int:
        """Close the connections of the running loop that nobody uses, to one host or to all; return their number.

        host: as `endpoint.host_of` writes it. Synchronous.
        """
        ...

    async def aclose(self) -> None:
        """Close everything of the running loop. It may be called again."""
        ...
