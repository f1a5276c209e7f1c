"""Writes an answer as the chunks of a chat completion stream, as OpenAI's API and its SDKs know them.

A reader of this format cannot throw away what it has. So an answer that is begun anew ends with an error instead,
unless nothing of it has been written yet. An answer that another target continues goes on as if nothing had happened.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...chunks import File, Finished, Logprobs, ReasoningDelta, Seam, Source, TextDelta, ToolCall, ToolCallDelta
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
    arguments_of,
    data_url,
    finish_reason,
    is_untrusted,
    refusal_words,
    url_citation,
)
from .usage import chat_usage

__all__ = ["LEFT_OUT", "ChatWriter", "file_fields"]


_DONE = b"data: [DONE]\n\n"

LEFT_OUT: Mapping[str, str] = {
    "usage": "told once, at the end, where the request asks for it",
    "server_tool_call": "chat completions have no place for tools that run at the provider",
    "server_tool_result": "chat completions have no place for tools that run at the provider",
    "raw": "has no place in another API",
    "tool_progress": "chat completions have no place for it",
}
"""Types of items of which nothing is written, each with the reason."""


class ChatWriter:
    """Writes one answer.

    include_usage: whether token counts come at the end. model: the name that is written in place of the target's.
    request_id: what the request is called in its header. advice: whether errors say what to do, which is for whoever
    runs this process.
    """

    media_type = "text/event-stream"
    # A comment without an empty line: behind an `id:`, the official SDK takes that line for an event of its own.
    heartbeat = b": waiting\n"
    numbered = True
    cut = False

    def __init__(
        self,
        *,
        include_usage: bool = False,
        model: str | None = None,
        request_id: str | None = None,
        advice: bool = False,
    ) -> None:
        self._include_usage = include_usage
        self._model = model
        self._request_id = request_id
        self._advice = advice
        self._calls = Calls()
        self._unanswered = Unanswered()
        self._finished: Finished | None = None
        self._written = False
        self._over = False

    @property
    def headers(self) -> Mapping[str, str]:
        """Return further headers of the response."""
        return {**NOT_STORED, **request_headers(self._request_id)}

    def begin(self, about: About) -> list[bytes]:
        """Return the chunk that says whose turn it is."""
        head: dict[str, Any] = {
            "id": f"chatcmpl-{about.id}",
            "object": "chat.completion.chunk",
            "created": about.created,
            "model": self._model or about.model,
        }
        if self._include_usage:
            head["usage"] = None
        self._head = head
        opened = encode(head)[:-1]
        # What stands around a chunk's text, which is nearly all that is ever written.
        self._before = b'data: %b,"choices":[{"index":0,"delta":{"content":' % opened
        return [self._delta({"role": "assistant", "content": ""})]

    def write(self, items: Sequence[Item]) -> list[bytes]:
        """Return a chunk for each item that the format can carry."""
        frames: list[bytes] = []
        for item in items:
            if self._over:
                break
            if type(item) is TextDelta:
                self._written = True
                frames.append(b'%b%b},"finish_reason":null}]}\n\n' % (self._before, encode(item.text)))
            elif (write := _WRITE.get(item.type)) is not None:
                frames += write(self, item)
        return frames

    def end(self, ending: Ending) -> list[bytes]:
        """Return the error of an answer that is not whole, or why it ended and its counts; then the end marker."""
        if self._over:
            return []
        early = ended_early(ending, advice=self._advice)
        self._over = True
        if early is not None:
            return [_event({"error": early}), _DONE]
        return [*self._left_calls(), *self._refused(), self._reason(ending), *self._counts(ending), _DONE]

    def refusal(self, error: StreamError) -> Refusal:
        """Return the error as a response of its own."""
        return refusal(error, self._request_id, advice=self._advice)

    # -- one function for each type of item ---------------------------------------------------

    def _reasoning(self, item: ReasoningDelta) -> list[bytes]:
        """Write what can be read of it, in the field that hosts of open models have for it."""
        self._written = self._written or bool(item.reasoning)
        return [self._delta({"reasoning_content": item.reasoning})] if item.reasoning else []

    def _fragment(self, item: ToolCallDelta) -> list[bytes]:
        if self._unanswered.in_conversation:
            return []
        self._written = True
        number, new = self._calls.number(item)
        return [self._call(number, item.id, item.name if new else "", self._calls.piece(item))]

    def _whole_call(self, item: ToolCall) -> list[bytes]:
        """Write what no fragment had. A call that must not be run ends the answer, as a client would run it."""
        if self._unanswered.in_conversation:
            self._unanswered.add(item)
            return []
        if is_untrusted(item):
            return self._broken(UNTRUSTED + (item.error or ""), "model_output_invalid")
        self._written = True
        number, new = self._calls.number(item)
        rest = self._calls.rest(item)
        return [self._call(number, item.id, item.name if new else "", rest)] if new or rest else []

    def _answered(self, item: ToolResult) -> list[bytes]:
        """Leave out the call of a conversation that was answered here; the others are the client's to answer."""
        self._unanswered.answered(item)
        return []

    def _source(self, item: Source) -> list[bytes]:
        citation = url_citation(item)
        if citation is None:
            return []
        return [self._delta({"annotations": [{"type": "url_citation", "url_citation": citation}]})]

    def _file(self, item: File) -> list[bytes]:
        self._written = True
        return [self._delta(file_fields(item))]

    def _probable(self, item: Logprobs) -> list[bytes]:
        return [self._choice({"delta": {}, "logprobs": {"content": list(item.tokens), "refusal": None}})]

    def _ended(self, item: Finished) -> list[bytes]:
        self._finished = item
        return []

    def _seam(self, item: Seam) -> list[bytes]:
        """Write nothing where the answer goes on. One that begins anew cannot be told to who has a part of it."""
        if not item.restart:
            return []
        return self._broken(RESTARTED, "stream_interrupted") if self._written else []

    def _turn(self, item: Any) -> list[bytes]:
        """Begin another turn of a conversation, which is written as one answer; all calls before it are answered."""
        self._unanswered.begin()
        self._finished = None
        return []

    # -- what stands at the end ---------------------------------------------------------------

    def _left_calls(self) -> list[bytes]:
        """Write the calls of a conversation that nobody has answered."""
        left = enumerate(self._unanswered.left())
        return [self._call(number, call.id, call.name, arguments_of(call)) for number, call in left]

    def _refused(self) -> list[bytes]:
        said = refusal_words(self._finished)
        return [self._delta({"refusal": said})] if said else []

    def _reason(self, ending: Ending) -> bytes:
        given = "length" if ending.stopped else ending.finish_reason
        reason = finish_reason(given, refused=bool(refusal_words(self._finished)))
        return self._choice({"delta": {}, "finish_reason": reason})

    def _counts(self, ending: Ending) -> list[bytes]:
        usage = chat_usage(ending.usage, ending.target) if self._include_usage else None
        return [] if usage is None else [_event({**self._head, "choices": [], "usage": usage})]

    def _broken(self, message: str, code: str) -> list[bytes]:
        self._over = True
        return [_event({"error": error_values(message, code)}), _DONE]

    # -- one chunk ----------------------------------------------------------------------------

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return self._choice({"delta": delta})

    def _choice(self, fields: dict[str, Any]) -> bytes:
        return _event({**self._head, "choices": [{"index": 0, "finish_reason": None, **fields}]})

    def _call(self, number: int, id: str, name: str, arguments: str) -> bytes:
        function = {"name": name, "arguments": arguments} if name else {"arguments": arguments}
        begun = {"id": id, "type": "function"} if name else {}
        return self._delta({"tool_calls": [{"index": number, **begun, "function": function}]})


_WRITE: Mapping[str, Callable[[ChatWriter, Any], list[bytes]]] = {
    "reasoning_delta": ChatWriter._reasoning,
    "tool_call_delta": ChatWriter._fragment,
    "tool_call": ChatWriter._whole_call,
    "source": ChatWriter._source,
    "file": ChatWriter._file,
    "logprobs": ChatWriter._probable,
    "finished": ChatWriter._ended,
    "seam": ChatWriter._seam,
    "turn_started": ChatWriter._turn,
    "tool_result": ChatWriter._answered,
}


def file_fields(file: File) -> dict[str, Any]:
    """Return the field of a message for a file that the model made: OpenAI's for audio, OpenRouter's for pictures, and
    the part of a request for any other."""
    kind = file.media_type.partition("/")[0]
    if kind == "audio" and file.data is not None:
        sound = base64.b64encode(file.data).decode()
        return {"audio": {"id": file.id, "data": sound, "transcript": file.text, "expires_at": 0}}
    if kind == "image":
        return {"images": [{"type": "image_url", "image_url": {"url": data_url(file)}}]}
    return {"files": [{"type": "file", "file": {"file_data": data_url(file), "file_id": file.id}}]}


def _event(values: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % encode(values)
