"""Adapts Cohere's chat API, version 2: its requests, and answers in one piece.

A field that the API has no word for is sent as the nearest one; the class says which. The stream is read by
`stream.py`.
This module must never await.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from ...classify import classify_response
from ...classify.rules import Rules
from ...contract import Capabilities, Decoder, Endpoint, HttpRequest, Request
from ...failures import Failure
from ...fitting.files import files_of, forms
from ...messages import FilePart, ImagePart, Message, ReasoningPart
from ...wire.json_outline import paths
from ...wire.limits import few
from ..shared.chat_shape import encode_call, encode_content, encode_part, encode_tool
from ..shared.system import role_of
from ..shared.urls import joined
from ..shared.values import known, with_extra
from ..shared.whole import WholeAnswer, accepted, sse
from .citations import given_back
from .errors import RULES
from .stream import cohere_decoder

__all__ = ["ADAPTER", "Cohere"]

FILES = forms(text="data")


# -- a whole answer ---------------------------------------------------------------------------

LONG_TEXTS = paths("message.content.*.text", "message.content.*.thinking", "message.tool_plan")


class _WholeMessage(msgspec.Struct):
    content: list[msgspec.Raw] | None = None
    tool_calls: list[msgspec.Raw] | None = None
    tool_plan: str | None = None
    citations: msgspec.Raw = msgspec.Raw(b"null")


class _Whole(msgspec.Struct):
    message: _WholeMessage
    id: msgspec.Raw = msgspec.Raw(b"null")
    finish_reason: msgspec.Raw = msgspec.Raw(b"null")
    usage: msgspec.Raw = msgspec.Raw(b"null")
    logprobs: msgspec.Raw = msgspec.Raw(b"null")


_WHOLE = msgspec.json.Decoder(_Whole)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def as_stream(outline: bytes) -> bytes:
    """Return a whole answer as a stream with an event for each block. An answer without a message is an error and stays
    as it is."""
    if not bytes(_OBJECT.decode(outline).get("message", b"")).startswith(b"{"):
        return sse(outline)
    answer = _WHOLE.decode(outline)
    said = answer.message
    events: list[dict[str, Any]] = [{"type": "message-start", "id": answer.id}]
    if said.tool_plan:
        events.append(_delta("tool-plan-delta", 0, tool_plan=said.tool_plan))
    events += [_delta("content-start", number, content=block) for number, block in enumerate(few(said.content or []))]
    calls = few(said.tool_calls or [])
    events += [_delta("tool-call-start", number, tool_calls=call) for number, call in enumerate(calls)]
    ended = {"finish_reason": answer.finish_reason, "usage": answer.usage, "logprobs": answer.logprobs}
    events.append({"type": "message-end", "delta": {**ended, "message": {"citations": said.citations}}})
    return sse(*map(msgspec.json.encode, events))


def _delta(kind: str, index: int, **message: Any) -> dict[str, Any]:
    return {"type": kind, "index": index, "delta": {"message": message}}


# -- what is sent -----------------------------------------------------------------------------


class Cohere(msgspec.Struct, frozen=True):
    """Adapts Cohere's chat API; see `contract.Adapter`. It maps a request's fields as follows:

    tool_choice: the API can demand a call, not a certain one; a name is sent as REQUIRED with that tool alone.
    text files: `documents`, which the answer can cite.
    reasoning: a budget in tokens, or on and off; an effort is on.
    """

    name: ClassVar[str] = "cohere"
    title: ClassVar[str] = "Cohere"
    base_url: ClassVar[str] = "https://api.cohere.com"
    key_variables: ClassVar[tuple[str, ...]] = ("CO_API_KEY", "COHERE_API_KEY")
    url_variable: ClassVar[str] = "CO_API_URL"
    default_model: ClassVar[str | None] = None
    options: ClassVar[tuple[str, ...]] = ()
    media_types: ClassVar[tuple[str, ...]] = ("text/event-stream",)
    error_rules: ClassVar[Rules] = RULES

    def capabilities(self, model: str) -> Capabilities:
        """Return what a model can do: everything but prefill."""
        return Capabilities(whole=True, top_k=True, presence_penalty=True, frequency_penalty=True, files=FILES)

    def encode(self, request: Request, endpoint: Endpoint) -> HttpRequest:
        """Encode a chat request."""
        headers = {"Content-Type": "application/json", "Accept": accepted(request)}
        if endpoint.api_key:
            headers["Authorization"] = f"Bearer {endpoint.api_key}"
        headers.update(endpoint.headers)
        body = msgspec.json.encode(with_extra(_body(request), request.extra))
        return HttpRequest(url=joined(endpoint.base_url, "/v2/chat"), headers=headers, body=body)

    def decoder(self, request: Request) -> Decoder:
        """Return a decoder for one streamed answer, set up by the target's options."""
        return cohere_decoder(**request.decoding, logprobs=_asks_for_logprobs(request))

    def whole_decoder(self, request: Request) -> WholeAnswer:
        """Return a decoder for one answer in one piece."""
        stream = cohere_decoder(**request.decoding, logprobs=_asks_for_logprobs(request), placed=False)
        return WholeAnswer(stream, LONG_TEXTS, as_stream, **request.decoding)

    def classify(self, status: int, headers: Mapping[str, str], body: bytes, max_retry_after: float = 60.0) -> Failure:
        """Classify an error by the shared rules, with Cohere's own in front."""
        return classify_response(status, headers, body, self.error_rules, max_retry_after=max_retry_after)


ADAPTER = Cohere()


def _asks_for_logprobs(request: Request) -> bool:
    return bool(request.extra.get("logprobs"))


def _body(request: Request) -> dict[str, Any]:
    choice = request.tool_choice
    named = choice not in (None, "auto", "none", "required")
    tools = [tool for tool in request.tools if not named or tool.name == choice]
    fields: dict[str, Any] = {
        "model": request.model,
        "documents": [_document(part) for part in files_of(_but_results(request.messages))] or None,
        "messages": list(_turns(request.messages)),
        "stream": request.stream,
        "tools": [encode_tool(tool) for tool in tools] or None,
        "tool_choice": "REQUIRED" if named or choice == "required" else "NONE" if choice == "none" else None,
        "response_format": None if request.output is None else {"type": "json_object", "json_schema": request.output},
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "p": request.top_p,
        "k": request.top_k,
        "presence_penalty": request.presence_penalty,
        "frequency_penalty": request.frequency_penalty,
        "stop_sequences": list(request.stop) or None,
        "seed": request.seed,
        "thinking": _thinking(request.reasoning),
    }
    return known(fields)


def _turns(messages: Sequence[Message]) -> Iterator[dict[str, Any]]:
    """Return the turns. A tool's result is text; pictures in results follow as a turn of the user behind all
    results."""
    pictures: list[dict[str, Any]] = []
    for message in messages:
        if message.role != "tool" and pictures:
            yield _pictures_turn(pictures)
            pictures = []
        yield _turn(message)
        if message.role == "tool":
            pictures += filter(None, (encode_part(part) for part in message.parts if isinstance(part, ImagePart)))
    if pictures:
        yield _pictures_turn(pictures)


def _pictures_turn(pictures: list[dict[str, Any]]) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": "The pictures that the tools gave:"}, *pictures]}


def _turn(message: Message) -> dict[str, Any]:
    """Encode one message. A model's plan is its reasoning; Cohere has no role for a developer's message."""
    turn: dict[str, Any] = {"role": role_of(message)}
    if message.role == "tool":
        return {**turn, "tool_call_id": message.tool_call_id, "content": _result(message)}
    if message.tool_calls:
        turn["tool_calls"] = [encode_call(call) for call in message.tool_calls]
        plan = "".join(part.text for part in message.parts if isinstance(part, ReasoningPart))
        return {**turn, "tool_plan": plan or message.text or None} if plan or message.text else turn
    cited = {"citations": citations} if (citations := given_back(message)) else {}
    return {**turn, "content": encode_content(message), **cited}


def _but_results(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    return tuple(message for message in messages if message.role != "tool")


def _document(part: FilePart) -> dict[str, Any]:
    """Return a text file as a document, which the model can cite by its name."""
    return known({"id": part.name, "data": known({"title": part.name, "text": part.plain_text})})


def _result(message: Message) -> str | list[dict[str, Any]]:
    """Return a tool's result: a text, and documents of it where it has files."""
    files = [{"type": "document", "document": _document(part)} for part in files_of((message,))]
    text = [{"type": "text", "text": message.text}] if message.text else []
    return [*text, *files] if files else message.text


def _thinking(reasoning: str | int | None) -> dict[str, Any] | None:
    if reasoning is None:
        return None
    if reasoning == "none" or reasoning == 0:
        return {"type": "disabled"}
    return {"type": "enabled"} | ({"token_budget": reasoning} if isinstance(reasoning, int) else {})
