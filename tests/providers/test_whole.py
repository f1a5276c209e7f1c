"""Whole answers of every dialect that has them: the same chunks as from a stream, at any split, and never half of one.

A dialect is one row of `DIALECTS`, and needs no new test.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec
import pytest

from resilient_stream.chunks import Chunk, Finished, ReasoningDelta, TextDelta, ToolCall, Usage
from resilient_stream.contract import Adapter, Endpoint, HttpRequest, Request, WholeAdapter, WholeDecoder
from resilient_stream.messages import to_messages
from resilient_stream.providers import adapter_for, known_providers
from resilient_stream.providers.google.vertex import Place
from resilient_stream.target import Target
from resilient_stream.testing import DIALECTS as SPOKEN
from resilient_stream.testing.dialects import Called, Said
from resilient_stream.wire.json_string import JsonString
from tests.shared_files import shared_or_none
from tests.wire.splits import at, ways

LONG = 'word \n"é😀\\ ' * 1000
"""A text that is taken out of the outline."""


class Dialect(NamedTuple):
    """One row: the bodies of whole answers as the provider writes them, and of an error inside a 200.

    text, thought: what fills the `{text}` and `{thought}` in `body`. The body also has a call of the tool `look`
    with {"x": 1}, ends with the provider's word `finish`, and counts 9 input and 5 output tokens. unfinished: a body
    that is JSON, but no answer. options: the target's.
    """

    provider: str
    body: Any
    finish: str
    error: Any
    unfinished: Any
    model: str = "m"
    options: Mapping[str, Any] = {}


def openai(text: str, thought: str) -> Any:
    """A chat completion, the reasoning behind the text as many servers have it."""
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"x":1}'}}
    message = {"role": "assistant", "content": text, "reasoning_content": thought, "tool_calls": [call]}
    choices = [{"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}]
    usage = {"prompt_tokens": 9, "completion_tokens": 5}
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": "m-1", "choices": choices, "usage": usage}


def anthropic(text: str, thought: str) -> Any:
    """A message with a signed thought."""
    content = [
        {"type": "thinking", "thinking": thought, "signature": "sig"},
        {"type": "text", "text": text},
        {"type": "tool_use", "id": "call_1", "name": "look", "input": {"x": 1}},
    ]
    usage = {"input_tokens": 9, "output_tokens": 5}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m-1"}
    return {**head, "content": content, "stop_reason": "tool_use", "stop_sequence": None, "usage": usage}


def gemini(text: str, thought: str) -> Any:
    """What says that a part is a thought stands behind its text."""
    parts = [
        {"text": thought, "thought": True},
        {"text": text},
        {"functionCall": {"id": "call_1", "name": "look", "args": {"x": 1}}},
    ]
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 5}
    candidates = [{"content": {"parts": parts, "role": "model"}, "finishReason": "STOP", "index": 0}]
    return {"candidates": candidates, "usageMetadata": usage, "modelVersion": "m-1", "responseId": "r-1"}


def cohere(text: str, thought: str) -> Any:
    """A message of blocks, with the plan before its call."""
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"x":1}'}}
    content = [{"type": "text", "text": text}]
    message = {"role": "assistant", "tool_plan": thought, "content": content, "tool_calls": [call]}
    usage = {"tokens": {"input_tokens": 9, "output_tokens": 5}}
    return {"id": "c-1", "message": message, "finish_reason": "TOOL_CALL", "usage": usage}


def ollama(text: str, thought: str) -> Any:
    """The only line of a stream, so to say; calls have no id."""
    call = {"function": {"name": "look", "arguments": {"x": 1}}}
    message = {"role": "assistant", "content": text, "thinking": thought, "tool_calls": [call]}
    counts = {"prompt_eval_count": 9, "eval_count": 5}
    return {"model": "m-1", "created_at": "1", "message": message, "done": True, "done_reason": "stop", **counts}


def responses(text: str, thought: str) -> Any:
    """A response of three items."""
    output = [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": thought}]},
        {"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": text, "annotations": []}]},
        {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look", "arguments": '{"x":1}'},
    ]
    usage = {"input_tokens": 9, "output_tokens": 5}
    head = {"id": "resp_1", "object": "response", "status": "completed", "error": None, "model": "m-1"}
    return {**head, "incomplete_details": None, "output": output, "usage": usage}


def converse(text: str, thought: str) -> Any:
    """Bedrock's own blocks, the thought with its signature."""
    content = [
        {"reasoningContent": {"reasoningText": {"text": thought, "signature": "sig"}}},
        {"text": text},
        {"toolUse": {"toolUseId": "call_1", "name": "look", "input": {"x": 1}}},
    ]
    usage = {"inputTokens": 9, "outputTokens": 5, "totalTokens": 14}
    message = {"role": "assistant", "content": content}
    return {"output": {"message": message}, "stopReason": "tool_use", "usage": usage, "metrics": {"latencyMs": 1}}


def interactions(text: str, thought: str) -> Any:
    """An interaction of three steps."""
    steps = [
        {"type": "thought", "summary": [{"type": "text", "text": thought}], "signature": "c2ln"},
        {"type": "model_output", "content": [{"type": "text", "text": text}]},
        {"type": "function_call", "id": "call_1", "name": "look", "arguments": {"x": 1}},
    ]
    usage = {"total_input_tokens": 9, "total_output_tokens": 5}
    return {"id": "v1_1", "status": "requires_action", "model": "m-1", "steps": steps, "usage": usage}


OVERLOADED = {"error": {"message": "Overloaded", "type": "overloaded_error", "code": 503}}
UNAVAILABLE_AT_AWS = {"__type": "ServiceUnavailableException", "message": "busy"}
UNAVAILABLE = {"error": {"code": 503, "status": "UNAVAILABLE"}}
DIALECTS = (
    Dialect("openai", openai, "tool_calls", OVERLOADED, {"id": "x", "choices": []}),
    Dialect(
        "anthropic", anthropic, "tool_use", {"type": "error", **OVERLOADED}, {**anthropic("a", ""), "stop_reason": None}
    ),
    Dialect("gemini", gemini, "STOP", UNAVAILABLE, {"candidates": []}),
    Dialect(
        "gemini-interactions", interactions, "requires_action", UNAVAILABLE, {"status": "in_progress", "steps": []}
    ),
    Dialect("cohere", cohere, "TOOL_CALL", {"message": "overloaded"}, {"id": "c-1"}),
    Dialect("ollama", ollama, "stop", {"error": "model is overloaded"}, {"model": "m", "done": False}),
    Dialect("openai-responses", responses, "completed", OVERLOADED, {**responses("", ""), "status": "queued"}),
    Dialect("bedrock", converse, "tool_use", UNAVAILABLE_AT_AWS, {**converse("", ""), "stopReason": None}),
    *(
        Dialect("bedrock", body, finish, UNAVAILABLE_AT_AWS, unfinished, model, {"api": "invoke"})
        for body, finish, unfinished, model in (
            (anthropic, "tool_use", {**anthropic("", ""), "stop_reason": None}, "anthropic.claude-x"),
            (converse, "tool_use", {"output": {"message": {"role": "assistant", "content": []}}}, "amazon.nova-x"),
            (openai, "tool_calls", {"choices": []}, "openai.gpt-x"),
        )
    ),
    Dialect("vertex", gemini, "STOP", UNAVAILABLE, {"candidates": []}, "gemini-2.5-flash"),
    Dialect("vertex", anthropic, "tool_use", {"type": "error", **OVERLOADED}, [{}], "claude-sonnet-4-5@20250929"),
)


@pytest.fixture(params=DIALECTS, ids=lambda row: f"{row.provider} {row.model}")
def dialect(request: pytest.FixtureRequest) -> Dialect:
    """Each row."""
    return cast(Dialect, request.param)


def asking(dialect: Dialect | str, **fields: Any) -> Request:
    """A request for a whole answer, of a row or of a provider by its name."""
    name = dialect if isinstance(dialect, str) else f"{dialect.provider}:{dialect.model}"
    options = {} if isinstance(dialect, str) else dialect.options
    target = Target(name if ":" in name else f"{name}:m", **options)
    return Request(**{"messages": to_messages("hi"), "target": target, "stream": False, **fields})


def decoder_of(dialect: Dialect | str, **fields: Any) -> WholeDecoder:
    """A decoder for it."""
    request = asking(dialect, **fields)
    return cast(WholeAdapter, adapter_for(request.target.provider)).whole_decoder(request)


def read(decoder: WholeDecoder, reads: Iterable[bytes]) -> list[Chunk]:
    """What comes of a body in these reads."""
    for data in reads:
        assert decoder.feed(data) == []
    return decoder.finish()


def unfolded(decoder: WholeDecoder, body: bytes, said: str) -> str:
    """A chunk's text; where a mark stands for it, what its part of the body says."""
    if said not in decoder.spans:
        return said
    start, end = decoder.spans[said]
    return JsonString().feed(body[start:end])


def says(decoder: WholeDecoder, body: bytes, chunks: list[Chunk]) -> dict[str, Any]:
    """The answer that the chunks make."""
    return {
        "text": "".join(unfolded(decoder, body, chunk.text) for chunk in chunks),
        "thought": "".join(unfolded(decoder, body, c.reasoning) for c in chunks if type(c) is ReasoningDelta),
        "calls": [(call.id, call.name, call.parsed) for call in chunks if type(call) is ToolCall],
        "finish": [chunk.raw_reason for chunk in chunks if type(chunk) is Finished],
        "usage": [(chunk.input_tokens, chunk.output_tokens) for chunk in chunks if type(chunk) is Usage][-1:],
    }


@pytest.mark.parametrize("thought", ["hm", LONG], ids=["short thought", "long thought"])
@pytest.mark.parametrize("text", ["Hi {é😀", LONG], ids=["short text", "long text"])
@pytest.mark.parametrize("indent", [None, 2])
def test_an_answer_says_the_same_at_any_split(dialect: Dialect, text: str, thought: str, indent: int | None) -> None:
    """Text, thought, tool call, usage and finish reason, long texts by their marks; reasoning before the text."""
    body = json.dumps(dialect.body(text, thought), indent=indent, ensure_ascii=indent is None).encode()
    splits = ways(body) if len(body) < 2000 else [[body], at(body, range(0, len(body), 997))]
    for reads in splits:
        decoder = decoder_of(dialect)
        chunks = read(decoder, reads)
        assert (decoder.failure, decoder.done) == (None, True)
        assert decoder.model == (None if dialect.body in (cohere, converse) else "m-1")
        said = says(decoder, body, chunks)
        assert [call[1:] for call in said.pop("calls")] == [("look", {"x": 1})]
        assert said == {"text": text, "thought": thought, "finish": [dialect.finish], "usage": [(9, 5)]}
        spoken = [type(chunk) for chunk in chunks if chunk.text or (type(chunk) is ReasoningDelta and chunk.reasoning)]
        assert spoken == [ReasoningDelta, TextDelta]
        assert len(decoder.spans) == (text is LONG) + (thought is LONG)
        assert decoder.finish() == []


def test_a_cut_answer_gives_nothing(dialect: Dialect) -> None:
    """Cut at any byte it is no answer, and nothing of it was given, so it can be asked for again."""
    body = json.dumps(dialect.body("Hi", "hm")).encode()
    for cut in range(len(body)):
        decoder = decoder_of(dialect)
        assert read(decoder, [body[:cut]]) == []
        assert not decoder.done
        assert decoder.failure is not None
        assert decoder.failure.kind == "stream_interrupted", cut


@pytest.mark.parametrize("damage", [b'"finish', b'"model', b'"role', b'"parts'])
def test_a_broken_answer_gives_nothing(dialect: Dialect, damage: bytes) -> None:
    """JSON that is none is a protocol error, wherever it breaks."""
    body = json.dumps(dialect.body("Hi", "hm")).encode()
    if damage not in body:
        pytest.skip("another dialect's word")
    decoder = decoder_of(dialect)
    assert read(decoder, [body.replace(damage, b"}" + damage, 1)]) == []
    assert decoder.failure is not None
    assert decoder.failure.kind == "protocol_error"


@pytest.mark.parametrize("space", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_an_error_in_a_200_is_named(dialect: Dialect, space: bytes) -> None:
    """By the dialect's own rules, also behind the empty lines that keep a connection alive."""
    decoder = decoder_of(dialect)
    assert read(decoder, [space, json.dumps(dialect.error).encode()]) == []
    assert decoder.failure is not None
    assert decoder.failure.kind == "provider_overloaded"


def test_what_is_no_answer_is_a_failure(dialect: Dialect) -> None:
    """JSON that is not an answer is a failure."""
    decoder = decoder_of(dialect)
    assert read(decoder, [json.dumps(dialect.unfinished).encode()]) == []
    assert decoder.failure is not None
    assert not decoder.done


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"", "stream_interrupted", "no_end_marker"),
        (b" \n\n ", "stream_interrupted", "no_end_marker"),
        (b"<html>", "protocol_error", "bad_json"),
        (b'"hi"', "protocol_error", "bad_json"),
        (b"{}{}", "protocol_error", "bad_json"),
    ],
)
def test_what_is_no_object_is_named(dialect: Dialect, body: bytes, kind: str, code: str) -> None:
    """Nothing at all, a page, a bare value, two values."""
    decoder = decoder_of(dialect)
    read(decoder, [body])
    assert decoder.failure is not None
    assert (decoder.failure.kind, decoder.failure.code) == (kind, code)


def test_space_is_no_progress(dialect: Dialect) -> None:
    """Liveness is semantic (promise 5): empty lines keep a connection open and say nothing."""
    decoder = decoder_of(dialect)
    decoder.feed(b"\n")
    assert decoder.progress == 0
    decoder.feed(b'{"a"')
    assert decoder.progress == 1


def test_what_is_kept_of_an_answer_is_bounded(dialect: Dialect) -> None:
    """A long text is not counted, anything else is (promise 7)."""
    large = dialect.body("x" * 100_000, "y" * 100_000)
    decoder = decoder_of(dialect, max_event_bytes=5000)
    read(decoder, [json.dumps(large).encode()])
    assert decoder.done
    decoder = decoder_of(dialect, max_event_bytes=5000)
    read(decoder, at(json.dumps({**large, "more": ["x"] * 5000}).encode(), range(0, 10**6, 1000)))
    assert decoder.failure is not None
    assert decoder.failure.kind == "buffer_limit"


def test_a_text_that_looks_like_a_mark_is_a_text(dialect: Dialect) -> None:
    """A text that looks like one of our marks stays a text, because marks cannot be guessed."""
    body = json.dumps(dialect.body("0" * 16 + ":0", LONG)).encode()
    decoder = decoder_of(dialect)
    assert says(decoder, body, read(decoder, [body]))["text"] == "0" * 16 + ":0"


STAND_INS = {f"{row.provider}-invoke" if row.options else row.provider: row for row in DIALECTS[:8]}


@pytest.mark.parametrize("name", STAND_INS)
def test_the_stand_ins_whole_answer_and_stream_say_the_same(name: str) -> None:
    """The fake provider's whole answer and its stream have the same content."""
    spoken, dialect = SPOKEN[name], STAND_INS[name]
    said = Said(model="m-1", usage_wanted=True)
    events = [*spoken.preamble(said)]
    for piece in ("Hel", "lo"):
        said.texts.append(piece)
        events += spoken.text(said, piece)
    said.calls.append(Called("call_fake_0", "look", '{"x":1}'))
    events += [*spoken.call(said, said.calls[0]), *spoken.end(said, "tool_calls")]
    stream = adapter_for(dialect.provider).decoder(asking(dialect, stream=True))
    streamed = [chunk for event in events for chunk in stream.feed(spoken.frame(event, None))] + stream.finish()
    decoder = decoder_of(dialect)
    body = msgspec.json.encode(spoken.whole(said, "tool_calls"))
    assert says(decoder, body, read(decoder, [body])) == says(decoder, b"", streamed)


RECORDED = [
    (path, event)
    for folder in (shared_or_none("recordings/gemini"), shared_or_none("recordings/vertex-gemini"))
    if folder
    for path in sorted(folder.glob("*.sse"))
    for events in (path.read_bytes().replace(b"\r\n", b"\n").strip().split(b"\n\n"),)
    if len(events) == 1 and b'"finishReason"' in events[0]
    for event in (events[0].removeprefix(b"data: "),)
]  # fmt: skip
"""Gemini writes a whole answer as it writes the only event of a stream: real bodies."""


@pytest.mark.parametrize(("path", "event"), RECORDED, ids=[path.stem for path, _ in RECORDED])
def test_a_recorded_answer_says_what_it_said_as_a_stream(path: Path, event: bytes) -> None:
    """A recorded whole answer gives the chunks of its stream, at any split."""
    stream = adapter_for("gemini").decoder(asking("gemini", stream=True))
    streamed = stream.feed(b"data: %b\n\n" % event) + stream.finish()
    for reads in ([event], at(event, range(0, len(event), 7))):
        decoder = decoder_of("gemini")
        chunks = read(decoder, reads)
        assert decoder.failure == stream.failure
        assert says(decoder, event, chunks) == says(decoder, b"", streamed if stream.failure is None else [])


@pytest.mark.parametrize("provider", known_providers())
def test_a_capability_is_kept(provider: str) -> None:
    """Who says that whole answers can be asked for has a decoder for them, and asks."""
    adapter: Adapter = adapter_for(provider)
    if not adapter.capabilities("m").whole:
        pytest.skip("streams only")
    decoder = cast(WholeAdapter, adapter).whole_decoder(asking(provider))
    assert (decoder.failure, decoder.done, decoder.progress, dict(decoder.spans)) == (None, False, 0, {})


def test_what_is_sent_asks_for_one_piece(dialect: Dialect) -> None:
    """By the body or by the path, and with no word of event streams."""
    adapter = adapter_for(dialect.provider)
    sent = adapter.encode(asking(dialect), Endpoint(base_url="https://x.test", credentials=Place("p", "l")))
    assert isinstance(sent, HttpRequest)
    body = json.loads(sent.body)
    assert body.get("stream", False) is False
    assert "stream_options" not in body
    assert "stream" not in sent.url.lower()
    assert "sse" not in sent.url
    assert sent.headers["Accept"] == "application/json"


def test_calls_without_ids_are_calls_of_their_own() -> None:
    """Some servers give none, and no index either in a whole answer."""
    calls = [{"type": "function", "function": {"name": name, "arguments": "{}"}} for name in ("a", "b")]
    answer = {"choices": [{"message": {"content": None, "tool_calls": calls}, "finish_reason": "tool_calls"}]}
    chunks = read(decoder_of("openai"), [json.dumps(answer).encode()])
    assert [call.name for call in chunks if type(call) is ToolCall] == ["a", "b"]


def test_parts_of_a_message_may_be_long() -> None:
    """A long text in Mistral's list of parts is read whole."""
    answer = {"choices": [{"message": {"content": [{"type": "text", "text": LONG}]}, "finish_reason": "stop"}]}
    decoder, body = decoder_of("openai"), json.dumps(answer).encode()
    assert says(decoder, body, read(decoder, [body]))["text"] == LONG


def in_parts(value: Any, *texts: str) -> Any:
    """The value, where the part whose text is the first one comes several times, each with the next text."""
    if isinstance(value, dict):
        return {name: in_parts(each, *texts) for name, each in value.items()}
    if not isinstance(value, list):
        return value
    found: list[Any] = []
    for each in value:
        if isinstance(each, dict) and each.get("text") == texts[0]:
            found += [{**each, "text": text} for text in texts]
        else:
            found.append(in_parts(each, *texts))
    return found


PARTED = [row for row in DIALECTS if row.body not in (openai, ollama)]


@pytest.mark.parametrize("row", PARTED, ids=lambda row: f"{row.provider} {row.model}")
@pytest.mark.parametrize("long", [False, True])
def test_halves_of_a_character_in_two_parts_are_joined(row: Dialect, long: bool) -> None:
    """As in a stream, and one without its other half becomes U+FFFD, also before a text that is kept on disk."""
    texts = ["a@1", "@2b@1", "@2c@1", LONG if long else "d"]
    body = json.dumps(in_parts(row.body(texts[0], "Hm."), *texts)).encode()
    body = body.replace(b"@1", b"\\ud83d").replace(b"@2", b"\\udc69")
    decoder = decoder_of(row)
    chunks = read(decoder, [body])
    assert decoder.done
    assert says(decoder, body, chunks)["text"] == "a\U0001f469b\U0001f469c\ufffd" + texts[-1]


def test_halves_in_parts_of_a_chat_message_are_joined() -> None:
    """The content of a chat message may be parts, too; reasoning and text do not join each other's halves."""
    body = openai("", "@1")
    body["choices"][0]["message"]["content"] = [{"type": "text", "text": text} for text in ("@2a@1", "@2")]
    data = json.dumps(body).encode().replace(b"@1", b"\\ud83d").replace(b"@2", b"\\udc69")
    decoder = decoder_of("openai")
    chunks = read(decoder, [data])
    assert says(decoder, data, chunks)["text"] == "\ufffda\U0001f469"
    assert says(decoder, data, chunks)["thought"] == "\ufffd"


def test_a_refusal_keeps_its_words() -> None:
    """Anthropic's stop_details stand in the message itself."""
    answer = {**anthropic("", ""), "stop_reason": "refusal", "stop_details": {"explanation": "no"}}
    [finished] = [c for c in read(decoder_of("anthropic"), [json.dumps(answer).encode()]) if type(c) is Finished]
    assert (finished.reason, finished.explanation) == ("refusal", "no")
