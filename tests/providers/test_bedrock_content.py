"""Bedrock's own tools, citations and pictures: what is read of them, and what goes back, by both of its APIs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from resilient_stream import Message, Transcript
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
)
from resilient_stream.contract import Request
from resilient_stream.messages import to_messages
from resilient_stream.providers.bedrock.adapter import ADAPTER
from resilient_stream.target import Target
from tests.providers.recordings import converse_text, recordings
from tests.providers.test_bedrock import CLAUDE, COUNTS, STOP, WEATHER, body, chunk, event, request

NOVA = "us.amazon.nova-2-lite-v1:0"
SEARCH: dict[str, Any] = {"toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]}}


def _asked(api: str = "converse", **fields: Any) -> Request:
    return Request(messages=to_messages("hi"), target=Target(f"bedrock:{NOVA}", api=api), **{"extra": SEARCH, **fields})


def _read(*messages: bytes, api: str = "converse", **fields: Any) -> list[Chunk]:
    decoder = ADAPTER.decoder(_asked(api, **fields))
    chunks = [each for message in messages for each in decoder.feed(message)]
    return [*chunks, *decoder.finish()]


def _whole(*blocks: dict[str, Any], **fields: Any) -> list[Chunk]:
    answer = {"output": {"message": {"role": "assistant", "content": blocks}}, "stopReason": "end_turn", **fields}
    decoder = ADAPTER.whole_decoder(_asked(stream=False))
    decoder.feed(json.dumps(answer).encode())
    return [*decoder.finish()]


def _block(index: int, *deltas: dict[str, Any], start: dict[str, Any] | None = None) -> list[bytes]:
    begun = [event("contentBlockStart", contentBlockIndex=index, start=start)] if start else []
    pieces = [event("contentBlockDelta", contentBlockIndex=index, delta=delta) for delta in deltas]
    return [*begun, *pieces, event("contentBlockStop", contentBlockIndex=index)]


def _cited(url: str, **more: Any) -> dict[str, Any]:
    return {"location": {"web": {"url": url, "domain": url.removeprefix("https://")}}, **more}


USE = {"toolUseId": "t1", "name": "nova_grounding", "type": "server_tool_use"}
RESULT = {"toolUseId": "t1", "status": "success", "type": "nova_grounding_result"}
A, B = _cited("https://a.test"), _cited("https://b.test", title="B", sourceContent=[{"text": "It "}, {"text": "is."}])
GROUNDED = [
    *_block(0, {"toolUse": {"input": '{"query":'}}, {"toolUse": {"input": '"x"}'}}, start={"toolUse": USE}),
    *_block(1, {"toolResult": [{"text": "fo"}]}, {"toolResult": [{"text": "und"}, {"json": {"n": 1}}]},
            start={"toolResult": RESULT}),
    *_block(2, {"text": "Grüße: "}, {"text": "so"}),
    *_block(3, {"citation": A}, {"citation": B}),
    *_block(4, {"text": "."}),
]  # fmt: skip
BLOCKS: list[dict[str, Any]] = [
    {"toolUse": {**USE, "input": {"query": "x"}}},
    {"toolResult": {**RESULT, "content": [{"text": "found"}, {"json": {"n": 1}}]}},
    {"text": "Grüße: so"},
    {"citationsContent": {"citations": [A]}},
    {"citationsContent": {"citations": [B]}},
    {"text": "."},
]


@pytest.mark.parametrize("way", ["streamed", "whole"])
def test_a_search_and_what_it_found(way: str) -> None:
    """The tool, its result and the sources, each with the text that it stands behind."""
    chunks = _read(*GROUNDED, STOP, COUNTS) if way == "streamed" else _whole(*BLOCKS)
    said = [chunk for chunk in chunks if isinstance(chunk, ServerToolCall | ServerToolResult | Source)]
    found = [{"text": "found"}, {"json": {"n": 1}}]
    assert said == [
        ServerToolCall("t1", "nova_grounding", '{"query":"x"}', {"query": "x"}, BLOCKS[0]),
        ServerToolResult("t1", "nova_grounding", found, False, BLOCKS[1]),
        Source("https://a.test", "a.test", start=0, end=9, native=A),
        Source("https://b.test", "B", "It is.", 0, 9, native=B),
    ]


def test_a_cited_passage_is_the_text_of_its_block() -> None:
    """Claude's citations stand in the block of the text that rests on them."""
    where = {"title": "Report", "location": {"documentPage": {"documentIndex": 0, "start": 1, "end": 2}}}
    chunks = _read(*_block(0, {"text": "It is: "}), *_block(1, {"text": "so"}, {"citation": where}), STOP, COUNTS)
    assert [chunk for chunk in chunks if isinstance(chunk, Source)] == [
        Source(title="Report", start=7, end=9, native=where)
    ]
    long = "é" * 6000
    whole = _whole({"text": long}, {"citationsContent": {"content": [{"text": "so"}], "citations": [where]}})
    assert [chunk for chunk in whole if isinstance(chunk, Source)] == [
        Source(title="Report", start=6000, end=6002, native=where)
    ]


def test_a_request_that_cannot_be_cited_counts_nothing() -> None:
    """A citation that comes all the same is told at once, without its place."""
    assert _read(*_block(0, {"text": "so"}, {"citation": A}), STOP, extra={})[:2] == [
        TextDelta("so"),
        Source("https://a.test", "a.test", native=A),
    ]


def test_a_failed_tool_says_so() -> None:
    """Its result is an error, and a result whose call is not known has the name of its type."""
    failed = {**RESULT, "status": "error"}
    [result] = [each for each in _read(*_block(0, start={"toolResult": failed}), STOP) if each.content]
    assert result == ServerToolResult("t1", "nova_grounding", [], True, {"toolResult": {**failed, "content": []}})


def test_a_picture_is_a_file() -> None:
    """In one piece, in several, by its place, or in a whole answer; one that failed is a block."""
    png = {"image": {"format": "png"}}
    one, two = {"image": {"source": {"bytes": "AA=="}}}, {"image": {"source": {"bytes": "AQI="}}}
    native = {"image": {"format": "png", "source": {"bytes": "AA=="}}}
    joined = {"image": {"format": "png", "source": {"bytes": "AAEC"}}}
    assert _read(*_block(0, one, start=png), STOP)[0] == File("image/png", b"\0", native=native)
    assert _read(*_block(0, one, two, start=png), STOP)[0] == File("image/png", b"\0\1\2", native=joined)
    assert _whole(native)[0] == File("image/png", b"\0", native=native)
    stored = {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://x/y"}}}}
    assert _whole(stored)[0] == File("image/png", url="s3://x/y", native=stored)
    failed = {"image": {"format": "png", "error": {"message": "no"}}}
    assert _whole(failed)[0] == Raw("bedrock", "image", failed, "block")


def test_a_guardrails_trace_is_told_on_request() -> None:
    """It is no content: only with raw=True."""
    traced = event("metadata", usage={"inputTokens": 1, "outputTokens": 2}, trace={"guardrail": {"x": 1}})
    target = Target(f"bedrock:{NOVA}", raw=True)
    decoder = ADAPTER.decoder(Request(messages=(), target=target))
    chunks = [*decoder.feed(STOP), *decoder.feed(traced)]
    assert [chunk for chunk in chunks if isinstance(chunk, Raw)] == [
        Raw("bedrock", "trace", {"guardrail": {"x": 1}}, "extra")
    ]
    assert not any(isinstance(chunk, Raw) for chunk in _read(STOP, traced))
    answer = {"output": {"message": {"content": []}}, "stopReason": "end_turn", "trace": {"x": 1},
              "additionalModelResponseFields": {"y": 1}}  # fmt: skip
    whole = ADAPTER.whole_decoder(Request(messages=(), target=target, stream=False))
    whole.feed(json.dumps(answer).encode())
    assert [chunk.event for chunk in whole.finish() if isinstance(chunk, Raw)] == [
        "additionalModelResponseFields", "trace",
    ]  # fmt: skip


# -- InvokeModel --------------------------------------------------------------------------------


def test_nova_by_invoke_says_the_same() -> None:
    """Its events are Converse's, each in an object of its own."""
    found = [_event_of(message) for message in (*GROUNDED, STOP, COUNTS)]
    streamed = _read(*(chunk({"messageStart": {}}), *map(chunk, found)), api="invoke")
    assert [each for each in streamed if each.content or isinstance(each, Source)] == [
        each for each in _read(*GROUNDED, STOP, COUNTS) if each.content or isinstance(each, Source)
    ]


def _event_of(message: bytes) -> dict[str, Any]:
    """The event of a message, named by its type."""
    found: dict[str, Any] = json.loads(converse_text(message).removeprefix(b"data: "))
    return found


CLAUDES = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": "x"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
PLACE = {"type": "web_search_result_location", "url": "https://a.test", "title": "A", "cited_text": "q"}


def _claude() -> list[Chunk]:
    events: list[dict[str, Any]] = [{"type": "message_start", "message": {"id": "m"}}]
    text = {"type": "text", "text": "so", "citations": [PLACE]}
    for index, block in enumerate((CLAUDES, FOUND, text)):
        events += [{"type": "content_block_start", "index": index, "content_block": block},
                   {"type": "content_block_stop", "index": index}]  # fmt: skip
    end = [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, {"type": "message_stop"}]
    return _read(*map(chunk, [*events, *end]), api="invoke")


def test_claude_by_invoke_has_anthropics_blocks() -> None:
    """Its citations are placed where the request may be cited."""
    assert [each for each in _claude() if not isinstance(each, TextDelta | Finished)] == [
        ServerToolCall("s", "web_search", '{"q":"x"}', {"q": "x"}, CLAUDES),
        ServerToolResult("s", "web_search", [], False, FOUND),
        Source("https://a.test", "A", "q", 0, 2, native=PLACE),
    ]


def test_cohere_by_invoke_names_its_documents() -> None:
    """A passage is given in characters; its documents were named before it, or in the same event."""
    found = [
        {"is_finished": False, "event_type": "search-results",
         "documents": [{"id": "d1", "title": "T", "url": "u", "snippet": "q"}]},
        {"is_finished": False, "event_type": "text-generation", "text": "It is so."},
        {"is_finished": False, "event_type": "citation-generation",
         "citations": [{"start": 6, "end": 8, "text": "so", "document_ids": ["d1", "d2"]}]},
        {"is_finished": True, "event_type": "stream-end", "finish_reason": "COMPLETE"},
    ]  # fmt: skip
    assert [each for each in _read(*map(chunk, found), api="invoke") if not isinstance(each, TextDelta | Finished)] == [
        Source("u", "T", "q", 6, 8, "d1"),
        Source(start=6, end=8, id="d2"),
    ]


# -- what goes back -----------------------------------------------------------------------------


def _history(*chunks: Chunk) -> list[Message]:
    transcript = Transcript()
    transcript.target = f"bedrock:{NOVA}"
    transcript._receive(list(chunks))
    transcript._end("complete", None)
    return transcript.as_history()


def _turn(history: list[Message], **fields: Any) -> Any:
    asked = (Message(role="user", content="hi"), *history, Message(role="user", content="and?"))
    return body(request(fields.pop("model", NOVA), *asked, **fields))["messages"][1]["content"]


def test_a_grounded_turn_goes_back_in_order() -> None:
    """The tool and its result as they came, and the cited text with what it rests on."""
    history = _history(*_read(*GROUNDED, STOP, COUNTS))
    cited = {"citationsContent": {"content": [{"text": "Grüße: so"}], "citations": [A, B]}}
    assert _turn(history) == [*BLOCKS[:2], cited, {"text": "."}]
    assert _turn(history, api="invoke") == [*BLOCKS[:2], cited, {"text": "."}]


def test_the_services_own_model_takes_it() -> None:
    """The turn with its tool, result and citations, as boto3 would check it before sending."""
    session = pytest.importorskip("botocore.session").get_session()
    shape = session.get_service_model("bedrock-runtime").operation_model("Converse").input_shape
    validator = pytest.importorskip("botocore.validate").ParamValidator()
    asked = (Message(role="user", content="hi"), *_history(*_read(*GROUNDED, STOP)), Message(role="user", content="?"))
    found = validator.validate({"modelId": NOVA, **body(request(NOVA, *asked))}, shape)
    assert not found.has_errors(), found.generate_report()


def test_a_tool_of_bedrocks_needs_no_tools_of_the_callers() -> None:
    """Only calls of the caller's own functions are refused without their tools."""
    asked = (Message(role="user", content="hi"), *_history(*_read(*GROUNDED, STOP)), Message(role="user", content="?"))
    assert "toolConfig" not in body(request(NOVA, *asked))
    assert "toolConfig" not in body(request(NOVA, *asked, tools=(WEATHER,), tool_choice="none"))


def test_blocks_of_one_api_are_not_sent_to_the_other() -> None:
    """Both are "bedrock"; Converse would refuse Anthropic's blocks, and InvokeModel Converse's."""
    thought = ReasoningDelta("hm", "S")
    assert _turn(_history(thought, *_claude()), model=CLAUDE) == [{"text": "so"}]
    sent = _turn(_history(thought, *_read(*GROUNDED, STOP)), model=CLAUDE, api="invoke")
    assert "".join(block["text"] for block in sent) == "Grüße: so."
    again = _turn(_history(thought, *_claude()), model=CLAUDE, api="invoke")
    assert again == [{"type": "thinking", "thinking": "hm", "signature": "S"}, CLAUDES, FOUND,
                     {"type": "text", "text": "so", "citations": [PLACE]}]  # fmt: skip


# -- the recordings -----------------------------------------------------------------------------


def test_recordings_of_converse_have_no_content_without_a_class() -> None:
    """Every recorded answer is read whole."""
    for recording in recordings("bedrock-converse-stream"):
        decoder = ADAPTER.decoder(_asked())
        chunks = [*decoder.feed(recording.body), *decoder.finish()]
        assert [chunk for chunk in chunks if isinstance(chunk, Raw)] == [], recording.name
