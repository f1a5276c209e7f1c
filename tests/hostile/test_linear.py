"""Twice the input takes twice the time, and not four times: no decoder looks at what it has once more for each read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from resilient_stream.engine.recovery.beginnings import Overlap
from resilient_stream.providers.anthropic.stream import messages_decoder
from resilient_stream.providers.google.partial_arguments import PartialArguments
from resilient_stream.providers.google.places import Places
from resilient_stream.providers.openai.chat_stream import chat_decoder
from resilient_stream.providers.openai.item_calls import ItemCalls
from resilient_stream.providers.shared.brackets import Brackets
from resilient_stream.providers.shared.holdings import Holdings
from resilient_stream.providers.shared.tool_calls import ToolCalls
from resilient_stream.wire.broken import UNREADABLE, objects_in, readable
from resilient_stream.wire.eventstream import EventStreamDecoder
from resilient_stream.wire.json_array import JsonArrayDecoder
from resilient_stream.wire.json_outline import JsonOutline, paths
from resilient_stream.wire.json_string import JsonString
from resilient_stream.wire.ndjson import NdjsonDecoder
from resilient_stream.wire.sse import SseDecoder
from tests.processor import best
from tests.providers.recordings import aws_message

FULL = 1 << 40
"""A limit that is never met: it is the time that is looked at here."""


def each(text: str | bytes) -> Iterable[Any]:
    """By single characters or bytes."""
    return (text[at : at + 1] for at in range(len(text)))


def fed(feed: Callable[[Any], object], pieces: Iterable[Any]) -> None:
    """All the pieces, one after the other."""
    for piece in pieces:
        feed(piece)


def calls(*fragments: tuple[int | None, str | None, str | None, str]) -> None:
    """Fragments of chat calls."""
    reading = ToolCalls(Holdings(FULL))
    for fragment in fragments:
        reading.add(*fragment)
    reading.whole()


def done_again(count: int) -> None:
    """The Responses' arguments, long and then said again and again in other words."""
    items = ItemCalls(Holdings(FULL))
    items.begin("0", "a", "f", json.dumps({"a": "x" * count * 10}))
    for _ in range(count):
        items.say("0", "f", '{"a": 1}')


def partial(count: int) -> None:
    """A string of Gemini's in pieces."""
    arguments = PartialArguments(Holdings(FULL))
    for _ in range(count):
        arguments.take({"jsonPath": "$.a.b[0]", "stringValue": "xxxxxxxxxx"})
    assert arguments.value


def passages(count: int) -> None:
    """Gemini's places, by bytes, all through a long text."""
    places = Places(FULL, located=True)
    places.part("text")
    places.add(["é" * 100 * count])
    for number in range(count):
        assert places.find({"startIndex": 200 * number, "endIndex": 200 * number + 2}) == (
            100 * number,
            100 * number + 1,
        )


def brackets(count: int) -> None:
    """A look at a call after each of its pieces."""
    following, pieces = Brackets(), ['{"a": "']
    for _ in range(count):
        pieces.append('}\\" ')
        following.follow(pieces)


def comments(count: int) -> None:
    """An open event just under the limit, and then keep-alives."""
    decoder = SseDecoder(20 * count)
    decoder.feed(b"data: " + b"x" * (20 * count - 100) + b"\n")
    fed(decoder.payloads, [b": keep-alive\n"] * count)


def strays(count: int) -> None:
    """Lines of bare JSON between the events."""
    fed(SseDecoder(FULL).feed, [b'{"a":1}\n\n'] * count)


def refused(read: Callable[[bytes], object], payload: bytes) -> None:
    """What is looked at although it could not be decoded."""
    try:
        read(payload)
    except UNREADABLE:
        pass


def begun(count: int) -> None:
    """Blocks that begin and never end."""
    use = {"type": "tool_use", "id": "i", "name": "f"}
    events = [{"type": "content_block_start", "index": n, "content_block": use} for n in range(count)]
    body = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in [*events, {"type": "message_stop"}])
    assert messages_decoder("anthropic", max_event_bytes=FULL).feed(body)


def one_event(count: int) -> None:
    """New ids under one index, all in one event: each was looked for among all calls."""
    pieces = [{"index": 0, "id": f"c{n}", "function": {"name": "f", "arguments": "{}"}} for n in range(count)]
    event = json.dumps({"choices": [{"index": 0, "delta": {"tool_calls": pieces}}]}).encode()
    assert chat_decoder("openai", max_event_bytes=FULL).feed(b"data: %b\n\n" % event)


OUTLINE = paths("a.*.text")

WORK: dict[str, tuple[int, Callable[[int], object]]] = {
    "calls of one event": (1_000, one_event),
    "calls: ids that come back": (2_000, lambda n: calls(*((0, f"c{k % (n // 2)}", "f", "") for k in range(n)))),
    "calls: indexes": (3_000, lambda n: calls(*((k, None, "f", "{}") for k in range(n)))),
    "calls: no index": (3_000, lambda n: calls(*((None, f"{k}", "f", "{}") for k in range(n)))),
    "calls: the name each time": (3_000, lambda n: calls(*((0, None, "f", '{"a":"}"' if k == 0 else "}")
                                                           for k in range(n)))),
    "calls: the same once more": (
        2_000, lambda n: calls((0, "a", "f", json.dumps({"a": "x" * n * 10})), *([(0, "a", "f", "{}")] * n)),
    ),
    "items said again": (2_000, done_again),
    "blocks": (1_500, begun),
    "partial arguments": (2_000, partial),
    "passages": (2_000, passages),
    "brackets": (4_000, brackets),
    "overlap of one letter": (1_000, lambda n: Overlap("a" * n).feed("a" * n)),
    "SSE: comments in an open event": (4_000, comments),
    "SSE: bare JSON": (3_000, strays),
    "SSE: by bytes": (40_000, lambda n: fed(SseDecoder(FULL).payloads, each(b"data: " + b"x" * n))),
    "lines by bytes": (40_000, lambda n: fed(NdjsonDecoder(FULL).feed, each(b"x" * n))),
    "array by bytes": (15_000, lambda n: fed(JsonArrayDecoder(FULL).feed, each(b'[{"a":"' + b'x\\"' * (n // 3)))),
    "array of scalars": (10_000, lambda n: JsonArrayDecoder(FULL).feed(b"[" + b"1234567890.123456," * n)),
    "outline by bytes": (10_000, lambda n: fed(JsonOutline(OUTLINE, FULL).feed, each(b'{"b":"' + b'x\\"' * (n // 3)))),
    "outline of keys": (2_000, lambda n: JsonOutline(OUTLINE, FULL).feed(b'{"a":[' + b'{"k":"0123456789"},' * n)),
    "outline of a long text": (
        20_000, lambda n: fed(JsonOutline(OUTLINE, FULL).feed, each(b'{"a":[{"text":"' + b"x" * n)),
    ),
    "a string by bytes": (10_000, lambda n: fed(JsonString().feed, each(b"x" * n))),
    "an event stream by bytes": (
        20_000, lambda n: fed(EventStreamDecoder(FULL).feed, each(aws_message("x", b"y" * n)[:-1])),
    ),
    "an open string of escapes": (200_000, lambda n: refused(readable, b'{"a":"' + b'\\"' * n)),
    "an open string of halves": (200_000, lambda n: refused(readable, b'{"a":"' + b"\\ud83d" * n)),
    "numbers": (50_000, lambda n: refused(readable, b"[" + b"1e9," * n)),
    "blank": (400_000, lambda n: refused(objects_in, b" " * n + b"x")),
    "dots": (400_000, lambda n: refused(objects_in, b"." * n + b"x")),
}  # fmt: skip


@pytest.mark.parametrize("name", WORK)
def test_four_times_the_input_takes_no_more_than_eight_times_as_long(name: str) -> None:
    """A square would take sixteen times as long. Tried again where something else disturbed it."""
    size, work = WORK[name]
    ratios = []
    for _ in range(4):
        ratios.append(best(lambda: work(size * 4)) / max(best(lambda: work(size)), 0.0005))
        if ratios[-1] < 8:
            return
    raise AssertionError(f"four times the input took {min(ratios):.0f} times as long")
