"""What the recorded answers say of the readers: text takes the quick way, and nothing that is read is called new."""

from __future__ import annotations

import json
from typing import Any

import pytest

from resilient_stream.chunks import Raw, TextDelta
from resilient_stream.providers.openai import chat_stream
from resilient_stream.providers.openai.chat_stream import ChatReader, chat_decoder
from tests.providers.recordings import DIALECTS, Recording, read, recordings

LONG = 20
"""Texts in an answer of which the way of most is worth a look."""

SAYS_ALL_AGAIN = ("perplexity-chat", "writer-chat", "gemini-interactions")
"""These send the message so far, or all sources, beside each piece of text."""


def _answers() -> list[object]:
    found = [each for each in recordings("openai-chat") if each.status < 400 and each.folder not in SAYS_ALL_AGAIN]
    return [pytest.param(each, id=each.name) for each in found]


@pytest.mark.parametrize("recording", _answers())
def test_text_of_real_hosts_takes_the_quick_way(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown field in a delta leaves it, so the fields that hosts send with each token have to be known."""
    quick: list[object] = []
    text = ChatReader.text
    monkeypatch.setattr(ChatReader, "text", lambda self, events: (quick.extend(events), text(self, events))[1])
    reading = read(recording, [each + b"\n\n" for each in recording.body.replace(b"\r\n", b"\n").split(b"\n\n")])
    texts = sum(isinstance(chunk, TextDelta) for chunk in reading.chunks)
    alone = not any(isinstance(chunk, Raw) for chunk in reading.chunks)
    if texts >= LONG and alone:
        assert len(quick) >= texts * 0.85


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_recorded_answer_has_anything_unknown(dialect: str) -> None:
    """What comes as Raw by doubt is a field or event that no line of the tables knows."""
    found = {
        (recording.name, chunk.event)
        for recording in recordings(dialect)
        if recording.status < 400
        for chunk in read(recording, [recording.body]).chunks
        if isinstance(chunk, Raw) and chunk.standing == "doubt"
    }
    made_by_hand = {("vertex-gemini/firebase__streaming-failure-invalid-json", "this")}
    assert found - made_by_hand == set()


_TEXT = {"index": 0, "delta": {"content": "b"}}
_BESIDE: list[dict[str, Any]] = [
    *({"choices": [_TEXT], name: value} for name, value in {
        "error": {"message": "overloaded"}, "usage": {"prompt_tokens": 1, "completion_tokens": 2},
        "x_groq": {"usage": {"prompt_tokens": 1}}, "base_resp": {"status_code": 1002}, "citations": ["https://a.b"],
    }.items()),
    *({"choices": [{**_TEXT, name: value}]} for name, value in {
        "index": 1, "finish_reason": "stop", "error": {"message": "no"}, "message": {"content": "abc"}, "text": "abc",
    }.items()),
    *({"choices": [{"index": 0, "delta": {"content": "b", name: value}}]} for name, value in {
        "tool_calls": [{"index": 0, "id": "1", "function": {"name": "f", "arguments": "{}"}}], "refusal": "no",
        "function_call": {"name": "f", "arguments": "{}"}, "reasoning": "r", "reasoning_content": "r", "thinking": "r",
        "reasoning_details": [{"type": "reasoning.text", "text": "r"}], "annotations": [{"type": "url_citation"}],
    }.items()),
    {"choices": [_TEXT, _TEXT]}, {"choices": [{"index": 0, "delta": {"content": [{"type": "text", "text": "b"}]}}]},
    {"choices": []}, {"choices": None}, {"choices": [{"index": 0, "delta": None}]}, {"choices": [_TEXT]},
]  # fmt: skip


@pytest.mark.parametrize("event", _BESIDE, ids=json.dumps)
def test_text_alone_is_read_the_same_by_the_quick_way(event: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """In a read of several kinds, an event that is nothing but text is told from one with anything beside it."""
    begin, end = {"choices": [{"delta": {"role": "assistant", "content": "a"}}]}, {"choices": [{"finish_reason": "x"}]}
    data = b"".join(b"data: %b\n\n" % json.dumps(each).encode() for each in (begin, event, end))

    def chunks() -> list[Any]:
        decoder = chat_decoder("openai", max_event_bytes=1 << 20)
        return [*decoder.feed(data), *decoder.feed(b"data: [DONE]\n\n"), decoder.failure]

    quick = chunks()
    monkeypatch.setattr(chat_stream, "lone_text", lambda event: "")
    assert quick == chunks()


def test_an_answer_of_text_alone_makes_no_memory_for_calls() -> None:
    """What only answers with calls or proofs need would take 1 KiB of each open stream."""
    decoder = chat_decoder("openai", max_event_bytes=1 << 20)
    for event in ({"choices": [_TEXT]}, {"choices": [{"delta": {}, "finish_reason": "stop"}]}):
        decoder.feed(b"data: %b\n\n" % json.dumps(event).encode())
    decoder.feed(b"data: [DONE]\n\n")
    assert decoder.done
    assert decoder._reader._speaker._made is None  # type: ignore[attr-defined]
