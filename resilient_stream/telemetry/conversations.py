"""Makes the span of a conversation and those of its tools, and their metrics.

    invoke_agent                         the conversation: all turns, tools and prompts
      chat gpt-5-mini                    a turn, as `Trace` tells it, with its requests under it
      execute_tool weather               one tool's call that was run here, or refused
      chat gpt-5-mini

No span of a conversation or a turn is ever the current one. A tool's span is, in the tool's task and only there, so
spans that the tool begins are its children.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from opentelemetry.context import Context, attach
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from ..engine.call import Call
from ..events import StreamEnded, ToolEnded, ToolStarted
from ..outcome.transcript import Transcript
from . import attributes, content
from .metrics import Instruments
from .sink import Sink
from .tracing import CONVERSATION, Within, close, end_of_call, nanoseconds
from .words import Words

__all__ = ["ConversationMetrics", "ConversationTrace"]

AGENT, TOOL = "invoke_agent", "execute_tool"


class ConversationTrace(Sink):
    """Makes the spans of one conversation. around: the caller's context.

    within: what its turns have to know: its id, which the caller gave or which is made here, and its span.
    """

    def __init__(self, tracer: Tracer, call: Call, around: Context, *, with_content: bool) -> None:
        request = call.request
        self._id = attributes.conversation_id(request) or f"conv_{uuid4().hex}"
        self._tracer = tracer
        self._with_content = with_content
        self._latest = call
        self._turns: list[Transcript] = []
        self._tools: dict[str, tuple[Span, float]] = {}
        self._span = tracer.start_span(
            AGENT,
            around,
            SpanKind.INTERNAL,
            {**attributes.asked(request), "gen_ai.operation.name": AGENT, CONVERSATION: self._id},
            start_time=nanoseconds(call.transcript.started),
        )
        self.within = Within(self._id, self._span)
        self.context = set_span_in_context(self._span, around)
        if with_content and self._span.is_recording():
            self._span.set_attributes(content.prompt(request))

    def turn(self, call: Call) -> Context:
        """Return the context of a turn that begins, whose call this is."""
        self._latest = call
        self._turns.append(call.transcript)
        return self.context

    def tool_started(self, event: ToolStarted) -> None:
        """Start the tool's span, and make it the current one of the tool's task."""
        labels = {
            "gen_ai.operation.name": TOOL,
            "gen_ai.tool.name": event.tool.name,
            "gen_ai.tool.type": event.kind,
            "gen_ai.tool.call.id": event.call.id,
            CONVERSATION: self._id,
            **({"gen_ai.tool.description": event.tool.description} if event.tool.description else {}),
            **(content.tool_arguments(event.call.arguments) if self._with_content else {}),
        }
        at = nanoseconds(event.started)
        span = self._tracer.start_span(
            f"{TOOL} {event.tool.name}", self.context, SpanKind.INTERNAL, labels, start_time=at
        )
        self._tools[event.call.id] = span, event.started
        attach(set_span_in_context(span))  # not detached: the task ends with the tool, and its context with it

    def tool_ended(self, event: ToolEnded) -> None:
        """End the tool's span."""
        if (found := self._tools.pop(event.call.id, None)) is None:
            return
        span, started = found
        if self._with_content and event.result is not None:
            span.set_attributes(content.tool_result(event.result))
        _close_tool(span, event.outcome, event.error_type, nanoseconds(started + event.duration))

    def ended(self, event: StreamEnded) -> None:
        """End the conversation's span. A tool has ended before, or ends its span when it does."""
        transcript = event.transcript
        outcome = transcript.outcome or "failed"
        if self._span.is_recording():
            self._span.set_attributes({**attributes.conversation(self._turns), "resilient_stream.outcome": outcome})
            if self._with_content and self._turns:
                self._span.set_attributes(content.reply(self._turns[-1]))
        # Each is timed by itself; by some microseconds, no turn may outlive its conversation.
        ends = [nanoseconds(end_of_call(each)) or 0 for each in (transcript, *self._turns)]
        words = Words(self._latest, with_detail=self._with_content)
        close(self._span, outcome, transcript.error, words, max(ends) or None)


class ConversationMetrics(Sink):
    """Records the metrics of one conversation. around: the context of its span, or the caller's."""

    def __init__(self, instruments: Instruments, around: Any) -> None:
        self._instruments = instruments
        self._around = around

    def tool_ended(self, event: ToolEnded) -> None:
        """Record how long the tool ran, in the current context, which is the tool's. A refused call did not run."""
        if event.outcome == "refused":
            return
        labels = {
            "gen_ai.tool.name": event.call.name,
            "gen_ai.tool.type": event.kind,
            "error.type": event.error_type,
        }
        self._instruments.record("gen_ai.execute_tool.duration", event.duration, attributes.known(labels), None)

    def ended(self, event: StreamEnded) -> None:
        """Record how long the conversation took."""
        transcript = event.transcript
        labels = attributes.known(
            {"error.type": attributes.error_type(transcript.outcome or "failed", transcript.error)}
        )
        duration = transcript.duration or 0.0
        self._instruments.record("gen_ai.invoke_agent.duration", duration, labels, self._around)


def _close_tool(span: Span, outcome: str, error_type: str | None, at: int | None) -> None:
    """End a tool's span. Neither a refusal nor a cancelled conversation is an error."""
    span.set_attribute("resilient_stream.outcome", outcome)
    if error_type is not None:
        span.set_attribute("error.type", error_type)
        span.set_status(Status(StatusCode.ERROR))
    span.end(at)
