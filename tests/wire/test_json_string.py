"""The inside of a JSON string in pieces: the same text at any split, and nothing that JSON forbids."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from resilient_stream.wire.json_string import JsonString
from resilient_stream.wire.limits import BadFraming

from .splits import at, cuts, ways

TEXTS = st.text(alphabet=st.sampled_from('"\\/\n\t\x00\x1fa\u00e9\u20ac𝄞😀\U0010ffff\ud7ff\ue000u0dD'), max_size=40)


def decoded(reads: list[bytes]) -> str:
    """The text of a whole string that came in these reads."""
    decoder = JsonString()
    text = "".join(map(decoder.feed, reads))
    return text + decoder.finish()


@given(TEXTS, st.booleans(), cuts())
@example("😀", True, set(range(12)))
@example("\\u😀\\", True, set(range(30)))
def test_any_text_at_any_split(text: str, escaped: bool, offsets: set[int]) -> None:
    """Raw or escaped, whole, torn anywhere, and byte by byte."""
    body = json.dumps(text, ensure_ascii=escaped).encode()[1:-1]
    assert decoded(at(body, offsets)) == decoded(at(body, range(len(body)))) == decoded([body]) == text


@pytest.mark.parametrize(
    "body",
    [
        rb"\x", rb"\u12g4", rb"\ud83d\u12g4", b"a\nb", b"\x00",
        b"\xff", b"\xc3", b"\xc3(", b"\xe2\x82", b"\xf0\x9f\x98", b"\xed\xa0\xbd", b"\x80", b"\\", b"\\u", b"\\u00",
        b'a"b', b"\xf8\x88\x80\x80\x80", b"\xc3\\n",
    ],
)  # fmt: skip
def test_what_is_no_string_is_an_error_at_any_split(body: bytes) -> None:
    """Also where only the end tells, and with much behind it."""
    for whole in (body, b"abc" + body + b" and so on, for more than any escape has" * 2):
        for reads in ways(whole):
            with pytest.raises(BadFraming):
                decoded(reads)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (rb"\ud83d", "\ufffd"),
        (rb"\ud83dx", "\ufffdx"),
        (rb"\ud83d\n", "\ufffd\n"),
        (rb"\ud83d\u0041", "\ufffdA"),
        (rb"\ude00", "\ufffd"),
        (rb"\ude00\ud83d", "\ufffd\ufffd"),
        (rb"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (rb"\\ud83d\\", "\\ud83d\\"),
    ],
)
def test_half_a_pair_is_one_unknown_character_at_any_split(body: bytes, text: str) -> None:
    """Gateways that cut texts between two halves send such strings; the rest of the answer is not lost for it."""
    for reads in ways(body):
        assert decoded(reads) == text


@given(cuts(2000))
def test_what_waits_is_short(offsets: set[int]) -> None:
    """No split makes it keep more than the beginning of one character."""
    body = json.dumps("é😀\\\n" * 100).encode()[1:-1]
    decoder = JsonString()
    for read in at(body, offsets):
        decoder.feed(read)
        assert len(decoder._rest) <= 11
