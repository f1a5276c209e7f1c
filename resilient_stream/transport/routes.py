"""Prepares the way of one request: checks its address, headers, proxy and certificates before anything is sent.

What cannot be sent is named (a header, a variable), and its content is never shown. A path is not changed: it was
quoted where it was made, and a signature covers it as it is.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn
from urllib.parse import unquote

from ..contract import HttpRequest
from ..failures import ErrorCategory, ErrorKind, Failure
from ..outcome.making import error_for
from ..text.harmless import safe_name, safe_url
from ..text.readable import odd_character
from . import certificates, proxies
from .proxied import host_of

__all__ = ["Route", "route_for"]

_NO_NAME = re.compile("[ :]")
_KEYS = frozenset({"authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"})
"""Headers whose values are never more than ASCII."""


class Route(NamedTuple):
    """Says how a request is sent. options: for aiohttp, used for a proxy or for own certificates."""

    url: str
    headers: dict[str, str]
    options: dict[str, Any]
    proxy: proxies.Proxy | None

    def __repr__(self) -> str:
        return f"Route({safe_url(self.url)!r}{', through a proxy' if self.proxy is not None else ''})"


def route_for(request: HttpRequest, *, ours: bool) -> Route:
    """Return the route of a request. Raises StreamError.

    ours: the session is ours; a session of the user knows its proxy and certificates itself.
    """
    url, login = _without_login(request.url)
    _check_url(url)
    headers = {"Accept-Encoding": "identity", **request.headers}
    if login is not None:
        _log_in(headers, login)
    _check_headers(headers)
    if not ours:
        return Route(url, headers, {}, None)
    proxy = _proxy(url)
    options = {} if proxy is None else _through(proxy, url, headers)
    if url.startswith("https:") or "proxy" in options:
        _certify(options)
    return Route(url, headers, options, proxy)


def _refuse(reason: str, code: str = "unsendable") -> NoReturn:
    own = code == "unsendable"  # a fallback may help: its address and headers are others, its certificates the same
    facts = {"reason": reason}
    raise error_for(Failure(kind=ErrorKind.CLIENT_CONFIG, code=code, fallback=own or None, facts=facts)) from None


# -- the address ------------------------------------------------------------------------------


def _without_login(url: str) -> tuple[str, str | None]:
    """Return the address without `user:password@`, and these two as they are written there."""
    if "@" not in url:
        return url, None
    scheme, separator, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    login, at, host = place.rpartition("@")
    return (f"{scheme}{separator}{host}{slash}{path}", login) if at else (url, None)


def _check_url(url: str) -> None:
    if not (url.isascii() and url.isprintable()) or " " in url:
        _refuse("The address has characters that cannot be sent")
    if not url.startswith(("http://", "https://")):
        _refuse("The address does not begin with http:// or https://")
    if "/." in url and _climbs(url):
        _refuse("The address has a part that is '.' or '..', and would lead to another place at the same host")


def _climbs(url: str) -> bool:
    path = url.partition("?")[0]
    return any(unquote(part) in (".", "..") for part in path.split("/"))


def _log_in(headers: dict[str, str], login: str) -> None:
    """Send the user and password of the address as Basic authentication."""
    if any(name.lower() == "authorization" for name in headers):
        _refuse(
            "The base URL has a user and a password, and the request has an Authorization header for its key; "
            "only one of them can be sent"
        )
    user, _, password = login.partition(":")
    pair = f"{unquote(user)}:{unquote(password)}".encode("utf-8", "surrogateescape")
    headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"


# -- headers ----------------------------------------------------------------------------------


def _check_headers(headers: Mapping[str, str]) -> None:
    names, values = "".join(headers), "".join(headers.values())
    if (names + values).isascii() and (names + values).isprintable() and not _NO_NAME.search(names) and all(headers):
        return
    for name, value in headers.items():
        if not (name.isascii() and name.isprintable()) or not name or " " in name or ":" in name:
            _refuse("The name of a header is empty, or has a character that cannot be sent")
        if not (value.isascii() and value.isprintable()) and (odd := odd_character(value, name.lower() in _KEYS)):
            _refuse(f"The header {safe_name(name)} has a character that cannot be in a header: {odd}")


# -- proxy and certificates -------------------------------------------------------------------


def _proxy(url: str) -> proxies.Proxy | None:
    try:
        return proxies.proxy_for(url)
    except proxies.UnusableProxy as error:
        facts = {"variable": error.variable, "proxy": error.name, "reason": str(error), "host": host_of(url)}
    except ValueError:
        _refuse("The address has a port that is no number, or brackets that do not match")
    raise error_for(
        Failure(
            kind=ErrorKind.PROXY_ERROR, code="proxy_setting", retry=False, category=ErrorCategory.PERMANENT, facts=facts
        )
    )


def _through(proxy: proxies.Proxy, url: str, headers: dict[str, str]) -> dict[str, Any]:
    """Return aiohttp's options for a proxy. The proxy reads the request itself, or a CONNECT in front of it."""
    options: dict[str, Any] = {"proxy": proxy.url}
    if proxy.authorization is not None and url.startswith("https:"):
        options["proxy_headers"] = {"Proxy-Authorization": proxy.authorization}
    elif proxy.authorization is not None:
        headers["Proxy-Authorization"] = proxy.authorization
    return options


def _certify(options: dict[str, Any]) -> None:
    try:
        found = certificates.certificates()
    except certificates.BadCertificates as error:
        _refuse(f"{error.variable} {error.reason}", code="certificates")
    if found is not True:
        options["ssl"] = found
