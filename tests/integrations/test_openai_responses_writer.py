"""Events of the Responses API: each item is announced, streamed and said again, and the response has them all."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from resilient_stream.chunks import (
    Chunk,
    File,
    Finished,
    Logprobs,
    Raw,
    ReasoningDelta,
    Seam,
    ServerToolCall,
    Source,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from resilient_stream.conversation.progress import ToolProgress
from resilient_stream.conversation.turns import ToolResult, TurnStarted
from resilient_stream.failures import ErrorKind, Failure
from resilient_stream.formats.writer import About, Ending
from resilient_stream.integrations.openai import Refused, ResponsesWriter, write_response
from resilient_stream.integrations.openai.responses_writer import _WRITE, RESPONSES_LEFT_OUT
from resilient_stream.integrations.openai.sealed import reasoning_of
from resilient_stream.outcome.making import error_for
from resilient_stream.outcome.transcript import Transcript

ABOUT = About("abc", 1_700_000_000, "claude", "anthropic:claude")
WHOLE = Ending("complete", None, "stop", Usage(3, 4), target="openai:gpt")


def events(*items: Any, ending: Ending = WHOLE, body: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Everything that is written for these items, decoded; each event is numbered and has its name."""
    writer = ResponsesWriter(body)
    frames = [*writer.begin(ABOUT), *writer.write(items), *writer.end(ending)]
    made = []
    for number, frame in enumerate(frames):
        name, data, rest = frame.decode().split("\n", 2)
        event = json.loads(data.removeprefix("data: "))
        assert (name, rest) == (f"event: {event['type']}", "\n")
        assert event["sequence_number"] == number
        made.append(event)
    return made


def kinds(found: list[dict[str, Any]]) -> list[str]:
    """The names of events, without what all of them begin with."""
    return [event["type"].removeprefix("response.") for event in found]


def test_a_text_is_announced_streamed_and_said_again() -> None:
    """The response at the end has the same message."""
    found = events(TextDelta("Hel"), TextDelta('l"o\n…'), Finished("stop", "stop"))
    assert kinds(found) == [
        "created", "in_progress", "output_item.added", "content_part.added", "output_text.delta", "output_text.delta",
        "output_text.done", "content_part.done", "output_item.done", "completed",
    ]  # fmt: skip
    one, two = found[4], found[5]
    assert (one["delta"], two["delta"]) == ("Hel", 'l"o\n…')
    assert (one["item_id"], one["output_index"], one["content_index"]) == (found[2]["item"]["id"], 0, 0)
    assert found[6]["text"] == 'Hell"o\n…'
    response = found[-1]["response"]
    assert response["output"] == [found[8]["item"]]
    assert response["output"][0]["content"][0]["text"] == 'Hell"o\n…'
    assert (response["id"], response["object"], response["status"], response["model"]) == (
        "resp_abc", "response", "completed", "claude",
    )  # fmt: skip
    assert response["usage"] == {
        "input_tokens": 3, "output_tokens": 4, "total_tokens": 7,
        "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0},
    }  # fmt: skip


def test_the_response_repeats_the_request() -> None:
    """As the API does, with its own words for what was not said."""
    body = {"instructions": "Be brief.", "temperature": 0.5, "tools": [{"type": "function", "name": "f"}], "input": "x"}
    response = events(body=body)[-1]["response"]
    assert {name: response[name] for name in ("instructions", "temperature", "tools")} == {
        name: body[name] for name in ("instructions", "temperature", "tools")
    }
    assert (response["tool_choice"], response["parallel_tool_calls"], response["store"]) == ("auto", True, False)
    assert "input" not in response


def test_reasoning_is_a_summary_with_its_proof() -> None:
    """The proof is given back to the target that made it."""
    found = events(ReasoningDelta("H"), ReasoningDelta("m."), ReasoningDelta("", "sig"), TextDelta("a"))
    assert kinds(found)[2:9] == [
        "output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta",
        "reasoning_summary_text.delta", "reasoning_summary_text.done", "reasoning_summary_part.done",
        "output_item.done",
    ]  # fmt: skip
    part = reasoning_of(found[8]["item"])
    assert (part.text, part.signature, part.signed_by) == ("Hm.", "sig", "anthropic:claude")
    redacted = events(ReasoningDelta("", redacted="xyz"))[-1]["response"]["output"][0]
    assert reasoning_of(redacted).redacted == "xyz"


def test_a_proof_behind_a_seam_is_of_the_target_that_went_on() -> None:
    """It would be refused by the first one."""
    found = events(Seam("anthropic:claude", "gemini:g", "replay"), ReasoningDelta("", "sig"))
    assert reasoning_of(found[-1]["response"]["output"][0]).signed_by == "gemini:g"


def test_calls_are_items_of_their_own() -> None:
    """Also several at once, and whichever number they had."""
    found = events(
        TextDelta("a"), ToolCallDelta(1, "c1", "f", ""), ToolCallDelta(1, "c1", "f", '{"x":'),
        ToolCallDelta(2, "c2", "g", ""), ToolCallDelta(1, "c1", "f", "1}"),
        ToolCall(1, "c1", "f", '{"x":1}', {"x": 1}), ToolCall(2, "c2", "g", "", {}), ToolCall(5, "c3", "h", "{}", {}),
    )  # fmt: skip
    calls = found[-1]["response"]["output"][1:]
    assert [(call["call_id"], call["name"], call["arguments"], call["status"]) for call in calls] == [
        ("c1", "f", '{"x":1}', "completed"), ("c2", "g", "{}", "completed"), ("c3", "h", "{}", "completed"),
    ]  # fmt: skip
    for call in calls:
        pieces = [
            each["delta"]
            for each in found
            if each["type"].endswith("arguments.delta") and each["item_id"] == call["id"]
        ]
        assert "".join(pieces) == call["arguments"]
    assert [each["output_index"] for each in found if each["type"] == "response.output_item.done"] == [0, 1, 2, 3]


def test_a_call_of_a_conversation_is_written_only_where_nobody_answered_it() -> None:
    """Those that were answered here are none of the client's business."""
    items = [
        TurnStarted(1), ToolCallDelta(0, "a", "f", "{}"), ToolCall(0, "a", "f", "{}", {}),
        ToolResult("a", "f", "42", False, 0.1), TurnStarted(2), TextDelta("b"), ToolCall(0, "b", "ask", "{}", {}),
    ]  # fmt: skip
    output = events(*items)[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["message", "function_call"]
    assert output[1]["call_id"] == "b"


def test_sources_probabilities_and_pictures_have_their_place() -> None:
    """And items that came from the API itself go on as they came."""
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}}
    action = {"type": "computer_call", "id": "cu_1", "call_id": "c", "action": {}}
    found = events(
        ServerToolCall("ws_1", "web_search", native=search),
        ServerToolCall("x", "web_search", native={"type": "server_tool_use"}),
        TextDelta("a"), Source("https://e.com", "E", start=0, end=1), Source(title="a book"),
        Logprobs(({"token": "a"},)), File("image/png", b"\x89PNG"), File("audio/wav", b"RIFF"),
        Raw("openai-responses", "computer_call", action, "block"), Raw("anthropic", "x", {"type": "x"}),
    )  # fmt: skip
    output = found[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["web_search_call", "message", "image_generation_call", "computer_call"]
    assert (output[0], output[3]) == (search, action)
    citation = {"type": "url_citation", "url": "https://e.com", "title": "E", "start_index": 0, "end_index": 1}
    assert output[1]["content"][0]["annotations"] == [citation]
    assert output[1]["content"][0]["logprobs"] == [{"token": "a"}]
    assert output[2]["result"] == "iVBORw=="


@pytest.mark.parametrize(
    ("reason", "status", "why"),
    [
        ("stop", "completed", None), ("tool_calls", "completed", None),
        ("length", "incomplete", "max_output_tokens"), ("pause", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"), ("refusal", "incomplete", "content_filter"),
    ],
)  # fmt: skip
def test_an_answer_that_is_not_whole_is_incomplete(reason: Any, status: str, why: str | None) -> None:
    """The event has the name of the status."""
    last = events(TextDelta("a"), ending=Ending("complete", None, reason))[-1]
    assert last["type"] == f"response.{status}"
    assert last["response"]["status"] == status
    assert last["response"]["incomplete_details"] == (None if why is None else {"reason": why})


@pytest.mark.parametrize(("before", "place"), [([], 0), ([TextDelta("Well,")], 1)])
def test_a_refusal_is_a_part_of_its_own(before: list[Any], place: int) -> None:
    """Behind the text, if there is one."""
    found = events(*before, Finished("refusal", "x", "refusal", "I won't."), ending=Ending("complete", None, "refusal"))
    [item] = found[-1]["response"]["output"]
    assert item["content"][place] == {"type": "refusal", "refusal": "I won't."}
    assert [each["content_index"] for each in found if each["type"] == "response.refusal.done"] == [place]
    assert found[-1]["type"] == "response.completed"


def test_a_failure_is_an_error_and_a_failed_response() -> None:
    """An SDK raises the first; the second is how the API ends."""
    error = error_for(Failure(kind=ErrorKind.RATE_LIMITED), provider="openai", model="gpt")
    *_, said, last = events(TextDelta("a"), ending=Ending("failed", error))
    assert (said["type"], said["code"], said["error"]["code"]) == (
        "error",
        "rate_limit_exceeded",
        "rate_limit_exceeded",
    )
    assert (last["type"], last["response"]["status"]) == ("response.failed", "failed")
    assert last["response"]["error"]["message"] == said["message"]


def test_what_a_client_cannot_act_on_is_a_failure() -> None:
    """An answer that begins anew, and a call that must not be run."""
    restart = Seam("x:y", "z:w", "restart", restart=True)
    assert kinds(events(TextDelta("a"), restart, TextDelta("b")))[-2:] == ["error", "failed"]
    assert kinds(events(restart, TextDelta("b")))[-1] == "completed"
    assert kinds(events(ToolCall(0, "a", "f", "{}", None, error="two names")))[-2:] == ["error", "failed"]


def test_a_continuation_is_not_to_be_seen() -> None:
    """It is one message."""
    [item] = events(TextDelta("a"), Seam("x:y", "z:w", "prefill"), TextDelta("b"))[-1]["response"]["output"]
    assert item["content"][0]["text"] == "ab"


def test_a_stopped_answer_is_incomplete() -> None:
    """Somebody wanted it so, and it is no failure."""
    assert events(TextDelta("a"), ending=Ending("abandoned", stopped=True))[-1]["type"] == "response.incomplete"
    assert events(TextDelta("a"), ending=Ending("abandoned"))[-1]["type"] == "response.failed"


def test_every_item_of_an_answer_has_a_place_or_a_reason() -> None:
    """A new class of chunk is written, or a row says why not."""
    found = {kind.type for kind in (*get_args(Chunk), TurnStarted, ToolResult, ToolProgress)}
    assert found == {"text_delta", *_WRITE, *RESPONSES_LEFT_OUT}


def test_a_whole_answer_is_the_response_of_its_stream() -> None:
    """With the items in their order."""
    transcript = Transcript()
    transcript._receive([
        ReasoningDelta("Hm."), TextDelta("a"), ToolCall(0, "c", "f", "{}", {}), Usage(3, 4),
        Finished("tool_calls", "x"),
    ])  # fmt: skip
    transcript.target = "openai:gpt"
    made = json.loads(write_response(transcript, ABOUT, {"temperature": 0.5}))
    assert [item["type"] for item in made["output"]] == ["reasoning", "message", "function_call"]
    assert (made["status"], made["temperature"], made["usage"]["total_tokens"]) == ("completed", 0.5, 7)
    transcript._receive([ToolCall(1, "d", "f", "{}", None, error="two names")])
    with pytest.raises(Refused, match="two names"):
        write_response(transcript, ABOUT)
