"""Reads the body of a request of any of the APIs as a JSON object, within one bound."""

from __future__ import annotations

from typing import Any

import msgspec

from .refused import Refused

__all__ = ["MAX_BODY", "body_of"]

MAX_BODY = 64 * 1024 * 1024
"""Bytes of one request at most, files in it included."""


def body_of(data: bytes, limit: int = MAX_BODY) -> dict[str, Any]:
    """Return the JSON object of a request's body. Raises Refused."""
    if len(data) > limit:
        raise Refused(f"The request has {len(data):,} bytes, and {limit:,} are taken at most.", status=413)
    try:
        body = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused("The body of the request is not valid JSON.") from None
    if not isinstance(body, dict):
        raise Refused("The body of the request has to be a JSON object.")
    return body
