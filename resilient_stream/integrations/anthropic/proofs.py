"""Carries what other providers want back through a client that only knows Anthropic's signatures.

A thought of Claude's has Anthropic's own signature, and a client sends it back unchanged. Thoughts and calls of other
models have proofs of another form, or none. What stands in the place of a signature is then a text of ours, which says
who thought it: the next request is read with it, and `fitting/signatures.py` decides what goes back to whom. To anybody
else it is a signature that cannot be read.
"""

from __future__ import annotations

import base64
import binascii

import msgspec

from ...providers import families_of

__all__ = ["CLAUDE", "Proof", "is_claudes", "unwrapped", "wrapped"]

CLAUDE = "anthropic:claude"
"""The name that stands for whoever signed with a signature of Anthropic's: any Claude, since all of them take it."""

_MARK = "resilient-stream."


class Proof(msgspec.Struct, frozen=True, omit_defaults=True):
    """Says whose a proof is, and by what its provider knows it again. call: the id of the tool call that it belongs
    to."""

    target: str
    signature: str | None = None
    redacted: str | None = None
    call: str | None = None


_encode = msgspec.json.Encoder().encode
_DECODER = msgspec.json.Decoder(Proof)


def is_claudes(target: str) -> bool:
    """Return whether a target's signatures are Anthropic's own, wherever it is served."""
    return bool(target) and families_of(target).signed == "claude"


def wrapped(proof: Proof) -> str:
    """Return a proof as a text that a client sends back unchanged."""
    return _MARK + base64.urlsafe_b64encode(_encode(proof)).decode()


def unwrapped(text: str) -> Proof | None:
    """Return the proof in such a text; None for a signature of Anthropic's, and for what is broken."""
    if not text.startswith(_MARK):
        return None
    try:
        return _DECODER.decode(base64.urlsafe_b64decode(text.removeprefix(_MARK)))
    except (msgspec.MsgspecError, binascii.Error, ValueError):
        return Proof("")
