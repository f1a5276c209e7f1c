"""What the recorded answers say of the readers: text takes the quick way, and nothing that is read is called new."""

from __future__ import annotations

import pytest

from resilient_stream.chunks import Raw, TextDelta
from resilient_stream.providers.openai.chat_stream import ChatReader
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
