"""AWS's event stream against the published vectors, at every split."""

from __future__ import annotations

import base64
import json
import struct
from binascii import crc32
from typing import Any

import pytest

from resilient_stream.wire.eventstream import EventStreamDecoder, Message
from resilient_stream.wire.limits import BadFraming, EventTooLarge
from tests.shared_files import shared_or_none

_PATH = shared_or_none("conformance/eventstream_vectors.json")
VECTORS: list[dict[str, Any]] = json.loads(_PATH.read_text()) if _PATH else []

vectors = pytest.mark.parametrize(
    "vector",
    [pytest.param(vector, id=vector["name"]) for vector in VECTORS]
    or [pytest.param(None, marks=pytest.mark.skip(reason="the shared vectors are not here"), id="none")],
)


def encode(payload: bytes, headers: bytes = b"") -> bytes:
    """A message, written by hand."""
    lengths = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    body = lengths + struct.pack(">I", crc32(lengths)) + headers + payload
    return body + struct.pack(">I", crc32(body))


def read(data: bytes, size: int, **options: Any) -> list[Message]:
    """All messages of a body that comes in pieces of this size; raises as the decoder does."""
    decoder = EventStreamDecoder(**options)
    found = [message for at in range(0, len(data), size) for message in decoder.feed(data[at : at + size])]
    return [*found, *decoder.feed(b"")]


def wanted(vector: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Headers and payload as a vector has them, in either of its two forms."""
    decoded = vector["decoded"]
    headers = decoded["headers"]
    if isinstance(headers, list):
        headers = {header["name"]: _value(header) for header in headers}
    else:
        headers = {name: base64.b64decode(value["base64"]) if isinstance(value, dict) else value
                   for name, value in headers.items()}  # fmt: skip
    return headers, base64.b64decode(decoded["payload"])


def _value(header: dict[str, Any]) -> Any:
    value = header.get("value")
    if header["type"] in (6, 7, 9):
        value = base64.b64decode(value)
    return {0: True, 1: False, 7: value.decode() if header["type"] == 7 else None}.get(header["type"], value)


def _plain(headers: Any) -> dict[str, Any]:
    return {name: getattr(value, "bytes", value) for name, value in headers.items()}


@vectors
@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 10_000])
def test_a_vector_is_read_or_refused(vector: dict[str, Any], size: int) -> None:
    """Every positive vector gives its message, every negative one is refused, however it is split."""
    data = base64.b64decode(vector["encoded"])
    if vector["kind"] == "negative":
        with pytest.raises((BadFraming, EventTooLarge)):
            read(data, size)
        return
    [message] = read(data, size)
    if vector["decoded"] is not None and "headers" in vector["decoded"]:
        headers, payload = wanted(vector)
        assert (_plain(message.headers), message.payload) == (headers, payload)


OWN_HEADERS: tuple[tuple[str, bytes, Any], ...] = (
    ("yes", b"\x00", True),
    ("no", b"\x01", False),
    ("byte", b"\x02\xcf", -49),
    ("short", b"\x03\x00\x2a", 42),
    ("integer", b"\x04\x00\x00\xa0\x0c", 40972),
    ("long", b"\x05\x00\x00\x00\x00\x02\x87\x57\xb2", 42424242),
    ("bytes", b"\x06\x00\x03abc", b"abc"),
    ("text", b"\x07\x00\x03a\xc3\xa9", "a\xe9"),
    ("time", b"\x08\x00\x00\x00\x00\x00\x81\x5e\x18", 8478232),
    ("uuid", b"\x09" + bytes(range(1, 17)), bytes(range(1, 17))),
)
"""Each type of header as the documentation of the format writes it: its name, its bytes, its value."""


@pytest.mark.parametrize("size", [1, 2, 5, 10_000])
def test_every_type_of_header_is_read(size: int) -> None:
    """All ten types in one message, however it is split."""
    written = b"".join(bytes([len(name)]) + name.encode() + value for name, value, _ in OWN_HEADERS)
    [message] = read(encode(b'{"a": 1}', written), size)
    assert _plain(message.headers) == {name: value for name, _, value in OWN_HEADERS}
    assert message.payload == b'{"a": 1}'


@pytest.mark.parametrize("place", range(16 + 7 + 5))
@pytest.mark.parametrize("size", [1, 10_000])
def test_a_flipped_bit_is_refused(place: int, size: int) -> None:
    """Each byte of a message is under one of its two checksums; a length that grew leaves it unfinished."""
    data = bytearray(encode(b"abcde", b"\x01a\x02\x05\x01b\x00"))
    data[place] ^= 4
    try:
        assert read(bytes(data), size) == []
    except (BadFraming, EventTooLarge):
        pass


def test_good_messages_before_a_bad_one_are_given_first() -> None:
    """What arrived whole is not lost; the next call raises."""
    decoder = EventStreamDecoder()
    assert [message.payload for message in decoder.feed(encode(b"a") + encode(b"b") + b"\x00" * 12)] == [b"a", b"b"]
    with pytest.raises(BadFraming):
        decoder.feed(b"")


def test_a_message_above_the_bound_is_refused_by_its_prelude() -> None:
    """A length is enough: the message is never gathered."""
    with pytest.raises(EventTooLarge):
        EventStreamDecoder(max_event_bytes=1024).feed(encode(b"x" * 2000)[:12])


def test_half_a_message_is_pending() -> None:
    """At the end of a body this is how a cut shows."""
    decoder = EventStreamDecoder()
    decoder.feed(encode(b"abc")[:-1])
    assert decoder.pending
    assert decoder.feed(encode(b"abc")[-1:])
    assert not decoder.pending


@pytest.mark.parametrize(
    "headers", [b"\x01a", b"\x01a\x63", b"\x01a\x07\xff\xff", b"\x01\xff\x00", b"\x05ab", b"\x01a\x04\x00"]
)
def test_headers_that_are_none_are_refused(headers: bytes) -> None:
    """Cut, of an unknown type, longer than there is room for, or not UTF-8."""
    with pytest.raises(BadFraming):
        EventStreamDecoder().feed(encode(b"", headers))
