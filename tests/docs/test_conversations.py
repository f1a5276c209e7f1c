"""docs/conversations.md: its examples run, one after the other, and do what the page says."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from resilient_stream.testing import CallTool, End, FakeProvider, ReceivedRequest, Stall, Text
from resilient_stream.testing.steps import Script

PAGE = Path(__file__).parents[2] / "docs" / "conversations.md"

ANSWERS: dict[str, list[Script]] = {
    "umbrella": [[CallTool("weather", {"city": "Oslo"}), End()], [Text("No."), End()]],
    "Index my notes": [[CallTool("index", {"folder": "notes"}), End()], [Text("Indexed."), End()]],
    "Plan me a trip.": [[CallTool("submit_Trip", {"city": "Oslo", "days": 2}), End()]],
    "Bergen, three days.": [[CallTool("submit_Trip", {"city": "Bergen", "days": 3}), End()]],
    "ask me where to": [[Text("Where to?"), End()]],
    "Please go on.": [[Text("It is fine."), End()]],
    "long report": [[Text("In Oslo "), Stall()]],
    '"confirmed"': [[Text("Booked."), End()]],
    "Atlantis": [[CallTool("weather", {"city": "Atlantis"}), End()], [Text("There is no Atlantis."), End()]],
    "Add 2 and 3": [[CallTool("add", {"a": 2, "b": 3}), End()], [Text("That is 5."), End()]],
    "confirm first": [[CallTool("confirm"), End()]],
}


SERVER = """
from mcp.server.mcpserver import MCPServer

server = MCPServer("numbers")


@server.tool()
def add(a: int, b: int) -> int:
    return a + b


server.run()
"""


def model(request: ReceivedRequest) -> Script:
    """Plays a model: the first of these words that it finds in what it is sent decides."""
    said = "\n".join(str(message["content"]) for message in request.json["messages"])
    scripts = next(scripts for words, scripts in ANSWERS.items() if words in said)
    return scripts[min(len(scripts) - 1, sum(message["role"] == "tool" for message in request.json["messages"]))]


def examples() -> list[CodeType]:
    """The Python blocks of the page, as `python -m asyncio` would compile them."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return [compile(block, f"{PAGE.name}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT) for block in blocks]


@pytest.mark.usefixtures("nothing_left")
async def test_the_examples_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """All of them, in one session, against a scripted model."""
    pytest.importorskip("mcp", reason="the page uses an MCP server, which needs the extra mcp")
    names: dict[str, Any] = {"__name__": "examples"}
    async with FakeProvider(model) as provider:
        monkeypatch.setenv("OPENAI_API_KEY", "test")
        (tmp_path / "my_mcp_server.py").write_text(SERVER)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("OPENAI_BASE_URL", provider.base_url("openai"))
        for example in examples():
            if (running := eval(example, names)) is not None:  # a coroutine where the block awaits
                await running
        await names["client"].aclose()
    assert str(names["trip"]) == "city='Oslo' days=2"
    assert names["record"].text == "That is 5."
    said = capsys.readouterr().out
    (told,) = (message for message in names["record"].history if message.role == "tool")
    assert told.text == "5"
    shown = ['[weather: {"city":"Oslo",', "No.", "complete Usage(", "[index: file 3, 100%]"]
    for expected in (*shown, "no_tool_calls ('Trip',) Where to?", "Trip(city='Bergen', days=3)", "Out of time 2"):
        assert expected in said
