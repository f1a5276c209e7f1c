"""A tool's progress reaches the caller of the conversation while the tool runs, and costs no memory."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest

from resilient_stream import (
    Client,
    DeadlineExceeded,
    StreamError,
    StreamMisused,
    ToolCall,
    ToolError,
    ToolProgress,
    ToolResult,
    report_progress,
)
from resilient_stream.conversation.conversation import Conversation
from resilient_stream.conversation.progress import MAX_MESSAGE, Reports
from resilient_stream.testing import CallTool, End, FakeProvider, Text
from resilient_stream.testing.steps import Script

pytestmark = pytest.mark.usefixtures("nothing_left")

DONE: Script = [Text("Done."), End()]


def calling(*names: str) -> Script:
    """A turn that calls these tools."""
    return [*(CallTool(name, "{}") for name in names), End("tool_calls")]


async def told(*tools: Callable[..., Any], **options: Any) -> list[ToolProgress | ToolResult]:
    """What is told of one turn in which each tool is called once."""
    async with FakeProvider(calling(*(tool.__name__ for tool in tools)), DONE) as provider:
        async with Client(provider.target("openai")) as client:
            chunks = [chunk async for chunk in client.converse("hi", tools=tools, **options)]
    return [chunk for chunk in chunks if isinstance(chunk, ToolProgress | ToolResult)]


class Waiting:
    """A conversation whose tool reports once and then waits; `ended` is set when the tool is left."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.ended = asyncio.Event()

    async def dig(self) -> str:
        """Dig."""
        try:
            report_progress("digging", 1, 4)
            await self.go_on.wait()
        finally:
            self.ended.set()
        return "dug"

    async def reported(self, client: Client, **options: Any) -> tuple[Conversation, ToolProgress]:
        """Read up to the report."""
        conversation = client.converse("hi", tools=[self.dig], **options)
        while not isinstance(chunk := await conversation.__anext__(), ToolProgress):
            pass
        return conversation, chunk


async def test_it_comes_while_the_tool_runs() -> None:
    """The report is there while the tool waits, and the conversation goes on to its end after that."""
    waiting = Waiting()
    async with FakeProvider(calling("dig"), DONE) as provider, Client(provider.target("openai")) as client:
        conversation, report = await waiting.reported(client)
        assert not waiting.ended.is_set()
        assert (report.name, report.message, report.fraction) == ("dig", "digging", 0.25)
        assert report.text == ""
        waiting.go_on.set()
        results = [chunk async for chunk in conversation if isinstance(chunk, ToolResult)]
    assert [(result.id, result.content) for result in results] == [(report.id, "dug")]
    assert conversation.outcome == "complete"


async def test_a_plain_function_reports_from_its_thread() -> None:
    """A report wakes the event loop from another thread; the tool waits here until it was taken."""
    taken = threading.Event()

    def dig() -> str:
        """Dig."""
        report_progress("half way")
        assert taken.wait(5)
        return "dug"

    told: list[str] = []
    async with FakeProvider(calling("dig"), DONE) as provider, Client(provider.target("openai")) as client:
        conversation = client.converse("hi", tools=[dig], deadline=None)
        async for chunk in conversation:
            if isinstance(chunk, ToolProgress | ToolResult):
                told.append(chunk.message if isinstance(chunk, ToolProgress) else chunk.content)
                taken.set()
    assert told == ["half way", "dug"]
    assert not conversation._call._live


async def test_each_report_is_of_its_own_call() -> None:
    """Tools that run side by side, and what they start, report under their own names."""

    async def deeper() -> None:
        report_progress("deeper")

    async def dig() -> None:
        """Dig."""
        await asyncio.create_task(deeper())

    async def fly() -> None:
        """Fly."""
        report_progress("higher")

    chunks = await told(dig, fly)
    names = {chunk.id: chunk.name for chunk in chunks if isinstance(chunk, ToolResult)}
    reports = [chunk for chunk in chunks if isinstance(chunk, ToolProgress)]
    assert {(names[each.id], each.message) for each in reports} == {("dig", "deeper"), ("fly", "higher")}


async def test_a_flood_is_one_report() -> None:
    """Of what was not taken yet only the last is kept, and not more of its message than a reader needs."""

    async def dig() -> None:
        """Dig."""
        for metre in range(10_000):
            report_progress("m" * 2 * MAX_MESSAGE, metre)

    [report, _] = await told(dig)
    assert isinstance(report, ToolProgress)
    assert (report.progress, len(report.message)) == (9_999, MAX_MESSAGE)


async def test_a_tool_that_was_given_up_reports_no_more() -> None:
    """A thread runs on after its call has a result; what it says then is not told, while other tools still run."""
    results: dict[str, object] = {}
    reports = Reports(results)
    reports.take_from(ToolCall(0, "c1", "dig", "{}", {}))
    report_progress("in time")
    assert [report.message for report in reports.take()] == ["in time"]
    results["c1"] = "given up"
    await asyncio.to_thread(report_progress, "too late")
    assert reports.take() == []


async def test_a_report_of_something_else_is_told_to_the_model() -> None:
    """What a tool reports wrongly is an error of that tool, in words."""

    async def dig() -> None:
        """Dig."""
        report_progress(7)  # type: ignore[arg-type]

    [result] = await told(dig)
    assert isinstance(result, ToolResult)
    assert result.error


def test_outside_a_conversation_it_does_nothing() -> None:
    """A tool can be called like any function."""
    report_progress("alone", 1, 2)


@pytest.mark.parametrize(
    ("progress", "total", "fraction"),
    [(1, 4, 0.25), (5, 4, 1.0), (-1, 4, 0.0), (1, None, None), (None, 4, None), (1, 0, None)],
)
def test_a_fraction_is_from_zero_to_one(progress: float | None, total: float | None, fraction: float | None) -> None:
    """What cannot be a fraction is none."""
    assert ToolProgress("c", "dig", "", progress, total).fraction == fraction


# -- the end, while a tool runs and nobody pulls ------------------------------------------------


@pytest.mark.parametrize("how", ["close", "drop", "client"])
async def test_a_tool_ends_with_its_conversation(how: str) -> None:
    """Between two pulls, too: the tool is cancelled, and nothing is left of it."""
    waiting = Waiting()
    async with FakeProvider(calling("dig")) as provider, Client(provider.target("openai")) as client:
        conversation, _ = await waiting.reported(client)
        record = conversation.record
        if how == "close":
            conversation.close()
        elif how == "drop":
            del conversation
            gc.collect()
        else:
            await client.aclose()
        await asyncio.wait_for(waiting.ended.wait(), 5)
    assert record.outcome == ("client_closed" if how == "client" else "abandoned")
    assert record.history[-1].role == "tool"
    assert not client.tasks


@pytest.mark.usefixtures("own_clock")
async def test_the_deadline_ends_a_tool_that_reports() -> None:
    """The clock runs on while the caller has the report."""
    waiting = Waiting()
    async with FakeProvider(calling("dig")) as provider, Client(provider.target("openai")) as client:
        conversation, _ = await waiting.reported(client, deadline=0.2)
        await asyncio.wait_for(waiting.ended.wait(), 5)
        with pytest.raises(DeadlineExceeded):
            await conversation.__anext__()


@pytest.mark.parametrize("how", ["cancel", "close"])
async def test_a_pull_that_is_ended_waits_for_its_tools(how: str) -> None:
    """When the pull raises, the tools have ended."""
    waiting = Waiting()
    async with FakeProvider(calling("dig")) as provider, Client(provider.target("openai")) as client:
        conversation, _ = await waiting.reported(client)
        pull = asyncio.ensure_future(conversation.__anext__())
        await asyncio.sleep(0)
        pull.cancel() if how == "cancel" else conversation.close()
        with pytest.raises((asyncio.CancelledError, StreamError)):
            await pull
        assert waiting.ended.is_set()
    assert conversation.outcome == ("cancelled" if how == "cancel" else "abandoned")


async def test_a_bug_after_a_report_leaves_by_the_pull() -> None:
    """It is raised where the caller reads, with the reports before it lost at most."""

    async def dig() -> None:
        """Dig."""
        report_progress("soon")
        await asyncio.sleep(0)
        raise StreamMisused("a bug")

    with pytest.raises(StreamMisused, match="a bug"):
        await told(dig)


async def test_the_callers_context_is_the_tools() -> None:
    """Context variables of whoever reads are seen by the tools, as before."""
    who = contextvars.ContextVar("who", default="nobody")
    who.set("me")

    async def dig() -> str:
        """Dig."""
        raise ToolError(who.get())

    [result] = await told(dig)
    assert isinstance(result, ToolResult)
    assert result.content == "me"
