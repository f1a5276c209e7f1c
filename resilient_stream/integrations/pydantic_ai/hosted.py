"""Translates tools that run at the provider: pydantic-ai's classes of them as ours, and which of them a client's
targets have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from pydantic_ai import native_tools
from pydantic_ai.exceptions import UserError

from ...messages import HostedTool
from ...providers import capabilities_of
from ...target import Target

__all__ = ["SUPPORTED", "hosted", "supported_at"]

_NAMES: Mapping[str, str] = {
    "WebSearchTool": "web_search", "WebFetchTool": "web_fetch", "CodeExecutionTool": "code_execution",
    "ImageGenerationTool": "image_generation", "MCPServerTool": "mcp", "FileSearchTool": "file_search",
    "XSearchTool": "x_search",
}  # fmt: skip
"""pydantic-ai's class of each tool that has a name here."""

SUPPORTED: Mapping[type[Any], str] = {getattr(native_tools, theirs): ours for theirs, ours in _NAMES.items()}

_STORES: Mapping[str, str] = {
    "gemini": "fileSearchStoreNames", "vertex": "fileSearchStoreNames",
    "gemini-interactions": "file_search_store_names", "mistral": "library_ids",
}  # fmt: skip
"""What a provider calls the stores that are searched, where it is not what OpenAI calls them."""

_CONNECTOR = "x-openai-connector:"
"""How pydantic-ai writes a server that OpenAI runs."""


def supported_at(targets: Iterable[Target]) -> frozenset[type[Any]]:
    """Return the tools that one of the targets has; a target without a tool is refused, and the next one is asked."""
    able = [capabilities_of(target.name) for target in targets]
    names = frozenset().union(*(each.hosted for each in able))
    anything = not able or any(each.any_tool for each in able)
    return frozenset(tool for tool, name in SUPPORTED.items() if anything or name in names)


def hosted(tool: Any, provider: str) -> HostedTool:
    """Return a tool with those of its fields that differ from their defaults. provider: the one that is asked first.

    Raises UserError for a field that has no place here.
    """
    usual = {each.name: each.default for each in fields(tool) if each.name not in ("kind", "optional")}
    given = {name: getattr(tool, name) for name in usual if getattr(tool, name) != usual[name]}
    make = _OPTIONS.get(type(tool).__name__)
    if make is None:
        return HostedTool(tool.kind, **given)
    options = make(given, provider)
    if given:
        raise UserError(f"{type(tool).__name__}({next(iter(given))}=…) cannot be sent by ResilientModel")
    return HostedTool(_NAMES[type(tool).__name__], **options)


# -- one function for each tool whose fields are called otherwise; it takes out what it has read -------------------


def _search(given: dict[str, Any], provider: str) -> dict[str, Any]:
    place = given.pop("user_location", None)
    options = {**given, **({} if place is None else {"user_location": {"type": "approximate", **place}})}
    given.clear()
    return options


def _server(given: dict[str, Any], provider: str) -> dict[str, Any]:
    """Return the server as a hosted tool. Nobody is there to approve a call of its tools, as with pydantic-ai's own
    models."""
    url = given.pop("url")
    connector = url.removeprefix(_CONNECTOR) if url.startswith(_CONNECTOR) else None
    at = {"server_url": url} if connector is None else {"connector_id": connector}
    return {"server_label": given.pop("id"), **at, "require_approval": "never", **_renamed(given, _SERVER)}


def _files(given: dict[str, Any], provider: str) -> dict[str, Any]:
    stores = {_STORES.get(provider, "vector_store_ids"): list(given.pop("file_store_ids"))}
    return {**stores, **_renamed(given, {"max_num_results": "max_num_results"})}


def _posts(given: dict[str, Any], provider: str) -> dict[str, Any]:
    options: dict[str, Any] = {name: _day(given.pop(name)) for name in ("from_date", "to_date") if name in given}
    return options | _renamed(given, dict.fromkeys(_POSTS, ""))


_SERVER: Mapping[str, str] = {
    "authorization_token": "authorization", "description": "server_description", "allowed_tools": "", "headers": "",
}  # fmt: skip
_POSTS = ("allowed_x_handles", "excluded_x_handles", "enable_image_understanding", "enable_video_understanding")

_OPTIONS: Mapping[str, Callable[[dict[str, Any], str], dict[str, Any]]] = {
    "WebSearchTool": _search, "MCPServerTool": _server, "FileSearchTool": _files, "XSearchTool": _posts,
}  # fmt: skip


def _renamed(given: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Take fields out, under our names where they have others."""
    return {ours or theirs: given.pop(theirs) for theirs, ours in names.items() if theirs in given}


def _day(moment: datetime) -> str:
    """Return a day in UTC, which xAI takes, as pydantic-ai understands a time without a zone."""
    return (moment if moment.tzinfo is None else moment.astimezone(UTC)).date().isoformat()
