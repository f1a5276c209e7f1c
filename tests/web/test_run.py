"""A running answer that several readers share: backpressure, what a leaving reader means, every way to end."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

from resilient_stream import ErrorKind
from resilient_stream.outcome.errors import StreamError
from resilient_stream.web.log import FRAME_BYTES
from resilient_stream.web.run import AHEAD, DRAIN, OnDisconnect, Run, detached

from ..engine.clock import running_clock
from .hub_parts import Endless, Feeding, PlainWriter, numbers, read_all, stream_of, turns

pytestmark = pytest.mark.usefixtures("nothing_left")

LONG = "x" * (AHEAD // 4)


def run_of(feeding: Feeding, on_disconnect: OnDisconnect = "cancel") -> Run:
    """A run over a stream that the test feeds."""
    return Run(feeding.stream, PlainWriter, on_disconnect, id="some-id")


async def test_a_reader_gets_the_whole_answer_in_order() -> None:
    """The frames of a run are those of the stream, numbered, from the beginning to its end."""
    run = Run(stream_of("Hel", "lo"), PlainWriter, "cancel", id="some-id")
    read = await read_all(run.attach())
    assert read.split(b"\n\n")[:-1] == [
        b"id: 1\ndata: begin", b"id: 2\ndata: Hel", b"id: 3\ndata: lo", b"id: 4\ndata: end complete",
    ]  # fmt: skip
    assert run.writer.about is not None  # type: ignore[attr-defined]
    assert run.writer.about.id == "some-id"  # type: ignore[attr-defined]


async def test_an_answer_far_ahead_of_its_reader_waits() -> None:
    """A slow browser slows its provider down: nothing more is read until it has taken what is there."""
    feeding = Feeding()
    run = run_of(feeding)
    reader = run.attach()
    feeding.feed(*[LONG] * 12)
    feeding.end()
    await turns(100)
    held = feeding.answer.reads
    assert held <= 6
    while feeding.answer.reads == held:
        assert await reader.frames()
        await turns()
    assert (await read_all(reader)).endswith(b"data: end complete\n\n")


async def test_a_whole_answer_waits_for_nobody() -> None:
    """A reader that stalls does not keep the stream, nor hold up a shutdown: all it can get is in the log."""
    feeding = Feeding()
    run = run_of(feeding)
    reader = run.attach()
    feeding.feed("x" * (AHEAD - 2 * FRAME_BYTES - 60))  # so that only the end is more than the reader may be behind
    feeding.end()
    await turns(50)
    assert run.log.behind(0) > AHEAD
    assert run.log.done
    assert numbers(await read_all(reader)) == [1, 2, 3]


async def test_a_slow_second_reader_holds_up_nobody() -> None:
    """The reader that is furthest sets the pace; the other one finds what it missed in the log."""
    feeding = Feeding()
    run = run_of(feeding)
    slow, quick = run.attach(), run.attach()
    feeding.feed(*[LONG] * 12)
    feeding.end()
    assert numbers(await read_all(quick)) == list(range(1, 15))
    assert numbers(await read_all(slow)) == list(range(1, 15))


async def test_a_slow_reader_that_leaves_lets_the_others_go_on() -> None:
    """A run that waits looks again when a reader has gone: with none left that one would wait for ever."""
    feeding = Feeding()
    run = run_of(feeding, "detach")
    reader = run.attach()
    feeding.feed(*[LONG] * 12)
    feeding.end()
    await turns(100)
    assert not run.log.done
    reader.leave()
    await turns(200)
    assert run.log.done
    assert run.log.last == 14


async def test_cancel_closes_the_provider_with_the_last_reader() -> None:
    """Only the last one counts, and what was written stays in the log with an honest end."""
    feeding = Feeding()
    run = run_of(feeding, "cancel")
    first, second = run.attach(), run.attach()
    feeding.feed("a")
    await turns()
    first.leave()
    await turns()
    assert feeding.answer.interrupted is None
    second.leave()
    assert feeding.answer.interrupted is not None
    await turns()
    assert (await read_all(run.attach())).endswith(b"data: error abandoned\n\nid: 4\ndata: end abandoned\n\n")
    assert feeding.stream.transcript.outcome == "abandoned"


async def test_detach_runs_on_without_readers() -> None:
    """The answer is there for whoever comes back."""
    feeding = Feeding()
    run = run_of(feeding, "detach")
    run.attach().leave()
    feeding.feed("a", "b")
    feeding.end()
    await turns(50)
    assert feeding.stream.transcript.outcome == "complete"
    assert numbers(await read_all(run.attach(2))) == [3, 4]


async def test_drain_runs_on_for_a_while() -> None:
    """The usage comes with the end, so a short rest is waited for, and a long one is not."""
    with running_clock() as clock:
        feeding = Feeding()
        run_of(feeding, "drain").attach().leave()
        feeding.feed("a")
        await asyncio.sleep(DRAIN - 1)
        assert feeding.answer.interrupted is None
        await asyncio.sleep(1.5)
        assert feeding.answer.interrupted is not None
        assert clock.passed == DRAIN + 0.5
        ends = Feeding()
        run_of(ends, "drain").attach().leave()
        ends.feed("a")
        ends.end()
        await turns(50)
        assert ends.stream.transcript.outcome == "complete"
        assert not [timer for timer in asyncio.get_running_loop()._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]


async def test_leaving_wakes_a_reader_that_waits() -> None:
    """The response notices that its browser has gone while it waits for the next frames."""
    feeding = Feeding()
    run = run_of(feeding, "detach")
    reader = run.attach()
    waiting = asyncio.ensure_future(reader.frames())
    await turns()
    reader.leave()
    assert await waiting == []
    run.close()
    await turns()


class _Lonely(Endless):
    """It waits for something that nothing else refers to, so its run has to be referred to."""

    async def __anext__(self) -> Any:
        await asyncio.get_running_loop().create_future()


async def test_an_answer_that_nobody_holds_runs_on() -> None:
    """Without a hub nobody else refers to it, and the collector may come at any time."""
    stream: Any = _Lonely()
    source = detached(stream, PlainWriter(), "detach")
    source.leave()
    run = weakref.ref(source._feed)  # type: ignore[attr-defined]
    del source, stream
    await turns()
    gc.collect()
    kept = run()
    assert kept is not None
    kept.task.cancel()
    del kept
    await turns()
    gc.collect()
    assert run() is None


async def test_a_reader_that_comes_back_ends_the_draining() -> None:
    """The page was reloaded: the answer goes on for as long as it takes."""
    with running_clock():
        feeding = Feeding()
        run = run_of(feeding, "drain")
        run.attach().leave()
        reader = run.attach()
        await asyncio.sleep(DRAIN + 1)
        feeding.feed("a")
        feeding.end()
        assert (await read_all(reader)).endswith(b"data: end complete\n\n")


async def test_a_stop_is_no_failure() -> None:
    """Readers get the format's end with `stopped`, and no error, also where nothing had been written yet."""
    for texts in ((), ("a",)):
        feeding = Feeding()
        run = run_of(feeding)
        reader = run.attach()
        feeding.feed(*texts)
        await turns()
        assert run.stop()
        read = await read_all(reader)
        assert b"error" not in read
        assert read.endswith(b"data: end stopped\n\n")
        assert not run.stop()


async def test_a_stop_wakes_a_run_that_waits_for_its_readers() -> None:
    """A slow reader does not keep what nobody wants any more."""
    feeding = Feeding()
    run = run_of(feeding)
    run.attach()
    feeding.feed(*[LONG] * 12)
    await turns(100)
    run.stop()
    await turns()
    assert run.log.done


async def test_a_failure_before_the_first_frame_is_raised_to_each_reader() -> None:
    """Each response gets its status of it; one that has begun already gets the frames that say the same."""
    feeding = Feeding()
    run = run_of(feeding)
    first, begun = run.attach(), run.attach()
    begun.open()
    feeding._set(b'data: {"error":{"message":"no","type":"invalid_request_error"}}\n\n')
    raised = []
    for reader in (first, run.attach()):
        with pytest.raises(StreamError) as caught:
            await reader.frames()
        assert caught.value.kind is ErrorKind.INVALID_REQUEST
        raised.append(caught.value)
    assert raised[0] is not raised[1]  # else it would keep what each reader's task had on its stack
    assert run.log.refused is not None
    assert run.log.refused.__traceback__ is None
    assert (await read_all(begun)).endswith(b"data: end failed\n\n")


async def test_a_failure_in_the_middle_is_a_frame() -> None:
    """What was written before stays, and the error is said before the end."""
    feeding = Feeding()
    run = run_of(feeding)
    reader = run.attach()
    feeding.feed("a")
    feeding._set(b'data: {"error":{"message":"no","type":"invalid_request_error","code":"nope"}}\n\n')
    assert (await read_all(reader)).endswith(b"data: a\n\nid: 3\ndata: error nope\n\nid: 4\ndata: end failed\n\n")
    assert isinstance(reader.error, StreamError)  # for formats that have no words for it


class _Broken(PlainWriter):
    def write(self, items: object) -> list[bytes]:
        raise ZeroDivisionError


async def test_a_mistake_of_the_application_is_an_end_for_its_readers(caplog: pytest.LogCaptureFixture) -> None:
    """An exception that no table knows ends the answer as failed, closes the provider, and is logged with its place."""
    feeding = Feeding()
    run = Run(feeding.stream, _Broken, "cancel", id="some-id")
    reader = run.attach()
    feeding.feed("a")
    with pytest.raises(StreamError) as caught:  # nothing had been sent, so it has a status of its own
        await read_all(reader)
    assert (caught.value.code, caught.value.title) == ("bug", "Error of the server")
    assert (await read_all(run.attach(1))).endswith(b"data: end failed\n\n")
    assert feeding.answer.closed
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("begun", [True, False], ids=["in the middle", "before its first step"])
async def test_a_cancelled_task_ends_the_log(begun: bool) -> None:
    """A loop that ends cancels every task: readers get an end and never wait for ever."""
    feeding = Feeding()
    run = run_of(feeding)
    reader = run.attach()
    if begun:
        feeding.feed("a")
        await turns()
    assert run.task is not None
    reader.open()
    run.task.cancel()
    assert b"data: error client_closed" in await read_all(reader)
    assert not begun or feeding.answer.closed


async def test_a_run_that_has_ended_keeps_its_frames_and_nothing_else() -> None:
    """The stream and all that it received are let go, so that a kept answer weighs what its log weighs."""
    stream = stream_of("a" * 1000)
    run = Run(stream, PlainWriter, "cancel")
    await read_all(run.attach())
    watched = weakref.ref(stream)
    del stream
    gc.collect()
    assert watched() is None
    assert run.log.last == 3


@pytest.mark.parametrize("on_disconnect", ["detach", "drain"])
async def test_without_a_hub_nothing_is_kept_that_was_read(on_disconnect: OnDisconnect) -> None:
    """Its only reader cannot come back, so the log has what it has not taken, and nothing once it has left."""
    feeding = Feeding()
    source = detached(feeding.stream, PlainWriter(), on_disconnect)
    log = source._feed.log  # type: ignore[attr-defined]
    feeding.feed("a", "b")
    await turns()
    while log.last > source.position:  # type: ignore[attr-defined]
        await source.frames()
    assert log.first == log.last + 1
    source.leave()
    feeding.feed("c")
    feeding.end()
    await turns(50)
    assert log.done
    assert log.first == log.last + 1
    assert feeding.stream.transcript.outcome == "complete"
