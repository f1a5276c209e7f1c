"""Cohere's dialect in both directions; the recorded answers are in test_recordings.py."""

from __future__ import annotations

import json
from typing import Any

import pytest

from resilient_stream import Finished, Message, ReasoningDelta, Target, TextDelta, Tool, ToolCall, Transcript, Usage
from resilient_stream.chunks import Logprobs, Source
from resilient_stream.contract import Decoder, Endpoint, Request
from resilient_stream.messages import FunctionCall, ImagePart, ReasoningPart, TextPart
from resilient_stream.providers import adapter_for
from resilient_stream.providers.cohere.stream import FAILED_REASONS, FINISH_REASONS, cohere_decoder

ENDPOINT = Endpoint(base_url="https://example.test", api_key="secret", headers={"X-Team": "a"})
WEATHER = Tool(name="weather", description="The weather.", parameters={"type": "object", "properties": {}})
TIME = Tool(name="time", description="The time.", parameters={"type": "object", "properties": {}})
CALL = FunctionCall(id="c1", name="weather", arguments='{"city":"Oslo"}')


def encode(**fields: Any) -> dict[str, Any]:
    """The body that a request becomes."""
    fields.setdefault("messages", (Message(role="user", content="hi"),))
    sent = adapter_for("cohere").encode(Request(target=Target("cohere:command-a"), **fields), ENDPOINT)
    body: dict[str, Any] = json.loads(sent.body)  # type: ignore[union-attr]
    return body


def event(kind: str, **fields: Any) -> bytes:
    """One event."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), json.dumps({"type": kind, **fields}).encode())


def text(piece: str) -> bytes:
    """A piece of text."""
    return event("content-delta", index=0, delta={"message": {"content": {"text": piece}}})


def end(reason: str, **delta: Any) -> bytes:
    """The end of an answer."""
    return event("message-end", delta={"finish_reason": reason, **delta})


def read(*data: bytes, **options: Any) -> tuple[list[Any], Decoder]:
    """The chunks of a body, each part a read of its own, and the decoder after it."""
    decoder = cohere_decoder(**{"max_event_bytes": 100_000, **options})
    chunks = [chunk for part in data for chunk in decoder.feed(part)]
    return chunks + decoder.finish(), decoder


def test_the_request_line_and_headers() -> None:
    """The path is version 2's, the key goes into one header, the target's own headers come last."""
    request = Request(target=Target("cohere:command-a"), messages=(Message(role="user", content="hi"),))
    sent = adapter_for("cohere").encode(request, ENDPOINT)
    assert sent.url == "https://example.test/v2/chat"
    assert (sent.headers["Authorization"], sent.headers["X-Team"]) == ("Bearer secret", "a")  # type: ignore[union-attr]


def test_a_plain_request_is_small() -> None:
    """What is not asked for is not sent."""
    assert encode() == {"model": "command-a", "messages": [{"role": "user", "content": "hi"}], "stream": True}


def test_every_option_has_its_field() -> None:
    """Cohere's own names: p, stop_sequences, thinking, response_format."""
    body = encode(
        max_tokens=9, temperature=0.5, top_p=0.9, stop=("a",), seed=7, reasoning=500, output={"type": "object"},
        extra={"k": 3},
    )  # fmt: skip
    assert (body["max_tokens"], body["temperature"], body["p"], body["stop_sequences"]) == (9, 0.5, 0.9, ["a"])
    assert (body["seed"], body["k"]) == (7, 3)
    assert body["thinking"] == {"type": "enabled", "token_budget": 500}
    assert body["response_format"] == {"type": "json_object", "json_schema": {"type": "object"}}


@pytest.mark.parametrize(
    ("choice", "sent", "tools"),
    [
        (None, None, 2),
        ("auto", None, 2),
        ("none", "NONE", 2),
        ("required", "REQUIRED", 2),
        ("time", "REQUIRED", 1),
    ],
)
def test_a_certain_tool_is_the_only_one_offered(choice: str | None, sent: str | None, tools: int) -> None:
    """The API can demand a call but not name it: the named tool is sent alone."""
    body = encode(tools=(WEATHER, TIME), tool_choice=choice)
    assert body.get("tool_choice") == sent
    assert len(body["tools"]) == tools
    assert tools == 2 or body["tools"][0]["function"]["name"] == "time"


def test_a_conversation_with_tools_and_pictures() -> None:
    """Plans, calls and results have their places; text alone stays a string."""
    picture = ImagePart(url="https://example.test/a.png", detail="low")
    body = encode(
        messages=(
            Message(role="developer", content="Be short."),
            Message(role="user", content=(TextPart(text="What is this?"), picture)),
            Message(role="assistant", content=(ReasoningPart(text="I look it up."),), tool_calls=(CALL,)),
            Message(role="tool", tool_call_id="c1", content="rain"),
        )
    )
    system, user, assistant, tool = body["messages"]
    assert system == {"role": "system", "content": "Be short."}
    assert user["content"][1] == {"type": "image_url", "image_url": {"url": picture.url, "detail": "low"}}
    assert (assistant["tool_plan"], assistant["tool_calls"][0]["id"]) == ("I look it up.", "c1")
    assert tool == {"role": "tool", "tool_call_id": "c1", "content": "rain"}


def test_text_plan_calls_and_usage() -> None:
    """A plan is reasoning; a call is whole at the end; tokens are the model's count."""
    begin = {"tool_calls": {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": ""}}}
    piece = {"tool_calls": {"function": {"arguments": '{"city":"Oslo"}'}}}
    usage = {"billed_units": {"input_tokens": 1, "output_tokens": 2}, "tokens": {"input_tokens": 9, "output_tokens": 3}}
    chunks, decoder = read(
        event("message-start", id="m1", delta={}),
        event("tool-plan-delta", delta={"message": {"tool_plan": "Hm."}}),
        event("tool-call-start", index=0, delta={"message": begin}),
        event("tool-call-delta", index=0, delta={"message": piece}),
        end("TOOL_CALL", usage=usage),
    )
    assert decoder.done
    assert decoder.response_id == "m1"
    assert ReasoningDelta("Hm.") in chunks
    assert ToolCall(0, "c1", "weather", '{"city":"Oslo"}', {"city": "Oslo"}) in chunks
    assert Usage(9, 3) in chunks
    assert chunks[-1] == Finished("tool_calls", "TOOL_CALL")


@pytest.mark.parametrize("reason", FINISH_REASONS)
def test_each_reason_that_is_an_answer(reason: str) -> None:
    """The text is kept, and the reason translated."""
    chunks, decoder = read(text("a"), text("b"), end(reason))
    assert chunks[:2] == [TextDelta("a"), TextDelta("b")]
    assert chunks[-1] == Finished(FINISH_REASONS[reason][0], reason, FINISH_REASONS[reason][1])
    assert decoder.failure is None


@pytest.mark.parametrize("reason", FAILED_REASONS)
def test_each_reason_that_is_none(reason: str) -> None:
    """An end with a failed reason is a failure after what came before it, named by its words if it has any."""
    chunks, decoder = read(text("a"), end(reason))
    assert (chunks, decoder.done) == ([TextDelta("a")], False)
    assert decoder.failure is not None
    assert decoder.failure.kind is FAILED_REASONS[reason]
    _, decoder = read(end(reason, error="invalid", error_type="INVALID_TOOL_GENERATION"))
    assert decoder.failure is not None
    assert decoder.failure.kind == "model_output_invalid"


def test_a_missing_end_is_a_cut_unless_the_target_says_otherwise() -> None:
    """An answer without `message-end` is a cut, unless the target has `terminal="eof_ok"`."""
    assert read(text("a"), b"data: [DONE]\n\n")[1].failure is not None
    assert read(text("a"), eof_ok=True)[1].done


# -- citations and probabilities ----------------------------------------------------------------

DOCUMENT = {
    "type": "document",
    "id": "d1",
    "document": {"id": "d1", "title": "A", "url": "https://a.test", "snippet": "so"},
}
OUTPUT = {"type": "tool", "id": "weather:0", "tool_output": {"content": "15°C"}}
CITED = {"start": 6, "end": 10, "text": "15°C", "sources": [DOCUMENT, OUTPUT], "type": "TEXT_CONTENT"}
SOURCES = [
    Source("https://a.test", "A", "so", 6, 10, "d1", CITED),
    Source("", "", "15°C", 6, 10, "weather:0"),
]


def cite(citation: Any) -> bytes:
    """A citation, which begins and ends."""
    return event("citation-start", index=0, delta={"message": {"citations": citation}}) + event("citation-end", index=0)


def whole(message: dict[str, Any], extra: dict[str, Any] | None = None, **fields: Any) -> list[Any]:
    """The chunks of an answer in one piece, without its end."""
    adapter: Any = adapter_for("cohere")
    request = Request(target=Target("cohere:m"), messages=(Message(role="user", content="hi"),), extra=extra or {})
    decoder = adapter.whole_decoder(request)
    decoder.feed(json.dumps({"id": "c", "message": message, "finish_reason": "COMPLETE", **fields}).encode())
    return [chunk for chunk in decoder.finish() if type(chunk) is not Finished]


def test_a_citation_is_a_source_for_each_that_it_names() -> None:
    """Each with the passage, in code points of the answer's text; the first has the citation for the next turn."""
    for citation in (CITED, [CITED]):
        chunks, _ = read(text("It is 15°C."), cite(citation), end("COMPLETE"))
        assert chunks[1:-1] == SOURCES
    assert whole({"content": [{"type": "text", "text": "It is 15°C."}], "citations": [CITED]})[1:] == SOURCES


def test_a_citation_of_another_block_is_placed_in_the_whole_text() -> None:
    """Its place is counted from that block's beginning; one of the thinking has no place in the text."""
    begin = event("content-start", index=1, delta={"message": {"content": {"type": "text", "text": ""}}})
    chunks, _ = read(text("One. "), begin, text("It is 15°C."), cite({**CITED, "content_index": 1}), end("COMPLETE"))
    assert [(chunk.start, chunk.end) for chunk in chunks if isinstance(chunk, Source)] == [(11, 15)] * 2
    for odd in ({"type": "THINKING_CONTENT"}, {"type": "PLAN"}, {"start": None}, {"start": 12}, {"end": True}):
        chunks, _ = read(text("It is 15°C."), cite({**CITED, **odd}), end("COMPLETE"))
        assert [(chunk.start, chunk.end) for chunk in chunks if isinstance(chunk, Source)] == [(None, None)] * 2


def test_citations_are_given_once_and_are_progress() -> None:
    """The message at the end repeats them; an empty one says nothing, and one without sources is passed on."""
    chunks, decoder = read(text("It is 15°C."), cite(CITED), end("COMPLETE", message={"citations": [CITED]}))
    assert [chunk for chunk in chunks if isinstance(chunk, Source)] == SOURCES
    chunks, decoder = read(event("citation-start", index=0, delta={}))
    assert (chunks, decoder.progress) == ([], 1)
    chunks, _ = read(cite({"start": 0, "end": 2, "text": "It", "sources": []}))
    assert [(chunk.event, chunk.standing) for chunk in chunks] == [("citations", "content")]


def test_citations_go_back_with_their_text() -> None:
    """The API takes them in a turn of the assistant; their places are those in the text that is sent."""
    transcript = Transcript()
    transcript.target = "cohere:command-a"
    transcript._receive(read(text("It is 15°C."), cite(CITED), end("COMPLETE"))[0])
    history = transcript.as_history()
    sent = encode(messages=(*history, Message(role="user", content="and?")))["messages"][0]
    assert sent == {"role": "assistant", "content": "It is 15°C.", "citations": [{**CITED, "content_index": 0}]}
    assert history[0].text == "It is 15°C."


def test_probabilities_come_where_they_were_asked_for() -> None:
    """In Cohere's own form, of each piece or of all of them."""
    item = {"text": "Hi", "token_ids": [1], "logprobs": [-0.5]}
    piece = event("content-delta", index=0, delta={"message": {"content": {"text": "Hi"}}}, logprobs=item)
    for body in ((piece,), (text("a"), piece)):
        assert Logprobs((item,)) in read(*body, end("COMPLETE"), logprobs=True)[0]
        assert not any(isinstance(chunk, Logprobs) for chunk in read(*body, end("COMPLETE"))[0])
    message = {"content": [{"type": "text", "text": "Hi"}]}
    assert whole(message, {"logprobs": True}, logprobs=[item])[1:] == [Logprobs((item,))]
    assert whole(message, logprobs=[item])[1:] == []
