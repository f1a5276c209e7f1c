"""Adapts Gemini's Interactions API: its requests, and answers in one piece.

Each request contains the whole conversation, as the steps that it was made of. Nothing is stored at the provider
(`store: false`), except with background=True, which needs storing. A thought without its signature is never sent, since
it would be refused. The stream is read by `interactions_stream.py`.
This module must never await.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode

import msgspec

from ...classify import classify_response
from ...classify.rules import Rules
from ...contract import Capabilities, Decoder, Endpoint, HttpRequest, ProviderFacts, Request, ResumePoint
from ...failures import Failure
from ...fitting.files import forms
from ...fitting.hosted import NOTHING_TO_APPROVE, encoded
from ...fitting.told import model_first
from ...messages import FilePart, FunctionCall, ImagePart, Message, OpaquePart, Part, ReasoningPart, TextPart, Tool
from ...wire.json_outline import paths
from ...wire.limits import few
from ..shared.effort import effort_for
from ..shared.own_form import is_typed
from ..shared.paired import paired
from ..shared.system import some_turns, system_text
from ..shared.tool_calls import parse_arguments
from ..shared.urls import joined, segment
from ..shared.values import known, merged
from ..shared.whole import WholeAnswer, accepted, has, sse
from .errors import RULES
from .interactions_steps import role_of
from .interactions_stream import FAILED_STATUSES, FINISH_REASONS, interaction_decoder
from .request import TOOL_NAMES

__all__ = ["ADAPTER", "GeminiInteractions"]

FILES = forms(**dict.fromkeys(("pdf", "office", "audio", "video"), "data url id"), image="id")


class GeminiInteractions(msgspec.Struct, frozen=True):
    """Adapts the Interactions API; see `contract.Adapter`. A target's options:

    background: the provider keeps the answer and continues without us, so that a broken stream can be resumed.

    reasoning: a level; "none" is the least one, a budget the nearest. What the model thought is asked for with it.
    """

    name: ClassVar[str] = "gemini-interactions"
    title: ClassVar[str] = "Gemini"
    base_url: ClassVar[str] = "https://generativelanguage.googleapis.com"
    key_variables: ClassVar[tuple[str, ...]] = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
    url_variable: ClassVar[str] = "GEMINI_BASE_URL"
    default_model: ClassVar[str | None] = None
    options: ClassVar[tuple[str, ...]] = ("background",)
    media_types: ClassVar[tuple[str, ...]] = ("text/event-stream",)
    facts: ClassVar[ProviderFacts] = ProviderFacts(telemetry_name="gcp.gemini")
    error_rules: ClassVar[Rules] = RULES

    def capabilities(self, model: str) -> Capabilities:
        """Return what a model can do. Resuming needs the target's option background=True. There is no prefill: an
        unfinished turn is answered."""
        return Capabilities(
            native_resume=True,
            whole=True,
            tool_names=TOOL_NAMES,
            signs_as=self.name,
            reasoning_in_output=False,
            files=FILES,
            hosted=frozenset(_HOSTED),
            own_tools=_OWN_TOOLS,
        )

    def encode(self, request: Request, endpoint: Endpoint) -> HttpRequest:
        """Encode a request for an interaction, or for the rest of a stream."""
        headers = {"Content-Type": "application/json", "Accept": accepted(request)}
        if endpoint.api_key:
            headers["x-goog-api-key"] = endpoint.api_key
        headers.update(endpoint.headers)
        if request.resume is not None:
            url = joined(endpoint.base_url, *_rest_of(request.resume))
            return HttpRequest(method="GET", url=url, headers=headers, body=b"")
        url = joined(endpoint.base_url, "/v1beta/interactions")
        return HttpRequest(url=url, headers=headers, body=msgspec.json.encode(_body(request)))

    def decoder(self, request: Request) -> Decoder:
        """Return a decoder for one streamed answer, set up by the target's options."""
        background = bool(request.option("background"))
        return interaction_decoder(
            self.name, background=background, resume=request.resume, cites=request.may_cite, **request.decoding
        )

    def whole_decoder(self, request: Request) -> WholeAnswer:
        """Return a decoder for one answer in one piece."""
        return WholeAnswer(self.decoder(request), LONG_TEXTS, as_stream, cites=request.may_cite, **request.decoding)

    def classify(self, status: int, headers: Mapping[str, str], body: bytes, max_retry_after: float = 60.0) -> Failure:
        """Classify an error by the shared rules, with Google's own in front."""
        return classify_response(status, headers, body, self.error_rules, max_retry_after=max_retry_after)


ADAPTER = GeminiInteractions()


# -- a whole answer ---------------------------------------------------------------------------

LONG_TEXTS = paths("steps.*.content.*.text", "steps.*.summary.*.text", "output_text")
"""Where long texts may stand; the last one says again what the steps said."""

_ENDS = FINISH_REASONS.keys() | FAILED_STATUSES.keys()
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STEPS = msgspec.json.Decoder(list[msgspec.Raw])


def as_stream(outline: bytes) -> bytes:
    """Return each step as begun with all its content, then the end if the status is one; without a status it is an
    error."""
    answer = _OBJECT.decode(outline)
    if not has(answer, "status"):
        return sse(outline)
    steps = _STEPS.decode(answer.pop("steps")) if has(answer, "steps") else []
    events: list[dict[str, Any]] = [{"event_type": "interaction.created", "interaction": answer}]
    for index, step in enumerate(few(steps)):
        events.append({"event_type": "step.start", "index": index, "step": step})
        events.append({"event_type": "step.stop", "index": index})
    if msgspec.json.decode(answer["status"], type=str) in _ENDS:
        events.append({"event_type": "interaction.completed", "interaction": answer})
    return sse(*map(msgspec.json.encode, events))


# -- what is sent -----------------------------------------------------------------------------


def _rest_of(point: ResumePoint) -> tuple[str, list[str]]:
    """Return the path and query of a stream that continues after an event."""
    path = f"/v1beta/interactions/{segment(point.response_id, 'interaction')}"
    return path, [urlencode({"stream": "true", "last_event_id": point.sequence})]


def _body(request: Request) -> dict[str, Any]:
    """Build the body; `extra` is merged last, objects into objects."""
    background = bool(request.option("background"))
    fields: dict[str, Any] = {
        "model": request.model,
        "input": _input(request),
        "system_instruction": system_text(request.messages),
        "tools": [*map(_tool, request.tools), *map(_server, encoded(request, _HOSTED))] or None,
        "response_format": _response_format(request.output),
        "generation_config": _generation_config(request) or None,
        "stream": request.stream or None,
        "store": background,
        "background": background or None,
    }
    return merged(known(fields), request.extra)


def _input(request: Request) -> list[dict[str, Any]]:
    """Return the turns as steps. The models behind this API take no conversation that they begin themselves, as with
    generateContent."""
    steps = list(_all_steps(some_turns(request.messages, request.target.name), request.target.name))
    if steps and steps[0]["type"] in ("model_output", "thought", "function_call"):
        raise model_first()
    return steps


def _all_steps(messages: Sequence[Message], target: str) -> Iterator[dict[str, Any]]:
    """Return the turns as steps. A result is found by its call's id, and has the tool's name beside it."""
    called: dict[str, str] = {}
    for message in messages:
        called.update((call.id, call.name) for call in message.tool_calls)
        if message.role == "tool":
            id = message.tool_call_id or ""
            name = called.get(id) or message.name
            yield known({"type": "function_result", "call_id": id, "name": name, "result": _result(message)})
        else:
            yield from _steps(message, target)


def _steps(message: Message, target: str) -> Iterator[dict[str, Any]]:
    """Return the steps of one turn."""
    if message.role == "user":
        content = [encoded for part in message.parts if (encoded := _content(part))]
        yield {"type": "user_input", "content": content or [{"type": "text", "text": " "}]}
    elif message.role == "assistant":
        steps = [step for block in message.blocks if (step := _model_step(block))]
        yield from paired(steps, role_of, target, whole=True)


def _result(message: Message) -> str | list[dict[str, Any]]:
    """Return a tool's result; one with a picture in it is a list."""
    if not any(isinstance(part, ImagePart | FilePart) for part in message.parts):
        return message.text
    return [encoded for part in message.parts if (encoded := _content(part))]


def _content(part: Part) -> dict[str, Any] | None:
    if isinstance(part, ImagePart):
        data = part.data()
        if data is None:
            return {"type": "image", "uri": part.url}
        return {"type": "image", "mime_type": data[0], "data": data[1]}
    if isinstance(part, FilePart):
        kind = part.kind if part.kind in ("audio", "video", "image") else "document"
        return known({"type": kind, "mime_type": part.media_type, "data": part.data, "uri": part.url or part.id})
    return {"type": "text", "text": part.text} if isinstance(part, TextPart) and part.text else None


def _model_step(part: Part | FunctionCall) -> dict[str, Any] | None:
    if isinstance(part, FunctionCall):
        return _call(part)
    if isinstance(part, OpaquePart):
        return part.data if is_typed(part.data) else None
    if isinstance(part, ReasoningPart):
        if not part.signature:
            return None
        summary = [{"type": "text", "text": part.text}] if part.text else None
        return known({"type": "thought", "signature": part.signature, "summary": summary})
    content = _content(part)
    return {"type": "model_output", "content": [content]} if content else None


def _call(call: FunctionCall) -> dict[str, Any]:
    arguments = parse_arguments(call.arguments) or {}
    return known({
        "type": "function_call", "id": call.id, "name": call.name, "arguments": arguments, "signature": call.signature,
    })  # fmt: skip


def _tool(tool: Tool) -> dict[str, Any]:
    return known(
        {"type": "function", "name": tool.name, "description": tool.description or None, "parameters": tool.parameters}
    )


_HOSTED: Mapping[str, Mapping[str, Any]] = {
    "web_search": {"type": "google_search"}, "url_context": {"type": "url_context"},
    "web_fetch": {"type": "url_context"}, "code_execution": {"type": "code_execution"},
    "file_search": {"type": "file_search"}, "google_maps": {"type": "google_maps"}, "mcp": {"type": "mcp_server"},
}  # fmt: skip
_OWN_TOOLS = r"google_search|url_context|code_execution|file_search|google_maps|mcp_server|computer_use|tool_search"


def _server(tool: dict[str, Any]) -> dict[str, Any]:
    """Return an MCP server in this API's words, where it was given in those that all providers share."""
    if tool["type"] != "mcp_server" or "server_label" not in tool:
        return tool
    key = tool.get("authorization")
    shared = ("server_label", "server_url", "authorization")
    rest = {name: item for name, item in tool.items() if name not in shared and (name, item) != NOTHING_TO_APPROVE}
    headers = {"Authorization": f"Bearer {key}"} if key else None
    return known({"name": tool["server_label"], "url": tool.get("server_url"), "headers": headers, **rest})


def _response_format(schema: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if schema is None else {"type": "text", "mime_type": "application/json", "schema": dict(schema)}


def _generation_config(request: Request) -> dict[str, Any]:
    return known({
        "max_output_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop_sequences": list(request.stop) or None,
        "seed": request.seed,
        "tool_choice": _tool_choice(request.tool_choice),
        **_thinking(request.reasoning),
    })  # fmt: skip


def _thinking(reasoning: str | int | None) -> dict[str, Any]:
    if reasoning is None:
        return {}
    if reasoning in ("none", 0):
        return {"thinking_level": "minimal"}
    return {"thinking_level": effort_for(reasoning), "thinking_summaries": "auto"}


def _tool_choice(choice: str | None) -> str | dict[str, Any] | None:
    if choice is None or choice in ("auto", "none"):
        return choice
    return "any" if choice == "required" else {"allowed_tools": {"mode": "any", "tools": [choice]}}
