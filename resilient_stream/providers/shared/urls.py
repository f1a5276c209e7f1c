"""Builds addresses: functions for names in a path, and for a base URL with what follows it.

A name stays in its place. Whatever a model, a deployment, a project or a resume point is called, it makes no other
path, query or host out of an address; what cannot be written so is refused before anything is sent. The environment is
not read here, and no provider is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

from ...failures import ErrorKind, Failure
from ...outcome.making import error_for

__all__ = ["in_host", "joined", "segment", "segments"]

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")
_LABELS = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}(?:\.[A-Za-z0-9][A-Za-z0-9_-]{0,62}){0,8}")


def segment(name: str, what: str = "model", *, keep: str = ":@") -> str:
    """Return a name as one path segment, percent-encoding everything but letters, digits, `-._~` and `keep`.

    what: what the name stands for, for the message. Raises StreamError for a name that a server would read as `..`.
    """
    if _is_step(name):
        raise _refused(f"The name of the {what} is empty, or has a part that is empty or only dots")
    try:
        return quote(name, safe=keep)
    except UnicodeEncodeError:
        raise _refused(f"The name of the {what} has half a character in it (a lone surrogate)") from None


def segments(name: str, what: str = "model", *, keep: str = ":@") -> str:
    """Return a name whose slashes belong to the dialect (`models/x`), each part of it as one segment."""
    return "/".join(segment(part, what, keep=keep) for part in name.split("/"))


def in_host(name: str, what: str, *, dots: bool = False) -> str:
    """Return a name that becomes part of a host name: a region, or an account, which may have dots.

    Raises StreamError for anything else.
    """
    if not (_LABELS if dots else _LABEL).fullmatch(name):
        raise _refused(f"The {what} cannot be a part of a host's name: letters, digits and hyphens only")
    return name


def joined(base_url: str, path: str, query: Iterable[str] = ()) -> str:
    """Return the address of a path under a base URL. The base URL's own query stays, after the query of the path."""
    base, _, given = base_url.partition("?")
    all_of_it = "&".join(part for part in (*query, given) if part)
    return f"{base.rstrip('/')}{path}{'?' if all_of_it else ''}{all_of_it}"


def _is_step(name: str) -> bool:
    """Return whether a segment is `.`, `..` or empty, or one of these percent-encoded, however often."""
    for _ in range(8):
        if name in ("", ".", ".."):
            return True
        name, before = unquote(name), name
        if name == before:
            return False
    return True


def _refused(reason: str) -> Exception:
    return error_for(Failure(kind=ErrorKind.CLIENT_CONFIG, code="bad_name", facts={"reason": reason}))
