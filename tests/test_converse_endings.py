"""Every way in which a conversation can end: in a turn, in a tool, in a prompt, and between them.

It ends once, nothing is left behind, and its history can be sent again.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import BaseModel

from resilient_stream import (
    Client,
    ClientClosed,
    ContextError,
    ConversationRecord,
    DeadlineExceeded,
    Message,
    RateLimited,
    RetryPolicy,
    StreamError,
    StreamInterrupted,
    StreamMisused,
    TextDelta,
    Timeouts,
    ToolResult,
    Transcript,
    TurnStarted,
)
from resilient_stream.conversation.conversation import Conversation
from resilient_stream.engine.in_turns import end_in_turns
from resilient_stream.errors import ErrorKind, Failure, error_for
from resilient_stream.testing import CallTool, Cut, End, FakeProvider, ReceivedRequest, Stall, Status, Text
from resilient_stream.testing.steps import Script

from .engine.scripted import Answer, client_over, text_event
from .web.hub_parts import turns

pytestmark = pytest.mark.usefixtures("nothing_left")

DONE: Script = [Text("Done."), End()]
QUICK: Script = [Text("Looking."), CallTool("quick"), End()]
SLOW: Script = [Text("Looking."), CallTool("quick"), CallTool("slow"), End()]
CHAT: Script = [Text("And now?"), End()]
HALF: Script = [Text("Half ", "an answer"), Stall()]


class Wine(BaseModel):
    """Missing in every conversation here that asks for it."""

    name: str


class Stage:
    """A provider, its client, a conversation that comes to rest in one place, and what was seen of its end."""

    def __init__(self, provider: FakeProvider, client: Client) -> None:
        self.provider = provider
        self.client = client
        self.reached = asyncio.Event()
        self.release = threading.Event()
        self.seen: list[str] = []
        self.ended: list[ConversationRecord] = []
        self.chunks: list[Any] = []
        self._loop = asyncio.get_running_loop()

    async def quick(self) -> str:
        """Has its result at once."""
        return "quick result"

    async def rest(self, *_: Any) -> str:
        """An async tool or prompt that never ends by itself."""
        self.reached.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.seen.append("cancelled")
            raise
        return ""

    def rest_in_thread(self, *_: Any) -> str:
        """A plain one, which nobody can stop."""
        self._loop.call_soon_threadsafe(self.reached.set)
        self.release.wait(10)
        return "too late"

    def converse(self, place: str, **options: Any) -> Conversation:
        """One that rests in `turn`, `second turn`, `async tool`, `plain tool`, `async prompt` or `plain prompt`."""
        rest = self.rest_in_thread if place.startswith("plain") else self.rest
        scripts: dict[str, list[Script]] = {
            "turn": [HALF], "second turn": [QUICK, HALF], "tool": [SLOW], "prompt": [QUICK, CHAT],
        }  # fmt: skip
        self.provider.play(*scripts.get(place) or scripts[place.split()[-1]])
        if place.endswith("tool"):

            async def slow() -> str:
                return await self.rest()

            def slow_thread() -> str:
                return self.rest_in_thread()

            slow_thread.__name__ = "slow"
            options["tools"] = [self.quick, slow_thread if place.startswith("plain") else slow]
        else:
            options["tools"] = [self.quick]
        if place.endswith("prompt"):
            options |= {"outputs": [Wine], "on_incomplete": rest}
        return self.client.converse("hi", on_end=self.ended.append, **options)

    async def take(self, conversation: Conversation) -> None:
        """Pull until it ends."""
        async for chunk in conversation:
            self.chunks.append(chunk)
            if chunk.text == "an answer":
                self.reached.set()

    async def at_rest(self, conversation: Conversation) -> asyncio.Task[None]:
        """Pull it in a task, up to the place."""
        task = asyncio.create_task(self.take(conversation))
        await asyncio.wait_for(self.reached.wait(), PATIENCE)
        return task


PATIENCE = 10.0
"""Seconds in which something happens that takes milliseconds."""
PLACES = ("turn", "second turn", "async tool", "plain tool", "async prompt", "plain prompt")
ROLES = {
    "turn": ["user", "assistant"],
    "second turn": ["user", "assistant", "tool", "assistant"],
    "tool": ["user", "assistant", "tool", "tool"],
    "prompt": ["user", "assistant", "tool", "assistant"],
}


@pytest.fixture(params=["openai", "anthropic", "gemini"])
def dialect(request: pytest.FixtureRequest) -> str:
    """Each dialect."""
    return str(request.param)


@asynccontextmanager
async def staged(dialect: str = "openai", **options: Any) -> AsyncIterator[Stage]:
    """A stage whose threads are let go at its end, and whose provider answers nobody by then."""
    async with FakeProvider() as provider:
        async with Client(provider.target(dialect), **{"retry": RetryPolicy.off(), **options}) as client:
            stage = Stage(provider, client)
            yield stage
            stage.release.set()
            async with asyncio.timeout(PATIENCE):
                while provider.open:
                    await asyncio.sleep(0.001)
            assert not client.calls


async def goes_on(stage: Stage, conversation: Conversation) -> None:
    """The history is sent again, as it is, and the model answers."""
    before = len(stage.provider.requests)
    stage.provider.play(DONE)
    record = await stage.client.converse(conversation.history).collect()
    assert record.text == "Done."
    assert len(stage.provider.requests) == before + 1
    assert record.history[-1].text == "Done."


def looks_right(stage: Stage, conversation: Conversation, place: str) -> None:
    """What had come is in the history: text, results that are there, and each call answered."""
    found = [message.role for message in conversation.history]
    assert found == ROLES.get(place) or found == ROLES[place.split()[-1]]
    if place.endswith("tool"):
        assert [message.text for message in conversation.history[2:]] == [
            "quick result", "No result: the conversation was interrupted before this call was answered.",
        ]  # fmt: skip
    if place.endswith("turn"):
        assert conversation.history[-1].text == "Half an answer"
    assert stage.seen == (["cancelled"] if place.startswith("async") else [])
    assert [record.outcome for record in stage.ended] == [conversation.outcome]
    assert stage.ended[0] is conversation.record


@pytest.mark.parametrize("place", PLACES)
async def test_cancelling_leaves_at_once_and_the_history_goes_on(dialect: str, place: str) -> None:
    """In every place: CancelledError leaves as itself, tools are cancelled, on_end is called once."""
    async with staged(dialect) as stage:
        conversation = stage.converse(place)
        task = await stage.at_rest(conversation)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await asyncio.wait_for(task, PATIENCE)
        assert conversation.outcome == "cancelled"
        assert Transcript.of(caught.value) is conversation.transcripts[-1]
        looks_right(stage, conversation, place)
        with pytest.raises(ContextError):
            await anext(conversation)
        await goes_on(stage, conversation)


@pytest.mark.usefixtures("own_clock")
@pytest.mark.parametrize("place", PLACES)
async def test_the_deadline_is_over_turns_tools_and_prompts(place: str) -> None:
    """It wakes whatever waits; the error says how much time there was in all, and has the history."""
    async with staged() as stage:
        conversation = stage.converse(place, deadline=0.15)
        with pytest.raises(DeadlineExceeded, match=r"The limit was 0.15 s\.") as caught:
            await asyncio.wait_for(stage.take(conversation), PATIENCE)
        assert conversation.outcome == "deadline"
        assert caught.value.history == conversation.history
        assert caught.value.transcript is conversation.transcripts[-1]
        assert caught.value.target in ("openai:fake-model", "")
        looks_right(stage, conversation, place)
        with pytest.raises(DeadlineExceeded):
            await anext(conversation)
        await goes_on(stage, conversation)


@pytest.mark.parametrize("place", PLACES)
async def test_closing_the_client_ends_it_everywhere(place: str) -> None:
    """The pull raises ClientClosed, and what ran is cancelled."""
    async with staged() as stage:
        conversation = stage.converse(place)
        task = await stage.at_rest(conversation)
        await stage.client.aclose()
        with pytest.raises(ClientClosed):
            await asyncio.wait_for(task, PATIENCE)
        assert conversation.outcome == "client_closed"
        looks_right(stage, conversation, place)


async def test_it_ends_with_its_client_also_where_its_turn_is_ended_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client ends its calls in any order, and gives the loop a turn in between when that takes long."""
    async with staged() as stage:
        conversation = stage.converse("turn")
        task = await stage.at_rest(conversation)

        async def turn_first(ends: list[Any]) -> None:
            await end_in_turns(sorted(ends, key=lambda end: end.args[0] is conversation._call))

        monkeypatch.setattr("resilient_stream.client.end_in_turns", turn_first)
        monkeypatch.setattr("resilient_stream.engine.in_turns.TURN", -1)
        await stage.client.aclose()
        with pytest.raises(ClientClosed):
            await task
        assert conversation.outcome == "client_closed"


async def test_a_deadline_that_comes_with_a_chunk_ends_the_turn_too() -> None:
    """The pull has its chunk already, and the next one is refused before it reaches the turn, which ends as well."""
    arriving: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    answer = Answer(text_event("Hello"), arriving)
    client, _ = client_over(answer)
    conversation = client.converse("Hi")
    assert [type(await anext(conversation)), (await anext(conversation)).text] == [TurnStarted, "Hello"]
    pull = asyncio.create_task(anext(conversation))
    await turns()
    arriving.set_result(text_event(" you"))
    call = conversation._call
    call.expire(call.error(Failure(kind=ErrorKind.DEADLINE_EXCEEDED)), "deadline")
    assert (await pull).text == " you"
    with pytest.raises(DeadlineExceeded):
        await anext(conversation)
    assert (conversation.outcome, conversation.transcripts[0].outcome) == ("deadline", "deadline")
    assert (answer.closed, client.calls, conversation.record.text) == (1, set(), "Hello you")


@pytest.mark.parametrize("place", PLACES)
async def test_close_wakes_a_pull_in_another_task(place: str) -> None:
    """close() from outside: the pull raises, and the end is recorded once."""
    async with staged() as stage:
        conversation = stage.converse(place)
        task = await stage.at_rest(conversation)
        conversation.close()
        conversation.close()
        with pytest.raises(ContextError):
            await asyncio.wait_for(task, PATIENCE)
        assert conversation.outcome == "abandoned"
        looks_right(stage, conversation, place)


def test_a_plain_tool_that_is_left_behind_is_noted(caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG, since no thread can be stopped; the loop ends all the same."""

    async def main() -> None:
        async with staged() as stage:
            task = await stage.at_rest(stage.converse("plain tool"))
            task.cancel()
            await asyncio.wait([task])

    with caplog.at_level(logging.DEBUG, "resilient_stream"):
        asyncio.run(main())
    assert "slow may still run in its thread; nobody waits for it any more" in caplog.messages


# -- the consumer leaves ------------------------------------------------------------------------------


async def by_break(conversation: Conversation, until: Callable[[Any], bool]) -> None:
    """Leave the loop."""
    async for chunk in conversation:
        if until(chunk):
            break


async def by_raise(conversation: Conversation, until: Callable[[Any], bool]) -> None:
    """Raise in the loop."""
    async for chunk in conversation:
        if until(chunk):
            raise KeyError


async def by_context(conversation: Conversation, until: Callable[[Any], bool]) -> None:
    """Leave the block."""
    async with conversation:
        await by_break(conversation, until)


async def by_close(conversation: Conversation, until: Callable[[Any], bool]) -> None:
    """Call close()."""
    await by_break(conversation, until)
    conversation.close()


async def by_aclose(conversation: Conversation, until: Callable[[Any], bool]) -> None:
    """Call aclose()."""
    await by_break(conversation, until)
    await conversation.aclose()


POINTS: dict[str, Callable[[Any], bool]] = {
    "the first turn's start": lambda chunk: isinstance(chunk, TurnStarted),
    "the first turn": lambda chunk: isinstance(chunk, TextDelta),
    "a result": lambda chunk: isinstance(chunk, ToolResult),
    "the second turn's start": lambda chunk: chunk == TurnStarted(2),
    "the second turn": lambda chunk: chunk.text == "Half ",
}


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("way", [by_break, by_raise, by_context, by_close, by_aclose])
async def test_leaving_closes_at_once(
    way: Callable[[Conversation, Callable[[Any], bool]], Awaitable[None]], point: str
) -> None:
    """Wherever and however the caller leaves: recorded before anything else has a turn, no collection needed."""
    async with staged() as stage:
        gc.collect()
        gc.disable()
        try:
            try:
                await way(stage.converse("second turn"), POINTS[point])
            except KeyError:
                pass
            assert [record.outcome for record in stage.ended] == ["abandoned"]
            assert not stage.client.calls
        finally:
            gc.enable()
        assert stage.ended[0].history[0].text == "hi"


async def test_what_was_delivered_is_known_to_the_chunk() -> None:
    """A transcript of a turn counts what the caller took, not what had arrived."""
    async with staged() as stage:
        stage.provider.play([Text("one ", "two ", "three"), End()])
        conversation = stage.client.converse("hi")
        async for chunk in conversation:
            if chunk.text == "one ":
                break
        conversation.close()
        assert conversation.transcripts[0].delivered == "one "


async def test_one_that_was_never_pulled_sends_nothing() -> None:
    """And still ends once, when it is dropped."""
    async with staged() as stage:
        stage.converse("turn")
        gc.collect()
        assert [record.outcome for record in stage.ended] == ["abandoned"]
        assert stage.provider.requests == []


async def test_one_that_is_collected_in_another_thread_ends_on_its_loop() -> None:
    """The cyclic collector may run anywhere."""
    threads: list[int] = []
    async with staged() as stage:
        stage.provider.play(HALF)
        conversation = stage.client.converse("hi", on_end=lambda _: threads.append(threading.get_ident()))
        await by_break(conversation, POINTS["the first turn"])
        holder: list[Any] = [conversation]
        holder.append(holder)
        gc.disable()
        try:
            del conversation, holder
            await asyncio.to_thread(gc.collect)
        finally:
            gc.enable()
        async with asyncio.timeout(PATIENCE):
            while not threads:
                await asyncio.sleep(0.001)
    assert threads == [threading.get_ident()]


@pytest.mark.usefixtures("own_clock")
async def test_a_deadline_that_passes_while_nobody_pulls_is_recorded_then() -> None:
    """In a turn, after delivery of what had come, and between turns, where nothing is open."""
    async with staged() as stage:
        for point in ("the first turn's start", "the first turn", "a result"):
            stage.ended.clear()
            conversation = stage.converse("turn" if point == "the first turn" else "second turn", deadline=0.1)
            await by_break(conversation, POINTS[point])
            async with asyncio.timeout(PATIENCE):
                while not stage.ended:
                    await asyncio.sleep(0.001)
            assert conversation.outcome == "deadline"
            with pytest.raises(DeadlineExceeded, match=r"limit was 0.1 s\."):
                await stage.take(conversation)


async def test_timeouts_total_is_the_conversations_deadline_when_it_names_none() -> None:
    """`Timeouts.total` is the conversation's deadline, unless it has one of its own; no turn has one."""
    async with staged(timeouts=Timeouts(total=0.03)) as stage:
        with pytest.raises(DeadlineExceeded, match=r"limit was 0.03 s\."):
            await stage.take(stage.converse("second turn"))
        conversation = stage.converse("second turn", deadline=0.06)
        with pytest.raises(DeadlineExceeded, match=r"limit was 0.06 s\."):
            await stage.take(conversation)
        assert conversation.record.duration is not None
        assert conversation.record.duration > 0.05


@pytest.mark.usefixtures("own_clock")
async def test_a_consumer_that_takes_nothing_loses_its_connection() -> None:
    """A forgotten conversation is given up like a stream; a slow consumer is not."""
    async with staged(timeouts=Timeouts(consumer=0.2)) as stage:
        await by_break(conversation := stage.converse("second turn"), POINTS["the second turn"])
        async with asyncio.timeout(PATIENCE):
            while not stage.ended:
                await asyncio.sleep(0.001)
        with pytest.raises(ContextError):
            await stage.take(conversation)
        stage.provider.play([Text(*"slowly, slowly, slowly, slowly"), End()])
        async for _ in stage.client.converse("hi"):
            await asyncio.sleep(0.009)


def test_a_deadlines_error_says_what_the_whole_conversation_was_allowed() -> None:
    """Also where a turn's own clock rang first, which knows only what was left for it."""
    error = error_for(Failure(kind=ErrorKind.DEADLINE_EXCEEDED, facts={"seconds": 3.0}))
    ended, record = Transcript(), ConversationRecord([Message(role="user", content="hi")])
    ended._end("deadline", error)
    record.end(ended, 30.0)
    assert "The limit was 30 s." in error.message


# -- failures ---------------------------------------------------------------------------------------


async def test_a_turn_that_fails_ends_it_with_everything_kept(dialect: str) -> None:
    """The error is the stream's own, with the conversation's history, and each pull raises it again."""
    async with staged(dialect) as stage:
        stage.provider.play(QUICK, [Text("Half"), Cut()])
        conversation = stage.client.converse("hi", tools=[stage.quick], on_end=stage.ended.append)
        errors: list[StreamError] = []
        for _ in range(2):
            with pytest.raises(StreamInterrupted) as caught:
                await stage.take(conversation)
            errors.append(caught.value)
        assert errors[0] is errors[1]
        assert [message.role for message in errors[0].history or ()] == ROLES["second turn"]
        assert errors[0].transcript is conversation.transcripts[1]
        assert (conversation.outcome, len(stage.ended)) == ("failed", 1)
        await goes_on(stage, conversation)


async def test_no_wait_outlives_the_conversations_deadline() -> None:
    """A server that asks to wait longer than what is left of it: the turn fails now, in its second turn too."""
    async with staged(retry=RetryPolicy()) as stage:
        stage.provider.play(QUICK, [Status(429, {"retry-after": "20"})])
        with pytest.raises(RateLimited):
            await stage.take(stage.client.converse("hi", tools=[stage.quick], deadline=15))


async def test_a_cut_turn_has_no_calls_in_the_history(dialect: str) -> None:
    """A call that was whole when its turn was cut was not made, and is not in the history."""
    async with staged(dialect) as stage:
        stage.provider.play([Text("Half"), CallTool("quick"), Cut()])
        conversation = stage.client.converse("hi", tools=[stage.quick])
        with pytest.raises(StreamError):
            await stage.take(conversation)
        assert [message.role for message in conversation.history] == ["user", "assistant"]
        assert conversation.history[1].tool_calls == ()
        await goes_on(stage, conversation)


async def test_two_tasks_may_not_pull_one_conversation() -> None:
    """Two tasks that pull one conversation get StreamMisused, also while it runs a tool."""
    async with staged() as stage:
        conversation = stage.converse("async tool")
        task = await stage.at_rest(conversation)
        with pytest.raises(StreamMisused, match="another task"):
            await anext(conversation)
        conversation.close()
        with pytest.raises(ContextError):
            await task


async def test_a_complete_one_just_ends_again() -> None:
    """And its texts are those of all turns."""
    async with staged() as stage:
        stage.provider.play(QUICK, DONE)
        conversation = stage.client.converse("hi", tools=[stage.quick])
        assert [text async for text in conversation.texts()] == ["Looking.", "Done."]
        with pytest.raises(StopAsyncIteration):
            await anext(conversation)


async def test_a_closed_client_is_said_at_the_first_pull() -> None:
    """With a closed client, the first pull raises ClientClosed, and on_end is called."""
    async with staged() as stage:
        await stage.client.aclose()
        with pytest.raises(ClientClosed):
            await stage.take(stage.converse("turn"))
        assert [record.outcome for record in stage.ended] == ["client_closed"]


async def test_a_stream_inside_a_tool_is_closed_with_it() -> None:
    """Cancelling the conversation closes what its tools have open."""

    def by_question(request: ReceivedRequest) -> Script:
        return HALF if b"inner" in request.body and b"outer" not in request.body else [CallTool("ask"), End()]

    async with staged() as stage:
        stage.provider.play(by_question)
        inner: list[Transcript] = []

        async def ask() -> str:
            async for chunk in stage.client.stream("inner", on_end=inner.append):
                if chunk.text == "an answer":
                    stage.reached.set()
            return ""

        task = await stage.at_rest(stage.client.converse("outer", tools=[ask]))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [transcript.outcome for transcript in inner] == ["cancelled"]


async def test_timeouts_around_a_conversation_work_as_they_should() -> None:
    """asyncio.timeout sees its own cancellation, in a tool too; nothing is left of it on the task."""
    async with staged() as stage:
        for place in ("turn", "async tool", "async prompt"):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.03):
                    await stage.take(stage.converse(place))
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
