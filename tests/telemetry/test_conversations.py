"""A conversation is one trace: its own span, a call for each turn, and a span for each tool that ran here."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.trace import SpanKind, StatusCode
from pydantic import BaseModel

from resilient_stream import (
    Client,
    Conversation,
    DeadlineExceeded,
    StreamError,
    StreamMisused,
    Telemetry,
    ToolError,
    TurnStarted,
)
from resilient_stream.telemetry.attributes import OURS
from resilient_stream.testing import CallTool, End, FakeProvider, Stall, Status, Text
from resilient_stream.testing.steps import Script

from .seen import QUICK, Seen

pytestmark = pytest.mark.usefixtures("nothing_left")

ID = "gen_ai.conversation.id"
DONE: Script = [Text("Done."), End()]
HALF: Script = [Text("Half "), Stall()]


class Wine(BaseModel):
    """What must be handed in."""

    name: str


def calls(*names: str, arguments: str = "{}") -> Script:
    """A turn that calls tools."""
    return [*(CallTool(name, arguments) for name in names), End("tool_calls")]


async def good() -> str:
    """A tool that has its result at once."""
    return "a secret result"


async def endless() -> None:
    """A tool that never ends by itself."""
    await asyncio.Event().wait()


def labels(span: ReadableSpan) -> dict[str, Any]:
    """Its attributes."""
    return dict(span.attributes or {})


def named(seen: Seen, name: str) -> list[ReadableSpan]:
    """The spans whose name begins so, in the order in which they began."""
    return sorted((span for span in seen.spans if span.name.startswith(name)), key=lambda each: each.start_time or 0)


def parent(span: ReadableSpan, seen: Seen) -> str:
    """The name of the span above."""
    by_id = {each.context.span_id: each for each in seen.spans if each.context}
    return by_id[span.parent.span_id].name if span.parent else ""


async def converse(seen: Seen, *scripts: Script, content: bool = False, **options: Any) -> Conversation:
    """Read a conversation to its end."""
    async with (
        FakeProvider(*scripts) as provider,
        Client(provider.target("openai"), retry=QUICK, telemetry=seen.telemetry(content=content)) as client,
    ):
        conversation = client.converse("hi", **options)
        await conversation.collect()
    return conversation


async def test_a_conversation_is_one_trace(seen: Seen) -> None:
    """Under the application's span is the conversation, under that are turns and tools, and all have its id."""
    with seen.tracers.get_tracer("application").start_as_current_span("around"):
        conversation = await converse(seen, calls("good"), DONE, tools=[good], temperature=0.5)
    (agent,), (tool,) = named(seen, "invoke_agent"), named(seen, "execute_tool")
    assert (agent.name, parent(agent, seen), agent.kind) == ("invoke_agent", "around", SpanKind.INTERNAL)
    assert [parent(call, seen) for call in seen.calls] == ["invoke_agent", "invoke_agent"]
    assert [parent(request, seen) for request in seen.requests] == ["chat fake-model", "chat fake-model"]
    assert (tool.name, parent(tool, seen), tool.kind) == ("execute_tool good", "invoke_agent", SpanKind.INTERNAL)
    assert len({span.context.trace_id for span in seen.spans if span.context}) == 1
    ours = [span for span in seen.spans if span.name != "around"]
    assert len({labels(span)[ID] for span in ours}) == 1
    assert labels(agent) == {
        "gen_ai.operation.name": "invoke_agent",
        ID: labels(tool)[ID],
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "fake-model",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.response.model": "fake-model",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": conversation.usage.input_tokens,
        "gen_ai.usage.output_tokens": conversation.usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": 0,
        "gen_ai.usage.reasoning.output_tokens": 0,
        "resilient_stream.target": "openai:fake-model",
        "resilient_stream.attempts": 2,
        "resilient_stream.outcome": "complete",
    }
    assert labels(tool) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "good",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": "call_fake_0",
        "gen_ai.tool.description": "A tool that has its result at once.",
        ID: labels(agent)[ID],
        "resilient_stream.outcome": "complete",
    }
    assert all((agent.start_time or 0) <= (span.start_time or 0) for span in ours)
    assert all((span.end_time or 0) <= (agent.end_time or 0) for span in ours)


async def test_the_last_turn_says_who_answered(seen: Seen) -> None:
    """Provider and model of the conversation are those of the target that gave the last turn."""
    async with FakeProvider(calls("good"), [Status(401)], DONE) as provider:
        targets = provider.target("openai"), provider.target("anthropic", model="second")
        async with Client(*targets, retry=QUICK, telemetry=seen.telemetry()) as client:
            await client.converse("hi", tools=[good]).collect()
    (agent,) = named(seen, "invoke_agent")
    assert (labels(agent)["gen_ai.provider.name"], labels(agent)["gen_ai.request.model"]) == ("anthropic", "second")
    assert labels(agent)["resilient_stream.attempts"] == 3


async def test_spans_inside_a_tool_are_its_children(seen: Seen) -> None:
    """An async tool and a plain one in a thread see their own span, and a stream inside a tool is below it, too."""
    tracer = seen.tracers.get_tracer("application")

    def plain() -> str:
        with tracer.start_as_current_span("in a thread"):
            return "x"

    async with FakeProvider(calls("asks", "plain"), DONE, DONE) as provider:
        async with Client(provider.target("openai"), retry=QUICK, telemetry=seen.telemetry()) as client:

            async def asks() -> str:
                with tracer.start_as_current_span("on the loop"):
                    return (await client.complete("inner")).text

            await client.converse("hi", tools=[asks, plain]).collect()
    (on_loop,), (in_thread,) = named(seen, "on the loop"), named(seen, "in a thread")
    assert (parent(on_loop, seen), parent(in_thread, seen)) == ("execute_tool asks", "execute_tool plain")
    assert sorted(parent(call, seen) for call in seen.calls) == ["invoke_agent", "invoke_agent", "on the loop"]


async def test_no_span_of_ours_is_current_in_the_callers_code(seen: Seen) -> None:
    """Between chunks, after a tool and after the end, the caller's own span is the current one."""
    tracer = seen.tracers.get_tracer("application")
    async with FakeProvider(calls("good"), DONE) as provider:
        async with Client(provider.target("openai"), telemetry=seen.telemetry()) as client:
            with tracer.start_as_current_span("around") as around:
                async for _ in client.converse("hi", tools=[good]):
                    assert trace.get_current_span() is around
                assert trace.get_current_span() is around


async def test_two_conversations_side_by_side_do_not_mix(seen: Seen) -> None:
    """Pulled in turns by one task, each has its own trace with its own turns and tools."""
    async with FakeProvider(calls("good"), calls("good"), DONE, DONE) as provider:
        async with Client(provider.target("openai"), telemetry=seen.telemetry()) as client:
            running = [client.converse("hi", tools=[good], metadata={"conversation_id": name}) for name in "ab"]
            while running:
                for each in list(running):
                    if await anext(each, None) is None:
                        running.remove(each)
    traces: dict[int, set[str]] = {}
    for span in seen.spans:
        traces.setdefault(span.context.trace_id if span.context else 0, set()).add(labels(span)[ID])
    assert sorted(traces.values(), key=str) == [{"a"}, {"b"}]
    assert len(seen.spans) == 2 * (1 + 2 + 2 + 1)


# -- every end --------------------------------------------------------------------------------


async def _complete(conversation: Conversation) -> None:
    await conversation.collect()


async def _fails(conversation: Conversation) -> None:
    with pytest.raises(StreamError):
        await conversation.collect()


async def _misused(conversation: Conversation) -> None:
    with pytest.raises(StreamMisused):
        await conversation.collect()


async def _late(conversation: Conversation) -> None:
    with pytest.raises(DeadlineExceeded):
        await conversation.collect()


async def _leaves(conversation: Conversation) -> None:
    async with conversation:
        async for chunk in conversation:
            if chunk.text:
                break


async def _waiting(conversation: Conversation) -> asyncio.Task[Any]:
    """Return a task that has come to rest in a tool."""
    task = asyncio.create_task(conversation.collect())
    while not (conversation.record.turns and conversation.record.turns[0].calls):
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.002)
    return task


async def _cancelled(conversation: Conversation) -> None:
    task = await _waiting(conversation)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _closed(conversation: Conversation) -> None:
    task = await _waiting(conversation)
    conversation.close()
    with pytest.raises(StreamError):
        await task


async def _client_closed(conversation: Conversation) -> None:
    task = await _waiting(conversation)
    client = conversation._call._owner
    assert isinstance(client, Client)
    await client.aclose()
    with pytest.raises(StreamError):
        await task


async def misuses() -> object:
    """A tool whose result cannot be sent."""
    return object()


ENDS: dict[str, tuple[list[Script], Callable[[Conversation], Awaitable[None]], str, str | None, list[Any]]] = {
    "complete": ([calls("good"), DONE], _complete, "complete", None, [("complete", None)]),
    "failed": ([calls("good"), [Status(401)]], _fails, "failed", "authentication", [("complete", None)]),
    "a tool misuses us": (
        [calls("misuses", "endless")], _misused, "failed", "_OTHER", [("failed", "StreamMisused"), ("cancelled", None)],
    ),
    "deadline in a tool": (
        [calls("endless")], _late, "deadline", "deadline_exceeded", [("deadline", "deadline_exceeded")],
    ),
    "deadline in a turn": ([calls("good"), HALF], _late, "deadline", "deadline_exceeded", [("complete", None)]),
    "cancelled in a tool": ([calls("endless")], _cancelled, "cancelled", None, [("cancelled", None)]),
    "abandoned in a tool": ([calls("endless")], _closed, "abandoned", None, [("abandoned", None)]),
    "client closed": ([calls("endless")], _client_closed, "client_closed", None, [("client_closed", None)]),
    "abandoned in a turn": ([calls("good"), HALF], _leaves, "abandoned", None, [("complete", None)]),
}  # fmt: skip


@pytest.mark.usefixtures("own_clock")
@pytest.mark.parametrize("end", ENDS)
async def test_every_end_closes_every_span_once(end: str, seen: Seen, caplog: pytest.LogCaptureFixture) -> None:
    """As many spans end as begin, each with its own outcome, status and error.type."""
    scripts, consume, outcome, error, of_tools = ENDS[end]
    async with FakeProvider(*scripts) as provider:
        async with Client(provider.target("openai"), retry=QUICK, telemetry=seen.telemetry()) as client:
            conversation = client.converse(
                "hi", tools=[good, endless, misuses], deadline=0.05 if "deadline" in end else None
            )
            await consume(conversation)
    assert conversation.outcome == outcome
    assert seen.begun == len(seen.spans)
    assert "raised" not in caplog.text
    assert "ended span" not in caplog.text  # what the SDK says to a second end
    (agent,) = named(seen, "invoke_agent")
    tools = [(labels(span)["resilient_stream.outcome"], labels(span).get("error.type")) for span in _tools(seen)]
    assert (labels(agent)["resilient_stream.outcome"], labels(agent).get("error.type"), tools) == (
        outcome, error, of_tools,
    )  # fmt: skip
    for span in (agent, *_tools(seen)):
        assert (span.status.status_code is StatusCode.ERROR) is ("error.type" in labels(span))
    assert labels(agent).keys() - {"error.type"} >= {"gen_ai.usage.input_tokens", "resilient_stream.attempts"}
    assert {name for name in labels(agent) if name.startswith("resilient_stream.")} <= set(OURS)


def _tools(seen: Seen) -> list[ReadableSpan]:
    return named(seen, "execute_tool")


async def test_a_dropped_conversation_ends_its_spans(seen: Seen) -> None:
    """`break` without closing: when the last reference goes, the spans end."""
    async with FakeProvider(HALF) as provider, Client(provider.target("openai"), telemetry=seen.telemetry()) as client:
        async for chunk in client.converse("hi"):
            if not isinstance(chunk, TurnStarted):
                break
        del chunk
        gc.collect()
        assert [labels(span)["resilient_stream.outcome"] for span in seen.spans] == ["abandoned"] * 3
        assert seen.begun == 3


async def test_a_conversation_that_was_never_pulled_has_no_span(seen: Seen) -> None:
    """Nothing happened, so nothing is told."""
    async with Client("openai:m", telemetry=seen.telemetry()) as client:
        client.converse("hi").close()
    assert (seen.begun, seen.metrics) == (0, {})


# -- tools ------------------------------------------------------------------------------------


async def breaks() -> None:
    """A tool with a bug."""
    raise ValueError("a secret")


async def complains() -> None:
    """A tool that tells the model what is wrong."""
    raise ToolError("a secret")


async def cancels() -> None:
    """A tool in which something is cancelled."""
    raise asyncio.CancelledError


async def counts(number: int) -> int:
    """A tool with an argument."""
    return number


@pytest.mark.parametrize(
    ("name", "outcome", "error"),
    [
        ("good", "complete", None),
        ("breaks", "failed", "ValueError"),
        ("complains", "failed", "tool_error"),
        ("endless", "failed", "timeout"),
        ("cancels", "failed", "cancelled"),
        ("counts", "failed", "invalid_arguments"),
        ("refused", "refused", None),
    ],
)
async def test_how_a_tool_ended_is_told(name: str, outcome: str, error: str | None, seen: Seen) -> None:
    """The span has the outcome and one word for the error, and never what the tool said; the metric has the word."""

    async def refused() -> None:
        """A tool that must not run."""
        raise AssertionError

    await converse(
        seen, calls(name), DONE, tools=[good, breaks, complains, endless, cancels, counts, refused],
        approve={"refused": lambda call: "a secret"}, tool_timeout=0.01,
    )  # fmt: skip
    (tool,), (agent,) = _tools(seen), named(seen, "invoke_agent")
    assert (labels(tool)["resilient_stream.outcome"], labels(tool).get("error.type")) == (outcome, error)
    assert (tool.status.status_code is StatusCode.ERROR) is (error is not None)
    assert "secret" not in tool.to_json()
    assert labels(agent)["resilient_stream.outcome"] == "complete"
    assert seen.points("gen_ai.invoke_agent.duration")[0] == ({}, pytest.approx(_seconds(agent), abs=1e-6))
    if outcome == "refused":
        assert "gen_ai.execute_tool.duration" not in seen.metrics
        return
    told = {"gen_ai.tool.name": name, "gen_ai.tool.type": "function", **({"error.type": error} if error else {})}
    assert seen.points("gen_ai.execute_tool.duration") == [(told, pytest.approx(_seconds(tool), abs=1e-6))]


def _seconds(span: ReadableSpan) -> float:
    return ((span.end_time or 0) - (span.start_time or 0)) / 1e9


async def test_the_time_of_a_question_is_not_the_tools(seen: Seen) -> None:
    """A tool's span begins when it was approved, so that a person who thinks makes no tool slow."""
    asked: list[int] = []

    async def ask(call: object) -> bool:
        await anyio.sleep(0.2)
        asked.append(seen.begun)
        return True

    await converse(seen, calls("good"), DONE, tools=[good], approve=ask)
    assert asked == [3]  # the conversation, its first turn and that turn's request
    assert _seconds(_tools(seen)[0]) < 0.2


async def nobody(call: object) -> bool:
    """Answers no question."""
    await asyncio.Event().wait()
    return True


@pytest.mark.parametrize("approve", [lambda call: False, lambda call: "no", nobody], ids=["no", "a reason", "nobody"])
async def test_a_call_that_was_not_approved_says_so(approve: Any, seen: Seen) -> None:
    """Refused without or with a reason, or not answered for in time: it did not run, and that is no error."""
    await converse(seen, calls("good"), DONE, tools=[good], approve=approve, prompt_timeout=0.01)
    (tool,) = _tools(seen)
    assert labels(tool)["resilient_stream.outcome"] == "refused"
    assert tool.status.status_code is StatusCode.UNSET


@pytest.mark.usefixtures("own_clock")
async def test_a_call_that_was_still_asked_about_is_not_told(seen: Seen) -> None:
    """The deadline passed while a person thought: the tool neither ran nor was it refused."""
    with pytest.raises(DeadlineExceeded):
        await converse(seen, calls("good"), tools=[good], approve=nobody, deadline=0.05)
    assert _tools(seen) == []
    assert seen.begun == len(seen.spans) == 3


async def test_tools_of_a_server_are_extensions(seen: Seen) -> None:
    """A tool of an MCP server has a span like a function, with a type of its own."""
    pytest.importorskip("mcp", reason="the extra mcp is not installed")
    from tests.mcp_server import server

    await converse(seen, calls("add", arguments='{"a": 2, "b": 3}'), calls("fail"), DONE, mcp=[server])
    added, failed = _tools(seen)
    assert (added.name, labels(added)["gen_ai.tool.type"]) == ("execute_tool add", "extension")
    assert labels(added)["gen_ai.tool.description"] == "Add two numbers."
    assert labels(failed)["error.type"] == "tool_error"


async def test_what_is_handed_in_or_unknown_or_answered_by_the_caller_is_no_tool_of_ours(seen: Seen) -> None:
    """Outputs are checked and unknown names are complained about, but no tool runs."""
    script: Script = [CallTool("submit_Wine", {"name": "x"}), CallTool("unknown"), End("tool_calls")]
    await converse(seen, script, outputs=[Wine])
    assert _tools(seen) == []


@pytest.mark.parametrize("content", [False, True])
async def test_arguments_and_results_only_where_content_is_wanted(content: bool, seen: Seen) -> None:
    """They are as private as prompts and answers."""
    await converse(seen, calls("counts", arguments='{"number": 7}'), DONE, tools=[counts], content=content, system="S")
    (tool,), (agent,) = _tools(seen), named(seen, "invoke_agent")
    private = {name: value for name, value in labels(tool).items() if name.startswith("gen_ai.tool.call.")}
    private.pop("gen_ai.tool.call.id")
    expected = {"gen_ai.tool.call.arguments": '{"number": 7}', "gen_ai.tool.call.result": "7"}
    assert private == (expected if content else {})
    told = {"gen_ai.input.messages", "gen_ai.system_instructions", "gen_ai.output.messages", "gen_ai.tool.definitions"}
    assert labels(agent).keys() & told == (told if content else set())
    assert not content or "Done." in str(labels(agent)["gen_ai.output.messages"])


async def test_the_status_quotes_nobody(seen: Seen) -> None:
    """What the error of the conversation repeats of its latest turn is not in the status."""
    with pytest.raises(StreamError, match="Chardonnay"):
        await converse(seen, calls("good"), [Text("Chardonnay"), End()], tools=[good], outputs={"Chardonnay": Wine})
    (agent,) = named(seen, "invoke_agent")
    assert agent.status.description
    assert "Chardonnay" not in agent.to_json()


# -- the id -----------------------------------------------------------------------------------


async def test_an_id_is_made_for_each_conversation(seen: Seen) -> None:
    """Two conversations without an id of the caller's have two ids."""
    await converse(seen, DONE)
    await converse(seen, DONE, metadata={"conversation_id": ""})
    ids = {labels(span)[ID] for span in named(seen, "invoke_agent")}
    assert len(ids) == 2
    assert all(each.startswith("conv_") for each in ids)


async def test_the_caller_can_give_the_id(seen: Seen) -> None:
    """`metadata={"conversation_id": …}` names a conversation, and a single answer that belongs to one."""
    await converse(seen, DONE, metadata={"conversation_id": 7})
    assert {labels(span)[ID] for span in seen.spans} == {"7"}
    async with FakeProvider(DONE) as provider:
        async with Client(provider.target("openai"), telemetry=seen.telemetry()) as client:
            await client.complete("hi", metadata={"conversation_id": "chat-1"})
            await client.complete("hi", metadata={"conversation_id": ""})
            await client.complete("hi")
    assert [labels(span).get(ID) for span in seen.calls] == ["7", "chat-1", None, None]


# -- prompts, trouble, nobody -----------------------------------------------------------------


async def test_a_prompt_is_a_fallback(seen: Seen, caplog: pytest.LogCaptureFixture) -> None:
    """A person was asked when the turn's span had ended, so the conversation's has the event."""
    await converse(
        seen, [Text("Which?"), End()], [CallTool("submit_Wine", {"name": "x"}), End()],
        outputs=[Wine], on_incomplete=lambda _: "Any.",
    )  # fmt: skip
    assert len(seen.calls) == len(seen.requests) == 2
    assert [label["fallback_type"] for label, _ in seen.points("llm.fallback.triggered")] == ["interactive"]
    ((event,),) = [span.events for span in seen.spans if span.events]
    (agent,) = named(seen, "invoke_agent")
    assert agent.events == (event,)
    assert (event.name, (event.attributes or {})["resilient_stream.how"]) == ("fallback", "interactive")
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]


class _Raising(SpanProcessor):
    """A processor with a bug. at: the method that raises."""

    def __init__(self, at: str) -> None:
        self._at = at

    def on_start(self, span: Span, parent_context: object = None) -> None:
        if self._at == "start":
            raise ZeroDivisionError

    def on_end(self, span: ReadableSpan) -> None:
        if self._at == "end":
            raise ZeroDivisionError


@pytest.mark.parametrize("at", ["start", "end"])
async def test_a_broken_sdk_does_not_break_the_conversation(at: str, caplog: pytest.LogCaptureFixture) -> None:
    """Telemetry may raise at every span; turns, tools and the end are as they would be."""
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(_Raising(at))
    async with FakeProvider(calls("good"), DONE) as provider:
        telemetry = Telemetry(tracer_provider=tracers)
        async with Client(provider.target("openai"), retry=QUICK, telemetry=telemetry) as client:
            record = await client.converse("hi", tools=[good]).collect()
    assert (record.outcome, record.text) == ("complete", "Done.")
    assert [result.content for turn in record.turns for result in turn.results.values()] == ["a secret result"]
    assert "the stream is not affected" in caplog.text


async def test_without_an_sdk_nobody_watches(caplog: pytest.LogCaptureFixture) -> None:
    """No observer is made for the conversation, and nothing is kept for its turns."""
    caplog.set_level(logging.WARNING, "resilient_stream")
    async with FakeProvider(calls("good"), DONE) as provider, Client(provider.target("openai")) as client:
        conversation = client.converse("hi", tools=[good])
        await conversation.collect()
    for call in (conversation._call, conversation._turn_call):
        assert (call.observing.observers, call.observing.from_conversation) == ((), None)
