"""Formats `events` and `ndjson`, both ways: what is written is read again, and nothing cut looks whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from resilient_stream import ErrorKind, Raw, ReasoningDelta, Seam, TextDelta, ToolCallDelta, ToolResult, Usage
from resilient_stream.errors import ConnectionFailed, MalformedStream, StreamError, StreamInterrupted
from resilient_stream.formats.events import EventsReader, EventsWriter
from resilient_stream.formats.ndjson import NdjsonReader, NdjsonWriter
from resilient_stream.formats.writer import Ending, Item, Writer
from tests.formats.samples import ITEMS, WHOLE, failure, written

Reader: TypeAlias = EventsReader | NdjsonReader
Both: TypeAlias = tuple[Callable[[], Writer], Callable[..., Reader]]

BOTH: dict[str, Both] = {"events": (EventsWriter, EventsReader), "ndjson": (NdjsonWriter, NdjsonReader)}
FAILED = Ending("failed", failure(), "stop", Usage(3), False, "openai:gpt-test")


@pytest.fixture(params=BOTH)
def both(request: pytest.FixtureRequest) -> Both:
    """A format's writer and reader."""
    return BOTH[request.param]


def objects(frames: Sequence[bytes]) -> list[Any]:
    """The JSON of each frame."""
    return [json.loads(frame.removeprefix(b"data: ")) for frame in frames]


def fed(reader: Reader, body: bytes, cuts: Sequence[int] = ()) -> list[Item]:
    """What a reader makes of a body that arrives in pieces."""
    places = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
    return [item for start, end in pairwise(places) for item in reader.feed(body[start:end])]


# -- writing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.type)
def test_each_item_is_one_frame(both: Both, item: Any) -> None:
    """The formats are total over what a stream or a conversation yields, and a frame has one line of JSON."""
    (frame,) = both[0]().write([item])
    assert frame.rstrip(b"\n").count(b"\n") == 0
    assert b"\r" not in frame
    assert objects([frame])[0]["type"] == item.type


def test_the_bytes_of_a_frame() -> None:
    """An event is one `data` line and a blank line; a line is the same object and a newline."""
    chunk = TextDelta('a"\n')
    assert EventsWriter().write([chunk]) == [b'data: {"type":"text_delta","text":"a\\"\\n"}\n\n']
    assert NdjsonWriter().write([chunk]) == [b'{"type":"text_delta","text":"a\\"\\n"}\n']


def test_the_end_says_the_outcome_and_an_error_comes_before_it(both: Both) -> None:
    """The last object is the end; `error` has the words for a reader, and nothing for whoever runs the server."""
    assert objects(both[0]().end(WHOLE)) == [
        {
            "type": "end", "outcome": "complete", "finish_reason": "stop", "stopped": False, "target": "",
            "usage": {
                "input_tokens": 3, "output_tokens": 2, "reasoning_tokens": None, "cached_input_tokens": None,
                "cache_write_tokens": None, "certainty": "exact",
            },
        }
    ]  # fmt: skip
    error, end = objects(both[0]().end(FAILED))
    assert error == {
        "type": "error", "kind": "connection_lost", "category": "retryable", "title": failure().title,
        "message": failure().message, "retryable": True, "retry_after": 2.5,
    }  # fmt: skip
    assert (end["type"], end["outcome"]) == ("end", "failed")


def test_a_heartbeat_is_no_chunk(both: Both) -> None:
    """Signs of life between frames change nothing."""
    writer, reader = both[0](), both[1]()
    body = writer.heartbeat.join(written(writer, [TextDelta("a"), TextDelta("b")]))
    assert fed(reader, writer.heartbeat + body) == [TextDelta("a"), TextDelta("b")]
    assert reader.ending() == WHOLE


def test_half_a_surrogate_pair_does_not_end_the_answer(both: Both) -> None:
    """A function of the user's may return one. It is replaced, since no JSON in UTF-8 can have it."""
    (item,) = fed(both[1](), both[0]().write([ToolResult("c", "n", "a\ud83d", False, 0.0)])[0])
    assert item == ToolResult("c", "n", "a?", False, 0.0)
    assert fed(both[1](), both[0]().write([TextDelta("\ude00")])[0]) == [TextDelta("?")]


# -- and back -----------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
items = st.one_of(
    st.sampled_from(ITEMS),
    st.builds(TextDelta, texts),
    st.builds(ReasoningDelta, texts, st.none() | texts, st.none() | texts),
    st.builds(ToolCallDelta, st.integers(0, 3), texts, texts, texts),
)
endings = st.sampled_from([WHOLE, FAILED, Ending("cancelled", stopped=True), Ending("abandoned")])
cuts = st.lists(st.integers(0, 1 << 20), max_size=6)


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(list(BOTH.values())), st.lists(items, max_size=12), endings, cuts)
def test_any_items_are_read_again_however_the_bytes_arrive(
    both: Both, given_items: list[Item], ending: Ending, places: list[int]
) -> None:
    """Exactly the chunks, in order, and the ending with its error and usage."""
    reader = both[1]()
    assert fed(reader, b"".join(written(both[0](), given_items, ending)), places) == given_items
    assert reader.over
    assert_same(reader.ending(), ending)


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(list(BOTH.values())), st.lists(items, max_size=12), endings, st.integers(0, 1 << 20), cuts)
@example(BOTH["ndjson"], [TextDelta("a")], WHOLE, -1, [])
@example(BOTH["events"], [TextDelta("a")], WHOLE, -1, [])
def test_a_body_that_was_cut_is_never_complete(
    both: Both, given_items: list[Item], ending: Ending, place: int, places: list[int]
) -> None:
    """Wherever it is cut: the chunks so far are the first ones, and without its last frame nothing says complete."""
    reader = both[1]()
    body = b"".join(written(both[0](), given_items, ending))
    read = fed(reader, body[: place % len(body)], places)
    assert read == given_items[: len(read)]
    assert not reader.over
    assert reader.ending().outcome == "failed"
    assert isinstance(reader.ending().error, StreamInterrupted | ConnectionFailed)


def assert_same(read: Ending, told: Ending) -> None:
    """An ending after its way says the same."""
    fields = ("outcome", "finish_reason", "usage", "stopped", "target")
    assert [getattr(read, name) for name in fields] == [getattr(told, name) for name in fields]
    assert (read.error is None) == (told.error is None)
    if read.error is not None and told.error is not None:
        assert type(read.error) is type(told.error)
        same = ("kind", "category", "title", "message", "retryable", "retry_after")
        assert [getattr(read.error, name) for name in same] == [getattr(told.error, name) for name in same]


def test_an_error_is_kept_where_the_end_never_came(both: Both) -> None:
    """The server told why it failed, and then the connection broke."""
    reader = both[1]()
    fed(reader, both[0]().end(FAILED)[0])
    assert isinstance(reader.ending().error, ConnectionFailed)


def test_an_error_and_a_whole_answer_contradict_each_other(both: Both) -> None:
    """A failure never looks like an end."""
    reader = both[1]()
    fed(reader, b"".join([both[0]().end(FAILED)[0], *both[0]().end(WHOLE)]))
    assert reader.ending().outcome == "failed"


def test_nothing_is_read_behind_the_end(both: Both) -> None:
    """What follows the last object belongs to no answer."""
    reader = both[1]()
    tail = b"".join(both[0]().write([TextDelta("more")]))
    assert fed(reader, b"".join(written(both[0](), [TextDelta("a")])) + tail) == [TextDelta("a")]
    assert reader.feed(tail) == []
    assert reader.ending() == WHOLE


def test_a_seam_that_begins_anew_is_read(both: Both) -> None:
    """The reader is told to throw away what it has."""
    seam = Seam("openai:a", "anthropic:b", "restart", 0, True)
    assert fed(both[1](), both[0]().write([seam])[0]) == [seam]


def test_an_object_that_is_not_known_is_kept_raw(both: Both) -> None:
    """A server may be newer than its reader: what it says is not lost, and does not end the reading."""
    values = {"type": "hologram", "data": [1]}
    assert fed(both[1](), framed(both, values)) == [Raw("resilient-stream", "hologram", values, "doubt")]


def test_an_error_of_an_unknown_kind_keeps_its_words(both: Both) -> None:
    """What may be done about it follows its category."""
    reader = both[1]()
    told = {"kind": "moon_phase", "category": "permanent", "title": "No", "message": "Not\x1b[2J today."}
    fed(reader, framed(both, {"type": "error", **told}))
    error = reader.ending().error
    assert isinstance(error, StreamError)
    assert (error.category, error.title, error.message) == ("permanent", "No", "Not today.")
    assert not error.retryable


def framed(both: Both, values: Any) -> bytes:
    """An object as the format writes it."""
    return (b"data: %b\n\n" if both[0] is EventsWriter else b"%b\n") % json.dumps(values).encode()


@pytest.mark.parametrize(
    "values",
    [
        None, 3, [], {}, {"type": 3}, {"type": "text_delta"}, {"type": "text_delta", "text": None},
        {"type": "end"}, {"type": "end", "outcome": "perfect"}, {"type": "end", "outcome": "complete", "usage": 3},
        {"type": "error"}, {"type": "error", "kind": "x", "category": "y", "title": "z"},
        {"type": "tool_result", "id": "a", "name": "b", "content": "", "error": False, "duration": 0, "parts": [{}]},
    ],
)  # fmt: skip
def test_what_cannot_be_read_ends_the_reading(both: Both, values: Any) -> None:
    """Hostile objects are an error with its reason: never another exception, never a whole answer."""
    reader = both[1]()
    assert fed(reader, framed(both, {"type": "text_delta", "text": "a"}) + framed(both, values)) == [TextDelta("a")]
    assert fed(reader, b"".join(written(both[0]()))) == []
    assert reader.over
    assert reader.ending().outcome == "failed"
    assert isinstance(reader.ending().error, MalformedStream)


@pytest.mark.parametrize("line", [b"{", b"\xff\xfe", b"[" * 100_000, b'{"type":"raw","data":' + b"[" * 5000])
def test_what_is_no_json_ends_the_reading(both: Both, line: bytes) -> None:
    """Broken, deep and foreign bytes alike."""
    reader = both[1]()
    fed(reader, b"data: %b\n\n" % line if both[0] is EventsWriter else line + b"\n")
    assert isinstance(reader.ending().error, MalformedStream)


def test_memory_is_bounded(both: Both) -> None:
    """An object without an end is not collected for ever."""
    reader = both[1](max_event_bytes=4096)
    for _ in range(6):
        reader.feed(b"data: " + b"x" * 1000)
    error = reader.ending().error
    assert isinstance(error, MalformedStream)
    assert error.kind is ErrorKind.PROTOCOL_ERROR
    assert "4096 bytes" in str(error)


def test_a_reader_knows_where_to_go_on() -> None:
    """The id of the last event that was read, also from one response to the next, for `Last-Event-ID`."""
    reader = EventsReader("7")
    reader.feed(b'data: {"type":"text_delta","text":"no id of its own"}\n\n')
    assert reader.last_event_id == "7"
    reader.feed(b'id: 8\ndata: {"type":"text_delta","text":"a"}\n\nid: 9\ndata: {"type"')
    assert reader.last_event_id == "8"
    reader.feed(b':"seen"}\n\n: waiting\n\nid: 10\ndata: nonsense\n\nid: 11\ndata: {"type":"later"}\n\n')
    assert reader.last_event_id == "9"


def test_a_refusal_is_json(both: Both) -> None:
    """Before the first frame, the kind decides the status, and the body is what a reader may know."""
    refusal = both[0]().refusal(failure(ErrorKind.RATE_LIMITED))
    assert refusal.status == 429
    assert refusal.headers["content-type"] == "application/json"
    assert json.loads(refusal.body)["error"]["kind"] == "rate_limited"
