"""Lets an await be interrupted from outside, and says what a call asks of its parts that wait."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import anyio

__all__ = ["Guard", "Interrupted", "Live"]

ResultT = TypeVar("ResultT")


class Live(Protocol):
    """A part of a running call may be waiting, or hold a connection. All three methods are synchronous."""

    def watch(self, now: float) -> None:
        """Look at the part's clocks, and arm the timer again; called when the call's timer rings."""

    def interrupt(self) -> None:
        """Wake the await that is pending in the part."""

    def close(self) -> None:
        """Let go of everything. Idempotent."""


class Interrupted(Exception):
    """Wakes a pending await; the call or the attempt has noted why. Never leaves the chain."""


class Guard:
    """Runs one await that can be interrupted from outside, synchronously."""

    __slots__ = ("_scope", "interrupted")

    def __init__(self) -> None:
        self._scope: anyio.CancelScope | None = None
        self.interrupted = False

    async def run(self, start: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Await what `start` gives, or raise `Interrupted`.

        The cancel scope opens and closes in here, in a plain coroutine: one that stayed open while a generator is
        suspended would cancel code that is not ours.
        """
        if self.interrupted:
            raise Interrupted
        with anyio.CancelScope() as scope:
            self._scope = scope
            try:
                return await start()
            finally:
                self._scope = None
        raise Interrupted

    def interrupt(self) -> None:
        """Wake the await, now or as soon as it starts."""
        self.interrupted = True
        if self._scope is not None:
            self._scope.cancel()

    def close(self) -> None:
        """Wake the await; a guard holds nothing that has to be closed."""
        self.interrupt()

    def watch(self, now: float) -> None:
        """Do nothing: a guard has no clock of its own."""
