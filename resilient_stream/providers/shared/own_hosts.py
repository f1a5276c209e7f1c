"""Whether a host is a provider's own, or somebody else's who speaks its dialect: a gateway, a server at home.

A host is told by its domain. Of a program that people run themselves, every host is its own. This module must never be
asked while nothing goes wrong; it is for the words of errors.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from ...contract import Adapter

__all__ = ["is_own"]


def is_own(adapter: Adapter, host: str) -> bool:
    """Whether a host, "name" or "name:port", is the provider's own, as far as is known: eu.api.openai.com is."""
    names = (urlsplit(adapter.base_url).hostname or "", *getattr(adapter, "addresses", ()))
    known = {_domain(name) for name in names if name}
    return not host or not known or "127.0.0.1" in known or _domain(host) in known


def _domain(host: str) -> str:
    name, _, port = host.rpartition(":")
    name = name if name and port.isdigit() else host
    return name if name.replace(".", "").isdigit() else ".".join(name.split(".")[-2:])
