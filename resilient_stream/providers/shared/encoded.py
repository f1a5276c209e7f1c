"""Reads bytes that an answer has as base64 text."""

from __future__ import annotations

import binascii
from typing import Any

__all__ = ["bytes_of"]

_URL_SAFE = str.maketrans("-_", "+/")


def bytes_of(value: Any) -> bytes | None:
    """Return the bytes of a base64 text, also of one without padding; None for anything else."""
    if not isinstance(value, str) or not value:
        return None
    text = value.translate(_URL_SAFE).rstrip("=")
    try:
        return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=False)
    except (binascii.Error, ValueError):
        return None
