"""A conversation: what the model calls is done and told to it, what is missing is asked for, and it comes to an end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest
from pydantic import BaseModel

from resilient_stream import (
    Client,
    Incomplete,
    PermanentError,
    RetryPolicy,
    StreamMisused,
    Tool,
    ToolError,
    ToolResult,
    TurnStarted,
    Usage,
)
from resilient_stream.conversation.conversation import Conversation
from resilient_stream.conversation.toolbox import MAX_THREADS
from resilient_stream.events import FellBack
from resilient_stream.testing import CallTool, End, Event, FakeProvider, ReceivedRequest, Status, Text
from resilient_stream.testing.steps import Script

pytestmark = pytest.mark.usefixtures("nothing_left")

DIALECTS = ("openai", "anthropic", "gemini")
DONE: Script = [Text("Done."), End()]


class Recipe(BaseModel):
    """What is to be cooked."""

    title: str
    minutes: int


class Wine(BaseModel):
    """What goes with it."""

    name: str


async def weather(city: str, days: int = 1) -> dict[str, Any]:
    """The weather."""
    return {"city": city, "days": days}


def client_of(provider: FakeProvider, dialect: str = "openai", **options: Any) -> Client:
    """A client of this provider that does not wait long."""
    return Client(provider.target(dialect), retry=RetryPolicy(attempts=2, initial=0), **options)


async def all_of(conversation: Conversation) -> list[Any]:
    """Its chunks."""
    return [chunk async for chunk in conversation]


async def results_of(script: Script, **options: Any) -> list[ToolResult]:
    """The results of one turn with these calls."""
    async with FakeProvider(script, DONE) as provider, client_of(provider) as client:
        chunks = await all_of(client.converse("hi", **options))
    return [chunk for chunk in chunks if isinstance(chunk, ToolResult)]


def sent(request: ReceivedRequest) -> str:
    """What the model was sent, as text to look into."""
    return request.body.decode()


# -- turns and tools ----------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_call_is_answered_and_the_conversation_goes_on(dialect: str) -> None:
    """Both turns are streamed; the result is in the second request, in the dialect; the history goes on elsewhere."""
    calls: Script = [Text("Let me ", "see."), CallTool("weather", {"city": "Oslo", "days": 2}), End()]
    async with FakeProvider(calls, [Text("Sunny."), End()]) as provider, client_of(provider, dialect) as client:
        conversation = client.converse("How is Oslo?", tools=[weather], system="Be brief.")
        chunks = await all_of(conversation)
        assert [chunk.number for chunk in chunks if isinstance(chunk, TurnStarted)] == [1, 2]
        assert "".join(chunk.text for chunk in chunks) == "Let me see.Sunny."
        (result,) = (chunk for chunk in chunks if isinstance(chunk, ToolResult))
        assert (result.name, result.content, result.error) == ("weather", '{"city":"Oslo","days":2}', False)
        assert chunks.index(result) < chunks.index(TurnStarted(2))
        assert conversation.outcome == "complete"
        assert [message.role for message in conversation.history] == ["user", "assistant", "tool", "assistant"]
        assert [transcript.outcome for transcript in conversation.transcripts] == ["complete"] * 2
        assert "Oslo" in sent(provider.requests[1])
        assert sent(provider.requests[1]).count("Be brief.") == 1

        again = [*conversation.history, {"role": "user", "content": "And Rome?"}]
        assert (await client.converse(again, tools=[weather]).collect()).text == "Sunny."
        assert "And Rome?" in sent(provider.requests[2])


async def test_tools_of_one_turn_overlap() -> None:
    """Two wait for each other: async ones on the loop, plain ones in threads. Results come in the calls' order."""
    meeting, crossing = asyncio.Barrier(2), threading.Barrier(2)

    async def meet(n: int) -> int:
        async with asyncio.timeout(5):
            await meeting.wait()
        return n

    def cross(n: int) -> int:
        crossing.wait(5)
        return n

    script: Script = [*(CallTool(name, {"n": n}) for n in (1, 2) for name in ("meet", "cross")), End()]
    results = await results_of(script, tools=[meet, cross])
    assert [(each.name, each.content) for each in results] == [
        ("meet", "1"),
        ("cross", "1"),
        ("meet", "2"),
        ("cross", "2"),
    ]


where: ContextVar[str] = ContextVar("where", default="nowhere")


async def test_a_plain_tool_keeps_the_context_and_leaves_the_loop() -> None:
    """It runs in a thread, with the context variables of the caller."""

    def look() -> list[Any]:
        return [where.get(), threading.current_thread() is threading.main_thread()]

    where.set("here")
    (result,) = await results_of([CallTool("look"), End()], tools=[look])
    assert result.content == '["here",false]'


def failing(how: str) -> None:
    """Raises."""
    raise {"key": KeyError("x"), "told": ToolError("ask for a city"), "long": ValueError("y" * 100_000)}[how]


async def cancelling() -> None:
    """Awaits what was cancelled."""
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (CallTool("weather", {"days": "many"}), "Invalid arguments for weather: arguments.city: Field required; "
         "arguments.days: Input should be a valid integer, unable to parse string as an integer"),
        (CallTool("weather", '{"city": "Os'), "Invalid arguments for weather: arguments: Invalid JSON: EOF while "
         "parsing a string at line 1 column 12"),
        (CallTool("wether"), "Tool not found: wether. Available tools: weather, failing, cancelling"),
        (CallTool("failing", {"how": "key"}), "KeyError: 'x'"),
        (CallTool("failing", {"how": "told"}), "ask for a city"),
        (CallTool("cancelling"), "cancelling was cancelled."),
    ],
)  # fmt: skip
async def test_what_goes_wrong_with_a_call_is_told_to_the_model(call: CallTool, told: str) -> None:
    """It is a result like any other, marked as a complaint, and the conversation goes on."""
    (result,) = await results_of([call, End()], tools=[weather, failing, cancelling])
    assert (result.content, result.error) == (told, True)


async def test_a_long_complaint_is_bounded_too() -> None:
    """A tool's long complaint is cut as any result is."""
    (result,) = await results_of([CallTool("failing", {"how": "long"}), End()], tools=[failing])
    assert len(result.content) < 70_000


@pytest.mark.parametrize("dialect", DIALECTS[:2])
async def test_unusable_arguments_go_back_as_none(dialect: str) -> None:
    """The call stays in the history, so that its complaint has a place, but with arguments that every server reads."""
    script: Script = [CallTool("weather", '{"city": "Os'), End()]
    async with FakeProvider(script, DONE) as provider, client_of(provider, dialect) as client:
        await client.converse("hi", tools=[weather]).collect()
        assert "Invalid JSON" in sent(provider.requests[1])
        assert '"Os' not in sent(provider.requests[1]).replace('\\"Os', '"Os')


@pytest.mark.parametrize("make", ["async", "plain"])
async def test_a_tool_has_its_own_deadline(make: str) -> None:
    """One that takes too long is given up, and the model is told; others are not disturbed."""
    release = threading.Event()

    async def slow() -> None:
        await asyncio.sleep(60)

    def slow_thread() -> None:
        release.wait(5)

    slow_thread.__name__ = "slow"
    script: Script = [CallTool("slow"), CallTool("weather", {"city": "Oslo"}), End()]
    tools = [slow if make == "async" else slow_thread, weather]
    results = await results_of(script, tools=tools, tool_timeout=0.02)
    release.set()
    assert [(each.content, each.error) for each in results] == [
        ("slow gave no result within 0.02 s.", True), ('{"city":"Oslo","days":1}', False),
    ]  # fmt: skip


async def test_threads_are_bounded() -> None:
    """However many calls a model makes at once, only so many threads run."""
    running, most, lock = 0, 0, threading.Lock()

    def count() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.001)
        with lock:
            running -= 1

    results = await results_of([*[CallTool("count")] * 40, End()], tools=[count])
    assert len(results) == 40
    assert most <= MAX_THREADS


async def test_a_bug_in_a_tool_that_is_ours_to_name_leaves() -> None:
    """StreamMisused is not for the model: it ends the conversation, and other tools are cancelled."""
    cancelled: list[bool] = []

    async def misuse() -> object:
        return object()

    async def waits() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.append(True)

    script: Script = [CallTool("waits"), CallTool("misuse"), End()]
    async with FakeProvider(script) as provider, client_of(provider) as client:
        conversation = client.converse("hi", tools=[misuse, waits])
        with pytest.raises(StreamMisused, match="'misuse' returned a object"):
            await conversation.collect()
    assert (conversation.outcome, cancelled) == ("failed", [True])


async def test_a_tool_may_ask_a_model_itself() -> None:
    """With the same client: a stream inside a tool is a stream like any other."""

    def by_question(request: ReceivedRequest) -> Script:
        if "inner" in sent(request) and "outer" not in sent(request):
            return [Text("inner answer"), End()]
        return DONE if "inner answer" in sent(request) else [CallTool("ask", {"what": "inner"}), End()]

    async with FakeProvider(by_question) as provider, client_of(provider) as client:

        async def ask(what: str) -> str:
            return (await client.complete(what)).text

        record = await client.converse("outer", tools=[ask]).collect()
        assert record.text == "Done."
        assert len(provider.requests) == 3


async def test_retries_and_fallbacks_happen_in_every_turn() -> None:
    """A turn is a stream: a failure before its content is got over, and nothing is called twice."""
    calls: list[str] = []

    def note(text: str) -> str:
        calls.append(text)
        return "noted"

    script: Script = [CallTool("note", {"text": "a"}), End()]
    async with FakeProvider([Status(503)], script, [Status(503)], DONE) as provider, client_of(provider) as client:
        record = await client.converse("hi", tools=[note]).collect()
    assert calls == ["a"]
    assert [len(transcript.attempts) for transcript in record.transcripts] == [2, 2]


async def test_usage_is_the_sum_of_all_turns() -> None:
    """And an estimate when a turn was not counted."""
    script: Script = [CallTool("weather", {"city": "Oslo"}), End(usage=Usage(10, 5))]
    async with FakeProvider(script, [Text("x"), End(usage=Usage(20, 7))]) as provider, client_of(provider) as client:
        conversation = client.converse("hi", tools=[weather])
        assert conversation.usage == Usage(certainty="unknown")
        await conversation.collect()
    assert (conversation.usage.input_tokens, conversation.usage.output_tokens) == (30, 12)
    assert conversation.usage.certainty == "exact"
    conversation.record.turns[1].transcript._chunks.clear()
    assert (conversation.usage.input_tokens, conversation.usage.certainty) == (10, "estimated")


async def test_a_call_that_the_output_limit_cut_is_not_made() -> None:
    """Without its arguments it is not the call that was meant; one that is whole is made."""
    script: Script = [CallTool("weather", {"city": "Oslo"}), CallTool("now", ""), End("length")]

    def now() -> str:
        raise AssertionError

    results = await results_of(script, tools=[weather, now])
    assert [each.error for each in results] == [False, True]
    assert "Invalid JSON: EOF" in results[1].content


async def test_calls_of_a_filtered_answer_are_not_made() -> None:
    """A filter stopped the answer: nothing of it is carried out, and the conversation ends there."""
    async with FakeProvider([CallTool("failing", {"how": "key"}), End("content_filter")]) as provider:
        async with client_of(provider) as client:
            conversation = client.converse("hi", tools=[failing])
            assert not any(isinstance(chunk, ToolResult) for chunk in await all_of(conversation))
    assert conversation.transcripts[0].finish_kind == "content_filtered"
    assert not any(message.tool_calls for message in conversation.history)


async def test_a_pause_is_gone_on_from() -> None:
    """Anthropic's pause_turn is no end: the next turn is asked for, within max_turns."""
    async with FakeProvider([Text("First. "), End("pause")], DONE) as provider:
        async with client_of(provider, "anthropic") as client:
            record = await client.converse("hi").collect()
            roles = [message["role"] for message in provider.requests[1].json["messages"]]
    assert [transcript.text for transcript in record.transcripts] == ["First. ", "Done."]
    assert roles == ["user", "assistant", "user"]


async def test_a_history_that_ends_with_an_answer_is_gone_on_from() -> None:
    """Many models refuse an unfinished turn of theirs as the last one, so they are asked to go on."""
    async with FakeProvider(DONE) as provider, client_of(provider, "anthropic") as client:
        history = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Half an"}]
        await client.converse(history).collect()
        roles = [message["role"] for message in provider.requests[0].json["messages"]]
    assert roles == ["user", "assistant", "user"]


async def test_turns_are_bounded() -> None:
    """A model that never stops calling is stopped; the history has all results, and a new conversation goes on."""
    script: Script = [CallTool("weather", {"city": "Oslo"}), End()]
    async with FakeProvider(script, script, DONE) as provider, client_of(provider) as client:
        conversation = client.converse("hi", tools=[weather], max_turns=2)
        with pytest.raises(PermanentError, match="not finished after 2 turns") as caught:
            await conversation.collect()
        error = caught.value
        assert (error.failure.code, error.phase, error.retryable) == ("max_turns", "finish", False)
        assert error.history == conversation.history
        assert error.transcript is conversation.transcripts[-1]
        assert [message.role for message in error.history] == ["user", "assistant", "tool", "assistant", "tool"]
        assert (await client.converse(error.history, tools=[weather]).collect()).text == "Done."


async def test_ids_are_made_where_a_server_gives_none() -> None:
    """So that each call has an answer of its own."""
    event = {"index": 0, "delta": {"tool_calls": [
        {"index": 0, "function": {"name": "weather", "arguments": '{"city": "A"}'}},
        {"index": 1, "id": "", "function": {"name": "weather", "arguments": '{"city": "B"}'}},
    ]}}  # fmt: skip
    async with FakeProvider([Event({"choices": [event]}), End("tool_calls")], DONE) as provider:
        async with client_of(provider) as client:
            await client.converse("hi", tools=[weather]).collect()
            messages = provider.requests[1].json["messages"]
    called = [call["id"] for call in messages[1]["tool_calls"]]
    assert [message["tool_call_id"] for message in messages[2:]] == called
    assert len(set(called)) == 2
    assert all(called)


# -- calls that are the caller's ------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_calls_of_a_tool_without_a_function_are_the_callers(dialect: str) -> None:
    """The conversation ends with them, what has a function was done; the caller's answer goes into the history."""
    script: Script = [CallTool("confirm", {"what": "x"}), CallTool("weather", {"city": "Oslo"}), End()]
    async with FakeProvider(script, DONE) as provider, client_of(provider, dialect) as client:
        conversation = client.converse("hi", tools=[Tool(name="confirm"), weather])
        await all_of(conversation)
        assert conversation.outcome == "complete"
        (call,) = conversation.pending
        assert (call.name, call.parsed) == ("confirm", {"what": "x"})
        assert [message.role for message in conversation.history] == ["user", "assistant", "tool", "tool"]
        assert "No result" in conversation.history[2].text

        conversation.answer(call.id, {"confirmed": True})
        assert conversation.pending == ()
        assert conversation.history[2].text == '{"confirmed":true}'
        await client.converse(conversation.history, tools=[Tool(name="confirm"), weather]).collect()
        assert "confirmed" in sent(provider.requests[1])
    with pytest.raises(StreamMisused, match="waiting for an answer"):
        conversation.answer(call.id, "again")


# -- outputs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_done_when_all_outputs_are_there(dialect: str) -> None:
    """They are handed in by calls; an invalid one is answered with what is wrong; no turn is asked for after that."""
    scripts: list[Script] = [
        [
            CallTool("submit_Recipe", {"title": "Soup", "minutes": "a few"}),
            CallTool("submit_Wine", {"name": "x"}),
            End(),
        ],
        [CallTool("submit_Recipe", {"title": "Soup", "minutes": 20}), End()],
    ]
    async with FakeProvider(*scripts) as provider, client_of(provider, dialect) as client:
        conversation = client.converse("hi", outputs=[Recipe, Wine])
        chunks = await all_of(conversation)
        assert len(provider.requests) == 2
        assert "arguments.minutes" in sent(provider.requests[1])
    told = [(chunk.content, chunk.error) for chunk in chunks if isinstance(chunk, ToolResult)]
    assert told[1:] == [("Accepted. Still missing: Recipe.", False), ("Accepted.", False)]
    assert told[0][0].startswith("Recipe is not accepted: arguments.minutes: Input should be a valid integer")
    assert conversation.outputs == {"Recipe": Recipe(title="Soup", minutes=20), "Wine": Wine(name="x")}
    assert conversation.outcome == "complete"


async def test_outputs_have_the_names_they_are_given() -> None:
    """A dict names them, so two may have one class."""
    both: Script = [CallTool(f"submit_{name}", {"name": name}) for name in ("red", "white")]
    async with FakeProvider([*both, End()]) as provider, client_of(provider) as client:
        record = await client.converse("hi", outputs={"red": Wine, "white": Wine}).collect()
    assert record.outputs == {"red": Wine(name="red"), "white": Wine(name="white")}


CHAT: Script = [Text("What do you like?"), End()]
HAND_IN: Script = [CallTool("submit_Wine", {"name": "x"}), End()]
CUT: Script = [Text("Well, I"), End("length")]
LOOK: Script = [CallTool("weather", {"city": "Oslo"}), End()]


@pytest.mark.parametrize(
    ("scripts", "trigger", "turn"),
    [
        ([CHAT], "no_tool_calls", 1),
        ([CUT], "finished_early", 1),
        ([[Text("No."), End("content_filter")]], "finished_early", 1),
        ([LOOK, CHAT], "missing_outputs", 2),
        ([[CallTool("submit_Recipe", {"title": "x", "minutes": 1}), End()], CHAT], "missing_outputs", 2),
        ([LOOK, CUT], "finished_early", 2),
    ],
)
@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_a_person_is_asked_when_outputs_are_missing(
    scripts: list[Script], trigger: str, turn: int, kind: str
) -> None:
    """With the trigger, what is missing and the model's last words; the answer becomes a user's turn."""
    seen: list[Incomplete] = []

    async def ask(incomplete: Incomplete) -> str:
        seen.append(incomplete)
        return "Anything red."

    def ask_plainly(incomplete: Incomplete) -> str:
        seen.append(incomplete)
        return "Anything red."

    hand_in_both: Script = [*HAND_IN[:1], CallTool("submit_Recipe", {"title": "x", "minutes": 1}), End()]  # type: ignore[index]
    async with FakeProvider(*scripts, hand_in_both) as provider, client_of(provider) as client:
        on_incomplete: Any = ask if kind == "async" else ask_plainly
        record = await client.converse(
            "hi", tools=[weather], outputs=[Wine, Recipe], on_incomplete=on_incomplete
        ).collect()
        assert "Anything red." in sent(provider.requests[-1])
    (incomplete,) = seen
    assert (incomplete.trigger, incomplete.turn, incomplete.prompts_used) == (trigger, turn, 0)
    assert "Wine" in incomplete.missing
    assert incomplete.message == record.transcripts[turn - 1].text
    assert record.outcome == "complete"


async def silent(incomplete: Incomplete) -> str | None:
    """Takes its time."""
    await asyncio.sleep(60)
    return "late"


@pytest.mark.parametrize(
    ("options", "helped"),
    [
        ({}, 0),
        ({"on_incomplete": lambda incomplete: None}, 0),
        ({"on_incomplete": lambda incomplete: "  "}, 0),
        ({"on_incomplete": lambda incomplete: "Go on."}, 3),
        ({"on_incomplete": lambda incomplete: "Go on.", "max_prompts": 1}, 1),
        ({"on_incomplete": lambda incomplete: "Go on.", "max_prompts": 0}, 0),
        ({"on_incomplete": silent, "prompt_timeout": 0.02}, 0),
    ],
)
async def test_without_help_an_error_names_what_is_missing(options: dict[str, Any], helped: int) -> None:
    """Nobody there, None, nothing, too often, too late: never a normal end, and nothing is lost."""
    async with FakeProvider(LOOK, CHAT) as provider, client_of(provider) as client:
        conversation = client.converse("hi", tools=[weather], outputs={"wine": Wine}, **options)
        with pytest.raises(PermanentError) as caught:
            await conversation.collect()
        assert len(provider.requests) == 2 + helped
    error = caught.value
    assert "finished without giving wine." in error.message
    assert ("It was helped" in error.message) is bool(helped)
    assert (error.title, error.failure.code, error.retryable) == ("Outputs missing", "outputs_missing", False)
    assert error.target == "openai:fake-model"
    assert error.transcript is conversation.transcripts[-1]
    assert error.history == conversation.history
    assert conversation.outcome == "failed"
    assert conversation.record.error is error


async def test_what_is_no_answer_to_a_prompt_is_a_bug() -> None:
    """on_incomplete must give a string or None; what it raises leaves as it is."""

    def broken(incomplete: Incomplete) -> str:
        raise LookupError("mine")

    async with FakeProvider(CHAT) as provider, client_of(provider) as client:
        answer: Callable[[Incomplete], Any] = lambda incomplete: 3  # noqa: E731
        with pytest.raises(StreamMisused, match="not int"):
            await client.converse("hi", outputs=[Wine], on_incomplete=answer).collect()
        with pytest.raises(LookupError, match="mine"):
            await client.converse("hi", outputs=[Wine], on_incomplete=broken).collect()


async def test_a_prompt_is_told_to_whoever_watches() -> None:
    """A prompt is an event: a fallback of the type `interactive`."""
    events: list[Any] = []
    async with FakeProvider(CHAT, HAND_IN) as provider, client_of(provider, on_event=events.append) as client:
        await client.converse("hi", outputs=[Wine], on_incomplete=lambda incomplete: "Go on.").collect()
    (fell_back,) = (event for event in events if isinstance(event, FellBack))
    assert (fell_back.how, fell_back.source, fell_back.target) == (
        "interactive",
        "openai:fake-model",
        "openai:fake-model",
    )
    assert sum(type(event).__name__ == "StreamEnded" for event in events) == 2


# -- what is refused at once ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"max_turns": 0}, {"max_prompts": -1}, {"tool_timeout": -1}, {"prompt_timeout": "x"}, {"max_tokens": 0},
        {"to": "nobody:x"}, {"tools": [lambda: 1]}, {"outputs": [3]}, {"deadline": -1},
    ],
)  # fmt: skip
async def test_bad_options_are_refused_at_once(options: dict[str, Any]) -> None:
    """When the conversation is made, not in its middle."""
    async with Client("openai:x") as client:
        with pytest.raises(StreamMisused):
            client.converse("hi", **options)
        with pytest.raises(StreamMisused, match="on_end must be a plain function"):
            client.converse("hi", on_end=silent)  # type: ignore[arg-type]
        with pytest.raises(StreamMisused, match=r"converse\(\) has no option 'bogus'"):
            client.converse("hi", bogus=1)
