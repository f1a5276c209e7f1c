"""Adapts Anthropic's Messages API: its address, its requests, and answers in one piece.

Only this module knows Anthropic's own address and headers. Other hosts, too, use the request body (`request.py`) and
the stream (`stream.py`).
This module must never await.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from ...classify import classify_response
from ...classify.rules import Rules
from ...contract import Capabilities, Decoder, Endpoint, HttpRequest, LimitHeaders, ProviderFacts, Request
from ...failures import Failure
from ...fitting.files import files_of, forms
from ...wire.json_outline import paths
from ..shared.urls import joined
from ..shared.values import with_extra
from ..shared.whole import WholeAnswer, accepted, has, sse
from .errors import RULES
from .hosted import HOSTED, OWN, betas_of
from .models import generation_of
from .request import encode_body
from .stream import messages_decoder

__all__ = ["ADAPTER", "AnthropicMessages", "whole_events"]

TOOL_NAMES = r"[a-zA-Z0-9_-]{1,128}"
"""The names of tools that the API accepts, by Anthropic's page "Define tools"."""

FILES = forms(pdf="data url id", text="data id", image="id")

# -- a whole answer ---------------------------------------------------------------------------

LONG_TEXTS = paths("content.*.text", "content.*.thinking")

_MESSAGE = msgspec.json.Decoder(dict[str, msgspec.Raw])


def as_stream(outline: bytes) -> bytes:
    """Return a whole message as a stream whose first event contains all of it; an error becomes an error event."""
    message = _MESSAGE.decode(outline)
    if has(message, "error"):
        return sse(outline)
    return sse(*map(msgspec.json.encode, whole_events(message)))


def whole_events(message: Mapping[str, msgspec.Raw]) -> list[dict[str, Any]]:
    """Return a whole message as the events of a stream. The first contains all of it; without a stop reason there is no
    end."""
    begin = {"type": "message_start", "message": message}
    if not has(message, "stop_reason"):
        return [begin]
    delta = {name: message[name] for name in ("stop_reason", "stop_details") if name in message}
    return [begin, {"type": "message_delta", "delta": delta}, {"type": "message_stop"}]


# -- what is sent -----------------------------------------------------------------------------


def _betas(request: Request, body: Mapping[str, Any]) -> list[str]:
    """Return the features that a request has to announce: uploads, and some tools."""
    uploads = any(part.id is not None for part in files_of(request.messages))
    tools = betas_of(body.get("tools") or ()) if request.hosted else []
    return list(dict.fromkeys([*(["files-api-2025-04-14"] if uploads else []), *tools]))


def with_betas(own: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that are sent: ours under the given ones, but the features of `anthropic-beta` of both."""
    name = next((each for each in given if each.lower() == "anthropic-beta"), None)
    if name is None or "anthropic-beta" not in own:
        return {**own, **given}
    features = dict.fromkeys(each.strip() for each in f"{own['anthropic-beta']},{given[name]}".split(","))
    others = {each: value for each, value in own.items() if each != "anthropic-beta"}
    return {**others, **given, name: ",".join(features)}


class AnthropicMessages(msgspec.Struct, frozen=True):
    """Adapts Anthropic's API; see `contract.Adapter`. It maps a request's fields as follows:

    max_tokens: the API demands it; unset, it is the `max_tokens` of the model's row in `models.py`
        (4,096 for Claude 3 to 32,000 since 4.6), plus the thinking budget.
    reasoning: a budget, or adaptive thinking with an effort, whichever the model takes. Left out where the
        API refuses it: with a forced tool, and while an assistant turn goes on that began without thinking.
    temperature, top_p, top_k: left out for models that refuse them (4.7 and later) and while the model thinks; where
        both together are refused (4.1 and later), temperature is sent.
    user: `metadata.user_id`.
    seed: has no equivalent and is ignored.
    output: `output_config.format`, for Claude 4.5 and later; others are given a tool to answer by.
    """

    name: str = "anthropic"
    title: str = "Anthropic"
    base_url: str = "https://api.anthropic.com"
    key_variables: tuple[str, ...] = ("ANTHROPIC_API_KEY",)
    url_variable: str = "ANTHROPIC_BASE_URL"
    default_model: str | None = None
    media_types: tuple[str, ...] = ("text/event-stream",)
    error_rules: ClassVar[Rules] = RULES
    facts: ClassVar[ProviderFacts] = ProviderFacts(
        limit_headers=LimitHeaders(pattern="anthropic-ratelimit-{of}-{field}")
    )
    options: ClassVar[tuple[str, ...]] = ()

    def capabilities(self, model: str) -> Capabilities:
        """Return what a model can do; whether it takes a prefill is in its row of the table."""
        return Capabilities(
            prefill=generation_of(model).prefill, whole=True, tool_names=TOOL_NAMES, cached_in_input=False,
            top_k=True, user=True, output_by="schema" if generation_of(model).schema else "tool", files=FILES,
            cache_marks=True, citations=True, hosted=HOSTED, own_tools=OWN,
        )  # fmt: skip

    def encode(self, request: Request, endpoint: Endpoint) -> HttpRequest:
        """Encode a Messages request."""
        headers = {
            "Content-Type": "application/json",
            "Accept": accepted(request),
            "anthropic-version": "2023-06-01",
        }
        if endpoint.api_key:
            headers["x-api-key"] = endpoint.api_key
        body = with_extra(encode_body(request), request.extra)
        if betas := _betas(request, body):
            headers["anthropic-beta"] = ",".join(betas)
        headers = with_betas(headers, endpoint.headers)
        url = joined(endpoint.base_url, "/v1/messages")
        return HttpRequest(url=url, headers=headers, body=msgspec.json.encode(body))

    def decoder(self, request: Request) -> Decoder:
        """Return a decoder for one streamed answer, set up by the target's options."""
        return messages_decoder(self.name, cites=request.may_cite, **request.decoding)

    def whole_decoder(self, request: Request) -> WholeAnswer:
        """Return a decoder for one answer in one piece."""
        return WholeAnswer(self.decoder(request), LONG_TEXTS, as_stream, cites=request.may_cite, **request.decoding)

    def classify(self, status: int, headers: Mapping[str, str], body: bytes, max_retry_after: float = 60.0) -> Failure:
        """Classify an error by the shared rules, with Anthropic's own in front."""
        return classify_response(status, headers, body, self.error_rules, max_retry_after=max_retry_after)


ADAPTER = AnthropicMessages()
