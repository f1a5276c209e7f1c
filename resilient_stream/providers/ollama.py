"""Ollama's own API, `/api/chat`: JSON lines, tool calls whole and as objects, pictures as base64.

The one rule: only `"done": true` ends an answer, and not with every reason: a proxy whose upstream died says
`done_reason: "error"`, a server that only loaded the model says "load".
Must never: await, or stop at an option it does not know; `extra` takes `keep_alive` and `options` as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ..chunks import Finished, FinishReason, ReasoningDelta, TextDelta, ToolCall, ToolCallDelta, Usage
from ..classify import classify_error, classify_response
from ..contract import Batch, Capabilities, Endpoint, HttpRequest, Request
from ..errors import NO_END_MARKER, ErrorKind, Failure
from ..messages import ImagePart, Message, ReasoningPart
from ..wire.json_events import BatchDecoder
from ..wire.json_lines import JsonLines
from ..wire.json_outline import paths
from .chat_shape import encode_tool
from .counts import count
from .effort import effort_for
from .error_rules import rules_for
from .tool_calls import parse_arguments
from .values import known
from .whole import WholeAnswer

__all__ = ["ADAPTER", "FAILED_REASONS", "FINISH_REASONS", "ChatLinesDecoder", "Ollama", "address"]


# -- what arrives -----------------------------------------------------------------------------


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: Any = None


class _Call(msgspec.Struct, gc=False):
    id: str | None = None
    function: _Function | None = None


class _Message(msgspec.Struct, gc=False):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[_Call] | None = None


class _Line(msgspec.Struct, gc=False):
    message: _Message | None = None
    done: bool = False
    done_reason: str | None = None
    model: str | None = None
    created_at: str | None = None
    prompt_eval_count: Any = None
    eval_count: Any = None
    error: Any = None


_LINES = BatchDecoder(_Line)

FINISH_REASONS: Mapping[str, tuple[FinishReason, str | None]] = {
    "stop": ("stop", None),
    "length": ("length", "output_truncated"),
}
"""What an answer may end with. Not here and not below: "other"."""

FAILED_REASONS: Mapping[str, ErrorKind] = {
    "error": ErrorKind.SERVER_ERROR,
    "load": ErrorKind.MODEL_LOADING,
    "unload": ErrorKind.MODEL_LOADING,
}
"""Ends that are no answer."""


class ChatLinesDecoder:
    """One answer of `/api/chat`; see `contract.Decoder`. Ollama gives an answer no id."""

    __slots__ = (
        "_calls", "_eof_ok", "_lines", "_provider", "_seen", "_turn", "done", "failure", "model", "progress",
        "response_id",
    )  # fmt: skip

    def __init__(self, provider: str, *, max_event_bytes: int, raw: bool = False, eof_ok: bool = False) -> None:
        self._lines = JsonLines(_LINES, max_event_bytes)
        self._provider = provider
        self._eof_ok = eof_ok
        self._seen = False
        self._calls = 0
        self._turn = ""
        self.failure: Failure | None = None
        self.done = False
        self.progress = 0
        self.model: str | None = None
        self.response_id: str | None = None

    def feed(self, data: bytes) -> Batch:
        """Decode one network read."""
        if self.done or self.failure is not None:
            return []
        batch = self._read(self._lines.feed(data))
        self.failure = self.failure or self._lines.failure
        return batch

    def finish(self) -> Batch:
        """The body ended. Whole after `"done": true`, or where the target says eof_ok."""
        if self.done or self.failure is not None:
            return []
        batch = self._read(self._lines.finish())
        if self.done or self.failure is not None:
            return batch
        if self._eof_ok and self._seen:
            self.done = True
        else:
            self.failure = NO_END_MARKER
        return batch

    def _read(self, lines: list[_Line]) -> Batch:
        batch: Batch = []
        for line in lines:
            if line.error:
                self.failure = classify_error({"error": line.error}, rules_for(self._provider))
            else:
                self._read_line(line, batch)
            if self.done or self.failure is not None:
                break
        self._seen = self._seen or bool(batch)
        return batch

    def _read_line(self, line: _Line, batch: Batch) -> None:
        self.model = self.model or line.model
        self._turn = self._turn or re.sub(r"\D", "", line.created_at or "")
        message = line.message
        if message is not None:
            if message.thinking:
                batch.append(ReasoningDelta(message.thinking))
            if message.content:
                batch.append(TextDelta(message.content))
            for call in message.tool_calls or ():
                batch += self._call(call)
        if line.done:
            self._ended(line, batch)

    def _call(self, call: _Call) -> list[ToolCallDelta | ToolCall]:
        """Older servers give no id. Ours differ from turn to turn: some providers refuse one used twice."""
        function = call.function or _Function()
        index, self._calls = self._calls, self._calls + 1
        id = call.id or f"call_{index}_{self._turn}"
        given = function.arguments
        text = given if isinstance(given, str) else msgspec.json.encode({} if given is None else given).decode()
        name = function.name or ""
        return [ToolCallDelta(index, id, name, text), ToolCall(index, id, name, text, parse_arguments(text))]

    def _ended(self, line: _Line, batch: Batch) -> None:
        """The counts, then why; servers before 2024 gave no reason."""
        read, written = count(line.prompt_eval_count), count(line.eval_count)
        if read is not None or written is not None:
            batch.append(Usage(read, written))
        raw = line.done_reason or "stop"
        if raw in FAILED_REASONS:
            self.failure = Failure(kind=FAILED_REASONS[raw], code=raw)
            return
        self.done = True
        reason, kind = FINISH_REASONS.get(raw, ("other", None))
        batch.append(Finished("tool_calls" if self._calls and reason == "stop" else reason, raw, kind))


LONG_TEXTS = paths("message.content", "message.thinking")
"""Where a whole answer may have long texts."""


def as_stream(outline: bytes) -> bytes:
    """A whole answer as a stream: it is what the stream's only line would be."""
    return msgspec.json.format(outline, indent=-1) + b"\n"


# -- what is sent -----------------------------------------------------------------------------


class Ollama(msgspec.Struct, frozen=True):
    """The adapter of Ollama's API; see `contract.Adapter`. What becomes of a request's fields there:

    max_tokens, temperature, top_p, stop, seed: in `options`, with whatever `extra["options"]` has.
    reasoning: `think`, an effort as it is ("none" is false), a budget as the nearest effort.
    output: `format`. tool_choice: "none" leaves the tools out; a call cannot be demanded.
    images: data only; Ollama does not fetch links.
    """

    name: str = "ollama"
    title: str = "Ollama"
    base_url: str = "http://127.0.0.1:11434"
    key_variables: tuple[str, ...] = ()
    url_variable: str = "OLLAMA_HOST"
    default_model: str | None = None
    # Proxies call it JSON; the decoder reads lines either way, an error's among them.
    media_types: tuple[str, ...] = ("application/x-ndjson", "application/ndjson", "application/json")

    def capabilities(self, model: str) -> Capabilities:
        """An unfinished assistant turn is continued by some models' templates only, so not at all."""
        return Capabilities(image_links=False, forced_tools=False, whole=True)

    def encode(self, request: Request, endpoint: Endpoint) -> HttpRequest:
        """A chat request."""
        accepted = "application/x-ndjson" if request.stream else "application/json"
        headers = {"Content-Type": "application/json", "Accept": accepted}
        if endpoint.api_key:
            headers["Authorization"] = f"Bearer {endpoint.api_key}"
        headers.update(endpoint.headers)
        url = f"{endpoint.base_url}/api/chat"
        return HttpRequest(url=url, headers=headers, body=msgspec.json.encode(_body(request)))

    def decoder(self, request: Request) -> ChatLinesDecoder:
        """A decoder for one answer, as the target's options ask for it."""
        return ChatLinesDecoder(self.name, **request.decoding)

    def whole_decoder(self, request: Request) -> WholeAnswer:
        """The same for an answer in one piece."""
        return WholeAnswer(self.decoder(request), LONG_TEXTS, as_stream, **request.decoding)

    def classify(self, status: int, headers: Mapping[str, str], body: bytes, max_retry_after: float = 60.0) -> Failure:
        """The shared rules with Ollama's own in front."""
        return classify_response(status, headers, body, rules_for(self.name), max_retry_after=max_retry_after)


ADAPTER = Ollama()

_PORTS: Mapping[str, int] = {"http": 80, "https": 443}
_ANYWHERE: Mapping[str, str] = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def address(host: str) -> str:
    """OLLAMA_HOST as Ollama's own clients read it: a host, host:port, [ip6]:port, :port, or a URL with or without
    a port and a path. It is the server's setting too, so "every interface" means this machine.

    Raises ValueError for what is none of these.
    """
    scheme, _, rest = host.strip(" \"'").rpartition("://")
    if rest.count(":") > 1 and "[" not in rest:
        rest = f"[{rest}]"
    parts = urlsplit(f"{scheme or 'http'}://{rest}")
    name = parts.hostname or "127.0.0.1"
    name = _ANYWHERE.get(name, name)
    port = parts.port or _PORTS.get(scheme, 11434)
    path = f"/{parts.path.strip('/')}".rstrip("/")
    return f"{parts.scheme}://{f'[{name}]' if ':' in name else name}:{port}{path}"


def _body(request: Request) -> dict[str, Any]:
    """`extra` is merged last; its `options` into ours."""
    extra = dict(request.extra)
    options = {
        "num_predict": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop": list(request.stop) or None,
        "seed": request.seed,
        **(extra.pop("options", None) or {}),
    }
    tools = () if request.tool_choice == "none" else request.tools
    fields = {
        "model": request.model,
        "messages": list(_messages(request.messages)),
        "stream": request.stream,
        "tools": [encode_tool(tool) for tool in tools] or None,
        "format": request.output,
        "think": _think(request.reasoning),
        "options": known(options) or None,
    }
    return {**known(fields), **extra}


def _pictures(message: Message) -> list[str]:
    """Base64, without a type; a link is refused before (`image_links`)."""
    found = (part.data() for part in message.parts if isinstance(part, ImagePart))
    return [data[1] for data in found if data is not None]


def _messages(messages: tuple[Message, ...]) -> Iterator[dict[str, Any]]:
    """A tool's result goes by the tool's name."""
    called: dict[str, str] = {}
    for message in messages:
        called.update((call.id, call.name) for call in message.tool_calls)
        name = called.get(message.tool_call_id or "", message.name) if message.role == "tool" else None
        yield known({
            "role": "system" if message.role == "developer" else message.role,
            "content": message.text,
            "thinking": _thought(message),
            "images": _pictures(message) or None,
            "tool_calls": [
                {"function": {"name": call.name, "arguments": parse_arguments(call.arguments) or {}}}
                for call in message.tool_calls
            ] or None,
            "tool_name": name,
        })  # fmt: skip


def _thought(message: Message) -> str | None:
    """Nothing here is signed, so all of it may go back."""
    return "".join(part.text for part in message.parts if isinstance(part, ReasoningPart)) or None


def _think(reasoning: str | int | None) -> bool | str | None:
    """Models that think on or off take true for any effort; gpt-oss takes low, medium, high."""
    if reasoning is None:
        return None
    if reasoning in ("none", 0):
        return False
    effort = effort_for(reasoning)
    return {"minimal": "low"}.get(effort, effort)
