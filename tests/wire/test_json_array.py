"""One streamed JSON array: any formatting and any split give the same elements, at once, in linear time."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from resilient_stream.wire import json_array
from resilient_stream.wire.json_array import JsonArrayDecoder
from resilient_stream.wire.limits import BadFraming, EventTooLarge, TooManyPieces

from ..shared_files import shared_or_none
from .splits import at, cuts, fed, ways

FOLDERS = [shared_or_none(f"recordings/{name}") for name in ("gemini-jsonarray", "vertex-gemini-jsonarray")]
RECORDINGS = sorted(
    path
    for folder in FOLDERS
    if folder
    for path in folder.glob("*.json")
    if not path.name.endswith(".meta.json")
)  # fmt: skip
TEXTS = st.text(alphabet='"\\[]{},: \n\té𝄞a', max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
FORMATS = st.fixed_dictionaries({
    "indent": st.sampled_from([None, 0, 2, "\t"]),
    "separators": st.sampled_from([(",", ":"), (", ", " : "), ("\r\n,\r\n", ":\n")]),
    "ensure_ascii": st.booleans(),
})  # fmt: skip


def decoded(reads: list[bytes]) -> list[Any]:
    """The values of a whole array that came in these reads."""
    decoder = JsonArrayDecoder()
    found = fed(decoder.feed, reads)
    assert decoder.closed
    assert decoder.finish() == []
    return [json.loads(element) for element in found]


@given(st.lists(VALUES, max_size=6), FORMATS, cuts())
@example([""], {"indent": None}, set())
@example(["\\"], {"indent": None}, set(range(9)))
def test_any_array_in_any_format_at_any_split(values: list[Any], style: dict[str, Any], offsets: set[int]) -> None:
    """What comes out is what went in."""
    body = b" \n" + json.dumps(values, **style).encode() + b"\r\n"
    assert decoded(at(body, offsets)) == decoded(at(body, range(len(body)))) == decoded([body]) == values


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_recordings_are_the_same_at_any_split(path: Path) -> None:
    """Recorded Gemini answers have the same elements at any split."""
    body = path.read_bytes()
    whole = json.loads(body)
    if isinstance(whole, dict):
        pytest.skip("an object, see below")
    for reads in ways(body):
        assert decoded(reads) == whole


@pytest.mark.parametrize("element", [b'{"a":[{}]}', b'["]"]', b'"a,]"'])
def test_an_element_is_given_with_its_last_byte(element: bytes) -> None:
    """Not with the comma after it, which a server sends with the next one."""
    decoder = JsonArrayDecoder()
    assert decoder.feed(b"[\n" + element[:-1]) == []
    assert decoder.feed(element[-1:]) == [element]
    assert decoder.feed(b"\n,\r\n" + element) == [element]
    assert not decoder.closed
    assert (decoder.feed(b"\n]"), decoder.closed) == ([], True)


def test_a_number_is_given_when_something_follows() -> None:
    """`[12` may go on as `[123]`, so a cut one is never given."""
    decoder = JsonArrayDecoder()
    assert decoder.feed(b"[12") == []
    assert decoder.feed(b"3,4") == [b"123"]
    assert decoder.finish() == []


@pytest.mark.parametrize("body", [b"[]", b" [ ] ", b"\xef\xbb\xbf[\n]\n"])
def test_an_empty_array_is_closed(body: bytes) -> None:
    """No elements, with or without a BOM, at any split."""
    for reads in ways(body):
        assert decoded(reads) == []


@pytest.mark.parametrize("body", [b"", b"[", b'[{"a":1}', b'[{"a":1},', b'[{"a":1},{"b"', b'[{"a":1},"b'])
def test_a_cut_array_is_not_closed(body: bytes) -> None:
    """Whole elements are given, half of one is not, and `closed` tells."""
    for reads in ways(body):
        decoder = JsonArrayDecoder()
        assert fed(decoder.feed, reads) == ([b'{"a":1}'] if b"1" in body else [])
        assert (decoder.finish(), decoder.closed) == ([], False)


def test_an_object_is_one_element_at_the_end() -> None:
    """An error body where an array was expected."""
    body = b'\n{"error": {"code": 400}}\n'
    for reads in ways(body):
        decoder = JsonArrayDecoder()
        assert fed(decoder.feed, reads) == []
        assert (decoder.finish(), decoder.closed) == ([body.strip()], False)


@pytest.mark.parametrize(
    ("body", "elements"),
    [
        (b"<html>", []),
        (b"data: {}", []),
        (b"\xef\xbbx", []),
        (b"[,", []),
        (b"[}", []),
        (b"[1,]", [b"1"]),
        (b"[1 2]", [b"1"]),
        (b"[{}{}]", [b"{}"]),
        (b'[1"2"]', [b"1"]),
        (b"[1}", [b"1"]),
        (b"[]]", []),
        (b"[1][2]", [b"1"]),
        (b"[1] x", [b"1"]),
    ],
)
def test_what_is_no_array_is_an_error_after_what_was_good(body: bytes, elements: list[bytes]) -> None:
    """The same elements at any split, then BadFraming, by the next call at the latest."""
    for reads in ways(body + b" "):
        decoder = JsonArrayDecoder()
        found: list[bytes] = []
        with pytest.raises(BadFraming):
            for read in reads:
                found += decoder.feed(read)
            decoder.finish()
            pytest.fail("no error")
        assert found == elements
        with pytest.raises(BadFraming):
            decoder.finish()


@pytest.mark.parametrize("size", [1, 7, 100])
@pytest.mark.parametrize("begin", [b'["', b"[[", b"[1", b'[{"'])
def test_an_element_above_the_bound_is_an_error(begin: bytes, size: int) -> None:
    """Whatever the reads' size, and whether a string, a number or an object; space and many elements are free."""
    decoder = JsonArrayDecoder(100)
    small = b"[" + b"1,\n" * 1000 + b" " * 1000
    assert len(fed(decoder.feed, at(small, range(0, len(small), size)))) == 1000
    large = begin[1:] + b"1" * 100
    with pytest.raises(EventTooLarge) as caught:
        fed(decoder.feed, at(large, range(0, len(large), size)))
    assert caught.value.limit == 100


def test_elements_before_one_above_the_bound_are_not_lost() -> None:
    """The error waits for the next call."""
    decoder = JsonArrayDecoder(10)
    assert decoder.feed(b'[1,"' + b"x" * 11) == [b"1"]
    with pytest.raises(EventTooLarge):
        decoder.feed(b"x")


@pytest.mark.parametrize(
    "element",
    [
        pytest.param(b'"' + b"x" * 3000 + b'"', id="string"),
        pytest.param(b'"' + b"\\n" * 1500 + b'"', id="escapes"),
        pytest.param(b'{"a":"' + b"[{,}]" * 600 + b'"}', id="brackets in a string"),
        pytest.param(b"[" * 199 + b"]" * 199, id="depth"),
        pytest.param(b"[" + b"[]," * 600 + b"[]]", id="flat values"),
        pytest.param(b'{"a":' + b" " * 3000 + b"1}", id="space"),
        pytest.param(b"1" * 3000 + b" ", id="number"),
        pytest.param(b'{"a":"b"}' * 1, id="small"),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 100, 10**6])
def test_every_byte_is_scanned_a_bounded_number_of_times(
    element: bytes, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linear, counted and not timed: how far the searches go in all, against the body's length."""
    scanned = 0
    search = json_array._match_end

    def counting(pattern: re.Pattern[bytes], buffer: bytearray, offset: int) -> int:
        nonlocal scanned
        end = search(pattern, buffer, offset)
        # What a search may look at beyond its match: a string that turned out to have no end yet.
        scanned += (len(buffer) if buffer[end : end + 1] == b'"' else end) - offset + 1
        return end

    monkeypatch.setattr(json_array, "_match_end", counting)
    body = b"[" + b",\n".join([element] * 5) + b"]"
    decoder = JsonArrayDecoder()
    assert len(fed(decoder.feed, at(body, range(0, len(body), size)))) == 5
    assert scanned < 6 * len(body) + 100


@pytest.mark.parametrize("size", [1, 1000, 10**6])
def test_an_element_may_be_as_deep_as_an_answer_and_no_deeper(size: int) -> None:
    """200 brackets inside each other are read; of more, what was whole before is returned first."""
    deep = b"[" * json_array.MAX_DEPTH + b"]" * json_array.MAX_DEPTH
    decoder = JsonArrayDecoder()
    body = b"[1," + deep + b",[[" + deep
    with pytest.raises(BadFraming):
        fed(decoder.feed, at(body, range(0, len(body), size)))
        decoder.feed(b"]")
    assert JsonArrayDecoder().feed(body[: 4 + len(deep)]) == [b"1", deep]


def test_an_element_of_very_many_nested_values_is_a_limit() -> None:
    """Counted, not timed: brackets that are followed one by one, while flat values are skipped together."""
    flat = b"[" + b'{"a":1},' * 300_000 + b"{}]"
    assert JsonArrayDecoder().feed(b"[" + flat) == [flat]
    few = b"[" + b"[[]]," * (json_array.MOST_BRACKETS // 2 - 2) + b"[[]]]"
    decoder = JsonArrayDecoder()
    assert decoder.feed(b"[" + few + b"," + few) == [few, few]
    with pytest.raises(TooManyPieces):
        JsonArrayDecoder().feed(b"[[" + b"[[]]," * (json_array.MOST_BRACKETS // 2 + 2))


def test_nothing_is_kept_between_elements() -> None:
    """A long answer does not grow the buffer."""
    decoder = JsonArrayDecoder()
    decoder.feed(b"[")
    for _ in range(100):
        decoder.feed(b'{"text": "' + b"x" * 1000 + b'"}\n,\n')
        assert len(decoder._buffer) == 0
