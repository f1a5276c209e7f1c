"""Where an attempt is sent: the environment read, the key fetched, a local server started.

The one rule: it happens anew for each attempt, so that a rotated key is used by the very next one.
Must never: put a key into an error.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from string import Formatter
from urllib.parse import urlsplit

from .contract import Adapter, Endpoint
from .errors import ErrorKind, Failure
from .target import ApiKey, Target

__all__ = ["STARTED", "address_variables", "host_of", "resolve"]

STARTED: Mapping[str, str] = {"local": "resilient_stream.transport.local_server"}
"""Providers whose server we start ourselves: a module with an async `base_url()`."""

_OWN_WAYS: Mapping[str, str] = {
    "bedrock": "resilient_stream.credentials.bedrock",
    "claude-code": "resilient_stream.credentials.claude_code",
    "vertex": "resilient_stream.credentials.google",
    "azure": "resilient_stream.credentials.azure",
    "azure-responses": "resilient_stream.credentials.azure",
    "ollama": "resilient_stream.credentials.ollama",
}
"""Providers that need more than an address and a key: a module of `credentials/` with an async
`resolve(target, adapter, base_url, key, attempt)` that gives an Endpoint or a Failure. base_url and key are what
target and environment say, or ""/None; attempt counts from 1, and a later one may want fresh credentials."""


async def resolve(target: Target, adapter: Adapter, attempt: int = 1) -> Endpoint | Failure:
    """The address and key for one attempt, or why there is none. A failing key callable raises as it is."""
    base_url = target.base_url or os.environ.get(adapter.url_variable, "").rstrip("/")
    key = await _key(target.api_key) or _from_environment(adapter.key_variables)
    if target.provider in _OWN_WAYS:
        own = import_module(_OWN_WAYS[target.provider])
        endpoint: Endpoint | Failure = await own.resolve(target, adapter, base_url, _clean(key), attempt)
        return endpoint
    if not base_url and target.provider in STARTED:
        base_url = await _start(target.provider)
    if key is None and adapter.key_variables and not base_url:
        return _missing_key(adapter)
    address = base_url or _address(adapter)
    if isinstance(address, Failure):
        return address
    return Endpoint(base_url=address, api_key=_clean(key), headers=target.headers or {})


async def _key(key: ApiKey | None) -> str | None:
    if key is None or isinstance(key, str):
        return key
    value = key()
    return await value if inspect.isawaitable(value) else value


def _from_environment(variables: tuple[str, ...]) -> str | None:
    return next((value for name in variables if (value := os.environ.get(name))), None)


def _clean(key: str | None) -> str | None:
    """A key read from a file often ends in a newline, which aiohttp refuses as header injection."""
    return key.strip() if key else None


def address_variables(adapter: Adapter) -> list[str]:
    """The variables that an address is made of, where a provider has none that is everybody's."""
    if adapter.base_url:
        return [name for _, name, _, _ in Formatter().parse(adapter.base_url) if name]
    return [adapter.url_variable] if adapter.url_variable else []


def _address(adapter: Adapter) -> str | Failure:
    """The adapter's own address, the names in it (hosts.py) filled in from the environment."""
    if not adapter.base_url and not adapter.url_variable:
        return ""  # a recording has none
    names = address_variables(adapter)
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        facts = {"env_var": " and ".join(missing)}
        return Failure(kind=ErrorKind.CLIENT_CONFIG, code="missing_address", fallback=True, facts=facts)
    filled = adapter.base_url.format(**{name: os.environ[name].rstrip("/") for name in names})
    return filled if "://" in filled else f"https://{filled}"


def _missing_key(adapter: Adapter) -> Failure:
    variables = " or ".join(adapter.key_variables)
    return Failure(kind=ErrorKind.AUTHENTICATION, code="missing_key", facts={"env_var": variables})


async def _start(provider: str) -> str:
    start: Callable[[], Awaitable[str]] = import_module(STARTED[provider]).base_url
    return await start()


def host_of(url: str) -> str:
    """The host and port of a URL, for messages; never its user, password, path or query."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or ""
    except ValueError:
        return ""
