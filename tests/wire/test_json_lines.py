"""Typed JSON lines: the same at any split, and the good ones before a bad one are kept."""

from __future__ import annotations

import msgspec
import pytest

from resilient_stream.wire.json_events import BatchDecoder
from resilient_stream.wire.json_lines import JsonLines

from .splits import fed, ways


class Line(msgspec.Struct):
    """A line."""

    a: int


def lines(limit: int = 1000) -> JsonLines[Line]:
    """A decoder of one body."""
    return JsonLines(BatchDecoder(Line), limit)


def test_any_split_gives_the_same_lines() -> None:
    """Whole, byte by byte and at every offset, the last line without its newline."""
    body = b'{"a":1}\n\r\n{"a":2}\r\n{"a":3}'
    for reads in ways(body):
        decoder = lines()
        assert [*fed(decoder.feed, reads), *decoder.finish()] == [Line(1), Line(2), Line(3)]
        assert decoder.failure is None


@pytest.mark.parametrize("bad", [b'{"a":', b'{"a":"x"}', b'{"a":1} {"a":2}', b"\xff"])
def test_a_bad_line_ends_it_after_the_good_ones(bad: bytes) -> None:
    """What came before in the same read is not lost, what comes after is not read."""
    decoder = lines()
    assert decoder.feed(b'{"a":1}\n' + bad + b'\n{"a":3}\n') == [Line(1)]
    assert decoder.failure is not None
    assert decoder.failure.kind == "protocol_error"
    assert decoder.feed(b'{"a":4}\n') == decoder.finish() == []


def test_half_a_line_at_the_end_is_no_failure_of_the_json() -> None:
    """It is a cut, which the dialect tells by its missing end marker."""
    decoder = lines()
    assert decoder.feed(b'{"a":1}\n{"a"') == [Line(1)]
    assert decoder.finish() == []
    assert decoder.failure is None


def test_a_line_without_an_end_is_bounded() -> None:
    """A line without an end is an error at the limit, and does not fill the memory."""
    decoder = lines(limit=10)
    assert decoder.feed(b'{"a":' + b"1" * 20) == []
    assert decoder.failure is not None
    assert decoder.failure.kind == "buffer_limit"
