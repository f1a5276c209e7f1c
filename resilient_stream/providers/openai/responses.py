"""Adapts OpenAI's Responses API, for OpenAI and the hosts with `responses` in `hosts.py`: requests.

Each request contains the whole conversation. Nothing is stored at the provider (`store: false`), and reasoning goes
back as the encrypted item that it came as; only background=True needs storing. The column `responses` says what a host
can do; no host's name stands in this module.
This module must never await.

system messages stay where they are, as input items: `instructions` is a single string, which not every host has.
temperature, top_p: as given. stop, seed: the API has neither; the first is refused, the second left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

import msgspec

from ...classify import classify_response
from ...contract import Capabilities, Decoder, Endpoint, HttpRequest, OutputWay, ProviderFacts, Request, ResumePoint
from ...failures import ErrorKind, Failure
from ...fitting.answer_form import told_in_words
from ...messages import Tool
from ..shared.effort import effort_for
from ..shared.schemas import strict
from ..shared.strict_tools import strict_parameters
from ..shared.urls import joined, segment
from ..shared.values import known, list_of, object_of, text_of, with_extra
from ..shared.whole import WholeAnswer, accepted
from ..shared.words import knowing, own_words
from .chat_turns import fitted
from .host_errors import rules_of
from .host_files import responses_files_at
from .host_tools import responses_tools_at
from .hosts import Host, host_at, words_of
from .model_rules import rule_for, sampling_of
from .responses_replay import answered
from .responses_stream import responses_decoder
from .responses_turns import items_of
from .responses_whole import LONG_TEXTS, as_stream

__all__ = ["OpenAIResponses"]


def _facts(name: str, host: Host) -> ProviderFacts:
    """Return the host's facts; telemetry and price tables know it by one name, whichever of its APIs is asked."""
    called = host.facts.telemetry_name or name.removesuffix("-responses")
    priced = host.facts.prices_name or name.removesuffix("-responses")
    return msgspec.structs.replace(host.facts, telemetry_name=called, prices_name=priced)


_SUMMARY = "reasoning_summary"
_SUMMARIES = "reasoning summaries"
"""What OpenAI says where it refuses a summary of the reasoning, which is asked for wherever a call has `reasoning=`."""


class OpenAIResponses(msgspec.Struct, frozen=True):
    """Adapts one host; see `contract.Adapter`. A target's options:

    background: the provider keeps the answer and continues without us, so that a broken stream can be resumed.
    reasoning_summary: "auto", "concise" or "detailed", to see what the model thought. By default it is "auto" for a
    call with `reasoning=` at OpenAI and Azure. OpenAI refuses that to organizations that are not verified, and is then
    asked again without it; None asks for none from the start.
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

    def approval(self, call_id: str, approved: bool, reason: str) -> dict[str, Any]:
        """Return the item that answers a request to use a tool of an MCP server."""
        item = {"type": "mcp_approval_response", "approval_request_id": call_id, "approve": approved}
        return item | ({"reason": reason} if reason else {})

    def capabilities(self, model: str) -> Capabilities:
        """Return what a model can do. Resuming needs a host that can, and the target's option background=True. There
        are no stop sequences."""
        able = Capabilities(
            earlier_turns="texts" if self.host.developer else "objects", stop=False,
            files=responses_files_at(self.host.title), hosted=frozenset(responses_tools_at(self.host.title).hosted),
            own_tools=responses_tools_at(self.host.title).own,
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
        return responses_decoder(
            self.name,
            background=background,
            resume=request.resume,
            logprobs=_wants_logprobs(request),
            **request.decoding,
        )

    def whole_decoder(self, request: Request) -> WholeAnswer:
        """Return a decoder for one answer in one piece."""
        return WholeAnswer(self.decoder(request), LONG_TEXTS, as_stream, cites=request.may_cite, **request.decoding)

    def classify(self, status: int, headers: Mapping[str, str], body: bytes, max_retry_after: float = 60.0) -> Failure:
        """Classify an error by the shared rules, with this host's own in front."""
        found = classify_response(status, headers, body, self.error_rules, max_retry_after=max_retry_after)
        asked = found.kind is ErrorKind.PERMISSION_DENIED and _SUMMARIES in found.detail
        return msgspec.structs.replace(found, code=_SUMMARY, leave_out=_SUMMARY) if asked else found


_REASONS = re.compile(r"(^|[/.])(o\d|gpt-([5-9]|\d\d)(?!.*chat)|codex|grok-4)")
"""Models that encrypt their reasoning; others refuse to be asked for it. A request that names an effort is for one."""


_NO_SUMMARY = re.compile(r"(^|[/.:])o(1|3-mini)(?![a-z0-9])|gpt-oss")
"""Models that reason and give no summary of it."""


def _body(request: Request, host: Host) -> dict[str, Any]:
    words = _words(host, host.words)
    way = rule_for(host.title, request.model).output
    request = told_in_words(request) if way == "json" else request
    background = bool(request.option("background")) and request.stream  # an answer in one piece is awaited as a whole
    tools = [*map(_tool, request.tools), *responses_tools_at(host.title).encode(request)]
    fields: dict[str, Any] = {
        "model": request.model,
        "input": answered(
            [item for message in fitted(request, host, shows=True) for item in items_of(message)], request.target.name
        ),
        "stream": request.stream,
        "store": background,
        "background": background or None,
        "include": _included(request, host, tools) or None,
        "tools": tools or None,
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


_DETAILS: Mapping[str, str] = {
    "web_search": "web_search_call.action.sources", "code_interpreter": "code_interpreter_call.outputs",
    "file_search": "file_search_call.results",
}  # fmt: skip
"""What a tool of the provider's found is given only to who asks for it; by the beginning of the tool's type."""
_LOGPROBS = "message.output_text.logprobs"


def _included(request: Request, host: Host, tools: Sequence[Any]) -> list[str]:
    """Return what the answer is to have beyond what it has by itself."""
    names = ["reasoning.encrypted_content"] if _wants_reasoning_back(request, host) else []
    if host.responses in ("encrypted", "background"):
        given = (object_of(tool) for tool in (*tools, *list_of(request.extra.get("tools"))))
        kinds = {text_of(tool.get("type")) for tool in given}
        names += [
            name
            for begin, name in _DETAILS.items()
            if any(kind.startswith(begin) and "preview" not in kind for kind in kinds)
        ]
    return [*names, _LOGPROBS] if request.extra.get("top_logprobs") is not None else names


def _wants_logprobs(request: Request) -> bool:
    return request.extra.get("top_logprobs") is not None or _LOGPROBS in list_of(request.extra.get("include"))


def _wants_reasoning_back(request: Request, host: Host) -> bool:
    able = host.responses in ("encrypted", "background")
    return able and (request.reasoning not in (None, "none", 0) or bool(_REASONS.search(request.model)))


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
    shows = shows and _SUMMARY not in request.without
    fields = {
        "effort": effort_for(request.reasoning) if request.reasoning is not None else None,
        "summary": request.option(_SUMMARY, "auto" if shows else None),
    }
    return known(fields)
