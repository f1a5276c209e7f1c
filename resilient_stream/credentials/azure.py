"""Finds what Azure OpenAI needs: a resource's address, an API version, and a key or an Entra ID token.

The variables have the names of Azure's own SDK: AZURE_OPENAI_ENDPOINT, OPENAI_API_VERSION, AZURE_OPENAI_API_KEY,
AZURE_OPENAI_AD_TOKEN. The target's own values override the environment. A token lives for an hour, so it is not kept
but asked for before each attempt.
"""

from __future__ import annotations

import os
from typing import Any

from ..contract import Adapter, Endpoint
from ..failures import ErrorKind, Failure
from ..providers.openai.azure import AzureAccess
from ..target import Target
from .keys import asked

__all__ = ["resolve"]

_TOKEN = "AZURE_OPENAI_AD_TOKEN"


async def resolve(target: Target, adapter: Adapter, base_url: str, key: str | None, attempt: int) -> Endpoint | Failure:
    """Return the endpoint of one attempt. What a token callable raises is passed on unchanged."""
    if not base_url:
        facts = {"env_var": adapter.url_variable}
        return Failure(kind=ErrorKind.CLIENT_CONFIG, code="missing_address", fallback=True, facts=facts)
    token = await _token(target)
    if not token and not key:
        variables = " or ".join((*adapter.key_variables, _TOKEN))
        return Failure(kind=ErrorKind.AUTHENTICATION, code="missing_key", facts={"env_var": variables})
    version = target.options.get("api_version") or os.environ.get("OPENAI_API_VERSION")
    access = AzureAccess(api_version=version, token=token)
    return Endpoint(base_url=base_url, api_key=key, headers=target.headers or {}, credentials=access)


async def _token(target: Target) -> str | None:
    """Return the target's own token, or the environment's unless the target has a key."""
    given: Any = target.options.get("azure_ad_token")
    if given is None and target.api_key is None:
        given = os.environ.get(_TOKEN)
    if callable(given):
        return await asked(given, "azure_ad_token") or None
    return str(given).strip() or None if given else None
