"""The Interactions API's searches, code, files and annotations: what is read of them, and what goes back."""

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
from resilient_stream.providers.google.interactions import ADAPTER
from resilient_stream.target import Target
from tests.providers.recordings import recordings
from tests.providers.test_interactions import CREATED, body, completed, delta, sse, started, stopped


def _request(**fields: Any) -> Request:
    target = Target("gemini-interactions:gemini-3-flash")
    return Request(
        messages=to_messages("hi"), target=target, **{"extra": {"tools": [{"type": "google_search"}]}, **fields}
    )


def _read(*events: dict[str, Any], **fields: Any) -> list[Chunk]:
    """The chunks of a stream with a search, each event in a read of its own."""
    decoder = ADAPTER.decoder(_request(**fields))
    reads = [decoder.feed(sse(event)) for event in (CREATED, *events, completed())]
    assert decoder.failure is None
    return [chunk for batch in reads for chunk in batch if not isinstance(chunk, Finished)]


def _whole(*steps: dict[str, Any]) -> list[Chunk]:
    decoder = ADAPTER.whole_decoder(_request(stream=False))
    decoder.feed(json.dumps({"id": "i1", "status": "completed", "steps": steps}).encode())
    return [chunk for chunk in decoder.finish() if not isinstance(chunk, Finished)]


CODE = {"language": "python", "code": "print(1)"}
STEPS: list[dict[str, Any]] = [
    {"type": "thought", "signature": "S0"},
    {"type": "google_search_call", "id": "s1", "arguments": {"queries": ["x"]}, "signature": "S1"},
    {"type": "google_search_result", "call_id": "s1", "result": [{"search_suggestions": "<p>"}], "signature": "S2"},
    {"type": "code_execution_call", "id": "c1", "arguments": CODE, "signature": "S3"},
    {"type": "code_execution_result", "call_id": "c1", "result": "1\n", "is_error": False},
    {"type": "url_context_call", "id": "u1", "arguments": {"urls": ["u"]}},
    {"type": "url_context_result", "call_id": "u1", "result": [{"url": "u", "status": "error"}], "is_error": True},
    {"type": "file_search_call", "id": "f1", "signature": "S4"},
    {"type": "file_search_result", "call_id": "f1", "signature": "S5"},
    {"type": "mcp_server_tool_call", "id": "m1", "name": "look", "server_name": "docs", "arguments": {"q": 1}},
    {"type": "mcp_server_tool_result", "call_id": "m1", "result": "found", "server_name": "docs"},
    {"type": "model_output", "content": [{"type": "image", "mime_type": "image/png", "data": "AA=="}]},
    {"type": "model_output", "content": [{"type": "text", "text": "So."}]},
]
CHUNKS: list[Chunk] = [
    ReasoningDelta("", "S0"),
    ServerToolCall("s1", "google_search", '{"queries":["x"]}', {"queries": ["x"]}, STEPS[1]),
    ServerToolResult("s1", "google_search", [{"search_suggestions": "<p>"}], False, STEPS[2]),
    ServerToolCall("c1", "code_execution", "print(1)", CODE, STEPS[3]),
    ServerToolResult("c1", "code_execution", "1\n", False, STEPS[4]),
    ServerToolCall("u1", "url_context", '{"urls":["u"]}', {"urls": ["u"]}, STEPS[5]),
    ServerToolResult("u1", "url_context", [{"url": "u", "status": "error"}], True, STEPS[6]),
    ServerToolCall("f1", "file_search", "{}", None, STEPS[7]),
    ServerToolResult("f1", "file_search", None, False, STEPS[8]),
    ServerToolCall("m1", "look", '{"q":1}', {"q": 1}, STEPS[9]),
    ServerToolResult("m1", "look", "found", False, STEPS[10]),
    File("image/png", b"\0", native=STEPS[11]),
    TextDelta("So."),
]


def _streamed() -> list[dict[str, Any]]:
    """The steps as a stream gives them: begun with their ids, filled by deltas of their own types, and stopped."""
    events: list[dict[str, Any]] = []
    for index, step in enumerate(STEPS):
        ids = {name: step[name] for name in ("id", "call_id", "name", "server_name") if name in step}
        events.append(started(index, step["type"], **ids))
        rest = {name: value for name, value in step.items() if name not in ids and name != "type"}
        if step["type"] == "model_output":
            events += [{"event_type": "step.delta", "index": index, "delta": part} for part in step["content"]]
        elif step["type"] == "thought":
            events.append(delta(index, "thought_signature", **rest))
        elif step["type"] == "code_execution_result":
            events += [
                delta(index, step["type"], result="1", signature=""),
                delta(index, step["type"], **{**rest, "result": "\n"}),
            ]
        else:
            events.append(delta(index, step["type"], **rest))
        events.append(stopped(index))
    return events


def test_tools_and_files_are_read_in_their_places() -> None:
    """Streamed, and in one piece."""
    assert _read(*_streamed()) == CHUNKS
    assert _whole(*STEPS) == CHUNKS


def test_arguments_may_come_as_text() -> None:
    """As those of a function do."""
    pieces = [delta(0, "arguments_delta", arguments=text) for text in ('{"queries":', '["x"]}')]
    events = [started(0, "google_search_call", id="s1", arguments={}), *pieces, stopped(0)]
    native = {"type": "google_search_call", "id": "s1", "arguments": {"queries": ["x"]}}
    assert _read(*events) == [ServerToolCall("s1", "google_search", '{"queries":["x"]}', {"queries": ["x"]}, native)]


def test_files_of_a_tool_are_its_results() -> None:
    """They go back in the step that has them, and the caller gets them beside it."""
    picture = {"type": "image", "mime_type": "image/png", "data": "AA=="}
    made = {"type": "code_execution_result", "call_id": "c1", "result": [{"type": "text", "text": "ok"}, picture]}
    assert _whole(made) == [
        ServerToolResult("c1", "code_execution", made["result"], False, made),
        File("image/png", b"\0"),
    ]


def test_pieces_of_a_recording_come_as_they_are_made() -> None:
    """Their bytes joined are the recording; a link is a file as well."""
    piece = {"type": "audio", "mime_type": "audio/l16", "data": "AAE=", "sample_rate": 24000}
    linked = {"type": "video", "mime_type": "video/mp4", "uri": "https://v.test"}
    events = [{"event_type": "step.delta", "index": 0, "delta": each} for each in (piece, piece, linked)]
    whole = [{"type": "model_output", "content": [each]} for each in (piece, piece, linked)]
    assert _read(started(0, "model_output"), *events, stopped(0)) == [
        File("audio/l16", b"\0\1", native=whole[0]),
        File("audio/l16", b"\0\1", native=whole[1]),
        File("video/mp4", url="https://v.test", native=whole[2]),
    ]


ANNOTATIONS = [
    {"type": "url_citation", "url": "https://a.test", "title": "A", "start_index": 0, "end_index": 7},
    {"type": "file_citation", "document_uri": "files/1", "file_name": "a.pdf", "source": "words", "start_index": 9,
     "end_index": 11},
    {"type": "place_citation", "place_id": "places/1", "name": "Café", "url": "https://maps"},
]  # fmt: skip
SOURCES = [
    Source("https://a.test", "A", start=5, end=10),
    Source("files/1", "a.pdf", "words", 12, 14),
    Source("https://maps", "Café", id="places/1"),
]


def test_annotations_are_sources() -> None:
    """Google counts bytes of the step's text; a source counts code points of the whole answer."""
    told = delta(1, "text_annotation_delta", annotations=ANNOTATIONS)
    events = [started(0, "model_output"), delta(0, "text", text="One. "), stopped(0), started(1, "model_output"),
              delta(1, "text", text="Grüß"), told, delta(1, "text", text="e: so."), stopped(1)]  # fmt: skip
    assert _read(*events)[-3:] == SOURCES
    text = {"type": "text", "text": "Grüße: so.", "annotations": ANNOTATIONS}
    first = {"type": "text", "text": "One. "}
    assert _whole({"type": "model_output", "content": [first, text]})[-3:] == SOURCES
    long = {"type": "text", "text": "é" * 5000}
    placed = _whole({"type": "model_output", "content": [long, text]})[-3]
    assert placed == Source("https://a.test", "A", start=5000, end=5005)


def test_a_request_that_cannot_be_cited_keeps_no_text() -> None:
    """A citation that comes all the same has no place and is told at once."""
    told = delta(0, "text_annotation_delta", annotations=ANNOTATIONS[:1])
    assert _read(started(0, "model_output"), delta(0, "text", text="Grüße"), told, extra={}) == [
        TextDelta("Grüße"),
        Source("https://a.test", "A"),
    ]


def test_what_is_new_is_passed_on() -> None:
    """A step of a new kind can be sent back; an annotation that is no citation is content without a class."""
    step = {"type": "hologram", "id": "h1", "data": "x"}
    spoken = {
        "type": "model_output",
        "content": [{"type": "text", "text": "a", "annotations": [{"type": "word_info"}]}],
    }
    assert _whole(step, spoken) == [
        Raw("gemini-interactions", "hologram", step, "block"),
        TextDelta("a"),
        Raw("gemini-interactions", "annotations", {"type": "word_info"}),
    ]


@pytest.mark.parametrize(
    "odd", [None, 7, "x", [], {}, [7, {"type": "url_citation", "start_index": "x", "end_index": []}, {"type": ["x"]}]]
)
def test_odd_fields_end_nothing(odd: Any) -> None:
    """Whatever stands where annotations, arguments or results belong."""
    events = [started(0, "google_search_call", id=odd, arguments=odd), delta(0, "google_search_call", arguments=odd),
              stopped(0), started(1, "google_search_result"), delta(1, "google_search_result", result=odd), stopped(1),
              started(2, "model_output", content=odd), delta(2, "text_annotation_delta", annotations=odd)]  # fmt: skip
    assert [type(chunk) for chunk in _read(*events)][:2] == [ServerToolCall, ServerToolResult]


# -- what goes back -----------------------------------------------------------------------------


def test_steps_go_back_as_they_came() -> None:
    """In their order, each with its own signature."""
    transcript = Transcript()
    transcript.target = "gemini-interactions:gemini-3-flash"
    transcript._receive([*_read(*_streamed()), Finished("stop", "completed")])
    transcript._end("complete", None)
    asked = (Message(role="user", content="hi"), *transcript.as_history(), Message(role="user", content="and?"))
    assert body(*asked)["input"][1:-1] == STEPS


def test_recordings_have_no_content_without_a_class() -> None:
    """Every recorded answer is read whole."""
    for recording in recordings("gemini-interactions"):
        decoder = ADAPTER.decoder(_request())
        chunks = [*decoder.feed(recording.body), *decoder.finish()]
        assert [chunk for chunk in chunks if isinstance(chunk, Raw)] == [], recording.name
