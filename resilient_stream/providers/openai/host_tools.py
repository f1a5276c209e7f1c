"""The tools that run at the hosts of OpenAI's shape, one row each, in both of their APIs.

A host that is not here has none. Sources: the SDKs of OpenAI and OpenRouter; "Built-in tools" of Groq, "Server-side
tools" of xAI.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ...contract import Request
from ...fitting.hosted import encoded
from ...messages import HostedTool

__all__ = ["NO_TOOLS", "HostTools", "chat_tools_at", "responses_tools_at"]


class HostTools(NamedTuple):
    """One row. hosted: the fields of each tool by its name. own: a pattern of the types of the host's own dicts.
    within: the field of a tool that its options are put into."""

    hosted: Mapping[str, Mapping[str, Any]] = {}
    own: str = r"(?!)"
    within: str = ""

    def encode(self, request: Request) -> list[dict[str, Any]]:
        """Return a request's hosted tools in this host's words."""
        if not self.within:
            return encoded(request, self.hosted)
        return [
            {**self.hosted[tool.name], **({self.within: tool.options} if tool.options else {})}
            if isinstance(tool, HostedTool)
            else dict(tool)
            for tool in request.hosted
        ]


NO_TOOLS = HostTools()

_INTERPRETER: Mapping[str, Any] = {"type": "code_interpreter", "container": {"type": "auto"}}
_SEARCH: Mapping[str, Any] = {"type": "web_search"}
_FILES: Mapping[str, Any] = {"type": "file_search"}
_MCP: Mapping[str, Any] = {"type": "mcp"}
_OPENAI = HostTools(
    {
        "web_search": _SEARCH, "file_search": _FILES, "code_execution": _INTERPRETER, "mcp": _MCP,
        "image_generation": {"type": "image_generation"}, "tool_search": {"type": "tool_search"},
        "shell": {"type": "shell", "environment": {"type": "container_auto"}},
    },
    r"(web_search|computer_use)_preview(_20\d\d_\d\d_\d\d)?|web_search(_20\d\d_\d\d_\d\d)?|file_search|code_interpreter"
    r"|image_generation|mcp|local_shell|shell|computer|apply_patch|tool_search|namespace|programmatic_tool_calling",
)  # fmt: skip
_GROQ = HostTools(
    {"web_search": {"type": "browser_search"}, "code_execution": _INTERPRETER, "mcp": _MCP},
    r"browser_search|code_interpreter|mcp",
)
_ROUTER = {
    name: {"type": f"openrouter:{name}"} for name in ("web_search", "web_fetch", "image_generation")
}  # fmt: skip

_CHAT: Mapping[str, HostTools] = {
    "Groq": _GROQ,
    "OpenRouter": HostTools(_ROUTER, r"openrouter:[a-z_]+|web_search", within="parameters"),
    "Z.ai": HostTools({}, r"web_search|retrieval|mcp"),
    "Moonshot": HostTools({}, r"builtin_function"),
    "Mistral": HostTools({}, r"image_generation|document_library|connector"),
}
"""By the host's title."""

_RESPONSES: Mapping[str, HostTools] = {
    "OpenAI": _OPENAI,
    "Azure OpenAI": _OPENAI,
    "Groq": _GROQ,
    "OpenRouter": HostTools(_ROUTER, r"openrouter:[a-z_]+|web_search(_preview)?", within="parameters"),
    "xAI": HostTools(
        {
            "web_search": _SEARCH, "x_search": {"type": "x_search"}, "code_execution": {"type": "code_interpreter"},
            "file_search": _FILES, "mcp": _MCP,
        },
        r"web_search|x_search|code_interpreter|code_execution|file_search|mcp|collections_search",
    ),
}  # fmt: skip


def chat_tools_at(title: str) -> HostTools:
    """Return the tools that a host runs in chat completions, by its title."""
    return _CHAT.get(title, NO_TOOLS)


def responses_tools_at(title: str) -> HostTools:
    """Return the tools that a host runs in its Responses API, by its title."""
    return _RESPONSES.get(title, NO_TOOLS)
