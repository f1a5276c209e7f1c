"""Sends the model's reasoning of earlier turns back, in the form that each host of OpenAI's shape takes.

A host gets only the fields of its column, filled with reasoning of the same family of models (`signatures.py` has
removed the rest); other hosts get none. Where a turn without reasoning is refused, a single space stands for unknown
reasoning, since an empty string counts as missing. Lists that a host gave go back unchanged. No host's name stands in
this module.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ...contract import Request
from ...messages import Message, ReasoningPart
from ..shared.values import object_of
from .hosts import Host
from .model_rules import rule_for

__all__ = ["Thinking", "details_of"]

DETAILS = "reasoning_details"
PLACEHOLDER = " "

_DETAILS = msgspec.json.Decoder(list[dict[str, Any]])


class Thinking:
    """Chooses which reasoning of a conversation goes back to one host and model."""

    def __init__(self, request: Request, host: Host) -> None:
        takes = self._takes = host.thoughts
        named = takes is not None and re.search(takes.models, request.model, re.IGNORECASE)
        self._fields = [name for name in takes.fields if name != DETAILS] if takes and named else []
        demanded = takes is not None and takes.demanded and not _is_off(request)
        self._demand = rule_for(host.title, request.model).thoughts if demanded else ""
        self._calls = any(message.tool_calls for message in request.messages)

    def fields(self, message: Message) -> dict[str, Any]:
        """Return the fields of one turn of the assistant."""
        if self._takes is None or message.role != "assistant":
            return {}
        parts = [part for part in message.parts if isinstance(part, ReasoningPart)]
        if DETAILS in self._takes.fields and (details := details_of(parts)):
            return {DETAILS: details}
        text = "".join(part.text for part in parts) or (PLACEHOLDER if self._needs_thought(message) else "")
        return dict.fromkeys(self._fields, text) if text else {}

    def _needs_thought(self, message: Message) -> bool:
        return self._calls if self._demand == "all" else self._demand == "calls" and bool(message.tool_calls)


def details_of(parts: Iterable[ReasoningPart]) -> list[dict[str, Any]]:
    """Return the lists that a relay gave, unchanged; nothing for proofs of another form."""
    found: list[dict[str, Any]] = []
    for part in parts:
        if part.signature and part.signature.startswith("[{"):
            found += _list(part.signature)
    return found


def _list(text: str) -> list[dict[str, Any]]:
    try:
        return _DETAILS.decode(text)
    except msgspec.DecodeError:
        return []


def _is_off(request: Request) -> bool:
    """Return whether the model was told not to think, in our fields or in a host's own."""
    extra: Mapping[str, Any] = request.extra
    told = object_of(extra.get("thinking")).get("type") == "disabled" or extra.get("enable_thinking") is False
    return told or request.reasoning in ("none", 0)
