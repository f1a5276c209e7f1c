"""Finds a call's arguments as a server sends them: under whichever name, as text or as an object.

A place that can mean only one thing is read. A field that nobody here knows is not, but whoever reads the call is told
that there was one, since the arguments may be in it. Between two places that say different things none is chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from ...wire.broken import ARGUMENTS
from .open_call import TWICE
from .unmodelled import names, says

__all__ = ["Arguments", "argument_text", "arguments_in", "function_of"]

NO_ARGUMENTS = names(
    "id type name index function status signature thought_signature extra_content provider_specific_fields caller "
    "namespace call_id tool_call_id toolUseId toolCallId item_id object metadata cache_control agent created_by "
    "description strict phase citations"
)
"""Fields of a call, in any dialect, that are no arguments."""


class Arguments(NamedTuple):
    """Holds the arguments found in a tool call or a piece of one.

    odd: the call has a field that nobody here knows. wrong: the reason why it must not be run.
    """

    text: str
    odd: bool = False
    wrong: str | None = None


def arguments_in(*holders: Mapping[str, Any], known: frozenset[str] = frozenset()) -> Arguments:
    """Return the arguments of a call from these objects of it. known: fields of this dialect that are no arguments."""
    odd = any(_is_odd(name, value, known) for holder in holders for name, value in holder.items())
    found = [text for holder in holders for name in ARGUMENTS if (text := argument_text(holder.get(name)))]
    said = [text for text in found if text not in ("{}", "[]")] or found
    wrong = TWICE if len(set(said)) > 1 else None
    return Arguments(said[0] if said else "", odd, wrong)


def function_of(call: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `function` of a call in OpenAI's shape. A value that is no object counts as an unknown field."""
    function = call.get("function")
    return function if isinstance(function, dict) else {"function is no object": function}


def argument_text(value: Any) -> str:
    """Return arguments, or a piece of them, as text: some servers send an object instead, or null."""
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()


def _is_odd(name: str, value: Any, known: frozenset[str]) -> bool:
    return name not in NO_ARGUMENTS and name not in ARGUMENTS and name not in known and says(value)
