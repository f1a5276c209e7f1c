"""Writes reasoning as an item of the Responses API, and reads it back: its proof travels in `encrypted_content`,
whoever made it.

A client that keeps nothing at the provider sends the items of earlier answers back. So a proof of Anthropic's comes
back to Anthropic, with the name of the target that it came from; no other vendor is sent it. What a client could forge
here is no more than it could write into its own messages.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from ...messages import ReasoningPart

__all__ = ["reasoning_of", "sealed"]

_MARK = "resilient-stream:"


class _Proof(msgspec.Struct, omit_defaults=True):
    """Holds what is sealed. by: the target that it came from, "provider:model"."""

    by: str | None = None
    signature: str | None = None
    redacted: str | None = None


def sealed(target: str, signature: str | None, redacted: str | None) -> str:
    """Return the proof of a piece of reasoning as a text that a client passes on without looking."""
    proof = msgspec.json.encode(_Proof(target or None, signature, redacted))
    return _MARK + base64.b64encode(proof).decode()


def reasoning_of(item: Mapping[str, Any]) -> ReasoningPart:
    """Return a reasoning item as a part of an assistant's turn. One that OpenAI sealed goes back to its models only."""
    texts = [*_texts(item.get("summary")), *_texts(item.get("content"))]
    proof = _proof(item)
    return ReasoningPart(
        text="\n\n".join(texts), signature=proof.signature, redacted=proof.redacted, signed_by=proof.by
    )


def _proof(item: Mapping[str, Any]) -> _Proof:
    content = item.get("encrypted_content")
    if not isinstance(content, str) or not content:
        return _Proof()
    if not content.startswith(_MARK):
        own = {"id": str(item.get("id") or ""), "encrypted_content": content}
        return _Proof("openai-responses:", msgspec.json.encode(own).decode())
    try:
        return msgspec.json.decode(base64.b64decode(content.removeprefix(_MARK)), type=_Proof)
    except (ValueError, msgspec.MsgspecError):
        return _Proof()


def _texts(parts: Any) -> list[str]:
    found = parts if isinstance(parts, list) else ()
    return [part["text"] for part in found if isinstance(part, Mapping) and isinstance(part.get("text"), str)]
