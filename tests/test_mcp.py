"""MCP servers give their tools to a conversation, and are gone when it is over."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import pytest

from resilient_stream import Client, PermanentError, RetryPolicy, StreamMisused, ToolProgress, ToolResult
from resilient_stream.testing import CallTool, End, FakeProvider, Text
from resilient_stream.testing.steps import Script

mcp = pytest.importorskip("mcp", reason="the extra mcp is not installed")

from resilient_stream.conversation.mcp_stderr import MAX_LINE, Lines  # noqa: E402
from tests.mcp_server import server  # noqa: E402

pytestmark = pytest.mark.usefixtures("nothing_left")

PROGRAM = {"command": sys.executable, "args": ["-m", "tests.mcp_server"]}
DONE: Script = [Text("Done."), End()]


def _calls(*calls: CallTool) -> Script:
    return [*calls, End("tool_calls")]


async def _converse(servers: list[Any], *scripts: Script, **options: Any) -> tuple[list[Any], list[ToolResult]]:
    """The requests, and what the model was told."""
    async with (
        FakeProvider(*scripts, DONE) as provider,
        Client(provider.target("openai"), retry=RetryPolicy.off()) as client,
    ):
        conversation = client.converse("Add.", mcp=servers, **options)
        results = [chunk async for chunk in conversation if isinstance(chunk, ToolResult)]
    return [request.json for request in provider.requests], results


@pytest.mark.parametrize("source", [server, PROGRAM], ids=["in this process", "a program"])
async def test_its_tools_are_offered_and_called(source: Any) -> None:
    """The model sees names, descriptions and schemas, and gets what the server gives."""
    requests, [result] = await _converse([source], _calls(CallTool("add", '{"a": 2, "b": 3}')))
    offered = {tool["function"]["name"]: tool["function"] for tool in requests[0]["tools"]}
    assert set(offered) == {"add", "climb", "draw", "fail", "grumble"}
    assert offered["add"]["description"] == "Add two numbers."
    assert set(offered["add"]["parameters"]["properties"]) == {"a", "b"}
    assert (result.content, result.error) == ("5", False)


async def test_errors_are_told_to_the_model() -> None:
    """A tool that fails, and arguments that the server refuses, are results that say so."""
    _, results = await _converse([server], _calls(CallTool("fail", "{}"), CallTool("add", '{"a": "x"}')))
    assert [result.error for result in results] == [True, True]
    assert "it does not work" in results[0].content


async def test_a_servers_progress_is_a_tools_progress() -> None:
    """What a server reports of a call is a `ToolProgress` of that call, before its result."""
    async with FakeProvider(_calls(CallTool("climb", "{}")), DONE) as provider:
        async with Client(provider.target("openai")) as client:
            chunks = [chunk async for chunk in client.converse("Climb.", mcp=[server])]
    told = [chunk for chunk in chunks if isinstance(chunk, ToolProgress | ToolResult)]
    *reports, result = told
    assert isinstance(result, ToolResult)
    last = reports[-1]
    assert isinstance(last, ToolProgress)
    assert (last.id, last.name, last.progress, last.total) == (result.id, "climb", 10, 10)
    assert (last.message, last.fraction) == ("step 10", 1.0)


async def test_a_programs_stderr_is_shown_as_harmless_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing in it controls a terminal, a long line is cut, and the last one needs no end; each has a name."""
    _, [result] = await _converse([{**PROGRAM, "name": "numbers"}], _calls(CallTool("grumble", "{}")))
    assert result.content == "grumbled"
    said = capsys.readouterr().err
    assert "numbers: wipe back\n" in said
    assert f"numbers: {'x' * MAX_LINE}…\n" in said
    assert said.endswith("numbers: no end\n")
    assert len(said) < 10 * MAX_LINE
    assert "\x1b" not in said


def test_a_line_without_an_end_is_not_held(capsys: pytest.CaptureFixture[str]) -> None:
    """Its beginning is shown now and then, and no more than two reads of it are ever kept."""
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    lines = Lines("numbers", ours)
    for _ in range(20):
        os.write(theirs, b"x" * 60_000)
        assert lines.read()
        assert len(lines._rest) < 130_000
    os.close(theirs)
    lines.end()
    os.close(ours)
    assert capsys.readouterr().err.startswith("numbers: xxx")


async def test_a_program_runs_where_there_is_no_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under a window manager, or after it was closed."""
    monkeypatch.setattr(sys, "stderr", None)
    _, [result] = await _converse([PROGRAM], _calls(CallTool("grumble", "{}")))
    assert result.content == "grumbled"


async def test_a_picture_is_shown_to_the_model() -> None:
    """A result with a picture keeps it as a part."""
    _, [result] = await _converse([server], _calls(CallTool("draw", "{}")))
    assert [part.type for part in result.parts] == ["image_url"]


async def test_names_that_are_used_twice_are_told_apart() -> None:
    """A function keeps its name; the server's tool has its server's name in front."""

    async def add(a: int) -> int:
        """Mine."""
        return a

    call = _calls(CallTool("numbers_add", '{"a": 1, "b": 1}'), CallTool("add", '{"a": 7}'))
    requests, results = await _converse([server], call, tools=[add])
    assert {tool["function"]["name"] for tool in requests[0]["tools"]} == {
        "add", "numbers_add", "climb", "draw", "fail", "grumble",
    }  # fmt: skip
    assert [result.content for result in results] == ["2", "7"]


async def test_a_server_tool_can_be_refused() -> None:
    """`approve` is asked about them like about functions; a name that no tool has is found when they are known."""
    call = _calls(CallTool("add", '{"a": 1, "b": 1}'))
    _, [result] = await _converse([server], call, approve={"add": lambda call: "no"})
    assert "The user refused it: no" in result.content
    with pytest.raises(StreamMisused, match="did you mean add"):
        await _converse([server], call, approve={"ad": lambda call: "no"})


async def test_nothing_starts_before_the_first_pull() -> None:
    """A conversation that is never read starts no server."""
    async with FakeProvider() as provider, Client(provider.target("openai")) as client:
        client.converse("Add.", mcp=[PROGRAM]).close()
        assert not client.tasks


@pytest.mark.parametrize("how", ["break", "cancel"])
async def test_a_server_is_gone_with_the_conversation(how: str) -> None:
    """However it ends, the server's task ends by itself, and `aclose` waits for it."""
    async with FakeProvider([Text("a"), Text("b")]) as provider, Client(provider.target("openai")) as client:
        conversation = client.converse("Add.", mcp=[server])

        async def read() -> None:
            async for chunk in conversation:
                if chunk.text:
                    if how == "cancel":
                        await asyncio.Future()
                    return

        task = asyncio.ensure_future(read())
        while not conversation.transcripts or not conversation.transcripts[0].text:
            await asyncio.sleep(0)
        task.cancel() if how == "cancel" else None
        await asyncio.wait([task])
        conversation.close()
        assert client.tasks
    assert not client.tasks


async def test_a_server_that_does_not_start_is_named() -> None:
    """Nothing is sent to the model, and the error says which server and why."""
    async with FakeProvider() as provider, Client(provider.target("openai")) as client:
        with pytest.raises(PermanentError) as raised:
            await client.converse("Add.", mcp=[{"command": "no-such-program"}, server]).collect()
        assert raised.value.kind == "client_config"
        assert "no-such-program" in str(raised.value)
        assert not provider.requests


async def test_the_deadline_is_over_the_start_too() -> None:
    """A server that never answers is given up with the conversation's deadline, and its program is gone."""
    silent = {"command": sys.executable, "args": ["-c", "import sys; sys.stdin.read()"]}
    async with FakeProvider() as provider, Client(provider.target("openai")) as client:
        with pytest.raises(TimeoutError):
            await client.converse("Add.", mcp=[silent], deadline=0.05).collect()


@pytest.mark.parametrize(
    ("servers", "said"),
    [
        ("http://a.test/mcp", "give a list of servers"),
        (["it's not an address"], "no address"),
        (["npx -y some-server"], "'command': 'npx', 'args': ['-y', 'some-server']"),
        ([{"command": "x", "arguments": []}], "unknown field 'arguments'; known are command, args, env, cwd"),
        ([{"headers": {}}], "give an address"),
        ([7], "not int"),
    ],
)
async def test_what_is_no_server_is_refused(servers: Any, said: str) -> None:
    """Before anything is sent, with the form that was meant."""
    async with Client("openai:m") as client:
        with pytest.raises(StreamMisused) as raised:
            client.converse("Add.", mcp=servers)
    assert said in str(raised.value)


async def test_a_server_by_its_address() -> None:
    """Streamable HTTP, with headers of one's own, against the official package's server."""
    uvicorn: Any = pytest.importorskip("uvicorn")
    app = server.streamable_http_app()
    config = uvicorn.Config(app, port=0, log_level="error", lifespan="on", timeout_graceful_shutdown=1)
    running = uvicorn.Server(config)
    task = asyncio.ensure_future(running.serve())
    while not running.started:
        await asyncio.sleep(0.001)
    port = running.servers[0].sockets[0].getsockname()[1]
    place = {"url": f"http://127.0.0.1:{port}/mcp", "headers": {"x-mine": "1"}}
    requests, [result] = await _converse([place], _calls(CallTool("add", '{"a": 2, "b": 3}')))
    running.should_exit = True
    await task
    assert result.content == "5"
    assert json.dumps(requests[1]).count('"tool_call_id"') == 1
