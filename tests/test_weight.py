"""A transcript's limit: head and tail are kept and what is between is counted; what was delivered stays right."""

from __future__ import annotations

import asyncio
import re
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_stream import Client, Limits, Target
from resilient_stream.chunks import Chunk, ReasoningDelta, TextDelta, ToolCall, ToolCallDelta, Usage
from resilient_stream.outcome.weight import even, prefix, size_of
from resilient_stream.testing import CleanEnd, End, FakeProvider, Text
from resilient_stream.transcript import Transcript

CHUNKS = st.lists(
    st.one_of(
        st.text("abc", max_size=9).map(TextDelta),
        st.text("abc", max_size=9).map(ReasoningDelta),
        st.just(ReasoningDelta("x", "signature")),
        st.just(ReasoningDelta("", None, "redacted")),
        st.just(Usage(1, 2)),
    ),
    max_size=30,
)


@given(CHUNKS, st.integers(1, 9))
def test_even_pieces_say_the_same(chunks: list[Chunk], size: int) -> None:
    """Text, reasoning and everything else, in order; and doing it twice changes nothing."""
    evened = even(chunks, size)
    for read in (lambda c: c.text, lambda c: getattr(c, "reasoning", "")):
        assert "".join(map(read, evened)) == "".join(map(read, chunks))
    others = [chunk for chunk in chunks if _is_more_than_text(chunk)]
    assert [chunk for chunk in evened if _is_more_than_text(chunk)] == others
    assert all(len(chunk.text) <= size for chunk in evened)
    assert even(evened, size) == evened


def _is_more_than_text(chunk: Chunk) -> bool:
    return not isinstance(chunk, TextDelta | ReasoningDelta) or bool(
        isinstance(chunk, ReasoningDelta) and (chunk.signature or chunk.redacted)
    )


def test_a_fragment_of_a_tool_call_weighs_its_arguments() -> None:
    """A file that a model writes by a tool call is as large as a text."""
    assert size_of(ToolCallDelta(0, "a", "f", "x" * 1000)) == 1064
    assert prefix([TextDelta("x" * 10)] * 5, 35) == 3


def test_a_signature_weighs_what_it_takes() -> None:
    """A server can send one as long as any text, or one without end."""
    assert size_of(ReasoningDelta("", signature="x" * 1000)) == 1000
    assert size_of(ReasoningDelta("", redacted="x" * 1000)) == 1000
    assert size_of(ToolCall(0, "a", "f", "{}", {}, signature="x" * 1000)) == 1066


@given(st.lists(st.tuples(st.integers(0, 400), st.booleans()), max_size=60), st.integers(100, 2000))
def test_head_and_tail_are_kept_and_what_was_delivered_is_right(steps: list[tuple[int, bool]], limit: int) -> None:
    """Whatever comes in whatever pieces, taken at once or later: nothing is claimed that was not there."""
    transcript, numbers = Transcript(limit), count()
    full, given_away = "", ""
    for size, takes in steps:
        text = "".join(f"{next(numbers)} " for _ in range(size // 4))
        full += text
        transcript._weigh(len(text))
        transcript._receive([TextDelta(text)])
        while takes and transcript._ready:
            given_away += transcript._ready.pop().text
        check(transcript.text, full, transcript.omitted)
        if not transcript._ready:
            check(transcript.delivered, given_away, transcript.omitted)
    transcript._weigh(2 * limit)  # the next read, whatever it brings
    check(transcript.text, full, transcript.omitted)
    assert sum(map(size_of, transcript.chunks)) <= limit + sum(map(size_of, transcript._ready))


def check(kept: str, full: str, omitted: int) -> None:
    """All of it, or its two ends with a note of what is missing."""
    if not omitted:
        assert kept == full
        return
    head, tail = re.split(r"\[… \d+ characters omitted …\]", kept)
    assert f"[… {omitted} characters omitted …]" in kept
    assert full.startswith(head)
    assert full.endswith(tail)
    assert len(head) + omitted + len(tail) == len(full)


def test_many_small_chunks_are_few_objects() -> None:
    """An answer of a character each chunk is bounded as well: by the bytes on the wire since it was last looked at."""
    transcript, most = Transcript(64 * 1024), 0
    for _ in range(200_000):
        transcript._weigh(200)
        transcript._receive([TextDelta("x")])
        transcript._ready.clear()
        most = max(most, len(transcript.chunks) if len(transcript._chunks) > most else 0)
    assert most < 600
    assert len(transcript.text) < 64 * 1024
    assert transcript.omitted > 100_000


@pytest.mark.parametrize("options", [{}, {"stream": False}], ids=["streamed", "in one piece"])
async def test_an_answer_above_the_limit_is_complete_all_the_same(options: dict[str, bool], nothing_left: None) -> None:
    """Every chunk is delivered; only the record of them is short, and says so."""
    pieces = [f"{number:07d} " * 100 for number in range(1000)]
    async with FakeProvider([Text(*pieces), End()]) as provider:
        target: Target = provider.target("openai", **options)
        async with Client(target, limits=Limits(max_transcript_bytes=100_000)) as client:
            stream = client.stream("hi")
            taken = [text async for text in stream.texts()]
    transcript, full = stream.transcript, "".join(pieces)
    assert "".join(taken) == full
    assert transcript.outcome == "complete"
    check(transcript.text, full, transcript.omitted)
    assert transcript.delivered == transcript.text
    assert 60_000 < len(transcript.text) < 170_000
    assert transcript.text.startswith(full[:40_000])
    assert transcript.text.endswith(full[-20_000:])


async def test_a_slow_consumer_holds_the_server_not_the_memory(nothing_left: None) -> None:
    """Fifty megabytes on their way, one chunk taken: what has arrived is a few buffers, and the rest waits."""
    async with FakeProvider([Text(*["x" * 50_000] * 1000), CleanEnd()]) as provider:
        async with Client(provider.target("openai")) as client, client.stream("hi") as stream:
            await anext(stream)
            await asyncio.sleep(0.05)
            received = len(stream.transcript.text)
        [request] = await provider.wait_closed()
    assert received < 500_000
    assert request.bytes_sent < 20_000_000
