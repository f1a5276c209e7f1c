"""Finds the proxy that a request goes through: reads the environment's variables as curl reads them.

    https_proxy, HTTPS_PROXY, http_proxy, HTTP_PROXY     by the scheme of the address; the lower-case one goes first
    all_proxy, ALL_PROXY                                 where the scheme has none of its own
    no_proxy, NO_PROXY                                   hosts, their subdomains, addresses, networks; "*" is all

A blank variable is a proxy switched off. On macOS and Windows the system's own settings count where no variable is set.

A proxy that cannot be used is named together with its variable, before anything is sent. A proxy's user name and
password are never shown, and `.netrc` is not read.
"""

from __future__ import annotations

import base64
import functools
import ipaddress
import os
import sys
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

__all__ = ["OWN_SERVERS", "Proxy", "UnusableProxy", "proxy_for"]

_BY_SCHEME: Mapping[str, tuple[str, ...]] = {
    "http": ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"),
    "https": ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"),
}
_DIRECT = ("no_proxy", "NO_PROXY")
_PORTS: Mapping[str, int] = {"http": 80, "https": 443}
_HAS_SETTINGS = sys.platform in ("darwin", "win32")


OWN_SERVERS: set[str] = set()
"""Beginnings of addresses of servers that this process has started on this machine: no proxy can reach them."""


class Proxy(NamedTuple):
    """Describes a proxy to use. url: without user and password. name: host and port, for messages. variable: what names
    it.

    authorization: the value of a Proxy-Authorization header, where the variable has a user.
    """

    url: str
    name: str
    variable: str
    authorization: str | None = None

    def __repr__(self) -> str:
        return f"Proxy({self.name!r}, {self.variable!r})"


class UnusableProxy(Exception):
    """A variable names a proxy that cannot be used. reason: the end of a sentence about it."""

    def __init__(self, variable: str, name: str, reason: str) -> None:
        super().__init__(f"{variable} {reason}")
        self.variable, self.name, self.reason = variable, name, reason


def proxy_for(url: str) -> Proxy | None:
    """Return the proxy for a request to this address, by the current environment. Raises UnusableProxy."""
    scheme = url.partition(":")[0].lower()
    proxies = tuple(map(os.environ.get, _BY_SCHEME.get(scheme, ())))
    if not (any(proxies) or _HAS_SETTINGS) or url.startswith(tuple(OWN_SERVERS)):
        return None
    environment = (*proxies, *map(os.environ.get, _DIRECT))
    parts = urlsplit(url)
    cgi = "REQUEST_METHOD" in os.environ
    return _found(environment, cgi, scheme, parts.hostname or "", parts.port or _PORTS.get(scheme, 0))


@functools.lru_cache(maxsize=256)
def _found(environment: tuple[str | None, ...], cgi: bool, scheme: str, host: str, port: int) -> Proxy | None:
    """Return the proxy for one state of the environment, so that it can be remembered."""
    *proxies, lower, upper = environment
    given = [
        (name, value)
        for name, value in zip(_BY_SCHEME.get(scheme, ()), proxies, strict=True)
        # A web server puts a visitor's header `Proxy` into HTTP_PROXY of a CGI program.
        if value is not None and not (cgi and name == "HTTP_PROXY")
    ]
    variable, value = _first(given) if given else _setting(scheme, host)
    if not value or _goes_direct(lower if lower is not None else upper or "", host, port):
        return None
    return _read(variable, value)


def _first(given: list[tuple[str, str]]) -> tuple[str, str]:
    """Return the variable that counts. If the scheme's own is blank, ALL_PROXY does not count either."""
    name, value = given[0]
    return name, value.strip()


def _setting(scheme: str, host: str) -> tuple[str, str]:
    """Return the system's own setting, where the system has such settings."""
    if not _HAS_SETTINGS or proxy_bypass(host):
        return "", ""
    return f"the system's {scheme} proxy", getproxies().get(scheme, "")


# -- hosts that are reached without a proxy ---------------------------------------------------


def _goes_direct(entries: str, host: str, port: int) -> bool:
    return any(_covers(entry, host, port) for entry in entries.replace(",", " ").split())


def _covers(entry: str, host: str, port: int) -> bool:
    """Return whether a host is meant by this entry. A name stands for its subdomains, too, with or without a dot in
    front."""
    name, wanted = _with_port(entry.lower())
    if wanted is not None and wanted != port:
        return False
    if name == "*":
        return True
    if (network := _network(name)) is not None:
        address = _address(host)
        return address is not None and address.version == network.version and address in network
    name, host = name.removeprefix("*").strip("."), host.lower().rstrip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _with_port(entry: str) -> tuple[str, int | None]:
    """Split `host:8080`, `[::1]:8080`, or a name, an address or a network without a port."""
    name, colon, port = entry.rpartition(":")
    if not colon or not port.isdecimal() or (":" in name and not name.endswith("]")):
        return entry.strip("[]"), None
    return name.strip("[]"), int(port[:6])


def _network(name: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(name, strict=False)
    except ValueError:
        return None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


# -- a proxy's address ------------------------------------------------------------------------


def _read(variable: str, value: str) -> Proxy:
    """Read a proxy's address; one without a scheme is an HTTP proxy's, as for curl. Raises UnusableProxy."""
    scheme, separator, _ = value.partition("://")
    parts, name = _split(variable, value if separator else f"http://{value}")
    if separator and scheme.lower().startswith("socks"):
        raise UnusableProxy(variable, name, "names a SOCKS proxy, and SOCKS is not supported")
    if parts.scheme not in ("http", "https"):
        kind = scheme.lower() if scheme.isascii() and scheme.isalnum() else "unknown"
        raise UnusableProxy(variable, name, f"names a proxy of the kind {kind[:20]!r}, which is not supported")
    return Proxy(f"{parts.scheme}://{name}", name, variable, _authorization(parts))


def _split(variable: str, value: str) -> tuple[SplitResult, str]:
    """Return the parts of the address, and host and port together."""
    try:
        parts = urlsplit(value)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise UnusableProxy(variable, "", "has a port that is no number, or brackets that do not match") from None
    # A raw "/", "?" or "#" in a password ends the host early; the password's beginning must not pass for a host.
    if not host or not _is_host(host) or port == 0 or parts.path.strip("/") or parts.query or parts.fragment:
        raise UnusableProxy(variable, "", "is not the address of a proxy (http://host:port)")
    return parts, _joined(host, port)


def _is_host(host: str) -> bool:
    return host.isprintable() and not set(host) & set(' "<>\\^`{|}')


def _joined(host: str, port: int | None) -> str:
    name = f"[{host}]" if ":" in host else host
    return name if port is None else f"{name}:{port}"


def _authorization(parts: SplitResult) -> str | None:
    if parts.username is None:
        return None
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Basic {base64.b64encode(login.encode('utf-8', 'surrogateescape')).decode()}"
