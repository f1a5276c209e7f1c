"""How an address is put together: one function for names in a path, one for a base URL and what comes behind it.

A name stays in its place. Whatever a model, a deployment, a project or a resume point is called, it makes no other
path, query or host out of an address; what cannot be written so is refused before anything is sent. This module must
never read the environment, or know a provider.
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
    """A name as one segment of a path: everything but letters, digits, `-._~` and `keep` is percent-encoded.

    what: whose name it is, for the message. Raises StreamError for a name that a server would take for a step up.
    """
    if _is_step(name):
        raise _refused(f"The name of the {what} is empty, or has a part that is empty or only dots")
    try:
        return quote(name, safe=keep)
    except UnicodeEncodeError:
        raise _refused(f"The name of the {what} has half a character in it (a lone surrogate)") from None


def segments(name: str, what: str = "model", *, keep: str = ":@") -> str:
    """A name whose slashes are the dialect's own (`models/x`): each part of it as one segment."""
    return "/".join(segment(part, what, keep=keep) for part in name.split("/"))


def in_host(name: str, what: str, *, dots: bool = False) -> str:
    """A name that becomes a part of a host's name: a region, or an account, which may have dots.

    Raises StreamError for anything else.
    """
    if not (_LABELS if dots else _LABEL).fullmatch(name):
        raise _refused(f"The {what} cannot be a part of a host's name: letters, digits and hyphens only")
    return name


def joined(base_url: str, path: str, query: Iterable[str] = ()) -> str:
    """The address of a path under a base URL. The base URL's own query stays a query, behind the one of the path."""
    base, _, given = base_url.partition("?")
    all_of_it = "&".join(part for part in (*query, given) if part)
    return f"{base.rstrip('/')}{path}{'?' if all_of_it else ''}{all_of_it}"


def _is_step(name: str) -> bool:
    """`.`, `..`, nothing at all, or one of them percent-encoded, however often."""
    for _ in range(8):
        if name in ("", ".", ".."):
            return True
        name, before = unquote(name), name
        if name == before:
            return False
    return True


def _refused(reason: str) -> Exception:
    return error_for(Failure(kind=ErrorKind.CLIENT_CONFIG, code="bad_name", facts={"reason": reason}))
