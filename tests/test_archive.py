"""A transcript as plain values and back: nothing that it says is different afterwards."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient_stream import (
    AllTargetsFailed,
    Attempt,
    Client,
    Finished,
    RateLimited,
    Raw,
    ReasoningDelta,
    Recovery,
    RetryPolicy,
    Seam,
    StreamError,
    StreamMisused,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Transcript,
    Usage,
)
from resilient_stream.chunks import Chunk
from resilient_stream.errors import Failure, error_for
from resilient_stream.kinds import ErrorCategory, ErrorKind
from resilient_stream.outcome.archive import pack
from resilient_stream.testing import Cut, FakeProvider, Status, Text
from resilient_stream.transcript import Outcome

VIEWS = (
    "text", "delivered", "reasoning", "tool_calls", "usage", "finish_reason", "raw_finish_reason", "finish_kind",
    "outcome", "seams", "target", "model", "request_id", "started", "time_to_first_chunk", "duration", "omitted",
)  # fmt: skip
"""What a transcript says."""


def stored(transcript: Transcript) -> Transcript:
    """The same after a database: through JSON, strictly."""
    return Transcript.from_dict(json.loads(json.dumps(transcript.to_dict(), allow_nan=False)))


def says(transcript: Transcript) -> dict[str, Any]:
    """All that may be read off it, its errors as their words."""
    views = {name: getattr(transcript, name) for name in VIEWS}
    return views | {
        "histories": [transcript.as_history(calls=calls) for calls in (None, True, False)],
        "error": transcript.error and (type(transcript.error), transcript.error.to_dict(), str(transcript.error)),
        "attempts": [(attempt.target, attempt.usage, _words(attempt.error)) for attempt in transcript.attempts],
        "values": {name: value for name, value in transcript.to_dict().items() if name != "chunks"},
    }


def _words(error: StreamError | None) -> Any:
    return error and (type(error), error.category, error.kind, str(error), error.retryable, error.fallback)


# -- any transcript -----------------------------------------------------------------------------

texts = st.text(max_size=4)
names = st.sampled_from(["", "a", "b"])
maybe = st.none() | st.text(min_size=1, max_size=3)
counts = st.none() | st.integers(0, 1000)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
)
chunks = st.one_of(
    st.builds(TextDelta, texts),
    st.builds(TextDelta, texts),
    st.builds(ReasoningDelta, texts, maybe, maybe),
    st.builds(ReasoningDelta, texts),
    st.builds(ToolCallDelta, st.integers(0, 2), names, names, texts),
    st.builds(ToolCall, st.integers(0, 2), names, names, texts, st.none() | st.dictionaries(texts, json_values), maybe),
    st.builds(Usage, counts, counts, counts, counts, counts, st.sampled_from(["exact", "estimated", "unknown"])),
    st.builds(Finished, st.sampled_from(["stop", "length", "tool_calls"]), texts, maybe, texts),
    st.builds(Seam, names, names, names, st.integers(0, 9), st.booleans()),
    st.builds(Raw, names, names, json_values),
)
failures = st.builds(
    Failure,
    kind=st.sampled_from(ErrorKind),
    detail=texts,
    code=st.sampled_from(["", "missing_key", "no_end_marker"]),
    status=st.none() | st.integers(100, 599),
    retry_after=st.none() | st.floats(0, 99),
    resets_at=maybe,
    request_id=maybe,
    retry=st.none() | st.booleans(),
    fallback=st.none() | st.booleans(),
    category=st.none() | st.sampled_from(ErrorCategory),
    facts=st.dictionaries(st.sampled_from(["reason", "limit", "seconds"]), texts),
)
errors = st.builds(error_for, failures, provider=names, model=texts, attempt=st.integers(0, 5), host=maybe)
all_failed = st.builds(AllTargetsFailed.of, st.lists(errors, min_size=1, max_size=3))
attempts = st.builds(
    Attempt, target=names, model=texts, started=st.floats(0, 2e9), error=st.none() | errors, chunks=st.integers(0, 9),
    estimate=st.none() | st.builds(Usage, counts, counts, certainty=st.just("estimated")),
    cost=st.none() | st.decimals(0, 99, places=7),
)  # fmt: skip


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    """Any: some of it delivered, perhaps with its middle dropped, ended in any way or not yet."""
    transcript = Transcript(draw(st.sampled_from([30, 1 << 20])))
    for batch in draw(st.lists(st.lists(chunks, min_size=1, max_size=4), max_size=12)):
        if any(isinstance(chunk, Seam) and chunk.restart for chunk in batch):
            transcript._restart()
        transcript._receive(batch)
        transcript._weigh(sum(len(chunk.text) + 8 for chunk in batch))
        for _ in range(draw(st.integers(0, len(transcript._ready)))):
            transcript._ready.pop()
    transcript.attempts = draw(st.lists(attempts, max_size=2))
    transcript.target = draw(st.sampled_from([None, "anthropic:claude-opus-4-5"]))
    outcome = draw(st.none() | st.sampled_from(get_args(Outcome)))
    if outcome is not None:
        transcript._end(outcome, draw(st.none() | errors | all_failed))
    return transcript


@settings(max_examples=60, deadline=None)
@given(transcripts())
def test_any_transcript_says_the_same_after_a_database(transcript: Transcript) -> None:
    """Text, delivered, calls, usage, seams, histories, attempts, the error with its class and its words."""
    assert says(stored(transcript)) == says(transcript)
    assert stored(transcript).to_dict() == transcript.to_dict()


@settings(max_examples=60, deadline=None)
@given(st.lists(chunks, max_size=20), st.integers(0, 20), st.integers(0, 20))
def test_packing_keeps_the_text_on_each_side_of_a_place(given_chunks: list[Chunk], first: int, second: int) -> None:
    """No run goes over a place, so what was delivered and what is missing stay told apart."""
    places = [min(place, len(given_chunks)) for place in (first, second)]
    packed, moved = pack(given_chunks, places)
    for before, after in zip(places, moved, strict=True):
        assert "".join(chunk.text for chunk in packed[:after]) == "".join(chunk.text for chunk in given_chunks[:before])
    assert len(packed) <= len(given_chunks)


def test_a_long_answer_is_a_handful_of_values() -> None:
    """A thousand tokens, each with its count, are one text and one count."""
    transcript = Transcript()
    for number in range(1000):
        transcript._receive([TextDelta(f"{number} "), Usage(1, number)])
    transcript._ready.clear()
    assert [chunk["type"] for chunk in transcript.to_dict()["chunks"]] == ["text_delta", "usage"]


# -- real ones ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("nothing_left")
async def test_a_real_failure_goes_into_a_database_and_back() -> None:
    """Two targets, one limited, one cut: the words for the person and the partial are there again."""
    async with FakeProvider([Status(429, {"retry-after": "1"})], [Text("Half an ", "answer"), Cut()]) as provider:
        targets = provider.target("openai"), provider.target("anthropic")
        async with Client(*targets, retry=RetryPolicy.off(), recovery=Recovery.off()) as client:
            stream = client.stream("Hello")
            with pytest.raises(StreamError):
                await stream.collect()
    again = stored(stream.transcript)
    assert says(again) == says(stream.transcript)
    assert again.text == "Half an answer"
    assert again.error is not None
    assert again.error.transcript is again
    assert isinstance(again.attempts[0].error, RateLimited)
    assert again.attempts[0].error.retry_after == 1


async def test_every_target_failed_and_each_says_so_again() -> None:
    """AllTargetsFailed comes back from its plain values with the error of each target."""
    async with FakeProvider([Status(500)], [Status(529)]) as provider:
        targets = provider.target("openai"), provider.target("anthropic")
        async with Client(*targets, retry=RetryPolicy.off()) as client:
            stream = client.stream("Hello")
            with pytest.raises(AllTargetsFailed) as caught:
                await stream.collect()
    error = stored(stream.transcript).error
    assert isinstance(error, AllTargetsFailed)
    assert [type(each) for each in error.errors] == [type(each) for each in caught.value.errors]
    assert str(error) == str(caught.value)


# -- bad ones -----------------------------------------------------------------------------------


def _values(**changes: Any) -> dict[str, Any]:
    transcript = Transcript()
    transcript._receive([TextDelta("hi"), ToolCall(0, "a", "f", "{}", {})])
    transcript.attempts = [Attempt(target="a:m", model="m", started=1.0)]
    transcript._end("failed", error_for(Failure(kind=ErrorKind.SERVER_ERROR)))
    values: dict[str, Any] = json.loads(json.dumps(transcript.to_dict()))
    return {name: value for name, value in (values | changes).items() if value is not ...}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, r"transcript.version: Expected 1"),
        ("text", r"transcript.version: Expected 1"),
        (_values(version=2), r"transcript.version: Expected 1"),
        (_values(outcome="done"), r"transcript.outcome: Invalid enum value"),
        (_values(chunks=...), r"transcript: .*missing required field `chunks`"),
        (_values(chunks=[{"type": "poem"}]), r"transcript.chunks\[0\].type: Expected one of text_delta, "),
        (_values(chunks=[{"type": ["text_delta"]}]), r"transcript.chunks\[0\].type: Expected one of text_delta, "),
        (_values(chunks=["hi"]), r"transcript.chunks\[0\]: Expected `object`"),
        (
            _values(chunks=[{"type": "text_delta", "text": 3}]),
            r"transcript.chunks\[0\].text: Expected `str`, got `int`",
        ),
        (_values(chunks=[{"type": "text_delta"}]), r"transcript.chunks\[0\]: .*`text`"),
        (_values(taken="all"), r"transcript.taken: Expected `int`"),
        (_values(attempts=[{"target": "a:m"}]), r"transcript.attempts\[0\]: .*`model`"),
        (_values(error={"kind": "bad_luck"}), r"transcript.error: kind: Invalid enum value 'bad_luck'"),
        (_values(error="boom"), r"transcript.error: Expected `object`"),
    ],
)
def test_a_malformed_value_is_named(values: Any, said: str) -> None:
    """What is wrong and where; a transcript that cannot be read is a bug of who stored it."""
    with pytest.raises(StreamMisused, match=said):
        Transcript.from_dict(values)


def test_what_a_newer_version_adds_is_ignored() -> None:
    """A field that nobody here knows does no harm."""
    assert Transcript.from_dict(_values(mood="good")).text == "hi"
