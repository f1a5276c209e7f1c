"""Keeps what this process knows from one call to the next, for all of its clients, in one place, and its name.

Everything else in this folder belongs to a call or to a client, and ends with it. What stands here lasts as long as the
process, is bounded, and is forgotten together. No other module of this folder has state; a test looks.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..target import Target
    from .budget import RetryCounts

__all__ = ["PROCESS", "Identity", "Process", "place_of"]


class Identity:
    """Names one client, or all of them, in one process, for the store that it shares with others.

    A client that was made before its process forked has another name in each: under the same one, what one process
    holds and spends would replace what another one does."""

    def __init__(self) -> None:
        self._pid = 0
        self._name = ""

    def __call__(self) -> str:
        """Return the name."""
        if self._pid != (pid := os.getpid()):
            self._name, self._pid = os.urandom(6).hex(), pid
        return self._name


class Process:
    """Keeps what the process knows of targets, its name, its calls' numbers, and tasks that nobody else holds.

    name: what tells it from other processes, of this machine or another one. retries: how often each target was asked
    in the last seconds, for the retry budget. whole: targets that streamed tool calls that cannot be read, in the order
    in which that was seen. warned: what is in the log already, as target and name. calls: numbers for the ids of calls.
    closing: tasks that end what a caller has left.
    """

    __slots__ = ("calls", "closing", "name", "retries", "warned", "whole")

    retries: dict[str, RetryCounts]
    whole: dict[str, None]
    warned: set[tuple[str, str]]

    def __init__(self) -> None:
        self.name = Identity()
        self.calls = itertools.count(1)
        self.closing: set[asyncio.Task[None]] = set()
        self.forget()

    def forget(self) -> None:
        """Know no target, like a new process. Its name stays, numbers go on, and tasks that run are still held."""
        self.retries = {}
        self.whole = {}
        self.warned = set()


def place_of(target: Target) -> str:
    """Return what all clients of the process know a target by: the same model at another address is another one."""
    return f"{target.name} {target.base_url or ''}"


PROCESS = Process()

if hasattr(os, "register_at_fork"):
    # What the parent counted is not the child's, and a lock that another thread held at the fork would stay locked.
    os.register_at_fork(after_in_child=PROCESS.forget)
