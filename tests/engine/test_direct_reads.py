"""From the commit on a stream reads plain text itself; the links of the chain sleep until something else happens."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import pytest

from resilient_stream import Limits, Recovery, RetryPolicy, StreamError, StreamMisused, Target, Timeouts
from resilient_stream.chunks import Finished, Raw, ReasoningDelta, TextDelta, ToolCall
from resilient_stream.contract import Batch, CallContext, Handler, Request
from resilient_stream.engine.attempt import Attempt, _lone_text, may_skip_links
from resilient_stream.engine.budget import counts_of
from resilient_stream.fitting.tool_names import given_back
from resilient_stream.providers import adapter_for

from .scripted import END, STOP, Answer, client_over, text_event

TEXT = [text_event("a"), text_event("b"), text_event("c")]


async def test_the_first_text_comes_through_the_links_and_the_rest_without():
    """The attempt that answers is read directly after its first content, and no longer once it has ended."""
    client, _ = client_over(Answer(*TEXT, STOP, END))
    async with client:
        stream = client.stream("Hi")
        assert stream._call.direct.attempt is None
        await anext(stream)
        assert stream._call.direct.attempt is not None
        assert [chunk.text async for chunk in stream if chunk.text] == ["b", "c"]
    assert stream._call.direct.attempt is None
    assert stream.transcript.outcome == "complete"


@pytest.mark.parametrize(
    ("batch", "skips"),
    [
        ([TextDelta("a")], True),
        ([ReasoningDelta("a")], True),
        ([Finished("stop", "stop")], False),
        ([TextDelta("a"), Finished("stop", "stop")], False),
        ([Raw("openai", "annotations", {})], False),
        ([ToolCall(0, "id", "tool", "{}", {})], False),
        ([], False),
    ],
    ids=["text", "reasoning", "end", "text and end", "raw", "call", "nothing"],
)
def test_only_pieces_of_text_skip_the_links(batch, skips):
    """Only batches of text may skip the links, and one function decides it."""
    assert may_skip_links(batch) is skips


async def test_a_link_of_the_user_sees_every_batch():
    """Where the user's own links are in the chain, nothing passes beside them."""
    seen: list[str] = []

    async def mine(request: Request, call: CallContext, call_next: Handler) -> AsyncGenerator[Batch, None]:
        async with aclosing(call_next(request, call)) as batches:
            async for batch in batches:
                seen.extend(chunk.text for chunk in batch)
                yield batch

    client, _ = client_over(Answer(*TEXT, STOP, END), middlewares=[mine])
    async with client:
        await client.stream("Hi").collect()
    assert "".join(seen) == "abc"


async def test_an_error_in_a_direct_read_is_named_and_keeps_the_text():
    """The links are asked again: the error has its kind and its attempt, and what was received stays."""
    client, _ = client_over(Answer(*TEXT, ConnectionResetError()), retry=RetryPolicy.off(), recovery=Recovery.off())
    async with client:
        with pytest.raises(StreamError) as raised:
            await client.stream("Hi").collect()
    assert (raised.value.kind, raised.value.cause) == ("stream_interrupted", "ConnectionResetError")
    assert raised.value.transcript is not None
    assert raised.value.transcript.text == "abc"
    assert raised.value.transcript.attempts[0].error is raised.value


async def test_what_had_arrived_before_the_error_is_delivered_first():
    """The bytes in the reader behind a failed read come to the consumer before the error."""
    client, _ = client_over(
        Answer(TEXT[0], ConnectionResetError(), TEXT[1], TEXT[2]), retry=RetryPolicy.off(), recovery=Recovery.off()
    )
    got: list[str] = []
    async with client:
        with pytest.raises(StreamError):
            async for chunk in client.stream("Hi"):
                got.append(chunk.text)
    assert got == ["a", "b", "c"]


async def test_a_continuation_passes_the_links():
    """An answer that was cut is gone on with, and what goes on is compared with what was delivered: by the links."""
    delivered = [text_event("One two three four "), text_event("five six seven ")]
    client, transport = client_over(
        Answer(*delivered, ConnectionResetError()),
        Answer(*delivered, text_event("eight "), text_event("nine."), STOP, END),
        recovery=Recovery(methods=("replay",)), retry=RetryPolicy(initial=0),
    )  # fmt: skip
    async with client:
        stream = client.stream("Hi")
        async for chunk in stream:
            assert not stream.transcript.seams or stream._call.direct.attempt is None, chunk
    transcript = stream.transcript
    assert transcript.text == "One two three four five six seven eight nine."
    assert len(transcript.seams) == 1
    assert len(transport.requests) == 2


async def test_a_cancelled_direct_read_closes_the_connection_and_keeps_what_had_come():
    """The pull is cancelled where it waits: the answer is closed at once, and the outcome says who ended it."""
    waits: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    answer = Answer(TEXT[0], waits, TEXT[1])
    client, _ = client_over(answer)
    async with client:
        stream = client.stream("Hi")
        task = asyncio.create_task(stream.collect())
        while answer.reads < 2:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert answer.closed == 1
    assert stream.transcript.outcome == "cancelled"
    assert stream.transcript.text == "ab"


async def test_keep_alives_do_not_restart_the_stall_clock():
    """Comments between direct reads are no progress: the clock runs from the moment at which the pull began to wait."""
    client, _ = client_over(Answer(TEXT[0], *[b": ping\n\n"] * 5, TEXT[1], STOP, END), timeouts=Timeouts(stall=30))
    times: list[float | None] = []
    async with client:
        stream = client.stream("Hi")
        await anext(stream)
        direct, attempt = stream._call.direct, stream._call.direct.attempt
        assert isinstance(attempt, Attempt)
        received = attempt._body.receive

        async def noted() -> bytes:
            times.append(attempt._waits_since)
            return await received()

        direct.read = attempt._body.receive = noted
        await anext(stream)
    assert len(times) == 6
    assert len(set(times)) == 1


async def test_two_tasks_that_read_one_stream_directly_are_told_so():
    """The second pull is refused while the first waits; the first gets its text."""
    waits: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    client, _ = client_over(Answer(TEXT[0], waits, STOP, END))
    async with client:
        stream = client.stream("Hi")
        await anext(stream)
        first = asyncio.create_task(anext(stream))
        await asyncio.sleep(0)
        with pytest.raises(StreamMisused, match="another task"):
            await anext(stream)
        waits.set_result(TEXT[1])
        assert (await first).text == "b"
        assert (await stream.collect()).text == "ab"


async def test_a_direct_read_that_is_closed_ends_its_call():
    """A pull that is thrown away while it waits leaves no connection open."""
    waits: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    answer = Answer(TEXT[0], waits)
    client, _ = client_over(answer)
    async with client:
        stream = client.stream("Hi")
        await anext(stream)
        pull = stream.__anext__()
        pull.send(None)
        pull.close()
        assert answer.closed == 1
        assert stream.transcript.outcome == "failed"
        assert not stream._call.busy


@pytest.mark.parametrize("late", [TEXT[1], ConnectionResetError()], ids=["text", "an error"])
async def test_what_came_as_the_call_ended_is_kept(late):
    """The call is ended between the read that a pull waits for and the pull: its text is in the transcript."""
    waits: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    answer = Answer(TEXT[0], waits, TEXT[2])
    client, _ = client_over(answer, retry=RetryPolicy.off(), recovery=Recovery.off())
    async with client:
        stream = client.stream("Hi")
        await anext(stream)
        pull = asyncio.create_task(anext(stream))
        await asyncio.sleep(0)
        waits.set_exception(late) if isinstance(late, Exception) else waits.set_result(late)
        stream.close()
        with pytest.raises(StreamError) as raised:
            while True:
                await pull
                pull = asyncio.create_task(anext(stream))
    failed = isinstance(late, Exception)
    assert (raised.value.kind, stream.transcript.outcome) == ("cancelled", "abandoned")
    assert stream.transcript.text == ("ac" if failed else "abc")
    assert answer.closed == 1


async def test_what_came_as_the_stall_clock_rang_is_delivered_first():
    """The clock has ended the attempt between the read and the pull: the text comes, and then the error."""
    waits: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    client, _ = client_over(Answer(TEXT[0], waits, TEXT[2]), retry=RetryPolicy.off(), recovery=Recovery.off())
    async with client:
        stream = client.stream("Hi")
        await anext(stream)
        pull = asyncio.create_task(anext(stream))
        await asyncio.sleep(0)
        attempt = stream._call.direct.attempt
        assert isinstance(attempt, Attempt)
        waits.set_result(TEXT[1])
        attempt.watch(stream._call.now() + 3600)
        assert (await pull).text == "b"
        assert (await anext(stream)).text == "c"
        with pytest.raises(StreamError) as raised:
            await anext(stream)
    assert (raised.value.kind, raised.value.code) == ("read_timeout", "stall")
    assert stream.transcript.text == "abc"


async def test_a_slow_consumer_is_not_waited_for_by_the_stall_clock():
    """Between two direct reads nobody waits, so the clock does not run."""
    client, _ = client_over(Answer(*TEXT, STOP, END))
    async with client:
        stream = client.stream("Hi")
        assert [(await anext(stream)).text for _ in range(2)] == ["a", "b"]
        attempt = stream._call.direct.attempt
        assert isinstance(attempt, Attempt)
        attempt.watch(stream._call.now() + 3600)
        assert (await stream.collect()).text == "abc"


def test_a_decoder_around_another_one_reads_every_piece_itself():
    """It may change what the other one reads, so nothing is read past it."""
    decoder = adapter_for("openai").decoder(Request(messages=(), target=Target("openai:m"), targets=()))
    decoder.feed(TEXT[0])
    assert _lone_text(decoder) is not None
    assert _lone_text(given_back(decoder, {"a": "b"})) is None


async def test_pieces_that_are_read_directly_are_counted_and_weighed():
    """The attempt's record counts every chunk, and the transcript's limit holds as for any other read."""
    pieces = [text_event(f"{number:0100}") for number in range(400)]
    client, _ = client_over(Answer(*pieces, STOP, END), limits=Limits(max_transcript_bytes=16_384))
    async with client:
        stream = client.stream("Hi")
        for _ in pieces:
            await anext(stream)
        assert stream.transcript.omitted > 0
        transcript = await stream.collect()
    assert transcript.attempts[0].chunks == 401
    assert transcript.text.startswith(f"{0:0100}{1:0100}")
    assert transcript.text.endswith(f"{398:0100}{399:0100}")


async def test_text_after_a_direct_read_of_something_else_is_read_directly_again():
    """Whatever comes between two pieces of text is for the attempt; the next piece is not."""
    half = text_event("b")
    client, _ = client_over(Answer(TEXT[0], half[:9], half[9:], b": ping\n\n", *TEXT[2:], STOP, END))
    async with client:
        stream = client.stream("Hi")
        await anext(stream)
        assert stream._call.direct.read is not None
        assert (await anext(stream)).text == "b"
        assert stream._call.direct.read is not None
        assert (await stream.collect()).text == "abc"


async def test_a_call_that_is_over_leaves_nothing_to_the_collector():
    """A good call has no cycle in it: it is freed as soon as nobody holds it."""
    reads = [*TEXT, STOP, END]
    client, _ = client_over(*(Answer(*reads) for _ in range(25)))
    async with client:
        for _ in range(5):
            await client.stream("Hi").collect()
        gc.collect()
        gc.disable()
        try:
            for _ in range(20):
                await client.stream("Hi").collect()
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            ours = [found for found in gc.garbage if type(found).__module__.startswith("resilient_stream")]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
    assert ours == []


async def test_a_good_answer_is_read_without_a_chain():
    """No link has anything to do for it, so none is made."""
    client, _ = client_over(Answer(*TEXT, STOP, END))
    async with client:
        stream = client.stream("Hi")
        await stream.collect()
    assert stream._batches is None
    assert stream.transcript.outcome == "complete"


async def test_a_first_attempt_that_fails_is_taken_over_by_the_chain():
    """It is retried as any other: one attempt failed, the second one answers, and the waits are the policy's."""
    client, transport = client_over(
        Answer(ConnectionResetError()), Answer(*TEXT, STOP, END), retry=RetryPolicy(initial=0)
    )
    async with client:
        stream = client.stream("Hi")
        await stream.collect()
    first, second = stream.transcript.attempts
    assert (first.error and first.error.kind.value, second.error) == ("stream_interrupted", None)
    assert len(transport.requests) == 2
    assert stream.transcript.text == "abc"


async def test_an_answer_that_began_without_a_chain_is_not_retried():
    """The links are told that content was delivered: a cut is no reason for a second answer."""
    client, transport = client_over(
        Answer(*TEXT, ConnectionResetError()), Answer(*TEXT, STOP, END), retry=RetryPolicy(initial=0),
        recovery=Recovery.off(), targets=2,
    )  # fmt: skip
    async with client:
        with pytest.raises(StreamError):
            await client.stream("Hi").collect()
    assert len(transport.requests) == 1


@pytest.mark.parametrize("reads", [[*TEXT, STOP, END], [TEXT[0], ConnectionResetError()]], ids=["whole", "cut"])
async def test_a_request_without_a_chain_counts_for_the_retry_budget(reads):
    """One answer is one request to the target's budget, with a chain or without, and never two."""
    client, _ = client_over(Answer(*reads), retry=RetryPolicy.off(), recovery=Recovery.off())
    async with client:
        with suppress(StreamError):
            await client.stream("Hi").collect()
    assert sum(slot.requests for slot in counts_of(client.targets[0])._slots) == 1


@pytest.mark.parametrize("begun", [False, True], ids=["before content", "after content"])
@pytest.mark.parametrize("late", [ConnectionResetError(), TEXT[1]], ids=["an error", "more text"])
async def test_a_read_that_ends_after_its_call_is_an_error_and_sends_nothing(begun, late):
    """The call ended while a pull waited: the pull never looks like a normal end, and no other request goes out."""
    waits: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    client, transport = client_over(Answer(*TEXT[:begun], waits), retry=RetryPolicy.off(), recovery=Recovery.off())
    async with client:
        stream = client.stream("Hi")
        if begun:
            await anext(stream)
        pull = asyncio.create_task(anext(stream))
        await asyncio.sleep(0)
        stream._call.finish("abandoned")
        if not waits.done():
            waits.set_exception(late) if isinstance(late, Exception) else waits.set_result(late)
        with pytest.raises(StreamError) as raised:
            await pull
    assert not isinstance(raised.value.__cause__, AssertionError)
    assert len(transport.requests) == 1
    assert stream.transcript.outcome == "abandoned"
