"""Adapts Ollama's own API, `/api/chat`: its requests, and answers in one piece.

Options that this module does not know are still sent: `extra` takes `keep_alive` and `options` as they are. The stream
is read by `stream.py`.
This module must never await.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

import msgspec

from ...classify import classify_response
from ...classify.rules import Rules
from ...contract import Capabilities, Decoder, Endpoint, HttpRequest, ProviderFacts, Request
from ...failures import Failure
from ...messages import ImagePart, Message, ReasoningPart
from ...wire.json_outline import paths
from ..shared.chat_shape import encode_tool
from ..shared.effort import effort_for
from ..shared.own_form import EARLIER_FILE, in_own_form
from ..shared.system import role_of
from ..shared.tool_calls import parse_arguments
from ..shared.urls import joined
from ..shared.values import known, with_extra
from ..shared.whole import WholeAnswer
from .errors import RULES
from .stream import ollama_decoder

__all__ = ["ADAPTER", "Ollama", "address"]


LONG_TEXTS = paths("message.content", "message.thinking")
"""Where a whole answer may have long texts."""


def as_stream(outline: bytes) -> bytes:
    """Return a whole answer as a stream: it is the stream's only line."""
    return msgspec.json.format(outline, indent=-1) + b"\n"


# -- what is sent -----------------------------------------------------------------------------


class Ollama(msgspec.Struct, frozen=True):
    """Adapts Ollama's API; see `contract.Adapter`. It maps a request's fields as follows:

    max_tokens, temperature, top_p, top_k, the penalties, stop, seed: in `options`, with
    whatever `extra["options"]` has.
    reasoning: `think`, an effort as it is ("none" is false), a budget as the nearest effort.
    output: `format`. tool_choice: "none" leaves the tools out; a call cannot be demanded.
    images: data only; Ollama does not fetch links.
    """

    name: str = "ollama"
    title: str = "Ollama"
    base_url: str = "http://127.0.0.1:11434"
    key_variables: tuple[str, ...] = ()
    url_variable: str = "OLLAMA_HOST"
    options: ClassVar[tuple[str, ...]] = ()
    default_model: str | None = None
    # Proxies label it as JSON; the decoder reads lines either way, also the line of an error.
    media_types: tuple[str, ...] = ("application/x-ndjson", "application/ndjson", "application/json")
    facts: ClassVar[ProviderFacts] = ProviderFacts(credentials="resilient_stream.credentials.ollama")
    error_rules: ClassVar[Rules] = RULES

    def capabilities(self, model: str) -> Capabilities:
        """Return what a model can do. Only some models' templates continue an unfinished turn, so prefill is not
        offered."""
        return Capabilities(
            image_links=False, forced_tools=False, whole=True, top_k=True, presence_penalty=True, frequency_penalty=True
        )

    def encode(self, request: Request, endpoint: Endpoint) -> HttpRequest:
        """Encode a chat request."""
        accepted = "application/x-ndjson" if request.stream else "application/json"
        headers = {"Content-Type": "application/json", "Accept": accepted}
        if endpoint.api_key:
            headers["Authorization"] = f"Bearer {endpoint.api_key}"
        headers.update(endpoint.headers)
        url = joined(endpoint.base_url, "/api/chat")
        return HttpRequest(url=url, headers=headers, body=msgspec.json.encode(_body(request)))

    def decoder(self, request: Request) -> Decoder:
        """Return a decoder for one streamed answer, set up by the target's options."""
        return ollama_decoder(self.name, **request.decoding, logprobs=bool(request.extra.get("logprobs")))

    def whole_decoder(self, request: Request) -> WholeAnswer:
        """Return a decoder for one answer in one piece."""
        return WholeAnswer(self.decoder(request), LONG_TEXTS, as_stream, **request.decoding)

    def classify(self, status: int, headers: Mapping[str, str], body: bytes, max_retry_after: float = 60.0) -> Failure:
        """Classify an error by the shared rules, with Ollama's own in front."""
        return classify_response(status, headers, body, self.error_rules, max_retry_after=max_retry_after)


ADAPTER = Ollama()

_PORTS: Mapping[str, int] = {"http": 80, "https": 443}
_ANYWHERE: Mapping[str, str] = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def address(host: str) -> str:
    """Return OLLAMA_HOST as Ollama's own clients read it: a host, host:port, [ip6]:port, :port, or a URL with or
    without a port and a path. It is the server's setting too, so "every interface" means this machine. Raises
    ValueError for a text that is none of these.

    Raises ValueError for what is none of these.
    """
    scheme, _, rest = host.strip(" \"'").rpartition("://")
    login, at, rest = rest.rpartition("@") if "@" in rest.partition("/")[0] else ("", "", rest)
    if rest.count(":") > 1 and "[" not in rest:
        rest = f"[{rest}]"
    parts = urlsplit(f"{scheme or 'http'}://{rest}")
    name = parts.hostname or "127.0.0.1"
    name = _ANYWHERE.get(name, name)
    port = parts.port or _PORTS.get(scheme, 11434)
    path = f"/{parts.path.strip('/')}".rstrip("/")
    place = f"{login}{at}{f'[{name}]' if ':' in name else name}:{port}{path}"
    return f"{parts.scheme}://{place}{'?' if parts.query else ''}{parts.query}"


def _body(request: Request) -> dict[str, Any]:
    """Build the body; `extra` is merged last, and its `options` into ours."""
    extra = dict(request.extra)
    options = {
        "num_predict": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_k": request.top_k,
        "presence_penalty": request.presence_penalty,
        "frequency_penalty": request.frequency_penalty,
        "stop": list(request.stop) or None,
        "seed": request.seed,
        **(extra.pop("options", None) or {}),
    }
    tools = () if request.tool_choice == "none" else request.tools
    fields = {
        "model": request.model,
        "messages": list(_messages(request.messages, request.target.name)),
        "stream": request.stream,
        "tools": [encode_tool(tool) for tool in tools] or None,
        "format": request.output,
        "think": _think(request.reasoning),
        "options": known(options) or None,
    }
    return with_extra(known(fields), extra)


def _pictures(message: Message) -> list[str]:
    """Return pictures as base64 without a media type; links are refused before (`image_links`)."""
    found = (part.data() for part in message.parts if isinstance(part, ImagePart))
    return [data[1] for data in found if data is not None]


def _messages(messages: tuple[Message, ...], target: str) -> Iterator[dict[str, Any]]:
    """Return the messages; a tool's result names its tool. A picture that a model made is told in words, since not each
    model that makes some can read them."""
    called: dict[str, str] = {}
    for message in (in_own_form(message, lambda data: False, target, EARLIER_FILE) for message in messages):
        called.update((call.id, call.name) for call in message.tool_calls)
        name = called.get(message.tool_call_id or "", message.name) if message.role == "tool" else None
        yield known({
            "role": role_of(message),
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
    """Return a message's reasoning. Ollama signs nothing, so all of it may be sent back."""
    return "".join(part.text for part in message.parts if isinstance(part, ReasoningPart)) or None


def _think(reasoning: str | int | None) -> bool | str | None:
    """Return `think`. Models that only think or do not take true for any effort; gpt-oss takes low, medium, high."""
    if reasoning is None:
        return None
    if reasoning in ("none", 0):
        return False
    effort = effort_for(reasoning)
    return {"minimal": "low"}.get(effort, effort)
