"""Resolves where an attempt is sent: reads the environment, gets the key, starts a local server.

This happens anew for each attempt, so that a rotated key is used by the very next one. No error has a key in it.
"""

from __future__ import annotations

import functools
import os
import re
from importlib import import_module
from string import Formatter
from urllib.parse import quote, urlsplit

from msgspec import structs

from ..contract import Adapter, Endpoint, facts_of
from ..failures import ErrorKind, Failure
from ..outcome.making import error_for
from ..target import Target
from .keys import key_of, missing_key

__all__ = ["address_variables", "checked_address", "host_of", "resolve", "wrong_address"]


async def resolve(target: Target, adapter: Adapter, attempt: int = 1) -> Endpoint | Failure:
    """Return the address and key for one attempt, or why there is none.

    Raises StreamError for an invalid address or key; what a key callable raises is passed on unchanged.
    """
    endpoint = await _resolved(target, adapter, attempt)
    if isinstance(endpoint, Failure) or not endpoint.base_url:
        return endpoint
    address = checked_address(endpoint.base_url, _named_by(target, adapter))
    return endpoint if address == endpoint.base_url else structs.replace(endpoint, base_url=address)


async def _resolved(target: Target, adapter: Adapter, attempt: int) -> Endpoint | Failure:
    base_url = target.base_url or os.environ.get(adapter.url_variable, "").strip().rstrip("/")
    key = await key_of(target, adapter)
    facts = facts_of(adapter)
    if facts.credentials:
        own = import_module(facts.credentials)
        endpoint: Endpoint | Failure = await own.resolve(target, adapter, base_url, key, attempt)
        return endpoint
    if not base_url and facts.server:
        base_url, own_key = await _start(facts.server)
        key = key or own_key
    # An address of the user's own may not need a key, but a blank key was meant to be one.
    if key is None and adapter.key_variables and (not base_url or target.api_key is not None):
        return missing_key(adapter)
    address = base_url or _address(adapter)
    if isinstance(address, Failure):
        return address
    return Endpoint(base_url=address, api_key=key, headers=target.headers or {})


def address_variables(adapter: Adapter) -> list[str]:
    """Return the variables that an address is made of, for a provider whose users each have their own."""
    if adapter.base_url:
        return [name for _, name, _, _ in Formatter().parse(adapter.base_url) if name]
    return [adapter.url_variable] if adapter.url_variable else []


def _address(adapter: Adapter) -> str | Failure:
    """Return the adapter's own address, with the names in it (hosts.py) filled in from the environment."""
    if not adapter.base_url and not adapter.url_variable:
        return ""  # a recording has no address
    names = address_variables(adapter)
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        facts = {"env_var": " and ".join(missing)}
        return Failure(kind=ErrorKind.CLIENT_CONFIG, code="missing_address", fallback=True, facts=facts)
    filled = _filled(adapter.base_url)
    return filled if "://" in filled else f"https://{filled}"


def _filled(template: str) -> str:
    """Return the address with each variable in its place: a whole address, a part of a host's name, or one segment of
    the path."""
    from ..providers.shared.urls import in_host, segment  # `import resilient_stream` loads no provider

    address = ""
    for text, name, _, _ in Formatter().parse(template):
        address += text
        if name:
            value = os.environ[name].strip().rstrip("/")
            whole, in_path = not address, "/" in address.partition("://")[2]
            address += value if whole else segment(value, name) if in_path else in_host(value, name, dots=True)
    return address


def _named_by(target: Target, adapter: Adapter) -> str:
    """Return where an address comes from, for a message."""
    if target.base_url:
        return "The target's base_url"
    return adapter.url_variable if os.environ.get(adapter.url_variable) else "The base URL"


@functools.lru_cache(maxsize=64)
def checked_address(url: str, origin: str) -> str:
    """Return the address as it is sent, in ASCII. Raises StreamError, which shows nothing of the address."""
    if wrong := wrong_address(url):
        reason = f"{origin} {wrong}"
        raise error_for(Failure(kind=ErrorKind.CLIENT_CONFIG, code="base_url", fallback=True, facts={"reason": reason}))
    return url if _PLAIN.fullmatch(url) else _in_ascii(url)


_PLAIN = re.compile(r"[A-Za-z0-9:/?&=@%._~!$'()*+,;\[\]-]*")
_HOST = re.compile(r"[\w.-]+|[0-9a-f:.]+(%[\w.-]+)?", re.IGNORECASE)


def wrong_address(url: str) -> str | None:
    """Return what is wrong with an address, as the end of a sentence that repeats nothing of it; None when it is
    valid."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "has a port that is no number, or brackets that do not match"
    if parts.scheme not in ("http", "https"):
        return "does not begin with http:// or https://"
    if not parts.hostname or not url.isprintable() or any(mark.isspace() for mark in url):
        return "has no host, or a space or an invisible character in it"
    if not _HOST.fullmatch(parts.hostname):
        return "has a character in its host's name that no host has"
    if port == 0:
        return "has port 0"
    if "#" in url or "\\" in url:
        return "has a # or a backslash in it; in a password, write %23 or %5C"
    return None


def _in_ascii(url: str) -> str:
    """Return an address with its host in Punycode and other characters beyond ASCII percent-encoded."""
    parts = urlsplit(url)
    login, at, place = parts.netloc.rpartition("@")
    if not place.isascii():
        host, colon, port = place.partition(":")
        place = f"{_punycode(host)}{colon}{port}"
    path, query = quote(parts.path, safe="/:@!$&'()*+,;=~%"), quote(parts.query, safe="/:@!$&'()*+,;=~%?")
    return f"{parts.scheme}://{quote(login, safe=':!$&*+,;=~%')}{at}{place}{path}{'?' if query else ''}{query}"


def _punycode(host: str) -> str:
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return quote(host)


async def _start(module: str) -> tuple[str, str | None]:
    """Start our own server if needed, and return its address and key."""
    server = import_module(module)
    address: str = await server.base_url()
    return address, server.api_key(address)


@functools.lru_cache(maxsize=64)
def host_of(url: str) -> str:
    """Return the host and port of a URL, for messages, without its user, password, path and query."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or ""
    except ValueError:
        return ""
