"""OpenAI's chat completions, as OpenAI and all the hosts of `hosts.py` speak it.

The one rule: read what is sent, by whomever. Where a server's chunk goes in one of the many ways seen on the
wire (recordings QUIRKS 24-34) it is read, never refused; only the ends are strict: `[DONE]` or a finish reason.
Must never: await, or know a host by name; rows of `hosts.py` say what differs.

Speed: most network reads of an answer hold nothing but text. Those are decoded as `_TextEvent`, whose types
admit nothing else, so no field needs a look per token; any other read is decoded as `_Event` and taken apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import msgspec

from ..chunks import Chunk, Finished, FinishReason, Raw, ReasoningDelta, TextDelta
from ..classify import classify_error, classify_response
from ..contract import Batch, Capabilities, Endpoint, HttpRequest, Request
from ..errors import NO_END_MARKER, ErrorKind, Failure
from ..messages import FunctionCall, Message
from ..wire.json_events import BatchDecoder, JsonEvents
from ..wire.json_outline import paths
from .chat_shape import encode_call, encode_message, encode_tool, encode_tool_choice
from .counts import openai_usage
from .effort import effort_for
from .error_rules import rules_for
from .hosts import Host, Prefill
from .schemas import strict
from .tool_calls import ToolCalls, fitting_id
from .values import known, object_of
from .whole import WholeAnswer, accepted, has, sse

__all__ = ["FINISH_REASONS", "ChatDecoder", "OpenAIChat"]


# -- what arrives -----------------------------------------------------------------------------


class _TextContent(msgspec.Struct, gc=False):
    content: str
    tool_calls: None = None
    function_call: None = None
    refusal: None = None
    reasoning: None = None
    reasoning_content: None = None
    reasoning_details: None = None


class _TextChoice(msgspec.Struct, gc=False):
    delta: _TextContent
    finish_reason: None = None
    index: Literal[0] = 0


class _TextEvent(msgspec.Struct, gc=False):
    """A chunk that is text and nothing else; anything more is a ValidationError."""

    choices: tuple[_TextChoice]
    usage: None = None
    error: None = None
    x_groq: None = None


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: Any = None


class _Fragment(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None
    extra_content: Any = None


class _Delta(msgspec.Struct, gc=False):
    content: str | list[Any] | None = None
    tool_calls: list[_Fragment] | None = None
    function_call: _Function | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    reasoning_details: list[Any] | None = None


class _Choice(msgspec.Struct, gc=False):
    delta: _Delta | None = None
    finish_reason: str | None = None
    index: int | None = 0
    error: Any = None


class _Event(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None
    x_groq: Any = None
    id: Any = None
    model: Any = None
    code: Any = None
    message: Any = None
    detail: Any = None
    object: Any = None
    type: Any = None


_TEXT = BatchDecoder(_TextEvent)
_EVENTS = BatchDecoder(_Event)

FINISH_REASONS: Mapping[str, tuple[FinishReason, str | None]] = {
    "stop": ("stop", None),
    "end_turn": ("stop", None),
    "eos": ("stop", None),
    "eos_token": ("stop", None),
    "stop_sequence": ("stop", None),
    "COMPLETE": ("stop", None),
    "length": ("length", "output_truncated"),
    "max_tokens": ("length", "output_truncated"),
    "model_length": ("length", "output_truncated"),
    "model_context_window_exceeded": ("length", "output_truncated"),
    "tool_calls": ("tool_calls", None),
    "tool_use": ("tool_calls", None),
    "function_call": ("tool_calls", None),
    "content_filter": ("content_filter", "content_filtered"),
    "sensitive": ("content_filter", "content_filtered"),
    "safety": ("content_filter", "content_filtered"),
    "refusal": ("refusal", "refusal"),
}
"""What an answer may end with, and the kind when it is not a whole one. Not here and not below: "other"."""

FAILED_REASONS: Mapping[str, ErrorKind] = {
    "error": ErrorKind.SERVER_ERROR,
    "network_error": ErrorKind.SERVER_ERROR,
    "abort": ErrorKind.STREAM_INTERRUPTED,
    "insufficient_system_resource": ErrorKind.PROVIDER_OVERLOADED,
    "malformed_function_call": ErrorKind.MODEL_OUTPUT_INVALID,
    "MALFORMED_FUNCTION_CALL": ErrorKind.MODEL_OUTPUT_INVALID,
    "function_call_filter: MALFORMED_FUNCTION_CALL": ErrorKind.MODEL_OUTPUT_INVALID,
}
"""The known-bad list: ends that are no answer. OpenRouter, Z.ai, SGLang, DeepSeek, Gemini's own compatibility."""


_ANY_ID = re.compile(r".{1,40}", re.DOTALL)
"""OpenAI refuses a longer one."""


class ChatDecoder:
    """One chat completion stream; see `contract.Decoder`. Choice 0 is the answer; others come as `Raw`."""

    __slots__ = (
        "_calls", "_eof_ok", "_events", "_finish", "_plain", "_provider", "_raw", "_refusal", "_seen", "done",
        "failure", "model", "progress", "response_id",
    )  # fmt: skip

    def __init__(self, provider: str, *, max_event_bytes: int, raw: bool = False, eof_ok: bool = False) -> None:
        self._events = JsonEvents(_EVENTS, max_event_bytes)
        self._provider = provider
        self._raw = raw
        self._eof_ok = eof_ok
        self._plain = False
        self._calls = ToolCalls()
        self._finish: str | None = None
        self._refusal: list[str] = []
        self._seen = False
        self.failure: Failure | None = None
        self.done = False
        self.progress = 0
        self.model: str | None = None
        self.response_id: str | None = None

    def feed(self, data: bytes) -> Batch:
        """Decode one network read."""
        payloads = self._events.payloads(data)
        if self._plain and payloads:
            batch = self._text_only(payloads)
            if batch is not None:
                return self._ended(batch) if self._events.done else batch
        return self._ended(self._read(self._events.decode(payloads)))

    def finish(self) -> Batch:
        """The body ended. Whole after `[DONE]` or a finish reason, or where the target says eof_ok."""
        batch = self._read(self._events.finish())
        if self.failure is None and not self.done:
            stray = self._events.stray()
            if stray is not None:
                self.failure = classify_error(stray, rules_for(self._provider))
            elif self._finish is not None or self._events.done or (self._eof_ok and self._seen):
                batch += self._close()
            else:
                self.failure = NO_END_MARKER
        return batch

    def _text_only(self, payloads: list[bytes]) -> Batch | None:
        """The whole read as text, or None when there is anything else in it."""
        events = _TEXT.decode(payloads)
        if events is None:
            self._plain = False
            return None
        return [TextDelta(text) for event in events if (text := event.choices[0].delta.content)]

    def _read(self, events: list[_Event]) -> Batch:
        batch: Batch = []
        usage: Any = None
        for event in events:
            if (failure := self._failure_in(event)) is not None:
                self.failure = failure
                break
            usage = event.usage or object_of(event.x_groq).get("usage") or usage
            for choice in event.choices or ():
                if choice.index in (0, None):
                    self._read_choice(choice, batch)
            if self._raw and (other := self._unmodelled(event)) is not None:
                batch.append(other)
        if events:
            self._look_at(events, batch)
        if isinstance(usage, dict):
            batch.append(openai_usage(usage))
        return batch

    def _look_at(self, events: list[_Event], batch: Batch) -> None:
        """Once per read: names, and whether the next read is worth trying as text alone."""
        self.model = self.model or next((event.model for event in events if event.model), None)
        self.response_id = self.response_id or next((event.id for event in events if event.id), None)
        self._plain = bool(batch) and type(batch[-1]) is TextDelta and not events[-1].usage and not self._raw

    def _read_choice(self, choice: _Choice, batch: Batch) -> None:
        delta = choice.delta
        if delta is not None:
            if reasoning := _reasoning(delta):
                batch.append(ReasoningDelta(reasoning))
            if delta.content:
                batch += _content(delta.content)
            if delta.refusal:
                self._refusal.append(delta.refusal)
                self.progress += 1
            for fragment in delta.tool_calls or ():
                batch.append(self._fragment(fragment))
            if delta.function_call is not None:
                batch.append(self._fragment(_Fragment(0, None, delta.function_call)))
        if choice.finish_reason:
            self._finished(choice.finish_reason, batch)
        self._seen = self._seen or bool(batch)

    def _fragment(self, fragment: _Fragment) -> Chunk:
        function = fragment.function or _Function()
        signature = _google_signature(fragment.extra_content)
        return self._calls.add(fragment.index, fragment.id, function.name, _arguments(function.arguments), signature)

    def _finished(self, reason: str, batch: Batch) -> None:
        kind = FAILED_REASONS.get(reason)
        if kind is not None:
            self.failure = self.failure or Failure(kind=kind, code=reason)
            return
        self._finish = self._finish or reason
        batch += self._calls.whole()

    def _failure_in(self, event: _Event) -> Failure | None:
        error = event.error or next((choice.error for choice in event.choices or () if choice.error), None)
        if error:
            return classify_error({"error": error}, rules_for(self._provider))
        if event.choices is None and event.usage is None and (event.message or event.detail or event.object == "error"):
            said = {"message": event.message or event.detail, "code": event.code, "type": event.type}
            return classify_error(said, rules_for(self._provider))
        return None

    def _ended(self, batch: Batch) -> Batch:
        """After each read: is it over, and how?"""
        self.failure = self.failure or self._events.failure
        if self._events.done and self.failure is None and not self.done:
            if self._finish is None and not self._seen and not batch:
                self.failure = Failure(kind=ErrorKind.STREAM_INTERRUPTED, code="empty")
            else:
                batch += self._close()
        return batch

    def _close(self) -> Batch:
        """The end marker was seen: whole tool calls, and the finish reason last of all, once."""
        self.done = True
        batch: Batch = [*self._calls.whole()]
        if self._finish is not None:
            batch.append(self._finished_chunk(self._finish))
        return batch

    def _finished_chunk(self, raw: str) -> Finished:
        if self._refusal:
            return Finished("refusal", raw, "refusal", "".join(self._refusal))
        reason, kind = FINISH_REASONS.get(raw, ("other", None))
        return Finished(reason, raw, kind)

    def _unmodelled(self, event: _Event) -> Raw | None:
        others = [msgspec.to_builtins(choice) for choice in event.choices or () if choice.index not in (0, None)]
        return Raw(self._provider, "choices", others) if others else None


def _content(content: str | list[Any]) -> Batch:
    """Text, or Mistral's list of parts with its thinking in between."""
    if isinstance(content, str):
        return [TextDelta(content)]
    return [chunk for part in content if isinstance(part, dict) and (chunk := _part(part)) is not None]


def _part(part: dict[str, Any]) -> Chunk | None:
    if part.get("type") == "thinking":
        inner = part.get("thinking")
        pieces = inner if isinstance(inner, list) else [{"text": inner or ""}]
        thought = "".join(str(object_of(piece).get("text", "")) for piece in pieces)
        return ReasoningDelta(thought) if thought else None
    text = part.get("text")
    return TextDelta(text) if isinstance(text, str) and text else None


def _reasoning(delta: _Delta) -> str:
    """The reasoning under any of its three names; the same text under two of them counts once (QUIRKS 32)."""
    if delta.reasoning_content or delta.reasoning:
        return delta.reasoning_content or delta.reasoning or ""
    details = [item for item in delta.reasoning_details or () if isinstance(item, dict)]
    return "".join(str(item.get("text") or item.get("summary") or "") for item in details)


def _arguments(value: Any) -> str:
    """A fragment's arguments as text: some servers send an object instead, or null."""
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()


def _google_signature(extra: Any) -> str | None:
    google = extra.get("google") if isinstance(extra, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    return signature if isinstance(signature, str) else None


# -- a whole answer ---------------------------------------------------------------------------

LONG_TEXTS = paths(
    "choices.0.message.content",
    "choices.0.message.content.*.text",
    "choices.0.message.reasoning",
    "choices.0.message.reasoning_content",
)

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_OBJECTS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


def as_stream(outline: bytes) -> bytes:
    """A whole chat completion as one event of a stream and its end marker: each `message` becomes a `delta`."""
    answer = _OBJECT.decode(outline)
    if has(answer, "choices"):
        answer["choices"] = _raw([_as_delta(choice) for choice in _OBJECTS.decode(answer["choices"])])
    return sse(msgspec.json.encode(answer), b"[DONE]")


def _as_delta(choice: dict[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    message = _OBJECT.decode(choice["message"]) if has(choice, "message") else {}
    if has(message, "tool_calls"):
        # Each is a call of its own, also where a server gives no ids to tell them apart by.
        calls = _OBJECTS.decode(message["tool_calls"])
        message["tool_calls"] = _raw([{**call, "index": number} for number, call in enumerate(calls)])
    return {**choice, "delta": _raw(message)}


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


# -- what is sent -----------------------------------------------------------------------------


class OpenAIChat(msgspec.Struct, frozen=True):
    """The adapter of one host; see `contract.Adapter`."""

    name: str
    host: Host

    title = property(lambda self: self.host.title)
    base_url = property(lambda self: self.host.base_url)
    key_variables = property(lambda self: self.host.keys)
    url_variable = property(lambda self: self.host.url_variable)
    default_model = property(lambda self: self.host.default_model)
    media_types: ClassVar[tuple[str, ...]] = ("text/event-stream",)

    def capabilities(self, model: str) -> Capabilities:
        """Prefill is the host's column; the rest every chat host can."""
        prefill = self.host.prefill
        return Capabilities(prefill=bool(prefill), echoes_prefill=prefill.echoed if prefill else "never", whole=True)

    def encode(self, request: Request, endpoint: Endpoint) -> HttpRequest:
        """A chat completion request."""
        headers = {"Content-Type": "application/json", "Accept": accepted(request)}
        if endpoint.api_key:
            headers["Authorization"] = f"Bearer {endpoint.api_key}"
        headers.update(endpoint.headers)
        body = {**self._body(request), **self._unfinished(request), **request.extra}
        url = f"{self._place(request, endpoint)}{self.host.path}"
        return HttpRequest(url=url, headers=headers, body=msgspec.json.encode(body))

    def decoder(self, request: Request) -> ChatDecoder:
        """A decoder for one answer, as the target's options ask for it."""
        return ChatDecoder(
            self.name,
            **request.decoding,
        )

    def whole_decoder(self, request: Request) -> WholeAnswer:
        """The same for an answer in one piece."""
        return WholeAnswer(self.decoder(request), LONG_TEXTS, as_stream, **request.decoding)

    def classify(self, status: int, headers: Mapping[str, str], body: bytes, max_retry_after: float = 60.0) -> Failure:
        """The shared rules with this host's own in front."""
        return classify_response(status, headers, body, rules_for(self.name), max_retry_after=max_retry_after)

    def _tool_choice(self, choice: str | None) -> str | dict[str, Any] | None:
        return self.host.must_call if choice == "required" else encode_tool_choice(choice)

    def _prefill(self, request: Request) -> Prefill | None:
        """How the last turn is marked as unfinished, if it is the assistant's and the host goes on with it."""
        last = request.messages[-1] if request.messages else None
        return self.host.prefill if last is not None and last.role == "assistant" and not last.tool_calls else None

    def _unfinished(self, request: Request) -> dict[str, Any]:
        if (prefill := self._prefill(request)) is None:
            return {}
        *turns, last = map(encode_message, request.messages)
        return {"messages": [*turns, {**last, **prefill.turn}], **prefill.body}

    def _place(self, request: Request, endpoint: Endpoint) -> str:
        """Where that host takes unfinished turns, unless the user has named an address."""
        prefill = self._prefill(request)
        if prefill is None or prefill.base_url is None or endpoint.base_url != self.host.base_url:
            return endpoint.base_url
        return prefill.base_url

    def _body(self, request: Request) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "model": request.model,
            "messages": [_message(message, request.model, self.host) for message in request.messages],
            "stream": request.stream,
            "stream_options": {"include_usage": True} if self.host.usage and request.stream else None,
            "tools": [encode_tool(tool) for tool in request.tools] or None,
            "tool_choice": self._tool_choice(request.tool_choice),
            "response_format": _response_format(request.output),
            self.host.max_tokens: request.max_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "stop": list(request.stop) or None,
            self.host.seed: request.seed,
            **_reasoning_fields(request.reasoning, self.host),
        }
        return known(fields)


def _message(message: Message, model: str, host: Host) -> dict[str, Any]:
    """One turn, its calls as this host takes them."""
    fields = encode_message(message)
    if message.tool_calls:
        fields["tool_calls"] = [_tool_call(call, model, host) for call in message.tool_calls]
    if message.tool_call_id:
        fields["tool_call_id"] = _call_id(message.tool_call_id, host)
    return fields


def _tool_call(call: FunctionCall, model: str, host: Host) -> dict[str, Any]:
    fields = encode_call(call) | {"id": _call_id(call.id, host)}
    if call.signature and "gemini" in model:  # Google's own OpenAI-shaped API refuses a turn without it
        fields["extra_content"] = {"google": {"thought_signature": call.signature}}
    return fields


def _call_id(id: str, host: Host) -> str:
    """Another provider's id as this host takes it; the same for a call and its result."""
    if host.call_id_length is None:
        return fitting_id(id, _ANY_ID)
    return fitting_id(id, re.compile(f"[a-zA-Z0-9]{{{host.call_id_length}}}"), host.call_id_length)


def _response_format(schema: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if schema is None:
        return None
    made = strict(schema)
    form = {"name": "output", "schema": schema if made is None else made, "strict": made is not None}
    return {"type": "json_schema", "json_schema": form}


def _reasoning_fields(reasoning: str | int | None, host: Host) -> dict[str, Any]:
    """An effort, or a budget where the host takes one; elsewhere a budget becomes the nearest effort."""
    if reasoning is None or host.reasoning == "none":
        return {}
    if host.reasoning == "object":
        return {"reasoning": {"max_tokens" if isinstance(reasoning, int) else "effort": reasoning}}
    return {"reasoning_effort": effort_for(reasoning)}
