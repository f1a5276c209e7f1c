"""Names of tools that a provider does not take: mapped there and back, so that a caller sees his own only."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from resilient_stream import Client, Message, RetryPolicy, StreamMisused, Target, Tool, ToolCall, ToolCallDelta
from resilient_stream.contract import Request
from resilient_stream.fitting.tool_names import given_back, names_for, renamed
from resilient_stream.providers import adapter_for
from resilient_stream.providers.openai.chat_stream import chat_decoder
from resilient_stream.testing import CallTool, End, FakeProvider, Text
from tests.providers.test_same_conversation import ROWS, Row

pytestmark = pytest.mark.usefixtures("nothing_left")

OPENAI = r"[a-zA-Z0-9_-]{1,64}"
ODD = (
    "calendar/respond to.Event",
    "größe",
    "天気",
    "a" * 130,
    "mcp__" + "x" * 120 + "/one",
    "mcp__" + "x" * 120 + "/two",
    "todo.list",
    "todo/list",
    "todo list",
)


def asked(*names: str, **fields: Any) -> Request:
    """A request with tools of these names."""
    tools = tuple(Tool(name=name) for name in names)
    fields.setdefault("messages", (Message(role="user", content="Go"),))
    return Request(target=Target("openai:m"), tools=tools, **fields)


def test_each_name_gets_one_of_its_own_that_fits() -> None:
    """Whatever the others are and in whichever order they come; the same in the next request."""
    made = names_for(asked(*ODD), OPENAI)
    assert made.keys() == set(ODD)
    assert len(set(made.values())) == len(ODD)
    assert all(re.fullmatch(OPENAI, sent) for sent in made.values())
    assert made == names_for(asked(*reversed(ODD)), OPENAI)
    assert made["calendar/respond to.Event"] == "calendar_respond_to_Event"


@pytest.mark.parametrize("order", [1, -1])
def test_a_name_that_fits_is_never_taken_by_another(order: int) -> None:
    """A tool that is really called so keeps its name, and so does one that looks like a made-up name."""
    first = names_for(asked("todo.list", "todo_list"), OPENAI)["todo.list"]
    names = ("todo.list", "todo_list", first)[::order]
    made = names_for(asked(*names), OPENAI)
    assert made.keys() == {"todo.list"}
    assert made["todo.list"] not in ("todo_list", first)


def test_nothing_is_done_where_all_names_fit() -> None:
    """The request and the decoder stay the same objects."""
    request = asked("weather", "get_time-2")
    decoder = chat_decoder("openai", max_event_bytes=1 << 20)
    names = names_for(request, OPENAI)
    assert names == {}
    assert renamed(request, names) is request
    assert given_back(decoder, names) is decoder


def test_the_choice_and_the_history_are_renamed_too() -> None:
    """A call of an earlier turn, its result's name, and a demanded tool; a user's name is nobody's tool."""
    call = {"id": "a", "type": "function", "function": {"name": "todo.list", "arguments": "{}"}}
    history = [
        {"role": "user", "name": "todo.list", "content": "Go"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "name": "todo.list", "content": "[]"},
    ]
    messages = tuple(Message.model_validate(message) for message in history)
    request = asked("todo.list", messages=messages, tool_choice="todo.list")
    sent = renamed(request, names_for(request, OPENAI))
    assert sent.tool_choice == sent.tools[0].name == sent.messages[1].tool_calls[0].name == sent.messages[2].name
    assert sent.tool_choice == "todo_list"
    assert sent.messages[0].name == "todo.list"
    assert request.messages[1].tool_calls[0].name == "todo.list"


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("stream", [True, False])
async def test_every_dialect_maps_names_there_and_back(row: Row, stream: bool) -> None:
    """The provider sees a name that fits, in tools and history; deltas, calls, tools and results have the caller's."""
    own = "files/größe of"
    allowed = adapter_for(row.provider).capabilities(row.model).tool_names
    sent = names_for(asked(own), allowed)[own]
    ran: list[str] = []

    async def size(path: str) -> str:
        ran.append(path)
        return "12"

    tool = Tool(name=own, parameters={"type": "object", "properties": {"path": {"type": "string"}}})
    async with FakeProvider([CallTool(sent, {"path": "/a"}), End("tool_calls")], [Text("It is 12."), End()]) as server:
        target = server.target(row.provider, model=row.model, stream=stream, **row.options)
        async with Client(target, retry=RetryPolicy.off()) as client:
            talk = client.converse("Size?", tools=[(tool, size)])
            chunks = [chunk async for chunk in talk]
        bodies = [json.dumps(request.json, ensure_ascii=False) for request in server.requests]
    assert ran == ["/a"]
    assert {chunk.name for chunk in chunks if isinstance(chunk, ToolCall | ToolCallDelta)} == {own}
    assert [call.name for message in talk.history for call in message.tool_calls] == [own]
    assert re.fullmatch(allowed, sent)
    assert all(f'"{sent}"' in body and own not in body for body in bodies)


async def test_a_fallback_gets_the_names_that_fit_there() -> None:
    """Gemini takes a dot, OpenAI does not; each is sent what it takes."""
    async with FakeProvider([End("error")], [CallTool("todo_list", {}), End()]) as provider:
        gemini = provider.target("gemini", model="gemini-2.5-flash")
        async with Client([gemini, provider.target("openai")], retry=RetryPolicy.off()) as client:
            transcript = await client.complete("Go", tools=[Tool(name="todo.list")])
        first, second = provider.requests
    assert first.json["tools"][0]["functionDeclarations"][0]["name"] == "todo.list"
    assert second.json["tools"][0]["function"]["name"] == "todo_list"
    assert [call.name for call in transcript.tool_calls] == ["todo.list"]


async def test_a_recording_is_played_back_with_the_callers_names(tmp_path: Any) -> None:
    """What was recorded has the names that were sent; who plays it back sees his own."""
    file = tmp_path / "session.jsonl"
    tools = [Tool(name="todo.list")]
    async with FakeProvider([CallTool("todo_list", {}), End()]) as provider:
        async with Client(provider.target("openai"), retry=RetryPolicy.off(), record=file) as client:
            await client.complete("Go", tools=tools)
    async with Client(Target(f"replay:{file}", speed=0)) as client:
        transcript = await client.complete("Go", tools=tools)
    assert [call.name for call in transcript.tool_calls] == ["todo.list"]


def test_a_function_may_have_any_name_that_can_be_shown() -> None:
    """Only a name that nobody could read is refused."""

    async def größe() -> str:
        return "1"

    async def bad() -> str:
        return "1"

    bad.__name__ = "a\x1b[2J"
    client = Client("openai:m")
    client.converse("Go", tools=[größe]).close()
    with pytest.raises(StreamMisused, match="printable"):
        client.converse("Go", tools=[bad])
