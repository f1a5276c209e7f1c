"""Formats by their names, and writers of the application's own."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from resilient_stream import StreamMisused
from resilient_stream.formats.ai_sdk import AiSdkWriter
from resilient_stream.formats.events import EventsWriter
from resilient_stream.formats.text import TextWriter
from resilient_stream.formats.writer import Ending
from resilient_stream.web.formats import FORMATS, Name, writer_for
from tests.formats.samples import ITEMS, WHOLE, failure, written


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("ending", [WHOLE, Ending("failed", failure()), Ending("cancelled", stopped=True)])
def test_each_format_writes_an_answer_with_everything(name: Any, ending: Ending) -> None:
    """No item and no ending is too much for any of them, and each response has a writer of its own."""
    writer = writer_for(name)
    assert writer is not writer_for(name)
    frames = written(writer, ITEMS, ending)
    assert all(isinstance(frame, bytes) and frame for frame in frames)
    assert isinstance(writer.cut, bool)
    assert b"".join(frames)


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_has_a_head_and_a_refusal(name: Any) -> None:
    """No cache keeps an answer, and one that failed before it began has a status of its own."""
    writer = writer_for(name)
    assert "/" in writer.media_type
    assert any(word in writer.headers["cache-control"] for word in ("no-store", "no-cache"))
    refusal = writer.refusal(failure())
    assert 400 <= refusal.status < 600
    assert refusal.body
    if writer.numbered:
        assert writer.media_type.startswith("text/event-stream")


def test_the_names_are_those_of_the_type() -> None:
    """What an editor offers is what there is."""
    assert set(get_args(Name)) == set(FORMATS)


def test_a_writer_of_the_applications_own() -> None:
    """An object is used as it is; a class or a function makes one for each response."""
    writer = TextWriter()
    assert writer_for(writer) is writer
    assert type(writer_for(EventsWriter)) is EventsWriter
    assert writer_for(lambda: AiSdkWriter("m7"))._message_id == "m7"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("ndjsn", "no format is called 'ndjsn': did you mean ndjson?"),
        ("AI-SDK", "no format is called 'AI-SDK': did you mean ai-sdk?"),
        ("protobuf", "no format is called 'protobuf'. There are events, text, ndjson, openai, ai-sdk"),
        (None, "format: give a name (events, text, ndjson, openai, ai-sdk) or a writer, not NoneType"),
        (b"events", "or a writer, not bytes"),
        (dict, "or a writer, not dict"),
    ],
)
def test_anything_else_is_a_mistake_that_is_explained(given: Any, said: str) -> None:
    """The name that was probably meant, or what there is."""
    with pytest.raises(StreamMisused) as raised:
        writer_for(given)
    assert said in str(raised.value)
