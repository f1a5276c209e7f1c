"""Amazon Bedrock: what is sent to its two APIs, and what their frames and the vendors' dialects say."""

from __future__ import annotations

import base64
import json
import re
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from resilient_stream import Client, Message, RetryPolicy, StreamError, StreamMisused, Target, Tool
from resilient_stream.chunks import Chunk, Finished, Raw, ReasoningDelta, TextDelta, ToolCall, Usage
from resilient_stream.contract import Decoder, Endpoint, HttpRequest, Request
from resilient_stream.messages import FunctionCall, ImagePart, ReasoningPart, TextPart
from resilient_stream.providers.bedrock.adapter import ADAPTER
from resilient_stream.providers.bedrock.invoke_flat import SHAPES
from resilient_stream.providers.bedrock.signature import SigningKey, sign
from resilient_stream.testing import CallTool, CleanEnd, End, FakeProvider, Head, Send, Status, Text
from tests.providers.recordings import aws_message

PLACE = Endpoint(base_url="https://bedrock-runtime.eu-west-1.amazonaws.com", api_key="k", headers={"X-Own": "1"})
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
PIXEL = "iVBORw0KGgo="
WEATHER = Tool(name="weather", description="Says how it is", parameters={"properties": {"city": {"type": "string"}}})


def request(model: str = CLAUDE, *messages: Message, api: str | None = None, **fields: Any) -> Request:
    """A request, by default with one question."""
    target = Target(f"bedrock:{model}", **({"api": api} if api else {}))
    return Request(target=target, messages=messages or (Message(role="user", content="hi"),), **fields)


def sent(asked: Request) -> HttpRequest:
    """What a request becomes."""
    return ADAPTER.encode(asked, PLACE)


def body(asked: Request) -> dict[str, Any]:
    """The JSON of it."""
    found: dict[str, Any] = json.loads(sent(asked).body)
    return found


def event(name: str, **payload: Any) -> bytes:
    """A message of ConverseStream."""
    return aws_message(name, json.dumps(payload).encode())


def chunk(payload: Any) -> bytes:
    """A message of InvokeModelWithResponseStream."""
    text = base64.b64encode(json.dumps(payload).encode()).decode()
    return aws_message("chunk", json.dumps({"bytes": text, "p": "abc"}).encode())


def read(messages: Iterable[bytes], api: str = "converse", **options: Any) -> tuple[list[Chunk], Decoder]:
    """What the decoder makes of a body."""
    decoder = ADAPTER.decoder(Request(target=Target(f"bedrock:{CLAUDE}", api=api, **options), messages=()))
    chunks = [each for message in messages for each in decoder.feed(message)]
    return [*chunks, *decoder.finish()], decoder


def text(chunks: Iterable[Chunk]) -> str:
    """All of it."""
    return "".join(each.text for each in chunks)


HELLO = event("contentBlockDelta", contentBlockIndex=0, delta={"text": "Hello"})
STOP = event("messageStop", stopReason="end_turn")
COUNTS = event("metadata", usage={"inputTokens": 1, "outputTokens": 2, "cacheReadInputTokens": 3}, metrics={})


# -- Converse: what is sent -------------------------------------------------------------------


def test_converse_has_the_model_in_its_path_and_the_key_in_a_header() -> None:
    """The colon stays as it is, a slash does not; the target's own headers are sent."""
    outgoing = sent(request("arn:aws:bedrock:eu-west-1:1:inference-profile/x"))
    assert outgoing.url == f"{PLACE.base_url}/model/arn:aws:bedrock:eu-west-1:1:inference-profile%2Fx/converse-stream"
    assert outgoing.headers["Authorization"] == "Bearer k"
    assert outgoing.headers["X-Own"] == "1"


def test_a_whole_conversation_in_converses_words() -> None:
    """System apart, turns that alternate, a call, its result as the user's, settings, tools."""
    conversation = (
        Message(role="system", content="Be brief."),
        Message(role="user", content=(TextPart(text="Look:"), ImagePart(url=f"data:image/jpg;base64,{PIXEL}"))),
        Message(
            role="assistant",
            content=(ReasoningPart(text="hm", signature="sig"), TextPart(text="I look.")),
            tool_calls=(FunctionCall(id="call:1", name="weather", arguments='{"city": "Oslo"}'),),
        ),
        Message(role="tool", tool_call_id="call:1", content="mild"),
        Message(role="user", content="So?"),
    )
    found = body(
        request("amazon.nova-lite-v1:0", *conversation, tools=(WEATHER,), tool_choice="required", max_tokens=9,
                temperature=0.5, top_p=0.9, stop=("END",),
                extra={"inferenceConfig": {"topK": 3}, "requestMetadata": {"a": "b"}})
    )  # fmt: skip
    id = found["messages"][1]["content"][2]["toolUse"]["toolUseId"]
    assert found == {
        "system": [{"text": "Be brief."}],
        "messages": [
            {"role": "user", "content": [
                {"text": "Look:"}, {"image": {"format": "png", "source": {"bytes": PIXEL}}}]},
            {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
                {"text": "I look."},
                {"toolUse": {"toolUseId": id, "name": "weather", "input": {"city": "Oslo"}}}]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": id, "content": [{"text": "mild"}]}}, {"text": "So?"}]},
        ],
        "inferenceConfig": {"maxTokens": 9, "temperature": 0.5, "topP": 0.9, "stopSequences": ["END"], "topK": 3},
        "toolConfig": {
            "tools": [{"toolSpec": {
                "name": "weather", "description": "Says how it is",
                "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}}}}],
            "toolChoice": {"any": {}}},
        "requestMetadata": {"a": "b"},
    }  # fmt: skip
    assert id.isalnum()


def test_blank_text_is_not_sent() -> None:
    """Converse refuses it; a turn of nothing else goes, and its neighbours become one."""
    turns = (("user", "a"), ("assistant", " "), ("user", ""), ("user", "b"), ("assistant", "so far \n"))
    found = body(request(CLAUDE, *(Message(role=role, content=said) for role, said in turns)))["messages"]  # type: ignore[arg-type]
    assert found == [
        {"role": "user", "content": [{"text": "a"}, {"text": "b"}]},
        {"role": "assistant", "content": [{"text": "so far"}]},
    ]


CALLED = (
    Message(role="user", content="How is it?"),
    Message(role="assistant", tool_calls=(FunctionCall(id="c1", name="weather"),)),
    Message(role="tool", tool_call_id="c1", content="mild"),
)


@pytest.mark.parametrize(
    ("fields", "names", "choice"),
    [
        ({"tools": (WEATHER,), "tool_choice": "auto"}, ["weather"], {"auto": {}}),
        ({"tools": (WEATHER,), "tool_choice": "weather"}, ["weather"], {"tool": {"name": "weather"}}),
        ({"tools": (WEATHER,), "tool_choice": "none", "messages": CALLED}, ["weather"], None),
        ({"messages": CALLED}, ["weather"], None),
        ({"tools": (WEATHER,), "tool_choice": "none"}, None, None),
        ({}, None, None),
    ],
)
def test_tools_are_there_where_converse_wants_them(fields: dict[str, Any], names: Any, choice: Any) -> None:
    """It refuses calls in a conversation without the tools, and has no word for "none"."""
    asked = Request(**{"target": Target(f"bedrock:{CLAUDE}"), "messages": CALLED[:1], **fields})
    config = body(asked).get("toolConfig")
    assert (config and [tool["toolSpec"]["name"] for tool in config["tools"]]) == names
    assert (config or {}).get("toolChoice") == choice


@pytest.mark.parametrize(
    ("model", "reasoning", "fields", "settings"),
    [
        (CLAUDE, 2000, {"thinking": {"type": "enabled", "budget_tokens": 2000}}, {"maxTokens": 18000}),
        ("anthropic.claude-opus-4-7-v1", "low", {"thinking": {"type": "adaptive", "display": "summarized"},
                                                "output_config": {"effort": "low"}}, None),
        ("us.amazon.nova-2-lite-v1:0", "high", {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}},
         {"temperature": 0.5}),
        ("us.amazon.nova-2-lite-v1:0", "none", {"reasoningConfig": {"type": "disabled"}}, {"temperature": 0.5}),
        ("openai.gpt-oss-120b-1:0", 100, {"reasoning_effort": "low"}, {"temperature": 0.5}),
        ("meta.llama3-1-8b-instruct-v1:0", "high", None, {"temperature": 0.5}),
    ],
)  # fmt: skip
def test_reasoning_is_asked_for_in_the_vendors_words(model: str, reasoning: Any, fields: Any, settings: Any) -> None:
    """A Claude that thinks takes no temperature; a vendor without a word for it is not asked."""
    found = body(request(model, reasoning=reasoning, temperature=0.5))
    assert found.get("additionalModelRequestFields") == fields
    assert found.get("inferenceConfig") == settings


def test_a_schema_goes_as_text() -> None:
    """As Converse wants it: nothing may be added to an object."""
    form = body(request(output={"type": "object", "properties": {}}))["outputConfig"]["textFormat"]
    schema = json.loads(form["structure"]["jsonSchema"]["schema"])
    assert (form["type"], schema) == (
        "json_schema",
        {"type": "object", "properties": {}, "additionalProperties": False},
    )


def test_pictures_may_be_in_s3_but_not_in_the_web() -> None:
    """Bedrock fetches nothing; InvokeModel not even from S3."""
    stored = Message(role="user", content=(ImagePart(url="s3://bucket/a.webp"),))
    linked = Message(role="user", content=(ImagePart(url="https://example.com/a.png"),))
    [image] = body(request(CLAUDE, stored))["messages"][0]["content"]
    assert image == {"image": {"format": "webp", "source": {"s3Location": {"uri": "s3://bucket/a.webp"}}}}
    for asked in (request(CLAUDE, linked), request(CLAUDE, stored, api="invoke")):
        with pytest.raises(StreamError, match="by link"):
            sent(asked)


def test_an_unknown_api_is_a_bug_in_the_calling_code() -> None:
    """Said with the names there are."""
    with pytest.raises(StreamMisused, match="'converse' or 'invoke'; got 'chat'"):
        sent(request(api="chat"))


# -- Converse: what arrives -------------------------------------------------------------------


def test_the_answer_is_over_with_the_counts() -> None:
    """They come after the end marker, and Finished after them."""
    chunks, decoder = read([HELLO, STOP, COUNTS])
    assert [each.type for each in chunks] == ["text_delta", "usage", "finished"]
    assert (chunks[1].cached_input_tokens, decoder.done, decoder.failure) == (3, True, None)  # type: ignore[union-attr]


def test_without_counts_the_end_of_the_body_closes_it() -> None:
    """An answer without counts is complete at the end of its body, since messageStop is the end marker."""
    chunks, decoder = read([HELLO, STOP, COUNTS[:-3]])
    assert (chunks[-1], decoder.done, decoder.failure) == (Finished("stop", "end_turn"), True, None)


@pytest.mark.parametrize(
    ("message", "kind", "said"),
    [
        (aws_message("throttlingException", b'{"message":"Too many tokens, please wait"}', "exception"),
         "rate_limited", "Too many tokens"),
        (aws_message("serviceUnavailableException", b"{}", "exception"), "provider_overloaded", ""),
        (aws_message("modelStreamErrorException", b'{"message":"m","originalStatusCode":500}', "exception"),
         "server_error", ""),
        (aws_message("modelTimeoutException", b"", "exception"), "provider_timeout", ""),
        (HELLO[:-1] + b"\0", "protocol_error", "checksum"),
        (b"HTTP/1.1 200 OK\r\n", "protocol_error", "checksum"),
        (aws_message("contentBlockDelta", b"{"), "protocol_error", ""),
        (event("messageStop", stopReason="malformed_tool_use"), "model_output_invalid", ""),
    ],
)  # fmt: skip
def test_an_error_among_the_events_ends_them(message: bytes, kind: str, said: str) -> None:
    """In the same read as text: the text comes first, the error counts, and nothing is read after it."""
    chunks, decoder = read([HELLO + message, HELLO + STOP])
    assert text(chunks) == "Hello"
    assert decoder.failure is not None
    assert decoder.failure.kind == kind
    assert said in decoder.failure.detail
    assert not decoder.done


def test_an_error_message_has_its_words_in_headers() -> None:
    """The other form of AWS's errors."""
    fields = {":message-type": "error", ":error-code": "InternalFailure", ":error-message": "broken"}
    headers = b"".join(
        bytes([len(name)]) + name.encode() + b"\7" + len(value).to_bytes(2, "big") + value.encode()
        for name, value in fields.items()
    )
    lengths = struct.pack(">II", len(headers) + 16, len(headers))
    message = lengths + struct.pack(">I", zlib.crc32(lengths)) + headers
    _, decoder = read([HELLO + message + struct.pack(">I", zlib.crc32(message))])
    assert decoder.failure is not None
    assert (decoder.failure.kind, decoder.failure.code) == ("server_error", "InternalFailure")


def test_a_message_above_the_bound_is_refused() -> None:
    """A message above the bound is refused by its length, before it has arrived."""
    target = Target(f"bedrock:{CLAUDE}")
    decoder = ADAPTER.decoder(Request(target=target, messages=(), max_event_bytes=100))
    decoder.feed(event("contentBlockDelta", delta={"text": "x" * 100})[:12])
    assert decoder.failure is not None
    assert decoder.failure.kind == "buffer_limit"


def test_reasoning_comes_with_its_signature() -> None:
    """As a delta of its own; a redacted block is one as well."""
    pieces = ({"text": "hm"}, {"signature": "sig"}, {"redactedContent": "AA=="})
    messages = [event("contentBlockDelta", contentBlockIndex=0, delta={"reasoningContent": each}) for each in pieces]
    assert read(messages)[0] == [ReasoningDelta("hm"), ReasoningDelta("", "sig"), ReasoningDelta("", None, "AA==")]


def test_a_call_that_has_no_end_is_whole_at_the_end_of_the_answer() -> None:
    """A call without an end is whole at the end of the answer; broken arguments stay text."""
    use = {"toolUse": {"toolUseId": "t", "name": "look"}}
    start = event("contentBlockStart", contentBlockIndex=1, start=use)
    piece = event("contentBlockDelta", contentBlockIndex=1, delta={"toolUse": {"input": '{"a": '}})
    chunks, _ = read([start, piece, STOP])
    assert [each for each in chunks if isinstance(each, ToolCall)] == [ToolCall(0, "t", "look", '{"a": ', None)]


def test_what_is_not_modelled_is_raw() -> None:
    """A delta of a new kind is passed on; a whole block of a new kind can be sent back."""
    odd = event("contentBlockDelta", contentBlockIndex=0, delta={"hologram": {"title": "a"}})
    whole = [event("contentBlockStart", contentBlockIndex=1, start={"hologram": {"title": "a"}}),
             event("contentBlockStop", contentBlockIndex=1)]  # fmt: skip
    for raw in (False, True):
        found = [each for each in read([odd, *whole, STOP], raw=raw)[0] if isinstance(each, Raw)]
        assert found == [
            Raw("bedrock", "hologram", {"title": "a"}),
            Raw("bedrock", "hologram", {"hologram": {"title": "a"}}, "block"),
        ]
    assert read([odd, HELLO, STOP])[1].progress == 1


def test_an_http_error_has_its_class_in_a_header() -> None:
    """The class of an HTTP error is read from x-amzn-errortype, up to the colon."""
    headers = {"x-amzn-errortype": "ExpiredTokenException:http://internal.amazon.com/coral/"}
    found = ADAPTER.classify(403, headers, b'{"message":"The security token included in the request is expired"}')
    assert (found.kind, found.code, found.retry) == ("authentication", "ExpiredTokenException", True)


# -- InvokeModel ------------------------------------------------------------------------------


def test_claude_is_invoked_with_anthropics_body() -> None:
    """Claude is invoked with Anthropic's body, without model and stream and with a version."""
    outgoing = sent(request(api="invoke", max_tokens=5, extra={"anthropic_beta": ["x"]}))
    assert outgoing.url.endswith(f"/model/{CLAUDE}/invoke-with-response-stream")
    assert json.loads(outgoing.body) == {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 5,
        "messages": [{"role": "user", "content": "hi"}],
        "anthropic_beta": ["x"],
    }


TALK = (
    Message(role="system", content="Be brief."),
    Message(role="user", content="A?"),
    Message(role="assistant", content="B."),
    Message(role="user", content="C?"),
)


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("us.amazon.nova-pro-v1:0", {"schemaVersion": "messages-v1", "inferenceConfig": {"maxTokens": 7}}),
        ("ai21.jamba-1-5-large-v1:0", {"max_tokens": 7, "messages": [
            {"role": "system", "content": "Be brief."}, {"role": "user", "content": "A?"},
            {"role": "assistant", "content": "B."}, {"role": "user", "content": "C?"}]}),
        ("amazon.titan-text-express-v1", {
            "inputText": "Be brief.\nUser: A?\nBot: B.\nUser: C?\nBot:", "textGenerationConfig": {"maxTokenCount": 7}}),
        ("meta.llama3-8b-instruct-v1:0", {"max_gen_len": 7, "prompt":
            "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nA?<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nB.<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nC?<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n"}),
        ("meta.llama2-13b-chat-v1", {"max_gen_len": 7}),
        ("mistral.mixtral-8x7b-instruct-v0:1", {
            "max_tokens": 7, "prompt": "<s>[INST] Be brief. [/INST]\n[INST] A? [/INST]\nB.</s>\n[INST] C? [/INST]"}),
        ("us.deepseek.r1-v1:0", {"max_tokens": 7, "prompt":
            "<｜begin▁of▁sentence｜>Be brief.<｜User｜>A?<｜Assistant｜>B.<｜end▁of▁sentence｜>"
            "<｜User｜>C?<｜Assistant｜><think>\n"}),
        ("cohere.command-r-plus-v1:0", {"message": "C?", "preamble": "Be brief.", "max_tokens": 7, "chat_history": [
            {"role": "USER", "message": "A?"}, {"role": "CHATBOT", "message": "B."}]}),
        ("cohere.command-text-v14", {"prompt": "Be brief.\nUser: A?\nChatbot: B.\nUser: C?\nChatbot:", "stream": True}),
    ],
)  # fmt: skip
def test_each_vendor_is_invoked_in_its_own_words(model: str, fields: dict[str, Any]) -> None:
    """The same conversation in nine dialects."""
    found = body(request(model, *TALK, api="invoke", max_tokens=7))
    assert {name: found[name] for name in fields} == fields
    assert None not in found.values()


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("arn:aws:bedrock:eu-west-1:1:application-inference-profile/a1", {}),
        ("amazon.titan-text-express-v1", {"tools": (WEATHER,)}),
        ("meta.llama3-8b-instruct-v1:0", {"tools": (WEATHER,)}),
    ],
)
async def test_what_cannot_be_invoked_is_refused_before_anything_is_sent(model: str, fields: dict[str, Any]) -> None:
    """As unsupported_feature, which another target may have; the message names the way out."""
    async with FakeProvider() as provider:
        target = provider.target("bedrock", model=model, api="invoke")
        async with Client(target, provider.target("openai")) as client:
            told = {name: value for name, value in fields.items() if name != "tools"}
            transcript = await client.complete("hi", tools=fields.get("tools"), **told)
        assert [each.path for each in provider.requests] == ["/v1/chat/completions"]
    assert transcript.target == "openai:fake-model"
    async with Client(target) as client:
        with pytest.raises(StreamError, match="leave it out to use Converse") as caught:
            await client.complete("hi", tools=fields.get("tools"), **told)
    assert (caught.value.kind, caught.value.target) == ("unsupported_feature", f"bedrock:{model}")


METRICS = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 3, "outputTokenCount": 2, "invocationLatency": 9}}
DIALECTS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "ai21": (
        [{"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}, "finish_reason": None}]},
         {"choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop", "stop_reason": 518}]},
         METRICS], "stop"),
    "mistral chat": (
        [{"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hel"}, "stop_reason": None}]},
         {"choices": [{"index": 0, "message": {"content": "lo"}, "stop_reason": "length"}], **METRICS}], "length"),
    "deepseek": (
        [{"choices": [{"text": "Hel", "stop_reason": None}]},
         {"choices": [{"text": "lo", "stop_reason": "stop"}], **METRICS}], "stop"),
    "mistral": (
        [{"outputs": [{"text": "Hel", "stop_reason": None}]},
         {"outputs": [{"text": "lo", "stop_reason": "stop"}], **METRICS}], "stop"),
    "command r": (
        [{"is_finished": False, "event_type": "stream-start", "generation_id": "g"},
         {"is_finished": False, "event_type": "text-generation", "text": "Hel"},
         {"is_finished": False, "event_type": "text-generation", "text": "lo"},
         {"is_finished": True, "event_type": "stream-end", "finish_reason": "COMPLETE", "response": {"text": "Hello"},
          **METRICS}], "COMPLETE"),
    "nova": (
        [{"messageStart": {"role": "assistant"}},
         {"contentBlockDelta": {"delta": {"text": "Hel"}, "contentBlockIndex": 0}},
         {"contentBlockDelta": {"delta": {"text": "lo"}, "contentBlockIndex": 1}},
         {"messageStop": {"stopReason": "end_turn"}},
         {"metadata": {"usage": {"inputTokens": 3, "outputTokens": 2}}, **METRICS}], "end_turn"),
    "claude 2": (
        [{"type": "completion", "completion": "Hel", "stop_reason": None},
         {"type": "completion", "completion": "lo", "stop_reason": "stop_sequence", **METRICS}], "stop_sequence"),
}  # fmt: skip
"""Answers of dialects, those among them that no recording here has."""


@pytest.mark.parametrize("name", DIALECTS)
def test_each_vendors_answer_is_read(name: str) -> None:
    """Text, counts and reason; at any split; and cut before its last event it is not whole."""
    events, reason = DIALECTS[name]
    whole = b"".join(map(chunk, events))
    for size in (1, 7, 100, len(whole)):
        chunks, decoder = read([whole[place : place + size] for place in range(0, len(whole), size)], "invoke")
        assert (text(chunks), decoder.done, decoder.failure) == ("Hello", True, None)
        assert [each.type for each in chunks if each.type != "text_delta"] == ["usage", "finished"]
        assert (chunks[-2].input_tokens, chunks[-2].output_tokens) == (3, 2)  # type: ignore[union-attr]
        assert chunks[-1].raw_reason == reason  # type: ignore[union-attr]
    last = len(events) - 1 - (name in ("ai21", "nova"))
    _, decoder = read(map(chunk, events[:last]), "invoke")
    assert decoder.failure is not None
    assert decoder.failure.code == "no_end_marker"


@pytest.mark.parametrize(
    ("messages", "kind"),
    [
        ([chunk({"new": "shape"})], "protocol_error"),
        ([chunk([1])], "protocol_error"),
        ([aws_message("chunk", b'{"bytes": "!"}')], "protocol_error"),
        ([aws_message("chunk", b"{}")], "protocol_error"),
        ([chunk({"type": "error", "error": {"type": "overloaded_error", "message": "m"}})], "provider_overloaded"),
        ([chunk({"is_finished": True, "finish_reason": "ERROR"})], "server_error"),
        ([chunk({"is_finished": True, "finish_reason": "ERROR_TOXIC"})], None),
        ([], "stream_interrupted"),
    ],
)
def test_what_is_no_answer_is_a_failure(messages: list[bytes], kind: str | None) -> None:
    """A dialect that nobody knows, payloads that are none, errors in a vendor's words; a filtered end is an answer."""
    _, decoder = read(messages, "invoke")
    assert (decoder.failure and decoder.failure.kind) == kind


def test_an_answer_that_a_guardrail_changed_says_so() -> None:
    """Also where the vendor's own reason knows nothing of it."""
    last = {
        "outputText": "***",
        "index": 0,
        "completionReason": "FINISH",
        "amazon-bedrock-guardrailAction": "INTERVENED",
    }
    chunks, _ = read([chunk(last | METRICS)], "invoke")
    assert chunks[-1] == Finished("content_filter", "FINISH", "content_filtered")


def test_every_shape_has_a_test() -> None:
    """By an answer above, or by a recording (Titan, Llama, Cohere's whole answers)."""
    tested = {name for events, _ in DIALECTS.values() for each in events for name in each}
    assert SHAPES.keys() - tested == {"outputText", "generation", "generations"}


def test_of_several_answers_the_first_counts() -> None:
    """Of several answers the first is the answer, and the others come as Raw."""
    messages = [
        chunk({"index": 1, "is_finished": False, "text": "no"}),
        chunk({"index": 0, "is_finished": False, "text": "yes"}),
    ]
    chunks, decoder = read(messages, "invoke", raw=True)
    assert (text(chunks), decoder.progress) == ("yes", 1)
    assert isinstance(chunks[0], Raw)


# -- in one piece -----------------------------------------------------------------------------


def read_whole(answer: Any, api: str, **options: Any) -> tuple[list[Chunk], Decoder]:
    """What the decoder of whole answers makes of one."""
    asked = Request(target=Target(f"bedrock:{CLAUDE}", api=api, **options), messages=(), stream=False)
    decoder = ADAPTER.whole_decoder(asked)
    assert decoder.feed(json.dumps(answer).encode()) == []
    return decoder.finish(), decoder


@pytest.mark.parametrize(
    ("api", "method", "version"), [("converse", "converse", None), ("invoke", "invoke", "bedrock-2023-05-31")]
)
def test_an_answer_in_one_piece_has_a_path_of_its_own(api: str, method: str, version: str | None) -> None:
    """The body is the same; JSON is wanted, by the header that this operation has for it."""
    asked = request(api=api, stream=False)
    outgoing = sent(asked)
    assert outgoing.url == f"{PLACE.base_url}/model/{CLAUDE}/{method}"
    assert outgoing.headers["Accept"] == "application/json"
    assert "X-Amzn-Bedrock-Accept" not in outgoing.headers
    assert outgoing.body == sent(request(api=api)).body
    assert body(asked).get("anthropic_version") == version


def test_the_path_of_one_piece_is_signed() -> None:
    """As botocore signs that URL, and not as it signs the stream's."""
    key = SigningKey(access_key="k", secret_key="s", region="eu-west-1", now="20260101T000000Z")
    place = Endpoint(base_url=PLACE.base_url, credentials=key)
    outgoing = ADAPTER.encode(request(stream=False), place)
    expected = sign("POST", outgoing.url, {"Content-Type": "application/json"}, outgoing.body, key)
    assert outgoing.headers["Authorization"] == expected["Authorization"]
    assert outgoing.headers["Authorization"] != ADAPTER.encode(request(), place).headers["Authorization"]


def test_command_is_told_in_its_body_not_to_stream() -> None:
    """The only one of the vendors that has a word for it."""
    assert body(request("cohere.command-text-v14", api="invoke", stream=False))["stream"] is False


SEARCH = {"toolUse": {"toolUseId": "s", "name": "search", "type": "server_tool_use"}}
BLOCKS: list[dict[str, Any]] = [
    {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
    {"reasoningContent": {"redactedContent": "AA=="}},
    {"text": "Hel"},
    {"citationsContent": {"content": [{"text": "lo"}], "citations": [{"title": "a"}]}},
    {"toolUse": {**SEARCH["toolUse"], "input": {"q": 1}}},
    {"toolUse": {"toolUseId": "t", "name": "look", "input": {"a": ["é", 1.5]}}},
    {"toolUse": {"toolUseId": "u", "name": "look", "input": {}}},
    {"image": {"format": "png", "source": {"bytes": "AA=="}}},
]
USAGE = {"inputTokens": 9, "outputTokens": 5, "totalTokens": 14, "cacheReadInputTokens": 3}


def test_a_whole_answer_has_the_chunks_of_its_stream() -> None:
    """Each kind of block as the stream of it would have been read, to the last chunk."""
    answer = {"output": {"message": {"role": "assistant", "content": BLOCKS}}, "stopReason": "tool_use", "usage": USAGE}
    look = {"a": ["é", 1.5]}
    streamed: list[bytes] = []
    for place, (start, deltas) in enumerate([
        (None, [{"reasoningContent": {"text": "hm"}}, {"reasoningContent": {"signature": "sig"}}]),
        (None, [{"reasoningContent": {"redactedContent": "AA=="}}]),
        (None, [{"text": "Hel"}]),
        (None, [{"text": "lo"}, {"citation": {"title": "a"}}]),
        (SEARCH, [{"toolUse": {"input": '{"q":1}'}}]),
        ({"toolUse": {"toolUseId": "t", "name": "look"}},
         [{"toolUse": {"input": json.dumps(look, ensure_ascii=False, separators=(",", ":"))}}]),
        ({"toolUse": {"toolUseId": "u", "name": "look"}}, [{"toolUse": {"input": "{}"}}]),
        ({"image": {"format": "png", "source": {"bytes": "AA=="}}}, []),
    ]):  # fmt: skip
        streamed += [event("contentBlockStart", contentBlockIndex=place, start=start)] if start else []
        streamed += [event("contentBlockDelta", contentBlockIndex=place, delta=delta) for delta in deltas]
        streamed.append(event("contentBlockStop", contentBlockIndex=place))
    end = [event("messageStop", stopReason="tool_use"), event("metadata", usage=USAGE)]
    expected, _ = read([event("messageStart", role="assistant"), *streamed, *end], raw=True)
    chunks, decoder = read_whole(answer, "converse", raw=True)
    assert chunks == expected
    assert (decoder.done, decoder.failure) == (True, None)
    assert [each.parsed for each in chunks if isinstance(each, ToolCall)] == [look, {}]
    assert [each for each in chunks if isinstance(each, ReasoningDelta)][1:] == [
        ReasoningDelta("", "sig"), ReasoningDelta("", None, "AA=="),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"output": {"message": {"content": [{"text": "Hi"}]}}}, "stream_interrupted"),
        ({"output": {"message": {"content": [{"text": "Hi"}]}}, "stopReason": None, "usage": USAGE},
         "stream_interrupted"),
        ({"output": {"message": {"content": [{"text": 1}]}}, "stopReason": "end_turn"}, "protocol_error"),
        ({"output": {"message": {"content": "Hi"}}, "stopReason": "end_turn"}, "protocol_error"),
        ({"output": {"message": {"content": [{"text": "Hi"}]}}, "stopReason": "malformed_tool_use"},
         "model_output_invalid"),
        ({"message": "Too many tokens, please wait", "__type": "ThrottlingException"}, "rate_limited"),
        ({"stopReason": "end_turn"}, "stream_interrupted"),
    ],
)  # fmt: skip
def test_what_is_no_whole_answer_of_converse_is_a_failure(answer: Any, kind: str) -> None:
    """A body that is no whole answer of Converse is a failure, and nothing of it is delivered."""
    chunks, decoder = read_whole(answer, "converse")
    assert (chunks, decoder.failure and decoder.failure.kind) == ([], kind)


def test_an_empty_whole_answer_is_one() -> None:
    """A whole answer without content is complete, because some models say nothing and stop."""
    chunks, _ = read_whole({"output": {"message": {"content": []}}, "stopReason": "end_turn"}, "converse")
    assert chunks == [Finished("stop", "end_turn")]


GUARDED = {"amazon-bedrock-guardrailAction": "INTERVENED"}
WHOLE_ANSWERS: dict[str, tuple[dict[str, Any], list[Chunk]]] = {
    "titan": (
        {"inputTextTokenCount": 3, "results": [
            {"tokenCount": 2, "outputText": "Hello", "completionReason": "LENGTH"}]},
        [Usage(3, 2), Finished("length", "LENGTH", "output_truncated")]),
    "titan, guarded": (
        {"inputTextTokenCount": 3, "results": [{"tokenCount": 2, "outputText": "Hello"}], **GUARDED},
        [Usage(3, 2), Finished("content_filter", "guardrail_intervened", "content_filtered")]),
    "llama": (
        {"generation": "Hello", "prompt_token_count": 3, "generation_token_count": 2, "stop_reason": "stop"},
        [Usage(3, 2), Finished("stop", "stop")]),
    "claude 2": (
        {"type": "completion", "completion": "Hello", "stop_reason": "stop_sequence", "stop": "Human:"},
        [Finished("stop", "stop_sequence")]),
    "mistral": ({"outputs": [{"text": "Hello", "stop_reason": "length"}]},
                [Finished("length", "length", "output_truncated")]),
    "mistral chat": (
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "stop_reason": "stop"}]},
        [Finished("stop", "stop")]),
    "deepseek": ({"choices": [{"text": "Hello", "stop_reason": "stop"}]}, [Finished("stop", "stop")]),
    "ai21": (
        {"id": "c-1", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello", "tool_calls": None},
                                   "finish_reason": "stop", "stop_reason": 518}],
         "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}},
        [Usage(3, 2), Finished("stop", "stop")]),
    "command": (
        {"id": "g", "prompt": "Hi", "generations": [{"id": "g", "text": "Hello", "finish_reason": "COMPLETE"}]},
        [Finished("stop", "COMPLETE")]),
    "command r": (
        {"response_id": "r", "text": "Hello", "generation_id": "g", "chat_history": [], "finish_reason": "MAX_TOKENS"},
        [Finished("length", "MAX_TOKENS", "output_truncated")]),
}  # fmt: skip
"""What InvokeModel gives of each vendor whose answers are not those of `test_whole.py`, by its documentation."""


@pytest.mark.parametrize("name", WHOLE_ANSWERS)
def test_each_vendors_whole_answer_is_read(name: str) -> None:
    """Text, counts where the vendor tells them, and reason; a long text by its mark; without the reason it is none."""
    answer, rest = WHOLE_ANSWERS[name]
    chunks, decoder = read_whole(answer, "invoke")
    assert (decoder.done, decoder.failure) == (True, None)
    assert text(chunks) == "Hello"
    assert [each for each in chunks if not isinstance(each, TextDelta)] == rest
    long = json.loads(json.dumps(answer).replace("Hello", "Hello" * 2000))
    chunks, decoder = read_whole(long, "invoke")
    assert list(decoder.spans) == [text(chunks)]  # type: ignore[attr-defined]
    reasons = re.compile(r'"(stop_reason|finish_reason|completionReason|amazon-bedrock-guardrailAction)"')
    chunks, decoder = read_whole(json.loads(reasons.sub('"no_reason"', json.dumps(answer))), "invoke")
    assert (chunks, decoder.failure and decoder.failure.code) == ([], "no_end_marker")


def test_calls_of_a_whole_chat_answer_are_calls_of_their_own() -> None:
    """Each call of a whole chat answer is a call of its own, also without an id."""
    calls = [{"function": {"name": name, "arguments": "{}"}} for name in ("a", "b")]
    message = {"role": "assistant", "content": "", "tool_calls": calls}
    chunks, _ = read_whole({"choices": [{"message": message, "stop_reason": "tool_calls"}]}, "invoke")
    assert [(each.name, each.parsed) for each in chunks if isinstance(each, ToolCall)] == [("a", {}), ("b", {})]


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        ({"new": "shape"}, "protocol_error", "unknown_dialect"),
        ({"results": []}, "protocol_error", "unknown_dialect"),
        ({"choices": []}, "stream_interrupted", "no_end_marker"),
        ({"choices": [1]}, "protocol_error", "bad_json"),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}, "provider_overloaded",
         "overloaded_error"),
        ({"text": "", "finish_reason": "ERROR"}, "server_error", "ERROR"),
    ],
)  # fmt: skip
def test_what_is_no_whole_answer_of_a_vendor_is_a_failure(answer: Any, kind: str, code: str) -> None:
    """A shape that nobody knows, nothing where an answer should be, errors in a vendor's words."""
    chunks, decoder = read_whole(answer, "invoke")
    assert (chunks, decoder.failure and (decoder.failure.kind, decoder.failure.code)) == ([], (kind, code))


# -- both, through the client -----------------------------------------------------------------


@pytest.mark.parametrize("api", ["converse", "invoke"])
async def test_a_retry_after_frames_that_cannot_be_read_asks_for_one_piece(api: str) -> None:
    """The chain's buffered mode: the second request goes to the other path, and the answer is whole."""
    damaged = (Send(HELLO[:-1] + b"\0"), CleanEnd())
    async with FakeProvider(damaged, [Text("Hel", "lo"), CallTool("look", {"x": 1}), End()]) as provider:
        target = provider.target("bedrock", model=CLAUDE, api=api)
        async with Client(target, retry=RetryPolicy(initial=0.001)) as client:
            transcript = await client.complete("hi")
        paths = [each.path.rpartition("/")[2] for each in provider.requests]
    assert paths == {"converse": ["converse-stream", "converse"],
                     "invoke": ["invoke-with-response-stream", "invoke"]}[api]  # fmt: skip
    assert (transcript.outcome, transcript.text) == ("complete", "Hello")
    assert [call.parsed for call in transcript.tool_calls] == [{"x": 1}]


@pytest.mark.parametrize(
    ("model", "method"),
    [("us.meta.llama3-3-70b-instruct-v1:0", "converse"), ("us.meta.llama4-scout-17b-instruct-v1:0", "converse"),
     ("writer.palmyra-x5-v1:0", "converse"), ("meta.llama3-70b-instruct-v1:0", "converse-stream"),
     (CLAUDE, "converse-stream")],
)  # fmt: skip
async def test_a_model_that_does_not_stream_calls_is_asked_for_one_piece(model: str, method: str) -> None:
    """Where tools are given; such a request is refused as a stream. Text is streamed."""
    async with FakeProvider([Text("Hello"), End()]) as provider:
        async with Client(provider.target("bedrock", model=model)) as client:
            await client.complete("hi", tools=[WEATHER])
            await client.complete("hi")
        assert [each.path.rpartition("/")[2] for each in provider.requests] == [method, "converse-stream"]


async def test_a_whole_answer_is_recorded_and_played_back(tmp_path: Path) -> None:
    """A whole answer is recorded and played back as it came."""
    file = tmp_path / "sessions.jsonl"
    async with FakeProvider([Text("Hello"), CallTool("look", {"x": 1}), End()]) as provider:
        async with Client(provider.target("bedrock", stream=False), record=file) as client:
            first = await client.complete("hi")
    async with Client(f"replay:{file}") as client:
        second = await client.complete("hi")
    assert (second.text, second.usage) == (first.text, first.usage)
    assert [call.parsed for call in second.tool_calls] == [{"x": 1}]


async def test_a_whole_answer_that_is_cut_is_asked_for_again() -> None:
    """A whole answer that is cut is asked for again, since nothing of it was delivered."""
    answer = {"output": {"message": {"content": [{"text": "Hello"}]}}, "stopReason": "end_turn"}
    whole = json.dumps(answer).encode()
    head = Head(headers={"content-type": "application/json"})
    async with FakeProvider((head, Send(whole[:-1]), CleanEnd()), (head, Send(whole), CleanEnd())) as provider:
        target = provider.target("bedrock", stream=False)
        async with Client(target, retry=RetryPolicy(initial=0.001)) as client:
            transcript = await client.complete("hi")
        assert len(provider.requests) == 2
    assert (transcript.outcome, transcript.text) == ("complete", "Hello")


async def test_an_exception_as_the_first_message_is_tried_again() -> None:
    """It comes with a 200, and is like any failure before the first content."""
    busy = aws_message("throttlingException", b'{"message":"slow down"}', "exception")
    async with FakeProvider([Send(busy), CleanEnd()], [Text("Hello"), End()]) as provider:
        async with Client(provider.target("bedrock"), retry=RetryPolicy(initial=0.001)) as client:
            transcript = await client.complete("hi")
    assert (transcript.text, [each.error and each.error.kind for each in transcript.attempts]) == (
        "Hello", ["rate_limited", None],
    )  # fmt: skip


async def test_an_invoked_claude_through_the_client(tmp_path: Path) -> None:
    """Frames, base64 and Anthropic's events, over a socket in small pieces; recorded, and played back the same."""
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "msg_bdrk_1", "model": "claude", "usage": {"input_tokens": 3}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop", **METRICS},
    ]
    whole = b"".join(map(chunk, events))
    pieces = [Send(whole[place : place + 50]) for place in range(0, len(whole), 50)]
    file = tmp_path / "sessions.jsonl"
    async with FakeProvider([*pieces, CleanEnd()]) as provider:
        async with Client(provider.target("bedrock", model=CLAUDE, api="invoke"), record=file) as client:
            transcript = await client.complete("hi")
    assert (transcript.outcome, transcript.text, transcript.usage.output_tokens) == ("complete", "Hello", 2)
    async with Client(f"replay:{file}") as client:
        assert (await client.complete("hi")).text == "Hello"


async def test_an_expired_session_is_said_in_words() -> None:
    """The error about an expired session says what to do."""
    refused = Status(403, {"x-amzn-errortype": "ExpiredTokenException:http://x"}, {"message": "expired"})
    async with FakeProvider([refused]) as provider:
        async with Client(provider.target("bedrock"), retry=RetryPolicy(initial=0.001)) as client:
            with pytest.raises(StreamError) as caught:
                await client.complete("hi")
        assert len(provider.requests) == 2
    assert (caught.value.title, "aws sso login" in caught.value.resolution) == ("Session expired", True)
