"""An MCP server that means no good harms neither the conversation nor what is sent to the provider."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from resilient_stream import ImagePart, StreamMisused
from resilient_stream.conversation.mcp_servers import MAX_PARTS, MAX_TOOLS, MCPTool, _named_apart, _tools_of
from resilient_stream.conversation.tools import encode_parts, encode_result
from resilient_stream.messages import Tool
from tests.processor import seconds

SCHEMA: dict[str, Any] = {"type": "object", "properties": {}}


class Server:
    """A client of a server that has these tools on each page, and gives this result for each call."""

    def __init__(self, *names: str, result: Any = (), cursor: str | None = None, schema: Any = SCHEMA) -> None:
        self._page = SimpleNamespace(
            tools=[SimpleNamespace(name=name, description=None, input_schema=schema) for name in names],
            next_cursor=cursor,
        )
        self._result = SimpleNamespace(content=list(result), is_error=False, structured_content=None)
        self.pages = 0

    async def list_tools(self, cursor: str | None) -> Any:
        """The same page each time."""
        self.pages += 1
        return self._page

    async def call_tool(self, name: str, arguments: dict[str, Any], **options: Any) -> Any:
        """The same result each time."""
        return self._result


async def _result(*contents: Any) -> Any:
    tool = MCPTool(Server(result=contents), Tool(name="t"), "t")
    return await tool.call({}, anyio.CapacityLimiter(1))


def _image(data: str, mime_type: str = "image/png") -> Any:
    return SimpleNamespace(type="image", data=data, mime_type=mime_type)


@pytest.mark.parametrize(
    "content",
    [
        _image("!!!"),
        _image(""),
        _image("QUJD", "text/html\r\nX: y"),
        _image("UklGRgAAAABXQVZF"),
        SimpleNamespace(type="audio", data="QUJD", mime_type="no type\n"),
        SimpleNamespace(type="resource", resource=SimpleNamespace(blob="%", mime_type="application/pdf")),
    ],
    ids=["no base64", "empty", "no picture's type", "a recording", "no type", "no base64 in a resource"],
)
async def test_a_file_that_is_none_is_told_to_the_model(content: Any) -> None:
    """It is no mistake of the caller's, so nothing is raised, and no provider is sent what it would refuse."""
    result = await _result(SimpleNamespace(type="text", text="Here:"), content)
    assert result == f"Here:\n[a file that cannot be read: {content.type}]"


async def test_a_picture_keeps_its_type() -> None:
    """By its bytes, else as the server says."""
    [known] = await _result(_image("iVBORw0KGgoA", "image/anything"))
    [said] = await _result(_image("QUJD", "image/heic"))
    assert [known.url[:20], said.url[:20]] == ["data:image/png;base6", "data:image/heic;base"]


async def test_the_pieces_of_a_result_are_bounded() -> None:
    """What is left out is told."""
    pieces = [SimpleNamespace(type="text", text="x")] * (MAX_PARTS + 5)
    result = await _result(*pieces)
    assert result.endswith("x\n[5 more pieces of the result are left out]")
    assert not encode_parts(result, "t")
    assert len(encode_result(result, "t")) < 3_000


async def test_a_tool_that_cannot_be_offered_is_left_out() -> None:
    """The others of its server are there."""
    deep: Any = {}
    for _ in range(200):
        deep = {"properties": {"a": deep}}
    assert [tool.tool.name for tool in await _tools_of(Server("", "a", "b"))] == ["a", "b"]
    assert await _tools_of(Server("a", schema=deep)) == []


async def test_a_server_that_repeats_itself_has_each_tool_once() -> None:
    """The same page again and again, or one name twice, makes no two tools of one name."""
    server = Server("a", "a", "b", cursor="again")
    assert [tool.tool.name for tool in await _tools_of(server)] == ["a", "b"]
    assert server.pages <= 100


async def test_the_tools_of_a_server_are_bounded() -> None:
    """Also those of one page."""
    assert len(await _tools_of(Server(*map(str, range(10_000))))) == MAX_TOOLS


def test_names_in_conflict_are_told_apart_in_time() -> None:
    """No name is used twice, whatever the servers are called, and thousands of tools take no time."""
    found = [[MCPTool(None, Tool(name=name), name) for name in ("b", "a_b", "c")] for _ in range(2)]
    names = [tool.tool.name for tool in _named_apart(["a", "a"], found, frozenset({"a_b_2"}))]
    assert names == ["a_b", "a_a_b", "a_c", "a_b_3", "a_a_b_2", "a_c_2"]
    many = [[MCPTool(None, Tool(name=str(number)), "x") for number in range(1_000)] for _ in range(8)]
    assert len({tool.tool.name for tool in _named_apart(["s"] * 8, many, frozenset())}) == 8_000
    assert seconds(lambda: _named_apart(["s"] * 8, many, frozenset()), soon=1) < 1


@pytest.mark.parametrize("kind", ["audio/wav", "video/mp4", "text/html"])
def test_a_recording_is_no_picture(kind: str) -> None:
    """It is refused before anything is sent, with what to do."""
    with pytest.raises(StreamMisused, match="FilePart"):
        ImagePart(url=f"data:{kind};base64,QUJD")
