"""Tells which tools of a request run at the provider that is asked, and which belong to another one.

A `HostedTool` has the same name at all providers. A dict in a provider's own words is told by its type, such as
"web_search_20260209", or by its only field, such as "googleSearch".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..contract import Capabilities, Request
from ..messages import Hosted, HostedTool
from ..text.harmless import safe_name

__all__ = ["NOTHING_TO_APPROVE", "encoded", "refused", "type_of"]

NOTHING_TO_APPROVE = ("require_approval", "never")
"""What OpenAI has to be told of an MCP server whose tools nobody approves. APIs without approvals do so anyway."""


def refused(request: Request, able: Capabilities) -> str | None:
    """Return the first hosted tool that the target does not have, in words; None when it has all."""
    if able.any_tool:
        return None
    return next((said for tool in request.hosted if (said := _lacking(tool, able)) is not None), None)


def encoded(request: Request, own: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the hosted tools as dicts: a name as its provider's fields with the options, an own dict unchanged."""
    return [
        {**own[tool.name], **tool.options} if isinstance(tool, HostedTool) else dict(tool) for tool in request.hosted
    ]


def type_of(tool: Mapping[str, Any]) -> str:
    """Return what tells a provider's own tool: its type, or a dot and its first field."""
    kind = tool.get("type")
    return kind if isinstance(kind, str) else f".{next(iter(tool), '')}"


def _lacking(tool: Hosted, able: Capabilities) -> str | None:
    if not isinstance(tool, HostedTool):
        kind = type_of(tool)
        return (
            None
            if re.fullmatch(able.own_tools, kind)
            else f"{safe_name(kind.lstrip('.'))!r}, a tool of another provider or API"
        )
    if tool.name in able.hosted:
        return None
    known = f"it has {', '.join(sorted(able.hosted)) or 'no hosted tools'}"
    other = f"; {able.hosted_elsewhere} has more" if able.hosted_elsewhere else ""
    return f"the hosted tool {safe_name(tool.name)!r} ({known}{other})"
