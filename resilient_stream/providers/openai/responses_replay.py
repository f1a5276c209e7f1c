"""Fits the items of earlier answers for sending again, as the official SDK's input types take them.

An item goes back as it came, without fields that the API only gives and does not take. A call that the caller has to
answer is refused without its output, and so is reasoning without the item that it led to: where the output is not in
the conversation, both are left out. What an item says is not changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, TypeAlias

import msgspec

from ...fitting.told import left_out
from ..shared.values import text_of
from .responses_calls import CONTEXT
from .responses_tools import waits_for_the_caller

__all__ = ["answered", "context_of", "replayed"]

Item: TypeAlias = dict[str, Any]

_TAKEN: Mapping[str, frozenset[str]] = {
    "image_generation_call": frozenset({"type", "id", "status", "result"}),
    "computer_call": frozenset({"type", "id", "call_id", "status", "action", "actions", "pending_safety_checks"}),
}
"""The fields that are taken back, of items of which the API gives more."""
_ONLY_GIVEN = frozenset({"created_by"})
_MAY_BE_NULL = frozenset({"code", "outputs", "result"})


def replayed(block: Any) -> Item | None:
    """Return an item as it is sent again; None for a value that is no item, or an item that only the provider's storage
    has."""
    if not isinstance(block, dict) or not isinstance(kind := block.get("type"), str):
        return None
    if kind == "image_generation_call" and not block.get("result"):
        return None  # the API would look the item up by its id, and stores nothing
    taken = _TAKEN.get(kind, block.keys() - _ONLY_GIVEN)
    item = {name: value for name, value in block.items() if name in taken}
    if isinstance(action := item.get("action"), dict):
        item["action"] = {name: value for name, value in action.items() if value is not None}
    return {name: value for name, value in item.items() if value is not None or name in _MAY_BE_NULL}


def context_of(signature: str | None) -> Item:
    """Return what an earlier call of a function had beside its name, from the proof that was kept with it."""
    try:
        kept = msgspec.json.decode(signature or "{}", type=dict[str, Any])
    except msgspec.DecodeError:
        return {}
    return {name: kept[name] for name in CONTEXT if name in kept}


def answered(items: Sequence[Item], target: str) -> list[Item]:
    """Return the items of a conversation without calls that nobody answered, and with the context of each output."""
    outputs = {_answered_id(item) for item in items}
    unanswered = {id(item) for item in items if waits_for_the_caller(item) and _asked_by(item) not in outputs}
    if unanswered:
        left_out(target, "a call of an earlier turn", "its output is not in the conversation")
        items = list(_without_unanswered(items, unanswered))
    programs = {item["call_id"]: item["caller"] for item in items if item.get("caller") and _is_call(item)}
    if not programs:
        return list(items)
    return [_with_caller(item, programs) for item in items]


def _asked_by(item: Item) -> str:
    """Return the id by which the output of a call names it."""
    return text_of(item.get("id") if item["type"] == "mcp_approval_request" else item.get("call_id") or item.get("id"))


def _answered_id(item: Item) -> str | None:
    """Return the id of the call that an item answers; None for any other item."""
    kind = text_of(item.get("type"))
    if kind == "mcp_approval_response":
        return text_of(item.get("approval_request_id"))
    return text_of(item.get("call_id") or item.get("id")) if kind.endswith("_output") else None


def _without_unanswered(items: Iterable[Item], unanswered: set[int]) -> Iterable[Item]:
    """Yield the items without some, and without the reasoning in front of these."""
    held: list[Item] = []
    for is_reasoning, run in groupby(items, key=lambda item: item.get("type") == "reasoning"):
        if is_reasoning:
            held = list(run)
            continue
        found = list(run)
        kept = [item for item in found if id(item) not in unanswered]
        if id(found[0]) not in unanswered:
            yield from held
        held = []
        yield from kept


def _is_call(item: Item) -> bool:
    return item.get("type") == "function_call"


def _with_caller(item: Item, programs: Mapping[Any, Any]) -> Item:
    caller = programs.get(item.get("call_id")) if item.get("type") == "function_call_output" else None
    return item if caller is None else {**item, "caller": caller}
