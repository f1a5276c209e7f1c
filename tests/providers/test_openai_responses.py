"""The Responses dialect in both directions, and a broken answer taken up where it ended."""

from __future__ import annotations

import itertools
import json
import pickle
from typing import Any

import pytest

from resilient_stream import (
    Client,
    Finished,
    Message,
    Recovery,
    RetryPolicy,
    StreamError,
    Target,
    TextDelta,
    Tool,
    ToolCall,
    Usage,
)
from resilient_stream.chunks import ReasoningDelta, ToolCallDelta
from resilient_stream.contract import Decoder, Endpoint, Request, ResumePoint
from resilient_stream.errors import error_for
from resilient_stream.messages import FunctionCall, ImagePart, ReasoningPart, TextPart
from resilient_stream.providers import adapter_for, known_providers
from resilient_stream.providers.openai.hosts import HOSTS
from resilient_stream.providers.openai.responses_stream import FINISH_REASONS, responses_decoder
from resilient_stream.testing import (
    CallTool,
    CleanEnd,
    Cut,
    End,
    ErrorEvent,
    Event,
    FakeProvider,
    Preamble,
    Status,
    Text,
)

ENDPOINT = Endpoint(base_url="https://example.test/v1", api_key="secret", headers={"X-Team": "a"})
WEATHER = Tool(name="weather", description="The weather.", parameters={"type": "object", "properties": {}})
RESPONSES = [f"{name}-responses" for name, host in HOSTS.items() if host.responses != "none"]


def request(name: str = "openai-responses:m", options: dict[str, Any] | None = None, **fields: Any) -> Request:
    """A request for a target with these options."""
    fields.setdefault("messages", (Message(role="user", content="hi"),))
    return Request(target=Target(name, **options or {}), **fields)


def encode(*given: Any, **fields: Any) -> dict[str, Any]:
    """The body that a request becomes."""
    asked = request(*given, **fields)
    body: dict[str, Any] = json.loads(adapter_for(asked.target.provider).encode(asked, ENDPOINT).body)
    return body


# -- what is sent -----------------------------------------------------------------------------


def test_the_request_line_and_headers() -> None:
    """The key goes into one header, the target's own headers come last, and no repr shows a key."""
    sent = adapter_for("openai-responses").encode(request(), ENDPOINT)
    assert (sent.method, sent.url) == ("POST", "https://example.test/v1/responses")
    assert sent.headers["Authorization"] == "Bearer secret"
    assert sent.headers["X-Team"] == "a"
    assert "secret" not in repr(sent)


def test_a_plain_request_is_small_and_stores_nothing() -> None:
    """What is not asked for is not sent; that nothing is to be stored always is."""
    assert encode() == {"model": "m", "input": [{"role": "user", "content": "hi"}], "stream": True, "store": False}


def test_every_option_has_its_field() -> None:
    """Sampling, tools, choice, schema and reasoning, under this API's names; `extra` is merged last."""
    body = encode(
        max_tokens=9, temperature=0.5, top_p=0.9, seed=7, reasoning=3000, tools=(WEATHER,), tool_choice="weather",
        output={"type": "object"}, extra={"top_p": 0.8, "truncation": "auto"},
    )  # fmt: skip
    assert (body["max_output_tokens"], body["temperature"], body["top_p"]) == (9, 0.5, 0.8)
    assert body["tools"] == [{
        "type": "function", "name": "weather", "description": "The weather.",
        "parameters": {"type": "object", "properties": {}}, "strict": False,
    }]  # fmt: skip
    assert body["tool_choice"] == {"type": "function", "name": "weather"}
    assert body["text"]["format"]["schema"] == {"type": "object"}
    assert body["reasoning"] == {"effort": "medium", "summary": "auto"}
    assert body["truncation"] == "auto"
    assert "seed" not in body


def test_stop_sequences_are_refused_before_anything_is_sent() -> None:
    """The API has none, and an answer that runs on would be another one."""
    assert not adapter_for("openai-responses").capabilities("m").stop


def test_a_conversation_with_tools_and_images() -> None:
    """All roles and parts as items, in their order."""
    image = ImagePart(url="data:image/png;base64,AAAA", detail="low")
    messages = (
        Message(role="system", content="Be kind."),
        Message(role="user", content=(TextPart(text="What?"), image)),
        Message(role="assistant", content="Wait.", tool_calls=(FunctionCall(id="c1", name="f", arguments="{}"),)),
        Message(role="tool", content="sunny", tool_call_id="c1"),
    )
    assert encode(messages=messages)["input"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [
            {"type": "input_text", "text": "What?"},
            {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"},
        ]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Wait."}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "reasoning", "asked"),
    [
        ("openai-responses:gpt-5-mini", None, True),
        ("openai-responses:o4-mini", None, True),
        ("openrouter-responses:openai/gpt-5", None, True),
        ("openai-responses:gpt-5-chat-latest", None, False),
        ("openai-responses:gpt-4.1", None, False),
        ("openai-responses:my-model", "low", True),
        ("openai-responses:my-model", "none", False),
        ("deepseek-responses:deepseek-v4", "low", False),
    ],
)
def test_encrypted_reasoning_is_asked_for_where_it_can_be_had(name: str, reasoning: str | None, asked: bool) -> None:
    """Only of models that reason, at hosts that encrypt: the others refuse the question."""
    assert ("include" in encode(name, reasoning=reasoning)) is asked


def test_reasoning_comes_back_as_it_was_sealed() -> None:
    """What a decoder leaves as a signature is the item again in the next request; a foreign signature is not sent."""
    item = {"id": "rs_1", "type": "reasoning", "encrypted_content": "gAAA=", "summary": []}
    [thought, seal], _ = read(
        event("response.reasoning_summary_text.delta", delta="hm"), event("response.output_item.done", item=item)
    )
    assert thought == ReasoningDelta("hm")
    assert isinstance(seal, ReasoningDelta)
    parts = (
        ReasoningPart(text="hm", signature=seal.signature),
        ReasoningPart(text="other", signature="c2lnbmVkIGVsc2V3aGVyZQ=="),
        TextPart(text="Yes."),
    )
    assert encode(messages=(Message(role="assistant", content=parts),))["input"] == [
        {"id": "rs_1", "type": "reasoning", "encrypted_content": "gAAA=",
         "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Yes."}]},
    ]  # fmt: skip
    assert encode(messages=(Message(role="assistant", content=parts[:1]),))["input"] == []  # nothing follows it


def test_plain_reasoning_goes_back_in_plain_words() -> None:
    """Open models encrypt nothing, and some demand it back after a tool call (DeepSeek)."""
    item = {"id": "r", "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
    [thought, seal], _ = read(event("response.output_item.done", item=item))
    assert thought == ReasoningDelta("hm")
    part = ReasoningPart(text="hm", signature=seal.signature)
    call = FunctionCall(id="c", name="f")
    [found, _] = encode(messages=(Message(role="assistant", content=(part,), tool_calls=(call,)),))["input"]
    assert found == item


def test_reasoning_that_is_kept_nowhere_is_not_sealed() -> None:
    """An id alone would be looked for in a store that has nothing."""
    item = {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}
    assert read(event("response.output_item.done", item=item))[0] == [ReasoningDelta("hm")]


@pytest.mark.parametrize("name", RESPONSES)
def test_a_host_with_this_api_is_a_row(name: str) -> None:
    """Every such host is known by its name and "-responses", with the same key and address."""
    assert name in known_providers()
    adapter, host = adapter_for(name), HOSTS[name.removesuffix("-responses")]
    assert (adapter.base_url, adapter.key_variables, adapter.title) == (host.base_url, host.keys, host.title)
    assert encode(f"{name}:m")["store"] is False


# -- what arrives -----------------------------------------------------------------------------


def event(kind: str, **fields: Any) -> dict[str, Any]:
    """One event."""
    return {"type": kind, **fields}


def sse(*events: Any) -> bytes:
    """Events on the wire, their names left out; a string goes as it is."""
    return b"".join(b"data: %b\n\n" % (e.encode() if isinstance(e, str) else json.dumps(e).encode()) for e in events)


def ended(status: str = "completed", **fields: Any) -> dict[str, Any]:
    """The last event."""
    return event(f"response.{status}", response={"id": "resp_1", "model": "m-2", "status": status, **fields})


def text(delta: str, number: int | None = None) -> dict[str, Any]:
    """A delta of text."""
    numbered = {} if number is None else {"sequence_number": number}
    return event("response.output_text.delta", delta=delta, output_index=0, **numbered)


def decoder(**options: Any) -> Decoder:
    """A decoder as the adapter makes it."""
    return responses_decoder("openai-responses", max_event_bytes=1 << 20, **options)


def read(*events: Any, **options: Any) -> tuple[list[Any], Decoder]:
    """Decode a whole body, and end it."""
    reader = decoder(**options)
    chunks = reader.feed(sse(*events))
    return [*chunks, *reader.finish()], reader


def test_text_usage_and_the_end() -> None:
    """Finished is the last chunk, after the usage; the names are known."""
    usage = {
        "input_tokens": 1, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 4},
        "output_tokens_details": {"reasoning_tokens": 5},
    }  # fmt: skip
    chunks, reader = read(text("a"), text("b"), ended(usage=usage), "[DONE]")
    assert chunks == [TextDelta("a"), TextDelta("b"), Usage(1, 2, 5, 3, 4), Finished("stop", "completed")]
    assert (reader.done, reader.failure, reader.model, reader.response_id) == (True, None, "m-2", "resp_1")


def test_the_plain_path_and_the_general_path_agree() -> None:
    """Reads of nothing but text take a faster way; the chunks are the same, also when a read is mixed."""
    body = [event("response.created", response={}), *(text(f"t{i}") for i in range(6)), ended()]
    whole, _ = read(*body)
    reader = decoder()
    assert [chunk for item in body for chunk in reader.feed(sse(item))] == whole
    assert [chunk.text for chunk in whole[:-1]] == [f"t{i}" for i in range(6)]


ITEM_IDS = (f"fc_{number}" for number in itertools.count())


def call(id: str, name: str, arguments: str = "") -> dict[str, Any]:
    """A function call as an item; its own id is a different one each time, as behind Copilot."""
    return {"id": next(ITEM_IDS), "type": "function_call", "call_id": id, "name": name, "arguments": arguments}


def test_parallel_calls_go_by_output_index_and_leave_when_each_is_whole() -> None:
    """Item ids that change inside an answer do not matter, and the first whole call does not wait for the second."""
    chunks, _ = read(
        event("response.output_item.added", output_index=1, item=call("a", "f")),
        event("response.output_item.added", output_index=3, item=call("b", "g")),
        event("response.function_call_arguments.delta", output_index=1, item_id="x", delta='{"x"'),
        event("response.function_call_arguments.delta", output_index=3, item_id="y", delta="{}"),
        event("response.function_call_arguments.delta", output_index=1, item_id="z", delta=":1}"),
        event("response.output_item.done", output_index=1, item=call("a", "f", '{"x":1}')),
        event("response.output_item.done", output_index=3, item=call("b", "g", "{}")),
        ended(),
    )
    whole = [chunk for chunk in chunks if isinstance(chunk, ToolCall)]
    assert whole == [ToolCall(0, "a", "f", '{"x":1}', {"x": 1}), ToolCall(1, "b", "g", "{}", {})]
    assert [c.arguments for c in chunks if isinstance(c, ToolCallDelta) and c.index == 0] == ["", '{"x"', ":1}"]
    assert chunks.index(whole[0]) < chunks.index(whole[1])
    assert chunks[-1] == Finished("tool_calls", "completed")


def test_a_call_without_output_index_or_deltas() -> None:
    """llama.cpp numbers nothing; others say a call only once it is whole, or never say that it is."""
    added, done = ({"type": "function_call", "call_id": "fc_1", "name": "f", "arguments": a} for a in ("", '{"x":1}'))
    chunks, _ = read(
        event("response.output_item.added", item=added),
        event("response.function_call_arguments.delta", item_id="fc_1", delta='{"x":1}'),
        event("response.output_item.done", item=done),
        ended(),
    )
    assert [c for c in chunks if isinstance(c, ToolCall)] == [ToolCall(0, "fc_1", "f", '{"x":1}', {"x": 1})]
    only_done, _ = read(event("response.output_item.done", output_index=0, item=done), ended())
    assert only_done[:2] == [ToolCallDelta(0, "fc_1", "f", '{"x":1}'), ToolCall(0, "fc_1", "f", '{"x":1}', {"x": 1})]
    never_done, _ = read(event("response.output_item.added", output_index=0, item=done), ended())
    assert never_done[1] == ToolCall(0, "fc_1", "f", '{"x":1}', {"x": 1})


@pytest.mark.parametrize(
    ("last", "finished"),
    [
        (ended(), Finished("stop", "completed")),
        (ended("incomplete", incomplete_details={"reason": "max_output_tokens"}),
         Finished("length", "max_output_tokens", "output_truncated")),
        (ended("incomplete", incomplete_details={"reason": "content_filter"}),
         Finished("content_filter", "content_filter", "content_filtered")),
        (ended("incomplete"), Finished("other", "incomplete", "output_truncated")),
        (ended("incomplete", incomplete_details={"reason": "new"}), Finished("other", "new")),
    ],
)  # fmt: skip
def test_what_an_answer_may_end_with(last: Any, finished: Finished) -> None:
    """The status, or why it is incomplete."""
    assert read(text("a"), last)[0] == [TextDelta("a"), finished]
    assert finished.raw_reason in {*FINISH_REASONS, "new"}


def test_a_refusal_is_kept_out_of_the_text() -> None:
    """The words of a refusal are in Finished.explanation and not in the text (docs/decisions/0007)."""
    pieces = (event("response.refusal.delta", delta=piece) for piece in ("I ", "won't."))
    chunks, _ = read(*pieces, event("response.refusal.done", refusal="I won't."), ended())
    assert chunks == [Finished("refusal", "completed", "refusal", "I won't.")]


@pytest.mark.parametrize(
    ("events", "kind"),
    [
        ([event("error", error={"code": "rate_limit_exceeded", "message": "no"})], "rate_limited"),
        ([event("error", code="rate_limit_exceeded", message="no", param=None)], "rate_limited"),
        ([event("error", error={"code": "insufficient_quota", "message": "no"}),
          ended("failed", error={"code": "server_error", "message": "no"})], "insufficient_funds"),
        ([ended("failed", error={"code": "server_error", "message": "no"})], "server_error"),
        ([ended("failed")], "server_error"),
        ([event("response.failed")], "server_error"),
        ([ended("cancelled")], "stream_interrupted"),
        ([{"error": {"code": 503, "message": "no"}}], "provider_overloaded"),
        ([event("response.future.delta", delta="x"), "[DONE]"], "stream_interrupted"),
        ([], "stream_interrupted"),
    ],
)  # fmt: skip
def test_failures_stop_it_after_what_came_before(events: list[Any], kind: str) -> None:
    """Each shape of failure is reported once; the text before it is kept, and nothing after it is read."""
    chunks, reader = read(text("a"), *events, text("b"))
    assert chunks[0] == TextDelta("a")
    assert reader.failure is not None
    assert reader.failure.kind == (kind if events else "stream_interrupted")
    assert not any(isinstance(chunk, Finished) for chunk in chunks)


def test_what_a_failed_answer_cost_is_known() -> None:
    """Usage on `response.failed` comes before the failure."""
    chunks, reader = read(ended("failed", usage={"input_tokens": 7, "output_tokens": 0}))
    assert chunks == [Usage(7, 0)]
    assert reader.failure is not None


def test_a_new_event_passes_and_only_the_responses_own_count_as_progress() -> None:
    """What we do not model comes raw when asked for; a keep-alive does not feed the stall clock."""
    tool, alive = event("response.web_search_call.searching", item_id="ws"), event("keepalive", sequence_number=2)
    reader = decoder()
    for known, progress in ((tool, 1), (alive, 1), (event("response.in_progress", response={}), 1)):
        assert reader.feed(sse(known)) == []
        assert reader.progress == progress
    assert [chunk.event for chunk in read(tool, alive, ended(), raw=True)[0][:-1]] == [tool["type"], "keepalive"]


def test_eof_ok_is_for_servers_without_an_end() -> None:
    """With the target's word for it, a clean end after content is one; an empty body is none."""
    assert read(text("a"), eof_ok=True)[0] == [TextDelta("a"), Finished("stop", "completed")]
    assert read(eof_ok=True)[1].failure is not None


# -- resuming ---------------------------------------------------------------------------------


def test_background_stores_and_is_the_only_thing_that_does() -> None:
    """Target(background=True) asks the provider to go on without us, which needs storing."""
    body = encode("openai-responses:m", {"background": True})
    assert (body["background"], body["store"]) == (True, True)
    assert adapter_for("openai-responses").capabilities("m").native_resume
    assert not adapter_for("xai-responses").capabilities("m").native_resume


CREATED = event("response.created", sequence_number=0, response={"id": "resp/1"})


def test_the_resume_point_follows_what_was_decoded() -> None:
    """Response id and last number, on the general and on the plain path, half an event not counted."""
    reader = decoder(background=True)
    assert reader.resume_point is None
    reader.feed(sse(CREATED, text("a", 1)))
    assert reader.resume_point == ResumePoint(response_id="resp/1", sequence=1)
    reader.feed(sse(text("b", 2), text("c", 3)) + sse(text("d", 4))[:-9])
    assert reader.resume_point == ResumePoint(response_id="resp/1", sequence=3)


def test_without_background_there_is_nothing_to_resume() -> None:
    """The provider keeps nothing; nor is there a point without a number to go on from."""
    assert read(CREATED, text("a", 1))[1].resume_point is None
    assert read(event("response.created", response={"id": "r"}), text("a"), background=True)[1].resume_point is None


def test_a_resumed_request_is_a_get_for_the_rest() -> None:
    """The id is quoted, the number is the last one that was read, and no body goes with it."""
    asked = request(options={"background": True}, resume=ResumePoint(response_id="resp/1", sequence=3))
    sent = adapter_for("openai-responses").encode(asked, ENDPOINT)
    assert (sent.method, sent.body) == ("GET", b"")
    assert sent.url == "https://example.test/v1/responses/resp%2F1?stream=true&starting_after=3"
    assert sent.headers["Authorization"] == "Bearer secret"


CALLING = [
    CREATED,
    text("Let me see.", 1),
    event("response.output_item.added", output_index=1, sequence_number=2, item=call("a", "f")),
    event("response.function_call_arguments.delta", output_index=1, sequence_number=3, delta='{"x"'),
    event("response.function_call_arguments.delta", output_index=1, sequence_number=4, delta=":1}"),
    event("response.output_item.done", output_index=1, sequence_number=5, item=call("a", "f", '{"x":1}')),
    event("response.output_item.added", output_index=2, sequence_number=6, item=call("b", "g")),
    event("response.output_item.done", output_index=2, sequence_number=7, item=call("b", "g", "{}")),
    {**ended(), "sequence_number": 8},
]


@pytest.mark.parametrize("place", range(1, len(CALLING)))
def test_a_resumed_stream_is_the_rest_wherever_it_broke(place: int) -> None:
    """Before and after a break together are the whole answer, tool calls that had begun included."""
    whole, _ = read(*CALLING)
    first = decoder(background=True)
    before = first.feed(sse(*CALLING[:place]))
    asked = request(options={"background": True}, resume=first.resume_point)
    second = adapter_for("openai-responses").decoder(asked)
    assert [*before, *second.feed(sse(*CALLING[place:]))] == whole
    assert second.done
    assert second.response_id == ("resp_1" if place else None)


async def test_a_background_answer_resumed_over_a_socket() -> None:
    """A cut answer's point makes the request for its rest; together they are the answer (loopback)."""
    cut = [Text("Half an ", "ans"), CleanEnd()]
    async with FakeProvider(cut, [Text("wer."), End()]) as provider:
        target = provider.target("openai-responses", background=True)
        points: list[ResumePoint] = []

        async def resuming(asked: Request, call: Any, call_next: Any) -> Any:
            asked = asked if not points else Request(messages=asked.messages, target=target, resume=points[0])
            try:
                async for batch in call_next(asked, call):
                    yield batch
            finally:
                if call.answering is not None and call.answering.resume_point is not None:
                    points.append(call.answering.resume_point)

        off = {"retry": RetryPolicy.off(), "recovery": Recovery.off()}
        async with Client(target, **off, middlewares=[resuming]) as client:  # type: ignore[arg-type]
            first = client.stream("hi")
            with pytest.raises(Exception, match="cut off"):
                await first.collect()
            second = await client.complete("hi")
    assert first.transcript.text + second.text == "Half an answer."
    assert (points[0].response_id, points[0].sequence) == ("resp_fakeprovider", 5)
    post, get = provider.requests
    assert (post.method, post.json["background"]) == ("POST", True)
    assert (get.method, get.path) == ("GET", "/v1/responses/resp_fakeprovider?stream=true&starting_after=5")


async def test_recovery_takes_a_background_answer_up_again(nothing_left: None) -> None:
    """Cut in mid-answer, the client asks the provider for the rest: one seam, nothing twice, a call in the rest."""
    async with FakeProvider([Text("Half an ", "ans"), Cut()], [Text("wer."), CallTool("now"), End()]) as provider:
        async with Client(provider.target("openai-responses", background=True)) as client:
            transcript = await client.complete("hi", tools=[WEATHER])
    assert (transcript.outcome, transcript.text, transcript.finish_reason) == (
        "complete",
        "Half an answer.",
        "tool_calls",
    )
    assert [(seam.method, seam.overlap) for seam in transcript.seams] == [("native", 0)]
    assert [request.method for request in provider.requests] == ["POST", "GET"]


# -- through the chain ------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["openai-responses", "xai-responses", "llamacpp-responses"])
async def test_a_failure_before_content_is_retried(provider: str, nothing_left: None) -> None:
    """An error event inside a 200, after the preamble, is one more failure before content (promise 2)."""
    error = [Preamble(), Event({"type": "keepalive", "sequence_number": 2}), ErrorEvent(503, "busy"), CleanEnd()]
    async with FakeProvider(error, [Text("Hel", "lo"), CallTool("now"), End()]) as server:
        async with Client(server.target(provider), retry=RetryPolicy(initial=0.001)) as client:
            transcript = await client.complete("hi", tools=[WEATHER])
    assert (transcript.outcome, transcript.text, transcript.finish_reason) == ("complete", "Hello", "tool_calls")
    assert [attempt.error and attempt.error.kind for attempt in transcript.attempts] == ["provider_overloaded", None]


def test_a_refused_summary_says_how_to_do_without() -> None:
    """An organization that is not verified learns the option that switches the summary off."""
    said = "Your organization must be verified to generate reasoning summaries."
    body = {"error": {"message": said, "type": "invalid_request_error", "param": "reasoning.summary"}}
    failure = adapter_for("openai-responses").classify(400, {}, json.dumps(body).encode())
    assert (failure.kind, failure.code) == ("permission_denied", "reasoning_summary")
    assert "option reasoning_summary" in error_for(failure, provider="openai-responses", model="gpt-5").resolution


NO_SUMMARIES = Status(400, body={"error": {
    "message": "Your organization must be verified to generate reasoning summaries.", "code": "unsupported_value",
    "type": "invalid_request_error", "param": "reasoning.summary",
}})  # fmt: skip


async def _reasoned(*scripts: Any, retry: RetryPolicy | None = None, **options: Any) -> tuple[Any, list[Any]]:
    """What came of a call with `reasoning=`, and the reasoning that each request asked for."""
    async with FakeProvider(*scripts) as server:
        target = server.target("openai-responses", model="gpt-5", **options)
        async with Client(target, retry=retry or RetryPolicy(initial=30)) as client:
            stream = client.stream("hi", reasoning="low")
            try:
                await stream.collect()
            except StreamError as error:
                return error, [request.json["reasoning"] for request in server.requests]
    return stream.transcript, [request.json["reasoning"] for request in server.requests]


async def test_a_refused_summary_is_left_out_at_once(nothing_left: None, caplog: pytest.LogCaptureFixture) -> None:
    """The same target is asked again without it, without a wait, and the log says so; it is an attempt like any."""
    transcript, asked = await _reasoned([NO_SUMMARIES], [Text("Hello."), End()])
    assert (transcript.outcome, transcript.text) == ("complete", "Hello.")
    assert asked == [{"effort": "low", "summary": "auto"}, {"effort": "low"}]
    assert [attempt.error and attempt.error.code for attempt in transcript.attempts] == ["reasoning_summary", None]
    assert "without it" in caplog.text
    assert "Retrying in 0" in caplog.text
    assert "attempt 2/5" in caplog.text


async def test_a_summary_stays_left_out_through_other_retries(nothing_left: None) -> None:
    """A later failure is retried as ever, and the refusal does not come again."""
    transcript, asked = await _reasoned(
        [NO_SUMMARIES], [Status(503)], [Text("Hello."), End()], retry=RetryPolicy(initial=0)
    )
    assert transcript.outcome == "complete"
    assert [fields.get("summary") for fields in asked] == ["auto", None, None]


@pytest.mark.parametrize(
    ("scripts", "retry", "options", "requests"),
    [
        ([[NO_SUMMARIES], [NO_SUMMARIES], [Text("no"), End()]], None, {}, 2),
        ([[NO_SUMMARIES], [Text("no"), End()]], RetryPolicy.off(), {}, 1),
        ([[NO_SUMMARIES], [Text("no"), End()]], None, {"reasoning_summary": "detailed"}, 1),
    ],
    ids=["refused again", "no retries", "asked for by the caller"],
)
async def test_a_refused_summary_is_left_out_once_and_only_if_nobody_asked_for_it(
    scripts: list[Any], retry: RetryPolicy | None, options: dict[str, Any], requests: int, nothing_left: None
) -> None:
    """Otherwise the refusal is the call's error, which says what to do."""
    error, asked = await _reasoned(*scripts, retry=retry, **options)
    assert isinstance(error, StreamError)
    assert error.code == "reasoning_summary"
    assert len(asked) == requests
    assert pickle.loads(pickle.dumps(error)).failure == error.failure
