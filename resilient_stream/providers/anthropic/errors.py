"""Holds what only Anthropic and its program say of errors: their rows over the shared rules.

A row is here only when it would be wrong at other providers, or is a code that means nothing without the provider's
manual. What generalises goes to `classify.generic`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...classify.generic import GENERIC
from ...classify.rules import make_rules, phrase
from ...failures import ErrorKind

__all__ = ["CLAUDE_CODE", "CLAUDE_CODE_ROWS", "ROWS", "RULES"]

_K = ErrorKind

ROWS: Mapping[str, Any] = {
    # `api_error` comes with 503 too, when a part of theirs is broken; load is `overloaded_error`.
    "types": {_K.SERVER_ERROR: "api_error"},
    "codes": {_K.PERMISSION_DENIED: "cmek_key_disabled"},
}
RULES = make_rules(**ROWS, over=GENERIC)

CLAUDE_CODE_ROWS: Mapping[str, Any] = {
    "phrases": (
        phrase(_K.AUTHENTICATION, r"run /login|claude login|not logged in|oauth token"),
        phrase(_K.QUOTA_EXHAUSTED, r"usage limit reached|hit your limit"),
    ),
}
CLAUDE_CODE = make_rules(**CLAUDE_CODE_ROWS, over=RULES)
