"""Makes what a hub keeps of an answer's owner, and of the name that the owner gives it."""

from __future__ import annotations

import hashlib

from ..failures import StreamMisused

__all__ = ["checked_alias", "digest_of"]


def digest_of(owner: str | None) -> bytes:
    """Return what is kept of an owner. Raises StreamMisused for one that is no text.

    Bytes of a header that are no text reach an application as lone surrogates, and are an owner like any other.
    """
    if not isinstance(owner, str | None):
        raise StreamMisused(f"owner: give a text, such as a user's id, not a value of type {type(owner).__name__}")
    return hashlib.sha256(b"-" if owner is None else b"+" + owner.encode(errors="surrogatepass")).digest()


def checked_alias(alias: str, owner: str | None) -> bytes:
    """Return what is kept of a name that an owner gives an answer; the same name of another owner is another one.

    Raises StreamMisused for a name without an owner: it is no secret, so nothing would keep others from the answer.
    """
    if not isinstance(alias, str) or not alias:
        raise StreamMisused("alias: give a text that is not empty, such as a chat's id")
    if owner is None:
        raise StreamMisused("alias= is looked up among the answers of one owner, so it needs owner=, too")
    return hashlib.sha256(digest_of(owner) + alias.encode(errors="surrogatepass")).digest()
