"""A call that asks for an object is like any other: one clock, one end, and no cost for those that ask for text."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Any

import pytest

from resilient_stream import Client, RetryBudget, RetryPolicy, StreamError, Transcript
from resilient_stream.outcome.errors import DeadlineExceeded
from resilient_stream.testing import Cut, End, FakeProvider, Stall, Text
from resilient_stream.testing.steps import Script
from tests.engine.scripted import Answer
from tests.objects.answers import BAD, GOOD, Trip, asking, speaking

TRIP = Trip.model_validate_json(GOOD)


@pytest.mark.usefixtures("own_clock")
async def test_all_tries_are_under_one_deadline() -> None:
    """A second answer that does not come ends the call when its time is over, not a deadline later."""
    pending: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    client, transport = asking(GOOD, BAD, Answer(pending))
    await client.complete("Hi", output=Trip)  # what is imported at the first call takes its time
    ended: list[Transcript] = []
    with pytest.raises(DeadlineExceeded):
        await client.complete("Hi", output=Trip, deadline=0.05, on_end=ended.append)
    assert [transcript.outcome for transcript in ended] == ["deadline"]
    assert len(transport.requests) == 3
    assert ended[0].text == BAD


async def test_each_answer_has_its_own_usage() -> None:
    """The transcript's is the last one's, as after any retry; what the first one cost is in its attempt."""
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":2}}\n\n'
    first, second = speaking(BAD), speaking(GOOD)
    for answer, tokens in ((first, 5), (second, 9)):
        answer._script.insert(-1, usage % tokens)
    client, _ = asking(first, second)
    transcript = await client.complete("Hi", output=Trip)
    assert transcript.usage.input_tokens == 9
    assert [attempt.usage and attempt.usage.input_tokens for attempt in transcript.attempts] == [5, 9]


async def test_a_second_answer_is_looked_at_like_a_first_one() -> None:
    """One in which nothing can be read is asked for anew by a plain retry."""
    nothing = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}\n\n'
    empty = Answer(nothing, b"data: [DONE]\n\n")
    client, transport = asking(BAD, empty, GOOD, retry=RetryPolicy(initial=0, attempts=2))
    assert (await client.complete("Hi", output=Trip)).output == TRIP
    assert len(transport.requests) == 3


async def test_a_budget_that_is_spent_asks_nothing_again() -> None:
    """A model that never fits must not double an application's traffic."""
    client, transport = asking(BAD, GOOD, budget=RetryBudget(ratio=0, reserve=0))
    with pytest.raises(StreamError) as caught:
        await client.complete("Hi", output=Trip)
    assert (caught.value.gave_up, len(transport.requests)) == ("budget", 1)


async def test_an_answer_that_was_continued_is_read_as_one() -> None:
    """What broke off and was taken up again by another request is one text, and one object."""
    scripts: list[Script] = [[Text(GOOD[:30]), Cut()], [Text(GOOD), End()]]
    async with FakeProvider(*scripts) as provider, Client(provider.target("openai")) as client:
        transcript = await client.stream("Hi", output=Trip).collect()
    assert (transcript.output, transcript.text, len(transcript.attempts)) == (TRIP, GOOD, 2)


async def test_a_refusal_is_asked_for_once() -> None:
    """Its own reason stands."""
    refusal = {"choices": [{"index": 0, "delta": {"refusal": "I will not."}, "finish_reason": "stop"}]}
    answer = Answer(b"data: %b\n\n" % json.dumps(refusal).encode(), b"data: [DONE]\n\n")
    client, transport = asking(answer)
    transcript = await client.complete("Hi", output=Trip)
    assert (transcript.finish_kind, transcript.output, len(transport.requests)) == ("refusal", None, 1)


async def test_a_middleware_that_changes_the_answer_is_read_as_it_left_it() -> None:
    """The object is read outside of all links."""

    async def upper(request: Any, call: Any, call_next: Any) -> Any:
        async for batch in call_next(request, call):
            yield [_louder(chunk) for chunk in batch]

    client, _ = asking(GOOD, middlewares=[upper])
    assert (await client.complete("Hi", output=Trip)).output.title == "ITALY"


def _louder(chunk: Any) -> Any:
    return type(chunk)(chunk.text.replace("Italy", "ITALY")) if chunk.text else chunk


@pytest.mark.usefixtures("nothing_left")
async def test_leaving_the_objects_closes_the_stream() -> None:
    """A `break` in the loop over objects is a `break` of the stream."""
    async with FakeProvider([Text(GOOD[:40]), Stall()]) as provider:
        async with Client(provider.target("openai")) as client:
            ended: list[Transcript] = []
            async for trip in client.stream("Hi", output=Trip, on_end=ended.append).objects():
                assert trip.title == "Italy"
                break
            assert [transcript.outcome for transcript in ended] == ["abandoned"]


async def test_whole_answers_are_read_too() -> None:
    """Where a target does not stream."""
    async with FakeProvider([Text(GOOD), End()]) as provider:
        async with Client(provider.target("openai", stream=False)) as client:
            seen = [trip async for trip in client.stream("Hi", output=Trip).objects()]
    assert seen[-1] == TRIP


async def test_a_scope_takes_an_output() -> None:
    """As `stream` does."""
    client, _ = asking(GOOD)
    async with client.scope() as scope:
        assert (await scope.stream("Hi", output=Trip).collect()).output == TRIP


def test_a_call_without_an_output_imports_nothing_for_it() -> None:
    """Neither the import of the package nor a text loads what reads objects."""
    script = (
        "import asyncio, sys\n"
        "from tests.engine.scripted import client_over, Answer, text_event, STOP, END\n"
        "client, _ = client_over(Answer(text_event('Hi'), STOP, END))\n"
        "print(asyncio.run(client.complete('Hi')).text)\n"
        "print([name for name in sys.modules if name.startswith('resilient_stream.objects')])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "Hi\n[]\n"
