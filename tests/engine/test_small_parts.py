"""The engine's small parts by themselves: ending many streams, finishing generators by hand, the process's memory."""

from __future__ import annotations

import asyncio
import builtins
import os
from collections.abc import AsyncGenerator, Mapping
from typing import Any, ClassVar, cast

import pytest

from resilient_stream.chunks import Chunk, ReasoningDelta, Seam, TextDelta
from resilient_stream.contract import Batch
from resilient_stream.engine import in_turns, memory
from resilient_stream.engine.in_turns import end_in_turns
from resilient_stream.engine.middleware.fallback import give_up
from resilient_stream.engine.recovery import Partial, Refusal, Splice
from resilient_stream.engine.recovery.beginnings import objection
from resilient_stream.engine.recovery.joins import Join
from resilient_stream.engine.recovery.starting_over import ignored, undecided
from resilient_stream.engine.unwind import unwind
from resilient_stream.engine.whole_body import WholeBody
from resilient_stream.failures import ErrorKind, Failure
from resilient_stream.outcome.errors import AllTargetsFailed
from resilient_stream.outcome.making import error_for

# -- many ends --------------------------------------------------------------------------------


async def test_the_loop_has_a_turn_while_many_streams_end(monkeypatch: pytest.MonkeyPatch):
    """Ends that take long let other tasks run in between; ends that are quick are not interrupted."""
    times = iter(range(100))
    turns: list[int] = []
    ended: list[int] = []

    async def counts() -> None:
        while True:
            turns.append(len(ended))
            await asyncio.sleep(0)

    other = asyncio.create_task(counts())
    await asyncio.sleep(0)
    turns.clear()
    monkeypatch.setattr(in_turns.time, "perf_counter", lambda: next(times) * in_turns.TURN * 0.4)
    await end_in_turns([lambda number=number: ended.append(number) for number in range(9)])
    monkeypatch.undo()
    assert ended == list(range(9))
    assert turns == [3, 6, 9]
    turns.clear()
    await end_in_turns([lambda: None] * 3)
    assert turns == []
    other.cancel()


async def test_all_streams_end_when_who_waits_for_it_is_cancelled(monkeypatch: pytest.MonkeyPatch):
    """What is left is ended at once, before the cancellation goes on."""
    monkeypatch.setattr(in_turns, "TURN", -1.0)
    ended: list[int] = []
    task = asyncio.create_task(end_in_turns([lambda number=number: ended.append(number) for number in range(5)]))
    await asyncio.sleep(0)
    assert ended == [0]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [0, 1, 2, 3, 4]


# -- generators -------------------------------------------------------------------------------


async def suspended(log: list[str], *, waits: bool = False, fails: bool = False) -> AsyncGenerator[int, None]:
    """A generator that says when it is finished, after a wait or with an error if it is told to."""
    try:
        yield 1
    finally:
        log.append("ends")
        if waits:
            try:
                await asyncio.sleep(0)
                if fails:
                    failing = asyncio.get_running_loop().create_future()
                    asyncio.get_running_loop().call_soon(failing.set_exception, OSError())
                    await failing
            except OSError:
                log.append("failed")
            log.append("ended")


async def test_a_suspended_generator_is_finished_at_once():
    """Its `finally` has run when the call returns; finishing it again, or one that never began, is nothing."""
    log: list[str] = []
    generator = suspended(log)
    await anext(generator)
    unwind(generator)
    assert log == ["ends"]
    unwind(generator)
    unwind(suspended(log))
    assert log == ["ends"]


async def test_a_generator_that_waits_in_its_end_is_finished_by_a_task():
    """The rest runs as soon as the loop has a turn, with what its waits give and raise."""
    log: list[str] = []
    generator = suspended(log, waits=True, fails=True)
    await anext(generator)
    unwind(generator)
    assert log == ["ends"]
    for _ in range(10):
        await asyncio.sleep(0)
    assert log == ["ends", "failed", "ended"]


async def test_a_running_generator_is_left_to_who_runs_it():
    """It cannot be closed by hand while a pull is in it."""

    async def itself() -> AsyncGenerator[int, None]:
        unwind(generator)
        yield 1

    generator = itself()
    assert await anext(generator) == 1
    await generator.aclose()


def test_a_generator_that_waits_is_closed_where_no_loop_runs():
    """Nobody could finish it: what can be done by hand is done, and nothing is left behind."""
    log: list[str] = []
    generator = suspended(log, waits=True)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(anext(generator))
    loop.close()
    unwind(generator)
    assert log == ["ends"]


# -- memory -----------------------------------------------------------------------------------


def test_the_memory_in_use_is_that_of_this_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Any):
    """The second number of /proc/self/statm, in pages."""
    statm = tmp_path / "statm"
    statm.write_bytes(b"900 300 20 1 0 80 0\n")
    opened = builtins.open
    asked: list[tuple[Any, ...]] = []

    def other(*values: Any) -> Any:
        asked.append(values)
        return opened(statm, *values[1:])

    monkeypatch.setattr("builtins.open", other)
    found = memory.rss_bytes()
    monkeypatch.undo()
    assert found == 300 * os.sysconf("SC_PAGE_SIZE")
    assert asked == [("/proc/self/statm", "rb")]


@pytest.mark.parametrize("content", [b"", b"900\n", b"a b c\n"])
def test_a_memory_file_that_says_nothing_is_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, content: bytes):
    """Then the largest size that the process has had counts, which is in KiB on Linux and in bytes on macOS."""
    statm = tmp_path / "statm"
    statm.write_bytes(content)
    opened = builtins.open
    monkeypatch.setattr("builtins.open", lambda name, *values: opened(statm, *values))
    from_usage = memory.rss_bytes()
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    on_a_mac = memory.rss_bytes()
    monkeypatch.undo()
    assert from_usage is not None
    assert on_a_mac is not None
    assert from_usage > 10 << 20
    assert 1000 < from_usage / on_a_mac < 1050


# -- whole bodies and splices -----------------------------------------------------------------


class OneLongThought:
    """A decoder that found one long text of reasoning in the body, with a signature behind it."""

    spans: ClassVar[Mapping[str, tuple[int, int]]] = {"mark": (1, 6)}


async def test_a_signature_comes_behind_the_long_reasoning_that_it_signs():
    """The text comes from the body, piece by piece, and the proof of it in a chunk of its own at the end."""

    async def nothing() -> bytes:
        return b""

    body = WholeBody(b'"hello"', nothing, cast(Any, OneLongThought()))
    while await body.receive():
        pass
    body.hand_out([ReasoningDelta("mark", signature="s"), TextDelta("Hi")])
    found = [chunk for _ in range(3) for chunk in await body.next()]
    assert found == [ReasoningDelta("hello"), ReasoningDelta("", signature="s"), TextDelta("Hi")]
    assert not body.waiting
    body.close()


class Holds:
    """A matcher that gives all at the end, or refuses then."""

    overlap = 3
    restarts = False

    def __init__(self, *, refuses: bool = False) -> None:
        self.refusal: Refusal | None = None
        self._refuses = refuses
        self._held: Batch = []

    def take(self, chunk: Chunk) -> Batch:
        self._held.append(chunk)
        return []

    def end(self) -> Batch:
        if self._refuses:
            self.refusal = Refusal("echo", 3)
        return self._held


def test_a_continuation_that_ends_without_an_end_is_announced_and_delivered():
    """What was held comes behind its seam; nothing of it does when the matcher refuses at the end."""
    splice = Splice(Holds(), "a:m", "b:m", "replay", Partial.of([]))
    assert splice.feed([TextDelta("x")]) == []
    seam, text = splice.finish()
    assert isinstance(seam, Seam)
    assert (seam.source, seam.target, seam.method, seam.overlap, text) == (
        "a:m",
        "b:m",
        "replay",
        3,
        TextDelta("x"),
    )
    assert splice.finish() == []

    refused = Splice(Holds(refuses=True), "a:m", "b:m", "replay", Partial.of([]))
    assert refused.feed([TextDelta("x")]) == []
    assert refused.finish() == []
    assert refused.begun is False
    assert refused.feed([TextDelta("y")]) == []


@pytest.mark.parametrize(("body", "reply", "why"), [("Hi", "Hi", "echo"), ("H", "H", None), ("Hi", "Hit", None)])
def test_a_reply_that_only_repeats_the_end_is_an_echo(body: str, reply: str, why: str | None):
    """From two letters on; one letter alone may be the next word."""
    assert objection(body, " ", reply) == why


@pytest.mark.parametrize(
    ("body", "reply"), [("The sky is blue", "The sky is blue"), ("The sky is blue", "The")], ids=["all", "a beginning"]
)
def test_a_reply_that_is_a_beginning_of_the_answer_is_an_echo(body: str, reply: str):
    """Where the model was given the answer as its own turn, and sent some of it again."""
    assert ignored(body, " ", reply) == "echo"


@pytest.mark.parametrize(
    ("body", "reply", "why"),
    [
        ("The sky is blue", "Continuing from where I left off: and", "preface"),
        ("The sky is blue", "The sky is blue and", "anew"),
        ("The sky is blue and", "Sorry, I cannot", "anew"),
        ("The sky is blue", " and wide", None),
    ],
)
def test_it_is_said_how_a_reply_is_no_continuation(body: str, reply: str, why: str | None):
    """The word is the code of the refusal."""
    assert ignored(body, "", reply) == why


@pytest.mark.parametrize(
    ("reply", "more"), [("The sky, is", True), ("the sky, i", True), ("the sea, i", False), ("the sky, it", False)]
)
def test_more_is_waited_for_while_a_reply_may_be_the_same_words(reply: str, more: bool):
    """In other punctuation, and with the last word perhaps not yet whole."""
    assert undecided("The sky is blue and wide", " ", reply) is more


def test_white_space_that_was_kept_back_is_delivered_at_the_end():
    """Also where the continuation has nothing but white space of its own."""
    join = Join(" ")
    assert join.feed("\n\n") == ""
    assert join.end() == "\n\n"


def test_the_cause_of_all_failures_is_the_last_one():
    """A traceback ends with what was tried last."""
    errors = [
        error_for(Failure(kind=ErrorKind.SERVER_ERROR), provider="openai", model=model, attempt=1) for model in "abc"
    ]
    with pytest.raises(AllTargetsFailed) as caught:
        give_up(errors, untried=0)
    assert caught.value.__cause__ is errors[-1]
