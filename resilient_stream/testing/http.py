"""Reads and writes the part of HTTP/1.1 that a fake server needs: requests from bytes, heads and chunks to bytes (RFC
9112).

The functions are pure; sockets are in connection.py. Requests are read, and not checked beyond that.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec

__all__ = ["LAST_CHUNK", "ReceivedRequest", "chunk", "response_head", "take_request"]

LAST_CHUNK = b"0\r\n\r\n"
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


@dataclass(slots=True, kw_only=True)
class ReceivedRequest:
    """Holds one request as the provider saw it.

    path: with the query. headers: names in lower case. connection: which one it came on, counted from 1; equal
    numbers mean that the client used a connection again. started, ended_at: seconds of `time.monotonic()`;
    `ended_at` is None while the script plays. closed_by_client: the client left before the script was at its
    end. bytes_sent: bytes of the answer that the operating system took, the head included.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int = 0
    started: float = field(default_factory=time.monotonic)
    ended_at: float | None = None
    closed_by_client: bool = False
    bytes_sent: int = 0

    @property
    def json(self) -> Any:
        """Return the body as JSON values; None without a body. Raises msgspec.DecodeError for anything else."""
        return msgspec.json.decode(self.body) if self.body else None


def take_request(received: bytearray) -> ReceivedRequest | None:
    """Remove the first whole request from `received` and return it; None when there is none yet."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    line, *fields = received[:end].decode("latin-1").split("\r\n")
    method, path, _ = line.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in fields)}
    found = _body(headers, received, end + 4)
    if found is None:
        return None
    body, end = found
    del received[:end]
    return ReceivedRequest(method=method, path=path, headers=headers, body=body)


def _body(headers: Mapping[str, str], received: bytearray, start: int) -> tuple[bytes, int] | None:
    """Return the request's body and where it ends; None when some of it is missing."""
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return _chunked_body(received, start)
    end = start + int(headers.get("content-length", "0"))
    return (bytes(received[start:end]), end) if len(received) >= end else None


def _chunked_body(received: bytearray, start: int) -> tuple[bytes, int] | None:
    pieces: list[bytes] = []
    while (line_end := received.find(b"\r\n", start)) >= 0:
        size = int(received[start:line_end].partition(b";")[0], 16)
        start, end = line_end + 2, line_end + 2 + size
        if len(received) < end + 2:
            return None
        if size == 0:
            return b"".join(pieces), end + 2
        pieces.append(bytes(received[start:end]))
        start = end + 2
    return None


def response_head(status: int, headers: Mapping[str, str]) -> bytes:
    """Return the status line and the header fields, with the empty line that ends them."""
    reason = _PHRASES.get(status, "")
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} {reason}\r\n{fields}\r\n".encode("latin-1")


def chunk(data: bytes) -> bytes:
    """Return one chunk of a chunked body. Empty data gives nothing, since a chunk of size 0 is the end."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
