"""Defines `ToolRun`: what the observers of a conversation are told of one call of a tool.

The tool's task tells both events itself. So an observer that sets a context variable at the begin, such as the current
span, sets it for the tool and for nothing else.
"""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Self

from ..chunks import ToolCall
from ..engine.call import Call
from ..events import ToolEnded, ToolOutcome, ToolStarted
from .approvals import Refused
from .mcp_servers import MCPTool
from .tools import FunctionTool, InvalidArguments, ToolError

__all__ = ["ToolRun"]

_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (TimeoutError, "timeout"),
    (asyncio.CancelledError, "cancelled"),
    (InvalidArguments, "invalid_arguments"),
    (ToolError, "tool_error"),
)
"""The word for what went wrong, by the exception's class. Any other class is called by its own name."""


class ToolRun:
    """Surrounds, as a context manager, all that is done for one call. tool: None if no tool runs here; nothing is told
    then.

    failed: the model is told of an error. result: what the model is told, set when it is there.
    """

    __slots__ = ("_began", "_call", "_conversation", "_how", "_tool", "failed", "result")

    def __init__(self, conversation: Call, call: ToolCall, tool: FunctionTool | MCPTool | None) -> None:
        self._conversation = conversation
        self._call = call
        self._tool = tool if conversation.observing.observers else None
        self._began: float | None = None
        self._how: tuple[ToolOutcome, str | None] = ("complete", None)
        self.failed = False
        self.result: str | None = None

    def begin(self, call: ToolCall) -> None:
        """Tell that the tool runs now, after the question whether it may. call: with the arguments that it gets."""
        if self._tool is None:
            return
        self._call, self._began = call, time.perf_counter()
        started = ToolStarted(self._conversation.id, call, self._tool.tool, self._tool.kind, time.time())
        self._conversation.observing.tell_observers(started)

    def fail(self, error: BaseException) -> None:
        """Note what went wrong. The exception itself is not kept, because its frames refer to this object."""
        self.failed, self._how = True, _ended(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._tool is None:
            return
        interrupted = isinstance(error, asyncio.CancelledError | GeneratorExit)
        if self._began is None:
            if interrupted:
                return
            self.begin(self._call)
        how = self._interrupted() if interrupted else self._how if error is None else _ended(error)
        took = time.perf_counter() - (self._began or 0.0)
        ended = ToolEnded(self._conversation.id, self._call, self._tool.kind, *how, self.result, took)
        self._conversation.observing.tell_observers(ended)

    def _interrupted(self) -> tuple[ToolOutcome, str | None]:
        """Return the outcome of a tool that did not end by itself: that of its conversation, or cancelled with its
        task."""
        dead = self._conversation.dead
        if dead is None:
            return "cancelled", None
        outcome = self._conversation._ends_as
        return outcome, dead.kind.value if outcome == "deadline" else None


def _ended(error: BaseException) -> tuple[ToolOutcome, str | None]:
    if isinstance(error, Refused):
        return "refused", None
    return "failed", next((word for kind, word in _WORDS if isinstance(error, kind)), type(error).__name__)
