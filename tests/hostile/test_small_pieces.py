"""An event of as many bytes as is allowed may be made of tiny pieces: none of them holds the event loop for long."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from resilient_stream import Client, Limits, Recovery, RetryPolicy, StreamError, Target
from resilient_stream.chunks import Finished, TextDelta
from resilient_stream.contract import Request
from resilient_stream.messages import to_messages
from resilient_stream.providers import adapter_for
from resilient_stream.testing import FakeProvider, serve_bytes
from resilient_stream.wire.json_events import BatchDecoder, what_can_be_read
from resilient_stream.wire.sse import MOST_LINES, SseDecoder
from tests.processor import corrected, once
from tests.providers.test_event_decoder import ROWS

MIB = 1024 * 1024
READ = 64 * 1024
LONGEST = 0.1
"""Seconds of processor time for one read."""
AT_ONCE = MIB
"""Bytes of an event that comes in one read, which no network gives."""

SSE = {name: row for name, row in ROWS.items() if name != "ollama"}

every = pytest.mark.parametrize("row", SSE.values(), ids=SSE)

SILENT = [b":\n", b"x\n", b":\r", b"x\r\n", b":\r\n", b"x: 1\n"]
"""Lines that say nothing, however many there are."""
READ_LINES = [
    b"id:\n", b"id\n", b"data:\n", b"data\n", b"event:\n", b"retry:1\n", b"{\n", b" \n", b"x\nid:\n", b":\ndata:\n",
]  # fmt: skip
EVENTS = [
    b"data: 1\n\n",
    b"data:\n\n",
    b"data: []\n\n",
    b"data: null\n\n",
    b"id:\ndata: 1\n\n",
    b":\n\n",
    b"x\n\n",
    b"\n",
]
NAMED = [b"event: ping\ndata: {}\n\n", b"event: keepalive\ndata: zz\n\n"]


def longest(feed: Callable[[bytes], Any], body: bytes, read: int = READ) -> float:
    """The most processor time that one read of this body took."""
    gc.collect()
    return max(corrected(once(partial(feed, body[at : at + read])), LONGEST) for at in range(0, len(body), read))


@every
@pytest.mark.parametrize("piece", [*SILENT, *READ_LINES, *EVENTS, *NAMED], ids=repr)
def test_tiny_lines_are_quickly_read(row: Any, piece: bytes) -> None:
    """In reads of the usual size, whatever they are. All dialects share the frame that reads lines: one of them gets a
    megabyte, the others so much that they hold lines of four reads."""
    size = MIB if row is SSE["chat"] else 4 * READ
    decoder = row.make("openai", max_event_bytes=8 * MIB)
    assert longest(decoder.feed, piece * (size // len(piece)) + b"\n\n") < LONGEST
    assert corrected(once(decoder.finish), LONGEST) < LONGEST


@pytest.mark.parametrize("piece", [*SILENT, *READ_LINES], ids=repr)
def test_one_event_of_tiny_lines_is_quickly_read(piece: bytes) -> None:
    """An event of many tiny lines is read quickly, also when it arrives at once."""
    decoder = ROWS["chat"].make("openai", max_event_bytes=8 * MIB)
    assert longest(decoder.feed, piece * (AT_ONCE // len(piece)) + b"\n\n", AT_ONCE * 2) < LONGEST


@every
@pytest.mark.parametrize("piece", READ_LINES, ids=repr)
def test_an_event_of_too_many_lines_is_a_buffer_limit(row: Any, piece: bytes) -> None:
    """Whether it ends or not, and is its only event or stands behind others."""
    lines = piece * (3 * MOST_LINES)
    for body in (lines, lines + b"\n", row.text + lines):
        decoder = row.make("openai", max_event_bytes=8 * MIB)
        longest(decoder.feed, body)
        assert decoder.failure is not None
        assert (decoder.failure.kind, decoder.failure.code) == ("buffer_limit", "pieces")


@every
@pytest.mark.parametrize("piece", SILENT, ids=repr)
def test_lines_that_say_nothing_for_ever_are_harmless(row: Any, piece: bytes) -> None:
    """They keep a connection alive: the answer behind them is whole, and they are not held."""
    decoder = row.make("openai", max_event_bytes=MIB // 4)
    size = MIB if row is SSE["chat"] else MIB // 2  # twice of what an event may have
    body = row.text + piece * (size // len(piece)) + b"\n\n" + row.text + row.end
    chunks = [chunk for at in range(0, len(body), 999) for chunk in decoder.feed(body[at : at + 999])]
    assert [type(chunk) for chunk in [*chunks, *decoder.finish()]] == [TextDelta, TextDelta, Finished]
    assert (decoder.done, decoder.failure) == (True, None)


@pytest.mark.parametrize("piece", SILENT, ids=repr)
@pytest.mark.parametrize("read", [1, 7, 300, 5000])
def test_lines_that_say_nothing_may_stand_within_an_event(piece: bytes, read: int) -> None:
    """However it is split, what stands around them is unchanged."""
    end = b"\r" if piece.endswith(b"\r") else b"\n"
    body = b"data: {\n" + piece * 2000 + b"data: 1\n" + piece * 100 + b"data: }\n" + end + b"data: x\n\n"
    decoder = SseDecoder(4096)
    found = [event for at in range(0, len(body), read) for event in decoder.payloads(body[at : at + read])]
    assert found == [b"{\n1\n}", b"x"]


ELEMENTS = [b"1,", b'"",', b"{},", b"[],", b"[[]],", b"null , ", b'{"":{}},']
FIRST_READ = 384 * 1024
"""Bytes that the HTTP transport returns at most: aiohttp's buffer below its bound, and one read of the socket."""
INSIDE = [*ELEMENTS, b'{"a":[{}]},', b"[" * 20 + b"]" * 20 + b",", b'{"a":[' * 20 + b"]}" * 20 + b","]


@pytest.mark.parametrize("piece", INSIDE, ids=repr)
@pytest.mark.parametrize("start", [b"[[", b'{"candidates":[', b'{"choices":[', b'{"x":['])
def test_one_value_of_tiny_values_is_quickly_read(piece: bytes, start: bytes) -> None:
    """Whether it is an element of an array, or an answer in one piece."""
    body = start + piece * (4 * MIB // len(piece))
    for name in ("gemini", "chat", "ollama"):
        decoder = ROWS[name].make("openai", max_event_bytes=8 * MIB)
        assert longest(decoder.feed, body, FIRST_READ) < LONGEST
        assert longest(lambda _, decoder=decoder: decoder.finish(), b"x") < LONGEST


@pytest.mark.parametrize("deep", [b"[", b'{"":', b'[{"a":'], ids=repr)
@pytest.mark.parametrize("start", [b"", b"[", b"data: ", b"data: ["])
def test_very_deep_values_are_quickly_read(deep: bytes, start: bytes) -> None:
    """Brackets inside each other, hundreds of thousands of them."""
    body = start + deep * (MIB // len(deep)) + (b"]" if deep == b"[" else b"}") * MIB + b"\n\n"
    for row in ROWS.values():
        decoder = row.make("openai", max_event_bytes=8 * MIB)
        assert longest(decoder.feed, body, FIRST_READ) < LONGEST


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("piece", [b'"",', b"{},"], ids=repr)
async def test_a_whole_answer_of_tiny_values_is_a_buffer_limit(piece: bytes) -> None:
    """Long before the body's end: also of the whole answer that is asked for after such a stream."""
    body = serve_bytes(b"[" + piece * (4 * MIB // len(piece)), "application/json")
    async with FakeProvider(body, body) as server:
        async with Client(server.target("gemini"), retry=RetryPolicy(attempts=1)) as client:
            stream = client.stream("Hello")
            with pytest.raises(StreamError) as caught:
                [chunk async for chunk in stream]
        assert caught.value.kind == "buffer_limit"
        assert {attempt.error and attempt.error.code for attempt in stream.transcript.attempts} == {"pieces"}


@pytest.mark.parametrize("piece", ELEMENTS, ids=repr)
@pytest.mark.parametrize("read", [READ, MIB])
def test_an_array_of_tiny_elements_is_a_buffer_limit(piece: bytes, read: int) -> None:
    """An array of tiny elements ends as buffer_limit, and takes no time."""
    for row in (ROWS["gemini"], ROWS["chat"]):
        decoder = row.make("openai", max_event_bytes=8 * MIB)
        assert longest(decoder.feed, b"[" + piece * (MIB // len(piece)), read) < LONGEST
        assert decoder.failure is not None
        assert (decoder.failure.kind, decoder.failure.code) == ("buffer_limit", "pieces")


@pytest.mark.parametrize("piece", [b"1\n", b"{}\n", b"null\n", b"{}\nx\n", b'""\r\n'], ids=repr)
def test_tiny_lines_of_json_are_a_buffer_limit(piece: bytes) -> None:
    """And take no time; blank ones are nothing."""
    decoder = ROWS["ollama"].make("openai", max_event_bytes=8 * MIB)
    assert longest(decoder.feed, piece * (MIB // len(piece))) < LONGEST
    assert decoder.failure is not None
    assert (decoder.failure.kind, decoder.failure.code) == ("buffer_limit", "pieces")
    decoder = ROWS["ollama"].make("openai", max_event_bytes=8 * MIB)
    assert longest(decoder.feed, b"\n" * MIB) < LONGEST
    assert decoder.failure is None


def test_a_burst_of_short_texts_is_no_limit() -> None:
    """The shortest text that a dialect can say, as many as a read of a megabyte holds."""
    for name, text in (
        ("ollama", b'{"message":{"content":"a"}}\n'),
        ("chat", b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'),
        ("chat", b'id:1\ndata: {"choices":[{"delta":{"content":"a"}}]}\n\n'),
    ):
        decoder = ROWS[name].make("openai", max_event_bytes=8 * MIB)
        count = MIB // len(text)
        assert len(decoder.feed(text * count)) == count
        assert decoder.failure is None


@pytest.mark.usefixtures("nothing_left")
async def test_too_many_pieces_at_once_ask_the_next_target() -> None:
    """The server is to blame for them, and another one may not be."""
    async with FakeProvider(serve_bytes(b"data:\n" * 3 * MOST_LINES)) as bad, FakeProvider() as good:
        targets = bad.target("openai"), good.target("openai")
        async with Client(*targets, limits=Limits(max_event_bytes=8 * MIB), recovery=Recovery.off()) as client:
            stream = client.stream("Hello")
            assert [chunk async for chunk in stream]
        *failed, last = [attempt.error for attempt in stream.transcript.attempts]
        assert {error and error.kind.value for error in failed} == {"buffer_limit"}
        assert last is None


@pytest.mark.usefixtures("nothing_left")
async def test_too_much_at_once_behind_text_is_told() -> None:
    """Without recovery, what was delivered stays, and the error is its."""
    body = ROWS["chat"].text + b"data: " + b"x" * 2000
    first = serve_bytes(body, splits=len(ROWS["chat"].text), pause=0.01)
    async with FakeProvider(first) as bad, FakeProvider() as good:
        targets = bad.target("openai"), good.target("openai")
        limits, retry = Limits(max_event_bytes=1024), RetryPolicy(attempts=1)
        async with Client(*targets, limits=limits, retry=retry, recovery=Recovery.off()) as client:
            stream = client.stream("Hello")
            with pytest.raises(StreamError) as caught:
                [chunk async for chunk in stream]
        assert (caught.value.kind, stream.transcript.text) == ("buffer_limit", "a")


def crowded(count: int) -> dict[str, bytes]:
    """JSON values of as many values each."""
    return {
        "keys": b"{%b}" % b",".join(b'"k%d":1' % number for number in range(count)),
        "objects": b'{"message":"no","details":[%b]}' % b",".join([b'{"a":1}'] * count),
        "numbers": b"[%b1]" % (b"1," * count * 4),
        "huge numbers": b"[%b1]" % (b"1e999," * count),
        "nested objects": b'{"error":' * count + b"1" + b"}" * count,
        "nested lists": b"[" * count * 4 + b"]" * count * 4,
    }


CROWDED = crowded(250_000)


@pytest.mark.parametrize("name", ["error", "never_heard_of"])
@pytest.mark.parametrize("value", CROWDED.values(), ids=CROWDED)
def test_an_event_of_very_many_values_is_quickly_read(value: bytes, name: str) -> None:
    """Neither an error nor a field that nobody knows becomes a million objects."""
    for row in ROWS.values():
        event = b'{"%b":%b}' % (name.encode(), value)
        decoder = row.make("openai", max_event_bytes=8 * MIB)
        framed = event + b"\n" if row is ROWS["ollama"] else b"data: %b\n\n" % event
        assert longest(decoder.feed, framed) < LONGEST
        if name == "error":
            assert decoder.failure is not None
            assert decoder.failure.kind in ("buffer_limit", "protocol_error", "server_error")


def calls(count: int) -> dict[str, tuple[str, bytes]]:
    """One event of so many tool calls, in the dialects that send more than one in an event."""
    called = b",".join(b'{"id":"c%d","function":{"name":"f","arguments":"{}"}}' % number for number in range(count))
    parts = b",".join([b'{"functionCall":{"name":"f","args":{}}}'] * count)
    lines = b",".join([b'{"function":{"name":"f","arguments":{}}}'] * count)
    items = b",".join(
        b'{"type":"function_call","call_id":"c%d","name":"f","arguments":"{}"}' % number for number in range(count)
    )
    steps = b",".join(
        b'{"type":"function_call","id":"c%d","name":"f","arguments":{}}' % number for number in range(count)
    )
    return {
        "chat": ("openai", b'data: {"choices":[{"index":0,"delta":{"tool_calls":[%b]}}]}\n\n' % called),
        "gemini": ("gemini", b'data: {"candidates":[{"content":{"parts":[%b]}}]}\n\n' % parts),
        "ollama": ("ollama", b'{"message":{"role":"assistant","tool_calls":[%b]}}\n' % lines),
        "responses": (
            "openai-responses",
            b'data: {"type":"response.completed","response":{"status":"completed","output":[%b]}}\n\n' % items,
        ),
        "interactions": (
            "gemini-interactions",
            b'data: {"event_type":"interaction.completed","interaction":{"status":"requires_action","steps":[%b]}}\n\n'
            % steps,
        ),
    }


@pytest.mark.parametrize("dialect", ["chat", "gemini", "ollama", "responses", "interactions"])
def test_an_event_of_very_many_calls_is_a_buffer_limit(dialect: str) -> None:
    """Each takes a step in Python, so sixteen thousand of them would hold the loop; four thousand are read."""
    provider, event = calls(16_000)[dialect]
    decoder = ROWS[dialect].make(provider, max_event_bytes=8 * MIB)
    decoder.feed(event)
    assert decoder.failure is not None
    assert (decoder.failure.kind, decoder.failure.code) == ("buffer_limit", "pieces")
    provider, event = calls(4_000)[dialect]
    decoder = ROWS[dialect].make(provider, max_event_bytes=8 * MIB)
    assert decoder.feed(event)
    assert decoder.failure is None


class Counting:
    """A decoder that counts how often it is asked."""

    def __init__(self, decoder: Any) -> None:
        self.decoder = decoder
        self.asked = 0

    def decode(self, text: bytes) -> Any:
        """Decode it."""
        self.asked += 1
        return self.decoder.decode(text)


def test_a_large_event_that_cannot_be_read_is_tried_once_more() -> None:
    """Each try of 8 MiB takes long, so what needs no mending is not tried again."""
    batch: BatchDecoder[Any] = BatchDecoder(dict[str, int])
    batch.one = counting = Counting(batch.one)  # type: ignore[assignment]
    events, halves, failure = what_can_be_read(batch, [b'{"a":   '])
    assert (events, halves) == ([], False)
    assert failure is not None
    assert failure.kind == "protocol_error"
    assert counting.asked == 1


def test_a_long_text_of_commas_is_no_crowd() -> None:
    """Only what stands outside of texts is counted."""
    for field in (b"content", b"never_heard_of"):
        decoder = ROWS["chat"].make("openai", max_event_bytes=8 * MIB)
        text = b'x,\\"[{' * (MIB // 3)
        found = decoder.feed(b'data: {"choices":[{"delta":{"%b":"%b"}}],"new":"y"}\n\n' % (field, text))
        assert decoder.failure is None
        assert found


def answers(count: int) -> dict[str, str]:
    """Answers in one piece with so many tool calls, by the target that gives them."""
    called = [{"id": f"c{number}", "function": {"name": "f", "arguments": "{}"}} for number in range(count)]
    used = [{"toolUse": {"toolUseId": f"c{number}", "name": "f", "input": {}}} for number in range(count)]
    steps = [{"type": "function_call", "id": f"c{number}", "name": "f", "arguments": {}} for number in range(count)]
    items = [
        {"type": "function_call", "call_id": f"c{number}", "name": "f", "arguments": ""} for number in range(count)
    ]
    blocks = [{"type": "tool_use", "id": f"c{number}", "name": "f", "input": {}} for number in range(count)]
    said: dict[str, Any] = {
        "bedrock:m": {"output": {"message": {"content": used}}, "stopReason": "tool_use"},
        "gemini-interactions:m": {"status": "requires_action", "steps": steps},
        "cohere:m": {"message": {"tool_calls": called}, "finish_reason": "TOOL_CALL"},
        "openai-responses:m": {"status": "completed", "output": items},
        "anthropic:m": {"type": "message", "content": blocks, "stop_reason": "tool_use"},
    }
    return {target: json.dumps(answer) for target, answer in said.items()}


@pytest.mark.parametrize("target", answers(0))
def test_an_answer_in_one_piece_of_very_many_calls_is_a_buffer_limit(target: str) -> None:
    """Sixteen thousand calls at once would hold the loop for half a second; four thousand are read."""
    made = Target(target, stream=False)
    request = Request(messages=to_messages("hi"), target=made, stream=False)
    adapter: Any = adapter_for(made.provider)
    for count, code in ((16_000, "pieces"), (4_000, None)):
        decoder = adapter.whole_decoder(request)
        decoder.feed(answers(count)[target].encode())
        decoder.finish()
        assert (decoder.failure and decoder.failure.code) == code
