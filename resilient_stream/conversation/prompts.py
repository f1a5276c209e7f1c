"""Asks a person how to go on when the model finished without the outputs it must give: the interactive prompt.

The number of prompts and the time for each are bounded. No reply means that nothing more is asked. A plain function may
wait for a keyboard, so it never runs on the event loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import anyio

from ..failures import StreamMisused
from .tools import asked
from .turns import Turn

__all__ = ["Incomplete", "OnIncomplete", "Prompts", "Trigger", "trigger_of"]

Trigger: TypeAlias = Literal["missing_outputs", "no_tool_calls", "finished_early"]


@dataclass(frozen=True, slots=True)
class Incomplete:
    """Tells a person that the model finished a turn without a call while outputs are missing.

    trigger: `finished_early`: the turn was cut (output limit, filter) or refused; `no_tool_calls`: the model has called
    nothing in the whole conversation; `missing_outputs`: it has, but not for all outputs.
    missing: the names of the missing outputs.
    message: the model's last text.
    turn: its number.
    prompts_used: the number of earlier prompts.
    """

    trigger: Trigger
    missing: tuple[str, ...]
    message: str
    turn: int
    prompts_used: int


OnIncomplete: TypeAlias = Callable[[Incomplete], str | Awaitable[str | None] | None]


class Prompts:
    """Keeps what one conversation knows of its prompts: whom to ask, how often at most, how long to wait, and how often
    it was done."""

    def __init__(
        self, on_incomplete: OnIncomplete | None, most: int, timeout: float | None, threads: anyio.CapacityLimiter
    ) -> None:
        self.used = 0
        self._on_incomplete = on_incomplete
        self._most = most
        self._timeout = timeout
        self._threads = threads

    @property
    def left(self) -> bool:
        """Return whether somebody can still be asked."""
        return self._on_incomplete is not None and self.used < self._most

    async def ask(self, incomplete: Incomplete) -> str | None:
        """Return what the person says; None for no reply in time. Raises StreamMisused for a reply that is not text."""
        self.used += 1
        assert self._on_incomplete is not None  # the caller has asked `left` before
        reply: Any = None
        with anyio.move_on_after(self._timeout):
            reply = await asked(self._on_incomplete, incomplete, "on_incomplete", self._threads)
        if reply is not None and not isinstance(reply, str):
            raise StreamMisused(f"on_incomplete must return a string or None, not {type(reply).__name__}")
        return reply if reply and reply.strip() else None


def trigger_of(turns: list[Turn]) -> Trigger:
    """Return the reason why the last turn is not enough."""
    if turns[-1].transcript.finish_reason != "stop":
        return "finished_early"
    return "missing_outputs" if any(turn.calls for turn in turns) else "no_tool_calls"
