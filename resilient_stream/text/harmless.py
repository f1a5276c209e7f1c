"""Decides what of a request may be shown: harmless headers and query fields, and an address without the rest.

Anything that is not on a list may be a key, whatever it looks like. Only text in the place of a name (a part of a path,
a header's name) is judged by its look, since it usually is a name.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit, urlunsplit

__all__ = [
    "HEADERS", "QUERY", "forget_variables", "is_secret_name", "keys_in_path", "safe_headers", "safe_name", "safe_url",
]  # fmt: skip

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
    """Return whether the name of a header, a variable or an option suggests a secret."""
    return re.search(_SECRET, name) is not None


def safe_headers(headers: Mapping[str, str], mask: str | None = None) -> dict[str, str]:
    """Return the harmless headers; the others have the mask in place of their value, or are left out."""
    known = {name: value if name.lower() in HEADERS else mask for name, value in headers.items()}
    return {name: value for name, value in known.items() if value is not None}


def safe_url(url: str) -> str:
    """Return a URL without user and password; values of all but the harmless query fields, and parts of its path that
    look like a key, are masked."""
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return "***"
    path = "/".join(map(_safe_part, parts.path.split("/")))
    query = "&".join(f"{name}={value if name in QUERY else '***'}" for name, value in pairs)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path, query, ""))


def safe_name(name: str, mask: str = "***") -> str:
    """Return a name that a user or a server gave to something, or the mask where it looks like a misplaced key."""
    return mask if looks_like_key(name) else name[:60]


def keys_in_path(url: str) -> list[str]:
    """Return the parts of an address's path that look like a key."""
    path = url.partition("://")[2].partition("?")[0].partition("/")[2]
    return [part for segment in path.split("/") for part in segment.split(";") if looks_like_key(part)]


def looks_like_key(text: str) -> bool:
    """Return whether a text is long and has no words: small and capital letters and digits alternate, or one run of
    them is long.

    Words with numbers (gpt-4o-mini-2024-07-18) do not look like a key; an id of 32 hexadecimal digits does.
    """
    if len(text) < 16:
        return False
    return len(_TURN.findall(text)) >= 4 or any(len(run) >= 24 for run in _RUN.findall(text))


_TURN = re.compile(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[A-Z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])")
_RUN = re.compile(r"[A-Za-z0-9]{24,}")


def _safe_part(part: str) -> str:
    """Return a part of a path, masked if needed. Parameters may follow a ";", as in a query."""
    name, sign, _ = part.partition(";")
    return f"{'***' if looks_like_key(name) else name}{';***' if sign else ''}"


def forget_variables(error: BaseException) -> None:
    """Forget the local variables of the functions that an exception has left, since some tools show them with a
    traceback."""
    traceback.clear_frames(error.__traceback__ and error.__traceback__.tb_next)
