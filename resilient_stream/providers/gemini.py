"""Gemini's generateContent, streamed as server-sent events: what is sent and what arrives.

The one rule: a finish reason is good only when this file knows it as good; any other one is a failure, since
Google adds reasons for answers that went wrong more often than for ones that went well.
Must never: await, or know how a request is signed or where Vertex keeps its models: `vertex` uses
`encode_body` and `GeminiDecoder` as they are.

Speed: most network reads of an answer hold nothing but text. Those are decoded as `_TextEvent`, whose types
admit nothing else; any other read is decoded as `_Event` and taken apart. Token counts come with every event
and only the last one stands, so they stay undecoded (`msgspec.Raw`) until a read is over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal
from urllib.parse import quote

import msgspec

from ..chunks import Finished, FinishReason, Raw, ReasoningDelta, TextDelta, ToolCall, ToolCallDelta, Usage
from ..classify import classify_error, classify_response
from ..contract import Batch, Capabilities, Endpoint, HttpRequest, Request
from ..errors import NO_END_MARKER, ErrorKind, Failure
from ..messages import FunctionCall, ImagePart, Message, Part, ReasoningPart, TextPart, Tool
from ..wire.json_events import BatchDecoder, JsonEvents
from ..wire.json_outline import paths
from .counts import count
from .error_rules import rules_for
from .partial_arguments import PartialArguments
from .tool_calls import parse_arguments
from .values import known, merged
from .whole import WholeAnswer, accepted, sse

__all__ = ["ADAPTER", "FAILED_REASONS", "FINISH_REASONS", "Gemini", "STREAMS", "GeminiDecoder", "encode_body", "method"]


# -- what arrives -----------------------------------------------------------------------------


class _TextPart(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    text: str


class _TextContent(msgspec.Struct, gc=False):
    parts: tuple[_TextPart]


class _TextCandidate(msgspec.Struct, gc=False):
    content: _TextContent
    finishReason: None = None
    index: Literal[0] = 0


class _TextEvent(msgspec.Struct, gc=False):
    """An event that is one text part and nothing else; anything more is a ValidationError."""

    candidates: tuple[_TextCandidate]
    usageMetadata: msgspec.Raw = msgspec.Raw(b"")
    error: None = None


class _FunctionCall(msgspec.Struct, gc=False):
    name: str | None = None
    id: str | None = None
    args: Any = None
    partialArgs: list[dict[str, Any]] | None = None
    willContinue: bool | None = None


class _Part(msgspec.Struct, gc=False):
    text: str | None = None
    thought: bool | None = None
    thoughtSignature: str | None = None
    functionCall: _FunctionCall | None = None
    executableCode: Any = None
    codeExecutionResult: Any = None
    toolCall: Any = None
    toolResponse: Any = None
    inlineData: Any = None
    fileData: Any = None


class _Content(msgspec.Struct, gc=False):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, gc=False):
    content: _Content | None = None
    finishReason: str | int | None = None
    finishMessage: str | None = None
    index: int | None = 0
    citationMetadata: Any = None
    groundingMetadata: Any = None
    urlContextMetadata: Any = None


class _PromptFeedback(msgspec.Struct, gc=False):
    blockReason: str | int | None = None


class _Event(msgspec.Struct, gc=False):
    candidates: list[_Candidate] | None = None
    usageMetadata: msgspec.Raw = msgspec.Raw(b"")
    promptFeedback: _PromptFeedback | None = None
    error: Any = None
    modelVersion: Any = None
    responseId: Any = None


_TEXT = BatchDecoder(_TextEvent)
_EITHER: Any = _Event | list[_Event]
"""Google's front-ends wrap an error in a list of one."""
_EVENTS: BatchDecoder[_Event | list[_Event]] = BatchDecoder(_EITHER)

_PART_EXTRAS = ("executableCode", "codeExecutionResult", "toolCall", "toolResponse", "inlineData", "fileData")
_CANDIDATE_EXTRAS = ("citationMetadata", "groundingMetadata", "urlContextMetadata")

FINISH_REASONS: Mapping[str, tuple[FinishReason, str | None]] = {
    "STOP": ("stop", None),
    "MAX_TOKENS": ("length", "output_truncated"),
    "SAFETY": ("content_filter", "content_filtered"),
    "PROHIBITED_CONTENT": ("content_filter", "content_filtered"),
    "BLOCKLIST": ("content_filter", "content_filtered"),
    "SPII": ("content_filter", "content_filtered"),
    "MODEL_ARMOR": ("content_filter", "content_filtered"),
    "RECITATION": ("content_filter", "content_filtered"),
    "LANGUAGE": ("content_filter", "content_filtered"),
    "IMAGE_SAFETY": ("content_filter", "content_filtered"),
    "IMAGE_PROHIBITED_CONTENT": ("content_filter", "content_filtered"),
    "IMAGE_RECITATION": ("content_filter", "content_filtered"),
}
"""The known-good list: what an answer may end with, and the kind when it is not a whole one. The filters'
reasons are an answer only when a part of it came before them; else see `_BLOCKED`."""

FAILED_REASONS: Mapping[str, ErrorKind] = {
    "MALFORMED_FUNCTION_CALL": ErrorKind.MODEL_OUTPUT_INVALID,
    "UNEXPECTED_TOOL_CALL": ErrorKind.MODEL_OUTPUT_INVALID,
    "MALFORMED_RESPONSE": ErrorKind.MODEL_OUTPUT_INVALID,
    "OTHER": ErrorKind.MODEL_OUTPUT_INVALID,
    "IMAGE_OTHER": ErrorKind.MODEL_OUTPUT_INVALID,
    "NO_IMAGE": ErrorKind.MODEL_OUTPUT_INVALID,
    "TOO_MANY_TOOL_CALLS": ErrorKind.OUTPUT_TRUNCATED,
    "MISSING_THOUGHT_SIGNATURE": ErrorKind.INVALID_REQUEST,
    "PUP_LIMITED_DISABLED": ErrorKind.PERMISSION_DENIED,
}
"""The reasons that are known to be no answer. One in neither table is a server error: retried."""

# A filter's reason with no answer at all. Recitation depends on the sampling: another try may pass
# (JUDGEMENTS 11).
_BLOCKED: Mapping[str, Failure] = {
    "RECITATION": Failure(kind=ErrorKind.CONTENT_FILTERED, retry=True, fallback=True),
    "IMAGE_RECITATION": Failure(kind=ErrorKind.CONTENT_FILTERED, retry=True, fallback=True),
    "LANGUAGE": Failure(kind=ErrorKind.MODEL_OUTPUT_INVALID),
}


# The finish message of these kinds is about the request or the account. Others may quote the model.
_QUOTABLE = (ErrorKind.INVALID_REQUEST, ErrorKind.PERMISSION_DENIED)

# Older deployments send the enum's number; only these five are the same in all of Google's APIs.
_NUMBERED = ("", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER")


class GeminiDecoder:
    """One streamed answer; see `contract.Decoder`. Candidate 0 is the answer; others come as `Raw`.

    The end marker is any finish reason, but it does not end the stream: older models send STOP with every
    event (the last reason stands), so the answer is closed when the body ends.
    """

    __slots__ = (
        "_calls", "_ended", "_eof_ok", "_events", "_explanation", "_finish", "_open", "_plain", "_provider",
        "_raw", "_seen", "_usage", "_usage_text", "done", "failure", "model", "progress", "response_id",
    )  # fmt: skip

    def __init__(self, provider: str, *, max_event_bytes: int, raw: bool = False, eof_ok: bool = False) -> None:
        self._events = JsonEvents(_EVENTS, max_event_bytes)
        self._provider = provider
        self._raw = raw
        self._eof_ok = eof_ok
        self._plain = False
        self._calls = 0
        self._open: _OpenCall | None = None
        self._finish: str | None = None
        self._explanation = ""
        self._usage: Usage | None = None
        self._usage_text = b""
        self._seen = False
        self._ended = False
        self.failure: Failure | None = None
        self.done = False
        self.progress = 0
        self.model: str | None = None
        self.response_id: str | None = None

    def feed(self, data: bytes) -> Batch:
        """Decode one network read."""
        if self.failure is not None or self._ended:
            return []
        payloads = self._events.payloads(data)
        if self._plain and payloads:
            batch = self._text_only(payloads)
            if batch is not None:
                return batch
        batch = self._read(_flat(self._events.decode(payloads)))
        self.failure = self.failure or self._events.failure
        return batch

    def finish(self) -> Batch:
        """The body ended. Whole after a finish reason, or where the target says eof_ok."""
        if self._ended:
            return []
        # A blank line makes a last event whole that had none; no JSON then: the body was cut inside it.
        readable = self._events.failure is None
        batch = self.feed(b"\n\n")
        self._ended = True
        if readable and self._events.failure is not None:
            self.failure = NO_END_MARKER
        if self.failure is None and (stray := self._events.stray()) is not None:
            self.failure = classify_error(stray, rules_for(self._provider))
        if self.failure is None:
            batch += self._close()
        return batch

    def _text_only(self, payloads: list[bytes]) -> Batch | None:
        """The whole read as text, or None when there is anything else in it."""
        events = _TEXT.decode(payloads)
        if events is None:
            self._plain = False
            return None
        batch: Batch = [TextDelta(text) for event in events if (text := event.candidates[0].content.parts[0].text)]
        self._count_tokens(events[-1].usageMetadata, batch)
        return batch

    def _read(self, events: list[_Event]) -> Batch:
        batch: Batch = []
        usage = msgspec.Raw(b"")
        for event in events:
            self.model = event.modelVersion or self.model
            self.response_id = event.responseId or self.response_id
            usage = event.usageMetadata or usage
            for candidate in event.candidates or ():
                self._read_candidate(candidate, batch)
            self.failure = self.failure or self._failure_in(event)
            if self.failure is not None:
                break
        if events:
            # Is the next read worth trying as text alone?
            self._plain = bool(batch) and type(batch[-1]) is TextDelta and not self._finish and not self._raw
        self._count_tokens(usage, batch)
        return batch

    def _count_tokens(self, usage: msgspec.Raw, batch: Batch) -> None:
        """The read's last counts as a chunk, when they say something new."""
        text = bytes(usage)
        if not text or text == self._usage_text:
            return
        self._usage_text = text
        counts = read_usage(msgspec.json.decode(text))
        if counts is not None and counts != self._usage:
            self._usage = counts
            batch.append(counts)

    def _read_candidate(self, candidate: _Candidate, batch: Batch) -> None:
        if candidate.index:
            self._report("candidate", candidate, batch)
            return
        for part in (candidate.content and candidate.content.parts) or ():
            self._read_part(part, batch)
        if self._raw:
            self._read_extras(candidate, _CANDIDATE_EXTRAS, batch)
        reason = _name_of(candidate.finishReason)
        if reason:
            self._finished(reason, candidate.finishMessage or "", batch)

    def _read_part(self, part: _Part, batch: Batch) -> None:
        if part.functionCall is not None:
            self._read_call(part.functionCall, part.thoughtSignature, batch)
            return
        if part.text:
            self._seen = True
            batch.append(ReasoningDelta(part.text) if part.thought else TextDelta(part.text))
        if self._read_extras(part, _PART_EXTRAS, batch):
            self._seen = True
            self.progress += 1
        elif part.thoughtSignature:
            # It belongs to the text before it, or to an empty part of its own (recordings QUIRKS 39).
            batch.append(ReasoningDelta("", part.thoughtSignature))
        elif part.text is None:
            self.progress += 1

    def _read_extras(self, holder: _Part | _Candidate, names: tuple[str, ...], batch: Batch) -> bool:
        """What stands in these fields, as `Raw` when asked for; whether there was anything."""
        found = [(name, value) for name in names if (value := getattr(holder, name)) is not None]
        for name, value in found:
            self._report(name, value, batch)
        return bool(found)

    def _report(self, name: str, value: Any, batch: Batch) -> None:
        if self._raw:
            batch.append(Raw(self._provider, name, _as_json(value)))

    def _read_call(self, call: _FunctionCall, signature: str | None, batch: Batch) -> None:
        """A whole call, or a piece of one. A name begins a new call, also when the last one had no end."""
        if self._open is not None and call.name:
            self._close_call(batch)
        if self._open is None:
            if not (call.name or call.args or call.partialArgs):
                return
            self._open = self._begin(call, batch)
        self._open.take(call, signature)
        if not call.willContinue:
            self._close_call(batch)
        elif not call.name:
            self.progress += 1

    def _begin(self, call: _FunctionCall, batch: Batch) -> _OpenCall:
        """Most calls have no id. Ours differ from turn to turn: some providers refuse one used twice."""
        turn = f"_{self.response_id}" if self.response_id else ""
        opened = _OpenCall(self._calls, call.id or f"call_{self._calls}{turn}", call.name or "")
        self._calls += 1
        self._seen = True
        if call.willContinue:
            batch.append(ToolCallDelta(opened.index, opened.id, opened.name, ""))
        return opened

    def _close_call(self, batch: Batch, *, whole: bool = True) -> None:
        if self._open is not None:
            batch += self._open.chunks(whole)
            self._open = None

    def _finished(self, reason: str, message: str, batch: Batch) -> None:
        self._close_call(batch, whole=reason == "STOP")
        self.failure = self._failed(reason, message)
        self._finish = reason
        self._explanation = message

    def _failed(self, reason: str, message: str) -> Failure | None:
        """The failure that a finish reason means; None when it ends an answer."""
        if reason not in FINISH_REASONS:
            kind = FAILED_REASONS.get(reason, ErrorKind.SERVER_ERROR)
            return Failure(kind=kind, code=reason, detail=message if kind in _QUOTABLE else "")
        if FINISH_REASONS[reason][0] == "content_filter" and not self._seen:
            blocked = _BLOCKED.get(reason) or Failure(kind=ErrorKind.CONTENT_FILTERED)
            return msgspec.structs.replace(blocked, code=reason)
        return None

    def _failure_in(self, event: _Event) -> Failure | None:
        if event.error:
            return classify_error({"error": event.error}, rules_for(self._provider))
        blocked = event.promptFeedback.blockReason if event.promptFeedback else None
        if blocked and not event.candidates and not self._seen:
            return Failure(kind=ErrorKind.CONTENT_FILTERED, code=str(blocked))
        return None

    def _close(self) -> Batch:
        """The body is over: the finish reason last of all, or the failure that there was none."""
        batch: Batch = []
        if self._finish is None and not (self._eof_ok and self._seen):
            self.failure = NO_END_MARKER
            return batch
        self.done = True
        self._close_call(batch, whole=False)
        if self._finish is not None:
            reason, kind = FINISH_REASONS[self._finish]
            reason = "tool_calls" if reason == "stop" and self._calls else reason
            batch.append(Finished(reason, self._finish, kind, self._explanation))
        return batch


class _OpenCall:
    """A tool call of which not everything has come."""

    __slots__ = ("_arguments", "_partial", "_signature", "id", "index", "name")

    def __init__(self, index: int, id: str, name: str) -> None:
        self.index = index
        self.id = id
        self.name = name
        self._arguments: Any = None
        self._partial = PartialArguments()
        self._signature: str | None = None

    def take(self, call: _FunctionCall, signature: str | None) -> None:
        self._signature = self._signature or signature
        self._arguments = self._arguments if call.args is None else call.args
        for piece in call.partialArgs or ():
            self._partial.take(piece)

    def chunks(self, whole: bool) -> Batch:
        """Its arguments in one delta, since pieces with paths are no JSON text, and the call.

        A call that was cut, or has a piece that did not fit, has no `parsed`: nobody shall act on half of it.
        """
        value = self._partial.value if self._arguments is None else self._arguments
        text = msgspec.json.encode(value).decode()
        parsed = parse_arguments(text) if whole and not self._partial.broken else None
        return [
            ToolCallDelta(self.index, self.id, self.name, text),
            ToolCall(self.index, self.id, self.name, text, parsed, self._signature),
        ]


def _flat(events: list[_Event | list[_Event]]) -> list[_Event]:
    return [one for event in events for one in (event if isinstance(event, list) else [event])]


def _as_json(value: Any) -> Any:
    """A struct of ours as the JSON it came from, without the fields it did not have."""
    if not isinstance(value, msgspec.Struct):
        return value
    return {name: item for name, item in msgspec.to_builtins(value).items() if item is not None}


def _name_of(reason: str | int | None) -> str:
    """A finish reason's name; empty when there is none, or only the enum's placeholder."""
    if isinstance(reason, int):
        return _NUMBERED[reason] if 0 <= reason < len(_NUMBERED) else str(reason)
    return "" if reason is None or reason == "FINISH_REASON_UNSPECIFIED" else reason


def read_usage(usage: Any) -> Usage | None:
    """Gemini's counts as it gives them: thoughts are not among the candidates, nor tool use in the prompt.

    None when there is no count in it: Vertex sends its traffic type alone until the end.
    """
    if not isinstance(usage, dict):
        return None
    counts = Usage(
        input_tokens=count(usage.get("promptTokenCount")),
        output_tokens=count(usage.get("candidatesTokenCount")),
        reasoning_tokens=count(usage.get("thoughtsTokenCount")),
        cached_input_tokens=count(usage.get("cachedContentTokenCount")),
    )
    return None if counts == Usage() else counts


LONG_TEXTS = paths("candidates.0.content.parts.*.text")
"""Where a whole answer may have long texts."""


def as_stream(outline: bytes) -> bytes:
    """A whole answer as a stream: it is what the stream's only event would be."""
    return sse(outline)


# -- what is sent -----------------------------------------------------------------------------

STREAMS = ("text/event-stream", "application/json")
"""What a streamed answer may come as."""


def method(request: Request) -> str:
    """The end of the URL: which method, and in which form."""
    if not request.stream:
        return "generateContent"
    return "streamGenerateContent" + ("" if request.option("stream_format") == "array" else "?alt=sse")


class Gemini(msgspec.Struct, frozen=True):
    """The adapter of the Gemini API; see `contract.Adapter`.

    Target("gemini:…", stream_format="array") asks for one JSON array in place of server-sent events, for gateways that
    know only that; an answer in either form is read whatever was asked for.
    """

    name: ClassVar[str] = "gemini"
    title: ClassVar[str] = "Gemini"
    base_url: ClassVar[str] = "https://generativelanguage.googleapis.com"
    key_variables: ClassVar[tuple[str, ...]] = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
    url_variable: ClassVar[str] = "GEMINI_BASE_URL"
    default_model: ClassVar[str | None] = None
    media_types: ClassVar[tuple[str, ...]] = STREAMS

    def capabilities(self, model: str) -> Capabilities:
        """No prefill: a model's unfinished turn is answered, not continued."""
        return Capabilities(whole=True)

    def encode(self, request: Request, endpoint: Endpoint) -> HttpRequest:
        """A streamGenerateContent request, or a generateContent one."""
        headers = {"Content-Type": "application/json", "Accept": accepted(request)}
        if endpoint.api_key:
            headers["x-goog-api-key"] = endpoint.api_key
        headers.update(endpoint.headers)
        model = quote(request.model, safe="/")
        model = model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"
        return HttpRequest(
            url=f"{endpoint.base_url}/v1beta/{model}:{method(request)}",
            headers=headers,
            body=msgspec.json.encode(encode_body(request)),
        )

    def decoder(self, request: Request) -> GeminiDecoder:
        """A decoder for one answer, as the target's options ask for it."""
        return GeminiDecoder(
            self.name,
            **request.decoding,
        )

    def whole_decoder(self, request: Request) -> WholeAnswer:
        """The same for an answer in one piece."""
        return WholeAnswer(self.decoder(request), LONG_TEXTS, as_stream, **request.decoding)

    def classify(self, status: int, headers: Mapping[str, str], body: bytes, max_retry_after: float = 60.0) -> Failure:
        """The shared rules with Google's own in front."""
        return classify_response(status, headers, body, rules_for(self.name), max_retry_after=max_retry_after)


ADAPTER = Gemini()

_SPACE = {"text": " "}

# What Google's compatibility layer for OpenAI clients makes of an effort, for models that think by a budget.
_BUDGETS: Mapping[str, int] = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}
_LEVELS: Mapping[str, str] = {"none": "MINIMAL", "minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM"}
_SMALLEST_PRO_BUDGET = 128

# Google's own placeholder for a call that another model made: Gemini 3 refuses a turn whose first call has no
# signature.
_FOREIGN_CALL = "skip_thought_signature_validator"
_OWN_ID = re.compile(r"[a-z0-9]{8}")

_IMAGE_TYPES: Mapping[str, str] = {
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif",
    "heic": "image/heic", "heif": "image/heif",
}  # fmt: skip


def encode_body(request: Request) -> dict[str, Any]:
    """The request's body, the same for the Gemini API and Vertex.

    `extra` is merged last, objects into objects (`generationConfig` keeps what it has); lists are replaced.
    """
    system = [message.text for message in request.messages if message.role in ("system", "developer")]
    fields: dict[str, Any] = {
        "contents": _contents(request),
        "systemInstruction": {"parts": [{"text": text} for text in system if text]} if any(system) else None,
        "tools": [{"functionDeclarations": [_tool(tool) for tool in request.tools]}] if request.tools else None,
        "toolConfig": _tool_config(request.tool_choice),
        "generationConfig": _generation_config(request) or None,
    }
    return merged(known(fields), request.extra)


def _contents(request: Request) -> list[dict[str, Any]]:
    """The turns, those of one role merged; a tool's result is the user's. System messages are elsewhere."""
    contents: list[dict[str, Any]] = []
    called: dict[str, str] = {}
    for message in request.messages:
        if message.role in ("system", "developer"):
            continue
        called.update((call.id, call.name) for call in message.tool_calls)
        role = "model" if message.role == "assistant" else "user"
        parts = _parts(message, called, request.model)
        if contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        else:
            contents.append({"role": role, "parts": parts})
    return contents or [{"role": "user", "parts": [_SPACE]}]


def _parts(message: Message, called: Mapping[str, str], model: str) -> list[dict[str, Any]]:
    """One message's parts; nothing at all is a single space, since Gemini refuses a turn without parts."""
    if message.role == "tool":
        images = [_image(part) for part in message.parts if isinstance(part, ImagePart)]
        return [_function_response(message, called), *images]
    parts = [encoded for part in message.parts if (encoded := _part(part)) is not None]
    return parts + _function_calls(message.tool_calls, model) or [_SPACE]


def _part(part: Part) -> dict[str, Any] | None:
    if isinstance(part, TextPart):
        return {"text": part.text} if part.text else None
    return _image(part) if isinstance(part, ImagePart) else _reasoning(part)


def _image(part: ImagePart) -> dict[str, Any]:
    data = part.data()
    if data is not None:
        return {"inlineData": {"mimeType": data[0], "data": data[1]}}
    ending = part.url.partition("?")[0].rpartition(".")[2].lower()
    return {"fileData": known({"mimeType": _IMAGE_TYPES.get(ending), "fileUri": part.url})}


def _reasoning(part: ReasoningPart) -> dict[str, Any] | None:
    """Signed reasoning goes back, a bare signature on an empty part as it came. Unsigned is left out."""
    if not part.signature:
        return None
    thought = {"thought": True} if part.text else {}
    return {"text": part.text, **thought, "thoughtSignature": part.signature}


def _function_calls(calls: tuple[FunctionCall, ...], model: str) -> list[dict[str, Any]]:
    """The calls of a turn with their signatures; of parallel ones only the first has one, from Gemini too."""
    foreign = _generation(model) >= 3 and not any(call.signature for call in calls)
    return [_function_call(call, _FOREIGN_CALL if foreign and not place else None) for place, call in enumerate(calls)]


def _function_call(call: FunctionCall, placeholder: str | None) -> dict[str, Any]:
    arguments = parse_arguments(call.arguments) or {}
    inner = known({"id": _own_id(call.id), "name": call.name, "args": arguments})
    return known({"functionCall": inner, "thoughtSignature": call.signature or placeholder})


def _function_response(message: Message, called: Mapping[str, str]) -> dict[str, Any]:
    """A tool's result: an object as it is, anything else as `result`. Gemini knows a call by its name."""
    id = message.tool_call_id or ""
    result = parse_arguments(message.text) if message.text.strip() else None
    response = {"result": message.text} if result is None else result
    name = called.get(id) or message.name or id
    return {"functionResponse": known({"id": _own_id(id), "name": name, "response": response})}


def _own_id(id: str) -> str | None:
    """An id that Gemini made (only its newer models do); the ones made up here mean nothing to it."""
    return id if _OWN_ID.fullmatch(id) else None


def _tool(tool: Tool) -> dict[str, Any]:
    # `parameters` takes a part of OpenAPI only and refuses the rest of JSON schema; this takes all of it.
    return known({"name": tool.name, "description": tool.description or None, "parametersJsonSchema": tool.parameters})


def _tool_config(choice: str | None) -> dict[str, Any] | None:
    if choice is None:
        return None
    mode = {"auto": "AUTO", "none": "NONE", "required": "ANY"}.get(choice)
    named = {"mode": "ANY", "allowedFunctionNames": [choice]}
    return {"functionCallingConfig": {"mode": mode} if mode else named}


def _generation_config(request: Request) -> dict[str, Any]:
    output = request.output
    return known({
        "maxOutputTokens": request.max_tokens,
        "temperature": request.temperature,
        "topP": request.top_p,
        "stopSequences": list(request.stop) or None,
        "seed": request.seed,
        "thinkingConfig": _thinking(request.reasoning, request.model),
        "responseMimeType": None if output is None else "application/json",
        "responseJsonSchema": None if output is None else dict(output),
    })  # fmt: skip


def _thinking(reasoning: str | int | None, model: str) -> dict[str, Any] | None:
    """An effort is a level from Gemini 3 on and a budget before; all of them take a budget."""
    if reasoning is None:
        return None
    shown = {"includeThoughts": reasoning not in ("none", 0)}
    if isinstance(reasoning, int):
        return {"thinkingBudget": reasoning, **shown}
    pro = "pro" in model
    if _generation(model) >= 3:
        level = _LEVELS.get(reasoning, "HIGH")
        return {"thinkingLevel": "LOW" if pro and level == "MINIMAL" else level, **shown}
    budget = _BUDGETS.get(reasoning, _BUDGETS["high"])
    return {"thinkingBudget": max(budget, _SMALLEST_PRO_BUDGET) if pro else budget, **shown}


def _generation(model: str) -> int:
    """The number in a Gemini's name; an alias without one (gemini-flash-latest) is new, another model 0."""
    found = re.search(r"gemini-(\d+)?", model)
    return int(found.group(1) or 3) if found else 0
