"""Chunks of a chat completion: what each item of an answer is written as, and how it ends."""

from __future__ import annotations

import base64
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
    ServerToolResult,
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
from resilient_stream.integrations.openai import ChatWriter
from resilient_stream.integrations.openai.chat_writer import _WRITE, LEFT_OUT
from resilient_stream.integrations.openai.errors import ERRORS
from resilient_stream.outcome.making import error_for

ABOUT = About("abc", 1_700_000_000, "gpt")
WHOLE = Ending("complete", None, "stop", Usage(3, 4), target="openai:gpt")


def events(writer: ChatWriter, *items: Any, ending: Ending = WHOLE) -> list[Any]:
    """Everything that is written for these items, decoded; `[DONE]` as None."""
    frames = [*writer.begin(ABOUT), *writer.write(items), *writer.end(ending)]
    assert all(frame.startswith(b"data: ") and frame.endswith(b"\n\n") and b"\n" not in frame[:-2] for frame in frames)
    said = [frame[6:-2] for frame in frames]
    return [None if each == b"[DONE]" else json.loads(each) for each in said]


def deltas(*items: Any, ending: Ending = WHOLE) -> list[dict[str, Any]]:
    """The deltas of these items, without the first chunk and the last."""
    first, *made, last, done = events(ChatWriter(), *items, ending=ending)
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert done is None
    assert last["choices"][0]["delta"] == {}
    return [event["choices"][0]["delta"] for event in made]


def test_an_answer_has_its_role_its_text_its_end_and_the_mark() -> None:
    """Each chunk has the same head."""
    role, one, two, last, done = events(ChatWriter(), TextDelta("Hel"), TextDelta('l"o\n…'), Finished("stop", "stop"))
    head = {"id": "chatcmpl-abc", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "gpt"}
    assert all({name: event[name] for name in head} == head for event in (role, one, two, last))
    assert [event["choices"][0]["delta"].get("content") for event in (role, one, two)] == ["", "Hel", 'l"o\n…']
    assert [event["choices"][0]["finish_reason"] for event in (role, one, last)] == [None, None, "stop"]
    assert "usage" not in one
    assert done is None


def test_the_counts_come_only_where_they_were_asked_for() -> None:
    """Chunks have a null before, and the last one has no choice."""
    *chunks, last, done = events(ChatWriter(include_usage=True), TextDelta("a"))
    assert all(chunk["usage"] is None for chunk in chunks)
    assert (last["choices"], done) == ([], None)
    assert last["usage"] == {
        "prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0},
    }  # fmt: skip


def test_counts_are_openais_whoever_counted() -> None:
    """Anthropic's input leaves out what was cached, Gemini's output leaves out the reasoning."""
    usage = Usage(3, 4, 10, 20, 30)
    claude = events(ChatWriter(include_usage=True), ending=Ending("complete", usage=usage, target="anthropic:c"))[-2]
    gemini = events(ChatWriter(include_usage=True), ending=Ending("complete", usage=usage, target="gemini:g"))[-2]
    assert [claude["usage"][name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")] == [53, 4, 57]
    assert [gemini["usage"][name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")] == [3, 14, 17]


def test_no_counts_are_made_up() -> None:
    """Where the provider gave none, there is no chunk with some."""
    assert "usage" not in json.dumps(events(ChatWriter(), ending=Ending("complete", usage=Usage(certainty="unknown"))))
    last = events(ChatWriter(include_usage=True), ending=Ending("complete", usage=Usage(certainty="unknown")))[-2]
    assert last["usage"] is None


def test_calls_are_numbered_from_zero_and_named_once() -> None:
    """An SDK keeps them in a list; the number of Anthropic's block would leave a hole in it."""
    items = [
        ToolCallDelta(1, "a", "f", ""), ToolCallDelta(1, "a", "f", '{"x":'), ToolCallDelta(1, "a", "f", "1}"),
        ToolCall(1, "a", "f", '{"x":1}', {"x": 1}),
        ToolCall(4, "b", "g", "", {}),
    ]  # fmt: skip
    made = [each["tool_calls"][0] for each in deltas(*items)]
    assert made == [
        {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"x":'}},
        {"index": 0, "function": {"arguments": "1}"}},
        {"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]


def test_a_call_without_arguments_has_an_empty_object() -> None:
    """Fragments that said nothing are completed by it, since a client decodes what it got."""
    made = deltas(ToolCallDelta(0, "a", "f", ""), ToolCall(0, "a", "f", "", {}))
    assert [each["tool_calls"][0]["function"]["arguments"] for each in made] == ["", "{}"]


def test_a_call_that_must_not_be_run_ends_the_answer() -> None:
    """A client that reads its arguments would run it."""
    call = ToolCall(0, "a", "f", "{}", None, error="it has two names")
    said = events(ChatWriter(), call, TextDelta("more"))
    assert "it has two names" in said[1]["error"]["message"]
    assert said[2:] == [None]


def test_a_call_of_a_conversation_is_written_only_where_nobody_answered_it() -> None:
    """Those that were answered here are none of the client's business."""
    items = [
        TurnStarted(1), ToolCall(0, "a", "f", "{}", {}), ToolResult("a", "f", "42", False, 0.1),
        TurnStarted(2), TextDelta("It is 42."), ToolCallDelta(0, "b", "ask", "{}"), ToolCall(0, "b", "ask", "{}", {}),
        ToolCall(1, "", "f", "{}", {}), ToolResult("call_2_1", "f", "", False, 0.1),
    ]  # fmt: skip
    text, call = deltas(*items)
    assert text == {"content": "It is 42."}
    assert call["tool_calls"][0] == {
        "index": 0, "id": "b", "type": "function", "function": {"name": "ask", "arguments": "{}"},
    }  # fmt: skip


def test_reasoning_sources_files_and_probabilities_have_their_fields() -> None:
    """Each in the field that OpenAI has for it, or that other hosts have."""
    sound = File("audio/wav", b"RIFF", id="x", text="Hi")
    items = [
        ReasoningDelta("Hm."), ReasoningDelta("", signature="s"), Source("https://e.com", "E", start=1, end=3),
        Source(title="a book"), File("image/png", b"\x89PNG"), File("image/png", url="https://e.com/p.png"), sound,
        File("application/pdf", b"%PDF", id="file-1"),
    ]  # fmt: skip
    thought, cited, picture, link, audio, document = deltas(*items)
    assert thought == {"reasoning_content": "Hm."}
    citation = {"url": "https://e.com", "title": "E", "start_index": 1, "end_index": 3}
    assert cited == {"annotations": [{"type": "url_citation", "url_citation": citation}]}
    assert picture["images"][0]["image_url"]["url"] == "data:image/png;base64,iVBORw=="
    assert link["images"][0]["image_url"]["url"] == "https://e.com/p.png"
    assert (base64.b64decode(audio["audio"]["data"]), audio["audio"]["transcript"]) == (b"RIFF", "Hi")
    assert document["files"][0]["file"]["file_id"] == "file-1"
    token = {"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}
    probable = events(ChatWriter(), Logprobs((token,)))[1]["choices"][0]
    assert probable["logprobs"] == {"content": [token], "refusal": None}


@pytest.mark.parametrize(
    ("reason", "explanation", "written"),
    [
        ("stop", "", "stop"), ("length", "", "length"), ("tool_calls", "", "tool_calls"),
        ("content_filter", "", "content_filter"), ("refusal", "", "content_filter"), ("refusal", "I won't.", "stop"),
        ("pause", "", "length"), ("other", "", "stop"),
    ],
)  # fmt: skip
def test_why_it_ended_is_in_openais_words(reason: Any, explanation: str, written: str) -> None:
    """An answer that was cut or paused does not look like a whole one; a refusal in words has its own field."""
    finished = Finished(reason, "raw", explanation=explanation)
    *_, before, last, done = events(ChatWriter(), finished, ending=Ending("complete", None, reason))
    assert last["choices"][0]["finish_reason"] == written
    assert before["choices"][0]["delta"].get("refusal", "") == explanation
    assert done is None


def test_a_continuation_is_not_to_be_seen() -> None:
    """Whoever reads has one answer."""
    assert deltas(TextDelta("a"), Seam("x:y", "z:w", "prefill"), TextDelta("b")) == [{"content": "a"}, {"content": "b"}]


def test_an_answer_that_begins_anew_ends_with_an_error() -> None:
    """What was sent cannot be taken back; where nothing was, nothing has to be."""
    restart = Seam("x:y", "z:w", "restart", restart=True)
    said = events(ChatWriter(), TextDelta("a"), restart, TextDelta("b"))
    assert (list(said[2]), said[3:]) == (["error"], [None])
    assert deltas(restart, TextDelta("b")) == [{"content": "b"}]


def test_a_failure_is_an_error_in_the_stream() -> None:
    """It is the event by which the SDK raises an APIError, and then the end mark."""
    error = error_for(Failure(kind=ErrorKind.RATE_LIMITED), provider="openai", model="gpt")
    *_, said, done = events(ChatWriter(), TextDelta("a"), ending=Ending("failed", error))
    assert said["error"].keys() == {"message", "type", "param", "code"}
    assert (said["error"]["code"], done) == ("rate_limit_exceeded", None)
    assert error.resolution not in said["error"]["message"]
    *_, told, _ = events(ChatWriter(advice=True), ending=Ending("failed", error))
    assert error.resolution in told["error"]["message"]


def test_an_answer_that_ended_early_does_not_look_whole() -> None:
    """There is no reason why the model ended, and an error says so."""
    *_, said, done = events(ChatWriter(), TextDelta("a"), ending=Ending("abandoned"))
    assert (said["error"]["code"], done) == ("stream_interrupted", None)


def test_an_answer_that_was_stopped_on_purpose_is_no_failure() -> None:
    """It ends as one that is not whole, without an error."""
    *_, last, done = events(ChatWriter(), TextDelta("a"), ending=Ending("abandoned", stopped=True))
    assert (last["choices"][0]["finish_reason"], done) == ("length", None)


def test_a_refused_answer_has_openais_status_and_is_not_tried_again() -> None:
    """The SDK makes its own class of the status, and does not repeat what was tried often enough."""
    error = error_for(Failure(kind=ErrorKind.RATE_LIMITED, retry_after=3.2), provider="openai", model="gpt")
    answer = ChatWriter().refusal(error)
    assert answer.status == 429
    assert (answer.headers["x-should-retry"], answer.headers["retry-after"]) == ("false", "4")
    assert json.loads(answer.body)["error"]["type"] == "rate_limit_error"


def test_every_kind_of_error_has_a_row() -> None:
    """A new kind is decided on here."""
    assert ERRORS.keys() == set(ErrorKind)
    assert all(400 <= row.status < 600 and row.type for row in ERRORS.values())


def test_every_item_of_an_answer_has_a_place_or_a_reason() -> None:
    """A new class of chunk is written, or a row says why not."""
    kinds = {kind.type for kind in (*get_args(Chunk), TurnStarted, ToolResult, ToolProgress)}
    assert kinds == {"text_delta", *_WRITE, *LEFT_OUT}
    assert not _WRITE.keys() & LEFT_OUT.keys()


def test_what_has_no_place_is_left_out() -> None:
    """It does not disturb the rest."""
    items = [
        Usage(1, 2), ServerToolCall("a", "web_search"), ServerToolResult("a", "web_search"), Raw("x", "y", {}),
        ToolProgress("a", "f"), TextDelta("z"),
    ]  # fmt: skip
    assert deltas(*items) == [{"content": "z"}]


def test_a_model_of_ones_own_name_is_written() -> None:
    """A client that compares finds what it asked for."""
    assert {event["model"] for event in events(ChatWriter(model="mine"), TextDelta("a")) if event} == {"mine"}
