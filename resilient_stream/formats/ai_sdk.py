"""Writes the format `ai-sdk`: Vercel's UI message stream, which `useChat` of the npm package `ai` reads (versions 5 to
7).

It is Server-Sent Events, each a part of one message, and `[DONE]` at the end. Parts of a text stand between a start and
an end with the same id, and a turn of a conversation is a step. What has no part of its own goes as a `data-…` part.
What stays at the server: signed and encrypted reasoning, the signatures of calls, and blocks in their provider's own
form, which only `as_history()` can send back.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from ..chunks import (
    File,
    Finished,
    FinishReason,
    Logprobs,
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
from ..conversation.items import chunk_to_dict
from ..conversation.progress import ToolProgress
from ..conversation.turns import ToolResult, TurnStarted
from ..outcome.archive import plain, shallow
from ..outcome.errors import StreamError
from .statuses import NOT_STORED, shown
from .text import text_refusal
from .values import encode
from .writer import About, Ending, Item, Refusal

__all__ = ["FINISH_REASONS", "AiSdkWriter"]

Part: TypeAlias = dict[str, Any]
"""One event: a part of the stream, with its type."""

FINISH_REASONS: Mapping[FinishReason, str] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool-calls",
    "content_filter": "content-filter",
    "refusal": "content-filter",
    "pause": "other",
    "other": "other",
}
"""The package's word for each of ours; it refuses a stream with any other."""

NOT_AN_OBJECT = "The arguments of this call are not a JSON object."
DONE = b"data: [DONE]\n\n"


class _Calls:
    """Keeps the calls of one turn, with ids as a conversation gives them: each is there and used once.

    started: the calls of which fragments were written.
    """

    def __init__(self, turn: int) -> None:
        self.turn = turn
        self.started: set[str] = set()
        self.whole: dict[str, None] = {}

    def id_of(self, call: ToolCall) -> str:
        """Return the id of a whole call, and keep it."""
        own = call.id if call.id and call.id not in self.whole else f"call_{self.turn}_{call.index}_{len(self.whole)}"
        self.whole[own] = None
        return own


class AiSdkWriter:
    """Writes one answer as one message.

    message_id: the id of the page's own message that this answer goes on with (`UiRequest.continues`); without one it
    is a new message. resets: the page has version 7 of the package or newer, which takes back what a recovery made
    void; older ones refuse a stream that asks for it.
    """

    media_type = "text/event-stream"
    headers: Mapping[str, str] = {**NOT_STORED, "x-vercel-ai-ui-message-stream": "v1"}
    heartbeat = b": waiting\n\n"
    numbered = True
    cut = False

    def __init__(self, message_id: str | None = None, *, resets: bool = False) -> None:
        self._message_id = message_id
        self._resets = resets
        self._open: tuple[str, str] | None = None
        self._text = b""
        self._in_step = False
        self._calls = _Calls(1)
        self._known: set[str] = set()
        self._counts: dict[str, int] = {}

    def begin(self, about: About) -> list[bytes]:
        """Return the start of the message."""
        return [_frame({"type": "start", "messageId": self._message_id or about.id})]

    def write(self, items: Sequence[Item]) -> list[bytes]:
        """Return the parts of a batch."""
        frames: list[bytes] = []
        for item in items:
            if type(item) is TextDelta and self._text:  # a fast way for nearly all chunks of an answer
                frames.append(b"%b%b}\n\n" % (self._text, encode(item.text)))
            else:
                frames += map(_frame, self._parts(item))
        return frames

    def end(self, ending: Ending) -> list[bytes]:
        """Return the end of what is open, how the answer ended, and `[DONE]`.

        The page reads nothing behind an error, so the message's metadata come before it.
        """
        known = {"outcome": ending.outcome, "usage": plain(ending.usage), "finishReason": ending.finish_reason}
        return [*map(_frame, (*self._end_step(), *_ended(ending, known))), DONE]

    def refusal(self, error: StreamError) -> Refusal:
        """Return the error in words: the page shows the whole body as the message of its error."""
        return text_refusal(error)

    # -- what each item becomes ----------------------------------------------------------------

    def _parts(self, item: Item) -> list[Part]:
        if type(item) is TurnStarted:
            return self._turn(item)
        written = _PARTS.get(type(item), AiSdkWriter._unknown)
        return [*self._begin_step(), *written(self, item if type(item) in _FLAT else shallow(item))]

    def _turn(self, item: TurnStarted) -> list[Part]:
        self._calls = _Calls(item.number)
        return [*self._end_step(), *self._begin_step()]

    def _begin_step(self) -> list[Part]:
        begun, self._in_step = self._in_step, True
        return [] if begun else [{"type": "start-step"}]

    def _end_step(self) -> list[Part]:
        begun, self._in_step = self._in_step, False
        return [*self._close(), {"type": "finish-step"}] if begun else []

    def _open_text(self, kind: str) -> list[Part]:
        """Return the parts that make a text of this kind the open one."""
        if self._open is not None and self._open[0] == kind:
            return []
        closed, id = self._close(), f"{kind}-{self._count(kind)}"
        self._open = kind, id
        if kind == "text":
            self._text = b'data: {"type":"text-delta","id":"%b","delta":' % id.encode()
        return [*closed, {"type": f"{kind}-start", "id": id}]

    def _close(self) -> list[Part]:
        open, self._open, self._text = self._open, None, b""
        return [] if open is None else [{"type": f"{open[0]}-end", "id": open[1]}]

    def _piece(self, kind: str, text: str) -> list[Part]:
        begun = self._open_text(kind)
        return [*begun, {"type": f"{kind}-delta", "id": f"{kind}-{self._counts[kind]}", "delta": text}]

    def _count(self, kind: str) -> int:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return self._counts[kind]

    def _text_delta(self, item: TextDelta) -> list[Part]:
        return self._piece("text", item.text)

    def _thought(self, item: ReasoningDelta) -> list[Part]:
        return self._piece("reasoning", item.reasoning) if item.reasoning else []

    def _fragment(self, item: ToolCallDelta) -> list[Part]:
        """Write a fragment of a call. A call whose provider gives no id has none before it is whole."""
        if not item.id or item.id in self._calls.whole:
            return []
        begun: list[Part] = []
        if item.id not in self._calls.started:
            self._calls.started.add(item.id)
            begun = [*self._close(), {"type": "tool-input-start", "toolCallId": item.id, "toolName": _name(item.name)}]
        delta = {"type": "tool-input-delta", "toolCallId": item.id, "inputTextDelta": item.arguments}
        return [*begun, delta] if item.arguments else begun

    def _call(self, item: ToolCall) -> list[Part]:
        id = self._calls.id_of(item)
        self._known.add(id)
        call: Part = {"type": "tool-input-available", "toolCallId": id, "toolName": _name(item.name)}
        if item.parsed is None or item.error:
            call |= {"type": "tool-input-error", "input": item.arguments, "errorText": item.error or NOT_AN_OBJECT}
        else:
            call["input"] = item.parsed
        return [*self._close(), call]

    def _progress(self, item: ToolProgress) -> list[Part]:
        output = {"message": item.message, "progress": item.progress, "total": item.total}
        return [*self._introduced(item.id, item.name), _output(item.id, output) | {"preliminary": True}]

    def _result(self, item: ToolResult) -> list[Part]:
        told = _failed(item.id, item.content) if item.error else _output(item.id, _result_of(item))
        return [*self._introduced(item.id, item.name), told]

    def _server_call(self, item: ServerToolCall) -> list[Part]:
        id = item.id or f"server-{self._count('server')}"
        self._known.add(id)
        call: Part = {
            "type": "tool-input-available", "toolCallId": id, "toolName": _name(item.name),
            "input": item.arguments if item.parsed is None else item.parsed, "providerExecuted": True,
        }  # fmt: skip
        asks = {"type": "tool-approval-request", "approvalId": id, "toolCallId": id}
        return [*self._close(), call, asks] if item.waits else [*self._close(), call]

    def _server_result(self, item: ServerToolResult) -> list[Part]:
        id = item.id or f"server-{self._counts.get('server', 0)}"
        told = _failed(id, encode(item.result).decode()) if item.is_error else _output(id, item.result)
        return [*self._introduced(id, item.name, providerExecuted=True), told | {"providerExecuted": True}]

    def _introduced(self, id: str, name: str, **more: Any) -> list[Part]:
        """Return the call of a result that came without one; the page refuses a result of a call that it has not."""
        if id in self._known:
            return []
        self._known.add(id)
        call = {"type": "tool-input-available", "toolCallId": id, "toolName": _name(name), "input": {}}
        return [*self._close(), call | more]

    def _source(self, item: Source) -> list[Part]:
        """Write a source, around which a text goes on."""
        told = {name: value for name, value in chunk_to_dict(item).items() if name in ("quote", "start", "end", "id")}
        more: Part = {"providerMetadata": {"resilient_stream": told}} if told else {}
        id = f"source-{self._count('source')}"
        if item.url:
            titled = {"title": item.title} if item.title else {}
            return [{"type": "source-url", "sourceId": id, "url": item.url, **titled, **more}]
        title = item.title or item.quote or item.id or "Document"
        kind = "application/octet-stream"  # the part needs a media type, and no provider gives one
        return [{"type": "source-document", "sourceId": id, "mediaType": kind, "title": title, **more}]

    def _file(self, item: File) -> list[Part]:
        """Write a file. The words of a recording are part of the answer's text. A file with neither bytes nor address
        has no part."""
        words = self._piece("text", item.text) if item.text else []
        url = item.url
        if item.data is not None:
            url = f"data:{item.media_type};base64,{base64.b64encode(item.data).decode()}"
        if not url:
            return [*words, *self._close(), _data("file", {"mediaType": item.media_type, "id": item.id})]
        return [*words, *self._close(), {"type": "file", "url": url, "mediaType": item.media_type}]

    def _logprobs(self, item: Logprobs) -> list[Part]:
        return [_data("logprobs", item.tokens) | {"transient": True}]

    def _usage(self, item: Usage) -> list[Part]:
        return [{"type": "message-metadata", "messageMetadata": {"usage": plain(item)}}]

    def _finished(self, item: Finished) -> list[Part]:
        told = {name: value for name, value in chunk_to_dict(item).items() if name != "type"}
        return [{"type": "message-metadata", "messageMetadata": {"finished": told}}]

    def _seam(self, item: Seam) -> list[Part]:
        """Write a seam. A text that goes on stays open. One that begins anew is a step of its own, or takes the step
        back."""
        told = _data("seam", plain(item))
        if not item.restart:
            return [told]
        self._calls = _Calls(self._calls.turn)
        if self._resets:
            self._known.clear()
            return [*self._close(), {"type": "reset-step"}, told]
        return [*self._end_step(), told, *self._begin_step()]

    def _raw(self, item: Raw) -> list[Part]:
        told = _data("raw", plain(item))
        return [told | {"transient": True}] if item.standing == "extra" else [told]

    def _unknown(self, item: Any) -> list[Part]:
        """Write an item of a class that is newer than this format as what it is."""
        return [_data("item", chunk_to_dict(item))]


_PARTS: Mapping[type[Any], Callable[[AiSdkWriter, Any], list[Part]]] = {
    TextDelta: AiSdkWriter._text_delta,
    ReasoningDelta: AiSdkWriter._thought,
    ToolCallDelta: AiSdkWriter._fragment,
    ToolCall: AiSdkWriter._call,
    Source: AiSdkWriter._source,
    File: AiSdkWriter._file,
    ServerToolCall: AiSdkWriter._server_call,
    ServerToolResult: AiSdkWriter._server_result,
    Logprobs: AiSdkWriter._logprobs,
    Usage: AiSdkWriter._usage,
    Finished: AiSdkWriter._finished,
    Seam: AiSdkWriter._seam,
    Raw: AiSdkWriter._raw,
    ToolProgress: AiSdkWriter._progress,
    ToolResult: AiSdkWriter._result,
}
"""What is written of each class. `TurnStarted` is not here, since it begins a step and is in none."""


_FLAT = (TextDelta, ReasoningDelta, ToolCallDelta)
"""The classes of nearly all chunks, which have no decoded JSON that could have too many levels."""


def _ended(ending: Ending, known: Part) -> list[Part]:
    if ending.error is not None:
        told = shown(ending.error)
        return [
            {"type": "message-metadata", "messageMetadata": {**known, "error": told}},
            {"type": "error", "errorText": f"{told['title']}: {told['message']}"},
            {"type": "finish", "finishReason": "error"},
        ]
    if ending.outcome != "complete":
        why = "stopped" if ending.stopped else ending.outcome
        return [{"type": "message-metadata", "messageMetadata": known}, {"type": "abort", "reason": why}]
    reason = FINISH_REASONS[ending.finish_reason or "other"]
    return [{"type": "finish", "finishReason": reason, "messageMetadata": known}]


def _frame(part: Part) -> bytes:
    return b"data: %b\n\n" % encode(part)


def _data(name: str, data: Any) -> Part:
    return {"type": f"data-{name}", "data": data}


def _name(name: str) -> str:
    return name or "unnamed"


def _output(id: str, output: Any) -> Part:
    return {"type": "tool-output-available", "toolCallId": id, "output": output}


def _failed(id: str, text: str) -> Part:
    return {"type": "tool-output-error", "toolCallId": id, "errorText": text}


def _result_of(item: ToolResult) -> Any:
    """Return what a tool gave, as the page is to have it: parts, the value of JSON text, or the text."""
    if item.parts:
        return chunk_to_dict(item)["parts"]
    if item.content[:1] not in ("{", "["):
        return item.content
    try:
        return msgspec.json.decode(item.content)
    except (msgspec.DecodeError, RecursionError):
        return item.content
