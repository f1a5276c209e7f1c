"""Writes an answer as the events of OpenAI's Responses API, which end with the whole response, and as that response.

As in chat completions, a continuation is not to be seen, and an answer that is begun anew ends with an error.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from ...chunks import (
    File,
    Finished,
    Logprobs,
    Raw,
    ReasoningDelta,
    Seam,
    ServerToolCall,
    Source,
    TextDelta,
    ToolCall,
    ToolCallDelta,
)
from ...conversation.turns import ToolResult
from ...formats.statuses import NOT_STORED
from ...formats.values import encode
from ...formats.writer import About, Ending, Item, Refusal
from ...outcome.errors import StreamError
from .errors import ended_early, error_values, refusal, request_headers
from .pieces import (
    RESTARTED,
    UNTRUSTED,
    Calls,
    Unanswered,
    finish_reason,
    is_untrusted,
    refusal_words,
    url_citation,
)
from .responses_items import CallItem, MessageItem, ReasoningItem, WholeItem
from .responses_items import Item as Output
from .usage import responses_usage

__all__ = ["RESPONSES_LEFT_OUT", "ResponsesWriter"]

OutputT = TypeVar("OutputT", bound=Output)

_ECHOED: Mapping[str, Any] = {
    "instructions": None, "max_output_tokens": None, "metadata": {}, "parallel_tool_calls": True,
    "reasoning": {"effort": None, "summary": None}, "temperature": None, "text": {"format": {"type": "text"}},
    "tool_choice": "auto", "tools": [], "top_p": None, "truncation": "disabled", "user": None,
}  # fmt: skip
"""Fields of a request that the response has again, each with what it says where the request has none."""

_INCOMPLETE: Mapping[str, str] = {"length": "max_output_tokens", "content_filter": "content_filter"}

_NATIVE = frozenset({
    "web_search_call", "file_search_call", "code_interpreter_call", "mcp_list_tools", "mcp_call",
    "mcp_approval_request", "shell_call", "shell_call_output", "tool_search_call", "tool_search_output", "program",
    "program_output", "computer_call", "local_shell_call", "apply_patch_call", "compaction",
})  # fmt: skip
"""Items of the API itself that are written as they came from it; a picture is written as a file."""

RESPONSES_LEFT_OUT: Mapping[str, str] = {
    "usage": "told once, in the response at the end",
    "tool_progress": "the API has no place for it",
}
"""Types of items of which nothing is written, each with the reason."""


class ResponsesWriter:
    """Writes one answer.

    body: the request, of which the response repeats some fields. request_id: what the request is called in its header.
    advice: whether errors say what to do, which is for whoever runs this process.
    """

    media_type = "text/event-stream"
    heartbeat = b": waiting\n"  # a comment without an empty line, for the reason given in `ChatWriter`
    numbered = True
    cut = False

    def __init__(
        self, body: Mapping[str, Any] | None = None, *, request_id: str | None = None, advice: bool = False
    ) -> None:
        self._body = body or {}
        self._request_id = request_id
        self._advice = advice
        self._number = 0
        self._outputs: list[Output] = []
        self._open: MessageItem | ReasoningItem | None = None
        self._calls = Calls()
        self._open_calls: dict[int, CallItem] = {}
        self._unanswered = Unanswered()
        self._finished: Finished | None = None
        self._over = False

    @property
    def headers(self) -> Mapping[str, str]:
        """Return further headers of the response."""
        return {**NOT_STORED, **request_headers(self._request_id)}

    def begin(self, about: About) -> list[bytes]:
        """Return the events that announce the response."""
        self._id = about.id
        self._target = about.target
        echoed = {name: usual if (given := self._body.get(name)) is None else given for name, usual in _ECHOED.items()}
        self._head: dict[str, Any] = {
            "id": f"resp_{about.id}", "object": "response", "created_at": about.created, "model": about.model,
            "background": False, "previous_response_id": None, "store": False, **echoed,
        }  # fmt: skip
        response = self._response("in_progress", [])
        return [self._event(f"response.{kind}", response=response) for kind in ("created", "in_progress")]

    def write(self, items: Sequence[Item]) -> list[bytes]:
        """Return the events for each item that the format can carry."""
        frames: list[bytes] = []
        for item in items:
            if self._over:
                break
            if type(item) is TextDelta:
                frames += self._text(item.text)
            elif (write := _WRITE.get(item.type)) is not None:
                frames += write(self, item)
        return frames

    def end(self, ending: Ending) -> list[bytes]:
        """Return the events that end all items, and the whole response: completed, incomplete or failed."""
        if self._over:
            return []
        early = ended_early(ending, advice=self._advice)
        if early is not None:
            return self._broken(early)
        frames = [*self._left_calls(), *self._refused(), *self._close_all()]
        self._over = True
        response = self.response(ending)
        return [*frames, self._event(f"response.{response['status']}", response=response)]

    def response(self, ending: Ending) -> dict[str, Any]:
        """Return the whole response, when all was written."""
        given = "length" if ending.stopped else ending.finish_reason
        word = finish_reason(given, refused=bool(refusal_words(self._finished)))
        details = {"reason": _INCOMPLETE[word]} if word in _INCOMPLETE else None
        made = self._response("completed" if details is None else "incomplete", [item.values for item in self._outputs])
        return {**made, "incomplete_details": details, "usage": responses_usage(ending.usage, ending.target)}

    def refusal(self, error: StreamError) -> Refusal:
        """Return the error as a response of its own."""
        return refusal(error, self._request_id, advice=self._advice)

    # -- one function for each type of item ---------------------------------------------------

    def _text(self, text: str) -> list[bytes]:
        frames = self._message_text()[1] if type(self._open) is not MessageItem else []
        self._open.text(text)  # type: ignore[union-attr]
        frames.append(b'%b%d,"delta":%b}\n\n' % (self._before, self._number, encode(text)))
        self._number += 1
        return frames

    def _reasoning(self, item: ReasoningDelta) -> list[bytes]:
        """Write a piece of a block. Its proof ends it."""
        frames: list[bytes] = []
        block = self._open
        if type(block) is not ReasoningItem:
            frames = self._close_open()
            block = self._open = self._new(ReasoningItem, "rs")
            frames += block.open()
        if item.reasoning:
            frames += block.text(item.reasoning)
        if item.signature or item.redacted:
            block.seal(self._target, item.signature, item.redacted)
            frames += self._close_open()
        return frames

    def _fragment(self, item: ToolCallDelta) -> list[bytes]:
        if self._unanswered.in_conversation:
            return []
        number, frames = self._call(item)
        return [*frames, *self._open_calls[number].piece(self._calls.piece(item))]

    def _whole_call(self, item: ToolCall) -> list[bytes]:
        if self._unanswered.in_conversation:
            self._unanswered.add(item)
            return []
        if is_untrusted(item):
            return self._broken(error_values(UNTRUSTED + (item.error or ""), "model_output_invalid"))
        return self._written_call(item)

    def _written_call(self, item: ToolCall) -> list[bytes]:
        number, frames = self._call(item)
        call = self._open_calls.pop(number)
        frames += call.piece(self._calls.rest(item))
        call.whole = item
        return [*frames, *call.close()]

    def _answered(self, item: ToolResult) -> list[bytes]:
        self._unanswered.answered(item)
        return []

    def _source(self, item: Source) -> list[bytes]:
        """Write a source on the web. The API has no other that a client could follow."""
        citation = url_citation(item)
        if citation is None:
            return []
        message, frames = self._message_text()
        return [*frames, message.cite({"type": "url_citation", **citation})]

    def _probable(self, item: Logprobs) -> list[bytes]:
        message, frames = self._message_text()
        return [*frames, message.probable(list(item.tokens))]

    def _file(self, item: File) -> list[bytes]:
        """Write a picture whose bytes are here. The API has no item for any other file."""
        if item.data is None or not item.media_type.startswith("image/"):
            return []
        picture = base64.b64encode(item.data).decode()
        return self._whole_item("ig", {"type": "image_generation_call", "status": "completed", "result": picture})

    def _native(self, item: ServerToolCall) -> list[bytes]:
        """Write a tool of the provider's that came from this very API."""
        return self._own_item(item.native)

    def _raw(self, item: Raw) -> list[bytes]:
        return self._own_item(item.data) if item.standing == "block" else []

    def _own_item(self, values: Any) -> list[bytes]:
        if not isinstance(values, dict) or values.get("type") not in _NATIVE:
            return []
        return self._whole_item("item", values)

    def _ended(self, item: Finished) -> list[bytes]:
        self._finished = item
        return []

    def _seam(self, item: Seam) -> list[bytes]:
        self._target = item.target
        if not item.restart or not self._outputs:
            return []
        return self._broken(error_values(RESTARTED, "stream_interrupted"))

    def _turn(self, item: Any) -> list[bytes]:
        self._unanswered.begin()
        self._finished = None
        return []

    # -- items --------------------------------------------------------------------------------

    def _new(self, kind: type[OutputT], prefix: str) -> OutputT:
        made = kind(f"{prefix}_{self._id}_{len(self._outputs)}", len(self._outputs), self._event)
        self._outputs.append(made)
        return made

    def _message(self) -> tuple[MessageItem, list[bytes]]:
        """Return the message that is open, and the events that open one where none is."""
        if isinstance(self._open, MessageItem):
            return self._open, []
        frames = self._close_open()
        message = self._open = self._new(MessageItem, "msg")
        # What stands around a piece of text, which is nearly all that is ever written.
        place = {"type": "response.output_text.delta", "item_id": message.id, "output_index": message.place}
        fields = encode({**place, "content_index": 0, "logprobs": []})
        self._before = b'event: response.output_text.delta\ndata: %b,"sequence_number":' % fields[:-1]
        return message, [*frames, *message.open()]

    def _message_text(self) -> tuple[MessageItem, list[bytes]]:
        """Return the message that is open, with a part for its text."""
        message, frames = self._message()
        return message, [*frames, *message.open_text()]

    def _call(self, call: ToolCall | ToolCallDelta) -> tuple[int, list[bytes]]:
        number, new = self._calls.number(call)
        if not new:
            return number, []
        frames = self._close_open()
        item = self._open_calls[number] = self._new(CallItem, "fc")
        return number, [*frames, *item.open(call.id, call.name)]

    def _whole_item(self, prefix: str, values: dict[str, Any]) -> list[bytes]:
        frames = self._close_open()
        item = self._new(WholeItem, prefix)
        return [*frames, *item.open({"id": item.id, **values})]

    def _close_open(self) -> list[bytes]:
        closed, self._open = self._open, None
        return [] if closed is None else closed.close()

    def _close_all(self) -> list[bytes]:
        calls, self._open_calls = self._open_calls, {}
        return [*self._close_open(), *(frame for call in calls.values() for frame in call.close())]

    # -- what stands at the end ---------------------------------------------------------------

    def _left_calls(self) -> list[bytes]:
        """Write the calls of a conversation that nobody has answered."""
        return [frame for call in self._unanswered.left() for frame in self._written_call(call)]

    def _refused(self) -> list[bytes]:
        words = refusal_words(self._finished)
        if not words:
            return []
        message, frames = self._message()
        return [*frames, *message.refuse(words)]

    def _broken(self, error: dict[str, Any]) -> list[bytes]:
        """Return the error, which an SDK raises, and the failed response, with which the API ends."""
        self._over = True
        short = {"code": error["code"], "message": error["message"]}
        said = self._event("error", **short, param=None, error=error)
        failed = {**self._response("failed", [item.values for item in self._outputs]), "error": short}
        return [said, self._event("response.failed", response=failed)]

    def _response(self, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            **self._head,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "output": output,
            "usage": None,
        }

    def _event(self, kind: str, **fields: Any) -> bytes:
        values = {"type": kind, "sequence_number": self._number, **fields}
        self._number += 1
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), encode(values))


_WRITE: Mapping[str, Callable[[ResponsesWriter, Any], list[bytes]]] = {
    "reasoning_delta": ResponsesWriter._reasoning,
    "tool_call_delta": ResponsesWriter._fragment,
    "tool_call": ResponsesWriter._whole_call,
    "source": ResponsesWriter._source,
    "file": ResponsesWriter._file,
    "server_tool_call": ResponsesWriter._native,
    "server_tool_result": ResponsesWriter._native,
    "logprobs": ResponsesWriter._probable,
    "raw": ResponsesWriter._raw,
    "finished": ResponsesWriter._ended,
    "seam": ResponsesWriter._seam,
    "turn_started": ResponsesWriter._turn,
    "tool_result": ResponsesWriter._answered,
}
