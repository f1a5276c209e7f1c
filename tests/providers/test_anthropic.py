"""Anthropic's dialect: what its events mean, and what a request becomes.

The events are written here as the API's pages and the recordings have them; whole recorded answers are in
test_recordings.py.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from resilient_stream.chunks import (
    Chunk,
    File,
    Finished,
    Raw,
    ReasoningDelta,
    ServerToolCall,
    ServerToolResult,
    Source,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from resilient_stream.contract import Decoder, Endpoint, Request
from resilient_stream.errors import ErrorKind
from resilient_stream.messages import FunctionCall, ImagePart, Message, ReasoningPart, TextPart, to_messages, to_tools
from resilient_stream.providers import adapter_for
from resilient_stream.providers.anthropic.adapter import ADAPTER
from resilient_stream.providers.anthropic.models import BUDGETS, GENERATIONS, OTHER, generation_of
from resilient_stream.providers.anthropic.stream import FINISH_REASONS
from resilient_stream.target import Target
from tests.providers.recordings import odd_ones

# -- what arrives -----------------------------------------------------------------------------


def _sse(*events: dict[str, Any]) -> bytes:
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


def _message_start(id: str = "msg_1", **fields: Any) -> dict[str, Any]:
    usage = {"input_tokens": 17, "cache_read_input_tokens": 5, "output_tokens": 1}
    message = {"id": id, "model": "claude-opus-4-5", "role": "assistant", "content": [], "usage": usage}
    return {"type": "message_start", "message": message | fields}


def _start(index: int, kind: str, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": {"type": kind, **block}}


def _block(index: int, block: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def _delta(index: int, kind: str, **delta: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **delta}}


def _stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def _text(text: str, index: int = 0) -> dict[str, Any]:
    return _delta(index, "text_delta", text=text)


def _json(text: str, index: int = 0) -> dict[str, Any]:
    return _delta(index, "input_json_delta", partial_json=text)


def _end(reason: str | None = "end_turn", **delta: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    usage = {"output_tokens": 40}
    return (
        {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None, **delta}, "usage": usage},
        {"type": "message_stop"},
    )


def _decoder(cites: bool = False, **options: Any) -> Decoder:
    """cites: the request has more than texts and functions."""
    extra = {"tools": [{"type": "web_search_20250305"}]} if cites else {}
    target = Target("anthropic:claude", **options)
    return ADAPTER.decoder(Request(messages=to_messages("hi"), target=target, extra=extra))


def _read(*events: dict[str, Any], **options: Any) -> tuple[list[Chunk], Decoder]:
    """The chunks of an answer that begins with message_start, without its counts; and the decoder."""
    decoder = _decoder(**options)
    decoder.feed(_sse(_message_start()))
    return [*decoder.feed(_sse(*events)), *decoder.finish()], decoder


LAST = Usage(17, 40, None, 5)
STOPPED = [LAST, Finished("stop", "end_turn")]


def test_text_is_handed_out_in_order() -> None:
    """Text deltas become TextDeltas; the counts and the finish reason come last, in this order."""
    chunks, decoder = _read(_start(0, "text", text=""), _text("Hello"), _text(", you"), _stop(0), *_end())
    assert chunks == [TextDelta("Hello"), TextDelta(", you"), *STOPPED]
    assert decoder.done
    assert (decoder.model, decoder.response_id) == ("claude-opus-4-5", "msg_1")


def test_a_read_of_text_alone_and_a_mixed_read_give_the_same() -> None:
    """The short way for text takes no read that has anything else in it, and is taken up again after one."""
    decoder = _decoder()
    reads = [
        [_message_start(), _start(0, "text", text=""), _text("a")],
        [_text("b")],
        [_text("c"), _text(""), _text("d")],
        [_text("e"), {"type": "ping"}, _text("f")],
        [_text("g"), _stop(0), _start(1, "text", text="h"), _text("i", 1)],
        [_text("j", 1), _json("{}", 1)],
        [_text("k", 1), *_end()],
    ]
    chunks = [chunk for events in reads for chunk in decoder.feed(_sse(*events))]
    assert "".join(chunk.text for chunk in chunks) == "abcdefghijk"
    assert chunks[-2:] == STOPPED


def test_an_error_beside_a_text_delta_is_not_overlooked() -> None:
    """An event that has both is an error, also while nothing but text is expected."""
    decoder = _decoder()
    decoder.feed(_sse(_message_start(), _text("a")))
    decoder.feed(_sse(_text("b") | {"error": {"type": "overloaded_error", "message": "Overloaded"}}))
    assert decoder.failure is not None
    assert decoder.failure.kind is ErrorKind.PROVIDER_OVERLOADED


def test_counts_are_the_last_of_each_and_never_a_sum() -> None:
    """message_delta restates some counts and leaves out others: the last of each stands."""
    usage = {
        "input_tokens": 20, "cache_read_input_tokens": None, "cache_creation_input_tokens": 3, "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 6},
    }  # fmt: skip
    decoder = _decoder()
    assert decoder.feed(_sse(_message_start())) == [Usage(17, 1, None, 5)]
    assert decoder.feed(_sse({"type": "message_delta", "delta": {}, "usage": usage})) == [Usage(20, 9, 6, 5, 3)]
    assert decoder.feed(_sse(*_end())) == [Usage(20, 40, 6, 5, 3), Finished("stop", "end_turn")]


def test_thinking_and_its_signature() -> None:
    """Thinking is reasoning; its signature comes on a delta of its own without text."""
    thinking = _delta(0, "thinking_delta", thinking="Hm.")
    signature = _delta(0, "signature_delta", signature="sig==")
    chunks, _ = _read(_start(0, "thinking", thinking="", signature=""), thinking, signature, _stop(0), *_end())
    assert chunks == [ReasoningDelta("Hm."), ReasoningDelta("", "sig=="), *STOPPED]


@pytest.mark.parametrize(
    ("initial", "pieces", "arguments", "parsed"),
    [
        ({}, ["", '{"city": ', '"Paris"}'], '{"city": "Paris"}', {"city": "Paris"}),
        ({}, [""], "", {}),
        ({}, [], "", {}),
        ({"city": "Paris"}, [], '{"city":"Paris"}', {"city": "Paris"}),
        ({"city": "Paris"}, [""], '{"city":"Paris"}', {"city": "Paris"}),
        ({"city": "?"}, ['{"city": "Rome"}'], '{"city": "Rome"}', {"city": "Rome"}),
        ({}, ['{"city": "Par'], '{"city": "Par', None),
    ],
)
def test_a_tool_call_from_its_pieces(initial: Any, pieces: list[str], arguments: str, parsed: Any) -> None:
    """However its input comes, a call leaves whole when its block ends; the deltas add up to its arguments."""
    start = _start(1, "tool_use", id="toolu_1", name="weather", input=initial)
    chunks, _ = _read(start, *(_json(piece, 1) for piece in pieces), _stop(1), *_end("tool_use"))
    deltas = [chunk for chunk in chunks if isinstance(chunk, ToolCallDelta)]
    assert deltas[0] == ToolCallDelta(0, "toolu_1", "weather", "")
    assert "".join(delta.arguments for delta in deltas) == arguments
    call = ToolCall(0, "toolu_1", "weather", arguments, parsed)
    assert chunks[len(deltas) :] == [call, LAST, Finished("tool_calls", "tool_use")]


def test_two_calls_are_counted_from_nought() -> None:
    """The index of a call counts calls, not blocks, as with every other provider."""
    first = [_start(1, "tool_use", id="a", name="f", input={}), _json("{}", 1), _stop(1)]
    second = [_start(2, "tool_use", id="b", name="g", input={}), _json('{"x":1}', 2), _stop(2)]
    chunks, _ = _read(_start(0, "text", text="Well"), _stop(0), *first, *second, *_end("tool_use"))
    calls = [chunk for chunk in chunks if isinstance(chunk, ToolCall)]
    assert calls == [ToolCall(0, "a", "f", "{}", {}), ToolCall(1, "b", "g", '{"x":1}', {"x": 1})]


def test_a_call_without_the_end_of_its_block_is_whole_at_the_end() -> None:
    """Gateways leave out content_block_stop: the call is handed out before Finished."""
    chunks, _ = _read(_start(0, "tool_use", id="a", name="f", input={}), _json("{}"), *_end("tool_use"))
    assert chunks[-3:] == [LAST, ToolCall(0, "a", "f", "{}", {}), Finished("tool_calls", "tool_use")]


UNMODELLED = [
    _json('{"query": "x"}'),
    _start(2, "fallback", model="other"),
    _start(4, "compaction", content=None),
    _delta(4, "compaction_delta", content="so far"),
    _start(5, "something_new", whatever=[1]),
    _delta(5, "something_new_delta", text="not an answer"),
]


@pytest.mark.parametrize("event", UNMODELLED, ids=lambda event: json.dumps(event)[24:80])
def test_what_is_not_modelled_passes_and_counts_as_progress(event: dict[str, Any]) -> None:
    """New types disturb nothing, keep the stall clock quiet, and are Raw; whole blocks can be sent back."""
    chunks, decoder = _read(event, *_end())
    assert [chunk for chunk in chunks if not isinstance(chunk, Raw)] == STOPPED
    assert decoder.progress == 1
    block = event.get("content_block")
    [raw] = [chunk for chunk in chunks if isinstance(chunk, Raw)]
    assert raw == Raw("anthropic", (block or event["delta"])["type"], block or event, "block" if block else "content")
    assert dict(decoder.unmodelled) == {raw.event: 1}


def test_a_server_tool_is_seen_while_it_runs() -> None:
    """The call leaves at the end of its block, before its result comes, and both keep their own form."""
    call = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}
    result = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"type": "web_search_result"}]}
    running, _ = _read(_block(0, call), _json('{"query": "x"}', 0), _stop(0))
    made = {**call, "input": {"query": "x"}}
    assert running == [ServerToolCall("s1", "web_search", '{"query":"x"}', {"query": "x"}, made)]
    chunks, _ = _read(_block(0, call), _json('{"query": "x"}', 0), _stop(0), _block(1, result), _stop(1), *_end())
    assert chunks[1] == ServerToolResult("s1", "web_search", result["content"], False, result)


def test_a_failed_server_tool_says_so() -> None:
    """An error is a result like any other, told apart; an MCP server's tool has the name of its call."""
    call = _start(0, "mcp_tool_use", id="m1", name="ask", input={"q": 1}, server_name="wiki")
    result = _start(1, "mcp_tool_result", tool_use_id="m1", is_error=True, content=[])
    chunks, _ = _read(call, _stop(0), result, _stop(1), *_end())
    found = next(chunk for chunk in chunks if isinstance(chunk, ServerToolResult))
    assert (found.name, found.is_error) == ("ask", True)
    error = {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"}
    chunks, _ = _read(_start(0, "web_search_tool_result", tool_use_id="s", content=error), _stop(0), *_end())
    assert next(chunk for chunk in chunks if isinstance(chunk, ServerToolResult)).is_error


def test_a_file_that_a_program_wrote_can_be_fetched() -> None:
    """Of a file only its id is known; the block that has it goes back, not the file."""
    content = {"type": "bash_code_execution_result", "content": [{"type": "x", "file_id": "file_1"}]}
    chunks, _ = _read(_start(0, "bash_code_execution_tool_result", tool_use_id="s", content=content), _stop(0), *_end())
    assert File("application/octet-stream", id="file_1") in chunks


CITATION = {"type": "web_search_result_location", "url": "https://a.test", "title": "A", "cited_text": "so it is"}


def test_a_citation_says_which_passage_rests_on_it() -> None:
    """Its place is that of its block in the whole text, wherever in the block it came."""
    events = [
        _start(0, "text", text=""), _delta(0, "text_delta", text="It is: "), _stop(0),
        _start(1, "text", text="", citations=[]), _delta(1, "citations_delta", citation=CITATION),
        _delta(1, "text_delta", text="so"), _stop(1),
    ]  # fmt: skip
    chunks, _ = _read(*events, *_end(), cites=True)
    assert Source("https://a.test", "A", "so it is", 7, 9, native=CITATION) in chunks
    chunks, _ = _read(*events, *_end())
    assert Source("https://a.test", "A", "so it is", native=CITATION) in chunks


@pytest.mark.parametrize("kind", ["ping", "keepalive", "something_new"])
def test_what_may_be_a_keep_alive_is_no_progress(kind: str) -> None:
    """Pings and event types that nobody knows do not feed the stall clock."""
    chunks, decoder = _read({"type": kind}, *_end())
    assert (chunks, decoder.progress) == (STOPPED, 0)


@pytest.mark.parametrize("reason", [*FINISH_REASONS, "something_new"])
def test_every_stop_reason_ends_an_answer(reason: str) -> None:
    """A stop reason never raises; one that is not known is "other", with the provider's own word."""
    chunks, decoder = _read(_start(0, "text", text=""), _text("Hi"), *_end(reason))
    meaning, kind = FINISH_REASONS.get(reason, ("other", None))
    assert chunks[-1] == Finished(meaning, reason, kind)
    assert decoder.failure is None


def test_the_table_of_stop_reasons() -> None:
    """What was cut or refused has its kind; the rest has none."""
    kinds = {reason: kind for reason, (_, kind) in FINISH_REASONS.items() if kind}
    assert kinds == {
        "max_tokens": "output_truncated",
        "model_context_window_exceeded": "output_truncated",
        "refusal": "refusal",
    }
    assert FINISH_REASONS["pause_turn"] == ("pause", None)


def test_a_refusal_part_way_keeps_its_text_and_has_its_explanation() -> None:
    """Text before a refusal stays; the provider's words about it are on Finished, not in the text."""
    details = {"type": "refusal", "category": "cyber", "explanation": "Declined by policy."}
    chunks, _ = _read(_start(0, "text", text=""), _text("Hi"), *_end("refusal", stop_details=details))
    assert chunks == [TextDelta("Hi"), LAST, Finished("refusal", "refusal", "refusal", "Declined by policy.")]


def test_an_empty_answer_is_an_answer() -> None:
    """An answer without a block between message_start and message_delta is complete."""
    chunks, decoder = _read(*_end())
    assert (chunks, decoder.done, decoder.failure) == (STOPPED, True, None)


def test_a_second_message_start_of_the_same_message_is_ignored() -> None:
    """Proxies repeat message_start; the answer is not doubled."""
    begun = _message_start(content=[{"type": "text", "text": "Hello"}])
    decoder = _decoder()
    chunks = decoder.feed(_sse(begun, begun, _text(", you"), *_end()))
    assert "".join(chunk.text for chunk in chunks) == "Hello, you"


def test_another_message_before_any_content_takes_over() -> None:
    """A proxy that tried again before the answer began has changed nothing."""
    chunks, decoder = _read(_message_start("msg_2"), _text("Hello"), *_end())
    assert chunks == [Usage(17, 1, None, 5), TextDelta("Hello"), *STOPPED]
    assert decoder.response_id == "msg_2"


def test_another_message_after_content_is_not_spliced_on() -> None:
    """After content, a second message is another answer: the first one was interrupted."""
    chunks, decoder = _read(_text("Hel"), _message_start("msg_2"), _text("Hello"), *_end())
    assert chunks == [TextDelta("Hel")]
    assert decoder.failure is not None
    assert decoder.failure.kind is ErrorKind.STREAM_INTERRUPTED


def test_a_message_may_come_whole_in_its_first_event() -> None:
    """Calls planned earlier arrive in message_start, with their stop reason, and nothing but the end after it."""
    block = {"type": "tool_use", "id": "toolu_1", "name": "roll", "input": {"player": "one"}}
    decoder = _decoder()
    start = _message_start(content=[block], stop_reason="tool_use")
    chunks = decoder.feed(_sse(start, {"type": "message_stop"}))
    assert ToolCall(0, "toolu_1", "roll", '{"player":"one"}', {"player": "one"}) in chunks
    assert chunks[-1] == Finished("tool_calls", "tool_use")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"type": "overloaded_error", "message": "Overloaded", "details": None}, ErrorKind.PROVIDER_OVERLOADED),
        ({"type": "rate_limit_error", "message": "Rate limited"}, ErrorKind.RATE_LIMITED),
        ({"type": "api_error", "message": "Internal server error"}, ErrorKind.SERVER_ERROR),
        ({"type": "timeout_error", "message": "Request timed out"}, ErrorKind.PROVIDER_TIMEOUT),
        ({}, ErrorKind.SERVER_ERROR),
    ],
)
def test_an_error_inside_a_200_is_classified(error: dict[str, Any], kind: ErrorKind) -> None:
    """What came before it is handed out, nothing after it is decoded, and its kind is its type's."""
    chunks, decoder = _read(_text("Hel"), {"type": "error", "error": error}, _text("lo"), *_end())
    assert chunks == [TextDelta("Hel")]
    assert decoder.failure is not None
    assert (decoder.failure.kind, decoder.done) == (kind, False)
    assert decoder.feed(_sse(_text("more"))) == decoder.finish() == []


def test_only_message_stop_ends_an_answer() -> None:
    """A stop reason without message_stop is a cut, also when the body ends cleanly."""
    chunks, decoder = _read(_text("Hello"), _end()[0])
    assert chunks == [TextDelta("Hello"), LAST]
    assert decoder.failure is not None
    assert (decoder.failure.kind, decoder.failure.code) == (ErrorKind.STREAM_INTERRUPTED, "no_end_marker")


def test_a_target_may_say_that_its_server_sends_no_end() -> None:
    """With terminal="eof_ok" the end of the body is one, but not of a body without content."""
    chunks, decoder = _read(_text("Hello"), terminal="eof_ok")
    assert (chunks, decoder.done, decoder.failure) == ([TextDelta("Hello")], True, None)
    _, decoder = _read(terminal="eof_ok")
    assert decoder.failure is not None


def test_nothing_is_read_after_the_end() -> None:
    """Whatever follows message_stop in the same read or a later one is not part of the answer."""
    chunks, decoder = _read(*_end(), _text("more"), _message_start("msg_2"))
    assert chunks == STOPPED
    assert decoder.feed(_sse(_text("more"), *_end())) == decoder.finish() == []


def test_bytes_that_are_no_json_are_a_protocol_error() -> None:
    """The chunks before the bad event are handed out."""
    decoder = _decoder()
    chunks = decoder.feed(_sse(_text("Hello")) + b'data: {"type":\n\n')
    assert chunks == [TextDelta("Hello")]
    assert decoder.failure is not None
    assert decoder.failure.kind is ErrorKind.PROTOCOL_ERROR


def test_an_error_body_in_place_of_a_stream_is_that_error() -> None:
    """A bare JSON error under status 200 is classified, not taken for a cut."""
    decoder = _decoder()
    decoder.feed(b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}')
    decoder.finish()
    assert decoder.failure is not None
    assert decoder.failure.kind is ErrorKind.PROVIDER_OVERLOADED


WELL_FORMED = [
    _message_start(content=[{"type": "text", "text": "Hello"}], stop_reason="tool_use"),
    _start(0, "text", text="Hello"),
    _start(0, "thinking", thinking="Hm.", signature="sig=="),
    _start(0, "tool_use", id="toolu_1", name="weather", input={"city": "Paris"}),
    _text("Hello"),
    _json("{}"),
    _delta(0, "thinking_delta", thinking="Hm."),
    _delta(0, "signature_delta", signature="sig=="),
    _stop(0),
    _end("refusal", stop_details={"explanation": "No."})[0],
    {"type": "message_delta", "delta": {}, "usage": {"output_tokens_details": {"thinking_tokens": 6}}},
    {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
    {"type": "error", "message": "Overloaded"},
]


@pytest.mark.parametrize("event", WELL_FORMED, ids=lambda event: json.dumps(event)[:60])
def test_no_server_can_make_the_decoder_raise(event: dict[str, Any]) -> None:
    """A field of a wrong type, at any place, is a failure or nothing, never an exception."""
    for odd in odd_ones(event):
        for raw in (False, True):
            decoder = _decoder(raw=raw)
            events = (_start(0, "tool_use"), _text("Hello", 1), odd, {"type": "message_stop"})
            decoder.feed(b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events))
            decoder.finish()
            assert decoder.done or decoder.failure is not None
            assert isinstance(decoder.response_id, str | None)
            assert isinstance(decoder.model, str | None)


# -- what is sent -----------------------------------------------------------------------------

OLD, BUDGET, EITHER, ADAPTIVE = "claude-3-5-haiku-20241022", "claude-sonnet-4-5", "claude-opus-4-6", "claude-opus-5"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
PIXEL = "iVBORw0KGgo="


def _body(prompt: Any = "hi", model: str = BUDGET, *, system: str | None = None, **fields: Any) -> dict[str, Any]:
    request = Request(messages=to_messages(prompt, system), target=Target(f"anthropic:{model}"), **fields)
    sent: dict[str, Any] = json.loads(ADAPTER.encode(request, Endpoint(base_url=ADAPTER.base_url)).body)
    return sent


def _sent(prompt: Any) -> Any:
    return _body(prompt)["messages"]


def test_where_a_request_goes() -> None:
    """The path is the adapter's, the base URL has no /v1; the key is in x-api-key; the caller's headers win."""
    request = Request(messages=to_messages("hi"), target=Target("anthropic:m"))
    endpoint = Endpoint(base_url="http://127.0.0.1:1", api_key="secret", headers={"anthropic-beta": "x"})
    sent = adapter_for("anthropic").encode(request, endpoint)
    assert (sent.method, sent.url) == ("POST", "http://127.0.0.1:1/v1/messages")
    assert sent.headers == {
        "Content-Type": "application/json",
        "Accept": "text/event-stream",
        "anthropic-version": "2023-06-01",
        "x-api-key": "secret",
        "anthropic-beta": "x",
    }
    assert "secret" not in repr(endpoint) + repr(sent)


def test_the_least_request() -> None:
    """A prompt alone: the API's mandatory fields and nothing else."""
    assert _body() == {
        "model": BUDGET,
        "max_tokens": 16_000,
        "stream": True,
        "messages": [{"role": "user", "content": "hi"}],
    }


def test_every_plain_field() -> None:
    """Fields that have an equivalent are sent under its name, `extra` last; seed has none."""
    sent = _body(
        model=OLD, system="Be brief.", max_tokens=9, temperature=0.5, top_p=0.9, stop=("\n\n", "END"), seed=7,
        extra={"metadata": {"user_id": "u"}, "max_tokens": 10},
    )  # fmt: skip
    assert sent == {
        "model": OLD,
        "max_tokens": 10,
        "stream": True,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "hi"}],
        "stop_sequences": ["\n\n", "END"],
        "temperature": 0.5,
        "top_p": 0.9,
        "metadata": {"user_id": "u"},
    }


def test_a_system_message_holds_from_where_it_stands() -> None:
    """Those in front go to the API's one place for them, a later one is the user's; developer is the same thing."""
    prompt = [
        {"role": "system", "content": "One."},
        {"role": "user", "content": "hi"},
        {"role": "developer", "content": "Two."},
        {"role": "user", "content": "there"},
    ]
    sent = _body(prompt)
    assert sent["system"] == "One."
    texts = ["hi", "<system>\nTwo.\n</system>", "there"]
    assert sent["messages"] == [{"role": "user", "content": [{"type": "text", "text": text} for text in texts]}]


def test_images_by_value_and_by_link() -> None:
    """A data URL is sent as base64 with its media type, a link as a link."""
    parts = (TextPart(text="What?"), ImagePart(url=f"data:image/png;base64,{PIXEL}"), ImagePart(url="https://a/b"))
    assert _sent(Message(role="user", content=parts))[0]["content"] == [
        {"type": "text", "text": "What?"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        {"type": "image", "source": {"type": "url", "url": "https://a/b"}},
    ]


CALLS = (
    FunctionCall(id="a", name="weather", arguments='{"city": "Paris"}'),
    FunctionCall(id="b", name="time", arguments=""),
    FunctionCall(id="c", name="broken", arguments='{"city": "Par'),
)


def test_a_round_of_tools() -> None:
    """Calls are blocks with an object as input, their results one user turn, and what the user adds joins it."""
    prompt = [
        Message(role="user", content="hi"),
        Message(role="assistant", content="\n", tool_calls=CALLS),
        Message(role="tool", tool_call_id="a", content="21 °C"),
        Message(role="tool", tool_call_id="b", content=""),
        Message(role="tool", tool_call_id="c", content=(ImagePart(url="https://a/b"),)),
        Message(role="user", content="Go on"),
    ]
    image = {"type": "image", "source": {"type": "url", "url": "https://a/b"}}
    assert _sent(prompt) == [
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "Paris"}},
                {"type": "tool_use", "id": "b", "name": "time", "input": {}},
                {"type": "tool_use", "id": "c", "name": "broken", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": "21 °C"},
                {"type": "tool_result", "tool_use_id": "b", "content": " "},
                {"type": "tool_result", "tool_use_id": "c", "content": [image]},
                {"type": "text", "text": "Go on"},
            ],
        },
    ]


def test_tools_and_their_choice() -> None:
    """OpenAI's shape goes in, Anthropic's comes out; a name as choice forces that tool."""
    tool = {"type": "function", "function": {"name": "weather", "description": "Now", "parameters": SCHEMA}}
    strict = {"name": "time", "parameters": {"properties": {}}, "strict": True}
    sent = _body(tools=to_tools([tool, strict]), tool_choice="weather")
    assert sent["tools"] == [
        {"name": "weather", "description": "Now", "input_schema": SCHEMA},
        {
            "name": "time",
            "input_schema": {"type": "object", "properties": {}, "additionalProperties": False},
            "strict": True,
        },
    ]
    assert sent["tool_choice"] == {"type": "tool", "name": "weather"}


@pytest.mark.parametrize(("choice", "kind"), [("auto", "auto"), ("none", "none"), ("required", "any")])
def test_a_tool_choice_by_word(choice: str, kind: str) -> None:
    """The three words have Anthropic's names."""
    assert _body(tool_choice=choice)["tool_choice"] == {"type": kind}


def test_signed_reasoning_goes_back_and_unsigned_does_not() -> None:
    """A thinking block is sent back as it came, an encrypted one too; without a signature it would be refused."""
    reasoning = (
        ReasoningPart(text="Hm.", signature="sig=="),
        ReasoningPart(redacted="encrypted"),
        ReasoningPart(text="unsigned"),
    )
    answer = Message(role="assistant", content=(*reasoning, TextPart(text="Yes.")))
    assert _sent([Message(role="user", content="hi"), answer, Message(role="user", content="Sure?")])[1] == {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "sig=="},
            {"type": "redacted_thinking", "data": "encrypted"},
            {"type": "text", "text": "Yes."},
        ],
    }


def test_encrypted_reasoning_is_a_chunk() -> None:
    """A redacted block has no text to show, and data to send back; without data it is nothing."""
    chunks, _ = _read(_start(0, "redacted_thinking", data="encrypted"), _stop(0), *_end())
    assert chunks == [ReasoningDelta("", None, "encrypted"), *STOPPED]
    assert _read(_start(0, "redacted_thinking"), _stop(0), *_end())[0] == STOPPED


@pytest.mark.parametrize("last", [(), (TextPart(text="\n"),)])
def test_no_turn_ends_in_thinking(last: tuple[TextPart, ...]) -> None:
    """The API refuses that; it is what is left of an answer that was cut after its thinking."""
    thinking = ReasoningPart(text="Hm.", signature="sig==")
    question, answer = Message(role="user", content="hi"), Message(role="assistant", content=(thinking, *last))
    assert _sent([question, answer, question]) == [{"role": "user", "content": [{"type": "text", "text": "hi"}] * 2}]
    assert len(_sent([question, answer])) == 1
    spoken = Message(role="assistant", content=(TextPart(text="Well"), thinking, *last))
    assert _sent([question, spoken, question])[1] == {"role": "assistant", "content": "Well"}


def test_another_providers_call_id_fits_and_still_has_its_result() -> None:
    """Anthropic takes letters, digits, `_` and `-`; Moonshot's ids have dots and colons."""
    call = FunctionCall(id="functions.add:0", name="add")
    prompt = [
        Message(role="user", content="hi"),
        Message(role="assistant", tool_calls=(call,)),
        Message(role="tool", tool_call_id=call.id, content="3"),
    ]
    _, asked, answered = _sent(prompt)
    assert asked["content"][0]["id"] == answered["content"][0]["tool_use_id"] == "2aab2b9e6b10fe772400632a"


@pytest.mark.parametrize("content", ["", "  \n", (), (TextPart(text=""),)])
def test_empty_content_is_a_single_space(content: Any) -> None:
    """The API refuses empty content; a turn without any is one space."""
    assert _sent(Message(role="user", content=content)) == [{"role": "user", "content": " "}]


@pytest.mark.parametrize(
    ("text", "turns"),
    [
        ("Once upon a ", [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Once upon a"}]),
        (" \n", [{"role": "user", "content": "hi"}]),
        ("", [{"role": "user", "content": "hi"}]),
    ],
)
def test_a_prefill_ends_without_white_space(text: str, turns: list[Any]) -> None:
    """The API refuses an unfinished turn that ends in white space; one of nothing else is left out."""
    assert _sent([Message(role="user", content="hi"), Message(role="assistant", content=text)]) == turns


def test_an_output_schema_is_beside_the_effort() -> None:
    """An output schema and an effort are both sent, in output_config."""
    sent = _body(model=ADAPTIVE, output=SCHEMA, reasoning="low")
    assert sent["output_config"] == {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}}


SHOWN = {"type": "adaptive", "display": "summarized"}


def _enabled(budget: int) -> dict[str, Any]:
    return {"type": "enabled", "budget_tokens": budget}


@pytest.mark.parametrize(
    ("model", "reasoning", "fields"),
    [
        (OLD, "high", {"max_tokens": 8_192}),
        (BUDGET, None, {"max_tokens": 16_000}),
        (BUDGET, "none", {"max_tokens": 16_000}),
        (BUDGET, "medium", {"max_tokens": 20_096, "thinking": _enabled(4_096)}),
        (BUDGET, "something_new", {"max_tokens": 32_000, "thinking": _enabled(16_000)}),
        (BUDGET, 10_000, {"max_tokens": 26_000, "thinking": _enabled(10_000)}),
        (BUDGET, 5, {"max_tokens": 17_024, "thinking": _enabled(1_024)}),
        (BUDGET, 60_000, {"max_tokens": 64_000, "thinking": _enabled(60_000)}),
        ("claude-opus-4-1", "max", {"max_tokens": 32_000, "thinking": _enabled(16_000)}),
        ("kimi-k2-thinking", "low", {"max_tokens": 9_216, "thinking": _enabled(1_024)}),
        (EITHER, "high", {"max_tokens": 32_000, "thinking": {"type": "adaptive"}, "effort": "high"}),
        (EITHER, 2_000, {"max_tokens": 34_000, "thinking": _enabled(2_000)}),
        (EITHER, 0, {"max_tokens": 32_000}),
        (ADAPTIVE, "minimal", {"max_tokens": 32_000, "thinking": SHOWN, "effort": "low"}),
        (ADAPTIVE, "max", {"max_tokens": 32_000, "thinking": SHOWN, "effort": "max"}),
        (ADAPTIVE, 5_000, {"max_tokens": 32_000, "thinking": SHOWN, "effort": "medium"}),
        (ADAPTIVE, "none", {"max_tokens": 32_000, "thinking": {"type": "disabled"}}),
        ("claude-sonnet-5-5", "none", {"max_tokens": 32_000, "thinking": {"type": "between_tools"}}),
        ("claude-opus-5-5", "none", {"max_tokens": 32_000, "effort": "low"}),
        ("claude-mythos-preview", "none", {"max_tokens": 32_000, "effort": "low"}),
    ],
)
def test_reasoning_is_asked_for_as_each_generation_takes_it(
    model: str, reasoning: str | int | None, fields: dict[str, Any]
) -> None:
    """A budget, an effort, or what turns it off, with room for it in max_tokens."""
    sent = _body(model=model, reasoning=reasoning)
    found = {name: sent[name] for name in ("max_tokens", "thinking") if name in sent}
    assert found | sent.get("output_config", {}) == fields


@pytest.mark.parametrize(("max_tokens", "budget"), [(20_000, 16_000), (16_000, 8_000), (2_000, None)])
def test_a_budget_leaves_room_for_the_answer(max_tokens: int, budget: int | None) -> None:
    """max_tokens is the caller's: a budget that does not fit is half of it, or none below the API's least."""
    sent = _body(reasoning="high", max_tokens=max_tokens)
    assert sent["max_tokens"] == max_tokens
    assert sent.get("thinking") == (budget and _enabled(budget))


USER, CALLED, RESULT = (
    Message(role="user", content="hi"),
    Message(role="assistant", tool_calls=CALLS[:1]),
    Message(role="tool", tool_call_id="a", content="21 °C"),
)
SIGNED = ReasoningPart(text="Hm.", signature="s")
THOUGHT = Message(role="assistant", content=(SIGNED,), tool_calls=CALLS[:1])
LATE_THOUGHT = Message(role="assistant", content=(TextPart(text="Well"), SIGNED), tool_calls=CALLS[:1])


@pytest.mark.parametrize(
    ("prompt", "choice", "thinks"),
    [
        ([USER, CALLED, RESULT], None, False),
        ([USER, THOUGHT, RESULT], None, True),
        ([USER, LATE_THOUGHT, RESULT], None, False),
        ([USER, CALLED, RESULT, USER], None, True),
        ([USER, Message(role="assistant", content="Once")], None, False),
        ([USER], "required", False),
        ([USER], "auto", True),
    ],
)
def test_reasoning_is_left_out_where_the_api_refuses_it(
    prompt: list[Message], choice: str | None, thinks: bool
) -> None:
    """With a forced tool, and while a turn goes on that began without thinking, a budget would be a 400."""
    assert ("thinking" in _body(prompt, reasoning="low", tool_choice=choice)) is thinks


def test_an_adaptive_model_thinks_on_after_tools() -> None:
    """Adaptive thinking has no such rule, but for the forced tool."""
    assert "thinking" in _body([USER, CALLED, RESULT], ADAPTIVE, reasoning="low")
    assert "thinking" not in _body([USER], ADAPTIVE, reasoning="low", tool_choice="required")


@pytest.mark.parametrize(
    ("model", "reasoning", "fields"),
    [
        (OLD, None, {"temperature": 0.5, "top_p": 0.9}),
        (BUDGET, None, {"temperature": 0.5}),
        (BUDGET, "low", {}),
        (EITHER, None, {"temperature": 0.5}),
        (ADAPTIVE, None, {}),
    ],
)
def test_sampling_is_sent_where_it_is_accepted(model: str, reasoning: str | None, fields: dict[str, Any]) -> None:
    """Later models refuse temperature beside top_p, then both; thinking refuses them too."""
    sent = _body(model=model, temperature=0.5, top_p=0.9, reasoning=reasoning)
    assert {name: sent[name] for name in ("temperature", "top_p") if name in sent} == fields
    if model == EITHER:
        assert _body(model=model, top_p=0.9)["top_p"] == 0.9


# -- the generations --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "since"),
    [
        ("claude-2.1", (0, 0)),
        ("claude-instant-1.2", (0, 0)),
        ("claude-3-haiku-20240307", (0, 0)),
        ("claude-3-opus-latest", (0, 0)),
        ("claude-3-5-sonnet-20241022", (3, 5)),
        ("claude-3-5-haiku@20241022", (3, 5)),
        ("claude-3-7-sonnet-latest", (3, 7)),
        ("claude-3.7-sonnet", (3, 7)),
        ("claude-opus-4-20250514", (4, 0)),
        ("claude-sonnet-4-0", (4, 0)),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", (4, 1)),
        ("claude-haiku-4-5-20251001", (4, 5)),
        ("anthropic.claude-opus-4-6-v1", (4, 6)),
        ("anthropic/claude-sonnet-4.6", (4, 6)),
        ("claude-opus-4-8", (4, 7)),
        ("claude-opus-5", (4, 7)),
        ("claude-fable-5-1", (4, 7)),
        ("claude-mythos-preview", (4, 7)),
        ("claude-something-12-3", (4, 7)),
    ],
)
def test_a_model_is_found_by_its_version(model: str, since: tuple[int, int]) -> None:
    """In every spelling, dated or not; a newer one than the table knows is like its last row."""
    assert generation_of(model).since == since
    assert ADAPTER.capabilities(model).prefill is (since < (4, 6))


def test_a_model_of_somebody_else_has_the_common_row() -> None:
    """A name without "claude" is not read for a version."""
    assert generation_of("kimi-k2") is generation_of("glm-4.6") is OTHER


def test_the_generations_are_in_order_and_leave_room() -> None:
    """The table is sorted, begins with every version, and each default fits its model."""
    assert [row.since for row in GENERATIONS] == sorted({row.since for row in GENERATIONS})
    assert GENERATIONS[0].since == (0, 0)
    assert all(row.max_tokens <= row.most_tokens for row in (*GENERATIONS, OTHER))
    assert min(BUDGETS.values()) >= 1_024


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (529, "overloaded_error", ErrorKind.PROVIDER_OVERLOADED),
        (401, "authentication_error", ErrorKind.AUTHENTICATION),
        (413, "request_too_large", ErrorKind.REQUEST_TOO_LARGE),
    ],
)
def test_http_errors_go_by_the_shared_rules(status: int, error: str, kind: ErrorKind) -> None:
    """The adapter classifies with Anthropic's rules."""
    body = json.dumps({"type": "error", "error": {"type": error, "message": "x"}}).encode()
    assert ADAPTER.classify(status, {}, body).kind is kind
