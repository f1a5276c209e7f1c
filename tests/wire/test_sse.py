"""Server-sent events: the conformance cases, any split, both ways of reading, and the bounds."""

from __future__ import annotations

import base64
import json
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from resilient_stream.wire.limits import EventTooLarge
from resilient_stream.wire.sse import SseDecoder, SseEvent, lone_event

from ..shared_files import shared_or_none
from .splits import at, cuts, fed, ways
from .sse_cases import CASES as OWN

FILE = shared_or_none("conformance/sse_cases.json")
CASES: list[dict[str, Any]] = [*OWN, *(json.loads(FILE.read_bytes()) if FILE else [])]


def both(reads: list[bytes]) -> tuple[list[SseEvent], list[bytes]]:
    """The same reads as events and as payloads."""
    return fed(SseDecoder().feed, reads), fed(SseDecoder().payloads, reads)


# -- the cases --------------------------------------------------------------------------------------


def test_the_cases_are_all_there() -> None:
    """35 of our own and, where the shared ones are here, 111 more, each under a name of its own."""
    assert len({case["name"] for case in CASES}) == len(CASES) == 35 + (111 if FILE else 0)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_conformance(case: dict[str, Any]) -> None:
    """A case gives its events whole, byte by byte, and at every or random splits, read either way."""
    body = base64.b64decode(case["input"])
    expected = case["expected"]
    for reads in ways(body):
        events, payloads = both(reads)
        assert [plain(event) for event in events] == [
            {name: each[name] for name in ("event", "data", "id")} for each in expected
        ]
        assert payloads == [event.data for event in events]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_reconnection_time_stands_with_the_event(case: dict[str, Any]) -> None:
    """Read byte by byte, `retry` after an event is what the case says, where it says one."""
    decoder = SseDecoder()
    seen = []
    for byte in base64.b64decode(case["input"]):
        seen += [decoder.retry for _ in decoder.feed(bytes([byte]))]
    for found, each in zip(seen, case["expected"], strict=True):
        if each["retry"] is not None:
            assert found == each["retry"]


def plain(event: SseEvent) -> dict[str, str]:
    """An event as the cases write it: text, with U+FFFD for what is no UTF-8."""
    return {"event": event.event, "data": event.data.decode("utf-8", "replace"), "id": event.id}


# -- generated streams ------------------------------------------------------------------------------

ENDS = ("\n", "\r\n", "\r")
VALUES = st.text(alphabet=" :ab\0é{}𝄞\ufeff", max_size=6)
NAMES = st.sampled_from(["data", "data", "data", "event", "id", "retry", "", "dat", "database", "x", " data", "{"])
LINES = st.builds(
    lambda name, colon, value: name + (colon + value if colon else ""),
    NAMES, st.sampled_from(["", ":", ": ", ":  "]), VALUES | st.integers(0, 99).map(str),
)  # fmt: skip
BLOCKS = st.lists(st.tuples(LINES, st.sampled_from(ENDS)), max_size=5)


def by_the_text(body: str) -> tuple[list[tuple[str, str, str]], str, int | None]:
    """HTML 9.2.6, word by word: the slow reading that the fast one is held against."""
    body = body.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    events: list[tuple[str, str, str]] = []
    data, event, last_id, retry = "", "", "", None
    for line in body.split("\n")[:-1]:
        if line == "":
            if data:
                events.append((event or "message", data.removesuffix("\n"), last_id))
            data, event = "", ""
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            event = value
        elif field == "data":
            data += value + "\n"
        elif field == "id" and "\0" not in value:
            last_id = value
        elif field == "retry" and value.isascii() and value.isdigit():
            retry = int(value)
    return events, last_id, retry


def written(blocks: list[list[tuple[str, str]]], blank: list[str]) -> str:
    """Blocks of lines as one body, a blank line after each."""
    return "".join(
        "".join(line + end for line, end in block) + blank[number % len(blank)] for number, block in enumerate(blocks)
    )


@given(st.booleans(), st.lists(BLOCKS, max_size=5), st.lists(st.sampled_from(ENDS), min_size=1), VALUES, cuts(120))
@example(True, [[("data: a", "\r")], [("data", "\r\n")]], ["\r"], "", {1, 2, 3, 10, 11})
def test_any_stream_at_any_split_is_read_as_the_text_says(
    bom: bool, blocks: list[list[tuple[str, str]]], blank: list[str], rest: str, offsets: set[int]
) -> None:
    """Both ways of reading agree with the text, whatever the line ends, fields and splits."""
    text = "\ufeff" * bom + written(blocks, blank) + rest
    body = text.encode()
    expected, _, retry = by_the_text(text)
    for reads in ([body], at(body, offsets), at(body, range(len(body)))):
        decoder = SseDecoder()
        events = fed(decoder.feed, reads)
        assert [(event.event, event.data.decode(), event.id) for event in events] == expected
        if text.replace("\r\n", "\n").replace("\r", "\n").endswith("\n\n"):  # else it is in a half event
            assert decoder.retry == retry
        assert fed(SseDecoder().payloads, reads) == [event.data for event in events]


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.sampled_from(["data: ", "data:", "event: e\ndata: ", ": c\ndata: "]), VALUES), max_size=20),
    st.sampled_from(ENDS),
    cuts(400),
)
def test_the_shapes_that_providers_send_are_read_the_same_both_ways(
    events: list[tuple[str, str]], end: str, offsets: set[int]
) -> None:
    """The fast ways of `payloads` (only data lines; one data line an event) lose and change nothing."""
    body = "".join(f"{head}{value}\n\n" for head, value in events).replace("\n", end).encode()
    found, payloads = both(at(body, offsets))
    spaced = [value.removeprefix(" ") if head.endswith(":") else value for head, value in events]
    assert payloads == [event.data for event in found] == [value.encode() for value in spaced]


@given(st.lists(VALUES, max_size=20), st.sampled_from(ENDS))
def test_one_event_a_read_is_read_the_same_both_ways(values: list[str], end: str) -> None:
    """What a paced stream's reads are has a way of its own in `payloads`."""
    reads = [f"data: {value}{end}{end}".encode() for value in values]
    events, payloads = both(reads)
    assert payloads == [event.data for event in events] == [value.encode() for value in values]


ONE_EVENT = ('data: {"a":1}\n\n', 'data: {"a":1}\r\n\r\n', 'event: e\ndata: {"a":1}\n\n')


def begun() -> SseDecoder:
    """A decoder behind its first event."""
    decoder = SseDecoder()
    assert decoder.payloads(b"data: 0\n\n") == [b"0"]
    return decoder


@pytest.mark.parametrize("event", ONE_EVENT)
def test_a_single_event_is_known_at_once(event: str) -> None:
    """In the shapes of OpenAI, Gemini and Anthropic; but not where something waits, or at the very beginning."""
    assert lone_event(event.encode()) == b'{"a":1}'
    assert begun().between
    assert not SseDecoder().between
    for waiting in (b"data: 1\n", b"data: 1\n\r"):
        decoder = begun()
        decoder.payloads(waiting)
        assert not decoder.between


@pytest.mark.parametrize("event", ONE_EVENT)
def test_what_passes_for_a_single_event_is_one(event: str) -> None:
    """However it is changed, the quick look and the whole reading agree."""
    puts = ("", "\n", "\r", "\r\n", "\n\n", "\r\n\r\n", "x", "ping", "data: ", "id: 1\n", "\ndata: {}", ": c\n")
    for place, dropped, put in product(range(len(event) + 1), range(3), puts):
        read = (event[:place] + put + event[place + dropped :]).encode()
        quick, whole = lone_event(read), begun()
        if quick is not None:
            assert whole.payloads(read) == [quick], read
            assert (whole.pings, whole.stray, whole.leftover()) == (frozenset(), b"", []), read


@pytest.mark.parametrize("head", ["data: ", "event: e\ndata: "])
@pytest.mark.parametrize(
    "odd",
    [
        "dat: x\n\n", "data:x\n\n", "event: e\n\n", ": c\ndata: x\n\n", "\n", "data: x\ndata: y\n\n",
        "data: x\nid: 1\ndata: y\n\n", "event: e\ndata: x\nid: 1\nevent: e\ndata: y\n\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", [0, 2, 4])
def test_one_event_that_is_written_otherwise_is_read_as_the_text_says(head: str, odd: str, place: int) -> None:
    """Events that are written alike are cut at once; a single other one among them changes the reading of none."""
    events = [f"{head}{number}\n\n" for number in range(4)]
    body = "".join([*events[:place], odd, *events[place:]])
    found, payloads = both([body.encode()])
    assert payloads == [event.data for event in found] == [data.encode() for _, data, _ in by_the_text(body)[0]]


@pytest.mark.parametrize("name", ["ping", "keepalive", "heartbeat"])
def test_a_ping_among_named_events_is_known_as_one(name: str) -> None:
    """Its data is said to be no event, also where it is written like all the others."""
    decoder = SseDecoder()
    decoder.payloads(f"event: e\ndata: 1\n\nevent: {name}\ndata: 2\n\n".encode())
    assert decoder.pings == {b"2"}


# -- the end, and the bounds ------------------------------------------------------------------------


def test_an_event_without_its_blank_line_is_left_over() -> None:
    """The text drops it; a caller may ask."""
    decoder = SseDecoder()
    assert decoder.feed(b"data: a\n\ndata: b") == [SseEvent("message", b"a", "")]
    assert (decoder.leftover(), decoder.leftover()) == ([b"b"], [])


def test_bare_json_between_events_is_kept_apart() -> None:
    """An error body appended to the stream is no event, but not lost."""
    decoder = SseDecoder()
    assert decoder.payloads(b'data: {}\n\n{"error":\n{}}\n\n') == [b"{}"]
    assert decoder.stray == b'{"error":{}}'


def test_what_is_kept_of_bare_json_is_bounded() -> None:
    """A server that streams nothing but stray lines costs no memory."""
    decoder = SseDecoder()
    for _ in range(100):
        decoder.payloads(b"{" * 65536 + b"\n\n")
    assert len(decoder.stray) <= 64 * 1024


def test_a_reconnection_time_out_of_all_reason_is_ignored() -> None:
    """Ten thousand digits are no error of ours."""
    decoder = SseDecoder()
    assert decoder.feed(b"retry: 5\nretry: " + b"9" * 10_000 + b"\ndata: a\n\n") == [SseEvent("message", b"a", "")]
    assert decoder.retry == 5


@pytest.mark.parametrize("size", [1, 10, 1000])
@pytest.mark.parametrize("begin", [b"data: ", b"x", b": ", b"data: a\n" * 20])
def test_an_event_above_the_bound_is_an_error(begin: bytes, size: int) -> None:
    """Whatever the reads' size; many events at the bound are none."""
    decoder = SseDecoder(max_event_bytes=200)
    small = b"data: " + b"x" * 192 + b"\n\n"
    assert len(small) == 200
    assert len(fed(decoder.feed, at(small * 5, range(0, 1000, size)))) == 5
    large = begin + b"y" * 200
    with pytest.raises(EventTooLarge) as caught:
        fed(decoder.feed, at(large, range(0, len(large), size)))
    assert caught.value.limit == 200


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_comments_for_hours_are_no_event(end: bytes) -> None:
    """Keep-alives without a blank line never reach the bound, nor do they with one."""
    decoder = SseDecoder(max_event_bytes=200)
    for _ in range(500):
        assert decoder.feed(b": keep-alive" + end) == []
        assert decoder.feed(b": keep-alive" + end + end) == []
    assert decoder.feed(b"data: a" + end + end) == [SseEvent("message", b"a", "")]


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(b"data: " + b"x" * 4000 + b"\n\n", id="one line"),
        pytest.param(b"data: x\n" * 500 + b"\n", id="many lines"),
        pytest.param(b"data: x\r\n" * 500 + b"\r\n", id="many lines, CRLF"),
        pytest.param(b"data: x\r" * 500 + b"\r", id="many lines, CR"),
    ],
)
@pytest.mark.parametrize("size", [1, 8, 9, 64])
def test_bytes_are_joined_once_an_event(event: bytes, size: int) -> None:
    """Linear, counted and not timed: what is kept is joined when its blank line comes, and not at every line."""

    class Counting(SseDecoder):
        joined = 0

        def _with_kept(self, data: bytes) -> bytes:
            taken = super()._with_kept(data)
            self.joined += len(taken)
            return taken

    decoder = Counting()
    body = event * 5
    assert len(fed(decoder.payloads, at(body, range(0, len(body), size)))) == 5
    assert decoder.joined <= 2 * len(body)
