"""Decides who may ask a gateway: whoever has one of its keys; without keys, programs of this machine.

A gateway without keys listens on this machine only. Web pages are kept out all the same: a page from anywhere can have
its browser send requests to 127.0.0.1, also under a name of its own that it makes mean that address. Programs do not
send `Origin`, and they name the address itself.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from ..failures import StreamMisused
from ..integrations.refused import Refused

__all__ = ["Door", "is_loopback", "keys_of"]

LOOPBACK = ("localhost", "127.0.0.1", "::1")

SHORTEST = 16
"""Characters of a key: a shorter one can be guessed by asking again and again."""


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    return host in LOOPBACK


def keys_of(text: str) -> tuple[str, ...]:
    """Return the keys in a text, which stand on lines of their own or between commas. Raises StreamMisused for one that
    is too short."""
    keys = tuple(key for line in text.splitlines() for key in map(str.strip, line.split(",")) if key)
    if any(len(key) < SHORTEST for key in keys):
        raise StreamMisused(f"a key of the gateway has at least {SHORTEST} characters; one of yours has fewer")
    return keys


class Door:
    """Lets requests in, or raises Refused for them."""

    def __init__(self, keys: Iterable[str] = (), *, host: str = "127.0.0.1") -> None:
        self._keys = tuple(key.encode() for key in keys)
        self._local = is_loopback(host)

    @property
    def is_open(self) -> bool:
        """Return whether no key is asked for."""
        return not self._keys

    def check(self, headers: Mapping[str, str]) -> None:
        """Raise Refused for a request that must not be served."""
        self.check_place(headers)
        if self._keys:
            self._check_key(headers)

    def check_place(self, headers: Mapping[str, str]) -> None:
        """Raise Refused for a web page's request to a gateway that serves this machine without keys. The pages for
        operators ask for no more than this."""
        if self._local and not self._keys:
            _check_origin(headers)

    def _check_key(self, headers: Mapping[str, str]) -> None:
        given = headers.get("x-api-key") or _without_scheme(headers.get("Authorization", ""))
        raw = given.encode(errors="surrogatepass")  # a server decodes bytes that are no valid text as lone surrogates
        # Each key is compared, and each in the same time, so that the time says nothing.
        found = [hmac.compare_digest(raw, key) for key in self._keys]
        if not any(found):
            said = "This gateway asks for one of its own keys." if given else "This gateway asks for a key."
            raise Refused(
                f"{said} Send it as `Authorization: Bearer …` or `x-api-key: …`.", status=401, code="invalid_api_key"
            )


def _without_scheme(authorization: str) -> str:
    """Return what is behind the word `Bearer`, which may be written in any case."""
    scheme, _, key = authorization.strip().partition(" ")
    return key.strip() if scheme.lower() == "bearer" else scheme if not key else ""


def _check_origin(headers: Mapping[str, str]) -> None:
    if "Origin" in headers or not is_loopback(_name_in(headers.get("Host", ""))):
        raise Refused(
            "This gateway has no keys, so it serves programs of this machine, and no web pages. Start it with keys, "
            "or ask it by 127.0.0.1.",
            status=403,
            code="permission_denied",
        )


def _name_in(host: str) -> str:
    """Return the name without the port; empty for a header that no client of HTTP sends."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
