"""Gemini's Interactions API: what is sent, what its steps become, and how a broken stream is taken up again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from resilient_stream import Client, Message, Tool
from resilient_stream.chunks import Finished, ReasoningDelta, TextDelta, ToolCall, ToolCallDelta, Usage
from resilient_stream.contract import Decoder, Endpoint, HttpRequest, Request, ResumePoint
from resilient_stream.messages import FunctionCall, ImagePart, ReasoningPart, TextPart, to_messages
from resilient_stream.providers.google.interactions import ADAPTER
from resilient_stream.providers.google.interactions_stream import FAILED_STATUSES, FINISH_REASONS, interaction_decoder
from resilient_stream.target import Target
from resilient_stream.testing import CallTool, Cut, End, FakeProvider, Text

WEATHER = Tool(name="weather", description="The weather.", parameters={"type": "object", "properties": {}})


# -- what is sent -----------------------------------------------------------------------------


def encoded(*messages: Message, options: dict[str, Any] | None = None, **fields: Any) -> HttpRequest:
    """The request for these turns."""
    target = Target("gemini-interactions:gemini-2.5-flash", **(options or {}))
    request = Request(messages=messages or tuple(to_messages("hi")), target=target, **fields)
    return ADAPTER.encode(request, Endpoint(base_url="https://g.test", api_key="k"))


def body(*messages: Message, **fields: Any) -> dict[str, Any]:
    """Its JSON."""
    found: dict[str, Any] = json.loads(encoded(*messages, **fields).body)
    return found


def test_a_plain_question_is_one_step_and_is_not_stored() -> None:
    """What was not asked for is not sent."""
    sent = encoded()
    assert (sent.method, sent.url) == ("POST", "https://g.test/v1beta/interactions")
    assert sent.headers["x-goog-api-key"] == "k"
    assert json.loads(sent.body) == {
        "model": "gemini-2.5-flash",
        "input": [{"type": "user_input", "content": [{"type": "text", "text": "hi"}]}],
        "stream": True,
        "store": False,
    }


def test_every_option_has_its_field() -> None:
    """Sampling, tools, a tool demanded, a schema and reasoning under the API's names; extra is merged into them."""
    system = Message(role="system", content="Be brief.")
    sent = body(
        system, *to_messages("hi"), max_tokens=9, temperature=0.5, top_p=0.9, stop=("a",), seed=7, tools=(WEATHER,),
        tool_choice="weather", output={"type": "object"}, reasoning="low",
        extra={"labels": {"a": "b"}, "generation_config": {"seed": 8}},
    )  # fmt: skip
    assert sent["system_instruction"] == "Be brief."
    assert sent["generation_config"] == {
        "max_output_tokens": 9, "temperature": 0.5, "top_p": 0.9, "stop_sequences": ["a"], "seed": 8,
        "tool_choice": {"allowed_tools": {"mode": "any", "tools": ["weather"]}},
        "thinking_level": "low", "thinking_summaries": "auto",
    }  # fmt: skip
    assert sent["tools"] == [{"type": "function", **WEATHER.model_dump(include={"name", "description", "parameters"})}]
    assert sent["response_format"] == {"type": "text", "mime_type": "application/json", "schema": {"type": "object"}}
    assert sent["labels"] == {"a": "b"}


@pytest.mark.parametrize(("choice", "sent"), [("auto", "auto"), ("none", "none"), ("required", "any")])
def test_a_tool_choice_has_the_apis_word(choice: str, sent: str) -> None:
    """Google says any where others say required."""
    assert body(tool_choice=choice)["generation_config"] == {"tool_choice": sent}


@pytest.mark.parametrize(("reasoning", "level"), [("none", "minimal"), (0, "minimal"), (100, "low"), ("high", "high")])
def test_reasoning_is_a_level(reasoning: str | int, level: str) -> None:
    """A budget becomes the nearest; no reasoning is the least."""
    assert body(reasoning=reasoning)["generation_config"]["thinking_level"] == level


def test_a_conversation_goes_back_as_its_steps() -> None:
    """Signed thoughts, text, calls with their signatures, and results by id and name; unsigned thoughts stay here."""
    thought = ReasoningPart(text="Hm.", signature="sig", signed_by="gemini-interactions:m")
    call = FunctionCall(id="c1", name="weather", arguments='{"city":"Oslo"}', signature="s2")
    turns = [
        Message(role="user", content=(TextPart(text="What?"), ImagePart(url="data:image/png;base64,AA=="))),
        Message(
            role="assistant", content=(thought, ReasoningPart(text="hm"), TextPart(text="See:")), tool_calls=(call,)
        ),
        Message(role="tool", content="rain", tool_call_id="c1"),
        Message(role="user", content=(ImagePart(url="https://example.com/a.png"),)),
    ]
    assert body(*turns)["input"] == [
        {"type": "user_input", "content": [
            {"type": "text", "text": "What?"}, {"type": "image", "mime_type": "image/png", "data": "AA=="}]},
        {"type": "thought", "signature": "sig", "summary": [{"type": "text", "text": "Hm."}]},
        {"type": "model_output", "content": [{"type": "text", "text": "See:"}]},
        {"type": "function_call", "id": "c1", "name": "weather", "arguments": {"city": "Oslo"}, "signature": "s2"},
        {"type": "function_result", "call_id": "c1", "name": "weather", "result": "rain"},
        {"type": "user_input", "content": [{"type": "image", "uri": "https://example.com/a.png"}]},
    ]  # fmt: skip


# -- what arrives -----------------------------------------------------------------------------


def sse(*events: dict[str, Any]) -> bytes:
    """Events as they are streamed."""
    return b"".join(f"event: {event['event_type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


def started(index: int, kind: str, **step: Any) -> dict[str, Any]:
    """A step begins."""
    return {"event_type": "step.start", "index": index, "step": {"type": kind, **step}}


def delta(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    """A step goes on."""
    return {"event_type": "step.delta", "index": index, "delta": {"type": kind, **fields}}


def stopped(index: int) -> dict[str, Any]:
    """A step is whole."""
    return {"event_type": "step.stop", "index": index}


def completed(status: str = "completed", **fields: Any) -> dict[str, Any]:
    """The end."""
    return {"event_type": "interaction.completed", "interaction": {"id": "i1", "status": status, **fields}}


CREATED = {"event_type": "interaction.created", "interaction": {"id": "i1", "status": "in_progress", "model": "g"}}


def read(*events: dict[str, Any], **options: Any) -> tuple[list[Any], Decoder]:
    """Decode a whole body, and end it."""
    reader = interaction_decoder("gemini-interactions", max_event_bytes=1 << 20, **options)
    return [*reader.feed(sse(*events)), *reader.finish()], reader


def test_steps_become_chunks() -> None:
    """What it thought with its proof, text, a call whole, the counts, and the status last of all."""
    chunks, reader = read(
        CREATED, started(0, "thought"), delta(0, "thought_summary", content={"type": "text", "text": "Hm."}),
        delta(0, "thought_signature", signature=""), delta(0, "thought_signature", signature="sig"), stopped(0),
        started(1, "model_output"), delta(1, "text", text="See:"), stopped(1),
        started(2, "function_call", id="c1", name="weather", arguments={}, signature=""),
        delta(2, "arguments_delta", arguments='{"city":'), delta(2, "arguments_delta", arguments='"Oslo"}'), stopped(2),
        completed("requires_action", usage={
            "total_input_tokens": 9, "total_output_tokens": 5, "total_thought_tokens": 3, "total_cached_tokens": 0}),
    )  # fmt: skip
    assert chunks == [
        ReasoningDelta("Hm."), ReasoningDelta("", "sig"), TextDelta("See:"),
        ToolCallDelta(0, "c1", "weather", ""), ToolCallDelta(0, "c1", "weather", '{"city":'),
        ToolCallDelta(0, "c1", "weather", '"Oslo"}'),
        ToolCall(0, "c1", "weather", '{"city":"Oslo"}', {"city": "Oslo"}),
        Usage(9, 5, 3, 0), Finished("tool_calls", "requires_action"),
    ]  # fmt: skip
    assert (reader.done, reader.model, reader.response_id) == (True, "g", "i1")


@pytest.mark.parametrize("status", [*FINISH_REASONS, "something_new"])
def test_a_status_that_ends_an_answer(status: str) -> None:
    """Its word and ours; one that nobody knows is another end."""
    chunks, reader = read(CREATED, started(0, "model_output"), delta(0, "text", text="a"), completed(status))
    assert chunks == [TextDelta("a"), Finished(*FINISH_REASONS.get(status, ("other", None))[:1], status,
                                               *FINISH_REASONS.get(status, ("other", None))[1:])]  # fmt: skip
    assert reader.failure is None


@pytest.mark.parametrize("status", FAILED_STATUSES)
def test_a_status_that_is_no_answer(status: str) -> None:
    """A failure, read by the error beside it where there is one."""
    _, reader = read(CREATED, completed(status))
    assert reader.failure is not None
    assert (reader.failure.kind, reader.failure.code) == (FAILED_STATUSES[status], status)
    said = {"code": "RESOURCE_EXHAUSTED", "message": "You exceeded your current quota"}
    _, reader = read(CREATED, completed("failed", errors=[said]))
    assert reader.failure is not None
    assert reader.failure.kind in ("quota_exhausted", "rate_limited")


def test_an_error_among_the_events_ends_it() -> None:
    """What stood before it is delivered."""
    said = {"event_type": "error", "error": {"code": "UNAVAILABLE", "message": "The model is overloaded."}}
    chunks, reader = read(CREATED, started(0, "model_output"), delta(0, "text", text="a"), said, completed())
    assert chunks == [TextDelta("a")]
    assert reader.failure is not None
    assert reader.failure.kind == "provider_overloaded"


def test_an_end_without_a_status_is_no_end() -> None:
    """`[DONE]` without a status does not make an answer complete."""
    reader = interaction_decoder("gemini-interactions", max_event_bytes=1 << 20)
    body = sse(CREATED, started(0, "model_output"), delta(0, "text", text="a")) + b"event: done\ndata: [DONE]\n\n"
    assert reader.feed(body) == [TextDelta("a")]
    assert reader.failure is not None
    assert reader.failure.code == "no_end_marker"


@pytest.mark.parametrize("status", ["in_progress", "queued"])
def test_a_whole_answer_that_still_runs_is_none(status: str) -> None:
    """A status is an end, or it is not."""
    target = Target("gemini-interactions:m", stream=False)
    reader = ADAPTER.whole_decoder(Request(messages=tuple(to_messages("hi")), target=target, stream=False))
    steps = [{"type": "model_output", "content": [{"type": "text", "text": "a"}]}]
    assert [*reader.feed(json.dumps({"id": "i", "status": status, "steps": steps}).encode()), *reader.finish()] == []
    assert not reader.done


# -- taken up again ---------------------------------------------------------------------------


def numbered(*events: dict[str, Any]) -> list[dict[str, Any]]:
    """With the ids by which a stream can be taken up again."""
    return [{**event, "event_id": f"e{number}"} for number, event in enumerate(events)]


ANSWER = numbered(
    CREATED, started(0, "model_output"), delta(0, "text", text="Half "), delta(0, "text", text="an answer."),
    stopped(0), started(1, "function_call", id="c1", name="weather", arguments={}),
    delta(1, "arguments_delta", arguments='{"a":'), delta(1, "arguments_delta", arguments="1}"), stopped(1),
    completed("requires_action"),
)  # fmt: skip


@pytest.mark.parametrize("place", range(1, len(ANSWER)))
def test_a_resumed_stream_is_the_rest_wherever_it_broke(place: int) -> None:
    """The chunks of both parts are those of the unbroken stream, a call that had begun included; twice over."""
    whole, _ = read(*ANSWER)
    first = interaction_decoder("gemini-interactions", max_event_bytes=1 << 20, background=True)
    begin = first.feed(sse(*ANSWER[:place]))
    point = first.resume_point
    assert point is not None
    for _ in range(2):
        second = interaction_decoder("gemini-interactions", max_event_bytes=1 << 20, background=True, resume=point)
        assert [*begin, *second.feed(sse(*ANSWER[place:]))] == whole
        assert second.response_id == "i1"


def test_a_point_makes_a_get_for_the_rest() -> None:
    """After the last event that was decoded, of that interaction."""
    first = interaction_decoder("gemini-interactions", max_event_bytes=1 << 20, background=True)
    first.feed(sse(*ANSWER[:3]))
    assert first.resume_point is not None
    sent = encoded(options={"background": True}, resume=first.resume_point)
    assert (sent.method, sent.body) == ("GET", b"")
    assert sent.url == "https://g.test/v1beta/interactions/i1?stream=true&last_event_id=e2"


def test_only_background_stores_and_resumes() -> None:
    """Nothing is kept at the provider that was not asked to be."""
    assert (body(options={"background": True})["store"], body(options={"background": True})["background"]) == (
        True,
        True,
    )
    first = interaction_decoder("gemini-interactions", max_event_bytes=1 << 20)
    first.feed(sse(*ANSWER[:3]))
    assert first.resume_point is None


async def test_recovery_takes_a_background_answer_up_again(nothing_left: None) -> None:
    """Cut in mid-answer, the client asks the provider for the rest: one seam, nothing twice, a call in the rest."""
    async with FakeProvider([Text("Half an ", "ans"), Cut()], [Text("wer."), CallTool("weather"), End()]) as provider:
        async with Client(provider.target("gemini-interactions", background=True)) as client:
            transcript = await client.complete("hi", tools=[WEATHER])
    assert (transcript.outcome, transcript.text) == ("complete", "Half an answer.")
    assert transcript.finish_reason == "tool_calls"
    assert [(seam.method, seam.overlap) for seam in transcript.seams] == [("native", 0)]
    assert [request.method for request in provider.requests] == ["POST", "GET"]


def test_a_point_without_an_id_is_none() -> None:
    """A stateless interaction has an empty id."""
    first = interaction_decoder("gemini-interactions", max_event_bytes=1 << 20, background=True)
    first.feed(sse({**CREATED, "interaction": {"id": "", "status": "in_progress"}}, delta(0, "text", text="a")))
    assert first.resume_point is None
    assert ResumePoint(response_id="i", sequence=0).state is None
