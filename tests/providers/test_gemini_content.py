"""Gemini's searches, sources, code, files and tools: what is read of them, and what goes back."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest

from resilient_stream import Message, Transcript
from resilient_stream.chunks import (
    Chunk,
    File,
    Finished,
    Logprobs,
    Raw,
    ReasoningDelta,
    ServerToolCall,
    ServerToolResult,
    Source,
    TextDelta,
)
from resilient_stream.contract import Endpoint, HttpRequest, Request
from resilient_stream.fitting.signatures import for_its_target
from resilient_stream.messages import to_messages
from resilient_stream.providers import adapter_for, families_of
from resilient_stream.providers.google.gemini import ADAPTER
from resilient_stream.providers.google.grounding import Grounding
from resilient_stream.providers.google.places import Places
from resilient_stream.providers.google.request import encode_body
from resilient_stream.providers.google.vertex import Place
from resilient_stream.providers.shared.holdings import Holdings
from resilient_stream.target import Target
from resilient_stream.wire.limits import HeldTooMuch, TooManyPieces
from tests.providers.recordings import recordings
from tests.providers.test_gemini import STOP, STOPPED, _event, _sse, _text

SEARCH: dict[str, Any] = {"tools": [{"google_search": {}}]}


def _request(**options: Any) -> Request:
    return Request(messages=to_messages("hi"), target=Target("gemini:gemini-3-flash"), **{"extra": SEARCH, **options})


def _read(*events: dict[str, Any], one_by_one: bool = True, **options: Any) -> list[Chunk]:
    """The chunks of a stream with a search, each event in a read of its own."""
    decoder = ADAPTER.decoder(_request(**options))
    reads = [_sse(event) for event in events] if one_by_one else [_sse(*events)]
    chunks = [chunk for read in reads for chunk in decoder.feed(read)]
    return [*chunks, *decoder.finish()]


def _whole(answer: dict[str, Any], **options: Any) -> list[Chunk]:
    decoder = ADAPTER.whole_decoder(_request(stream=False, **options))
    decoder.feed(json.dumps(answer).encode())
    return [*decoder.finish()]


def _sources(chunks: list[Chunk]) -> list[Source]:
    return [chunk for chunk in chunks if isinstance(chunk, Source)]


def _passages(chunks: list[Chunk]) -> list[str]:
    text = "".join(chunk.text for chunk in chunks)
    return [text[chunk.start : chunk.end] for chunk in _sources(chunks) if chunk.start is not None]


def _grounded(event: dict[str, Any], *supports: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    pages = [{"web": {"uri": "https://a.test", "title": "A"}}, {"web": {"uri": "https://b.test", "domain": "b.test"}}]
    said = {"groundingChunks": pages, "groundingSupports": [*supports], **metadata}
    event = copy.deepcopy(event)
    event["candidates"][0]["groundingMetadata"] = said
    return event


def _support(begin: int, end: int, *chunks: int, **segment: Any) -> dict[str, Any]:
    return {"segment": {"startIndex": begin, "endIndex": end, **segment}, "groundingChunkIndices": [*chunks]}


# -- sources ------------------------------------------------------------------------------------


def test_a_passage_is_found_by_its_bytes() -> None:
    """Google counts bytes of UTF-8; a source counts code points of the whole text."""
    said = "Grüße, 中文 und 👩🏽‍🚀. So."
    begin = len(said[:7].encode())
    supports = [_support(begin, len("Grüße, 中文".encode()), 0, text="中文"), _support(0, len("Grüße".encode()), 1, 0)]
    chunks = _read(_text(said[:4]), _text(said[4:9]), _text(said[9:]), _grounded(STOP, *supports))
    assert _sources(chunks) == [
        Source("https://a.test", "A", start=7, end=9),
        Source("https://b.test", "b.test", start=0, end=5),
        Source("https://a.test", "A", start=0, end=5),
    ]
    assert _passages(chunks) == ["中文", "Grüße", "Grüße"]


def test_bytes_are_counted_in_their_part() -> None:
    """A thought and code that ran are parts of their own; pieces of one text are one part."""
    code = _event({"executableCode": {"code": "1"}})
    ends = _grounded(_text("fünf"), _support(0, 5, 0, partIndex=3, text="fünf"), _support(2, 5, 0, partIndex=1))
    chunks = _read(_event({"text": "hm", "thought": True}), _text("éins"), _text(" zwei"), code, _text(""), ends, STOP)
    assert _passages(chunks) == ["fünf", "ins"]


def test_places_in_the_whole_text_are_found_too() -> None:
    """Answers with a part in front were seen to count from the beginning of the text; its words tell."""
    code = _event({"executableCode": {"code": "1"}})
    ends = _grounded(_text(" two"), _support(4, 7, 0, text="two"), _support(0, 3, 0, partIndex=0, text="xyz"))
    chunks = _read(code, _text("one"), ends, STOP)
    assert _passages(chunks) == ["two"]
    assert _sources(chunks)[1] == Source("https://a.test", "A")


@pytest.mark.parametrize("size", [1, 4095, 4096, 4097, 20_000])
def test_a_long_text_is_counted_in_blocks(size: int) -> None:
    """Any place of a long text is the one that counting from its beginning gives."""
    places = Places(1 << 20, located=True)
    text = "aé中👩"[: size % 4 + 1] * size
    places.part("text")
    places.add([text[: size // 2], text[size // 2 :]])
    for start, end in ((0, 1), (len(text) // 2, len(text) // 2 + 1), (len(text) - 1, len(text))):
        begin, stop = len(text[:start].encode()), len(text[:end].encode())
        assert places.find({"startIndex": begin, "endIndex": stop}) == (start, end)


def test_a_text_above_the_bound_is_not_kept() -> None:
    """Its passages are not told; the memory is free again."""
    places = Places(10, located=True)
    places.part("text")
    places.add(["0123456789"])
    assert places.find({"endIndex": 2}) == (0, 2)
    places.add(["x"])
    assert not places.located
    assert places.find({"endIndex": 2}) == (None, None)
    assert (places._pieces, len(places._data)) == ([], 0)


def test_mentions_without_end_are_refused() -> None:
    """A hundred thousand passages of one page take time for nothing."""
    grounding = Grounding(Holdings(1 << 16), Places(1 << 16, located=False))
    said: dict[str, Any] = {"groundingChunks": [{"web": {"uri": "u"}}]}
    with pytest.raises(TooManyPieces):
        grounding.metadata({**said, "groundingSupports": [{"groundingChunkIndices": [0]}] * 100_000})
    with pytest.raises(HeldTooMuch):
        for _ in range(25):
            grounding.metadata({**said, "groundingSupports": [{"groundingChunkIndices": [0]}] * 4_000})


@pytest.mark.parametrize(
    "segment",
    [{}, {"endIndex": 99}, {"startIndex": 2, "endIndex": 1}, {"startIndex": "1", "endIndex": 2}, {"endIndex": -1},
     {"startIndex": 0, "endIndex": 3, "text": "no"}, {"endIndex": 3, "partIndex": 10**30, "text": "no"}],
)  # fmt: skip
def test_a_place_that_is_none_is_not_told(segment: dict[str, Any]) -> None:
    """The source is told, without a place."""
    support = {"segment": segment, "groundingChunkIndices": [0, 7, -1, "x", None]}
    assert _sources(_read(_text("one two"), _grounded(STOP, support)))[0] == Source("https://a.test", "A")


def test_a_page_without_a_passage_is_told_at_the_end() -> None:
    """Each source comes once, also when events repeat what the ones before them said."""
    first = _grounded(_text("one"), _support(0, 3, 1))
    again = _grounded(_text(" two", finish="STOP"), _support(0, 3, 1))
    found = _sources(_read(first, again))
    assert found == [Source("https://b.test", "b.test", start=0, end=3), Source("https://a.test", "A")]


@pytest.mark.parametrize(
    ("chunk", "source"),
    [
        ({"retrievedContext": {"uri": "gs://x", "title": "T", "text": "words", "documentName": "d/1"}},
         Source("gs://x", "T", "words", id="d/1")),
        ({"retrievedContext": {"ragChunk": {"text": "w"}, "fileSearchStore": "s/1"}}, Source(quote="w", id="s/1")),
        ({"maps": {"uri": "https://maps", "title": "Café", "text": "Nice", "placeId": "places/1"}},
         Source("https://maps", "Café", "Nice", id="places/1")),
        ({"image": {"sourceUri": "https://page", "imageUri": "https://img", "domain": "page"}},
         Source("https://page", "page")),
    ],
)  # fmt: skip
def test_every_kind_of_evidence_is_a_source(chunk: dict[str, Any], source: Source) -> None:
    """Web pages, documents, places and pictures."""
    assert _sources(_read(_grounded(_text("a", finish="STOP"), groundingChunks=[chunk]))) == [source]


def test_a_request_that_cannot_be_cited_keeps_no_text() -> None:
    """Sources that come all the same have no places; the text costs nothing."""
    ends = _grounded(_text("one", finish="STOP"), _support(0, 3, 0))
    assert _sources(_read(ends, extra={}))[0] == Source("https://a.test", "A")
    decoder: Any = ADAPTER.decoder(_request(extra={}))
    decoder.feed(_sse(_text("a")))
    decoder.feed(_sse(_text("b")))
    assert decoder._reader._places._pieces == []


@pytest.mark.parametrize("name", ["citations", "citationSources"])
def test_quotations_are_sources(name: str) -> None:
    """What an answer repeats from elsewhere, by the field's new and old name."""
    quoted = _text(" two")
    quoted["candidates"][0]["citationMetadata"] = {name: [{"startIndex": 0, "endIndex": 3, "uri": "u", "title": "t"}]}
    assert _sources(_read(_text("one"), quoted, quoted, STOP)) == [Source("u", "t", start=0, end=3)]


def test_a_long_whole_answer_is_counted_too() -> None:
    """A text that is long enough to be taken out of the body stays, so that its passages are found."""
    said = "é" * 9000 + "end"
    answer = _grounded(_text(said, finish="STOP"), _support(18000, 18003, 0, text="end"))
    assert _passages(_whole(answer)) == ["end"]


# -- tools --------------------------------------------------------------------------------------


def test_a_search_is_a_tool_that_google_ran() -> None:
    """What was searched for and all that was found is told at the end, for there is no part with it."""
    ends = _grounded(
        _text("a", finish="STOP"), webSearchQueries=["", "sky"], searchEntryPoint={"renderedContent": "<p>"}
    )
    *_, call, result, first, second, finished = _read(ends)
    assert call == ServerToolCall("google_search", "google_search", '{"queries":["sky"]}', {"queries": ["sky"]})
    assert isinstance(result, ServerToolResult)
    assert result.result["searchEntryPoint"] == {"renderedContent": "<p>"}
    assert (result.id, result.native, finished) == ("google_search", None, STOPPED)
    assert [type(first), type(second)] == [Source, Source]


def test_pages_that_were_fetched_are_a_tool() -> None:
    """A page that could not be read is told as well; only all of them are an error."""
    first, last = _text("a"), _text("b", finish="STOP")
    pages = [{"retrievedUrl": "u", "urlRetrievalStatus": "URL_RETRIEVAL_STATUS_ERROR"}]
    first["candidates"][0]["urlContextMetadata"] = {"urlMetadata": pages}
    *_, call, result, _ = _read(first, last)
    assert call == ServerToolCall("url_context", "url_context", '{"urls":["u"]}', {"urls": ["u"]})
    assert result == ServerToolResult("url_context", "url_context", pages, True)


def test_tools_that_are_parts_are_told_once() -> None:
    """Gemini 3 has a part for each call and result, with its signature; the metadata repeats them."""
    call = {"toolType": "GOOGLE_SEARCH_WEB", "args": {"queries": ["sky"]}, "id": "t1"}
    answer = {"toolType": "GOOGLE_SEARCH_WEB", "response": {"search_suggestions": "<p>"}, "id": "t1"}
    parts = [{"toolCall": call, "thoughtSignature": "S1"}, {"toolResponse": answer, "thoughtSignature": "S2"}]
    chunks = _read(_event(parts[0], {"text": ""}), _event(parts[1]), _grounded(_text("a", finish="STOP")))
    assert chunks[:2] == [
        ServerToolCall("t1", "GOOGLE_SEARCH_WEB", '{"queries":["sky"]}', {"queries": ["sky"]}, parts[0]),
        ServerToolResult("t1", "GOOGLE_SEARCH_WEB", answer["response"], False, parts[1]),
    ]
    assert sum(isinstance(chunk, ServerToolCall) for chunk in chunks) == 1


def test_code_that_ran_is_a_tool() -> None:
    """The arguments are the program; a result without an id belongs to the program before it."""
    code, done = {"language": "PYTHON", "code": "print(1)"}, {"outcome": "OUTCOME_OK", "output": "1\n"}
    named, failed = {**code, "id": "c9"}, {"outcome": "OUTCOME_FAILED", "output": "no", "id": "c9"}
    parts = [
        {"executableCode": code},
        {"codeExecutionResult": done},
        {"executableCode": named, "thoughtSignature": "S"},
        {"codeExecutionResult": failed},
    ]
    assert _read(*map(_event, parts), STOP)[:-1] == [
        ServerToolCall("code_1", "code_execution", "print(1)", code, parts[0]),
        ServerToolResult("code_1", "code_execution", done, False, parts[1]),
        ServerToolCall("c9", "code_execution", "print(1)", named, parts[2]),
        ServerToolResult("c9", "code_execution", failed, True, parts[3]),
    ]


# -- files and probabilities --------------------------------------------------------------------


def test_pictures_and_recordings_are_files() -> None:
    """With their bytes, or with a link to them. Pieces of a recording come as they are made."""
    picture = {"inlineData": {"mimeType": "image/png", "data": "_-8="}, "thoughtSignature": "S"}
    piece = {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "AAE="}}
    linked = {"fileData": {"mimeType": "video/mp4", "fileUri": "https://v.test"}}
    assert _read(_event(picture), _event(piece), _event(piece), _event(linked), STOP)[:-1] == [
        File("image/png", b"\xff\xef", native=picture),
        File("audio/L16;rate=24000", b"\x00\x01", native=piece),
        File("audio/L16;rate=24000", b"\x00\x01", native=piece),
        File("video/mp4", url="https://v.test", native=linked),
    ]


def test_a_recording_may_have_its_words() -> None:
    """They are read, and not sent back: the field is only of answers."""
    sound = {"inlineData": {"mimeType": "audio/wav", "data": "AA=="}}
    chunks = _read(_event({**sound, "audioTranscription": {"text": "Hello"}}), STOP, extra={})
    assert chunks[0] == File("audio/wav", b"\0", text="Hello", native=sound)


@pytest.mark.parametrize(
    "part",
    [
        {"inlineData": {"mimeType": "image/png", "data": "AA=="}, "thought": True},
        {"inlineData": {"mimeType": "image/png", "data": 7}},
        {"executableCode": "print(1)"},
        {"toolCall": ["x"], "thoughtSignature": "S"},
    ],
)
def test_an_odd_part_is_a_block(part: dict[str, Any]) -> None:
    """A picture that is a thought is no file of the answer; it goes back in its place, as what is not understood."""
    name = next(iter(part))
    assert _read(_event(part), STOP)[0] == Raw("gemini", name, part, "block")


def test_probabilities_come_with_their_alternatives() -> None:
    """Also in the middle of text, where events are read the quick way."""
    token = {"token": "a", "logProbability": -0.1}
    events = [_text("a"), _text("a"), _text("a"), _text("a", finish="STOP")]
    for event in events[1:]:
        event["candidates"][0]["logprobsResult"] = {
            "chosenCandidates": [token, token], "topCandidates": [{"candidates": [token]}],
        }  # fmt: skip
    found = [chunk for chunk in _read(*events) if isinstance(chunk, Logprobs)]
    assert found == [Logprobs(({**token, "topCandidates": [token]}, {**token, "topCandidates": []}))] * 3


@pytest.mark.parametrize("odd", [7, "x", [], ["x"], {"groundingChunks": 1}, {"groundingChunks": [1, {"web": 2}, {}]}])
@pytest.mark.parametrize("name", ["groundingMetadata", "citationMetadata", "urlContextMetadata", "logprobsResult"])
def test_odd_metadata_ends_nothing(name: str, odd: Any) -> None:
    """What stands beside the text may be of any form."""
    event = _text("a", finish="STOP")
    event["candidates"][0][name] = odd
    assert [type(chunk) for chunk in _read(event) if not isinstance(chunk, Raw)] == [TextDelta, Finished]


# -- what goes back -----------------------------------------------------------------------------

TURN = [
    {"text": "Let me see."},
    {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "S1"},
    {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
    {"inlineData": {"mimeType": "image/png", "data": "AA=="}, "thoughtSignature": "S2"},
    {"text": "So.", "thoughtSignature": "S3"},
]


def _history(target: str, chunks: list[Chunk]) -> list[Message]:
    transcript = Transcript()
    transcript.target = target
    transcript._receive(chunks)
    transcript._end("complete", None)
    return transcript.as_history()


def _contents(target: str, history: list[Message], to: str | None = None) -> list[dict[str, Any]]:
    asked = (Message(role="user", content="hi"), *history, Message(role="user", content="and?"))
    request = for_its_target(Request(messages=asked, target=Target(to or target)), families_of)
    parts: list[dict[str, Any]] = encode_body(request)["contents"][1]["parts"]
    return parts


@pytest.mark.parametrize("provider", ["gemini", "vertex"])
def test_a_turn_goes_back_as_it_came(provider: str) -> None:
    """Parts in their order, each with its own signature; a text's signature is on an empty part behind it."""
    target = f"{provider}:gemini-3-flash"
    history = _history(target, _read(*map(_event, TURN), STOP, one_by_one=False))
    assert _contents(target, history) == [*TURN[:4], {"text": "So."}, {"text": "", "thoughtSignature": "S3"}]


def test_others_get_text_in_place_of_files() -> None:
    """Vertex does not know the parts of the Gemini API, and Claude on Vertex does not know Gemini's."""
    chunks = _read(*map(_event, TURN), STOP)
    elsewhere = _contents("gemini:gemini-3-flash", _history("gemini:gemini-3-flash", chunks), "vertex:gemini-3-flash")
    said = "".join(part.get("text", "") for part in elsewhere)
    assert said == "Let me see.[image: image/png]So."
    asked = (
        Message(role="user", content="hi"),
        *_history("vertex:gemini-3-flash", chunks),
        Message(role="user", content="?"),
    )
    request = Request(messages=asked, target=Target("vertex:claude-opus-4-7"))
    place = Endpoint(base_url="https://v.test", api_key="k", credentials=Place("p", "global"))
    outgoing = adapter_for("vertex").encode(request, place)
    assert isinstance(outgoing, HttpRequest)
    sent = json.loads(outgoing.body)["messages"][1]["content"]
    assert "".join(block["text"] for block in sent) == said


def test_claudes_blocks_are_not_sent_to_gemini_on_vertex() -> None:
    """The provider's name is the same, the form is not."""
    native = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    done = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    chunks: list[Chunk] = [
        ReasoningDelta("hm", "S"),
        ServerToolCall("s", "web_search", native=native),
        ServerToolResult("s", "web_search", native=done),
        TextDelta("So."),
        Source("u", start=0, end=3, native={"type": "web_search_result_location"}),
        Finished("stop", "end_turn"),
    ]
    history = _history("vertex:claude-opus-4-7", chunks)
    assert _contents("vertex:claude-opus-4-7", history, "vertex:gemini-3-flash") == [{"text": "So."}]


# -- the recordings -----------------------------------------------------------------------------


def test_recordings_have_no_content_without_a_class() -> None:
    """Every recorded answer of these dialects is read whole, and each passage is the text that Google says it is."""
    for recording in recordings("gemini"):
        decoder = ADAPTER.decoder(_request())
        chunks = [*decoder.feed(recording.body), *decoder.finish()]
        if recording.status < 400 and decoder.failure is None:
            assert [chunk for chunk in chunks if isinstance(chunk, Raw)] == [], recording.name
            meant = set(
                re.findall(r'"text": ("(?:[^"\\\\]|\\\\.)*")\},"groundingChunkIndices"', recording.body.decode())
            )
            found = {json.dumps(each, ensure_ascii=False) for each in _passages(chunks)}
            assert found >= meant, recording.name
