"""Adapts Google's Vertex AI: Gemini and Claude behind Google's addresses and credentials.

The model's name tells the dialect, whose own encoder and decoder are used unchanged. Only the address, the key and two
fields of Claude's body are Vertex's own. The token is fetched by `credentials/google.py` before each attempt, never
here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from ...classify import classify_response
from ...classify.rules import Rules
from ...contract import Capabilities, Decoder, Endpoint, HttpRequest, Login, ProviderFacts, Request
from ...failures import ErrorKind, Failure
from ...fitting.files import forms
from ..anthropic import adapter as anthropic
from ..anthropic import request as messages_request
from ..anthropic.stream import messages_decoder
from ..shared.urls import joined, segment, segments
from ..shared.values import with_extra
from ..shared.whole import WholeAnswer, accepted
from . import gemini
from . import request as gemini_request
from .errors import RULES
from .stream import gemini_decoder

__all__ = ["ADAPTER", "Place", "Vertex", "publisher_of"]

ANTHROPIC_VERSION = "vertex-2023-10-16"
_CLAUDES_TOOLS = r"web_search_20250305|(bash|text_editor|memory|computer)_20\d{6}"
_CLAUDES_FILES = forms(pdf="data", text="data")


class Place(msgspec.Struct, frozen=True):
    """Says where a model is found: in a project and a location. express: signed in by an API key alone, which implies
    its project."""

    project: str
    location: str
    express: bool = False


def publisher_of(model: str) -> str:
    """Return who published a model; a full path (`publishers/…/models/…`) says so itself."""
    if "publishers/" in model:
        return model.partition("publishers/")[2].partition("/")[0]
    return "anthropic" if model.startswith("claude") else "google"


class Vertex(msgspec.Struct, frozen=True):
    """Adapts Vertex AI; see `contract.Adapter`.

    Target("vertex:gemini-2.5-flash", project=…, location=…); by default from GOOGLE_CLOUD_PROJECT and
    GOOGLE_CLOUD_LOCATION, the location "global". A key is an API key of the express mode.
    """

    name: ClassVar[str] = "vertex"
    title: ClassVar[str] = "Vertex AI"
    base_url: ClassVar[str] = "https://aiplatform.googleapis.com"
    key_variables: ClassVar[tuple[str, ...]] = ()
    url_variable: ClassVar[str] = "GOOGLE_VERTEX_BASE_URL"
    default_model: ClassVar[str | None] = None
    options: ClassVar[tuple[str, ...]] = ("project", "location", "credentials", "stream_format")
    media_types: ClassVar[tuple[str, ...]] = gemini.STREAMS
    facts: ClassVar[ProviderFacts] = ProviderFacts(
        telemetry_name="gcp.vertex_ai",
        credentials="resilient_stream.credentials.google",
        login=Login(
            words="Google credentials", variables=("GOOGLE_APPLICATION_CREDENTIALS",),
            file="~/.config/gcloud/application_default_credentials.json", otherwise="Google credentials",
        ),
    )  # fmt: skip
    error_rules: ClassVar[Rules] = RULES

    def capabilities(self, model: str) -> Capabilities:
        """Return what the model can do at any provider."""
        if publisher_of(model) == "anthropic":
            able = anthropic.ADAPTER.capabilities(_short(model))
            # Of the tools only the search runs there, in its first form, given as the API's own dict.
            return msgspec.structs.replace(
                able,
                files=_CLAUDES_FILES,
                hosted=frozenset(),
                own_tools=_CLAUDES_TOOLS,
            )
        return gemini.ADAPTER.capabilities(model)

    def encode(self, request: Request, endpoint: Endpoint) -> HttpRequest:
        """Encode the dialect's own body for Vertex's address."""
        publisher = publisher_of(request.model)
        if publisher == "anthropic":
            body: dict[str, Any] = with_extra(messages_request.encode_body(request), request.extra)
            body.pop("model", None)
            body["anthropic_version"] = ANTHROPIC_VERSION
            method, query = "streamRawPredict" if request.stream else "rawPredict", list[str]()
        else:
            body = gemini_request.encode_body(request)
            method, query = gemini.method(request), gemini.form_of(request)
        return HttpRequest(
            url=joined(endpoint.base_url, f"/v1/{_path(endpoint, publisher, request.model)}:{method}", query),
            headers={"Content-Type": "application/json", "Accept": accepted(request)}
            | _key(endpoint)
            | dict(endpoint.headers),
            body=msgspec.json.encode(body),
        )

    def decoder(self, request: Request) -> Decoder:
        """Return the dialect's own decoder."""
        if publisher_of(request.model) == "anthropic":
            return messages_decoder(self.name, cites=request.may_cite, **request.decoding)
        return gemini_decoder(self.name, cites=request.may_cite, **request.decoding)

    def whole_decoder(self, request: Request) -> WholeAnswer:
        """Return a decoder for one answer in one piece."""
        dialect = anthropic if publisher_of(request.model) == "anthropic" else gemini
        return WholeAnswer(
            self.decoder(request), dialect.LONG_TEXTS, dialect.as_stream, cites=request.may_cite, **request.decoding
        )

    def classify(self, status: int, headers: Mapping[str, str], body: bytes, max_retry_after: float = 60.0) -> Failure:
        """Classify an error by the shared rules, with Google's own in front; Claude's errors are in the shared ones.

        A refused token is retried once, because the next attempt fetches a new one.
        """
        failure = classify_response(status, headers, body, self.error_rules, max_retry_after=max_retry_after)
        expired = status == 401 and failure.kind is ErrorKind.AUTHENTICATION
        return msgspec.structs.replace(failure, retry=True) if expired else failure


ADAPTER = Vertex()


def _short(model: str) -> str:
    """Return Claude's name as Anthropic has it, without path and `@version`."""
    return model.rpartition("/")[2].partition("@")[0]


def _path(endpoint: Endpoint, publisher: str, model: str) -> str:
    """Return the model's path: in a project and location, or alone in express mode."""
    place: Place = endpoint.credentials
    own = model.startswith(("publishers/", "projects/"))
    named = segments(model, keep="@") if own else f"publishers/{publisher}/models/{segment(model, keep='@')}"
    if place.express or named.startswith("projects/"):
        return named
    return f"projects/{segment(place.project, 'project')}/locations/{segment(place.location, 'location')}/{named}"


def _key(endpoint: Endpoint) -> dict[str, str]:
    place: Place = endpoint.credentials
    key = endpoint.api_key or ""
    return {"x-goog-api-key": key} if place.express else {"Authorization": f"Bearer {key}"}
