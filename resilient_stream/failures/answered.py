"""Names whoever answered, for messages: the provider, or another host that speaks its dialect."""

from __future__ import annotations

from typing import Any

__all__ = ["MARK", "introduced", "who_answered"]


def who_answered(title: str, host: str | None, *, foreign: bool) -> dict[str, Any]:
    """Return the name of whoever was asked. foreign: the host is not the provider's own."""
    provider = f"t{title[1:]}" if title.startswith("The ") else title
    if foreign and host:
        return {"provider": host, "dialect": provider, "gateway": host, "vendor": "", "address": ""}
    return {"provider": provider, "dialect": provider, "gateway": "", "vendor": provider, "address": host}


MARK = "\0"
"""Marks the name of whoever answered, if that is not the provider."""


def introduced(text: str, dialect: str) -> str:
    """Return a message in which the first mention of whoever answered also says whose dialect it speaks."""
    before, _, behind = text.partition(MARK)
    host, blank, rest = behind.replace(MARK, "").partition(" ")
    name = host.rstrip(".,;:")
    if not name or name.endswith("'s"):
        return f"{before}{host}{blank}{rest}"
    whose = f"{dialect}'" if dialect.endswith("s") else f"{dialect}'s"
    end = host[len(name) :] or ("," if rest else "")
    return f"{before}{name}, which speaks {whose} dialect{end}{blank}{rest}"
