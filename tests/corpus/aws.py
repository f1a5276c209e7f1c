"""AWS's binary event stream, written by hand from its documentation."""

from __future__ import annotations

import struct
import zlib

__all__ = ["aws_message"]


def aws_message(event_type: str, payload: bytes, kind: str = "event") -> bytes:
    """One message: lengths, their checksum, headers, payload, the checksum of all of it."""
    fields = {f":{kind}-type": event_type, ":content-type": "application/json", ":message-type": kind}
    headers = b"".join(
        struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", 7, len(value.encode())) + value.encode()
        for name, value in fields.items()
    )
    lengths = struct.pack(">II", len(headers) + len(payload) + 16, len(headers))
    head = lengths + struct.pack(">I", zlib.crc32(lengths)) + headers + payload
    return head + struct.pack(">I", zlib.crc32(head))
