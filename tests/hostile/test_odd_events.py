"""Events that carry nothing, halves of characters, and numbers that no reader takes: none of them ends an answer."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from resilient_stream import Client, Recovery, RetryPolicy, StreamError, Timeouts
from resilient_stream.chunks import Finished, Raw, ReasoningDelta, TextDelta, ToolCall, Usage
from resilient_stream.contract import Decoder
from resilient_stream.providers.anthropic.claude_code import ClaudeCodeDecoder
from resilient_stream.providers.anthropic.stream import messages_decoder
from resilient_stream.providers.bedrock.adapter import BedrockDecoder
from resilient_stream.providers.bedrock.converse_stream import ConverseReader
from resilient_stream.providers.bedrock.frames import BedrockFrames
from resilient_stream.providers.bedrock.invoke_stream import InvokeReader
from resilient_stream.providers.openai.chat_stream import chat_decoder
from resilient_stream.testing import FakeProvider, serve_bytes
from tests.providers.recordings import aws_message
from tests.providers.test_event_decoder import ROWS

OPTIONS: dict[str, Any] = {"max_event_bytes": 1_000_000}


class Dialect(NamedTuple):
    """make: its decoder. frame: a JSON text as an event. events: an answer's, up to and with its text. end: its end."""

    make: Callable[..., Any]
    frame: Callable[[bytes], bytes]
    text: bytes
    end: list[bytes]


def _sse(payload: bytes) -> bytes:
    return b"data: %b\n\n" % payload


def _line(payload: bytes) -> bytes:
    return payload + b"\n"


def _payloads(body: bytes) -> list[bytes]:
    lines = (line.removeprefix(b"data: ") for line in body.split(b"\n"))
    return [line for line in lines if line]


def _converse(**options: Any) -> BedrockDecoder:
    reader = ConverseReader(max_event_bytes=1_000_000, raw=options.get("raw", False), eof_ok=False)
    return BedrockDecoder(reader, BedrockFrames(1_000_000))


def _invoke(**options: Any) -> BedrockDecoder:
    reader = InvokeReader(max_event_bytes=1_000_000, raw=options.get("raw", False), eof_ok=False)
    return BedrockDecoder(reader, BedrockFrames(1_000_000))


def _chunk(payload: bytes) -> bytes:
    return aws_message("chunk", json.dumps({"bytes": base64.b64encode(payload).decode()}).encode())


def _make(row: Any) -> Callable[..., Any]:
    return lambda **options: row.make("openai", **{**OPTIONS, **options})


DIALECTS = {
    name: Dialect(_make(row), _line if name == "ollama" else _sse, _payloads(row.text)[0], _payloads(row.end))
    for name, row in ROWS.items()
} | {
    "converse": Dialect(
        _converse,
        lambda payload: aws_message("contentBlockDelta" if b"delta" in payload else "messageStop", payload),
        b'{"contentBlockIndex": 0, "delta": {"text": "a"}}',
        [b'{"stopReason": "end_turn"}'],
    ),
    "invoke": Dialect(
        _invoke,
        _chunk,
        b'{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}}',
        [b'{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}', b'{"type": "message_stop"}'],
    ),
    "invoke, flat": Dialect(
        _invoke, _chunk, b'{"generation": "a", "stop_reason": null}', [b'{"generation": "", "stop_reason": "stop"}']
    ),
}

every = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)

NOTHING = [
    b"null",
    b'""',
    b"0",
    b"-1.5e3",
    b'"ping"',
    b"[]",
    b"[1, null]",
    b"true",
    b"keep-alive",
    b"pong",
    b"OPENROUTER PROCESSING",
    b"[PING]",
]


def whole(decoder: Decoder, *reads: bytes) -> list[Any]:
    """All chunks of an answer that came in these reads."""
    chunks = [chunk for read in reads for chunk in decoder.feed(read)]
    return [*chunks, *decoder.finish()]


@every
@pytest.mark.parametrize("odd", NOTHING, ids=repr)
def test_an_event_that_carries_nothing_is_skipped(dialect: Dialect, odd: bytes) -> None:
    """First, between and last; alone in a read and together with others; and it is no progress."""
    nothing, text = dialect.frame(odd), dialect.frame(dialect.text)
    end = b"".join(map(dialect.frame, dialect.end))
    for reads in ([nothing, text, nothing, nothing, text, nothing + end], [nothing + text + nothing + text + end]):
        decoder = dialect.make()
        chunks = whole(decoder, *reads)
        assert (decoder.done, decoder.failure) == (True, None)
        assert [chunk for chunk in chunks if type(chunk) is not Usage][:2] == [TextDelta("a"), TextDelta("a")]
    decoder = dialect.make()
    decoder.feed(text)
    before = decoder.progress
    assert decoder.feed(nothing) == []
    assert (decoder.progress, decoder.failure) == (before, None)


@every
@pytest.mark.parametrize("half", [b'{"a": ', b'[{"a": 1}', b"[1", b"<html>", b"upstream error", b'"x'], ids=repr)
def test_half_json_stays_an_error(dialect: Dialect, half: bytes) -> None:
    """An event that is only half of a JSON value is a failure, since it was an event once."""
    decoder = dialect.make()
    whole(decoder, dialect.frame(dialect.text), dialect.frame(half), *map(dialect.frame, dialect.end))
    assert not decoder.done
    assert decoder.failure is not None


def test_a_list_of_events_is_events() -> None:
    """Google's front-ends wrap errors in a list, also in OpenAI's dialect; skipping one would hide the error."""
    decoder = chat_decoder("openai", **OPTIONS)
    decoder.feed(_sse(ROWS["chat"].text.removeprefix(b"data: ").strip()))
    decoder.feed(_sse(b'[{"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}]'))
    assert decoder.failure is not None


@pytest.mark.parametrize("name", ["ping", "keepalive", "keep-alive", "heartbeat"])
@pytest.mark.parametrize("data", [b"", b"hello there", b"{not json", b"{}", b'{"time": "12:00", "n": 7}'])
def test_a_named_ping_may_say_anything(name: str, data: bytes) -> None:
    """An event with the name ping is a ping, whatever it contains."""
    ping = b"event: %b\ndata: %b\n\n" % (name.encode(), data)
    for row in (ROWS["messages"], ROWS["responses"], ROWS["chat"]):
        for reads in ([ping, row.text, ping, row.end], [ping + row.text + ping + row.end]):
            decoder = row.make("openai", **OPTIONS)
            assert [type(chunk) for chunk in whole(decoder, *reads)] == [TextDelta, Finished]
            assert decoder.done


@pytest.mark.parametrize("name", ["chat", "messages", "responses", "gemini", "cohere"])
@pytest.mark.parametrize("data", [b"null", b"{}", b"[]", b'""', b'{"message": "x"}', b"upstream gone", b"{half"])
def test_an_event_that_is_named_an_error_is_one(name: str, data: bytes) -> None:
    """Whatever it says: the answer before it is kept, what follows is not read, and it is never a good end."""
    row, (named, end) = ROWS[name], (b"event: error\ndata: %b\n\n" % data, ROWS[name].end)
    for reads in (
        [row.text, named, end],
        [row.text + named + end],
        [row.text, named.replace(b": ", b":")[:-1], b"\n" + end],
        [row.text, named[:-2]],
    ):
        decoder = row.make("openai", **OPTIONS)
        chunks = whole(decoder, *reads)
        assert [type(chunk) for chunk in chunks if type(chunk) is not Usage] == [TextDelta]
        assert not decoder.done
        assert decoder.failure is not None
        assert decoder.failure.kind in ("server_error", "protocol_error")


def test_an_error_behind_the_end_is_ignored() -> None:
    """The answer was whole by then."""
    decoder = ROWS["messages"].make("openai", **OPTIONS)
    whole(decoder, ROWS["messages"].text + ROWS["messages"].end + b"event: error\ndata: {}\n\n")
    assert (decoder.done, decoder.failure) == (True, None)


def test_what_a_named_error_says_tells_its_kind() -> None:
    """Also where it is in no dialect's form."""
    for data, kind in ((b'{"message": "Overloaded"}', "provider_overloaded"), (b"rate limit exceeded", "rate_limited")):
        decoder = ROWS["messages"].make("openai", **OPTIONS)
        whole(decoder, ROWS["messages"].text, b"event: error\ndata: %b\n\n" % data)
        assert decoder.failure is not None
        assert decoder.failure.kind == kind


@pytest.mark.parametrize("mark", [b'"[DONE]"', b"[done]", b" [DONE] ", b"[Done]"])
def test_the_end_may_be_written_in_other_ways(mark: bytes) -> None:
    """Gateways that encode each event once more put quotes around it."""
    decoder = ROWS["chat"].make("openai", **OPTIONS)
    whole(decoder, ROWS["chat"].text, _sse(mark))
    assert (decoder.done, decoder.failure) == (True, None)


@pytest.mark.usefixtures("nothing_left", "own_clock")
async def test_nothing_said_again_and_again_is_a_stall() -> None:
    """Neither the clock of the first content nor that of a stall is held by it."""
    null = b"data: null\n\n" * 3
    for body in (null * 30, ROWS["chat"].text + null * 30):
        script = serve_bytes(body, splits=len(null), pause=0.01)
        async with FakeProvider(script) as fake:
            timeouts = Timeouts(first_content=0.1, stall=0.1)
            retry = RetryPolicy(attempts=1)
            client = Client(fake.target("openai"), timeouts=timeouts, retry=retry, recovery=Recovery.off())
            async with client:
                with pytest.raises(StreamError) as caught:
                    await client.complete("Hello")
            assert caught.value.kind == "read_timeout"


# -- halves of characters ---------------------------------------------------------------------

WOMAN = "\U0001f469"
HIGH, LOW = b"\\ud83d", b"\\udc69"


def said(dialect: Dialect, *texts: bytes) -> str:
    """The text of an answer whose events have these texts, in JSON's escapes."""
    decoder = dialect.make()
    events = [dialect.text.replace(b'"a"', b'"%b"' % text) for text in texts]
    chunks = whole(decoder, *map(dialect.frame, [*events, *dialect.end]))
    assert (decoder.done, decoder.failure) == (True, None)
    assert type(chunks[-1]) is Finished
    return "".join(chunk.text for chunk in chunks if type(chunk) is TextDelta)


@every
@pytest.mark.parametrize(
    ("texts", "text"),
    [
        ((HIGH, LOW), WOMAN),
        ((b"x" + HIGH, LOW + b"y"), f"x{WOMAN}y"),
        ((b"x", HIGH, b"", LOW, b"y"), f"x{WOMAN}y"),
        ((HIGH, LOW + HIGH, LOW), WOMAN * 2),
        ((HIGH, b"x"), "\ufffdx"),
        ((LOW, b"x"), "\ufffdx"),
        ((HIGH, HIGH, LOW), f"\ufffd{WOMAN}"),
        ((b"x", HIGH), "x\ufffd"),
        ((HIGH + LOW,), WOMAN),
        ((b"\\\\ud83d",), "\\ud83d"),
    ],
)
def test_halves_of_a_character_are_joined(dialect: Dialect, texts: tuple[bytes, ...], text: str) -> None:
    """Also over several deltas; one that stays alone is U+FFFD where the next text or the end shows it."""
    assert said(dialect, *texts) == text


def test_halves_are_joined_in_reasoning_and_arguments_apart() -> None:
    """A half of the text does not wait for one of the reasoning."""
    events = [
        rb'{"choices":[{"delta":{"reasoning_content":"\ud83d","content":"\ud83d"}}]}',
        rb'{"choices":[{"delta":{"reasoning_content":"\udc69"}}]}',
        rb'{"choices":[{"delta":{"content":"\udc69"}}]}',
        rb'{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"i","function":{"name":"f","arguments":"{\"a\":\"\ud83d"}}]}}]}',
        rb'{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\udc69\"}"}}]}}]}',
        rb'{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}',
    ]
    chunks = whole(chat_decoder("openai", **OPTIONS), *map(_sse, events), b"data: [DONE]\n\n")
    assert "".join(chunk.reasoning for chunk in chunks if type(chunk) is ReasoningDelta) == WOMAN
    assert "".join(chunk.text for chunk in chunks if type(chunk) is TextDelta) == WOMAN
    assert [call.parsed for call in chunks if type(call) is ToolCall] == [{"a": WOMAN}]


@pytest.mark.parametrize(
    ("pieces", "value"),
    [
        ((rb"{\"a\": \"\\ud83d", rb"\\udc69\"}"), WOMAN),
        ((rb"{\"a\": \"\\ud8", rb"3d\\udc69\"}"), WOMAN),
        ((rb"{\"a\": \"\\ud83d\"}",), "\ufffd"),
        ((rb"{\"a\": \"\ud83d", rb"\udc69\"}"), WOMAN),
    ],
)
def test_halves_inside_of_the_text_of_arguments_are_joined(pieces: tuple[bytes, ...], value: str) -> None:
    """Escaped twice, since arguments are JSON text in a JSON string; or once, by the server."""
    events = [
        b'{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"i","name":"f","input":{}}}',
        *(
            b'{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"%b"}}' % piece
            for piece in pieces
        ),
        b'{"type":"content_block_stop","index":0}',
        b'{"type":"message_stop"}',
    ]
    chunks = whole(messages_decoder("anthropic", **OPTIONS), *map(_sse, events))
    assert [call.parsed for call in chunks if type(call) is ToolCall] == [{"a": value}]


def test_halves_in_what_is_passed_on_are_no_error() -> None:
    """Raw chunks, names and ids may have them, too; nothing that leaves has what UTF-8 cannot say."""
    events = [
        rb'{"type":"message_start","message":{"id":"m\ud83d","model":"x\udc69","content":[]}}',
        rb'{"type":"content_block_start","index":0,"content_block":{"type":"new","what":"\ud83d"}}',
        rb'{"type":"message_stop"}',
    ]
    decoder = messages_decoder("anthropic", raw=True, **OPTIONS)
    chunks = whole(decoder, *map(_sse, events))
    assert (decoder.model, decoder.response_id) == ("x\ufffd", "m\ufffd")
    assert "\ufffd" in json.dumps([chunk.data for chunk in chunks if type(chunk) is Raw], ensure_ascii=False)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("length", [0, 10_000])
async def test_halves_in_a_whole_answer_are_unknown_characters(length: int) -> None:
    """A short text and one that is not kept in memory."""
    text = "x" * length + "\\ud83d\\udc69 and \\ud83d"
    message = '{"role":"assistant","content":"%s"}' % text  # noqa: UP031
    body = '{"id":"c","model":"m","choices":[{"index":0,"message":%s,"finish_reason":"stop"}]}' % message  # noqa: UP031
    async with FakeProvider(serve_bytes(body.encode(), "application/json")) as fake:
        async with Client(fake.target("openai", stream=False), recovery=Recovery.off()) as client:
            answer = await client.complete("Hello")
    assert answer.text == "x" * length + f"{WOMAN} and \ufffd"


def test_claude_code_joins_halves_too() -> None:
    """Halves of a character that Node writes as two escapes become one character."""
    piece = b'{"type":"stream_event","event":{"type":"content_block_delta","delta":{"text":"%b"}}}\n'
    end = b'{"type":"result","subtype":"success"}\n'
    decoder = ClaudeCodeDecoder(max_event_bytes=100_000)
    chunks = whole(decoder, piece % HIGH, piece % LOW, b"null\n", b"a word to the user\n", end)
    assert "".join(chunk.text for chunk in chunks) == WOMAN
    assert (decoder.done, decoder.progress) == (True, 0)


# -- numbers ----------------------------------------------------------------------------------

NUMBERS = [b"1e999", b"-1e400", b"9" * 20, b"9" * 5000, b"-" + b"9" * 30, b"1.5"]


@every
@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:8].decode())
def test_a_number_that_nobody_can_read_costs_no_answer(dialect: Dialect, number: bytes, raw: bool) -> None:
    """In an unknown field of every event, and in one that is not looked into at once."""
    extra = b'"zz": {"deep": [%b]}, "usageMetadata": {"promptTokenCount": %b}, ' % (number, number)
    odd = [payload.replace(b"{", b"{" + extra, 1) for payload in (dialect.text, *dialect.end)]
    decoder = dialect.make(raw=raw)
    chunks = whole(decoder, *(dialect.frame(payload) for payload in odd if b"[DONE]" not in payload))
    assert decoder.failure is None or decoder.failure.kind != "protocol_error"
    assert TextDelta("a") in chunks


@pytest.mark.parametrize("number", NUMBERS[:-1], ids=lambda number: number[:8].decode())
def test_a_count_that_nobody_can_read_is_no_count(number: bytes) -> None:
    """The answer and its other counts are as they are."""
    usage = b'{"choices":[],"usage":{"prompt_tokens":%b,"completion_tokens":7}}' % number
    rows = ROWS["chat"]
    chunks = whole(chat_decoder("openai", **OPTIONS), rows.text, _sse(usage), rows.end)
    assert [chunk for chunk in chunks if type(chunk) is Usage] == [Usage(None, 7)]


@every
def test_nesting_without_end_is_a_failure_and_nothing_else(dialect: Dialect) -> None:
    """As deep as Python's own recursion goes, and much deeper; known fields and unknown ones."""
    for depth in (900, 100_000):
        for name in (b"zz", b"usage", b"usageMetadata", b"delta", b"error"):
            deep = b'{"%b": %b%b}' % (name, b"[" * depth, b"]" * depth)
            for raw in (False, True):
                decoder = dialect.make(raw=raw)
                chunks = whole(decoder, dialect.frame(dialect.text), dialect.frame(deep))
                assert chunks[0] == TextDelta("a")


@pytest.mark.parametrize(
    "field",
    [
        b'"thinking":"hm"',
        b'"reasoning":{"text":"hm"}',
        b'"reasoning":{"summary":[{"text":"h"},{"text":"m"}]}',
        b'"reasoning_content":["h",{"type":"text","text":"m"}]',
        b'"reasoning_content":[{"content":"hm"}]',
        b'"thinking":{"thinking":"hm"}',
    ],
    ids=repr,
)
def test_reasoning_of_an_odd_shape_is_read(field: bytes) -> None:
    """Whether it is a text, an object or a list."""
    event = _sse(b'{"choices":[{"index":0,"delta":{"content":"a",%b}}]}' % field)
    chunks = whole(chat_decoder("openai", **OPTIONS), event, ROWS["chat"].end)
    assert chunks[:2] == [ReasoningDelta("hm"), TextDelta("a")]
    assert [type(chunk) for chunk in chunks[2:]] == [Finished]


def test_reasoning_without_a_text_is_given_as_it_is() -> None:
    """Reasoning without a text comes as Raw and is not dropped silently."""
    event = _sse(b'{"choices":[{"index":0,"delta":{"content":"a","reasoning":{"new":"hm"}}}]}')
    chunks = whole(chat_decoder("openai", **OPTIONS), event, ROWS["chat"].end)
    assert [type(chunk) for chunk in chunks] == [Raw, TextDelta, Finished]


def test_a_choice_may_be_numbered_by_a_text() -> None:
    """The first is read, and the others are given as they are."""
    events = [
        _sse(b'{"choices":[{"index":"%b","delta":{"content":"%b"}}]}' % pair) for pair in [(b"0", b"a"), (b"1", b"b")]
    ]
    chunks = whole(chat_decoder("openai", **OPTIONS), *events, ROWS["chat"].end)
    assert [type(chunk) for chunk in chunks] == [TextDelta, Raw, Finished]


@pytest.mark.parametrize("before", [b"", b": hello\n\n", b"event: message\nid: 7\n"], ids=repr)
@pytest.mark.parametrize("read", [1, 20, 10_000])
def test_json_lines_may_come_as_an_event_stream(before: bytes, read: int) -> None:
    """Some gateways frame every answer so."""
    row = ROWS["ollama"]
    body = b"".join(before + _sse(line) for line in [*_payloads(row.text), *_payloads(row.end)]) + b"data: [DONE]\n\n"
    decoder = row.make("openai", **OPTIONS)
    chunks = whole(decoder, *(body[at : at + read] for at in range(0, len(body), read)))
    assert [type(chunk) for chunk in chunks if type(chunk) is not Usage] == [TextDelta, Finished]
    assert (decoder.done, decoder.failure) == (True, None)


def test_parts_may_be_one_part() -> None:
    """A single part is read although it is not in a list."""
    event = _sse(b'{"candidates":[{"content":{"role":"model","parts":{"text":"a"}}}]}')
    chunks = whole(ROWS["gemini"].make("gemini", **OPTIONS), event, ROWS["gemini"].end)
    assert [type(chunk) for chunk in chunks if type(chunk) is not Usage] == [TextDelta, Finished]
