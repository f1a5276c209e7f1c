"""Says what each reason means with which Gemini ends an answer.

A finish reason is good only if this file lists it as good. Any other one is a failure, since Google adds reasons for
answers that went wrong more often than for ones that went well.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ...chunks import FinishReason
from ...failures import ErrorKind, Failure

__all__ = ["FAILED_REASONS", "FINISH_REASONS", "failure_of", "name_of"]

FINISH_REASONS: Mapping[str, tuple[FinishReason, str | None]] = {
    "STOP": ("stop", None),
    "MAX_TOKENS": ("length", "output_truncated"),
    "SAFETY": ("content_filter", "content_filtered"),
    "PROHIBITED_CONTENT": ("content_filter", "content_filtered"),
    "BLOCKLIST": ("content_filter", "content_filtered"),
    "SPII": ("content_filter", "content_filtered"),
    "MODEL_ARMOR": ("content_filter", "content_filtered"),
    "RECITATION": ("content_filter", "content_filtered"),
    "LANGUAGE": ("content_filter", "content_filtered"),
    "IMAGE_SAFETY": ("content_filter", "content_filtered"),
    "IMAGE_PROHIBITED_CONTENT": ("content_filter", "content_filtered"),
    "IMAGE_RECITATION": ("content_filter", "content_filtered"),
}
"""The reasons that are known to be good, and the kind when the answer is not a whole one. The filters'
reasons are an answer only when a part of it came before them; else see `_BLOCKED`."""

FAILED_REASONS: Mapping[str, ErrorKind] = {
    "MALFORMED_FUNCTION_CALL": ErrorKind.MODEL_OUTPUT_INVALID,
    "UNEXPECTED_TOOL_CALL": ErrorKind.MODEL_OUTPUT_INVALID,
    "MALFORMED_RESPONSE": ErrorKind.MODEL_OUTPUT_INVALID,
    "OTHER": ErrorKind.MODEL_OUTPUT_INVALID,
    "IMAGE_OTHER": ErrorKind.MODEL_OUTPUT_INVALID,
    "NO_IMAGE": ErrorKind.MODEL_OUTPUT_INVALID,
    "TOO_MANY_TOOL_CALLS": ErrorKind.OUTPUT_TRUNCATED,
    "MISSING_THOUGHT_SIGNATURE": ErrorKind.INVALID_REQUEST,
    "PUP_LIMITED_DISABLED": ErrorKind.PERMISSION_DENIED,
}
"""Reasons that mean a failure. A reason in neither table is a server error, which is retried."""

# Reasons for which a filter left no answer at all. Recitation depends on the sampling, so another try may pass.
_BLOCKED: Mapping[str, Failure] = {
    "RECITATION": Failure(kind=ErrorKind.CONTENT_FILTERED, retry=True, fallback=True),
    "IMAGE_RECITATION": Failure(kind=ErrorKind.CONTENT_FILTERED, retry=True, fallback=True),
    "LANGUAGE": Failure(kind=ErrorKind.MODEL_OUTPUT_INVALID),
}


# The finish message of these kinds is about the request or the account, so it may be shown. Others may quote the model.
_QUOTABLE = (ErrorKind.INVALID_REQUEST, ErrorKind.PERMISSION_DENIED)

# Older deployments send the enum's number; only these five are the same in all of Google's APIs.
_NUMBERED = ("", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER")


def name_of(reason: str | int | None) -> str:
    """Return a finish reason's name; empty when there is none or only the enum's placeholder."""
    if isinstance(reason, int):
        return _NUMBERED[reason] if 0 <= reason < len(_NUMBERED) else str(reason)
    name = (reason or "").upper()
    return "" if name == "FINISH_REASON_UNSPECIFIED" else name


def failure_of(reason: str, message: str, answered: bool) -> Failure | None:
    """Return the failure that a finish reason means, or None when it ends an answer. answered: a part of one came
    before it."""
    if reason not in FINISH_REASONS:
        kind = FAILED_REASONS.get(reason, ErrorKind.SERVER_ERROR)
        return Failure(kind=kind, code=reason, detail=message if kind in _QUOTABLE else "")
    if FINISH_REASONS[reason][0] == "content_filter" and not answered:
        blocked = _BLOCKED.get(reason) or Failure(kind=ErrorKind.CONTENT_FILTERED)
        return msgspec.structs.replace(blocked, code=reason)
    return None
