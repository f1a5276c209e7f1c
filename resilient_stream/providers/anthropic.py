"""Anthropic's Messages API, as Anthropic, Vertex and the many Anthropic-shaped gateways speak it.

The one rule: only `message_stop` ends an answer. A stop reason before it is not the end, and no event that we
do not know is an error: Anthropic adds block and delta types every few months (recordings QUIRKS 36).
Must never: await, or decide by a model's name; rows of `claude_models.py` say what a model accepts.

Speed: most network reads of an answer hold nothing but text. Those are decoded as `_TextEvent`, whose types
admit nothing else, so no field needs a look per token; any other read is decoded as `_Event` and taken apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from ..chunks import Finished, FinishReason, Raw, ReasoningDelta, TextDelta, ToolCall, ToolCallDelta, Usage
from ..classify import classify_error, classify_response
from ..contract import Batch, Capabilities, Endpoint, HttpRequest, Request
from ..errors import NO_END_MARKER, ErrorKind, Failure
from ..messages import FunctionCall, ImagePart, Message, Part, ReasoningPart, TextPart, Tool
from ..wire.json_events import BatchDecoder, JsonEvents
from ..wire.json_outline import paths
from .claude_models import Generation, generation_of, reasoning_fields
from .error_rules import rules_for
from .schemas import closed
from .tool_calls import fitting_id, parse_arguments
from .values import known, text_of
from .whole import WholeAnswer, accepted, has, sse

__all__ = ["ADAPTER", "FINISH_REASONS", "AnthropicMessages", "MessagesDecoder", "encode_body", "may_think"]


# -- what arrives -----------------------------------------------------------------------------


class _TextDelta(msgspec.Struct, tag_field="type", tag="text_delta", gc=False):
    text: str


class _TextEvent(msgspec.Struct, tag_field="type", tag="content_block_delta", gc=False):
    """A delta of text and nothing else; any other event is a ValidationError."""

    delta: _TextDelta
    error: None = None


class _Delta(msgspec.Struct, gc=False):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None
    stop_details: Any = None


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    index: int = 0
    delta: _Delta | None = None
    content_block: Any = None
    message: Any = None
    usage: Any = None
    error: Any = None


class _ToolBlock(msgspec.Struct):
    """A tool call on its way. input: what its first event already had, the whole of it or nothing."""

    index: int
    id: str
    name: str
    input: str
    pieces: list[str]


_TEXT = BatchDecoder(_TextEvent)
_EVENTS = BatchDecoder(_Event)

FINISH_REASONS: Mapping[str, tuple[FinishReason, str | None]] = {
    "end_turn": ("stop", None),
    "stop_sequence": ("stop", None),
    "tool_use": ("tool_calls", None),
    "max_tokens": ("length", "output_truncated"),
    "model_context_window_exceeded": ("length", "output_truncated"),
    "refusal": ("refusal", "refusal"),
    "pause_turn": ("pause", None),
    "compaction": ("pause", None),
}
"""What an answer may end with, and the kind when it is not a whole one. Not here: "other"."""


class MessagesDecoder:
    """One answer of the Messages API; see `contract.Decoder`."""

    __slots__ = (
        "_eof_ok", "_events", "_explanation", "_plain", "_provider", "_raw", "_seen", "_stop_reason",
        "_tool_calls", "_tools", "_usage", "done", "failure", "model", "progress", "response_id",
    )  # fmt: skip

    def __init__(self, provider: str, *, max_event_bytes: int, raw: bool = False, eof_ok: bool = False) -> None:
        self._events = JsonEvents(_EVENTS, max_event_bytes)
        self._provider = provider
        self._raw = raw
        self._eof_ok = eof_ok
        self._plain = False
        self._seen = False
        self._tools: dict[int, _ToolBlock] = {}
        self._tool_calls = 0
        self._usage: dict[str, Any] = {}
        self._stop_reason: str | None = None
        self._explanation = ""
        self.failure: Failure | None = None
        self.done = False
        self.progress = 0
        self.model: str | None = None
        self.response_id: str | None = None

    def feed(self, data: bytes) -> Batch:
        """Decode one network read."""
        if self.done or self.failure is not None:
            return []
        payloads = self._events.payloads(data)
        if self._plain and payloads:
            batch = self._text_only(payloads)
            if batch is not None:
                return batch
        batch = self._read(self._events.decode(payloads), payloads)
        self.failure = self.failure or self._events.failure
        return batch

    def finish(self) -> Batch:
        """The body ended. Whole after `message_stop`, or where the target says eof_ok."""
        if self.done or self.failure is not None:
            return []
        batch = self._read(self._events.finish())
        if self.done or self.failure is not None:
            return batch
        stray = self._events.stray()
        if stray is not None:
            self.failure = classify_error(stray, rules_for(self._provider))
        elif self._eof_ok and self._seen:
            self._message_stop(_Event(), batch)
        else:
            self.failure = NO_END_MARKER
        return batch

    def _text_only(self, payloads: list[bytes]) -> Batch | None:
        """The whole read as text, or None when there is anything else in it."""
        events = _TEXT.decode(payloads)
        if events is None:
            self._plain = False
            return None
        return [TextDelta(text) for event in events if (text := event.delta.text)]

    def _read(self, events: list[_Event], payloads: Sequence[bytes] = ()) -> Batch:
        batch: Batch = []
        for place, event in enumerate(events):
            read = _READERS.get("error" if event.error else event.type)
            if read is None or not read(self, event, batch):
                self._pass(event, payloads[place : place + 1], batch)
            if self.done or self.failure is not None:
                break
        self._seen = self._seen or any(chunk.content for chunk in batch)
        self._plain = bool(batch) and type(batch[-1]) is TextDelta
        return batch

    # Each reader says whether it knew the event.

    def _message_start(self, event: _Event, batch: Batch) -> bool:
        message = event.message if isinstance(event.message, dict) else {}
        id = text_of(message.get("id"))
        if self._is_another(id, batch):
            self.failure = Failure(kind=ErrorKind.STREAM_INTERRUPTED, code="message_restarted")
            return True
        if self.response_id is None or id not in ("", self.response_id):
            self._given(message, batch)
        self.response_id = id or self.response_id
        self.model = text_of(message.get("model")) or self.model
        self._count(message.get("usage"), batch)
        return True

    def _given(self, message: dict[str, Any], batch: Batch) -> None:
        """A message that goes on with calls planned earlier has them in its first event, stop reason and all."""
        self._stop_reason = text_of(message.get("stop_reason")) or self._stop_reason
        content = message.get("content")
        for index, block in enumerate(content if isinstance(content, list) else ()):
            self._block_start(_Event(index=index, content_block=block), batch)
            self._block_stop(_Event(index=index), batch)

    def _is_another(self, id: str, batch: Batch) -> bool:
        """A proxy that tries again inside one stream begins a second message. Before any content that is as
        good as the first; after it, the two must not be spliced (QUIRKS 37)."""
        begun = self._seen or any(chunk.content for chunk in batch)
        return bool(begun and id and self.response_id and id != self.response_id)

    def _block_start(self, event: _Event, batch: Batch) -> bool:
        block = event.content_block if isinstance(event.content_block, dict) else {}
        kind = block.get("type")
        if kind == "tool_use":
            batch.append(self._tool_start(event.index, block))
        elif kind == "text":
            batch += _text(block.get("text"))
        elif kind == "thinking":
            batch += _reasoning(block.get("thinking"), block.get("signature"))
        elif kind == "redacted_thinking":
            batch += _redacted(block.get("data"))
        return kind in ("tool_use", "text", "thinking", "redacted_thinking")

    def _tool_start(self, index: int, block: dict[str, Any]) -> ToolCallDelta:
        given = msgspec.json.encode(block["input"]).decode() if block.get("input") else ""
        tool = _ToolBlock(self._tool_calls, text_of(block.get("id")), text_of(block.get("name")), given, [])
        self._tool_calls += 1
        self._tools[index] = tool
        return ToolCallDelta(tool.index, tool.id, tool.name, "")

    def _block_delta(self, event: _Event, batch: Batch) -> bool:
        delta = event.delta or _Delta()
        if delta.type == "text_delta":
            batch += _text(delta.text)
        elif delta.type in ("thinking_delta", "signature_delta"):
            batch += _reasoning(delta.thinking, delta.signature)
        elif delta.type == "input_json_delta" and (tool := self._tools.get(event.index)) is not None:
            if delta.partial_json:
                tool.pieces.append(delta.partial_json)
                batch.append(ToolCallDelta(tool.index, tool.id, tool.name, delta.partial_json))
        else:
            return False
        return True

    def _block_stop(self, event: _Event, batch: Batch) -> bool:
        tool = self._tools.pop(event.index, None)
        if tool is not None:
            if tool.input and not tool.pieces:
                tool.pieces.append(tool.input)
                batch.append(ToolCallDelta(tool.index, tool.id, tool.name, tool.input))
            text = "".join(tool.pieces)
            batch.append(ToolCall(tool.index, tool.id, tool.name, text, parse_arguments(text)))
        return True

    def _message_delta(self, event: _Event, batch: Batch) -> bool:
        delta = event.delta or _Delta()
        self._stop_reason = delta.stop_reason or self._stop_reason
        if isinstance(delta.stop_details, dict):
            self._explanation = text_of(delta.stop_details.get("explanation"))
        self._count(event.usage, batch)
        return True

    def _message_stop(self, event: _Event, batch: Batch) -> bool:
        self.done = True
        for index in list(self._tools):
            self._block_stop(_Event(index=index), batch)
        if self._stop_reason is not None:
            reason, kind = FINISH_REASONS.get(self._stop_reason, ("other", None))
            batch.append(Finished(reason, self._stop_reason, kind, self._explanation))
        return True

    def _error(self, event: _Event, batch: Batch) -> bool:
        said = {"type": "error", "error": event.error or event.message or {}}
        self.failure = classify_error(said, rules_for(self._provider))
        return True

    def _ping(self, event: _Event, batch: Batch) -> bool:
        return True

    def _pass(self, event: _Event, payload: Sequence[bytes], batch: Batch) -> None:
        """Server tools, citations and what is new. Only what belongs to the content counts as progress: an
        event type that nobody knows may well be a new keep-alive."""
        self.progress += event.type.startswith("content_block")
        if self._raw and payload:
            batch.append(Raw(self._provider, event.type, msgspec.json.decode(payload[0])))

    def _count(self, usage: Any, batch: Batch) -> None:
        """Counts are cumulative, and each event has some of them: the last of each stands (QUIRKS 35)."""
        if isinstance(usage, dict) and usage:
            self._usage.update({name: value for name, value in usage.items() if value is not None})
            batch.append(read_usage(self._usage))


_Reader: TypeAlias = Callable[[MessagesDecoder, _Event, Batch], bool]

_READERS: Mapping[str, _Reader] = {
    "message_start": MessagesDecoder._message_start,
    "content_block_start": MessagesDecoder._block_start,
    "content_block_delta": MessagesDecoder._block_delta,
    "content_block_stop": MessagesDecoder._block_stop,
    "message_delta": MessagesDecoder._message_delta,
    "message_stop": MessagesDecoder._message_stop,
    "ping": MessagesDecoder._ping,
    "error": MessagesDecoder._error,
}


def _text(value: Any) -> Batch:
    text = text_of(value)
    return [TextDelta(text)] if text else []


def _reasoning(text: Any, signature: Any) -> Batch:
    thought, proof = text_of(text), text_of(signature)
    return [ReasoningDelta(thought, proof or None)] if thought or proof else []


def _redacted(data: Any) -> Batch:
    block = text_of(data)
    return [ReasoningDelta("", None, block)] if block else []


def read_usage(usage: Mapping[str, Any]) -> Usage:
    """Anthropic's counts as it gives them: `input_tokens` excludes what the cache was read or written for."""
    details = usage.get("output_tokens_details")
    return Usage(
        input_tokens=_whole(usage.get("input_tokens")),
        output_tokens=_whole(usage.get("output_tokens")),
        reasoning_tokens=_whole(details.get("thinking_tokens")) if isinstance(details, dict) else None,
        cached_input_tokens=_whole(usage.get("cache_read_input_tokens")),
        cache_write_tokens=_whole(usage.get("cache_creation_input_tokens")),
    )


def _whole(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None


# -- a whole answer ---------------------------------------------------------------------------

LONG_TEXTS = paths("content.*.text", "content.*.thinking")

_MESSAGE = msgspec.json.Decoder(dict[str, msgspec.Raw])


def as_stream(outline: bytes) -> bytes:
    """A whole message as a stream whose first event has it all already (see `_given`); an error is an event."""
    message = _MESSAGE.decode(outline)
    if has(message, "error"):
        return sse(outline)
    delta = {name: message[name] for name in ("stop_reason", "stop_details") if name in message}
    return sse(
        msgspec.json.encode({"type": "message_start", "message": message}),
        msgspec.json.encode({"type": "message_delta", "delta": delta}),
        b'{"type":"message_stop"}',
    )


# -- what is sent -----------------------------------------------------------------------------


class AnthropicMessages(msgspec.Struct, frozen=True):
    """The adapter of Anthropic's API; see `contract.Adapter`. What becomes of a request's fields there:

    max_tokens: the API demands it; unset, it is the `max_tokens` of the model's row in `claude_models.py`
        (4,096 for Claude 3 to 32,000 since 4.6), plus the thinking budget.
    reasoning: a budget, or adaptive thinking with an effort, whichever the model takes. Left out where the
        API refuses it: with a forced tool, and while an assistant turn goes on that began without thinking.
    temperature, top_p: left out for models that refuse them (4.7 and later) and while the model thinks; where
        both together are refused (4.1 and later), temperature is sent.
    seed: has no equivalent and is ignored.
    output: `output_config.format`, for Claude 4.5 and later.
    """

    name: str = "anthropic"
    title: str = "Anthropic"
    base_url: str = "https://api.anthropic.com"
    key_variables: tuple[str, ...] = ("ANTHROPIC_API_KEY",)
    url_variable: str = "ANTHROPIC_BASE_URL"
    default_model: str | None = None
    media_types: tuple[str, ...] = ("text/event-stream",)

    def capabilities(self, model: str) -> Capabilities:
        """Prefill is a column of the model's row."""
        return Capabilities(prefill=generation_of(model).prefill, whole=True)

    def encode(self, request: Request, endpoint: Endpoint) -> HttpRequest:
        """A Messages request."""
        headers = {
            "Content-Type": "application/json",
            "Accept": accepted(request),
            "anthropic-version": "2023-06-01",
        }
        if endpoint.api_key:
            headers["x-api-key"] = endpoint.api_key
        headers.update(endpoint.headers)
        body = {**encode_body(request), **request.extra}
        url = f"{endpoint.base_url}/v1/messages"
        return HttpRequest(url=url, headers=headers, body=msgspec.json.encode(body))

    def decoder(self, request: Request) -> MessagesDecoder:
        """A decoder for one answer, as the target's options ask for it."""
        return MessagesDecoder(
            self.name,
            **request.decoding,
        )

    def whole_decoder(self, request: Request) -> WholeAnswer:
        """The same for an answer in one piece."""
        return WholeAnswer(self.decoder(request), LONG_TEXTS, as_stream, **request.decoding)

    def classify(self, status: int, headers: Mapping[str, str], body: bytes, max_retry_after: float = 60.0) -> Failure:
        """The shared rules with Anthropic's own in front."""
        return classify_response(status, headers, body, rules_for(self.name), max_retry_after=max_retry_after)


ADAPTER = AnthropicMessages()

_SYSTEM = ("system", "developer")
_CALL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_THINKING = ("thinking", "redacted_thinking")


def encode_body(request: Request) -> dict[str, Any]:
    """The request's body, without `extra`; Vertex and Bedrock send it with the model elsewhere."""
    accepts = generation_of(request.model)
    fields: dict[str, Any] = {
        "model": request.model,
        "max_tokens": request.max_tokens or accepts.max_tokens,
        "stream": request.stream,
        "system": _system(request.messages),
        "messages": _turns(request.messages),
        "tools": [_tool(tool) for tool in request.tools] or None,
        "tool_choice": _tool_choice(request.tool_choice),
        "stop_sequences": list(request.stop) or None,
        **reasoning_fields(
            request.model,
            request.reasoning,
            request.max_tokens,
            tool_is_forced=request.tool_choice not in (None, "auto", "none"),
            may_think=may_think(request.messages),
        ),
    }
    if request.output is not None:
        form = {"type": "json_schema", "schema": closed(request.output)}
        fields["output_config"] = {**fields.get("output_config", {}), "format": form}
    fields |= _sampling_fields(request, accepts, fields.get("thinking"))
    return known(fields)


def _system(messages: Sequence[Message]) -> str | None:
    """All system messages, wherever they stand: the API has one place for them."""
    texts = [message.text for message in messages if message.role in _SYSTEM]
    return "\n\n".join(filter(None, texts)) or None


def _turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Turns that alternate: messages of one role in a row become one, tool results are the user's."""
    turns: list[tuple[str, list[dict[str, Any]]]] = []
    for message in messages:
        if message.role not in _SYSTEM:
            role = "assistant" if message.role == "assistant" else "user"
            if not turns or turns[-1][0] != role:
                turns.append((role, []))
            turns[-1][1].extend(_message_blocks(message))
    for role, blocks in turns:
        if role == "assistant":
            _strip_last_thinking(blocks)
    if turns and turns[-1][0] == "assistant" and not _strip_prefill(turns[-1][1]):
        turns.pop()
    return [{"role": role, "content": _content(blocks)} for role, blocks in turns]


def _strip_last_thinking(blocks: list[dict[str, Any]]) -> None:
    """The API refuses a turn that ends in thinking, as an answer does that was cut before its next word."""
    while blocks and (blocks[-1]["type"] in _THINKING or not blocks[-1].get("text", "-").strip()):
        blocks.pop()


def _strip_prefill(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The API refuses an unfinished turn that ends in white space, and one of nothing else."""
    while blocks and "text" in blocks[-1]:
        blocks[-1]["text"] = blocks[-1]["text"].rstrip()
        if blocks[-1]["text"]:
            break
        blocks.pop()
    return blocks


def _content(blocks: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """Text alone as a string. Blank text is refused beside other blocks; nothing at all is a single space."""
    kept = [block for block in blocks if block.get("text", "-").strip()]
    if all(block.keys() == {"type", "text"} for block in kept) and len(kept) < 2:
        return kept[0]["text"] if kept else " "
    return kept


def _message_blocks(message: Message) -> list[dict[str, Any]]:
    blocks = [block for part in message.parts if (block := _block(part)) is not None]
    if message.role == "tool":
        id = fitting_id(message.tool_call_id or "", _CALL_ID)
        return [{"type": "tool_result", "tool_use_id": id, "content": _content(blocks)}]
    return [*blocks, *map(_tool_use, message.tool_calls)]


def _block(part: Part) -> dict[str, Any] | None:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, ImagePart):
        return {"type": "image", "source": _image_source(part)}
    return _thinking_block(part)


def _image_source(image: ImagePart) -> dict[str, Any]:
    data = image.data()
    if data is None:
        return {"type": "url", "url": image.url}
    return {"type": "base64", "media_type": data[0], "data": data[1]}


def _thinking_block(part: ReasoningPart) -> dict[str, Any] | None:
    """Signed or encrypted reasoning goes back as it came; unsigned reasoning would be refused."""
    if part.redacted:
        return {"type": "redacted_thinking", "data": part.redacted}
    if part.signature:
        return {"type": "thinking", "thinking": part.text, "signature": part.signature}
    return None


def _tool_use(call: FunctionCall) -> dict[str, Any]:
    arguments = parse_arguments(call.arguments) or {}
    return {"type": "tool_use", "id": fitting_id(call.id, _CALL_ID), "name": call.name, "input": arguments}


def _tool(tool: Tool) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": tool.name, "input_schema": {"type": "object", **tool.parameters}}
    if tool.description:
        fields["description"] = tool.description
    if tool.strict:
        fields["strict"] = True
    return fields


def _tool_choice(choice: str | None) -> dict[str, Any] | None:
    if choice is None:
        return None
    kind = {"auto": "auto", "none": "none", "required": "any"}.get(choice)
    return {"type": kind} if kind else {"type": "tool", "name": choice}


def _sampling_fields(request: Request, accepts: Generation, thinking: Any) -> dict[str, Any]:
    """temperature and top_p where they are accepted; where only one of them is, temperature stands."""
    if accepts.sampling == "none" or thinking is not None:
        return {}
    fields = {"temperature": request.temperature, "top_p": request.top_p}
    if accepts.sampling == "one" and request.temperature is not None:
        del fields["top_p"]
    return fields


def may_think(messages: Sequence[Message]) -> bool:
    """Whether the assistant turn that goes on (a prefill, a tool loop), if any, began with thinking."""
    after = [message.role for message in messages if message.role not in _SYSTEM]
    while after and after[-1] == "tool":
        after.pop()
    if not after or after[-1] != "assistant":
        return True
    last = next(message for message in reversed(messages) if message.role == "assistant")
    return any(isinstance(part, ReasoningPart) and _thinking_block(part) for part in last.parts[:1])
