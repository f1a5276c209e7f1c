"""Writes the tools that run at Anthropic, by the generation of Claude that is asked.

The newer forms filter what they found by running code, and only models since 4.6 take them. Tools that a name does not
stand for (bash, text editor, memory, computer) run at the caller; they are given as the API's own dicts.
Source: Anthropic's SDK, and its pages on each tool.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...contract import Request
from ...fitting.hosted import NOTHING_TO_APPROVE, encoded, type_of
from ...messages import HostedTool
from ..shared.values import known
from .models import generation_of

__all__ = ["HOSTED", "OWN", "betas_of", "hosted_tools", "mcp_servers"]

_NEWER: Mapping[str, Mapping[str, Any]] = {
    "web_search": {"type": "web_search_20260318", "name": "web_search"},
    "web_fetch": {"type": "web_fetch_20260318", "name": "web_fetch"},
    "code_execution": {"type": "code_execution_20260521", "name": "code_execution"},
    "tool_search": {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"},
    "mcp": {"type": "mcp_toolset"},
}
_OLDER: Mapping[str, Mapping[str, Any]] = {
    **_NEWER,
    "web_search": {"type": "web_search_20250305", "name": "web_search"},
    "web_fetch": {"type": "web_fetch_20250910", "name": "web_fetch"},
    "code_execution": {"type": "code_execution_20250825", "name": "code_execution"},
}
HOSTED = frozenset(_NEWER)
OWN = r"[a-z_]+_20\d{6}|mcp_toolset|tool_search_tool_(regex|bm25)"
"""Types of the API's own tools; the last six digits are the day of a version."""

_BETAS: Mapping[str, str] = {
    "mcp_toolset": "mcp-client-2025-11-20",
    "code_execution_20250522": "code-execution-2025-05-22",
    "advisor_20260301": "advisor-tool-2026-03-01",
    "computer_20250124": "computer-use-2025-01-24",
    "computer_20251124": "computer-use-2025-11-24",
}
"""What the header `anthropic-beta` has to name for a tool."""


def hosted_tools(request: Request) -> list[dict[str, Any]]:
    """Return the hosted tools in the words of the model's generation."""
    table = _NEWER if generation_of(request.model).since >= (4, 6) else _OLDER
    return [_toolset(tool) if tool["type"] == "mcp_toolset" else tool for tool in encoded(request, table)]


def mcp_servers(request: Request) -> list[dict[str, Any]] | None:
    """Return the servers of HostedTool("mcp", server_label=…, server_url=…), which stand beside the tools."""
    servers = [
        known({
            "type": "url", "name": given.get("server_label"), "url": given.get("server_url"),
            "authorization_token": given.get("authorization"),
        })
        for given in (tool.options for tool in request.hosted if isinstance(tool, HostedTool) and tool.name == "mcp")
    ]  # fmt: skip
    return servers or None


def betas_of(tools: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names for the header `anthropic-beta`."""
    return [_BETAS[type_of(tool)] for tool in tools if type_of(tool) in _BETAS]


def _toolset(tool: dict[str, Any]) -> dict[str, Any]:
    """Return the tools of a server. Named ones are the only ones; the API lists them by their settings."""
    if "server_label" not in tool:
        return tool  # a dict in the API's own words
    kept = {name: item for name, item in tool.items() if name not in _SERVER and (name, item) != NOTHING_TO_APPROVE}
    only = tool.get("allowed_tools")
    made = {**kept, "mcp_server_name": tool["server_label"]}
    if not only:
        return made
    return {**made, "default_config": {"enabled": False}, "configs": {name: {"enabled": True} for name in only}}


_SERVER = ("server_label", "server_url", "authorization", "allowed_tools")
