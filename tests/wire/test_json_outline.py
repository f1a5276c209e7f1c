"""The outline of a JSON text: any split gives the same one, its marks lead to the strings, and it stays small."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from resilient_stream.wire import json_outline
from resilient_stream.wire.json_outline import JsonOutline, paths
from resilient_stream.wire.json_string import JsonString
from resilient_stream.wire.limits import BadFraming, EventTooLarge, TooManyPieces

from .splits import at, cuts, ways

PLACES = paths("a", "b.0.a", "b.*.b", "a.*.a")
NAMES = st.sampled_from(["a", "b", "c", "", "\u00e9", 'a"', "a\\", "b.0.a", "*", "0"])
TEXTS = st.text(alphabet='"\\[]{},: \n\té𝄞a', max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
BODIES = st.dictionaries(NAMES, VALUES, max_size=5) | st.lists(VALUES, max_size=5)
FORMATS = st.fixed_dictionaries({
    "indent": st.sampled_from([None, 0, 2, "\t"]),
    "separators": st.sampled_from([(",", ":"), (", ", " : "), ("\r\n,\r\n", ":\n")]),
    "ensure_ascii": st.booleans(),
})  # fmt: skip


@pytest.fixture(autouse=True)
def short_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strings of more than eight bytes are taken out."""
    monkeypatch.setattr(json_outline, "KEPT", 8)


def outlined(reads: list[bytes], **options: Any) -> JsonOutline:
    """The outline of a body that came in these reads."""
    outline = JsonOutline(PLACES, **options)
    for read in reads:
        outline.feed(read)
    return outline


def restored(outline: JsonOutline, body: bytes) -> Any:
    """The value again, each mark replaced by what its span of the body says."""

    def unfold(value: Any) -> Any:
        if isinstance(value, str) and value in outline.spans:
            span = outline.spans[value]
            return JsonString().feed(body[span.start : span.end])
        if isinstance(value, list):
            return [unfold(item) for item in value]
        if isinstance(value, dict):
            return {name: unfold(item) for name, item in value.items()}
        return value

    return unfold(json.loads(bytes(outline.text)))


def at_places(value: Any, node: Any = PLACES) -> list[str]:
    """The strings that stand where long ones may be, in order."""
    if isinstance(value, str):
        return [value] if "" in node else []
    if isinstance(value, dict):
        found = [at_places(item, (node.get(name) if name else None) or {}) for name, item in value.items()]
    elif isinstance(value, list):
        found = [at_places(item, node.get(str(i)) or node.get("*") or {}) for i, item in enumerate(value)]
    else:
        found = []
    return [text for texts in found for text in texts]


@given(BODIES, FORMATS, cuts())
@example({"a": "x" * 9, "b": [{"a": "\\" * 9, "b": '"' * 9}, {"a": "y" * 9, "b": "z" * 9}]}, {}, set())
@example({"a": [{"a": "x" * 20}, "y" * 20]}, {}, set(range(50)))
@example({"a": 1, "b": {"a": "x" * 20}, "c": {"a": "x" * 20}}, {}, set())
def test_any_body_in_any_format_at_any_split(body: Any, style: dict[str, Any], offsets: set[int]) -> None:
    """What is put together again is what was sent; exactly the long strings at their places are gone."""
    sent = b" \n" + json.dumps(body, **style).encode() + b"\r\n"
    long = sum(len(json.dumps(text, ensure_ascii=style.get("ensure_ascii", True)).encode()) > 10
               for text in at_places(body))  # fmt: skip
    for reads in ([sent], at(sent, offsets), at(sent, range(len(sent)))):
        outline = outlined(reads)
        assert outline.closed
        assert restored(outline, sent) == body
        assert len(outline.spans) == long


@given(BODIES, cuts())
def test_only_the_last_cut_is_closed(body: Any, offsets: set[int]) -> None:
    """A body that stops anywhere before its last bracket never looks whole."""
    sent = json.dumps(body).encode()
    for cut in range(len(sent)):
        assert not outlined(at(sent[:cut], offsets)).closed
    assert outlined([sent]).closed


def test_a_key_written_with_escapes_is_the_same_key() -> None:
    """JSON has more than one spelling."""
    body = b'{"\\u0061": "0123456789", "b": [{"\\u0061": "0123456789"}]}'
    for reads in ways(body):
        assert len(outlined(reads).spans) == 2


def test_space_and_a_bom_in_front_are_dropped() -> None:
    """Servers send empty lines to keep a connection alive; minutes of them are nothing."""
    body = b"\xef\xbb\xbf" + b"\n" * 3000 + b'{"a":"0123456789"}'
    for reads in ways(body):
        outline = outlined(reads, max_bytes=1024)
        assert restored(outline, body) == {"a": "0123456789"}


@pytest.mark.parametrize("body", [b"<html>", b"data: {}", b'"text"', b"12", b"\xef\xbbx", b"]"])
def test_what_is_no_object_is_refused_at_its_first_byte(body: bytes) -> None:
    """A login page, an event stream and a bare value are refused at their first byte."""
    with pytest.raises(BadFraming):
        outlined([body])


@pytest.mark.parametrize("body", [b'{"a":"0123456789\\x"}', b'{"a":"0123456789\n"}', b'{"a":"0123456789\xff"}'])
def test_a_long_string_that_is_none_is_refused(body: bytes) -> None:
    """It is checked although it is not kept: the answer is known to be good before any of it is given."""
    for reads in ways(body):
        with pytest.raises(BadFraming):
            outlined(reads)


def test_deep_nesting_is_refused() -> None:
    """Deep nesting is refused before anything recursive reads it."""
    outlined([b"[" * 200])
    with pytest.raises(BadFraming, match="200 brackets"):
        outlined([b"[" * 201])


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("body", [b'{"c":"', b'{"b":[{"c":[', b'{"', b'{"a":{"a":1'])
def test_what_is_kept_is_bounded(body: bytes, size: int) -> None:
    """A string, a key or a number where nothing long belongs."""
    large = body + b"1" * 2000
    with pytest.raises(EventTooLarge):
        outlined(at(large, range(0, len(large), size)), max_bytes=1024)


@pytest.mark.parametrize("size", [1, 100, 5000])
def test_a_long_string_is_never_held(size: int) -> None:
    """Whatever its length and the reads': no more than one read and a few bytes are there."""
    outline = JsonOutline(PLACES, max_bytes=1024)
    body = b'{"a":"' + b'\\"x\\n' * 20000 + b'"}'
    for read in at(body, range(0, len(body), size)):
        outline.feed(read)
        assert len(outline.text) < 100
    assert outline.closed


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"a":"' + b"x" * 3000 + b'"}', id="long string"),
        pytest.param(b'{"a":"' + b"\\n" * 1500 + b'"}', id="escapes"),
        pytest.param(b'{"c":"' + b"[{,}]" * 600 + b'"}', id="brackets in a string"),
        pytest.param(b'{"c":' + b'[{"a":1},"b"]' * 200 + b"}", id="brackets off the paths"),
        pytest.param(b'{"b":[' + b'{"b":"x"},' * 300 + b"{}]}", id="many on the paths"),
        pytest.param(b'{"c":' + b" " * 3000 + b"1}", id="space"),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 100, 10**6])
def test_every_byte_is_scanned_a_bounded_number_of_times(
    body: bytes, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linear, counted and not timed: how far the searches go in all, against the body's length."""
    scanned = 0
    search = json_outline._match_end

    def counting(pattern: re.Pattern[bytes], buffer: bytearray, offset: int) -> int:
        nonlocal scanned
        end = search(pattern, buffer, offset)
        # What a search over strings may look at beyond its match: one that turned out to have no end yet.
        looked = pattern is json_outline.OVER_FLAT_VALUES and buffer[end : end + 1] == b'"'
        scanned += (len(buffer) if looked else end) - offset + 1
        return end

    monkeypatch.setattr(json_outline, "_match_end", counting)
    assert outlined(at(body, range(0, len(body), size))).closed
    assert scanned < 6 * len(body) + 100


@pytest.mark.parametrize("piece", [b'"",', b"{},", b"[],", b'{"a":""},', b'{"c":[[]]},', b'""', b"{}"], ids=repr)
def test_very_many_values_that_are_followed_are_a_limit(piece: bytes) -> None:
    """Counted, not timed: an array of a million tiny values ends when 50,000 steps were taken."""
    outline, fed, slice_of = JsonOutline(PLACES, 8 * 1024 * 1024), 0, 16 * 1024
    body = b'{"b":[' + piece * (slice_of // len(piece))
    with pytest.raises(TooManyPieces):
        for _ in range(500):
            outline.feed(body)
            fed, body = fed + len(body), body.removeprefix(b'{"b":[')
    assert fed < 3 * json_outline.MANY_STEPS


def test_very_many_values_that_nobody_reads_are_no_limit() -> None:
    """Log probabilities of a long answer: values of a place that is not followed are skipped together."""
    token = b'{"token":"a","logprob":-0.5,"bytes":[97],"top":[%b]},' % b",".join([b'{"token":"a","bytes":[97]}'] * 5)
    outline = JsonOutline(PLACES, 32 * 1024 * 1024)
    outline.feed(b'{"c":[' + token * 30_000 + b'{}],"a":"0123456789"}')
    assert outline.closed
    assert len(outline.spans) == 1
