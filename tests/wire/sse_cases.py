"""Streams and their events, worked out by hand from the rules of the WHATWG HTML standard, 9.2.6.

Each: a name, the bytes, and its events as (type, data, last event id). What stands in no event is not there.
"""

from __future__ import annotations

import base64
from typing import Any

__all__ = ["CASES"]

_M = "message"

_TABLE: tuple[tuple[str, bytes, tuple[tuple[str, str, str], ...]], ...] = (
    ("one line", b"data: a\n\n", ((_M, "a", ""),)),
    ("two events", b"data: a\n\ndata: b\n\n", ((_M, "a", ""), (_M, "b", ""))),
    ("lines are joined", b"data: a\ndata: b\n\n", ((_M, "a\nb", ""),)),
    ("one space goes", b"data:  a\n\n", ((_M, " a", ""),)),
    ("no space", b"data:a\n\n", ((_M, "a", ""),)),
    ("a tab stays", b"data:\ta\n\n", ((_M, "\ta", ""),)),
    ("no colon is empty", b"data\n\n", ((_M, "", ""),)),
    ("two of them are a line end", b"data\ndata\n\n", ((_M, "\n", ""),)),
    ("empty data", b"data:\n\n", ((_M, "", ""),)),
    ("more colons are data", b"data: a: b:\n\n", ((_M, "a: b:", ""),)),
    ("named", b"event: ping\ndata: a\n\n", (("ping", "a", ""),)),
    ("a name lasts for one event", b"event: x\ndata: a\n\ndata: b\n\n", (("x", "a", ""), (_M, "b", ""))),
    ("the last name counts", b"event: x\nevent: y\ndata: a\n\n", (("y", "a", ""),)),
    ("an empty name is message", b"event:\ndata: a\n\n", ((_M, "a", ""),)),
    ("a name without data is no event", b"event: x\n\ndata: a\n\n", ((_M, "a", ""),)),
    ("an id stays", b"id: 7\ndata: a\n\ndata: b\n\n", ((_M, "a", "7"), (_M, "b", "7"))),
    ("an id alone counts for later ones", b"id: 7\n\ndata: a\n\n", ((_M, "a", "7"),)),
    ("an empty id resets", b"id: 7\ndata: a\n\nid\ndata: b\n\n", ((_M, "a", "7"), (_M, "b", ""))),
    ("an id with NUL is ignored", b"id: 7\ndata: a\n\nid: 8\0\ndata: b\n\n", ((_M, "a", "7"), (_M, "b", "7"))),
    ("comments are ignored", b": hello\ndata: a\n:\n\n", ((_M, "a", ""),)),
    ("a comment alone is nothing", b": hello\n\n", ()),
    ("unknown fields are ignored", b"foo: 1\ndata: a\nDATA: b\ndata : c\n\n", ((_M, "a", ""),)),
    ("a leading space is another field", b" data: a\n\ndata: b\n\n", ((_M, "b", ""),)),
    ("CR LF", b"data: a\r\ndata: b\r\n\r\n", ((_M, "a\nb", ""),)),
    ("CR", b"data: a\rdata: b\r\rdata: c\r\r", ((_M, "a\nb", ""), (_M, "c", ""))),
    ("mixed line ends", b"data: a\n\r\ndata: b\r\n\n", ((_M, "a", ""), (_M, "b", ""))),
    ("many blank lines", b"\n\n\ndata: a\n\n\n\n", ((_M, "a", ""),)),
    ("a byte order mark goes once", b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", ((_M, "a", ""),)),
    ("an unfinished event is none", b"data: a\n\ndata: b\n", ((_M, "a", ""),)),
    ("an unfinished line is none", b"data: a\n\ndata: b", ((_M, "a", ""),)),
    ("other line ends are data", "data: a\u2028b\u0085c\x0bd\n\n".encode(), ((_M, "a\u2028b\u0085c\x0bd", ""),)),
    ("a letter of four bytes", "data: 👩\u200d🚀\n\n".encode(), ((_M, "👩\u200d🚀", ""),)),
    ("bytes that are no text", b"data: \xff\xfea\n\n", ((_M, "\ufffd\ufffda", ""),)),
    ("a time to wait is no event", b"retry: 1000\n\ndata: a\n\n", ((_M, "a", ""),)),
    ("a time that is none", b"retry: soon\ndata: a\n\n", ((_M, "a", ""),)),
)

CASES: list[dict[str, Any]] = [
    {
        "name": f"own-{name.replace(' ', '-')}",
        "input": base64.b64encode(body).decode(),
        "expected": [{"event": kind, "data": data, "id": id, "retry": None} for kind, data, id in events],
    }
    for name, body, events in _TABLE
]
"""In the form of the shared cases."""
