"""Builds the events of a Messages API stream from the items of an answer: content blocks, one after the other.

A client accumulates blocks by their index and sends the finished message back, so a block that is begun is ended, and
what the API has no block for is left out by a row in `LEFT_OUT`. A reader of this format cannot throw away what it has:
an answer that is begun anew ends with an error, unless nothing of it has been written yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from ...chunks import (
    File,
    Finished,
    Raw,
    ReasoningDelta,
    Seam,
    ServerToolCall,
    ServerToolResult,
    Source,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from ...conversation.turns import ToolResult
from ...fitting.told import left_out
from ...formats.writer import Item
from ...outcome.history import file_in_words
from ...providers.anthropic.server_tools import CALLS, RESULT, caller_of
from .proofs import Proof, is_claudes, wrapped

__all__ = ["LEFT_OUT", "RESTARTED", "UNTRUSTED", "Event", "Events"]

Event: TypeAlias = dict[str, Any]

RESTARTED = "The answer was begun anew, and this API cannot take back what it has sent."
UNTRUSTED = "The model's call of a tool is not valid: "

LEFT_OUT: Mapping[str, str] = {
    "logprobs": "the API has no place for how probable tokens were",
    "tool_progress": "the API has no place for how far a tool is",
}
"""Types of items of which nothing is written, each with the reason."""


class Events:
    """Makes the events of one answer.

    id: unguessable; calls without an id of their own are named after it. target: who is answering. finished: why the
    model stopped. usage: the latest counts. broken: why the answer must not be believed, with a code for it.
    """

    def __init__(self, id: str, target: str) -> None:
        self.finished: Finished | None = None
        self.usage: Usage | None = None
        self.broken: tuple[str, str] | None = None
        self.written = False
        self._id = id
        self._target = target
        self._claude = is_claudes(target)
        self._index = -1
        self._open = ""
        self._call: int | None = None
        self._sent: list[str] = []
        self._late: set[int] = set()
        self._unread = ""
        self._held: list[Item] = []
        self._own: list[ToolCall] = []
        self._in_conversation = False
        self._waiting: list[Event] = []

    def of(self, item: Item) -> list[Event]:
        """Return the events of one item. What would begin another block while the pieces of a call come in is held
        until the call is whole, since blocks are not interleaved."""
        make = _MAKE.get(item.type)
        if make is None or self.broken is not None:
            return []
        if self._call is not None and item.type in _HELD and getattr(item, "index", None) != self._call:
            self._held.append(item)
            return []
        return make(self, item)

    def end(self) -> list[Event]:
        """Return what completes the content: calls of a conversation that nobody has answered, the end of a block."""
        self._in_conversation = False
        events = self._release()
        return [*events, *(event for call in self._own for event in self._whole_call(call)), *self._close()]

    def _release(self) -> list[Event]:
        """End the block of a call, and return it with the events of what was held meanwhile."""
        events = self._close() if self._call is not None else []
        held, self._held = self._held, []
        return [*events, *(event for item in held for event in self.of(item))]

    def broken_by(self, reason: str | None) -> tuple[str, str] | None:
        """Return why the answer must not be believed, now that it has ended; a call may be cut by `max_tokens`."""
        if self.broken is None and self._unread and reason != "length":
            return UNTRUSTED + self._unread, "model_output_invalid"
        return self.broken

    def is_text(self) -> bool:
        """Return whether a text block is open, so that text goes on in it."""
        return self._open == "text" and self.broken is None

    @property
    def index(self) -> int:
        """Return the number of the latest block."""
        return self._index

    # -- blocks -------------------------------------------------------------------------------

    def _begin(self, kind: str, block: Event) -> list[Event]:
        closed = self._close()
        self.written = True
        self._index += 1
        self._open = kind
        return [*closed, {"type": "content_block_start", "index": self._index, "content_block": block}]

    def _delta(self, kind: str, **fields: Any) -> Event:
        return {"type": "content_block_delta", "index": self._index, "delta": {"type": kind, **fields}}

    def _close(self) -> list[Event]:
        """End the block that is open, if one is. A thought that nobody has signed gets what we know it by."""
        if not self._open:
            return []
        unsigned = [self._signed(None)] if self._open == "thinking" else []
        self._open, self._call, self._sent = "", None, []
        return [*unsigned, {"type": "content_block_stop", "index": self._index}]

    def _native(self, block: Event) -> list[Event]:
        """Return a whole block in Anthropic's own form."""
        return [*self._begin("native", block), *self._close()]

    # -- one function for each type of item ---------------------------------------------------

    def _text(self, item: TextDelta) -> list[Event]:
        return self._text_events(item.text)

    def _text_events(self, text: str) -> list[Event]:
        if not text:
            return []
        begun = [] if self._open == "text" else self._begin("text", {"type": "text", "text": ""})
        cited, self._waiting = self._waiting, []
        return [
            *begun,
            *(self._delta("citations_delta", citation=each) for each in cited),
            self._delta("text_delta", text=text),
        ]

    def _thought(self, item: ReasoningDelta) -> list[Event]:
        if item.redacted:
            proof = Proof(self._target, item.signature, item.redacted)
            data = item.redacted if self._claude else wrapped(proof)
            return self._native({"type": "redacted_thinking", "data": data})
        events: list[Event] = []
        if self._open != "thinking":
            events += self._begin("thinking", {"type": "thinking", "thinking": "", "signature": ""})
        if item.reasoning:
            events.append(self._delta("thinking_delta", thinking=item.reasoning))
        if item.signature:
            events.append(self._signed(item.signature))
            self._open = "signed"
            events += self._close()
        return events

    def _signed(self, signature: str | None) -> Event:
        """Return the proof of a thought. One of Claude's that has none was cut, and nobody takes it back."""
        if self._claude or not self._target:
            return self._delta("signature_delta", signature=signature or "")
        return self._delta("signature_delta", signature=wrapped(Proof(self._target, signature)))

    def _fragment(self, item: ToolCallDelta) -> list[Event]:
        """Write a piece of the call that is open, or of a new one. Blocks are not interleaved, so a call whose pieces
        come between those of another is written when it is whole, and so is one whose pieces begin no object."""
        if self._in_conversation or item.index in self._late:
            return []
        begins = not self._sent or item.index != self._call
        goes_on = item.index == self._call or (self._call is None and bool(item.name))
        if not goes_on or (begins and item.arguments and not item.arguments.startswith("{")):
            self._late.add(item.index)
            return []
        begun = [] if item.index == self._call else self._begin_call(item.index, item.id, item.name, {})
        return [*begun, *self._piece(item.arguments)]

    def _begin_call(self, index: int, id: str, name: str, caller: Event) -> list[Event]:
        block = {"type": "tool_use", "id": self._call_id(index, id), "name": name, "input": {}, **caller}
        begun = self._begin("tool_use", block)
        self._call = index
        return begun

    def _call_id(self, index: int, id: str) -> str:
        return id or f"toolu_{self._id}_{index}"

    def _piece(self, arguments: str) -> list[Event]:
        if not arguments:
            return []
        self._sent.append(arguments)
        return [self._delta("input_json_delta", partial_json=arguments)]

    def _whole_call(self, item: ToolCall) -> list[Event]:
        """Write what no fragment had, and end the block. A call that must not be run is told when the answer ends: one
        that was cut by `max_tokens` is none."""
        if self._in_conversation:
            self._own.append(item)
            return []
        if item.error is not None:
            self.broken = (UNTRUSTED + item.error, "model_output_invalid")
            return []
        begun: list[Event] = []
        caller: Event = {}
        if item.index != self._call:
            caller = caller_of(item.signature) if self._claude else {}
            begun = self._begin_call(item.index, item.id, item.name, caller)
        written = [*begun, *self._rest(item), *self._close()]
        return [*written, *([] if caller else self._proof_of(item)), *self._release()]

    def _rest(self, call: ToolCall) -> list[Event]:
        """Return the arguments that no fragment had."""
        as_it_came = call.parsed is None or call.arguments.startswith("{")
        whole = call.arguments if as_it_came else _text_of(call.parsed)
        sent = "".join(self._sent)
        if call.parsed is None or not whole.startswith(sent):
            self._unread = "its arguments are not one JSON object."
        return self._piece(whole[len(sent) :]) if whole.startswith(sent) else []

    def _proof_of(self, call: ToolCall) -> list[Event]:
        """Return the proof of a call in a block that clients send back as it is, since a call has no place for it."""
        if call.signature is None or not self._target:
            return []
        proof = Proof(self._target, call.signature, call=self._call_id(call.index, call.id))
        return self._native({"type": "redacted_thinking", "data": wrapped(proof)})

    def _source(self, item: Source) -> list[Event]:
        citation = _citation(item)
        if citation is None:
            return []
        if self._open == "text":
            return [self._delta("citations_delta", citation=citation)]
        self._waiting.append(citation)
        return []

    def _file(self, item: File) -> list[Event]:
        """Write the words that stand for a file. One that only has an id is part of a tool's result, which has it."""
        if item.data is None and not item.url and not item.text:
            return []
        if item.data is not None:
            _log_left_out("a file that the model made")
        link = f" {item.url}" if item.url else ""
        return self._text_events(file_in_words(item) + link)

    def _server_call(self, item: ServerToolCall) -> list[Event]:
        block = item.native
        if not isinstance(block, dict) or block.get("type") not in CALLS:
            _log_left_out("a tool that another provider ran")
            return []
        begun = self._begin("server", {**block, "input": {}})
        return [
            *begun,
            self._delta("input_json_delta", partial_json=_text_of(block.get("input") or {})),
            *self._close(),
        ]

    def _server_result(self, item: ServerToolResult) -> list[Event]:
        block = item.native
        if not isinstance(block, dict) or not str(block.get("type")).endswith(RESULT):
            return []
        return self._native(block)

    def _raw(self, item: Raw) -> list[Event]:
        is_block = item.standing == "block" and isinstance(item.data, dict) and isinstance(item.data.get("type"), str)
        if is_block and item.provider == "anthropic":
            return self._native(item.data)
        if item.content:
            _log_left_out("a piece of an answer that has no place in Anthropic's API")
        return []

    def _counted(self, item: Usage) -> list[Event]:
        self.usage = item
        return []

    def _ended(self, item: Finished) -> list[Event]:
        self.finished = item
        return []

    def _seam(self, item: Seam) -> list[Event]:
        """Write nothing where text goes on. An answer that begins anew cannot be told to who has a part of it."""
        events = [] if self._open == "text" else [*self._release(), *self._close()]
        self._target, self._claude = item.target, is_claudes(item.target)
        if item.restart and self.written:
            self.broken = (RESTARTED, "stream_interrupted")
        return events

    def _turn(self, item: Any) -> list[Event]:
        """Begin another turn of a conversation, which is written as one answer; all calls before it are answered."""
        self._in_conversation = True
        self._own = []
        return self._close()

    def _answered(self, item: ToolResult) -> list[Event]:
        """Leave out the call of a conversation that was answered here; the others are the client's to answer."""
        place = next((place for place, call in enumerate(self._own) if call.id == item.id), None)
        if place is not None:
            del self._own[place]
        return []


_MAKE: Mapping[str, Callable[[Events, Any], list[Event]]] = {
    "text_delta": Events._text,
    "reasoning_delta": Events._thought,
    "tool_call_delta": Events._fragment,
    "tool_call": Events._whole_call,
    "source": Events._source,
    "file": Events._file,
    "server_tool_call": Events._server_call,
    "server_tool_result": Events._server_result,
    "usage": Events._counted,
    "finished": Events._ended,
    "seam": Events._seam,
    "raw": Events._raw,
    "turn_started": Events._turn,
    "tool_result": Events._answered,
}


_HELD = frozenset({
    "text_delta", "reasoning_delta", "tool_call", "file", "server_tool_call", "server_tool_result", "raw",
})  # fmt: skip
"""Types of items that begin blocks of their own."""


def _citation(source: Source) -> Event | None:
    """Return a source as Anthropic cites; as a page of the web where another provider found it, which nobody can send
    back to Anthropic; None for one without an address."""
    native = source.native
    if isinstance(native, dict) and str(native.get("type")).endswith("_location"):
        return native
    if not source.url:
        return None
    said = {"cited_text": source.quote, "title": source.title or None, "url": source.url}
    return {"type": "web_search_result_location", **said, "encrypted_index": ""}


def _text_of(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _log_left_out(what: str) -> None:
    left_out("a client of Anthropic's API", what, "the API has no block for it")
