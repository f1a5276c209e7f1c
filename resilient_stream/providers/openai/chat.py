"""Adapts OpenAI's chat completions, for OpenAI and all the hosts of `hosts.py`: requests, and answers in one
piece.

The rows of `hosts.py` say how the hosts differ; no host's name stands in this module. Streams are read by
`chat_stream.py`.
This module must never await.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from ...classify import classify_response
from ...contract import Capabilities, Decoder, Endpoint, HttpRequest, OutputWay, Request
from ...failures import Failure
from ...fitting.answer_form import told_in_words
from ...fitting.told import left_out
from ...messages import FunctionCall, Message, Tool
from ...wire.json_outline import paths
from ..shared.chat_shape import encode_call, encode_message, encode_tool, encode_tool_choice
from ..shared.effort import effort_for, nearest
from ..shared.schemas import strict
from ..shared.strict_tools import strict_parameters
from ..shared.tool_calls import fitting_id
from ..shared.urls import joined
from ..shared.values import known, object_of, text_of, with_extra
from ..shared.whole import WholeAnswer, accepted, has, sse
from ..shared.words import knowing, own_words
from .chat_beside import Asked
from .chat_returns import returned
from .chat_stream import chat_decoder
from .chat_thoughts import Thinking
from .chat_turns import fitted
from .host_errors import rules_of
from .host_files import files_at
from .host_marks import MARKED, marked_content, marked_tools
from .host_tools import chat_tools_at
from .hosts import Host, Prefill, host_at, words_of
from .model_rules import output_way, rule_for, sampling_of

__all__ = ["OpenAIChat", "whole_message"]


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
    """Return a whole chat completion as a stream with one event and the end marker: each `message` becomes a
    `delta`."""
    answer = _OBJECT.decode(outline)
    if has(answer, "choices"):
        answer["choices"] = _raw([_as_delta(choice) for choice in _OBJECTS.decode(answer["choices"])])
    return sse(msgspec.json.encode(answer), b"[DONE]")


def _as_delta(choice: dict[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    rest = {name: value for name, value in choice.items() if name != "message"}
    return {**rest, "delta": _raw(whole_message(choice))}


def whole_message(choice: Mapping[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    """Return the message of a whole choice with its calls numbered; empty where the choice has none."""
    message = _OBJECT.decode(choice["message"]) if has(choice, "message") else {}
    if has(message, "tool_calls"):
        # Each call gets a number of its own, so that calls without ids stay apart.
        calls = _OBJECTS.decode(message["tool_calls"])
        message["tool_calls"] = _raw([{**call, "index": number} for number, call in enumerate(calls)])
    return message


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


# -- what is sent -----------------------------------------------------------------------------

_ANY_ID = re.compile(r".{1,40}", re.DOTALL)
"""Ids of tool calls as OpenAI accepts them; it refuses longer ones."""


class OpenAIChat(msgspec.Struct, frozen=True, eq=False):
    """Adapts one host; see `contract.Adapter`."""

    name: str
    host: Host

    title = property(lambda self: self.host.title)
    base_url = property(lambda self: self.host.base_url)
    key_variables = property(lambda self: self.host.keys)
    url_variable = property(lambda self: self.host.url_variable)
    addresses = property(lambda self: self.host.addresses)
    default_model = property(lambda self: self.host.default_model)
    facts = property(lambda self: self.host.facts)
    error_rules = property(lambda self: rules_of(self.name))
    options: ClassVar[tuple[str, ...]] = ()
    media_types: ClassVar[tuple[str, ...]] = ("text/event-stream",)

    def capabilities(self, model: str) -> Capabilities:
        """Return what a model can do."""
        return _capabilities_of(self, model)

    def encode(self, request: Request, endpoint: Endpoint) -> HttpRequest:
        """Encode a chat completion request."""
        headers = {"Content-Type": "application/json", "Accept": accepted(request)}
        if endpoint.api_key:
            headers["Authorization"] = f"Bearer {endpoint.api_key}"
        headers.update(endpoint.headers)
        body = with_extra(self._body(request, host_at(self.host, endpoint.base_url)), request.extra)
        url = joined(self._place(request, endpoint), self.host.path)
        return HttpRequest(url=url, headers=headers, body=msgspec.json.encode(body))

    def decoder(self, request: Request) -> Decoder:
        """Return a decoder for one streamed answer, set up by the target's options."""
        return chat_decoder(self.name, **request.decoding, asked=_asked_beside_text(request, self.host))

    def whole_decoder(self, request: Request) -> WholeAnswer:
        """Return a decoder for one answer in one piece."""
        asked = _asked_beside_text(request, self.host)._replace(placed=False)
        stream = chat_decoder(self.name, **request.decoding, asked=asked)
        return WholeAnswer(stream, LONG_TEXTS, as_stream, **request.decoding)

    def classify(self, status: int, headers: Mapping[str, str], body: bytes, max_retry_after: float = 60.0) -> Failure:
        """Classify an error by the shared rules, with this host's own in front."""
        return classify_response(status, headers, body, self.error_rules, max_retry_after=max_retry_after)

    def _prefill(self, request: Request) -> Prefill | None:
        """Return how to mark the last turn as unfinished, if it is the assistant's and the host continues it."""
        last = request.messages[-1] if request.messages else None
        return self.host.prefill if last is not None and last.role == "assistant" and not last.tool_calls else None

    def _place(self, request: Request, endpoint: Endpoint) -> str:
        """Return where the host takes unfinished turns, unless the user has given an address."""
        prefill = self._prefill(request)
        if prefill is None or prefill.base_url is None or endpoint.base_url != self.host.base_url:
            return endpoint.base_url
        return prefill.base_url

    def _body(self, request: Request, host: Host) -> dict[str, Any]:
        prefill = self._prefill(request)
        way = output_way(host.title, request.model)
        request = told_in_words(request) if way == "json" else request
        rule = rule_for(host.title, request.model)
        hosted = chat_tools_at(self.host.title, request.model)
        fields: dict[str, Any] = {
            "model": request.model,
            "messages": _messages(request, host, prefill),
            "stream": request.stream,
            "stream_options": {"include_usage": True} if host.usage and request.stream else None,
            "tools": [*_tools(request.tools, host), *hosted.encode(request)] or None,
            **hosted.fields(request),
            "tool_choice": _tool_choice(request.tool_choice, host),
            "response_format": _response_format(request.output, way),
            rule.max_tokens or host.max_tokens: request.max_tokens,
            **sampling_of(request, host.title, host.words),
            **own_words(request, host.words, ("user",)),
            "stop": list(request.stop) or None,
            **_seed(request, host),
            **_reasoning_fields(request.reasoning, request.model, host),
            **(prefill.body if prefill else {}),
        }
        return known(fields)


@functools.lru_cache(maxsize=256)
def _capabilities_of(adapter: OpenAIChat, model: str) -> Capabilities:
    """Return what a model can do. Prefill and reasoning depend on the host; every chat host has the rest."""
    host, prefill = adapter.host, adapter.host.prefill
    tools = chat_tools_at(host.title, model)
    able = Capabilities(
        earlier_turns="texts" if host.developer else "objects",
        prefill=bool(prefill), echoes_prefill=prefill.echoed if prefill else "never", whole=True,
        reasoning=host.reasoning != "none" and _efforts(model, host) != (),
        stop=rule_for(host.title, model).stop, tool_names=host.tool_names,
        images=bool(re.search(host.sees, model)), output_by=output_way(host.title, model),
        files=files_at(host.title).takes, cache_marks=host.title in MARKED,
        hosted=frozenset(tools.hosted), own_tools=tools.own, hosted_elsewhere=tools.elsewhere,
    )  # fmt: skip
    return knowing(words_of(host), able)


def _asked_beside_text(request: Request, host: Host) -> Asked:
    """Return what the request asked for beside text, as the fields of `extra` say it."""
    extra = request.extra
    if not (extra or request.tools or request.hosted):
        return _text_alone(host.returns)
    probable = bool(extra.get("logprobs") or extra.get("top_logprobs"))
    return Asked(probable, text_of(object_of(extra.get("audio")).get("format")), request.may_cite, host.returns)


@functools.cache
def _text_alone(returns: tuple[str, ...]) -> Asked:
    return Asked(returns=returns)


def _seed(request: Request, host: Host) -> dict[str, Any]:
    if host.seed is None and request.seed is not None:
        left_out(request.target.name, "seed", "this host has no field for it")
    return {} if host.seed is None else {host.seed: request.seed}


def _tool_choice(choice: str | None, host: Host) -> str | dict[str, Any] | None:
    return host.must_call if choice == "required" else encode_tool_choice(choice)


def _messages(request: Request, host: Host, prefill: Prefill | None) -> list[dict[str, Any]]:
    """Return the turns, the last one marked as unfinished where it should be continued."""
    turns = fitted(request, host)
    made = [_message(message, request.model, host) for message in turns]
    if any(message.role == "assistant" for message in turns):
        thinking = Thinking(request, host)
        made = [fields | thinking.fields(message) for fields, message in zip(made, turns, strict=True)]
    if prefill:
        made[-1].update(prefill.turn)
    return made


def _tools(tools: Sequence[Tool], host: Host) -> list[dict[str, Any]]:
    made = [encode_tool(tool, strict_parameters(tool)) for tool in tools]
    return marked_tools(made, tools) if host.title in MARKED else made


def _message(message: Message, model: str, host: Host) -> dict[str, Any]:
    """Return one turn, with its calls in this host's form, and what the host gave beside its text."""
    fields = encode_message(message, files_at(host.title).write)
    if host.title in MARKED and (content := marked_content(message, files_at(host.title).write)) is not None:
        fields["content"] = content
    if beside := returned(message):
        fields = {name: value for name, value in fields.items() if value} | beside
    if message.tool_calls:
        fields["tool_calls"] = [_tool_call(call, model, host) for call in message.tool_calls]
    if message.tool_call_id:
        fields["tool_call_id"] = _call_id(message.tool_call_id, host)
    return fields


def _tool_call(call: FunctionCall, model: str, host: Host) -> dict[str, Any]:
    fields = encode_call(call) | {"id": _call_id(call.id, host)}
    if call.signature and "gemini" in model:  # Google's OpenAI-shaped API refuses a turn without the signature
        fields["extra_content"] = {"google": {"thought_signature": call.signature}}
    return fields


def _call_id(id: str, host: Host) -> str:
    """Return a call's id as this host accepts it; the same for a call and its result."""
    if host.call_id_length is None:
        return fitting_id(id, _ANY_ID)
    return fitting_id(id, re.compile(f"[a-zA-Z0-9]{{{host.call_id_length}}}"), host.call_id_length)


def _response_format(schema: Mapping[str, Any] | None, way: OutputWay) -> dict[str, Any] | None:
    if schema is None:
        return None
    if way == "json":
        return {"type": "json_object"}
    made = strict(schema)
    form = {"name": "output", "schema": schema if made is None else made, "strict": made is not None}
    return {"type": "json_schema", "json_schema": form}


def _reasoning_fields(reasoning: str | int | None, model: str, host: Host) -> dict[str, Any]:
    """Return the fields for reasoning: an effort, or a budget where the host takes one; elsewhere a budget becomes the
    nearest effort."""
    efforts = _efforts(model, host)
    if reasoning is None or host.reasoning == "none" or efforts == ():
        return {}
    if host.reasoning == "object":
        return {"reasoning": {"max_tokens" if isinstance(reasoning, int) else "effort": reasoning}}
    effort = effort_for(reasoning)
    return {"reasoning_effort": effort if efforts is None else nearest(effort, efforts)}


def _efforts(model: str, host: Host) -> tuple[str, ...] | None:
    """Return the efforts that a model takes; none of them where only other models of the host take some. None: any, as
    far as is known."""
    if host.efforts is None:
        return None
    return next((taken for name, taken in host.efforts.items() if re.search(name, model)), ())
