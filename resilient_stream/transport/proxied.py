"""Reports failures on the way through a proxy as the proxy's.

Until the proxy has passed something on, no failure is the provider's. Of a proxy only its host, its port and the
variable that names it are shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from msgspec import structs

from ..contract import Sending
from ..failures import ErrorKind, Failure
from ..outcome.making import error_for
from .proxies import Proxy

__all__ = ["host_of", "of_the_proxy", "refuse_login"]

_K = ErrorKind

_ITS_FAULTS: Mapping[ErrorKind, str] = {
    _K.DNS_FAILURE: "its own address could not be found",
    _K.CONNECT_FAILED: "it does not accept a connection",
    _K.CONNECTION_LOST: "it closed the connection without an answer",
    _K.PROTOCOL_ERROR: "what it sent is not HTTP",
}
"""Kinds of failure that are the proxy's while nothing has been passed on, as the end of a sentence about it."""


def of_the_proxy(error: Exception, proxy: Proxy, url: str, sending: Sending) -> None:
    """Raise StreamError for a failure that the proxy caused or may have part in; leave any other error alone."""
    from ..classify import classify_exception  # imported only when something fails

    passed_on = sending.written and url.startswith("https:")  # the failure came through the proxy's tunnel
    if passed_on or sending.reused:
        return
    failure = classify_exception(error, phase="request" if sending.written else "connect", host=host_of(url))
    if failure is None or failure.code == "header_too_long":
        return
    raise error_for(_reported(failure, proxy, error)) from error


def _reported(failure: Failure, proxy: Proxy, error: Exception) -> Failure:
    facts: dict[str, Any] = {**failure.facts, "proxy": proxy.name, "variable": proxy.variable}
    if failure.kind in _ITS_FAULTS:
        facts["reason"] = _ITS_FAULTS[failure.kind]
        return structs.replace(failure, kind=_K.PROXY_ERROR, code="proxy_failed", retry=None, facts=facts)
    if failure.kind is _K.TLS_FAILURE and getattr(error, "host", None) == urlsplit(proxy.url).hostname:
        facts["host"] = f"the proxy {proxy.name}"
    return structs.replace(failure, facts=facts)


def refuse_login(proxy: Proxy, url: str) -> None:
    """Raise StreamError for a 407, which only a proxy answers."""
    facts = {"proxy": proxy.name, "variable": proxy.variable, "host": host_of(url)}
    raise error_for(Failure(kind=_K.PROXY_AUTH, status=407, facts=facts))


def host_of(url: str) -> str:
    """Return host and port of an address, for messages."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or ""
    except ValueError:
        return ""
