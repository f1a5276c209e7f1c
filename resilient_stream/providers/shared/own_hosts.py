"""Tells whether a host is a provider's own, or one of somebody else who speaks its dialect, such as a gateway.

A host is recognised by its domain. For a program that people run themselves, every host is its own. This is only asked
to word an error, never while all goes well.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from ...contract import Adapter

__all__ = ["is_own"]


def is_own(adapter: Adapter, host: str) -> bool:
    """Return whether a host, "name" or "name:port", is known to be the provider's own (eu.api.openai.com is)."""
    names = (urlsplit(adapter.base_url).hostname or "", *getattr(adapter, "addresses", ()))
    known = {_domain(name) for name in names if name}
    return not host or not known or "127.0.0.1" in known or _domain(host) in known


def _domain(host: str) -> str:
    name, _, port = host.rpartition(":")
    name = name if name and port.isdigit() else host
    return name if name.replace(".", "").isdigit() else ".".join(name.split(".")[-2:])
