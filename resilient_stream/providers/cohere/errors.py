"""Holds what only Cohere says of errors: its rows over the shared rules.

A row is here only when it would be wrong at other providers, or is a code that means nothing without the provider's
manual. What generalises goes to `classify.generic`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...classify.generic import GENERIC
from ...classify.rules import make_rules
from ...failures import ErrorKind

__all__ = ["ROWS", "RULES"]

_K = ErrorKind

ROWS: Mapping[str, Any] = {
    "statuses": {498: _K.AUTHENTICATION},
    "codes": {_K.MODEL_OUTPUT_INVALID: "INVALID_TOOL_GENERATION"},
}
RULES = make_rules(**ROWS, over=GENERIC)
