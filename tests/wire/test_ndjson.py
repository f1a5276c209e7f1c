"""JSON lines: any split gives the same lines, and the buffer is bounded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_stream.wire.limits import EventTooLarge
from resilient_stream.wire.ndjson import NdjsonDecoder

from ..shared_files import shared_or_none
from .splits import at, cuts, fed, ways

FOLDER = shared_or_none("recordings/ollama-chat")
RECORDINGS = sorted(FOLDER.glob("*.ndjson")) if FOLDER else []
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def decoded(reads: list[bytes]) -> list[Any]:
    """The values of a body that came in these reads."""
    decoder = NdjsonDecoder()
    return [json.loads(line) for line in [*fed(decoder.feed, reads), *decoder.finish()]]


@given(st.lists(VALUES), st.lists(st.sampled_from(["\n", "\r\n", "\n\n", "\r\n\n", "\n \n"]), min_size=1), cuts())
def test_any_values_with_any_line_ends_at_any_split(values: list[Any], ends: list[str], offsets: set[int]) -> None:
    """What comes out is what went in; blank lines are nothing."""
    texts = (json.dumps(value, ensure_ascii=False) for value in values)
    body = "".join(text + ends[number % len(ends)] for number, text in enumerate(texts)).encode()
    assert decoded(at(body, offsets)) == decoded([body]) == values


def test_the_last_line_needs_no_newline() -> None:
    """`finish` gives the last line, once, if it has no newline."""
    decoder = NdjsonDecoder()
    assert decoder.feed(b'{"a":1}\n{"b"') == [b'{"a":1}']
    assert decoder.feed(b":2}") == []
    assert decoder.finish() == [b'{"b":2}']
    assert decoder.finish() == []


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_recordings_are_the_same_at_any_split(path: Path) -> None:
    """Recorded Ollama answers: every line is JSON, and only the last one says done."""
    body = path.read_bytes()
    expected = [json.loads(line) for line in body.splitlines() if line.strip()]
    for reads in ways(body):
        assert decoded(reads) == expected
    assert [value["done"] for value in expected] == [False] * (len(expected) - 1) + [True]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_line_above_the_bound_is_an_error(size: int) -> None:
    """Whatever the reads' size; a line at the bound is none, nor are many lines."""
    decoder = NdjsonDecoder(100)
    assert len(fed(decoder.feed, at(b"x" * 100 + b"\n" + b"y\n" * 1000, range(0, 3000, size)))) == 1001
    with pytest.raises(EventTooLarge) as caught:
        fed(decoder.feed, at(b"z" * 101, range(0, 101, size)))
    assert caught.value.limit == 100


def test_lines_before_one_above_the_bound_are_not_lost() -> None:
    """The error waits for the next call."""
    decoder = NdjsonDecoder(10)
    assert decoder.feed(b"1\n2\n" + b"x" * 11) == [b"1", b"2"]
    with pytest.raises(EventTooLarge):
        decoder.feed(b"x")


def test_bytes_are_joined_once_a_line() -> None:
    """Linear, counted and not timed: what is kept is joined when its newline comes, and not before."""

    class Counting(NdjsonDecoder):
        joined = 0

        def _with_kept(self, data: bytes) -> bytes:
            taken = super()._with_kept(data)
            self.joined += len(taken)
            return taken

    decoder = Counting()
    body = (b"x" * 999 + b"\n") * 20
    assert len(fed(decoder.feed, at(body, range(len(body))))) == 20
    assert decoder.joined == len(body)
