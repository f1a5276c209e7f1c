"""Uses MCP servers as tools: started with the conversation, called like functions, and closed with it.

The official `mcp` package speaks the protocol (the extra `mcp`). Its connections have to be closed by the task that
opened them, so each server has a task of its own, which waits until the conversation is over.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, ClassVar
from urllib.parse import urlsplit

import anyio

from ..events import ToolKind
from ..failures import StreamMisused
from ..messages import FilePart, ImagePart, Part, TextPart, Tool
from ..text.readable import one_line
from .mcp_stderr import shown_stderr
from .progress import reporter
from .tools import InvalidArguments, ToolError, arguments_object

__all__ = ["MCPServerFailed", "MCPServers", "MCPTool"]

logger = logging.getLogger("resilient_stream")

INSTALL = "MCP servers need the mcp package: pip install 'resilient-stream[mcp]'"
_HOW = "give an address, {'command': …, 'args': […]}, {'url': …, 'headers': {…}}, or what mcp.Client takes"
_COMMAND = ("command", "args", "env", "cwd")
_ADDRESS = ("url", "headers")

_PICTURE = re.compile(r"image/[\w.+-]{1,40}")

MAX_PAGES = 100
MAX_TOOLS = 1_000
"""How many tools one server may have; more is no list of tools that a model could use."""
MAX_PARTS = 1_000
"""Pieces of one result."""
MAX_SAID = 500
"""Characters of what a server said when it did not start."""


class MCPServerFailed(Exception):
    """Reports a server that cannot be used. name: of the server."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name
        self.reason = reason


class MCPTool:
    """Calls a tool of a server. tool: as the model sees it. The server checks the arguments itself."""

    kind: ClassVar[ToolKind] = "extension"

    def __init__(self, client: Any, tool: Tool, name: str) -> None:
        self.tool = tool
        self._client = client
        self._name = name

    def arguments(self, text: str) -> dict[str, Any]:
        """Return a call's arguments. Raises InvalidArguments, which tells the model that they are no object."""
        try:
            return arguments_object(text)
        except ValueError as error:
            raise InvalidArguments(f"Invalid arguments for {self.tool.name}: {error}") from error

    async def call(self, arguments: dict[str, Any], threads: anyio.CapacityLimiter) -> Any:
        """Call the tool on its server. Return text, or parts if there are files. Raises ToolError for what the server
        calls an error."""
        result = await self._client.call_tool(self._name, arguments, progress_callback=_progress_of_this_call())
        parts = _parts(result.content)
        if result.is_error:
            raise ToolError("\n".join(part.text for part in parts if isinstance(part, TextPart)) or "The tool failed.")
        if not parts and result.structured_content is not None:
            return result.structured_content
        return parts if any(isinstance(part, ImagePart | FilePart) for part in parts) else "\n".join(map(_text, parts))


class MCPServers:
    """Runs the servers of one conversation. tasks: where their tasks are kept until they have ended."""

    def __init__(self, servers: Iterable[Any], tasks: set[asyncio.Task[None]]) -> None:
        if isinstance(servers, str | bytes | Mapping) or not isinstance(servers, Iterable):
            raise StreamMisused(f"mcp: give a list of servers; {_HOW}")
        self._servers = [(_name(server, place), _connection(server, place)) for place, server in enumerate(servers)]
        self._over = asyncio.Event()
        self._tasks = tasks
        self._own: list[asyncio.Task[None]] = []
        self._connected: set[asyncio.Task[None] | None] = set()

    def __bool__(self) -> bool:
        return bool(self._servers)

    async def open(self, taken: frozenset[str]) -> list[MCPTool]:
        """Start all servers at once and return their tools. A name that is used twice gets its server's in front.

        taken: names of other tools.

        Raises MCPServerFailed, which names the server.
        """
        loop = asyncio.get_running_loop()
        ready: list[asyncio.Future[list[MCPTool]]] = [loop.create_future() for _ in self._servers]
        for (name, connection), future in zip(self._servers, ready, strict=True):
            self._keep_task(loop.create_task(self._serve(name, connection, future), name=f"MCP server {name}"))
        try:
            found = await asyncio.gather(*ready)
        except BaseException:
            self.close()
            for future in ready:
                future.cancel()
            raise
        return _named_apart([name for name, _ in self._servers], found, taken)

    async def _serve(self, name: str, connection: Any, ready: asyncio.Future[list[MCPTool]]) -> None:
        """Hold the connection to a server until the conversation is over."""
        try:
            async with connection() as client:
                tools = await _tools_of(client)
                self._connected.add(asyncio.current_task())
                if not ready.done():
                    ready.set_result(tools)
                await self._over.wait()
        except Exception as error:
            if not ready.done():
                ready.set_exception(MCPServerFailed(name, _reason(error)))

    def _keep_task(self, task: asyncio.Task[None]) -> None:
        self._own.append(task)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Close all servers, from the thread of the event loop. Their tasks end within the time that the mcp package
        gives a program to end; one that still connects is cancelled."""
        self._over.set()
        for task in self._own:
            if task not in self._connected:
                task.cancel()


# -- what is given ------------------------------------------------------------------------------


def _connection(server: Any, place: int) -> Any:
    """Return a function that gives the connection to a server as an async context manager."""
    where = f"mcp[{place}]"
    try:
        import mcp
    except ImportError as error:
        raise StreamMisused(INSTALL) from error
    if isinstance(server, str):
        if not server.startswith(("http://", "https://")):
            first, *rest = server.split() or [""]
            raise StreamMisused(f"{where}: no address; for a program, give {{'command': {first!r}, 'args': {rest!r}}}")
        return lambda: mcp.Client(server)
    if isinstance(server, Mapping):
        return _described(dict(server), _name(server, place), where)
    if isinstance(server, mcp.Client):
        return lambda: server
    if server is None or isinstance(server, int | float | list | tuple | type):
        raise StreamMisused(f"{where}: {_HOW}, not {type(server).__name__}")
    return lambda: mcp.Client(server)


def _described(server: dict[str, Any], name: str, where: str) -> Any:
    """Return the connection to a server that is described as in other programs' settings."""
    import mcp

    known = _COMMAND if "command" in server else _ADDRESS
    server.pop("type", None)
    server.pop("name", None)
    if unknown := sorted(set(server) - set(known)):
        raise StreamMisused(f"{where}: unknown field {unknown[0]!r}; known are {', '.join(known)}")
    if "command" in server:
        parameters = mcp.StdioServerParameters(**server)
        return lambda: _by_command(name, parameters)
    if not isinstance(server.get("url"), str):
        raise StreamMisused(f"{where}: {_HOW}")
    return lambda: _by_address(server["url"], server.get("headers") or {})


@asynccontextmanager
async def _by_command(name: str, parameters: Any) -> AsyncIterator[Any]:
    """Start a program. The lines that it writes to stderr are shown on ours, with its name in front."""
    from mcp import Client, stdio_client

    with shown_stderr(name) as log:
        async with Client(stdio_client(parameters, errlog=log)) as client:
            yield client


@asynccontextmanager
async def _by_address(url: str, headers: Mapping[str, str]) -> AsyncIterator[Any]:
    import httpx2  # a dependency of the mcp package
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    async with (
        httpx2.AsyncClient(headers=headers, timeout=httpx2.Timeout(30, read=300)) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        yield client


def _name(server: Any, place: int) -> str:
    """Return what a server is called in errors, and in front of names that two servers use."""
    given = server
    if isinstance(server, Mapping):
        given = next((server[field] for field in ("name", "command", "url") if server.get(field)), None)
    if isinstance(given, str) and "://" in given:
        given = urlsplit(given).hostname
    said = given if isinstance(given, str) else getattr(given, "name", None) or getattr(given, "command", None)
    return one_line(str(said or "").rpartition("/")[2])[:40] or f"server{place + 1}"


# -- what a server says -------------------------------------------------------------------------


async def _tools_of(client: Any) -> list[MCPTool]:
    tools: list[MCPTool] = []
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        page = await client.list_tools(cursor=cursor)
        declared = ((each.name, _declared(each)) for each in page.tools[: MAX_TOOLS + 1 - len(tools)])
        tools += [MCPTool(client, tool, name) for name, tool in declared if tool is not None]
        cursor = page.next_cursor
        if not cursor or len(tools) > MAX_TOOLS:
            break
    # Of several tools with one name the first is kept.
    return list({each.tool.name: each for each in reversed(tools[:MAX_TOOLS])}.values())[::-1]


def _declared(tool: Any) -> Tool | None:
    """Return a tool as the model sees it; None for one that no model can be offered, as one without a name."""
    try:
        return Tool(name=tool.name, description=tool.description or "", parameters=tool.input_schema)
    except StreamMisused as error:
        logger.warning("a tool of an MCP server is not offered: %s", error)
        return None


def _named_apart(servers: list[str], found: list[list[MCPTool]], taken: frozenset[str]) -> list[MCPTool]:
    names = Counter([*taken, *(tool.tool.name for tools in found for tool in tools)])
    used = {name for name, times in names.items() if times == 1} | taken
    for server, tools in zip(servers, found, strict=True):
        for each in tools:
            if names[each.tool.name] > 1:
                each.tool = each.tool.model_copy(update={"name": _free(f"{server}_{each.tool.name}", used)})
    return [tool for tools in found for tool in tools]


def _free(name: str, used: set[str]) -> str:
    """Return the name, with a number if it is used already, and note that it is used now."""
    numbered = (f"{name}_{number}" for number in count(2))
    free = name if name not in used else next(each for each in numbered if each not in used)
    used.add(free)
    return free


def _progress_of_this_call() -> Any:
    """Return the function to which the mcp package reports a server's progress; the package calls it in a task of its
    own."""
    report = reporter()

    async def told(progress: float, total: float | None, message: str | None) -> None:
        report(message or "", progress, total)

    return told


def _parts(contents: Sequence[Any]) -> list[Part]:
    """Return the pieces of a result as parts, up to a number that a model could use."""
    parts = [_part(content) for content in contents[:MAX_PARTS]]
    if left := len(contents) - MAX_PARTS:
        parts += [TextPart(text=f"[{left} more pieces of the result are left out]")] if left > 0 else []
    return parts


def _part(content: Any) -> Part:
    """Return a piece of a result as a part. For a file that providers would refuse, return a text that tells the model
    so."""
    try:
        return _read(content)
    except (StreamMisused, ValueError):
        return TextPart(text=f"[a file that cannot be read: {content.type}]")


def _read(content: Any) -> Part:
    """Return a piece as a part; a piece that is neither text nor a file, such as a link, is written as JSON."""
    if content.type == "text":
        return TextPart(text=content.text)
    if content.type == "image":
        return ImagePart.of(content.data, _picture(content.mime_type))
    if content.type == "audio":
        return FilePart(data=content.data, media_type=content.mime_type)
    resource: Any = getattr(content, "resource", None)
    if isinstance(blob := getattr(resource, "blob", None), str) and getattr(resource, "mime_type", None):
        return FilePart(data=blob, media_type=resource.mime_type)
    text = getattr(resource, "text", None)
    return TextPart(text=text if isinstance(text, str) else content.model_dump_json(by_alias=True, exclude_none=True))


def _picture(media_type: str) -> str | None:
    """Return the media type of a picture; None for anything else that a server may say, so that the bytes tell it."""
    return media_type if _PICTURE.fullmatch(media_type) else None


def _text(part: Part) -> str:
    return part.text if isinstance(part, TextPart) else ""


def _reason(error: BaseException) -> str:
    """Return the innermost reason for a failure; the mcp package wraps it into groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    said = one_line(str(error))[:MAX_SAID]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
