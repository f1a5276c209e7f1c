"""Reads the pieces of tool calls in a chat completion's message, whichever fields a host uses.

Fields in `function` and beside it belong to the same call. No host's name stands in this module.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ...wire.limits import few
from ..shared.call_fields import Arguments, arguments_in, function_of
from ..shared.values import listed, object_of, text_of
from .chat_events import Speech

__all__ = ["Fragment", "fragments_of"]


class Fragment(msgspec.Struct, gc=False):
    """Holds a piece of a tool call, or all of one."""

    index: int | None
    id: str
    name: str
    said: Arguments
    signature: str | None = None


def fragments_of(speech: Speech) -> Iterator[Fragment]:
    """Return the calls of a delta or message, those of the older `function_call` last. Raises TooManyPieces."""
    for call in few(listed(speech.tool_calls)):
        yield _fragment(call)
    if speech.function_call is not None:
        yield _fragment({"index": 0, "function": speech.function_call})


def _fragment(call: Mapping[str, Any]) -> Fragment:
    function = function_of(call)
    index = msgspec.convert(call.get("index"), int | None, strict=False)
    name = text_of(function.get("name")) or text_of(call.get("name"))
    said = arguments_in(function, call)
    return Fragment(index, text_of(call.get("id")), name, said, _google_signature(call.get("extra_content")))


def _google_signature(extra: Any) -> str | None:
    return text_of(object_of(object_of(extra).get("google")).get("thought_signature")) or None
