"""Tells a tool's progress to the caller of the conversation while the tool runs.

Of several reports of one tool that the caller has not taken yet, only the last is kept, so a tool may report as often
as it likes. The tools of a turn run in a task, since the conversation goes back to its caller meanwhile. Nothing here
refers to the `Conversation`, which must be collected when it is dropped.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import ClassVar, Literal, TypeAlias

import anyio
import msgspec

from ..chunks import ToolCall
from ..engine.call import Call
from ..given.checks import text as fit

__all__ = ["Reports", "RunningTools", "ToolProgress", "report_progress", "reporter"]

MAX_MESSAGE = 1000
"""Characters of a report's message that are kept."""

Report: TypeAlias = Callable[[str, float | None, float | None], None]


class ToolProgress(msgspec.Struct, frozen=True, gc=False):
    """Says how far a tool is that still runs, as the tool itself reports it.

    id, name: of the call.
    progress, total: what is done, and what there is to do, in the tool's own unit.
    """

    type: ClassVar[Literal["tool_progress"]] = "tool_progress"
    text: ClassVar[str] = ""
    id: str
    name: str
    message: str = ""
    progress: float | None = None
    total: float | None = None

    @property
    def fraction(self) -> float | None:
        """Return the part that is done, from 0 to 1; None where the tool does not say."""
        if self.progress is None or not self.total or self.total < 0:
            return None
        return min(max(self.progress / self.total, 0.0), 1.0)


def report_progress(message: str = "", progress: float | None = None, total: float | None = None) -> None:
    """Tell the caller of the conversation how far the tool is that calls this, as a `ToolProgress`.

    It never waits, and may be called from a plain function in its thread, too. Outside a conversation it does nothing.
    """
    reporter()(message, progress, total)


def reporter() -> Report:
    """Return the function that reports for the tool that runs in this context."""
    return _reporter.get()


def _report_to_nobody(message: str, progress: float | None, total: float | None) -> None:
    """Report to nobody, outside a conversation."""


_reporter: ContextVar[Report] = ContextVar("report_progress", default=_report_to_nobody)


class Reports:
    """Keeps the last report of each tool of a turn. results: by the call's id; a tool that has one reports no more."""

    def __init__(self, results: Mapping[str, object]) -> None:
        self._results = results
        self._latest: dict[str, ToolProgress] = {}
        self._lock = threading.Lock()
        self._loop = asyncio.get_running_loop()
        self.changed = asyncio.Event()

    def take_from(self, call: ToolCall) -> None:
        """Have `report_progress` report for this call, in the current context, which is that of the tool's task."""

        def report(message: str, progress: float | None, total: float | None) -> None:
            self._keep_report(ToolProgress(call.id, call.name, fit(message[:MAX_MESSAGE]), progress, total))

        _reporter.set(report)

    def _keep_report(self, report: ToolProgress) -> None:
        with self._lock:
            if report.id in self._results:
                return  # a thread that runs on after its tool was given up
            first = not self._latest
            self._latest[report.id] = report
        if first:
            try:
                self._loop.call_soon_threadsafe(self.changed.set)
            except RuntimeError:
                pass  # the loop has ended, and nobody waits

    def take(self) -> list[ToolProgress]:
        """Return what was reported since the last time."""
        with self._lock:
            self.changed.clear()
            taken, self._latest = self._latest, {}
        return list(taken.values())


class RunningTools:
    """Runs the tools of one turn, in a task. To the conversation's call it is a `Live` part, so they end with it.

    answer: runs them. tasks: where the task is kept until it has ended.
    """

    def __init__(
        self,
        answer: Callable[[Reports], Awaitable[None]],
        results: Mapping[str, object],
        call: Call,
        tasks: set[asyncio.Task[None]],
    ) -> None:
        self.is_over = False
        self._reports = Reports(results)
        self._error: BaseException | None = None
        self._call = call
        self._task = asyncio.get_running_loop().create_task(self._run(answer))
        tasks.add(self._task)
        self._task.add_done_callback(tasks.discard)
        call.join(self)

    async def _run(self, answer: Callable[[Reports], Awaitable[None]]) -> None:
        try:
            await answer(self._reports)
        except BaseException as error:  # the pull raises it, where the caller expects it
            self._error = error
        finally:
            self.is_over = True
            self._reports.changed.set()

    async def news(self) -> list[ToolProgress]:
        """Wait until a tool reports or all have ended, and return the reports. Raises the bug that ended the tools.

        When the wait is cancelled the tools are, too, and it ends after them.
        """
        try:
            await self._reports.changed.wait()
        except asyncio.CancelledError:
            self.close()
            with anyio.CancelScope(shield=True):
                await asyncio.wait([self._task])
            raise
        if (error := self._error) is not None:
            self._error = None
            try:
                raise error
            finally:
                del error  # its frames refer to this one, which would be a cycle
        return self._reports.take()

    def leave(self) -> None:
        """Leave the call, after the tools have ended."""
        self._call.leave(self)

    def watch(self, now: float) -> None:
        """Do nothing: each tool has a timer of its own."""

    def interrupt(self) -> None:
        """Cancel the tools."""
        self.close()

    def close(self) -> None:
        """Cancel the tools, without waiting for them."""
        if not self._task.get_loop().is_closed():
            self._task.cancel()
