"""What of a request may be shown: the names of harmless headers and query fields, and an address without the rest.

The one rule: what is not on a list may be a key. Must never: look at a value to see whether it is one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit, urlunsplit

__all__ = ["HEADERS", "QUERY", "is_secret_name", "safe_headers", "safe_url"]

HEADERS = frozenset({
    "accept", "accept-encoding", "accept-language", "anthropic-beta", "anthropic-version", "content-encoding",
    "content-length", "content-type", "host", "openai-beta", "traceparent", "user-agent", "x-amz-date",
    "x-amzn-bedrock-accept",
})  # fmt: skip
"""Headers of a request, in small letters."""

QUERY = frozenset({"alt", "api-version"})
"""Fields of a URL's query."""

_SECRET = (
    r"(?i)auth|api.?key|secret|passw|credential|cookie|session|signature|token$|(access|security).?(token|key)"
    r"|custom.?headers|(^|[_-])key$"
)


def is_secret_name(name: str) -> bool:
    """Whether a header, a variable or an option is named like a secret."""
    return re.search(_SECRET, name) is not None


def safe_headers(headers: Mapping[str, str], mask: str | None = None) -> dict[str, str]:
    """The harmless ones; the others with this in place of their value, or not at all."""
    known = {name: value if name.lower() in HEADERS else mask for name, value in headers.items()}
    return {name: value for name, value in known.items() if value is not None}


def safe_url(url: str) -> str:
    """A URL without user and password, and with the values of all but the harmless query fields masked."""
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return "***"
    query = "&".join(f"{name}={value if name in QUERY else '***'}" for name, value in pairs)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))
