"""The adapter of OpenAI's Responses API, for OpenAI and the hosts with `responses` in `hosts.py`: requests.

Each request contains the whole conversation. Nothing is stored at the provider (`store: false`), and reasoning goes
back as the encrypted item that it came as; only background=True needs storing. The column `responses` says what a host
can do; no host's name stands in this module.
Must never: await.

system messages stay where they are, as input items: `instructions` is a single string, which not every host has.
temperature, top_p: as given. stop, seed: the API has neither; the first is refused, the second left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import quote

import msgspec

from ...classify import classify_response
from ...contract import Capabilities, Decoder, Endpoint, HttpRequest, OutputWay, ProviderFacts, Request, ResumePoint
from ...failures import Failure
from ...fitting.answer_form import told_in_words
from ...messages import FilePart, FunctionCall, ImagePart, Message, Part, ReasoningPart, TextPart, Tool
from ..shared.effort import effort_for
from ..shared.schemas import strict
from ..shared.strict_tools import strict_parameters
from ..shared.tool_calls import fitting_id
from ..shared.urls import joined, segment
from ..shared.values import known, with_extra
from ..shared.whole import WholeAnswer, accepted
from ..shared.words import knowing, own_words
from .chat_turns import fitted
from .host_errors import rules_of
from .host_files import responses_files_at, write_input_file
from .hosts import Host, host_at, words_of
from .model_rules import rule_for, sampling_of
from .responses_stream import responses_decoder
from .responses_whole import LONG_TEXTS, as_stream

__all__ = ["OpenAIResponses"]


def _facts(name: str, host: Host) -> ProviderFacts:
    """Return the host's facts; telemetry knows it by one name, whichever of its APIs is asked."""
    called = host.facts.telemetry_name or name.removesuffix("-responses")
    return msgspec.structs.replace(host.facts, telemetry_name=called)


class OpenAIResponses(msgspec.Struct, frozen=True):
    """The adapter of one host; see `contract.Adapter`. A target's options:

    background: the provider keeps the answer and continues without us, so that a broken stream can be resumed.
    reasoning_summary: "auto", "concise" or "detailed", to see what the model thought. By default it is "auto" for a
    call with `reasoning=` at OpenAI and Azure. None asks for none: OpenAI refuses it to organisations not verified.
    """

    name: str
    host: Host

    title = property(lambda self: self.host.title)
    base_url = property(lambda self: self.host.base_url)
    key_variables = property(lambda self: self.host.keys)
    url_variable = property(lambda self: self.host.url_variable)
    addresses = property(lambda self: self.host.addresses)
    default_model = property(lambda self: self.host.default_model)
    facts = property(lambda self: _facts(self.name, self.host))
    error_rules = property(lambda self: rules_of(self.name))
    options: ClassVar[tuple[str, ...]] = ("background", "reasoning_summary")
    media_types: ClassVar[tuple[str, ...]] = ("text/event-stream",)

    def capabilities(self, model: str) -> Capabilities:
        """Return what a model can do. Resuming needs a host that can, and the target's option background=True. There
        are no stop sequences."""
        able = Capabilities(
            earlier_turns="texts" if self.host.developer else "objects", stop=False,
            files=responses_files_at(self.host.title),
            native_resume=self.host.responses == "background", whole=True, signs_as=self.name,
            output_by=rule_for(self.host.title, model).output,
        )  # fmt: skip
        return knowing(_words(self.host, words_of(self.host)), able)

    def encode(self, request: Request, endpoint: Endpoint) -> HttpRequest:
        """Encode a request for a response, or for the rest of a stream."""
        headers = {"Content-Type": "application/json", "Accept": accepted(request)}
        if endpoint.api_key:
            headers["Authorization"] = f"Bearer {endpoint.api_key}"
        headers.update(endpoint.headers)
        if request.resume is not None:
            url = joined(endpoint.base_url, *_rest_of(request.resume))
            return HttpRequest(method="GET", url=url, headers=headers, body=b"")
        body = with_extra(_body(request, host_at(self.host, endpoint.base_url)), request.extra)
        url = joined(endpoint.base_url, "/responses")
        return HttpRequest(url=url, headers=headers, body=msgspec.json.encode(body))

    def decoder(self, request: Request) -> Decoder:
        """Return a decoder for one streamed answer, set up by the target's options."""
        background = bool(request.option("background"))
        return responses_decoder(self.name, background=background, resume=request.resume, **request.decoding)

    def whole_decoder(self, request: Request) -> WholeAnswer:
        """Return a decoder for one answer in one piece."""
        return WholeAnswer(self.decoder(request), LONG_TEXTS, as_stream, **request.decoding)

    def classify(self, status: int, headers: Mapping[str, str], body: bytes, max_retry_after: float = 60.0) -> Failure:
        """Classify an error by the shared rules, with this host's own in front."""
        return classify_response(status, headers, body, self.error_rules, max_retry_after=max_retry_after)


_REASONS = re.compile(r"(^|[/.])(o\d|gpt-([5-9]|\d\d)(?!.*chat)|codex|grok-4)")
"""Models that encrypt their reasoning; others refuse to be asked for it. A request that names an effort is for one."""


_NO_SUMMARY = re.compile(r"(^|[/.:])o(1|3-mini)(?![a-z0-9])|gpt-oss")
"""Models that reason and give no summary of it."""

_CALL_ID = re.compile(r".{1,64}", re.DOTALL)


def _body(request: Request, host: Host) -> dict[str, Any]:
    words = _words(host, host.words)
    way = rule_for(host.title, request.model).output
    request = told_in_words(request) if way == "json" else request
    background = bool(request.option("background")) and request.stream  # an answer in one piece is awaited as a whole
    fields: dict[str, Any] = {
        "model": request.model,
        "input": [item for message in fitted(request, host, shows=True) for item in _items(message)],
        "stream": request.stream,
        "store": background,
        "background": background or None,
        "include": ["reasoning.encrypted_content"] if _wants_reasoning_back(request, host) else None,
        "tools": [_tool(tool) for tool in request.tools] or None,
        "tool_choice": _tool_choice(request.tool_choice),
        "text": _text_format(request.output, way),
        "max_output_tokens": request.max_tokens,
        **sampling_of(request, host.title, words),
        **own_words(request, words, ("user",)),
        "reasoning": _reasoning_fields(request, host) or None,
    }
    return known(fields)


def _rest_of(point: ResumePoint) -> tuple[str, list[str]]:
    """Return the path and query of a stream that continues after an event."""
    path = f"/responses/{segment(point.response_id, 'response')}"
    return path, ["stream=true", f"starting_after={quote(str(point.sequence), safe='')}"]


def _unsealed(part: ReasoningPart) -> dict[str, Any] | None:
    """Return the reasoning item again; None when the proof is another provider's, or there is none."""
    try:
        kept = msgspec.json.decode(part.signature or "", type=dict[str, str])
    except msgspec.DecodeError:
        return None
    if not kept:
        return None
    if kept.get("encrypted_content"):
        summary = [{"type": "summary_text", "text": part.text}] if part.text else []
        return {"type": "reasoning", **kept, "summary": summary}
    return {"type": "reasoning", **kept, "summary": [], "content": [{"type": "reasoning_text", "text": part.text}]}


def _wants_reasoning_back(request: Request, host: Host) -> bool:
    able = host.responses in ("encrypted", "background")
    return able and (request.reasoning not in (None, "none", 0) or bool(_REASONS.search(request.model)))


def _items(message: Message) -> Iterator[dict[str, Any]]:
    if message.role == "tool":
        id = fitting_id(message.tool_call_id or "", _CALL_ID)
        yield {"type": "function_call_output", "call_id": id, "output": _content(message)}
    elif message.role == "assistant":
        yield from _answer(message)
    else:
        yield {"role": message.role, "content": _content(message)}


def _answer(message: Message) -> list[dict[str, Any]]:
    """Return an earlier answer's reasoning, text and calls as they came. Reasoning that nothing follows is left out,
    since it would be refused."""
    items: list[dict[str, Any]] = []
    for block in message.blocks:
        if isinstance(block, TextPart) and block.text:
            _add_texts(items, block.text)
        elif isinstance(block, FunctionCall):
            items.append(_function_call(block))
        elif isinstance(block, ReasoningPart) and (item := _unsealed(block)):
            items.append(item)
    while items and items[-1]["type"] == "reasoning":
        items.pop()
    return items


def _add_texts(items: list[dict[str, Any]], text: str) -> None:
    """Add texts as one item where nothing separates them. The long form is used: llama.cpp takes no other for the
    assistant."""
    if items and items[-1]["type"] == "message":
        items[-1]["content"][0]["text"] += text
    else:
        items.append({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]})


def _function_call(call: FunctionCall) -> dict[str, Any]:
    id = fitting_id(call.id, _CALL_ID)
    return {"type": "function_call", "call_id": id, "name": call.name, "arguments": call.arguments}


def _content(message: Message) -> str | list[dict[str, Any]]:
    if not any(isinstance(part, ImagePart | FilePart) for part in message.parts):
        return message.text
    return [encoded for part in message.parts if (encoded := _part(part)) is not None]


def _part(part: Part) -> dict[str, Any] | None:
    if isinstance(part, TextPart):
        return {"type": "input_text", "text": part.text}
    if isinstance(part, ImagePart):
        return {"type": "input_image", "image_url": part.url, "detail": part.detail or "auto"}
    return write_input_file(part) if isinstance(part, FilePart) else None


def _tool(tool: Tool) -> dict[str, Any]:
    """Encode a tool. `strict` is always sent, since this API, unlike chat completions, is strict unless told
    otherwise."""
    return {
        "type": "function", "name": tool.name, "description": tool.description, "parameters": strict_parameters(tool),
        "strict": bool(tool.strict),
    }  # fmt: skip


def _tool_choice(choice: str | None) -> str | dict[str, Any] | None:
    if choice is None or choice in ("auto", "none", "required"):
        return choice
    return {"type": "function", "name": choice}


def _text_format(schema: Mapping[str, Any] | None, way: OutputWay) -> dict[str, Any] | None:
    if schema is None:
        return None
    if way == "json":
        return {"format": {"type": "json_object"}}
    made = strict(schema)
    form = {"name": "output", "schema": schema if made is None else made, "strict": made is not None}
    return {"format": {"type": "json_schema", **form}}


def _words(host: Host, words: Mapping[str, str]) -> Mapping[str, str]:
    return words if host.responses_samples else {name: word for name, word in words.items() if name == "user"}


def _reasoning_fields(request: Request, host: Host) -> dict[str, Any]:
    """Return the effort, and that a summary is wanted: without being asked, the API shows nothing of the reasoning."""
    thinks = request.reasoning not in (None, "none", 0)
    shows = thinks and host.responses == "background" and not _NO_SUMMARY.search(request.model)
    fields = {
        "effort": effort_for(request.reasoning) if request.reasoning is not None else None,
        "summary": request.option("reasoning_summary", "auto" if shows else None),
    }
    return known(fields)
