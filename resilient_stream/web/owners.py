"""Whose an answer is: what a hub keeps of an owner."""

from __future__ import annotations

import hashlib

from ..failures import StreamMisused

__all__ = ["digest_of"]


def digest_of(owner: str | None) -> bytes:
    """Return what is kept of an owner. Raises StreamMisused for one that is no text.

    Bytes of a header that are no text reach an application as lone surrogates, and are an owner like any other.
    """
    if not isinstance(owner, str | None):
        raise StreamMisused(f"owner: give a text, such as a user's id, not a value of type {type(owner).__name__}")
    return hashlib.sha256(b"-" if owner is None else b"+" + owner.encode(errors="surrogatepass")).digest()
