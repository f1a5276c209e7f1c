"""Adapts OpenAI's models at Azure: both dialects at Azure's addresses, with its two ways to sign in.

OpenAI's own adapters encode and decode; this module only decides the address and the headers. The environment is read
by `credentials/azure.py`.
This module must never await.

    AZURE_OPENAI_ENDPOINT             with a dated api_version             without one, the v1 API
    https://res.openai.azure.com  ->  /openai/deployments/<dep>/chat/…     /openai/v1/chat/completions
                                      /openai/responses                    /openai/v1/responses

An address with a path of its own (`…/openai/v1`, `…/openai/deployments/dep`, `…/models`) is used unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeAlias
from urllib.parse import quote

import msgspec

from ...contract import Capabilities, Decoder, Endpoint, HttpRequest, Login, ProviderFacts, Request, WholeDecoder
from ...failures import Failure
from ..shared.urls import joined, segment
from .chat import OpenAIChat
from .host_errors import rules_of
from .hosts import Host
from .responses import OpenAIResponses

__all__ = ["CHAT", "RESPONSES", "Azure", "AzureAccess"]

Speaker: TypeAlias = OpenAIChat | OpenAIResponses

_HOST = Host(
    "Azure OpenAI", "", ("AZURE_OPENAI_API_KEY",), "AZURE_OPENAI_ENDPOINT", "max_completion_tokens",
    responses="background", developer=True,
    facts=ProviderFacts(
        telemetry_name="azure.ai.openai",
        prices_name="azure",
        credentials="resilient_stream.credentials.azure",
        login=Login(
            words="AZURE_OPENAI_API_KEY", variables=("AZURE_OPENAI_AD_TOKEN",), otherwise="or `AZURE_OPENAI_AD_TOKEN`"
        ),
    ),
)  # fmt: skip

_UNDATED = ("preview", "latest", "v1")
"""API versions of the v1 API; it refuses a dated one."""

_COUNTS_SINCE = "2024-09"
"""Older API versions refuse `stream_options`, and so report no usage."""

_DEVELOPERS_SINCE = "2024-12"
"""Older API versions do not know the role `developer`."""


class AzureAccess(msgspec.Struct, frozen=True, kw_only=True):
    """Holds the credentials that Azure needs beyond an address and a key. If there is a token, it is sent in place of
    the key."""

    api_version: str | None = None
    token: str | None = None

    def __repr__(self) -> str:
        return f"AzureAccess({self.api_version!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("api_version", self.api_version)]


class Azure(msgspec.Struct, frozen=True):
    """Adapts one of the two dialects; see `contract.Adapter`. The model's name is the deployment's.

    A target's options: api_version (else OPENAI_API_VERSION; none means the v1 API), azure_ad_token: an Entra ID
    token, or a callable, sync or async, that is asked for one before each attempt. And what the dialect has.
    """

    name: str

    title: ClassVar[str] = _HOST.title
    base_url: ClassVar[str] = _HOST.base_url
    key_variables: ClassVar[tuple[str, ...]] = _HOST.keys
    url_variable: ClassVar[str] = _HOST.url_variable
    addresses: ClassVar[tuple[str, ...]] = ("azure.com", "azure.us", "azure.cn", "azure-api.net")
    default_model: ClassVar[None] = None
    media_types: ClassVar[tuple[str, ...]] = ("text/event-stream",)
    error_rules = property(lambda self: rules_of(self.name))
    facts: ClassVar[ProviderFacts] = _HOST.facts

    @property
    def options(self) -> tuple[str, ...]:
        """Return Azure's own options and those of the dialect."""
        return ("api_version", "azure_ad_token", *self._dialect().options)

    def capabilities(self, model: str) -> Capabilities:
        """Return what the dialect can do."""
        return self._dialect().capabilities(model)

    def encode(self, request: Request, endpoint: Endpoint) -> HttpRequest:
        """Encode the dialect's request for the deployment's address."""
        access = endpoint.credentials if isinstance(endpoint.credentials, AzureAccess) else AzureAccess()
        headers: dict[str, str] = {}
        if endpoint.api_key and not access.token:
            headers["api-key"] = endpoint.api_key
        base, _, given = endpoint.base_url.partition("?")
        base, query = self._address(base.rstrip("/"), request.model, access.api_version)
        query = "" if "api-version=" in given else query
        there = Endpoint(
            base_url=joined(base, "", [given, query]), api_key=access.token, headers={**headers, **endpoint.headers}
        )
        return self._dialect(access.api_version, request).encode(request, there)

    def decoder(self, request: Request) -> Decoder:
        """Return the dialect's decoder."""
        return self._dialect().decoder(request)

    def classify(self, status: int, headers: Mapping[str, str], body: bytes, max_retry_after: float = 60.0) -> Failure:
        """Classify an error by OpenAI's rules."""
        return self._dialect().classify(status, headers, body, max_retry_after)

    def whole_decoder(self, request: Request) -> WholeDecoder:
        """Return the dialect's decoder for one answer in one piece; see `contract.WholeAdapter`."""
        return self._dialect().whole_decoder(request)

    def _dialect(self, version: str | None = None, request: Request | None = None) -> OpenAIChat | OpenAIResponses:
        if self.name.endswith("-responses"):
            return OpenAIResponses(self.name, _HOST)
        # Azure refuses `stream_options` beside it.
        asks_own_data = request is not None and "data_sources" in request.extra
        return OpenAIChat(self.name, _HOST._replace(
            usage=_is_at_least(version, _COUNTS_SINCE) and not asks_own_data,
            developer=_is_at_least(version, _DEVELOPERS_SINCE),
        ))  # fmt: skip

    def _address(self, url: str, deployment: str, version: str | None) -> tuple[str, str]:
        """Return the address without the dialect's own path, and the query."""
        dated = version is not None and version not in _UNDATED
        if not (url.endswith(("/v1", "/models")) or "/deployments/" in url):
            url = url if url.endswith("/openai") else f"{url}/openai"
            if not dated:
                url = f"{url}/v1"
            elif not self.name.endswith("-responses"):
                url = f"{url}/deployments/{segment(deployment, 'deployment')}"
        wanted = version is not None and dated != url.endswith("/v1")
        return url, f"api-version={quote(str(version), safe='')}" if wanted else ""


def _is_at_least(version: str | None, first: str) -> bool:
    """Return whether an API version is at least that new; the v1 API is."""
    return version is None or version >= first


CHAT = Azure("azure")
RESPONSES = Azure("azure-responses")
