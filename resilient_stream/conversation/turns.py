"""Keeps the record of a conversation: its turns, the results of its tools, and the history that can be sent again.

`history` can be sent at any moment, because each call in it has a result. Nothing here knows how a turn is sent or a
tool is run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import msgspec
from pydantic import BaseModel

from ..chunks import Certainty, Seam, ServerToolCall, ToolCall, Usage
from ..failures import ErrorKind, StreamMisused
from ..fitting.signatures import GO_ON
from ..messages import FunctionCall, Message, OpaquePart, Part, TextPart
from ..outcome.errors import StreamError
from ..outcome.transcript import Outcome, Transcript
from ..providers import approval_of
from .tools import encode_parts, encode_result

__all__ = ["ConversationRecord", "ToolResult", "Turn", "TurnStarted", "result_of"]

NO_RESULT = "No result: the conversation was interrupted before this call was answered."

_NOT_CALLED = ("refusal", "content_filter")
_COUNTS = ("input_tokens", "output_tokens", "reasoning_tokens", "cached_input_tokens", "cache_write_tokens")


class TurnStarted(msgspec.Struct, frozen=True, gc=False):
    """The model is asked for its next turn. The first turn has number 1."""

    type: ClassVar[Literal["turn_started"]] = "turn_started"
    text: ClassVar[str] = ""
    number: int


class ToolResult(msgspec.Struct, frozen=True, gc=False):
    """Holds the result of a tool call, as the model is told it.

    id, name: of the call.
    content: the result as text or JSON.
    error: the result is a complaint, about the call or by the tool.
    duration: seconds that the tool ran.
    parts: text and pictures as the model gets them, if the tool returned a picture.
    """

    type: ClassVar[Literal["tool_result"]] = "tool_result"
    text: ClassVar[str] = ""
    id: str
    name: str
    content: str
    error: bool
    duration: float
    parts: tuple[Part, ...] = ()


def result_of(call: ToolCall, result: Any, error: bool = False, duration: float = 0.0) -> ToolResult:
    """Return the value of a tool as a `ToolResult`."""
    parts = encode_parts(result, call.name)
    told = (
        "".join(part.text for part in parts if isinstance(part, TextPart))
        if parts
        else encode_result(result, call.name)
    )
    return ToolResult(call.id, call.name, told, error, duration, parts)


def _is_paused(message: Message) -> bool:
    """Return whether a turn ends in a block of its provider's own, so that the provider is to go on with it."""
    return isinstance(next(reversed(message.blocks), None), OpaquePart)


class Turn:
    """Holds one answer of the model, the results of its calls, and what was said to the model after that.

    calls: empty until the answer is whole. results: by the call's id, as they arrive. waiting: tools at the provider
    that wait for an approval. reply: a user's turn.
    """

    def __init__(self, number: int, transcript: Transcript) -> None:
        self.number = number
        self.transcript = transcript
        self.calls: tuple[ToolCall, ...] = ()
        self.results: dict[str, ToolResult] = {}
        self.reply: str | None = None
        self.waiting: tuple[ServerToolCall, ...] = ()
        self._approved: tuple[OpaquePart, ...] = ()

    def settle(self) -> None:
        """Take the calls of a whole answer, unless a filter stopped the answer among them."""
        if self.transcript.finish_reason not in _NOT_CALLED:
            self.calls = _with_ids(_calls_after_restart(self.transcript), self.number)
            if self.transcript.finish_reason == "length":
                self.calls = (*self.calls[:-1], *map(_void_if_cut, self.calls[-1:]))
            made = (chunk for chunk in self.transcript.server_tools if isinstance(chunk, ServerToolCall))
            self.waiting = tuple(call for call in made if call.waits)

    def approve(self, verdicts: Mapping[str, tuple[bool, str]]) -> None:
        """Answer the tools that wait at their provider, in its own form; what nobody answered for goes on waiting."""
        provider = (self.transcript.target or "").partition(":")[0]
        written = {id: approval_of(provider, id, *verdict) for id, verdict in verdicts.items()}
        parts = (OpaquePart(provider=provider, data=data) for data in written.values() if data is not None)
        self._approved = (*self._approved, *parts)
        self.waiting = tuple(call for call in self.waiting if written.get(call.id) is None)

    def resume(self) -> None:
        """Go on with an answer that its provider paused. It is sent back as it came, with no turn of the user behind
        it; only a pause without any block of the provider's own has to be asked for."""
        answer = self.transcript.as_history()
        if not (answer and any(isinstance(part, OpaquePart) for part in answer[-1].parts)):
            self.reply = GO_ON

    @property
    def unanswered(self) -> tuple[ToolCall, ...]:
        """Return the calls that have no result yet."""
        return tuple(call for call in self.calls if call.id not in self.results)

    def messages(self) -> list[Message]:
        """Return the turn as messages that can be sent back."""
        answer = self.transcript.as_history(calls=bool(self.calls))
        if self.calls:
            answer = [_with_calls(answer, self.calls), *map(self._result, self.calls)]
        if self._approved:
            answer = [*answer, Message(role="user", content=self._approved)]
        return answer if self.reply is None else [*answer, Message(role="user", content=self.reply)]

    def _result(self, call: ToolCall) -> Message:
        result = self.results.get(call.id)
        content = NO_RESULT if result is None else result.parts or result.content
        return Message(role="tool", tool_call_id=call.id, content=content)


class ConversationRecord:
    """Holds everything that is known about a conversation. It can be read at any time; `outcome` is set when it is
    final.

    outputs: those that the model has handed in, by name.
    output: the object that the last answer is, where `output=` asks for one.
    outcome: as for a stream; `complete` when the model finished and every output is there.
    error: what ended the conversation, if it failed.
    """

    def __init__(self, messages: Sequence[Message]) -> None:
        goes_on = messages[-1].role == "assistant" and not _is_paused(messages[-1])
        self._messages = [*messages, *([Message(role="user", content=GO_ON)] if goes_on else [])]
        self.turns: list[Turn] = []
        self.outputs: dict[str, BaseModel] = {}
        self.output: Any = None
        self.outcome: Outcome | None = None
        self.error: StreamError | None = None
        self.duration: float | None = None

    @property
    def history(self) -> list[Message]:
        """Return the messages that were given and those of the turns, without `system=`. They can be sent again at any
        time.

        For a call without a result, the history says that there is none. An answer that was cut is there as far as it
        was received.
        """
        return [*self._messages, *(message for turn in self.turns for message in turn.messages())]

    @property
    def transcripts(self) -> tuple[Transcript, ...]:
        """Return the transcripts, one for each turn."""
        return tuple(turn.transcript for turn in self.turns)

    @property
    def text(self) -> str:
        """Return the text of the last turn."""
        return self.turns[-1].transcript.text if self.turns else ""

    @property
    def pending(self) -> tuple[ToolCall, ...]:
        """Return the last turn's calls without a result: those of tools without a function, which the caller
        answers."""
        return self.turns[-1].unanswered if self.turns else ()

    @property
    def usage(self) -> Usage:
        """Return the tokens of all turns together. They are `estimated` when the tokens of a turn are unknown."""
        counted = [transcript.usage for transcript in self.transcripts]
        sums = {name: _sum([getattr(usage, name) for usage in counted]) for name in _COUNTS}
        return Usage(**sums, certainty=_certainty({usage.certainty for usage in counted}))

    def answer(self, call_id: str, result: Any) -> None:
        """Give the result of a pending call, so that it is in `history`."""
        call = next((call for call in self.pending if call.id == call_id), None)
        if call is None or self.outcome is None:
            raise StreamMisused(f"no call {call_id!r} is waiting for an answer; see `pending`, after the end")
        self.turns[-1].results[call.id] = result_of(call, result)

    def end(self, ended: Transcript, allowed: float) -> None:
        """Set how the conversation ended, once, and add to its error what was known then."""
        self.outcome, self.error, self.duration = ended.outcome, ended.error, ended.duration
        if self.error is None:
            return
        self.error.history = self.history
        if self.turns:
            self.error.transcript = self.turns[-1].transcript
        # The turn's error has only the time that was left for the turn.
        if self.error.kind is ErrorKind.DEADLINE_EXCEEDED:
            self.error.failure = msgspec.structs.replace(self.error.failure, facts={"seconds": allowed})


def _calls_after_restart(transcript: Transcript) -> list[ToolCall]:
    """Return the calls after the last restart. A restart makes everything before it void."""
    calls: list[ToolCall] = []
    for chunk in transcript.chunks:
        if type(chunk) is Seam and chunk.restart:
            calls.clear()
        elif type(chunk) is ToolCall:
            calls.append(chunk)
    return calls


def _with_ids(calls: Sequence[ToolCall], number: int) -> tuple[ToolCall, ...]:
    """Return calls that can be answered: each has a name, and an id that no other call of the turn has."""
    seen: set[str] = set()
    made: list[ToolCall] = []
    for call in calls:
        own = call.id if call.id and call.id not in seen else f"call_{number}_{call.index}_{len(made)}"
        seen.add(own)
        parsed = call.parsed if call.name and not call.error else None
        made.append(msgspec.structs.replace(call, id=own, name=call.name or "unnamed", parsed=parsed))
    return tuple(made)


def _void_if_cut(call: ToolCall) -> ToolCall:
    """Return the last call of an answer that reached its output limit. Without arguments it was cut: it is not run."""
    return call if call.parsed != {} else msgspec.structs.replace(call, arguments="{", parsed=None)


def _with_calls(answer: Sequence[Message], calls: Sequence[ToolCall]) -> Message:
    """Return the model's turn with all of its calls. Calls that `as_history` leaves out get no arguments.

    It leaves them out because their arguments are not an object, and some servers refuse a whole request for broken
    JSON in its history.
    """
    said = answer[0] if answer else Message(role="assistant")
    whole = iter(said.tool_calls)
    made = [
        FunctionCall(id=call.id, name=call.name)
        if call.parsed is None
        else next(whole).model_copy(update={"id": call.id})
        for call in calls
    ]
    return said.model_copy(update={"tool_calls": tuple(made)})


def _sum(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _certainty(found: set[Certainty]) -> Certainty:
    if found in ({"exact"}, {"estimated"}):
        return found.pop()
    return "estimated" if found - {"unknown"} else "unknown"
