"""Lists the tools that run at the hosts of OpenAI's shape, one row each, in both of their APIs.

A host that is not here has none. Sources: the SDKs of OpenAI, OpenRouter and Mistral (which searches the web in its API
of agents only); "Built-in tools" of Groq, "Server-side tools" of xAI (which answers `search_parameters` in chat
completions with a 410, and names its Responses API), "Web Search in Chat" of Z.ai.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ...contract import Request
from ...fitting.hosted import encoded
from ...messages import HostedTool

__all__ = ["NO_TOOLS", "HostTools", "chat_tools_at", "responses_tools_at"]


class HostTools(NamedTuple):
    """Describes the tools that run at one host. hosted: the fields of each tool by its name. own: a pattern of the
    types of the host's own dicts. within: the field of a tool that its options are put into. field: the field of the
    body that a tool is, in place of one of its tools. models: a pattern of the models that have the tools; others have
    none of them. elsewhere: the provider that has more tools of the same host, in its other API."""

    hosted: Mapping[str, Mapping[str, Any]] = {}
    own: str = r"(?!)"
    within: str = ""
    field: str = ""
    models: str = ""
    elsewhere: str = ""

    def encode(self, request: Request) -> list[dict[str, Any]]:
        """Return a request's hosted tools in this host's words."""
        if self.field:
            return []
        if not self.within:
            return encoded(request, self.hosted)
        return [self._filled(tool) if isinstance(tool, HostedTool) else dict(tool) for tool in request.hosted]

    def fields(self, request: Request) -> dict[str, Any]:
        """Return the hosted tools that are a field of the body."""
        return {self.field: encoded(request, self.hosted)[-1]} if self.field and request.hosted else {}

    def _filled(self, tool: HostedTool) -> dict[str, Any]:
        made = dict(self.hosted[tool.name])
        inner = {**made.get(self.within, {}), **tool.options}
        return {**made, self.within: inner} if inner else made


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

_ZAI_SEARCH: Mapping[str, Any] = {"enable": True, "search_engine": "search-prime", "search_result": True}
"""The results are asked for with the answer, which names them."""

_CHAT: Mapping[str, HostTools] = {
    "Groq": _GROQ,
    "OpenRouter": HostTools(_ROUTER, r"openrouter:[a-z_]+|web_search", within="parameters"),
    "OpenAI": HostTools(
        {"web_search": {}}, field="web_search_options", models=r"-search-(preview|api)", elsewhere="openai-responses"
    ),
    "Azure OpenAI": HostTools(elsewhere="azure-responses"),
    "xAI": HostTools(elsewhere="xai-responses"),
    "Z.ai": HostTools(
        {"web_search": {"type": "web_search", "web_search": _ZAI_SEARCH}},
        r"web_search|retrieval|mcp",
        within="web_search",
    ),
    "Moonshot": HostTools({}, r"builtin_function"),
    "Mistral": HostTools(
        {"image_generation": {"type": "image_generation"}, "file_search": {"type": "document_library"}},
        r"image_generation|document_library|connector",
    ),
}
"""The tools that hosts run in chat completions, by the host's title."""

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


@functools.lru_cache(maxsize=256)
def chat_tools_at(title: str, model: str) -> HostTools:
    """Return the tools that a host runs in chat completions for a model, by the host's title."""
    tools = _CHAT.get(title, NO_TOOLS)
    return tools if re.search(tools.models, model) else HostTools(elsewhere=tools.elsewhere)


def responses_tools_at(title: str) -> HostTools:
    """Return the tools that a host runs in its Responses API, by its title."""
    return _RESPONSES.get(title, NO_TOOLS)
