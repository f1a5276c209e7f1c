"""Adapts Gemini's generateContent: its address, its requests, and answers in one piece.

Only this module knows the Gemini API's own address and key. Vertex, too, uses the request body (`request.py`) and the
stream (`stream.py`).
This module must never await.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from ...classify import classify_response
from ...classify.rules import Rules
from ...contract import Capabilities, Decoder, Endpoint, HttpRequest, ProviderFacts, Request
from ...failures import Failure
from ...wire.json_outline import paths
from ..shared.urls import joined, segment, segments
from ..shared.whole import WholeAnswer, accepted, sse
from .errors import RULES
from .request import FILES, HOSTED, OWN_TOOLS, TOOL_NAMES, encode_body
from .stream import gemini_decoder

__all__ = ["ADAPTER", "STREAMS", "Gemini", "form_of", "method"]

STREAMS = ("text/event-stream", "application/json")
"""The forms in which a streamed answer may come."""


def method(request: Request) -> str:
    """Return the end of the path, for a stream or for an answer in one piece."""
    return "streamGenerateContent" if request.stream else "generateContent"


def form_of(request: Request) -> list[str]:
    """Return the query that says in which form a stream should come."""
    return ["alt=sse"] if request.stream and request.option("stream_format") != "array" else []


def _model(name: str) -> str:
    """Return a model's path. A colon in it would begin the method's name."""
    own = name.startswith(("models/", "tunedModels/"))
    return segments(name, keep="@") if own else f"models/{segment(name, keep='@')}"


LONG_TEXTS = paths("candidates.0.content.parts.*.text")
"""Where a whole answer may have long texts."""


def as_stream(outline: bytes) -> bytes:
    """Return a whole answer as a stream: it is the stream's only event."""
    return sse(outline)


class Gemini(msgspec.Struct, frozen=True):
    """Adapts the Gemini API; see `contract.Adapter`.

    Target("gemini:…", stream_format="array") asks for one JSON array in place of server-sent events, for gateways that
    know only that; an answer in either form is read whatever was asked for.
    """

    name: ClassVar[str] = "gemini"
    title: ClassVar[str] = "Gemini"
    base_url: ClassVar[str] = "https://generativelanguage.googleapis.com"
    key_variables: ClassVar[tuple[str, ...]] = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
    url_variable: ClassVar[str] = "GEMINI_BASE_URL"
    default_model: ClassVar[str | None] = None
    options: ClassVar[tuple[str, ...]] = ("stream_format",)
    media_types: ClassVar[tuple[str, ...]] = STREAMS
    facts: ClassVar[ProviderFacts] = ProviderFacts(telemetry_name="gcp.gemini")
    error_rules: ClassVar[Rules] = RULES

    def capabilities(self, model: str) -> Capabilities:
        """Return what a model can do. There is no prefill: an unfinished turn is answered, not continued."""
        return Capabilities(
            whole=True, tool_names=TOOL_NAMES, reasoning_in_output=False,
            output_by="words" if "gemma" in model else "schema",
            top_k=True, presence_penalty=True, frequency_penalty=True, files=FILES,
            hosted=HOSTED, own_tools=OWN_TOOLS,
        )  # fmt: skip

    def encode(self, request: Request, endpoint: Endpoint) -> HttpRequest:
        """Encode a streamGenerateContent request, or a generateContent one."""
        headers = {"Content-Type": "application/json", "Accept": accepted(request)}
        if endpoint.api_key:
            headers["x-goog-api-key"] = endpoint.api_key
        headers.update(endpoint.headers)
        return HttpRequest(
            url=joined(endpoint.base_url, f"/v1beta/{_model(request.model)}:{method(request)}", form_of(request)),
            headers=headers,
            body=msgspec.json.encode(encode_body(request)),
        )

    def decoder(self, request: Request) -> Decoder:
        """Return a decoder for one streamed answer, set up by the target's options."""
        return gemini_decoder(self.name, cites=request.may_cite, **request.decoding)

    def whole_decoder(self, request: Request) -> WholeAnswer:
        """Return a decoder for one answer in one piece."""
        return WholeAnswer(self.decoder(request), LONG_TEXTS, as_stream, cites=request.may_cite, **request.decoding)

    def classify(self, status: int, headers: Mapping[str, str], body: bytes, max_retry_after: float = 60.0) -> Failure:
        """Classify an error by the shared rules, with Google's own in front."""
        return classify_response(status, headers, body, self.error_rules, max_retry_after=max_retry_after)


ADAPTER = Gemini()
