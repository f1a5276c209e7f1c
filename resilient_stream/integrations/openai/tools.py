"""Reads the tools of a request and the choice among them, which both APIs write nearly alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...failures import StreamMisused
from ...given.checks import json_object, whole_text
from ...messages import ToolLike, to_hosted, to_tool
from ..refused import Refused, known_only, object_with

__all__ = ["NO_CUSTOM", "tool_choice", "tools"]

NO_CUSTOM = "a tool of type custom has no JSON arguments; only functions are served"

_CHOICES = ("none", "auto", "required")


def tools(value: Any) -> dict[str, Any]:
    """Return functions, and tools that run at a provider, as the option `tools`."""
    if not isinstance(value, list):
        raise StreamMisused("tools: give a list of tools")
    return {"tools": [_tool(each, f"tools[{place}]") for place, each in enumerate(value)]}


def _tool(value: Any, place: str) -> ToolLike:
    if isinstance(value, Mapping) and value.get("type") == "custom":
        raise Refused(f"{place}: {NO_CUSTOM}", place)
    own = to_hosted(value, place)
    return own if own is not None else to_tool(value, place)


def tool_choice(value: Any, name: str) -> dict[str, Any]:
    """Return a choice as the option `tool_choice`; one that we have no word for is sent on unchanged.

    name: where the name of a function is, as "function.name".
    """
    if isinstance(value, str):
        if value not in _CHOICES:
            raise Refused(f"tool_choice: give {', '.join(_CHOICES)}, or an object", "tool_choice")
        return {"tool_choice": value}
    given: Any = json_object("tool_choice", value)
    if given.get("type") != "function":
        return {"extra": {"tool_choice": given}}
    outer, _, inner = name.partition(".")
    known_only("tool_choice", given, ("type", outer))
    given = given.get(outer)
    if inner:
        given = object_with(f"tool_choice.{outer}", given or {}, (inner,)).get(inner)
    return {"tool_choice": whole_text(f"tool_choice.{name}", given)}
