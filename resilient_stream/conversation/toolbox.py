"""Runs the tool calls of one turn side by side, and gives each of them a result.

What a tool raises is sent to the model, like any other result. Only a bug in the calling code (`StreamMisused`) and a
cancellation are raised. The task group opens and closes inside one coroutine, so no task is left behind.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import anyio
from pydantic import BaseModel

from ..chunks import ServerToolCall, ToolCall
from ..engine.call import Call
from ..failures import StreamMisused
from ..messages import Tool
from .approvals import Approvals, Approve
from .mcp_servers import MCPTool
from .progress import Reports
from .tool_run import ToolRun
from .tools import FunctionTool, InvalidArguments, Submission, ToolError, ToolSource, tool_of
from .turns import ToolResult, result_of

__all__ = ["Outputs", "Toolbox"]

logger = logging.getLogger("resilient_stream")

Outputs: TypeAlias = Mapping[str, type[BaseModel]] | Iterable[type[BaseModel]]
"""The outputs that a conversation must give: pydantic models, as a list or by name."""

MAX_THREADS = 16
"""How many plain functions may run at once in a conversation. One that hangs and was given up counts until it ends."""


class Toolbox:
    """Holds the tools of one conversation. declared: all of them, as the model sees them; timeout: seconds for each
    call.

    approve, patience: who is asked before a tool runs, and seconds for the answer (see `Approvals`).
    """

    def __init__(
        self,
        tools: Iterable[ToolSource],
        outputs: Outputs,
        timeout: float | None,
        approve: Approve | Mapping[str, Approve] | None = None,
        patience: float | None = None,
    ) -> None:
        made = [tool_of(source, f"tools[{place}]") for place, source in enumerate(tools)]
        handed_in = [Submission(name, model) for name, model in _by_name(outputs).items()]
        self._functions: dict[str, FunctionTool | MCPTool] = {
            each.tool.name: each for each in made if isinstance(each, FunctionTool)
        }
        self._submissions = {each.tool.name: each for each in handed_in}
        self.declared: tuple[Tool, ...] = (
            *(each.tool if isinstance(each, FunctionTool) else each for each in made),
            *(submission.tool for submission in handed_in),
        )
        self._names = tuple(tool.name for tool in self.declared)
        self._timeout = timeout
        self.threads = anyio.CapacityLimiter(MAX_THREADS)
        self._approvals = Approvals(approve, patience, self.threads)
        if twice := {name for name in self._names if self._names.count(name) > 1}:
            raise StreamMisused(f"two tools have one name: {', '.join(sorted(twice))}")

    def add(self, tools: Iterable[MCPTool]) -> None:
        """Take in tools that were found when their servers started."""
        for each in tools:
            self._functions[each.tool.name] = each
            self.declared += (each.tool,)
            self._names += (each.tool.name,)

    def check_approved(self) -> None:
        """Raise StreamMisused for a name in `approve` that no tool has: that tool would run without being asked."""
        self._approvals.check(self._functions)

    @property
    def names(self) -> frozenset[str]:
        """Return the names of all tools so far."""
        return frozenset(self._names)

    def missing(self, outputs: Mapping[str, BaseModel]) -> tuple[str, ...]:
        """Return the names of the outputs that were not handed in yet."""
        return tuple(each.name for each in self._submissions.values() if each.name not in outputs)

    async def answer(
        self,
        calls: Iterable[ToolCall],
        results: dict[str, ToolResult],
        outputs: dict[str, BaseModel],
        conversation: Call,
        reports: Reports,
    ) -> None:
        """Run the calls, all at once. `results` and `outputs` are filled as the calls end, `reports` while they run.

        Calls of tools without a function stay unanswered. The observers of the conversation are told of each call.
        """
        ours = [call for call in calls if call.name in self._functions or not self._is_callers(call)]

        async def one(call: ToolCall) -> None:
            started = time.perf_counter()
            reports.take_from(call)
            with ToolRun(conversation, call, self._functions.get(call.name)) as run:
                told = await self._answer_to(call, outputs, run)
                result = result_of(call, told, run.failed, time.perf_counter() - started)
                results[call.id], run.result = result, result.content

        try:
            async with anyio.create_task_group() as group:
                for call in ours:
                    group.start_soon(one, call)
        except BaseExceptionGroup as failed:
            first = _cause_of(failed)
            raise first from first.__cause__

    async def verdicts(self, calls: Iterable[ServerToolCall]) -> dict[str, tuple[bool, str]]:
        """Return, by the calls' ids, whether tools that wait at their provider may run, and why not."""
        asked = [ToolCall(0, call.id, call.name, call.arguments, call.parsed) for call in calls]
        found = {call.id: await self._approvals.verdict(call) for call in asked}
        return {id: verdict for id, verdict in found.items() if verdict is not None}

    def _is_callers(self, call: ToolCall) -> bool:
        return call.name in self._names and call.name not in self._submissions

    async def _answer_to(self, call: ToolCall, outputs: dict[str, BaseModel], run: ToolRun) -> Any:
        """Run a call, and return what the model is told. `run.failed` is set if that is a complaint."""
        try:
            if call.name in self._functions and self._approvals.asks_about(call.name):
                # Checked first, so that nobody is asked about a call that cannot run.
                _checked(self._functions[call.name], call)
                call = await self._approvals.approved(call)
            run.begin(call)
            with anyio.move_on_after(self._timeout):
                return await self._result(call, outputs)
            run.fail(TimeoutError())
            return f"{call.name} gave no result within {self._timeout:g} s."
        except ToolError as error:
            run.fail(error)
            return str(error)
        except StreamMisused:
            raise
        except Exception as error:
            logger.warning("the tool %s raised %s; the model is told", call.name, type(error).__name__)
            run.fail(error)
            return f"{type(error).__name__}: {error}"
        except asyncio.CancelledError as error:
            if _is_ours():
                raise
            run.fail(error)
            return f"{call.name} was cancelled."  # something inside the tool cancelled it, and not its caller

    async def _result(self, call: ToolCall, outputs: dict[str, BaseModel]) -> Any:
        if (submission := self._submissions.get(call.name)) is not None:
            output = submission.read(call.arguments)
            _refuse_untrusted(call)
            outputs[submission.name] = output
            return self._acceptance(outputs)
        if (function := self._functions.get(call.name)) is None:
            raise ToolError(f"Tool not found: {call.name}. Available tools: {', '.join(self._names)}")
        return await function.call(_checked(function, call), self.threads)

    def _acceptance(self, outputs: Mapping[str, BaseModel]) -> str:
        missing = self.missing(outputs)
        return f"Accepted. Still missing: {', '.join(missing)}." if missing else "Accepted."


def _checked(function: FunctionTool | MCPTool, call: ToolCall) -> Any:
    """Return the arguments of a call as its function takes them. Raises InvalidArguments, which tells the model why."""
    arguments = function.arguments(call.arguments)
    _refuse_untrusted(call)
    return arguments


def _refuse_untrusted(call: ToolCall) -> None:
    """Refuse a call whose arguments are not trusted. It is never run, even if it can be parsed."""
    if call.parsed is None:
        wrong = call.error or "what came of the call is not whole"
        raise InvalidArguments(f"{call.name} was not run: {wrong}. Call it again with all of its arguments.")


def _by_name(outputs: Outputs) -> dict[str, type[BaseModel]]:
    """Return outputs by name; those of a list have their class's name. StreamMisused says what is not a model."""
    given: Any = (outputs,) if isinstance(outputs, type) else outputs
    named = dict(given) if isinstance(given, Mapping) else {getattr(model, "__name__", ""): model for model in given}
    for name, model in named.items():
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise StreamMisused(f"outputs: give pydantic model classes, as a list or by name; {name!r} is not one")
    return named


def _is_ours() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _cause_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the bug or the signal that ended the task group."""
    first = group.exceptions[0]
    return _cause_of(first) if isinstance(first, BaseExceptionGroup) else first
