"""`approve=` decides before a tool runs, and whatever goes wrong with the question, the tool does not run."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from resilient_stream import Client, RetryPolicy, ServerToolCall, StreamMisused, ToolCall, ToolResult
from resilient_stream.testing import CallTool, End, FakeProvider, Text, serve_bytes

pytestmark = pytest.mark.usefixtures("nothing_left")


class Weather:
    """A tool that notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def weather(self, city: str) -> str:
        """The weather."""
        self.asked.append(city)
        return f"fine in {city}"


async def _converse(approve: Any, *cities: str, **options: Any) -> tuple[list[str], list[ToolResult]]:
    """What the tool was asked, and what the model was told."""
    calls = [CallTool("weather", f'{{"city": "{city}"}}') for city in cities or ("Oslo",)]
    tool = Weather()
    async with (
        FakeProvider([*calls, End("tool_calls")], [Text("Done."), End()]) as provider,
        Client(provider.target("openai"), retry=RetryPolicy.off()) as client,
    ):
        conversation = client.converse("Weather?", tools=[tool.weather], approve=approve, **options)
        results = [chunk async for chunk in conversation if isinstance(chunk, ToolResult)]
    return tool.asked, results


async def test_a_tool_that_is_approved_runs() -> None:
    """The question has the whole call; a plain function may answer, and so may an async one."""
    seen: list[ToolCall] = []

    async def ask(call: ToolCall) -> bool:
        seen.append(call)
        return True

    asked, [result] = await _converse(ask)
    assert (asked, result.content) == (["Oslo"], "fine in Oslo")
    assert (seen[0].name, seen[0].parsed) == ("weather", {"city": "Oslo"})
    assert (await _converse(lambda call: True))[0] == ["Oslo"]


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        (False, "weather was not run: the user refused it."),
        ("too far", "The user refused it: too far"),
        ("", "refused"),
    ],
)
async def test_a_tool_that_is_refused_does_not_run(verdict: bool | str, told: str) -> None:
    """The model is told so, with the reason."""
    asked, [result] = await _converse(lambda call: verdict)
    assert asked == []
    assert result.error
    assert told in result.content


async def test_a_tool_runs_with_the_arguments_that_were_given_instead() -> None:
    """A dict takes the place of the arguments, and is checked like them."""
    assert (await _converse(lambda call: {"city": "Bergen"}))[0] == ["Bergen"]
    asked, [result] = await _converse(lambda call: {"town": "Bergen"})
    assert asked == []
    assert "Invalid arguments" in result.content


@pytest.mark.parametrize("verdict", [None, 1, {"city": object()}])
async def test_an_answer_that_is_none_is_said(verdict: Any) -> None:
    """Whoever forgets to return something is told, and nothing runs."""
    with pytest.raises(StreamMisused, match="approve"):
        await _converse(lambda call: verdict)


async def test_a_question_that_fails_runs_nothing() -> None:
    """An exception of `approve` leaves as the cause of what says that it was `approve`."""

    def ask(call: ToolCall) -> bool:
        raise KeyError("no user")

    with pytest.raises(StreamMisused, match="approve raised KeyError for weather, which was not run") as raised:
        await _converse(ask)
    assert isinstance(raised.value.__cause__, KeyError)


async def test_nobody_is_asked_about_a_call_that_cannot_run() -> None:
    """Bad arguments go back to the model without a question."""
    async with (
        FakeProvider([CallTool("weather", '{"town": 1}'), End("tool_calls")], [Text("Done."), End()]) as provider,
        Client(provider.target("openai")) as client,
    ):
        await client.converse("?", tools=[Weather().weather], approve=lambda call: pytest.fail("asked")).collect()


async def test_questions_come_one_after_the_other_and_in_time() -> None:
    """Two calls of one turn are two questions, never at once; a question without an answer is a refusal."""
    at_once = most = 0

    async def ask(call: ToolCall) -> bool:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1
        return True

    assert sorted((await _converse(ask, "Oslo", "Rome"))[0]) == ["Oslo", "Rome"]
    assert most == 1

    async def never(call: ToolCall) -> bool:
        return await asyncio.Future()

    asked, [result] = await _converse(never, prompt_timeout=0.005)
    assert (asked, result.content) == ([], "weather was not run: nobody approved it in time.")


@pytest.mark.usefixtures("own_clock")
async def test_a_question_takes_nothing_from_the_tools_time() -> None:
    """`tool_timeout` is the tool's; a person may take longer."""

    async def ask(call: ToolCall) -> bool:
        await asyncio.sleep(10)
        return True

    assert (await _converse(ask, tool_timeout=5))[0] == ["Oslo"]


async def test_only_the_tools_that_are_named_are_asked_about() -> None:
    """A dict asks for some tools; a name that no tool has is refused, since its tool would run unasked."""
    assert (await _converse({"weather": lambda call: False}))[0] == []
    with pytest.raises(StreamMisused, match="did you mean weather"):
        await _converse({"wether": lambda call: False})
    with pytest.raises(StreamMisused, match="takes a ToolCall"):
        await _converse({"weather": True})


# -- tools that run at the provider -------------------------------------------------------------

REQUEST = {
    "type": "mcp_approval_request",
    "id": "mcpr_1",
    "server_label": "wiki",
    "name": "ask",
    "arguments": '{"q":1}',
}


def _responses(*items: dict[str, Any], text: str = "") -> Any:
    events: list[dict[str, Any]] = [
        {"type": "response.output_item.done", "output_index": place, "item": item} for place, item in enumerate(items)
    ]
    if text:
        events.append({"type": "response.output_text.delta", "delta": text})
    response = {"id": "resp_1", "status": "completed", "output": list(items), "usage": {"output_tokens": 3}}
    events.append({"type": "response.completed", "response": response})
    return serve_bytes(b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events))


@pytest.mark.parametrize(
    ("verdict", "sent"),
    [
        (True, {"approve": True}),
        ("not that server", {"approve": False, "reason": "ask was not run. The user refused it: not that server"}),
    ],
)
async def test_a_tool_that_waits_at_its_provider_is_answered(verdict: Any, sent: dict[str, Any]) -> None:
    """The request goes back with the answer behind it, and the model goes on."""
    async with (
        FakeProvider(_responses(REQUEST), _responses(text="Done."), [Text("Hi"), End()]) as provider,
        Client(provider.target("openai-responses"), retry=RetryPolicy.off()) as client,
    ):
        record = await client.converse("Ask.", approve=lambda call: verdict).collect()
        items = provider.requests[1].json["input"]
        again = [*record.history, {"role": "user", "content": "And?"}]
        await client.complete(again, to=provider.target("openai"))
    response = {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", **sent}
    assert items[1:] == [REQUEST, response]
    assert record.text == "Done."
    assert [message["role"] for message in provider.requests[2].json["messages"]] == ["user", "assistant", "user"]


async def test_a_tool_that_nobody_is_asked_about_goes_on_waiting() -> None:
    """Without `approve` the conversation ends there, and says so in its transcript; nothing is approved unasked."""
    async with (
        FakeProvider(_responses(REQUEST)) as provider,
        Client(provider.target("openai-responses"), retry=RetryPolicy.off()) as client,
    ):
        record = await client.converse("Ask.").collect()
        assert len(provider.requests) == 1
        [call] = record.transcripts[0].server_tools
        assert isinstance(call, ServerToolCall)
        assert call.waits
        with pytest.raises(StreamMisused, match="runs at its provider"):
            await client.converse("Ask.", approve=lambda call: {"q": 2}).collect()
