"""Asks before a tool runs, which may then run with its arguments, with others, or not at all.

Somebody is asked about one call after the other, so that a person sees one question at a time, and only about calls
that could run. A call that nobody answered for in time does not run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, TypeAlias

import anyio
import msgspec
from msgspec.structs import replace

from ..chunks import ToolCall
from ..failures import StreamMisused
from ..given.checks import Unfit, plain
from ..given.nearest import did_you_mean
from .tools import MAX_NAME, ToolError, asked

__all__ = ["Approvals", "Approve", "Refused", "Verdict"]

Verdict: TypeAlias = bool | str | Mapping[str, Any]
"""What `approve` says of a call: True runs it, False or a reason refuses it, a dict runs it with these arguments."""

Approve: TypeAlias = Callable[[ToolCall], Verdict | Awaitable[Verdict]]

_YES_OR_NO = "return True, False or a reason"
_HOW = "return True, False, a reason, or a dict of arguments"


class Refused(ToolError):
    """Reports a call that was not run because nobody approved it."""


class Approvals:
    """Knows who is asked about which tool. approve: one function for all tools, or one for each name of a tool that
    needs it.

    timeout: seconds for one answer; None waits as long as the conversation's deadline allows.
    """

    def __init__(
        self, approve: Approve | Mapping[str, Approve] | None, timeout: float | None, threads: anyio.CapacityLimiter
    ) -> None:
        functions = list(approve.values()) if isinstance(approve, Mapping) else [] if approve is None else [approve]
        if not all(map(callable, functions)):
            raise StreamMisused("approve: give a function that takes a ToolCall, or a dict of them by the tool's name")
        self._approve = approve
        self._timeout = timeout
        self._threads = threads
        self._one_by_one = anyio.Lock()

    def check(self, known: Collection[str]) -> None:
        """Raise StreamMisused for a name that no tool has: that tool would run without being asked."""
        for name in self._approve if isinstance(self._approve, Mapping) else ():
            if name not in known:
                meant = did_you_mean(name, known) or ""
                raise StreamMisused(f"approve: no tool that runs here is called {name[:MAX_NAME]!r}{meant}")

    def asks_about(self, name: str) -> bool:
        """Return whether somebody is asked before this tool runs."""
        return self._approver_of(name) is not None

    async def approved(self, call: ToolCall) -> ToolCall:
        """Return the call as it may run. Raises Refused with the reason if it may not.

        Raises StreamMisused for an answer that is none, and for an `approve` that failed: the call is not run then.
        """
        return _call_by_verdict(call, await self._verdict(call)) if self.asks_about(call.name) else call

    async def verdict(self, call: ToolCall) -> tuple[bool, str] | None:
        """Return whether a tool of the provider's may run, and why not; None if nobody is to be asked about it.

        Raises StreamMisused for other arguments: such a tool runs with its own.
        """
        if not self.asks_about(call.name):
            return None
        try:
            verdict = await self._verdict(call)
            if isinstance(verdict, Mapping):
                raise StreamMisused(f"approve: {call.name} runs at its provider, with its own arguments: {_YES_OR_NO}")
            _call_by_verdict(call, verdict)
        except Refused as refused:
            return False, str(refused)
        return True, ""

    def _approver_of(self, name: str) -> Any:
        return self._approve.get(name) if isinstance(self._approve, Mapping) else self._approve

    async def _verdict(self, call: ToolCall) -> Any:
        verdict: Any = None
        async with self._one_by_one:
            with anyio.move_on_after(self._timeout) as waited:
                verdict = await self._ask_approver(self._approver_of(call.name), call)
        if waited.cancelled_caught:
            raise Refused(f"{call.name} was not run: nobody approved it in time.")
        return verdict

    async def _ask_approver(self, ask: Any, call: ToolCall) -> Any:
        try:
            return await asked(ask, call, "approve", self._threads)
        except StreamMisused:
            raise
        except Exception as error:
            raise StreamMisused(f"approve raised {type(error).__name__} for {call.name}, which was not run") from error


def _call_by_verdict(call: ToolCall, verdict: Any) -> ToolCall:
    if verdict is True:
        return call
    if verdict is False:
        raise Refused(f"{call.name} was not run: the user refused it.")
    if isinstance(verdict, str):
        raise Refused(f"{call.name} was not run. The user refused it: {verdict}")
    if not isinstance(verdict, Mapping):
        raise StreamMisused(f"approve returned {type(verdict).__name__} for {call.name}: {_HOW}")
    try:
        arguments = plain(verdict, "approve")
    except Unfit as error:
        raise StreamMisused(str(error)) from error
    return replace(call, arguments=msgspec.json.encode(arguments).decode(), parsed=arguments)
