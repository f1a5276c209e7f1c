"""Secrets out of what is recorded, before it is written.

The one rule: a header of a request is written as it is only when its name is on the short list of harmless ones; and
a key that was sent is masked wherever its value turns up: a body, a prompt, an error in which the provider quotes it.
Must never: mask short values everywhere. A key of less than eight characters protects nothing, and "test" is a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from ..contract import Endpoint, HttpRequest, Outgoing, ProcessRequest

__all__ = ["MASK", "mask", "mask_response_headers", "mask_sent", "mask_url", "secrets_of"]

MASK = "***"
SHORTEST = 8
"""Characters of a value that is masked wherever it stands."""

HARMLESS = frozenset({
    "accept", "accept-encoding", "anthropic-beta", "anthropic-version", "content-length", "content-type", "openai-beta",
    "user-agent",
})  # fmt: skip
HARMLESS_QUERY = frozenset({"alt", "api-version"})

_SECRET = re.compile(
    r"(?i)auth|api.?key|secret|passw|credential|cookie|session|signature|(access|security).?token|^key$"
)
_SECRET_FIELD = re.compile(
    r"(?i)^(authorization|password|secret|token|client_secret|.*(api|access|secret)_?(key|token))$"
)


def secrets_of(request: Outgoing, endpoint: Endpoint | None) -> frozenset[str]:
    """The values that must not be written anywhere."""
    found = [*_from_url(endpoint.base_url), endpoint.api_key or ""] if endpoint else []
    if isinstance(request, HttpRequest):
        found += [value.removeprefix("Bearer ") for name, value in request.headers.items() if _SECRET.search(name)]
        found += _from_url(request.url)
    elif isinstance(request, ProcessRequest):
        found += [value for name, value in request.environment.items() if _SECRET.search(name)]
    return frozenset(value for value in found if len(value) >= SHORTEST)


def mask_sent(request: Outgoing, body: Any) -> dict[str, Any]:
    """The request as it is written. body: what was sent, as JSON values or text."""
    if isinstance(request, HttpRequest):
        headers = {name: value if name.lower() in HARMLESS else MASK for name, value in request.headers.items()}
        return {"method": request.method, "url": mask_url(request.url), "headers": headers, "body": _fields(body)}
    if isinstance(request, ProcessRequest):
        environment = dict.fromkeys(request.environment, MASK)
        return {"command": list(request.command), "environment": environment, "stdin": body}
    return {}


def mask_response_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Cookies, and what else by its name is nobody's business; the rest says how the provider is doing."""
    return {name: _response_header(name, value) for name, value in headers.items()}


def mask(value: Any, secrets: Iterable[str]) -> Any:
    """JSON values with each of the secrets in them replaced."""
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, MASK)
        return value
    if isinstance(value, Mapping):
        return {mask(name, secrets): mask(item, secrets) for name, item in value.items()}
    return [mask(item, secrets) for item in value] if isinstance(value, list | tuple) else value


def mask_url(url: str) -> str:
    """Without user and password, and with the values of all but the harmless query fields masked."""
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return MASK
    query = "&".join(f"{name}={value if name in HARMLESS_QUERY else MASK}" for name, value in pairs)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))


def _from_url(url: str) -> list[str]:
    try:
        parts = urlsplit(url)
        fields = [value for name, value in parse_qsl(parts.query) if name not in HARMLESS_QUERY]
    except ValueError:
        return []
    return [parts.username or "", parts.password or "", *fields]


def _response_header(name: str, value: str) -> str:
    if _SECRET.search(name):
        return MASK
    return mask_url(value) if name == "location" else value


def _fields(value: Any) -> Any:
    """A body without the values of fields that are named like a secret."""
    if isinstance(value, dict):
        return {name: MASK if _is_secret(name, item) else _fields(item) for name, item in value.items()}
    return [_fields(item) for item in value] if isinstance(value, list) else value


def _is_secret(name: str, value: Any) -> bool:
    return isinstance(value, str) and _SECRET_FIELD.search(name) is not None
