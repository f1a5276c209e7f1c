"""The states of an attempt: which may follow which is one table, and every ending stays inside of it."""

from __future__ import annotations

import asyncio

import pytest

from resilient_stream import Recovery, RetryPolicy, StreamError
from resilient_stream.engine.attempt import Attempt
from resilient_stream.engine.states import FOLLOWS, RUNNING, State

from .scripted import END, STOP, Answer, client_over, text_event


def test_the_table_is_total():
    """Each state has a row, each can be reached from the first one, and each can be closed."""
    assert set(FOLLOWS) == set(State)
    reached, waiting = {State.OPENING}, [State.OPENING]
    while waiting:
        waiting += (new := FOLLOWS[waiting.pop()] - reached)
        reached |= new
    assert reached == set(State)
    assert all(State.CLOSED in FOLLOWS[state] for state in State if state is not State.CLOSED)
    assert FOLLOWS[State.CLOSED] == frozenset()


def test_each_state_says_what_it_is():
    """The documents draw the table; each state has a sentence there."""
    assert frozenset({State.OPENING, State.PREAMBLE, State.ANSWERING}) == RUNNING


async def test_what_the_table_does_not_allow_is_a_bug(monkeypatch: pytest.MonkeyPatch):
    """An attempt that was closed does not answer again."""
    client, _ = client_over(Answer(text_event("a"), STOP, END))
    seen: list[Attempt] = []
    made = Attempt.__init__
    monkeypatch.setattr(Attempt, "__init__", lambda self, *values: (seen.append(self), made(self, *values))[1])
    async with client:
        await client.stream("Hi").collect()
    assert seen[0].state is State.CLOSED
    with pytest.raises(AssertionError, match="closed is not followed by answering"):
        seen[0]._enter(State.ANSWERING)


@pytest.mark.parametrize(
    ("answer", "path"),
    [
        ([text_event("a"), STOP, END], ["preamble", "answering", "whole", "closed"]),
        ([text_event("a") + STOP + END], ["preamble", "whole", "closed"]),
        ([text_event("a"), ConnectionResetError()], ["preamble", "answering", "broken", "closed"]),
        ([ConnectionResetError()], ["preamble", "broken", "closed"]),
        ([text_event("a"), b"data: {\n\n"], ["preamble", "answering", "broken", "closed"]),
        ([STOP.replace(b"stop", b"tool_calls"), END], ["preamble", "whole", "doubted", "closed"]),
    ],
    ids=["whole", "in one read", "cut", "cut before content", "unreadable", "doubted"],
)
async def test_the_way_of_an_attempt(answer, path, monkeypatch: pytest.MonkeyPatch):
    """What each kind of answer passes through."""
    seen: list[str] = []
    enter = Attempt._enter
    monkeypatch.setattr(Attempt, "_enter", lambda self, state: (seen.append(state.value), enter(self, state))[1])
    client, _ = client_over(Answer(*answer), retry=RetryPolicy.off(), recovery=Recovery.off())
    async with client:
        try:
            await client.stream("Hi").collect()
        except StreamError:
            pass
    assert seen == path


async def test_two_attempts_of_one_call_do_not_see_each_other():
    """Raced by hand: each has its own state, its own errors and its own answer; one is closed, one goes on."""
    slow: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    loser, winner = Answer(slow), Answer(text_event("a"), text_event("b"), STOP, END)
    client, transport = client_over(loser, winner, targets=2)
    async with client:
        call = client.stream("Hi")._call
        call.start()
        other = client.targets[1]
        first = Attempt(call, call.request)
        second = Attempt(call, type(call.request)(messages=call.request.messages, target=other))
        await first.open()
        await second.open()
        waiting = asyncio.create_task(first.read_batch())
        await asyncio.sleep(0)
        batch = await second.read_batch()
        assert [chunk.text for chunk in batch] == ["a"]
        assert (first.state, second.state) == (State.PREAMBLE, State.ANSWERING)
        assert (first.committed, second.committed) == (False, True)
        assert call.answering is not None
        assert call.answering.target is other
        first.interrupt()
        with pytest.raises(Exception, match=r".*"):
            await waiting
        first.close()
        assert (loser.closed, winner.closed) == (1, 0)
        assert (first.state, second.state) == (State.CLOSED, State.ANSWERING)
        assert first.origin.error(_lost()).target != second.origin.error(_lost()).target
        texts = [chunk.text for chunk in await second.read_batch()]
        assert texts == ["b"]
        while await second.read_batch():
            """The end of the answer."""
        assert second.state is State.WHOLE
        second.close()
        assert transport.released == [winner]
        call.finish("complete")


def _lost():
    from resilient_stream.errors import ErrorKind, Failure

    return Failure(kind=ErrorKind.CONNECTION_LOST)
