"""A small MCP server: `python -m tests.mcp_server` speaks over stdin and stdout."""

from __future__ import annotations

import base64
import sys

from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("numbers")

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def fail() -> str:
    """Fail."""
    raise ToolError("it does not work")


@server.tool()
def draw() -> Image:
    """Draw a point."""
    return Image(data=PIXEL, format="png")


@server.tool()
def grumble() -> str:
    """Write to stderr."""
    sys.stderr.write("\x1b[2Jwipe \u202eback\n" + "x" * 300_000 + "\nno end")
    sys.stderr.flush()
    return "grumbled"


@server.tool()
async def climb(ctx: Context) -> str:
    """Climb ten steps."""
    for step in (3, 10):
        await ctx.report_progress(step, 10, f"step {step}")
    return "up"


if __name__ == "__main__":
    server.run()
