"""Cohere's chat API, version 2.

The one rule: `message-end` ends an answer, and its finish reason says whether it is one: ERROR and TIMEOUT are
failures in the clothes of an end (recordings QUIRKS 15), read by the words beside them.
Must never: await. The plan before tool calls (`tool_plan`) is what the model thinks, and leaves as reasoning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeAlias

import msgspec

from ..chunks import Finished, FinishReason, Raw, ReasoningDelta, TextDelta, Usage
from ..classify import classify_error, classify_response
from ..contract import Batch, Capabilities, Endpoint, HttpRequest, Request
from ..errors import NO_END_MARKER, ErrorKind, Failure
from ..messages import Message, ReasoningPart
from ..wire.json_events import BatchDecoder, JsonEvents
from ..wire.json_outline import paths
from .chat_shape import encode_call, encode_content, encode_tool
from .counts import count
from .error_rules import rules_for
from .tool_calls import ToolCalls
from .values import known, object_of, text_of
from .whole import WholeAnswer, accepted, sse

__all__ = ["ADAPTER", "FAILED_REASONS", "FINISH_REASONS", "Cohere", "CohereDecoder"]


# -- what arrives -----------------------------------------------------------------------------


class _TextContent(msgspec.Struct, gc=False):
    text: str
    thinking: None = None


class _TextMessage(msgspec.Struct, gc=False):
    content: _TextContent


class _TextDelta(msgspec.Struct, gc=False):
    message: _TextMessage


class _TextEvent(msgspec.Struct, tag_field="type", tag="content-delta", gc=False):
    """A piece of text and nothing else; any other event is a ValidationError."""

    delta: _TextDelta


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    index: int = 0
    delta: Any = None
    id: Any = None
    message: Any = None


_TEXT = BatchDecoder(_TextEvent)
_EVENTS = BatchDecoder(_Event)

FINISH_REASONS: Mapping[str, tuple[FinishReason, str | None]] = {
    "COMPLETE": ("stop", None),
    "STOP_SEQUENCE": ("stop", None),
    "TOOL_CALL": ("tool_calls", None),
    "MAX_TOKENS": ("length", "output_truncated"),
}
"""What an answer may end with, and the kind when it is not a whole one. Not here and not below: "other"."""

FAILED_REASONS: Mapping[str, ErrorKind] = {
    "ERROR": ErrorKind.SERVER_ERROR,
    "TIMEOUT": ErrorKind.PROVIDER_TIMEOUT,
}
"""Ends that are no answer, and what they are when nothing beside them says more."""


class CohereDecoder:
    """One answer; see `contract.Decoder`."""

    __slots__ = (
        "_calls", "_eof_ok", "_events", "_plain", "_raw", "_seen", "done", "failure", "model", "progress",
        "response_id",
    )  # fmt: skip

    def __init__(self, *, max_event_bytes: int, raw: bool = False, eof_ok: bool = False) -> None:
        self._events = JsonEvents(_EVENTS, max_event_bytes)
        self._calls = ToolCalls()
        self._raw = raw
        self._eof_ok = eof_ok
        self._plain = False
        self._seen = False
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
        if self._plain and payloads and not self._events.done:
            events = _TEXT.decode(payloads)
            if events is not None:
                return [TextDelta(text) for event in events if (text := event.delta.message.content.text)]
        batch = self._read(self._events.decode(payloads))
        self.failure = self.failure or self._events.failure
        return batch

    def finish(self) -> Batch:
        """The body ended. Whole after `message-end`, or where the target says eof_ok."""
        if self.done or self.failure is not None:
            return []
        batch = self._read(self._events.finish())
        if self.done or self.failure is not None:
            return batch
        stray = self._events.stray()
        if stray is not None:
            self.failure = classify_error(stray, rules_for("cohere"))
        elif self._eof_ok and self._seen:
            self.done = True
            batch += self._calls.whole()
        else:
            self.failure = NO_END_MARKER
        return batch

    def _read(self, events: list[_Event]) -> Batch:
        batch: Batch = []
        for event in events:
            reader = _READERS.get(event.type)
            if reader is not None:
                reader(self, event, batch)
            else:
                self._pass(event, batch)
            if self.done or self.failure is not None:
                break
        self._seen = self._seen or bool(batch)
        self._plain = bool(batch) and type(batch[-1]) is TextDelta
        return batch

    def _begin(self, event: _Event, batch: Batch) -> None:
        self.response_id = event.id if isinstance(event.id, str) else None

    def _content(self, event: _Event, batch: Batch) -> None:
        """The start of a block and each delta have the same shape; a start may have text already."""
        content = _message(event).get("content")
        piece = content if isinstance(content, dict) else {}
        if thought := text_of(piece.get("thinking")):
            batch.append(ReasoningDelta(thought))
        if text := text_of(piece.get("text")):
            batch.append(TextDelta(text))

    def _plan(self, event: _Event, batch: Batch) -> None:
        if thought := text_of(_message(event).get("tool_plan")):
            batch.append(ReasoningDelta(thought))

    def _tool_call(self, event: _Event, batch: Batch) -> None:
        call = object_of(_message(event).get("tool_calls"))
        function = object_of(call.get("function"))
        name, arguments = text_of(function.get("name")), text_of(function.get("arguments"))
        batch.append(self._calls.add(event.index, text_of(call.get("id")), name, arguments))

    def _end(self, event: _Event, batch: Batch) -> None:
        delta = object_of(event.delta)
        reason = text_of(delta.get("finish_reason"))
        if (usage := read_usage(delta.get("usage"))) is not None:
            batch.append(usage)
        if reason in FAILED_REASONS:
            self.failure = _failure(reason, delta)
            return
        self.done = True
        batch += self._calls.whole()
        finish, kind = FINISH_REASONS.get(reason, ("other", None))
        batch.append(Finished(finish, reason, kind))

    def _block_end(self, event: _Event, batch: Batch) -> None:
        self.progress += 1

    def _pass(self, event: _Event, batch: Batch) -> None:
        """Citations and what is new: work of the model, without a chunk of its own. A bare error has no type."""
        if not event.type and event.message is not None:
            self.failure = classify_error(msgspec.to_builtins(event), rules_for("cohere"))
            return
        self.progress += event.type.startswith(("citation", "content", "tool"))
        if self._raw:
            batch.append(Raw("cohere", event.type, msgspec.to_builtins(event)))


_Reader: TypeAlias = Callable[[CohereDecoder, _Event, Batch], None]

_READERS: Mapping[str, _Reader] = {
    "message-start": CohereDecoder._begin,
    "content-start": CohereDecoder._content,
    "content-delta": CohereDecoder._content,
    "content-end": CohereDecoder._block_end,
    "tool-plan-delta": CohereDecoder._plan,
    "tool-call-start": CohereDecoder._tool_call,
    "tool-call-delta": CohereDecoder._tool_call,
    "tool-call-end": CohereDecoder._block_end,
    "message-end": CohereDecoder._end,
}


def _failure(reason: str, delta: Mapping[str, Any]) -> Failure:
    """What an end that is none means: by its words, else by the reason alone."""
    said = {name: delta.get(name) for name in ("error", "error_type") if delta.get(name)}
    return classify_error(said, rules_for("cohere")) if said else Failure(kind=FAILED_REASONS[reason], code=reason)


def read_usage(usage: Any) -> Usage | None:
    """Tokens as the model counted them; what is billed where only that is told."""
    counts = object_of(usage)
    tokens = object_of(counts.get("tokens")) or object_of(counts.get("billed_units"))
    if not tokens:
        return None
    return Usage(
        input_tokens=count(tokens.get("input_tokens")),
        output_tokens=count(tokens.get("output_tokens")),
        cached_input_tokens=count(counts.get("cached_tokens")),
    )


def _message(event: _Event) -> dict[str, Any]:
    return object_of(object_of(event.delta).get("message"))


# -- a whole answer ---------------------------------------------------------------------------

LONG_TEXTS = paths("message.content.*.text", "message.content.*.thinking", "message.tool_plan")


class _WholeMessage(msgspec.Struct):
    content: list[msgspec.Raw] | None = None
    tool_calls: list[msgspec.Raw] | None = None
    tool_plan: str | None = None


class _Whole(msgspec.Struct):
    message: _WholeMessage
    id: msgspec.Raw = msgspec.Raw(b"null")
    finish_reason: msgspec.Raw = msgspec.Raw(b"null")
    usage: msgspec.Raw = msgspec.Raw(b"null")


_WHOLE = msgspec.json.Decoder(_Whole)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def as_stream(outline: bytes) -> bytes:
    """A whole answer as a stream, a block an event; what has no message is an error and stays as it is."""
    if not bytes(_OBJECT.decode(outline).get("message", b"")).startswith(b"{"):
        return sse(outline)
    answer = _WHOLE.decode(outline)
    said = answer.message
    events: list[dict[str, Any]] = [{"type": "message-start", "id": answer.id}]
    if said.tool_plan:
        events.append(_delta("tool-plan-delta", 0, tool_plan=said.tool_plan))
    events += [_delta("content-start", number, content=block) for number, block in enumerate(said.content or ())]
    events += [_delta("tool-call-start", number, tool_calls=call) for number, call in enumerate(said.tool_calls or ())]
    events.append({"type": "message-end", "delta": {"finish_reason": answer.finish_reason, "usage": answer.usage}})
    return sse(*map(msgspec.json.encode, events))


def _delta(kind: str, index: int, **message: Any) -> dict[str, Any]:
    return {"type": kind, "index": index, "delta": {"message": message}}


# -- what is sent -----------------------------------------------------------------------------


class Cohere(msgspec.Struct, frozen=True):
    """The adapter of Cohere's chat API; see `contract.Adapter`. What becomes of a request's fields there:

    tool_choice: the API can demand a call, not a certain one; a name is sent as REQUIRED with that tool alone.
    reasoning: a budget in tokens, or on and off; an effort is on.
    """

    name: ClassVar[str] = "cohere"
    title: ClassVar[str] = "Cohere"
    base_url: ClassVar[str] = "https://api.cohere.com"
    key_variables: ClassVar[tuple[str, ...]] = ("CO_API_KEY", "COHERE_API_KEY")
    url_variable: ClassVar[str] = "CO_API_URL"
    default_model: ClassVar[str | None] = None
    media_types: ClassVar[tuple[str, ...]] = ("text/event-stream",)

    def capabilities(self, model: str) -> Capabilities:
        """All but prefill."""
        return Capabilities(whole=True)

    def encode(self, request: Request, endpoint: Endpoint) -> HttpRequest:
        """A chat request."""
        headers = {"Content-Type": "application/json", "Accept": accepted(request)}
        if endpoint.api_key:
            headers["Authorization"] = f"Bearer {endpoint.api_key}"
        headers.update(endpoint.headers)
        body = msgspec.json.encode({**_body(request), **request.extra})
        return HttpRequest(url=f"{endpoint.base_url}/v2/chat", headers=headers, body=body)

    def decoder(self, request: Request) -> CohereDecoder:
        """A decoder for one answer, as the target's options ask for it."""
        return CohereDecoder(**request.decoding)

    def whole_decoder(self, request: Request) -> WholeAnswer:
        """The same for an answer in one piece."""
        return WholeAnswer(self.decoder(request), LONG_TEXTS, as_stream, **request.decoding)

    def classify(self, status: int, headers: Mapping[str, str], body: bytes, max_retry_after: float = 60.0) -> Failure:
        """The shared rules with Cohere's own in front."""
        return classify_response(status, headers, body, rules_for("cohere"), max_retry_after=max_retry_after)


ADAPTER = Cohere()


def _body(request: Request) -> dict[str, Any]:
    choice = request.tool_choice
    named = choice not in (None, "auto", "none", "required")
    tools = [tool for tool in request.tools if not named or tool.name == choice]
    fields: dict[str, Any] = {
        "model": request.model,
        "messages": [_turn(message) for message in request.messages],
        "stream": request.stream,
        "tools": [encode_tool(tool) for tool in tools] or None,
        "tool_choice": "REQUIRED" if named or choice == "required" else "NONE" if choice == "none" else None,
        "response_format": None if request.output is None else {"type": "json_object", "json_schema": request.output},
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "p": request.top_p,
        "stop_sequences": list(request.stop) or None,
        "seed": request.seed,
        "thinking": _thinking(request.reasoning),
    }
    return known(fields)


def _turn(message: Message) -> dict[str, Any]:
    """One message. A model's plan is its reasoning; Cohere has no name for a developer's message."""
    turn: dict[str, Any] = {"role": "system" if message.role == "developer" else message.role}
    if message.role == "tool":
        return {**turn, "tool_call_id": message.tool_call_id, "content": message.text}
    if message.tool_calls:
        turn["tool_calls"] = [encode_call(call) for call in message.tool_calls]
        plan = "".join(part.text for part in message.parts if isinstance(part, ReasoningPart))
        return {**turn, "tool_plan": plan or message.text or None} if plan or message.text else turn
    return {**turn, "content": encode_content(message)}


def _thinking(reasoning: str | int | None) -> dict[str, Any] | None:
    if reasoning is None:
        return None
    if reasoning == "none" or reasoning == 0:
        return {"type": "disabled"}
    return {"type": "enabled"} | ({"token_budget": reasoning} if isinstance(reasoning, int) else {})
