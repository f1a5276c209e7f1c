"""Makes the parameters of a tool with `strict=True` fit the strict mode of the API that they are sent to.

A schema that cannot be made fit is refused before anything is sent, with the place of what is wrong: the API would
answer with a 400 that names neither. What the user gave is not changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...failures import StreamMisused
from ...messages import Tool
from .schemas import NEVER_STRICT, Schema, closed, inner, is_open, strict

__all__ = ["closed_parameters", "strict_parameters"]

_NONE: Schema = {"type": "object", "properties": {}}


def strict_parameters(tool: Tool) -> dict[str, Any]:
    """Return the parameters as OpenAI's strict mode takes them. Raises StreamMisused where that is impossible."""
    return _fitting_parameters(tool, strict, NEVER_STRICT)


def closed_parameters(tool: Tool) -> dict[str, Any]:
    """Return the parameters as Anthropic's strict mode takes them. Raises StreamMisused where that is impossible."""
    return _fitting_parameters(tool, closed, frozenset())


def _fitting_parameters(
    tool: Tool, make: Callable[[Schema], dict[str, Any] | None], never: frozenset[str]
) -> dict[str, Any]:
    if not tool.strict:
        return tool.parameters
    schema = tool.parameters if "$ref" in tool.parameters else {**_NONE, **tool.parameters}
    if (made := make(schema)) is not None:
        return made
    wrong = next(_misfits(schema, "parameters", never), "parameters: it is no single object")
    raise StreamMisused(
        f"the tool {tool.name!r} cannot be strict, {wrong}. Change that in its schema, or leave strict=True out"
    )


def _misfits(schema: Any, place: str, never: frozenset[str]) -> Iterator[str]:
    """Find what strict mode refuses, the innermost place first."""
    for name, part in inner(schema):
        yield from _misfits(part, f"{place}.{name}", never)
    if isinstance(schema, Mapping) and (words := never.intersection(schema)):
        yield f"{place}: {min(words)!r} is not allowed there"
    elif is_open(schema):
        yield f"{place}: not all properties of an object are named"
