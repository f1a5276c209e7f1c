"""Leaves out results of a provider's own tools whose call is not in front of them, and calls that are not valid.

A provider refuses them, and with them every later turn of the conversation. They come from a server that lost an event,
gave an id twice, or sent the result first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

from ...fitting.told import left_out

__all__ = ["Paired", "Role", "paired"]

Block: TypeAlias = dict[str, Any]


class Role(NamedTuple):
    """Says what a block is to a tool. id: by which call and result name each other; empty in a call that is none. once:
    no other call may have it."""

    is_call: bool
    id: str
    once: bool = True


RoleOf: TypeAlias = Callable[[Block], Role | None]
"""Returns a block's role; None for a block that is neither call nor result."""


def paired(blocks: Iterable[Block], role_of: RoleOf, target: str, *, whole: bool) -> list[Block]:
    """Return the blocks of one turn that fit to those before them. whole: each call has its result in the turn."""
    pairs = Paired(role_of, target)
    kept = [block for block in blocks if pairs.fits(block)]
    return [block for block in kept if pairs.is_answered(block)] if whole else kept


class Paired:
    """Follows the tools of a conversation, asked for one block after the other."""

    def __init__(self, role_of: RoleOf, target: str) -> None:
        self._role_of = role_of
        self._target = target
        self._open: Counter[str] = Counter()
        self._made: set[str] = set()

    def fits(self, block: Block) -> bool:
        """Return whether a block may be sent behind those before it."""
        role = self._role_of(block)
        if role is None:
            return True
        if not (self._is_new(role) if role.is_call else self._open[role.id]):
            left_out(self._target, "a block of a tool that the provider ran", "its call, or what names it, is missing")
            return False
        self._made.add(role.id)
        self._open[role.id] += 1 if role.is_call else -1
        return True

    def is_answered(self, block: Block) -> bool:
        """Return whether a block that was asked for before is anything but a call without a result."""
        role = self._role_of(block)
        return role is None or not (role.is_call and self._open[role.id])

    def _is_new(self, role: Role) -> bool:
        return bool(role.id) and not (role.once and role.id in self._made)
